"""Samples for classifiers: halves of the original, and as many rows of the replica and of the floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

FEWEST_UNITS = 30
"""Where a table's rows belong to fewer families than this, every row counts for itself."""


@dataclass(frozen=True)
class Samples:
    """Rows that were drawn: of one half of the original, of the replica, of the other half, and of the floor.

    Attributes:
        rows: numbers of rows on their side, as many of each: shape (rows,) each.
        units: the families that they belong to: shape (rows,) each.
    """

    rows: tuple[Ints, Ints, Ints, Ints]
    units: tuple[Ints, Ints, Ints, Ints]


def draw_samples(units: Sequence[Ints], most: int, rng: np.random.Generator) -> Samples:
    """Draws four samples of the same size: halves of the original by families, and rows at random of the others.

    Args:
        units: numbers of the family of each row of the original, the replica and the floor: shape (rows,) each.
        most: rows of one sample at most.
        rng: the random stream.
    """
    original, synthetic, floor = (_or_rows(unit) for unit in units)
    half, other = _halves(_mixed(original, rng), original)
    drawn = half, np.arange(len(synthetic)), other, np.arange(len(floor))
    size = min(most, *(len(rows) for rows in drawn))
    # At random and not by whole families, so that there are as many families as can be.
    rows = tuple(rng.permutation(one)[:size] for one in drawn)
    sides = original, synthetic, original, floor
    found = tuple(unit[one] for unit, one in zip(sides, rows, strict=True))
    return Samples((rows[0], rows[1], rows[2], rows[3]), (found[0], found[1], found[2], found[3]))


def _or_rows(unit: Ints) -> Ints:
    return unit if len(np.unique(unit)) >= FEWEST_UNITS else np.arange(len(unit))


def _mixed(unit: Ints, rng: np.random.Generator) -> Ints:
    """Rows in an order in which families are at random and their rows together."""
    names, place = np.unique(unit, return_inverse=True)
    return np.argsort(rng.permutation(len(names))[place.reshape(-1)], kind="stable")


def _halves(mixed: Ints, unit: Ints) -> tuple[Ints, Ints]:
    """Cuts rows in two where a family ends, as near the middle as can be."""
    family = unit[mixed]
    ends = np.flatnonzero(family[1:] != family[:-1]) + 1
    middle = len(mixed) // 2
    cut = int(ends[np.argmin(np.abs(ends - middle))]) if len(ends) else middle
    return mixed[:cut], mixed[cut:]
