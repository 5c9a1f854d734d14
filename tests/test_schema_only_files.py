"""Every schema file is filled without a look at its rows."""

from __future__ import annotations

import psycopg
import pytest
from conftest import Server
from postgres_tools import rows, value
from test_schemas import SECTIONS, usable

import replica
from replica import Settings
from replica.databases.url import DatabaseUrl

PER_TABLE = 30


def leaves_nothing_to_hold(target: DatabaseUrl) -> set[str]:
    """Returns the tables without a row of their own, partitions aside."""
    names = rows(
        target,
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
    )
    return {name for (name,) in names if not value(target, f"SELECT EXISTS (SELECT FROM {name})")}


def loaded(server: Server, name: str) -> DatabaseUrl:
    """Returns a new database with what the server can take of a file."""
    sections = usable(server, name)
    source = server.create()
    with psycopg.connect(source.secret, autocommit=True) as session:
        for section in sections:
            session.execute(section.script.encode())
    return source


@pytest.mark.parametrize("name", sorted(SECTIONS))
def test_a_schema_file_is_filled_from_its_schema_alone(server: Server, target: DatabaseUrl, name: str) -> None:
    source = loaded(server, name)
    try:
        before = value(source, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated")
        replica.replicate(source, target, Settings(schema_only=True, rows_per_table=PER_TABLE, workers=1))
        assert leaves_nothing_to_hold(target) == set()
        assert value(target, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == before
    finally:
        server.drop(source)


def test_rows_go_without_a_key_that_has_fewer_values_than_there_are_rows(server: Server, target: DatabaseUrl) -> None:
    source = loaded(server, "uniques")
    try:
        replica.replicate(source, target, Settings(schema_only=True, rows_per_table=300, workers=1))
        (n, bits), (m, few) = (
            rows(target, f"SELECT count(*), count(DISTINCT b) FROM {name}")[0] for name in ("odd_keys", "odder_keys")
        )
        assert (n, m) == (300, 300)
        assert 200 < bits <= 2**8
        assert 10 < few <= 2**4
    finally:
        server.drop(source)
