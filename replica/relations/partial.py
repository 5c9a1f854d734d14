"""Composite references of which some columns only are null: under MATCH SIMPLE they point nowhere and need no row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PartialNulls:
    """Which columns of a reference have a value where it points nowhere; no value itself is kept.

    Attributes:
        known: 1 for columns with a value, pattern by pattern; shape (patterns, columns).
        counts: how many rows have each pattern; shape (patterns,).
    """

    known: Ints
    counts: Ints

    def draw(self, n: int, rng: np.random.Generator) -> Mask:
        """Returns which columns have a value, for rows that point nowhere: shape (n, columns)."""
        drawn: Mask = self.known[rng.choice(len(self.counts), n, p=self.counts / self.counts.sum())] == 1
        return drawn


def count_patterns(null: Mask, left_out: Mask) -> PartialNulls | None:
    """Counts which columns rows have, out of those that have a null; None where none of these has any value.

    Args:
        null: which values are null; shape (rows, columns).
        left_out: columns that count as null in such rows; shape (columns,).
    """
    nowhere = null[null.any(axis=1)] | left_out
    if nowhere.all():
        return None
    patterns, counts = np.unique(~nowhere, axis=0, return_counts=True)
    return PartialNulls(patterns.astype(np.int64), counts.astype(np.int64))
