"""What orders the rows of an owner, kept among the values that checks and unique rules leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.constraints.domains import domain_of
from replica.constraints.judging import Judge, reads_of
from replica.schema.model import Check, Column

Ints = npt.NDArray[np.int64]

_MOST_NUMBERS = 100_000


def keep_in_order(
    values: Ints, family: Ints, column: Column, checks: Sequence[Check], judge: Judge, rng: np.random.Generator
) -> Ints:
    """Draws the numbers of families anew, without replacement, where checks refuse one of them.

    Args:
        values: the column; rising within each family. Shape (rows,).
        family: number of each row's family. Shape (rows,).
        column: what the values order the rows by.
        checks: the checks of the table.
        judge: evaluates them.
        rng: the random stream.

    Returns:
        The column. Families with more rows than numbers stay as they are.
    """
    own = [check for check in checks if reads_of(check, judge.table) == (column.name,)]
    if not own or column.type.family != "integer" or not len(values):
        return values
    allowed = _numbers(values, family, column, own, judge)
    found = values.copy()
    for number in np.unique(family[~np.isin(values, allowed)]) if len(allowed) else ():
        rows = np.flatnonzero(family == number)
        if len(rows) <= len(allowed):
            found[rows] = np.sort(rng.choice(allowed, len(rows), replace=False))
    return found


def all_different(values: Ints) -> Ints:
    """Moves values up, as little as needed, until none comes twice among all rows; their order stays.

    Args:
        values: whole numbers; shape (rows,).
    """
    order, places = np.argsort(values, kind="stable"), np.arange(len(values))
    found = np.empty_like(values)
    found[order] = np.maximum.accumulate(values[order] - places) + places
    return found


def _numbers(values: Ints, family: Ints, column: Column, checks: Sequence[Check], judge: Judge) -> Ints:
    """The numbers that checks leave, up to a family's length beyond the values where they set no bound."""
    domain = domain_of(column, checks)
    least, most = int(values.min()), int(values.max()) + int(np.unique(family, return_counts=True)[1].max())
    low, high = _whole(domain.low, least), _whole(domain.high, most)
    if not 0 <= high - low <= _MOST_NUMBERS:
        return np.zeros(0, np.int64)
    numbers = np.arange(low, high + 1)
    broken = np.zeros(len(numbers), dtype=bool)
    for check in checks:
        broken |= judge.broken(check.expression, {column.name: pa.array(numbers)})
    return numbers[~broken]


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.lstrip("-").isdigit() else otherwise
