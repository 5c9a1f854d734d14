"""Schemas without rows are filled with imagined ones that keep every constraint."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from conftest import Server
from postgres_tools import rows, run, value

import replica
from replica import Settings
from replica.databases.url import DatabaseUrl
from replica.errors import PlanError, SettingsError, UnsatisfiableError

SCHEMA = """
    CREATE TYPE mood AS ENUM ('calm', 'glad', 'cross');
    CREATE DOMAIN postal_code AS text CHECK (VALUE ~ '^[0-9]{5}$');
    CREATE DOMAIN share AS numeric(5, 4) CHECK (VALUE >= 0 AND VALUE <= 1);
    CREATE TABLE tenant (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE person (
      tenant_id int NOT NULL REFERENCES tenant,
      id bigint GENERATED ALWAYS AS IDENTITY,
      email varchar(60) NOT NULL,
      first_name text NOT NULL,
      born date CHECK (born BETWEEN '1930-01-01' AND '2010-12-31'),
      state text NOT NULL,
      score int CHECK (score > 0 AND score <= 10),
      code char(4) NOT NULL CHECK (code ~ '^[A-Z]{2}[0-9]{2}$'),
      zip postal_code NOT NULL,
      part share,
      feeling mood NOT NULL,
      tags text[] NOT NULL DEFAULT '{}',
      settings jsonb NOT NULL,
      address inet,
      during tstzrange,
      flags bit(3) NOT NULL,
      created_at timestamptz NOT NULL,
      deleted_at timestamptz,
      label text GENERATED ALWAYS AS (first_name || ' ' || state) STORED,
      boss bigint,
      PRIMARY KEY (tenant_id, id),
      FOREIGN KEY (tenant_id, boss) REFERENCES person (tenant_id, id),
      CHECK ((deleted_at IS NULL) = (state <> 'gone')),
      CHECK (deleted_at >= created_at)
    );
    COMMENT ON COLUMN person.state IS 'One of: new, active, gone';
    CREATE UNIQUE INDEX ON person (lower(email));
    CREATE UNIQUE INDEX one_new_per_tenant ON person (tenant_id) WHERE state = 'new';
    CREATE TABLE item (id uuid PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenant, price numeric(6, 2) NOT NULL,
      UNIQUE (tenant_id, id), CHECK (price > 0));
    CREATE TABLE purchase (
      tenant_id int NOT NULL, person_id bigint NOT NULL, item_id uuid NOT NULL, quantity int NOT NULL DEFAULT 1,
      PRIMARY KEY (tenant_id, person_id, item_id),
      FOREIGN KEY (tenant_id, person_id) REFERENCES person (tenant_id, id),
      FOREIGN KEY (tenant_id, item_id) REFERENCES item (tenant_id, id),
      CHECK (quantity BETWEEN 1 AND 5)
    );
    CREATE TABLE only_one (lock boolean PRIMARY KEY DEFAULT true CHECK (lock), note text);
    CREATE TABLE detail (person_tenant int, person_id bigint, body text, PRIMARY KEY (person_tenant, person_id),
      FOREIGN KEY (person_tenant, person_id) REFERENCES person (tenant_id, id));
    CREATE TABLE a (id int PRIMARY KEY, b_id int NOT NULL);
    CREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a);
    ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b;
    CREATE TABLE event (id int NOT NULL, at date NOT NULL, kind text NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
      PARTITION BY LIST (kind);
    CREATE TABLE event_2025_x PARTITION OF event_2025 FOR VALUES IN ('x', 'y');
    CREATE TABLE event_2025_z PARTITION OF event_2025 FOR VALUES IN ('z');
    CREATE TABLE hashed (id int NOT NULL, at date) PARTITION BY HASH (id);
    CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE thing (id int PRIMARY KEY, name text);
    CREATE TABLE special_thing (extra text) INHERITS (thing);
    CREATE TABLE nothing ();
    CREATE TABLE stay (id int PRIMARY KEY, during daterange NOT NULL, EXCLUDE USING gist (during WITH &&));
"""

PER_TABLE = 60


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[DatabaseUrl]:
    source, target = server.create(), server.fresh()
    run(source, SCHEMA)
    settings = Settings(schema_only=True, rows_per_table=PER_TABLE, workers=1)
    try:
        replica.replicate(source, target, settings)
        yield target
    finally:
        server.drop(source)
        server.drop(target)


TABLES = {
    "tenant": PER_TABLE,
    "person": PER_TABLE,
    "item": PER_TABLE,
    "a": PER_TABLE,
    "b": PER_TABLE,
    "event": PER_TABLE,
    "hashed": PER_TABLE,
    "ONLY thing": PER_TABLE // 2,
    "special_thing": PER_TABLE // 2,
    "nothing": PER_TABLE,
    "stay": PER_TABLE,
    "only_one": 1,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_table_gets_as_many_rows_as_were_asked_for_or_as_it_can_hold(filled: DatabaseUrl, table: str) -> None:
    assert value(filled, f"SELECT count(*) FROM {table}") == TABLES[table]


@pytest.mark.parametrize("leaf", ["event_2024", "event_2025_x", "event_2025_z", "hashed_0", "hashed_1"])
def test_every_partition_gets_rows(filled: DatabaseUrl, leaf: str) -> None:
    assert value(filled, f"SELECT count(*) FROM {leaf}") > 0


def test_the_server_has_validated_every_constraint(filled: DatabaseUrl) -> None:
    assert value(filled, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0
    assert value(filled, "SELECT count(*) FROM pg_constraint WHERE contype IN ('f', 'x')") >= 9


def test_values_look_like_what_names_types_and_comments_say(filled: DatabaseUrl) -> None:
    assert {state for (state,) in rows(filled, "SELECT DISTINCT state FROM person")} <= {"new", "active", "gone"}
    assert value(filled, "SELECT count(*) FROM person WHERE email LIKE '%@%.%'") == PER_TABLE
    assert value(filled, "SELECT count(DISTINCT feeling) FROM person") == 3
    assert value(filled, "SELECT count(DISTINCT first_name) FROM person") > 5
    assert value(filled, "SELECT count(*) FROM person WHERE boss IS NOT NULL") > 0
    assert value(filled, "SELECT count(DISTINCT price) FROM item") > 20


def test_fan_outs_are_uneven(filled: DatabaseUrl) -> None:
    largest = value(filled, "SELECT max(n) FROM (SELECT count(*) AS n FROM person GROUP BY tenant_id) AS t")
    assert 2 <= largest <= PER_TABLE / 2


@pytest.fixture
def empty(server: Server) -> Iterator[DatabaseUrl]:
    source = server.create()
    run(source, "CREATE TABLE day (day date PRIMARY KEY, kind boolean UNIQUE NOT NULL)")
    yield source
    server.drop(source)


def test_what_a_table_cannot_hold_is_capped_with_a_note_or_refused(empty: DatabaseUrl) -> None:
    planned = replica.make_plan(empty, Settings(schema_only=True))
    assert planned.plan.tables[0].rows == 2
    assert any("day_kind_key" in note and "2 rows" in note for note in planned.plan.notes)
    asked = Settings(schema_only=True, rows={"public.day": 3})
    with pytest.raises(PlanError, match=r"--rows public\.day=3: unique rule day_kind_key leaves room for 2 rows"):
        replica.make_plan(empty, asked)


def test_no_row_of_the_source_is_read(server: Server, empty: DatabaseUrl) -> None:
    run(empty, "CREATE TABLE secret (id int PRIMARY KEY, word text); INSERT INTO secret VALUES (1, 'hush-hush')")
    target = server.fresh()
    try:
        replica.replicate(empty, target, Settings(schema_only=True, rows_per_table=20, workers=1))
        assert value(target, "SELECT count(*) FROM secret") == 20
        assert value(target, "SELECT count(*) FROM secret WHERE word LIKE '%hush%'") == 0
        with psycopg.connect(empty.secret) as connection:
            read = connection.execute(
                "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'secret'"
            ).fetchone()
        assert read == (0,)
    finally:
        server.drop(target)


def test_checks_that_contradict_each_other_are_named_before_rows_are_made(empty: DatabaseUrl) -> None:
    run(empty, "CREATE TABLE t (n int NOT NULL CONSTRAINT low CHECK (n < 3), CONSTRAINT high CHECK (n > 5))")
    with pytest.raises(UnsatisfiableError, match=r"check public\.t\.(low|high) \(\(n [<>] \d\)\) cannot be kept"):
        replica.make_plan(empty, Settings(schema_only=True))


def test_the_same_seed_imagines_the_same_rows(server: Server, empty: DatabaseUrl) -> None:
    run(empty, "CREATE TABLE person (id int PRIMARY KEY, name text, born date)")
    found = []
    for seed in (1, 1, 2):
        target = server.fresh()
        replica.replicate(empty, target, Settings(schema_only=True, seed=seed, workers=1))
        found.append(rows(target, "SELECT * FROM person ORDER BY id"))
        server.drop(target)
    assert found[0] == found[1] != found[2]


def test_rows_per_table_is_for_schemas_alone() -> None:
    with pytest.raises(SettingsError, match="--schema-only"):
        Settings(rows_per_table=5)


def test_codes_that_may_be_of_any_length_are_short(empty_database: DatabaseUrl, target: DatabaseUrl) -> None:
    """Repetition without end is a few times, and signs of it that stand for themselves stay what they are."""
    run(
        empty_database,
        "CREATE TABLE project (id int PRIMARY KEY, code text NOT NULL UNIQUE CHECK (code ~ '^PRJ-[0-9]{4}-[0-9]{3,}$'),"
        r" mark text NOT NULL CHECK (mark ~ '^[*+]\+x*y+$'))",
    )
    replica.replicate(empty_database, target, Settings(schema_only=True, workers=1))
    assert value(target, "SELECT count(*) FROM project") > 10
    assert value(target, "SELECT max(length(code)) FROM project") <= 14
    assert value(target, "SELECT max(length(mark)) FROM project") <= 10
