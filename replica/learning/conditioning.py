"""Putting together what a table's model sees: the row's own spans, what is observed of other rows, and the context."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from replica.generators.base import Encoded
from replica.kinds.base import Codes, Span
from replica.learning.encoding import EncodedTable, order_values
from replica.learning.likening import Search
from replica.planning.decisions import Plan, ReferencePlan, TablePlan
from replica.relations.context import (
    Ancestor,
    ContextSpec,
    ancestor_codes,
    place_codes,
    previous_codes,
    see_ancestor,
    see_elder,
    see_previous,
    see_referenced,
    value_places,
    without_twins,
)
from replica.relations.elders import Elder, ElderRows, after_row_before, elder_codes, order_on
from replica.relations.layout import STRUCTURE, BlockKind, Layout, make_layout

Ints = npt.NDArray[np.int64]

# How many rows before a row are seen, and how many other tables under its owner.
_LAGS = 2
_MOST_ELDERS = 2


@dataclass(frozen=True)
class Observed:
    """A table's rows with what is observed of other rows between their structure and their values.

    Attributes:
        layout: what the codes are.
        codes: shape (rows, spans).
        referenced: what is seen of the rows that references point to, by reference.
    """

    layout: Layout
    codes: Codes
    referenced: Mapping[str, Ancestor]


def observe(
    encoded: EncodedTable,
    tables: Mapping[str, EncodedTable],
    hidden: Collection[str] = (),
    *,
    alike: bool = False,
) -> Observed:
    """Puts in what is known of other rows once references are assigned, if any is assigned before values are drawn.

    Args:
        encoded: the table.
        tables: all tables.
        hidden: sights that are hidden; see :data:`~replica.relations.context.SIGHTS`.
        alike: whether to write what is like a column of the row's own in its codes.
    """
    assigned = assigned_early(encoded, tables)
    if not assigned or "referenced" in hidden:
        return Observed(encoded.layout, encoded.codes, {})
    source = encoded.source
    found: list[tuple[BlockKind, str, tuple[Span, ...], Codes]] = [
        (
            block.kind,
            block.name,
            encoded.layout.spans[block.start : block.stop],
            encoded.codes[:, block.start : block.stop],
        )
        for block in encoded.layout.blocks
    ]
    at = sum(block.kind in STRUCTURE for block in encoded.layout.blocks)
    extra: list[tuple[BlockKind, str, tuple[Span, ...], Codes]] = []
    referenced = {name: _see_referenced(encoded, tables, name, alike=alike) for name in assigned}
    for name, seen in referenced.items():
        parent = _parent(encoded, tables, name)
        extra.append(
            ("referenced", name, _observed(seen.spans), ancestor_codes(seen, parent.codes, source.parents[name]))
        )
    if source.plan.owner is not None and "previous" not in hidden:
        places = value_places(encoded.layout)
        spans = see_previous(encoded.layout, places)
        spans = without_twins(spans) if "twins" in hidden else spans
        before = np.roll(encoded.codes[:, places], 1, axis=0)
        extra.append(("previous", "", _observed(spans), previous_codes(spans, before, source.is_first)))
    found[at:at] = [part for part in extra if part[2]]
    layout = make_layout((kind, name, spans) for kind, name, spans, _ in found)
    return Observed(layout, np.concatenate([codes for _, _, spans, codes in found if spans], axis=1), referenced)


def _parent(encoded: EncodedTable, tables: Mapping[str, EncodedTable], name: str) -> EncodedTable:
    return tables[next(found.key.parent for found in encoded.source.plan.references if found.key.id == name)]


def _see_referenced(encoded: EncodedTable, tables: Mapping[str, EncodedTable], name: str, *, alike: bool) -> Ancestor:
    parent = _parent(encoded, tables, name)
    seen = see_referenced(parent.layout)
    if not alike or not len(encoded.source):
        return seen
    codes = ancestor_codes(seen, parent.codes, encoded.source.parents[name])
    search = Search(encoded, encoded.layout, encoded.codes)
    spans, likenesses = search.find(parent, parent.layout, seen.places, seen.spans, codes)
    return replace(seen, spans=spans, likenesses=likenesses)


def assigned_early(encoded: EncodedTable, tables: Mapping[str, EncodedTable]) -> tuple[str, ...]:
    """Returns the references whose rows are assigned before the row's values are drawn."""
    plans = {name: table.source.plan for name, table in tables.items()}
    order = {encoded.source.plan.order} if encoded.sequence is not None else set()
    late = {
        found.key.id for found in encoded.source.plan.references if _is_late(found, plans) or set(found.reads) - order
    }
    return tuple(
        name for name, code in encoded.references.items() if code.rows is None and not code.tree and name not in late
    )


