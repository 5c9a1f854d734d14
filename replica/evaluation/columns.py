"""Single columns: shapes, nulls, ranges, decimals, and categories that are missing or invented."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.evaluation.coding import fine_bins
from replica.evaluation.figures import Figure, Scored, joined
from replica.evaluation.ground import Feature, Ground, Values
from replica.evaluation.halves import Score, count_cells, deal, score_halves
from replica.evaluation.scores import overlap, present, steps
from replica.evaluation.views import of_table

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MOST_DECIMALS = 6


@dataclass(frozen=True)
class ColumnScores:
    """How alike one column is.

    Attributes:
        name: the column.
        what: a number, a moment, a category or a text, of which lengths are compared.
        aspects: figures by aspect: ``shape`` of the values that are not null, ``nulls``; for numbers, moments and
            lengths ``range``, the part of the original's that is covered; for numbers ``decimals``; for categories
            ``kept``, the share of the original's rows whose label the replica has too, and ``real``, the share of the
            replica's rows whose label the original has.
    """

    name: str
    what: str
    aspects: Mapping[str, Figure]


@dataclass(frozen=True)
class ShapeScores:
    """How alike the columns of a table are.

    Attributes:
        columns: by column.
        mean: of the shapes.
    """

    columns: tuple[ColumnScores, ...]
    mean: Figure | None


@dataclass(frozen=True)
class _Aspect:
    """One thing to ask of a column.

    Attributes:
        cells: the cell of each value on each side.
        size: how many cells there are.
        score: scores counts of cells.
    """

    cells: tuple[Ints, ...]
    size: int
    score: Callable[[Floats, Floats], float]


def score_columns(ground: Ground, table: str) -> ShapeScores:
    """How alike are the columns of a table, each for itself?"""
    view = of_table(ground, ground.plan.by_id[table])
    if not view.has_rows or not view.left:
        return ShapeScores((), None)
    group = deal([frame.unit for frame in view.frames], ground.rng("columns", table))
    shapes: list[Scored] = []
    columns = []
    for i, feature in enumerate(view.left):
        aspects: dict[str, Figure] = {}
        for name, aspect in _aspects(feature, tuple(frame.left[i] for frame in view.frames)).items():
            counts = [count_cells(*one, group=dealt) for one, dealt in zip(_sized(aspect), group, strict=True)]
            # The same halves for every column, so that the spread of their mean is known too.
            scored = score_halves([feature.name], counts, _as_score(aspect), ground.rng("columns", table, "halves"))
            if (figure := scored.figures().get(feature.name)) is not None:
                aspects[name] = figure
            shapes += [scored] if name == "shape" else []
        columns.append(ColumnScores(feature.name, feature.what, aspects))
    every = joined(shapes)
    return ShapeScores(tuple(columns), every.mean() if every else None)


def _sized(aspect: _Aspect) -> list[tuple[Ints, int]]:
    return [(cells, aspect.size) for cells in aspect.cells]


def _as_score(aspect: _Aspect) -> Score:
    return lambda original, sample: np.array([aspect.score(original, sample)])


def _aspects(feature: Feature, values: tuple[Values, ...]) -> dict[str, _Aspect]:
    """What is asked of a column, by name."""
    bins = fine_bins(feature, values[:2])
    cells = tuple(bins.cut(one) for one in values)

    def known(counts: Floats) -> Floats:
        return counts[:-1]

    found = {
        "nulls": _Aspect(tuple((one == bins.size - 1).astype(np.int64) for one in cells), 2, overlap),
    }
    if feature.is_category:
        found["shape"] = _Aspect(cells, bins.size, lambda a, b: overlap(known(a), known(b)))
        found["kept"] = _Aspect(cells, bins.size, lambda a, b: present(known(a), known(b)))
        found["real"] = _Aspect(cells, bins.size, lambda a, b: present(known(b), known(a)))
        return found
    found["shape"] = _Aspect(cells, bins.size, lambda a, b: steps(known(a), known(b)))
    edges = np.concatenate([bins.edges[:1], bins.edges]) if bins.edges is not None else np.zeros(0)
    found["range"] = _Aspect(cells, bins.size, lambda a, b: covered(known(a), known(b), edges))
    if feature.what == "number":
        digits = tuple(decimals(one) for one in values)
        if any((one > 0).any() for one in digits[:2]):
            found["decimals"] = _Aspect(digits, _MOST_DECIMALS + 2, overlap)
    return found


def covered(original: Floats, sample: Floats, lowest: Floats) -> float:
    """Which part of the original's range does the other sample cover?

    Args:
        original: counts of ordered cells.
        sample: the same of the other sample.
        lowest: the lowest value of each cell.

    >>> covered(np.array([1.0, 1, 1]), np.array([0.0, 1, 1]), np.array([0.0, 10, 20]))
    0.5
    """
    a, b = np.flatnonzero(original), np.flatnonzero(sample)
    if not len(a) or not len(b):
        return float(len(a) == len(b))
    low, high = lowest[a[0]], lowest[a[-1]]
    if not high > low:
        return float(b[0] <= a[0] <= b[-1])
    return float(np.clip((min(high, lowest[b[-1]]) - max(low, lowest[b[0]])) / (high - low), 0.0, 1.0))


def decimals(values: Values) -> Ints:
    """Returns how many digits after the point each number has, up to six and then seven; -1 for null.

    >>> decimals(np.array([1.0, 1.5, 1.25, np.nan])).tolist()
    [0, 1, 2, -1]
    """
    found = np.full(len(values), _MOST_DECIMALS + 1)
    for digits in range(_MOST_DECIMALS, -1, -1):
        with np.errstate(invalid="ignore"):
            found[np.isclose(values, np.round(values, digits), rtol=1e-12, atol=1e-9)] = digits
    return np.where(np.isnan(values), -1, found)
