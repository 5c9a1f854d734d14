"""Rows that are ranked, numbered or paired under one owner, although no key says so: races, and who takes part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from conftest import Server
from postgres_tools import run, value

import replica
from replica.databases.url import DatabaseUrl
from replica.errors import PlanError
from replica.inference import Draft
from replica.inference.ordering import ranks
from replica.inference.sampling import TableSample
from replica.kinds.base import Span
from replica.pipeline import draft, introspect
from replica.plan import plan
from replica.planning.decisions import Plan
from replica.relations.layout import make_layout
from replica.relations.reuse import Reuse, Taken, learn_reuse
from replica.schema.model import Column, SqlType, Table
from replica.schema.rules import UniqueRule
from replica.schema.schema_map import TableMap
from replica.settings import Settings

NewDatabase = Callable[..., DatabaseUrl]
SETTINGS = Settings(workers=1, effort=0.5)
KEY = UniqueRule(("driver_id", "race_id"))

# 300 races of 8 to 15 of 90 drivers. Places are ranks; who starts from the pits has grid 0; once in a while a driver
# takes over a second car.
RACES = """
CREATE TABLE driver (id int PRIMARY KEY, country text NOT NULL, born int NOT NULL);
CREATE TABLE race (id int PRIMARY KEY, laps int NOT NULL);
CREATE TABLE result (
    id serial PRIMARY KEY,
    race_id int NOT NULL REFERENCES race,
    driver_id int NOT NULL REFERENCES driver,
    grid int NOT NULL,
    place int,
    points int NOT NULL,
    lap_time text
);
CREATE TABLE season (driver_id int NOT NULL REFERENCES driver, year int NOT NULL, team text NOT NULL);
SELECT setseed(0.25);
INSERT INTO driver SELECT n, (ARRAY['NO', 'FR', 'IT'])[1 + n % 3], 1950 + n / 2 FROM generate_series(1, 90) n;
INSERT INTO race SELECT n, 40 + n % 4 * 10 FROM generate_series(1, 300) n;
INSERT INTO result (race_id, driver_id, grid, place, points, lap_time)
SELECT race, driver, CASE WHEN pit < 0.05 THEN 0 ELSE grid END, place, coalesce((ARRAY[10, 6, 4, 3, 2, 1])[place], 0),
    CASE WHEN pit < 0.5 THEN format('1:%s.%s', 20 + place, lpad((pit * 1999)::int::text, 3, '0')) END
