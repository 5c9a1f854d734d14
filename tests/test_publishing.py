"""A target is replaced at once or stays what it was, whatever ends a run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Server
from postgres_tools import FEATURES, as_role, is_available, made_roles, rows, run, value
from psycopg import sql

from replica import (
    FittedReplica,
    LoadReport,
    Progress,
    ReplicaError,
    Settings,
    introspect,
    learn,
    open_artifact,
    save,
    write,
)
from replica.databases import open_database
from replica.databases.base import Staging, Statement
from replica.databases.postgres.staging import InPlace, SideBySide
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import (
    ConnectionLostError,
    DiskFullError,
    IntegrityError,
    LoadError,
    TargetBusyError,
    TargetNotEmptyError,
)
from replica.progress import Report

SOURCE = """
CREATE TABLE owner (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, size int CHECK (size > 0));
CREATE TABLE pet (id serial PRIMARY KEY, owner int REFERENCES owner, kind text NOT NULL, age int, spot point);
CREATE TABLE tag (id int PRIMARY KEY, kind text);
CREATE MATERIALIZED VIEW kinds AS SELECT kind, count(*) AS n FROM pet GROUP BY kind;
INSERT INTO owner (name, size) SELECT 'n' || i, i FROM generate_series(1, 20) i;
INSERT INTO pet (owner, kind, age) SELECT 1 + i % 20, 'k' || i % 3, i % 15 FROM generate_series(1, 40) i;
INSERT INTO tag SELECT i, 'k' || i % 3 FROM generate_series(1, 20) i;
"""
OLD = "CREATE TABLE precious (id serial PRIMARY KEY, v text); INSERT INTO precious (v) VALUES ('a'), ('b')"
STEPS = (
    "schema",
    "rows",
    "derived columns",
    "keys and indexes",
    "sequences",
    "materialized views",
    "statistics",
    "publish",
)
REPLACE = Settings(workers=1, replace=True)


@dataclass(frozen=True)
class Place:
    """A target that holds something, and the address of a user who may replace it in one of the two ways."""

    url: DatabaseUrl
    way: str

    @property
    def name(self) -> str:
        return database_name(self.url)

    def content(self) -> list[tuple[Any, ...]]:
        """The rows, and what tells this very database from any other."""
        place = "SELECT oid::text, datname::text FROM pg_database WHERE datname = current_database()"
        return rows(self.url, "SELECT id::text, v FROM precious ORDER BY 1") + rows(self.url, place)


@pytest.fixture(scope="module")
def learned(server: Server) -> Iterator[FittedReplica]:
    url = server.create()
    run(url, SOURCE)
    yield learn(url, Settings(effort=0.2, workers=1))
    server.drop(url)


@contextmanager
def filled(server: Server, way: str) -> Iterator[Place]:
    """Makes a target that holds a table."""
    url = server.create()
    with made_roles(server) as new_role:
        role = new_role("CREATEDB" if way == SideBySide.way else "")
        server.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database_name(url)), sql.Identifier(role))
        )
        run(as_role(url, role), OLD)
        try:
            yield Place(as_role(url, role), way)
        finally:
            server.drop(url)


@pytest.fixture(scope="module", params=[SideBySide.way, InPlace.way], ids=["side by side", "in place"])
def untouched(server: Server, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A target that no test may change."""
    with filled(server, request.param) as place:
        yield place


