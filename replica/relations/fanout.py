"""How many children a row has: learned as one more column of the parent, then brought to the planned total."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.errors import UnsatisfiableError
from replica.kinds.base import Codes, Span
from replica.kinds.quantile import QuantileCode, fit_quantiles

Ints = npt.NDArray[np.int64]

_BINS = 64


@dataclass(frozen=True)
class FanOut:
    """The number of children per parent row, for one reference.

    Attributes:
        name: id of the reference.
        curve: the distribution; small numbers have a code each, larger ones share bins.
        cap: most children that a row may have; None without a limit.
    """

    name: str
    curve: QuantileCode
    cap: int | None

    @property
    def spans(self) -> tuple[Span, ...]:
        """The one span that holds it."""
        return (Span(f"children {self.name}", self.curve.bins, ordered=self.curve.bins),)

    def encode(self, counts: Ints) -> Codes:
        """Returns the codes of numbers of children: shape (rows, 1)."""
        return self.curve.encode(counts.astype(np.float64))[:, None]

    def decode(self, codes: Codes, rng: np.random.Generator) -> Ints:
        """Draws numbers of children: shape (rows,)."""
        drawn = np.maximum(0, np.round(self.curve.decode(codes[:, 0], rng))).astype(np.int64)
        return drawn if self.cap is None else np.minimum(drawn, self.cap)


def fit_fan_out(name: str, counts: Ints, *, cap: int | None, min_holders: int) -> FanOut:
    """Learns the number of children of each parent row.

    Args:
        name: id of the reference.
        counts: children per parent row, zeros included; at least one row.
        cap: most children that a row may have.
        min_holders: least parents behind a number that is kept as it is.
    """
    return FanOut(name, fit_quantiles(counts.astype(np.float64), None, bins=_BINS, min_holders=min_holders), cap)


def reconcile(
    counts: Ints,
    total: int,
    rng: np.random.Generator,
    *,
    cap: int | npt.NDArray[np.int64] | None = None,
    what: str = "",
) -> Ints:
    """Changes numbers of children as little as needed so that they add up to a total.

    Rows without children stay without as long as the others can take the difference, and it is spread in
    proportion, so that the tail keeps its share.

    Args:
        counts: children per parent row; shape (rows,).
        total: what they must add up to.
        rng: the random stream.
        cap: most children per row, one limit or one per row.
        what: the reference, for the message.

    Raises:
        UnsatisfiableError: the caps add up to less than the total.
    """
    n = len(counts)
    limit = np.broadcast_to(np.iinfo(np.int64).max // max(1, n) if cap is None else cap, n).astype(np.int64)
    if n == 0 or limit.sum() < total:
        most = int(limit.sum()) if n else 0
        raise UnsatisfiableError(
            f"{what}: {total} rows are planned, but their parents can have {most} at most: plan fewer"
        )
    counts = np.minimum(counts, limit)
    missing = total - int(counts.sum())
    while missing != 0:
        room = limit - counts if missing > 0 else counts - 1
        weights = np.where((counts > 0) & (room > 0), counts, 0).astype(np.float64)
        if weights.sum() == 0:
            # Nobody with children can take it: rows without get some, or the last child goes.
            weights = (limit > counts if missing > 0 else counts > 0).astype(np.float64)
            room = limit - counts if missing > 0 else counts
        step = rng.multinomial(abs(missing), weights / weights.sum())
        step = np.minimum(step, np.maximum(room, 0))
        counts = counts + np.sign(missing) * step
        missing = total - int(counts.sum())
    return counts
