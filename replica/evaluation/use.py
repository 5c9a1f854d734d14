"""Use: what a model learned on the replica is worth on the original.

Train on synthetic, test on real (Esteban et al. 2017): a column is predicted from the row's other columns, from those
of its parents and from its children summed up. The model learns on the replica and is tried on one half of the
original; the ceiling is one that learned on the other half, and the floor one that learned on columns drawn one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Feature, Ground, Values
from replica.evaluation.predicting import MOST_LABELS, Target, UseJob
from replica.evaluation.sampling import draw_samples
from replica.evaluation.summaries import at_children
from replica.evaluation.wide import Look, at_parents, at_rows, coded, unit_beside_parents
from replica.inference import is_personal
from replica.planning.decisions import TablePlan

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_ROWS = 20_000
"""Rows that are learned from, and rows that are tried, at most."""
FEWEST_ROWS = 100
"""With fewer rows of each sample nothing is learned."""

# Where the map names no column, one is picked among so many, in each of so many tables.
_MOST_CANDIDATES, _MOST_TABLES = 12, 8
# Where fewer rows than this share have another label than the commonest, there is nothing to tell.
_LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Prediction:
    """A table of which columns are predicted.

    Attributes:
        table: the table.
        features: the columns that may be predicted.
        chosen: True where the map names them.
    """

    table: TablePlan
    features: tuple[Feature, ...]
    chosen: bool

    def look(self, ground: Ground) -> Look:
        """Looks at all that a prediction may be made from, and at the columns themselves."""
        own, above = at_rows(ground, self.table), at_parents(ground, self.table)
        return own.beside(above).beside(at_children(ground, self.table, strict=False))

    def seconds(self, ground: Ground) -> float:
        """About how long it takes."""
        rows = min(MOST_ROWS, len(ground.original[self.table.id]) // 2)
        return len(self.features) * 0.1 + 3e-6 * rows * len(self.look(ground).features)

    def job(self, ground: Ground) -> UseJob | None:
        """Draws the samples; None where there are too few rows, or nothing to predict."""
        rng = ground.rng("use", self.table.id)
        unit = unit_beside_parents(ground, self.table)
        drawn = draw_samples([unit(side) for side in ground.sides], MOST_ROWS, rng)
        sides = list(zip((ground.original, ground.synthetic, ground.original, ground.floor), drawn.rows, strict=True))
        targets = [
            target
            for feature in self.features
            if (target := _target(feature, [side[self.table.id].values[feature.name][at] for side, at in sides]))
        ]
        if len(drawn.rows[0]) < FEWEST_ROWS or not targets:
            return None
        look = self.look(ground)
        half, replica, other, floor = coded(look.features, [look.values(side, rows) for side, rows in sides])
        return UseJob(
            table=self.table.id,
            columns=look.columns,
            categories=np.array([feature.is_category for feature in look.features]),
            codes=(half, replica, other, floor),
            units=(drawn.units[0], drawn.units[2]),
            targets=tuple(targets),
            chosen=self.chosen,
            rng=rng,
        )


def predictions(ground: Ground) -> Iterator[Prediction]:
    """Yields what is predicted: what the map names, and otherwise a column of each of the largest tables."""
    picked = 0
    for table in sorted(ground.made, key=lambda one: -len(ground.original[one.id])):
        named = ground.plan.schema_map.tables[table.id].predict
        able = [feature for feature in ground.features[table.id] if _may_be_predicted(table, feature)]
        if named:
            yield Prediction(table, tuple(feature for feature in able if feature.name in named), chosen=True)
        elif able and picked < _MOST_TABLES and len(ground.original[table.id]) >= 2 * FEWEST_ROWS:
            chosen = ground.rng("candidates", table.id).permutation(len(able))[:_MOST_CANDIDATES]
            yield Prediction(table, tuple(able[i] for i in sorted(chosen)), chosen=False)
            picked += 1


def unpredictable(ground: Ground) -> Iterator[str]:
    """Yields a line on each column that the map names although nothing can predict it."""
    for table in ground.plan.tables:
        able = {feature.name for feature in ground.features[table.id] if _may_be_predicted(table, feature)}
        for name in ground.plan.schema_map.tables[table.id].predict:
            if name not in able or table.role == "lookup":
                yield f"{table.id}: {name} is not predicted: its values are keys, made up, or copied"


def _may_be_predicted(table: TablePlan, feature: Feature) -> bool:
    """False for texts and for what is made up."""
    kind = next(column.kind for column in table.columns if column.name == feature.name)
    return feature.what != "text" and not is_personal(kind or "")


def _target(feature: Feature, values: Sequence[Values]) -> Target | None:
    """A column as it is predicted; None where half of the original has hardly two different values.

    Args:
        feature: the column.
        values: its values in half of the original, the replica, the other half, and the floor.
    """
    if feature.is_category:
        return _by_label(feature.name, values[0][values[0] >= 0], values)
    known = np.asarray(values[0][~np.isnan(values[0])], np.float64)
    if len(np.unique(known)) < 2:
        return None
    half, replica, other, floor = (_ranks(np.sort(known), found) for found in values)
    return Target(feature.name, "r2", (half, replica, other, floor))


def _by_label(name: str, known: Values, values: Sequence[Values]) -> Target | None:
    """The commonest labels by their number, and one number for all others."""
    counts = np.bincount(known.astype(np.int64), minlength=1 + max(int(found.max(initial=0)) for found in values))
    common = np.argsort(-counts, kind="stable")[:MOST_LABELS]
    if not len(known) or 1 - counts[common[0]] / len(known) < _LEAST_SHARE:
        return None
    numbers = np.full(len(counts) + 1, MOST_LABELS, np.int32)
    numbers[common] = np.arange(len(common))
    numbers[-1] = -1
    half, replica, other, floor = (numbers[found.astype(np.int64)] for found in values)
    return Target(name, "auc", (half, replica, other, floor))


def _ranks(known: Values, values: Values) -> Floats:
    """Where values stand among those of the original: 0 before all, 1 behind all, so that none is far from the rest."""
    middle = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2
    return np.where(np.isnan(values), np.nan, middle / len(known))
