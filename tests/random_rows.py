"""Rows for random schemas: values are drawn from each column's pool, references from rows that are there.

What breaks a rule then is thrown away by the server, which knows no other way to read the rules than its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import psycopg
from random_schemas import RandomSchema, Reference, Table, ddl, listed, quoted, reference_ddl

from replica.databases.url import DatabaseUrl

Row = dict[str, str | None]
Connection = psycopg.Connection[tuple[object, ...]]


def build(url: DatabaseUrl, schema: RandomSchema) -> list[int]:
    """Makes a schema and fills it; returns how many rows each table has."""
    with psycopg.connect(url.secret) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute(ddl(schema).encode())
        for table, found in zip(schema.tables, _draw_rows(connection, schema), strict=True):
            _insert(connection, table, found)
        _drop_orphans(connection, schema)
        connection.execute(reference_ddl(schema).encode())
        counts = [connection.execute(f"SELECT count(*) FROM {quoted(table.name)}".encode()) for table in schema.tables]
        return [int(cursor.fetchall()[0][0]) for cursor in counts]


def _draw_rows(connection: Connection, schema: RandomSchema) -> list[list[Row]]:
    """Draws values for all columns, and then what references say, where columns before do not say it already."""
    rng = random.Random(schema.seed)  # noqa: S311 - test data
    rows: list[list[Row]] = []
    for number, table in enumerate(schema.tables):
        rows.append([_own_values(table, row, rng) for row in range(table.rows)])
        for key in schema.references:
            if key.child == number and key.parent < number:
                _point(schema, rows, key, rng)
        rows[-1] = _sound(connection, table, rows[-1])
    for key in schema.references:
        if key.parent >= key.child:
            _point(schema, rows, key, rng)
    return rows


def _sound(connection: Connection, table: Table, rows: list[Row]) -> list[Row]:
    """Leaves out rows that break a rule already, so that later tables do not point to them in vain."""
    late = [column.name for column in table.columns if not any(column.name in row for row in rows)]
    early = [check for check in table.checks if not any(quoted(name) in check for name in late)]
    for key in table.keys:
        first = {tuple(row.get(name) for name in key): row for row in reversed(rows)}
        rows = [row for row in rows if first[tuple(row.get(name) for name in key)] is row]
    if not early or not rows:
        return rows
    _stage(connection, table, rows)
    kept = connection.execute(f"SELECT number FROM stage WHERE {_all_of(early)}".encode()).fetchall()
    connection.execute("DROP TABLE stage")
    return [rows[number] for number in sorted(int(str(number)) for (number,) in kept)]


def _all_of(checks: Sequence[str]) -> str:
    return " AND ".join(f"({check}) IS NOT FALSE" for check in checks)


def _own_values(table: Table, number: int, rng: random.Random) -> Row:
    row: Row = {}
    for column in table.columns:
        if column.pool:
            value = column.pool[number % len(column.pool)] if column.in_turn else rng.choice(column.pool)
            row[column.name] = None if rng.random() < column.nulls else value
    return row


def _point(schema: RandomSchema, rows: list[list[Row]], key: Reference, rng: random.Random) -> None:
    """Fills the columns of a reference from rows that agree with those that are filled already."""
    parents = [tuple(row.get(name) for name in key.parent_columns) for row in rows[key.parent]]
    parents = [values for values in parents if None not in values]
    stride = _stride(schema, rows, key)
    for number, row in enumerate(rows[key.child]):
        known = [(i, row[name]) for i, name in enumerate(key.columns) if row.get(name) is not None]
        fitting = [values for values in parents if all(values[i] == value for i, value in known)]
        if not fitting or rng.random() < key.nulls:
            for name in key.columns:
                row.setdefault(name, None)
            continue
        chosen = fitting[number // stride % len(fitting)] if key.in_turn else rng.choice(fitting)
        row |= dict(zip(key.columns, chosen, strict=True))


def _stride(schema: RandomSchema, rows: list[list[Row]], key: Reference) -> int:
    """After how many rows a reference goes on to the next parent, so that several together go through all pairs."""
    stride = 1
    for other in schema.references[: schema.references.index(key)]:
        if other.child == key.child and other.in_turn and set(other.columns) <= set(schema.tables[key.child].primary):
            stride *= max(1, len(rows[other.parent]))
    return stride


def _stage(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Puts rows into a table without rules, with their numbers."""
    columns = listed([column.name for column in table.columns])
    connection.execute(f"CREATE TEMP TABLE stage AS SELECT 0 AS number, * FROM {quoted(table.name)}".encode())
    with connection.cursor().copy(f"COPY stage (number, {columns}) FROM STDIN".encode()) as copy:
        for number, row in enumerate(rows):
            copy.write_row([str(number), *(row.get(column.name) for column in table.columns)])


def _insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts the rows that break neither a check nor a unique rule."""
    name = quoted(table.name)
    if not table.columns:
        connection.execute(f"INSERT INTO {name} SELECT FROM generate_series(1, {len(rows)})".encode())
        return
    _stage(connection, table, rows)
    columns = listed([column.name for column in table.columns])
    required = [column.name for column in table.columns if column.not_null or column.name in table.primary]
    conditions = [
        *(f"{quoted(column)} IS NOT NULL" for column in required),
        *([_all_of(table.checks)] if table.checks else []),
    ]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    connection.execute(
        f"INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM stage {where}"
        " ORDER BY number ON CONFLICT DO NOTHING".encode()
    )
    connection.execute("DROP TABLE stage")


def _drop_orphans(connection: Connection, schema: RandomSchema) -> None:
    """Takes rows away that point to rows which are not there, and in turn those that pointed to them."""
    while True:
        gone = 0
        for key in schema.references:
            child = quoted(schema.tables[key.child].name)
            gone += connection.execute(f"DELETE FROM {child} AS c WHERE {orphan(schema, key)}".encode()).rowcount
        if not gone:
            return


def orphan(schema: RandomSchema, key: Reference) -> str:
    """Returns the condition, on a row ``c``, that a reference is broken."""
    pairs = list(zip(key.columns, key.parent_columns, strict=True))
    known = " AND ".join(f"c.{quoted(name)} IS NOT NULL" for name, _ in pairs)
    equal = " AND ".join(f"p.{quoted(up)} = c.{quoted(name)}" for name, up in pairs)
    parent = quoted(schema.tables[key.parent].name)
    broken = f"({known} AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {equal}))"
    if "MATCH FULL" in key.options:
        some = " OR ".join(f"c.{quoted(name)} IS NOT NULL" for name, _ in pairs)
        broken += f" OR (({some}) AND NOT ({known}))"
    return broken
