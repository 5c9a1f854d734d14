"""Values on a public ladder of ever finer steps, on which a noisy search finds where they lie.

A ladder divides the whole range that a type has, whatever the data; counts with noise say which of its steps hold
enough subjects to be divided further. Dwork et al. (2009) and Zhang et al. (PrivTree, 2016) search so; here all levels
get the same Gaussian noise, and steps that are not reached are as if they had never been measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from replica.privacy.meter import Meter, Price

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# How often noise alone makes a step look as if somebody stood on it, per level.
_FALSE = 0.02
_MANTISSA = 12
# How many times its noise a step must differ from its neighbours to be told apart from them.
_APART = 2.0
_ROUNDS = 4


@dataclass(frozen=True)
class Steps:
    """Steps of a ladder that hold something.

    Attributes:
        low: the first place of each; shape (steps,).
        high: the place behind the last.
        weight: how much of all each holds; they add up to one.
    """

    low: Ints
    high: Ints
    weight: Floats

    def __len__(self) -> int:
        return len(self.low)


@dataclass(frozen=True)
class Ladder:
    """How a range is divided, whatever the data.

    Attributes:
        branches: into how many steps the whole, and then each step, is divided.
        parts: what part of the price each of these divisions gets. The first ones say where anything lies at all.
        low: the first place that the schema allows.
        high: the last one.
    """

    branches: tuple[int, ...]
    parts: tuple[float, ...]
    low: int = 0
    high: int = 2**62


def search(places: Ints, ladder: Ladder, meter: Meter, price: Price) -> Steps:
    """Finds the steps on which places lie.

    Args:
        places: from 0 to below the product of the branches; one of each subject.
        ladder: what they stand on.
        meter: what measures.
        price: of the whole search; one subject stands on one step of every level.

    Returns:
        The steps; none where noise hides all.
    """
    width = math.prod(ladder.branches)
    closed: list[Steps] = []
    open_ = Steps(np.zeros(1, np.int64), np.full(1, width), np.full(1, np.inf))
    for branch, part in zip(ladder.branches, ladder.parts, strict=True):
        width //= branch
        each = replace(price, precision=price.precision * part)
        starts = open_.low[:, None] + width * np.arange(branch)
        noisy = meter.measure(_counts(places, starts.reshape(-1), width), each)
        counts = noisy.counts.reshape(starts.shape).astype(np.float64)
        possible = (starts + width > ladder.low) & (starts <= ladder.high)
        enough = noisy.sigma * norm.isf(_FALSE / counts.size)
        clear = possible & (counts >= enough)
        divided = clear.any(axis=1)
        closed.append(_chosen(open_, ~divided))
        whole = open_.weight[divided]
        held = np.where(clear, counts, 0)[divided]
        if np.isfinite(whole).all():
            held = _shared(np.where(possible, counts, 0)[divided], whole, noisy.sigma)
        parts = Steps(starts[divided].reshape(-1), starts[divided].reshape(-1) + width, held.reshape(-1))
        goes_on = (parts.weight >= enough) & (width > 1)
        closed.append(_chosen(parts, ~goes_on & (parts.weight > 0)))
        open_ = _chosen(parts, goes_on)
        if not len(open_):
            break
    return _together([*closed, open_])


def _shared(counts: Floats, whole: Floats, sigma: float) -> Floats:
    """What each part of divided steps holds: (steps, parts).

    A part that noise cannot tell from its neighbours holds as much as they do, so that what is even stays even.
    """
    apart = np.zeros(counts.shape, dtype=bool)
    even = np.zeros(len(counts))
    for _ in range(_ROUNDS):
        others = np.maximum((~apart).sum(axis=1), 1)
        even = np.maximum(whole - np.where(apart, counts, 0).sum(axis=1), 0) / others
        apart = np.abs(counts - even[:, None]) > _APART * sigma
    held = np.where(apart, np.maximum(counts, 0), np.where(even * (~apart).sum(axis=1) > sigma, even, 0)[:, None])
    return np.asarray(held * (whole / np.maximum(held.sum(axis=1), 1e-9))[:, None])


def _chosen(steps: Steps, which: npt.NDArray[np.bool_]) -> Steps:
    return Steps(steps.low[which], steps.high[which], steps.weight[which])


def _together(parts: list[Steps]) -> Steps:
    """All steps in their order; none where the whole was never divided."""
    low, high, weight = (
        np.concatenate(arrays) for arrays in zip(*((p.low, p.high, p.weight) for p in parts), strict=True)
    )
    if not np.isfinite(weight).all():
        return Steps(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    order = np.argsort(low, kind="stable")
    return Steps(low[order], high[order], weight[order] / weight.sum())


def _counts(places: Ints, starts: Ints, width: int) -> Ints:
    """How many places lie on each step: shape (starts,)."""
    ordered = np.sort(places)
    first, behind = np.searchsorted(ordered, starts), np.searchsorted(ordered, starts + width)
    return (behind - first).astype(np.int64)


NUMBERS = Ladder((2**12, 2**4, 2**4, 2**4), (0.25, 0.35, 0.3, 0.1))
"""The ladder of floating-point numbers: sign and exponent, then twelve bits of the mantissa."""

DAYS = Ladder((3_600, 16, 16, 4), (0.25, 0.35, 0.3, 0.1))
"""The ladder of days from the year 1: about ten thousand years."""

SECONDS = Ladder((24, 60, 60), (0.4, 0.3, 0.3))
"""The ladder of a day's clock."""

FIRST_DAY = -719_162
"""1 January of the year 1, in days since 1970."""


def number_places(numbers: Floats) -> Ints:
    """Returns the place of finite numbers on their ladder."""
    bits = (numbers + 0.0).view(np.int64)
    # Negative numbers sort the other way round.
    ordered = np.where(bits < 0, np.int64(-1) - (bits & np.int64(2**63 - 1)), bits)
    return (ordered >> np.int64(52 - _MANTISSA)) + np.int64(2**23)


def number_at(places: Ints) -> Floats:
    """Returns the least number at each place."""
    ordered = (places - np.int64(2**23)) << np.int64(52 - _MANTISSA)
    bits = np.where(ordered < 0, (np.int64(-1) - ordered) | np.int64(-(2**63)), ordered)
    found = bits.view(np.float64)
    return np.nan_to_num(found, nan=1e300, posinf=1e300, neginf=-1e300)
