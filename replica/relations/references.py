"""Which rows the made-up rows point to: an assignment under capacities, repaired by swaps.

A reference gives each child a wish, the cluster of rows it would point to, and each parent a capacity, how many
children its fan-out says. Both sides were drawn by different models, so they agree only nearly. Capacities are scaled
to the number of children, wishes are granted as far as there is room, and the rest is matched with what is left. Then
pairs that must not be are swapped away: the same pair twice where a key forbids it, a row that would point to itself.
What swaps of two rows cannot mend is left to longer chains of moves (``augmenting``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from replica.errors import UnsatisfiableError
from replica.relations.augmenting import augment
from replica.relations.joins import NULL
from replica.relations.rules import Children, Parents, offends, rank

Ints = npt.NDArray[np.int64]

_ROUNDS = 60


def assign(children: Children, parents: Parents, rng: np.random.Generator, what: str) -> Ints:
    """Gives every child a parent of its block.

    Args:
        children: the rows that need a parent.
        parents: the rows that may be pointed to.
        rng: the random stream.
        what: the reference, for the message.

    Returns:
        The number of each child's parent, ``NULL`` where there is none and need not be: shape (children,).

    Raises:
        UnsatisfiableError: a child has no parent that it may point to.
    """
    there = np.isin(children.block, parents.block)
    if not there.all():
        if not children.may_be_null:
            raise UnsatisfiableError(
                f"{what}: {int((~there).sum())} rows have no row to point to; plan more rows of the parent"
            )
        chosen = np.full(len(children), NULL, np.int64)
        chosen[there] = assign(_some(children, there), parents, rng, what)
        return chosen
    if not len(children):
        return np.zeros(0, np.int64)
    slots = _slots(children, parents, rng)
    chosen = _match(children, parents, slots, rng)
    return _repair(children, parents, chosen, rng, what)


def _some(children: Children, there: npt.NDArray[np.bool_]) -> Children:
    return Children(
        children.wish[there],
        children.block[there],
        [replace(rule, group=rule.group[there]) for rule in children.distinct],
        [replace(rule, group=rule.group[there]) for rule in children.within],
        [other[there] for other in children.forbidden],
        children.may_be_null,
        None if children.allows is None else children.allows[there],
    )


def _slots(children: Children, parents: Parents, rng: np.random.Generator) -> Ints:
    """Parents, each as often as it gets children: as many in every block as the block has children."""
    blocks, demand = np.unique(children.block, return_counts=True)
    order = np.argsort(parents.block, kind="stable")
    place = np.searchsorted(blocks, parents.block[order])
    usable = (place < len(blocks)) & (blocks[np.minimum(place, len(blocks) - 1)] == parents.block[order])
    order, place = order[usable], place[usable]
    supply = np.bincount(place, weights=parents.capacity[order], minlength=len(blocks))
    there = np.bincount(place, minlength=len(blocks))
    # Where no parent of a block wants children, all take some.
    weight = np.where(supply[place] > 0, parents.capacity[order], 1).astype(np.float64)
    supply = np.where(supply > 0, supply, there)
    ends = np.cumsum(weight * demand[place] / supply[place])
    # Systematic rounding: every block's total is whole, so each gets exactly its share.
    shift = float(rng.random()) * 0.999
    whole = np.floor(np.round(ends, 6) + shift).astype(np.int64)
    return np.repeat(order, np.diff(np.r_[0, whole]))


def _match(children: Children, parents: Parents, slots: Ints, rng: np.random.Generator) -> Ints:
    """Pairs children with slots: of the wished cluster first, then level by level wider, then any of the block."""
    chosen = np.full(len(children), NULL, np.int64)
    free_children, free_slots = rng.permutation(len(children)), rng.permutation(slots)
    levels = children.wish.shape[1]
    for depth in range(levels, -1, -1):
        wanted = _keys(children.block[free_children], children.wish[free_children, :depth])
        offered = _keys(parents.block[free_slots], parents.cluster[free_slots, :depth])
        a, b = _pairs(wanted, offered)
        chosen[free_children[a]] = free_slots[b]
        free_children = np.delete(free_children, a)
        free_slots = np.delete(free_slots, b)
        if not len(free_children):
            break
    return chosen


def _keys(block: Ints, clusters: Ints) -> Ints:
    key = block.astype(np.int64)
    for level in range(clusters.shape[1]):
        key = key * 4096 + clusters[:, level]
    return key


def _pairs(wanted: Ints, offered: Ints) -> tuple[Ints, Ints]:
    """Places of both sides with equal keys, each place once: as many pairs per key as the rarer side has."""
    _, numbers = np.unique(np.r_[wanted, offered], return_inverse=True)
    numbers = numbers.reshape(-1)
    left = numbers[: len(wanted)] * (len(numbers) + 1) + rank(numbers[: len(wanted)])
    right = numbers[len(wanted) :] * (len(numbers) + 1) + rank(numbers[len(wanted) :])
    _, a, b = np.intersect1d(left, right, assume_unique=True, return_indices=True)
    return a, b


def _repair(children: Children, parents: Parents, chosen: Ints, rng: np.random.Generator, what: str) -> Ints:
    """Swaps parents between children until no pair is forbidden and none stands twice."""
    if not (children.distinct or children.within or children.forbidden) and children.allows is None:
        return chosen
    by_block = np.argsort(children.block, kind="stable")
    blocks = children.block[by_block]
    for _ in range(_ROUNDS):
        bad = np.flatnonzero(offends(children, chosen))
        if not len(bad):
            return chosen
        first = np.searchsorted(blocks, children.block[bad], side="left")
        behind = np.searchsorted(blocks, children.block[bad], side="right")
        partner = by_block[first + (rng.random(len(bad)) * (behind - first)).astype(np.int64)]
        chosen = _swap(children, chosen, bad, partner)
    return augment(children, parents, chosen, rng, what)


def _swap(children: Children, chosen: Ints, bad: Ints, partner: Ints) -> Ints:
    """Tries a swap for each bad row; keeps those after which neither side offends."""
    # Every row takes part in one swap at most.
    _, first = np.unique(partner, return_index=True)
    keep = np.zeros(len(bad), dtype=bool)
    keep[first] = True
    keep &= ~np.isin(partner, bad) | (partner > bad)
    keep &= partner != bad
    bad, partner = bad[keep], partner[keep]
    trial = chosen.copy()
    trial[bad], trial[partner] = chosen[partner], chosen[bad]
    wrong = offends(children, trial)
    # A pair may be reported on either of its rows, so a swap is undone unless both of its rows are clean.
    undo = wrong[bad] | wrong[partner]
    trial[bad[undo]], trial[partner[undo]] = chosen[bad[undo]], chosen[partner[undo]]
    return trial


def spread_over_kept(places: Ints, n_kept: int, n_parents: int, rng: np.random.Generator) -> Ints:
    """Finds rows for references to rows that are kept: each place in the source is that row, or its copies.

    Args:
        places: place of the wished row among the source's.
        n_kept: how many rows the source has.
        n_parents: how many rows there are now.
        rng: the random stream.
    """
    if n_parents >= n_kept:
        copies = (n_parents - places + n_kept - 1) // n_kept
        return places + n_kept * (rng.random(len(places)) * copies).astype(np.int64)
    # Fewer rows than before: what is gone is replaced by what is there, by its weight.
    weights = np.bincount(places, minlength=n_kept)[:n_parents].astype(np.float64) + 1e-9
    gone = places >= n_parents
    found = places.copy()
    found[gone] = rng.choice(n_parents, int(gone.sum()), p=weights / weights.sum())
    return found


def levels_without_gaps(depth: Ints) -> Ints:
    """Returns depths of a forest with no empty level between, so that every row finds a parent one level up."""
    levels, places = np.unique(depth, return_inverse=True)
    return places.reshape(-1).astype(np.int64) if len(levels) else depth
