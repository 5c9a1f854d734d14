"""Rows of every type come out of a source and go into a target unchanged, in both ways of writing them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pytest
from conftest import Server
from postgres_tools import changed, rows, run, value

from replica.databases import open_database
from replica.databases.base import Snapshot, Staging
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import IntegrityError, LoadError, ReplicaError, UnsatisfiableError
from replica.kinds.literals import literal
from replica.schema.model import Column, Schema, Table

TEXTS = [
    "",
    " ",
    "plain",
    "日本 ñ 🎉",
    "back\\slash",
    "\\N",
    "\\.",
    "NULL",
    'say "hi"',
    "it's",
    "a,b;c\td",
    "{}",
    "a\nb\r\nc\rd",
    "a\n\\.\nb",
]
MOMENTS = [
    "infinity",
    "-infinity",
    "4713-01-01 00:00:00 BC",
    "0044-03-15 12:30:00.5 BC",
    "0001-01-01 00:00:00",
    "1969-12-31 23:59:59.999999",
    "2024-02-29 23:59:59.999999",
    "9999-12-31 00:00:00",
    "10000-01-01 00:00:00",
    "294246-12-31 23:59:59.999999",
]
VALUES: dict[str, list[str]] = {
    "boolean": ["t", "f"],
    "smallint": ["-32768", "0", "32767"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "oid": ["0", "4294967295"],
    "real": ["0.1", "NaN", "Infinity", "-Infinity", "3.4028235e38", "1e-45", "-0"],
    "double precision": ["0.1", "NaN", "Infinity", "-Infinity", "1.7976931348623157e308", "5e-324", "-0", "1e22"],
    "numeric": ["0", "0.1", "-123456.789", "NaN", "Infinity", "-Infinity", "1e300", "1e-300", "123456789012345"],
    "numeric(10,2)": ["-12345678.90", "0.01"],
    "numeric(3,-2)": ["99900"],
    "money": ["0", "12.34", "-1234567890.12", "10000000000000"],
    "text": [*TEXTS, "x" * 20000],
    "varchar(9)": ["", "123456789", "éé"],
    "character(3)": ["", "ab", "abc"],
    '"char"': ["a", ""],
    "name": ["a name"],
    "date": [text.split()[0] + (" BC" if text.endswith("BC") else "") for text in MOMENTS] + ["5874897-12-31"],
    "timestamp": MOMENTS,
    "timestamp(0)": ["2024-02-29 23:59:59"],
    "timestamptz": MOMENTS,
    "time": ["00:00:00", "12:30:00.123456", "23:59:59.999999", "24:00:00"],
    "timetz": ["00:00:00+15:59", "24:00:00-03", "12:00:00.5+00"],
    "interval": ["0", "-1 year 2 mons -3 days 04:05:06.789", "100000 years", "-00:00:00.000001"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "bytea": ["", "\\x00", "\\x00ff000a0d5c22", "\\x5c2e0a"],
    "json": ['{"a" : [1, null, "é\\n\\u0041"]}', "null", '""', "[1,\n2]"],
    "jsonb": ['{"a": [1, null, "é\\n\\\\"]}', "null", '""', "{}"],
    "inet": ["10.0.0.1", "10.1.2.3/8", "2001:db8::1/64"],
    "cidr": ["10.0.0.0/8", "::/0"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(3)": ["101", "000"],
    "bit varying(9)": ["", "1", "101010101"],
    "tsvector": ["", "'a b':1A 'it''s':2,3", "x"],
    "point": ["(1,2)", "(-0.5,1e+300)"],
    "int4range": ["empty", "[1,5)", "(,)"],
    "nummultirange": ["{}", "{[1.5,2],(3,)}"],
    "tstzrange": ['["2024-01-01 00:00:00+00",infinity)'],
    "mood": ["sad", "so 'so' \\", "Happy, \"she\" said"],
    "positive": ["0.5", "7"],
    "nick": ["", "a"],
    "integer[]": ["{}", "{1,NULL,-3}", "{{1,2},{3,4}}"],
    "text[]": ["{}", '{"",NULL,"NULL","a,b","q\\"q","b\\\\s","{}"," "}', '{"a\nb"}'],
    "mood[]": ["{sad,NULL}"],
    "boolean[]": ["{t,f,NULL}"],
    "date[]": ["{2024-02-29,NULL}"],
    "address": ["(,,)", '("","(a,b)",{})', '("a ""b"" \\\\",7,"{x,NULL}")'],
}  # fmt: skip
TYPES_SQL = r"""
CREATE TYPE mood AS ENUM ('sad', 'so ''so'' \', 'Happy, "she" said');
CREATE DOMAIN positive AS double precision CHECK (VALUE > 0);
CREATE DOMAIN nick AS varchar(5);
CREATE TYPE address AS (street text, number text, tags text[]);
"""
WAYS = ("binary", "csv")


@dataclass(frozen=True)
class Copied:
    """Two databases, one copied from the other, and what went wrong on the way, by table."""

    source: DatabaseUrl
    target: DatabaseUrl
    errors: dict[str, ReplicaError]


def own_notation(batch: pa.Array, column: Column) -> pa.Array:
    """Nested values are read as JSON, and written in the notation of their type."""
    if column.type.family not in ("array", "composite"):
        return batch
    return pa.array([None if text is None else literal(text, column.type) for text in batch.to_pylist()])


def copy(snapshot: Snapshot, staging: Staging, table: Table) -> int:
    names = [column.name for column in table.writable_columns]
    data = snapshot.read(table, dict.fromkeys(names, "value"))
    batches = data.to_batches() or [pa.RecordBatch.from_pylist([], data.schema)]
    arrays = [[own_notation(batch.column(name), table.by_name[name]) for name in names] for batch in batches]
    return staging.copy(table, names, (pa.RecordBatch.from_arrays(found, names=names) for found in arrays))


def copy_all(source: DatabaseUrl, target: DatabaseUrl) -> dict[str, ReplicaError]:
    schema, errors = open_database(source).introspect(), {}
    with (
        open_database(source).snapshot() as snapshot,
        open_database(target).staging(snapshot.dump(), replace=False, workers=1) as staging,
    ):
        staging.execute(snapshot.dump().pre_data)
        for table in schema.tables:
            try:
                copy(snapshot, staging, table)
            except ReplicaError as error:
                errors[table.name] = error
        staging.publish()
    return errors


def in_utc(url: DatabaseUrl) -> DatabaseUrl:
    return changed(url, options="-c timezone=UTC -c datestyle=ISO,YMD")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def table_sql(number: int, kind: str) -> str:
    """One table that can be written in binary, and one that cannot since no type "point" can."""
    texts = ", ".join(f"({i}, {quoted(text)}::{kind})" for i, text in enumerate(VALUES[kind]))
    return (
        f"CREATE TABLE binary_{number} (id int, v {kind}); INSERT INTO binary_{number} VALUES {texts}, (-1, NULL);"
        f"CREATE TABLE csv_{number} AS SELECT *, NULL::point AS other FROM binary_{number};"
    )


@pytest.fixture(scope="module")
def copied(server: Server) -> Iterator[Copied]:
    source, target = server.create(), server.fresh()
    run(source, TYPES_SQL + "".join(table_sql(i, kind) for i, kind in enumerate(VALUES)))
    yield Copied(source, target, copy_all(source, target))
    server.drop(source)
    server.drop(target)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", VALUES)
def test_values_of_every_type_go_through_unchanged(copied: Copied, kind: str, way: str) -> None:
    table = f"{way}_{list(VALUES).index(kind)}"
    assert copied.errors.get(table) is None
    query = f"SELECT id, v::text FROM {table} ORDER BY id"
    assert rows(in_utc(copied.target), query) == rows(in_utc(copied.source), query)
    assert value(copied.target, f"SELECT count(*) FROM {table}") == len(VALUES[kind]) + 1


def written(new_database: Callable[..., DatabaseUrl], script: str, target: DatabaseUrl) -> DatabaseUrl:
    """Copies a database that the script makes."""
    errors = copy_all(new_database(script), target)
    assert not errors
    return target


@pytest.mark.parametrize("other", ["", ", other point"])
def test_names_of_every_kind_are_written_to(
    new_database: Callable[..., DatabaseUrl], target: DatabaseUrl, other: str
) -> None:
    table = '"My ""Sch%ema"."Ta\'ble {0}"'
    script = f'CREATE SCHEMA "My ""Sch%ema"; CREATE TABLE {table} ("a ""b" int, "select" text, "Ü %s" int{other});'
    written(new_database, f"{script} INSERT INTO {table} VALUES (1, 'x', 2), (NULL, NULL, NULL)", target)
    query = f'SELECT "a ""b", "select", "Ü %s" FROM {table} ORDER BY 1'
    assert rows(target, query) == [(1, "x", 2), (None, None, None)]


@pytest.mark.parametrize("other", ["", ", other point"])
def test_generated_columns_are_computed_and_identities_take_what_is_written(
    new_database: Callable[..., DatabaseUrl], target: DatabaseUrl, other: str
) -> None:
    script = (
        "CREATE TABLE t (twice int GENERATED ALWAYS AS (id * 2) STORED, id int GENERATED ALWAYS AS IDENTITY"
        f"{other}); INSERT INTO t (id) OVERRIDING SYSTEM VALUE VALUES (7), (9)"
    )
    written(new_database, script, target)
    assert rows(target, "SELECT id, twice FROM t ORDER BY 1") == [(7, 14), (9, 18)]


@contextmanager
def staging_like(source: DatabaseUrl, target: DatabaseUrl) -> Iterator[tuple[Schema, Staging]]:
    """Opens a staging database with the source's tables, without rows."""
    with open_database(source).snapshot() as snapshot:
        ddl = snapshot.dump()
    with open_database(target).staging(ddl, replace=False, workers=1) as staging:
        staging.execute(ddl.pre_data)
        yield open_database(source).introspect(), staging


def test_a_table_without_columns_gets_its_number_of_rows(empty_database: DatabaseUrl, target: DatabaseUrl) -> None:
    run(empty_database, "CREATE TABLE bare ()")
    with staging_like(empty_database, target) as (schema, staging):
        batch = pa.RecordBatch.from_arrays([pa.nulls(3)], names=[""])
        assert staging.copy(schema.by_id["public.bare"], [], iter([batch, batch])) == 6
        staging.publish()
    assert value(target, "SELECT count(*) FROM bare") == 6


def test_columns_that_rows_do_not_bring_get_their_defaults(empty_database: DatabaseUrl, target: DatabaseUrl) -> None:
    run(empty_database, "CREATE TABLE t (a int, b text DEFAULT 'given', c serial)")
    with staging_like(empty_database, target) as (schema, staging):
        batches = (pa.RecordBatch.from_pydict({"a": [i]}) for i in range(2))
        assert staging.copy(schema.by_id["public.t"], ["a"], batches) == 2
        staging.publish()
    assert rows(target, "SELECT * FROM t") == [(0, "given", 1), (1, "given", 2)]


def test_no_batches_are_no_rows(empty_database: DatabaseUrl, target: DatabaseUrl) -> None:
    run(empty_database, "CREATE TABLE t (a int); CREATE TABLE p (a point)")
    with staging_like(empty_database, target) as (schema, staging):
        assert [staging.copy(table, ["a"], iter(())) for table in schema.tables] == [0, 0]


REFUSED: dict[str, tuple[str, pa.Array, type[ReplicaError], str]] = {
    "binary check": ("text CHECK (v <> 'hidden')", pa.array(["hidden"]), IntegrityError, "_v_check"),
    "csv check": ("text CHECK (v <> 'hidden'), p point", pa.array(["hidden"]), IntegrityError, "_v_check"),
    "binary length": ("varchar(3)", pa.array(["hidden"]), LoadError, "too long"),
    "csv syntax": ("inet", pa.array(["hidden"]), LoadError, "invalid input syntax for type inet"),
    "binary null": ("int NOT NULL", pa.array([None], pa.int64()), IntegrityError, "not-null constraint"),
    "csv label": ("color[]", pa.array(["{hidden}"]), LoadError, "invalid input value for enum color"),
    "json": ("jsonb", pa.array(["{hidden"]), LoadError, "invalid input syntax for type json"),
}


@pytest.fixture(scope="module")
def refusing(server: Server) -> Iterator[tuple[Schema, Staging]]:
    source = server.create()
    tables = (f"CREATE TABLE t{i} (v {definition[0]});" for i, definition in enumerate(REFUSED.values()))
    run(source, f"CREATE TYPE color AS ENUM ('red'); {' '.join(tables)}")
    with staging_like(source, server.fresh()) as found:
        yield found
    server.drop(source)


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_row_is_reported_with_its_table_and_without_its_value(
    refusing: tuple[Schema, Staging], case: str
) -> None:
    schema, staging = refusing
    (_, values, error, message), table = REFUSED[case], f"public.t{list(REFUSED).index(case)}"
    with pytest.raises(error) as caught:
        staging.copy(schema.by_id[table], ["v"], iter([pa.RecordBatch.from_arrays([values], ["v"])]))
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"loading {table}: ")
    assert message in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, UnsatisfiableError])
