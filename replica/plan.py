"""Deciding everything before any row is learned: what each table is, where each value comes from, in which order.

All validation happens here. What :func:`plan` returns is what the later stages do, no more and no less, and it is
what ``replica plan`` prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from faker.config import AVAILABLE_LOCALES

from replica.constraints.checks import readable
from replica.errors import DriftError, PlanError, UnknownNameError
from replica.generators import GENERATORS
from replica.kinds import KINDS, kind_named
from replica.kinds.personal import PERSONAL
from replica.schema.graph import Order, find_circle, nullable_cost, order_tables, paths_to
from replica.schema.model import Check, Column, ForeignKey, Schema, Table, Unique, column_list, quote_name
from replica.schema.schema_map import STRUCTURAL, ColumnMap, ReferenceMap, Role, SchemaMap, TableMap
from replica.settings import Settings

Producer = Literal["kind", "key", "reference", "generated", "counter", "period_end", "derived"]
Way = Literal["key", "counter", "order", "references", "repair"]


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
        implied_by: id of a wider reference that already decides this one where it is not null; None without one.
        deferred: True where rows are assigned after both tables are made, because following it leads in a circle.
    """

    key: ForeignKey
    free: tuple[str, ...]
    fixed: tuple[str, ...]
    implied_by: str | None
    deferred: bool


@dataclass(frozen=True)
class UniquePlan:
    """How a unique rule is kept.

    Attributes:
        unique: the rule.
        way: ``key`` where a column is different in every row anyway; ``counter`` and ``order`` where rows of one owner
            are told apart by their place; ``references`` where assigning the references keeps it; ``repair`` where
            values are changed until it holds.
    """

    unique: Unique
    way: Way


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
    def checks(self) -> tuple[Check, ...]:
        """The table's checks and those of its columns' domains, in terms of columns."""
        return tuple(check for check in _all_checks(self.table) if readable(check.expression))

    @property
    def self_reference(self) -> ReferencePlan | None:
        """The first reference of the table to itself."""
        return next((found for found in self.references if found.key.is_self), None)


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


def plan(schema: Schema, schema_map: SchemaMap, settings: Settings) -> Plan:
    """Decides everything about a run.

    Args:
        schema: what the source declares.
        schema_map: a person's map, or a draft.
        settings: the settings of the run.

    Raises:
        SchemaMapError: the map does not fit the schema.
        PlanError: a setting does not fit the schema.
    """
    _check_tables(schema, schema_map, settings)
    schema = _with_references(schema, schema_map)
    notes: list[str] = []
    skipped = _skipped(schema, schema_map, settings, notes)
    check_rows(schema_map, settings.rows, skipped)
    active = [table for table in schema.tables if table.id not in skipped]
    owners = {table.id: owner for table in active if (owner := _owner(table, schema_map.tables[table.id], skipped))}
    _refuse_owner_circles(owners)
    keys = [key for table in active for key in table.foreign_keys if key.parent not in skipped]
    order = _order(active, keys, owners)
    deferred = frozenset(order.deferred)
    by_id = {table.id: table for table in active}
    tables = tuple(
        _plan_table(by_id[name], _Surroundings(schema, schema_map, settings, owners, skipped, deferred))
        for layer in order.generations
        for name in layer
    )
    return Plan(schema, schema_map, tables, skipped, order, settings.min_holders, tuple(notes))


def check_drift(schema: Schema, schema_map: SchemaMap, name: str) -> None:
    """Refuses a map that does not know every column of the source, or knows others.

    Args:
        schema: what the source declares.
        schema_map: a person's map.
        name: what to call the map in the message.

    Raises:
        DriftError: they differ; the message holds the differences.
    """
    lines = []
    for table in schema.tables:
        known = schema_map.tables.get(table.id)
        if known is None:
            lines.append(f"+ table {table.id}")
            continue
        for column in table.columns:
            found = known.columns.get(column.name)
            if found is None:
                lines.append(f"+ {table.id}.{quote_name(column.name)} {column.type.name}")
            elif found.type not in (None, column.type.name):
                lines.append(f"~ {table.id}.{quote_name(column.name)} was {found.type}, is {column.type.name}")
        lines += [f"- {table.id}.{quote_name(name)}" for name in known.columns if name not in table.by_name]
    lines += [f"- table {name}" for name in schema_map.tables if name not in schema.by_id]
    if lines:
        shown = "; ".join(lines[:20]) + (f"; and {len(lines) - 20} more" if len(lines) > 20 else "")
        raise DriftError(f"the source does not match {name}: {shown}. Update it with `replica map`, then read it")


