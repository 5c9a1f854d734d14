"""Order across tables: a moment that never comes before one of the row that it points to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from replica.rules.base import (
    MOMENTS,
    NEARLY,
    Evidence,
    Floats,
    Looked,
    Mask,
    RuleKind,
    Seen,
    Tables,
    in_sql,
    joined,
    key_of,
    measured,
    points_to,
    reads_above,
    unlike,
)
from replica.rules.inequality import bounded
from replica.schema.model import ForeignKey, Schema, Table, column_list, quote_name
from replica.schema.rules import AfterParent


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[AfterParent]:
    for key in keys:
        parent = tables.get(key.parent)
        if key.child != here.table.id or parent is None or key.is_self:
            continue
        for name in here.moments():
            for other in parent.moments():
                found = _beside(here, parent, key, name, other)
                if found is None:
                    continue
                values, base, both = found
                if not both.any() or (values >= base)[both].mean() >= NEARLY:
                    yield AfterParent(name, key.columns, other)


def _beside(here: Looked, parent: Looked, key: ForeignKey, name: str, other: str) -> tuple[Floats, Floats, Mask] | None:
    """Both moments of every row, and where both are there."""
    rows = points_to(here, key, parent)
    if rows is None or not len(parent):
        return None
    values, null = measured(here.columns[name])
    base, no_base = measured(parent.columns[other])
    at = np.maximum(rows, 0)
    return values, base[at], ~null & (rows >= 0) & ~no_base[at]


def _test(rule: AfterParent, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:
    key = key_of(here.table.foreign_keys, here.table.id, rule.via)
    parent = tables[key.parent] if key else None
    found = _beside(here, parent, key, rule.column, rule.parent_column) if key and parent else None
    if found is None:
        return Evidence(0, 0, 0.0)
    values, base, both = found
    rows = np.flatnonzero(both)
    breaks = int((values < base)[rows].sum())
    by_chance = float((values[rows] < base[rng.permutation(rows)]).sum())
    return Evidence(len(rows) - breaks, breaks, by_chance)


def _describe(rule: AfterParent, table: Table) -> str:
    key = key_of(table.foreign_keys, table.id, rule.via)
    parent = key.parent if key else "parent"
    return f"{quote_name(rule.column)} >= {parent}.{quote_name(rule.parent_column)} through {column_list(rule.via)}"


def _breaks(rule: AfterParent, table: Table, schema: Schema) -> str:
    key = next(key for key in table.foreign_keys if key.columns == rule.via)
    parent = schema.by_id[key.parent]
    moment, earliest = in_sql(table.by_name[rule.column], "c"), in_sql(parent.by_name[rule.parent_column], "p")
    rows = f"{table.own_rows} AS c JOIN {parent.own_rows} AS p ON {joined(key)}"
    return f"SELECT count(*) FROM {rows} WHERE {moment} < {earliest}"


def _keep(rule: AfterParent, name: str, values: pa.Array, seen: Seen) -> pa.Array:  # noqa: ARG001
    bound, null = measured(seen.parent(rule.via, rule.parent_column))
    return bounded(values, np.where(null, np.nan, bound), seen, least=True)


def _unfit(rule: AfterParent, table: Table, schema: Schema) -> str | None:
    key = next(key for key in table.foreign_keys if key.columns == rule.via)
    return unlike(MOMENTS, [table.by_name[rule.column], schema.by_id[key.parent].by_name[rule.parent_column]])


KIND = RuleKind[AfterParent](
    propose=_propose,
    test=_test,
    reads=reads_above,
    ruled=lambda rule: (rule.column,),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    unfit=_unfit,
)
