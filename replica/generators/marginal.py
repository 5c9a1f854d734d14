"""A tree of pairwise marginals: every span depends on one other span, of its context or before it in the row.

Chow and Liu (1968), with the order of the spans given: each span takes, of all that is known when it is drawn, the
one that tells most about it. The fast baseline: one pass over the rows, no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.devices import CPU
from replica.kinds.base import Codes

Floats = npt.NDArray[np.float64]

_SAMPLE = 20_000
# Weight of a span's own distribution in each row of its table, in rows: rare combinations lean on it.
_PRIOR = 2.0


@dataclass(frozen=True)
class Marginal:
    """A fitted tree.

    Attributes:
        spans: the spans of a row.
        context: the spans of its context.
        parents: for each span the place of the span it depends on, counting the context's first; -1 for none.
        tables: for each span its distribution given each code of that span, summed up; shape (codes of the parent,
            codes of the span). Empty for observed spans.
    """

    spans: Spans
    context: Spans
    parents: tuple[int, ...]
    tables: tuple[Floats, ...]

    @classmethod
    def fit(cls, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.generators.base.TableGenerator.fit`."""
        known = np.concatenate([context.codes, rows.codes], axis=1).astype(np.int64)
        sizes = [span.cardinality for span in (*context.spans, *rows.spans)]
        n_context = len(context.spans)
        judged = known if len(known) <= _SAMPLE else known[rng.choice(len(known), _SAMPLE, replace=False)]
        parents, tables = [], []
        for i, span in enumerate(rows.spans):
            if span.observed:
                parents.append(-1)
                tables.append(np.zeros((0, 0)))
                continue
            at = n_context + i
            parent = _most_telling(judged, sizes, at)
            parents.append(parent)
            tables.append(_table(known, sizes, parent, at))
        return cls(rows.spans, context.spans, tuple(parents), tuple(tables))

    def sample(self, context: Codes, given: Codes, stop: int, rng: np.random.Generator, device: str = CPU) -> Codes:  # noqa: ARG002 - part of the protocol
        """See :meth:`replica.generators.base.TableGenerator.sample`."""
        n, n_given = len(context), given.shape[1]
        known = np.concatenate([context, given, np.zeros((n, stop - n_given), np.int32)], axis=1)
        n_context = context.shape[1]
        for i in range(n_given, stop):
            parent, table = self.parents[i], self.tables[i]
            row = np.zeros(n, np.int64) if parent < 0 else known[:, parent].astype(np.int64)
            # Distributions summed up and laid end to end, so that one search draws for all rows.
            shelf = (table + np.arange(len(table))[:, None]).reshape(-1)
            place = np.searchsorted(shelf, row + rng.random(n) * table[row, -1], side="right")
            known[:, n_context + i] = np.clip(place - row * table.shape[1], 0, table.shape[1] - 1)
        return known[:, n_context + n_given :]


def _most_telling(known: npt.NDArray[np.int64], sizes: list[int], at: int) -> int:
    """The span before ``at`` with the most mutual information beyond what chance would show; -1 if none has any."""
    best, best_gain = -1, 0.0
    n = len(known)
    own = _entropy(np.bincount(known[:, at], minlength=sizes[at]) / n)
    for other in range(at):
        joint = np.bincount(known[:, other] * sizes[at] + known[:, at], minlength=sizes[other] * sizes[at]) / n
        first = joint.reshape(sizes[other], sizes[at]).sum(axis=1)
        # The bias of the plug-in estimate (Miller 1955): half the extra degrees of freedom per row.
        cells = np.count_nonzero(joint) - np.count_nonzero(first)
        gain = own + _entropy(first) - _entropy(joint) - max(0, int(cells) - (sizes[at] - 1)) / (2 * n)
        if gain > best_gain:
            best, best_gain = other, gain
    return best


def _entropy(shares: Floats) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def _table(known: npt.NDArray[np.int64], sizes: list[int], parent: int, at: int) -> Floats:
    """Distributions of a span given each code of its parent, summed up."""
    own = np.bincount(known[:, at], minlength=sizes[at]).astype(np.float64)
    own /= own.sum()
    if parent < 0:
        return np.cumsum(own)[None, :]
    joint = np.bincount(known[:, parent] * sizes[at] + known[:, at], minlength=sizes[parent] * sizes[at])
    weighted = joint.reshape(sizes[parent], sizes[at]) + _PRIOR * own
    summed: Floats = np.cumsum(weighted / weighted.sum(axis=1, keepdims=True), axis=1)
    return summed
