"""Conditional nulls: a column is null exactly where another one is, or where that one has certain values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.repair import put
from replica.kinds.base import count_holders, is_null, masked
from replica.relations.joins import group_numbers
from replica.rules.base import Evidence, Looked, Mask, Reads, RuleKind, Seen, Tables, shuffled
from replica.schema.model import ForeignKey, Schema, Table, quote_name, quoted_name, quoted_text
from replica.schema.rules import NullWhen

_MOST_VALUES = 12
_FEW_VALUED = frozenset({"text", "enum", "boolean", "integer"})


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[NullWhen]:  # noqa: ARG001
    nulls = {name: is_null(values) for name, values in here.columns.items()}
    computed = ("generated", "derived")
    partly = [
        name for name in here.columns if nulls[name].any() and not nulls[name].all() and here.kind(name) not in computed
    ]
    bases = [name for name in here.columns if _may_decide(here, name)]
    for name in partly:
        if here.kind(name) in ("key", "reference", "generated", "counter", "period_end", "derived"):
            continue
        told = min(filter(None, (_by_value(here, name, by, nulls[name]) for by in bases if by != name)),
                   key=lambda rule: here.distinct[rule.by], default=None)  # fmt: skip
        if told is not None:
            yield told
            continue
        before = partly[: partly.index(name)]
        same = next((other for other in before if (nulls[other] == nulls[name]).all()), None)
        opposite = next((other for other in before if (nulls[other] != nulls[name]).all()), None)
        if same or opposite:
            yield NullWhen(name, str(same or opposite), negated=same is None)


def _may_decide(here: Looked, name: str) -> bool:
    family = here.table.by_name[name].type.family
    few = 2 <= here.distinct[name] <= _MOST_VALUES and not here.columns[name].null_count
    return few and family in _FEW_VALUED and here.kind(name) in ("category", "number", "label")


def _by_value(here: Looked, name: str, by: str, null: Mask) -> NullWhen | None:
    """The rule that a column's values decide which rows are null, if each value does."""
    codes, n = here.codes[by], here.distinct[by]
    total, nulls = np.bincount(codes, minlength=n), np.bincount(codes[null], minlength=n)
    pure = (nulls == 0) | (nulls == total)
    if not pure.all():
        return None
    texts = texts_of(here.columns[by]).to_pylist()
    first = [texts[row] for row in np.unique(codes, return_index=True)[1]]
    with_null, without = np.flatnonzero(nulls), np.flatnonzero(nulls == 0)
    for places, negated in sorted([(with_null, False), (without, True)], key=lambda side: len(side[0])):
        if all(_may_be_written(here, by, int(code)) for code in places):
            return NullWhen(name, by, tuple(sorted(first[code] for code in places)), negated)
    return None


def _may_be_written(here: Looked, by: str, code: int) -> bool:
    """True for a value that a map may hold: the schema's own, one of nobody, or one that many persons share."""
    family = here.table.by_name[by].type.family
    if family in ("enum", "boolean") or here.map.role not in ("subject", "private"):
        return True
    if here.holder is None or not set(here.holder) <= set(here.columns):
        return False
    rows = here.codes[by] == code
    holders = group_numbers([here.columns[name] for name in here.holder])[rows] if here.holder else None
    held = count_holders(np.zeros(int(rows.sum()), np.int64), 1, holders)
    return int(held[0]) >= here.min_holders


def texts_of(values: pa.Array) -> pa.Array:
    """Returns values as maps write them."""
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _says_null(rule: NullWhen, by: pa.Array) -> Mask:
    if rule.values:
        found = pc.is_in(texts_of(by), pa.array(rule.values, pa.string()))
        says: Mask = np.array(pc.fill_null(found, False), dtype=bool)
    else:
        says = is_null(by)
    return ~says if rule.negated else says


def _test(rule: NullWhen, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:  # noqa: ARG001
    null, says = is_null(here.columns[rule.column]), _says_null(rule, here.columns[rule.by])
    n, breaks = len(here), int((null != says).sum())
    every = np.ones(n, dtype=bool)
    return Evidence(n - breaks, breaks, shuffled(n, every, lambda order: null[order] != says, rng))


def _reads(rule: NullWhen, table: Table) -> Reads:
    return {table.id: {rule.column, rule.by}}


def _describe(rule: NullWhen, table: Table) -> str:  # noqa: ARG001
    column, by = quote_name(rule.column), quote_name(rule.by)
    if not rule.values:
        return f"{column} is null exactly where {by} is {'not ' if rule.negated else ''}null"
    values = f"{'none' if rule.negated else 'one'} of {len(rule.values)} values"
    return f"{column} is null exactly where {by} is {values}"


def _breaks(rule: NullWhen, table: Table, schema: Schema) -> str:  # noqa: ARG001
    by = quoted_name(rule.by)
    listed = ", ".join(map(quoted_text, rule.values))
    says = f"coalesce({by}::text IN ({listed}), false)" if listed else f"{by} IS NULL"
    same = "=" if rule.negated else "<>"
    return f"SELECT count(*) FROM {table.own_rows} WHERE ({quoted_name(rule.column)} IS NULL) {same} ({says})"


def _keep(rule: NullWhen, name: str, values: pa.Array, seen: Seen) -> pa.Array:  # noqa: ARG001
    says, null = _says_null(rule, seen.own(rule.by)), is_null(values)
    there, lacking = np.flatnonzero(~null), np.flatnonzero(null & ~says)
    if len(lacking) and len(there):
        values = put(values, lacking, values.take(pa.array(seen.rng.choice(there, len(lacking)))))
    return masked(values, says)


KIND = RuleKind[NullWhen](
    propose=_propose,
    test=_test,
    reads=_reads,
    ruled=lambda rule: (rule.column,),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    alone=True,
)
