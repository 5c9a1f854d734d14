"""Turning the source's rows into codes: columns by their kinds, references, order and families by ``relations/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.fitted import PeriodEnd, ReferenceCode, RelativeMoment
from replica.kinds import kind_named
from replica.kinds.base import Codes, ColumnData, Kind
from replica.kinds.categorical import split_codes
from replica.kinds.datetime import order_numbers
from replica.kinds.label import LabelKind
from replica.learning.draft import Draft, fewest_holders
from replica.learning.moments import can_count_from, encode_order, encode_relative, orders
from replica.learning.source_rows import SourceTable
from replica.learning.traits import most_children
from replica.planning.decisions import ColumnPlan, Plan, ReferencePlan, TablePlan
from replica.relations.families import FamilyCode, Members, fit_family, summarize
from replica.relations.fanout import FanOut, fit_fan_out
from replica.relations.joins import NULL, UNKNOWN
from replica.relations.layout import BlockKind, Layout, make_layout
from replica.relations.sequences import SequenceCode
from replica.schema.model import ForeignKey
from replica.seeds import stream

Ints = npt.NDArray[np.int64]

# Tables of at most this many rows about nobody keep their rows' identity, if enough rows point to each.
_KEPT_ROWS = 256
_KEPT_FAMILY = 5
_COMMON_LEVELS = 1
_REFERENCE_LEVELS = 2
_MAX_DEPTH = 32


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
    drafts = {table.id: Draft(sources[table.id], families_apart=not families) for table in plan.tables}
    for draft in drafts.values():
        draft.kept = _is_kept(plan, draft)
        _encode_columns(plan, draft, seed)
        encode_order(plan, draft, drafts)
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


def _is_kept(plan: Plan, draft: Draft) -> bool:
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


def _encode_columns(plan: Plan, draft: Draft, seed: int) -> None:
    """Fits the kinds of all columns that have one, and encodes them."""
    if draft.plan.role == "lookup":
        for column in draft.plan.columns:
            if column.producer != "generated" and column.name in draft.source.frame.column_names:
                draft.kinds[column.name] = _fit_copy(draft, column, seed)
        return
    for column in draft.plan.by("kind"):
        if column.name == draft.plan.order and orders(draft):
            continue
        base = column.map.after or column.map.near
        if base is not None and can_count_from(draft, column, base):
            encode_relative(plan, draft, column, base)
            continue
        kind, options = kind_named(column.kind or "")
        data = ColumnData(
            column.column,
            draft.source.column(column.name),
            draft.source.holders,
            fewest_holders(plan, draft),
            {**options, **column.options},
            None if draft.plan.owner is None else ~draft.source.is_first,
        )
        fitted = kind.fit(data, stream(seed, "fit", draft.plan.id, column.name))
        draft.kinds[column.name] = fitted
        if fitted.spans:
            draft.parts["attribute", column.name] = (fitted.spans, fitted.encode(data.values))


def _fit_copy(draft: Draft, column: ColumnPlan, seed: int) -> Kind:
    """A lookup's values stand in its kinds as they are; bytes and credentials are made up, since nobody reads them."""
    values = draft.source.column(column.name)
    rng = stream(seed, "fit", draft.plan.id, column.name)
    kind, options = kind_named("bytes" if column.column.type.family == "bytes" else column.kind or "label")
    if kind.reading != "value":
        return kind.fit(ColumnData(column.column, values, None, 1, {**options, **column.options}), rng)
    return LabelKind.fit(ColumnData(column.column, values), rng)


def _encode_reference(draft: Draft, reference: ReferencePlan, drafts: dict[str, Draft], seed: int) -> None:
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


def _always_implied(draft: Draft, reference: ReferencePlan) -> bool:
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


def _add_common(parent: Draft, child: Draft, key: ForeignKey, rng: np.random.Generator) -> None:
    """Gives kept rows a coarse code of what points to them, so that their other columns go with it."""
    if parent.plan.role == "lookup" or parent.families_apart:
        return
    counts = parent.source.fan_outs[key.id]
    features = summarize(child.members(child.source.parents[key.id], "attribute", "order", "calendar"), len(counts))
    family, codes = fit_family(key.id, features, counts, rng, levels=_COMMON_LEVELS, observed=True)
    parent.parts["common", key.id] = (family.spans, codes)


def _cluster_parents(
    draft: Draft, parent: Draft, key: ForeignKey, drafts: Mapping[str, Draft], rng: np.random.Generator
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


def _encode_fan_outs(plan: Plan, draft: Draft, drafts: Mapping[str, Draft]) -> None:
    """Learns how many children rows have, for every reference that is not decided by the children themselves."""
    if len(draft.source) == 0:
        return
    for key in plan.children(draft.plan.id):
        owns = _owns(plan, key)
        if draft.kept and not owns and not key.is_self:
            continue
        counts = draft.source.fan_outs[key.id]
        fitted = fit_fan_out(
            key.id, counts, cap=most_children(key, drafts[key.child].source), min_holders=fewest_holders(plan, draft)
        )
        draft.fan_outs[key.id] = fitted
        if draft.plan.role != "lookup" or owns:
            draft.parts["fanout", key.id] = (fitted.spans, fitted.encode(counts))


def _encode_family(draft: Draft, child: Draft, key: ForeignKey, seed: int) -> None:
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


def _finish(draft: Draft) -> EncodedTable:
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
