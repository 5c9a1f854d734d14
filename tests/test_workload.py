"""Queries drawn at random: what they ask, and that numpy answers them as a server does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from conftest import Server
from evaluating import Pair, pair
from postgres_tools import run

from replica.evaluation.ground import Ground
from replica.evaluation.workload.answering import KNOWN, ROWS, Reached, measured, tally
from replica.evaluation.workload.drawing import FEWEST, draw_workload, with_other_constants
from replica.evaluation.workload.query import Comparison, Condition, Group, Join, Measure, Part, Place, Query
from replica.evaluation.workload.sql import as_sql

# Names in quotes and words of the language, a key of two columns, a table that points to itself, infinite and negative
# numbers, moments without and with a zone, empty tables and one with a single row.
WORLD = r"""
    CREATE SCHEMA "Odd";
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s \fine');
    CREATE DOMAIN price AS numeric(8, 2);
    CREATE TABLE land (code char(3) PRIMARY KEY, "The Name" text, "order" int);
    CREATE TABLE person (
        id int PRIMARY KEY, land char(3) REFERENCES land, boss int REFERENCES person, mood mood, active boolean,
        height numeric, born date, seen timestamptz, clock time, worth double precision, token uuid, cash money
    );
    CREATE TABLE "Odd"."Order" (
        a int, b int, person int NOT NULL REFERENCES person, other int REFERENCES person, "select" varchar(9),
        price price, at timestamp, PRIMARY KEY (a, b)
    );
    CREATE TABLE line (
        id int PRIMARY KEY, a int, b int, quantity int, ratio real, FOREIGN KEY (a, b) REFERENCES "Odd"."Order"
    );
    CREATE TABLE nothing (id int PRIMARY KEY, x int);
    CREATE TABLE single (id int PRIMARY KEY, x int, y text);

    INSERT INTO land VALUES ('a', 'A''s land', 1), ('bb', E'B\\land', 2), ('ccc', NULL, 3), ('d', 'D', 3);
    INSERT INTO person SELECT n, (ARRAY['a', 'bb', 'ccc', NULL])[1 + n * n % 4], CASE WHEN n > 9 THEN n / 3 END,
        (ARRAY['sad', 'so so', E'it''s \\fine', NULL]::mood[])[1 + n % 7 % 4], (ARRAY[true, false, NULL])[1 + n % 3],
        n * n % 97 / 10.0 - 3, CASE WHEN n % 11 > 0 THEN date '1960-05-05' + n * 53 END,
        CASE n % 20 WHEN 0 THEN 'infinity' WHEN 1 THEN NULL ELSE timestamptz '2020-12-31 22:30+00' + n * interval '7h'
        END, time '00:00' + n * interval '3 min', CASE n % 50 WHEN 0 THEN 'infinity' ELSE (n % 13) * 1e10 END,
        md5((n % 5)::text)::uuid, (n % 9)::money FROM generate_series(1, 300) n;
    INSERT INTO "Odd"."Order" SELECT n, n % 2, 1 + n * n % 250, CASE WHEN n % 3 > 0 THEN 1 + n % 200 END,
        (ARRAY['x', 'y y', '100%%', NULL])[1 + n % 5 % 4], n % 40 * 1.25,
        timestamp '0999-12-31' + n * interval '400 days' FROM generate_series(1, 900) n;
    INSERT INTO line SELECT n, n % 950, n % 950 % 2, n % 8, (n % 16) / 10.0 FROM generate_series(1, 2000) n
        WHERE n % 950 BETWEEN 1 AND 900;
    INSERT INTO single VALUES (1, 1, 'one');
"""

# A replica that is smaller, has other labels and other nulls.
COPY = (
    WORLD
    + r"""
    DELETE FROM line WHERE id % 3 = 0;
    UPDATE person SET mood = 'sad', height = height + 0.5 WHERE id % 4 = 0;
    UPDATE "Odd"."Order" SET "select" = 'new', other = NULL WHERE a % 6 = 0;
