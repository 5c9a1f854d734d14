"""How wrong an answer is.

The *relative error* of a number is |replica - original| / max(|original|, least), 1 at most. *Least* keeps what is near
zero from counting for much: of a count, one row in a thousand of the table that is asked about, ten rows at least; of a
sum, what so many rows add up to; of an average, a tenth of the column's usual size. A query with groups has the mean
over the groups that either side has; one that a side lacks counts as zero, and its average as wrong altogether. Counts
and sums of a sample of another size are brought to the original's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Ground
from replica.evaluation.workload.answering import Reached
from replica.evaluation.workload.query import Query

Floats = npt.NDArray[np.float64]

LEAST_SIZE = 0.1
"""What an average is put in relation to at least, as a share of the usual size of what is averaged."""

_LEAST_SHARE, _LEAST_ROWS = 0.001, 10.0


def relative_error(original: Floats, other: Floats, least: float) -> float:
    """How far are some numbers from the original's? The mean over all of them.

    Args:
        original: the numbers; what is not finite counts as lacking.
        other: those of another sample, in the same order.
        least: what they are put in relation to at least.

    >>> relative_error(np.array([100.0, 1.0]), np.array([90.0, 3.0]), least=10.0)
    0.15
    """
    if not len(original):
        return 0.0
    original, other = (np.where(np.isfinite(numbers), numbers, np.nan) for numbers in (original, other))
    distance, size = np.abs(other - original), np.maximum(np.abs(original), least)
    found = np.minimum(1.0, np.divide(distance, size, out=(distance > 0).astype(np.float64), where=size > 0))
    lacking = np.isnan(original).astype(int) + np.isnan(other)
    return float(np.where(lacking, lacking == 1, found).mean())


def usual_size(numbers: Floats) -> float:
    """Returns the mean of how large numbers are, whatever their sign; 0 without any."""
    known = np.abs(numbers[np.isfinite(numbers)])
    return float(known.mean()) if len(known) else 0.0


@dataclass(frozen=True)
class Yardstick:
    """What answers to a query are measured by.

    Attributes:
        query: the query.
        share: what a count is put in relation to at least, as a share of the rows of the first table.
        size: usual size of what is added up; 1 where rows are counted.
    """

    query: Query
    share: float
    size: float

    @classmethod
    def of(cls, query: Query, ground: Ground) -> Yardstick:
        """Looks at the original's rows."""
        rows = ground.original
        size = 1.0 if query.of is None else usual_size(np.asarray(Reached(query, rows).values(query.of), np.float64))
        return cls(query, max(_LEAST_SHARE, _LEAST_ROWS / max(1, rows[query.table].total)), size)

    @property
    def nothing(self) -> float:
        """The answer for a group without rows."""
        return np.nan if self.query.measure == "avg" else 0.0

    def error(self, original: Floats, other: Floats, rows: tuple[float, float]) -> float:
        """Returns the relative error of an answer.

        Args:
            original: the original's answer by group.
            other: that of another sample.
            rows: how many rows the first table has in the samples of both.
        """
        if self.query.measure == "avg":
            return relative_error(original, other, LEAST_SIZE * self.size)
        return relative_error(original, other * (rows[0] / max(1.0, rows[1])), self.share * rows[0] * self.size)
