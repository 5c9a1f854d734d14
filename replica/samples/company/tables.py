"""What the parts of the sample company share: tables ready to be written, day numbers and weighted draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from replica.samples.company.truth import TODAY

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

YEAR = 365.25
"""Days in a year."""

UNKNOWN = -1
"""Stands for an empty reference in an array of positions."""

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table, column by column.

    Attributes:
        name: schema and table, as in ``hr.employee``.
        columns: the values of each column that is written, all of one length.
    """

    name: str
    columns: Mapping[str, Sequence[object]]

    def rows(self) -> Iterable[tuple[object, ...]]:
        """Returns the rows, in order."""
        return zip(*self.columns.values(), strict=True)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def day_number(day: date) -> int:
    """Returns the days since 1970, which all dates of the sample are reckoned in."""
    return (day - _EPOCH).days


TODAY_NUMBER = day_number(TODAY)
"""The day the sample was taken, as a day number."""


def dates(numbers: Ints) -> list[date]:
    """Returns day numbers as dates."""
    found: list[date] = numbers.astype("datetime64[D]").tolist()
    return found


def dates_or_none(numbers: Ints, known: Flags) -> list[date | None]:
    """Returns day numbers as dates, and None where they are not known."""
    return [day if is_known else None for day, is_known in zip(dates(numbers), known.tolist(), strict=True)]


def month_start(numbers: Ints, ahead: int = 0) -> Ints:
    """Returns the first day of the month of each day, or of a month that is so many months ahead."""
    months = numbers.astype("datetime64[D]").astype("datetime64[M]") + np.timedelta64(ahead, "M")
    return months.astype("datetime64[D]").astype(np.int64)


def pick(rng: np.random.Generator, options: Sequence[str], weights: Sequence[float], count: int) -> list[str]:
    """Draws options by their weights."""
    chances = np.asarray(weights, dtype=np.float64)
    drawn = rng.choice(len(options), size=count, p=chances / chances.sum())
    return [options[position] for position in drawn.tolist()]


def distinct(draw: Callable[[Ints], list[str]], count: int) -> list[str]:
    """Returns texts that are all different.

    Args:
        draw: returns a random text for each of the positions it is given.
        count: how many positions there are.
    """
    texts = [""] * count
    open_places = np.arange(count)
    seen: set[str] = set()
    while len(open_places):
        repeated: list[int] = []
        for place, text in zip(open_places.tolist(), draw(open_places), strict=True):
            if text in seen:
                repeated.append(place)
            seen.add(text)
            texts[place] = text
        open_places = np.array(repeated, dtype=np.int64)
    return texts


def keys(count: int) -> list[int]:
    """Returns the keys of a table whose rows are numbered from 1."""
    return list(range(1, count + 1))


def references(positions: Ints) -> list[int | None]:
    """Returns the keys at positions, and None for ``UNKNOWN``."""
    return [None if position == UNKNOWN else position + 1 for position in positions.tolist()]
