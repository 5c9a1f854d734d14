"""A target is replaced at once or stays what it was, whatever ends a run."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    Progress,
    ReplicaError,
    Settings,
    introspect,
    learn,
    open_artifact,
    save,
    write,
)
from replica.constraints.breaches import Rule
from replica.databases import open_database
from replica.databases.base import Statement
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
from replica.schema.model import Check, ForeignKey, Unique

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
def new_role(server: Server) -> Iterator[Callable[..., str]]:
    """To be named before what makes databases, so that roles go after them."""
    with made_roles(server) as make:
        yield make


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
    """The connections that keep others from writing the target."""
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
    assert (
        value(
            target, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        )
        is None
    )


def test_an_empty_target_is_filled_without_leave(learned: FittedReplica, empty_database: DatabaseUrl) -> None:
    write(learned, empty_database, Settings(workers=1))
    assert is_replica(empty_database)


def test_a_target_that_holds_something_is_replaced_only_with_leave(
    server: Server, learned: FittedReplica, place: Place
) -> None:
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


def test_connections_to_the_old_target_do_not_block_its_replacement(learned: FittedReplica, beside: Place) -> None:
    with psycopg.connect(beside.url.secret) as idle:
        idle.execute("LOCK TABLE precious")
        write(learned, beside.url, REPLACE)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
        idle.close()
    assert is_replica(beside.url)


def test_clients_that_come_back_again_and_again_do_not_block_the_replacement(
    learned: FittedReplica, beside: Place
) -> None:
    done, came = threading.Event(), threading.Event()

    def come_back() -> None:
        while not done.is_set():
            with suppress(psycopg.Error), psycopg.connect(beside.url.secret) as client:
                came.set()
                while not done.wait(0.01):
                    client.execute("SELECT 1")

    clients = [threading.Thread(target=come_back) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        assert came.wait(60)
        write(learned, beside.url, REPLACE)
    finally:
        done.set()
        for client in clients:
            client.join()
    assert is_replica(beside.url)


def test_a_connection_that_the_user_may_not_end_keeps_the_old_target(
    server: Server, learned: FittedReplica, beside: Place
) -> None:
    before = beside.content()
    with psycopg.connect(server.url(beside.name).secret) as others:
        others.execute("SELECT 1")
        with pytest.raises(LoadError, match=r"^publishing the target: .*is being accessed by other users"):
            write(learned, beside.url, REPLACE)
        assert others.execute("SELECT count(*) FROM precious").fetchone() == (2,)
    assert beside.content() == before
    assert leftovers(server, beside) == []


PROPERTIES = """
COMMENT ON DATABASE {name} IS 'it''s "mine"';
ALTER DATABASE {name} CONNECTION LIMIT 77;
ALTER DATABASE {name} SET work_mem = '9MB';
ALTER DATABASE {name} SET search_path = "$user", public, "My Schema";
ALTER DATABASE {name} SET datestyle = 'ISO, DMY';
ALTER DATABASE {name} SET my.app = 'x ''y'' z, "w"';
ALTER ROLE {role} IN DATABASE {name} SET lock_timeout = '11s';
REVOKE ALL ON DATABASE {name} FROM PUBLIC;
GRANT CONNECT ON DATABASE {name} TO {role} WITH GRANT OPTION;
GRANT TEMPORARY ON DATABASE {name} TO {role}
"""
PROPERTIES_SQL = """
SELECT pg_get_userbyid(datdba)::text, datconnlimit, shobj_description(oid, 'pg_database'),
       ARRAY(SELECT x::text FROM unnest(datacl) x ORDER BY 1),
       ARRAY(SELECT (s.setrole::regrole, c)::text FROM pg_db_role_setting s, unnest(s.setconfig) c
              WHERE s.setdatabase = d.oid ORDER BY 1)
  FROM pg_database d WHERE datname = '{name}'
