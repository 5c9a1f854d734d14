"""Running totals: a number that goes on from the row before, as a balance that each amount is added to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.checks import columns_of, numbers_of
from replica.kinds.base import is_null
from replica.relations.joins import group_numbers
from replica.rules.arithmetic import Term, singles
from replica.rules.base import (
    FEWEST,
    MOMENTS,
    NEARLY,
    NUMBERS,
    Evidence,
    Floats,
    Ints,
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
    as_number,
    as_numbers,
    computed,
    differs,
    digits_of,
    in_place,
    is_equal,
    noise_of,
    rounded,
    rounding,
    stored,
    unreadable,
)
from replica.schema.model import ForeignKey, Schema, Table, column_list, quote_name, quoted_name
from replica.schema.rules import Running

_MOST_NUMBERS = 8
# How much more often than by chance rows must fit where others of their group were not read.
_FAR_FROM_CHANCE = 10


@dataclass(frozen=True)
class Order:
    """Rows by group and place, those of no group left out.

    Attributes:
        rows: the rows in order: shape (rows of groups,).
        first: which of them begin a group; of the same shape.
    """

    rows: Ints
    first: Mask


def in_groups(within: Sequence[pa.Array], by: Sequence[pa.Array]) -> Order:
    """Returns rows in the order that some columns give them, group by group.

    Args:
        within: the columns of a group; without any, all rows are one. Rows with a null among these or in ``by`` are of
            no group.
        by: the columns that order the rows of a group.
    """
    null = np.any([is_null(values) for values in (*within, *by)], axis=0)
    groups = group_numbers(within) if within else np.zeros(len(null), np.int64)
    keys = {"group": pa.array(groups)} | {str(place): values for place, values in enumerate(by)}
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    rows = np.array(order, dtype=np.int64)
    rows = rows[~null[rows]]
    return Order(rows, np.r_[True, np.diff(groups[rows]) != 0][: len(rows)])


# Finding them ---------------------------------------------------------------------------------------------------------


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[Running]:  # noqa: ARG001
    names = here.numbers()[:_MOST_NUMBERS]
    decided: set[str] = set()
    for within, by in _ordered_groups(here, keys):
        order, terms = _order(here, within, by), list(_terms(here, within, by))
        for name in (name for name in names if name not in decided and name not in by):
            for term, digits in islice(_fitting(here, order, name, terms), 1):
                decided.add(name)
                to = rounding(here.table, here.table, (name, *term.reads), digits)
                for opening in _openings(here, order, name, term):
                    yield Running(name, within, by, term.sql, opening, to)


def _ordered_groups(here: Looked, keys: tuple[ForeignKey, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yields columns of groups, those of references and none at all, with columns that order the rows of one."""
    for within in dict.fromkeys([*(key.columns for key in keys if key.child == here.table.id), ()]):
        if set(within) <= set(here.columns):
            yield from ((within, by) for by in _orders(here, within))


