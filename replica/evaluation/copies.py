"""Copies: rows of the original that stand in the replica as they are. No person needs to be kept out to see them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from replica.evaluation.figures import Figure
from replica.evaluation.ground import Ground, Rows
from replica.evaluation.halves import count_cells, deal, score_halves
from replica.evaluation.scores import present

Ints = npt.NDArray[np.int64]


def score_newness(ground: Ground, table: str) -> Figure | None:
    """Are the replica's rows new, as far as rows of the original are when they are compared with others of its own?

    The share of rows that no row of the original is equal to, in all columns but surrogate keys and references. What
    the original's halves say of each other is the ceiling: few columns of few values make rows alike by themselves.
    There is no floor, since nothing is good about rows that are not new.

    Returns:
        None for a table without rows or without columns to compare.
    """
    sides = [side[table] for side in (ground.original, ground.synthetic)]
    if not ground.features[table] or min(len(rows) for rows in sides) < 2:
        return None
    cells, size = _numbered([_columns(ground, table, rows) for rows in sides])
    dealt = deal([rows.unit for rows in sides], ground.rng("copies", table))
    original, synthetic = (count_cells(one, size, group) for one, group in zip(cells, dealt, strict=True))
    scored = score_halves(
        ["new"],
        [original, synthetic, np.full_like(original, np.nan)],
        lambda one, other: np.array([1.0 - present(other, one)]),
        ground.rng("copies", table, "halves"),
    )
    return scored.figures().get("new")


def _columns(ground: Ground, table: str, rows: Rows) -> npt.NDArray[np.float64]:
    """What a row holds, in numbers: shape (rows, features). Texts count as they are and not by their length."""
    names = [feature.name for feature in ground.features[table]]
    found = [np.asarray(rows.texts.get(name, rows.values[name]), np.float64) for name in names]
    # Null is equal to null here.
    return np.nan_to_num(np.stack(found, axis=1), nan=-np.inf)


def _numbered(sides: list[npt.NDArray[np.float64]]) -> tuple[list[Ints], int]:
    """Numbers different rows, alike on all sides."""
    every = np.concatenate(sides)
    number = np.zeros(len(every), np.int64)
    for column in every.T:
        values = np.unique(column, return_inverse=True)[1]
        # Numbered anew after each column, so that no product of sizes outgrows the integers.
        number = np.unique(number * (int(values.max()) + 1) + values, return_inverse=True)[1]
    return np.split(number, [len(sides[0])]), int(number.max()) + 1
