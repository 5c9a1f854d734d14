"""Every column kind keeps the contract of kinds, and makes values that fit its type and belong to nobody."""

from __future__ import annotations

import datetime
import inspect
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass, replace
from importlib import import_module
from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt
import phonenumbers
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from conftest import Server
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn

from replica import kinds
from replica.databases.postgres.writer import binary_form, copy_csv, csv_bytes
from replica.errors import UnknownNameError
from replica.kinds import KINDS, checksums, kind_named, kind_of_type
from replica.kinds.base import ColumnData, Kind, People, Rows, count_holders, is_null
from replica.kinds.bban import inner_digits, inner_places
from replica.kinds.checksums import SCHEMES
from replica.kinds.measure import are_quantities, read_quantity
from replica.kinds.personal import IDENTIFYING, PERSONAL, guess_locale, locale_of, sexes
from replica.kinds.quantile import fit_quantiles
from replica.schema import model
from replica.schema.model import Column, SqlType, Table
from replica.state import Arrays, pack, unpack

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
        {"a": int(i), "tags": ["x", "y"][: i % 3], "name": f"n{i}"} if i % 3 else [None, True, float(i) / 4]
        for i in numbers()
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
    (array_type(DATE), arrays_of(lambda i: str(np.datetime64("2015-01-01") + np.timedelta64(i, "D")))),
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


