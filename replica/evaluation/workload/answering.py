"""Queries answered in numpy, on rows that were read: on random halves, and on the floor, which no server has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Ground, Side, Values
from replica.evaluation.halves import GROUPS
from replica.evaluation.views import take
from replica.evaluation.workload.query import Condition, Group, Measure, Place, Query
from replica.schema.model import Table

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_DAY_US, _ENDLESS = 86_400_000_000, 100_000_000

ROWS, KNOWN, SUM = 0, 1, 2
"""What is tallied of each cell: its rows, those with a value to add up, and the sum."""


@dataclass(frozen=True)
class Reached:
    """The rows of one side that a query goes over.

    Attributes:
        query: the query.
        side: the side.
    """

    query: Query
    side: Side

    @cached_property
    def rows(self) -> tuple[Ints, ...]:
        """For each table of the query the row beside each row of the first one, negative for none: shape (rows,)."""
        found = [np.arange(len(self.side[self.query.table]))]
        for join in self.query.joins:
            step = self.side[join.key.child].parents[join.key.id]
            at = found[join.start]
            found.append(np.where(at >= 0, step[np.maximum(at, 0)] if len(step) else -1, -1))
        return tuple(found)

    def values(self, place: Place) -> Values:
        """Returns a column's values beside the rows of the first table: shape (rows,)."""
        return take(self.side[self.query.tables[place.table]].values[place.name], self.rows[place.table])

    @cached_property
    def joined(self) -> Mask:
        """Which rows of the first table lead to one of every other table: shape (rows,)."""
        return np.asarray(np.all([rows >= 0 for rows in self.rows], axis=0))

    @cached_property
    def kept(self) -> Mask:
        """Which rows meet the conditions too: shape (rows,)."""
        kept = self.joined
        for condition in self.query.conditions:
            kept = kept & holds(condition, self.values(condition.place))
        return kept


def is_null(values: Values) -> Mask:
    """Returns where there is no value: shape (rows,)."""
    return np.isnan(values) if values.dtype == np.float64 else values < 0


def holds(condition: Condition, values: Values) -> Mask:
    """Returns which values meet a condition; null meets none but to be null. Shape (rows,)."""
    constants = condition.constants
    match condition.comparison:
        case "is null":
            return is_null(values)
        case "is not null":
            return ~is_null(values)
        case "<=":
            found = values <= constants[0]
        case ">=":
            found = values >= constants[0]
        case "between":
            found = (values >= constants[0]) & (values <= constants[1])
        case _:
            found = np.isin(values, constants)
    return np.asarray(found)


def tally(query: Query, ground: Ground, dealt: Sequence[Ints]) -> tuple[Floats, ...]:
    """Answers a query on every side for each group of rows, so that answers of halves are sums.

    Args:
        query: the query.
        ground: all sides.
        dealt: the group of each row of the query's first table on every side, -1 for none; see
            :func:`~replica.evaluation.halves.deal`.

    Returns:
        For each side shape (groups, cells + 1, 3): the first cell has all rows of the table, the others have rows,
        known values and sums of each group that the query makes on any side.
    """
    sides = [Reached(query, side) for side in ground.sides]
    rows = [np.flatnonzero(side.kept & (group >= 0)) for side, group in zip(sides, dealt, strict=True)]
    cells, size = _cells(ground, sides, rows)
    return tuple(_tallied(*one, size=size) for one in zip(sides, rows, cells, dealt, strict=True))


def measured(measure: Measure, cells: Floats) -> Floats:
    """Returns what cells answer, not a number for the average of nothing: shape (cells,)."""
    if measure == "count":
        return cells[:, ROWS]
    if measure == "sum":
        return cells[:, SUM]
    nothing = np.full(len(cells), np.nan)
    return np.asarray(np.divide(cells[:, SUM], cells[:, KNOWN], out=nothing, where=cells[:, KNOWN] > 0))


def _tallied(side: Reached, rows: Ints, cells: Ints, dealt: Ints, size: int) -> Floats:
    found = np.zeros((GROUPS, size + 1, 3))
    found[:, 0, ROWS] = np.bincount(dealt[dealt >= 0], minlength=GROUPS)
    where = dealt[rows] * size + cells
    found[:, 1:, ROWS] = _counted(where, size)
    if side.query.of is not None:
        values = side.values(side.query.of)[rows].astype(np.float64)
        known = ~np.isnan(values)
        found[:, 1:, KNOWN] = _counted(where[known], size)
        found[:, 1:, SUM] = _counted(where[known], size, values[known])
    return found


def _counted(where: Ints, size: int, weights: Floats | None = None) -> Floats:
    counts = np.bincount(where, weights=weights, minlength=GROUPS * size)
    return counts.astype(np.float64).reshape(GROUPS, size)


def _cells(ground: Ground, sides: Sequence[Reached], rows: Sequence[Ints]) -> tuple[list[Ints], int]:
    """The cell of some rows on every side, and how many cells there are: one for each group met on any side."""
    bounds = np.cumsum([len(one) for one in rows])[:-1]
    cells = np.zeros(sum(map(len, rows)), np.int64)
    for group in sides[0].query.groups:
        table = ground.plan.by_id[sides[0].query.tables[group.place.table]].table
        parts = [part_of(group, side.values(group.place)[one], table) for side, one in zip(sides, rows, strict=True)]
        values, codes = np.unique(np.concatenate(parts), return_inverse=True)
        _, cells = np.unique(cells * len(values) + codes.reshape(-1), return_inverse=True)
    return np.split(cells.reshape(-1), bounds), int(cells.max(initial=0)) + 1


def part_of(group: Group, values: Values, table: Table) -> Floats:
    """Returns what rows are grouped by, as numbers: shape (rows,)."""
    if group.part == "value":
        return values.astype(np.float64)
    found = np.full(len(values), np.nan)
    is_date = table.by_name[group.place.name].type.family == "date"
    days = np.floor(values / (1 if is_date else _DAY_US))
    # Infinity has no month, and a year of its own.
    known = np.abs(days) < _ENDLESS if group.part == "month" else ~np.isnan(days)
    dates = days[known].astype(np.int64).astype("datetime64[D]")
    if group.part == "year":
        found[known] = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    else:
        found[known] = dates.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return found
