"""Counting, in the server, the rows that break each constraint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg

from replica.databases.postgres.connection import reported
from replica.databases.postgres.references import count_lost
from replica.schema.model import Column, ForeignKey, Schema, Table, Unique, quote_name

# Texts and quoted names stay what they are, even where they hold the word.
_VALUE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(\bVALUE\b)""")


def count_broken(connection: psycopg.Connection[Any], schema: Schema) -> dict[str, int]:
    """Returns the number of offending rows (or keys, for unique rules) of every constraint, by its name.

    EXCLUDE constraints are left to the server, which keeps no such index with a violation in it.
    """
    counts = {}
    for table in schema.tables:
        if table.kind == "foreign":
            continue
        rows = _rows(table)
        # What a partition has from its root is counted there.
        roots = table.inherits if table.kind == "partition" else ()
        above = {query for root in roots for _, query in _queries(schema.by_id[root], rows, schema)}
        for name, query in _queries(table, rows, schema):
            if query in above:
                continue
            with reported(f"checking {name}"):
                row = connection.execute(query.encode()).fetchone()
            counts[name] = int(row[0]) if row else 0
    return counts


def _rows(table: Table) -> str:
    """Where a rule of a table holds: in its partitions too, but not in tables that inherit from it.

    Those have the rules that they inherit as their own.
    """
    return table.id if table.partition_key else f"ONLY {table.id}"


def _queries(table: Table, rows: str, schema: Schema) -> Iterator[tuple[str, str]]:
    for column in table.columns:
        name = f"{table.id}.{quote_name(column.name)}"
        if not column.nullable:
            yield f"{name} NOT NULL", f"SELECT count(*) FROM {rows} WHERE {_quoted(column.name)} IS NULL"
        for check in column.type.domain_checks:
            yield f"{name} {check.name}", _count_false(rows, _of_column(check.expression, column))
    for unique in (found for found in table.uniques if found.declared):
        yield f"{table.id}.{quote_name(unique.name)}", _count_duplicates(rows, unique)
    for key in table.foreign_keys:
        yield key.id, _count_orphans(rows, key, _rows(schema.by_id[key.parent]))
    for loose in table.loose_references:
        yield loose.id, count_lost(loose, rows, table, schema.by_id[loose.parent])
    for check in table.checks:
        yield f"{table.id}.{quote_name(check.name)}", _count_false(rows, check.expression)


def _of_column(expression: str, column: Column) -> str:
    """Turns a domain's condition into one on a column, which it sees as the type under the domain."""
    value = f"({_quoted(column.name)}::{column.type.under})"
    return _VALUE.sub(lambda found: value if found[1] else found[0], expression)


def _count_false(rows: str, condition: str) -> str:
    return f"SELECT count(*) FROM {rows} WHERE ({condition}) IS FALSE"


def _count_duplicates(rows: str, unique: Unique) -> str:
    parts = unique.expressions or tuple(_quoted(name) for name in unique.columns)
    filters = [f"({unique.predicate})"] if unique.predicate else []
    if unique.nulls_distinct:
        filters += [f"({part}) IS NOT NULL" for part in parts]
    where = f" WHERE {' AND '.join(filters)}" if filters else ""
    keys = ", ".join(f"({part})" for part in parts)
    return f"SELECT count(*) FROM (SELECT 1 FROM {rows}{where} GROUP BY {keys} HAVING count(*) > 1) AS d"


def _count_orphans(rows: str, key: ForeignKey, parents: str) -> str:
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    present = " AND ".join(f"c.{_quoted(down)} IS NOT NULL" for down, _ in pairs)
    join = " AND ".join(f"p.{_quoted(up)} = c.{_quoted(down)}" for down, up in pairs)
    orphan = f"({present} AND NOT EXISTS (SELECT 1 FROM {parents} AS p WHERE {join}))"
    if key.match_full:
        some = " OR ".join(f"c.{_quoted(down)} IS NOT NULL" for down, _ in pairs)
        orphan += f" OR (({some}) AND NOT ({present}))"
    return f"SELECT count(*) FROM {rows} AS c WHERE {orphan}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
