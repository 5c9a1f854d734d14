"""Values that rows of one owner hardly ever share: the start numbers of a race, the rooms of a booking.

No single row says that a value is taken. So it is learned how often each value comes again within a family, beside how
often it would if values were dealt out at random; when drawing, a value that is taken is refused that often.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes
from replica.relations.layout import Block, BlockKind, Layout

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SEEN: tuple[BlockKind, ...] = ("reference", "attribute")
"""The blocks whose values are looked at."""

# More codes than this are too many to keep a list of those that are taken in every family.
_MOST_CODES = 1_024
# Repetitions that chance would make, at least, before their absence says something; a value is shunned if it comes
# again less than half as often.
_FEWEST, _SHUNNED = 30.0, 0.5
# A value that comes again so seldom is refused always: a model that knows the family would repeat it oftener than
# chance does.
_NEVER = 0.1
# Repetitions of a value by chance that weigh as much as what is known of the other values.
_PRIOR = 5.0


@dataclass(frozen=True)
class Reuse:
    """How often values come again in a family.

    Attributes:
        kind: the kind of the block that holds them.
        name: the block's name.
        sizes: how many codes its spans have.
        rates: for each value how often it comes again, beside chance: 0 for never, at most 1; shape (values,).
    """

    kind: BlockKind
    name: str
    sizes: tuple[int, ...]
    rates: Floats

    def values(self, codes: Codes) -> Ints:
        """Returns the values of rows as one number each, from the codes of the block: shape (rows,)."""
        values: Ints = np.ravel_multi_index(tuple(codes.T.astype(np.int64)), self.sizes)
        return values


def learn_reuse(layout: Layout, codes: Codes, family: Ints, rng: np.random.Generator) -> tuple[Reuse, ...]:
    """Learns which values rows of one family hardly ever share.

    Args:
        layout: what the codes are.
        codes: shape (rows, spans).
        family: number of each row's family; shape (rows,).
        rng: deals the values out at random.
    """
    if not len(family) or family.max() + 1 == len(family):
        return ()
    found = (_learn(block, layout, codes, family, rng) for block in layout.of(*SEEN))
    return tuple(reuse for reuse in found if reuse is not None)


def _learn(block: Block, layout: Layout, codes: Codes, family: Ints, rng: np.random.Generator) -> Reuse | None:
    sizes = tuple(span.cardinality for span in layout.spans[block.start : block.stop])
    if np.prod(sizes, dtype=np.float64) > _MOST_CODES or not len(codes):
        return None
    bare = Reuse(block.kind, block.name, sizes, np.ones(int(np.prod(sizes))))
    values = bare.values(codes[:, block.start : block.stop])
    seen, chance = (_again(family, found, len(bare.rates)) for found in (values, rng.permutation(values)))
    shunned = seen < _SHUNNED * chance
    if chance[shunned].sum() < _FEWEST:
        return None
    common = seen[shunned].sum() / chance[shunned].sum()
    rates = (seen + _PRIOR * common) / (chance + _PRIOR)
    rates = np.where(rates < _NEVER, 0.0, rates)
    return Reuse(block.kind, block.name, sizes, np.where(rates < _SHUNNED, rates, 1.0))


def _again(family: Ints, values: Ints, n: int) -> Ints:
    """How many rows have each value when an earlier row of their family has it: shape (values,)."""
    pairs = np.sort(family * n + values)
    return np.bincount(pairs[1:][pairs[1:] == pairs[:-1]] % n, minlength=n)


class Taken:
    """Which values are taken in each of some families.

    Args:
        reuse: what was learned.
        layout: what the codes of rows are.
        families: how many families there are.
    """

    def __init__(self, reuse: Iterable[Reuse], layout: Layout, families: int) -> None:
        blocks = ((found, layout.find(found.kind, found.name)) for found in reuse)
        self._seen = sorted(
            ((block, found) for found, block in blocks if block is not None), key=lambda seen: seen[0].start
        )
        self._taken: Mapping[str, Mask] = {
            found.name: np.zeros((families, len(found.rates)), dtype=bool) for _, found in self._seen
        }

    def blocks(self, start: int, stop: int) -> list[tuple[Block, Reuse]]:
        """Returns the blocks between two places whose values are looked at, in their order."""
        return [(block, found) for block, found in self._seen if start <= block.start and block.stop <= stop]

    def refused(self, reuse: Reuse, family: Ints, codes: Codes, rng: np.random.Generator) -> Mask:
        """Says which of some rows may not have a value, since their family has it: shape (rows,)."""
        values = reuse.values(codes)
        return self._taken[reuse.name][family, values] & (rng.random(len(values)) >= reuse.rates[values])

    def take(self, reuse: Reuse, family: Ints, codes: Codes) -> None:
        """Notes the values of rows."""
        self._taken[reuse.name][family, reuse.values(codes)] = True