@dataclass(frozen=True)
class _Surroundings:
    """What planning one table must know of the others."""

    schema: Schema
    schema_map: SchemaMap
    settings: Settings
    owners: Mapping[str, ForeignKey]
    skipped: Mapping[str, str]
    deferred: frozenset[str]


def _check_tables(schema: Schema, schema_map: SchemaMap, settings: Settings) -> None:
    """Names in settings and map must exist."""
    for option, names in (("--rows", settings.rows), ("--include", settings.include), ("--exclude", settings.exclude)):
        for name in names:
            if name not in schema.by_id:
                raise PlanError(f"{option} {name}: there is no such table; known are {_some(schema.by_id)}")
            if schema.by_id[name].kind == "partition":
                root = schema.by_id[name].inherits[0]
                raise PlanError(f"{option} {name}: a partition gets its rows through {root}: name that one")
    if schema_map.locale.replace("-", "_") not in AVAILABLE_LOCALES:
        raise PlanError(f"schema map: locale {schema_map.locale}: Faker has no such locale; write one such as de_DE")
    for table in schema.tables:
        if table.id not in schema_map.tables:
            raise DriftError(f"the schema map does not know table {table.id}: update it with `replica map`")
        for column in table.columns:
            if column.name not in schema_map.tables[table.id].columns:
                raise DriftError(
                    f"the schema map does not know column {table.id}.{quote_name(column.name)}:"
                    " update it with `replica map`"
                )


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")


def _with_references(schema: Schema, schema_map: SchemaMap) -> Schema:
    """Adds the references that only the map declares to the tables."""
    tables = []
    for table in schema.tables:
        keys = list(table.foreign_keys)
        for found in schema_map.tables[table.id].references:
            where = f"schema map: {table.id}: reference {column_list(found.columns)}"
            _check_reference(schema, table, found, where)
            if any((set(key.columns), key.parent) == (set(found.columns), found.parent) for key in keys):
                raise PlanError(f"{where}: {found.parent} is referenced by these columns already; take it away")
            name = "_".join((*found.columns, schema.by_id[found.parent].name))
            keys.append(ForeignKey(name, table.id, found.columns, found.parent, found.parent_columns, declared=False))
        tables.append(replace(table, foreign_keys=tuple(keys)))
    return replace(schema, tables=tuple(tables))


def _check_reference(schema: Schema, table: Table, found: ReferenceMap, where: str) -> None:
    """Refuses a reference of the map that the database itself would refuse."""
    parent = schema.by_id.get(found.parent)
    if parent is None:
        raise PlanError(f"{where}: there is no table {found.parent}; known are {_some(schema.by_id)}")
    target = f"{found.parent}{column_list(found.parent_columns)}"
    _require_columns(table, found.columns, where)
    _require_columns(parent, found.parent_columns, where)
    if not found.columns or len(found.columns) != len(found.parent_columns):
        raise PlanError(f"{where}: it points to {target}: give one column of {found.parent} for each")
    if not any(_is_plain_key(unique) and set(unique.columns) == set(found.parent_columns) for unique in parent.uniques):
        raise PlanError(f"{where}: {target} is not unique: point to a key of {found.parent}")
    for name, other in zip(found.columns, found.parent_columns, strict=True):
        own, wanted = table.by_name[name].type, parent.by_name[other].type
        if own.family != wanted.family and not {own.family, wanted.family} <= {"integer", "numeric"}:
            raise PlanError(
                f"{where}: {quote_name(name)} is {own.name}, but {found.parent}.{quote_name(other)} is {wanted.name}:"
                " point to columns of the same type"
            )


