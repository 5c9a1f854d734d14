"""Numbers that rules compute: when two are equal, what the server makes of one, how they get into a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.checks import NotReadableError, columns_of, numbers_of, with_columns
from replica.rules.base import NUMBERS, Evidence, Floats, Mask, Seen, in_sql, measured
from replica.schema.model import Column, Table

_MOST_DIGITS = 6
_NOISE, _SINGLE_NOISE = 1e-9, 1e-6
_INTEGER_BITS = {"int2": 15, "int4": 31, "int8": 63}

UNREADABLE: Final = "its `equals` cannot be read: write numbers, columns of numbers and dates, + - * / and ()"
"""What is wrong with an expression that cannot be computed."""


def digits_of(column: Column, values: Floats) -> int:
    """Digits after the point that a column's values have: as declared, or as met; -1 where they have no end."""
    if column.type.family == "integer":
        return 0
    if column.type.family in ("numeric", "money") and column.type.scale is not None:
        return column.type.scale
    sample = values[:10_000]
    noise = _SINGLE_NOISE if column.type.base == "float4" else _NOISE
    for digits in range(_MOST_DIGITS + 1):
        scaled = sample * 10.0**digits
        if (np.abs(scaled - np.round(scaled)) <= np.maximum(1e-6, noise * np.abs(scaled))).all():
            return digits
    return -1


def rounding(table: Table, other: Table, names: Sequence[str], digits: int) -> int | None:
    """Returns to how many digits a rule rounds: whole numbers made of whole numbers, and endless ones, not at all.

    Args:
        table: the table of the first name, which is what the others make up.
        other: the table of the others.
        names: columns.
        digits: as :func:`digits_of` gives them.
    """
    types = [table.by_name[names[0]].type, *(other.by_name[name].type for name in names[1:])]
    return None if digits < 0 or all(found.family in ("integer", "date") for found in types) else digits


def noise_of(table: Table, names: Iterable[str]) -> float:
    """How far apart equal numbers may be, relative to themselves: single precision has few digits."""
    single = any(table.by_name[name].type.base == "float4" for name in names if name in table.by_name)
    return _SINGLE_NOISE if single else _NOISE


def is_equal(values: Floats, wanted: Floats, digits: int, noise: float) -> Mask:
    """Returns where values are what they should be, rounded to some digits; -1 for no rounding."""
    half = 0.5 * 10.0**-digits if digits >= 0 else 0.0
    return np.abs(values - wanted) <= half * (1 + 1e-6) + noise * np.maximum(1.0, np.abs(wanted))


def evidence(values: Floats, wanted: Floats, same: Mask, rng: np.random.Generator, test: tuple[int, float]) -> Evidence:
    """Returns what some rows say of a number that should equal another.

    Args:
        values: the numbers.
        wanted: what they should be.
        same: which rows say something.
        rng: a random stream.
        test: digits and noise; see :func:`is_equal`.
    """
    rows = np.flatnonzero(same)
    keeps = int(is_equal(values[rows], wanted[rows], *test).sum())
    by_chance = len(rows) - int(is_equal(values[rows], wanted[rng.permutation(rows)], *test).sum())
    return Evidence(keeps, len(rows) - keeps, float(by_chance))


def rounded(numbers: Floats, digits: int | None) -> Floats:
    """Rounds as SQL does: halves go away from zero."""
    if digits is None:
        return numbers
    power = 10.0**digits
    # What is a half in decimals may lie just below one in floating point.
    scaled = np.abs(numbers) * power
    return np.copysign(np.floor(scaled + 0.5 + 1e-9 * np.maximum(1.0, scaled)) / power, numbers)


def as_numbers(columns: Mapping[str, pa.Array], table: Table) -> dict[str, pa.Array]:
    """Returns columns with numbers that came as text as numbers."""
    return {name: as_number(values, table.by_name[name]) for name, values in columns.items()}


def as_number(values: pa.Array, column: Column) -> pa.Array:
    """Returns numbers that came as text as numbers, which have an order."""
    is_text = pa.types.is_string(values.type) and column.type.family in NUMBERS
    return values.cast(pa.float64()) if is_text else values


def computed(expression: str, table: Table) -> str:
    """Returns an expression over columns of a table as a server takes it."""
    return with_columns(expression, lambda name: in_sql(table.by_name[name]))


def differs(number: str, wanted: str, test: tuple[int | None, float]) -> str:
    """Returns the condition that one number in SQL is not another, as :func:`is_equal` sees it; false for null.

    Args:
        number: the number.
        wanted: what it should be.
        test: digits that it is rounded to, None for not at all, and the noise of its type.
    """
    digits, noise = test
    half = 0.0 if digits is None else 0.5 * 10.0**-digits * (1 + 1e-6)
    wanted = f"({wanted})::float8"
    return f"abs(({number})::float8 - {wanted}) > {half!r} + {noise!r} * greatest(1, abs({wanted}))"


def stored(values: pa.Array, column: Column) -> pa.Array:
    """Returns numbers as the server will hold them, so that what is computed of them fits; others as they are."""
    if column.type.family not in NUMBERS:
        return values
    numbers, null = measured(values)
    if column.type.base == "float4":
        numbers = numbers.astype(np.float32).astype(np.float64)
    return pa.array(rounded(numbers, column.type.scale), mask=null)


def in_place(numbers: Floats, untouched: Mask, values: pa.Array, where: tuple[str, Seen]) -> pa.Array:
    """Returns values of a column with computed numbers in their place, where the type can hold them.

    Args:
        numbers: what was computed.
        untouched: rows that keep their value.
        values: the values so far.
        where: the column, and who is told of rows whose number the type cannot hold.
    """
    name, seen = where
    column = seen.schema(name)
    is_held = fits(numbers, column)
    seen.leave(int((~is_held & ~untouched).sum()))
    untouched = untouched | ~is_held
    if column.type.family == "integer":
        new = pa.array(np.where(untouched, 0, numbers).astype(np.int64), mask=untouched)
        return pc.coalesce(new, values.cast(pa.int64()))
    if column.type.family == "float":
        return pc.coalesce(pa.array(numbers, mask=untouched), values.cast(pa.float64()))
    # Of one type in every chunk of rows, however many digits there are.
    old, null = measured(values)
    digits = column.type.scale if column.type.scale is not None else _MOST_DIGITS
    both = np.where(untouched, old, numbers)
    return pa.array([f"{value:.{digits}f}" for value in both.tolist()], pa.string(), mask=untouched & null)


def fits(numbers: Floats, column: Column) -> Mask:
    """Returns where a column's type can hold numbers, rounded to its digits."""
    kind = column.type
    top = np.inf
    if kind.base in _INTEGER_BITS:
        top = 2.0 ** _INTEGER_BITS[kind.base] - 1
    elif kind.precision is not None:
        top = 10.0 ** (kind.precision - (kind.scale or 0)) - 10.0 ** -(kind.scale or 0)
    return np.isfinite(numbers) & (np.abs(numbers) <= top)


def unreadable(expression: str, table: Table) -> str | None:
    """Returns why an expression over columns of a table cannot be computed; None where it can."""
    empty = {
        name: pa.array([], pa.date32() if table.by_name[name].type.family == "date" else pa.float64())
        for name in columns_of(expression)
        if table.by_name[name].type.family in NUMBERS | {"date"}
    }
    try:
        numbers_of(expression, empty, 0)
    except NotReadableError:
        return UNREADABLE
    return None
