"""Periods of one group that never overlap: each ends before the next one starts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

import numpy as np
import pyarrow as pa

from replica.kinds.base import is_null
from replica.kinds.datetime import DAY_US
from replica.relations.joins import group_numbers
from replica.rules.base import (
    MOMENTS,
    Evidence,
    Floats,
    Ints,
    Looked,
    Mask,
    Reads,
    RuleKind,
    Seen,
    Tables,
    like,
    measured,
    unlike,
)
from replica.schema.model import ForeignKey, Schema, Table, column_list, quote_name, quoted_name
from replica.schema.rules import Periods


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[Periods]:  # noqa: ARG001
    groups = [key.columns for key in keys if key.child == here.table.id]
    moments = [name for name in here.moments() if here.map.columns[name].kind == "moment"]
    for start, end in permutations(moments, 2):
        if here.table.by_name[start].type.family != here.table.by_name[end].type.family:
            continue
        (a, no_a), (b, no_b) = measured(here.columns[start]), measured(here.columns[end])
        both = ~no_a & ~no_b
        if no_a.any() or not both.any() or not (a <= b)[both].all() or not (a < b)[both].any():
            continue
        for within in dict.fromkeys(groups):
            if set(within) <= set(here.columns):
                following, gaps = _gaps(here, within, (a, b, no_b))
                if following.any() and (gaps[following] >= 0).mean() >= 0.995:
                    yield Periods(within, start, end, strict=bool((gaps[following] > 0).all()))


def _gaps(here: Looked, within: tuple[str, ...], periods: tuple[Floats, Floats, Mask]) -> tuple[Mask, Floats]:
    """For rows in order, which have a next one in their group, and how long after their end it starts."""
    start, end, is_open = periods
    null = np.zeros(len(here), dtype=bool)
    for name in within:
        null |= is_null(here.columns[name])
    groups = np.where(null, -1, group_numbers([here.columns[name] for name in within]))
    order, following = in_order(groups, start)
    last = np.where(is_open, np.inf, end)[order]
    return following, np.r_[start[order][1:], 0.0][: len(order)] - last


def in_order(groups: Ints, start: Floats) -> tuple[Ints, Mask]:
    """Returns the rows by group and start, and which of them, so ordered, have a next one in their group."""
    order = np.lexsort([start, groups])
    sorted_groups = groups[order]
    following = np.zeros(len(order), dtype=bool)
    following[:-1] = (sorted_groups[1:] == sorted_groups[:-1]) & (sorted_groups[1:] >= 0)
    return order.astype(np.int64), following


def _test(rule: Periods, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:  # noqa: ARG001
    start, no_start = measured(here.columns[rule.start])
    end, is_open = measured(here.columns[rule.end])
    if not here.complete or no_start.any():
        return Evidence(0, 0, 0.0)
    least = _least(here.columns[rule.end].type) if rule.strict else 0.0
    following, gaps = _gaps(here, rule.within, (start, end, is_open))
    breaks = int((gaps[following] < least).sum())
    # By chance: the same periods, dealt to the groups anew.
    order = rng.permutation(len(here))
    following_by_chance, gaps_by_chance = _gaps(here, rule.within, (start[order], end[order], is_open[order]))
    by_chance = float((gaps_by_chance[following_by_chance] < least).sum())
    return Evidence(int(following.sum()) - breaks, breaks, by_chance)


def _least(kind: pa.DataType) -> float:
    return float(DAY_US) if pa.types.is_date32(kind) else 1.0


def _reads(rule: Periods, table: Table) -> Reads:
    return {table.id: {rule.start, rule.end, *rule.within}}


def _describe(rule: Periods, table: Table) -> str:  # noqa: ARG001
    period = f"{quote_name(rule.start)} to {quote_name(rule.end)}"
    return f"{period} never overlap within {column_list(rule.within)}"


def _breaks(rule: Periods, table: Table, schema: Schema) -> str:  # noqa: ARG001
    start, end = quoted_name(rule.start), quoted_name(rule.end)
    within = ", ".join(map(quoted_name, rule.within))
    known = " AND ".join(f"{quoted_name(name)} IS NOT NULL" for name in (*rule.within, rule.start))
    following = f"lead({start}) OVER (PARTITION BY {within} ORDER BY {start}, {end})"
    rows = f"SELECT {end} AS ends, {following} AS following FROM {table.own_rows} WHERE {known}"
    late = f"ends IS NULL OR ends {'>=' if rule.strict else '>'} following"
    return f"SELECT count(*) FROM ({rows}) AS periods WHERE following IS NOT NULL AND ({late})"


def _keep(rule: Periods, name: str, values: pa.Array, seen: Seen) -> pa.Array:
    """Starts that are too close are moved on; ends that reach into the next period are drawn back before it."""
    within = [seen.own(column) for column in rule.within]
    null = np.zeros(len(values), dtype=bool)
    for column in within:
        null |= is_null(column)
    groups = np.where(null, -1, group_numbers(within))
    least = _least(values.type)
    if name == rule.start:
        return _apart(values, groups, least)
    start, _ = measured(seen.own(rule.start))
    order, following = in_order(groups, start)
    latest = np.full(len(values), np.nan)
    latest[order[following]] = start[order[1:][following[:-1]]] - (least if rule.strict else 0.0)
    numbers, is_open = measured(values)
    late = ~np.isnan(latest) & (is_open | (numbers > latest))
    # Starts of one group are in order, so that no end is drawn back before its own start.
    ends = np.where(late, np.maximum(latest, start), numbers)
    return like(ends, is_open & ~late, values.type, up=False)


def _apart(values: pa.Array, groups: Ints, least: float) -> pa.Array:
    """Starts of one group in the same order, but all different."""
    numbers, null = measured(values)
    order, following = in_order(groups, numbers)
    moved = numbers[order]
    ahead = np.flatnonzero(following)
    while len(close := ahead[moved[ahead + 1] < moved[ahead] + least]):
        moved[close + 1] = moved[close] + least
    found = np.empty(len(moved))
    found[order] = moved
    return like(found, null, values.type)


def _unfit(rule: Periods, table: Table, schema: Schema) -> str | None:  # noqa: ARG001
    start, end = table.by_name[rule.start], table.by_name[rule.end]
    return unlike(MOMENTS, [start, end]) or unlike({start.type.family}, [end])


KIND = RuleKind[Periods](
    propose=_propose,
    test=_test,
    reads=_reads,
    ruled=lambda rule: (rule.start, rule.end) if rule.strict else (rule.end,),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    unfit=_unfit,
    whole=True,
    together=True,
)
