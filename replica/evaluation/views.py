"""Views: which rows are put beside each other before their columns are compared.

A view takes the same rows from every side: those of a table, of a child with its parent, of two brothers, of two
parents of one child. What a replica keeps of a database shows in the pairs of columns of such rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Feature, Ground, Rows, Side, Values, keys_of
from replica.planning.decisions import TablePlan
from replica.schema.model import ForeignKey, column_list

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """The rows of a view on one side.

    Attributes:
        left: values of the features on the left.
        right: values of those on the right.
        unit: which rows are resampled as one: shape (rows,).
    """

    left: tuple[Values, ...]
    right: tuple[Values, ...]
    unit: Ints

    def __len__(self) -> int:
        return len(self.unit)


@dataclass(frozen=True)
class View:
    """Rows of two groups of features, on every side.

    Attributes:
        name: what is put beside what, for a reader.
        left: features of the one row.
        right: features of the other; empty where pairs are within ``left``.
        frames: the original's rows, the replica's and the floor's.
    """

    name: str
    left: tuple[Feature, ...]
    right: tuple[Feature, ...]
    frames: tuple[Frame, Frame, Frame]

    @property
    def has_rows(self) -> bool:
        """True where both databases have rows to compare."""
        return len(self.frames[0]) > 1 and len(self.frames[1]) > 1


def take(values: Values, rows: Ints) -> Values:
    """Returns values of some rows, null for negative numbers of rows."""
    null = np.nan if values.dtype == np.float64 else -1
    if not len(values):
        return np.full(len(rows), null, values.dtype)
    found: Values = np.where(rows >= 0, values[np.maximum(rows, 0)], values.dtype.type(null))
    return found


def named(features: tuple[Feature, ...], before: str) -> tuple[Feature, ...]:
    """Returns features with something before their names."""
    return tuple(replace(feature, name=f"{before}.{feature.name}") for feature in features)


def _view(
    ground: Ground, name: str, left: tuple[Feature, ...], right: tuple[Feature, ...], frame: Callable[[Side], Frame]
) -> View:
    original, synthetic, floor = (frame(side) for side in ground.sides)
    return View(name, left, right, (original, synthetic, floor))


def _all(ground: Ground, table: str, rows: Rows) -> tuple[Values, ...]:
    return tuple(rows.values[feature.name] for feature in ground.features[table])


def of_table(ground: Ground, table: TablePlan) -> View:
    """The rows of a table by themselves."""
    return _view(
        ground,
        table.id,
        ground.features[table.id],
        (),
        lambda side: Frame(_all(ground, table.id, side[table.id]), (), side[table.id].unit),
    )


def of_path(ground: Ground, path: tuple[ForeignKey, ...]) -> View:
    """Children beside the rows that one reference, or several after each other, lead to."""
    child, parent = path[0].child, path[-1].parent

    def frame(side: Side) -> Frame:
        rows = np.arange(len(side[child]))
        for key in path:
            step = side[key.child].parents[key.id]
            rows = np.where(rows >= 0, step[np.maximum(rows, 0)] if len(step) else -1, -1)
        there = np.flatnonzero(rows >= 0)
        left = tuple(values[there] for values in _all(ground, child, side[child]))
        right = tuple(take(values, rows[there]) for values in _all(ground, parent, side[parent]))
        return Frame(left, right, side[child].unit[there])

    ways = " → ".join(column_list(key.columns) for key in path)
    right = named(ground.features[parent], parent)
    return _view(ground, f"{child} {ways} → {parent}", ground.features[child], right, frame)


def paths(ground: Ground) -> Iterator[tuple[ForeignKey, ...]]:
    """Yields every reference, and every two that follow each other, between tables with features."""
    keys = [key for table in ground.plan.tables for key in keys_of(table)]
    for first in keys:
        if ground.features[first.child] and ground.features[first.parent]:
            yield (first,)
        for second in keys:
            if second.child == first.parent and ground.features[first.child] and ground.features[second.parent]:
                yield first, second


def of_siblings(ground: Ground, key: ForeignKey) -> View:
    """Each row beside another one of the same parent, drawn at random."""
    table = key.child
    rng = ground.rng("siblings", key.id)

    def frame(side: Side) -> Frame:
        rows = side[table]
        one, other = _siblings(rows.parents[key.id], rng)
        values = _all(ground, table, rows)
        return Frame(tuple(v[one] for v in values), tuple(v[other] for v in values), rows.unit[one])

    features = ground.features[table]
    return _view(ground, f"{table}, two of one {column_list(key.columns)}", features, named(features, "sibling"), frame)


def _siblings(parents: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Rows that have siblings, and one sibling of each: the next one of the family in a random round."""
    mixed = rng.permutation(len(parents))
    order = mixed[np.argsort(parents[mixed], kind="stable")]
    order = order[parents[order] >= 0]
    if not len(order):
        return order, order
    family = parents[order]
    starts = np.flatnonzero(np.r_[True, family[1:] != family[:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    following = np.arange(1, len(order) + 1)
    following[starts + sizes - 1] = starts
    has_sibling = np.repeat(sizes > 1, sizes)
    return order[has_sibling], order[following[has_sibling]]


def of_coparents(ground: Ground, first: ForeignKey, second: ForeignKey) -> View:
    """The two rows that one child points to, beside each other."""

    def frame(side: Side) -> Frame:
        child = side[first.child]
        one, other = child.parents[first.id], child.parents[second.id]
        there = np.flatnonzero((one >= 0) & (other >= 0))
        left = tuple(take(values, one[there]) for values in _all(ground, first.parent, side[first.parent]))
        right = tuple(take(values, other[there]) for values in _all(ground, second.parent, side[second.parent]))
        return Frame(left, right, child.unit[there])

    return _view(
        ground,
        f"{first.child}: {column_list(first.columns)} and {column_list(second.columns)}",
        named(ground.features[first.parent], column_list(first.columns)),
        named(ground.features[second.parent], column_list(second.columns)),
        frame,
    )


def coparents(ground: Ground) -> Iterator[tuple[ForeignKey, ForeignKey]]:
    """Yields every two references of one table that both lead to rows with features."""
    for table in ground.plan.tables:
        keys = [key for key in keys_of(table) if ground.features[key.parent]]
        yield from combinations(keys, 2)


def counts_of(ground: Ground, table: TablePlan) -> tuple[Feature, ...]:
    """The numbers of children of a table's rows, as features named after the references."""
    return tuple(Feature(key.id, "number") for key in ground.plan.children(table.id))


def of_fan_outs(ground: Ground, table: TablePlan) -> View:
    """How many children rows have along each reference: each number beside the others and the row's own columns."""
    counts = counts_of(ground, table)

    def frame(side: Side) -> Frame:
        rows = side[table.id]
        numbers = tuple(rows.fan_outs[count.name].astype(np.float64) for count in counts)
        return Frame(numbers, (*numbers, *_all(ground, table.id, rows)), rows.unit)

    return _view(ground, table.id, counts, (*counts, *ground.features[table.id]), frame)
