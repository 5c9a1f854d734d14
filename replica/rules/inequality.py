"""Inequalities: one column of a row is never greater than another, as a start and an end."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.repair import put
from replica.kinds.base import is_null
from replica.kinds.datetime import DAY_US
from replica.rules.base import (
    MOMENTS,
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
    like,
    measured,
    unlike,
    words,
)
from replica.schema.model import ForeignKey, Schema, Table, quote_name
from replica.schema.rules import Inequality

# Numbers are comparable where their names say so, or where chance would break the rule this often.
_OPPOSITES = (
    {"min", "max"}, {"minimum", "maximum"}, {"low", "high"}, {"lower", "upper"}, {"start", "end"}, {"from", "to"},
    {"first", "last"}, {"begin", "end"}, {"net", "gross"}, {"cost", "price"}, {"used", "total"}, {"subtotal", "total"},
    {"paid", "total"}, {"birth", "death"}, {"buy", "sell"}, {"open", "close"},
)  # fmt: skip
_FAR_FROM_CHANCE = 1_000


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[Inequality]:  # noqa: ARG001
    moments, numbers = here.moments(), here.numbers()
    pairs = [*permutations(moments, 2), *permutations(numbers, 2)]
    found = {}
    for least, most in pairs:
        if _is_known(here, least, most):
            continue
        a, b, both = _pair(here, least, most)
        n = int(both.sum())
        if n and (a <= b)[both].mean() >= 0.995 and not (a == b)[both].all():
            found[least, most] = not (a == b)[both].any()
    for (least, most), never_equal in found.items():
        # What follows from two others need not be said, nor the weaker of two that say the opposite.
        if not any((least, x) in found and (x, most) in found for x in {*moments, *numbers} - {least, most}):
            yield Inequality(least, most, strict=never_equal and _is_strict(here, least, most))


def _is_known(here: Looked, least: str, most: str) -> bool:
    """True for moments that are made in this order anyway."""
    found = here.map.columns.get(most)
    return found is not None and least in (found.after, found.of)


def _pair(here: Looked, least: str, most: str) -> tuple[Floats, Floats, Mask]:
    (a, no_a), (b, no_b) = measured(here.columns[least]), measured(here.columns[most])
    return a, b, ~no_a & ~no_b


def _is_strict(here: Looked, least: str, most: str) -> bool:
    """True where equal values would be met often if the columns knew nothing of each other."""
    a, b, both = _pair(here, least, most)
    values, counts = np.unique(a[both], return_counts=True)
    others, other_counts = np.unique(b[both], return_counts=True)
    _, i, j = np.intersect1d(values, others, return_indices=True)
    return float((counts[i] * other_counts[j]).sum()) / max(1, int(both.sum())) >= 20


def _is_plausible(here: Looked, rule: Inequality, by_chance: float) -> bool:
    if rule.most in here.moments():
        return True
    a, b = words(rule.least), words(rule.most)
    named = bool(a & b) or any(pair & a and pair & b and len(pair & (a | b)) == 2 for pair in _OPPOSITES)
    return named or by_chance >= _FAR_FROM_CHANCE


def _test(rule: Inequality, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:  # noqa: ARG001
    a, b, both = _pair(here, rule.least, rule.most)
    broken = (a > b) | (rule.strict & (a == b))
    n = int(both.sum())
    rows = np.flatnonzero(both)
    order = rng.permutation(rows)
    by_chance = float(((a[rows] > b[order]) | (rule.strict & (a[rows] == b[order]))).sum()) if n > 1 else 0.0
    breaks = int(broken[both].sum())
    return Evidence(n - breaks, breaks, by_chance if _is_plausible(here, rule, by_chance) else 0.0)


def _reads(rule: Inequality, table: Table) -> Reads:
    return {table.id: {rule.least, rule.most}}


def _describe(rule: Inequality, table: Table) -> str:  # noqa: ARG001
    return f"{quote_name(rule.least)} {'<' if rule.strict else '<='} {quote_name(rule.most)}"


def _breaks(rule: Inequality, table: Table, schema: Schema) -> str:  # noqa: ARG001
    least, most = (in_sql(table.by_name[name]) for name in (rule.least, rule.most))
    return f"SELECT count(*) FROM {table.own_rows} WHERE {least} {'>=' if rule.strict else '>'} {most}"


def _keep(rule: Inequality, name: str, values: pa.Array, seen: Seen) -> pa.Array:
    other = rule.least if name == rule.most else rule.most
    bound, no_bound = measured(seen.own(other))
    return bounded(values, np.where(no_bound, np.nan, bound), seen, least=name == rule.most, strict=rule.strict)


def bounded(values: pa.Array, bound: Floats, seen: Seen, *, least: bool, strict: bool = False) -> pa.Array:
    """Moves the values that lie on the wrong side of a bound to the right one.

    A moment gets a distance from its bound that another row has; a number a value that another row has. What nothing
    fits is put on the bound.

    Args:
        values: numbers or moments.
        bound: a bound per row, as :func:`measured` gives it; NaN for none.
        seen: where chance comes from.
        least: True where no value may be less than its bound, False where none may be greater.
        strict: True where none may equal it.
    """
    sign = 1.0 if least else -1.0
    numbers, null = measured(values)
    step = _step(values.type)
    limit = sign * bound + (step if strict else 0.0)
    if pa.types.is_date32(values.type):
        limit = np.ceil(limit / DAY_US) * DAY_US
    own = sign * numbers
    with np.errstate(invalid="ignore"):
        bad = ~null & (own < limit)
        good = np.flatnonzero(~null & (own >= limit))
    if not bad.any():
        return values
    if pa.types.is_date32(values.type) or pa.types.is_timestamp(values.type):
        gaps = (own - limit)[good] if len(good) else np.zeros(1)
        far = max(float(own[~null].max()), float(np.nanmax(limit[bad])))
        moved = np.minimum(limit[bad] + seen.rng.choice(gaps, int(bad.sum())), np.maximum(far, limit[bad]))
        new = like(sign * moved, np.zeros(len(moved), dtype=bool), values.type, up=least)
        return put(values, np.flatnonzero(bad), new)
    return _redrawn(values, sign * numbers, limit, bad, sign, seen)


def _redrawn(values: pa.Array, own: Floats, limit: Floats, bad: Mask, sign: float, seen: Seen) -> pa.Array:
    """Gives numbers on the wrong side one of the values on the right side."""
    there = np.flatnonzero(~is_null(values))
    ordered = there[np.argsort(own[there], kind="stable")]
    rows = np.flatnonzero(bad)
    first = np.searchsorted(own[ordered], limit[rows], side="left")
    fits = first < len(ordered)
    place = first + np.floor(seen.rng.random(len(rows)) * (len(ordered) - first)).astype(np.int64)
    source = np.where(fits, ordered[np.minimum(place, len(ordered) - 1)], 0)
    found = values.take(pa.array(source))
    at_bound = like(sign * limit[rows], np.zeros(len(rows), dtype=bool), values.type, up=sign > 0)
    return put(values, rows, pc.if_else(pa.array(fits), found, at_bound))


def _step(kind: pa.DataType) -> float:
    """The least distance between two values of a type."""
    if pa.types.is_date32(kind):
        return float(DAY_US)
    if pa.types.is_decimal(kind):
        return float(10.0**-kind.scale)
    return 1.0 if pa.types.is_integer(kind) or pa.types.is_timestamp(kind) else 1e-6


def _unfit(rule: Inequality, table: Table, schema: Schema) -> str | None:  # noqa: ARG001
    least, most = table.by_name[rule.least], table.by_name[rule.most]
    return unlike(MOMENTS if least.type.family in MOMENTS else NUMBERS, [least, most])


KIND = RuleKind[Inequality](
    propose=_propose,
    test=_test,
    reads=_reads,
    ruled=lambda rule: (rule.most, rule.least),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    unfit=_unfit,
    alone=True,
)
