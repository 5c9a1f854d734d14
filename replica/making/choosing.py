"""Choosing rows: drawn again until they are as was wished, so that all that goes with a wish follows from it.

Rows that must satisfy a condition are drawn by rejection (von Neumann 1951), which leaves the learned distribution given
their context and the condition. For a share it is first settled which rows have the value: a few drafts of the whole
table tell each row's chance of it, all chances are tilted alike in their logits until they add up to what was asked
for, and exactly so many rows are picked. What else a row holds is then drawn given the value, and rows without it
divide the other values as they did before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from replica.constraints.judging import Judge
from replica.errors import UnsatisfiableError
from replica.kinds.base import Codes
from replica.making.candidates import Candidates
from replica.planning.wishes import Share, Wishes

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Accept = Callable[[Codes, Ints], Mask]

DRAFTS = 8
"""How many drafts of a table tell the chances of its rows."""
# A row that nothing works for is drawn 1 + 2 + 4 + ... + 512 times.
_MOST_COPIES = 512
_AT_ONCE = 100_000
# How many drafts the share of the whole table counts as, beside those of a row.
_PRIOR = 2.0


def draw_until(sample: Callable[[Ints], Codes], accept: Accept, n: int) -> Codes:
    """Draws rows, and those that are refused again, ever more often; in the end some may be left as they are.

    Args:
        sample: draws some of the rows, whose places it is given; shape (rows, spans).
        accept: says of drawn rows and their places which are as they should be.
        n: how many rows there are.
    """
    codes = sample(np.arange(n))
    left = np.flatnonzero(~accept(codes, np.arange(n)))
    copies = 1
    while len(left) and copies <= _MOST_COPIES:
        for some in np.array_split(left, -(-len(left) * copies // _AT_ONCE)):
            at = np.repeat(some, copies)
            found = sample(at)
            good = np.flatnonzero(accept(found, at))
            rows, first = np.unique(at[good], return_index=True)
            codes[rows] = found[good[first]]
            left = np.setdiff1d(left, rows, assume_unique=True)
        copies *= 2
    return codes


def tilted(chances: Floats, total: int) -> Floats:
    """Moves the logits of chances by one number, so that they add up to a total.

    Args:
        chances: each above 0 and below 1; shape (rows,).
        total: from 0 to the number of rows.
    """
    logits = np.log(chances) - np.log1p(-chances)
    low, high = -60.0, 60.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _logistic(logits + middle).sum() < total else (low, middle)
    return _logistic(logits + high)


def _logistic(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))


def pick(chances: Floats, total: int, rng: np.random.Generator) -> Ints:
    """Picks exactly so many rows, each with its chance: systematic sampling (Madow 1949)."""
    ends = np.cumsum(chances)
    ends *= total / ends[-1] if total else 0.0
    marks = np.floor(ends + rng.random()).astype(np.int64)
    picked = np.flatnonzero(np.diff(np.r_[0, marks]) > 0)
    rest = np.setdiff1d(np.arange(len(chances)), picked)
    # Rounding may leave one too few or too many.
    return np.r_[picked, rng.choice(rest, max(0, total - len(picked)), replace=False)][:total].astype(np.int64)


@dataclass
class Chooser:
    """Says which rows of a table are as was wished.

    Attributes:
        candidates: turns codes into values.
        judge: evaluates conditions.
        wishes: what is wished of the table.
        rng: the random stream of the table's wishes.
        labels: for each column with shares, the number of the share that each row belongs to; -1 for none. Empty until
            they are settled.
    """

    candidates: Candidates
    judge: Judge
    wishes: Wishes
    rng: np.random.Generator
    labels: dict[str, Ints] = field(default_factory=dict)

    def accept(self, codes: Codes, rows: Ints) -> Mask:
        """Returns which drawn rows satisfy the conditions and have, or lack, the values that they are to have.

        Args:
            codes: codes of the rows; shape (rows, spans).
            rows: their numbers in the table.
        """
        values = self.candidates.values(codes)
        good = np.ones(len(codes), dtype=bool)
        for wish in self.wishes.conditions:
            good &= self.judge.counted(wish.condition, values)
        for column, labels in self.labels.items():
            for number, share in enumerate(self._shares(column)):
                good &= self.judge.counted(share.condition, values) == (labels[rows] == number)
        return good

    def settle(self, draft: Callable[[int], Codes], n: int) -> None:
        """Settles which rows have the values whose shares are asked for.

        Args:
            draft: returns the codes of all rows of a draft of the table, given its number.
            n: how many rows there are.

        Raises:
            UnsatisfiableError: no row of any draft has a value.
        """
        hits = {share: np.zeros(n) for share in self.wishes.shares}
        for number in range(DRAFTS if hits else 0):
            values = self.candidates.values(draft(number))
            for share, count in hits.items():
                count += self.judge.counted(share.condition, values)
        for share, count in hits.items():
            if share.share > 0 and not count.any():
                raise UnsatisfiableError(f"{share.option}: no row with this value is ever drawn: name one that occurs")
        for column in dict.fromkeys(share.column for share in self.wishes.shares):
            self.labels[column] = self._labels([(share, hits[share]) for share in self._shares(column)], n)

    def fill(self, codes: Codes) -> None:
        """Gives rows that could not be drawn as wished the codes of rows that could.

        Raises:
            UnsatisfiableError: there is no such row.
        """
        bad = ~self.accept(codes, np.arange(len(codes)))
        groups = np.zeros(len(codes), np.int64)
        for labels in self.labels.values():
            groups = groups * (labels.max(initial=-1) + 2) + labels + 1
        for group in np.unique(groups[bad]):
            lacking, donors = np.flatnonzero(bad & (groups == group)), np.flatnonzero(~bad & (groups == group))
            if not len(donors):
                named = " and ".join(wish.option for wish in self.wishes.all)
                raise UnsatisfiableError(f"{named}: no such row is ever drawn: ask for something that occurs")
            codes[lacking] = codes[self.rng.choice(donors, len(lacking))]

    def _shares(self, column: str) -> list[Share]:
        return [share for share in self.wishes.shares if share.column == column]

    def _labels(self, hits: list[tuple[Share, Floats]], n: int) -> Ints:
        """Picks rows for one share of a column after the other, among those that are left."""
        labels = np.full(n, -1)
        for number, (share, count) in enumerate(hits):
            free = np.flatnonzero(labels < 0)
            overall = np.clip(count.sum() / (DRAFTS * max(1, n)), 1e-6, 1 - 1e-6)
            chances = (count[free] + _PRIOR * overall) / (DRAFTS + _PRIOR)
            total = min(len(free), round(share.share * n))
            labels[free[pick(tilted(chances, total), total, self.rng)]] = number
        return labels
