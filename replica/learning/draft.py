"""A table on its way to codes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from replica.fitted import PeriodEnd, ReferenceCode, RelativeMoment
from replica.kinds.base import Codes, Kind, Span
from replica.learning.source_rows import SourceTable
from replica.planning.decisions import Plan, TablePlan
from replica.relations.families import FamilyCode, Members
from replica.relations.fanout import FanOut
from replica.relations.layout import BlockKind
from replica.relations.sequences import SequenceCode

Ints = npt.NDArray[np.int64]
Parts = tuple[tuple[Span, ...], Codes]


@dataclass
class Draft:
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
        """What was decided about the table."""
        return self.source.plan

    def members(self, parent: Ints, *kinds: BlockKind) -> Members:
        """The rows, seen through some kinds of blocks, as members of the rows they belong to."""
        chosen = [parts for (kind, _), parts in self.parts.items() if kind in kinds]
        spans = tuple(span for found, _ in chosen for span in found)
        codes = [codes for _, codes in chosen]
        empty = np.zeros((len(self.source), 0), np.int32)
        return Members(np.concatenate(codes, axis=1) if codes else empty, spans, parent)


def fewest_holders(plan: Plan, draft: Draft) -> int:
    """Returns how many persons must stand behind what is kept of a table."""
    return plan.min_holders if draft.plan.private else 1
