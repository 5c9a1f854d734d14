"""Scores of columns, pairs, numbers of children and time, on frames so small that their values are told by hand.

Every district has the same rows below it, so that each half of them is like the whole and scores are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from evaluating import pair

from replica.databases.url import DatabaseUrl
from replica.evaluation.coding import in_bins
from replica.evaluation.columns import score_columns
from replica.evaluation.evaluate import notes_of
from replica.evaluation.fanouts import score_fan_outs
from replica.evaluation.figures import Figure
from replica.evaluation.ground import Ground, compared
from replica.evaluation.moments import TimeScores, score_time
from replica.evaluation.pairs import (
    PairScores,
    score_coparents,
    score_hops,
    score_joint_fan_outs,
    score_siblings,
    score_table_pairs,
)
from replica.learning.source_rows import SourceTable
from replica.plan import plan
from replica.planning.decisions import Plan
from replica.schema.model import Column, ForeignKey, Schema, SqlType, Table, Unique
from replica.schema.schema_map import ColumnMap, SchemaMap, TableMap
from replica.settings import Settings

Ints = npt.NDArray[np.int64]
Row = Mapping[str, object]

DISTRICTS = 160
TYPES = {
    "key": SqlType("integer", "int4", "integer"),
    "reference": SqlType("integer", "int4", "integer"),
    "category": SqlType("text", "text", "text"),
    "number": SqlType("double precision", "float8", "float"),
    "moment": SqlType("date", "date", "date"),
}
ARROW = {"category": pa.string(), "number": pa.float64(), "moment": pa.date32()}
COLUMNS = {
    "public.district": {"id": "key", "zone": "category"},
    "public.city": {"id": "key", "name": "category"},
    "public.house": {
        "id": "key", "district_id": "reference", "kind": "category", "rooms": "number", "built": "moment",
    },
    "public.visit": {
        "id": "key", "house_id": "reference", "city_id": "reference", "mood": "category", "at": "moment",
    },
    "public.bill": {"id": "key", "house_id": "reference", "sum": "number"},
}  # fmt: skip
OWNERS = {"public.house": "public.district", "public.visit": "public.house", "public.bill": "public.house"}
OTHERS = {"public.visit": "public.city"}
BUILT, DAY = date(2000, 1, 1), timedelta(days=1)


def _plan() -> Plan:
    keys = [_key(child, parent) for part in (OWNERS, OTHERS) for child, parent in part.items()]
    tables = [
        Table(
            schema="public",
            name=name.removeprefix("public."),
            columns=tuple(Column(column, TYPES[kind], nullable=kind == "number") for column, kind in columns.items()),
            uniques=(Unique(f"{name}_pkey", ("id",), primary=True),),
            foreign_keys=tuple(key for key in keys if key.child == name),
        )
        for name, columns in COLUMNS.items()
    ]
    maps = {
        name: TableMap(
            role="public",
            owner=(_column(OWNERS[name]),) if name in OWNERS else None,
            order="at" if name == "public.visit" else None,
            columns={column: ColumnMap(kind=kind) for column, kind in columns.items()},
        )
        for name, columns in COLUMNS.items()
    }
    return plan(Schema("town", "", 0, tuple(tables)), SchemaMap(tables=maps), Settings(rules=False))


def _column(parent: str) -> str:
    return f"{parent.removeprefix('public.')}_id"


def _key(child: str, parent: str) -> ForeignKey:
    return ForeignKey(_column(parent), child, (_column(parent),), parent, ("id",))


PLAN = _plan()
House = tuple[Row, Sequence[Row], Sequence[Row]]
"""A house, its visits and its bills."""


def town(houses: Sequence[House], zones: Sequence[Sequence[House]] = (), n: int = DISTRICTS) -> dict[str, SourceTable]:
    """A town of districts that all have the same houses; those of two zones in turn where there are zones."""
    rows: dict[str, list[Row]] = {name: [] for name in COLUMNS}
    up: dict[str, dict[str, list[int]]] = {"public.house": {}, "public.visit": {}, "public.bill": {}}
    rows["public.city"] = [{"name": "here"}, {"name": "there"}]
    for i in range(n):
        rows["public.district"].append({"zone": "ns"[i % 2] if zones else "n"})
        for house, visits, bills in zones[i % 2] if zones else houses:
            _add(rows, up, "public.house", house, {"public.district": i})
            at = len(rows["public.house"]) - 1
            for visit in visits:
                _add(rows, up, "public.visit", visit, {"public.house": at, "public.city": int(str(visit["city"]))})
            for bill in bills:
                _add(rows, up, "public.bill", bill, {"public.house": at})
    return {name: _source(name, rows, up) for name in COLUMNS}


def _add(
    rows: dict[str, list[Row]], up: dict[str, dict[str, list[int]]], table: str, row: Row, above: Mapping[str, int]
) -> None:
    rows[table].append(row)
    for parent, at in above.items():
        up[table].setdefault(parent, []).append(at)


def _source(name: str, rows: Mapping[str, list[Row]], up: Mapping[str, Mapping[str, list[int]]]) -> SourceTable:
    here = rows[name]
    kinds = {column: kind for column, kind in COLUMNS[name].items() if kind in ARROW}
    frame = {column: pa.array([row.get(column) for row in here], ARROW[kind]) for column, kind in kinds.items()}
    frame["id"] = pa.array(np.arange(len(here)))
    table = PLAN.by_id[name]
    pointed = {key.id: np.array(up[name].get(key.parent, []), np.int64) for key in table.table.foreign_keys}
    children = {
        key.id: np.bincount(np.array(up[key.child].get(name, []), np.int64), minlength=len(here))
        for key in PLAN.children(name)
    }
    return SourceTable(table, pa.table(frame), len(here), pointed, children, None)


def house(kind: str = "a", rooms: float | None = 1, visits: Sequence[Row] = (), bills: int = 0) -> House:
    return {"kind": kind, "rooms": rooms, "built": BUILT}, visits, [{"sum": 1.0}] * bills


def visit(mood: str = "good", day: int = 9, city: int = 0) -> Row:
    return {"mood": mood, "at": BUILT + day * DAY, "city": city}


def ground(original: dict[str, SourceTable], synthetic: dict[str, SourceTable]) -> Ground:
    return compared(PLAN, original, synthetic, seed=1)


def aspects(found: Ground, table: str, column: str) -> dict[str, float]:
    """The values of a column's scores; the ceilings of all are 1, since all halves are alike."""
    (scores,) = [one for one in score_columns(found, table).columns if one.name == column]
    assert {figure.ceiling for figure in scores.aspects.values()} == {1.0}
    return {name: round(figure.value, 6) for name, figure in scores.aspects.items()}


