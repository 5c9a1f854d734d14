"""Queries asked of a snapshot, and how it would answer them: what is taken, what is given, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from conftest import Server
from postgres_tools import as_role, made_roles, run, value

from replica.databases import open_database
from replica.databases.base import PlanStep, Snapshot
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import QueryError
from replica.pipeline import introspect

ROWS = """
    CREATE TABLE city (id int PRIMARY KEY, name text NOT NULL, founded date, size numeric);
    INSERT INTO city SELECT n, 'City ' || n, date '1000-01-01' + n, n FROM generate_series(1, 5000) n;
    CREATE INDEX by_founding ON city USING btree (founded, id);
    CREATE TABLE never (id int);
    CREATE TABLE part (id int) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
    INSERT INTO part SELECT n FROM generate_series(1, 50) n;
    ANALYZE city; ANALYZE part_1;
    CREATE FUNCTION tells() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'Secret is %', (SELECT name FROM city WHERE id = 1); END $$;
"""


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[DatabaseUrl]:
    found = server.create()
    run(found, ROWS)
    yield found
    server.drop(found)


@pytest.fixture
def snapshot(url: DatabaseUrl) -> Iterator[Snapshot]:
    with open_database(url).snapshot() as found:
        yield found


def ask(snapshot: Snapshot, query: str, limit: int = 10) -> pa.Table:
    found = snapshot.ask(query, 20.0, limit)
    assert found is not None
    return found


def test_numbers_are_numbers_and_the_rest_is_text(snapshot: Snapshot) -> None:
    numbers = "1::int2, 1::int4, 1::int8, 1.5::float4, 1.5::float8, 1.5::numeric, 1::oid, 'Infinity'::float8, NULL::int"
    assert ask(snapshot, f"SELECT {numbers}").to_pylist()[0]["float8"] == float("inf")
    assert {str(field.type) for field in ask(snapshot, f"SELECT {numbers}").schema} == {"double"}
    texts = "date '2020-02-03', timestamptz '2020-02-03 04:05+00', interval '1 day', true, 'é'::text, ARRAY[1, 2], NULL"
    given = [column[0].as_py() for column in ask(snapshot, f"SELECT {texts}").columns]
    assert given == ["2020-02-03", "2020-02-03 04:05:00+00", "1 day", "t", "é", "{1,2}", None]


def test_columns_may_share_a_name_and_rows_are_limited(snapshot: Snapshot) -> None:
    found = ask(snapshot, "SELECT id, name AS id FROM city ORDER BY 1", limit=3)
    assert found.column_names == ["id", "id"]
    assert found.column(1).to_pylist() == ["City 1", "City 2", "City 3"]


def test_names_are_looked_for_where_sessions_look(server: Server) -> None:
    url = server.create()
    name = database_name(url)
    run(url, f'CREATE SCHEMA app; CREATE TABLE app.t AS SELECT 7 AS n; ALTER DATABASE "{name}" SET search_path = app')
    with open_database(url).snapshot() as snapshot:
        assert ask(snapshot, "SELECT n FROM t").to_pylist() == [{"n": 7}]
    server.drop(url)


def test_what_takes_too_long_gives_nothing_and_the_next_query_is_answered(snapshot: Snapshot) -> None:
    assert snapshot.ask("SELECT pg_sleep(20)", 0.1, 1) is None
    assert ask(snapshot, "SELECT count(*) FROM city").column(0).to_pylist() == [5000]


REFUSED = {
    "DELETE FROM city": "line 1: syntax error",
    "SELECT 1; DROP TABLE city": "line 1: syntax error",
    "SELECT 1) AS q; DROP TABLE city; SELECT * FROM (SELECT 1": "cannot insert multiple commands",
    "SELECT 1) AS q; COMMIT; SELECT * FROM (SELECT 1": "cannot insert multiple commands",
    "COMMIT": "line 1: syntax error",
    "WITH gone AS (DELETE FROM city RETURNING 1) SELECT * FROM gone": "data-modifying",
    'SELECT 1,\n\n  "Secret" FROM city': "line 3: column … does not exist",
    "SELECT 'Secret'::int": "line 1: invalid input syntax for type integer: …",
    "SELECT id / (id - id) FROM city": "division by zero",
    "SELECT tells()": "a function raises an error of its own",
    "SELECT setval('s', 1) FROM (SELECT 1) AS x": "relation … does not exist",
}


@pytest.mark.parametrize(("query", "reason"), REFUSED.items())
def test_what_does_not_only_read_or_is_wrong_is_refused_without_a_value(
    snapshot: Snapshot, query: str, reason: str
) -> None:
    with pytest.raises(QueryError) as error:
        snapshot.ask(query, 20.0, 10)
    assert reason in str(error.value)
    assert "Secret" not in str(error.value)
    assert "\n" not in str(error.value)
    assert ask(snapshot, "SELECT count(*) FROM city").column(0).to_pylist() == [5000]


def test_a_snapshot_sees_what_was_there_before_a_query_was_refused(url: DatabaseUrl, snapshot: Snapshot) -> None:
    before = ask(snapshot, "SELECT count(*) FROM never").column(0).to_pylist()
    with pytest.raises(QueryError):
        snapshot.ask("no query at all", 20.0, 10)
    run(url, "INSERT INTO never VALUES (1)")
    assert ask(snapshot, "SELECT count(*) FROM never").column(0).to_pylist() == before
    run(url, "DELETE FROM never")


def steps(plan: PlanStep) -> Iterator[PlanStep]:
    yield plan
    for below in plan.inputs:
        yield from steps(below)


def test_a_plan_says_its_steps_tables_indexes_and_rows(snapshot: Snapshot) -> None:
    query = "SELECT count(*) FROM city AS c JOIN part AS p ON p.id = c.id WHERE c.founded < '1000-02-01'"
    plan = snapshot.explain(query)
    assert plan.gathers
    assert not any(step.gathers for step in plan.inputs)
    found = {step.index: step for step in steps(plan) if step.index}
    assert set(found) == {"btree (founded, id)"}
    assert {"c", "p"} <= {step.table for step in steps(plan)}
    assert 25 < max(step.rows for step in steps(plan) if step.index) < 36


def test_a_plan_has_no_parallel_workers(server: Server) -> None:
    url = server.create()
    run(url, "CREATE TABLE big AS SELECT n FROM generate_series(1, 300000) n; ANALYZE big")
    with open_database(url).snapshot() as snapshot:
        plan = snapshot.explain("SELECT count(*) FROM big")
    assert [step.what for step in steps(plan)] == ["Aggregate Plain", "Seq Scan"]
    assert plan.inputs[0].rows == pytest.approx(300_000, rel=0.02)
    server.drop(url)


def test_what_cannot_be_planned_is_refused_and_nothing_is_run(snapshot: Snapshot) -> None:
    with pytest.raises(QueryError, match="line 2: column … does not exist"):
        snapshot.explain("SELECT 1,\n Secret FROM city")
    with pytest.raises(QueryError, match="syntax error"):
        snapshot.explain("DELETE FROM city")
    assert snapshot.explain("SELECT pg_sleep(1000)").what == "Result"


def test_statistics_are_there_or_not_for_any_user(server: Server, url: DatabaseUrl) -> None:
    tables = introspect(url).by_id
    with made_roles(server) as make:
        role = make()
        run(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        for user in (url, as_role(url, role)):
            with open_database(user).snapshot() as snapshot:
                known = {name for name, table in tables.items() if snapshot.is_analyzed(table)}
            assert known == {"public.city", "public.part", "public.part_1"}
        run(url, f"REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM {role}")
    assert value(url, "SELECT count(*) FROM city") == 5000