FROM (
    SELECT r AS race, d AS driver, random() AS pit, row_number() OVER (PARTITION BY r ORDER BY random()) AS grid,
        row_number() OVER (PARTITION BY r ORDER BY d * 0.2 + random() * 90) AS place
    FROM generate_series(1, 300) r, LATERAL (
        SELECT d FROM generate_series(1, 90) d WHERE r > 0 ORDER BY random() LIMIT 8 + r % 8
    ) taking_part
) drawn
ORDER BY random();
UPDATE result SET driver_id = (SELECT max(driver_id) FROM result o WHERE o.race_id = result.race_id) WHERE id % 900 = 7;
INSERT INTO season
SELECT d, 1970 + d / 3 + k, 'team ' || (d + k / 3) % 7 FROM generate_series(1, 90) d, generate_series(0, 4 + d % 9) k;
"""


@dataclass(frozen=True)
class Races:
    """The races, what was drafted of them, and a replica."""

    url: DatabaseUrl
    draft: Draft
    target: DatabaseUrl


@pytest.fixture(scope="module")
def races(server: Server) -> Iterator[Races]:
    source, target = server.create(), server.fresh()
    run(source, RACES)
    replica.replicate(source, target, SETTINGS)
    yield Races(source, draft(source), target)
    for url in (source, target):
        server.drop(url)


def planned(races: Races, tables: Mapping[str, TableMap], settings: Settings = SETTINGS) -> Plan:
    """Decides about a replica of the races, with some tables of the map changed."""
    return plan(introspect(races.url), replace(races.draft.schema_map, tables=tables), settings)


def test_ranks_and_years_order_the_rows_of_one_owner(races: Races) -> None:
    tables = races.draft.schema_map.tables
    assert (tables["public.result"].order, tables["public.season"].order) == ("place", "year")
    assert "it ranks the rows of one owner" in races.draft.comments["public.result", "place"]
    assert "it grows from row to row of one owner" in races.draft.comments["public.season", "year"]


def test_a_replica_ranks_from_1_without_gaps(races: Races) -> None:
    ranked = (
        "SELECT avg((n = top AND n = apart)::int) FROM (SELECT count(*) n, max(place) top, count(DISTINCT place) apart"
        " FROM result GROUP BY race_id) races"
    )
    assert value(races.url, ranked) == 1
    assert value(races.target, ranked) > 0.97


def test_a_pair_that_hardly_ever_comes_twice_is_kept_apart(races: Races) -> None:
    twice = "SELECT count(*) - count(DISTINCT (race_id, driver_id)) FROM result"
    rules = races.draft.schema_map.tables["public.result"].rules
    assert KEY in rules
    assert value(races.url, twice) > 0
    assert value(races.target, twice) == 0


def test_a_number_that_is_taken_is_not_given_again_but_one_that_is_shared_is(races: Races) -> None:
    again = "SELECT 1 - count(DISTINCT (race_id, grid))::numeric / count(*) FROM result WHERE grid {} 0"
    assert value(races.url, again.format(">")) == 0
    # Dealt out by chance, four of ten would be there twice.
    assert value(races.target, again.format(">")) < 0.05
    assert value(races.target, again.format("=")) > 0


def test_times_that_are_written_are_learned_as_times(races: Races) -> None:
    assert races.draft.schema_map.tables["public.result"].columns["lap_time"].kind == "measure"
    shaped = "SELECT avg((lap_time ~ '^1:[23][0-9]\\.[0-9]{3}$')::int) FROM result WHERE lap_time IS NOT NULL"
    assert value(races.target, shaped) == 1
    slower = "SELECT corr(place, right(lap_time, 6)::float8) FROM result WHERE lap_time IS NOT NULL"
    assert value(races.target, slower) > 0.8 * float(value(races.url, slower))


def test_a_key_that_the_map_declares_is_kept_or_struck(races: Races) -> None:
    found = planned(races, races.draft.schema_map.tables).by_id["public.result"]
    assert [(u.unique.columns, u.way) for u in found.uniques if not u.unique.declared] == [
        (("driver_id", "race_id"), "references")
    ]
    table = races.draft.schema_map.tables["public.result"]
    struck = {**races.draft.schema_map.tables, "public.result": replace(table, rules=(replace(KEY, keep=False),))}
    for tables, settings in ((struck, SETTINGS), (races.draft.schema_map.tables, replace(SETTINGS, rules=False))):
        assert all(u.unique.declared for u in planned(races, tables, settings).by_id["public.result"].uniques)


def test_a_key_of_unknown_columns_is_refused(races: Races) -> None:
    table = races.draft.schema_map.tables["public.result"]
    tables = {**races.draft.schema_map.tables, "public.result": replace(table, rules=(UniqueRule(("racer",)),))}
    with pytest.raises(PlanError, match=r"rule unique.*racer"):
        planned(races, tables)


def test_a_key_that_nobody_declared_gives_way_where_there_is_no_room(new_database: NewDatabase, server: Server) -> None:
    """Twice the pairs of as many rows cannot all be different; what the schema does not ask for is no error."""
    source, target = (
        new_database("""
        CREATE TABLE a (id int PRIMARY KEY, x int); CREATE TABLE b (id int PRIMARY KEY, x int);
        CREATE TABLE pair (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a, b_id int NOT NULL REFERENCES b);
        INSERT INTO a SELECT n, n % 3 FROM generate_series(1, 30) n;
        INSERT INTO b SELECT n, n % 4 FROM generate_series(1, 20) n;
        INSERT INTO pair SELECT row_number() OVER (), a, b FROM generate_series(1, 30) a, generate_series(1, 20) b
        WHERE (a * 7 + b * 3) % 5 < 4;
    """),
        server.fresh(),
    )
    assert draft(source).schema_map.tables["public.pair"].rules == (UniqueRule(("a_id", "b_id")),)
    replica.replicate(source, target, replace(SETTINGS, generator="marginal", rows={"public.pair": 1_000}))
    assert value(target, "SELECT count(*) FROM pair") == 1_000
    server.drop(target)


def test_ranks_of_which_a_few_are_shared_are_ranks() -> None:
    """Shared places make more rows than the highest ones add up to."""
    owner = np.repeat(np.arange(60), 10)
    place = np.tile(np.arange(1, 11), 60)
    place[[9, 19]] = 9
    whole = SqlType("integer", "int4", "integer")
    table = Table("public", "result", (Column("race", whole), Column("place", whole)))
    sample = TableSample(table, pa.table({"race": owner, "place": place}), complete=True)
    assert ranks(sample, "place", ("race",))


# What is taken


LAYOUT = make_layout([("attribute", "seat", (Span("seat", 12),)), ("attribute", "meal", (Span("meal", 3),))])


def seats(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """100 flights of 9 passengers: seats differ, but for seat 0, which stands for none; meals are anything."""
    family = np.repeat(np.arange(100), 9)
    seat = np.concatenate([1 + rng.permutation(11)[:9] for _ in range(100)])
    seat[rng.random(900) < 0.2] = 0
    return np.stack([seat, rng.integers(0, 3, 900)], axis=1).astype(np.int32), family


def test_only_values_that_hardly_ever_come_again_are_taken() -> None:
    rng = np.random.default_rng(0)
    codes, family = seats(rng)
    (found,) = learn_reuse(LAYOUT, codes, family, rng)
    assert (found.name, found.rates.tolist()) == ("seat", [1.0] + [0.0] * 11)


def test_where_values_are_dealt_by_chance_none_is_taken() -> None:
    rng = np.random.default_rng(0)
    codes, family = seats(rng)
    assert learn_reuse(LAYOUT, rng.permutation(codes), family, rng) == ()


def test_what_is_taken_is_taken_in_its_own_family() -> None:
    rng = np.random.default_rng(0)
    reuse = Reuse("attribute", "seat", (12,), np.array([1.0, *[0.0] * 11]))
    taken = Taken([reuse], LAYOUT, families=2)
    taken.take(reuse, np.array([0, 0, 1]), np.array([[3], [0], [5]], np.int32))
    asked = np.array([[3], [0], [5], [3], [5]], np.int32)
    assert taken.refused(reuse, np.array([0, 0, 0, 1, 1]), asked, rng).tolist() == [True, False, False, False, True]
    assert [block.name for block, _ in taken.blocks(0, 2)] == ["seat"]
    assert taken.blocks(1, 2) == []