def of_pair(scores: PairScores | None, one: str, other: str) -> Figure:
    assert scores is not None
    (figure,) = [figure for left, right, figure in scores.pairs if {left, right} == {one, other}]
    return figure


# Columns


def test_a_column_of_labels_is_compared_by_shares_and_by_what_is_missing_or_invented() -> None:
    # Half a, a quarter b, a quarter c beside three quarters a and a quarter d.
    original = town([house("a"), house("a"), house("b"), house("c")])
    synthetic = town([house("a"), house("a"), house("a"), house("d")])
    found = aspects(ground(original, synthetic), "public.house", "kind")
    assert found == {"shape": 0.5, "nulls": 1, "kept": 0.5, "real": 0.75}


def test_a_column_of_numbers_is_compared_by_steps_nulls_range_and_decimals() -> None:
    original = town([house(rooms=rooms) for rooms in (1, 2, 3, 5)])
    synthetic = town([house(rooms=rooms) for rooms in (2, 3.25, 3.25, None)])
    found = aspects(ground(original, synthetic), "public.house", "rooms")
    # Up to 3: three quarters beside one third. From 2 to 3.25 of 1 to 5. Of three known ones one has no decimals.
    assert found == {
        "shape": round(1 - (3 / 4 - 1 / 3), 6),
        "nulls": 0.75,
        "range": 1.25 / 4,
        "decimals": round(1 / 3, 6),
    }


