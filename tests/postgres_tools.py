"""Shortcuts of the PostgreSQL tests: queries, roles, and a schema with every feature that the catalog reader knows."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from conftest import Server
from psycopg import conninfo, sql

import replica
from replica.databases.url import DatabaseUrl, parse_url
from replica.inference import has_own_rows

PASSWORD = "pass' \"word\\"  # noqa: S105 - of roles that live for one test


def rows(url: DatabaseUrl, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url.secret) as connection:
        return connection.execute(query.encode()).fetchall()


def value(url: DatabaseUrl, query: str) -> Any:
    return rows(url, query)[0][0]


def counts(url: DatabaseUrl) -> dict[str, int]:
    """Counts the rows of every table but partitions; tables of the schema public stand under their bare names."""
    return {
        table.id.removeprefix("public."): value(url, f"SELECT count(*) FROM {table.id}")
        for table in replica.introspect(url).tables
        if has_own_rows(table)
    }


def run(url: DatabaseUrl, script: str) -> None:
    with psycopg.connect(url.secret, autocommit=True) as connection:
        connection.execute(script.encode())


def changed(url: DatabaseUrl, **parts: str | int) -> DatabaseUrl:
    """Returns the address with parts of it replaced."""
    return parse_url(conninfo.make_conninfo(url.secret, **parts))


@contextmanager
def made_roles(server: Server) -> Iterator[Callable[..., str]]:
    """Makes roles that may log in. The databases that they own must be gone when the block ends."""
    made: list[str] = []

    def make(options: str = "") -> str:
        name = f"replica_test_{uuid.uuid4().hex[:8]}"
        role, password = sql.Identifier(name), sql.Literal(PASSWORD)
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + options).format(role, password))
        made.append(name)
        return name

    yield make
    for name in made:
        server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def as_role(url: DatabaseUrl, role: str) -> DatabaseUrl:
    return changed(url, user=role, password=PASSWORD)


def is_available(server: Server, extension: str) -> bool:
    query = f"SELECT count(*) FROM pg_available_extensions WHERE name = '{extension}'"
    return bool(value(server.admin, query))


FEATURES = Path(__file__).with_name("features.sql").read_text(encoding="utf8")
"""Every feature that the catalog reader knows, for any server since 15."""
