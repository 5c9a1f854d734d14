"""Telling samples apart: a classifier that was shown some rows guesses where others come from.

The classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017): if rows of two samples are labelled by their sample and
a classifier does no better than chance on rows it has not seen, nothing that it can see tells the samples apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from replica.evaluation.boosting import Codes, classifier
from replica.evaluation.figures import Figure, interval

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FOLDS = 5
"""Rows are guessed by a classifier that saw the other four fifths of the families."""


@dataclass(frozen=True)
class Sample:
    """Rows as a classifier sees them.

    Attributes:
        codes: shape (rows, features).
        unit: number of the family of each row, which is never in two folds: shape (rows,).
    """

    codes: Codes
    unit: Ints

    def __len__(self) -> int:
        return len(self.unit)


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, and how many families it is known from."""

    value: float
    error: float
    units: int

    def figure(self, ceiling: float | None, floor: float | None, best: float) -> Figure:
        """Puts it beside its ceiling and its floor."""
        return Figure(self.value, *interval(self.value, self.error, self.units), ceiling, floor, best)


@dataclass(frozen=True)
class Told:
    """How well two samples are told apart.

    Attributes:
        accuracy: share of rows whose sample is guessed.
        auc: how often a row of the second sample looks more like the second one than a row of the first does.
    """

    accuracy: Estimate
    auc: Estimate


def tell_apart(
    one: Sample, other: Sample, categories: npt.NDArray[np.bool_], rng: np.random.Generator, folds: int = FOLDS
) -> Told:
    """Guesses from which of two samples rows come.

    Args:
        one: rows of the first sample.
        other: rows of the second one, about as many.
        categories: which features are categories: shape (features,).
        rng: deals families to folds.
        folds: of how many of the five folds the rows are guessed; fewer are quicker and less certain.
    """
    codes = np.concatenate([one.codes, other.codes])
    is_other = np.repeat([False, True], [len(one), len(other)])
    # A family of one sample and its copy in the other are two families.
    _, unit = np.unique(np.concatenate([one.unit * 2, other.unit * 2 + 1]), return_inverse=True)
    fold = _folds(unit, is_other, rng)
    guesses = np.full(len(codes), np.nan)
    for i in range(folds):
        train, test = fold != i, fold == i
        guess = classifier(codes[train], is_other[train], categories, rng)
        guesses[test] = guess(codes[test])[:, 1]
    guessed = ~np.isnan(guesses)
    return _told(guesses[guessed], is_other[guessed], unit[guessed], fold[guessed])


def _folds(unit: Ints, is_other: npt.NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Deals families to folds, those of each sample in turn, so that folds have as many of both."""
    dealt = np.empty(int(unit.max(initial=-1)) + 1, np.int64)
    for side in (False, True):
        names = np.unique(unit[is_other == side])
        dealt[names] = rng.permutation(len(names)) % FOLDS
    return dealt[unit]


def _told(guesses: Floats, is_other: npt.NDArray[np.bool_], unit: Ints, fold: Ints) -> Told:
    right = ((guesses > 0.5) == is_other).astype(np.float64)
    # As many of each sample, or guessing the larger one would pay.
    weight = np.where(is_other, 0.5 / max(1, is_other.sum()), 0.5 / max(1, (~is_other).sum()))
    accuracy = float((weight * right).sum())
    areas, pulls = np.zeros(0), np.zeros(len(guesses))
    for i in np.unique(fold):
        rows = fold == i
        area, pull = area_under_curve(guesses[rows], is_other[rows])
        pulls[rows] = pull
        areas = np.append(areas, area)
    units = len(np.unique(unit))
    return Told(
        Estimate(accuracy, clustered_error(weight * (right - accuracy), unit), units),
        Estimate(float(areas.mean()), clustered_error(pulls / len(areas), unit), units),
    )


def area_under_curve(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[float, Floats]:
    """How often a positive row has the higher score, ties counting half?

    Args:
        scores: shape (rows,).
        positive: which rows are positive: shape (rows,).

    Returns:
        The area under the ROC curve, 0.5 where there is nothing to compare, and how far each row pulls it away from
        the mean: what is left of the structural components of DeLong et al. (1988), whose sum of squares is the
        variance of the area.

    >>> area_under_curve(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True]))[0]
    0.875
    """
    p, n = int(positive.sum()), int((~positive).sum())
    if not p or not n:
        return 0.5, np.zeros(len(scores))
    everywhere, above, below = stats.rankdata(scores), np.empty(len(scores)), 1.0
    # Of each row, the share of the other class that it stands on the right side of.
    above[positive] = (everywhere[positive] - stats.rankdata(scores[positive])) / n
    above[~positive] = below - (everywhere[~positive] - stats.rankdata(scores[~positive])) / p
    area = float(above[positive].mean())
    return area, (above - area) / np.where(positive, p, n)


def clustered_error(pulls: Floats, unit: Ints) -> float:
    """Returns the standard error of a sum whose rows vary together within families.

    Args:
        pulls: what each row adds to the sum, less its mean: shape (rows,).
        unit: number of the family of each row: shape (rows,).
    """
    sums = np.bincount(unit, weights=pulls)
    return float(np.sqrt((sums**2).sum()))
