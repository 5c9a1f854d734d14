"""Wide rows: a row with what stands beside it in other tables, in codes that a classifier can read.

What a classifier sees of a value is one of 250 codes, cut by what all samples have together. Personal values are made
up anyway, so of them it sees only whether there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from replica.evaluation.boosting import NULL, Codes
from replica.evaluation.ground import Feature, Ground, Side, Values, keys_of
from replica.evaluation.sampling import FEWEST_UNITS
from replica.evaluation.seasons import in_days, returning
from replica.evaluation.views import take
from replica.inference import is_personal
from replica.planning.decisions import TablePlan
from replica.schema.model import ForeignKey

Ints = npt.NDArray[np.int64]

CODES = 250
MANY = 100
"""Fewer parents than this would be known by heart."""


@dataclass(frozen=True)
class Look:
    """Some columns of a table's rows, of other tables too.

    Attributes:
        features: what the columns are.
        values: takes a side and numbers of rows, negative for none, and gives the values of each feature.
        columns: of each feature, the table's own column that it comes from; empty for those of other tables.
    """

    features: tuple[Feature, ...]
    values: Callable[[Side, Ints], list[Values]]
    columns: tuple[str, ...]

    def beside(self, other: Look) -> Look:
        """Returns a look at the columns of both."""
        features = (*self.features, *other.features)
        columns = (*self.columns, *other.columns)
        return Look(features, lambda side, rows: self.values(side, rows) + other.values(side, rows), columns)


NOTHING = Look((), lambda _side, _rows: [], ())
"""A look at no column."""


def at_rows(ground: Ground, table: TablePlan) -> Look:
    """Looks at a row's own columns, and at the month, weekday and hour of its moments."""
    features: list[Feature] = []
    columns: list[str] = []
    ways: dict[str, Callable[[Values], list[Values]]] = {}
    for feature in ground.features[table.id]:
        found, ways[feature.name] = _seen(table, feature)
        features += found
        columns += [feature.name] * len(found)

    def values(side: Side, rows: Ints) -> list[Values]:
        return [value for name, way in ways.items() for value in way(take(side[table.id].values[name], rows))]

    return Look(tuple(features), values, tuple(columns))


def _seen(table: TablePlan, feature: Feature) -> tuple[list[Feature], Callable[[Values], list[Values]]]:
    """What a classifier sees of a column, and how its values become that."""
    column = next(found for found in table.columns if found.name == feature.name)
    if is_personal(column.kind or ""):
        return [Feature(feature.name, "number")], lambda values: [_presence(values)]
    family = column.column.type.family
    if feature.what != "moment" or family == "time":
        return [feature], lambda values: [values]
    parts = [Feature(f"{feature.name} {part}", "number") for part in ("month", "weekday", "hour")]
    return [feature, *parts], lambda values: [values, *returning(in_days(np.asarray(values, np.float64), family))]


def _presence(values: Values) -> Values:
    null = np.isnan(values) if values.dtype == np.float64 else values < 0
    return (~null).astype(np.float64)


def at_parents(ground: Ground, table: TablePlan) -> Look:
    """Looks at the columns of the rows that a row points to."""
    found = NOTHING
    for key in many_parents(ground, table):
        found = found.beside(_along(at_rows(ground, ground.plan.by_id[key.parent]), table.id, key.id))
    return found


def many_parents(ground: Ground, table: TablePlan) -> list[ForeignKey]:
    """Returns the references that lead to copied rows, or to enough different ones.

    A classifier knows a handful of rows by heart, and those that were made are others than the original's, however well
    they were made: that would say nothing.
    """
    sides = [side[table.id] for side in (ground.original, ground.synthetic)]
    return [
        key
        for key in keys_of(table)
        if ground.plan.by_id[key.parent].role == "lookup"
        or min(len(np.unique(rows.parents[key.id])) for rows in sides) > MANY
    ]


def unit_of_family(table: TablePlan) -> Callable[[Side], Ints]:
    """Returns what gives the family of each row."""
    return lambda side: side[table.id].unit


def unit_beside_parents(ground: Ground, table: TablePlan) -> Callable[[Side], Ints]:
    """Returns what rows count as one where they stand beside their parents: the family, or a parent of more rows.

    Rows of one parent are no evidence for each other. Of several parents that which has most rows counts, since it is
    the one that a classifier may recognise.
    """
    made = (key for key in many_parents(ground, table) if ground.plan.by_id[key.parent].role != "lookup")
    ways: list[Callable[[Side], Ints]] = [unit_of_family(table)]
    ways += (partial(_unit_along, table.id, key.id) for key in made)
    sizes = [len(np.unique(way(ground.original))) for way in ways]
    able = [i for i, size in enumerate(sizes) if size >= FEWEST_UNITS]
    return ways[min(able, key=lambda i: sizes[i], default=0)]


def _unit_along(table: str, key: str, side: Side) -> Ints:
    """The parent of each row; rows without one count for themselves."""
    parents = side[table].parents[key]
    return np.where(parents >= 0, parents, len(parents) + int(parents.max(initial=0)) + np.arange(len(parents)))


def _along(above: Look, table: str, key: str) -> Look:
    """Looks at the row that a reference leads to."""

    def values(side: Side, rows: Ints) -> list[Values]:
        step = side[table].parents[key]
        return above.values(side, np.where(rows >= 0, step[np.maximum(rows, 0)] if len(step) else -1, -1))

    return Look(above.features, values, ("",) * len(above.features))


# Codes


def coded(features: Sequence[Feature], samples: Sequence[Sequence[Values]]) -> list[Codes]:
    """Cuts values into codes, the same for all samples.

    Args:
        features: what the columns are.
        samples: values of each feature, one sequence per sample.

    Returns:
        One matrix per sample: shape (rows, features).
    """
    columns = [_codes(feature, [values[i] for values in samples]) for i, feature in enumerate(features)]
    sizes = [len(values[0]) if values else 0 for values in samples]
    return [
        np.column_stack([column[i] for column in columns]) if columns else np.zeros((size, 0), np.uint8)
        for i, size in enumerate(sizes)
    ]


def _codes(feature: Feature, samples: list[Values]) -> list[Codes]:
    if feature.is_category:
        numbers = _by_commonness(np.concatenate([values[values >= 0] for values in samples]).astype(np.int64))
        return [numbers[values] for values in samples]
    edges = _edges(np.concatenate([values[~np.isnan(values)] for values in samples]))
    return [
        np.where(np.isnan(values), NULL, np.searchsorted(edges, values, side="right")).astype(np.uint8)
        for values in samples
    ]


def _by_commonness(labels: Ints) -> Codes:
    """The code of each label, the commonest first; rare ones share a code, and null comes last."""
    counts = np.bincount(labels)
    codes = np.full(len(counts) + 1, NULL)
    codes[np.argsort(-counts, kind="stable")] = np.minimum(1 + np.arange(len(counts)), CODES)
    codes[-1] = NULL
    return codes.astype(np.uint8)


def _edges(known: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where codes begin: at every value, or at so many of them that each code has about as many rows."""
    different = np.unique(known)
    if len(different) <= CODES:
        return different
    return np.unique(np.sort(known)[np.linspace(0, len(known) - 1, CODES + 1).astype(np.int64)[:-1]])
