"""Turning the source's rows into codes: columns by their kinds, references, order and families by ``relations/``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from replica.fitted import PeriodEnd, ReferenceCode, RelativeMoment
from replica.kinds import kind_named
from replica.kinds.base import Codes, ColumnData, Kind, Span, is_null
from replica.kinds.categorical import split_codes
from replica.kinds.datetime import order_numbers
from replica.kinds.label import LabelKind
from replica.learning.source_rows import SourceTable
from replica.planning.decisions import ColumnPlan, Plan, ReferencePlan, TablePlan
from replica.relations.families import FamilyCode, Members, fit_family, summarize
from replica.relations.fanout import FanOut, fit_fan_out
from replica.relations.gaps import Measure, fit_gaps, in_measure, in_units
from replica.relations.joins import NULL, UNKNOWN
from replica.relations.layout import BlockKind, Layout, make_layout
from replica.relations.sequences import NO_ANCHOR, SequenceCode, fit_sequence
from replica.schema.model import ForeignKey
from replica.seeds import stream

Ints = npt.NDArray[np.int64]
Parts = tuple[tuple[Span, ...], Codes]

# Tables of at most this many rows about nobody keep their rows' identity, if enough rows point to each.
_KEPT_ROWS = 256
_KEPT_FAMILY = 5
_COMMON_LEVELS = 1
_REFERENCE_LEVELS = 2
_MAX_DEPTH = 32
_FEWEST_APART = 10
# Share of owners that may lack the moment that their rows are counted from.
_UNKNOWN = 0.3
_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
_FIRST_DAY, _LAST_DAY = np.array(["0001-01-01", "9999-12-31"], "datetime64[D]").astype(np.int64).tolist()


@dataclass(frozen=True)
class EncodedTable:
    """A table's rows as codes, and what turns them back.

    Attributes:
        source: the rows.
        layout: what the codes are.
        codes: shape (rows, spans).
        anchors: the owner's moment that first values are counted from, per row; zero without one.
    """

    source: SourceTable
    layout: Layout
    codes: Codes
    anchors: Ints
    kinds: Mapping[str, Kind]
    relative: Mapping[str, RelativeMoment]
    period_ends: Mapping[str, PeriodEnd]
    sequence: SequenceCode | None
    references: Mapping[str, ReferenceCode]
    fan_outs: Mapping[str, FanOut]
    families: Mapping[str, FamilyCode]
    kept: Codes | None


@dataclass
class _Draft:
    """A table on its way to codes: its parts as they are made."""

    source: SourceTable
    kinds: dict[str, Kind] = field(default_factory=dict)
    relative: dict[str, RelativeMoment] = field(default_factory=dict)
    period_ends: dict[str, PeriodEnd] = field(default_factory=dict)
    sequence: SequenceCode | None = None
    anchors: Ints | None = None
    references: dict[str, ReferenceCode] = field(default_factory=dict)
    fan_outs: dict[str, FanOut] = field(default_factory=dict)
    families: dict[str, FamilyCode] = field(default_factory=dict)
    kept: bool = False
    families_apart: bool = False
    parts: dict[tuple[BlockKind, str], Parts] = field(default_factory=dict)

    @property
    def plan(self) -> TablePlan:
        return self.source.plan

    def members(self, parent: Ints, *kinds: BlockKind) -> Members:
        """The rows, seen through some kinds of blocks, as members of the rows they belong to."""
        chosen = [parts for (kind, _), parts in self.parts.items() if kind in kinds]
        spans = tuple(span for found, _ in chosen for span in found)
        codes = [codes for _, codes in chosen]
        empty = np.zeros((len(self.source), 0), np.int32)
        return Members(np.concatenate(codes, axis=1) if codes else empty, spans, parent)


def encode_tables(
    plan: Plan, sources: Mapping[str, SourceTable], seed: int, *, families: bool = True
) -> dict[str, EncodedTable]:
    """Learns the codes of all tables and returns their rows encoded.

    Args:
        plan: what was decided.
        sources: the rows.
        seed: the root seed.
        families: whether to sum up what the rows that point to one row have in common.
    """
    drafts = {table.id: _Draft(sources[table.id], families_apart=not families) for table in plan.tables}
    for draft in drafts.values():
        draft.kept = _is_kept(plan, draft)
        _encode_columns(plan, draft, seed)
        _encode_order(plan, draft, drafts)
    for draft in drafts.values():
        for reference in draft.plan.references:
            _encode_reference(draft, reference, drafts, seed)
    # A family is summed up with all that hangs on its members, so children come before their owners.
    for table in reversed(plan.tables):
        draft = drafts[table.id]
        _encode_fan_outs(plan, draft, drafts)
        for key in plan.children(table.id):
            child = drafts[key.child]
            if families and child.plan.owner is not None and child.plan.owner.id == key.id:
                _encode_family(draft, child, key, seed)
    return {name: _finish(draft) for name, draft in drafts.items()}


def order_values(encoded: EncodedTable) -> Ints:
    """Returns what orders the rows of one owner, as whole numbers: shape (rows,)."""
    return order_numbers(encoded.source.column(encoded.source.plan.order or ""))


def _least(plan: Plan, draft: _Draft) -> int:
    return plan.min_holders if draft.plan.private else 1


def _is_kept(plan: Plan, draft: _Draft) -> bool:
    """Lookups, and small tables about nobody that enough rows point to: each row stays itself."""
    if draft.plan.role == "lookup":
        return True
    n = len(draft.source)
    if draft.plan.role != "public" or not 0 < n <= _KEPT_ROWS or n < draft.source.total:
        return False
    pointed = [
        int(draft.source.fan_outs[key.id].sum())
        for key in plan.children(draft.plan.id)
        if not key.is_self and not _owns(plan, key)
    ]
    return bool(pointed) and max(pointed) >= _KEPT_FAMILY * n


def _owns(plan: Plan, key: ForeignKey) -> bool:
    owner = plan.by_id[key.child].owner
    return owner is not None and owner.id == key.id


def references_apart(source: SourceTable) -> tuple[tuple[str, str], ...]:
    """Returns pairs of references that never point to one row; the row itself stands as an empty name."""
    table = source.plan
    keys = [*([table.owner] if table.owner else []), *(reference.key for reference in table.references)]
    found = []
    for i, key in enumerate(keys):
        rows = source.parents[key.id]
        if key.is_self and not (rows == np.arange(len(rows))).any():
            found.append((key.id, ""))
        for other in keys[i + 1 :]:
            both = (rows >= 0) & (source.parents[other.id] >= 0)
            alike = other.parent == key.parent and other.parent_columns == key.parent_columns
            if alike and both.sum() >= _FEWEST_APART and not (rows == source.parents[other.id])[both].any():
                found.append((key.id, other.id))
    return tuple(found)


def is_same_person(source: SourceTable, sources: Mapping[str, SourceTable]) -> bool:
    """True where a table's names or addresses are those of the person that its rows belong to."""
    table = source.plan
    if not table.holder_path or source.holders is None:
        return False
    person = sources[table.holder_path[-1].parent]
    rows = np.minimum(source.holders, max(0, len(person) - 1))
    if not len(person):
        return False
    for column in table.by("kind"):
        texts = _comparable(person, column.kind)
        if texts is None or not len(source):
            continue
        own = source.column(column.name).to_pylist()
        hits = [a is not None and a == texts[row] for a, row in zip(own, rows.tolist(), strict=True)]
        if np.mean(hits) >= 0.5:
            return True
    single = len(table.holder_path) == 1 and _cap(table.holder_path[0], source) == 1
    return single and any(column.kind in ("username", "email") for column in table.by("kind"))


