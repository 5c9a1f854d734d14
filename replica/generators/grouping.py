"""Codes of a span in a few groups, for models that cannot tell all of them apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Span

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def group_codes(span: Span, shares: Floats, most: int) -> Ints:
    """Puts the codes of a span into at most so many groups, neighbours with neighbours: shape (codes,).

    Args:
        span: the span.
        shares: how its codes are distributed.
        most: two or more.
    """
    size, ordered = span.cardinality, min(span.ordered, span.cardinality)
    if size <= most:
        return np.arange(size)
    if ordered <= most // 2:
        # The commonest codes by themselves, all others together.
        found = np.full(size, most - 1)
        found[np.argsort(-shares, kind="stable")[: most - 1]] = np.arange(most - 1)
        return found
    left = max(1, most - (size - ordered))
    middle = np.cumsum(shares[:ordered]) - shares[:ordered] / 2
    cut = np.minimum((middle / max(float(shares[:ordered].sum()), 1e-12) * left).astype(np.int64), left - 1)
    # Numbered without gaps; special codes come last, in as few groups as there is room for.
    _, low = np.unique(cut, return_inverse=True)
    high = low.max() + 1 + np.minimum(np.arange(size - ordered), most - left - 1)
    return np.concatenate([low.reshape(-1), high])
