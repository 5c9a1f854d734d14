"""The harness of benchmarks: tables go to a rival and back, and what it broke is counted; sights can be hidden."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from postgres_tools import counts

from benchmarks.fidelity.exchange import NULL, hand_out, take_in
from benchmarks.fidelity.plot import Line, Panel, draw
from benchmarks.fidelity.table import rejected
from benchmarks.fidelity.watching import watch
from replica import Settings, learn, make_plan, verify, write
from replica.databases.url import DatabaseUrl
from replica.errors import UnknownNameError
from replica.relations.context import SIGHTS

NewDatabase = Callable[..., DatabaseUrl]

CLINIC = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE ward (id int PRIMARY KEY, beds int NOT NULL);
CREATE TABLE patient (id int PRIMARY KEY, class text NOT NULL, since date NOT NULL, mood mood);
CREATE TABLE visit (
    id int PRIMARY KEY, patient_id int NOT NULL REFERENCES patient, ward_id int NOT NULL REFERENCES ward,
    at timestamp NOT NULL, price numeric(8,2) NOT NULL CHECK (price > 0),
    gross numeric(8,2) GENERATED ALWAYS AS (price * 2) STORED
);
SELECT setseed(0.5);
INSERT INTO ward SELECT i, 5 + i % 7 FROM generate_series(1, 300) i;
INSERT INTO patient SELECT i, 'class ' || i % 3, date '2020-01-01' + i, CASE WHEN i % 5 > 0 THEN 'good'::mood END
    FROM generate_series(1, 100) i;
INSERT INTO visit SELECT i, 1 + i % 100, 1 + (random() ^ 2 * 299)::int, timestamp '2021-01-01' + i * interval '7 hours',
    1 + i % 90 FROM generate_series(1, 400) i;
"""


@pytest.fixture
def clinic(new_database: NewDatabase) -> DatabaseUrl:
    return new_database(CLINIC)


def test_what_a_rival_breaks_is_counted(clinic: DatabaseUrl, empty_database: DatabaseUrl, tmp_path: Path) -> None:
    plan = make_plan(clinic).plan
    hand_out(clinic, plan, tmp_path)
    for file in (tmp_path / "original").iterdir():
        lines = list(csv.reader(file.read_text().splitlines()))
        if file.name == "public.visit.csv":
            assert lines[0] == ["id", "patient_id", "ward_id", "at", "price"]
            lines[1][1] = "999"
            lines[2][1] = "998"
            lines[3][4] = "-1"
            lines[4][2] = NULL
        (tmp_path / "made" / file.name).write_text("\n".join(",".join(line) for line in lines))
    assert take_in(clinic, empty_database, plan, tmp_path) == 800
    assert counts(empty_database) == counts(clinic)
    broken = {name: count for name, count in verify(clinic, empty_database).broken.items() if count}
    assert broken["public.visit.visit_patient_id_fkey"] == 2
    assert broken["public.visit.visit_price_check"] == 1


@pytest.mark.parametrize("sight", SIGHTS)
def test_a_sight_can_be_hidden(clinic: DatabaseUrl, target: DatabaseUrl, sight: str) -> None:
    settings = Settings(seed=3, effort=0.1, workers=1, hidden=frozenset({sight}))
    learned = learn(clinic, settings)
    visit = learned.tables["public.visit"]
    seen = {
        "ancestors": bool(visit.context.ancestors),
        "place": visit.context.place,
        "previous": bool(visit.context.previous or visit.layout.of("previous")),
        "referenced": bool(visit.layout.of("referenced")),
        "families": bool(learned.tables["public.patient"].families),
        "twins": any(span.twin for span in (*visit.context.spans, *visit.layout.spans)),
    }
    assert [name for name, there in seen.items() if not there] == (
        ["previous", "twins"] if sight == "previous" else [sight]
    )
    write(learned, target, settings)
    assert verify(clinic, target).valid


def test_an_unknown_sight_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown sight 'ancestor'.*ancestors"):
        Settings(hidden=frozenset({"ancestor"}))


def test_mistakes_are_held_under_a_level_by_the_method_of_holm() -> None:
    assert rejected([0.001, 0.2, 0.004], 0.01) == [True, False, True]
    assert rejected([0.004, 0.004, 0.2], 0.01) == [False, False, False]
    assert rejected([], 0.01) == []


def test_a_plot_has_a_point_for_every_figure() -> None:
    line = Line("fit & load", ((1e4, 2.0), (1e6, 90.0)))
    drawn = draw([Panel("rows", (line,)), Panel("tables", (line, line))])
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    assert len(root.findall("{*}polyline")) == 3
    assert len(root.findall("{*}circle")) == 6
    assert {one.text for one in root.findall("{*}text")} >= {"fit & load", "rows", "10,000", "1,000,000"}


def test_a_process_is_watched_with_its_children_and_stopped_in_the_end() -> None:
    child = "import time; kept = bytearray(200_000_000); time.sleep(1.5)"
    found = watch(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"], {}, 60
    )
    assert found.code == 0
    assert found.peak > 0.15
    assert watch([sys.executable, "-c", "import time; time.sleep(60)"], {}, 0.5).code is None
