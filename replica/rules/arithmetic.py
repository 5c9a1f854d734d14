"""Row arithmetic: a number that follows from others of its row, as a total from a price and a quantity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pyarrow as pa

from replica.constraints.checks import columns_of, numbers_of
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
    unlike,
)
from replica.rules.numbers import (
    as_numbers,
    computed,
    differs,
    digits_of,
    evidence,
    in_place,
    is_equal,
    noise_of,
    rounded,
    rounding,
    stored,
    unreadable,
)
from replica.schema.model import ForeignKey, Schema, Table, quote_name
from replica.schema.rules import Arithmetic

_MOST_COLUMNS = 12
# Rows that candidates are tried on before all rows are looked at.
_FIRST_ROWS = 500


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


def _test(rule: Arithmetic, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:  # noqa: ARG001
    values, null = measured(here.columns[rule.column])
    wanted, no_value = numbers_of(rule.equals, as_numbers(here.columns, here.table), len(here))
    both = ~null & ~no_value
    noise = noise_of(here.table, (rule.column, *columns_of(rule.equals)))
    return evidence(values, wanted, both, rng, (-1 if rule.digits is None else rule.digits, noise))


def _reads(rule: Arithmetic, table: Table) -> Reads:
    return {table.id: {rule.column, *columns_of(rule.equals)}}


def _describe(rule: Arithmetic, table: Table) -> str:  # noqa: ARG001
    right = rule.equals if rule.digits is None else f"round({rule.equals}, {rule.digits})"
    return f"{quote_name(rule.column)} = {right}"


def _breaks(rule: Arithmetic, table: Table, schema: Schema) -> str:  # noqa: ARG001
    test = rule.digits, noise_of(table, (rule.column, *columns_of(rule.equals)))
    wrong = differs(in_sql(table.by_name[rule.column]), computed(rule.equals, table), test)
    return f"SELECT count(*) FROM {table.own_rows} WHERE {wrong}"


def _keep(rule: Arithmetic, name: str, values: pa.Array, seen: Seen) -> pa.Array:
    others = {other: stored(seen.own(other), seen.schema(other)) for other in columns_of(rule.equals)}
    numbers, null = numbers_of(rule.equals, others, len(values))
    return in_place(rounded(numbers, rule.digits), null | is_null(values), values, (name, seen))


def _unfit(rule: Arithmetic, table: Table, schema: Schema) -> str | None:  # noqa: ARG001
    return unlike(NUMBERS, [table.by_name[rule.column]]) or unreadable(rule.equals, table)


KIND = RuleKind[Arithmetic](
    propose=_propose,
    test=_test,
    reads=_reads,
    ruled=lambda rule: (rule.column,),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    unfit=_unfit,
    defines=True,
    alone=True,
)