def test_pairs_of_a_row_are_compared_by_the_cells_that_they_share() -> None:
    original = town([house("a", 1), house("a", 2), house("b", 3), house("b", 4)])
    synthetic = town([house("a", 3), house("a", 2), house("b", 1), house("b", 4)])
    found = ground(original, synthetic)
    figure = of_pair(score_table_pairs(found, "public.house"), "kind", "rooms")
    assert (figure.value, figure.ceiling, figure.low, figure.high) == (0.5, 1, 0.5, 0.5)
    # Drawn one by one, kinds and rooms fill all eight cells alike.
    assert figure.floor == pytest.approx(0.5, abs=0.1)
    assert aspects(found, "public.house", "kind")["shape"] == 1


# What spans tables


def test_rows_are_compared_beside_what_they_point_to_over_one_and_two_references() -> None:
    a, b = house("a", visits=[visit("good")]), house("b", visits=[visit("bad")])
    found = ground(town([], zones=([a, a], [b, b])), town([], zones=([a, b], [a, b])))
    (one,) = [view for view in score_hops(in_bins(found), 1) if view.name.startswith("public.house")]
    (two,) = score_hops(in_bins(found), 2)
    # Two cells hold all houses; in the replica as many stand in the other two.
    assert of_pair(one, "kind", "public.district.zone").value == pytest.approx(0.5, abs=0.05)
    assert of_pair(two, "mood", "public.district.zone").value == pytest.approx(0.5, abs=0.05)
    assert of_pair(two, "mood", "public.district.zone").ceiling == pytest.approx(0.95, abs=0.06)


def test_two_rows_of_one_parent_are_compared() -> None:
    good, bad = visit("good", 5), visit("bad", 5)
    original = town([house(visits=[good, good]), house(visits=[bad, bad])])
    synthetic = town([house(visits=[good, bad]), house(visits=[bad, good])])
    found = ground(original, synthetic)
    assert aspects(found, "public.visit", "mood")["shape"] == 1
    (scores,) = [view for view in score_siblings(in_bins(found)) if "house_id" in view.name]
    # Beside itself, since both are in one mood or never are.
    pairs = {(one, other): figure for one, other, figure in scores.pairs}
    assert pairs["mood", "sibling.mood"].value == 0
    assert pairs["mood", "sibling.mood"].ceiling == 1


def test_two_rows_that_one_child_points_to_are_compared() -> None:
    original = town([house("a", visits=[visit(city=0)] * 2), house("b", visits=[visit(city=1)] * 2)])
    synthetic = town([house(kind, visits=[visit(city=0), visit(city=1)]) for kind in "ab"])
    (scores,) = score_coparents(in_bins(ground(original, synthetic)))
    figure = of_pair(scores, "(house_id).kind", "(city_id).name")
    assert (figure.value, figure.ceiling) == (0.5, 1)


def test_numbers_of_children_are_compared_by_steps_and_beside_each_other() -> None:
    several = [visit()] * 3
    original = town([house(visits=several, bills=3), house(visits=several[:1], bills=1)])
    synthetic = town([house(visits=several, bills=1), house(visits=several[:1], bills=3)])
    found = ground(original, synthetic)
    by_key = score_fan_outs(found)
    assert {round(figure.value, 6) for figure in by_key.values() if figure.ceiling == 1} == {1.0}
    (scores,) = [view for view in score_joint_fan_outs(in_bins(found)) if view.name == "public.house"]
    names = [key.id for key in PLAN.children("public.house")]
    assert of_pair(scores, *names).value == 0

    fewer = ground(original, town([house(visits=several[:2], bills=3), house(visits=several[:2], bills=1)]))
    (visits, bills) = sorted(score_fan_outs(fewer)[name].value for name in names)
    assert (visits, bills) == (0.5, 1)


# Time


def time_of(original: Sequence[House], synthetic: Sequence[House]) -> TimeScores:
    found = score_time(ground(town(original), town(synthetic)), PLAN.by_id["public.visit"])
    assert found is not None
    return found


def test_gaps_seasons_and_trend_are_those_of_the_days() -> None:
    # A week and a month apart; the first of January 2000 was a Saturday.
    found = time_of([house(visits=[visit(day=2), visit(day=9)])], [house(visits=[visit(day=2), visit(day=33)])])
    assert found.gaps is not None
    assert (found.gaps.value, found.gaps.ceiling) == (0, 1)
    # Two Mondays in January beside one of them and a Thursday in February.
    assert found.seasons["at weekday"].value == 0.5
    assert found.seasons["at month"].value == 0.5
    assert found.trend["at"].value == 0.5
    same = time_of([house(visits=[visit(day=2), visit(day=9)])], [house(visits=[visit(day=2), visit(day=9)])])
    assert {figure.value for figure in (*same.seasons.values(), *same.trend.values()) if figure} == {1}


