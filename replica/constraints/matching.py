"""Unique rules where there is hardly room: every row is matched with a value that keeps the rule and the checks.

Rows and the values that a column may have are the two sides of a bipartite graph; rows that repeat a key are placed by
augmenting paths, so that nearly all others stay as they are (see ``relations/augmenting``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.candidates import candidates
from replica.constraints.domains import domain_of
from replica.constraints.judging import Judge, reads_of
from replica.constraints.repair import put
from replica.relations.augmenting import Chains
from replica.relations.joins import group_numbers
from replica.relations.rules import Children, Distinct, Parents
from replica.schema.model import Check, Column, Table

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Columns = Mapping[str, pa.Array]

_MOST_VALUES = 4_000
MOST_PAIRS = 20_000_000
"""Most rows times values that are matched with each other."""


def options(table: Table, checks: Sequence[Check], name: str, columns: Columns) -> pa.Array:
    """Returns the values that a column may be given: those it has, those its checks name, and what lies between.

    Args:
        table: the table.
        checks: its checks.
        name: the column.
        columns: its values, and those of others.
    """
    found = candidates(table, checks, [name], columns)[name]
    parts = [columns[name], found, *_between(table.by_name[name], checks, columns[name])]
    return pa.concat_arrays(parts).drop_null().unique()


def _between(column: Column, checks: Sequence[Check], values: pa.Array) -> list[pa.Array]:
    """Both truths; whole numbers or days in the range that checks leave, or next to the values where it is open."""
    kind = values.type
    if pa.types.is_boolean(kind):
        return [pa.array([False, True])]
    if not (pa.types.is_integer(kind) or pa.types.is_date32(kind)) or not len(values.drop_null()):
        return []
    days = pa.types.is_date32(kind)
    plain = values.drop_null().cast(pa.int32() if days else pa.int64())
    domain = domain_of(column, checks)
    low, high = _number(domain.low, kind), _number(domain.high, kind)
    least, most = pc.min(plain).as_py(), pc.max(plain).as_py()
    start = least if low is None else low + domain.low_open
    end = (max(most, start) + len(values) + 1) if high is None else high - domain.high_open
    start = max(start, end - _MOST_VALUES) if low is None else start
    numbers = pa.array(range(start, min(end, start + _MOST_VALUES) + 1), plain.type)
    return [numbers.cast(kind)]


def _number(text: str | None, kind: pa.DataType) -> int | None:
    if text is None:
        return None
    try:
        value = pa.array([text]).cast(kind)
    except pa.ArrowInvalid:
        return None
    return int(value.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())[0].as_py())


def rematch(
    distinct: Distinct, values: pa.Array, choice: pa.Array, bad: Ints, allows: Mask | None, rng: np.random.Generator
) -> tuple[pa.Array, Ints]:
    """Gives bad rows a value that no other row of their group has, moving others where needed.

    Args:
        distinct: the rule; what stands for a parent there is a value of ``choice``.
        values: the column.
        choice: the values that it may have; those of the column are among them.
        bad: rows that repeat a key.
        allows: which value each bad or other row may have; None for any. Shape (rows, choice).
        rng: the random stream.

    Returns:
        The column, and the rows that are still without a place.
    """
    n, m = len(values), len(choice)
    now = np.array(pc.fill_null(pc.index_in(values, choice), -1), dtype=np.int64)
    chosen = now.copy()
    chosen[bad] = -1
    children = Children(np.zeros((n, 1), np.int64), np.zeros(n, np.int64), [distinct], allows=allows)
    parents = Parents(np.zeros((m, 1), np.int64), np.zeros(m, np.int64), np.ones(m, np.int64))
    chains = Chains(children, parents, chosen, rng)
    left = np.array([row for row in bad.tolist() if not chains.place(row)], dtype=np.int64)
    moved = np.flatnonzero((chains.chosen >= 0) & (chains.chosen != now))
    return put(values, moved, choice.take(pa.array(chains.chosen[moved]))), left


def allowed(judge: Judge, checks: Sequence[Check], choice: Columns, columns: Columns, n: int) -> Mask | None:
    """Returns which of some values each row may have as far as checks say: shape (rows, choice).

    Rows that agree in what the checks read else are asked about once.

    Args:
        judge: evaluates the checks.
        checks: the checks.
        choice: the values that are to be chosen from, by column; several columns go together.
        columns: the other columns that the checks read.
        n: how many rows there are.

    Returns:
        The mask; None where no check reads any of the columns.
    """
    reading = [check for check in checks if set(choice) & set(reads_of(check, judge.table))]
    if not reading:
        return None
    others = sorted({other for check in reading for other in reads_of(check, judge.table)} - set(choice))
    groups, places = _groups_of(others, columns, n)
    m = len(next(iter(choice.values())))
    trial = {other: columns[other].take(pa.array(np.repeat(places, m))) for other in others}
    trial |= {name: pa.concat_arrays([values] * len(places)) for name, values in choice.items()}
    fine = np.ones(len(places) * m, dtype=bool)
    for check in reading:
        fine &= ~judge.broken(check.expression, trial)
    mask: Mask = fine.reshape(len(places), m)[groups]
    return mask


def _groups_of(names: Sequence[str], columns: Columns, n: int) -> tuple[Ints, Ints]:
    """Numbers the rows by what they have in some columns, and finds a row of each number."""
    if not names:
        return np.zeros(n, np.int64), np.zeros(1, np.int64)
    numbers = group_numbers([columns[name] for name in names])
    _, places, groups = np.unique(numbers, return_index=True, return_inverse=True)
    return groups.reshape(-1), places
