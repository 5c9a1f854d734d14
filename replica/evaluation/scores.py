"""Scores between two samples: plain functions on arrays, each 1 for no difference and 0 for nothing in common."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PAIR_BINS = 10


def shape_of_numbers(original: Floats, synthetic: Floats) -> float:
    """How alike are two distributions of numbers? 1 less the Kolmogorov-Smirnov distance.

    >>> shape_of_numbers(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    1.0
    """
    if not len(original) or not len(synthetic):
        return float(len(original) == len(synthetic))
    places = np.sort(np.concatenate([original, synthetic]))
    a = np.searchsorted(np.sort(original), places, side="right") / len(original)
    b = np.searchsorted(np.sort(synthetic), places, side="right") / len(synthetic)
    return 1.0 - float(np.abs(a - b).max())


def shape_of_codes(original: Codes, synthetic: Codes) -> float:
    """How alike are two distributions of categories? 1 less the total variation distance.

    >>> shape_of_codes(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    0.75
    """
    if not len(original) or not len(synthetic):
        return float(len(original) == len(synthetic))
    size = int(max(original.max(), synthetic.max())) + 1
    a = np.bincount(original, minlength=size) / len(original)
    b = np.bincount(synthetic, minlength=size) / len(synthetic)
    return 1.0 - float(np.abs(a - b).sum()) / 2


def pair_trends(original: Codes, synthetic: Codes) -> float | None:
    """Do pairs of columns go together alike? The mean over all pairs of 1 less the total variation of both.

    Args:
        original: binned columns, shape (rows, columns).
        synthetic: the same columns in the same bins.

    Returns:
        The mean; None with fewer than two columns.
    """
    scores = []
    for i, j in combinations(range(original.shape[1]), 2):
        size = int(max(original[:, j].max(initial=0), synthetic[:, j].max(initial=0))) + 1
        scores.append(shape_of_codes(original[:, i] * size + original[:, j], synthetic[:, i] * size + synthetic[:, j]))
    return float(np.mean(scores)) if scores else None


def binned(original: Floats, synthetic: Floats, bins: int = PAIR_BINS) -> tuple[Codes, Codes]:
    """Cuts numbers into bins of equal weight in the original; not a number gets a bin of its own."""
    known = np.sort(original[~np.isnan(original)])
    # Values that are there, since between infinite ones there is no middle.
    places = np.round(np.linspace(0, 1, bins + 1)[1:-1] * (len(known) - 1)).astype(np.int64)
    edges = np.unique(known[places]) if len(known) else known

    def cut(values: Floats) -> Codes:
        return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))

    return cut(original), cut(synthetic)


def coded(original: list[str | None], synthetic: list[str | None], most: int | None = None) -> tuple[Codes, Codes]:
    """Numbers categories on both sides alike; beyond the commonest of the original they share a number.

    Args:
        original: the categories of the original, None for null.
        synthetic: those of the replica.
        most: how many get a number of their own; all when None.
    """
    counts: dict[str | None, int] = {}
    for value in original:
        counts[value] = counts.get(value, 0) + 1
    listed = sorted(counts, key=lambda value: -counts[value])[:most]
    numbers = {value: i for i, value in enumerate(listed)}
    if most is None:
        for value in synthetic:
            numbers.setdefault(value, len(numbers))
    other = len(numbers)
    return (
        np.array([numbers.get(value, other) for value in original], np.int64),
        np.array([numbers.get(value, other) for value in synthetic], np.int64),
    )
