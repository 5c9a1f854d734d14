"""What a user wishes of the rows of a replica: shares of values, and conditions that all rows of a table satisfy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from replica.constraints.checks import NotReadableError, columns_of
from replica.errors import PlanError, did_you_mean
from replica.planning.decisions import Plan, TablePlan
from replica.planning.scope import full_name, require_columns, some_of
from replica.schema.model import Check, Schema, Table, quote_name
from replica.settings import Settings

# The table in front of a condition; two colons are a cast.
_TABLE = re.compile(r"\s*((?:\w+|\"[^\"]+\")(?:\.(?:\w+|\"[^\"]+\"))?)\s*:(?!:)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Share:
    """How many rows of a table are to have a value.

    Attributes:
        table: the table's id.
        column: the column.
        value: the value as SQL writes it as text.
        share: the share of the table's rows.
    """

    table: str
    column: str
    value: str
    share: float

    @property
    def condition(self) -> str:
        """The condition that these rows satisfy."""
        written = self.value.replace("'", "''")
        return f"{quote_name(self.column)} = '{written}'"

    @property
    def option(self) -> str:
        """The wish as a user writes it."""
        return f"--rebalance {self.table}.{quote_name(self.column)}:{self.value}={self.share:g}"


@dataclass(frozen=True)
class Condition:
    """What all rows of a table are to satisfy.

    Attributes:
        table: the table's id.
        condition: an SQL condition on its columns.
    """

    table: str
    condition: str

    @property
    def option(self) -> str:
        """The wish as a user writes it."""
        return f'--where "{self.table}: {self.condition}"'


@dataclass(frozen=True)
class Wishes:
    """All that is wished, maybe of one table only."""

    shares: tuple[Share, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.shares or self.conditions)

    def of(self, table: str) -> Wishes:
        """Returns what is wished of a table."""
        return Wishes(
            tuple(found for found in self.shares if found.table == table),
            tuple(found for found in self.conditions if found.table == table),
        )

    @property
    def all(self) -> tuple[Share | Condition, ...]:
        """Every wish, conditions first."""
        return (*self.conditions, *self.shares)


def wishes_of(schema: Schema, settings: Settings) -> Wishes:
    """Finds the tables and columns that a user's wishes speak of.

    Raises:
        PlanError: there is no such table or column, a condition cannot be read, or shares add up to more than all.
    """
    shares = tuple(_share(schema, text, share) for text, share in settings.rebalance.items())
    for first in shares:
        total = sum(found.share for found in shares if (found.table, found.column) == (first.table, first.column))
        if total > 1 + 1e-9:
            raise PlanError(f"{first.option}: the shares of this column add up to {total:g}: no more than 1 is there")
    return Wishes(shares, tuple(_condition(schema, text) for text in settings.where))


def _share(schema: Schema, text: str, share: float) -> Share:
    where, _, value = text.partition(":")
    name, _, column = where.rpartition(".")
    table = _table(schema, name.strip(), "--rebalance")
    column = column.strip().strip('"')
    require_columns(table, [column], f"--rebalance {text}={share:g}")
    return Share(table.id, column, value, share)


def _condition(schema: Schema, text: str) -> Condition:
    found = _TABLE.fullmatch(text)
    condition = (found[2] if found else text).strip()
    try:
        columns = columns_of(condition)
    except NotReadableError:
        raise PlanError(f"--where {text}: this is no SQL condition that can be read") from None
    if not columns:
        raise PlanError(f"--where {text}: the condition names no column, so that it says nothing of a row")
    if found is None:
        return Condition(_only_table(schema, columns, text).id, condition)
    table = _table(schema, found[1], "--where")
    require_columns(table, sorted(columns), f"--where {text}")
    return Condition(table.id, condition)


def _table(schema: Schema, name: str, option: str) -> Table:
    known = full_name(schema, option, name)
    if known not in schema.by_id:
        raise PlanError(
            f"{option} {name}: there is no such table; known are {some_of(schema.by_id)}"
            f"{did_you_mean(name, [table.name for table in schema.tables])}"
        )
    return schema.by_id[known]


def _only_table(schema: Schema, columns: Iterable[str], text: str) -> Table:
    """The table that a condition without one speaks of."""
    fitting = [table for table in schema.tables if set(columns) <= set(table.by_name)]
    if len(fitting) == 1:
        return fitting[0]
    which = f"these tables have: {some_of(table.id for table in fitting)}" if fitting else "no table has"
    raise PlanError(f"--where {text}: {which} all its columns: write TABLE: CONDITION")


def with_conditions(plan: Plan, wishes: Wishes) -> Plan:
    """Returns a plan under which rows keep the wished conditions as if they were declared.

    The target does not declare them.

    Raises:
        PlanError: something is wished of a table without rows.
    """
    for wish in wishes.all:
        if wish.table not in plan.by_id:
            why = plan.skipped.get(wish.table, "it was not learned")
            raise PlanError(f"{wish.option}: the table gets no rows ({why})")
    return replace(plan, tables=tuple(_with_checks(table, wishes.of(table.id)) for table in plan.tables))


def _with_checks(table: TablePlan, wishes: Wishes) -> TablePlan:
    # Unlike a check, a condition is not satisfied by null.
    added = tuple(
        Check("--where", f"({found.condition}) IS TRUE", tuple(sorted(columns_of(found.condition))))
        for found in wishes.conditions
    )
    return replace(table, table=replace(table.table, checks=(*table.table.checks, *added))) if added else table
