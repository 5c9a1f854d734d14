"""Predicting: one column of a table from all others, learned on one sample and tried on another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from replica.evaluation.boosting import Codes, classifier, regressor
from replica.evaluation.figures import Figure
from replica.evaluation.ground import Values
from replica.evaluation.telling import Estimate, area_under_curve, clustered_error

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

By = Literal["auc", "r2"]

MOST_LABELS = 5
"""So many of a category's labels are told apart, and all others are one more."""

# A column is picked on so few rows.
_SCREENED = 2_000
# Worth predicting is what others say something of and do not simply repeat: 0 is chance and 1 is certain.
_LEAST_WORTH, _MOST_WORTH = 0.1, 0.98


@dataclass(frozen=True)
class UseScores:
    """What a model that learned on the replica is worth on the original.

    Attributes:
        table: the table's id.
        column: what is predicted.
        by: ``auc`` for a category: how often the label that a row has is found likelier than in a row that has another,
            the mean over labels; ``r2`` for a number: the part of the variance of its rank that is explained.
        rows: how many rows were learned from, and as many tested.
        figure: the score.
    """

    table: str
    column: str
    by: By
    rows: int
    figure: Figure


@dataclass(frozen=True)
class Target:
    """A column that may be predicted.

    Attributes:
        name: the column.
        by: how predictions are scored.
        values: numbers of labels, -1 for null, or ranks between 0 and 1, not a number for null, in each sample.
    """

    name: str
    by: By
    values: tuple[Values, Values, Values, Values]


@dataclass(frozen=True)
class UseJob:
    """The predictions of a table: everything that another process needs.

    Attributes:
        table: its id.
        columns: of each feature, the table's own column that it comes from; empty for those of other tables.
        categories: which features are categories: shape (features,).
        codes: of half of the original, the replica, the other half and the floor: shape (rows, features) each.
        units: the family of each row of half of the original, and of the other half.
        targets: what may be predicted.
        chosen: True where all of them are; otherwise one is picked.
        rng: the random stream.
    """

    table: str
    columns: tuple[str, ...]
    categories: npt.NDArray[np.bool_]
    codes: tuple[Codes, Codes, Codes, Codes]
    units: tuple[Ints, Ints]
    targets: tuple[Target, ...]
    chosen: bool
    rng: np.random.Generator

    def run(self) -> tuple[UseScores, ...]:
        """Learns and predicts."""
        picked = self.targets if self.chosen else self._picked()
        return tuple(self._score(target) for target in picked)

    def _picked(self) -> tuple[Target, ...]:
        """The column that the others say most of: learned on some families of half of the original, tried on others."""
        unit = self.units[0]
        names = np.unique(unit)
        learned = np.isin(unit, self.rng.permutation(names)[: len(names) // 2])
        learn, test = np.flatnonzero(learned)[:_SCREENED], np.flatnonzero(~learned)[:_SCREENED]
        worth = []
        for target in self.targets:
            codes, values = self.codes[0], target.values[0]
            found = self._predicted(target, (codes[learn], values[learn]), (codes[test], values[test]), unit[test])
            worth.append(2 * found.value - 1 if target.by == "auc" else found.value)
        within = [i for i, one in enumerate(worth) if _LEAST_WORTH <= one <= _MOST_WORTH]
        return (self.targets[max(within, key=lambda i: worth[i])],) if within else ()

    def _score(self, target: Target) -> UseScores:
        half, replica, other, floor = zip(self.codes, target.values, strict=True)
        ceiling, value, least = (self._predicted(target, one, other, self.units[1]) for one in (half, replica, floor))
        figure = value.figure(ceiling.value, least.value, best=1.0)
        return UseScores(self.table, target.name, target.by, len(self.units[1]), figure)

    def _predicted(
        self, target: Target, learn: tuple[Codes, Values], test: tuple[Codes, Values], unit: Ints
    ) -> Estimate:
        """Learns on some rows and scores the predictions of others."""
        use = np.array([column != target.name for column in self.columns])
        (codes, values), (seen, truth) = _known(*learn), _known(*test)
        unit = unit[_is_known(test[1])]
        if not len(truth) or not len(values):
            return Estimate(0.5 if target.by == "auc" else 0.0, 0.0, 1)
        codes, seen, categories = codes[:, use], seen[:, use], self.categories[use]
        if target.by == "r2":
            numbers = np.asarray(values, np.float64)
            return explained(np.asarray(truth, np.float64), regressor(codes, numbers, categories, self.rng)(seen), unit)
        guesses = np.zeros((len(truth), MOST_LABELS + 1))
        guesses[:, np.unique(values)] = classifier(codes, values, categories, self.rng)(seen)
        return told_by_label(truth, guesses, unit)


def _is_known(values: Values) -> npt.NDArray[np.bool_]:
    return ~np.isnan(values) if values.dtype == np.float64 else values >= 0


def _known(codes: Codes, values: Values) -> tuple[Codes, Values]:
    known = _is_known(values)
    return codes[known], values[known]


def explained(truth: Floats, guesses: Floats, unit: Ints) -> Estimate:
    """Which part of the variance do guesses explain? 0 for guesses no better than the mean, or worse.

    >>> explained(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]), np.arange(3)).value
    0.5
    """
    squares, total = (truth - guesses) ** 2, (truth - truth.mean()) ** 2
    if not total.sum():
        return Estimate(0.0, 0.0, 1)
    missed = float(squares.sum() / total.sum())
    names, place = np.unique(unit, return_inverse=True)
    error = clustered_error((squares - missed * total) / total.sum(), place.reshape(-1))
    return Estimate(max(0.0, 1.0 - missed), error, len(names))


def told_by_label(truth: Values, guesses: Floats, unit: Ints) -> Estimate:
    """How well do guesses tell each label from all others? The mean area under the ROC curve, by how common labels are.

    Args:
        truth: the label of each row: shape (rows,).
        guesses: how likely each label was found: shape (rows, labels).
        unit: number of the family of each row: shape (rows,).
    """
    area, pulls = 0.0, np.zeros(len(truth))
    labels, counts = np.unique(truth, return_counts=True)
    for label, count in zip(labels.astype(np.int64), counts, strict=True):
        one, pull = area_under_curve(guesses[:, label], truth == label)
        area += one * count / len(truth)
        pulls += pull * count / len(truth)
    names, place = np.unique(unit, return_inverse=True)
    return Estimate(float(area), clustered_error(pulls, place.reshape(-1)), len(names))
