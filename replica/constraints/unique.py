"""Unique rules that nothing else keeps: finding rows that repeat a key, and changing them until none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.domains import domain_of
from replica.constraints.judging import Judge, reads
from replica.constraints.matching import MOST_PAIRS, allowed, options, rematch
from replica.constraints.neighbours import is_movable, moved
from replica.constraints.repair import put
from replica.errors import UnsatisfiableError
from replica.kinds.base import is_null
from replica.relations.joins import group_numbers
from replica.relations.rules import Distinct
from replica.schema.model import Check, Column, Table, Unique, quote_name

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Columns = dict[str, pa.Array]

Advance = Callable[[pa.Array, int, Ints], pa.Array | None]
"""Moves values on by a number of steps, given the rows they are in; None when there are no more."""

_DONOR_ROUNDS = 30
_STEPS = 2_000
# Of these, how many move a moment by seconds.
_SECONDS = 60
_STEPPED = frozenset({"integer", "float", "numeric", "date", "timestamp", "timestamptz"})


@dataclass(frozen=True)
class Rule:
    """A unique rule and the columns that may be changed to keep it.

    Attributes:
        judge: says what the key's expressions give for rows of the table.
        unique: the rule.
        changeable: columns whose values nothing else depends on.
        listed: those of them that may only have values out of a list.
        known: their lists, as far as these hold more than what occurs already.
        checks: checks that read one of them, and that rows must keep.
    """

    judge: Judge
    unique: Unique
    changeable: tuple[str, ...]
    listed: frozenset[str] = frozenset()
    known: Mapping[str, pa.Array] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

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
        columns: all columns that the rule and its checks read; of equal length.
        rng: the random stream.

    Returns:
        The columns that were changed.

    Raises:
        UnsatisfiableError: there is no room for all rows.
    """
    current = dict(columns)
    bad = np.flatnonzero(repeated(rule, current))
    for keep in (_with_donors, _stepped, _all_matched, _by_nulls):
        if len(bad):
            current, bad = keep(rule, current, bad, rng)
    if len(bad):
        share = len(bad) / max(1, len(next(iter(current.values()))))
        raise UnsatisfiableError(
            f"unique rule {rule.name} ({_definition(rule.unique)}) cannot be kept: {share:.1%} of the rows would repeat"
            " a key or break a check; plan fewer rows, or let the schema map choose a kind with more values"
        )
    return {name: current[name] for name in rule.changeable if current[name] is not columns[name]}


def _with_donors(rule: Rule, columns: Columns, bad: Ints, rng: np.random.Generator) -> tuple[Columns, Ints]:
    """Tries the values of other rows."""
    for attempt in range(_DONOR_ROUNDS):
        if not len(bad) or not rule.changeable:
            break
        # One column at a time: a whole row of a donor would repeat the donor's key.
        name = rule.changeable[attempt % len(rule.changeable)]
        # Nulls would always do, and their share would grow.
        known = np.flatnonzero(~is_null(columns[name]))
        if not len(known):
            continue
        donors = known[rng.integers(0, len(known), len(bad))]
        trial = {**columns, name: put(columns[name], bad, columns[name].take(pa.array(donors)))}
        # A change may fall on another row's key, or take a row out of a partial rule; either way all are judged anew.
        still = np.flatnonzero(_offends(rule, trial))
        if len(still) < len(bad):
            columns, bad = trial, still
    return columns, bad


def _stepped(rule: Rule, columns: Columns, bad: Ints, rng: np.random.Generator) -> tuple[Columns, Ints]:  # noqa: ARG001
    """Tries neighbouring values."""
    for name in rule.changeable:
        for advance in _advances(rule, name, columns[name]):
            values, still = _step(rule, columns, name, advance, bad)
            # What is left of it would only stand in the way of what comes next.
            if len(still) < len(bad):
                columns, bad = {**columns, name: values}, still
    return columns, bad


def _advances(rule: Rule, name: str, values: pa.Array) -> list[Advance]:
    """The ways to move the values of a column on."""
    if name not in rule.listed:
        return [advance] if (advance := _advance(rule, name)) is not None else []
    # Some may also be made of parts that no value had together.
    column = rule.table.by_name[name]
    new = [_along] if column.type.family in ("array", "other") and is_movable(column) else []
    return [_through_list(rule.known.get(name, values)), *new]


