"""Functional dependencies within a table: rows that agree in one column agree in another."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.kinds.base import is_null
from replica.relations.joins import group_numbers
from replica.rules.base import NEARLY, Evidence, Ints, Looked, Reads, RuleKind, Seen, Tables, comparable
from replica.schema.model import ForeignKey, Schema, Table, quote_name
from replica.schema.rules import Dependency

# Columns whose values name something that others can follow from.
_DETERMINANTS = frozenset({"category", "label", "code", "reference"})
# With fewer repetitions per value than this, the values of a column are hardly ever met twice.
_REPEATED = 1.2


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[Dependency]:  # noqa: ARG001
    singles = {key.columns[0] for key in keys if key.child == here.table.id and len(key.columns) == 1}
    determinants = [name for name in here.columns if _may_determine(here, name, singles)]
    follows = {
        name: [by for by in determinants if by != name and _is_finer(here, by, name) and _agrees(here, by, name)]
        for name in here.free
        if here.distinct[name] > 1
    }
    for name, found in follows.items():
        if found:
            # The coarsest one: what is finer decides it, and through it this column too.
            yield Dependency(name, min(found, key=lambda by: (here.distinct[by], list(here.columns).index(by))))


def _may_determine(here: Looked, name: str, singles: set[str]) -> bool:
    kind = here.kind(name)
    repeated = 1 < here.distinct[name] * _REPEATED < len(here)
    return repeated and kind in _DETERMINANTS and (kind != "reference" or name in singles)


def _is_finer(here: Looked, by: str, name: str) -> bool:
    """An order of columns, so that no two decide each other."""
    place = list(here.columns).index
    return (here.distinct[by], -place(by)) > (here.distinct[name], -place(name))


def _agrees(here: Looked, by: str, name: str) -> bool:
    a, b = here.codes[by], here.codes[name]
    there = ~is_null(here.columns[by])
    pairs = len(np.unique(a[there] * here.distinct[name] + b[there]))
    groups = len(np.unique(a[there]))
    return pairs - groups <= (1 - NEARLY) * int(there.sum())


def _test(rule: Dependency, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:  # noqa: ARG001
    there = ~is_null(here.columns[rule.by])
    a, b = here.codes[rule.by][there], here.codes[rule.column][there]
    pairs, counts = np.unique(a * here.distinct[rule.column] + b, return_counts=True)
    of = pairs // here.distinct[rule.column]
    groups, starts = np.unique(of, return_index=True)
    most = np.maximum.reduceat(counts, starts) if len(starts) else np.zeros(0, np.int64)
    breaks = len(a) - int(most.sum())
    # Of each group one row comes first; the others could differ from it.
    repeats = len(a) - len(groups)
    shares = np.bincount(b) / max(1, len(b))
    return Evidence(repeats - breaks, breaks, repeats * float(1 - (shares**2).sum()))


def _reads(rule: Dependency, table: Table) -> Reads:
    return {table.id: {rule.column, rule.by}}


def _describe(rule: Dependency, table: Table) -> str:  # noqa: ARG001
    return f"{quote_name(rule.column)} follows from {quote_name(rule.by)}"


def _breaks(rule: Dependency, table: Table, schema: Schema) -> str:  # noqa: ARG001
    """Counts what agrees with less than the most of its group."""
    by, column = (comparable(table.by_name[name], "t") for name in (rule.by, rule.column))
    pairs = f"SELECT {by} AS g, count(*) AS n FROM {table.own_rows} AS t WHERE {by} IS NOT NULL GROUP BY {by}, {column}"
    groups = f"SELECT sum(n) - max(n) AS n FROM ({pairs}) AS pairs GROUP BY g"
    return f"SELECT coalesce(sum(n), 0) FROM ({groups}) AS groups"


def _keep(rule: Dependency, name: str, values: pa.Array, seen: Seen) -> pa.Array:  # noqa: ARG001
    """All rows of a group take what the first of them has, or what was learned for it."""
    by = seen.own(rule.by)
    groups = group_numbers([by])
    first = _first_rows(groups)
    kept = values.take(pa.array(np.where(is_null(by), np.arange(len(by)), first[groups])))
    learned = seen.learned()
    if learned is None or not len(learned):
        return kept
    found = pc.index_in(_texts(by), learned.column("by").combine_chunks())
    known = learned.column("value").combine_chunks()
    try:
        taken = known.cast(values.type).take(found)
    except pa.ArrowInvalid:
        return kept
    return pc.if_else(pc.is_valid(found), taken, kept)


def _first_rows(groups: Ints) -> Ints:
    return np.unique(groups, return_index=True)[1].astype(np.int64) if len(groups) else np.zeros(0, np.int64)


def _texts(values: pa.Array) -> pa.Array:
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


KIND = RuleKind[Dependency](
    propose=_propose,
    test=_test,
    reads=_reads,
    ruled=lambda rule: (rule.column,),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    whole=True,
    defines=True,
    alone=True,
)
