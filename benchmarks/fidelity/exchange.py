"""How tables get to rivals and back: CSV files and a description, in a folder; and from there into a database.

In the folder, ``tables.json`` says what the tables are, ``original/NAME.csv`` holds their rows and ``made/NAME.csv``
those that the rival made; ``report.json`` says how long it took, or why it refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from replica import Plan
from replica.databases import open_database
from replica.databases.url import DatabaseUrl
from replica.schema.model import Column, Table

NULL: Final = r"\N"
"""What stands for null in the files."""

# Rivals get the rows that they made past constraints, so that what they break can be counted.
_LOOSEN = """
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT conrelid::regclass AS place, conname AS name FROM pg_constraint
    WHERE contype = 'c' AND conrelid <> 0 AND coninhcount = 0
  LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.place, one.name); END LOOP;
  FOR one IN SELECT attrelid::regclass AS place, attname AS name FROM pg_attribute JOIN pg_class ON oid = attrelid
    WHERE attnotnull AND attnum > 0 AND attinhcount = 0 AND relkind IN ('r', 'p') AND attidentity = ''
      AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
  LOOP EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', one.place, one.name); END LOOP;
END $$
"""


def file_of(table: str) -> str:
    """Returns the name of a table's file."""
    return table.replace('"', "").replace("/", "_") + ".csv"


def hand_out(url: DatabaseUrl, plan: Plan, folder: Path) -> None:
    """Writes the rows of all planned tables, and what a rival may know of them, into an empty folder."""
    (folder / "original").mkdir()
    (folder / "made").mkdir()
    with psycopg.connect(url.secret) as connection:
        for table in plan.tables:
            _copy_out(connection, table.table, folder / "original" / file_of(table.id))
    found = [_described(table.table, table.owner.name if table.owner else None) for table in plan.tables]
    (folder / "tables.json").write_text(json.dumps(found))


def take_in(source: DatabaseUrl, target: DatabaseUrl, plan: Plan, folder: Path) -> int:
    """Fills an empty database with the source's tables, without keys and checks, and with the rows that a rival made.

    Returns:
        How many rows there are.

    Raises:
        Error: the server does not take a value.
    """
    with open_database(source).snapshot() as snapshot:
        schema = snapshot.dump(open_database(target).server_version()).pre_data
    rows = 0
    with psycopg.connect(target.secret) as connection:
        for statement in schema:
            connection.execute(statement.sql.encode())
        connection.execute(_LOOSEN)
        for table in plan.tables:
            rows += _copy_in(connection, table.table, folder / "made" / file_of(table.id))
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE")
    return rows


def _columns(columns: Iterable[Column]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def _copy_out(connection: psycopg.Connection, table: Table, file: Path) -> None:
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv, HEADER, NULL {})")
    place = sql.Identifier(table.schema, table.name)
    with (
        connection.cursor() as cursor,
        cursor.copy(query.format(_columns(table.writable_columns), place, sql.Literal(NULL))) as rows,
        file.open("wb") as out,
    ):
        for part in rows:
            out.write(part)


def _copy_in(connection: psycopg.Connection, table: Table, file: Path) -> int:
    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER, NULL {})")
    place = sql.Identifier(table.schema, table.name)
    with connection.cursor() as cursor:
        with (
            cursor.copy(query.format(place, _columns(table.writable_columns), sql.Literal(NULL))) as rows,
            file.open("rb") as read,
        ):
            while part := read.read(1 << 20):
                rows.write(part)
        return cursor.rowcount


def _described(table: Table, owner: str | None) -> dict[str, Any]:
    """What a rival may know of a table: types and keys, and which reference says under whose rows its own stand."""
    key = table.primary_key
    return {
        "name": table.id,
        "file": file_of(table.id),
        "columns": [{"name": one.name, "kind": _kind(one), "scale": one.type.scale} for one in table.writable_columns],
        "key": list(key.columns) if key else [],
        "references": [
            {
                "columns": list(one.columns),
                "parent": one.parent,
                "parent_columns": list(one.parent_columns),
                "owner": one.name == owner,
            }
            for one in table.foreign_keys
        ],
    }


def _kind(column: Column) -> str:
    family = column.type.family
    if family == "integer":
        return "integer"
    if family in ("float", "numeric"):
        return "number"
    return "moment" if family in ("date", "timestamp") else "category"
