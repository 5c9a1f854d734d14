"""Unique rules that nothing else keeps: finding rows that repeat a key, and changing them until none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.judging import Judge
from replica.constraints.repair import put
from replica.errors import UnsatisfiableError
from replica.kinds.base import is_null
from replica.relations.joins import group_numbers
from replica.schema.model import Column, Table, Unique, quote_name

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

Advance = Callable[[pa.Array, int, Ints], pa.Array | None]
"""Moves values on by a number of steps, given the rows they are in; None when there are no more."""

_DONOR_ROUNDS = 30
_STEPS = 2_000
_STEPPED = frozenset({"integer", "numeric", "date", "timestamp", "timestamptz"})


@dataclass(frozen=True)
class Rule:
    """A unique rule and the columns that may be changed to keep it.

    Attributes:
        judge: says what the key's expressions give for rows of the table.
        unique: the rule.
        changeable: columns whose values nothing else depends on.
        listed: those of them that may only have values which occur already.
    """

    judge: Judge
    unique: Unique
    changeable: tuple[str, ...]
    listed: frozenset[str] = frozenset()

    @property
    def table(self) -> Table:
        """The table."""
        return self.judge.table

    @property
    def name(self) -> str:
        """The rule's name, for messages."""
        return f"{self.table.id}.{quote_name(self.unique.name)}"


