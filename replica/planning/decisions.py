"""What is decided about a database before any row is learned, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from replica.constraints.inner import column_checks
from replica.schema.graph import Order
from replica.schema.model import Check, Column, ForeignKey, Schema, Table, Unique
from replica.schema.rules import Copied, Rule
from replica.schema.schema_map import ColumnMap, Role, SchemaMap

Producer = Literal["kind", "key", "reference", "polymorphic", "generated", "counter", "period_end", "derived"]


Way = Literal["key", "counter", "order", "references", "repair", "polymorphic"]


@dataclass(frozen=True)
class ColumnPlan:
    """Where a column's values come from.

    Attributes:
        column: the column.
        producer: a column kind, or the part of the structure that it follows from.
        kind: the kind's name in the schema map, for producer ``kind``.
        options: what the kind is told.
        map: what the schema map says.
    """

    column: Column
    producer: Producer
    kind: str | None
    options: Mapping[str, Any]
    map: ColumnMap

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name


@dataclass(frozen=True)
class ReferencePlan:
    """How a reference other than the owner gets its rows.

    Attributes:
        key: the reference.
        free: its columns that this reference fills.
        fixed: its columns that something else fills; only parents that agree with them may be chosen.
        implied_by: id of another reference that already decides this one where it is not null; None without one. It is
            wider, or points to the same row by fewer columns.
        deferred: True where rows are assigned after both tables are made, because following it leads in a circle.
        reads: columns of values that are read while it is assigned, by checks and unique rules that it has to keep.
    """

    key: ForeignKey
    free: tuple[str, ...]
    fixed: tuple[str, ...]
    implied_by: str | None
    deferred: bool
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class UniquePlan:
    """How a unique rule is kept.

    Attributes:
        unique: the rule.
        way: ``key`` where a column is different in every row anyway; ``counter`` and ``order`` where rows of one owner
            are told apart by their place; ``references`` where assigning the references keeps it; ``polymorphic`` where
            choosing the rows of a polymorphic pair keeps it; ``repair`` where values are changed until it holds.
    """

    unique: Unique
    way: Way


@dataclass(frozen=True)
class RulePlan:
    """A rule that is kept, and the column that is changed for it."""

    rule: Rule
    column: str


@dataclass(frozen=True)
class TablePlan:
    """Everything decided about a table.

    Attributes:
        table: the table.
        role: what it is.
        owner: the reference under which its rows are grouped and made; None without one.
        order: the column that orders the rows of one owner.
        generator: the family of generators.
        columns: where each column's values come from.
        references: its references but the owner, in the order in which they are assigned.
        uniques: how each unique rule is kept.
        holder_path: references that lead to the person each row belongs to; empty where rows are persons; None
            where rows are about nobody.
        locale: the column from which names and addresses take their language.
        sex: the column that says a person's sex.
        rows: rows of the source as the server estimates; the exact number is counted when learning.
        rules: rules that its rows keep although the schema does not declare them; of one column in the order in which
            they apply.
    """

    table: Table
    role: Role
    owner: ForeignKey | None
    order: str | None
    generator: str
    columns: tuple[ColumnPlan, ...]
    references: tuple[ReferencePlan, ...]
    uniques: tuple[UniquePlan, ...]
    holder_path: tuple[ForeignKey, ...] | None
    locale: str | None
    sex: str | None
    rows: int
    rules: tuple[RulePlan, ...] = ()

    @property
    def id(self) -> str:
        """The table's id."""
        return self.table.id

    @property
    def private(self) -> bool:
        """True where the rows belong to persons."""
        return self.role in ("subject", "private")

    def by(self, producer: Producer) -> tuple[ColumnPlan, ...]:
        """Returns the columns with a producer."""
        return tuple(column for column in self.columns if column.producer == producer)

    @property
    def kept_rules(self) -> tuple[Rule, ...]:
        """All rules that its rows keep, those that assigning its references keeps among them."""
        repeated = (
            Copied(name, key.naming.columns, target)
            for key in self.table.foreign_keys
            for name, target in zip(key.columns, key.parent_columns, strict=True)
            if name in key.repeated
        )
        return (*dict.fromkeys(found.rule for found in self.rules), *repeated)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The table's checks and those of its columns' domains, in terms of columns.

        Those that only the loaded database can prove are not among them.
        """
        return tuple(check for check in all_checks(self.table) if not check.at_load)


@dataclass(frozen=True)
class Plan:
    """Everything decided about a database.

    Attributes:
        schema: what the source declares.
        schema_map: what a person, or the draft, said about it.
        tables: the tables that get rows, each after those it needs.
        skipped: ids of the tables that get none, and why.
        order: the layers of the tables, the circles, and the references that are deferred.
        min_holders: least number of persons behind a kept value of private tables.
        notes: what a user should know, a line each.
    """

    schema: Schema
    schema_map: SchemaMap
    tables: tuple[TablePlan, ...]
    skipped: Mapping[str, str]
    order: Order
    min_holders: int
    notes: tuple[str, ...] = ()

    @property
    def by_id(self) -> dict[str, TablePlan]:
        """Table plans by table id."""
        return {table.id: table for table in self.tables}

    def children(self, table: str) -> tuple[ForeignKey, ...]:
        """Returns the references of planned tables that point to a table, in a fixed order."""
        keys = (
            key
            for child in self.tables
            for key in (*([child.owner] if child.owner else []), *(r.key for r in child.references))
        )
        return tuple(sorted((key for key in keys if key.parent == table), key=lambda key: key.id))


def all_checks(table: Table) -> Iterable[Check]:
    """Yields the checks of a table and those of the domains in its columns' types, in terms of columns."""
    yield from table.checks
    for column in table.columns:
        yield from column_checks(column)