SCENARIOS: dict[str, Callable[[pa.Array], pa.Array]] = {
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


def made_of(name: str, source: Sequence[str | None], n: int | None = None, **more: Any) -> list[Any]:
    """Values of a text column, made for as many rows as wanted from the codes of the source's."""
    values = pa.array(list(source), pa.string())
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
        connection.execute("CREATE DOMAIN citext AS text")
        connection.execute("CREATE TYPE place AS (street text, number integer, since date)")
        yield connection
    server.drop(url)


def has_xml(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


@pytest.mark.parametrize("kind", BY_NAME)
def test_the_server_takes_what_every_kind_makes(server_types: psycopg.Connection[Any], kind: str) -> None:
    if kind == "xml" and not has_xml(server_types):
        pytest.skip("the server was built without XML")
    sql_type, source = BY_NAME[kind]
    taken = Table("public", "taken", (Column("x", sql_type),))
    for name, least in product([name for name, found in accepted() if found == kind], (1, 60)):
        values = read_as(name, some_null(source))
        batch = pa.RecordBatch.from_arrays([replicated(name, sql_type, values, min_holders=least)], ["x"])
        with server_types.transaction(force_rollback=True):
            server_types.execute(f"CREATE TABLE taken (x {kind})".encode())
            assert copy_csv(server_types, taken, ["x"], iter([batch])) == N, name
            found = server_types.execute("SELECT count(x) FROM taken").fetchone()
        # Where too few people hold any value, there may be none to keep.
        assert least > 1 or found == (N - N // 5,), name


LIMITS: list[tuple[SqlType, list[float]]] = [
    (plain("smallint", "int2", "integer"), [-(2**15), 2**15 - 1]),
    (plain("bigint", "int8", "integer"), [-(2**63), 2**63 - 1]),
    (plain("oid", "oid", "integer"), [0, 2**32 - 1]),
    (plain("real", "float4", "float"), [-3e38, 3e38, 1e-40]),
    (plain("double precision", "float8", "float"), [-1.7e308, 1.7e308, 5e-324]),
    (plain("numeric", "numeric", "numeric"), [-1e300, 1e40, 1e-9]),
    (plain("numeric(38,10)", "numeric", "numeric", precision=38, scale=10), [-1e28, 1e28, 0.1]),
    (plain("numeric(5,5)", "numeric", "numeric", precision=5, scale=5), [-0.99999, 0.99999]),
    (plain("money", "money", "money"), [-92233720368547758.08, 92233720368547758.07, 0.01]),
]


@pytest.mark.parametrize(("kind", "limits"), LIMITS, ids=lambda found: getattr(found, "name", ""))
@pytest.mark.parametrize("least", [1, 10, 200])
def test_the_server_takes_numbers_near_the_limits_of_their_type(
    server_types: psycopg.Connection[Any], kind: SqlType, limits: list[float], least: int
) -> None:
    values = pa.array(limits * 20, pa.int64() if kind.family == "integer" else pa.float64())
    batch = pa.RecordBatch.from_arrays([replicated("number", kind, values, min_holders=least)], ["x"])
    taken = Table("public", "taken", (Column("x", kind),))
    with server_types.transaction(force_rollback=True):
        server_types.execute(f"CREATE TABLE taken (x {kind.name})".encode())
        assert copy_csv(server_types, taken, ["x"], iter([batch])) == len(values)


# Registries


def test_every_family_of_types_has_a_kind_that_accepts_it() -> None:
    for kind, _ in TYPES:
        column = Column("x", kind)
        assert kind_named(kind_of_type(column))[0].accepts(column)


def test_a_name_without_a_kind_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown column kind 'nubmer'.*full_name.*number"):
        kind_named("nubmer")
    with pytest.raises(UnknownNameError, match="class of personal data"):
        fitted("full_name", TEXT, pa.array(["x"]), options={"class": "shoe_size"})


# Privacy: what fewer people hold than may be told apart is not reproduced

RARE = "Zanzibar-98765"
PRIVATE: list[tuple[SqlType, list[str], str, str]] = [
    (TEXT, ["red", "green", "blue"], RARE, "98765"),
    (TEXT, ["AB-100", "AC-200", "CD-300"], "QQ7-98765-QQ7", "98765"),
    (TEXT, ["we met twice", "we met again", "we left early"], "we met Zanzibar twice", "Zanzibar"),
    (plain("jsonb", "jsonb", "json"), ['{"a": "x"}', '{"a": "y"}', '{"b": 3}'], f'{{"a": "{RARE}"}}', "Zanzibar"),
    (plain("jsonb", "jsonb", "json"), ['{"a": "x"}', '{"a": "y"}', '{"b": 3}'], '{"Zanzibar": "x"}', "Zanzibar"),
    (plain("jsonb", "jsonb", "json"), ['{"a": ["x"]}', '{"a": []}'], f'{{"a": ["x", "{RARE}"]}}', "Zanzibar"),
    (plain("jsonb", "jsonb", "json"), ['{"a": 1}', '{"a": 2}'], '{"a": 98765}', "98765"),
    (array_type(TEXT), ['["x"]', '["x", "y"]', "[]"], f'["x", "{RARE}"]', "Zanzibar"),
    (array_type(TEXT), [f'["w{i}", "v{j}"]' for i in range(9) for j in range(9)], f'["x", "{RARE}"]', "Zanzibar"),
    (array_type(INT4), [f"[{i}, {j}]" for i in range(9) for j in range(9)], "[98765]", "98765"),
    (PLACE, ['{"street": "High St", "number": 1}', "{}"], '{"street": "Zanzibar", "number": 98765}', "Zanzibar"),
    (PLACE, ['{"street": "High St", "number": 1}', "{}"], '{"street": "Zanzibar", "number": 98765}', "98765"),
    (plain("xml", "xml", "xml"), ["<a/>", "<b/>"], f"<a>{RARE}</a>", "Zanzibar"),
    (plain("inet", "inet", "network"), ["10.0.0.1", "10.0.0.2"], "98.76.54.32", "98.76.54.32"),
    (UUID, [str(uuid.UUID(int=1)), str(uuid.UUID(int=2))], str(uuid.UUID(int=98765 << 80)), str(98765 << 80)),
    (plain("int4range", "int4range", "range"), ["[1,2)", "[2,4)"], "[98765,98766)", "98765"),
]
PUBLIC_KINDS = {"label"}
"""What is only for tables that are about nobody."""


@pytest.mark.parametrize(("kind", "common", "rare", "mark"), PRIVATE)
def test_a_value_that_one_person_holds_many_times_is_not_reproduced(
    kind: SqlType, common: list[str], rare: str, mark: str
) -> None:
    n = 40 * len(common)
    values = pa.array([common[i % len(common)] for i in range(n)] + [rare] * 60, pa.string())
    holders = np.r_[np.arange(n), np.full(60, n)]
    for name in NAMES:
        if name in PUBLIC_KINDS or not kind_named(name)[0].accepts(Column("x", kind)):
            continue
        made = fitted(name, kind, read_as(name, values), holders=holders, min_holders=10)
        again = np.concatenate([made.encode(read_as(name, values))] * 3)
        assert not [text for text in made.decode(again, rows_for(len(again))).to_pylist() if mark in str(text)], name
        assert mark not in json.dumps(pack(made, {})), name


@pytest.mark.parametrize("kind", ["integer", "double precision", "numeric(8,2)", "date", "interval"])
def test_a_number_or_a_moment_that_one_person_holds_is_not_reproduced(kind: str) -> None:
    sql_type, values = BY_NAME[kind]
    odd = {"date": datetime.date(1871, 3, 7), "interval": "431 days 07:07:07"}.get(kind, 123456.78)
    rare = pa.array([int(odd) if kind == "integer" and isinstance(odd, float) else odd] * 60, values.type)
    name = kind_of_type(Column("x", sql_type))
    both, holders = pa.concat_arrays([values, rare]), np.r_[np.arange(N), np.full(60, N)]
    made = fitted(name, sql_type, both, holders=holders, min_holders=10)
    codes = np.concatenate([made.encode(both)] * 10)
    decoded = made.decode(codes, rows_for(len(codes))).to_pylist()
    source = pa.concat_arrays([rare[:1]]).to_pylist()[0]
    expected = (0, 431, 25_627_000_000_000) if kind == "interval" else float(source) if kind != "date" else source
    assert not [value for value in decoded if (float(value) if isinstance(expected, float) else value) == expected]


def test_too_few_people_leave_no_value_of_theirs_behind() -> None:
    for name, kind in accepted():
        if name in PUBLIC_KINDS or kind not in ("text", "character varying(12)", "numeric(8,2)", "date", "json"):
            continue
        sql_type, values = BY_NAME[kind]
        source = read_as(name, values.slice(3, 5))
        made = fitted(name, sql_type, source, min_holders=10)
        found = made.decode(np.resize(made.encode(source), (200, len(made.spans))), rows_for(200))
        kept = {str(value) for value in found.to_pylist()} & {str(value) for value in values.slice(3, 5).to_pylist()}
        assert not kept, (name, kind)


def test_holders_are_counted_once_however_many_rows_they_have() -> None:
    groups, holders = np.array([0, 0, 0, 1, 1, 2]), np.array([7, 7, 8, 9, 9, 7])
    assert count_holders(groups, 4, holders).tolist() == [2, 1, 1, 0]
    assert count_holders(groups, 4, None).tolist() == [3, 2, 1, 0]


# Numbers


def quantiles(values: Any) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = np.quantile(np.asarray(values, dtype=np.float64), [0.01, 0.1, 0.5, 0.9, 0.99])
    return found


def as_floats(values: pa.Array) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else float(value) for value in values.to_pylist()])


def random_draw(name: str, kind: SqlType, values: pa.Array, **more: Any) -> pa.Array:
    """Values for codes drawn from those of the source."""
    made = fitted(name, kind, values, **more)
    codes = made.encode(values)[np.random.default_rng(5).integers(0, len(values), 4000)]
    return made.decode(codes, rows_for(len(codes)))


@pytest.mark.parametrize("spread", [0.3, 1.5, 3.0])
def test_heavy_tails_keep_their_quantiles_and_their_range(spread: float) -> None:
    source = np.random.default_rng(2).lognormal(3, spread, 6000)
    made = as_floats(random_draw("number", plain("float8", "float8", "float"), pa.array(source)))
    assert quantiles(np.log(made)) == pytest.approx(quantiles(np.log(source)), abs=0.15 * spread)
    assert source.min() <= made.min()
    assert made.max() <= source.max()


@pytest.mark.parametrize(("odd", "kept"), [(1, False), (3, False), (40, True)])
@pytest.mark.parametrize("rows", [1000, 50_000])
def test_nothing_is_made_in_a_gap_and_few_beyond_it_are_left_out(odd: int, kept: bool, rows: int) -> None:
    rng = np.random.default_rng(2)
    usual, beyond = rng.normal(50_000, 8_000, rows - odd).clip(20_000, 80_000), rng.uniform(9e8, 9.9e8, odd)
    source = pa.array(np.r_[usual, beyond].round())
    kind = fitted("number", plain("float8", "float8", "float"), source, min_holders=10)
    made = as_floats(kind.decode(kind.encode(source), rows_for(rows)))
    assert not ((made > 80_000) & (made < 9e8)).any()
    assert (made >= 9e8).any() == kept


def test_values_that_many_rows_share_stay_exactly_as_common() -> None:
    rng = np.random.default_rng(2)
    source = np.r_[np.zeros(3000), np.full(2000, 9.99), rng.gamma(2, 50, 5000).round(2)]
    made = as_floats(random_draw("number", NUMERIC, pa.array(source), min_holders=10))
    assert (made == 0).mean() == pytest.approx(0.3, abs=0.03)
    assert (made == 9.99).mean() == pytest.approx(0.2, abs=0.03)
    assert len(np.unique(made)) > 500


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    scale=st.integers(0, 6),
    whole=st.integers(1, 9),
    seeds=st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=60),
)
def test_decimals_fit_their_type_and_use_the_digits_of_the_source(scale: int, whole: int, seeds: list[int]) -> None:
    kind = SqlType("numeric", "numeric", "numeric", precision=whole + scale, scale=scale)
    top = 10 ** (whole + scale) - 1
    source = pa.array([(abs(seed) % (top + 1)) * (1 if seed > 0 else -1) / 10**scale for seed in seeds])
    made = replicated("number", kind, source)
    obeys(made, kind)
    assert pa.types.is_decimal(made.type)
    low, high = float(min(source.to_pylist())), float(max(source.to_pylist()))
    assert all(low - 1e-6 <= float(value) <= high + 1e-6 for value in made.to_pylist())


