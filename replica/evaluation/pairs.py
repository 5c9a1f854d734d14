"""Pairs of columns: within a row, along references, of siblings, of parents of one child, of numbers of children."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.evaluation.coding import Bins, pair_bins
from replica.evaluation.figures import Figure, Scored
from replica.evaluation.ground import Feature, Ground, Values, keys_of
from replica.evaluation.halves import GROUPS, deal, score_halves
from replica.evaluation.scores import blocks
from replica.evaluation.views import View, coparents, of_coparents, of_fan_outs, of_path, of_siblings, of_table, paths

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Rows whose bins are held as ones and zeros at a time.
_CHUNK = 16_384


@dataclass(frozen=True)
class PairScores:
    """How alike the pairs of a view are.

    Attributes:
        name: what is put beside what.
        rows: how many rows of the original were looked at.
        pairs: figures by the names of both features.
        mean: of all pairs.
    """

    name: str
    rows: int
    pairs: tuple[tuple[str, str, Figure], ...]
    mean: Figure


def score_pairs(view: View, rng: np.random.Generator) -> PairScores | None:
    """Do two columns go together alike? 1 less the total variation distance over 10 x 10 bins, null being one more.

    Args:
        view: the rows; pairs have a feature of each side, or two of the left one where the right one is empty.
        rng: deals rows to halves.

    Returns:
        None where there is no pair or no row.
    """
    within = not view.right
    if not view.has_rows or not view.left or (within and len(view.left) < 2):
        return None
    original = view.frames[0]
    left = _Axis.of(view.left, original.left)
    right = left if within else _Axis.of(view.right, original.right)
    group = deal([frame.unit for frame in view.frames], rng)
    counts = [
        _count(left, frame.left, right, frame.left if within else frame.right, dealt)
        for frame, dealt in zip(view.frames, group, strict=True)
    ]
    chosen = _chosen(view, within)
    scored = score_halves(
        [str(i) for i in range(int(chosen.sum()))],
        counts,
        lambda a, b: blocks(a, b, left.starts, right.starts)[chosen],
        rng,
    )
    return _pair_scores(view, chosen, scored)


def _chosen(view: View, within: bool) -> npt.NDArray[np.bool_]:
    """The pairs that say something: each once, and none of a feature with itself."""
    if within:
        return np.triu(np.ones((len(view.left), len(view.left)), dtype=bool), 1)
    seen: set[frozenset[str]] = set()
    chosen = np.zeros((len(view.left), len(view.right)), dtype=bool)
    for i, one in enumerate(view.left):
        for j, other in enumerate(view.right):
            pair = frozenset((one.name, other.name))
            chosen[i, j] = len(pair) == 2 and pair not in seen
            seen.add(pair)
    return chosen


def _pair_scores(view: View, chosen: npt.NDArray[np.bool_], scored: Scored) -> PairScores | None:
    mean = scored.mean()
    if mean is None:
        return None
    right = view.right or view.left
    names = [(view.left[i].name, right[j].name) for i, j in np.argwhere(chosen).tolist()]
    figures = scored.figures()
    pairs = tuple((*names[int(place)], figure) for place, figure in figures.items())
    return PairScores(view.name, len(view.frames[0]), pairs, mean)


@dataclass(frozen=True)
class _Axis:
    """The bins of several features, one after the other.

    Attributes:
        bins: of each feature.
        starts: where each feature's bins begin.
        size: how many bins there are in all.
    """

    bins: tuple[Bins, ...]
    starts: Ints
    size: int

    @classmethod
    def of(cls, features: Sequence[Feature], values: Sequence[Values]) -> _Axis:
        """Cuts features by what the original has."""
        bins = tuple(pair_bins(*pair) for pair in zip(features, values, strict=True))
        sizes = np.array([one.size for one in bins])
        return cls(bins, np.cumsum(sizes) - sizes, int(sizes.sum()))

    def ones(self, values: Sequence[Values]) -> npt.NDArray[np.float32]:
        """Returns a one in the bin of every value: shape (rows, bins)."""
        n = len(values[0])
        found = np.zeros((n, self.size), np.float32)
        for cut, start, one in zip(self.bins, self.starts, values, strict=True):
            found[np.arange(n), start + cut.cut(one)] = 1.0
        return found


def _count(
    left: _Axis, left_values: Sequence[Values], right: _Axis, right_values: Sequence[Values], group: Ints
) -> Floats:
    """Counts every bin of the left beside every bin of the right, by group: shape (groups, bins, bins)."""
    counts = np.zeros((GROUPS, left.size, right.size))
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(GROUPS + 1))
    for i in range(GROUPS):
        for start in range(bounds[i], bounds[i + 1], _CHUNK):
            rows = order[start : min(start + _CHUNK, bounds[i + 1])]
            one = left.ones([values[rows] for values in left_values])
            other = one if right is left else right.ones([values[rows] for values in right_values])
            counts[i] += one.T @ other
    return counts


# What is scored


def score_table_pairs(ground: Ground, table: str) -> PairScores | None:
    """Do the columns of one row go together alike?"""
    return score_pairs(of_table(ground, ground.plan.by_id[table]), ground.rng("pairs", table))


def score_hops(ground: Ground, hops: int) -> tuple[PairScores, ...]:
    """Do the columns of a row and of one that it leads to, over so many references, go together alike?"""
    views = (of_path(ground, path) for path in paths(ground) if len(path) == hops)
    return _every(ground, views, f"{hops} hops")


def score_siblings(ground: Ground) -> tuple[PairScores, ...]:
    """Are two rows of one parent as alike as they are in the original?"""
    keys = [key for table in ground.made for key in keys_of(table) if ground.features[table.id]]
    return _every(ground, (of_siblings(ground, key) for key in keys), "siblings")


def score_coparents(ground: Ground) -> tuple[PairScores, ...]:
    """Do the two rows that one child points to go together alike?"""
    return _every(ground, (of_coparents(ground, *pair) for pair in coparents(ground)), "co-parents")


def score_joint_fan_outs(ground: Ground) -> tuple[PairScores, ...]:
    """Do a row's numbers of children go together, and with its own columns, as they do in the original?"""
    views = (of_fan_outs(ground, table) for table in ground.plan.tables if ground.plan.children(table.id))
    return _every(ground, views, "fan-outs")


def _every(ground: Ground, views: Iterable[View], what: str) -> tuple[PairScores, ...]:
    scored = (score_pairs(view, ground.rng(what, view.name)) for view in views)
    return tuple(found for found in scored if found is not None)