"""


def test_properties_of_the_database_survive_its_replacement(
    server: Server, learned: FittedReplica, new_role: Callable[..., str], beside: Place
) -> None:
    for statement in PROPERTIES.format(name=beside.name, role=new_role()).split(";\n"):
        run(server.admin, statement)
    query = PROPERTIES_SQL.format(name=beside.name)
    before = rows(server.admin, query)
    assert [len(found) for found in before[0][3:]] == [2, 5]
    write(learned, server.url(beside.name), REPLACE)
    assert is_replica(server.url(beside.name))
    assert rows(server.admin, query) == before


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


MORE_OBJECTS = """
CREATE TYPE r AS RANGE (subtype = int4); CREATE DOMAIN d AS r; CREATE TYPE c AS (a d); CREATE TYPE e AS ENUM ();
CREATE FUNCTION f(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
CREATE FUNCTION listed() RETURNS TABLE (a int) LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE p() LANGUAGE sql AS ''; CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = f);
CREATE AGGREGATE nothing(*) (sfunc = int8inc, stype = int8, initcond = '0');
CREATE AGGREGATE most(VARIADIC int[]) (sfunc = array_cat, stype = int[]);
CREATE COLLATION "K k" (locale = 'C'); CREATE SEQUENCE s;
CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple); CREATE TEXT SEARCH CONFIGURATION conf (COPY = simple);
CREATE TABLE held (a int DEFAULT nextval('s'), b c, i int GENERATED ALWAYS AS IDENTITY, "J" serial);
"""


def test_an_older_target_with_objects_of_every_kind_is_emptied(learned: FittedReplica, inside: Place) -> None:
    run(inside.url, FEATURES + MORE_OBJECTS)
    write(learned, inside.url, REPLACE)
    assert is_replica(inside.url)
    schemas = "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"
    assert rows(inside.url, schemas) == [("information_schema",), ("public",)]
    in_public = "refclassid = 'pg_namespace'::regclass AND refobjid = 'public'::regnamespace"
    # Three tables, two sequences, a materialised view.
    assert value(inside.url, f"SELECT count(*) FROM pg_depend WHERE {in_public}") == 6


def test_an_extension_in_the_old_target_that_is_not_the_users_stays(
    server: Server, learned: FittedReplica, inside: Place
) -> None:
    name = next((name for name in ("citext", "vector") if is_available(server, name)), None)
    if name is None:
        pytest.skip("the server has no extension to install")
    run(server.url(inside.name), f"CREATE EXTENSION {name} SCHEMA public")
    entries = (
        Statement("EXTENSION", "-", name, f"CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA public"),
        Statement("TABLE", "public", "named", f"CREATE TABLE public.named (v public.{name})"),
    )
    write(changed_ddl(learned, before=entries), inside.url, REPLACE)
    assert value(inside.url, "SELECT count(*) FROM named") == 0


# Failing


def changed_ddl(
    learned: FittedReplica, before: tuple[Statement, ...] = (), after: tuple[Statement, ...] = ()
) -> FittedReplica:
    """Adds statements to the dump: behind the tables, and behind the keys."""
    ddl = learned.ddl
    changed = replace(ddl, pre_data=(*ddl.pre_data, *before), post_data=(*ddl.post_data, *after))
    return replace(learned, ddl=changed)


def refusing(body: str, returns: str = "boolean") -> str:
    """A function in the schema that is not content with where it runs."""
    return f"CREATE FUNCTION public.refuse() RETURNS {returns} LANGUAGE plpgsql AS $$BEGIN {body} END$$;"


RAISES = refusing("RAISE EXCEPTION 'no' USING ERRCODE = '{}';")
NO_ROOM = RAISES.format("53100")
ONLY_ANALYZE = (
    "CREATE FUNCTION public.refuse(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN"
    " IF current_query() LIKE 'ANALYZE%' THEN RAISE EXCEPTION 'no'; END IF; RETURN $1; END$$;"
    "CREATE INDEX ON public.pet (public.refuse(age))"
)
LATE = refusing("RAISE EXCEPTION 'no';", "trigger") + (
    "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON public.pet DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    " EXECUTE FUNCTION public.refuse(); UPDATE public.pet SET age = age"
)
FAILURES: dict[str, tuple[str, str, type[ReplicaError], str]] = {
    "schema": (
        "CREATE TABLE public.x (a no_such)",
        "",
        LoadError,
        "^creating table failing: type .*no_such.* does not",
    ),
    "rows": (
        "ALTER TABLE public.owner ADD CHECK (size < 0)",
        "",
        IntegrityError,
        r"^loading public\.owner: .*owner_size",
    ),
    "rows as text": (
        "ALTER TABLE public.pet ADD CHECK (owner < 0)",
        "",
        IntegrityError,
        r"^loading public\.pet: .*check",
    ),
    "no room": (
        NO_ROOM + "ALTER TABLE public.tag ADD CHECK (public.refuse())",
        "",
        DiskFullError,
        "disk is full: make room",
    ),
    "no room as text": (NO_ROOM + "ALTER TABLE public.pet ADD CHECK (public.refuse())", "", DiskFullError, "make room"),
    "keys and indexes": (
        "",
        "CREATE UNIQUE INDEX ON public.pet (kind)",
        IntegrityError,
        "^creating table failing: could not",
    ),
    "sequences": ("", "DROP SEQUENCE public.pet_id_seq CASCADE", LoadError, "^positioning sequence"),
    "materialized views": ("", "DROP MATERIALIZED VIEW public.kinds", LoadError, r"^refreshing public\.kinds: "),
    "statistics": ("", ONLY_ANALYZE, LoadError, "^gathering statistics: no$"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_leaves_the_target_as_it_was(
    server: Server, learned: FittedReplica, untouched: Place, case: str
) -> None:
    before, after, error, message = FAILURES[case]
    kind = "INDEX" if case == "keys and indexes" else "TABLE"
    entries = [(Statement(kind, "public", "failing", text),) if text else () for text in (before, after)]
    content = untouched.content()
    with pytest.raises(error, match=message.replace("table", kind.lower())) as caught:
        write(changed_ddl(learned, *entries), untouched.url, REPLACE)
    assert isinstance(caught.value, error)
    assert untouched.content() == content
    assert leftovers(server, untouched) == []


BROKEN: dict[str, tuple[str, Rule, str]] = {
    "UNIQUE (kind)": ("CONSTRAINT", Unique("broken", ("kind",)), r"\d keys repeat: plan fewer rows"),
    "CHECK (age < 0)": (
        "CHECK CONSTRAINT",
        Check("broken", "age < 0", ("age",)),
        r"\d+\.\d% of the rows break it: let",
    ),
    "FOREIGN KEY (age) REFERENCES public.owner (id)": (
        "FK CONSTRAINT",
        ForeignKey("broken", "public.pet", ("age",), "public.owner", ("id",)),
        r"\d+\.\d% of the rows break it: plan more rows of public\.owner",
    ),
}


@pytest.mark.parametrize("definition", BROKEN)
def test_a_broken_constraint_is_shown_with_its_share_of_the_rows(
    learned: FittedReplica, untouched: Place, definition: str
) -> None:
    kind, rule, message = BROKEN[definition]
    schema = learned.plan.schema
    field = {Unique: "uniques", Check: "checks", ForeignKey: "foreign_keys"}[type(rule)]
    tables = [replace(t, **{field: (rule,)}) if t.id == "public.pet" else t for t in schema.tables]  # type: ignore[arg-type]
    knowing = replace(learned, plan=replace(learned.plan, schema=replace(schema, tables=tuple(tables))))
    entry = Statement(kind, "public", "pet broken", f"ALTER TABLE public.pet ADD CONSTRAINT broken {definition}")
    with pytest.raises(IntegrityError, match=rf"; public.pet.broken is {re.escape(definition)}; {message}"):
        write(changed_ddl(knowing, after=(entry,)), untouched.url, REPLACE)


def test_a_failure_of_the_commit_leaves_the_target_as_it_was(learned: FittedReplica, inside: Place) -> None:
    content = inside.content()
    entry = Statement("TRIGGER", "public", "late", LATE)
    with pytest.raises(LoadError, match=r"^publishing the target: no$"):
        write(changed_ddl(learned, after=(entry,)), inside.url, REPLACE)
    assert inside.content() == content


def test_a_new_target_is_not_there_after_a_failure(learned: FittedReplica, server: Server, target: DatabaseUrl) -> None:
    entry = Statement("TABLE", "public", "x", "CREATE TABLE public.x (a no_such)")
    with pytest.raises(LoadError):
        write(changed_ddl(learned, after=(entry,)), target, Settings(workers=1))
    assert database_name(target) not in server.databases()
    assert leftovers(server, Place(target, SideBySide.way)) == []


@pytest.mark.parametrize(
    ("step", "detail"), [*((step, "") for step in STEPS), ("rows", "public.owner"), ("rows", "public.pet")]
)
def test_an_interruption_leaves_the_target_as_it_was(
    server: Server, learned: FittedReplica, untouched: Place, step: str, detail: str
) -> None:
    content = untouched.content()
    with pytest.raises(KeyboardInterrupt):
        write(learned, untouched.url, REPLACE, at(step, lambda: signal.raise_signal(signal.SIGINT), detail))
    assert untouched.content() == content
    assert leftovers(server, untouched) == []
    assert lock_holders(server, untouched) == []


# Losing the connection


def end_connections(server: Server, place: Place) -> None:
    """Ends the connections of a run in the database that it writes."""
    names = ", ".join(f"'{name}'" for name in [place.name, *leftovers(server, place)])
    query = (
        "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
        f" WHERE application_name = 'replica' AND datname IN ({names})"
    )
    assert value(server.admin, query) > 0


@pytest.mark.parametrize("detail", ["public.owner", "public.pet"])
def test_a_connection_lost_while_rows_are_loaded_leaves_the_target_as_it_was(
    server: Server, learned: FittedReplica, untouched: Place, detail: str
) -> None:
    content = untouched.content()
    # What is written in one batch has been written by the time it is reported.
    with pytest.raises(ConnectionLostError, match=r"^(loading public\.|creating constraint )[a-z_ ]+: .*run again"):
        write(learned, untouched.url, REPLACE, at("rows", lambda: end_connections(server, untouched), detail))
    assert untouched.content() == content
    assert leftovers(server, untouched) == []


def test_a_connection_lost_before_publishing_leaves_the_target_and_the_next_run_cleans_up(
    server: Server, learned: FittedReplica, beside: Place
) -> None:
    def lose() -> None:
        (pid,) = lock_holders(server, beside)
        assert value(server.admin, f"SELECT pg_terminate_backend({pid}, 10000)")

    content = beside.content()
    with pytest.raises(ConnectionLostError, match=r"^publishing the target: "):
        write(learned, beside.url, REPLACE, at("publish", lose))
    assert beside.content() == content
    assert len(leftovers(server, beside)) == 1
    write(learned, beside.url, REPLACE)
    assert is_replica(beside.url)
    assert leftovers(server, beside) == []


# Dying


@pytest.fixture(scope="module")
def artifact(learned: FittedReplica, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("artifact") / "learned.replica"
    save(learned, path)
    return path


def write_and_die(artifact: Path, url: DatabaseUrl, step: str, detail: str) -> None:
    write(open_artifact(artifact), url, REPLACE, at(step, lambda: os.kill(os.getpid(), signal.SIGKILL), detail))


@pytest.fixture(scope="module")
def processes() -> Any:
    """Makes processes that have imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["replica"])
    return context


