"""What returns in time: the month, the day of the week, the hour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_DAY_US = 86_400e6
# Such moments stand for infinity, or for never.
_ENDLESS = 2_000_000.0


def in_days(values: Floats, family: str) -> Floats:
    """Returns moments in days since 1970, or times in days since midnight; not a number where they are infinite.

    Args:
        values: days for dates, microseconds for all others: shape (rows,).
        family: the family of the column's type.
    """
    found = values / (1.0 if family == "date" else _DAY_US)
    return np.where(np.abs(found) < _ENDLESS, found, np.nan)


def month(days: Floats) -> Ints:
    """Returns the month of each day, from 0."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12


def weekday(days: Floats) -> Ints:
    """Returns the day of the week of each day, 0 for Monday."""
    return (np.floor(days).astype(np.int64) + 3) % 7


def hour(days: Floats) -> Ints:
    """Returns the hour of each day's time."""
    return np.floor(days % 1 * 24 + 1e-9).astype(np.int64) % 24


def returning(days: Floats) -> list[Floats]:
    """Returns month, weekday and hour of each day, not a number where it is."""
    known = ~np.isnan(days)
    found = [np.full(len(days), np.nan) for _ in range(3)]
    for one, part in zip(found, (month, weekday, hour), strict=True):
        one[known] = part(days[known])
    return found
