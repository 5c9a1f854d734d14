"""Scores of two samples, from counts: each 1 for no difference and 0 for nothing in common."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def overlap(original: Floats, synthetic: Floats) -> float:
    """How alike are two distributions over cells? 1 less their total variation distance.

    >>> overlap(np.array([2.0, 2.0]), np.array([1.0, 3.0]))
    0.75
    """
    a, b = original.sum(), synthetic.sum()
    if not a or not b:
        return float(a == b)
    return 1.0 - float(np.abs(original / a - synthetic / b).sum()) / 2


def steps(original: Floats, synthetic: Floats) -> float:
    """How alike are two distributions over ordered cells? 1 less the Kolmogorov-Smirnov distance.

    >>> steps(np.array([1.0, 1.0, 0.0]), np.array([0.0, 1.0, 1.0]))
    0.5
    """
    a, b = original.sum(), synthetic.sum()
    if not a or not b:
        return float(a == b)
    return 1.0 - float(np.abs(np.cumsum(original) / a - np.cumsum(synthetic) / b).max())


def present(original: Floats, synthetic: Floats) -> float:
    """Which share of the original's rows lies in cells that the other sample has too?

    >>> present(np.array([3.0, 1.0]), np.array([5.0, 0.0]))
    0.75
    """
    total = original.sum()
    return float(original[synthetic > 0].sum() / total) if total else 1.0


def blocks(original: Floats, synthetic: Floats, rows: Ints, columns: Ints) -> Floats:
    """How alike are the joint distributions of many pairs of features? 1 less the total variation distance of each.

    Args:
        original: counts of every bin of one feature beside every bin of another, shape (bins, bins).
        synthetic: the same of the other sample.
        rows: where the bins of each feature begin on the first axis.
        columns: likewise on the second axis.

    Returns:
        Shape (features, features).
    """
    totals = []
    for counts in (original, synthetic):
        sums = np.add.reduceat(np.add.reduceat(counts, rows, axis=0), columns, axis=1)
        totals.append(np.maximum(sums, 1.0))
    row_of, column_of = _owner(rows, original.shape[0]), _owner(columns, original.shape[1])
    a, b = (counts / total[row_of][:, column_of] for counts, total in zip((original, synthetic), totals, strict=True))
    distance: Floats = np.add.reduceat(np.add.reduceat(np.abs(a - b), rows, axis=0), columns, axis=1)
    return 1.0 - distance / 2


def _owner(starts: Ints, size: int) -> Ints:
    """Which feature each bin belongs to."""
    return np.repeat(np.arange(len(starts)), np.diff(np.append(starts, size)))