@pytest.mark.parametrize("kind", ["int", "point"])
def test_an_error_of_the_maker_of_rows_comes_out_as_it_is(
    empty_database: DatabaseUrl, target: DatabaseUrl, kind: str, error: type[BaseException]
) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_arrays([pa.array([1] if kind == "int" else ["(1,2)"])], ["v"])
        raise error("no more")

    run(empty_database, f"CREATE TABLE t (v {kind})")
    with staging_like(empty_database, target) as (schema, staging), pytest.raises(error, match="no more"):
        staging.copy(schema.by_id["public.t"], ["v"], batches())
    assert not value(empty_database, f"SELECT count(*) FROM pg_database WHERE datname = '{database_name(target)}'")


@pytest.mark.parametrize("kind", ["int", "point"])
@pytest.mark.parametrize("last", [0, 1])
def test_an_interruption_while_rows_are_made_is_not_lost(
    empty_database: DatabaseUrl, target: DatabaseUrl, kind: str, last: int
) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for i in range(2):
            yield pa.RecordBatch.from_arrays([pa.array([1] if kind == "int" else ["(1,2)"])], ["v"])
            if i == last:
                signal.raise_signal(signal.SIGINT)

    run(empty_database, f"CREATE TABLE t (v {kind})")
    with staging_like(empty_database, target) as (schema, staging), pytest.raises(KeyboardInterrupt):
        staging.copy(schema.by_id["public.t"], ["v"], batches())


@pytest.mark.parametrize("kind", ["int", "point"])
def test_a_usual_limit_on_the_time_of_statements_does_not_hold_for_loading(
    empty_database: DatabaseUrl, target: DatabaseUrl, kind: str
) -> None:
    unlimited = "LANGUAGE sql AS $$SELECT current_setting('statement_timeout') = '0'$$"
    run(
        empty_database,
        f"CREATE FUNCTION unlimited() RETURNS boolean {unlimited};CREATE TABLE t (v {kind} CHECK (public.unlimited()))",
    )
    hurried = changed(target, options="-c statement_timeout=600000")
    with staging_like(empty_database, hurried) as (schema, staging):
        batch = pa.RecordBatch.from_arrays([pa.array([1] if kind == "int" else ["(1,2)"])], ["v"])
        assert staging.copy(schema.by_id["public.t"], ["v"], iter([batch])) == 1
