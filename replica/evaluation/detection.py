"""Detection: can a classifier tell the rows of the replica from those of the original?

Four questions, from one row to many tables: a table's rows (C2ST), its rows beside all that they point to, parents with
their children summed up (C2ST-Agg of SyntheRela, Hudovernik et al. 2024), and the same summed up more fully. Of each
the ceiling is one half of the original against the other, and the floor is half of the original against its columns
drawn one by one and its keys at random, all with the same numbers of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from replica.evaluation.figures import Figure, mean_of
from replica.evaluation.ground import Ground, Side
from replica.evaluation.sampling import draw_samples
from replica.evaluation.summaries import at_children
from replica.evaluation.telling import FOLDS, Sample, tell_apart
from replica.evaluation.wide import Look, at_parents, at_rows, coded, unit_beside_parents, unit_of_family
from replica.planning.decisions import TablePlan

Ints = npt.NDArray[np.int64]

What = Literal["rows", "with_parents", "children", "children_strict"]

MOST_ROWS = 40_000
"""Rows of each sample that a classifier is shown at most."""
FEWEST_ROWS = 25
"""With fewer rows of each sample there is nothing to be told."""

# Folds are guessed until there are so many rows, of so many families. The replica's own figure is to be more certain
# than its ceiling and its floor, which are guessed in no more folds than these.
_GUESSED, _UNITS, _MOST_FOLDS = (5_000, 2_500, 1_000), 400, (FOLDS, 3, 1)
CHANCE = 0.5


@dataclass(frozen=True)
class TellScores:
    """How well samples of one table are told apart. 0.5 is best; well under it rows are copies.

    Attributes:
        what: what was seen of a row.
        table: its id.
        rows: how many rows of each sample were looked at.
        accuracy: share of rows whose sample is guessed.
        auc: how often a row of the replica looks more like one than a row of the original does.
    """

    what: What
    table: str
    rows: int
    accuracy: Figure
    auc: Figure


@dataclass(frozen=True)
class DetectionScores:
    """How well a classifier tells the replica from the original.

    Attributes:
        rows: rows of a table by themselves (C2ST).
        with_parents: rows beside all that they point to.
        children: rows with their children summed up as SyntheRela does (C2ST-Agg): their number, how many categories
            they have, the mean of their numbers.
        children_strict: with spread, extremes, commonest shares, moments, and the columns of their own parents too.
    """

    rows: tuple[TellScores, ...] = ()
    with_parents: tuple[TellScores, ...] = ()
    children: tuple[TellScores, ...] = ()
    children_strict: tuple[TellScores, ...] = ()

    def mean(self, what: What) -> Figure | None:
        """Returns the mean accuracy over tables, each counted as far above one half as it is away from it."""
        scores: tuple[TellScores, ...] = getattr(self, what)
        return mean_of([found.accuracy for found in scores])

    def worst(self, what: What) -> TellScores | None:
        """Returns the table that is told apart best, compared with its ceiling."""
        scores: tuple[TellScores, ...] = getattr(self, what)
        return max(scores, key=lambda found: found.accuracy.below_ceiling, default=None)


@dataclass(frozen=True)
class TellJob:
    """A question with its samples: everything that another process needs.

    Attributes:
        what: which of the four questions.
        table: the table's id.
        half: half of the original's rows.
        others: what they are told from: the replica, the other half, the floor.
        categories: which features are categories: shape (features,).
        rng: the random stream.
    """

    what: What
    table: str
    half: Sample
    others: tuple[Sample, Sample, Sample]
    categories: npt.NDArray[np.bool_]
    rng: np.random.Generator

    def run(self) -> TellScores:
        """Answers the question."""
        n = len(self.half)
        replica, ceiling, floor = (
            tell_apart(self.half, other, self.categories, self.rng, folds)
            for other, folds in zip(self.others, _folds(n, 2 * len(np.unique(self.half.unit))), strict=True)
        )
        return TellScores(
            self.what,
            self.table,
            n,
            replica.accuracy.figure(ceiling.accuracy.value, floor.accuracy.value, CHANCE),
            replica.auc.figure(ceiling.auc.value, floor.auc.value, CHANCE),
        )


@dataclass(frozen=True)
class Question:
    """What is asked about a table.

    Attributes:
        what: which of the four questions.
        table: the table.
        look: what the classifier sees of a row.
        unit: takes a side and says which of its rows count as one.
    """

    what: What
    table: TablePlan
    look: Look
    unit: Callable[[Side], Ints]

    def seconds(self, ground: Ground) -> float:
        """About how long an answer takes."""
        rows = min(MOST_ROWS, len(ground.original[self.table.id]) // 2)
        if rows < FEWEST_ROWS:
            return 0.0
        return sum(_folds(rows, rows)) * (0.05 + 5e-7 * 2 * rows * len(self.look.features))

    def job(self, ground: Ground) -> TellJob | None:
        """Draws the samples; None where there are too few rows."""
        table = self.table.id
        rng = ground.rng("detection", self.what, table)
        drawn = draw_samples([self.unit(side) for side in ground.sides], MOST_ROWS, rng)
        if len(drawn.rows[0]) < FEWEST_ROWS:
            return None
        sides = zip((ground.original, ground.synthetic, ground.original, ground.floor), drawn.rows, strict=True)
        codes = coded(self.look.features, [self.look.values(side, rows) for side, rows in sides])
        half, replica, other, floor = (Sample(*one) for one in zip(codes, drawn.units, strict=True))
        categories = np.array([feature.is_category for feature in self.look.features])
        return TellJob(self.what, table, half, (replica, other, floor), categories, rng)


def _folds(rows: int, units: int) -> list[int]:
    """How many folds are guessed of the replica, of the ceiling and of the floor."""
    for_units = -(-_UNITS * FOLDS // units)
    by_rows = (-(-wanted * FOLDS // (2 * rows)) for wanted in _GUESSED)
    return [min(most, max(wanted, for_units)) for most, wanted in zip(_MOST_FOLDS, by_rows, strict=True)]


def questions(ground: Ground) -> Iterator[Question]:
    """Yields what is asked: of tables that were made, as far as there is something to see."""
    for table in ground.made:
        yield from _questions(ground, table)


def _questions(ground: Ground, table: TablePlan) -> Iterator[Question]:
    own, above = at_rows(ground, table), at_parents(ground, table)
    family, beside_parents = unit_of_family(table), unit_beside_parents(ground, table)
    if own.features:
        yield Question("rows", table, own, family)
    if above.features:
        yield Question("with_parents", table, own.beside(above), beside_parents)
    if ground.plan.children(table.id):
        yield Question("children", table, own.beside(at_children(ground, table, strict=False)), family)
        fully = own.beside(above).beside(at_children(ground, table, strict=True))
        yield Question("children_strict", table, fully, beside_parents)