def test_large_amounts_keep_their_cents() -> None:
    kind = SqlType("numeric(14,2)", "numeric", "numeric", precision=14, scale=2)
    source = np.round(np.random.default_rng(0).uniform(1e9, 9e9, 500), 2)
    made = as_floats(replicated("number", kind, pa.array(source)))
    assert np.mean(np.abs(made - np.round(made)) > 0.004) > 0.9


@pytest.mark.parametrize(("precision", "value"), [(18, 9999999999999999.99), (6, 9999.99), (38, 1e35)])
def test_the_greatest_number_of_a_type_still_fits(precision: int, value: float) -> None:
    kind = SqlType("numeric", "numeric", "numeric", precision=precision, scale=2)
    for text in replicated("number", kind, pa.array([value, value, -value, 1.0])).to_pylist():
        assert abs(int(text)) < 10 ** (precision - 2)


def test_whole_numbers_beyond_the_precision_of_floats_are_learned() -> None:
    source = [2**62 + i * 10**12 for i in range(200)]
    made = replicated("number", plain("bigint", "int8", "integer"), pa.array([*source, 2**63 - 1, -(2**63)]))
    assert all(-(2**63) <= value < 2**63 for value in made.to_pylist())
    assert sum(2**62 <= value <= source[-1] for value in made.to_pylist()) >= 195


def test_numbers_near_the_end_of_floats_are_learned() -> None:
    source = [1.7e308, -1.7e308, 5e-324, 0.0, 1e300] * 30
    made = as_floats(replicated("number", plain("float8", "float8", "float"), pa.array(source)))
    assert np.isfinite(made).all()
    assert np.array_equal(np.sign(made[:2]), [1, -1])
    assert made[3] == 0


def test_special_numbers_come_back_as_they_are() -> None:
    source = [1.5, float("nan"), None, float("inf"), float("-inf")] * 20
    made = replicated("number", plain("float8", "float8", "float"), pa.array(source, pa.float64(), from_pandas=False))
    assert [str(value) for value in made.to_pylist()] == [str(value) for value in source]
    text = replicated(
        "number", plain("numeric", "numeric", "numeric"), pa.array(source, pa.float64(), from_pandas=False)
    )
    assert text.to_pylist()[:5] == ["1.5", "NaN", None, "Infinity", "-Infinity"]


def test_single_precision_does_not_add_digits() -> None:
    source = pa.array(np.array([14.4, 0.1, 2.5] * 40, np.float32).astype(np.float64))
    assert set(replicated("number", plain("real", "float4", "float"), source).to_pylist()) == {14.4, 0.1, 2.5}


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200),
    bins=st.integers(1, 64),
    least=st.integers(1, 12),
)
def test_a_curve_decodes_each_code_into_its_own_bin(values: list[float], bins: int, least: int) -> None:
    curve = fit_quantiles(np.array(values), None, bins=bins, min_holders=least)
    codes = np.arange(curve.bins).astype(np.int32)
    assert (np.diff(curve.knots_v) >= 0).all()
    assert (np.diff(curve.edges) > 0).all()
    decoded = curve.decode(np.repeat(codes, 5), np.random.default_rng(0))
    assert (np.diff(decoded.reshape(-1, 5).mean(axis=1)) >= -1e-6).all()
    assert curve.centers == pytest.approx(curve.decode(codes, Middle()))  # type: ignore[arg-type]


class Middle:
    """Draws the middle, always."""

    def random(self, n: int) -> npt.NDArray[np.float64]:
        return np.full(n, 0.5)


# Moments


def dates(*texts: str) -> pa.Array:
    return pa.array([np.datetime64(text, "D").astype(np.int32) for text in texts], pa.int32()).cast(pa.date32())


def test_infinite_dates_stay_infinite_and_the_rest_finite() -> None:
    source = pa.array([2**31 - 1, 18000, -(2**31), 18001, None] * 10, pa.int32()).cast(pa.date32())
    made = replicated("moment", DATE, source).to_pylist()
    assert made[0::5] == ["infinity"] * 10
    assert made[2::5] == ["-infinity"] * 10
    assert made[4::5] == [None] * 10
    assert {*made[1::5], *made[3::5]} <= {"2019-04-14", "2019-04-15"}


@pytest.mark.parametrize(
    ("day", "text"), [("-0043-03-15", "0044-03-15 BC"), ("12020-01-01", "12020-01-01"), ("0000-05-05", "0001-05-05 BC")]
)
def test_dates_outside_the_calendar_of_arrow_come_as_text(day: str, text: str) -> None:
    assert set(replicated("moment", DATE, dates(*[day] * 30)).to_pylist()) == {text}


