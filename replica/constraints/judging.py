"""Who says what a condition makes of rows: we do where we can read it, a server where we cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.checks import NotReadableError, columns_of, holds, is_true, texts_of
from replica.databases.base import Evaluate
from replica.schema.model import Check, Table

Mask = npt.NDArray[np.bool_]
Columns = Mapping[str, pa.Array]

_NAMES = re.compile(r"'(?:[^']|'')*'|\"((?:[^\"]|\"\")*)\"|([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Judge:
    """Evaluates the conditions of one table.

    Attributes:
        table: the table.
        evaluate: a server's evaluation, for what is not understood here; None where there is no server to ask.
    """

    table: Table
    evaluate: Evaluate | None = None

    def broken(self, expression: str, columns: Columns) -> Mask:
        """Returns the rows that break a check, none where nobody can say: shape (rows,)."""
        n = len(next(iter(columns.values())))
        try:
            return ~holds(expression, columns, n)
        except NotReadableError:
            answer = self._ask(f"({expression})::text", columns)
        if answer is None:
            return np.zeros(n, dtype=bool)
        return np.asarray(pc.fill_null(pc.equal(answer, "false"), False))

    def counted(self, predicate: str, columns: Columns) -> Mask:
        """Returns the rows that a partial index holds, all where nobody can say: shape (rows,)."""
        n = len(next(iter(columns.values())))
        try:
            return is_true(predicate, columns, n)
        except NotReadableError:
            answer = self._ask(f"({predicate})::text", columns)
        if answer is None:
            return np.ones(n, dtype=bool)
        return np.asarray(pc.fill_null(pc.equal(answer, "true"), False))

    def texts(self, expression: str, columns: Columns) -> pa.Array:
        """Evaluates a part of an index; what comes out is equal where the server's values are.

        Raises:
            NotReadableError: nobody can evaluate it.
        """
        n = len(next(iter(columns.values())))
        try:
            return texts_of(expression, columns, n)
        except NotReadableError:
            answer = self._ask(f"({expression})::text", columns)
            if answer is None:
                raise
        return answer

    def _ask(self, expression: str, columns: Columns) -> pa.Array | None:
        if self.evaluate is None:
            return None
        read = reads(expression, self.table)
        if not read or any(name not in columns for name in read):
            return None
        return _once_each(expression, {name: columns[name] for name in read}, self)


def _once_each(expression: str, columns: Columns, judge: Judge) -> pa.Array | None:
    """Asks the server for every different combination of values once."""
    assert judge.evaluate is not None  # noqa: S101 - asked by the caller
    if len(columns) > 1:
        return judge.evaluate(judge.table, expression, columns)
    ((name, values),) = columns.items()
    if not pa.types.is_string(values.type):
        return judge.evaluate(judge.table, expression, columns)
    encoded = values.dictionary_encode(null_encoding="encode")
    answer = judge.evaluate(judge.table, expression, {name: encoded.dictionary})
    return None if answer is None else answer.take(encoded.indices)


def reads(expression: str, table: Table) -> tuple[str, ...]:
    """Returns the columns of a table that an SQL expression reads."""
    try:
        found = columns_of(expression)
    except NotReadableError:
        # Not even its syntax is understood: every word that is a column's name may be one.
        words = (match[1] or match[2] for match in _NAMES.finditer(expression))
        found = frozenset(word.replace('""', '"') for word in words if word)
    return tuple(name for name in table.by_name if name in found)


def reads_of(check: Check, table: Table) -> tuple[str, ...]:
    """Returns the columns that a check reads: the catalog knows, and the expression itself where it does not."""
    return check.columns or reads(check.expression, table)
