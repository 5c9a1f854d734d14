"""EXCLUDE constraints that speak of equality alone: unique rules under another name, and columns that must agree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from replica.constraints.judging import Judge, reads
from replica.constraints.unique import Rule, part_numbers
from replica.kinds.base import is_null
from replica.schema.model import Exclusion, Table, Unique, quote_name

_DEFINITION = re.compile(
    r"EXCLUDE USING \w+ \((?P<parts>.*?)\)(?: WHERE \((?P<where>.*)\))?(?: DEFERRABLE.*)?\Z", re.DOTALL
)
_PART = re.compile(r"(?P<expression>.+?)(?: \w+_ops)? WITH (?P<operator>\S+)\Z", re.DOTALL)


@dataclass(frozen=True)
class Parts:
    """An EXCLUDE constraint taken apart.

    Attributes:
        parts: expressions in SQL, each with the operator that compares it.
        predicate: which rows count; None for all.
    """

    parts: tuple[tuple[str, str], ...]
    predicate: str | None

    def compared(self, operator: str) -> tuple[str, ...]:
        """Returns the expressions that an operator compares."""
        return tuple(expression for expression, found in self.parts if found == operator)


def parts_of(exclusion: Exclusion) -> Parts | None:
    """Takes an EXCLUDE constraint apart; None where it cannot be read."""
    found = _DEFINITION.match(exclusion.definition)
    parts = [_PART.match(part) for part in _split(found["parts"])] if found else []
    if found is None or not all(parts):
        return None
    return Parts(tuple((part["expression"], part["operator"]) for part in parts if part), found["where"])


def _split(parts: str) -> list[str]:
    """Splits at commas that stand in no parentheses and no quotes."""
    found, depth, quoted = [""], 0, ""
    for letter in parts:
        if quoted:
            quoted = "" if letter == quoted else quoted
        elif letter in "'\"":
            quoted = letter
        depth += (letter == "(") - (letter == ")") if not quoted else 0
        if letter == "," and depth == 0 and not quoted:
            found.append("")
        else:
            found[-1] += letter
    return [part.strip() for part in found]


def as_unique(exclusion: Exclusion, table: Table) -> Unique | None:
    """Returns the unique rule that an EXCLUDE constraint of equal parts only is; None for another one."""
    found = parts_of(exclusion)
    if found is None or len(found.compared("=")) != len(found.parts):
        return None
    keys = found.compared("=")
    plain = {quote_name(name): name for name in table.by_name}
    if all(key in plain for key in keys):
        return Unique(exclusion.name, tuple(plain[key] for key in keys), predicate=found.predicate)
    columns = tuple(dict.fromkeys(name for key in keys for name in reads(key, table)))
    return Unique(exclusion.name, columns, expressions=keys, predicate=found.predicate)


@dataclass(frozen=True)
class Agreement:
    """What an EXCLUDE constraint asks for that ends in an inequality: rows that are equal elsewhere agree in a column.

    Attributes:
        equal: what must be equal for two rows to have to agree, as a key.
        column: the column in which they agree.
    """

    equal: Unique
    column: str

    def read_by(self, table: Table) -> tuple[str, ...]:
        """Returns the columns that decide whether rows agree."""
        predicate = self.equal.predicate
        return tuple(dict.fromkeys((*self.equal.columns, *(reads(predicate, table) if predicate else ()), self.column)))


def agreement_of(exclusion: Exclusion, table: Table) -> Agreement | None:
    """Reads an EXCLUDE constraint; None where it is of another form than one column that differs within groups."""
    found = parts_of(exclusion)
    differing = found.compared("<>") if found else ()
    plain = {quote_name(name): name for name in table.by_name}
    if found is None or len(differing) != 1 or differing[0] not in plain:
        return None
    equal = found.compared("=")
    if not equal or len(equal) + 1 != len(found.parts):
        return None
    columns = tuple(dict.fromkeys(name for key in equal for name in reads(key, table)))
    return Agreement(Unique(exclusion.name, columns, expressions=equal, predicate=found.predicate), plain[differing[0]])


def keep_agreement(agreement: Agreement, judge: Judge, columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Gives the rows of each group the value of its first row that has one; a null differs from nothing.

    Args:
        agreement: what must hold.
        judge: evaluates the equal parts and the predicate.
        columns: what :meth:`Agreement.read_by` names; of equal length.

    Returns:
        The column that was changed; nothing where all rows agree.
    """
    values, rule = columns[agreement.column], Rule(judge, agreement.equal, ())
    groups = part_numbers(rule, agreement.equal.expressions, agreement.equal.predicate, columns, len(values))
    rows = np.flatnonzero((groups >= 0) & ~is_null(values))
    _, first, places = np.unique(groups[rows], return_index=True, return_inverse=True)
    leader = np.arange(len(values))
    leader[rows] = rows[first][places.reshape(-1)]
    agreed = values.take(pa.array(leader))
    return {} if agreed.equals(values) else {agreement.column: agreed}