def _comparable(person: SourceTable, kind: str | None) -> list[str | None] | None:
    """The person's own values of a class of personal data; full names are put together where there are only parts."""
    by_kind = {column.kind: column.name for column in person.plan.by("kind")}
    if kind in by_kind and kind in ("full_name", "first_name", "last_name", "email", "username", "phone"):
        values: list[str | None] = person.column(by_kind[kind]).to_pylist()
        return values
    if kind == "full_name" and {"first_name", "last_name"} <= set(by_kind):
        first, last = (person.column(by_kind[part]).to_pylist() for part in ("first_name", "last_name"))
        return [f"{a} {b}" for a, b in zip(first, last, strict=True)]
    return None


def _encode_columns(plan: Plan, draft: _Draft, seed: int) -> None:
    """Fits the kinds of all columns that have one, and encodes them."""
    if draft.plan.role == "lookup":
        for column in draft.plan.columns:
            if column.producer != "generated" and column.name in draft.source.frame.column_names:
                draft.kinds[column.name] = _fit_copy(draft, column, seed)
        return
    for column in draft.plan.by("kind"):
        if column.name == draft.plan.order and _orders(draft):
            continue
        base = column.map.after or column.map.near
        if base is not None and _can_count_from(draft, column, base):
            _encode_relative(plan, draft, column, base)
            continue
        kind, options = kind_named(column.kind or "")
        data = ColumnData(
            column.column,
            draft.source.column(column.name),
            draft.source.holders,
            _least(plan, draft),
            {**options, **column.options},
            None if draft.plan.owner is None else ~draft.source.is_first,
        )
        fitted = kind.fit(data, stream(seed, "fit", draft.plan.id, column.name))
        draft.kinds[column.name] = fitted
        if fitted.spans:
            draft.parts["attribute", column.name] = (fitted.spans, fitted.encode(data.values))


