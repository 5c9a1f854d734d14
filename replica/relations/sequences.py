"""The rows of one owner in their order: when the first one stands, and how far each is from the one before.

Positions are generated one after the other over all owners at once. Moments are distances, not absolutes, so gaps,
bursts and strict order are kept; the calendar that follows from them (which part of the period learned, which month,
which day of the week) is given to the rest of the row, so trends and seasons are kept too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes, Span
from replica.kinds.datetime import DAY_US, weekday_of
from replica.kinds.quantile import QuantileCode, fit_quantiles
from replica.relations.gaps import GapCode, Measure, fit_gaps

Ints = npt.NDArray[np.int64]

NO_ANCHOR: Final = int(np.iinfo(np.int64).min)
"""Stands for the anchor of an owner that lacks it."""

_PERIODS = 48
# A first value belongs to a moment of its owner when the distance varies this much less than the value itself.
_ANCHORED = 0.8
# Between these quantiles the distances of ranks are all the same.
_STEADY = (0.03, 0.97)
_ENDLESS = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class SequenceCode:
    """The order of the rows under one owner.

    Attributes:
        column: the column that holds it.
        measure: what its values are.
        first: the first value of a family: counted from the owner's anchor, or from zero.
        anchor: the owner's column that first values are counted from; None to count from zero.
        gap: the distance of every later value from the one before; None where no family has two rows.
        periods: the whole range learned, cut into periods of equal weight.
        unanchored: True where some owners lack the anchor; their first values are periods, in codes behind the others.
        last: the greatest value learned; families that run past it are drawn together. Ranks have no end.
    """

    column: str
    measure: Measure
    first: GapCode
    anchor: str | None
    gap: GapCode | None
    periods: QuantileCode
    last: int
    unanchored: bool = False

    @property
    def spans(self) -> tuple[Span, ...]:
        """First value and gap; each has one code more, for rows to which it does not apply."""
        found = [_with_none(span) for span in self._first_spans]
        if self.gap is not None:
            found += [_with_none(span) for span in self.gap.spans]
        return tuple(found)

    @property
    def _first_spans(self) -> tuple[Span, ...]:
        first, *others = self.first.spans
        more = self.periods.bins if self.unanchored else 0
        return (replace(first, cardinality=first.cardinality + more), *others)

    @property
    def calendar(self) -> tuple[Span, ...]:
        """What follows from the value: its period, and for moments the month and the day of the week."""
        spans = [Span(f"{self.column} period", self.periods.bins, ordered=self.periods.bins, observed=True)]
        if self.measure != "number":
            spans.append(Span(f"{self.column} month", 12, observed=True))
            spans.append(Span(f"{self.column} weekday", 7, observed=True))
        return tuple(spans)

    def encode(self, values: Ints, before: Ints, anchors: Ints, is_first: npt.NDArray[np.bool_]) -> Codes:
        """Returns the codes of values: shape (rows, spans).

        Args:
            values: the values, in the order of their families.
            before: the value of the row before; anything for first rows.
            anchors: the owner's anchor; zero for an order without one, ``NO_ANCHOR`` where the owner lacks it.
            is_first: which rows are the first of their family.
        """
        first = _none_where(self._encode_first(values, anchors), self._first_spans, ~is_first)
        if self.gap is None:
            return first
        gap = _none_where(self.gap.encode(values, before), self.gap.spans, is_first)
        return np.concatenate([first, gap], axis=1)

    def decode(
        self, codes: Codes, before: Ints, anchors: Ints, is_first: npt.NDArray[np.bool_], rng: np.random.Generator
    ) -> Ints:
        """Draws values: shape (rows,); the arguments are those of :meth:`encode`."""
        n_first = len(self.first.spans)
        values = self._decode_first(_clipped(codes[:, :n_first], self._first_spans), anchors, rng)
        if self.gap is None:
            # Nobody knows how far a second row stands from the first, but it may not stand where that does.
            return np.where(is_first, values, before + (DAY_US if self.measure == "timestamp" else 1))
        later = self.gap.decode(_clipped(codes[:, n_first:], self.gap.spans), before, rng)
        return np.where(is_first, values, later)

    def _encode_first(self, values: Ints, anchors: Ints) -> Codes:
        """The first value counted from the owner's anchor; its period where that is not known."""
        unknown = anchors == NO_ANCHOR
        codes = self.first.encode(values, np.where(unknown, 0, anchors))
        if self.unanchored:
            periods = self.periods.encode(values.astype(np.float64)) + self.first.spans[0].cardinality
            codes[:, 0] = np.where(unknown, periods, codes[:, 0])
        return codes

    def _decode_first(self, codes: Codes, anchors: Ints, rng: np.random.Generator) -> Ints:
        unknown, bins = anchors == NO_ANCHOR, self.first.spans[0].cardinality
        period = codes[:, 0] - bins
        # A model may ask for a distance from what is not known; any period will do then.
        period = np.where(unknown & (period < 0), rng.integers(0, self.periods.bins, len(codes)), period)
        counted = np.minimum(codes, np.array([span.cardinality - 1 for span in self.first.spans], np.int32))
        values = self.first.decode(counted, np.where(unknown, 0, anchors), rng)
        if not (period >= 0).any():
            return values
        drawn = np.floor(self.periods.decode(np.maximum(period, 0).astype(np.int32), rng)).astype(np.int64)
        if self.measure == "timestamp":
            # The time of day is a span of its own, or at least what the values are multiples of.
            drawn = drawn // DAY_US * DAY_US + values % DAY_US
        return np.where(period >= 0, drawn, values)

    def calendar_codes(self, values: Ints) -> Codes:
        """Returns the codes of the calendar: shape (rows, calendar spans)."""
        columns = [self.periods.encode(values.astype(np.float64))]
        if self.measure != "number":
            day = values if self.measure == "date" else values // DAY_US
            columns += [month_of(day), weekday_of(day)]
        return np.stack(columns, axis=1).astype(np.int32)

    def drawn_together(self, values: Ints, family: Ints) -> Ints:
        """Returns the values with families that run past the end of what was learned moved or scaled to end there.

        Args:
            values: values in the order of their families.
            family: number of each row's family; rows of one family are neighbours.
        """
        starts = np.flatnonzero(np.r_[True, family[1:] != family[:-1]])
        sizes = np.diff(np.r_[starts, len(values)])
        first, final = np.repeat(values[starts], sizes), np.repeat(values[starts + sizes - 1], sizes)
        # Families that begin there are moved as a whole.
        values = np.where(first >= self.last, values - (final - self.last), values)
        beyond = (final > self.last) & (first < self.last)
        if not beyond.any():
            return values
        part = (self.last - first[beyond]) / (final[beyond] - first[beyond])
        moved = values.copy()
        moved[beyond] = first[beyond] + np.floor((values[beyond] - first[beyond]) * part).astype(np.int64)
        least = (self.gap.least or 0) if self.gap else 0
        if least:
            moved = _apart(moved, family, least)
        return moved