@pytest.mark.parametrize("step", [1, 1_000_000, 60_000_000, 900_000_000])
def test_times_of_day_are_multiples_of_the_sources_step(step: int) -> None:
    source = numbers(1) * 86_400_000_000 // 3 + numbers(2) * step
    made = replicated("moment", TIMESTAMPTZ, pa.array(source // step * step).cast(pa.timestamp("us")))
    usual = max(s for s in (1, 1000, 1_000_000, 60_000_000) if s <= step)
    assert not np.any(np.asarray(made.cast(pa.int64())) % usual)


def test_days_of_the_week_keep_their_shares() -> None:
    every = np.arange("2018-01-01", "2022-01-01", dtype="datetime64[D]")
    working = every[np.is_busday(every)]
    source = pa.array(np.random.default_rng(0).choice(working, 3000))
    made = random_draw("moment", DATE, source)
    assert np.is_busday(np.asarray(made)).mean() > 0.99
    assert np.asarray(made).min() >= working[0]
    assert np.asarray(made).max() <= working[-1]


def test_a_spike_of_dates_stays_where_it_is() -> None:
    source = pa.concat_arrays([dates(*["2000-01-01"] * 400), days()])
    made = random_draw("moment", DATE, source, min_holders=10).to_pylist()
    assert made.count(datetime.date(2000, 1, 1)) / len(made) == pytest.approx(0.5, abs=0.04)


def test_times_keep_their_zone_and_their_fractions() -> None:
    kind = plain("timetz", "timetz", "timetz")
    source = ["23:59:04.35+02", "00:00:04.35+02", "12:00:04.35+02"] * 20
    made = replicated("time", kind, pa.array(source)).to_pylist()
    assert {text[-3:] for text in made} == {"+02"}
    assert {text.rstrip("0+2") for text in made} == {"23:59:04.35", "00:00:04.35", "12:00:04.35"}


def interval_of(value: Any) -> tuple[bool, bool, bool]:
    return (value.months != 0, value.days != 0, value.nanoseconds != 0)


@pytest.mark.parametrize(
    ("texts", "shape"),
    [
        (["1 mon", "1 year 2 mons", "-3 mons"], (True, False, False)),
        (["1 day", "90 days", "-4 days"], (False, True, False)),
        (["00:15:00", "-01:30:00", "27:00:00"], (False, False, True)),
        (["1 day 02:00:00", "3 days 04:05:06.5", "5 days 07:00:00"], (False, True, True)),
    ],
)
def test_intervals_are_written_in_the_parts_that_the_source_uses(
    texts: list[str], shape: tuple[bool, bool, bool]
) -> None:
    made = replicated("interval", plain("interval", "interval", "interval"), pa.array(texts * 30)).to_pylist()
    assert Counter(map(interval_of, made)).most_common(1)[0][0] == shape
    assert not any(
        part and not allowed for value in made for part, allowed in zip(interval_of(value), shape, strict=True)
    )


def test_lengths_of_intervals_are_those_of_the_source() -> None:
    source = [f"{int(i) % 20 + 1} days" for i in numbers()]
    made = replicated("interval", plain("interval", "interval", "interval"), pa.array(source)).to_pylist()
    wanted = [int(text.split()[0]) for text in source]
    assert np.mean([value.days for value in made]) == pytest.approx(np.mean(wanted), abs=0.3)
    assert {value.days for value in made} <= set(range(1, 21))


# Texts and codes

SENTENCES = [
    f"The {a} {b} of {c} was {d}." for a in ("new", "old") for b in ("order", "report") for c in ("May", "June")
    for d in ("late", "lost", "found today", "written to ann@example.org on 12-05-2020")
]  # fmt: skip


def test_texts_use_common_words_only_and_are_as_long_as_the_sources() -> None:
    source = [SENTENCES[i % len(SENTENCES)] for i in range(600)]
    made = made_of("text", source)
    words = {word.strip(".") for text in made for word in text.split()} - {""}
    assert words <= {word.strip(".") for sentence in SENTENCES for word in sentence.split()}
    assert not [text for text in made if "@" in text or any(letter.isdigit() for letter in text)]
    assert np.mean([len(text) for text in made]) == pytest.approx(np.mean([len(text) for text in source]), rel=0.25)


def test_texts_of_which_nothing_may_be_kept_are_written_in_plain_words() -> None:
    made = made_of("text", [f"secret{i}word other{i}thing" for i in range(50)], min_holders=10)
    plain_words = "lorem ipsum dolor sit amet consectetur adipiscing elit sed tempor"
    assert {word for text in made for word in text.split()} <= set(plain_words.split())


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("INV-{year}-{i:05}", r"INV-20[12][019]-\d{5}"),
        ("{i:05} AB", r"\d{5} AB"),
        ("SKU{i:05}x", r"SKU\d{5}x"),
        ("{i:x}f0", r"[0-9a-f]+"),
    ],
)
def test_codes_keep_their_pattern(source: str, form: str) -> None:
    values = [source.format(i=int(i) + 4096, year=2019 + int(i) % 3) for i in numbers()]
    made = fitted("code", TEXT, pa.array(values))
    texts = pa.array(made.decode(made.encode(pa.array(values)), rows_for(N)).to_pylist())
    assert all(pc.match_substring_regex(texts, f"^{form}$").to_pylist())


@pytest.mark.parametrize("total", [50, 2000, 30_000])
def test_unique_codes_differ_however_many_rows_there_are(total: int) -> None:
    source = [f"A{i:03}" for i in range(900)] + [f"B-{i:04}" for i in range(100)]
    made = made_of("code", source, total, options={"unique": True})
    assert len(set(made)) == total


@pytest.mark.parametrize("unique", [True, False])
def test_numbers_of_all_lengths_come_back_in_whatever_order_rows_stand(unique: bool) -> None:
    source = [f"{owner}_{order}" for owner in range(1, 40_000) for order in range(owner % 3)]
    values = pa.array(source)
    made = fitted("code", TEXT, values, options={"unique": unique})
    assert len(made.spans) == 1
    texts = made.decode(made.encode(values), rows_for(len(source))).to_pylist()
    lengths = [np.bincount([len(text) for text in found], minlength=9) / len(source) for found in (source, texts)]
    assert np.abs(lengths[0] - lengths[1]).max() < 0.02
    assert {text.count("_") for text in texts} == {1}
    # Forms with room for all rows are those of the row itself.
    same = [len(one) == len(other) for one, other in zip(source, texts, strict=True) if len(one) > 6]
    assert np.mean(same) > 0.85
    assert not unique or len(set(texts)) == len(texts)