def _is_plain_key(unique: Unique) -> bool:
    """True for a rule over columns alone that holds for all rows."""
    return not unique.expressions and unique.predicate is None


def _require_columns(table: Table, columns: Iterable[str], where: str) -> None:
    for column in columns:
        if column not in table.by_name:
            known = _some(map(quote_name, table.by_name))
            raise PlanError(f"{where}: table {table.id} has no column {quote_name(column)}; known are {known}")


def _skipped(schema: Schema, schema_map: SchemaMap, settings: Settings, notes: list[str]) -> dict[str, str]:
    """Tables that get no rows: told so, or in need of one that gets none."""
    skipped: dict[str, str] = {}
    for table in schema.tables:
        if table.kind == "foreign":
            skipped[table.id] = "a foreign table; its rows live elsewhere"
        elif table.kind == "partition":
            skipped[table.id] = "filled through its partitioned table"
        elif schema_map.tables[table.id].role == "skip":
            skipped[table.id] = "the schema map says skip"
        elif table.id in settings.exclude:
            skipped[table.id] = "--exclude"
    if settings.include:
        wanted = _needed(schema, settings.include)
        for table in schema.tables:
            if table.id not in wanted:
                skipped.setdefault(table.id, "not in --include")
        extra = sorted(wanted - set(settings.include))
        if extra:
            notes.append(f"--include also takes {', '.join(extra)}, which the others cannot do without")
    _spread(schema, skipped, notes)
    return skipped


def check_rows(schema_map: SchemaMap, rows: Iterable[str], skipped: Mapping[str, str]) -> None:
    """Refuses numbers of rows for tables that do not exist or whose number is settled.

    Args:
        schema_map: what is known about the tables.
        rows: ids of the tables that are to get a number of rows.
        skipped: ids of the tables that get none, and why.

    Raises:
        PlanError: a table cannot get a number of rows.
    """
    for name in rows:
        if name not in schema_map.tables:
            raise PlanError(f"--rows {name}: there is no such table; known are {_some(schema_map.tables)}")
        if name in skipped:
            raise PlanError(f"--rows {name}: the table gets no rows ({skipped[name]}): leave it out of --rows")
        if schema_map.tables[name].role == "lookup":
            raise PlanError(f"--rows {name}: a lookup keeps its rows: leave it out, or make its role public in the map")


def _needed(schema: Schema, names: Iterable[str]) -> set[str]:
    """The tables and all that they point to and may not leave null."""
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += [key.parent for key in schema.by_id[name].foreign_keys if not _may_be_null(schema, key)]
    return wanted


def _may_be_null(schema: Schema, key: ForeignKey) -> bool:
    return any(schema.by_id[key.child].by_name[column].nullable for column in key.columns)


def _spread(schema: Schema, skipped: dict[str, str], notes: list[str]) -> None:
    """A table that points to one without rows, and may not be null there, gets none either."""
    changed = True
    while changed:
        changed = False
        for key in schema.foreign_keys:
            if key.parent in skipped and key.child not in skipped and not _may_be_null(schema, key):
                skipped[key.child] = f"it needs {key.parent}, {_lack(schema, key.parent)}"
                notes.append(
                    f"{key.child} gets no rows, since it cannot do without {key.parent}, {_lack(schema, key.parent)}"
                )
                changed = True
    notes += [
        f"{key.child}{column_list(key.columns)} is null in every row, since it points to {key.parent},"
        f" {_lack(schema, key.parent)}"
        for key in schema.foreign_keys
        if key.parent in skipped and key.child not in skipped
    ]


def _lack(schema: Schema, parent: str) -> str:
    """Why no row of a table can be pointed to."""
    if schema.by_id[parent].kind == "partition":
        return "a partition: rows are chosen from whole tables only"
    return "which gets no rows"