def is_free(server: Server, place: Place) -> bool:
    """True when the server has seen that the writer is dead."""
    query = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'replica' AND datname = '{place.name}'"
    return not lock_holders(server, place) and value(server.admin, query) == 0


@pytest.mark.parametrize(("step", "detail"), [*((step, "") for step in STEPS), ("rows", "public.pet")])
def test_a_run_that_is_killed_leaves_the_target_and_nothing_that_the_next_run_does_not_remove(
    server: Server, learned: FittedReplica, artifact: Path, processes: Any, untouched: Place, step: str, detail: str
) -> None:
    content = untouched.content()
    process = processes.Process(target=write_and_die, args=(artifact, untouched.url, step, detail))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    until(lambda: is_free(server, untouched))
    assert untouched.content() == content
    with pytest.raises(KeyboardInterrupt):
        write(learned, untouched.url, REPLACE, at("schema", lambda: signal.raise_signal(signal.SIGINT)))
    assert leftovers(server, untouched) == []
    assert untouched.content() == content


def test_a_run_that_is_killed_while_names_are_swapped_leaves_the_target_and_the_next_run_succeeds(
    server: Server, learned: FittedReplica, artifact: Path, processes: Any, beside: Place
) -> None:
    content = beside.content()
    process = processes.Process(target=write_and_die, args=(artifact, beside.url, "never", ""))
    with psycopg.connect(server.admin.secret) as other:
        # Whoever changes a database keeps others from renaming it.
        other.execute(f"COMMENT ON DATABASE {beside.name} IS 'locked'".encode())
        process.start()
        waiting = f"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '{beside.name}'"
        until(lambda: value(server.admin, waiting))
        process.kill()
        process.join()
        other.rollback()
    until(lambda: is_free(server, beside))
    assert beside.content() == content
    write(learned, beside.url, REPLACE)
    assert is_replica(beside.url)
    assert leftovers(server, beside) == []


