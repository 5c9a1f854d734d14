"""The rows of subjects in the codes that the copy gave, each from the rows of its own subject and public ones alone.

What cannot be written so, such as which other person a row points to, stands as in a random row of the copy, and so
does a value that the copy does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.kinds.base import Codes, Kind, is_null
from replica.kinds.categorical import CategoricalKind, split_codes
from replica.kinds.datetime import MomentKind, TimeKind, order_numbers
from replica.kinds.numeric import NumericKind
from replica.kinds.personal import PersonalKind
from replica.learning.encoding import EncodedTable
from replica.learning.moments import anchors_of
from replica.learning.source_rows import SourceTable
from replica.planning.decisions import Plan
from replica.privacy.noise import random_below
from replica.protecting.contributions import SubjectRows
from replica.relations.gaps import in_units
from replica.relations.layout import Block

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Part = tuple[Codes, Flags]


@dataclass(frozen=True)
class Copied:
    """A copy as it was encoded.

    Attributes:
        plan: what was decided.
        tables: the encoded tables of the copy.
    """

    plan: Plan
    tables: Mapping[str, EncodedTable]

    def is_private(self, table: str) -> bool:
        """True for a table whose rows belong to subjects."""
        return self.plan.by_id[table].private


@dataclass(frozen=True)
class Recoded:
    """Rows in the codes of their copy.

    Attributes:
        table: the rows, as the copy's are.
        blocks: the blocks whose codes say anything of the rows.
    """

    table: EncodedTable
    blocks: frozenset[Block]


def recode(copied: Copied, rows: SubjectRows, owners: EncodedTable | None) -> Recoded:
    """Returns the rows of a private table in the codes of its copy.

    Args:
        copied: the copy.
        rows: the rows, at most so many of each subject.
        owners: the owners' table, recoded; None for subjects.
    """
    source = rows.source
    copy = copied.tables[source.plan.id]
    n = len(source)
    drawn = random_below(np.full(n, max(1, len(copy.codes))))
    codes = copy.codes[drawn].copy() if len(copy.codes) else np.zeros((n, len(copy.layout.spans)), np.int32)
    source = replace(source, parents={**source.parents, **_others(copied, source)})
    blocks = []
    for block in copy.layout.blocks:
        found = _part(copied, copy, source, block, owners)
        if found is not None:
            part, known = found
            codes[known, block.start : block.stop] = part[known]
            blocks.append(block)
    anchors = _anchors(copy, source, owners)
    return Recoded(replace(copy, source=source, codes=codes, anchors=anchors), frozenset(blocks))


def _others(copied: Copied, source: SourceTable) -> dict[str, Ints]:
    """Rows of other subjects that references point to: any of the copy, since who it is must not matter."""
    found = {}
    for reference in source.plan.references:
        if copied.is_private(reference.key.parent):
            parents = max(1, len(copied.tables[reference.key.parent].source))
            rows = source.parents[reference.key.id]
            found[reference.key.id] = np.where(rows == -1, -1, random_below(np.full(len(rows), parents)))
    return found


def _part(
    copied: Copied, copy: EncodedTable, source: SourceTable, block: Block, owners: EncodedTable | None
) -> Part | None:
    """The codes of a block and where they are known; None where they stay as in the copy."""
    if block.kind == "attribute":
        return _attribute(copy, source, block.name)
    if block.kind in ("order", "calendar"):
        return _order(copy, source, block, owners)
    if block.kind == "reference":
        return _reference(copied, copy, source, block.name)
    if block.kind == "fanout":
        child = copied.plan.by_id[next(k.child for k in copied.plan.children(source.plan.id) if k.id == block.name)]
        owns = child.owner is not None and child.owner.id == block.name
        counts = source.fan_outs[block.name]
        return (copy.fan_outs[block.name].encode(counts), np.ones(len(source), dtype=bool)) if owns else None
    return None


def _attribute(copy: EncodedTable, source: SourceTable, name: str) -> Part | None:
    values = source.column(name)
    if name in copy.relative:
        return _relative(copy, source, name)
    if name in copy.period_ends:
        return _period_end(copy, source, name)
    kind = copy.kinds[name]
    if isinstance(kind, PersonalKind):
        # Only whether there is a value was read.
        there = pc.if_else(values, pa.scalar(""), pa.scalar(None, pa.string()))
        return kind.encode(there), np.ones(len(values), dtype=bool)
    known = _known(kind, values)
    return None if known is None else (kind.encode(values), known)


def _known(kind: Kind, values: pa.Array) -> Flags | None:
    """Which values a kind has a code for; None for kinds that are not learned."""
    null = is_null(values)
    if isinstance(kind, CategoricalKind):
        texts = values if pa.types.is_string(values.type) else values.cast(pa.string())
        listed = np.asarray(pc.is_in(texts, pa.array(kind.values, pa.string())))
        return np.where(null, kind.nulls, listed)
    if isinstance(kind, NumericKind):
        finite = np.isfinite(np.asarray(values.cast(pa.float64(), safe=False).fill_null(0.0), dtype=np.float64))
        return np.where(null, "null" in kind.special, finite & (kind.curve is not None))
    if isinstance(kind, MomentKind):
        return np.where(null, "null" in kind.special, kind.days is not None)
    if isinstance(kind, TimeKind):
        return np.where(null, kind.nulls, kind.clock is not None)
    return None


def _relative(copy: EncodedTable, source: SourceTable, name: str) -> Part | None:
    fitted = copy.relative[name]
    if fitted.gap is None:
        return None
    values, bases = source.column(name), source.column(fitted.base)
    both = ~is_null(values) & ~is_null(bases)
    types = source.plan.table.by_name
    starts = in_units(order_numbers(bases), types[fitted.base].type.family, types[name].type.family)
    codes = fitted.gap.encode(order_numbers(values), starts)
    codes[~both, 0] = fitted.gap.spans[0].cardinality
    return codes, both | fitted.nulls


def _period_end(copy: EncodedTable, source: SourceTable, name: str) -> Part | None:
    fitted = copy.period_ends[name]
    gap = fitted.last.gap
    if gap is None:
        return None
    values, starts = source.column(name), source.column(fitted.start)
    null = is_null(values)
    is_last = np.r_[source.is_first[1:], True]
    codes = gap.encode(order_numbers(values), order_numbers(starts))
    codes[null, 0] = gap.spans[0].cardinality
    none = np.array([span.cardinality - 1 for span in fitted.spans], np.int32)
    known = ~is_last | (~null | fitted.last.nulls)
    return np.where(is_last[:, None], codes, none).astype(np.int32), known


def _order(copy: EncodedTable, source: SourceTable, block: Block, owners: EncodedTable | None) -> Part | None:
    if copy.sequence is None:
        return None
    column = source.column(block.name)
    values, known = order_numbers(column), ~is_null(column)
    if block.kind == "calendar":
        return copy.sequence.calendar_codes(values), known
    base = _anchors(copy, source, owners)
    codes = copy.sequence.encode(values, np.r_[0, values[:-1]], base, source.is_first)
    return codes, known & (source.is_first | np.r_[False, known[:-1]])


def _anchors(copy: EncodedTable, source: SourceTable, owners: EncodedTable | None) -> Ints:
    """The owner's moment that first values are counted from, per row; zero without one."""
    if copy.sequence is None or copy.sequence.anchor is None or owners is None:
        return np.zeros(len(source), np.int64)
    return anchors_of(copy.sequence.anchor, copy.sequence.measure, source, owners.source)


def _reference(copied: Copied, copy: EncodedTable, source: SourceTable, name: str) -> Part | None:
    """Which public row, or which cluster of them; of a private one only whether there is any."""
    code = copy.references[name]
    key = next(found.key for found in source.plan.references if found.key.id == name)
    rows = source.parents[name]
    null = rows == -1
    if copied.is_private(key.parent):
        codes = np.zeros((len(rows), len(code.spans)), np.int32)
        codes[:, 0] = np.where(null, code.sizes[0], 1)
        return codes, ~null | code.nulls
    known = np.where(null, code.nulls, rows >= 0)
    if code.rows is not None:
        return split_codes(
            np.where(null, code.rows, np.maximum(rows, 0)).astype(np.int32), code.rows + code.nulls
        ), known
    parent = copied.tables[key.parent]
    clusters = parent.codes[:, parent.layout.places("family", name)]
    codes = clusters[np.maximum(rows, 0)].astype(np.int32) if len(clusters) else np.zeros((len(rows), 0), np.int32)
    codes[null] = 0
    codes[null, 0] = code.sizes[0]
    return codes, known
