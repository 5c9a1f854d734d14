"""Ten real databases, between the PostgreSQL versions that people have: run, then compared with their sources."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from conftest import Server
from psycopg import sql

from real.databases import DATA, SCRIPTS, load, schema_lines
from replica.databases import open_database
from replica.databases.url import DatabaseUrl, parse_url
from replica.errors import DatabaseError
from replica.inference import Draft
from replica.pipeline import draft, introspect
from replica.schema.model import Schema, quote_name

pytestmark = pytest.mark.real

OLD_SERVER = os.environ.get("REPLICA_REAL_OLD_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
WAYS = {"old to old": ("old", "old"), "old to new": ("old", "new"), "new to new": ("new", "new")}

Sources = Callable[[str, str], DatabaseUrl]


@pytest.fixture(scope="session")
def servers(embedded_server: Server) -> dict[str, Server | None]:
    """An older server where one answers, and the embedded one."""
    if not DATA.is_dir():
        pytest.skip(f"the real databases are not here: {DATA} (REPLICA_REAL_DATA names another place)")
    old: Server | None = Server(parse_url(OLD_SERVER), "old")
    try:
        open_database(OLD_SERVER).server_version()
    except DatabaseError:
        old = None
    return {"old": old, "new": embedded_server}


@pytest.fixture(scope="session")
def sources(servers: dict[str, Server | None]) -> Iterator[Sources]:
    """Builds each source once per server."""
    made: dict[tuple[str, str], DatabaseUrl] = {}

    def source(place: str, name: str) -> DatabaseUrl:
        server = servers[place]
        if server is None:
            pytest.skip("no older server answers: REPLICA_REAL_OLD_URL may name one")
        if (place, name) not in made:
            url = server.create()
            load(name, url)
            made[place, name] = url
        return made[place, name]

    yield source
    for (place, _), url in made.items():
        server = servers[place]
        assert server is not None
        server.drop(url)


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_real_database_is_replicated_whole_and_valid(
    way: str, name: str, servers: dict[str, Server | None], sources: Sources, record_property: Callable[..., None]
) -> None:
    source_place, target_place = WAYS[way]
    source, server = sources(source_place, name), servers[target_place]
    if server is None:
        pytest.skip("no older server answers: REPLICA_REAL_OLD_URL may name one")
    target = server.fresh()
    try:
        start = time.monotonic()
        run = _replicate(source, target)
        record_property("seconds", round(time.monotonic() - start, 1))
        assert run.returncode == 0, run.stderr[-2000:]
        schema = introspect(source)
        assert schema_lines(target) == schema_lines(source)
        _assert_rows(schema, source, target)
        _assert_valid(schema, source, target)
        _assert_next_insert_works(schema, target)
        _assert_nobody_is_taken_over(draft(source), source, target)
        assert _score(source, target) > 0.5
    finally:
        server.drop(target)


def _replicate(source: DatabaseUrl, target: DatabaseUrl) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "replica", "run", "env:REAL_SOURCE", "env:REAL_TARGET", "--json", "--quiet"]
    environment = os.environ | {"REAL_SOURCE": source.secret, "REAL_TARGET": target.secret}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=Path.cwd())


def _score(source: DatabaseUrl, target: DatabaseUrl) -> float:
    command = [sys.executable, "-m", "replica", "evaluate", "env:REAL_SOURCE", "env:REAL_TARGET", "--json"]
    environment = os.environ | {"REAL_SOURCE": source.secret, "REAL_TARGET": target.secret}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(run.stdout)["summary"]["shapes"])


def _count(url: DatabaseUrl, table: str) -> int:
    with psycopg.connect(url.secret) as connection:
        row = connection.execute(f"SELECT count(*) FROM ONLY {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def _assert_rows(schema: Schema, source: DatabaseUrl, target: DatabaseUrl) -> None:
    for table in schema.tables:
        wanted, got = _count(source, table.id), _count(target, table.id)
        assert abs(wanted - got) <= max(2, 0.05 * wanted), table.id


def _assert_valid(schema: Schema, source: DatabaseUrl, target: DatabaseUrl) -> None:
    kept = {name for name, rows in open_database(source).count_broken(schema).items() if rows == 0}
    broken = {name: rows for name, rows in open_database(target).count_broken(schema).items() if rows and name in kept}
    assert broken == {}


def _assert_next_insert_works(schema: Schema, target: DatabaseUrl) -> None:
    """Every sequence hands out a value that no row has yet, and a row with it can be inserted."""
    with psycopg.connect(target.secret) as connection:
        for sequence in schema.sequences:
            for table, column in sequence.users:
                _insert(connection, schema, table, column)
                row = connection.execute(
                    f"SELECT EXISTS (SELECT FROM {table} WHERE {quote_name(column)} = nextval(%s))".encode(),
                    [sequence.id],
                ).fetchone()
                assert row == (False,), sequence.id
                connection.rollback()


def _insert(connection: psycopg.Connection[tuple[object, ...]], schema: Schema, table: str, column: str) -> None:
    """Inserts the copy of a row with a new value of the sequence, unless another unique rule forbids copies."""
    found = schema.by_id[table]
    unique_elsewhere = any(column not in unique.columns for unique in found.uniques)
    if unique_elsewhere or found.triggers or found.by_name[column].identity == "always":
        return
    others = [sql.Identifier(c.name) for c in found.writable_columns if c.name != column]
    listed = sql.SQL(", ").join(others)
    statement = sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} LIMIT 1")
    connection.execute(statement.format(table=sql.SQL(table), columns=listed))


def _assert_nobody_is_taken_over(drafted: Draft, source: DatabaseUrl, target: DatabaseUrl) -> None:
    for table, columns in drafted.personal.items():
        kinds = drafted.schema_map.tables[table].columns
        for column in columns:
            if kinds[column].kind in ("email", "phone", "national_id", "iban", "full_name"):
                ours = {str(value) for (value,) in _values(source, table, [column])}
                theirs = [str(value) for (value,) in _values(target, table, [column])]
                taken, chance = len(ours & set(theirs)), _met_by_chance(ours, theirs)
                assert taken <= chance + 2 + 0.01 * len(theirs), (table, column, taken, chance)
        names = [next((c for c in columns if kinds[c].kind == kind), None) for kind in ("first_name", "last_name")]
        if all(names):
            _assert_full_names_by_chance(_values(source, table, names), _values(target, table, names), table)


def _met_by_chance(ours: set[str], theirs: list[str]) -> int:
    """How many of the source's values turn up when characters are shuffled among values of one shape.

    Fictitious telephone numbers share all digits but a few, so that some meet by chance.
    """
    shapes: dict[str, list[str]] = {}
    for value in theirs:
        shapes.setdefault(re.sub(r"\w", "x", value), []).append(value)
    rng = np.random.default_rng(0)
    most = 0
    for _ in range(20):
        mixed = {
            "".join(characters)
            for values in shapes.values()
            for characters in zip(*(rng.permutation(list(place)) for place in zip(*values, strict=True)), strict=True)
        }
        most = max(most, len(ours & mixed))
    return most


def _values(url: DatabaseUrl, table: str, columns: list[str | None]) -> list[tuple[object, ...]]:
    listed = ", ".join(quote_name(str(c)) for c in columns)
    given = " AND ".join(f"{quote_name(str(c))} IS NOT NULL" for c in columns)
    with psycopg.connect(url.secret) as connection:
        return connection.execute(f"SELECT {listed} FROM ONLY {table} WHERE {given}".encode()).fetchall()


def _assert_full_names_by_chance(ours: list[tuple[object, ...]], theirs: list[tuple[object, ...]], table: str) -> None:
    """First and last names paired at random meet a person of the source as often as those of the replica do."""
    people, rng = set(ours), np.random.default_rng(0)
    observed = sum(name in people for name in theirs)
    chance = []
    for _ in range(50):
        shuffled = rng.permutation(len(theirs))
        chance.append(sum((theirs[i][0], theirs[j][1]) in people for i, j in enumerate(shuffled)))
    assert observed <= max(chance) + 3 + 3 * np.std(chance), (table, observed, max(chance))