def test_which_pattern_a_row_follows_is_a_code() -> None:
    source = ["12345", "AB1 2CD", "12345-6789"] * 60
    made = made_of("code", [f"{i:05}" if v == "12345" else v for i, v in enumerate(source)])
    forms = [[letter.isdigit() for letter in text] for text in made]
    assert forms == [[letter.isdigit() for letter in text] for text in source]


STEMS = {
    "iban": "DE00{:018}", "br.cpf": "{:011}", "ch.ssn": "756{:010}", "de.idnr": "{:011}", "es.dni": "{:08}A",
    "fr.nir": "1850575{:08}", "gb.nhs": "943{:07}", "it.codicefiscale": "RSSMRA85T{:02}H501A", "nl.bsn": "{:09}",
    "pl.pesel": "8505{:07}", "tr.tckimlik": "5{:010}", "luhn": "4539{:012}",
}  # fmt: skip


def valid_numbers(scheme: str) -> list[str]:
    """Numbers that the scheme's own module finds valid."""
    stem = STEMS[scheme]
    width = int(stem.split(":")[1].split("}")[0])
    places = np.random.default_rng(9).integers(0, 10**15, 1200).tolist()
    found = checksums.complete([stem.format(place % 10**width) for place in places], scheme)
    return [text for text in found if SCHEME_MODULES[scheme].is_valid(text)][:300]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_check_digits_are_right_where_the_sources_are(scheme: str) -> None:
    source = valid_numbers(scheme)
    assert len(source) > 30
    made = made_of("code", source)
    assert np.mean([bool(SCHEME_MODULES[scheme].is_valid(text)) for text in made]) > 0.98


SCHEME_MODULES: Mapping[str, Any] = {name: import_module(scheme.module) for name, scheme in SCHEMES.items()}


@pytest.mark.parametrize("form", ["{} {} {} {}", "{}-{}-{}-{}"])
def test_card_numbers_keep_their_separators(form: str) -> None:
    cards = [f"4539{int(i):011}" for i in numbers()]
    cards = [card + luhn.calc_check_digit(card) for card in cards]
    made = made_of("card", [form.format(c[:4], c[4:8], c[8:12], c[12:]) for c in cards])
    mark = form[2]
    assert all(luhn.is_valid(text.replace(mark, "")) and text.count(mark) == 3 for text in made)


INNER = ["BE68539007547034", "ES9121000418450200051332", "FI2112345600000785", "FR1420041010050500013M02606",
    "IT60X0542811101000000123456", "NO9386011117947", "PT50000201231234567890154", "SI56263300012039086",
    "RS35260005601001611379", "ME25505000012345678951", "BA391290079401028494"]  # fmt: skip


@pytest.mark.parametrize("number", INNER)
def test_check_digits_inside_account_numbers_are_those_of_the_country(number: str) -> None:
    assert "".join(number[i] for i in inner_places(number[:2])) == inner_digits(number)
    assert checksums.complete([number[:2] + "00" + number[4:]], "iban") == [number]


@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("bank", ["ES00210004180", "FR0020041010050500", "DE0037040044", "NL00ABNA0417"])
def test_accounts_of_one_bank_tell_neither_the_bank_nor_an_account(bank: str, unique: bool) -> None:
    width = {"ES": 24, "FR": 27, "DE": 22, "NL": 18}[bank[:2]] - len(bank)
    source = checksums.complete([bank + f"{i:0{width}}" for i in range(900)], "iban")
    made = made_of("iban", source, 2000, options={"unique": unique})
    assert all(iban.is_valid(text) and text[:2] == bank[:2] for text in made)
    assert len({text[4:8] for text in made}) > 100
    assert len(set(made)) > 1990


def test_ibans_of_several_countries_are_valid_for_their_country() -> None:
    stems = [(country, f"{int(i):0{n}}") for i in numbers() for country, n in (("DE", 18), ("NL", 10), ("AT", 16))]
    bban = [f"{c}00{'ABNA' if c == 'NL' else ''}{rest}" for c, rest in stems]
    source = checksums.complete(bban, "iban")
    made = made_of("iban", source)
    assert np.mean([iban.is_valid(text, check_country=False) for text in made]) == 1
    assert Counter(text[:2] for text in made) == Counter(text[:2] for text in source)


@pytest.mark.parametrize("scheme", ["de.idnr", "pl.pesel", "nl.bsn", "es.dni"])
@pytest.mark.parametrize("unique", [False, True])
def test_national_ids_are_valid_and_nobodys(scheme: str, unique: bool) -> None:
    source = valid_numbers(scheme)
    made = made_of("national_id", source, 1500, options={"unique": unique})
    assert not set(made) & set(source) or len(set(made) & set(source)) < 10
    assert np.mean([SCHEME_MODULES[scheme].is_valid(text) for text in made]) > 0.98
    assert not unique or len(set(made)) == 1500


# Identifiers


def test_uuids_are_of_version_4_and_differ() -> None:
    made = [uuid.UUID(bytes=value) for value in replicated("uuid", UUID, BY_NAME["uuid"][1]).to_pylist()]
    assert {(found.version, found.variant) for found in made} == {(4, uuid.RFC_4122)}
    assert len(set(made)) == N


@pytest.mark.parametrize("base", ["inet", "macaddr", "macaddr8"])
def test_network_addresses_differ_and_belong_to_nobody(base: str) -> None:
    kind = plain(base, base, "network")
    source = ["203.0.113.9", "203.0.113.10", "2001:4860::1"] if base == "inet" else ["08:00:2b:01:02:03"]
    made = fitted("network", kind, pa.array(source))
    found = made.decode(np.zeros((60_000, 0), np.int32), rows_for(60_000)).to_pylist()
    assert len(set(found)) == 60_000
    if base == "inet":
        assert all(address.startswith(("10.", "2001:db8:")) for address in found)
        assert np.mean([":" in address for address in found]) == pytest.approx(1 / 3, abs=0.02)
    else:
        assert {int(address[:2], 16) & 3 for address in found} == {2}