def _fit_copy(draft: _Draft, column: ColumnPlan, seed: int) -> Kind:
    """A lookup's values stand in its kinds as they are; bytes and credentials are made up, since nobody reads them."""
    values = draft.source.column(column.name)
    rng = stream(seed, "fit", draft.plan.id, column.name)
    kind, options = kind_named("bytes" if column.column.type.family == "bytes" else column.kind or "label")
    if kind.reading != "value":
        return kind.fit(ColumnData(column.column, values, None, 1, {**options, **column.options}), rng)
    return LabelKind.fit(ColumnData(column.column, values), rng)


def _can_count_from(draft: _Draft, column: ColumnPlan, name: str) -> bool:
    """True where a moment is there before the column counted from it is, and neither is ever infinite."""
    base = next((found for found in draft.plan.columns if found.name == name), None)
    if base is None or base.producer != "kind" or base.column.type.family not in _MOMENTS:
        return False
    return _is_finite(draft, base) and _is_finite(draft, column)


def _is_finite(draft: _Draft, column: ColumnPlan) -> bool:
    """True where all moments of a column lie in years that every calendar knows; numbers always do."""
    family, values = column.column.type.family, draft.source.column(column.name)
    if family not in _MOMENTS:
        return True
    days = in_units(order_numbers(values), family, "date")[~is_null(values)]
    return bool(((days >= _FIRST_DAY) & (days <= _LAST_DAY)).all())


def _orders(draft: _Draft) -> bool:
    """True where the column that is to order the rows of one owner has a finite value in every row."""
    order = next((found for found in draft.plan.columns if found.name == draft.plan.order), None)
    if order is None or not len(draft.source):
        return False
    return not is_null(draft.source.column(order.name)).any() and _is_finite(draft, order)


def _encode_relative(plan: Plan, draft: _Draft, column: ColumnPlan, base: str) -> None:
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
            min_holders=_least(plan, draft),
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


def _encode_order(plan: Plan, draft: _Draft, drafts: Mapping[str, _Draft]) -> None:
    """Learns the order of the rows of one owner, its calendar, and the ends of periods."""
    table, source = draft.plan, draft.source
    if table.order is None or table.owner is None or table.role == "lookup" or not _orders(draft):
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
        min_holders=_least(plan, draft),
    )
    draft.sequence = sequence
    draft.anchors = base = anchors[sequence.anchor] if sequence.anchor else np.zeros(len(values), np.int64)
    codes = sequence.encode(values, np.r_[0, values[:-1]], base, source.is_first)
    draft.parts["order", table.order] = (sequence.spans, codes)
    draft.parts["calendar", table.order] = (sequence.calendar, sequence.calendar_codes(values))
    for end in table.by("period_end"):
        _encode_period_end(plan, draft, end, values)


