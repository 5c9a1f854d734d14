"""Dates, times of day, timestamps and intervals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, is_null, masked
from replica.kinds.quantile import Floats, QuantileCode, fit_quantiles
from replica.schema.model import Column

Ints = npt.NDArray[np.int64]

DAY_US = 86_400_000_000
DEFAULT_BINS = 128
TIME_BINS = 48
MONTH_DAYS = 30
# Years before 1 and after 9999 have a notation of their own; in days since 1970.
_YEAR_1, _YEAR_10000 = -719162, 2932897
_STEPS_US = (60_000_000 * 60, 60_000_000, 1_000_000, 1_000, 1)
# How far from even the days of the week must be before they are learned, as chi-square over rows.
_UNEVEN = 0.02

_ENDS = {
    "date": (-(2**31), 2**31 - 1),
    "timestamp": (-(2**63), 2**63 - 1),
    "timestamptz": (-(2**63), 2**63 - 1),
}


@dataclass(frozen=True)
class MomentKind:
    """A date or a timestamp: bins of days, then the day of the week, then the time of day, each where it matters.

    Attributes:
        name: the column's name.
        family: ``date``, ``timestamp`` or ``timestamptz``.
        days: the distribution of the day, counted from 1970-01-01; None without a finite value.
        weekday: True where the days of the week differ.
        clock: the distribution of the time of day in microseconds; None where every time is midnight.
        step: all times of day are multiples of this many microseconds.
        special: what codes behind the bins of days mean: ``null``, ``infinity``, ``-infinity``.
    """

    name: str
    family: str
    days: QuantileCode | None
    weekday: bool
    clock: QuantileCode | None
    step: int
    special: tuple[str, ...]

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family in _ENDS

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`. Option: ``bins``, the most bins of days."""
        family = data.column.type.family
        null, numbers = is_null(data.values), moment_numbers(data.values)
        lowest, highest = _ENDS[family]
        special = ["null"] if null.any() else []
        special += ["infinity"] if (numbers[~null] == highest).any() else []
        special += ["-infinity"] if (numbers[~null] == lowest).any() else []
        finite = ~null & (numbers != highest) & (numbers != lowest)
        holders = data.holders[finite] if data.holders is not None else None
        known = numbers[finite]
        day = known if family == "date" else known // DAY_US
        clock = np.zeros(len(known), np.int64) if family == "date" else known - day * DAY_US
        bins = int(data.options.get("bins", DEFAULT_BINS))
        days = _fit(day, holders, bins, data.min_holders) if len(known) else None
        return cls(
            name=data.column.name,
            family=family,
            days=days,
            weekday=days is not None and _weekday_matters(day, days),
            clock=_fit(clock, holders, TIME_BINS, data.min_holders) if clock.any() else None,
            step=time_step(clock),
            special=tuple(special),
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        bins = self.days.bins if self.days else 0
        spans = [Span(self.name, max(1, bins + len(self.special)), ordered=bins)]
        if self.weekday:
            spans.append(Span(f"{self.name} weekday", 7))
        if self.clock is not None:
            spans.append(Span(f"{self.name} clock", self.clock.bins, ordered=self.clock.bins))
        return tuple(spans)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        null, numbers = is_null(values), moment_numbers(values)
        lowest, highest = _ENDS[self.family]
        finite = ~null & (numbers != highest) & (numbers != lowest)
        known = np.where(finite, numbers, 0)
        day = known if self.family == "date" else known // DAY_US
        codes = np.zeros((len(values), len(self.spans)), np.int32)
        bins = self.days.bins if self.days else 0
        if self.days is not None:
            codes[:, 0] = self.days.encode(day.astype(np.float64))
        where = {"null": null, "infinity": numbers == highest, "-infinity": numbers == lowest}
        for place, name in enumerate(self.special):
            codes[where[name] & (null if name == "null" else ~null), 0] = bins + place
        if self.weekday:
            codes[:, 1] = np.where(finite, weekday_of(day), 0)
        if self.clock is not None:
            codes[:, -1] = np.where(finite, self.clock.encode((known - day * DAY_US).astype(np.float64)), 0)
        return codes

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        code = codes[:, 0]
        bins = self.days.bins if self.days else 0
        day = np.zeros(len(code), np.int64)
        if self.days is not None:
            drawn = self.days.decode(np.minimum(code, bins - 1), rows.rng)
            day = np.round(drawn).astype(np.int64)
            if self.weekday:
                day = nearest_weekday(day, codes[:, 1], self.days)
        numbers = day if self.family == "date" else day * DAY_US + self._clock_of(codes, rows)
        null = np.zeros(len(code), dtype=bool)
        ends = dict(zip(("-infinity", "infinity"), _ENDS[self.family], strict=True))
        for place, name in enumerate(self.special):
            here = code == bins + place
            if name == "null":
                null |= here
            else:
                numbers = np.where(here, ends[name], numbers)
        if self.days is None and not self.special:
            null[:] = True
        return masked(moment_array(numbers, self.family, as_text=self._as_text), null)

    @property
    def _as_text(self) -> bool:
        """True where Arrow cannot hold what may come out; the same for every chunk of rows."""
        if "infinity" in self.special or "-infinity" in self.special:
            return True
        return self.days is not None and not (self.days.knots_v[0] >= _YEAR_1 and self.days.knots_v[-1] < _YEAR_10000)

    def _clock_of(self, codes: Codes, rows: Rows) -> Ints:
        if self.clock is None:
            return np.zeros(len(codes), np.int64)
        drawn = self.clock.decode(codes[:, -1], rows.rng)
        return np.clip(np.floor(drawn / self.step + 0.5).astype(np.int64) * self.step, 0, DAY_US - self.step)


def moment_numbers(values: pa.Array) -> Ints:
    """Returns dates as days and timestamps as microseconds since 1970; nulls are 0."""
    plain = values.cast(pa.int32()) if pa.types.is_date32(values.type) else values.cast(pa.int64())
    return np.array(plain.fill_null(0), dtype=np.int64)


def order_numbers(values: pa.Array) -> Ints:
    """Returns values as whole numbers that sort the same: days, microseconds, or the number itself."""
    if pa.types.is_date32(values.type) or pa.types.is_timestamp(values.type):
        return moment_numbers(values)
    if pa.types.is_integer(values.type):
        return np.array(values.cast(pa.int64()).fill_null(0), dtype=np.int64)
    return np.round(np.array(values.cast(pa.float64()).fill_null(0.0))).astype(np.int64)


def moment_array(numbers: Ints, family: str, *, as_text: bool = False) -> pa.Array:
    """Returns days or microseconds as the Arrow type of the family, or as text, which holds infinity too."""
    if as_text:
        return pa.array([_moment_text(number, family) for number in numbers.tolist()], pa.string())
    if family == "date":
        return pa.array(numbers.astype(np.int32), pa.int32()).cast(pa.date32())
    return pa.array(numbers, pa.int64()).cast(pa.timestamp("us"))


def _moment_text(number: int, family: str) -> str:
    if number == _ENDS[family][1]:
        return "infinity"
    if number == _ENDS[family][0]:
        return "-infinity"
    text = str(np.datetime64(number, "D" if family == "date" else "us")).replace("T", " ")
    if not text.startswith("-") and not text.startswith("0000"):
        return text
    # Astronomical year 0 is 1 BC.
    year, rest = text.removeprefix("-").split("-", 1)
    return f"{int(year) + 1:04d}-{rest} BC"


def weekday_of(day: Ints) -> npt.NDArray[np.int32]:
    """Returns the day of the week of days since 1970: 0 is Monday."""
    return ((day + 3) % 7).astype(np.int32)


def nearest_weekday(day: Ints, wanted: npt.NDArray[np.int32], days: QuantileCode) -> Ints:
    """Moves days by at most three to the wanted day of the week, within the range that was learned."""
    moved = day + (wanted - weekday_of(day) + 3) % 7 - 3
    low, high = np.ceil(days.knots_v[0]), np.floor(days.knots_v[-1])
    moved = np.where(moved < low, moved + 7, moved)
    moved = np.where(moved > high, moved - 7, moved)
    return np.where((moved < low) | (moved > high), day, moved).astype(np.int64)


def _weekday_matters(day: Ints, days: QuantileCode) -> bool:
    if len(day) < 200 or days.bins >= len(np.unique(day)):
        return False
    counts = np.bincount(weekday_of(day), minlength=7)
    expected = len(day) / 7
    return float(((counts - expected) ** 2 / expected).sum() / len(day)) > _UNEVEN


def time_step(clock: Ints) -> int:
    """Returns the coarsest step in microseconds of which all times are multiples."""
    return next((step for step in _STEPS_US if not (clock % step).any()), 1)


def _fit(numbers: Ints, holders: Ints | None, bins: int, min_holders: int) -> QuantileCode:
    return fit_quantiles(numbers.astype(np.float64), holders, bins=bins, min_holders=min_holders)


@dataclass(frozen=True)
class TimeKind:
    """A time of day without a date.

    Attributes:
        name: the column's name.
        zone: offset to print behind the time, as in ``+00``; empty without time zone.
        clock: the distribution in microseconds; None without a value.
        step: all times are multiples of this many microseconds.
        nulls: True where the last code stands for null.
    """

    name: str
    zone: str
    clock: QuantileCode | None
    step: int
    nulls: bool

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family in ("time", "timetz")

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`."""
        null, numbers, zone = is_null(data.values), _clock_numbers(data.values), ""
        if data.column.type.family == "timetz":
            zones = [text[8:].lstrip(".0123456789") for text in data.values.drop_null().to_pylist()]
            zone = max(set(zones), key=zones.count) if zones else "+00"
        holders = data.holders[~null] if data.holders is not None else None
        known = numbers[~null]
        return cls(
            name=data.column.name,
            zone=zone,
            clock=_fit(known, holders, DEFAULT_BINS, data.min_holders) if len(known) else None,
            step=time_step(known),
            nulls=bool(null.any()),
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        bins = self.clock.bins if self.clock else 0
        return (Span(self.name, max(1, bins + self.nulls), ordered=bins),)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        codes = np.zeros(len(values), np.int32)
        if self.clock is not None:
            codes = self.clock.encode(_clock_numbers(values).astype(np.float64))
        if self.nulls:
            codes[is_null(values)] = self.spans[0].ordered
        return codes[:, None]

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        code = codes[:, 0]
        if self.clock is None:
            return pa.nulls(len(code), pa.string() if self.zone else pa.time64("us"))
        drawn = self.clock.decode(np.minimum(code, self.clock.bins - 1), rows.rng)
        clock = np.clip(np.floor(drawn / self.step + 0.5).astype(np.int64) * self.step, 0, DAY_US - self.step)
        times = pa.array(clock).cast(pa.time64("us"))
        if self.zone:
            times = pa.array([f"{time}{self.zone}" for time in times.cast(pa.string()).to_pylist()], pa.string())
        return masked(times, (code == self.clock.bins) & self.nulls)


def _clock_numbers(values: pa.Array) -> Ints:
    """Microseconds since midnight; nulls are 0."""
    if pa.types.is_string(values.type):
        texts = [None if text is None else text[:15].rstrip("+-Z")[:15] for text in values.to_pylist()]
        values = pa.array([_clock_us(text) for text in texts], pa.int64())
    return np.asarray(values.cast(pa.int64()).fill_null(0), dtype=np.int64)


def _clock_us(text: str | None) -> int | None:
    if text is None:
        return None
    hours, minutes, rest = text.split(":")[:3]
    seconds = rest.split("+")[0].split("-")[0]
    return (int(hours) * 3600 + int(minutes) * 60) * 1_000_000 + round(float(seconds) * 1_000_000)


@dataclass(frozen=True)
class IntervalKind:
    """A span of time: which of months, days and clock time it is written in, and how long it is.

    Attributes:
        name: the column's name.
        shapes: which parts occur together: 1 months, 2 days, 4 clock time, added up.
        length: the distribution of the length in microseconds, a month counted as thirty days; None without one.
        step: clock times are multiples of this many microseconds.
        nulls: True where the last shape code stands for null.
    """

    name: str
    shapes: tuple[int, ...]
    length: QuantileCode | None
    step: int
    nulls: bool

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "interval"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`."""
        null, parts = is_null(data.values), _interval_parts(data.values)
        holders = data.holders[~null] if data.holders is not None else None
        shapes = np.unique(_shape(parts[~null]))
        length = _length_us(parts[~null])
        return cls(
            name=data.column.name,
            shapes=tuple(int(shape) for shape in shapes),
            length=_fit(length, holders, DEFAULT_BINS, data.min_holders) if len(length) else None,
            step=time_step(parts[~null, 2]),
            nulls=bool(null.any()),
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        bins = self.length.bins if self.length else 1
        shapes = max(1, len(self.shapes) + self.nulls)
        return (Span(f"{self.name} shape", shapes), Span(self.name, bins, ordered=bins))

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        parts = _interval_parts(values)
        codes = np.zeros((len(values), 2), np.int32)
        if self.length is not None:
            codes[:, 0] = np.clip(np.searchsorted(self.shapes, _shape(parts)), 0, len(self.shapes) - 1)
            codes[:, 1] = self.length.encode(_length_us(parts).astype(np.float64))
        if self.nulls:
            codes[is_null(values), 0] = len(self.shapes)
        return codes

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        kind = pa.month_day_nano_interval()
        if self.length is None:
            return pa.nulls(len(codes), kind)
        drawn = self.length.decode(codes[:, 1], rows.rng)
        shape = np.array([*self.shapes, 0])[np.minimum(codes[:, 0], len(self.shapes))]
        null = (codes[:, 0] == len(self.shapes)) & self.nulls
        months, days, clock = _split(drawn, shape, self.step)
        parts = zip(months.tolist(), days.tolist(), (clock * 1000).tolist(), null.tolist(), strict=True)
        return pa.array([None if missing else (m, d, ns) for m, d, ns, missing in parts], kind)


def _interval_parts(values: pa.Array) -> Ints:
    """Months, days and microseconds: shape (rows, 3); nulls are 0."""
    if pa.types.is_string(values.type):
        rows = [(0, 0, 0) if text is None else _parts_of(text) for text in values.to_pylist()]
    else:
        rows = [(0, 0, 0) if v is None else (v.months, v.days, v.nanoseconds // 1000) for v in values.to_pylist()]
    return np.array(rows, np.int64).reshape(-1, 3)


_INTERVAL_UNIT = re.compile(r"([+-]?\d+) (year|mon|day)s?")
_INTERVAL_CLOCK = re.compile(r"([+-]?)(\d+):(\d+):(\d+(?:\.\d+)?)$")


def _parts_of(text: str) -> tuple[int, int, int]:
    """Reads an interval as PostgreSQL prints it, as in ``1 year 2 mons -3 days +04:05:06.7``."""
    units = {unit: int(number) for number, unit in _INTERVAL_UNIT.findall(text)}
    clock = _INTERVAL_CLOCK.search(text)
    microseconds = _clock_us(":".join(clock.groups()[1:])) or 0 if clock else 0
    sign = -1 if clock and clock[1] == "-" else 1
    return units.get("year", 0) * 12 + units.get("mon", 0), units.get("day", 0), sign * microseconds


def _shape(parts: Ints) -> Ints:
    shapes: Ints = ((parts != 0) * np.array([1, 2, 4])).sum(axis=1)
    return shapes


def _length_us(parts: Ints) -> Ints:
    return (parts[:, 0] * MONTH_DAYS + parts[:, 1]) * DAY_US + parts[:, 2]


def _split(length: Floats, shape: Ints, step: int) -> tuple[Ints, Ints, Ints]:
    """Writes lengths in microseconds in the parts that each shape has."""
    total = np.round(length).astype(np.int64)
    has_months, has_days, has_clock = shape & 1 > 0, shape & 2 > 0, shape & 4 > 0
    month_us = MONTH_DAYS * DAY_US
    only_months = has_months & ~has_days & ~has_clock
    months = np.where(has_months, np.where(only_months, np.round(total / month_us), total // month_us), 0)
    rest = total - months.astype(np.int64) * month_us
    days = np.where(has_days, np.where(has_clock, rest // DAY_US, np.round(rest / DAY_US)), 0)
    clock = np.where(has_clock, np.round((rest - days.astype(np.int64) * DAY_US) / step) * step, 0)
    return months.astype(np.int64), days.astype(np.int64), clock.astype(np.int64)