def test_bytes_are_as_long_as_the_sources() -> None:
    made = replicated("bytes", plain("bytea", "bytea", "bytes"), pa.array([0, 16, None, 32] * 50)).to_pylist()
    assert [None if value is None else len(value) for value in made] == [0, 16, None, 32] * 50
    assert len(set(made[1::4])) == 50


# Lists, labels and what has no kind


def test_values_of_a_list_keep_their_shares_and_the_rare_ones_go() -> None:
    source = ["a"] * 500 + ["b"] * 300 + [f"only {i}" for i in range(5)]
    assert set(made_of("category", source, min_holders=10)) == {"a", "b"}
    assert Counter(made_of("category", source[:800], min_holders=10)) == {"a": 500, "b": 300}


def test_where_most_values_are_rare_made_up_ones_take_their_place() -> None:
    source = ["common"] * 30 + [f"city of {i}" for i in range(70)]
    made = made_of("category", source, min_holders=10)
    assert made.count("common") == 30
    assert not set(made[30:]) & set(source)


def test_labels_of_an_enum_are_public() -> None:
    assert made_of("category", ["low"] * 3 + ["high"] * 2) == ["low"] * 3 + ["high"] * 2
    assert replicated("category", MOODS, pa.array(["low", "high"]), min_holders=10).to_pylist() == ["low", "high"]


def test_a_long_list_is_two_spans_and_comes_back_whole() -> None:
    source = [f"value {i}" for i in range(1000)]
    made = fitted("category", TEXT, pa.array([*source, None]))
    assert len(made.spans) == 2
    assert max(span.cardinality for span in made.spans) <= 320
    assert replicated("category", TEXT, pa.array([*source, None])).to_pylist() == [*source, None]


def test_labels_are_dealt_out_once_each_and_then_again_with_a_number() -> None:
    made = fitted("label", VARCHAR, pa.array(["Germany", "France", "Netherlands "]))
    found = made.decode(np.zeros((9, 0), np.int32), rows_for(9)).to_pylist()
    assert found[:3] == ["Germany", "France", "Netherlands "]
    assert len(set(found)) == 9
    assert all(len(text) <= 12 for text in found)


@pytest.mark.parametrize("kind", ["integer", "numeric", "boolean", "date", "double precision", "mood", "character(3)"])
def test_labels_of_any_type_go_on_beyond_the_pool(kind: str) -> None:
    sql_type, values = BY_NAME[kind]
    made = fitted("label", sql_type, values.slice(0, 7))
    found = made.decode(np.zeros((100, 0), np.int32), rows_for(100))
    obeys(found, sql_type)
    assert [str(v) for v in found.to_pylist()[:7]] == [
        str(v) for v in made.decode(np.zeros((7, 0), np.int32), rows_for(7)).to_pylist()
    ]


def test_labels_of_one_row_stay_together() -> None:
    codes, names = (fitted("label", TEXT, pa.array(list(values))) for values in ("ABC", "XYZ"))
    dealt = Rows(np.arange(6), 6, np.random.default_rng(0), people(6), np.array([2, 0, 1, 4, 3, 5]))
    empty = np.zeros((6, 0), np.int32)
    pairs = zip(codes.decode(empty, dealt).to_pylist(), names.decode(empty, dealt).to_pylist(), strict=True)
    assert {(a[0], b[0]) for a, b in pairs} == {("A", "X"), ("B", "Y"), ("C", "Z")}


# Documents


def test_documents_keep_their_structure_and_its_shares() -> None:
    kind = plain("jsonb", "jsonb", "json")
    source = [
        json.dumps({"type": "a", "n": i % 7} if i % 4 else {"type": "b", "tags": ["x"] * (i % 3)}) for i in range(400)
    ]
    made = [json.loads(text) for text in replicated("json", kind, pa.array(source)).to_pylist()]
    assert [set(document) for document in made] == [set(json.loads(text)) for text in source]
    assert {document["n"] for document in made if "n" in document} <= set(range(7))
    assert all(isinstance(document.get("n", 0), int) for document in made)
    assert {tag for document in made for tag in document.get("tags", [])} == {"x"}


def test_arrays_keep_their_lengths_and_do_not_repeat_what_the_source_does_not() -> None:
    source = [json.dumps(sorted({int(i) % 11, int(i) % 13, int(i) % 17})) for i in numbers()]
    made = [text[1:-1].split(",") for text in replicated("array", array_type(INT4), pa.array(source)).to_pylist()]
    assert all(len(set(found)) == len(found) for found in made)
    assert {int(element) for found in made for element in found} <= set(range(17))
    assert np.mean([len(found) for found in made]) == pytest.approx(2.8, abs=0.4)


def test_few_whole_arrays_come_back_as_they_are() -> None:
    made = replicated("array", array_type(TEXT), pa.array(['["a b", null, "say \\"x\\""]', "[]"] * 20)).to_pylist()
    assert made == ['{"a b",NULL,"say \\"x\\""}', "{}"] * 20


def test_composites_keep_their_fields_together() -> None:
    kind = SqlType("pair", "composite", "composite", fields=(("a", TEXT), ("b", INT4), ("c", array_type(INT4))))
    source = [json.dumps({"a": f"v {i % 2}", "b": i % 2, "c": [i % 2]}) for i in range(100)]
    assert replicated("composite", kind, pa.array([*source, None])).to_pylist() == [
        *(f'("v {i % 2}",{i % 2},"{{{i % 2}}}")' for i in range(100)),
        None,
    ]


# Personal data


def persons(name: str, numbers_: list[int], **options: Any) -> list[str]:
    """Values of a class for persons given by their numbers."""
    kind = options.pop("kind", TEXT)
    made = fitted(name, kind, pa.array(options.pop("source", ["x"])), options=options)
    n = len(numbers_)
    who = People(np.array(numbers_), 17, np.zeros(n, np.int8), np.zeros(n, np.int16), ("en_US",))
    found = made.decode(np.zeros((n, 0), np.int32), Rows(np.arange(n), n, np.random.default_rng(0), who, np.arange(n)))
    texts: list[str] = found.to_pylist()
    return texts