def test_what_comes_first_is_compared() -> None:
    found = time_of([house(visits=[visit(day=5)])], [house(visits=[visit(day=-5), visit(day=5)])])
    assert found.order["at, public.house.built"].value == 0.5
    assert found.order["at, public.house.built"].ceiling == 1


def test_a_row_is_compared_with_the_one_before() -> None:
    moods = {"turns": ["good", "bad"] * 2, "stays": ["good", "good", "bad", "bad"]}
    houses = {
        name: [house(visits=[visit(mood, 7 * i) for i, mood in enumerate(found)])] for name, found in moods.items()
    }
    found = time_of(houses["turns"], houses["stays"]).previous
    assert found is not None
    pairs = {(one, other): figure for one, other, figure in found.pairs}
    # Good-bad twice and bad-good once, beside good-good, good-bad and bad-bad.
    assert pairs["mood", "before.mood"].value == pytest.approx(1 / 3)
    assert pairs["mood", "before.mood"].ceiling == pytest.approx(1)


# Edges


def test_tables_without_rows_and_of_one_row_have_no_scores_and_stop_nothing() -> None:
    full, bare = town([house(visits=[visit()] * 2, bills=1)]), town([], n=1)
    for one, other in ((full, bare), (bare, full), (bare, bare)):
        found = ground(one, other)
        for name in ("public.house", "public.visit", "public.bill", "public.district"):
            assert score_columns(found, name).mean is None
            assert score_table_pairs(found, name) is None
            assert score_time(found, PLAN.by_id[name]) is None
        binned = in_bins(found)
        assert score_siblings(binned) == score_coparents(binned) == score_hops(binned, 1) == ()


def test_a_replica_of_another_size_is_compared_by_shares() -> None:
    houses = [house("a", 1, [visit("good", 3), visit("bad", 4)]), house("b", 2, [visit("good", 3)])]
    found = ground(town(houses), town(houses, n=DISTRICTS // 4))
    assert set(aspects(found, "public.house", "kind").values()) == {1}
    assert of_pair(score_table_pairs(found, "public.house"), "kind", "rooms").value == 1
    below = [key.id for name in ("public.district", "public.house") for key in PLAN.children(name)]
    assert {score_fan_outs(found)[key].value for key in below} == {1}


def test_of_a_huge_table_whole_families_are_read_and_a_reader_is_told(
    new_database: Callable[..., DatabaseUrl],
) -> None:
    url = new_database("""
        CREATE TABLE parent (id int PRIMARY KEY, kind text NOT NULL);
        CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent, size int NOT NULL);
        INSERT INTO parent SELECT i, (ARRAY['a', 'b'])[1 + i % 2] FROM generate_series(1, 400) i;
        INSERT INTO child SELECT i, 1 + i % 400, i % 7 FROM generate_series(1, 4000) i;
    """)
    with pair(url, url, Settings(fit_rows=1000, workers=1)) as found:
        rows = found.ground.original["public.child"]
    assert (rows.total, "public.child" in found.ground.sampled) == (4000, True)
    assert 500 < len(rows) <= 1100
    (parents,) = rows.parents.values()
    assert set(np.unique(parents, return_counts=True)[1]) == {10}
    (note, *_) = [line for line in notes_of(found.ground, {}) if line.startswith("public.child")]
    assert note == f"public.child: whole families were compared, {len(rows):,} of 4,000 rows"


def test_a_column_of_a_replica_that_knows_nothing_stands_at_its_floor() -> None:
    houses = [house("a", 1), house("a", 2), house("b", 3), house("b", 4)]
    found = ground(town(houses), town(houses))
    alone = Ground(PLAN, found.features, found.original, found.floor, found.floor, seed=1)
    figure = of_pair(score_table_pairs(alone, "public.house"), "kind", "rooms")
    assert figure.floor is not None
    assert figure.value == pytest.approx(figure.floor, abs=0.05)
    assert figure.fidelity is not None
    assert figure.fidelity < 0.1
    assert figure.surely_below_ceiling > 0.3