"""
)
ORDER, LINE, PERSON, LAND = '"Odd"."Order"', "public.line", "public.person", "public.land"


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[Pair]:
    source, target = server.create(), server.create()
    run(source, WORLD)
    run(target, COPY)
    with pair(source, target) as found:
        yield found
    server.drop(source)
    server.drop(target)


@pytest.fixture(scope="module")
def workload(world: Pair) -> tuple[Query, ...]:
    return draw_workload(world.ground, 250)


def join(ground: Ground, start: int, child: str, *columns: str) -> Join:
    table = ground.plan.by_id[child].table
    return Join(start, next(key for key in table.foreign_keys if key.columns == columns))


# What is drawn


def test_a_seed_decides_what_is_drawn(world: Pair, workload: tuple[Query, ...]) -> None:
    assert draw_workload(world.ground, 250) == workload
    assert draw_workload(replace(world.ground, seed=1), 250) != workload


def test_queries_differ_and_are_about_rows_enough(world: Pair, workload: tuple[Query, ...]) -> None:
    assert len(set(workload)) == len(workload) == 250
    assert min(Reached(query, world.ground.original).kept.sum() for query in workload) >= FEWEST


def test_everything_is_asked_for(workload: tuple[Query, ...]) -> None:
    tables = Counter(query.table for query in workload)
    assert set(tables) == {ORDER, LINE, PERSON}
    assert max(tables.values()) < 2 * min(tables.values())
    assert {query.measure for query in workload} == set(get_args(Measure))
    assert {len(query.tables) for query in workload} == {1, 2, 3}
    assert {len(query.groups) for query in workload} == {0, 1, 2}
    compared = {condition.comparison for query in workload for condition in query.conditions}
    assert compared == set(get_args(Comparison))
    assert {group.part for query in workload for group in query.groups} == set(get_args(Part))
    columns = {(query.tables[c.place.table], c.place.name) for query in workload for c in query.conditions}
    assert {(PERSON, "born"), (PERSON, "mood"), (PERSON, "clock"), (LAND, "order"), (ORDER, "select")} <= columns


def test_what_points_elsewhere_is_no_measure_and_money_is_left_alone(workload: tuple[Query, ...]) -> None:
    measured = {(query.tables[query.of.table], query.of.name) for query in workload if query.of}
    assert not measured & {(PERSON, "boss"), (ORDER, "person"), (ORDER, "other"), (LINE, "a"), (LINE, "b")}
    assert {(PERSON, "height"), (PERSON, "worth"), (ORDER, "price"), (LINE, "quantity")} <= measured
    assert "cash" not in "".join(query.describe() for query in workload)


def test_other_constants_leave_a_query_what_it_is(world: Pair, workload: tuple[Query, ...]) -> None:
    rng = np.random.default_rng(0)
    others = [(query, with_other_constants(query, world.ground, rng)) for query in workload if query.conditions]
    found = [(query, other) for query, other in others if other is not None]
    assert len(found) > 0.8 * len(others)
    assert all(query.describe() == other.describe() for query, other in found)
    assert np.mean([query != other for query, other in found]) > 0.7
    assert min(Reached(other, world.ground.original).kept.sum() for _, other in found) >= FEWEST


def test_where_there_are_no_rows_nothing_is_asked(world: Pair) -> None:
    ground = world.ground
    few = {name: table.role for name, table in ground.plan.by_id.items() if len(ground.original[name]) < FEWEST}
    assert set(few) == {LAND, "public.nothing", "public.single"}
    empty = replace(ground, original={**ground.original, **dict.fromkeys((ORDER, LINE, PERSON), ground.original[LAND])})
    assert draw_workload(empty, 10) == ()


# What it says


def test_a_query_is_said_in_words_without_its_constants(world: Pair) -> None:
    to_order = join(world.ground, 0, LINE, "a", "b")
    to_person, to_other = join(world.ground, 1, ORDER, "person"), join(world.ground, 1, ORDER, "other")
    query = Query(
        LINE,
        (to_order, to_person),
        (
            Condition(Place(0, "quantity"), "between", (2.0, 3.0)),
            Condition(Place(1, "select"), "in", (0.0,)),
            Condition(Place(2, "mood"), "is null"),
        ),
        (Group(Place(2, "born"), "year"), Group(Place(0, "ratio"))),
        "avg",
        Place(2, "height"),
    )
    assert query.describe() == (
        "avg((a, b) → person → height) of public.line where quantity between … and (a, b) → select in (…)"
        " and (a, b) → person → mood is null by year of (a, b) → person → born, ratio"
    )
    assert Query(LINE, (to_order, to_other)).describe() == "count of public.line that has (a, b) → other"
    assert "2.0" not in repr(query)


def test_a_query_is_sql_with_every_name_in_quotes_and_constants_as_texts(world: Pair) -> None:
    ground = world.ground
    labels = next(found.labels for found in ground.features[PERSON] if found.name == "mood")
    query = Query(
        ORDER,
        (join(ground, 0, ORDER, "person"),),
        (
            Condition(Place(1, "mood"), "=", (float(labels.index("it's \\fine")),)),
            Condition(Place(1, "born"), ">=", (366.0,)),
            Condition(Place(0, "at"), "<=", (-1.0,)),
            Condition(Place(0, "price"), "between", (0.5, 2.0)),
        ),
        (Group(Place(1, "seen"), "month"),),
        "sum",
        Place(0, "price"),
    )
    assert as_sql(query, ground) == (
        'SELECT extract(month FROM t1."seen"), count(*), sum(t0."price")'
        ' FROM ONLY "Odd"."Order" AS t0 JOIN ONLY public.person AS t1 ON t0."person" = t1."id"'
        " WHERE t1.\"mood\" = E'it''s \\\\fine' AND t1.\"born\" >= '1971-01-02'"
        " AND t0.\"at\" <= '1969-12-31 23:59:59.999999' AND t0.\"price\" BETWEEN '0.5' AND '2.0'"
        ' GROUP BY extract(month FROM t1."seen")'
    )


# How it is answered


def whole(query: Query, ground: Ground) -> tuple[np.ndarray, ...]:
    """The cells of a query on every side, all rows together."""
    tallies = tally(query, ground, [np.zeros(len(side[query.table]), np.int64) for side in ground.sides])
    return tuple(found.sum(axis=0) for found in tallies)


def answer(query: Query, cells: np.ndarray) -> list[tuple[float, float]]:
    """Rows and measure of every group that has rows; without groups of all of them."""
    there = cells[1:][cells[1:, ROWS] > 0] if query.groups else cells[1:]
    # A server says that the sum of nothing is null.
    found = np.where((there[:, KNOWN] > 0) | (query.measure == "count"), measured(query.measure, there), np.nan)
    return sorted(zip(there[:, ROWS].tolist(), found.tolist(), strict=True), key=str)


def asked(query: Query, given: pa.Table) -> list[tuple[float, float]]:
    columns = [given.column(i).to_pylist() for i in (len(query.groups), given.num_columns - 1)]
    pairs = zip(*columns, strict=True)
    return sorted(((rows, np.nan if measure is None else measure) for rows, measure in pairs), key=str)


def test_numpy_answers_as_the_servers_do(world: Pair, workload: tuple[Query, ...]) -> None:
    for query in workload:
        given = world.servers.answers(as_sql(query, world.ground), 20.0, 100_000)
        assert isinstance(given, tuple), given
        for found, cells in zip(given, whole(query, world.ground), strict=False):
            expected = asked(query, found)
            assert len(expected) == len(answer(query, cells)), query.describe()
            np.testing.assert_allclose(
                np.array(answer(query, cells)), np.array(expected), rtol=1e-5, err_msg=query.describe()
            )


def test_halves_add_up_and_have_the_rows_of_their_own(world: Pair) -> None:
    query = Query(
        ORDER, (join(world.ground, 0, ORDER, "other"),), (), (Group(Place(1, "mood")),), "sum", Place(0, "price")
    )
    dealt = [np.arange(len(side[ORDER])) % 3 - 1 for side in world.ground.sides]
    found = tally(query, world.ground, dealt)[0]
    # A third of 900 orders is left out, and of those that are dealt two thirds have another person.
    assert found[:2, 0, ROWS].tolist() == [300, 300]
    assert found[2:].sum() == 0
    assert found[:, 1:, ROWS].sum() < 600
    every = whole(query, world.ground)[0]
    rest = tally(query, world.ground, [np.where(group < 0, 0, -1) for group in dealt])[0]
    np.testing.assert_allclose(found[:, 1:].sum(axis=0) + rest[:, 1:].sum(axis=0), every[1:])
