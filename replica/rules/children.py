"""What a row says of the rows that point to it: how many there are, and the sum of something over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from replica.constraints.checks import columns_of, numbers_of
from replica.kinds.base import is_null
from replica.rules.arithmetic import products, singles
from replica.rules.base import (
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
    joined,
    measured,
    points_to,
    unlike,
    words,
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
    unreadable,
)
from replica.schema.model import ForeignKey, Schema, Table, column_list, quote_name, quoted_name
from replica.schema.rules import ChildCount, ChildrenRule, ChildSum

_MOST_NUMBERS = 8
_TOTALS = frozenset({"total", "sum", "amount", "subtotal", "balance", "value", "price", "net", "gross", "hours", "qty",
                     "quantity", "points", "score", "budget", "cost", "paid", "spent", "weight"})  # fmt: skip
_COUNTS = frozenset({"count", "number", "num", "n", "total", "size", "counter", "cnt", "qty", "quantity", "posts",
                     "comments", "items", "children", "members"})  # fmt: skip


def _incoming(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterator[tuple[ForeignKey, Looked]]:
    """References to a table from tables that rows were read of."""
    for key in keys:
        if key.parent == here.table.id and key.child in tables:
            yield key, tables[key.child]


# Counts ---------------------------------------------------------------------------------------------------------------


def _propose_counts(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[ChildCount]:
    names = [name for name in here.numbers() if here.table.by_name[name].type.family == "integer"]
    decided = set()
    for key, child in _incoming(here, tables, keys):
        whole = here.complete and child.complete
        counts = _counts(here, child, key)
        for name in names:
            if name in decided or (not whole and not words(name) & _COUNTS):
                continue
            values, null = measured(here.columns[name])
            if not whole or (counts is not None and (values == counts)[~null].mean() >= NEARLY):
                decided.add(name)
                yield ChildCount(name, key.child, key.columns)


def _counts(here: Looked, child: Looked, key: ForeignKey) -> Floats | None:
    rows = points_to(child, key, here)
    return None if rows is None else np.bincount(rows[rows >= 0], minlength=len(here)).astype(np.float64)


def _test_count(rule: ChildCount, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:
    child = tables[rule.table]
    counts = _counts(here, child, _key(rule, here, child)) if here.complete and child.complete else None
    if counts is None:
        return Evidence(0, 0, 0.0)
    values, null = measured(here.columns[rule.column])
    return evidence(values, counts, ~null, rng, (0, 0.0))


def _key(rule: ChildrenRule, here: Looked, child: Looked) -> ForeignKey:
    """The reference that a rule goes through."""
    return next(key for key in child.table.foreign_keys if key.columns == rule.via and key.parent == here.table.id)


def _keep_count(rule: ChildCount, name: str, values: pa.Array, seen: Seen) -> pa.Array:
    rows, _ = seen.children(rule.table, rule.via, ())
    counts = np.bincount(rows[rows >= 0], minlength=len(values)).astype(np.float64)
    return in_place(counts, is_null(values), values, (name, seen))


def _reads_count(rule: ChildCount, table: Table) -> Reads:
    found: Reads = {table.id: {rule.column}}
    found[rule.table] = found.get(rule.table, frozenset()) | set(rule.via)
    return found


def _describe_count(rule: ChildCount, table: Table) -> str:  # noqa: ARG001
    return f"{quote_name(rule.column)} = count({rule.table}{column_list(rule.via)})"


def _breaks_count(rule: ChildCount, table: Table, schema: Schema) -> str:
    number = in_sql(table.by_name[rule.column], "p")
    rows = _with_children(rule, table, schema, "count(*) AS replica_n")
    return f"SELECT count(*) FROM {rows} WHERE {number} <> coalesce(c.replica_n, 0)"


def _with_children(rule: ChildrenRule, table: Table, schema: Schema, outputs: str) -> str:
    """Rows ``p`` of a table in SQL, each beside what is said of its children ``c``; null where there are none."""
    child = schema.by_id[rule.table]
    key = next(key for key in child.foreign_keys if key.columns == rule.via and key.parent == table.id)
    names = ", ".join(map(quoted_name, key.columns))
    # Rows without a parent are no group of any.
    groups = f"SELECT {names}, {outputs} FROM {child.own_rows} GROUP BY {names}"
    return f"{table.own_rows} AS p LEFT JOIN ({groups}) AS c ON {joined(key)}"


COUNT = RuleKind[ChildCount](
    propose=_propose_counts,
    test=_test_count,
    reads=_reads_count,
    ruled=lambda rule: (rule.column,),
    describe=_describe_count,
    breaks=_breaks_count,
    keep=_keep_count,
    unfit=lambda rule, table, schema: unlike(NUMBERS, [table.by_name[rule.column]]),  # noqa: ARG005
    whole=True,
    defines=True,
)


# Sums -----------------------------------------------------------------------------------------------------------------


def _propose_sums(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[ChildSum]:
    decided: set[str] = set()
    for key, child in _incoming(here, tables, keys):
        rows = points_to(child, key, here)
        names = child.numbers()[:_MOST_NUMBERS]
        if rows is None or not names or key.is_self:
            continue
        whole = here.complete and child.complete
        for term in (*singles(child, names), *products(child, names)):
            sums, lacking = _summed(term.values, term.null, rows, len(here))
            for name in here.numbers():
                if name in decided or (not whole and not words(name) & _TOTALS):
                    continue
                digits = _sum_digits(here, child, (name, *term.reads), (sums, lacking), whole=whole)
                if digits is not None:
                    decided.add(name)
                    to = rounding(here.table, child.table, (name, *term.reads), digits)
                    yield ChildSum(name, key.child, key.columns, term.sql, to)


def _sum_digits(
    here: Looked, child: Looked, names: tuple[str, ...], found: tuple[Floats, Mask], *, whole: bool
) -> int | None:
    """Digits to which a column equals sums; None where it does not, as far as can be told from these rows."""
    values, null = measured(here.columns[names[0]])
    sums, lacking = found
    rows = np.flatnonzero(~null & ~lacking)
    if not len(rows):
        return None
    digits = digits_of(here.table.by_name[names[0]], values[rows])
    noise = max(noise_of(here.table, names[:1]), noise_of(child.table, names[1:]))
    if whole:
        return digits if is_equal(values[rows], sums[rows], digits, noise).mean() >= NEARLY else None
    # Of families that were read in part, sums say nothing but that they are not too large.
    return digits if (sums[rows] <= values[rows] + 10.0**-digits).mean() >= NEARLY else None


def _summed(values: Floats, null: Mask, rows: Ints, n: int) -> tuple[Floats, Mask]:
    """Sums per row pointed to, and which of these have a null among what is summed."""
    there = rows >= 0
    sums = np.bincount(rows[there], weights=np.where(null, 0.0, values)[there], minlength=n).astype(np.float64)
    lacking = np.bincount(rows[there & null], minlength=n) > 0
    return sums, lacking


def _test_sum(rule: ChildSum, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:
    child = tables[rule.table]
    rows = points_to(child, _key(rule, here, child), here) if here.complete and child.complete else None
    if rows is None:
        return Evidence(0, 0, 0.0)
    numbers, null = numbers_of(rule.equals, as_numbers(child.columns, child.table), len(child))
    sums, lacking = _summed(numbers, null, rows, len(here))
    values, no_value = measured(here.columns[rule.column])
    childless = np.bincount(rows[rows >= 0], minlength=len(here)) == 0
    test = _digits(rule), _noise(rule, here.table, child.table)
    return evidence(values, sums, ~lacking & ~(no_value & childless), rng, test)


def _digits(rule: ChildSum) -> int:
    return -1 if rule.digits is None else rule.digits


def _keep_sum(rule: ChildSum, name: str, values: pa.Array, seen: Seen) -> pa.Array:
    names = sorted(columns_of(rule.equals))
    rows, columns = seen.children(rule.table, rule.via, names)
    numbers, null = numbers_of(rule.equals, columns, len(rows))
    sums, lacking = _summed(numbers, null, rows, len(values))
    childless = np.bincount(rows[rows >= 0], minlength=len(values)) == 0
    return in_place(rounded(sums, rule.digits), lacking | (is_null(values) & childless), values, (name, seen))


def _reads_sum(rule: ChildSum, table: Table) -> Reads:
    return {table.id: {rule.column}, rule.table: {*rule.via, *columns_of(rule.equals)}}


def _breaks_sum(rule: ChildSum, table: Table, schema: Schema) -> str:
    child = schema.by_id[rule.table]
    summed = computed(rule.equals, child)
    # A null among what is summed says nothing of the sum.
    outputs = f"sum(({summed})::float8) AS replica_total, bool_or(({summed}) IS NULL) AS replica_lacking"
    number = in_sql(table.by_name[rule.column], "p")
    test = rule.digits, _noise(rule, table, child)
    wrong = differs(f"coalesce({number}, 0)", "coalesce(c.replica_total, 0)", test)
    says = f"(NOT c.replica_lacking OR c.replica_lacking IS NULL AND {number} IS NOT NULL)"
    return f"SELECT count(*) FROM {_with_children(rule, table, schema, outputs)} WHERE {says} AND {wrong}"


def _noise(rule: ChildSum, table: Table, child: Table) -> float:
    return max(noise_of(table, (rule.column,)), noise_of(child, columns_of(rule.equals)))


def _describe_sum(rule: ChildSum, table: Table) -> str:  # noqa: ARG001
    total = f"sum({rule.equals})" if rule.digits is None else f"round(sum({rule.equals}), {rule.digits})"
    return f"{quote_name(rule.column)} = {total} of {rule.table}{column_list(rule.via)}"


def _unfit_sum(rule: ChildSum, table: Table, schema: Schema) -> str | None:
    return unlike(NUMBERS, [table.by_name[rule.column]]) or unreadable(rule.equals, schema.by_id[rule.table])


SUM = RuleKind[ChildSum](
    propose=_propose_sums,
    test=_test_sum,
    reads=_reads_sum,
    ruled=lambda rule: (rule.column,),
    describe=_describe_sum,
    breaks=_breaks_sum,
    keep=_keep_sum,
    unfit=_unfit_sum,
    whole=True,
    defines=True,
)
