"""Learning which columns of composite references have a value where others are null."""

from __future__ import annotations

import numpy as np

from replica.kinds.base import is_null
from replica.learning.source_rows import SourceTable
from replica.planning.decisions import TablePlan
from replica.relations.partial import PartialNulls, count_patterns
from replica.schema.model import ForeignKey


def learn_partial_nulls(source: SourceTable) -> dict[str, PartialNulls]:
    """Returns what references have where they point nowhere, by reference; without those that are null as a whole.

    References that share a column with another are left out: a value there says where the other points. So are columns
    in which a unique rule tells rows apart.
    """
    found = {}
    for key in _candidates(source.plan):
        names = [name for name in key.columns if name in source.frame.column_names]
        if len(names) == len(key.columns) and len(source):
            single = _told_apart(source.plan, key)
            nulls = np.column_stack([is_null(source.column(name)) for name in names])
            found[key.id] = count_patterns(nulls, np.isin(names, list(single)))
    return {name: patterns for name, patterns in found.items() if patterns is not None}


def _candidates(table: TablePlan) -> list[ForeignKey]:
    keys = [*([table.owner] if table.owner else []), *(reference.key for reference in table.references)]
    free = {reference.key.id for reference in table.references if not reference.fixed}
    free |= {table.owner.id} if table.owner else set()
    return [
        key
        for key in keys
        if len(key.columns) > 1
        and key.id in free
        and not key.match_full
        and not any(set(other.columns) & set(key.columns) for other in keys if other.id != key.id)
    ]


def _told_apart(table: TablePlan, key: ForeignKey) -> set[str]:
    """Columns in which rows would repeat a key: in a unique rule that counts rows although others are null."""
    rules = [planned.unique for planned in table.uniques]
    counted = [rule for rule in rules if not (rule.nulls_distinct and set(key.columns) <= set(rule.columns))]
    return {name for rule in counted for name in rule.columns} & set(key.columns)