def _anchors(draft: _Draft, owner: _Draft, measure: Measure) -> dict[str, Ints]:
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


def _is_mostly_known(draft: _Draft, column: ColumnPlan) -> bool:
    return bool(is_null(draft.source.column(column.name)).mean() <= _UNKNOWN) and _is_finite(draft, column)


def anchors_of(column: str, measure: Measure, source: SourceTable, owners: SourceTable) -> Ints:
    """Returns the moment in a column of its owner that each row may be counted from: shape (rows,)."""
    moments, family = owners.column(column), owners.plan.table.by_name[column].type.family
    known = np.where(is_null(moments), NO_ANCHOR, in_measure(order_numbers(moments), family, measure))
    return np.append(known, NO_ANCHOR)[source.owner]


def _are_years(draft: _Draft) -> bool:
    values = order_numbers(draft.source.column(draft.plan.order or ""))
    return len(values) > 0 and bool(((values > 1800) & (values < 2200)).all())


def _encode_period_end(plan: Plan, draft: _Draft, column: ColumnPlan, starts: Ints) -> None:
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
            min_holders=_least(plan, draft),
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


def _encode_reference(draft: _Draft, reference: ReferencePlan, drafts: dict[str, _Draft], seed: int) -> None:
    """Learns which rows a reference points to: each row of a kept parent, or clusters of its rows."""
    key, source = reference.key, draft.source
    if is_copied(draft.plan, reference, draft.kept, drafts[key.parent].kept) or (
        reference.implied_by and _always_implied(draft, reference)
    ):
        return
    parent = drafts[key.parent]
    rows = _rooted(source.parents[key.id]) if key.is_self else source.parents[key.id]
    nulls = bool((rows == -1).any())
    rng = stream(seed, "reference", key.id)
    if parent.kept and not key.is_self:
        code = ReferenceCode(key.id, max(1, len(parent.source)), (), nulls)
        places = _known(rows, len(parent.source), rng)
        places = np.where(rows == -1, code.rows or 0, places)
        codes = split_codes(places.astype(np.int32), (code.rows or 0) + nulls)
        draft.references[key.id] = code
        draft.parts["reference", key.id] = (code.spans, codes)
        _add_common(parent, draft, key, rng)
        return
    family, clusters = _cluster_parents(draft, parent, key, drafts, rng)
    parent.families[key.id] = family
    parent.parts["family", key.id] = (family.spans, clusters)
    depths = _depths(rows, rng) if key.is_self else None
    levels = int(depths.max(initial=0)) + 1 if depths is not None else 0
    code = ReferenceCode(key.id, None, family.sizes, nulls, tree=depths is not None, depths=levels)
    seen = (
        clusters[_known(rows, len(parent.source), rng)]
        if len(parent.source)
        else np.zeros((len(rows), len(family.sizes)))
    )
    codes = seen.astype(np.int32)
    codes[rows == -1] = 0
    codes[rows == -1, 0] = family.sizes[0]
    draft.references[key.id] = code
    if depths is not None:
        draft.parts["depth", key.id] = (code.depth_spans, depths[:, None].astype(np.int32))
    draft.parts["reference", key.id] = (code.spans, codes)


def is_copied(table: TablePlan, reference: ReferencePlan, child_kept: bool, parent_kept: bool) -> bool:
    """True for a reference of kept rows that stays as it is: to rows that are kept, or within a key that is copied."""
    own = {column.name for column in table.columns if column.producer != "reference"}
    keys = [set(found.unique.columns) for found in table.uniques]
    in_copied_key = table.role == "lookup" and any(columns & own and columns & set(reference.free) for columns in keys)
    return child_kept and (parent_kept or in_copied_key)


