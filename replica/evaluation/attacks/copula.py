"""How likely somebody is alone with what is known of them, in a population that is larger than the data.

Rocher, Hendrickx and de Montjoye 2019, "Estimating the success of re-identifications in incomplete datasets using
generative models": margins as they are, a Gaussian copula for how columns hang together, and from it the probability p
that somebody else has the same values.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_PLACES, _BINS, _POINTS, _STEPS = 400, 12, 16, 20


def cell_probabilities(codes: Ints, persons: Ints, rng: np.random.Generator) -> Floats:
    """Returns the probability that another person has the same values.

    Labels have no order, so each is placed at random in the margin, many times. In each place the copula's mass of the
    cell is estimated by one draw of Genz's (1992) separation of variables, which is right on average.

    Args:
        codes: what is known, as numbers from 0: shape (all, columns).
        persons: of whom the probability is wanted: numbers in ``codes``.
        rng: where draws come from.

    Returns:
        shape (persons,).
    """
    factor = np.linalg.cholesky(_correlations(codes))
    shape = (len(persons), _PLACES)
    masses, normals = np.ones(shape), np.zeros((codes.shape[1], *shape))
    for i, column in enumerate(codes.T):
        share = (np.bincount(column) / len(column))[column[persons]][:, None]
        low = rng.random(shape) * (1 - share)
        mean = np.tensordot(factor[i, :i], normals[:i], axes=1) if i else 0.0
        start, end = (ndtr((_normal(edge) - mean) / factor[i, i]) for edge in (low, low + share))
        masses *= end - start
        normals[i] = _normal(start + rng.random(shape) * (end - start))
    found: Floats = masses.mean(axis=1)
    return found


def uniqueness(p: Floats, population: int) -> Floats:
    """Returns the probability that nobody else in a population has the same values."""
    return (1 - p) ** (population - 1)


def correctness(p: Floats, population: int) -> Floats:
    """Returns the probability that a match is the right person, one of those alike being picked at random."""
    p = np.maximum(p, 1e-12)
    found: Floats = -np.expm1(population * np.log1p(-np.minimum(p, 1 - 1e-12))) / (population * p)
    return found


def _normal(share: Floats) -> Floats:
    found: Floats = ndtri(np.clip(share, 1e-12, 1 - 1e-12))
    return found


def _correlations(codes: Ints) -> Floats:
    """Correlations of the copula, with which two columns tell as much of each other as they do."""
    size = codes.shape[1]
    found = np.eye(size)
    for i, j in combinations(range(size), 2):
        found[i, j] = found[j, i] = _matching(_coarse(codes[:, i]), _coarse(codes[:, j]))
    values, vectors = np.linalg.eigh(found)
    found = vectors @ np.diag(np.maximum(values, 1e-3)) @ vectors.T
    scale = np.sqrt(np.diag(found))
    matrix: Floats = found / scale[:, None] / scale[None, :]
    return matrix


def _coarse(column: Ints) -> Ints:
    """A column in few bins of about the same weight, in the order of its values."""
    shares = np.cumsum(np.bincount(column)) / len(column)
    _, bins = np.unique(np.floor(np.minimum(shares, 1 - 1e-9) * _BINS)[column], return_inverse=True)
    return bins


def _matching(one: Ints, other: Ints) -> float:
    """The correlation whose copula has the mutual information of two columns, by bisection."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1.0)
    # What chance makes of so few persons does not count (Miller 1955).
    bias = (table.shape[0] - 1) * (table.shape[1] - 1) / (2 * len(one))
    wanted = _information(table / len(one)) - bias
    margins = (table.sum(axis=1) / len(one), table.sum(axis=0) / len(one))
    low, high = 0.0, 0.999
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _information(_cells(*margins, middle)) < wanted else (low, middle)
    return low


def _information(shares: Floats) -> float:
    """Mutual information of a table of shares, in nats."""
    expected = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    there = shares > 0
    return float((shares[there] * np.log(shares[there] / expected[there])).sum())


def _cells(rows: Floats, columns: Floats, correlation: float) -> Floats:
    """The shares that a copula gives to each cell of a table with these margins."""
    starts = np.cumsum(rows) - rows
    points = _normal(starts[:, None] + rows[:, None] * (np.arange(_POINTS) + 0.5) / _POINTS)
    edges = _normal(np.r_[0.0, np.cumsum(columns)])
    below = ndtr((edges - correlation * points[:, :, None]) / np.sqrt(1 - correlation**2))
    found: Floats = np.diff(below, axis=2).mean(axis=1) * rows[:, None]
    return found