def _is_late(reference: ReferencePlan, plans: Mapping[str, TablePlan]) -> bool:
    """True for a reference that waits for rows of tables that are made later, be it for the columns that it shares."""
    key, target = reference.key, dict(zip(reference.key.columns, reference.key.parent_columns, strict=True))
    return (
        reference.deferred
        or key.is_self
        or any(_waits(plans, key.child, name) or _waits(plans, key.parent, target[name]) for name in reference.fixed)
    )


def _waits(
    plans: Mapping[str, TablePlan], table: str, name: str, asked: frozenset[tuple[str, str]] = frozenset()
) -> bool:
    """True where a column follows, over any number of references, from one that is deferred or points to its table."""
    if (table, name) in asked:
        return True
    plan, asked = plans[table], asked | {(table, name)}
    filling = [found for found in plan.references if name in found.free]
    if any(found.deferred or found.key.is_self for found in filling):
        return True
    keys = [found.key for found in filling]
    keys += [plan.owner] if plan.owner is not None and name in plan.owner.columns else []
    above = [(key.parent, key.parent_columns[key.columns.index(name)]) for key in keys]
    # A reference that shares columns waits for those.
    beside = [(table, other) for found in filling for other in found.fixed]
    return any(_waits(plans, *column, asked) for column in (*above, *beside))


def _elder_codes(encoded: EncodedTable, elder: Elder, other: EncodedTable, codes: Codes) -> list[Codes]:
    source, values = encoded.source, order_values(other) if elder.order else None
    rows = ElderRows(codes, other.source.owner, values)
    if not elder.order or encoded.sequence is None:
        chosen = rows.as_far_along(source.owner, source.position, source.family_size)
        return [elder_codes(elder, rows, chosen)]
    own = order_values(encoded)
    after = after_row_before(own, np.arange(len(own)) - 1, source.is_first)
    chosen = rows.next_after(source.owner, after)
    return [order_on(encoded.sequence, rows, chosen, np.r_[0, own[:-1]], encoded.anchors, source.is_first),
            elder_codes(elder, rows, chosen)]  # fmt: skip