def _always_implied(draft: _Draft, reference: ReferencePlan) -> bool:
    """True where the wider reference that decides this one is never null."""
    return bool((draft.source.parents[reference.implied_by or ""] != -1).all())


def _known(rows: Ints, n_parents: int, rng: np.random.Generator) -> Ints:
    """Rows that were not read are replaced by any that were: their share stays, what they share is lost."""
    known = rows[rows >= 0]
    unknown = rows < 0
    if not unknown.any():
        return rows
    stand_in = (
        rng.choice(known, int(unknown.sum())) if len(known) else rng.integers(0, max(1, n_parents), int(unknown.sum()))
    )
    found = rows.copy()
    found[unknown] = stand_in
    return found


def _add_common(parent: _Draft, child: _Draft, key: ForeignKey, rng: np.random.Generator) -> None:
    """Gives kept rows a coarse code of what points to them, so that their other columns go with it."""
    if parent.plan.role == "lookup" or parent.families_apart:
        return
    counts = parent.source.fan_outs[key.id]
    features = summarize(child.members(child.source.parents[key.id], "attribute", "order", "calendar"), len(counts))
    family, codes = fit_family(key.id, features, counts, rng, levels=_COMMON_LEVELS, observed=True)
    parent.parts["common", key.id] = (family.spans, codes)


def _cluster_parents(
    draft: _Draft, parent: _Draft, key: ForeignKey, drafts: Mapping[str, _Draft], rng: np.random.Generator
) -> tuple[FamilyCode, Codes]:
    """Clusters a parent's rows by what points to them, whose those are, and what they are themselves."""
    n = len(parent.source)
    counts = parent.source.fan_outs[key.id]
    members = draft.members(draft.source.parents[key.id], "attribute", "order", "calendar")
    features = [summarize(members, n)]
    owner = draft.plan.owner
    if owner is not None and len(drafts[owner.parent].source):
        above = drafts[owner.parent].members(np.zeros(0, np.int64), "attribute")
        codes = above.codes[np.maximum(draft.source.owner, 0)]
        features.append(summarize(Members(codes, above.spans, draft.source.parents[key.id]), n))
    own = parent.members(np.arange(n), "attribute", "order", "calendar")
    features.append(summarize(own, n))
    # Rows of other persons are not told apart where no more may be known of them than that they are there.
    levels = 0 if draft.families_apart and parent.plan.private else _REFERENCE_LEVELS
    return fit_family(key.id, np.concatenate(features, axis=1), counts, rng, levels=levels)


def _rooted(rows: Ints) -> Ints:
    """Puts the row that most others stand below, of those below rows that were not read, in the place of a lost root.

    Without a root nothing would say how deep rows stand, and all that are below rows not read would be roots.
    """
    lost = np.flatnonzero(rows == UNKNOWN)
    if not len(lost) or (rows == NULL).any():
        return rows
    top = np.arange(len(rows))
    for _ in range(_MAX_DEPTH):
        top = np.where(rows[top] >= 0, rows[top], top)
    found = rows.copy()
    found[lost[np.bincount(top, minlength=len(rows))[lost].argmax()]] = NULL
    return found


def _depths(rows: Ints, rng: np.random.Generator) -> Ints | None:
    """How far below a root each row of a tree stands; None where rows lead in a circle.

    A row below one that was not read is no root: it stands as deep as others that are none and below which as many
    levels follow.
    """
    depth = np.where(rows == NULL, 0, -1)
    _descend(depth, rows)
    lost, height = np.flatnonzero(rows == UNKNOWN), _heights(rows)
    known, deepest = depth > 0, int(depth.max(initial=0))
    for levels in np.unique(height[lost]).tolist():
        here, like = lost[height[lost] == levels], depth[known & (height == levels)]
        depth[here] = rng.choice(like, len(here)) if len(like) else max(1, deepest - levels)
    _descend(depth, rows)
    return depth if (depth >= 0).all() else None


def _heights(rows: Ints) -> Ints:
    """How many levels follow below each row of a tree."""
    height, below = np.zeros(len(rows), np.int64), np.flatnonzero(rows >= 0)
    for _ in range(_MAX_DEPTH):
        np.maximum.at(height, rows[below], height[below] + 1)
    return height


