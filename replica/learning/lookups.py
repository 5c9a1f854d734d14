"""What rows say of one column given another, where a rule says that it follows and both may be kept as they are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from replica.fitted import Lookup
from replica.kinds.base import count_holders, is_null
from replica.learning.source_rows import SourceTable
from replica.relations.joins import group_numbers
from replica.schema.rules import Dependency

_KEPT = frozenset({"category", "label"})


def learn_lookups(source: SourceTable, min_holders: int) -> dict[str, Lookup]:
    """Learns what follows from what, for the dependencies of a table.

    Args:
        source: its rows.
        min_holders: least number of persons behind a pair of values of a private table that is kept.

    Returns:
        Lookups, by the column that follows. Pairs that too few persons share are left out.
    """
    kinds = {column.name: column.kind for column in source.plan.columns}
    return {
        found.column: _learn(source, found.rule, min_holders if source.plan.private else 1)
        for found in source.plan.rules
        if isinstance(found.rule, Dependency) and {kinds[found.rule.by], kinds[found.column]} <= _KEPT
    }


def _learn(source: SourceTable, rule: Dependency, least: int) -> Lookup:
    by, values = source.column(rule.by), source.column(rule.column)
    groups = group_numbers([by, values])
    n = int(groups.max(initial=-1)) + 1
    held = count_holders(groups, n, source.holders)
    first = np.unique(groups, return_index=True)[1][held >= least]
    rows = first[~is_null(by)[first]]
    texts = [array if pa.types.is_string(array.type) else array.cast(pa.string()) for array in (by, values)]
    determinants, followers = (found.take(pa.array(rows)).to_pylist() for found in texts)
    return Lookup(tuple(determinants), tuple(followers))
