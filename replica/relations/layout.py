"""What the codes of a table's rows are: blocks of spans in the order in which they are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from replica.kinds.base import Span

BlockKind = Literal[
    "common",  # codes of a row that is kept, in small public tables: what its children have in common
    "order",  # the row's place in time
    "calendar",  # what follows from it: year, month, day of the week
    "reference",  # which cluster of rows a reference points to
    "depth",  # how far below a root a row of a tree stands
    "referenced",  # attributes of the row that a reference was assigned to
    "previous",  # values of the row before it under the same owner
    "attribute",  # a column of its own
    "fanout",  # how many children it has, by reference
    "family",  # what they have in common, by reference
]
"""The kinds of blocks, in the order in which they stand in a row."""

STRUCTURE: frozenset[BlockKind] = frozenset({"common", "order", "calendar", "reference", "depth"})
"""What is drawn before references are assigned; the rest knows which rows they point to."""


@dataclass(frozen=True)
class Block:
    """Some neighbouring spans that belong together.

    Attributes:
        kind: what they are.
        name: the column, or the id of the reference.
        start: place of the first span.
        stop: place behind the last one.
    """

    kind: BlockKind
    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Layout:
    """The spans of a table's rows and the blocks they form.

    Attributes:
        spans: all spans, in the order in which they are drawn.
        blocks: all blocks, in the same order.
    """

    spans: tuple[Span, ...]
    blocks: tuple[Block, ...]

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Block]:
        return {(block.kind, block.name): block for block in self.blocks}

    def find(self, kind: BlockKind, name: str) -> Block | None:
        """Returns a block, if there is one."""
        return self._by_name.get((kind, name))

    def places(self, kind: BlockKind, name: str) -> slice:
        """Returns where the spans of a block are; an empty slice where there is none."""
        block = self.find(kind, name)
        return slice(block.start, block.stop) if block else slice(0, 0)

    def of(self, *kinds: BlockKind) -> tuple[Block, ...]:
        """Returns all blocks of some kinds."""
        return tuple(block for block in self.blocks if block.kind in kinds)

    @property
    def structure(self) -> int:
        """How many spans are drawn before references are assigned."""
        return max((block.stop for block in self.blocks if block.kind in STRUCTURE), default=0)

    def runs(self, start: int, stop: int) -> tuple[tuple[int, int], ...]:
        """Returns the runs of spans between two places that are drawn in one go: between observed ones."""
        found: list[tuple[int, int]] = []
        for i in range(start, stop):
            if self.spans[i].observed:
                continue
            if found and found[-1][1] == i:
                found[-1] = (found[-1][0], i + 1)
            else:
                found.append((i, i + 1))
        return tuple(found)


def make_layout(blocks: Iterable[tuple[BlockKind, str, tuple[Span, ...]]]) -> Layout:
    """Lays blocks out one behind the other; blocks without spans are left out."""
    spans: list[Span] = []
    placed: list[Block] = []
    for kind, name, found in blocks:
        if found:
            placed.append(Block(kind, name, len(spans), len(spans) + len(found)))
            spans += found
    return Layout(tuple(spans), tuple(placed))
