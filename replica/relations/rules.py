"""What must hold while references are assigned: who may point where, and which keys may not repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Distinct:
    """A key that rows may not repeat, as far as the assigned reference has a part in it.

    Attributes:
        group: number of what the rest of the key is; negative where a row does not count. Shape (rows,).
        image: number of what each parent adds to it; negative where pointing there takes a row out of the rule. Shape
            (parents,); None where every parent adds something else.
        most: how many rows may share a group and an image, since what is assigned later tells them apart: one number,
            or one per image.
    """

    group: Ints
    image: Ints | None = None
    most: int | Ints = 1


@dataclass(frozen=True)
class Within:
    """Pairs of which every row must have one, since another reference over the same columns must find its row.

    Attributes:
        group: number of what the row has already; negative where the rule does not hold. Shape (rows,).
        image: number of what each parent adds to it. Shape (parents,).
        pairs: the groups and images that may stand together. Shape (pairs, 2).
    """

    group: Ints
    image: Ints
    pairs: Ints


@dataclass(frozen=True)
class Children:
    """The rows that need a parent.

    Attributes:
        wish: cluster that each row wishes for, per level; shape (rows, levels).
        block: only parents of the same block may be chosen; shape (rows,).
        distinct: keys that must stay unique.
        within: pairs that must exist.
        forbidden: parents that a row may not point to; shape (rows,) each.
        may_be_null: True where rows without any parent to choose from may point to nothing.
        allows: which parents each row may point to; None where only the rest decides. Shape (rows, parents).
    """

    wish: Ints
    block: Ints
    distinct: Sequence[Distinct] = field(default=())
    within: Sequence[Within] = field(default=())
    forbidden: Sequence[Ints] = field(default=())
    may_be_null: bool = False
    allows: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.wish)


@dataclass(frozen=True)
class Parents:
    """The rows that may be pointed to.

    Attributes:
        cluster: cluster of each row, per level; shape (rows, levels).
        block: block of each row, negative for rows that may not be pointed to; shape (rows,).
        capacity: how many children each should get; shape (rows,).
    """

    cluster: Ints
    block: Ints
    capacity: Ints


def rank(groups: Ints) -> Ints:
    """Returns the place of each element among the equal ones before it: shape (elements,)."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    within = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    rank = np.empty(len(groups), np.int64)
    rank[order] = within
    return rank


def offends(children: Children, chosen: Ints) -> npt.NDArray[np.bool_]:
    """Returns which rows point to a forbidden row, or repeat a key that other rows have already: shape (rows,)."""
    bad = np.zeros(len(chosen), dtype=bool)
    there = np.flatnonzero(chosen >= 0)
    for forbidden in children.forbidden:
        bad |= (chosen == forbidden) & (chosen >= 0)
    if children.allows is not None:
        bad[there] |= ~children.allows[there, chosen[there]]
    for within in children.within:
        at = there[within.group[there] >= 0]
        pairs = np.c_[within.group[at], within.image[chosen[at]]]
        bad[at[~_rows_in(pairs, within.pairs)]] = True
    for rule in children.distinct:
        image = chosen[there] if rule.image is None else rule.image[chosen[there]]
        counts = (rule.group[there] >= 0) & (image >= 0)
        at, image = there[counts], image[counts]
        most = rule.most[image] if isinstance(rule.most, np.ndarray) else rule.most
        bad[at[rank(_pair_keys(rule.group[at], image)) >= most]] = True
    return bad


def _rows_in(pairs: Ints, among: Ints) -> npt.NDArray[np.bool_]:
    """Which pairs are among others."""
    width = 1 + max(int(pairs[:, 1].max(initial=0)), int(among[:, 1].max(initial=0)))
    found: npt.NDArray[np.bool_] = np.isin(pairs[:, 0] * width + pairs[:, 1], among[:, 0] * width + among[:, 1])
    return found


def _pair_keys(group: Ints, image: Ints) -> Ints:
    return group * (int(image.max(initial=0)) + 1) + image