def fit_sequence(
    column: str,
    values: Ints,
    *,
    measure: Measure,
    is_first: npt.NDArray[np.bool_],
    anchors: dict[str, Ints],
    strict: bool,
    holders: Ints | None,
    min_holders: int,
) -> SequenceCode:
    """Learns the order of rows.

    Args:
        column: the column that holds it.
        values: its values, in the order of their families: days, microseconds or numbers.
        measure: what they are.
        is_first: which rows are the first of their family.
        anchors: columns of the owner that first values may be counted from, each with one value per row, ``NO_ANCHOR``
            where an owner lacks it.
        strict: whether no two rows of a family may share a value.
        holders: who stands behind each row.
        min_holders: least holders behind a value that is kept as it is.
    """
    first_values = values[is_first]
    first_holders = holders[is_first] if holders is not None else None
    anchor = _choose_anchor(first_values, {name: found[is_first] for name, found in anchors.items()})
    base = anchors[anchor][is_first] if anchor else np.zeros(len(first_values), np.int64)
    known = base != NO_ANCHOR
    first_values, base = first_values[known], base[known]
    first_holders = first_holders[known] if first_holders is not None else None
    least_first = 0 if anchor and (first_values - base >= 0).all() else None
    first = fit_gaps(
        f"{column} first",
        first_values,
        base,
        kind=measure,
        holders=first_holders,
        min_holders=min_holders,
        least=least_first,
    )
    later = ~is_first
    gap = None
    if later.any():
        before = np.r_[0, values[:-1]][later]
        gap = fit_gaps(
            f"{column} gap",
            values[later],
            before,
            kind=measure,
            holders=holders[later] if holders is not None else None,
            min_holders=min_holders,
            least=1 if strict else 0,
        )
    periods = fit_quantiles(values.astype(np.float64), holders, bins=_PERIODS, min_holders=min_holders)
    last = _ENDLESS if _is_steady(values, later) else int(np.floor(periods.knots_v[-1]))
    return SequenceCode(column, measure, first, anchor, gap, periods, last, bool((~known).any()))


def _is_steady(values: Ints, later: npt.NDArray[np.bool_]) -> bool:
    """True for ranks: nearly all rows are as far from the one before, so how many there are says where they end."""
    if not later.any():
        return False
    low, high = np.quantile(np.diff(values, prepend=0)[later], _STEADY)
    return bool(low == high)


def _choose_anchor(values: Ints, anchors: dict[str, Ints]) -> str | None:
    """The owner's moment from which first values differ least, if that says more than the values themselves."""
    spread = _spread(values)
    best, best_spread = None, _ANCHORED * spread
    for name, base in anchors.items():
        known = base != NO_ANCHOR
        found = _spread((values - base)[known]) if known.any() else np.inf
        if found < best_spread:
            best, best_spread = name, found
    return best


def _spread(values: Ints) -> float:
    low, high = np.quantile(values.astype(np.float64), [0.1, 0.9])
    return float(high - low)


def _with_none(span: Span) -> Span:
    return Span(span.name, span.cardinality + 1, ordered=span.ordered)


def _none_where(codes: Codes, spans: tuple[Span, ...], where: npt.NDArray[np.bool_]) -> Codes:
    """Puts the code behind the last one where a value does not apply."""
    none = np.array([span.cardinality for span in spans], np.int32)
    return np.where(where[:, None], none, codes).astype(np.int32)


def _clipped(codes: Codes, spans: tuple[Span, ...]) -> Codes:
    """A model may draw the code for none where there must be a value; the nearest value stands in."""
    return np.minimum(codes, np.array([span.cardinality - 1 for span in spans], np.int32))


def _apart(values: Ints, family: Ints, least: int) -> Ints:
    """Moves values up where two of a family came too close together, keeping their order."""
    # With the row's place taken off, "at least this far apart" becomes "never less than before".
    place = np.arange(len(values)) * least
    bare = values - place
    offset = np.r_[0, np.cumsum(family[1:] != family[:-1])] * (np.ptp(bare) + 1)
    moved: Ints = np.maximum.accumulate(bare + offset) - offset + place
    return moved


def month_of(day: Ints) -> npt.NDArray[np.int32]:
    """Returns the month of days since 1970: 0 is January."""
    months = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return (months % 12).astype(np.int32)
