"""Schemas of real production systems, without rows: filled from what they say of themselves, and validated."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from conftest import Server
from postgres_tools import rows

import replica
from real.databases import tool
from real.test_real_databases import servers as servers  # noqa: PLC0414 - a fixture
from replica import Settings
from replica.databases import open_database
from replica.databases.url import DatabaseUrl

pytestmark = pytest.mark.real

SCHEMAS = Path(os.environ.get("REPLICA_REAL_SCHEMAS", Path(__file__).resolve().parents[3] / "shared" / "schemas"))
NAMES = sorted(path.parent.name for path in SCHEMAS.glob("*/schema.sql")) or ["none"]
ROWS = 200


def load(name: str, url: DatabaseUrl) -> None:
    script = SCHEMAS / name / "schema.sql"
    command = [tool("psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname", url.secret]
    subprocess.run([*command, f"--file={script}"], check=True, capture_output=True, text=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_real_schema_is_filled_and_every_constraint_is_validated(
    name: str, servers: dict[str, Server | None], record_property: Callable[..., None]
) -> None:
    server = servers["old"]
    if name == "none" or server is None:
        pytest.skip("the schemas, or a server with their extensions, are not here: see REPLICA_REAL_SCHEMAS")
    source, target = server.create(), server.fresh()
    try:
        load(name, source)
        report = replica.replicate(source, target, Settings(schema_only=True, rows_per_table=ROWS))
        record_property("seconds", round(report.seconds))
        assert _empty(target) == []
        assert _invalid(target) == _invalid(source)
        assert _constraints(target) == _constraints(source)
        broken = open_database(target).count_broken(replica.introspect(target))
        assert not {rule: count for rule, count in broken.items() if count}
    finally:
        server.drop(source)
        server.drop(target)


def _empty(url: DatabaseUrl) -> list[str]:
    """Tables without rows, but for partitioned ones that have no partition to hold any."""
    found = rows(
        url,
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE (c.relkind = 'r' OR (c.relkind = 'p' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid)))"
        " AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'"
        " AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.objid = c.oid AND x.deptype = 'e')",
    )
    with psycopg.connect(url.secret) as connection:
        return [table for (table,) in found if not connection.execute(f"SELECT FROM {table} LIMIT 1").fetchall()]


def _invalid(url: DatabaseUrl) -> list[tuple[str, ...]]:
    return rows(url, "SELECT conname FROM pg_constraint WHERE NOT convalidated ORDER BY conname")


def _constraints(url: DatabaseUrl) -> list[tuple[int, ...]]:
    return rows(url, "SELECT contype, count(*) FROM pg_constraint GROUP BY contype ORDER BY contype")
