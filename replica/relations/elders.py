"""Rows of other tables under the same owner: what a customer ordered says when they pay.

Tables under one owner are made one after the other. A row of a later one sees, of each earlier one, the *next* row of
its owner: the first that lies behind the row before it in time, or where the two tables have no time in common, the one
that stands as far along as it does itself. Where there is time, the place of that next row is seen as the order that
the new row would have if it fell on it, so that events that come together are drawn together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes, Span
from replica.relations.likeness import Likeness, in_own_codes
from replica.relations.sequences import SequenceCode

Ints = npt.NDArray[np.int64]

_BEFORE_ALL = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Elder:
    """What rows see of an earlier table under the same owner.

    Attributes:
        table: its id.
        spans: the spans that are seen, each with one code more, for no such row.
        places: where they stand in its rows' codes.
        order: the spans of the row's own order, as if it fell on the next elder row; none without time in common.
        likenesses: the spans that are written in the codes of the row's own.
    """

    table: str
    spans: tuple[Span, ...]
    places: tuple[int, ...]
    order: tuple[Span, ...] = ()
    likenesses: tuple[Likeness, ...] = ()

    @property
    def all_spans(self) -> tuple[Span, ...]:
        """The spans in their order."""
        return (*self.order, *self.spans)


@dataclass(frozen=True)
class ElderRows:
    """The rows of an elder table, those of one owner being neighbours in their order, owners growing.

    Attributes:
        codes: their codes; shape (rows, spans).
        owner: number of each row's owner, negative for none.
        values: what orders them; None without time in common.
    """

    codes: Codes
    owner: Ints
    values: Ints | None

    @cached_property
    def _moments(self) -> Ints:
        assert self.values is not None  # noqa: S101 - asked only where there is time in common
        return np.unique(self.values)

    @cached_property
    def _places(self) -> Ints:
        """Each row's owner and moment as one number; it never falls from one row to the next."""
        ranks = np.searchsorted(self._moments, self.values if self.values is not None else [])
        return self.owner * (len(self._moments) + 1) + ranks

    def next_after(self, owner: Ints, after: Ints) -> Ints:
        """Returns the first row of each owner behind a moment, -1 where there is none: shape (owners,)."""
        ranks = np.searchsorted(self._moments, after, side="right")
        found = np.searchsorted(self._places, owner * (len(self._moments) + 1) + ranks)
        return self._checked(found, owner)

    def as_far_along(self, owner: Ints, position: Ints, size: Ints) -> Ints:
        """Returns the row of each owner that stands as far along as one place among ``size``: shape (owners,)."""
        first = np.searchsorted(self.owner, owner)
        count = np.searchsorted(self.owner, owner, side="right") - first
        return self._checked(first + position * count // np.maximum(size, 1), owner)

    def _checked(self, rows: Ints, owner: Ints) -> Ints:
        there = (rows < len(self.owner)) & (owner >= 0)
        at = np.minimum(rows, max(0, len(self.owner) - 1))
        there &= self.owner[at] == owner if len(self.owner) else False
        return np.where(there, at, -1)


def after_row_before(values: Ints, before: Ints, is_first: npt.NDArray[np.bool_]) -> Ints:
    """Returns the moment of the row before each of some rows; for first rows, one before all."""
    return np.where(is_first, _BEFORE_ALL, values[np.maximum(before, 0)])


def order_on(
    sequence: SequenceCode,
    rows: ElderRows,
    chosen: Ints,
    before: Ints,
    anchors: Ints,
    is_first: npt.NDArray[np.bool_],
) -> Codes:
    """Returns the codes of the order of new rows as if each fell on an elder row: shape (rows, order spans).

    Args:
        sequence: the order of the new rows' table.
        rows: the elder rows.
        chosen: the elder row of each new row, -1 for none.
        before: the value of the new row before; anything for first rows.
        anchors: the owner's anchor, zero without one.
        is_first: which new rows are the first of their owner.
    """
    none = np.array([span.cardinality for span in sequence.spans], np.int32)
    if rows.values is None or not len(rows.values):
        return np.broadcast_to(none, (len(chosen), len(none))).copy()
    codes = sequence.encode(rows.values[np.maximum(chosen, 0)], before, anchors, is_first)
    return np.where((chosen < 0)[:, None], none, codes).astype(np.int32)


def elder_codes(elder: Elder, rows: ElderRows, chosen: Ints) -> Codes:
    """Returns what is seen of chosen elder rows, -1 for none: shape (rows, spans)."""
    none = np.array([span.cardinality - 1 for span in elder.spans], np.int32)
    if not len(rows.codes):
        return np.broadcast_to(none, (len(chosen), len(none))).copy()
    found = in_own_codes(rows.codes[np.maximum(chosen, 0)][:, list(elder.places)].astype(np.int32), elder.likenesses)
    return np.where((chosen < 0)[:, None], none, found).astype(np.int32)
