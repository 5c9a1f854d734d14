"""Counting, in the server, the rows that break each constraint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg

from replica.databases.postgres.connection import reported
from replica.schema.model import Check, ForeignKey, Schema, Table, Unique, quote_name


def count_broken(connection: psycopg.Connection[Any], schema: Schema) -> dict[str, int]:
    """Returns the number of offending rows (or keys, for unique rules) of every constraint, by its name.

    EXCLUDE constraints are left to the server, which keeps no such index with a violation in it.
    """
    counts = {}
    for table in schema.tables:
        if table.kind in ("foreign", "partition"):
            continue
        for name, query in _queries(table):
            with reported(f"checking {name}"):
                row = connection.execute(query.encode()).fetchone()
            counts[name] = int(row[0]) if row else 0
    return counts


def _queries(table: Table) -> Iterator[tuple[str, str]]:
    for column in table.columns:
        if not column.nullable:
            yield (
                f"{table.id}.{quote_name(column.name)} NOT NULL",
                f"SELECT count(*) FROM {table.id} WHERE {_quoted(column.name)} IS NULL",
            )
        for check in column.type.domain_checks:
            condition = re.sub(r"\bVALUE\b", _quoted(column.name).replace("\\", "\\\\"), check.expression)
            yield f"{table.id}.{quote_name(column.name)} {check.name}", _count_false(table, condition)
    for unique in table.uniques:
        yield f"{table.id}.{quote_name(unique.name)}", _count_duplicates(table, unique)
    for key in table.foreign_keys:
        yield key.id, _count_orphans(key)
    for check in table.checks:
        yield f"{table.id}.{quote_name(check.name)}", _count_check(table, check)


def _count_check(table: Table, check: Check) -> str:
    return _count_false(table, check.expression)


def _count_false(table: Table, condition: str) -> str:
    return f"SELECT count(*) FROM {table.id} WHERE ({condition}) IS FALSE"


def _count_duplicates(table: Table, unique: Unique) -> str:
    parts = unique.expressions or tuple(_quoted(name) for name in unique.columns)
    filters = [f"({unique.predicate})"] if unique.predicate else []
    if unique.nulls_distinct:
        filters += [f"({part}) IS NOT NULL" for part in parts]
    where = f" WHERE {' AND '.join(filters)}" if filters else ""
    # Uniqueness holds within one table, not across those that inherit from it.
    source = table.id if table.kind == "partitioned" else f"ONLY {table.id}"
    keys = ", ".join(parts)
    return f"SELECT count(*) FROM (SELECT 1 FROM {source}{where} GROUP BY {keys} HAVING count(*) > 1) AS d"


def _count_orphans(key: ForeignKey) -> str:
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    present = " AND ".join(f"c.{_quoted(down)} IS NOT NULL" for down, _ in pairs)
    join = " AND ".join(f"p.{_quoted(up)} = c.{_quoted(down)}" for down, up in pairs)
    orphan = f"({present} AND NOT EXISTS (SELECT 1 FROM {key.parent} p WHERE {join}))"
    if key.match_full:
        some = " OR ".join(f"c.{_quoted(down)} IS NOT NULL" for down, _ in pairs)
        orphan += f" OR (({some}) AND NOT ({present}))"
    return f"SELECT count(*) FROM {key.child} c WHERE {orphan}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