def test_a_staging_database_that_never_got_its_comment_is_removed_too(
    server: Server, learned: FittedReplica, beside: Place
) -> None:
    left: list[str] = []

    def forget() -> None:
        left.extend(leftovers(server, beside))
        run(server.admin, f"COMMENT ON DATABASE {left[0]} IS NULL")
        (pid,) = lock_holders(server, beside)
        assert value(server.admin, f"SELECT pg_terminate_backend({pid}, 10000)")

    with pytest.raises(ConnectionLostError):
        write(learned, beside.url, REPLACE, at("publish", forget))
    assert left[0] in server.databases()
    write(learned, beside.url, REPLACE)
    assert left[0] not in server.databases()


# Sequences

COUNTERS = """
CREATE SEQUENCE shared; CREATE SEQUENCE lone;
CREATE SEQUENCE falling INCREMENT -2 MAXVALUE 100 START 100 MINVALUE -1000; CREATE SEQUENCE late START 500;
CREATE TABLE a (always int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, other int DEFAULT nextval('shared') UNIQUE);
CREATE TABLE b (plain bigserial PRIMARY KEY, other bigint DEFAULT nextval('shared') UNIQUE, x text);
CREATE TABLE c (falling int DEFAULT nextval('falling') PRIMARY KEY, tens int GENERATED BY DEFAULT AS IDENTITY
                (INCREMENT 10), late numeric DEFAULT nextval('late') UNIQUE);
CREATE TABLE d (negative int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "Odd 'Name" serial UNIQUE);
CREATE TABLE e (empty serial PRIMARY KEY, small smallint DEFAULT nextval('lone'));
CREATE TABLE f (full_up int GENERATED ALWAYS AS IDENTITY (MAXVALUE 9) PRIMARY KEY);
"""
FILL = """
INSERT INTO public.a (always, other) OVERRIDING SYSTEM VALUE VALUES (3, 40), (8, 7);
INSERT INTO public.b (plain, other) VALUES (70, 90), (71, 20);
INSERT INTO public.c VALUES (60, 21, 505), (80, 5, 3);
INSERT INTO public.d VALUES (-5, 12), (-9, 2);
INSERT INTO public.f OVERRIDING SYSTEM VALUE VALUES (3), (500)
"""
NEXT = [
    ("INSERT INTO a DEFAULT VALUES RETURNING always, other", (9, 91)),
    ("INSERT INTO b DEFAULT VALUES RETURNING plain, other", (72, 92)),
    ("INSERT INTO c DEFAULT VALUES RETURNING falling, tens, late::int", (58, 31, 506)),
    ("INSERT INTO d DEFAULT VALUES RETURNING *", (1, 13)),
    ("INSERT INTO e DEFAULT VALUES RETURNING *", (1, 1)),
]


