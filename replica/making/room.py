"""How many rows keys leave room for."""

from __future__ import annotations

import math
from collections.abc import Mapping

from replica.fitted import FittedTable
from replica.planning.decisions import TablePlan, UniquePlan
from replica.schema.model import ForeignKey


def room_under(table: TablePlan, fitted: FittedTable, key: ForeignKey, counts: Mapping[str, int]) -> int | None:
    """Returns how many rows of a table may point to one and the same row.

    A bridge between two tables that has every pair is full: no row has more partners than there are.

    Args:
        table: the table.
        fitted: what was learned of it.
        key: the reference in question.
        counts: rows by table, as far as they are known.

    Returns:
        The most that a unique rule made of references leaves room for; None without such a rule.
    """
    keys = [*([table.owner] if table.owner else []), *(reference.key for reference in table.references)]
    apart = {frozenset(pair) for pair in fitted.apart}
    rooms = []
    for columns in (set(found.unique.columns) for found in table.uniques if _limits(table, found)):
        others = [other for other in keys if other.id != key.id and columns & set(other.columns)]
        covered = {column for other in (key, *others) for column in other.columns}
        if set(key.columns) <= columns <= covered and all(other.parent in counts for other in others):
            rooms.append(math.prod(counts[other.parent] - ({key.id, other.id} in apart) for other in others))
    return min(rooms, default=None)


def _limits(table: TablePlan, found: UniquePlan) -> bool:
    """True for a declared unique rule made of references in which every row counts."""
    if found.way != "references" or found.unique.predicate or not found.unique.declared:
        return False
    nullable = any(table.table.by_name[name].nullable for name in found.unique.columns)
    return not nullable or not found.unique.nulls_distinct