def _observed(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    return tuple(replace(span, observed=True) for span in spans)


def context_spec(plan: Plan, table: TablePlan, layouts: Mapping[str, Layout]) -> ContextSpec:
    """Decides what the context of a table's rows is made of.

    Args:
        plan: what was decided.
        table: the table.
        layouts: the layouts of all tables, with what is observed.
    """
    ancestors = []
    at = table
    while at.owner is not None:
        ancestors.append(see_ancestor(layouts[at.owner.parent], nearest=at is table))
        at = plan.by_id[at.owner.parent]
    if table.owner is None:
        return ContextSpec((), place=False, previous=(), previous_places=())
    layout = layouts[table.id]
    two_passes = bool(layout.of("previous", "referenced"))
    places = list(range(layout.structure)) if two_passes else _all_places(layout)
    elders = _elders(plan, table, layouts)
    return ContextSpec(tuple(ancestors), True, see_previous(layout, places), tuple(places), _LAGS, elders)


def _elders(plan: Plan, table: TablePlan, layouts: Mapping[str, Layout]) -> tuple[Elder, ...]:
    """The tables with rows of the same owner that are made before, those made last first."""
    before = takewhile(lambda other: other.id != table.id, plan.tables)
    siblings = [other for other in before if other.owner and table.owner and other.owner.parent == table.owner.parent]
    seen = [(other, see_elder(layouts[other.id])) for other in reversed(siblings)]
    order = next(iter(layouts[table.id].of("order")), None)
    return tuple(
        Elder(
            other.id,
            found.spans,
            found.places,
            see_previous(layouts[table.id], range(order.start, order.stop))
            if order and _share_time(table, other, layouts[other.id])
            else (),
        )
        for other, found in seen[:_MOST_ELDERS]
        if found.spans
    )


def _share_time(table: TablePlan, other: TablePlan, layout: Layout) -> bool:
    """True where what orders the rows of both tables can be compared."""
    if not layout.of("order") or not table.order or not other.order:
        return False
    own, its = table.table.by_name[table.order].type.family, other.table.by_name[other.order].type.family
    return own == its


def _all_places(layout: Layout) -> list[int]:
    return [i for block in layout.blocks if block.kind != "referenced" for i in range(block.start, block.stop)]


def source_context(
    plan: Plan, encoded: EncodedTable, tables: Mapping[str, tuple[EncodedTable, Codes]], spec: ContextSpec
) -> Encoded:
    """Builds the context of the source's rows.

    Args:
        plan: what was decided.
        encoded: the table.
        tables: all tables, each with its codes as the models see them.
        spec: what the context is made of.
    """
    source = encoded.source
    parts: list[Codes] = []
    rows, at = np.arange(len(source)), source.plan
    for ancestor in spec.ancestors:
        assert at.owner is not None  # noqa: S101 - as many ancestors as owners
        step = tables[at.id][0].source.owner
        rows = np.where(rows >= 0, step[np.maximum(rows, 0)], -1)
        parts.append(ancestor_codes(ancestor, tables[at.owner.parent][1], rows))
        at = plan.by_id[at.owner.parent]
    if spec.place:
        parts.append(place_codes(source.position, source.family_size))
    codes = tables[source.plan.id][1][:, list(spec.previous_places)]
    lags = range(1, spec.lags + 1) if spec.previous else range(0)
    parts += [previous_codes(spec.previous, np.roll(codes, lag, axis=0), source.position < lag) for lag in lags]
    for elder in spec.elders:
        parts += _elder_codes(encoded, elder, *tables[elder.table])
    empty = np.zeros((len(source), 0), np.int32)
    return Encoded(np.concatenate(parts, axis=1) if parts else empty, spec.spans)


def likened(
    plan: Plan,
    encoded: EncodedTable,
    tables: Mapping[str, tuple[EncodedTable, Codes]],
    layouts: Mapping[str, Layout],
    spec: ContextSpec,
) -> ContextSpec:
    """Returns a context in which what is like a column of the row's own is written in its codes.

    Args:
        plan: what was decided.
        encoded: the table.
        tables: all tables, each with its codes as the models see them.
        layouts: what these codes are.
        spec: what the context is made of.
    """
    name = encoded.source.plan.id
    if not len(encoded.source) or not (spec.ancestors or spec.elders):
        return spec
    seen = source_context(plan, encoded, tables, spec).codes.astype(np.int32)
    search = Search(encoded, layouts[name], tables[name][1])
    start, ancestors, at = 0, [], plan.by_id[name]
    for ancestor in spec.ancestors:
        assert at.owner is not None  # noqa: S101 - as many ancestors as owners
        other, codes = tables[at.owner.parent][0], seen[:, start : start + len(ancestor.spans)]
        found = search.find(other, layouts[at.owner.parent], ancestor.places, ancestor.spans, codes)
        ancestors.append(replace(ancestor, spans=found[0], likenesses=found[1]))
        start, at = start + len(ancestor.spans), plan.by_id[at.owner.parent]
    start = len(spec.spans) - sum(len(elder.all_spans) for elder in spec.elders)
    elders = []
    for elder in spec.elders:
        codes = seen[:, start + len(elder.order) : start + len(elder.all_spans)]
        found = search.find(tables[elder.table][0], layouts[elder.table], elder.places, elder.spans, codes)
        elders.append(replace(elder, spans=found[0], likenesses=found[1]))
        start += len(elder.all_spans)
    return replace(spec, ancestors=tuple(ancestors), elders=tuple(elders))