@pytest.fixture(scope="module", params=[SideBySide.way, InPlace.way], ids=["side by side", "in place"])
def counted(server: Server, request: pytest.FixtureRequest) -> Iterator[DatabaseUrl]:
    source = server.create()
    run(source, COUNTERS)
    with filled(server, request.param) as found, open_database(source).snapshot() as snapshot:
        ddl = snapshot.dump()
        with open_database(found.url).staging(ddl, replace=True, workers=1) as staging:
            staging.execute(ddl.pre_data)
            for statement in FILL.strip().split(";\n"):
                staging.run_sql("filling", statement)
            staging.execute(ddl.post_data)
            staging.position_sequences(introspect(source))
            staging.publish()
        yield found.url
    server.drop(source)


@pytest.mark.parametrize(("statement", "expected"), NEXT)
def test_the_next_row_gets_a_key_that_is_free(counted: DatabaseUrl, statement: str, expected: tuple[int, ...]) -> None:
    assert rows(counted, statement) == [expected]


def test_a_sequence_that_has_given_all_its_values_gives_no_more(counted: DatabaseUrl) -> None:
    with pytest.raises(psycopg.errors.SequenceGeneratorLimitExceeded):
        rows(counted, "INSERT INTO f DEFAULT VALUES RETURNING full_up")


def test_keys_go_on_in_a_written_replica(learned: FittedReplica, target: DatabaseUrl) -> None:
    write(learned, target, Settings(workers=1))
    query = "INSERT INTO pet (owner, kind) SELECT max(id), 'k' FROM owner RETURNING id > (SELECT max(id) FROM pet)"
    assert rows(target, query) == [(True,)]
    assert value(target, "INSERT INTO owner (name, size) VALUES ('x', 1) RETURNING id") is not None
