"""A parent's children in a few numbers, beside the parent.

SyntheRela (Hudovernik et al. 2024, section on C2ST-Agg) sums children up by their number, by how many categories they
have and by the mean of their numbers. A replica can have all these right and still give every family the same spread,
so a fuller summary has spread, extremes and the share of the commonest category as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Feature, Ground, Side, Values
from replica.evaluation.views import take
from replica.evaluation.wide import NOTHING, Look
from replica.planning.decisions import TablePlan
from replica.schema.model import ForeignKey

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Families:
    """The children of every parent, next to each other.

    Attributes:
        rows: numbers of the children that have a parent, by parent.
        parent: the parent of each of them.
        count: how many parents there are.
    """

    rows: Ints
    parent: Ints
    count: int

    @classmethod
    def of(cls, parents: Ints, count: int) -> Families:
        """Sorts children by their parents; those of nobody are left out."""
        rows = np.argsort(parents, kind="stable")
        rows = rows[parents[rows] >= 0]
        return cls(rows, parents[rows], count)

    def of_values(self, values: Values, known: npt.NDArray[np.bool_]) -> tuple[Values, Ints]:
        """Returns the values of the children for which something is known, and their parents."""
        there = known[self.rows]
        return values[self.rows[there]], self.parent[there]


def at_children(ground: Ground, table: TablePlan, *, strict: bool) -> Look:
    """Looks at the children of a row, summed up.

    Args:
        ground: both databases.
        table: the parent.
        strict: spread, extremes and commonest shares too, and moments.
    """
    found = NOTHING
    for key in ground.plan.children(table.id):
        found = found.beside(_along_reference(ground, key, strict=strict))
    return found


def _along_reference(ground: Ground, key: ForeignKey, *, strict: bool) -> Look:
    wanted = [(feature, ways_of(feature, strict=strict)) for feature in ground.features[key.child]]
    names = [f"{key.id} {feature.name} {name}" for feature, ways in wanted for name in ways]
    features = (Feature(f"{key.id} count", "number"), *(Feature(name, "number") for name in names))

    def values(side: Side, rows: Ints) -> list[Values]:
        child, parent = side[key.child], side[key.parent]
        families = Families.of(child.parents[key.id], len(parent))
        count = parent.fan_outs[key.id].astype(np.float64)
        summed = (way(families, child.values[feature.name]) for feature, ways in wanted for way in ways.values())
        return [take(one, rows) for one in (count, *summed)]

    return Look(features, values, ("",) * len(features))


Way = Callable[[Families, Values], Floats]


def ways_of(feature: Feature, *, strict: bool) -> dict[str, Way]:
    """Returns by what a column of children is summed up, by name."""
    if feature.is_category:
        return {"nunique": nunique, "commonest": commonest} if strict else {"nunique": nunique}
    if strict:
        return {"mean": mean, "spread": spread, "least": least, "most": most}
    return {"mean": mean} if feature.what == "number" else {}


def mean(families: Families, values: Values) -> Floats:
    """Returns the mean of each parent's children; not a number where none is known."""
    found, parent = families.of_values(values, np.isfinite(values))
    sums = np.bincount(parent, weights=found, minlength=families.count)
    counts = np.bincount(parent, minlength=families.count)
    return _ratio(sums, counts)


def spread(families: Families, values: Values) -> Floats:
    """Returns the standard deviation among each parent's children; not a number for fewer than two."""
    found, parent = families.of_values(values, np.isfinite(values))
    away = (found - mean(families, values)[parent]) ** 2
    counts = np.bincount(parent, minlength=families.count)
    squares = np.bincount(parent, weights=away, minlength=families.count)
    return np.sqrt(_ratio(squares, counts - 1))


def least(families: Families, values: Values) -> Floats:
    """Returns the least value among each parent's children; not a number where none is known."""
    return _extreme(families, values, np.minimum)


def most(families: Families, values: Values) -> Floats:
    """Returns the greatest value among each parent's children; not a number where none is known."""
    return _extreme(families, values, np.maximum)


def _extreme(families: Families, values: Values, way: np.ufunc) -> Floats:
    found, parent = families.of_values(values, ~np.isnan(values))
    result = np.full(families.count, np.nan)
    if len(parent):
        starts = np.flatnonzero(np.r_[True, parent[1:] != parent[:-1]])
        result[parent[starts]] = way.reduceat(found, starts)
    return result


def nunique(families: Families, values: Values) -> Floats:
    """Returns how many labels each parent's children have."""
    parent, _ = _labels(families, values)
    return np.bincount(parent, minlength=families.count).astype(np.float64)


def commonest(families: Families, values: Values) -> Floats:
    """Returns the share of the commonest label among each parent's children; not a number where none is known."""
    parent, counts = _labels(families, values)
    largest = np.zeros(families.count)
    np.maximum.at(largest, parent, counts)
    known = np.bincount(parent, weights=counts, minlength=families.count)
    return _ratio(largest, known)


def _ratio(sums: Ints | Floats, counts: Ints | Floats) -> Floats:
    """Divides, where there is something to divide by."""
    found = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=found, where=counts > 0)
    return found


def _labels(families: Families, values: Values) -> tuple[Ints, Ints]:
    """The parent of every label that some children have, and how many have it."""
    labels, parent = families.of_values(values, values >= 0)
    size = int(labels.max(initial=0)) + 1
    pairs, counts = np.unique(parent * size + labels.astype(np.int64), return_counts=True)
    return pairs // size, counts
