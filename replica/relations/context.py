"""Everything that is known of a row before it is made: its owner, its place, the row before it.

The rule behind it: a row's context is everything already there that it can be joined to. The same functions build the
context of the source's rows when learning and of made-up rows when sampling.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes, Span
from replica.relations.elders import Elder
from replica.relations.layout import STRUCTURE, BlockKind, Layout
from replica.relations.likeness import Likeness, in_own_codes

Ints = npt.NDArray[np.int64]

# Of the owner all is seen; of the owner's owners only what they are, not what else hangs on them.
_SEEN_ABOVE: tuple[BlockKind, ...] = ("common", "order", "reference", "attribute", "family")
_PLACES = 32
# How much of the row that a reference points to is seen.
_SEEN_REFERENCED: tuple[BlockKind, ...] = ("attribute", "order")
_MOST_REFERENCED = 24
_MOST_ELDER = 16

Sight = Literal["ancestors", "place", "previous", "lags", "elders", "referenced", "families", "twins"]
SIGHTS: Final[tuple[Sight, ...]] = get_args(Sight)
"""What a row sees of others. To learn what one of them is worth, it can be hidden."""


@dataclass(frozen=True)
class Ancestor:
    """What a row sees of one table above it.

    Attributes:
        spans: the spans that are seen, each with one code more, for rows without that ancestor.
        places: where they stand in the ancestor's codes.
        likenesses: those of them that are written in the codes of the row's own spans.
    """

    spans: tuple[Span, ...]
    places: tuple[int, ...]
    likenesses: tuple[Likeness, ...] = ()


@dataclass(frozen=True)
class ContextSpec:
    """What the context of a table's rows is made of.

    Attributes:
        ancestors: the owner first, then its owner, and so on.
        place: True where rows have a place among those of their owner.
        previous: the spans of the row before that are seen, each with one code more, for first rows.
        previous_places: where they stand in a row's codes.
        lags: how many rows before are seen, each with all those spans.
        elders: tables with rows of the same owner that are made before, nearest first.
    """

    ancestors: tuple[Ancestor, ...]
    place: bool
    previous: tuple[Span, ...]
    previous_places: tuple[int, ...]
    lags: int = 1
    elders: tuple[Elder, ...] = ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """All spans of the context, in their order."""
        found = [span for ancestor in self.ancestors for span in ancestor.spans]
        if self.place:
            found += [Span("place", _PLACES, ordered=_PLACES), Span("rows left", _PLACES, ordered=_PLACES)]
        found += self.previous * self.lags
        return (*found, *(span for elder in self.elders for span in elder.all_spans))

    def without(self, hidden: Collection[str]) -> ContextSpec:
        """Returns the same with some sights hidden; see :data:`SIGHTS`."""
        found = self
        if "ancestors" in hidden:
            found = replace(found, ancestors=())
        if "place" in hidden:
            found = replace(found, place=False)
        if "previous" in hidden:
            found = replace(found, previous=(), previous_places=())
        if "lags" in hidden:
            found = replace(found, lags=1)
        if "elders" in hidden:
            found = replace(found, elders=())
        if "twins" in hidden:
            elders = tuple(replace(elder, order=without_twins(elder.order)) for elder in found.elders)
            found = replace(found, previous=without_twins(found.previous), elders=elders)
        return found


def see_ancestor(layout: Layout, *, nearest: bool) -> Ancestor:
    """Chooses what is seen of a table above.

    Args:
        layout: what its rows are.
        nearest: True for the owner itself.
    """
    blocks = layout.blocks if nearest else layout.of(*_SEEN_ABOVE)
    places = [
        i for block in blocks if block.kind not in ("previous", "referenced") for i in range(block.start, block.stop)
    ]
    return Ancestor(tuple(_with_none(layout.spans[i]) for i in places), tuple(places))


def see_previous(layout: Layout, places: Sequence[int]) -> tuple[Span, ...]:
    """Returns spans of the row before, each with one code more for rows that are first."""
    return tuple(replace(_with_none(layout.spans[i]), twin=layout.spans[i].name) for i in places)


def without_twins(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Returns spans of another row without a word of which of the row's own spans they are the twins of."""
    return tuple(replace(span, twin="") for span in spans)


def see_referenced(layout: Layout) -> Ancestor:
    """Chooses what is seen of a row that a reference points to."""
    places = [i for block in layout.of(*_SEEN_REFERENCED) for i in range(block.start, block.stop)][:_MOST_REFERENCED]
    return Ancestor(tuple(_with_none(layout.spans[i]) for i in places), tuple(places))


def see_elder(layout: Layout) -> Ancestor:
    """Chooses what is seen of a row of another table under the same owner."""
    blocks = layout.of("attribute", "calendar", "reference")
    places = [i for block in blocks for i in range(block.start, block.stop)][:_MOST_ELDER]
    return Ancestor(tuple(_with_none(layout.spans[i]) for i in places), tuple(places))


def value_places(layout: Layout) -> list[int]:
    """Returns where the spans behind the structure stand, without what is observed."""
    return [
        i
        for block in layout.blocks
        if block.kind not in STRUCTURE and block.kind not in ("referenced", "previous")
        for i in range(block.start, block.stop)
    ]


def _with_none(span: Span) -> Span:
    return Span(span.name, span.cardinality + 1, ordered=span.ordered)


def ancestor_codes(ancestor: Ancestor, codes: Codes, rows: Ints) -> Codes:
    """Returns what rows see of an ancestor.

    Args:
        ancestor: what is seen.
        codes: the codes of all rows of its table.
        rows: number of each row's ancestor, negative for none.
    """
    none = np.array([span.cardinality - 1 for span in ancestor.spans], np.int32)
    if not len(codes):
        return np.broadcast_to(none, (len(rows), len(none))).copy()
    found = in_own_codes(codes[np.maximum(rows, 0)][:, list(ancestor.places)].astype(np.int32), ancestor.likenesses)
    return np.where((rows < 0)[:, None], none, found).astype(np.int32)


def place_codes(position: Ints, size: Ints) -> Codes:
    """Returns the codes of a row's place among those of its owner and of how many follow: shape (rows, 2)."""
    return np.stack([bucket(position), bucket(size - 1 - position)], axis=1)


def bucket(numbers: Ints) -> npt.NDArray[np.int32]:
    """Codes whole numbers: small ones by themselves, larger ones together in steps that grow."""
    exact = 16
    beyond = exact + np.floor(2 * np.log2(np.maximum(numbers, exact) / exact)).astype(np.int64)
    return np.clip(np.where(numbers < exact, numbers, beyond), 0, _PLACES - 1).astype(np.int32)


def previous_codes(spans: tuple[Span, ...], codes: Codes, is_first: npt.NDArray[np.bool_]) -> Codes:
    """Returns what rows see of the row before.

    Args:
        spans: the spans that are seen.
        codes: their codes in the row before; anything for first rows.
        is_first: which rows are the first of their owner.
    """
    none = np.array([span.cardinality - 1 for span in spans], np.int32)
    return np.where(is_first[:, None], none, codes).astype(np.int32)
