"""What is measured of single columns: just enough to divide them into bins and to name their common values.

How often each bin and value occurs is bought later, with the models; so nothing is spent here on columns whose values
the schema names, such as truth values, enums and lists in checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.constraints.domains import domain_of
from replica.kinds.base import is_null
from replica.kinds.datetime import DAY_US, moment_array, moment_numbers
from replica.kinds.numeric import type_range
from replica.planning.decisions import ColumnPlan, TablePlan, all_checks
from replica.privacy.meter import Meter, Price
from replica.protecting.ladders import (
    DAYS,
    FIRST_DAY,
    NUMBERS,
    SECONDS,
    Ladder,
    Steps,
    number_at,
    number_places,
    search,
)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_NUMBERS = frozenset({"integer", "float", "numeric"})
_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
_DECIMALS = 6
_GREATEST = 1e15
# What share of the values must have no more decimals than are kept.
_NEARLY_ALL = 0.99
_LISTED = frozenset({"category", "label", "text", "code"})
_DAY_S = 86_400


@dataclass(frozen=True)
class Numbers:
    """Where the numbers of a column lie, and how many decimals they have."""

    steps: Steps
    decimals: int

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Draws numbers: shape (n,)."""
        low, high = number_at(self.steps.low), number_at(self.steps.high)
        at = rng.choice(len(self.steps), n, p=self.steps.weight)
        unit = 10.0**-self.decimals
        # The last number of a step is one unit below its end.
        first, last = np.ceil(low[at] / unit), np.ceil(high[at] / unit) - 1
        found: Floats = np.floor(first + rng.random(n) * np.maximum(last - first + 1, 1)) * unit
        return found


@dataclass(frozen=True)
class Moments:
    """Where the days of a column lie, and the times of day."""

    days: Steps
    clock: Steps | None

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draws days since 1970 and seconds of the day: shape (n,) each."""
        seconds = _drawn(self.clock, n, rng) if self.clock is not None else np.zeros(n, np.int64)
        return _drawn(self.days, n, rng) + FIRST_DAY, seconds


@dataclass(frozen=True)
class Values:
    """The values of a column that enough subjects have, as text."""

    texts: tuple[str, ...]
    weight: Floats

    def draw(self, n: int, rng: np.random.Generator) -> list[str]:
        """Draws values: n texts."""
        return [self.texts[i] for i in rng.choice(len(self.texts), n, p=self.weight).tolist()]


Measured = Numbers | Moments | Values


def _drawn(steps: Steps, n: int, rng: np.random.Generator) -> Ints:
    at = rng.choice(len(steps), n, p=steps.weight)
    return steps.low[at] + np.floor(rng.random(n) * (steps.high[at] - steps.low[at])).astype(np.int64)


def is_measured(table: TablePlan, column: ColumnPlan) -> bool:
    """Returns True for columns of which something must be bought before they can be put into codes."""
    if column.producer not in ("kind", "period_end"):
        return False
    family = column.column.type.family
    if domain_of(column.column, tuple(all_checks(table.table))).values is not None:
        return False
    if family in _NUMBERS:
        return column.kind == "number"
    if family in _MOMENTS:
        return column.producer == "period_end" or column.kind == "moment"
    if family == "time":
        return column.kind == "time"
    return family == "text" and column.kind in _LISTED


def measure_column(
    table: TablePlan, column: ColumnPlan, values: pa.Array, meter: Meter, paid: tuple[Price, float]
) -> Measured | None:
    """Measures a column.

    Args:
        table: its table.
        column: the column, one that :func:`is_measured` names.
        values: one value of every subject.
        meter: what measures.
        paid: the price of it all, and the delta for discovering values.

    Returns:
        What was found; None where noise hides everything.
    """
    price, delta = paid
    price = replace(price, subject=f"{table.id}.{column.name}")
    known = values.filter(pa.array(~is_null(values)))
    family = column.column.type.family
    if family in _NUMBERS:
        return _numbers(table, column, known, meter, price)
    if family in _MOMENTS:
        return _moments(family, known, meter, price)
    if family == "time":
        clock = search(_seconds(known.cast(pa.int64())), SECONDS, meter, price)
        return Moments(clock, clock) if len(clock) else None
    return _values(known, meter, price, delta)


def _allowed(table: TablePlan, column: ColumnPlan) -> Ladder:
    """The part of the ladder that a number's type and checks allow."""
    domain = domain_of(column.column, tuple(all_checks(table.table)))
    low, high = type_range(column.column)
    low = max(low, float(domain.low)) if domain.low is not None else low
    high = min(high, float(domain.high)) if domain.high is not None else high
    ends = number_places(np.clip(np.array([low, high]), -_GREATEST, _GREATEST)).tolist()
    return replace(NUMBERS, low=ends[0], high=ends[1])


