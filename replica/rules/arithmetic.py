"""Row arithmetic: a number that follows from others of its row, as a total from a price and a quantity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.checks import columns_of, numbers_of, with_columns
from replica.kinds.base import is_null
from replica.rules.base import (
    NEARLY,
    NUMBERS,
    Evidence,
    Floats,
    Looked,
    Mask,
    Reads,
    RuleKind,
    Seen,
    Tables,
    in_sql,
    measured,
)
from replica.schema.model import Column, ForeignKey, Schema, Table, quote_name
from replica.schema.rules import Arithmetic

_MOST_COLUMNS = 12
_MOST_DIGITS = 6
# Rows that candidates are tried on before all rows are looked at.
_FIRST_ROWS = 500
_NOISE, _SINGLE_NOISE = 1e-9, 1e-6
_INTEGER_BITS = {"int2": 15, "int4": 31, "int8": 63}


@dataclass(frozen=True)
class Term:
    """An expression over columns: its SQL, the columns it reads, and its values in some rows."""

    sql: str
    reads: tuple[str, ...]
    values: Floats
    null: Mask


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[Arithmetic]:  # noqa: ARG001
    names = here.numbers()
    if not 1 < len(names) <= _MOST_COLUMNS:
        names = names[:_MOST_COLUMNS]
    decided: set[str] = set()
    # The simplest expression first; what follows from others is not used to explain these.
    for terms in (singles(here, names), durations(here), _pairs(here, names), _triples(here, names)):
        for term in terms:
            for name in names:
                if name in decided or name in term.reads or decided & set(term.reads):
                    continue
                if (digits := _equals(here, name, term)) is not None:
                    decided.add(name)
                    yield Arithmetic(name, term.sql, rounding(here.table, here.table, (name, *term.reads), digits))
                    break


def singles(here: Looked, names: Sequence[str]) -> Iterator[Term]:
    """Yields each column by itself."""
    for name in names:
        values, null = measured(here.columns[name])
        yield Term(quote_name(name), (name,), values, null)


def products(here: Looked, names: Sequence[str]) -> Iterator[Term]:
    """Yields products of two columns, and of two columns less a share that a third one gives."""
    base = {term.reads[0]: term for term in singles(here, names)}
    pairs = [(base[a], base[b]) for a, b in combinations(names, 2) if _varies(base[a], 1) and _varies(base[b], 1)]
    for a, b in pairs:
        yield Term(f"{a.sql} * {b.sql}", (*a.reads, *b.reads), a.values * b.values, a.null | b.null)
    shares = [term for term in base.values() if _varies(term, 0) and _within(term, 0, 1)]
    for (a, b), share in product(pairs, shares):
        if share.reads[0] not in (*a.reads, *b.reads):
            values, null = a.values * b.values * (1 - share.values), a.null | b.null | share.null
            yield Term(f"{a.sql} * {b.sql} * (1 - {share.sql})", (*a.reads, *b.reads, *share.reads), values, null)


def durations(here: Looked) -> Iterator[Term]:
    """Yields the days between two dates, with and without the last one."""
    dates = [name for name in here.moments() if here.table.by_name[name].type.family == "date"]
    for start, end in product(dates, dates):
        if start != end:
            (a, no_a), (b, no_b) = measured(here.columns[start]), measured(here.columns[end])
            days = (b - a) / 86_400e6
            sql = f"{quote_name(end)} - {quote_name(start)}"
            yield Term(sql, (end, start), days, no_a | no_b)
            yield Term(f"{sql} + 1", (end, start), days + 1, no_a | no_b)


def _pairs(here: Looked, names: Sequence[str]) -> Iterator[Term]:
    base = list(singles(here, names))
    for a, b in combinations(base, 2):
        if _varies(a, 0) and _varies(b, 0):
            yield Term(f"{a.sql} + {b.sql}", (*a.reads, *b.reads), a.values + b.values, a.null | b.null)
    yield from products(here, names)


def _triples(here: Looked, names: Sequence[str]) -> Iterator[Term]:
    """Sums of three columns, one of which may be taken off."""
    base = [term for term in singles(here, names) if _varies(term, 0)]
    for parts in combinations(base, 3):
        null = parts[0].null | parts[1].null | parts[2].null
        for minus in (None, 0, 1, 2):
            ordered = [part for i, part in enumerate(parts) if i != minus]
            sql = " + ".join(part.sql for part in ordered)
            values = np.sum([part.values for part in ordered], axis=0)
            if minus is not None:
                sql, values = f"{sql} - {parts[minus].sql}", values - parts[minus].values
            yield Term(sql, tuple(part.reads[0] for part in parts), values, null)


def _varies(term: Term, neutral: float) -> bool:
    """True where a column matters in an expression: it is not the neutral element in nearly all rows."""
    there = term.values[~term.null]
    return int((there != neutral).sum()) >= 20 and len(np.unique(there[:1000])) > 1


def _within(term: Term, low: float, high: float) -> bool:
    there = term.values[~term.null]
    return bool(len(there) and there.min() >= low and there.max() <= high)


def _equals(here: Looked, name: str, term: Term) -> int | None:
    """Digits to which a column equals an expression in nearly all rows (-1 for all of them); None where it does not."""
    values, null = measured(here.columns[name])
    both = ~null & ~term.null
    rows = np.flatnonzero(both)
    if not len(rows):
        return None
    digits = digits_of(here.table.by_name[name], values[both])
    noise = noise_of(here.table, (name, *term.reads))
    first = rows[:_FIRST_ROWS]
    if is_equal(values[first], term.values[first], digits, noise).mean() < NEARLY:
        return None
    return digits if is_equal(values[rows], term.values[rows], digits, noise).mean() >= NEARLY else None


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


def _test(rule: Arithmetic, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:  # noqa: ARG001
    values, null = measured(here.columns[rule.column])
    wanted, no_value = numbers_of(rule.equals, as_numbers(here.columns, here.table), len(here))
    both = ~null & ~no_value
    noise = noise_of(here.table, (rule.column, *columns_of(rule.equals)))
    return evidence(values, wanted, both, rng, (-1 if rule.digits is None else rule.digits, noise))


def as_numbers(columns: Mapping[str, pa.Array], table: Table) -> dict[str, pa.Array]:
    """Returns columns with numbers that came as text as numbers."""
    return {
        name: values.cast(pa.float64())
        if pa.types.is_string(values.type) and table.by_name[name].type.family in NUMBERS
        else values
        for name, values in columns.items()
    }


def _reads(rule: Arithmetic, table: Table) -> Reads:
    return {table.id: {rule.column, *columns_of(rule.equals)}}


def _describe(rule: Arithmetic, table: Table) -> str:  # noqa: ARG001
    right = rule.equals if rule.digits is None else f"round({rule.equals}, {rule.digits})"
    return f"{quote_name(rule.column)} = {right}"


def _breaks(rule: Arithmetic, table: Table, schema: Schema) -> str:  # noqa: ARG001
    test = rule.digits, noise_of(table, (rule.column, *columns_of(rule.equals)))
    wrong = differs(in_sql(table.by_name[rule.column]), computed(rule.equals, table), test)
    return f"SELECT count(*) FROM {table.own_rows} WHERE {wrong}"


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


def _keep(rule: Arithmetic, name: str, values: pa.Array, seen: Seen) -> pa.Array:
    others = {other: stored(seen.own(other), seen.schema(other)) for other in columns_of(rule.equals)}
    numbers, null = numbers_of(rule.equals, others, len(values))
    return in_place(rounded(numbers, rule.digits), null | is_null(values), values, (name, seen))


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
    column, fits = seen.schema(name), _fits(numbers, seen.schema(name))
    seen.leave(int((~fits & ~untouched).sum()))
    untouched = untouched | ~fits
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


def _fits(numbers: Floats, column: Column) -> Mask:
    """Where a column's type can hold a number."""
    kind = column.type
    top = np.inf
    if kind.base in _INTEGER_BITS:
        top = 2.0 ** _INTEGER_BITS[kind.base] - 1
    elif kind.precision is not None:
        top = 10.0 ** (kind.precision - (kind.scale or 0)) - 10.0 ** -(kind.scale or 0)
    return np.isfinite(numbers) & (np.abs(numbers) <= top)


KIND = RuleKind[Arithmetic](
    propose=_propose,
    test=_test,
    reads=_reads,
    ruled=lambda rule: (rule.column,),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    defines=True,
)