def _orders(here: Looked, within: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Columns that order the rows of a group and tell all of them apart, those that say when first."""
    ties = dict.fromkeys(
        rest[0]
        for unique in here.table.uniques
        if not unique.expressions and not unique.predicate
        if len(rest := [name for name in unique.columns if name not in within]) == 1
        and rest[0] in here.columns
        and here.table.by_name[rest[0]].type.family in MOMENTS | {"integer"}
    )
    for tie in list(ties)[:1]:
        yield from ((name, tie) for name in here.moments() if name not in (*within, *ties))
    yield from ((tie,) for tie in ties)


def _order(here: Looked, within: tuple[str, ...], by: tuple[str, ...]) -> Order:
    columns = [as_number(here.columns[name], here.table.by_name[name]) for name in by]
    return in_groups([here.columns[name] for name in within], columns)


def _fitting(here: Looked, order: Order, name: str, terms: list[Term]) -> Iterator[tuple[Term, int]]:
    """Yields what a column may go on by in some order, and to which digits."""
    values, null = measured(here.columns[name])
    at, before = order.rows[1:][~order.first[1:]], order.rows[:-1][~order.first[1:]]
    both = ~null[at] & ~null[before]
    at, before = at[both], before[both]
    if len(at) < FEWEST:
        return
    digits = digits_of(here.table.by_name[name], values[at])
    for term in (term for term in terms if name not in term.reads):
        noise = noise_of(here.table, (name, *term.reads))
        known = ~term.null[at]
        fits = is_equal(values[at], values[before] + term.values[at], digits, noise)[known]
        if here.complete and fits.sum() >= FEWEST and fits.mean() >= NEARLY:
            yield term, digits
        elif not here.complete and fits.sum() >= FEWEST:
            turned = np.roll(term.values[at], len(at) // 2)
            by_chance = is_equal(values[at], values[before] + turned, digits, noise)[known]
            if fits.sum() >= _FAR_FROM_CHANCE * by_chance.sum():
                yield term, digits


def _terms(here: Looked, within: tuple[str, ...], by: tuple[str, ...]) -> Iterator[Term]:
    """Yields what rows may add: one, a number or its negative, and one number less another."""
    if within:
        # All rows of a table are numbered by many a key.
        yield Term("1", (), np.ones(len(here)), np.zeros(len(here), dtype=bool))
    names = [name for name in here.numbers()[:_MOST_NUMBERS] if name not in by]
    base = list(singles(here, names))
    for term in base:
        yield term
        yield Term(f"-{term.sql}", term.reads, -term.values, term.null)
    for plus, minus in permutations(base, 2):
        yield Term(
            f"{plus.sql} - {minus.sql}",
            (*plus.reads, *minus.reads),
            plus.values - minus.values,
            plus.null | minus.null,
        )


def _openings(here: Looked, order: Order, name: str, term: Term) -> tuple[bool, ...]:
    """Whether groups begin with any number; both answers where the first rows of groups may not have been read."""
    if not here.complete:
        return False, True
    values, null = measured(here.columns[name])
    first = order.rows[order.first]
    first = first[~null[first] & ~term.null[first]]
    digits = digits_of(here.table.by_name[name], values[first])
    fits = is_equal(values[first], term.values[first], digits, noise_of(here.table, (name, *term.reads)))
    return (bool(len(fits) and fits.mean() < NEARLY),)


def _test(rule: Running, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:  # noqa: ARG001
    if not here.complete:
        return Evidence(0, 0, 0.0)
    order = _order(here, rule.within, rule.by)
    numbers, no_number = measured(here.columns[rule.column])
    values, null = numbers[order.rows], no_number[order.rows]
    steps, lacking = numbers_of(rule.equals, as_numbers(here.columns, here.table), len(here))
    steps, lacking = steps[order.rows], lacking[order.rows]
    test = -1 if rule.digits is None else rule.digits, _noise(rule, here.table)

    def wrong(totals: Floats, steps: Floats) -> Mask:
        before = np.where(order.first, 0.0, np.r_[0.0, totals[:-1]][: len(totals)])
        return ~is_equal(totals, before + steps, *test)

    before_null = np.r_[False, null[:-1]][: len(null)]
    says = ~null & ~lacking & np.where(order.first, not rule.opening, ~before_null)
    breaks = int((wrong(values, steps) & says).sum())
    # Neither the totals nor what is added may be any: a total that never moves says nothing, nor do first rows.
    later = np.flatnonzero(says & ~order.first)
    by_chance = int(wrong(rng.permutation(values), steps)[later].sum())
    if columns_of(rule.equals):
        mixed = steps.copy()
        mixed[later] = steps[rng.permutation(later)]
        by_chance = min(by_chance, int(wrong(values, mixed)[later].sum()))
    return Evidence(int(says.sum()) - breaks, breaks, float(by_chance))


def _noise(rule: Running, table: Table) -> float:
    return noise_of(table, (rule.column, *columns_of(rule.equals)))


# Saying and keeping them ----------------------------------------------------------------------------------------------


def _reads(rule: Running, table: Table) -> Reads:
    return {table.id: {rule.column, *rule.within, *rule.by, *columns_of(rule.equals)}}


def _describe(rule: Running, table: Table) -> str:  # noqa: ARG001
    step = rule.equals if rule.digits is None else f"round({rule.equals}, {rule.digits})"
    where = f" within {column_list(rule.within)}" if rule.within else ""
    opening = ", after any opening" if rule.opening else ""
    return f"{quote_name(rule.column)} = running sum of {step}{where} by {column_list(rule.by)}{opening}"


def _breaks(rule: Running, table: Table, schema: Schema) -> str:  # noqa: ARG001
    within, by = (", ".join(map(quoted_name, names)) for names in (rule.within, rule.by))
    known = " AND ".join(f"{quoted_name(name)} IS NOT NULL" for name in (*rule.within, *rule.by))
    number = in_sql(table.by_name[rule.column])
    before = f"lag({number}) OVER w"
    if not rule.opening:
        before = f"CASE row_number() OVER w WHEN 1 THEN 0 ELSE {before} END"
    groups = f"PARTITION BY {within} " if within else ""
    rows = (
        f"SELECT {number} AS total, {before} AS before, {computed(rule.equals, table)} AS step"
        f" FROM {table.own_rows} WHERE {known} WINDOW w AS ({groups}ORDER BY {by})"
    )
    wrong = differs("total", "before::float8 + step::float8", (rule.digits, _noise(rule, table)))
    return f"SELECT count(*) FROM ({rows}) AS totals WHERE {wrong}"


def _keep(rule: Running, name: str, values: pa.Array, seen: Seen) -> pa.Array:
    """Adds up group by group. A null adds nothing; where groups begin with any number, the first value drawn stays."""
    columns = [as_number(seen.own(other), seen.schema(other)) for other in rule.by]
    order = in_groups([seen.own(other) for other in rule.within], columns)
    others = {other: stored(seen.own(other), seen.schema(other)) for other in columns_of(rule.equals)}
    steps, lacking = numbers_of(rule.equals, others, len(values))
    steps = rounded(np.where(lacking, 0.0, steps), rule.digits)[order.rows]
    numbers, null = measured(stored(values, seen.schema(name)))
    totals = _added_up(steps, order.first)
    if rule.opening and len(totals):
        totals = totals + _begun(totals, steps, order, np.where(null, np.nan, numbers))
    found, untouched = numbers.copy(), np.ones(len(values), dtype=bool)
    found[order.rows], untouched[order.rows] = rounded(totals, rule.digits), null[order.rows]
    return in_place(found, untouched, values, (name, seen))


def _added_up(steps: Floats, first: Mask) -> Floats:
    """Sums up to each row, from zero in each group: one by one, so that small groups lose nothing to large ones."""
    return np.concatenate([np.cumsum(part) for part in np.split(steps, np.flatnonzero(first)[1:])])


def _begun(totals: Floats, steps: Floats, order: Order, drawn: Floats) -> Floats:
    """What each row's group begins with: what its first row was drawn with, but no total below all that were drawn."""
    starts = np.flatnonzero(order.first)
    openings = np.nan_to_num(drawn[order.rows][starts] - steps[starts])
    least = np.nanmin(drawn, initial=np.inf)
    lows = np.minimum.reduceat(totals, starts) + openings
    openings = openings + np.where(np.isfinite(least), np.maximum(0.0, least - lows), 0.0)
    return np.repeat(openings, np.diff(np.r_[starts, len(totals)]))


def _unfit(rule: Running, table: Table, schema: Schema) -> str | None:  # noqa: ARG001
    wrong = unlike(NUMBERS, [table.by_name[rule.column]])
    wrong = wrong or unlike(NUMBERS | MOMENTS, [table.by_name[name] for name in rule.by])
    return wrong or unreadable(rule.equals, table)


KIND = RuleKind[Running](
    propose=_propose,
    test=_test,
    reads=_reads,
    ruled=lambda rule: (rule.column,),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    unfit=_unfit,
    whole=True,
    defines=True,
)
