"""Nearest neighbours among many persons, in many dimensions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.people import Matrix

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def nearest(persons: Matrix, among: Matrix, k: int) -> tuple[Floats, Ints]:
    """Returns the distances of the nearest others and their numbers, nearest first.

    Args:
        persons: whose neighbours are sought: shape (persons, dimensions).
        among: where they are sought: shape (others, dimensions).
        k: how many; fewer where there are not so many.

    Returns:
        two arrays of shape (persons, k).
    """
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415 - slow to import

    search = NearestNeighbors(n_neighbors=min(k, len(among)), algorithm="brute").fit(among)
    distances, numbers = search.kneighbors(persons)
    return distances.astype(np.float64), numbers.astype(np.int64)
