"""What is learned as a distance from something else: the order of rows, ends of periods, moments after others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from replica.fitted import PeriodEnd, RelativeMoment
from replica.kinds.base import is_null
from replica.kinds.datetime import order_numbers
from replica.learning.draft import Draft, fewest_holders
from replica.learning.source_rows import SourceTable
from replica.planning.decisions import ColumnPlan, Plan
from replica.relations.gaps import Measure, fit_gaps, in_measure, in_units
from replica.relations.sequences import NO_ANCHOR, fit_sequence

Ints = npt.NDArray[np.int64]

# Share of owners that may lack the moment that their rows are counted from.
_UNKNOWN = 0.3
_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
_FIRST_DAY, _LAST_DAY = np.array(["0001-01-01", "9999-12-31"], "datetime64[D]").astype(np.int64).tolist()


def can_count_from(draft: Draft, column: ColumnPlan, name: str) -> bool:
    """True where a moment is there before the column counted from it is, and neither is ever infinite."""
    base = next((found for found in draft.plan.columns if found.name == name), None)
    if base is None or base.producer != "kind" or base.column.type.family not in _MOMENTS:
        return False
    return _is_finite(draft, base) and _is_finite(draft, column)


def _is_finite(draft: Draft, column: ColumnPlan) -> bool:
    """True where all moments of a column lie in years that every calendar knows; numbers always do."""
    family, values = column.column.type.family, draft.source.column(column.name)
    if family not in _MOMENTS:
        return True
    days = in_units(order_numbers(values), family, "date")[~is_null(values)]
    return bool(((days >= _FIRST_DAY) & (days <= _LAST_DAY)).all())


def orders(draft: Draft) -> bool:
    """True where the column that is to order the rows of one owner has a finite value in every row."""
    order = next((found for found in draft.plan.columns if found.name == draft.plan.order), None)
    if order is None or not len(draft.source):
        return False
    return not is_null(draft.source.column(order.name)).any() and _is_finite(draft, order)


def encode_relative(plan: Plan, draft: Draft, column: ColumnPlan, base: str) -> None:
    """Learns a moment as its distance from another one of the row."""
    values, bases = draft.source.column(column.name), draft.source.column(base)
    null = is_null(values)
    both = ~null & ~is_null(bases)
    family, base_family = column.column.type.family, draft.plan.table.by_name[base].type.family
    ends, starts = order_numbers(values), in_units(order_numbers(bases), base_family, family)
    gap = None
    if both.any():
        least = _least_gap(ends[both] - starts[both]) if column.map.after else None
        gap = fit_gaps(
            column.name,
            ends[both],
            starts[both],
            kind="date" if family == "date" else "timestamp",
            holders=draft.source.holders[both] if draft.source.holders is not None else None,
            min_holders=fewest_holders(plan, draft),
            least=least,
        )
    fitted = RelativeMoment(base, gap, bool((~both).any()))
    draft.relative[column.name] = fitted
    if gap is not None:
        codes = gap.encode(ends, starts)
        codes[~both, 0] = gap.spans[0].cardinality if fitted.nulls else 0
        draft.parts["attribute", column.name] = (fitted.spans, codes)


def _least_gap(gaps: Ints) -> int | None:
    """The smallest distance seen, if that is zero or one: whether an end may fall on its start."""
    smallest = int(gaps.min())
    return None if smallest < 0 else min(smallest, 1)


def _measure(column: ColumnPlan) -> Measure:
    family = column.column.type.family
    return "date" if family == "date" else "timestamp" if family in _MOMENTS else "number"


def encode_order(plan: Plan, draft: Draft, drafts: Mapping[str, Draft]) -> None:
    """Learns the order of the rows of one owner, its calendar, and the ends of periods."""
    table, source = draft.plan, draft.source
    if table.order is None or table.owner is None or table.role == "lookup" or not orders(draft):
        return
    column = next(found for found in table.columns if found.name == table.order)
    measure, values = _measure(column), order_numbers(source.column(table.order))
    anchors = _anchors(draft, drafts[table.owner.parent], measure)
    strict = any(unique.way == "order" for unique in table.uniques)
    sequence = fit_sequence(
        table.order,
        values,
        measure=measure,
        is_first=source.is_first,
        anchors=anchors,
        strict=strict,
        holders=source.holders,
        min_holders=fewest_holders(plan, draft),
    )
    draft.sequence = sequence
    draft.anchors = base = anchors[sequence.anchor] if sequence.anchor else np.zeros(len(values), np.int64)
    codes = sequence.encode(values, np.r_[0, values[:-1]], base, source.is_first)
    draft.parts["order", table.order] = (sequence.spans, codes)
    draft.parts["calendar", table.order] = (sequence.calendar, sequence.calendar_codes(values))
    for end in table.by("period_end"):
        _encode_period_end(plan, draft, end, values)


def _anchors(draft: Draft, owner: Draft, measure: Measure) -> dict[str, Ints]:
    """Moments of the owner that first values may be counted from; their years, where the values are years."""
    if measure == "number" and not _are_years(draft):
        return {}
    found = {}
    for column in owner.plan.by("kind"):
        family = column.column.type.family
        if family in _MOMENTS and len(owner.source) and _is_mostly_known(owner, column):
            found[column.name] = anchors_of(column.name, measure, draft.source, owner.source)
    # Rows without an owner have nothing to be counted from.
    return found if (draft.source.owner >= 0).all() else {}


def _is_mostly_known(draft: Draft, column: ColumnPlan) -> bool:
    return bool(is_null(draft.source.column(column.name)).mean() <= _UNKNOWN) and _is_finite(draft, column)


def anchors_of(column: str, measure: Measure, source: SourceTable, owners: SourceTable) -> Ints:
    """Returns the moment in a column of its owner that each row may be counted from: shape (rows,)."""
    moments, family = owners.column(column), owners.plan.table.by_name[column].type.family
    known = np.where(is_null(moments), NO_ANCHOR, in_measure(order_numbers(moments), family, measure))
    return np.append(known, NO_ANCHOR)[source.owner]


def _are_years(draft: Draft) -> bool:
    values = order_numbers(draft.source.column(draft.plan.order or ""))
    return len(values) > 0 and bool(((values > 1800) & (values < 2200)).all())


def _encode_period_end(plan: Plan, draft: Draft, column: ColumnPlan, starts: Ints) -> None:
    source = draft.source
    values = source.column(column.name)
    ends, null = order_numbers(values), is_null(values)
    is_last = np.r_[source.is_first[1:], True]
    inner = ~is_last & ~null
    offsets = (np.r_[starts[1:], 0] - ends)[inner]
    offset = int(np.bincount(np.clip(offsets, 0, 1)).argmax()) if len(offsets) else 1
    there = is_last & ~null
    gap = None
    if there.any():
        gap = fit_gaps(
            column.name,
            ends[there],
            starts[there],
            kind="date" if column.column.type.family == "date" else "timestamp",
            holders=source.holders[there] if source.holders is not None else None,
            min_holders=fewest_holders(plan, draft),
            least=0,
        )
    last = RelativeMoment(draft.plan.order or "", gap, bool((is_last & null).any()) or gap is None)
    fitted = PeriodEnd(draft.plan.order or "", offset, last)
    draft.period_ends[column.name] = fitted
    if gap is not None:
        codes = gap.encode(ends, starts)
        codes[null, 0] = gap.spans[0].cardinality
        none = np.array([span.cardinality - 1 for span in fitted.spans], np.int32)
        draft.parts["attribute", column.name] = (fitted.spans, np.where(is_last[:, None], codes, none).astype(np.int32))
