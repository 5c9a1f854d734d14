"""Rows that may yet be made: the values that their codes stand for, before anything is settled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from replica.errors import PlanError
from replica.kinds.base import Codes, bare_rows
from replica.making.keeping import Ruler
from replica.making.made import MadeTable
from replica.planning.decisions import TablePlan
from replica.rules import RULES
from replica.schema.model import quote_name


@dataclass(frozen=True)
class Candidates:
    """Turns codes of a table's rows into the values of some columns.

    Attributes:
        made: the table.
        names: the columns, and those that they follow from.
        ruler: keeps the rules that speak of a row alone.
    """

    made: MadeTable
    names: tuple[str, ...]
    ruler: Ruler

    def values(self, codes: Codes, rng: np.random.Generator) -> dict[str, pa.Array]:
        """Returns the columns of rows with these codes: shape (rows, spans)."""
        fitted, rows = self.made.fitted, bare_rows(len(codes), rng)
        raw = {
            name: fitted.kinds[name].decode(codes[:, fitted.layout.places("attribute", name)].astype(np.int32), rows)
            for name in self.names
        }
        return self.ruler.tried(self.made, raw, rng)


def candidates(made: MadeTable, names: frozenset[str], ruler: Ruler) -> Candidates:
    """Returns the candidates of a table.

    Args:
        made: the table.
        names: the columns whose values are asked for.
        ruler: keeps rules.

    Raises:
        PlanError: a column cannot be told from a row's codes.
    """
    wanted = closure(made.plan, names)
    for name in sorted(wanted):
        reason = _why_not(made, name)
        if reason is not None:
            raise PlanError(
                f"--where and --rebalance cannot choose rows of {made.plan.id} by {quote_name(name)}, since it"
                f" {reason}: name another column"
                + ("" if name in names else "; by a rule, what was named follows from it: or give --no-rules")
            )
    return Candidates(made, tuple(sorted(wanted)), ruler)


def closure(plan: TablePlan, names: frozenset[str]) -> frozenset[str]:
    """Returns some columns of a table and all that they follow from by its rules."""
    found = set(names)
    while (
        more := {
            name
            for rule in plan.rules
            if rule.column in found
            for name in RULES[rule.rule.form].reads(rule.rule, plan.table)[plan.id]
        }
        - found
    ):
        found |= more
    return frozenset(found)


def _why_not(made: MadeTable, name: str) -> str | None:
    """Why the values of a column cannot be told before the rows are made; None where they can."""
    column = next(found for found in made.plan.columns if found.name == name)
    fitted = made.fitted
    if made.plan.role == "lookup" or fitted.kept is not None:
        return "is in a table whose rows are kept as they are"
    if column.producer != "kind" or name == made.plan.order or name in fitted.relative or name not in fitted.kinds:
        return "follows from other rows or columns"
    if fitted.generator is None or not fitted.kinds[name].spans:
        return "is made anew in every row, not learned"
    if any(rule.column == name and not RULES[rule.rule.form].alone for rule in made.plan.rules):
        return "follows from other rows"
    return None
