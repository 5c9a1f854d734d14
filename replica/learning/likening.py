"""Finding which columns of other rows are mostly like one of a row's own; see :mod:`replica.relations.likeness`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes, Kind, Span
from replica.kinds.categorical import CategoricalKind
from replica.kinds.numeric import NumericKind
from replica.learning.encoding import EncodedTable
from replica.relations.layout import Block, Layout
from replica.relations.likeness import Likeness, likened_spans

Translation = npt.NDArray[np.int32]

# How many rows are looked at.
_LOOKED_AT = 5_000
# How much more often than by chance columns must agree; codes of numbers agree when they lie this close.
_LIFT, _NEAR = 0.25, 2


class Search:
    """Looks for spans of other rows that are like own ones.

    Args:
        encoded: the table.
        layout: what the codes of its rows are.
        codes: the codes of all its rows, some of which are looked at.
    """

    def __init__(self, encoded: EncodedTable, layout: Layout, codes: Codes) -> None:
        self._rows = np.linspace(0, len(codes) - 1, min(len(codes), _LOOKED_AT)).astype(np.int64)
        self._encoded, self._layout, self._codes = encoded, layout, codes[self._rows]
        self._shuffled = np.random.default_rng(0).permutation(len(self._rows))

    def find(
        self, other: EncodedTable, layout: Layout, places: tuple[int, ...], spans: tuple[Span, ...], seen: Codes
    ) -> tuple[tuple[Span, ...], tuple[Likeness, ...]]:
        """Returns the spans that are seen of another table's rows, and which of them are like own ones.

        Args:
            other: the other table.
            layout: what the codes of its rows are.
            places: where what is seen stands in them.
            spans: the spans that are seen.
            seen: the codes of what each of the table's own rows sees; shape (rows, spans).
        """
        blocks = {block.start: block for block in layout.of("attribute", "reference") if block.stop == block.start + 1}
        seen, likenesses = seen[self._rows], []
        for at, place in enumerate(places):
            options = self._options(other, blocks[place]) if place in blocks else ()
            scored = [(self._lift(codes, seen[:, at], own), codes, own) for codes, own in options]
            best = max(scored, key=lambda found: found[0], default=None)
            if best is not None and best[0] >= _LIFT:
                likenesses.append(Likeness(at, best[1]))
                spans = likened_spans(spans, at, self._layout.spans[best[2].start])
        return spans, tuple(likenesses)

    def _options(self, other: EncodedTable, block: Block) -> Iterator[tuple[Translation, Block]]:
        """Own spans in whose codes another table's span can be written, and how."""
        for own in self._layout.of(block.kind):
            if own.stop > own.start + 1 or self._layout.spans[own.start].observed:
                continue
            codes = (
                _between(other.kinds.get(block.name), self._encoded.kinds.get(own.name))
                if block.kind == "attribute"
                else self._between_references(other, block.name, own.name)
            )
            if codes is not None:
                yield np.append(codes, self._layout.spans[own.start].cardinality).astype(np.int32), own

    def _between_references(self, other: EncodedTable, name: str, own: str) -> Translation | None:
        """References to one table whose rows are kept have the same codes, but for null."""
        theirs, ours = other.references.get(name), self._encoded.references.get(own)
        if theirs is None or ours is None or theirs.rows is None or theirs.rows != ours.rows:
            return None
        parents = {
            key.id: key.parent for table in (other, self._encoded) for key in table.source.plan.table.foreign_keys
        }
        if parents.get(name) != parents.get(own):
            return None
        none = ours.rows + ours.nulls
        nulls = [ours.rows if ours.nulls else none] if theirs.nulls else []
        return np.array([*range(ours.rows), *nulls], np.int32)

    def _lift(self, codes: Translation, seen: npt.NDArray[np.int32], own: Block) -> float:
        """How much more often than by chance two spans agree: 1 for always, 0 for no more."""
        span, mine, theirs = self._layout.spans[own.start], self._codes[:, own.start], codes[seen]
        there = theirs < span.cardinality
        if not there.any():
            return 0.0
        near = _NEAR if span.ordered > 2 * _NEAR else 0

        def agree(theirs: npt.NDArray[np.int32]) -> float:
            return float(np.mean(np.abs(mine - theirs)[there] <= near))

        chance = agree(np.where(there, theirs[self._shuffled], theirs))
        return (agree(theirs) - chance) / max(1 - chance, 1e-9)


def _between(other: Kind | None, own: Kind | None) -> Translation | None:
    """The own code for each code of another kind; the own kind's number of codes for none."""
    if isinstance(other, CategoricalKind) and isinstance(own, CategoricalKind):
        return _between_lists(other, own)
    if isinstance(other, NumericKind) and isinstance(own, NumericKind):
        return _between_numbers(other, own)
    return None


def _between_lists(other: CategoricalKind, own: CategoricalKind) -> Translation | None:
    if len(other.spans) > 1 or len(own.spans) > 1 or not set(other.values) & set(own.values):
        return None
    known = {value: code for code, value in enumerate(own.values)}
    rare = len(own.values) if own.rare else own.size
    codes = [known.get(value, rare) for value in other.values]
    codes += [rare] * other.rare + [len(own.values) + own.rare if own.nulls else own.size] * other.nulls
    return np.array(codes, np.int32)


def _between_numbers(other: NumericKind, own: NumericKind) -> Translation | None:
    if other.curve is None or own.curve is None:
        return None
    size, bins = own.spans[0].cardinality, own.curve.bins
    special = {name: bins + place for place, name in enumerate(own.special)}
    return np.array(
        [*own.curve.encode(other.curve.centers), *(special.get(name, size) for name in other.special)], np.int32
    )
