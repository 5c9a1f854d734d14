"""Drawing rows again until they are as they should be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

Accept = Callable[[Codes, Ints, np.random.Generator], Mask]
"""Says of codes of rows, and their numbers in the table, which are as was wished; it may draw values for that."""

# A row that nothing works for is drawn 1 + 1 + 2 + 4 + ... + 512 times; fewer times where no row has had luck so far.
_MOST_COPIES = 512
_COPIES_IN_VAIN = 32
_AT_ONCE = 100_000


def draw_until(sample: Callable[[Ints], Codes], accept: Callable[[Codes, Ints], Mask], n: int) -> Codes:
    """Draws rows, and those that are refused again, ever more often; in the end some may be left as they are.

    Args:
        sample: draws some of the rows, whose places it is given; shape (rows, spans).
        accept: says of drawn rows and their places which are as they should be.
        n: how many rows there are.
    """
    codes = sample(np.arange(n))
    left = np.flatnonzero(~accept(codes, np.arange(n)))
    copies = 1
    while len(left) and copies <= (_MOST_COPIES if len(left) < n else _COPIES_IN_VAIN):
        for some in np.array_split(left, -(-len(left) * copies // _AT_ONCE)):
            at = np.repeat(some, copies)
            found = sample(at)
            good = np.flatnonzero(accept(found, at))
            rows, first = np.unique(at[good], return_index=True)
            codes[rows] = found[good[first]]
            left = np.setdiff1d(left, rows, assume_unique=True)
        copies *= 2
    return codes
