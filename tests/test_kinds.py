"""Every column kind keeps the contract of kinds, and makes values that fit its type and belong to nobody."""

from __future__ import annotations

import datetime
import inspect
import io
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import phonenumbers
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from stdnum import iban, luhn
from stdnum.de import idnr
from stdnum.pl import pesel

from replica import kinds
from replica.databases.postgres.writer import binary_form, csv_bytes
from replica.errors import UnknownNameError
from replica.kinds import KINDS, kind_named, kind_of_type
from replica.kinds.base import ColumnData, Kind, People, Rows, count_holders, is_null
from replica.kinds.categorical import CategoricalKind
from replica.kinds.checksums import SCHEMES
from replica.kinds.code import CodeKind
from replica.kinds.personal import IDENTIFYING, PERSONAL, guess_locale, locale_of, sexes
from replica.kinds.quantile import fit_quantiles
from replica.schema import model
from replica.schema.model import Column, SqlType
from replica.state import Arrays, pack, unpack
from tests.conftest import Server

N = 400
MOOD = ("low", "middle", "high")

# The types


def numbers(seed: int = 0, n: int = N) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, 10_000, n)


def texts(form: str) -> pa.Array:
    return pa.array([form.format(i=int(i), j=int(i) % 7) for i in numbers()], pa.string())


def intervals() -> pa.Array:
    forms = ("{0} days", "1 year {0} mons", "{1:02}:30:15.5", "-{0} days +02:03:00", "3 mons {0} days {1:02}:00:00")
    return pa.array([forms[i % 5].format(i % 20 + 2, i % 23) for i in numbers().tolist()])


def composites() -> pa.Array:
    found = ({"street": f"{i % 90} High St", "number": i % 90, "since": f"2020-01-{i % 28 + 1:02}"} for i in numbers())
    return pa.array([json.dumps(each, default=int) for each in found])


def documents() -> pa.Array:
    found = (
        {"a": int(i), "tags": ["x", "y"][: i % 3], "name": f"n{i}"} if i % 3 else [None, True, float(i) / 4] for i in numbers()
    )
    return pa.array([json.dumps(each) for each in found])


def arrays_of(element: Any) -> pa.Array:
    return pa.array([json.dumps([element(int(i) + k) for k in range(int(i) % 4)]) for i in numbers()])


def days(first: str = "2015-01-01") -> pa.Array:
    start = int(np.datetime64(first, "D").astype(np.int64))
    return pa.array((start + numbers() % 2000).astype(np.int32)).cast(pa.date32())


def moments() -> pa.Array:
    return pa.array(1_500_000_000_000_000 + numbers() * 77_777_777_777).cast(pa.timestamp("us"))


def plain(name: str, base: str, family: model.Family, **more: Any) -> SqlType:
    return SqlType(name, base, family, **more)


def array_type(element: SqlType) -> SqlType:
    return SqlType(f"{element.name}[]", "array", "array", element=element)


INT4 = plain("integer", "int4", "integer")
TEXT = plain("text", "text", "text")
VARCHAR = plain("character varying(12)", "varchar", "text", length=12)
DATE = plain("date", "date", "date")
TIMESTAMPTZ = plain("timestamp with time zone", "timestamptz", "timestamptz")
UUID = plain("uuid", "uuid", "uuid")
MOODS = plain("mood", "enum", "enum", labels=MOOD)
NUMERIC = plain("numeric(8,2)", "numeric", "numeric", precision=8, scale=2)
PLACE = SqlType("place", "composite", "composite", fields=(("street", TEXT), ("number", INT4), ("since", DATE)))

