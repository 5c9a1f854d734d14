"""Conditions are judged as the server judges them, and rows are changed until they keep every rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from conftest import Server
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from replica.constraints.checks import NotReadableError, columns_of, holds, is_true, readable, texts_of
from replica.constraints.judging import Judge
from replica.constraints.repair import Duty, keep_checks, put
from replica.constraints.unique import Rule, keep_unique, repeated
from replica.databases import open_database
from replica.errors import UnsatisfiableError
from replica.schema.model import Check, Column, Family, SqlType, Table, Unique

SCRIPT = r"""
CREATE TYPE mood AS ENUM ('low', 'middle', 'high');
CREATE DOMAIN code AS text;
CREATE TABLE row (
    id int PRIMARY KEY,
    a int, b bigint, n numeric(10,2), f float8, t text, v varchar(20), c char(5), s mood,
    d date, e date, p date, q date, ts timestamp, tz timestamptz, h time, ok boolean, other boolean, tags text[],
    k code, u uuid
);
INSERT INTO row SELECT
    i,
    (ARRAY[NULL, -7, -1, 0, 1, 2, 3, 7, 10])[1 + i % 9],
    (ARRAY[4000000001, NULL, 2, 3, -4, 0, 1])[1 + i % 7],
    (ARRAY[NULL, -2.25, 0, 0.01, 1, 2.75, 99.99, 1000])[1 + i % 8],
    (ARRAY[NULL, -1.5, 0, 0.25, 3, 'NaN', 'Infinity'])[1 + i % 7]::float8,
    (ARRAY[NULL, '', 'abc', 'ABC', ' padded ', 'xxabcxx', E'line\n', 'a_b', 'a%b', 'ann@x.org',
           '12-34', 'a\b'])[1 + i % 12],
    (ARRAY['open', 'closed', NULL, 'OPEN', 'pending'])[1 + i % 5],
    (ARRAY['A', 'AB', NULL, 'ABCDE'])[1 + i % 4],
    (ARRAY['low', 'middle', 'high', NULL])[1 + i % 4]::mood,
    (ARRAY['2020-01-01', '2020-02-29', NULL, '1999-12-31', 'infinity', '2020-03-01', '1969-12-31'])[1 + i % 7]::date,
    (ARRAY['2020-01-31', NULL, '2020-01-01', '1999-12-31', '-infinity'])[1 + i % 5]::date,
    date '2020-01-01' + i % 40,
    nullif(date '2020-01-01' - i % 30, '2020-01-01'),
    (ARRAY['2020-01-01', '2020-01-01 12:30:00.5', NULL, '1969-12-31 23:59:59', 'infinity'])[1 + i % 5]::timestamp,
    (ARRAY['2020-01-01 00:00:00+00', '2020-06-01 12:00:00+02', NULL])[1 + i % 3]::timestamptz,
    (ARRAY['08:00', '17:30:15.25', '00:00', NULL])[1 + i % 4]::time,
    (ARRAY[true, false, NULL])[1 + i % 3],
    (ARRAY[true, true, NULL, false, false])[1 + i % 5],
    (ARRAY['{}', '{a}', '{a,"b,c"}', NULL, '{"say \"x, y\"",NULL}'])[1 + i % 5]::text[],
    (ARRAY['A1', 'B2', NULL])[1 + i % 3],
    (ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', NULL, '00000000-0000-0000-0000-000000000001'])[1 + i % 3]::uuid
  FROM generate_series(0, 839) AS i;
"""


@dataclass(frozen=True)
class Source:
    """Rows of all types, and a server that judges conditions on them."""

    connection: psycopg.Connection[Any]
    columns: dict[str, pa.Array]

    def printed(self, condition: str) -> str:
        """Returns a condition as the server prints it."""
        self.connection.execute(f"ALTER TABLE row ADD CONSTRAINT tested CHECK ({condition}) NOT VALID".encode())
        found = self.value("SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conname = 'tested'")
        self.connection.execute("ALTER TABLE row DROP CONSTRAINT tested")
        return str(found)

    def verdicts(self, condition: str) -> list[bool | None]:
        return [found for (found,) in self.connection.execute(f"SELECT {condition} FROM row ORDER BY id".encode())]

    def value(self, query: str) -> Any:
        found = self.connection.execute(query.encode()).fetchone()
        return found[0] if found else None

    def __len__(self) -> int:
        return len(self.columns["id"])


@pytest.fixture(scope="module")
def source(server: Server) -> Iterator[Source]:
    url = server.create()
    with psycopg.connect(url.secret, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute(SCRIPT.encode())
        database = open_database(url)
        table = database.introspect().by_id["public.row"]
        with database.snapshot() as snapshot:
            read = snapshot.read(table, {column.name: "value" for column in table.columns}).sort_by("id")
        yield Source(connection, {name: read.column(name).combine_chunks() for name in read.column_names})
    server.drop(url)


def agrees(source: Source, condition: str) -> None:
    """Both readings of a condition are the server's: as a CHECK, and as the predicate of an index."""
    printed, server_says = source.printed(condition), source.verdicts(condition)
    assert readable(printed), printed
    assert holds(printed, source.columns, len(source)).tolist() == [says is not False for says in server_says], printed
    assert is_true(printed, source.columns, len(source)).tolist() == [says is True for says in server_says], printed


UNDERSTOOD = [
    "a > 0",
    "a <> 3 AND a < 10",
    "NOT (a > 0 OR b IS NULL)",
    "a IS NULL OR b IS NOT NULL",
    "(a IS NULL) = (b IS NULL)",
    "(a > 0) <> (b > 0)",
    "a BETWEEN -1 AND 3",
    "a NOT BETWEEN b AND 3",
    "a IN (1, 2, 3)",
    "a NOT IN (1, 2, 3)",
    "a NOT IN (1, NULL)",
    "a = ANY (ARRAY[1, NULL])",
    "a > ANY (ARRAY[0, 3])",
    "a >= ALL (ARRAY[0, 3])",
    "a <> ANY (ARRAY[1, 2])",
    "v IN ('open', 'closed')",
    "v NOT IN ('open', 'closed')",
    "t <> ALL (ARRAY['abc', 'ABC'])",
    "a / 2 = 3",
    "a / 2 = -3",
    "b / 2 * 2 = b",
    "a % 3 = -1",
    "a + 1 > b - 1",
    "a * 2 >= b",
    "-a < 3",
    "abs(a) <= 3",
    "n / 2 > 1.3",
    "n >= 0 AND n <= 99.99",
    "n = 0.01",
    "a::numeric / 2 = 3.5",
    "n::int = 3",
    "f > 0",
    "f <= 3",
    "f = 'NaN'",
    "f < 'Infinity'",
    "a > 0.5",
    "ok::int + other::int = 1",
    "ok",
    "NOT ok",
    "ok = true",
    "ok IS TRUE",
    "ok IS NOT TRUE",
    "ok IS FALSE",
    "ok IS UNKNOWN",
    "ok IS NOT UNKNOWN",
    "ok AND other",
    "ok OR other",
    "ok = other",
    "a IS DISTINCT FROM b",
    "a IS NOT DISTINCT FROM 3",
    "t IS DISTINCT FROM v",
    "t = 'abc'",
    "t <> ''",
    "length(t) >= 3",
    "char_length(t) = length(v)",
    "lower(t) = 'abc'",
    "upper(t) = t",
    "trim(t) <> ''",
    "trim(t) = 'padded'",
    "ltrim(t) = 'padded '",
    "rtrim(t) = ' padded'",
    "trim(both 'x' from t) = 'abc'",
    "trim(leading 'x' from t) = 'abcxx'",
    "btrim(t, 'x') = 'abc'",
    "t LIKE 'a%'",
    "t NOT LIKE '%b_'",
    "t ILIKE 'AB%'",
    "t NOT ILIKE 'AB%'",
    r"t LIKE 'a\_b'",
    r"t LIKE '%\%%'",
    r"t LIKE 'a\\b'",
    "t ~ '^[a-z]+$'",
    "t ~ '^line$'",
    "t ~ 'line.$'",
    "t ~* '^abc'",
    "t !~ '^abc'",
    "t !~* '^ABC'",
    r"t ~ '^\d{2}-\d{2}$'",
    r"t ~ '^[^@\s]+@[^@\s]+\.[a-z]{2,}$'",
    "t ~ '[$]|^a|b$'",
    r"t ~ '\mabc\M'",
    r"t ~ '\yline|[[:<:]]ab'",
    "t ~ '(?i)ABC'",
    "t ~ '^(?:a|[[:digit:]-]+)'",
    "t ~ '[^[:space:][:digit:]]$'",
    "t ~ '[]a[]|[+--]|[&&||~~]'",
    "c = 'A'",
    "c IN ('A', 'AB')",
    "s = 'low'",
    "s IN ('low', 'high')",
    "s <> 'low' OR a > 0",
    "d > '2020-01-01'",
    "d <= e",
    "e < d OR d IS NULL",
    "p - q >= 30",
    "p - q = 30 OR p < q + 1",
    "p - 1 + (p - q) / 2 >= q",
    "d + 30 > '2020-01-31'",
    "d - 1 < '2020-02-29'",
    "d = 'infinity'",
    "d <> 'infinity'",
    "d < ts",
    "ts::date = d",
    "ts >= '2020-01-01 12:30:00.5'",
    "ts < 'infinity'",
    "ts >= d",
    "tz > '2020-01-01 00:00:00+00'",
    "tz >= '2020-06-01 12:00:00+02'",
    "h BETWEEN '08:00' AND '17:30:15.25'",
    "h > '17:30'",
    "cardinality(tags) > 0",
    "cardinality(tags) = 2",
    "array_length(tags, 1) > 0",
    "array_length(tags, 1) < 2",
    "coalesce(a, 0) >= 0",
    "coalesce(t, v, '') <> ''",
    "coalesce(ok, false)",
    "num_nonnulls(a, b, t) = 1",
    "num_nulls(a, b) < 2",
    "k = 'A1'",
    "k LIKE 'A%'",
    "u = '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'",
    "u > '10000000-0000-0000-0000-000000000000'",
    "true",
    "NULL::boolean",
]


@pytest.mark.parametrize("condition", UNDERSTOOD)
def test_a_condition_that_is_understood_is_judged_as_the_server_judges_it(source: Source, condition: str) -> None:
    agrees(source, condition)


@pytest.mark.parametrize(
    "condition",
    [
        "s >= 'middle'",
        "a ^ 2 > 3",
        "a & 1 = 0",
        "ts - tz < '30 days'",
        "d + interval '1 day' > e",
        "extract(year FROM d) > 2000",
        "CASE WHEN a > 1 THEN b > 2 ELSE true END",
        "octet_length(t) > 3",
        "h - '08:00'::time > '1 hour'",
        "t::varchar(2) = 'ab'",
        "n::numeric(4,1) = 2.8",
        "a::text = '3'",
        "t ~ '^[[:alpha:]]+$'",
        "t ~ '(?n)abc'",
        "tags && ARRAY['a']",
        "array_length(tags, 2) > 0",
        "t < 'b' COLLATE \"C\"",
        "v = ANY (string_to_array('open,closed', ','))",
        "daterange(d, e) <> 'empty'",
        "position('@' in t) > 0",
    ],
)
def test_what_is_not_understood_is_left_to_the_server(source: Source, condition: str) -> None:
    printed = source.printed(condition)
    with pytest.raises(NotReadableError):
        holds(printed, source.columns, len(source))


NUMBERS = st.sampled_from(["a", "b", "n", "0", "1", "3", "2.75", "-1"])
NUMBER = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from("/%"), st.sampled_from(["2", "3", "-2", "2.5"])),
        st.builds("abs({})".format, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
    ),
    max_leaves=4,
)
OPERATOR = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
COMPARED = OPERATOR | st.sampled_from(["IS DISTINCT FROM", "IS NOT DISTINCT FROM"])
PATTERN = st.sampled_from(["a%", "%b%", "_b_", "%", ""])
DATE = st.sampled_from(["d", "e", "p + 1", "q - 30", "date '2020-01-01'", "date '1999-12-31'", "ts", "ts::date"])
TEXT = st.sampled_from(["t", "v", "lower(t)", "upper(v)", "trim(t)", "'abc'", "''", "coalesce(t, v)"])
ATOM = st.one_of(
    st.builds("{} {} {}".format, NUMBER, COMPARED, NUMBER),
    st.builds("{} {} {}".format, DATE, COMPARED, DATE),
    st.builds("{} {} {}".format, TEXT, st.sampled_from(["=", "<>", "IS DISTINCT FROM"]), TEXT),
    st.builds("{} {} {} (ARRAY[0, 1, NULL, 3])".format, NUMBER, OPERATOR, st.sampled_from(["ANY", "ALL"])),
    st.builds("({}) IS {} NULL".format, NUMBER, st.sampled_from(["", "NOT"])),
    st.builds("{} {} '{}'".format, TEXT, st.sampled_from(["LIKE", "NOT LIKE", "ILIKE"]), PATTERN),
    st.sampled_from(["ok", "other", "true", "false", "NULL::boolean", "ok IS NOT TRUE", "other IS UNKNOWN"]),
)
CONDITION = st.recursive(
    ATOM,
    lambda inner: st.one_of(
        st.builds("({}) AND ({})".format, inner, inner),
        st.builds("({}) OR ({})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(condition=CONDITION)
def test_any_condition_of_the_grammar_is_judged_as_the_server_judges_it(source: Source, condition: str) -> None:
    agrees(source, condition)


@pytest.mark.parametrize("part", ["lower(t)", "coalesce(v, '')", "trim(t)"])
def test_the_parts_of_an_expression_index_are_the_servers(source: Source, part: str) -> None:
    query = f"SELECT {part} FROM row ORDER BY id".encode()
    assert texts_of(part, source.columns, len(source)).to_pylist() == [
        text for (text,) in source.connection.execute(query)
    ]


def test_the_columns_of_a_condition_are_those_it_reads() -> None:
    assert columns_of('(("Odd Name" > 0) AND (lower(b) = (b)::text))') == {"Odd Name", "b"}


@pytest.mark.parametrize("text", ["a >", "a = ((", "SELECT FROM WHERE"])
def test_a_condition_that_cannot_be_parsed_is_not_readable(text: str) -> None:
    assert not readable(text)


def test_a_column_that_is_not_there_is_not_guessed_at() -> None:
    with pytest.raises(NotReadableError):
        holds("missing > 0", {}, 3)


# Values as kinds make them: decimals, and moments as text where some are infinite.
def test_made_up_values_are_judged_like_read_ones() -> None:
    columns = {
        "n": pa.array(["1.50", "0.10"]).cast(pa.decimal128(38, 2)),
        "d": pa.array(["2020-01-01", "infinity"]),
        "nothing": pa.nulls(2),
    }
    assert holds("n > 0.5", columns, 2).tolist() == [True, False]
    assert holds("d >= '2021-01-01'::date", columns, 2).tolist() == [False, True]
    assert holds("nothing > 5 AND nothing + 1 = 3 AND lower(nothing) = 'x'", columns, 2).tolist() == [True, True]


def integers(*values: int | None) -> pa.Array:
    return pa.array(values, pa.int64())


TEXT_TYPE, INTEGER = SqlType("text", "text", "text"), SqlType("integer", "int4", "integer")


def table(columns: dict[str, SqlType], checks: tuple[str, ...] = (), required: tuple[str, ...] = ()) -> Table:
    return Table(
        "public",
        "t",
        tuple(Column(name, kind, nullable=name not in required) for name, kind in columns.items()),
        checks=tuple(Check(f"check_{i}", text, tuple(columns_of(text))) for i, text in enumerate(checks)),
    )


def duty(found: Table, *fixed: str) -> Duty:
    return Duty(Judge(found), found.checks, {name: (name,) for name in found.by_name if name not in fixed})


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.tuples(st.none() | st.integers(-5, 5), st.none() | st.integers(-5, 5)), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
def test_rows_are_made_to_keep_all_checks_and_good_ones_stay(
    rows: list[tuple[int | None, int | None]], seed: int
) -> None:
    found = table({"a": INTEGER, "b": INTEGER}, ("a <= b", "a <> 0", "b < 5"))
    columns = {"a": integers(*(a for a, _ in rows)), "b": integers(*(b for _, b in rows))}
    good = np.logical_and.reduce([holds(check.expression, columns, len(rows)) for check in found.checks])
    kept = keep_checks(duty(found), columns, np.random.default_rng(seed))
    assert all(holds(check.expression, kept, len(rows)).all() for check in found.checks)
    for name, before in columns.items():
        assert np.array_equal(np.array(kept[name].to_pylist())[good], np.array(before.to_pylist())[good])


def test_values_that_depend_on_each_other_come_from_one_row() -> None:
    found = table({"low": INTEGER, "high": INTEGER}, ("high = low + 100",))
    columns = {"low": integers(*range(50), 7), "high": integers(*range(100, 150), 3)}
    kept = keep_checks(duty(found), columns, np.random.default_rng(0))
    assert kept["high"][50].as_py() == kept["low"][50].as_py() + 100


def test_a_column_that_may_not_change_decides_which_row_fits() -> None:
    found = table({"kind": INTEGER, "value": INTEGER}, ("(value > 0) = (kind = 1)",))
    columns = {"kind": integers(*([0] * 500), 1, 1), "value": integers(*([-3] * 500), -3, 8)}
    kept = keep_checks(duty(found, "kind"), columns, np.random.default_rng(0))
    assert kept["value"].to_pylist() == [-3] * 500 + [8, 8]
    assert kept["kind"].equals(columns["kind"])


def test_a_reference_changes_with_all_that_it_fills() -> None:
    found = table({"a": INTEGER, "b": INTEGER}, ("a = b",))
    columns = {"a": integers(1, 2, 3), "b": integers(1, 2, 9), "@ref": integers(10, 20, 30)}
    kept = keep_checks(Duty(Judge(found), found.checks, {"ref": ("@ref", "a", "b")}), columns, np.random.default_rng(0))
    assert (kept["a"][2].as_py(), kept["@ref"][2].as_py()) in {(1, 10), (2, 20)}


def test_forbidden_nulls_are_filled_from_rows_that_have_a_value() -> None:
    found = table({"a": INTEGER, "b": INTEGER}, required=("a",))
    kept = keep_checks(duty(found), {"a": integers(4, None, 4), "b": integers(None, 1, 2)}, np.random.default_rng(0))
    assert kept["a"].to_pylist() == [4, 4, 4]
    assert kept["b"].to_pylist() == [None, 1, 2]


def test_a_check_that_is_not_understood_stops_nothing() -> None:
    found = table({"a": INTEGER}, ("a & 1 = 0", "a > 0"))
    kept = keep_checks(duty(found), {"a": integers(-1, 3)}, np.random.default_rng(0))
    assert kept["a"].to_pylist() == [3, 3]


def test_no_rows_need_no_repair() -> None:
    found = table({"a": INTEGER}, ("a > 0",))
    assert keep_checks(duty(found), {"a": integers()}, np.random.default_rng(0))["a"].to_pylist() == []
    assert keep_checks(duty(found), {}, np.random.default_rng(0)) == {}


def test_rows_that_no_other_can_help_take_what_the_definitions_name() -> None:
    found = table({"a": INTEGER, "t": TEXT_TYPE}, ("a > 1000 AND t = ANY (ARRAY['x', 'y'])", "t <> 'x' OR a = 2000"))
    kept = keep_checks(duty(found), {"a": integers(1, 2), "t": pa.array(["p", "q"])}, np.random.default_rng(0))
    assert all(holds(check.expression, kept, 2).all() for check in found.checks)


def test_the_message_names_the_check_and_its_share() -> None:
    found = table({"a": INTEGER}, ("a > 0 AND a < 0",), ("a",))
    with pytest.raises(UnsatisfiableError, match=r"public\.t\.check_0 \(a > 0 AND a < 0\).*100\.0%"):
        keep_checks(duty(found), {"a": integers(-1, -2)}, np.random.default_rng(0))


@given(places=st.permutations(range(6)), taken=st.integers(0, 6))
def test_put_writes_each_value_to_its_place(places: list[int], taken: int) -> None:
    where = np.array(places[:taken], np.int64)
    changed = put(integers(*range(6)), where, integers(*(100 + place for place in places[:taken])))
    assert changed.to_pylist() == [100 + i if i in places[:taken] else i for i in range(6)]


def rule(unique: Unique, columns: dict[str, SqlType], *changeable: str, listed: frozenset[str] = frozenset()) -> Rule:
    return Rule(Judge(table(columns)), unique, changeable or unique.columns, listed)


@dataclass(frozen=True)
class UniqueCase:
    """A unique index and rows that it may or may not allow."""

    definition: str
    unique: Unique


UNIQUES = [
    UniqueCase("(a)", Unique("u", ("a",))),
    UniqueCase("(a, v)", Unique("u", ("a", "v"))),
    UniqueCase("(lower(t))", Unique("u", ("t",), expressions=("lower(t)",))),
    UniqueCase("(a, lower(t))", Unique("u", ("a", "t"), expressions=("a", "lower(t)"))),
    UniqueCase("(a) WHERE ok", Unique("u", ("a",), predicate="ok")),
    UniqueCase("(v) WHERE (a > 0 AND t IS NOT NULL)", Unique("u", ("v",), predicate="(a > 0 AND t IS NOT NULL)")),
    UniqueCase("(c)", Unique("u", ("c",))),
    UniqueCase("(d, s)", Unique("u", ("d", "s"))),
    UniqueCase("(b, d) NULLS NOT DISTINCT", Unique("u", ("b", "d"), nulls_distinct=False)),
]


@pytest.mark.parametrize("case", UNIQUES, ids=lambda case: case.definition)
def test_repeated_keys_are_those_that_the_server_refuses(source: Source, case: UniqueCase) -> None:
    if not case.unique.nulls_distinct and source.connection.info.server_version < 150000:
        pytest.skip("the server is older than NULLS NOT DISTINCT")
    found = repeated(rule(case.unique, dict.fromkeys(source.columns, TEXT_TYPE)), source.columns)
    assert found.any()
    with source.connection.transaction(force_rollback=True):
        kept = [i for i, again in enumerate(found.tolist()) if not again]
        source.connection.execute("CREATE TEMP TABLE before ON COMMIT DROP AS TABLE row")
        source.connection.execute(sql.SQL("DELETE FROM row WHERE id <> ALL ({})").format(sql.Literal(kept)))
        source.connection.execute(f"CREATE UNIQUE INDEX u ON row {case.definition}".encode())
        source.connection.execute("INSERT INTO row TABLE before ON CONFLICT DO NOTHING")
        assert source.value("SELECT count(*) FROM row") == len(kept)


def test_citext_repeats_whatever_the_case_and_char_whatever_the_blanks() -> None:
    texts = pa.array(["a@x.org", "A@X.org", "a@x.org ", "b"])
    of_type = {base: SqlType(base, base, "text") for base in ("citext", "bpchar", "text")}
    found = {base: repeated(rule(Unique("u", ("t",)), {"t": kind}), {"t": texts}) for base, kind in of_type.items()}
    assert found["citext"].tolist() == [False, True, False, False]
    assert found["bpchar"].tolist() == [False, False, True, False]
    assert not found["text"].any()


def moments(*texts: str) -> pa.Array:
    return pa.array(texts).cast(pa.timestamp("us"))


STEPPED = {
    "integer": (INTEGER, integers(1, 1, 1, 2)),
    "numeric": (SqlType("numeric", "numeric", "numeric"), pa.array(["1.5", "1.5", "2.5"]).cast(pa.decimal128(38, 1))),
    "date": (SqlType("date", "date", "date"), pa.array([18000, 18000, 18001], pa.int32()).cast(pa.date32())),
    "timestamp": (SqlType("timestamp", "timestamp", "timestamp"), moments("2020-01-01", "2020-01-01", "2020-01-02")),
    "text": (TEXT_TYPE, pa.array(["a", "a", "b"])),
    "short text": (SqlType("varchar(2)", "varchar", "text", length=2), pa.array(["zz"] * 30)),
}


@pytest.mark.parametrize("name", STEPPED)
def test_values_move_on_until_none_repeats(name: str) -> None:
    kind, values = STEPPED[name]
    found = rule(Unique("u", ("x",)), {"x": kind})
    kept = keep_unique(found, {"x": values}, np.random.default_rng(1))["x"]
    assert len(kept.unique()) == len(kept) == len(values)
    assert kept.type == values.type
    assert kept[0] == values[0]
    if kind.length is not None:
        assert max(len(text) for text in kept.to_pylist()) <= kind.length


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 50)), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
def test_a_key_is_kept_by_changing_only_what_may_change(pairs: list[tuple[int, int | None]], seed: int) -> None:
    columns = {"fixed": integers(*(a for a, _ in pairs)), "free": integers(*(b for _, b in pairs))}
    found = rule(Unique("u", ("fixed", "free")), {"fixed": INTEGER, "free": INTEGER}, "free")
    changed = keep_unique(found, columns, np.random.default_rng(seed))
    assert set(changed) <= {"free"}
    assert not repeated(found, {**columns, **changed}).any()
    if not repeated(found, columns).any():
        assert changed == {}


def test_values_of_other_rows_are_tried_before_new_ones() -> None:
    owner, value = np.repeat(np.arange(100), 5), np.tile(np.r_[0, 0, 1, 2, 3], 100)
    found = rule(Unique("u", ("owner", "value")), {"owner": INTEGER, "value": INTEGER}, "value")
    columns = {"owner": pa.array(owner), "value": pa.array(np.where(owner % 2, value + 10, value))}
    changed = keep_unique(found, columns, np.random.default_rng(0))["value"]
    assert set(changed.to_pylist()) <= {*range(4), *range(10, 14)}


def test_listed_columns_only_take_values_of_their_list() -> None:
    found = rule(Unique("u", ("a", "b")), {"a": TEXT_TYPE, "b": INTEGER}, "a", listed=frozenset({"a"}))
    columns = {"a": pa.array(["x", "y", "z", "x", "x", "x"]), "b": integers(1, 2, 3, 4, 4, 4)}
    kept = keep_unique(found, columns, np.random.default_rng(0))["a"]
    assert sorted(kept[3:].to_pylist()) == ["x", "y", "z"]


def test_an_expression_and_a_predicate_are_kept() -> None:
    unique = Unique("u", ("t",), expressions=("lower(t)",), predicate="ok")
    found = rule(unique, {"t": TEXT_TYPE, "ok": SqlType("boolean", "bool", "boolean")}, "t")
    columns = {"t": pa.array(["A", "a", "a", "a"]), "ok": pa.array([True, True, False, False])}
    kept = {**columns, **keep_unique(found, columns, np.random.default_rng(0))}
    assert not repeated(found, kept).any()
    assert kept["t"][2:].to_pylist() == ["a", "a"]


@pytest.mark.parametrize(
    ("kind", "values", "listed"),
    [
        (SqlType("boolean", "bool", "boolean"), pa.array([True, False, True]), True),
        (SqlType("timestamp", "timestamp", "timestamp"), pa.array(["infinity", "infinity"]), False),
        (SqlType("inet", "inet", "network"), pa.array(["10.0.0.1", "10.0.0.1"]), False),
        (SqlType("char(1)", "bpchar", "text", length=1), pa.array(["x"] * 40), False),
    ],
)
def test_a_rule_without_room_is_refused_by_its_name(kind: SqlType, values: pa.Array, listed: bool) -> None:
    held = table({"x": kind}, required=("x",))
    unique = Unique("only_one", ("x",))
    found = Rule(Judge(held), unique, ("x",), frozenset({"x"}) if listed else frozenset())
    with pytest.raises(UnsatisfiableError, match=r"public\.t\.only_one"):
        keep_unique(found, {"x": values}, np.random.default_rng(0))
    # Where there may be nulls, rows do without.
    kept = keep_unique(replace(found, judge=Judge(table({"x": kind}))), {"x": values}, np.random.default_rng(0))
    assert not repeated(found, kept).any()


def test_a_column_that_never_has_a_value_gets_one_where_a_check_wants_it() -> None:
    found = table({"a": INTEGER, "t": TEXT_TYPE}, ("(a IS NULL) <> (t IS NULL)",))
    columns = {"a": integers(None, 1, None), "t": pa.nulls(3, pa.string())}
    kept = keep_checks(duty(found, "a"), columns, np.random.default_rng(0))
    assert kept["t"].is_valid().to_pylist() == [True, False, True]


@pytest.mark.parametrize(
    ("kind", "family", "start"),
    [
        (pa.date32(), "date", 20_000),
        (pa.timestamp("us"), "timestamp", 1_700_000_000_000_000),
        (pa.int64(), "integer", 77),
        (pa.time64("us"), "time", 82_000_000_000),
    ],
)
def test_what_must_follow_another_column_is_moved_behind_it(kind: pa.DataType, family: Family, start: int) -> None:
    sql_type = SqlType(family, {"integer": "int4"}.get(family, family), family)
    found = table({"a": sql_type, "b": sql_type}, ("b > a",), ("a", "b"))
    a = pa.array([start + i for i in range(20)]).cast(pa.int32() if family == "date" else pa.int64()).cast(kind)
    kept = keep_checks(duty(found, "a"), {"a": a, "b": a.take(pa.array([0] * 20))}, np.random.default_rng(0))
    assert kept["a"].equals(a)
    assert all(later > earlier for earlier, later in zip(a.to_pylist(), kept["b"].to_pylist(), strict=True))


def test_fractions_move_on_where_a_rule_wants_them_to_differ() -> None:
    double = SqlType("double precision", "float8", "float")
    found = Rule(Judge(table({"x": double}, required=("x",))), Unique("u", ("x",)), ("x",))
    kept = keep_unique(found, {"x": pa.array([0.5, 0.5, 0.5])}, np.random.default_rng(0))
    assert not repeated(found, kept).any()
