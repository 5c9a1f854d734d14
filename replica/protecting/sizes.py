"""How many rows subjects have, and how many children rows have: histograms over a public grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from replica.privacy.meter import Meter, Price

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Small numbers by themselves, larger ones together in steps that grow. Few cells, since each brings noise.
GRID: Ints = np.array([0, 1, 2, 3, 4, 6, 9, 13, 19, 28, 41, 61, 91, 136, 256, 1024, 4096], np.int64)
# How often noise alone makes a cell look as if anything were in it; a false one far up would bring many rows.
_FALSE = 0.01


@dataclass(frozen=True)
class SizeHistogram:
    """How numbers of rows are distributed.

    Attributes:
        weight: the share of each cell of the grid, from its number up to the next: shape (cells,).
    """

    weight: Floats

    def draw(self, n: int, rng: np.random.Generator) -> Ints:
        """Draws numbers: shape (n,)."""
        at = rng.choice(len(GRID), n, p=self.weight)
        width = np.diff(np.r_[GRID, GRID[-1] + 1])[at]
        found: Ints = GRID[at] + np.floor(rng.random(n) * width).astype(np.int64)
        return found

    @property
    def mean(self) -> float:
        """The mean number."""
        middle = (GRID + np.r_[GRID[1:], GRID[-1] + 1] - 1) / 2
        return float(middle @ self.weight)

    def quantile(self, part: float) -> int:
        """Returns the greatest number of the cell up to which a part of all lies."""
        cell = int(np.searchsorted(np.cumsum(self.weight), part - 1e-9))
        cell = min(cell, len(GRID) - 1)
        return int(GRID[cell + 1] - 1) if cell + 1 < len(GRID) else int(GRID[cell])


def measure_sizes(numbers: Ints, meter: Meter, price: Price) -> SizeHistogram:
    """Measures how numbers of rows are distributed.

    Args:
        numbers: one number of every subject.
        meter: what measures.
        price: what it costs; one subject changes one cell by one.
    """
    cells = np.searchsorted(GRID, np.minimum(numbers, GRID[-1]), side="right") - 1
    noisy = meter.measure(np.bincount(cells, minlength=len(GRID)), price)
    clear = noisy.counts >= noisy.sigma * norm.isf(_FALSE / len(GRID))
    # Where noise hides all, the likeliest cell is as good as any.
    clear[int(np.argmax(noisy.counts))] = True
    held = np.where(clear, np.maximum(noisy.counts, 1), 0).astype(np.float64)
    return SizeHistogram(held / held.sum())