def _owner(table: Table, table_map: TableMap, skipped: Mapping[str, str]) -> ForeignKey | None:
    # The rows of a lookup are copied, not made under others.
    if not table_map.owner or table_map.role == "lookup":
        return None
    found = [key for key in table.foreign_keys if set(key.columns) == set(table_map.owner)]
    where = f"schema map: {table.id}: owner {column_list(table_map.owner)}"
    if not found:
        known = ", ".join(column_list(key.columns) for key in table.foreign_keys) or "none"
        raise PlanError(f"{where} is not a reference of the table; its references are {known}")
    if found[0].is_self:
        raise PlanError(f"{where} points to the table itself, which cannot own its rows: choose another or none")
    return None if found[0].parent in skipped else found[0]


def _refuse_owner_circles(owners: Mapping[str, ForeignKey]) -> None:
    circle = find_circle((key.child, key.parent) for key in owners.values())
    if circle:
        raise PlanError(f"schema map: owners lead in a circle: {' -> '.join([*circle, circle[0]])}; take one away")


def _order(tables: list[Table], keys: list[ForeignKey], owners: Mapping[str, ForeignKey]) -> Order:
    by_id = {table.id: table for table in tables}
    cost = nullable_cost(lambda table, column: by_id[table].by_name[column].nullable)
    owner_ids = {key.id for key in owners.values()}
    return order_tables(by_id, keys, lambda key: float("inf") if key.id in owner_ids else cost(key))


def _plan_table(table: Table, around: _Surroundings) -> TablePlan:
    table_map = around.schema_map.tables[table.id]
    owner = around.owners.get(table.id)
    columns = tuple(
        _plan_column(table, column, _as_owned(table_map.columns[column.name], table_map, owner))
        for column in table.columns
    )
    references = _plan_references(table, owner, around)
    generator = table_map.generator or around.settings.generator
    if generator not in GENERATORS:
        raise UnknownNameError(f"generator of {table.id}", generator, GENERATORS)
    _check_order(table, table_map, columns)
    _check_bases(table, columns)
    if table_map.locale is not None:
        _require_columns(table, [table_map.locale], f"schema map: {table.id}: locale")
    order = table_map.order if owner is not None else None
    return TablePlan(
        table=table,
        role=table_map.role,
        owner=owner,
        order=order,
        generator=generator,
        columns=columns,
        references=references,
        uniques=tuple(_plan_unique(unique, columns, owner, order) for unique in table.uniques),
        holder_path=_holder_path(table, table_map, around),
        locale=table_map.locale,
        sex=_sex_column(columns),
        rows=max(0, table.row_estimate),
    )


def _as_owned(found: ColumnMap, table_map: TableMap, owner: ForeignKey | None) -> ColumnMap:
    """Without the rows of their owner, periods follow nothing: their ends are moments after their starts."""
    if found.kind == "period_end" and owner is None and table_map.owner:
        return replace(found, kind="moment", after=found.of, of=None)
    return found


def _check_order(table: Table, table_map: TableMap, columns: tuple[ColumnPlan, ...]) -> None:
    """Refuses an order that rows cannot be made in, and periods that do not follow it."""
    where, order = f"schema map: {table.id}", table_map.order
    if order is not None:
        _require_columns(table, [order], f"{where}: order")
        column = next(found for found in columns if found.name == order)
        if column.producer not in ("kind", "key", "counter") or not _is_countable(column.column):
            raise PlanError(
                f"{where}: order {quote_name(order)}: rows are ordered by a date, a timestamp or a whole number that"
                " is no reference and not computed: choose another column or none"
            )
    for column in columns:
        if column.producer == "period_end" and (column.map.of != order or not table_map.owner):
            raise PlanError(
                f"{where}.{quote_name(column.name)}: a period_end follows the order of an owner's rows: give the table"
                " an owner, and its order as `of`"
            )


def _check_bases(table: Table, columns: tuple[ColumnPlan, ...]) -> None:
    """Refuses columns that are made of what is not there yet, or of each other."""
    where = f"schema map: {table.id}"
    own = {column.name for column in columns if column.producer == "kind"}
    for column in columns:
        base = column.map.after or column.map.near
        if column.producer == "kind" and base is not None and base not in own:
            raise PlanError(
                f"{where}.{quote_name(column.name)}: `after` and `near` are for moments of the row's own, but"
                f" {quote_name(base)} follows from other rows or columns: take it away"
            )
    bases = [
        (found.name, base)
        for found in columns
        if found.producer in ("kind", "counter")
        for base in (found.map.after, found.map.near, *found.map.within)
        if base is not None
    ]
    circle = find_circle(bases)
    if circle:
        shown = " -> ".join(quote_name(name) for name in (*circle, circle[0]))
        raise PlanError(f"{where}: columns are made of each other: {shown}; take one `after`, `near` or `within` away")