def keep_unique(rule: Rule, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> dict[str, pa.Array]:
    """Changes values so that no two rows share a key.

    Values of other rows are tried first, so that the distribution stays; then neighbouring values, one step after the
    other, which ends whenever there is room at all.

    Args:
        rule: what must hold.
        columns: all columns that the rule reads; of equal length.
        rng: the random stream.

    Returns:
        The columns that were changed.

    Raises:
        UnsatisfiableError: there is no room for all rows.
    """
    current = dict(columns)
    changed: set[str] = set()
    bad = np.flatnonzero(repeated(rule, current))
    for attempt in range(_DONOR_ROUNDS):
        if not len(bad) or not rule.changeable:
            break
        # One column at a time: a whole row of a donor would repeat the donor's key.
        name = rule.changeable[attempt % len(rule.changeable)]
        # Nulls would always do, and their share would grow.
        known = np.flatnonzero(~is_null(current[name]))
        if not len(known):
            continue
        donors = known[rng.integers(0, len(known), len(bad))]
        trial = {**current, name: put(current[name], bad, current[name].take(pa.array(donors)))}
        # A change may fall on another row's key, or take a row out of a partial rule; either way all are judged anew.
        still = np.flatnonzero(repeated(rule, trial))
        if len(still) < len(bad):
            current, bad = trial, still
            changed.add(name)
    for change in (_by_steps, _by_nulls):
        current, bad, names = change(rule, current, bad)
        changed |= names
    if len(bad):
        share = len(bad) / max(1, len(next(iter(current.values()))))
        raise UnsatisfiableError(
            f"unique rule {rule.name} cannot be kept: {share:.1%} of the rows would repeat a key;"
            " plan fewer rows, or let the schema map choose a kind with more values"
        )
    return {name: current[name] for name in changed}


def _by_steps(rule: Rule, columns: dict[str, pa.Array], bad: Ints) -> tuple[dict[str, pa.Array], Ints, set[str]]:
    """Tries neighbouring values, column by column."""
    current, changed = dict(columns), set()
    for name in rule.changeable:
        if not len(bad):
            break
        advance = _through_list(current[name]) if name in rule.listed else _advance(rule.table.by_name[name])
        if advance is not None:
            current[name], bad = _step(rule, current, name, advance, bad)
            changed.add(name)
    return current, bad, changed


def _by_nulls(rule: Rule, columns: dict[str, pa.Array], bad: Ints) -> tuple[dict[str, pa.Array], Ints, set[str]]:
    """Lets rows do without where values have run out, if they may: a null repeats nothing."""
    current, changed = dict(columns), set()
    for name in rule.changeable:
        if len(bad) and rule.unique.nulls_distinct and rule.table.by_name[name].nullable:
            current[name] = put(current[name], bad, pa.nulls(len(bad), current[name].type))
            bad = np.flatnonzero(repeated(rule, current))
            changed.add(name)
    return current, bad, changed


def repeated(rule: Rule, columns: Mapping[str, pa.Array]) -> Mask:
    """Returns which rows repeat the key of a row before them: shape (rows,)."""
    unique = rule.unique
    n = len(next(iter(columns.values())))
    keys = [rule.judge.texts(part, columns) for part in key_parts(rule.table, unique)]
    keys = keys or [comparable(columns[name], rule.table.by_name[name]) for name in unique.columns]
    counts = rule.judge.counted(unique.predicate, columns) if unique.predicate else np.ones(n, dtype=bool)
    if unique.nulls_distinct:
        for key in keys:
            counts &= ~is_null(key)
    places = np.flatnonzero(counts)
    groups = group_numbers([key.take(pa.array(places)) for key in keys]) if len(places) else places
    _, first = np.unique(groups, return_index=True)
    again = np.ones(len(places), dtype=bool)
    again[first] = False
    found = np.zeros(n, dtype=bool)
    found[places[again]] = True
    return found


def key_parts(table: Table, unique: Unique) -> tuple[str, ...]:
    """Returns the key's parts in SQL where one is an expression or computed by the server; empty otherwise."""
    if unique.expressions:
        return unique.expressions
    computed = {column.name: column.default or "NULL" for column in table.columns if column.generated}
    if not computed.keys() & set(unique.columns):
        return ()
    return tuple(computed.get(name, quote_name(name)) for name in unique.columns)


def comparable(values: pa.Array, column: Column) -> pa.Array:
    """Returns values as the server compares them: char(n) without trailing blanks, citext whatever the case."""
    if not pa.types.is_string(values.type):
        return values
    if column.type.base == "bpchar":
        return pc.utf8_rtrim_whitespace(values)
    return pc.utf8_lower(values) if column.type.base == "citext" else values


def _step(rule: Rule, columns: dict[str, pa.Array], name: str, advance: Advance, bad: Ints) -> tuple[pa.Array, Ints]:
    """Moves the values of bad rows on, step by step, until each finds a place."""
    values = columns[name]
    for step in range(1, _STEPS):
        if not len(bad):
            break
        moved = advance(columns[name].take(pa.array(bad)), step, bad)
        if moved is None:
            break
        values = put(values, bad, moved)
        # Rows that found a place stay there.
        bad = np.flatnonzero(repeated(rule, {**columns, name: values}))
    return values, bad


def _through_list(values: pa.Array) -> Advance:
    """Goes through the values that occur, each row from another place on."""
    listed = values.drop_null().unique()

    def nth(found: pa.Array, step: int, rows: Ints) -> pa.Array | None:  # noqa: ARG001 - one signature for all
        return listed.take(pa.array((rows + step) % len(listed))) if 0 < len(listed) >= step else None

    return nth


def _advance(column: Column) -> Advance | None:
    """What moves a value of the column's type on by some steps; None where values have no order to move in."""
    family = column.type.family
    if family in _STEPPED:
        return _plus
    if family == "text":
        limit = column.type.length

        def suffixed(values: pa.Array, step: int, rows: Ints) -> pa.Array:
            texts = [
                _suffixed(text or "", row if step == 1 else row * _STEPS + step, limit)
                for text, row in zip(values.to_pylist(), rows.tolist(), strict=True)
            ]
            return pa.array(texts, values.type)

        return suffixed
    return None


def _plus(values: pa.Array, step: int, rows: Ints) -> pa.Array | None:  # noqa: ARG001 - one signature for all types
    kind = values.type
    if pa.types.is_string(kind):
        # Infinite moments and special numbers come as text, which has no next value.
        return None
    if pa.types.is_date32(kind):
        return pc.add(values.cast(pa.int32()), pa.scalar(step, pa.int32())).cast(kind)
    if pa.types.is_timestamp(kind):
        return pc.add(values.cast(pa.int64()), pa.scalar(step * 1_000_000)).cast(kind)
    if pa.types.is_decimal(kind):
        # One unit of the last digit; a wider type for the sum, which may have a digit more.
        unit = pa.scalar(Decimal(step).scaleb(-kind.scale)).cast(pa.decimal256(38, kind.scale))
        return pc.add(values.cast(pa.decimal256(38, kind.scale)), unit).cast(kind)
    return pc.add(values, pa.scalar(step, kind))


def _suffixed(text: str, number: int, limit: int | None) -> str:
    suffix = str(number)
    return text + suffix if limit is None else text[: max(0, limit - len(suffix))] + suffix[-limit:]
