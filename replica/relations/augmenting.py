"""Rows that no swap of two could place: chains of moves, each row taking the place that the next one leaves.

A chain that ends at a free place is an augmenting path of the assignment (Berge 1957), found breadth first as by Kuhn
(1955), the Hungarian method's first step. With one unique rule a row stays out only where no assignment has a place for
it; with several, chains on which a move breaks two rules at once are not followed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from replica.errors import UnsatisfiableError
from replica.relations.joins import NULL
from replica.relations.rules import Children, Distinct, Parents, Within, offends

Ints = npt.NDArray[np.int64]

_MOST_CANDIDATES = 4_000
_MOST_ROWS = 4_000


def augment(children: Children, parents: Parents, chosen: Ints, rng: np.random.Generator, what: str) -> Ints:
    """Gives rows that offend a parent of their block that is allowed, whatever its capacity.

    Args:
        children: the rows.
        parents: what they may point to.
        chosen: the parent of each row; some offend. Shape (rows,).
        rng: the random stream.
        what: the reference, for the message.

    Returns:
        The parents, none of which offends: shape (rows,).

    Raises:
        UnsatisfiableError: a row finds no parent.
    """
    bad = np.flatnonzero(offends(children, chosen))
    kept = chosen.copy()
    kept[bad] = NULL
    chains = Chains(children, parents, kept, rng)
    left = [row for row in bad.tolist() if not chains.place(row)]
    if left and children.allows is not None:
        # What a check refuses now may be mended by other columns of the row.
        chains = Chains(replace(children, allows=None), parents, chains.chosen, rng)
        left = [row for row in left if not chains.place(row)]
    if left and not children.may_be_null:
        share = len(left) / len(chosen)
        raise UnsatisfiableError(
            f"{what}: {share:.1%} of the rows have no row left that they may point to, since all are taken; plan fewer"
            " rows, or more of the parent"
        )
    return chains.chosen


@dataclass(frozen=True)
class _Groups:
    """The rows of each group of a rule: found by bisection in the sorted groups."""

    order: Ints
    ordered: Ints

    def rows(self, group: int) -> Ints:
        first, behind = np.searchsorted(self.ordered, [group, group + 1])
        return self.order[first:behind]


def _groups(numbers: Ints) -> _Groups:
    order = np.argsort(numbers, kind="stable")
    return _Groups(order, numbers[order])


class Chains:
    """An assignment that grows row by row.

    Args:
        children: the rows.
        parents: what they may point to.
        chosen: the parent of each row, negative for those that have none yet; changed as rows are placed.
        rng: the random stream.
    """

    def __init__(self, children: Children, parents: Parents, chosen: Ints, rng: np.random.Generator) -> None:
        self.children = children
        self.chosen = chosen
        self._rng = rng
        self._by_block = _groups(parents.block)
        self._by_rule = [_groups(rule.group) for rule in children.distinct]

    def place(self, row: int) -> bool:
        """Finds a row its parent, moving others where needed; False where there is no way."""
        # How each row is reached: whose move to which parent takes its place.
        reached: dict[int, tuple[int, int]] = {row: (NULL, NULL)}
        queue = deque([row])
        while queue:
            at = queue.popleft()
            candidates = self._candidates(at)
            taken = self._taken(at, candidates)
            conflicts = taken.sum(axis=0)
            for parent in candidates[conflicts == 0][:8].tolist():
                if self._follow(at, parent, reached):
                    return True
            for other, parent in self._holders(at, candidates, taken, conflicts):
                if other not in reached and len(reached) < _MOST_ROWS:
                    reached[other] = (at, parent)
                    queue.append(other)
        return False

    def _candidates(self, row: int) -> Ints:
        """Parents that a row may point to whatever other rows do, in random order."""
        found = self._by_block.rows(int(self.children.block[row]))
        allowed = np.ones(len(found), dtype=bool)
        for forbidden in self.children.forbidden:
            allowed &= found != forbidden[row]
        for within in self.children.within:
            if within.group[row] >= 0:
                allowed &= np.isin(within.image[found], _partners(within, row))
        if self.children.allows is not None:
            allowed &= self.children.allows[row, found]
        candidates: Ints = self._rng.permutation(found[allowed])[:_MOST_CANDIDATES]
        return candidates

    def _taken(self, row: int, candidates: Ints) -> npt.NDArray[np.bool_]:
        """Which candidates each rule keeps from a row as things are: shape (rules, candidates)."""
        taken = np.zeros((len(self.children.distinct), len(candidates)), dtype=bool)
        for i, rule in enumerate(self.children.distinct):
            if rule.group[row] < 0:
                continue
            images = _images(rule, candidates)
            used = _images(rule, self.chosen[self._others(i, row)])
            size = 1 + max(int(images.max(initial=0)), int(used.max(initial=0)))
            counts = np.bincount(used[used >= 0], minlength=size)
            inside = np.maximum(images, 0)
            most = rule.most[inside] if isinstance(rule.most, np.ndarray) else rule.most
            taken[i] = (images >= 0) & (counts[inside] >= most)
        return taken

    def _others(self, rule: int, row: int) -> Ints:
        """Rows of the same group that have a parent."""
        found = self._by_rule[rule].rows(int(self.children.distinct[rule].group[row]))
        others: Ints = found[(self.chosen[found] >= 0) & (found != row)]
        return others

    def _holders(
        self, row: int, candidates: Ints, taken: npt.NDArray[np.bool_], conflicts: Ints
    ) -> Iterator[tuple[int, int]]:
        """Rows whose leaving would make room for a row, with the parent that it would then have."""
        for i, rule in enumerate(self.children.distinct):
            only = candidates[taken[i] & (conflicts == 1)]
            if not len(only):
                continue
            others = self._others(i, row)
            image = _images(rule, self.chosen[others])
            by_image = dict(zip(_images(rule, only).tolist(), only.tolist(), strict=True))
            for other, number in zip(others.tolist(), image.tolist(), strict=True):
                if number in by_image:
                    yield other, by_image[number]

    def _follow(self, row: int, parent: int, reached: dict[int, tuple[int, int]]) -> bool:
        """Moves all rows of a chain, the last one to a free parent; undoes it where they get in each other's way."""
        before: dict[int, int] = {}
        while row != NULL:
            before[row] = int(self.chosen[row])
            self.chosen[row] = parent
            row, parent = reached[row]
        if not any(self._taken(moved, self.chosen[[moved]]).any() for moved in before):
            return True
        for moved, old in before.items():
            self.chosen[moved] = old
        return False


def _images(rule: Distinct, parents: Ints) -> Ints:
    return parents if rule.image is None else rule.image[parents]


def _partners(within: Within, row: int) -> Ints:
    """The images that may stand beside what a row has."""
    partners: Ints = within.pairs[within.pairs[:, 0] == within.group[row], 1]
    return partners
