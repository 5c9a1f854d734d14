"""Scoring counts on halves of the rows: a score, its ceiling and its floor, all on samples of the same size.

Families are dealt to a few random groups and what is counted is counted per group, in one pass. A random half of the
groups is then a random half of the rows, as often as one likes at no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from replica.evaluation.figures import Scored

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GROUPS = 16
SPLITS = 24

Score = Callable[[Floats, Floats], Floats]
"""Scores counts of one sample against those of another: shape (things,)."""


def deal(units: Sequence[Ints], rng: np.random.Generator, groups: int = GROUPS) -> list[Ints]:
    """Deals the units of several sides to random groups, so that all sides have about as many rows.

    Args:
        units: number of the unit of each row, one array per side.
        rng: the random stream.
        groups: how many groups.

    Returns:
        The group of each row, -1 where a larger side leaves a unit out: shape (rows,) each.
    """
    least = min((len(unit) for unit in units if len(unit)), default=0)
    return [_dealt(unit, least / max(1, len(unit)), rng, groups) for unit in units]


def _dealt(unit: Ints, share: float, rng: np.random.Generator, groups: int) -> Ints:
    if not len(unit):
        return np.zeros(0, np.int64)
    # In turn, so that groups are as equal as they can be where there are few units.
    names, places = np.unique(unit, return_inverse=True)
    dealt = rng.permutation(len(names)) % groups
    if share < 1:
        dealt[rng.random(len(names)) >= share] = -1
    found: Ints = dealt[places.reshape(-1)]
    return found


def score_halves(
    names: Sequence[str], counts: Sequence[Floats], score: Score, rng: np.random.Generator, splits: int = SPLITS
) -> Scored:
    """Scores halves of the original against halves of the replica, of itself, and of the floor.

    Args:
        names: what is scored, in the order in which ``score`` gives it.
        counts: what was counted of the original, the replica and the floor, by group: shape (groups, ...) each.
        score: scores the counts of two samples.
        rng: the random stream.
        splits: how many random halves.
    """
    groups = len(counts[0])
    shape = (splits, len(names))
    found = np.empty(shape), np.empty(shape), np.empty(shape)
    for i in range(splits):
        order = rng.permutation(groups)
        half, other = order[: groups // 2], order[groups // 2 :]
        original = counts[0][half].sum(axis=0)
        samples = counts[1][rng.permutation(groups)[: groups // 2]], counts[0][other], counts[2][half]
        for scores, sample in zip(found, samples, strict=True):
            scores[i] = score(original, sample.sum(axis=0))
    return Scored(tuple(names), *found, groups=groups)


def count_cells(cells: Ints, size: int, group: Ints, groups: int = GROUPS) -> Floats:
    """Counts how often each cell occurs in each group; negative cells and groups do not count.

    Returns:
        Shape (groups, size).
    """
    there = (cells >= 0) & (group >= 0)
    found = np.bincount(group[there] * size + cells[there], minlength=groups * size)
    return found.astype(np.float64).reshape(groups, size)