# What a snapshot reads of a column of each type.
TYPES: list[tuple[SqlType, pa.Array]] = [
    (plain("boolean", "bool", "boolean"), pa.array(numbers() % 3 == 0)),
    (MOODS, pa.array([MOOD[i % 3] for i in numbers()])),
    (plain("smallint", "int2", "integer"), pa.array(numbers() * 3)),
    (INT4, pa.array(numbers() - 5000)),
    (plain("bigint", "int8", "integer"), pa.array(numbers() * 10**14)),
    (plain("oid", "oid", "integer"), pa.array(numbers())),
    (plain("real", "float4", "float"), pa.array((numbers() / 10).astype(np.float32).astype(np.float64))),
    (plain("double precision", "float8", "float"), pa.array(np.sqrt(numbers()) - 50)),
    (plain("numeric", "numeric", "numeric"), pa.array(numbers() / 4)),
    (NUMERIC, pa.array(numbers() * 99.99)),
    (plain("numeric(3,-2)", "numeric", "numeric", precision=3, scale=-2), pa.array(numbers() // 100 * 100.0)),
    (plain("money", "money", "money"), pa.array(numbers() / 100)),
    (TEXT, texts("Some words {i} of text number {j}")),
    (VARCHAR, texts("A{i:04}-{j}")),
    (plain("character(3)", "bpchar", "text", length=3), texts("X{j}")),
    (plain("citext", "text", "text"), texts("ann{i}@Example.org")),
    (DATE, days()),
    (plain("timestamp without time zone", "timestamp", "timestamp"), moments()),
    (TIMESTAMPTZ, moments()),
    (plain("time without time zone", "time", "time"), pa.array(numbers() * 1_000_000).cast(pa.time64("us"))),
    (plain("time with time zone", "timetz", "timetz"), texts("0{j}:30:15.25+02")),
    (plain("interval", "interval", "interval"), intervals()),
    (UUID, pa.array([str(uuid.UUID(int=int(i) << 90)) for i in numbers()])),
    (plain("bytea", "bytea", "bytes"), pa.array(numbers() % 60)),
    (plain("json", "json", "json"), documents()),
    (plain("jsonb", "jsonb", "json"), documents()),
    (plain("inet", "inet", "network"), texts("192.168.{j}.1")),
    (plain("cidr", "cidr", "network"), texts("192.168.{j}.0/24")),
    (plain("macaddr", "macaddr", "network"), texts("08:00:2b:01:02:0{j}")),
    (plain("macaddr8", "macaddr8", "network"), texts("08:00:2b:01:02:03:04:0{j}")),
    (array_type(INT4), arrays_of(int)),
    (array_type(TEXT), arrays_of('say "{}", \\ or not'.format)),
    (array_type(NUMERIC), arrays_of(lambda i: i / 4)),
    (array_type(MOODS), arrays_of(lambda i: MOOD[i % 3])),
    (array_type(DATE), arrays_of(lambda i: str(np.datetime64("2015-01-01") + i))),
    (array_type(TIMESTAMPTZ), arrays_of(lambda i: f"2020-01-{i % 28 + 1:02}T10:{i % 60:02}:00+00:00")),
    (array_type(UUID), arrays_of(lambda i: str(uuid.UUID(int=i << 90)))),
    (array_type(plain("inet", "inet", "network")), arrays_of(lambda i: f"10.{i % 200}.{i % 90}.1")),
    (array_type(plain("jsonb", "jsonb", "json")), arrays_of(lambda i: {"a": i})),
    (array_type(plain("boolean", "bool", "boolean")), arrays_of(lambda i: i % 2 == 0)),
    (array_type(plain("interval", "interval", "interval")), arrays_of(lambda i: f"{i} days")),
    (PLACE, composites()),
    (SqlType("int4range", "int4range", "range", element=INT4), texts("[{j},{i}9999)")),
    (plain("bit(4)", "bit", "bit", length=4), pa.array([f"{i % 16:04b}" for i in numbers()])),
    (plain("xml", "xml", "xml"), texts("<a>{j}</a>")),
    (plain("tsvector", "tsvector", "tsvector"), texts("'word{j}':1")),
    (plain("point", "point", "other"), texts("({i},{j})")),
]  # fmt: skip
BY_NAME = {kind.name: (kind, values) for kind, values in TYPES}
NAMES = [*KINDS, *PERSONAL]


def accepted() -> list[tuple[str, str]]:
    return [(n, t.name) for n, (t, _) in product(NAMES, TYPES) if kind_named(n)[0].accepts(Column("x", t))]


def some_null(values: pa.Array) -> pa.Array:
    return pa.array([None if i % 5 == 0 else value for i, value in enumerate(values.to_pylist())], values.type)


SCENARIOS = {
    "full": lambda values: values,
    "some null": some_null,
    "constant": lambda values: values.take(pa.array(np.full(50, 1))),
    "all null": lambda values: pa.nulls(20, values.type),
    "one row": lambda values: values.slice(1, 1),
    "empty": lambda values: values.slice(0, 0),
}

# Helpers


def people(n: int, locale: str = "en_US") -> People:
    return People(np.arange(n), 17, (np.arange(n) % 3).astype(np.int8), np.zeros(n, np.int16), (locale,))


def rows_for(n: int, seed: int = 1, locale: str = "en_US") -> Rows:
    return Rows(np.arange(n), n, np.random.default_rng(seed), people(n, locale), np.arange(n))


def read_as(name: str, values: pa.Array) -> pa.Array:
    """What a snapshot gives for a kind that reads less than the value."""
    reading = kind_named(name)[0].reading
    if reading == "presence":
        return pa.array(~is_null(values))
    if reading == "length" and not pa.types.is_integer(values.type):
        return pa.array([None if value is None else len(value) for value in values.to_pylist()], pa.int64())
    return values


def fitted(name: str, kind: SqlType, values: pa.Array, **more: Any) -> Kind:
    found, options = kind_named(name)
    data = ColumnData(Column("x", kind), values, options={**options, **more.pop("options", {})}, **more)
    return found.fit(data, np.random.default_rng(0))


def replicated(name: str, kind: SqlType, values: pa.Array, **more: Any) -> pa.Array:
    """Values of a column and back: what comes out for the source's own codes."""
    made = fitted(name, kind, values, **more)
    return made.decode(made.encode(values), rows_for(len(values)))


def made_of(name: str, source: list[str | None], n: int | None = None, **more: Any) -> list[Any]:
    """Values of a text column, made for as many rows as wanted from the codes of the source's."""
    values = pa.array(source, pa.string())
    made = fitted(name, TEXT, values, **more)
    codes = np.resize(made.encode(values), (n or len(source), len(made.spans)))
    found: list[Any] = made.decode(codes, rows_for(len(codes))).to_pylist()
    return found


def state_classes() -> dict[str, type]:
    modules = [module for _, module in inspect.getmembers(kinds, inspect.ismodule)]
    listed = [found for module in [*modules, model] for _, found in inspect.getmembers(module, inspect.isclass)]
    return {found.__name__: found for found in listed if is_dataclass(found)}


# The contract


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("name", "kind"), accepted())
def test_a_kind_keeps_its_contract(name: str, kind: str, scenario: str) -> None:
    sql_type, source = BY_NAME[kind]
    source = SCENARIOS[scenario](source)
    values = read_as(name, source)
    made = fitted(name, sql_type, values)
    codes = made.encode(values)
    assert codes.shape == (len(values), len(made.spans))
    assert codes.dtype == np.int32
    for column, span in zip(codes.T, made.spans, strict=True):
        assert span.cardinality >= 1
        assert 0 <= span.ordered <= span.cardinality
        assert ((column >= 0) & (column < span.cardinality)).all()
    decoded = made.decode(codes, rows_for(len(values)))
    assert np.array_equal(is_null(decoded), is_null(source))
    assert decoded.equals(made.decode(codes, rows_for(len(values))))
    # A chunk of rows comes in the type of all rows.
    assert made.decode(codes[:3], rows_for(min(3, len(values)))).type == decoded.type
    obeys(decoded, sql_type)
    arrays: Arrays = {}
    tree = json.loads(json.dumps(pack(made, arrays)))
    again = unpack(tree, arrays, state_classes())
    assert type(again) is type(made)
    assert again.spans == made.spans
    assert np.array_equal(again.encode(values), codes)
    assert again.decode(codes, rows_for(len(values))).equals(decoded)


def obeys(values: pa.Array, kind: SqlType) -> None:
    """The writer takes the array, and no value is longer or larger than the type allows."""
    form = binary_form(Column("x", kind), values.type)
    if form is not None:
        form(values)
    csv_bytes(pa.RecordBatch.from_arrays([values], ["x"]), ["x"])
    known = [value for value in values.to_pylist() if value is not None]
    if kind.length is not None:
        assert all(len(value) <= kind.length for value in known)
    if kind.labels:
        assert set(known) <= set(kind.labels)
    if kind.precision is not None and kind.scale is not None:
        assert all(abs(float(value)) < 10.0 ** (kind.precision - kind.scale) for value in known)
        assert all(round(float(value), kind.scale) == pytest.approx(float(value)) for value in known)


@pytest.mark.parametrize(("name", "kind"), accepted())
def test_any_code_that_a_model_may_draw_makes_a_value(name: str, kind: str) -> None:
    sql_type, source = BY_NAME[kind]
    made = fitted(name, sql_type, read_as(name, some_null(source)))
    rng = np.random.default_rng(3)
    drawn = [rng.integers(0, span.cardinality, 200) for span in made.spans]
    codes = np.stack(drawn, axis=1).astype(np.int32) if drawn else np.zeros((200, 0), np.int32)
    obeys(made.decode(codes, rows_for(200)), sql_type)


@pytest.mark.parametrize(("name", "kind"), accepted())
def test_values_that_were_not_learned_have_codes_too(name: str, kind: str) -> None:
    sql_type, source = BY_NAME[kind]
    values = read_as(name, source)
    made = fitted(name, sql_type, values.slice(0, 20), min_holders=2)
    codes = made.encode(values)
    for column, span in zip(codes.T, made.spans, strict=True):
        assert ((column >= 0) & (column < span.cardinality)).all()


@pytest.fixture(scope="module")
def server_types(server: Server) -> Iterator[psycopg.Connection[Any]]:
    url = server.create()
    with psycopg.connect(url.secret, autocommit=True) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('low', 'middle', 'high')")
        connection.execute("CREATE TYPE place AS (street text, number integer, since date)")
        yield connection
    server.drop(url)


@pytest.mark.parametrize("kind", BY_NAME)
def test_the_server_takes_what_every_kind_makes(server_types: psycopg.Connection[Any], kind: str) -> None:
    sql_type, source = BY_NAME[kind]
    server_name = "text" if sql_type.name == "citext" else sql_type.name
    for name, least in product([name for name, found in accepted() if found == kind], (1, 60)):
        values = read_as(name, some_null(source))
        batch = pa.RecordBatch.from_arrays([replicated(name, sql_type, values, min_holders=least)], ["x"])
        with server_types.transaction(force_rollback=True), server_types.cursor() as cursor:
            cursor.execute(f"CREATE TABLE taken (x {server_name})".encode())
            with cursor.copy("COPY taken FROM STDIN (FORMAT csv)") as copy:
                copy.write(csv_bytes(batch, ["x"]))
            found = cursor.execute("SELECT count(x), count(*) FROM taken").fetchone()
        assert found is not None, name
        assert found[1] == N, name
        if least == 1:
            assert found[0] == N - N // 5, name