def _descend(depth: Ints, rows: Ints) -> None:
    """Fills in the depth of rows that stand below rows whose depth is known."""
    for level in range(1, _MAX_DEPTH):
        below = (depth < 0) & (depth[np.maximum(rows, 0)] == level - 1) & (rows >= 0)
        depth[below] = level


def _encode_fan_outs(plan: Plan, draft: _Draft, drafts: Mapping[str, _Draft]) -> None:
    """Learns how many children rows have, for every reference that is not decided by the children themselves."""
    if len(draft.source) == 0:
        return
    for key in plan.children(draft.plan.id):
        owns = _owns(plan, key)
        if draft.kept and not owns and not key.is_self:
            continue
        counts = draft.source.fan_outs[key.id]
        fitted = fit_fan_out(key.id, counts, cap=_cap(key, drafts[key.child].source), min_holders=_least(plan, draft))
        draft.fan_outs[key.id] = fitted
        if draft.plan.role != "lookup" or owns:
            draft.parts["fanout", key.id] = (fitted.spans, fitted.encode(counts))


def _cap(key: ForeignKey, child: SourceTable) -> int | None:
    """Most children that a key of the child leaves room for: one, or as many as the rest of the key has values."""
    caps = []
    for unique in child.plan.table.uniques:
        rest = [name for name in unique.columns if name not in key.columns]
        if unique.predicate or unique.expressions or not set(key.columns) & set(unique.columns):
            continue
        if set(key.columns) <= set(unique.columns) or not rest:
            sizes = [_values_of(child, name) for name in rest]
            if all(size is not None for size in sizes):
                caps.append(math.prod(size for size in sizes if size is not None))
    return min(caps, default=None)


def _values_of(child: SourceTable, name: str) -> int | None:
    """How many values a column has to choose from; None where there is no limit to speak of."""
    column = next(found for found in child.plan.columns if found.name == name)
    if column.producer == "kind" and column.kind == "category":
        return max(1, len(child.column(name).unique().drop_null()))
    return None


def _encode_family(draft: _Draft, child: _Draft, key: ForeignKey, seed: int) -> None:
    counts = draft.source.fan_outs[key.id]
    if not len(counts):
        return
    members = child.members(
        child.source.owner, "attribute", "order", "calendar", "reference", "depth", "fanout", "family"
    )
    family, codes = fit_family(key.id, summarize(members, len(counts)), counts, stream(seed, "family", key.id))
    draft.families[key.id] = family
    draft.parts["family", key.id] = (family.spans, codes)


_BLOCK_ORDER: tuple[BlockKind, ...] = (
    "common",
    "order",
    "calendar",
    "depth",
    "reference",
    "attribute",
    "fanout",
    "family",
)


def _finish(draft: _Draft) -> EncodedTable:
    """Lays the parts out in the order in which they are drawn."""
    ordered = sorted(draft.parts.items(), key=lambda item: _BLOCK_ORDER.index(item[0][0]))
    layout = make_layout((kind, name, spans) for (kind, name), (spans, _) in ordered)
    codes = [codes for _, (spans, codes) in ordered if spans]
    whole = np.concatenate(codes, axis=1) if codes else np.zeros((len(draft.source), 0), np.int32)
    kept = None
    if draft.kept:
        common = [codes for (kind, _), (_, codes) in ordered if kind == "common"]
        kept = np.concatenate(common, axis=1) if common else np.zeros((len(draft.source), 0), np.int32)
    return EncodedTable(
        source=draft.source,
        layout=layout,
        codes=whole,
        anchors=draft.anchors if draft.anchors is not None else np.zeros(len(draft.source), np.int64),
        kinds=draft.kinds,
        relative=draft.relative,
        period_ends=draft.period_ends,
        sequence=draft.sequence,
        references=draft.references,
        fan_outs=draft.fan_outs,
        families=draft.families,
        kept=kept,
    )