def _all_matched(rule: Rule, columns: Columns, bad: Ints, rng: np.random.Generator) -> tuple[Columns, Ints]:
    """Moves other rows too."""
    for name in rule.changeable:
        if len(bad):
            values, bad = _matched(rule, columns, name, bad, rng)
            columns = {**columns, name: values}
    return columns, bad


def _by_nulls(rule: Rule, columns: Columns, bad: Ints, rng: np.random.Generator) -> tuple[Columns, Ints]:  # noqa: ARG001
    """Lets rows do without where values have run out, if they may: a null repeats nothing."""
    for name in rule.changeable:
        if len(bad) and rule.unique.nulls_distinct and rule.table.by_name[name].nullable:
            trial = {**columns, name: put(columns[name], bad, pa.nulls(len(bad), columns[name].type))}
            still = np.flatnonzero(_offends(rule, trial))
            if len(still) < len(bad):
                columns, bad = trial, still
    return columns, bad


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


def _step(rule: Rule, columns: Columns, name: str, advance: Advance, bad: Ints) -> tuple[pa.Array, Ints]:
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
        bad = np.flatnonzero(_offends(rule, {**columns, name: values}))
    return values, bad


def _offends(rule: Rule, columns: Mapping[str, pa.Array]) -> Mask:
    """Which rows repeat a key, or break a check."""
    found = repeated(rule, columns)
    for check in rule.checks:
        found |= rule.judge.broken(check.expression, columns)
    return found


def _matched(
    rule: Rule, columns: Mapping[str, pa.Array], name: str, bad: Ints, rng: np.random.Generator
) -> tuple[pa.Array, Ints]:
    """Places bad rows by moving others too, as far as one column decides about the rule."""
    choice = options(rule.table, rule.checks, name, columns)
    if rule.table.by_name[name].nullable and not rule.unique.nulls_distinct:
        # Where nulls repeat each other, null is a value like any other.
        choice = pa.concat_arrays([choice, pa.nulls(1, choice.type)])
    distinct = _as_distinct(rule, columns, name, choice)
    if distinct is None or len(choice) * len(columns[name]) > MOST_PAIRS:
        return columns[name], bad
    may = allowed(rule.judge, rule.checks, {name: choice}, columns, len(columns[name]))
    values, _ = rematch(distinct, columns[name], choice, bad, may, rng)
    return values, np.flatnonzero(_offends(rule, {**columns, name: values}))


def _as_distinct(rule: Rule, columns: Mapping[str, pa.Array], name: str, choice: pa.Array) -> Distinct | None:
    """The rule in terms of one column's values; None where an expression mixes them with others."""
    unique, table = rule.unique, rule.table
    parts = key_parts(table, unique) or tuple(quote_name(column) for column in unique.columns)
    read = {part: set(reads(part, table)) for part in (*parts, *([unique.predicate] if unique.predicate else []))}
    if any(name in names and names != {name} for names in read.values()) or name not in set().union(*read.values()):
        return None
    inner, outer = [part for part in parts if name in read[part]], [part for part in parts if name not in read[part]]
    predicate = unique.predicate
    within = predicate if predicate and name in read[predicate] else None
    group = part_numbers(rule, outer, predicate if within is None else None, columns, len(columns[name]))
    return Distinct(group, part_numbers(rule, inner, within, {name: choice}, len(choice)))


def part_numbers(
    rule: Rule, parts: Sequence[str], predicate: str | None, columns: Mapping[str, pa.Array], n: int
) -> Ints:
    """Numbers what rows have in some parts of a key; -1 where they do not count. Shape (rows,).

    Args:
        rule: the rule.
        parts: columns, as SQL writes them, or expressions.
        predicate: the condition under which rows count; None where all do.
        columns: what the parts and the predicate read.
        n: how many rows there are.
    """
    plain = {quote_name(name): name for name in rule.table.by_name}
    values = [
        comparable(columns[plain[part]], rule.table.by_name[plain[part]])
        if part in plain
        else rule.judge.texts(part, columns)
        for part in parts
    ]
    numbers = group_numbers(values) if values else np.zeros(n, np.int64)
    counts = rule.judge.counted(predicate, columns) if predicate and n else np.ones(n, dtype=bool)
    if rule.unique.nulls_distinct:
        for found in values:
            counts &= ~is_null(found)
    return np.where(counts, numbers, -1)


