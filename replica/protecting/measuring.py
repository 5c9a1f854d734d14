"""What is bought before there is a copy: how many rows there are, whose, and where the values of columns lie.

Each subject counts with one row of every table, drawn uniformly, so that a single subject changes every histogram here
by one count at most, however many rows belong to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.errors import BudgetError
from replica.learning.source_rows import columns_to_learn
from replica.planning.decisions import Plan, TablePlan
from replica.privacy.budget import DELTA_FOR_VALUES, Budget
from replica.privacy.meter import Meter, Price
from replica.protecting.columns import Measured, is_measured, measure_column, measured_columns
from replica.protecting.contributions import SubjectRows
from replica.protecting.copy import Findings
from replica.protecting.sizes import SizeHistogram, measure_sizes
from replica.protecting.unit import Unit

Ints = npt.NDArray[np.int64]

# Of the subjects, so many have all their rows learned from; of the others some rows are.
_WHOLE = 0.95
# A delta that is not far below one in so many subjects would allow to publish a few of them.
_SAFE_DELTA = 0.1


@dataclass(frozen=True)
class Protection:
    """What a run under differential privacy carries along.

    Attributes:
        unit: whose rows are whose.
        budget: what may be spent.
        meter: what measures, and knows what was spent.
    """

    unit: Unit
    budget: Budget
    meter: Meter


def columns_to_measure(_: Plan, table: TablePlan) -> dict[str, Reading]:
    """Returns the columns that are read to make a copy: those of which something is bought, by value."""
    if not table.private:
        return {}
    return {column.name: "value" for column in table.columns if is_measured(table, column)}


def columns_to_code(plan: Plan, table: TablePlan) -> dict[str, Reading]:
    """Returns the columns that are read to be put into codes; of what is made anew only whether there is a value."""
    if not table.private:
        return {}
    learned = columns_to_learn(plan, table)
    made = {column.name for column in table.by("kind") if column.kind not in _CODED}
    return {name: "presence" if name in made else how for name, how in learned.items()}


_CODED = frozenset({"number", "category", "moment", "time"})


def measure(plan: Plan, protection: Protection, rows: Mapping[str, SubjectRows]) -> Findings:
    """Buys what a copy is made by.

    Args:
        plan: what was decided before anything was measured.
        protection: whose rows are whose, and what may be spent.
        rows: the rows of the private tables.

    Raises:
        BudgetError: delta is too large for so few subjects.
    """
    unit, subjects = protection.unit, len(rows[protection.unit.subject])
    below = [name for name, key in unit.owners.items() if key.parent != unit.subject]
    each = protection.budget.share("rows") / (len(unit.private) + len(below))
    about = _count_subjects(subjects, protection, each)
    sizes: dict[str, SizeHistogram] = {}
    fan_outs: dict[str, SizeHistogram] = {}
    for name in unit.private[1:]:
        table = rows[name]
        sizes[name] = measure_sizes(table.per_subject(subjects), protection.meter, Price("rows", name, 1, each))
        fan_outs[name] = sizes[name]
        if name in below:
            parents = rows[unit.owners[name].parent]
            counts = parents.source.fan_outs[unit.owners[name].id][parents.picked]
            fan_outs[name] = measure_sizes(counts, protection.meter, Price("rows", f"{name} per owner", 1, each))
    return Findings(
        subjects=about,
        totals={unit.subject: about} | {name: round(about * found.mean) for name, found in sizes.items()},
        fan_outs=fan_outs,
        columns=_measure_columns(plan, protection, rows),
        bounds={unit.subject: 1} | {name: max(1, found.quantile(_WHOLE)) for name, found in sizes.items()},
    )


def _count_subjects(subjects: int, protection: Protection, precision: float) -> int:
    price = Price("rows", protection.unit.subject, 1, precision)
    about = max(1, int(protection.meter.measure(np.array([subjects]), price).counts[0]))
    if protection.budget.delta * about > _SAFE_DELTA:
        raise BudgetError(
            f"delta {protection.budget.delta:g} is too large for about {about} subjects: with it, some of them could be"
            f" published whole; give {_SAFE_DELTA / about:.0e} or less"
        )
    return about


def _measure_columns(
    plan: Plan, protection: Protection, rows: Mapping[str, SubjectRows]
) -> dict[tuple[str, str], Measured]:
    wanted = measured_columns({name: plan.by_id[name] for name in protection.unit.private})
    if not wanted:
        return {}
    precision = protection.budget.share("columns") / len(wanted)
    texts = sum(1 for _, column in wanted if column.column.type.family == "text")
    delta = protection.budget.delta * DELTA_FOR_VALUES / max(1, texts)
    found = {}
    for table, column in wanted:
        part = rows[table.id]
        values = part.source.column(column.name).take(pa.array(part.picked))
        paid = (Price("columns", "", 1, precision), delta)
        measured = measure_column(table, column, values, protection.meter, paid)
        if measured is not None:
            found[table.id, column.name] = measured
    return found