def _is_countable(column: Column) -> bool:
    """True for moments and whole numbers."""
    kind = column.type
    return kind.family in (*_MOMENTS, "integer") or (kind.family == "numeric" and kind.scale in (None, 0))


_MOMENTS = ("date", "timestamp", "timestamptz")


def _plan_column(table: Table, column: Column, found: ColumnMap) -> ColumnPlan:
    where = f"schema map: {table.id}.{quote_name(column.name)}"
    if column.generated is not None:
        return ColumnPlan(column, "generated", None, {}, found)
    if column.name in table.reference_columns:
        return ColumnPlan(column, "reference", None, {}, found)
    if found.kind == "reference":
        raise PlanError(f"{where}: kind reference, but no reference holds the column: declare one, or choose a kind")
    if found.kind == "generated":
        raise PlanError(f"{where}: kind generated, but the database does not compute the column: choose a kind")
    if found.kind in STRUCTURAL:
        _check_structural(table, column, found, where)
        return ColumnPlan(column, cast("Producer", found.kind), None, {}, found)
    if found.kind not in KINDS and found.kind not in PERSONAL:
        kinds = {*KINDS, *PERSONAL, *STRUCTURAL}
        raise UnknownNameError(f"kind of {table.id}.{quote_name(column.name)}", found.kind, kinds)
    kind, options = kind_named(found.kind)
    if not kind.accepts(column):
        raise PlanError(f"{where}: kind {found.kind} cannot make values of type {column.type.name}: choose another")
    for other in (found.after, found.near):
        if other is not None:
            _check_base(table, column, other, where)
    unique = any(unique.columns == (column.name,) and not unique.predicate for unique in table.uniques)
    return ColumnPlan(column, "kind", found.kind, {**options, **found.options, "unique": unique}, found)


def _check_base(table: Table, column: Column, base: str, where: str) -> None:
    """Refuses a moment that is to be counted from something that is none."""
    _require_columns(table, [base], where)
    for found in (column, table.by_name[base]):
        if found.type.family not in _MOMENTS:
            raise PlanError(
                f"{where}: `after` and `near` are for dates and timestamps, but {quote_name(found.name)} is"
                f" {found.type.name}: take it away"
            )


def _check_structural(table: Table, column: Column, found: ColumnMap, where: str) -> None:
    if found.kind == "key" and column.type.family not in ("integer", "numeric", "uuid"):
        raise PlanError(
            f"{where}: a key is a whole number or a UUID, but this is {column.type.name}: choose code or label"
        )
    if found.kind == "counter":
        if column.type.family not in ("integer", "numeric") or not found.within:
            raise PlanError(f"{where}: a counter is a whole number and needs `within`, the columns it counts within")
        _require_columns(table, found.within, where)
    if found.kind == "period_end":
        if found.of is None:
            raise PlanError(f"{where}: a period_end needs `of`, the column that starts the next period")
        _check_base(table, column, found.of, where)
    if found.kind == "derived" and not found.sql:
        raise PlanError(f"{where}: a derived column needs `sql`, the expression that computes it")


def _plan_references(table: Table, owner: ForeignKey | None, around: _Surroundings) -> tuple[ReferencePlan, ...]:
    """The references but the owner, the widest first, each with the columns that are still to be filled."""
    keys = [key for key in table.foreign_keys if key != owner and key.parent not in around.skipped]
    # Own columns, such as a country's code in the reference to its capital, are filled by what makes them.
    filled = {column.name for column in table.columns if column.name not in table.reference_columns}
    filled |= set(owner.columns) if owner else set()
    # What has to wait comes last, so that nothing depends on it.
    rank = {key.id: (key.id in around.deferred or key.is_self, -len(key.columns), key.id) for key in keys}
    plans: list[ReferencePlan] = []
    wider = [owner] if owner else []
    for key in sorted(keys, key=lambda key: rank[key.id]):
        implied = next((other for other in wider if _implies(other, key, around.schema)), None)
        free = tuple(column for column in key.columns if column not in filled)
        fixed = tuple(column for column in key.columns if column in filled)
        deferred = key.id in around.deferred
        plans.append(ReferencePlan(key, free, fixed, implied.id if implied else None, deferred))
        filled |= set(key.columns)
        wider.append(key)
    return tuple(plans)


