"""How many rows break a rule, as the server counts: every form on rows whose breaks are known, nulls among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from conftest import Server
from postgres_tools import run, value

from replica.databases import open_database
from replica.databases.url import DatabaseUrl
from replica.pipeline import draft, introspect
from replica.rules import RULES
from replica.rules.base import Looked
from replica.schema.model import quoted_text
from replica.schema.rules import (
    AfterParent,
    Arithmetic,
    ChildCount,
    ChildSum,
    Copied,
    Dependency,
    Inequality,
    NullWhen,
    Periods,
    Rule,
    Running,
    UniqueRule,
)

NewDatabase = Callable[..., DatabaseUrl]

# Words of the language, capitals and quotes in names; each comment says which rows break what.
ROWS = r"""
    CREATE TABLE "Order" (
        "end" int PRIMARY KEY, "from" date, "to" timestamptz, "user" text, "select" boolean, "Net" money, gross numeric,
        tax float4, note json, lines int, total numeric(8, 2)
    );
    CREATE TABLE line (n int REFERENCES "Order", at date, "Price" numeric, quantity int, "user" text);
    CREATE TABLE visit (room int, seat text, "start" date, finish date);
    CREATE TABLE part () INHERITS (visit);
    CREATE TABLE entry (id int PRIMARY KEY, "of" text, at date, "By" money, less float8, balance numeric, place int);

    INSERT INTO "Order" VALUES
        (1, '2020-01-01', '2020-01-01 00:00+00', 'a''b\c', true, '10.00', 11.5, 0.1, '{"a": 1}', 2, 30.00),
        (2, '2020-01-02', '2020-01-01 23:59+00', 'a''b\c', false, '10.00', 10.004, 0.2, '{"a": 1}', 1, 5.01),
        (3, '2020-01-03', NULL, NULL, true, '7.00', 7.006, 0.3, '{"a": 2}', 0, NULL),
        (4, NULL, '2020-01-04 00:00+00', 'x', NULL, NULL, 1, 0.30001, '{"a": 3}', 1, 1.00),
        (5, '2020-01-05', '2020-01-06 00:00+00', 'x', true, '9.00', NULL, NULL, '{"a": 3}', NULL, 4.00),
        (6, '2020-01-06', '2020-01-06 00:00+00', 'x', false, '9.00', 9.5, 0.7, '{"a": 4}', 0, 0.00);
    INSERT INTO line VALUES
        (1, '2020-01-01', 10, 2, 'a''b\c'), (1, '2019-12-31', 5, 2, 'x'), (1, NULL, 0, 1, NULL),
        (2, '2020-01-01', 5, 1, 'a''b\c'),
        (4, '1999-01-01', 2, NULL, 'x'),
        (NULL, '1999-01-01', 9, 9, 'y');
    INSERT INTO visit VALUES
        (1, 'a', '2020-01-01', '2020-01-05'), (1, 'a', '2020-01-05', '2020-01-09'), (1, 'a', '2020-01-08', NULL),
        (1, 'b', '2020-01-01', NULL), (1, 'b', '2020-02-01', '2020-02-02'), (1, 'b', NULL, '2020-01-01'),
        (2, 'a', '2020-01-01', '2020-01-02'), (2, 'a', '2020-01-02', '2020-01-02'),
        (NULL, 'a', '2020-01-01', NULL), (NULL, 'a', '2020-01-02', NULL);
    INSERT INTO entry VALUES
        (1, 'a', '2020-01-01', '10.00', 1, 9, 1), (2, 'a', '2020-01-03', '5.00', 0.5, 20.5, 3),
        (3, 'a', '2020-01-02', '7.00', 0, 16, 2), (4, 'a', '2020-01-03', '1.00', 1, 20.6, 4),
        (5, 'b', '2020-01-01', '3.00', 0, 103, 1), (6, 'b', '2020-01-02', '2.00', NULL, 1, 3),
        (7, 'b', '2020-01-03', '2.00', 0, NULL, 4), (8, 'b', '2020-01-04', '2.00', 0, 50, 5),
        (9, NULL, '2020-01-05', '1.00', 1, 77, 9), (10, 'b', NULL, '1.00', 1, 88, 9);
    INSERT INTO part VALUES (2, 'a', '2020-01-01', NULL);
