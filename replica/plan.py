"""Deciding everything before any row is learned: what each table is, where each value comes from, in which order.

All validation that needs no rows happens here. What :func:`plan` returns is what the later stages do, no more and no
less, and it is what ``replica plan`` prints.
"""

from __future__ import annotations

from replica.errors import PlanError, SchemaMapError
from replica.generators import AUTO, CHOICES, PRIVATE_GENERATOR, PRIVATE_GENERATORS
from replica.planning.columns import as_owned, check_bases, check_order, plan_column, sex_column
from replica.planning.decisions import Plan, TablePlan
from replica.planning.exclusions import with_exclusions
from replica.planning.partitions import with_partition_rules
from replica.planning.references import (
    Surroundings,
    holder_path,
    owner_of,
    plan_references,
    plan_unique,
    refuse_owner_circles,
    table_order,
    with_values_read,
    without_constants,
)
from replica.planning.rules import plan_rules, with_repeated_references
from replica.planning.scope import (
    check_rows,
    check_tables,
    require_columns,
    skipped_tables,
    with_full_names,
)
from replica.planning.undeclared import with_keys, with_references
from replica.schema.model import Schema, Table
from replica.schema.schema_map import SchemaMap, TableMap
from replica.settings import Settings


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
    settings = with_full_names(settings, schema)
    check_tables(schema, schema_map, settings)
    schema = with_references(schema, schema_map)
    if settings.rules:
        schema = with_keys(with_repeated_references(schema, schema_map), schema_map)
    schema = with_partition_rules(with_exclusions(schema))
    notes: list[str] = []
    skipped = skipped_tables(schema, schema_map, settings, notes)
    check_rows(schema_map, settings.rows, skipped)
    active = [table for table in schema.tables if table.id not in skipped]
    owners = {table.id: owner for table in active if (owner := owner_of(table, schema_map.tables[table.id], skipped))}
    refuse_owner_circles(owners)
    keys = [key for table in active for key in table.foreign_keys if key.parent not in skipped]
    order = table_order(active, keys, owners)
    deferred = frozenset(order.deferred)
    by_id = {table.id: table for table in active}
    tables = tuple(
        _plan_table(by_id[name], Surroundings(schema, schema_map, settings, owners, skipped, deferred))
        for layer in order.generations
        for name in layer
    )
    if settings.rules:
        tables = plan_rules(tables, schema, schema_map, notes)
    return Plan(schema, schema_map, tables, skipped, order, settings.min_holders, tuple(notes))


def _plan_table(table: Table, around: Surroundings) -> TablePlan:
    table_map = around.schema_map.tables[table.id]
    owner = around.owners.get(table.id)
    columns = tuple(
        plan_column(table, column, as_owned(table_map.columns[column.name], table_map, owner))
        for column in table.columns
    )
    references = plan_references(table, owner, around)
    check_order(table, table_map, columns)
    check_bases(table, columns)
    if table_map.locale is not None:
        require_columns(table, [table_map.locale], f"schema map: {table.id}: locale")
    require_columns(table, table_map.predict, f"schema map: {table.id}: predict")
    order = table_map.order if owner is not None else None
    planned = TablePlan(
        table=table,
        role=table_map.role,
        owner=owner,
        order=order,
        generator=_generator(table, table_map, around.settings),
        columns=columns,
        references=references,
        uniques=tuple(plan_unique(without_constants(unique, table), columns, owner, order) for unique in table.uniques),
        holder_path=holder_path(table, table_map, around),
        locale=table_map.locale,
        sex=sex_column(columns),
        rows=max(0, table.row_estimate),
    )
    return with_values_read(planned, around.schema)


def _generator(table: Table, table_map: TableMap, settings: Settings) -> str:
    """Settles the family of generators; ``auto`` stays open until the rows are there, unless these may not be seen."""
    generator = table_map.generator or settings.family
    if generator not in CHOICES:
        known = ", ".join(sorted(CHOICES))
        raise SchemaMapError(f"schema map: {table.id}: unknown generator {generator!r}: known are {known}")
    if settings.epsilon is None or table_map.role not in ("subject", "private"):
        return generator
    if generator == AUTO:
        return PRIVATE_GENERATOR
    if generator not in PRIVATE_GENERATORS:
        raise PlanError(
            f"{table.id}: generator {generator} cannot learn under differential privacy: choose"
            f" {' or '.join(PRIVATE_GENERATORS)}"
        )
    return generator
