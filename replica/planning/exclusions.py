"""EXCLUDE constraints that are unique rules under another name."""

from __future__ import annotations

from dataclasses import replace

from replica.constraints.exclusion_forms import as_unique
from replica.schema.model import Schema, Table


def with_exclusions(schema: Schema) -> Schema:
    """Adds to tables the unique rules that their EXCLUDE constraints of equal parts are."""
    return replace(schema, tables=tuple(_with_exclusions(table) for table in schema.tables))


def _with_exclusions(table: Table) -> Table:
    found = tuple(rule for exclusion in table.exclusions if (rule := as_unique(exclusion, table)) is not None)
    return replace(table, uniques=(*table.uniques, *found)) if found else table