def _numbers(table: TablePlan, column: ColumnPlan, known: pa.Array, meter: Meter, price: Price) -> Numbers | None:
    numbers = np.asarray(known.cast(pa.float64(), safe=False), dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    kind = column.column.type
    whole = kind.family == "integer" or (kind.family == "numeric" and kind.scale == 0)
    each = price if whole else replace(price, precision=price.precision * 0.8)
    steps = search(number_places(numbers), _allowed(table, column), meter, each)
    if not len(steps):
        return None
    return Numbers(steps, 0 if whole else _decimals(numbers, meter, replace(price, precision=price.precision * 0.2)))


def _decimals(numbers: Floats, meter: Meter, price: Price) -> int:
    """How many decimals nearly all numbers make do with."""
    least = np.full(len(numbers), _DECIMALS)
    for digits in range(_DECIMALS, -1, -1):
        scaled = numbers * 10.0**digits
        least[np.abs(scaled - np.round(scaled)) <= np.maximum(1e-6, np.abs(scaled) * 1e-9)] = digits
    counts = meter.measure(np.bincount(least, minlength=_DECIMALS + 1), price).counts
    shares = np.cumsum(np.maximum(counts, 0)) / max(1, np.maximum(counts, 0).sum())
    return int(np.searchsorted(shares, _NEARLY_ALL))


def _moments(family: str, known: pa.Array, meter: Meter, price: Price) -> Moments | None:
    numbers = moment_numbers(known)
    if family == "date":
        days = search(_days(numbers), DAYS, meter, price)
        return Moments(days, None) if len(days) else None
    each = replace(price, precision=price.precision / 2)
    days = search(_days(numbers // DAY_US), DAYS, meter, each)
    clock = search(_seconds(numbers % DAY_US), SECONDS, meter, each)
    return Moments(days, clock if len(clock) else None) if len(days) else None


def _days(numbers: Ints) -> Ints:
    """Days on their ladder; infinite ones stand at its ends."""
    return np.clip(numbers - FIRST_DAY, 0, np.prod(DAYS.branches) - 1)


def _seconds(microseconds: pa.Array | Ints) -> Ints:
    return np.clip(np.asarray(microseconds, dtype=np.int64) // 1_000_000, 0, _DAY_S - 1)


def _values(known: pa.Array, meter: Meter, price: Price, delta: float) -> Values | None:
    counted = known.value_counts()
    counts = np.asarray(counted.field("counts"), dtype=np.int64)
    noisy, common = meter.discover(counts, price, delta)
    if not common.any():
        return None
    texts = counted.field("values").filter(pa.array(common)).to_pylist()
    weight = noisy[common] / noisy[common].sum()
    # In an order that says nothing of the rows.
    order = sorted(range(len(texts)), key=texts.__getitem__)
    return Values(tuple(texts[i] for i in order), weight[order])


def made_values(column: ColumnPlan, measured: Measured, n: int, rng: np.random.Generator) -> pa.Array:
    """Returns values as a snapshot gives them: shape (n,), without nulls."""
    kind = column.column.type
    if isinstance(measured, Values):
        return pa.array(measured.draw(n, rng), pa.string())
    if isinstance(measured, Moments):
        days, seconds = measured.draw(n, rng)
        if kind.family == "time":
            return pa.array(seconds * 1_000_000).cast(pa.time64("us"))
        return moment_array(days if kind.family == "date" else days * DAY_US + seconds * 1_000_000, kind.family)
    numbers = measured.draw(n, rng)
    return pa.array(numbers.astype(np.int64)) if kind.family == "integer" else pa.array(numbers)


def measured_columns(tables: Mapping[str, TablePlan]) -> list[tuple[TablePlan, ColumnPlan]]:
    """Returns all columns of which something is bought, in a fixed order."""
    return [(table, column) for table in tables.values() for column in table.columns if is_measured(table, column)]
