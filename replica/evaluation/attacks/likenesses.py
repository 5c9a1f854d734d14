"""Likenesses: scores of how much a replica speaks for a person, against people who were not learned.

Each score takes the same things, :class:`Neighbourhood`, and is higher where a person seems to have been learned. They
look at the replica S and at a reference R of people who were not learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from replica.evaluation.attacks.neighbours import nearest
from replica.evaluation.attacks.people import Matrix

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_NEAR, _MANY, _FOLDS = 5, 30, 5
_TINY, _CHUNK = 1e-6, 500


@dataclass(frozen=True)
class Neighbourhood:
    """What an attacker knows around each target.

    The reference never holds the target, nor the one of the reference that is its partner: a target who was learned has
    a partner who was not, so that both see references of the same size.

    Attributes:
        targets: the persons attacked: shape (targets, dimensions).
        synthetic: the replica's persons.
        reference: persons who were not learned.
        partner: number in the reference that each target must not see.
        to_synthetic: distances of the nearest persons of the replica, nearest first: shape (targets, k).
        synthetic_at: their numbers.
        to_reference: the same for the reference.
    """

    targets: Matrix
    synthetic: Matrix
    reference: Matrix
    partner: Ints
    to_synthetic: Floats
    synthetic_at: Ints
    to_reference: Floats


def neighbourhood(targets: Matrix, synthetic: Matrix, reference: Matrix, partner: Ints) -> Neighbourhood:
    """Finds the neighbours of each target in the replica and in the reference without the target's partner."""
    to_synthetic, at = nearest(targets, synthetic, _MANY)
    to_reference, numbers = nearest(targets, reference, _MANY + 1)
    # One is left out of each row: the partner where it is there, else the farthest.
    out = np.where(numbers == partner[:, None], -1, np.arange(numbers.shape[1]))
    keep = np.sort(np.argsort(out < 0, axis=1, kind="stable")[:, :-1], axis=1)
    return Neighbourhood(
        targets, synthetic, reference, partner, to_synthetic, at, np.take_along_axis(to_reference, keep, axis=1)
    )


def closeness(found: Neighbourhood) -> Floats:
    """How much nearer the replica is than the reference: the distance to the closest record, calibrated."""
    return found.to_reference[:, 0] - found.to_synthetic[:, 0]


def density(found: Neighbourhood) -> Floats:
    """DOMIAS (van Breugel et al. 2023): p_S(x) / p_R(x), each from the distance of the fifth neighbour."""
    far = min(_NEAR, found.to_reference.shape[1], found.to_synthetic.shape[1]) - 1
    return np.log(found.to_reference[:, far] + _TINY) - np.log(found.to_synthetic[:, far] + _TINY)


def plausibility(found: Neighbourhood) -> Floats:
    """DPI (Ward et al. 2024): replica's persons among the nearest of both, as if both were as many."""
    near = np.concatenate([found.to_synthetic, found.to_reference], axis=1)
    order = np.argsort(near, axis=1, kind="stable")[:, :_MANY]
    from_synthetic = (order < found.to_synthetic.shape[1]).sum(axis=1).astype(np.float64)
    found_there: Floats = from_synthetic / (_MANY - from_synthetic + 1)
    return found_there


def classifier(found: Neighbourhood) -> Floats:
    """How surely a model that tells replica from reference takes the target for the replica's."""
    scores = np.zeros(len(found.targets))
    fold = found.partner % _FOLDS
    reference_fold = np.arange(len(found.reference)) % _FOLDS
    for i in range(_FOLDS):
        known = found.reference[reference_fold != i]
        if not len(known) or not (fold == i).any():
            continue
        rows = np.concatenate([found.synthetic, known])
        labels = np.r_[np.ones(len(found.synthetic)), np.zeros(len(known))]
        from sklearn.linear_model import RidgeClassifier  # noqa: PLC0415 - slow to import

        model = RidgeClassifier(class_weight="balanced").fit(rows, labels)
        scores[fold == i] = model.decision_function(found.targets[fold == i])
    return scores


def generalisation(found: Neighbourhood) -> Floats:
    """Gen-LRA (Ward et al. 2025): how much likelier the replica's nearest persons become with the target in R.

    Sum over the nearest persons s of log p(s | R and x) - log p(s | R), with Gaussian kernels as wide as people of the
    reference are apart.
    """
    wide = max(float(np.median(found.to_reference[:, 0])), _TINY)
    used, at = np.unique(found.synthetic_at, return_inverse=True)
    sums = np.concatenate(
        [_kernels(cdist(found.synthetic[rows], found.reference), wide).sum(axis=1) for rows in _in_chunks(used)]
    )
    size = len(found.reference) - 1
    known = sums[at.reshape(found.synthetic_at.shape)] - _kernels(_to_partner(found), wide) + _TINY
    added = _kernels(found.to_synthetic, wide)
    gain: Floats = (np.log((known + added) / (size + 1)) - np.log(known / size)).sum(axis=1)
    return gain


def _kernels(distances: Floats, wide: float) -> Floats:
    found: Floats = np.exp(-0.5 * (distances / wide) ** 2)
    return found


def _in_chunks(rows: Ints) -> list[Ints]:
    return np.array_split(rows, len(rows) // _CHUNK + 1)


def _to_partner(found: Neighbourhood) -> Floats:
    """Distances from the replica's persons near each target to the target's partner."""
    parts = [
        np.linalg.norm(
            found.synthetic[found.synthetic_at[rows]] - found.reference[found.partner[rows]][:, None, :], axis=2
        )
        for rows in _in_chunks(np.arange(len(found.targets)))
    ]
    return np.concatenate(parts).astype(np.float64)


SCORES: Final[Mapping[str, Callable[[Neighbourhood], Floats]]] = {
    "closeness": closeness,
    "density ratio": density,
    "plausibility": plausibility,
    "classifier": classifier,
    "likelihood ratio": generalisation,
}
"""Scores by name."""
