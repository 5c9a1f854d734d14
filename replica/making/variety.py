"""How many different values keys must have at least, since unique rules hold over parts of them.

A table whose rows point to places by region and number, and of which no region may come twice, needs as many regions
among the places as it has rows. And where places of a country are told apart by their number, but which country each is
in is not known yet, no number may come more often than there are countries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.planning.decisions import Plan, TablePlan, UniquePlan
from replica.relations.joins import group_numbers
from replica.relations.rules import rank
from replica.schema.model import ForeignKey

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Variety:
    """Columns of a table, and what there must be of combinations of their values.

    Attributes:
        columns: the columns.
        least: how many different ones there must be at least.
        most: how many rows may have the same one; None without a limit.
    """

    columns: tuple[str, ...]
    least: int = 0
    most: int | None = None


def varieties(plan: Plan, table: str, counts: Mapping[str, int]) -> Iterator[Variety]:
    """Yields what unique rules of other tables ask of the keys of a table.

    Args:
        plan: what was decided.
        table: the table that others point to.
        counts: planned rows by table.
    """
    for key in plan.children(table):
        child = plan.by_id[key.child]
        target = dict(zip(key.columns, key.parent_columns, strict=True))
        for planned in child.uniques:
            if _asks(child, planned, key):
                yield Variety(tuple(target[name] for name in planned.unique.columns), counts[child.id])


def crowds(table: TablePlan, pending: Set[str], counts: Mapping[str, int]) -> Iterator[Variety]:
    """Yields what a table's own unique rules ask of columns while references among theirs are not assigned.

    Args:
        table: the table.
        pending: columns that are not filled yet.
        counts: planned rows by table.
    """
    for planned in table.uniques:
        unique, waiting = planned.unique, pending & set(planned.unique.columns)
        left = tuple(name for name in unique.columns if name not in waiting)
        is_plain = not (unique.expressions or unique.predicate)
        if is_plain and left and waiting and not any(table.table.by_name[name].nullable for name in waiting):
            room = (counts[found.key.parent] for found in table.references if set(found.free) & waiting)
            yield Variety(left, most=math.prod(room))


def _asks(child: TablePlan, planned: UniquePlan, key: ForeignKey) -> bool:
    """True for a rule over a part of a reference in which every row counts."""
    unique = planned.unique
    nullable = any(child.table.by_name[name].nullable for name in unique.columns)
    is_plain = not (unique.expressions or unique.predicate or nullable)
    return is_plain and not key.is_self and set(unique.columns) < set(key.columns)


def rows_to_differ(columns: Sequence[pa.Array], variety: Variety) -> Ints | None:
    """Returns rows that must all differ for there to be enough combinations; None where there are enough already.

    Args:
        columns: the columns; shape (rows,) each.
        variety: what there must be.

    Returns:
        One row of every combination, and others that have to find a new one.
    """
    again = rank(group_numbers(columns))
    beyond = 0 if variety.most is None else int((again >= variety.most).sum())
    wanted = max(min(variety.least, len(again)), int((again == 0).sum()) + beyond)
    if int((again == 0).sum()) >= wanted:
        return None
    order: Ints = np.argsort(again, kind="stable")
    return np.concatenate([order[: wanted - beyond], order[len(order) - beyond :]])
