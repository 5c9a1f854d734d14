"""How many different values keys must have at least, since unique rules of other tables hold over parts of them.

A table whose rows point to places by region and number, and of which no region may come twice, needs as many regions
among the places as it has rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    """Columns of a table, and how many different combinations of their values there must be."""

    columns: tuple[str, ...]
    least: int


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


def _asks(child: TablePlan, planned: UniquePlan, key: ForeignKey) -> bool:
    """True for a rule over a part of a reference in which every row counts."""
    unique = planned.unique
    nullable = any(child.table.by_name[name].nullable for name in unique.columns)
    is_plain = not (unique.expressions or unique.predicate or nullable)
    return is_plain and not key.is_self and set(unique.columns) < set(key.columns)


def rows_to_differ(columns: Sequence[pa.Array], least: int) -> Ints | None:
    """Returns rows that must all differ for there to be enough combinations; None where there are enough already.

    Args:
        columns: the columns; shape (rows,) each.
        least: how many combinations there must be.

    Returns:
        One row of every combination, and others: shape (least,).
    """
    again = rank(group_numbers(columns))
    if int((again == 0).sum()) >= min(least, len(again)):
        return None
    rows: Ints = np.argsort(again, kind="stable")[:least]
    return rows