"""

ORDER, LINE, VISIT, ENTRY = 'public."Order"', "public.line", "public.visit", "public.entry"
BREAKS: tuple[tuple[str, Rule, int], ...] = (
    # 2 comes before midnight; 1 and 6 are equal; 3 and 4 have nulls.
    (ORDER, Inequality("from", "to"), 1),
    (ORDER, Inequality("from", "to", strict=True), 3),
    # 10.004 is more than 10.00, as are 11.5, 7.006 and 9.5.
    (ORDER, Inequality("gross", "Net"), 4),
    (ORDER, Inequality("Net", "gross"), 0),
    # Null are the users of 3; the moments of 3 too.
    (ORDER, NullWhen("user", "to"), 0),
    (ORDER, NullWhen("from", "to"), 2),
    (ORDER, NullWhen("user", "to", negated=True), 6),
    # True are 1 and 3, whose tax is not null, and 5, whose is.
    (ORDER, NullWhen("tax", "select", ("true",)), 2),
    # Users with that name: 1 and 2, neither null; 3 is null, and its own is none of the values.
    (ORDER, NullWhen("user", "user", (r"a'b\c",)), 3),
    (ORDER, NullWhen("to", "user", (r"a'b\c", "x"), negated=True), 0),
    (ORDER, NullWhen("from", "select", ("true", "false"), negated=True), 0),
    # Of three x, one has another truth, and one none at all; nulls of the determinant say nothing.
    (ORDER, Dependency("select", "user"), 3),
    (ORDER, Dependency("note", "user"), 1),
    (ORDER, Dependency("note", "end"), 0),
    # Rounded to no digits, 11.5 is 1.5 away and 9.5 a half; to two, 10.004 is near enough and 7.006 is not.
    (ORDER, Arithmetic("gross", '"Net"', 0), 1),
    (ORDER, Arithmetic("gross", '"Net"', 2), 3),
    (ORDER, Arithmetic("gross", '"Net"'), 4),
    # Single precision has six digits or so.
    (ORDER, Arithmetic("tax", '"end" * 0.1'), 2),
    # 1 has three lines, 2 has one, 3 none, 4 one, 6 none; the number of 5 is null.
    (ORDER, ChildCount("lines", LINE, ("n",)), 1),
    # 1: 30; 2: 5, a cent less; 3 and 6: none; 4 has a null among its lines; 5: none, and yet 4.
    (ORDER, ChildSum("total", LINE, ("n",), '"Price" * quantity', 2), 2),
    (ORDER, ChildSum("total", LINE, ("n",), '"Price" * quantity', 0), 1),
    (ORDER, ChildSum("total", LINE, ("n",), '"Price" * quantity'), 2),
    # Of each pair of room and seat all rows but one; who has no room has none twice, and heirs count for themselves.
    (VISIT, UniqueRule(("room", "seat")), 5),
    (ENTRY, UniqueRule(("of", "at")), 1),
    (ORDER, UniqueRule(("note",)), 2),
    # The second line of 1 comes a day before its order, that of 2 too; the order of 4 has no date.
    (LINE, AfterParent("at", ("n",), "from"), 2),
    (LINE, AfterParent("at", ("n",), "to"), 3),
    # Two lines of 1 say another user, or none; the last line has no order to repeat.
    (LINE, Copied("user", ("n",), "user"), 2),
    # Where the order has no gross the line has a price; 10 is not 11.5, 0 not, 5 is not, 2 not 1.
    (LINE, Copied("Price", ("n",), "gross"), 5),
    # In 1 a the second reaches into the third; in 1 b the first has no end. What starts on the last day is strict's.
    (VISIT, Periods(("room", "seat"), "start", "finish"), 2),
    # In order, a is 9, 16, 20.5 and 20.6, a tenth too much; b begins with 100 more than it should. Nulls say nothing.
    (ENTRY, Running("balance", ("of",), ("at", "id"), '"By" - less', digits=2), 2),
    (ENTRY, Running("balance", ("of",), ("at", "id"), '"By" - less', opening=True, digits=2), 1),
    (ENTRY, Running("balance", ("of",), ("at", "id"), '"By" - less', opening=True, digits=0), 0),
    # As one group in the order of their keys, all but the first and those with a null beside them break it.
    (ENTRY, Running("balance", (), ("id",), '"By" - less', digits=2), 6),
    # A place is left out in b.
    (ENTRY, Running("place", ("of",), ("at", "id"), "1"), 1),
    (VISIT, Periods(("room", "seat"), "start", "finish", strict=True), 4),
)


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[DatabaseUrl]:
    found = server.create()
    run(found, ROWS)
    yield found
    server.drop(found)


@pytest.mark.parametrize(("table", "rule", "breaks"), BREAKS, ids=[rule.form for _, rule, _ in BREAKS])
def test_the_server_counts_the_rows_that_break_a_rule(url: DatabaseUrl, table: str, rule: Rule, breaks: int) -> None:
    schema = introspect(url)
    assert value(url, RULES[rule.form].breaks(rule, schema.by_id[table], schema)) == breaks


@pytest.fixture(scope="module")
def looked(url: DatabaseUrl) -> dict[str, Looked]:
    """All rows, as discovery sees them."""
    schema, maps = introspect(url), draft(url).schema_map.tables
    with open_database(url).snapshot() as snapshot:
        read = {table.id: snapshot.read(table, {c.name: "value" for c in table.columns}) for table in schema.tables}
    return {
        name: Looked(
            schema.by_id[name], maps[name], {c: rows.column(c).combine_chunks() for c in rows.column_names}, True
        )
        for name, rows in read.items()
    }


@pytest.mark.parametrize(
    ("table", "rule"), [(table, rule) for table, rule, _ in BREAKS if not isinstance(rule, Periods)]
)
def test_the_server_counts_what_discovery_counts(
    url: DatabaseUrl, looked: dict[str, Looked], table: str, rule: Rule
) -> None:
    # But for rows without a start, of which discovery says nothing at all.
    schema = introspect(url)
    evidence = RULES[rule.form].test(rule, looked[table], looked, np.random.default_rng(0))
    assert evidence.breaks == value(url, RULES[rule.form].breaks(rule, schema.by_id[table], schema))


def test_every_form_is_counted() -> None:
    assert {rule.form for _, rule, _ in BREAKS} == set(RULES)


def test_no_row_of_an_empty_table_breaks_a_rule(new_database: NewDatabase) -> None:
    empty = new_database(ROWS.partition("INSERT")[0])
    schema = introspect(empty)
    counts = {value(empty, RULES[rule.form].breaks(rule, schema.by_id[table], schema)) for table, rule, _ in BREAKS}
    assert counts == {0}


def test_a_text_is_one_constant_whatever_is_in_it(server: Server) -> None:
    for text in ("", "it's", r"a\b", r"\'; --", "é\n"):
        assert value(server.admin, f"SELECT {quoted_text(text)}") == text
        assert value(server.admin, f"SELECT length({quoted_text(text)})") == len(text)
