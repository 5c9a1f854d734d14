"""Time: gaps between rows that follow each other, order, seasons, trend, and what follows upon what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from replica.evaluation.coding import fine_bins
from replica.evaluation.figures import Figure
from replica.evaluation.ground import Feature, Ground, Rows, keys_of
from replica.evaluation.halves import count_cells, deal, score_halves
from replica.evaluation.pairs import PairScores, score_pairs
from replica.evaluation.scores import overlap, steps
from replica.evaluation.seasons import hour, in_days, month, weekday
from replica.evaluation.views import Frame, View, named, take
from replica.planning.decisions import TablePlan

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_PERIODS = 20


@dataclass(frozen=True)
class TimeScores:
    """How alike the time of a table is.

    Attributes:
        table: its id.
        seasons: by moment and by what returns: month, weekday or hour.
        trend: by moment: how many rows fall in each of twenty equal periods of the original's range.
        order: by two moments, of one row or of a row and one that it points to: which of both comes first.
        gaps: between rows that follow each other under one owner.
        previous: columns beside the columns of the row before.
    """

    table: str
    seasons: Mapping[str, Figure]
    trend: Mapping[str, Figure]
    order: Mapping[str, Figure]
    gaps: Figure | None
    previous: PairScores | None


def score_time(ground: Ground, table: TablePlan) -> TimeScores | None:
    """Is time alike: seasons, trend, order, gaps, and what follows upon what?

    Returns:
        None for a table without moments, or without rows.
    """
    clock = _Clock(ground, table)
    if not clock.moments or min(len(rows) for rows in clock.rows) < 2:
        return None
    return TimeScores(
        table.id,
        seasons={name: clock.score(cells, size, overlap) for name, cells, size in clock.seasons()},
        trend={name: clock.score(cells, size, overlap) for name, cells, size in clock.trends()},
        order={name: clock.score(cells, size, overlap) for name, cells, size in clock.orders()},
        gaps=clock.gaps(),
        previous=clock.previous(),
    )


Sides = tuple[Ints, ...]
Cells = tuple[str, Sides, int]
"""A name, the cell of every row on each side (negative where it does not count), and how many cells there are."""


class _Clock:
    """The moments of one table on every side.

    Args:
        ground: both databases.
        table: the table.
    """

    def __init__(self, ground: Ground, table: TablePlan) -> None:
        self.ground = ground
        self.table = table
        self.moments = [found.name for found in ground.features[table.id] if found.what == "moment"]
        self.rows = [side[table.id] for side in ground.sides]
        self.group = deal([rows.unit for rows in self.rows], ground.rng("time", table.id))

    def score(self, cells: Sides, size: int, way: Callable[[Floats, Floats], float]) -> Figure:
        """Scores how rows are spread over cells."""
        counts = [count_cells(one, size, dealt) for one, dealt in zip(cells, self.group, strict=True)]
        rng = self.ground.rng("time", self.table.id, "halves")
        scored = score_halves(["cells"], counts, lambda a, b: np.array([way(a, b)]), rng)
        return scored.figures()["cells"]

    def days(self, name: str, table: str = "") -> list[Floats]:
        """A moment in days since 1970, or a time in days since midnight, on every side; null where it is infinite."""
        at = table or self.table.id
        family = self.ground.plan.by_id[at].table.by_name[name].type.family
        return [in_days(np.asarray(side[at].values[name], np.float64), family) for side in self.ground.sides]

    def is_time(self, name: str) -> bool:
        """True for a time of day without a date."""
        return self.table.table.by_name[name].type.family == "time"

    def seasons(self) -> Iterator[Cells]:
        """What returns: the month, the day of the week, the hour."""
        for name in self.moments:
            days = self.days(name)
            if not self.is_time(name):
                yield f"{name} month", tuple(_cells(one, month) for one in days), 12
                yield f"{name} weekday", tuple(_cells(one, weekday) for one in days), 7
            if any((one[~np.isnan(one)] % 1 > 0).any() for one in days[:2]):
                yield f"{name} hour", tuple(_cells(one, hour) for one in days), 24

    def trends(self) -> Iterator[Cells]:
        """Equal periods of the original's range, with one before and one after it."""
        for name in self.moments:
            days = self.days(name)
            known = days[0][~np.isnan(days[0])]
            if len(known):
                edges = np.linspace(known.min(), known.max(), _PERIODS + 1)
                edges[-1] = np.nextafter(edges[-1], np.inf)  # The last moment is in the last period, and not after it.
                cut = tuple(_cells(one, partial(_period, edges)) for one in days)
                yield name, cut, len(edges) + 1

    def orders(self) -> Iterator[Cells]:
        """Which of two moments comes first, or whether they are the same."""
        dated = [name for name in self.moments if not self.is_time(name)]
        for one, other in combinations(dated, 2):
            yield f"{one}, {other}", _firsts(self.days(one), self.days(other)), 3
        for key in keys_of(self.table):
            above = _Clock(self.ground, self.ground.plan.by_id[key.parent])
            for other in (name for name in above.moments if not above.is_time(name)):
                pointed = zip(above.days(other), self.rows, strict=True)
                theirs = [np.asarray(take(days, rows.parents[key.id]), np.float64) for days, rows in pointed]
                for one in dated:
                    yield f"{one}, {key.parent}.{other}", _firsts(self.days(one), theirs), 3

    def follow(self) -> list[Ints]:
        """The row before each one under the same owner, in their order, on every side; -1 for none."""
        order = self.days(self._order())
        return [_before(self._owner(rows), days) for rows, days in zip(self.rows, order, strict=True)]

    def gaps(self) -> Figure | None:
        """How long it has been since the row before?"""
        days = self.days(self._order())
        before = self.follow()
        gaps = [np.where(at >= 0, one - one[at], np.nan) for one, at in zip(days, before, strict=True)]
        if not all(np.isfinite(gap).any() for gap in gaps[:2]):
            return None
        bins = fine_bins(Feature("gap", "number"), (gaps[0], gaps[1]))
        return self.score(tuple(np.where(np.isnan(gap), -1, bins.cut(gap)) for gap in gaps), bins.size, steps)

    def previous(self) -> PairScores | None:
        """Does a row resemble the one before it?"""
        features = self.ground.features[self.table.id]
        frames = []
        for rows, before in zip(self.rows, self.follow(), strict=True):
            there = np.flatnonzero(before >= 0)
            values = [rows.values[feature.name] for feature in features]
            frames.append(
                Frame(tuple(v[there] for v in values), tuple(v[before[there]] for v in values), rows.unit[there])
            )
        view = View(f"{self.table.id}, a row and the one before", features, named(features, "before"), _three(frames))
        return score_pairs(view, self.ground.rng("previous", self.table.id))

    def _order(self) -> str:
        """The moment that orders rows: the one the plan knows, or the first."""
        order = self.table.order
        return order if order in self.moments and order is not None else self.moments[0]

    def _owner(self, rows: Rows) -> Ints:
        """What rows follow each other under: their owner, or all of them where there is none."""
        return rows.parents[self.table.owner.id] if self.table.owner else np.zeros(len(rows), np.int64)


def _three(frames: list[Frame]) -> tuple[Frame, Frame, Frame]:
    original, synthetic, floor = frames
    return original, synthetic, floor


def _before(owner: Ints, days: Floats) -> Ints:
    """The row that comes before each one in time among those of the same owner: shape (rows,)."""
    order = np.lexsort((days, owner))
    found = np.full(len(owner), -1)
    same = (owner[order][1:] == owner[order][:-1]) & (owner[order][1:] >= 0)
    found[order[1:][same]] = order[:-1][same]
    return found


def _firsts(one: list[Floats], other: list[Floats]) -> Sides:
    """0 where the first moment comes before the second, 1 where both are the same, 2 where it comes later."""
    signs = (np.sign(a - b) for a, b in zip(one, other, strict=True))
    return tuple(np.where(np.isnan(sign), -1, sign + 1).astype(np.int64) for sign in signs)


def _cells(days: Floats, cut: Callable[[Floats], Ints]) -> Ints:
    """Cuts the days that are known; -1 for the others."""
    known = ~np.isnan(days)
    found = np.full(len(days), -1)
    found[known] = cut(days[known])
    return found


def _period(edges: Floats, days: Floats) -> Ints:
    return np.searchsorted(edges, days, side="right")
