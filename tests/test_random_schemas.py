"""Random schemas replicate: whatever the tables, the server accepts every row, and no row is missing.

25 of them by default; REPLICA_RANDOM_SCHEMAS=200 asks for more; survey_random_schemas.py goes on after failures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import Server
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from postgres_tools import rows, value
from random_rows import build, orphan
from random_schemas import RandomSchema, Table, ddl, quoted, random_schemas, reference_ddl

import replica
from replica import Settings
from replica.databases.url import DatabaseUrl
from replica.errors import UnsatisfiableError
from replica.sample import planned_rows
from replica.schema.model import table_id
from replica.schema.schema_map import write_map

EXAMPLES = int(os.environ.get("REPLICA_RANDOM_SCHEMAS", "25"))


@dataclass(frozen=True)
class Pair:
    """The databases that all examples are built and replicated in."""

    source: DatabaseUrl
    target: DatabaseUrl


@pytest.fixture(scope="module")
def pair(server: Server) -> Iterator[Pair]:
    found = Pair(server.create(), server.fresh())
    yield found
    server.drop(found.source)
    server.drop(found.target)


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(schema=random_schemas(), scale=st.sampled_from([1.0, 0.5, 2.0]), all_made=st.booleans())
def test_a_random_schema_replicates(pair: Pair, schema: RandomSchema, scale: float, all_made: bool) -> None:
    note(f"{ddl(schema)}\n{reference_ddl(schema)}\nscale {scale}, all made: {all_made}")
    counts = build(pair.source, schema)
    note(f"rows: {counts}")
    if not verify(pair.source, pair.target, schema, counts, scale, all_made):
        event("twice as many rows were refused")


def verify(
    source: DatabaseUrl, target: DatabaseUrl, schema: RandomSchema, counts: list[int], scale: float, all_made: bool
) -> bool:
    """Replicates a database and asks the server for every row that breaks something.

    Args:
        source: the database.
        target: where to.
        schema: what it was built from.
        counts: rows of each table.
        scale: how many times as many rows are wanted.
        all_made: whether the tables that a draft would copy are made up too.

    Returns:
        False where more rows than the source has were refused, for a table with a unique rule that can be full.
    """
    with TemporaryDirectory() as folder:
        map_path = _all_made(source, Path(folder)) if all_made else None
        wanted = Settings(generator="marginal", workers=1, scale=scale, replace=True, map_path=map_path)
        fitted = replica.learn(source, wanted)
    planned = planned_rows(fitted, wanted)
    try:
        replica.write(fitted, target, wanted)
    except UnsatisfiableError as error:
        # The source is the proof that as many rows as it has can be made.
        named = [table for table in schema.tables if table_id("public", table.name) in str(error)]
        if scale <= 1 or not any(may_be_full(schema, table) for table in named):
            raise
        return False
    made = [value(target, f"SELECT count(*) FROM {quoted(table.name)}") for table in schema.tables]
    ids = {table.name: table.id for table in fitted.plan.schema.tables}
    assert made == [planned[ids[table.name]] for table in schema.tables]
    assert scale != 1 or made == counts
    assert {name: n for name, n in broken(target, schema).items() if n} == {}
    assert value(target, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0
    assert _constraints(target) == _constraints(source)
    return True


def may_be_full(schema: RandomSchema, table: Table) -> bool:
    """True where a unique rule, or a check on a key, leaves room for so many rows only."""
    pointing = {
        quoted(name) for key in schema.references if key.child == schema.tables.index(table) for name in key.columns
    }
    listed = {quoted(column.name) for column in table.columns if column.type == "boolean"}
    listed |= {
        quoted(column.name)
        for column in table.columns
        for check in table.checks
        if quoted(column.name) in check and any(word in check for word in (" IN (", "BETWEEN", "<=", "IS NULL"))
    }
    keys = [tuple(map(quoted, table.primary)), *(rule.parts for rule in table.rules)]
    plain = [{part.removeprefix("lower(").removesuffix(")") for part in key} for key in keys if key]
    return any(names <= pointing | listed for names in plain)


def _all_made(source: DatabaseUrl, folder: Path) -> Path:
    """Writes a map in which no table is copied."""
    draft = replica.draft(source)
    tables = {
        name: replace(table, role="public") if table.role == "lookup" else table
        for name, table in draft.schema_map.tables.items()
    }
    path = folder / "map.yaml"
    path.write_text(write_map(replace(draft.schema_map, tables=tables), {}), encoding="utf8")
    return path


def _constraints(url: DatabaseUrl) -> list[tuple[str, ...]]:
    """Returns constraints and unique indexes by name; the server may print a condition otherwise than it read it."""
    query = """
        SELECT conrelid::regclass::text, conname::text, contype::text, conkey::text, confkey::text
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL
        SELECT i.indrelid::regclass::text, c.relname::text, i.indkey::text, i.indnullsnotdistinct::text, ''
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE i.indisunique AND i.indisvalid AND c.relnamespace = 'public'::regnamespace
         ORDER BY 1, 2, 3
    """
    return rows(url, query)


def broken(url: DatabaseUrl, schema: RandomSchema) -> dict[str, int]:
    """Counts the rows, or keys, that break each rule."""
    queries = {
        f"{key}": f"SELECT count(*) FROM {_name(schema, key.child)} AS c WHERE {orphan(schema, key)}"
        for key in schema.references
    }
    for table in schema.tables:
        queries |= _table_queries(table)
    return {name: int(value(url, query)) for name, query in queries.items()}


def _name(schema: RandomSchema, number: int) -> str:
    return quoted(schema.tables[number].name)


def _table_queries(table: Table) -> dict[str, str]:
    name = quoted(table.name)
    found = {f"{name} {check}": f"SELECT count(*) FROM {name} WHERE NOT ({check})" for check in table.checks}
    required = [column.name for column in table.columns if column.not_null or column.name in table.primary]
    found |= {f"{name} {column}": f"SELECT count(*) FROM {name} WHERE {quoted(column)} IS NULL" for column in required}
    keys = [(tuple(quoted(column) for column in table.primary), "", False)] if table.primary else []
    keys += [(rule.parts, rule.predicate, rule.nulls_equal) for rule in table.rules]
    for parts, predicate, nulls_equal in keys:
        conditions = [] if nulls_equal else [f"{part} IS NOT NULL" for part in parts]
        conditions += [predicate] if predicate else []
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        groups = f"SELECT FROM {name} {where} GROUP BY {', '.join(parts)} HAVING count(*) > 1"
        found[f"{name} {parts} {predicate}"] = f"SELECT count(*) FROM ({groups}) AS again"
    return found