def _implies(wide: ForeignKey, narrow: ForeignKey, schema: Schema) -> bool:
    """True where a row that ``wide`` points to carries a valid value of ``narrow``: a city's country for a country."""
    if not set(narrow.columns) < set(wide.columns):
        return False
    target = dict(zip(wide.columns, wide.parent_columns, strict=True))
    carried = tuple(target[column] for column in narrow.columns)
    if wide.parent == narrow.parent:
        return carried == narrow.parent_columns
    return any(
        key.parent == narrow.parent
        and dict(zip(key.columns, key.parent_columns, strict=True))
        == dict(zip(carried, narrow.parent_columns, strict=True))
        for key in schema.by_id[wide.parent].foreign_keys
    )


def _plan_unique(
    unique: Unique, columns: tuple[ColumnPlan, ...], owner: ForeignKey | None, order: str | None
) -> UniquePlan:
    """Chooses how a unique rule is kept, the surest way first."""
    parts = [column for column in columns if column.name in unique.columns]
    plain = not unique.expressions
    if any(_differs_in_every_row(column) for column in parts) and plain:
        return UniquePlan(unique, "key")
    for column in parts:
        if column.producer == "counter" and set(column.map.within) <= set(unique.columns) and plain:
            return UniquePlan(unique, "counter")
    if plain and not unique.predicate:
        if owner and order in unique.columns and set(owner.columns) <= set(unique.columns):
            return UniquePlan(unique, "order")
        if parts and all(column.producer == "reference" for column in parts):
            return UniquePlan(unique, "references")
    return UniquePlan(unique, "repair")


def _differs_in_every_row(column: ColumnPlan) -> bool:
    if column.producer == "key":
        return True
    return column.producer == "kind" and bool(column.options.get("unique")) and column.kind in _UNIQUE_KINDS


# Kinds that give every row another value when they are told to.
_UNIQUE_KINDS = frozenset({"code", "national_id", "iban", "card", "email", "username", "uuid"})


def _holder_path(table: Table, table_map: TableMap, around: _Surroundings) -> tuple[ForeignKey, ...] | None:
    """The way to the person that a row belongs to: to the subject if there is one, otherwise up the owners."""
    if table_map.role == "subject":
        return ()
    if table_map.role != "private":
        return None
    keys = [
        key
        for key in around.schema.foreign_keys
        if key.child not in around.skipped and key.parent not in around.skipped
    ]
    for name, other in around.schema_map.tables.items():
        if other.role == "subject" and name not in around.skipped and (path := paths_to(table.id, name, keys)):
            return path
    upward: list[ForeignKey] = []
    at = table.id
    while at in around.owners and around.schema_map.tables[around.owners[at].parent].role in ("private", "subject"):
        upward.append(around.owners[at])
        at = around.owners[at].parent
    return tuple(upward)


def _sex_column(columns: tuple[ColumnPlan, ...]) -> str | None:
    """The column of few values whose name says sex or gender."""
    for column in columns:
        if column.kind == "category" and column.name.lower().strip("_") in (
            "sex",
            "gender",
            "geschlecht",
            "sexe",
            "sexo",
        ):
            return column.name
    return None


def _all_checks(table: Table) -> Iterable[Check]:
    yield from table.checks
    for column in table.columns:
        for check in column.type.domain_checks:
            name = quote_name(column.name)
            expression = _replace_value(check.expression, name)
            yield Check(check.name, expression, (column.name,), check.validated)


def _replace_value(expression: str, name: str) -> str:
    return re.sub(r"\bVALUE\b", lambda _: name, expression)