@pytest.mark.parametrize("name", PERSONAL)
def test_a_person_has_the_same_values_wherever_it_turns_up(name: str) -> None:
    here, there = persons(name, [5, 9, 5, 700]), persons(name, [700, 5])
    assert here[0] == here[2] == there[1]
    assert here[3] == there[0]
    assert len(set(persons(name, list(range(300))))) > 20


@pytest.mark.parametrize("name", sorted(IDENTIFYING))
def test_made_up_persons_owe_nothing_to_the_source(name: str) -> None:
    source = [f"Xavier{chr(97 + i % 26)}q Quillfeather{i}" for i in range(300)]
    assert not set(made_of(name, source)) & set(source)
    assert "uillfeather" not in json.dumps(pack(fitted(name, TEXT, pa.array(source)), {}))


def test_an_e_mail_address_is_made_of_its_persons_name_and_leads_nowhere() -> None:
    mails, first, last = (
        persons(name, list(range(200)), source=["a@b.c"]) for name in ("email", "first_name", "last_name")
    )
    assert {mail.split("@")[1] for mail in mails} == {"example.com", "example.org", "example.net"}
    plain_names = [
        (a.lower(), b.lower()) for a, b in zip(first, last, strict=True) if f"{a}{b}".isascii() and (a + b).isalpha()
    ]
    assert len(plain_names) > 100
    assert all(mail == mail.lower() and mail.isascii() for mail in mails)
    joined = zip(mails, first, last, strict=True)
    assert all(m.startswith(f"{a}.{b}".lower()) for m, a, b in joined if f"{a}{b}".isascii() and (a + b).isalpha())


@pytest.mark.parametrize("name", ["email", "username", "url", "company"])
@pytest.mark.parametrize("length", [None, 40, 24])
def test_values_that_must_differ_do_and_fit(name: str, length: int | None) -> None:
    kind = plain("varchar", "varchar", "text", length=length)
    made = persons(name, [i % 50 for i in range(3000)], unique=True, kind=kind, source=["ann@x.org"])
    assert len(set(made)) == 3000
    assert all(len(text) <= (length or 1000) for text in made)


@pytest.mark.parametrize(
    ("source", "form"),
    [(["ANN"], str.isupper), (["ann"], str.islower), (["Ann", "BOB"], str.istitle)],
)
def test_names_are_written_as_the_sources_are(source: list[str], form: Any) -> None:
    names = persons("first_name", list(range(100)), source=source)
    assert np.mean([form(name) for name in names]) > 0.9


def test_full_names_keep_their_order_and_logins_their_form() -> None:
    first, last = (persons(name, [1, 2], source=["Ann"]) for name in ("first_name", "last_name"))
    assert persons("full_name", [1, 2], source=["Smith, Ann"]) == [
        f"{b}, {a}" for a, b in zip(first, last, strict=True)
    ]
    assert persons("full_name", [1, 2], source=["Ann Smith"]) == [f"{a} {b}" for a, b in zip(first, last, strict=True)]
    assert not any("@" in text for text in persons("email", [1, 2], source=["ann", "bob"]))
    assert all("://" not in text for text in persons("url", [1, 2], source=["www.x.org"]))


def test_first_names_agree_with_the_sex() -> None:
    n = 400
    sex = (np.arange(n) % 2 + 1).astype(np.int8)
    who = People(np.arange(n), 3, sex, np.zeros(n, np.int16), ("en_US",))
    made = fitted("first_name", TEXT, pa.array(["Ann"]))
    found = made.decode(np.zeros((n, 0), np.int32), Rows(np.arange(n), n, np.random.default_rng(0), who, np.arange(n)))
    men, women = set(found.to_pylist()[0::2]), set(found.to_pylist()[1::2])
    assert len(men & women) < 0.1 * len(men | women)


def test_names_come_from_the_persons_country() -> None:
    place = (np.arange(200) % 2).astype(np.int16)
    who = People(np.arange(200), 3, np.zeros(200, np.int8), place, ("en_US", "pl_PL"))
    made = fitted("last_name", TEXT, pa.array(["Ann"]))
    found = made.decode(
        np.zeros((200, 0), np.int32), Rows(np.arange(200), 200, np.random.default_rng(0), who, np.arange(200))
    )
    assert guess_locale(found.to_pylist()[0::2]) == "en_US"
    assert guess_locale(found.to_pylist()[1::2]) == "pl_PL"


@pytest.mark.parametrize(
    ("country", "locale"),
    [
        ("DE", "de_DE"),
        ("Germany", "de_DE"),
        ("usa", "en_US"),
        ("United Kingdom", "en_GB"),
        ("FRA", "fr_FR"),
        ("Atlantis", None),
        (None, None),
        ("", None),
    ],
)
def test_countries_lead_to_locales(country: str | None, locale: str | None) -> None:
    assert locale_of(country) == locale


def test_labels_of_a_sex_are_read() -> None:
    assert sexes(["M", "female", "Mr.", "Frau", "x", None, "1", "2"]).tolist() == [1, 2, 1, 2, 0, 0, 1, 2]


# Telephone numbers and credentials


def phones(region: str, form: int) -> list[str]:
    """Valid numbers of a country."""
    rng, example = np.random.default_rng(4), phonenumbers.example_number(region)
    assert example is not None
    found: list[str] = []
    while len(found) < 200:
        national = int("".join(map(str, rng.integers(0, 10, len(str(example.national_number))))))
        number = phonenumbers.PhoneNumber(example.country_code, national)
        if phonenumbers.is_valid_number(number):
            found.append(phonenumbers.format_number(number, form))
    return found


@pytest.mark.parametrize("form", [phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164])
@pytest.mark.parametrize("region", ["US", "GB", "DE", "FR", "ES", "AU", "IN", "BR"])
def test_telephone_numbers_are_valid_where_the_sources_are_and_nobodys(region: str, form: int) -> None:
    source = phones(region, form)
    made = made_of("phone", source, 400)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number, region)) for number in made)
    assert {number[:2] for number in made} == {number[:2] for number in source}