def _definition(unique: Unique) -> str:
    """The rule as SQL writes it."""
    parts = ", ".join(unique.expressions or map(quote_name, unique.columns))
    return parts + (f" WHERE {unique.predicate}" if unique.predicate else "")


def _through_list(values: pa.Array) -> Advance:
    """Goes through the values that occur, each row from another place on."""
    listed = values.drop_null().unique()

    def nth(found: pa.Array, step: int, rows: Ints) -> pa.Array | None:  # noqa: ARG001 - one signature for all
        return listed.take(pa.array((rows + step) % len(listed))) if 0 < len(listed) >= step else None

    return nth


def _advance(rule: Rule, name: str) -> Advance | None:
    """What moves a value of the column's type on by some steps; None where values have no order to move in."""
    column = rule.table.by_name[name]
    family = column.type.family
    if family in _STEPPED:
        return _plus
    if family == "text":
        limit = domain_of(column, rule.checks).max_length

        def suffixed(values: pa.Array, step: int, rows: Ints) -> pa.Array:
            texts = [
                _suffixed(text or "", row if step == 1 else row * _STEPS + step, limit)
                for text, row in zip(values.to_pylist(), rows.tolist(), strict=True)
            ]
            return pa.array(texts, values.type)

        return suffixed
    if family == "uuid":
        return _next_uuid
    if family == "bit":
        return _next_bits
    return _along if is_movable(column) else None


def _along(values: pa.Array, step: int, rows: Ints) -> pa.Array | None:
    if not pa.types.is_string(values.type):
        return None
    texts = [
        None if text is None else moved(text, step, row)
        for text, row in zip(values.to_pylist(), rows.tolist(), strict=True)
    ]
    # What cannot move stays, and is judged as it is.
    return pc.coalesce(pa.array(texts, pa.string()), values.cast(pa.string()))


def _next_bits(values: pa.Array, step: int, rows: Ints) -> pa.Array:  # noqa: ARG001 - one signature for all types
    texts = values.to_pylist()
    return pa.array([None if not text else f"{(int(text, 2) + step) % 2 ** len(text):0{len(text)}b}" for text in texts],
                    values.type)  # fmt: skip


def _next_uuid(values: pa.Array, step: int, rows: Ints) -> pa.Array | None:  # noqa: ARG001 - one signature for all types
    if pa.types.is_string(values.type):
        texts = [None if text is None else str(UUID(int=UUID(text).int ^ step)) for text in values.to_pylist()]
        return pa.array(texts, values.type)
    numbers = [None if value is None else int.from_bytes(value) ^ step for value in values.to_pylist()]
    return pa.array([None if number is None else number.to_bytes(16) for number in numbers], values.type)


def _plus(values: pa.Array, step: int, rows: Ints) -> pa.Array | None:  # noqa: ARG001 - one signature for all types
    kind = values.type
    if pa.types.is_string(kind):
        # Infinite moments and special numbers come as text, which has no next value.
        return None
    if pa.types.is_date32(kind):
        return pc.add(values.cast(pa.int32()), pa.scalar(step, pa.int32())).cast(kind)
    if pa.types.is_timestamp(kind):
        # First by seconds, then by days, since a rule may look at nothing finer.
        seconds = step if step <= _SECONDS else (step - _SECONDS) * 86_400
        return pc.add(values.cast(pa.int64()), pa.scalar(seconds * 1_000_000)).cast(kind)
    if pa.types.is_decimal(kind):
        # One unit of the last digit; a wider type for the sum, which may have a digit more.
        unit = pa.scalar(Decimal(step).scaleb(-kind.scale)).cast(pa.decimal256(38, kind.scale))
        return pc.add(values.cast(pa.decimal256(38, kind.scale)), unit).cast(kind)
    return pc.add(values, pa.scalar(step, kind))


def _suffixed(text: str, number: int, limit: int | None) -> str:
    suffix = str(number)
    return text + suffix if limit is None else text[: max(0, limit - len(suffix))] + suffix[-limit:]