@pytest.fixture(params=[SideBySide.way, InPlace.way], ids=["side by side", "in place"])
def place(server: Server, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A target to be replaced."""
    with filled(server, request.param) as found:
        yield found


@pytest.fixture
def beside(server: Server) -> Iterator[Place]:
    with filled(server, SideBySide.way) as found:
        yield found


@pytest.fixture
def inside(server: Server) -> Iterator[Place]:
    with filled(server, InPlace.way) as found:
        yield found


def leftovers(server: Server, place: Place) -> list[str]:
    """Databases that a run on the target made and did not remove."""
    mark = json.dumps({"replica staging": place.name})
    query = f"SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = '{mark}'"
    return [str(name) for (name,) in rows(server.admin, query)]


def lock_holders(server: Server, place: Place) -> list[int]:
    """The sessions that keep others from writing the target."""
    query = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 24241"
        f" AND objid = (hashtext('{place.name}')::bigint & 4294967295)::oid"
    )
    return [int(pid) for (pid,) in rows(server.admin, query)]


def at(step: str, action: Callable[[], object], detail: str = "") -> Report:
    """Acts when a run comes to a step, once."""
    waiting = [True]

    def report(progress: Progress) -> None:
        if waiting and (progress.step, progress.detail) == (step, detail):
            waiting.clear()
            action()

    return report


def until(condition: Callable[[], object]) -> None:
    """Waits for something that is bound to come."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def is_replica(url: DatabaseUrl) -> bool:
    tables = rows(url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    counts = "SELECT (SELECT count(*) FROM owner), (SELECT count(*) FROM pet), (SELECT sum(n)::int FROM kinds)"
    return tables == [("owner",), ("pet",), ("tag",)] and rows(url, counts) == [(20, 40, 40)]


# Replacing


def test_a_target_that_is_not_there_is_created(learned: FittedReplica, target: DatabaseUrl) -> None:
    report = write(learned, target, Settings(workers=1))
    assert is_replica(target)
    assert (report.way, report.rows, [step.step for step in report.steps]) == (SideBySide.way, 80, list(STEPS))
    assert value(target, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()") is None


def test_an_empty_target_is_filled_without_leave(learned: FittedReplica, empty_database: DatabaseUrl) -> None:
    write(learned, empty_database, Settings(workers=1))
    assert is_replica(empty_database)


def test_a_target_that_holds_something_is_replaced_only_with_leave(server: Server, learned: FittedReplica, place: Place) -> None:
    before = place.content()
    with pytest.raises(TargetNotEmptyError, match="give --replace"):
        write(learned, place.url, Settings(workers=1))
    assert place.content() == before
    report = write(learned, place.url, REPLACE)
    assert report.way == place.way
    assert is_replica(place.url)
    assert leftovers(server, place) == []
    write(learned, place.url, REPLACE)
    assert is_replica(place.url)


def test_the_old_content_is_there_until_the_last_step_is_done(learned: FittedReplica, place: Place) -> None:
    seen: list[tuple[str, int]] = []
    tables = "SELECT count(*) FROM pg_class WHERE relname IN ('precious', 'owner') AND relkind = 'r'"

    def look(progress: Progress) -> None:
        assert value(place.url, tables + " AND relname = 'precious'") == 1
        seen.append((progress.step, value(place.url, tables)))

    write(learned, place.url, REPLACE, look)
    assert {step for step, _ in seen} == set(STEPS)
    assert {count for _, count in seen} == {1}


def test_sessions_in_the_old_target_do_not_block_its_replacement(learned: FittedReplica, beside: Place) -> None:
    with psycopg.connect(beside.url.secret) as idle:
        idle.execute("LOCK TABLE precious")
        write(learned, beside.url, REPLACE)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
        idle.close()
    assert is_replica(beside.url)


def test_clients_that_come_back_again_and_again_do_not_block_the_replacement(learned: FittedReplica, beside: Place) -> None:
    done, came = threading.Event(), threading.Semaphore(0)

    def come_back() -> None:
        while not done.is_set():
            try:
                with psycopg.connect(beside.url.secret) as client:
                    client.execute("SELECT 1")
                    came.release()
                    client.execute("SELECT pg_sleep(60)")
            except psycopg.Error:
                continue

    clients = [threading.Thread(target=come_back) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        assert came.acquire(timeout=60)
        write(learned, beside.url, REPLACE)
    finally:
        done.set()
        query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND datname = '{beside.name}'"
        until(lambda: value(beside.url, query) or not any(client.is_alive() for client in clients))
        for client in clients:
            while client.is_alive():
                value(beside.url, query)
                client.join(0.05)
    assert is_replica(beside.url)


def test_a_session_that_the_user_may_not_end_keeps_the_old_target(server: Server, learned: FittedReplica, beside: Place) -> None:
    before = beside.content()
    with psycopg.connect(server.url(beside.name).secret) as others:
        others.execute("SELECT 1")
        with pytest.raises(LoadError, match=r"^publishing the target: .*is being accessed by other users"):
            write(learned, beside.url, REPLACE)
        assert others.execute("SELECT count(*) FROM precious").fetchone() == (2,)
    assert beside.content() == before
    assert leftovers(server, beside) == []


def test_properties_of_the_database_survive_its_replacement(server: Server, learned: FittedReplica, place: Place) -> None:
    owner = value(place.url, "SELECT current_user::text")
    with made_roles(server) as new_role:
        role = new_role()
        name = sql.Identifier(place.name).as_string()
        for statement in (
            f"COMMENT ON DATABASE {name} IS 'it''s \"mine\"'",
            f"ALTER DATABASE {name} CONNECTION LIMIT 77",
            f"ALTER DATABASE {name} SET work_mem = '9MB'",
            f"ALTER DATABASE {name} SET search_path = \"$user\", public, \"My Schema\"",
            f"ALTER DATABASE {name} SET datestyle = 'ISO, DMY'",
            f"ALTER DATABASE {name} SET my.app = 'x ''y'' z, \"w\"'",
            f"ALTER ROLE {owner} IN DATABASE {name} SET lock_timeout = '11s'",
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {name} TO {role} WITH GRANT OPTION",
            f"GRANT TEMPORARY ON DATABASE {name} TO {role}",
        ):
            run(place.url, statement)
        properties = (
            "SELECT pg_get_userbyid(datdba)::text, datconnlimit, shobj_description(oid, 'pg_database'),"
            " ARRAY(SELECT x::text FROM unnest(datacl) x ORDER BY 1),"
            " ARRAY(SELECT (s.setrole::regrole, c)::text FROM pg_db_role_setting s, unnest(s.setconfig) c"
            "        WHERE s.setdatabase = d.oid ORDER BY 1)"
            f" FROM pg_database d WHERE datname = '{place.name}'"
        )
        before = rows(server.admin, properties)
        assert len(before[0][4]) == 5
        write(learned, place.url, REPLACE)
        assert rows(server.admin, properties) == before
        run(place.url, f"REVOKE ALL ON DATABASE {name} FROM {role} CASCADE")


def test_what_another_target_left_is_not_touched(server: Server, learned: FittedReplica, beside: Place) -> None:
    other = server.create()
    name = sql.Identifier(database_name(other)).as_string()
    try:
        mark = json.dumps({"replica staging": f"{beside.name}x"})
        run(server.admin, f"COMMENT ON DATABASE {name} IS '{mark}'")
        write(learned, beside.url, REPLACE)
        assert database_name(other) in server.databases()
    finally:
        server.drop(other)


def test_two_runs_on_one_target_do_not_mix(server: Server, learned: FittedReplica, place: Place) -> None:
    def second() -> None:
        with pytest.raises(TargetBusyError, match=f"^another run is writing {place.name}: wait"):
            write(learned, place.url, REPLACE)

    write(learned, place.url, REPLACE, at("rows", second))
    assert is_replica(place.url)
    assert lock_holders(server, place) == []


def test_an_older_target_of_every_kind_of_object_is_emptied(learned: FittedReplica, inside: Place) -> None:
    run(
        inside.url,
        FEATURES
        + "CREATE TYPE r AS RANGE (subtype = int4); CREATE DOMAIN d AS r; CREATE TYPE c AS (a d); CREATE TYPE e AS ENUM ();"
        "CREATE FUNCTION f(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';"
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = f); CREATE PROCEDURE p() LANGUAGE sql AS '';"
        "CREATE AGGREGATE nothing(*) (sfunc = int8inc, stype = int8, initcond = '0');"
        "CREATE AGGREGATE most(VARIADIC int[]) (sfunc = array_larger, stype = int[]);"
        "CREATE FUNCTION way() RETURNS TABLE (a int) LANGUAGE sql AS 'SELECT 1'; CREATE COLLATION k (locale = 'C');"
        "CREATE OPERATOR FAMILY fam USING btree; CREATE OPERATOR CLASS cls FOR TYPE e USING hash AS FUNCTION 1 hashenum(anyenum);"
        'CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple); CREATE TEXT SEARCH CONFIGURATION conf (COPY = simple);'
        "CREATE SEQUENCE s; CREATE TABLE held (a int DEFAULT nextval('s'), b c, i int GENERATED ALWAYS AS IDENTITY);"
        if False
        else FEATURES,
    )
    write(learned, inside.url, REPLACE)
    assert is_replica(inside.url)
    others = "SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = 'public'::regnamespace"
    schemas = "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"
    assert rows(inside.url, schemas) == [("information_schema",), ("public",)]
    assert value(inside.url, others) == 6  # three tables, two sequences, a materialised view
