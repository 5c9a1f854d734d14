"""Numbers as quantiles: one monotone curve from [0, 1] to values, cut into bins.

The curve is the inverse of the distribution function, piecewise linear. A value that many rows share (a *spike*)
is a flat piece of it; between spikes the knots are blurred so that no knot is anybody's own value. Where a wide gap
sets values apart, the curve jumps, and too few beyond it are left out: no value is made where nobody is. A bin is an
interval of [0, 1], so decoding is one look-up of a uniform draw within the bin, and the distribution within a bin
comes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from replica.kinds.base import count_holders

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MAX_KNOTS = 2048
# Numbers beyond this are learned as this, so that sums and slopes stay finite.
_GREATEST = 1e280
# Where there are more different values than this, a spike must also be heavy, or stand out from its neighbours.
_FEW_VALUES = 1024
_STANDS_OUT = 4.0
# A gap is wide when it is so many times as long as what so many different values beside it span.
_WIDE, _BESIDE = 10.0, 10
# From rows that follow another one in the same bin it shows how often values stay; a place within a bin, not its end.
_FEWEST_STEPS, _INSIDE = 20, 1e-10


def staying(codes: npt.NDArray[np.int32], follows: Mask | None, share: float, rng: np.random.Generator) -> Mask | None:
    """Draws which rows have the very value of the row before, among those that have its code.

    Args:
        codes: shape (rows,).
        follows: which rows come right behind another one of their owner; None where none does.
        share: how often values stay; see :meth:`QuantileCode.steadiness`.
        rng: the random stream.
    """
    if follows is None or not share:
        return None
    stays: Mask = np.zeros(len(codes), dtype=bool)
    stays[1:] = follows[1:] & (codes[1:] == codes[:-1])
    return stays & (rng.random(len(codes)) < share)


@dataclass(frozen=True)
class QuantileCode:
    """A curve and its bins.

    Attributes:
        knots_u: places of the knots in [0, 1], not decreasing; shape (knots,).
        knots_v: values at the knots, not decreasing; shape (knots,).
        edges: bounds of the bins in [0, 1]; shape (bins + 1,).
    """

    knots_u: Floats
    knots_v: Floats
    edges: Floats

    @property
    def bins(self) -> int:
        """How many codes there are."""
        return len(self.edges) - 1

    def encode(self, values: Floats) -> npt.NDArray[np.int32]:
        """Returns the bin of each finite value: shape (rows,)."""
        values = np.clip(values, -_GREATEST, _GREATEST)
        left = np.searchsorted(self.knots_v, values, side="left")
        right = np.searchsorted(self.knots_v, values, side="right")
        last = len(self.knots_v) - 1
        before, after = np.clip(left - 1, 0, last), np.clip(left, 0, last)
        width = self.knots_v[after] - self.knots_v[before]
        part = np.divide(values - self.knots_v[before], width, out=np.zeros(len(values)), where=width > 0)
        between = self.knots_u[before] + np.clip(part, 0, 1) * (self.knots_u[after] - self.knots_u[before])
        # On a spike every place of the flat piece is right; its middle is safest.
        on_knot = (self.knots_u[np.clip(left, 0, last)] + self.knots_u[np.clip(right - 1, 0, last)]) / 2
        place = np.where(left < right, on_knot, between)
        code = np.searchsorted(self.edges, place, side="right") - 1
        return np.clip(code, 0, self.bins - 1).astype(np.int32)

    def decode(self, codes: npt.NDArray[np.int32], rng: np.random.Generator, stays: Mask | None = None) -> Floats:
        """Draws a value from each bin: shape (rows,).

        Args:
            codes: the bins.
            rng: the random stream.
            stays: rows that have the value of the row before, which has the same code; None for none.
        """
        low, high = self.edges[codes], self.edges[codes + 1]
        within = rng.random(len(codes))
        if stays is not None:
            within = within[np.maximum.accumulate(np.where(stays, 0, np.arange(len(codes))))]
        return np.interp(low + within * (high - low), self.knots_u, self.knots_v)

    def steadiness(self, values: Floats, follows: Mask) -> float:
        """Returns how often a row has the very value of the row before, where that lies in the same bin.

        Args:
            values: finite values in the order of the rows.
            follows: which rows come right behind another one of their owner, both having a value.
        """
        codes = self.encode(values)
        wide = np.interp(self.edges[:-1] + _INSIDE, self.knots_u, self.knots_v) < np.interp(
            self.edges[1:] - _INSIDE, self.knots_u, self.knots_v
        )
        before = np.maximum(np.arange(len(values)) - 1, 0)
        asked = follows & wide[codes] & (codes == codes[before])
        return float(np.mean(values[asked] == values[before][asked])) if asked.sum() >= _FEWEST_STEPS else 0.0

    @property
    def centers(self) -> Floats:
        """The value in the middle of each bin: shape (bins,)."""
        return np.interp((self.edges[1:] + self.edges[:-1]) / 2, self.knots_u, self.knots_v)


def behind_known(follows: Mask | None, known: Mask) -> Mask:
    """Returns which of the known numbers come right behind another known one of their owner: shape (known numbers,)."""
    if follows is None:
        return np.zeros(int(known.sum()), dtype=bool)
    behind: Mask = (follows & np.r_[False, known[:-1]])[known]
    return behind


def fit_quantiles(values: Floats, holders: Ints | None, *, bins: int, min_holders: int) -> QuantileCode:
    """Learns the curve of finite values and cuts it into at most ``bins`` bins.

    Args:
        values: finite numbers in any order; at least one.
        holders: who stands behind each; see :func:`~replica.kinds.base.count_holders`.
        bins: most bins.
        min_holders: least holders behind a spike and behind a piece of the curve.
    """
    values = np.clip(values, -_GREATEST, _GREATEST)
    distinct, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    held = count_holders(group.reshape(-1), len(distinct), holders)
    if _too_few(held, holders, min_holders):
        return _blurred_range(distinct)
    # A bin must hold enough people, not enough rows: scale by how many rows each person brings.
    rows_per_holder = len(values) / max(1, len(np.unique(holders)) if holders is not None else len(values))
    least = max(1, int(np.ceil(min_holders * rows_per_holder)))
    order = np.argsort(group.reshape(-1), kind="stable")
    ordered = _Sorted(values[order], holders[order] if holders is not None else None, max(1, min_holders))
    knots_u, knots_v = _curve(distinct, counts, _spikes(counts, held, min_holders), ordered, least)
    return QuantileCode(knots_u, knots_v, _edges(knots_u, knots_v, min(bins, _max_bins(len(values), least)), bins))


def _max_bins(rows: int, least: int) -> int:
    return max(1, rows // least)


def _too_few(held: Ints, holders: Ints | None, min_holders: int) -> bool:
    everyone = int(held.sum()) if holders is None else len(np.unique(holders))
    return everyone < min_holders


def _blurred_range(distinct: Floats) -> QuantileCode:
    """Fewer people than may be told apart: only the order of magnitude is kept."""
    low, high = float(distinct[0]), float(distinct[-1])
    unit = 10.0 ** np.floor(np.log10(max(abs(low), abs(high), 1e-9)))
    bounds = np.array([np.floor(low / unit) * unit, np.ceil(high / unit) * unit])
    return QuantileCode(np.array([0.0, 1.0]), bounds, np.array([0.0, 1.0]))


def _spikes(counts: Ints, held: Ints, min_holders: int) -> npt.NDArray[np.bool_]:
    """Which of the distinct values may stand as they are."""
    allowed = (held >= min_holders) & ((counts > 1) | (len(counts) <= 2))
    if len(counts) <= _FEW_VALUES:
        return allowed
    window = 101
    padded = np.pad(counts.astype(np.float64), window // 2, mode="reflect")
    around = np.convolve(padded, np.ones(window) / window, mode="valid")
    heavy = counts >= 2 * counts.sum() / MAX_KNOTS
    spikes: npt.NDArray[np.bool_] = allowed & (heavy | (counts >= _STANDS_OUT * around))
    return spikes


def _curve(
    distinct: Floats, counts: Ints, spikes: npt.NDArray[np.bool_], rows: _Sorted, least: int
) -> tuple[Floats, Floats]:
    """Places and values of the knots: two for each spike, several for each run of values between spikes."""
    n = int(counts.sum())
    starts = np.append(np.cumsum(counts) - counts, n)
    step = max(least, n // MAX_KNOTS, 1)
    # A spike is a piece of its own; values between two spikes are one piece, unless a gap sets them apart.
    is_first = np.ones(len(distinct), dtype=bool)
    is_first[1:] = spikes[1:] | spikes[:-1] | _wide_gaps(distinct)
    bounds = np.append(np.flatnonzero(is_first), len(distinct))
    places, values = [np.zeros(0)], [np.zeros(0)]
    for i, j in pairwise(bounds.tolist()):
        if spikes[i]:
            inner, found = np.array([0, counts[i]]), np.repeat(distinct[i], 2)
        else:
            part = rows.part(int(starts[i]), int(starts[j]))
            inner, found = part.knots(max(least, min(step, len(part.values))))
        places.append(starts[i] + inner)
        values.append(found)
    return _complete(np.concatenate(places) / n, np.concatenate(values), distinct)


def _wide_gaps(distinct: Floats) -> npt.NDArray[np.bool_]:
    """Where neighbours are much further apart than the values on either side of them: shape (values - 1,)."""
    gaps, span = np.diff(distinct), np.zeros(max(0, len(distinct) - 1))
    if len(distinct) > _BESIDE:
        # Near the ends only one side has enough values.
        spans = distinct[_BESIDE:] - distinct[:-_BESIDE]
        span[_BESIDE:] = spans[: len(gaps) - _BESIDE]
        span[: len(gaps) - _BESIDE] = np.maximum(span[: len(gaps) - _BESIDE], spans[1:])
    wide: npt.NDArray[np.bool_] = (span > 0) & (gaps > _WIDE * span)
    return wide


@dataclass(frozen=True)
class _Sorted:
    """Rows in the order of their values.

    Attributes:
        values: the values, not decreasing.
        holders: who stands behind each; every row stands for itself when None.
        fewest: least holders behind a piece of the curve.
    """

    values: Floats
    holders: Ints | None
    fewest: int

    def part(self, start: int, stop: int) -> _Sorted:
        """Returns some of the rows."""
        holders = self.holders[start:stop] if self.holders is not None else None
        return _Sorted(self.values[start:stop], holders, self.fewest)

    def knots(self, step: int) -> tuple[Ints, Floats]:
        """Knots of a run of values none of which is a spike: places from the run's start, and values.

        Between two knots are at least ``step`` rows and enough holders. A knot lies between two values, and the ends
        are means over holders, so that no knot is anybody's own value; too few holders have no knot at all.
        """
        bounds = self._bounds(step)
        if len(bounds) < 2:
            return np.zeros(0, np.int64), np.zeros(0)
        backwards = _Sorted(self.values[::-1], self.holders[::-1] if self.holders is not None else None, self.fewest)
        low, high = self._end, backwards._end
        inner = bounds[1:-1]
        between = np.clip((self.values[inner - 1] + self.values[inner]) / 2, low, high)
        return bounds, np.concatenate([[low], between, [high]])

    def _bounds(self, step: int) -> Ints:
        """Cuts the rows into pieces, never between equal values; no piece if there are too few holders."""
        n = len(self.values)
        ends = np.append(np.flatnonzero(np.diff(self.values)) + 1, n)
        bounds = [0]
        while (stop := self._enough(bounds[-1], step)) is not None:
            bounds.append(int(ends[np.searchsorted(ends, stop)]))
        # What is left over belongs to the last piece.
        return np.array([*bounds[:-1], n] if len(bounds) > 1 else bounds, np.int64)

    def _enough(self, start: int, step: int) -> int | None:
        """The end of the shortest piece from a row on that has so many rows and enough holders."""
        n, size = len(self.values), max(step, self.fewest)
        while start + size <= n:
            new = np.cumsum(self._before[start : start + size] < start)
            if new[-1] >= self.fewest:
                return start + max(step, int(np.searchsorted(new, self.fewest)) + 1)
            if start + size == n:
                break
            size = min(2 * size, n - start)
        return None

    @cached_property
    def _before(self) -> Ints:
        """The place of the last row before each that has the same holder; -1 where there is none."""
        before = np.full(len(self.values), -1)
        if self.holders is not None:
            order = np.argsort(self.holders, kind="stable")
            same = self.holders[order][1:] == self.holders[order][:-1]
            before[order[1:][same]] = order[:-1][same]
        return before

    @property
    def _end(self) -> float:
        """The mean of the values with which the first holders come up."""
        return float(self.values[self._before < 0][: self.fewest].mean())


def _complete(places: Floats, values: Floats, distinct: Floats) -> tuple[Floats, Floats]:
    """Lets the curve reach from 0 to 1, where runs too small to be kept left gaps."""
    if len(places) == 0:
        return np.array([0.0, 1.0]), np.repeat(float(np.median(distinct)), 2)
    knots_u = np.concatenate([[0.0], places, [1.0]])
    knots_v = np.concatenate([values[:1], values, values[-1:]])
    return knots_u, np.maximum.accumulate(knots_v)


def _edges(knots_u: Floats, knots_v: Floats, bins: int, most: int) -> Floats:
    """Bounds of bins of about equal weight that never cut a spike; spikes, which many share, may be more than those."""
    wanted = np.linspace(0, 1, bins + 1)
    flat = (np.diff(knots_v) == 0) & (np.diff(knots_u) > 0)
    low, high = knots_u[:-1][flat], knots_u[1:][flat]
    if len(low):
        # A bound inside a spike moves to its nearer end. Spikes that are heavy, or few, get bins of their own.
        own = (high - low) >= (1 / most if len(low) > most else 0)
        at = np.clip(np.searchsorted(low, wanted, side="right") - 1, 0, None)
        inside = (wanted > low[at]) & (wanted < high[at])
        nearer = np.where(wanted - low[at] < high[at] - wanted, low[at], high[at])
        wanted = np.concatenate([np.where(inside, nearer, wanted), low[own], high[own]])
    edges = np.unique(np.round(wanted, 12))
    apart: Floats = edges[np.concatenate([[True], np.diff(edges) > 1e-9])]
    return apart
