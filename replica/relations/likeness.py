"""Columns of other rows that say nearly the same as a column of the row: where a customer lives, and where to ship.

What is seen of another row is written in that table's codes. Where one of its columns is mostly like one of the row's
own, it is written in the codes of that instead, as a twin of it, so that a model can follow it as it follows the row
before (:mod:`replica.generators.twins`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes, Span


@dataclass(frozen=True)
class Likeness:
    """A span of another row that is written in the codes of one of the row's own.

    Attributes:
        at: its place among the spans that are seen of that row.
        codes: the own span's code for each of its codes; the own span's cardinality for none. Shape (codes,).
    """

    at: int
    codes: npt.NDArray[np.int32]


def likened_spans(spans: tuple[Span, ...], at: int, own: Span) -> tuple[Span, ...]:
    """Returns spans with one that is written in the codes of an own span, of which it is the twin."""
    twin = replace(own, name=spans[at].name, cardinality=own.cardinality + 1, observed=False, twin=own.name)
    return (*spans[:at], twin, *spans[at + 1 :])


def in_own_codes(codes: Codes, likenesses: Iterable[Likeness]) -> Codes:
    """Returns what is seen of other rows with the spans that are like own ones in the codes of these."""
    found = codes.copy()
    for likeness in likenesses:
        found[:, likeness.at] = likeness.codes[codes[:, likeness.at]]
    return found
