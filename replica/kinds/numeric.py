"""Integers, decimals and floating-point numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, is_null, masked
from replica.kinds.quantile import Floats, QuantileCode, behind_known, fit_quantiles, staying
from replica.schema.model import Column

DEFAULT_BINS = 128
_FAMILIES = frozenset({"integer", "float", "numeric", "money"})
_INTEGER_RANGES = {"int2": 15, "int4": 31, "int8": 63, "oid": 32}
# 2**63 cents, as far as float64 is exact.
_MOST_MONEY = float(np.nextafter(2.0**63 / 100, 0))
_MAX_DECIMALS = 12
_ENDLESS_DECIMALS = 6
_SPECIAL = (np.nan, np.inf, -np.inf)


@dataclass(frozen=True)
class NumericKind:
    """A number as one span: bins of equal weight, then a code each for null, NaN and infinity as they occur.

    Attributes:
        name: the column's name.
        base: its base type.
        curve: the distribution of the finite values; None where there is none.
        decimals: digits after the point that the values have; None for full floating-point precision.
        special: codes behind the bins: None for null, or the special number.
        low: least value that the type and the schema allow.
        high: greatest value that they allow.
        steady: how often a row has the very value of the row before, of the same owner and in the same bin.
    """

    name: str
    base: str
    curve: QuantileCode | None
    decimals: int | None
    special: tuple[str, ...]
    low: float
    high: float
    steady: float = 0.0

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family in _FAMILIES

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`. Option: ``bins``, the most bins."""
        null = is_null(data.values)
        numbers = _numbers(data.values, data.column.type.base)
        finite = np.isfinite(numbers) & ~null
        special = ["null"] if null.any() else []
        special += [str(value) for value in _SPECIAL if _equals(numbers[~null], value).any()]
        holders = data.holders[finite] if data.holders is not None else None
        known = numbers[finite]
        bins = int(data.options.get("bins", DEFAULT_BINS))
        low, high = type_range(data.column)
        curve = fit_quantiles(known, holders, bins=bins, min_holders=data.min_holders) if len(known) else None
        return cls(
            name=data.column.name,
            base=data.column.type.base,
            curve=curve,
            decimals=_decimals(known, data.column),
            special=tuple(special),
            low=low,
            high=high,
            steady=curve.steadiness(known, behind_known(data.follows, finite)) if curve is not None else 0.0,
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        bins = self.curve.bins if self.curve else 0
        return (Span(self.name, max(1, bins + len(self.special)), ordered=bins),)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        null = is_null(values)
        numbers = _numbers(values, self.base)
        codes = np.zeros(len(values), np.int32)
        bins = 0
        if self.curve is not None:
            bins = self.curve.bins
            finite = np.isfinite(numbers) & ~null
            codes[finite] = self.curve.encode(numbers[finite])
        for place, name in enumerate(self.special):
            codes[null if name == "null" else ~null & _equals(numbers, float(name))] = bins + place
        return codes[:, None]

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        code = codes[:, 0]
        bins = self.curve.bins if self.curve else 0
        numbers = np.zeros(len(code))
        if self.curve is not None:
            stays = staying(code, rows.follows, self.steady, rows.rng)
            numbers = self.curve.decode(np.minimum(code, bins - 1), rows.rng, stays)
        null = np.zeros(len(code), dtype=bool)
        for place, name in enumerate(self.special):
            here = code == bins + place
            if name == "null":
                null |= here
            else:
                numbers[here] = float(name)
        if self.curve is None and not self.special:
            null[:] = True
        return masked(self.array(numbers), null)

    def array(self, numbers: Floats) -> pa.Array:
        """Returns numbers as the column's type takes them, rounded and within its bounds."""
        finite = np.isfinite(numbers)
        if self.decimals is not None:
            numbers = np.where(finite, np.round(numbers, self.decimals), numbers)
        numbers = np.where(finite, np.clip(numbers, self.low, self.high), numbers)
        if self.base in _INTEGER_RANGES:
            return pa.array(numbers.astype(np.int64))
        if self.base in ("float4", "float8"):
            return pa.array(numbers)
        digits = _ENDLESS_DECIMALS if self.decimals is None else max(0, self.decimals)
        if self._as_text:
            return pa.array([_number_text(value, digits) for value in numbers.tolist()], pa.string())
        return pc.cast(pa.array(np.round(numbers, digits)), pa.decimal128(38, digits), safe=False)

    @property
    def _as_text(self) -> bool:
        """True where Arrow's decimal cannot hold what may come out; the same for every chunk of rows."""
        if self.base == "money" or set(self.special) - {"null"}:
            return True
        largest = float(np.abs(self.curve.knots_v).max()) if self.curve else 1.0
        return bool(np.log10(max(largest, 1.0)) + _MAX_DECIMALS >= 37)


def _number_text(value: float, digits: int) -> str:
    if np.isfinite(value):
        return f"{value:.{digits}f}"
    return "NaN" if np.isnan(value) else repr(value).replace("inf", "Infinity")


def _equals(numbers: Floats, value: float) -> npt.NDArray[np.bool_]:
    return np.isnan(numbers) if np.isnan(value) else numbers == value


def _numbers(values: pa.Array, base: str) -> Floats:
    """The values as float64; what stands for null does not matter."""
    if values.null_count:
        values = pc.fill_null(values, pa.scalar(0, values.type))
    numbers = np.asarray(values.cast(pa.float64(), safe=False), dtype=np.float64)
    return _without_noise(numbers) if base == "float4" else numbers


def _without_noise(numbers: Floats) -> Floats:
    """Undoes the noise of single precision: 14.4 is stored as 14.39999961853."""
    distinct, places = np.unique(numbers.astype(np.float32), return_inverse=True)
    return np.array([float(str(value)) for value in distinct], dtype=np.float64)[places.reshape(-1)]


def _decimals(numbers: Floats, column: Column) -> int | None:
    """Digits after the point that the values have, as many as the type keeps; None when they have no end."""
    if column.type.base in _INTEGER_RANGES:
        return 0
    declared = column.type.scale if column.type.base == "numeric" else None
    limit = _MAX_DECIMALS if declared is None else declared
    if declared is not None and declared <= 0:
        return declared
    sample = numbers[:10_000]
    for digits in range(limit + 1):
        scaled = sample * 10.0**digits
        if np.all(np.abs(scaled - np.round(scaled)) <= np.maximum(1e-6, np.abs(scaled) * 1e-15)):
            return digits
    return declared


def type_range(column: Column) -> tuple[float, float]:
    """Returns the least and the greatest number that a column's type can hold."""
    kind = column.type
    if kind.base in _INTEGER_RANGES:
        top = 2.0 ** _INTEGER_RANGES[kind.base]
        # The greatest float64 below 2**63 is what still converts.
        high = float(np.nextafter(top, 0)) if kind.base == "int8" else top - 1
        return (0.0 if kind.base == "oid" else -top, high)
    if kind.base == "money":
        return (-_MOST_MONEY, _MOST_MONEY)
    if kind.base == "numeric" and kind.precision is not None:
        scale = kind.scale or 0
        beyond = 10.0 ** (kind.precision - scale)
        # Where float64 is too coarse for the last digit, its greatest number below is the end.
        top = min(beyond - 10.0**-scale, float(np.nextafter(beyond, 0)))
        return (-top, top)
    return (-np.inf, np.inf)
