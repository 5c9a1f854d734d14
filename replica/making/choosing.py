"""Choosing rows: drawn again until they are as was wished, so that all that goes with a wish follows from it.

Rows that must satisfy a condition are drawn by rejection (von Neumann 1951), which leaves what was learned, given their
context and the condition. For a share it is first settled which rows have the value: the table is drafted again and
again, and rows change over to what they have in the next draft, until each value has as many as was asked for. So rows
in whose context a value is likely are the first to get it: the chance of not having it is raised to the same power in
all rows. Then the rows are drawn, each given whether it has the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.constraints.checks import columns_of
from replica.constraints.judging import Judge
from replica.errors import UnsatisfiableError
from replica.kinds.base import Codes
from replica.making.candidates import Candidates, candidates
from replica.making.drawing import Drawing, draw
from replica.making.keeping import Ruler
from replica.making.made import MadeTable
from replica.planning.wishes import Share, Wishes

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Where values are rarer than so many drafts can bring up, rows change over at random in the end.
_MOST_DRAFTS = 64


@dataclass
class Chooser:
    """Says which rows of a table are as was wished.

    Attributes:
        candidates: turns codes into values.
        judge: evaluates conditions.
        wishes: what is wished of the table.
        rng: the random stream of the table's wishes.
        labels: for each column with shares, the number of the share that each row belongs to; the number behind the
            last for all other values. Empty until they are settled.
    """

    candidates: Candidates
    judge: Judge
    wishes: Wishes
    rng: np.random.Generator
    labels: dict[str, Ints] = field(default_factory=dict)

    def accept(self, codes: Codes, rows: Ints, rng: np.random.Generator) -> Mask:
        """Returns which drawn rows satisfy the conditions and have, or lack, the values that they are to have.

        Args:
            codes: codes of the rows; shape (rows, spans).
            rows: their numbers in the table.
            rng: the random stream that values are drawn with.
        """
        values = self.candidates.values(codes, rng)
        good = np.ones(len(codes), dtype=bool)
        for wish in self.wishes.conditions:
            good &= self.judge.counted(wish.condition, values)
        for column, labels in self.labels.items():
            for number, share in enumerate(self._shares(column)):
                good &= self.judge.counted(share.condition, values) == (labels[rows] == number)
        return good

    def settle(self, draft: Callable[[], Codes], n: int) -> None:
        """Settles which rows have the values whose shares are asked for.

        Args:
            draft: returns the codes of all rows of another draft of the table.
            n: how many rows there are.

        Raises:
            UnsatisfiableError: no row of any draft has a value.
        """
        wanted = {
            column: self._wanted(column, n) for column in dict.fromkeys(found.column for found in self.wishes.shares)
        }
        if not wanted:
            return
        values = self.candidates.values(draft(), self.rng)
        labels = {column: self._found(column, values) for column in wanted}
        for _ in range(_MOST_DRAFTS):
            if all(_is_met(labels[column], counts) for column, counts in wanted.items()):
                break
            values = self.candidates.values(draft(), self.rng)
            for column, counts in wanted.items():
                change_over(labels[column], self._found(column, values), counts, self.rng)
        for column, counts in wanted.items():
            self._refuse_unknown(column, labels[column])
            while not _is_met(labels[column], counts):
                change_over(labels[column], self.rng.integers(0, len(counts), n), counts, self.rng)
        self.labels = labels

    def _refuse_unknown(self, column: str, labels: Ints) -> None:
        for number, share in enumerate(self._shares(column)):
            if share.share > 0 and not (labels == number).any():
                raise UnsatisfiableError(f"{share.option}: no such row is ever drawn: name a value that occurs")

    def fill(self, codes: Codes) -> None:
        """Gives rows that could not be drawn as wished the columns of rows that could.

        Raises:
            UnsatisfiableError: there is no such row.
        """
        bad = ~self.accept(codes, np.arange(len(codes)), self.rng)
        # What a row points to, and its place in time, stay its own.
        start = self.candidates.made.fitted.layout.of("attribute")[0].start
        groups = np.zeros(len(codes), np.int64)
        for labels in self.labels.values():
            groups = groups * (labels.max(initial=0) + 1) + labels
        for group in np.unique(groups[bad]):
            lacking, donors = np.flatnonzero(bad & (groups == group)), np.flatnonzero(~bad & (groups == group))
            if not len(donors):
                named = " and ".join(wish.option for wish in self.wishes.all)
                raise UnsatisfiableError(f"{named}: no such row is ever drawn: ask for something that occurs")
            codes[lacking, start:] = codes[self.rng.choice(donors, len(lacking)), start:]

    def _shares(self, column: str) -> list[Share]:
        return [share for share in self.wishes.shares if share.column == column]

    def _wanted(self, column: str, n: int) -> Ints:
        """How many rows each share of a column asks for, and behind them how many are left for all other values."""
        ends = np.rint(np.cumsum([share.share for share in self._shares(column)]) * n).astype(np.int64)
        counts: Ints = np.diff(np.minimum(ends, n), prepend=0, append=n)
        return counts

    def _found(self, column: str, values: Mapping[str, pa.Array]) -> Ints:
        """The number of the share that each row's value belongs to, the last for all other values."""
        shares = self._shares(column)
        labels = np.full(len(values[column]), len(shares))
        for number, share in enumerate(shares):
            labels[self.judge.counted(share.condition, values)] = number
        return labels


def change_over(labels: Ints, others: Ints, wanted: Ints, rng: np.random.Generator) -> None:
    """Lets rows take other labels where there are too many of theirs and too few of the others.

    Args:
        labels: the label of each row; changed.
        others: what each row may take instead.
        wanted: how many rows each label is to have.
        rng: the random stream.
    """
    for old in range(len(wanted)):
        for new in range(len(wanted)):
            surplus = np.count_nonzero(labels == old) - wanted[old]
            lack = wanted[new] - np.count_nonzero(labels == new)
            if surplus > 0 and lack > 0:
                rows = np.flatnonzero((labels == old) & (others == new))
                labels[rng.permutation(rows)[: min(surplus, lack)]] = new


def _is_met(labels: Ints, wanted: Ints) -> bool:
    return bool((np.bincount(labels, minlength=len(wanted)) == wanted).all())


def chooser_of(made: MadeTable, wishes: Wishes, ruler: Ruler, judge: Judge, rng: np.random.Generator) -> Chooser:
    """Returns what chooses a table's rows.

    Args:
        made: the table.
        wishes: what is wished of it.
        ruler: keeps rules.
        judge: evaluates conditions.
        rng: the random stream of the table's wishes.

    Raises:
        PlanError: rows cannot be chosen by a column that a wish speaks of.
    """
    names = frozenset(name for wish in wishes.all for name in columns_of(wish.condition))
    return Chooser(candidates(made, names, ruler), judge, wishes, rng)


def draw_chosen(chooser: Chooser, drawing: Drawing, made: MadeTable, span: tuple[int, int], previous: slice) -> None:
    """Draws a table's columns as was wished; see :func:`replica.making.drawing.draw`.

    Raises:
        UnsatisfiableError: nothing that was wished is ever drawn.
    """
    accept = chooser.accept if chooser.wishes.conditions else None

    def draft() -> Codes:
        codes, values = made.codes.copy(), made.values.copy()
        turn = replace(drawing, seed=int(chooser.rng.integers(2**62)), accept=accept)
        draw(made.fitted, turn, codes, values, span, previous)
        return codes

    chooser.settle(draft, len(made))
    draw(made.fitted, replace(drawing, accept=chooser.accept), made.codes, made.values, span, previous)
    chooser.fill(made.codes)
