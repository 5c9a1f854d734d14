"""Keys that nobody declared: what is paired at most once, as a driver and a race."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pyarrow as pa

from replica.kinds.base import is_null
from replica.relations.joins import group_numbers
from replica.rules.base import NEARLY, Evidence, Ints, Looked, Reads, RuleKind, Seen, Tables, comparable
from replica.schema.model import ForeignKey, Schema, Table, column_list, quoted_name
from replica.schema.rules import UniqueRule

# More references than these together are told apart by chance.
_MOST = 3


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[UniqueRule]:  # noqa: ARG001
    """Pairs of references, and threes where no pair in them will do."""
    own = sorted({key.columns for key in keys if key.child == here.table.id and set(key.columns) <= set(here.columns)})
    known = [set(unique.columns) for unique in here.table.uniques if not unique.expressions and not unique.predicate]
    for number in range(2, _MOST + 1):
        for parts in combinations(own, number):
            columns = tuple(dict.fromkeys(name for part in parts for name in part))
            if any(other <= set(columns) for other in known):
                continue
            rows = _rows(here, columns)
            if len(rows) and len(np.unique(rows)) >= NEARLY * len(rows):
                known.append(set(columns))
                yield UniqueRule(columns)


def _rows(here: Looked, columns: tuple[str, ...]) -> Ints:
    """Numbers what the rows have in some columns, those without a null."""
    return group_numbers(_without_null(here, columns))


def _without_null(here: Looked, columns: tuple[str, ...]) -> list[pa.Array]:
    values = [here.columns[name] for name in columns]
    there = pa.array(~np.any([is_null(found) for found in values], axis=0))
    return [found.filter(there) for found in values]


def _test(rule: UniqueRule, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:  # noqa: ARG001
    rows = _rows(here, rule.columns)
    breaks = len(rows) - len(np.unique(rows))
    return Evidence(len(rows) - breaks, breaks, _by_chance(here, rule, rng))


def _by_chance(here: Looked, rule: UniqueRule, rng: np.random.Generator) -> float:
    """How many rows would be there twice if the first column were shuffled."""
    first, *others = _without_null(here, rule.columns)
    rows = group_numbers([first.take(pa.array(rng.permutation(len(first)))), *others])
    return float(len(rows) - len(np.unique(rows)))


def _reads(rule: UniqueRule, table: Table) -> Reads:
    return {table.id: set(rule.columns)}


def _describe(rule: UniqueRule, table: Table) -> str:  # noqa: ARG001 - part of the protocol
    return f"no two rows have the same {column_list(rule.columns)}"


def _breaks(rule: UniqueRule, table: Table, schema: Schema) -> str:  # noqa: ARG001 - part of the protocol
    names = ", ".join(comparable(table.by_name[name], "c") for name in rule.columns)
    there = " AND ".join(f"c.{quoted_name(name)} IS NOT NULL" for name in rule.columns)
    rows = f"SELECT count(*) - 1 AS more FROM {table.own_rows} AS c WHERE {there} GROUP BY {names}"
    return f"SELECT coalesce(sum(more), 0)::bigint FROM ({rows}) AS groups"


def _keep(rule: UniqueRule, name: str, values: pa.Array, seen: Seen) -> pa.Array:  # noqa: ARG001
    """Rows are told apart when references are assigned, so nothing is left to do for a column."""
    return values


KIND = RuleKind[UniqueRule](
    propose=_propose,
    test=_test,
    reads=_reads,
    ruled=lambda rule: (),  # noqa: ARG005 - no column gives way
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    key=lambda rule: rule.columns,
    lenient=True,
)