@pytest.mark.parametrize(
    ("number", "form", "is_somebodys"),
    [
        ("+49 30 23125 {:03}", r"\+49 (30 23125|69 90009|40 66969|89 99998) \d{3}", False),
        ("+49 221 4710 {:03}", r"\+49 (221 4710|171 3920) \d{3}", False),
        ("+49 7121 123 {:03}", r"\+49 \d\d \d{8}|\+49 \d{3} \d{7}", True),
        ("+44 7700 900{:03}", r"\+44 (20 79460|113 4960|161 4960)\d{3}", False),
        ("0033 1 99 00 0{:.1} {:02}", r"0033 [1-6] \d\d \d\d \d\d \d\d", False),
        ("+34 600 000 {:03}", r"\+34 \d{3} \d{3} \d{3}", True),
    ],
)
def test_telephone_numbers_are_grouped_as_their_country_does_and_nobodys(
    number: str, form: str, is_somebodys: bool
) -> None:
    source = [number.format(i) if number.count("{") == 1 else number.format(str(i // 100), i % 100) for i in range(500)]
    made = made_of("phone", source, 2000)
    # Numbers set aside for fiction are nobody's, in the source as well.
    assert not is_somebodys or not set(made) & set(source)
    assert all(re.fullmatch(form, text) for text in made)


@pytest.mark.parametrize("region", ["US", "GB", "DE", "FR"])
def test_telephone_numbers_that_must_differ_are_valid_too(region: str) -> None:
    made = made_of("phone", phones(region, phonenumbers.PhoneNumberFormat.INTERNATIONAL), 400, options={"unique": True})
    assert len(set(made)) == 400
    assert np.mean([phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in made]) > 0.8


def test_american_numbers_ring_nowhere() -> None:
    made = made_of("phone", phones("US", phonenumbers.PhoneNumberFormat.NATIONAL), 400)
    assert all(number[6:11] == "555-0" and number[11] == "1" for number in made)


def test_numbers_that_were_never_valid_keep_their_form() -> None:
    made = made_of("phone", [f"ext. {int(i):04}" for i in numbers()])
    assert all(pc.match_substring_regex(pa.array(made), r"^ext\. \d{4}$").to_pylist())


def test_credentials_are_read_for_their_length_only_and_open_nothing() -> None:
    found, _ = kind_named("credential")
    assert found.reading == "length"
    assert KINDS["bytes"].reading == "length"
    assert KINDS["uuid"].reading == "presence"
    made = replicated("credential", TEXT, pa.array([60, 60, None, 60])).to_pylist()
    assert [None if text is None else len(text) for text in made] == [60, 60, None, 60]
    assert len({text for text in made if text}) == 3


def test_a_known_credential_may_stand_in_every_row() -> None:
    made = replicated("credential", TEXT, pa.array([60, None, 60]), options={"value": "$2b$known"}).to_pylist()
    assert made == ["$2b$known", None, "$2b$known"]


# Numbers that stay ----------------------------------------------------------------------------------------------------


def salaries(rng: np.random.Generator) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """500 people with 8 salaries each, three of four of which are that of the month before."""
    values = rng.lognormal(10, 0.4, (500, 8)).round(2)
    for month in range(1, 8):
        stays = rng.random(500) < 0.75
        values[stays, month] = values[stays, month - 1]
    follows = np.ones((500, 8), dtype=bool)
    follows[:, 0] = False
    return pa.array(values.reshape(-1)), follows.reshape(-1)


@pytest.mark.parametrize(("name", "kind", "form"), [("number", NUMERIC, None), ("measure", TEXT, "{:.2f} EUR")])
def test_values_stay_from_row_to_row_as_often_as_they_did(name: str, kind: SqlType, form: str | None) -> None:
    values, follows = salaries(np.random.default_rng(3))
    if form is not None:
        values = pa.array([form.format(value) for value in values.to_pylist()])
    made = fitted(name, kind, values, follows=follows)
    decoded = made.decode(made.encode(values), replace(rows_for(len(values)), follows=follows)).to_pylist()
    same = np.array([a == b for a, b in pairwise(decoded)])[follows[1:]]
    assert 0.7 < same.mean() < 0.8
    alone = made.decode(made.encode(values), rows_for(len(values))).to_pylist()
    assert np.array([a == b for a, b in pairwise(alone)])[follows[1:]].mean() < 0.15


# Quantities -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("23.227", 23.227),
        ("1:02.5", 62.5),
        ("1:34:50.616", 5690.616),
        ("09:05", 545.0),
        ("+5.478", 5.478),
        ("$1,299.00", 1299.0),
        ("12,5 kg", 12.5),
        ("80 km/h", 80.0),
        ("15 %", 15.0),
        ("0.05", 0.05),
    ],
)
def test_a_quantity_is_read_and_written_as_it_was(text: str, quantity: float) -> None:
    found = read_quantity(text)
    assert found is not None
    assert found[1] == pytest.approx(quantity)
    assert found[0].write(found[1]) == text


@pytest.mark.parametrize(
    "text", ["", "A-12", "007", "192.168.0.1", "2024-01-31", "1:75", "12345 Springfield Road", "1e5"]
)
def test_what_is_no_quantity_is_not_read_as_one(text: str) -> None:
    assert read_quantity(text) is None


def test_bare_whole_numbers_are_codes_and_marked_ones_quantities() -> None:
    assert not are_quantities([str(10_000 + 7 * i) for i in range(200)])
    assert are_quantities([f"{i % 3}:{i % 60:02}.{i}" for i in range(200)])
    assert not are_quantities([f"{i}.5 unit{i % 9}" for i in range(200)])


def test_quantities_keep_their_forms_and_their_ranges() -> None:
    rng = np.random.default_rng(0)
    laps = rng.normal(88, 4, 600)
    source = [f"{int(t // 60)}:{t % 60:06.3f}" if i % 3 else f"+{t - 60:.3f}" for i, t in enumerate(laps.tolist())]
    made = made_of("measure", source)
    assert Counter(text[0] == "+" for text in made) == Counter(text[0] == "+" for text in source)
    read = [read_quantity(text) for text in made]
    times = np.array([found[1] for found in read if found is not None and found[0].parts == 2])
    assert abs(times.mean() - 88) < 1


def test_signs_that_few_share_are_made_up_as_signs() -> None:
    source = ["R"] * 300 + [str(10 + i % 40) for i in range(300)]
    holders = np.arange(600)
    made = made_of("category", source, holders=holders, min_holders=20)
    assert {text for text in made if not text.isdigit()} == {"R"}
    assert {len(text) for text in made if text.isdigit()} == {2}
