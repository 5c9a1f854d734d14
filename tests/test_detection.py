"""Detection: what a classifier tells apart, what it cannot, and that it agrees with SyntheRela."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
from conftest import Server
from evaluating import pair
from postgres_tools import run
from rich.console import Console, Group
from syntherela_frames import Frames, original, replicas

from replica.cli.show_detection import detection_summary
from replica.databases.url import DatabaseUrl
from replica.evaluation.classifiers import score_classifiers
from replica.evaluation.detection import DetectionScores, TellScores, questions
from replica.evaluation.figures import Figure, mean_of
from replica.evaluation.ground import Feature, Ground
from replica.evaluation.sampling import FEWEST_UNITS, draw_samples
from replica.evaluation.summaries import Families, commonest, least, mean, most, nunique, spread
from replica.evaluation.telling import Sample, area_under_curve, clustered_error, tell_apart
from replica.evaluation.wide import CODES, coded, many_parents

FIXTURES = Path(__file__).parent / "fixtures"
NAN = np.nan


# Telling two samples apart


def sample(rng: np.random.Generator, rows: int, shift: int = 0) -> Sample:
    codes = rng.integers(1, 100, (rows, 3))
    codes[:, 1] = codes[:, 0] + rng.integers(0, 20, rows)
    codes[:, 2] += shift
    return Sample(codes.astype(np.uint8), np.arange(rows))


NUMBERS = np.zeros(3, dtype=bool)


def test_the_area_under_the_curve_counts_pairs_and_half_of_ties() -> None:
    # Of six pairs four are in order and one is tied.
    area, pulls = area_under_curve(np.array([1.0, 4.0, 2.0, 2.0, 5.0]), np.array([False, False, False, True, True]))
    assert area == pytest.approx(4.5 / 6)
    # Positive rows stand above 1.5 and 3 of three; negative ones below 2, 1 and 1.5 of two.
    assert pulls == pytest.approx(
        [(1 - 0.75) / 3, (0.5 - 0.75) / 3, (0.75 - 0.75) / 3, (0.5 - 0.75) / 2, (1 - 0.75) / 2]
    )


def test_rows_of_one_family_are_no_evidence_for_each_other() -> None:
    pulls = np.array([0.1, 0.1, -0.1, -0.1])
    assert clustered_error(pulls, np.arange(4)) == pytest.approx(0.2)
    assert clustered_error(pulls, np.array([0, 0, 1, 1])) == pytest.approx(np.sqrt(0.08))


def test_two_samples_of_the_same_are_not_told_apart() -> None:
    rng = np.random.default_rng(0)
    told = tell_apart(sample(rng, 1500), sample(rng, 1500), NUMBERS, rng)
    for found in (told.accuracy, told.auc):
        assert abs(found.value - 0.5) < 3 * found.error
        assert 0.005 < found.error < 0.02


def test_a_column_that_is_shifted_gives_a_sample_away() -> None:
    rng = np.random.default_rng(0)
    told = tell_apart(sample(rng, 1000), sample(rng, 1000, shift=120), NUMBERS, rng)
    assert told.accuracy.value > 0.99
    assert told.auc.value > 0.99


def test_columns_that_do_not_belong_together_give_a_sample_away() -> None:
    rng = np.random.default_rng(0)
    whole, mixed = sample(rng, 1000), sample(rng, 1000)
    for i in range(3):
        mixed.codes[:, i] = rng.permutation(mixed.codes[:, i])
    assert tell_apart(whole, mixed, NUMBERS, rng).accuracy.value > 0.8


def test_copies_are_guessed_wrong_more_often_than_not() -> None:
    rng = np.random.default_rng(0)
    # So few different rows per family that a classifier remembers which sample a family was of.
    rows = Sample(rng.integers(1, 250, (600, 6)).astype(np.uint8).repeat(5, axis=0), np.repeat(np.arange(600), 5))
    told = tell_apart(rows, rows, np.zeros(6, dtype=bool), rng)
    assert told.accuracy.value < 0.45
    assert told.auc.value < 0.45


def test_a_family_is_not_told_by_its_own_rows() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 250, (80, 6)).astype(np.uint8).repeat(20, axis=0)
    families = np.repeat(np.arange(40), 20)
    one, other = Sample(codes[:800], families), Sample(codes[800:], families)
    assert abs(tell_apart(one, other, np.zeros(6, dtype=bool), rng).accuracy.value - 0.5) < 0.2
    alone = np.arange(800)
    by_row = tell_apart(replace(one, unit=alone), replace(other, unit=alone), np.zeros(6, dtype=bool), rng)
    assert by_row.accuracy.value > 0.9


def test_samples_without_anything_to_see_are_not_told_apart() -> None:
    blank = Sample(np.zeros((50, 2), np.uint8), np.arange(50))
    told = tell_apart(blank, blank, np.zeros(2, dtype=bool), np.random.default_rng(0))
    assert told.accuracy.value == told.auc.value == 0.5


# What a classifier sees


def test_values_become_codes_that_all_samples_share() -> None:
    one, other = coded(
        [Feature("size", "number"), Feature("colour", "category", ("blue", "red"))],
        [
            [np.array([5.0, NAN, 1.0]), np.array([1, 1, -1], np.int32)],
            [np.array([3.0, np.inf]), np.array([0, 1], np.int32)],
        ],
    )
    assert one.tolist() == [[3, 1], [0, 1], [1, 0]]
    assert other.tolist() == [[2, 2], [4, 1]]


def test_many_values_share_codes_of_about_equal_weight() -> None:
    numbers, labels = np.random.default_rng(0).normal(size=5000), np.arange(5000, dtype=np.int32) % 700
    (codes,) = coded([Feature("a", "number"), Feature("b", "category", ("",) * 700)], [[numbers, labels]])
    counts = np.bincount(codes[:, 0])
    assert counts[0] == 0
    assert len(counts) == CODES + 1
    assert counts[1:].max() <= 2 * counts[1:].min()
    assert codes[:, 1].min() == 1
    assert codes[:, 1].max() == CODES


# Children in a few numbers


def test_children_are_summed_up_by_parent() -> None:
    # Parent 0 has 3, 5 and one that is unknown, parent 1 has none, parent 2 has 7; one child has no parent.
    families = Families.of(np.array([0, 2, 0, -1, 0]), 3)
    numbers = np.array([3.0, 7.0, 5.0, 100.0, NAN])
    assert mean(families, numbers) == pytest.approx([4, NAN, 7], nan_ok=True)
    assert spread(families, numbers) == pytest.approx([np.sqrt(2), NAN, NAN], nan_ok=True)
    assert least(families, numbers) == pytest.approx([3, NAN, 7], nan_ok=True)
    assert most(families, numbers) == pytest.approx([5, NAN, 7], nan_ok=True)
    labels = np.array([4, -1, 4, 1, 2], np.int32)
    assert nunique(families, labels).tolist() == [2, 0, 0]
    assert commonest(families, labels) == pytest.approx([2 / 3, NAN, NAN], nan_ok=True)


def test_parents_without_a_single_child_are_summed_up_too() -> None:
    families = Families.of(np.zeros(0, np.int64), 2)
    assert np.isnan(least(families, np.zeros(0))).all()
    assert nunique(families, np.zeros(0, np.int32)).tolist() == [0, 0]


# Samples


def test_halves_of_the_original_share_no_family_and_all_samples_are_of_one_size() -> None:
    unit = np.repeat(np.arange(100), np.arange(1, 101) % 7 + 1)
    drawn = draw_samples([unit, np.arange(300), unit], 1000, np.random.default_rng(0))
    half, _, other, _ = (set(found.tolist()) for found in drawn.units)
    assert not half & other
    assert {len(rows) for rows in drawn.rows} == {len(drawn.rows[0])}
    assert len(unit) * 0.45 < len(drawn.rows[0]) <= len(unit) / 2 + 7
    assert len(draw_samples([unit, unit, unit], 50, np.random.default_rng(0)).rows[0]) == 50


def test_rows_of_too_few_families_count_for_themselves() -> None:
    unit = np.arange(200) % (FEWEST_UNITS - 1)
    drawn = draw_samples([unit, unit, unit], 1000, np.random.default_rng(0))
    assert sorted(np.concatenate([drawn.units[0], drawn.units[2]]).tolist()) == list(range(200))


# Figures whose best is in the middle


def test_guessing_wrong_is_as_bad_as_guessing_right() -> None:
    told, copied = Figure(0.7, 0.65, 0.75, 0.52, 0.9, 0.5), Figure(0.3, 0.25, 0.35, 0.48, 0.9, 0.5)
    assert told.below_ceiling == pytest.approx(0.18)
    assert copied.below_ceiling == pytest.approx(0.18)
    assert [told.fidelity, copied.fidelity] == pytest.approx([0.2 / 0.38] * 2)
    assert told.surely_below_ceiling == copied.surely_below_ceiling == pytest.approx(0.13)
    both = mean_of([told, copied])
    assert both is not None
    assert (both.value, both.low, both.high, both.ceiling) == pytest.approx((0.7, 0.65, 0.75, 0.52))
    score = copied.as_likeness
    assert (score.value, score.low, score.high, score.ceiling) == pytest.approx((0.6, 0.5, 0.7, 0.96))
    assert Figure(0.52, 0.47, 0.56, best=0.5).as_likeness.high == 1.0


# Databases


SCHEMA = """
    CREATE TABLE customer (id int PRIMARY KEY, region text, age int, income numeric);
    CREATE TABLE purchase (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, amount numeric,
                           channel text, quantity int);
"""


def fill(url: DatabaseUrl, tables: Frames) -> None:
    run(url, SCHEMA)
    with psycopg.connect(url.secret) as connection, connection.cursor() as cursor:
        for name, columns in tables.items():
            with cursor.copy(f"COPY {name} FROM STDIN") as copy:
                for row in zip(*(values.tolist() for values in columns.values()), strict=True):
                    copy.write_row(row)
    run(url, "ANALYZE")


@pytest.fixture(scope="module")
def grounds(server: Server) -> Iterator[dict[str, Ground]]:
    """The customers beside each of their replicas, and beside themselves."""
    urls = {name: server.create() for name in ("original", *replicas())}
    for name, tables in (("original", original()), *replicas().items()):
        fill(urls[name], tables)
    found = {}
    for name, url in urls.items():
        with pair(urls["original"], url) as both:
            found[name] = both.ground
    yield found
    for url in urls.values():
        server.drop(url)


NAMES = {"rows": "C2ST", "children": "C2ST-Agg"}


@pytest.mark.parametrize("name", list(replicas()))
def test_figures_agree_with_syntherela(grounds: dict[str, Ground], name: str) -> None:
    ground = grounds[name]
    recorded = json.loads((FIXTURES / "syntherela.json").read_text())[name]
    seen = {}
    for question in questions(ground):
        if question.what in NAMES:
            sides = [(side[question.table.id], side) for side in (ground.original, ground.synthetic)]
            values = [question.look.values(side, np.arange(len(rows))) for rows, side in sides]
            one, other = (Sample(codes, np.arange(len(codes))) for codes in coded(question.look.features, values))
            categories = np.array([feature.is_category for feature in question.look.features])
            told = tell_apart(one, other, categories, np.random.default_rng(0))
            label = f"{NAMES[question.what]} {question.table.id.removeprefix('public.')}"
            seen[label] = told.accuracy
    assert set(seen) == set(recorded)
    for label, accuracy in seen.items():
        assert abs(accuracy.value - recorded[label]) < 3 * accuracy.error, label


def detect(ground: Ground) -> DetectionScores:
    return score_classifiers(ground)[0]


def by_table(scores: tuple[TellScores, ...]) -> dict[str, TellScores]:
    return {found.table.removeprefix("public."): found for found in scores}


@pytest.fixture(scope="module")
def unlinked(grounds: dict[str, Ground]) -> DetectionScores:
    return detect(grounds["unlinked"])


def test_what_a_replica_lost_shows_where_it_lost_it(unlinked: DetectionScores) -> None:
    # Purchases look right by themselves; those of one customer are no longer alike.
    assert by_table(unlinked.rows)["purchase"].accuracy.below_ceiling < 0.04
    assert by_table(unlinked.children)["customer"].accuracy.low > 0.58
    assert by_table(unlinked.children_strict)["customer"].auc.low > 0.7
    assert by_table(unlinked.children)["customer"].rows == 750


def test_every_figure_has_a_ceiling_of_chance_and_a_floor(unlinked: DetectionScores) -> None:
    for scores in (unlinked.rows, unlinked.with_parents, unlinked.children, unlinked.children_strict):
        for found in scores:
            for figure in (found.accuracy, found.auc):
                assert figure.best == 0.5
                assert figure.ceiling is not None
                assert abs(figure.ceiling - 0.5) < 0.08
                assert figure.low <= figure.value <= figure.high
    floor = by_table(unlinked.children)["customer"].accuracy.floor
    assert floor is not None
    assert floor > 0.6


def test_another_sample_is_not_told_apart_and_a_copy_no_more_than_that(grounds: dict[str, Ground]) -> None:
    for name in ("sample", "original"):
        scores = detect(grounds[name])
        for found in (*scores.rows, *scores.with_parents, *scores.children, *scores.children_strict):
            assert found.accuracy.low < 0.54, (name, found.table)


def test_a_seed_decides_all_figures(grounds: dict[str, Ground], unlinked: DetectionScores) -> None:
    assert detect(grounds["unlinked"]) == unlinked


def test_spread_within_families_is_seen_by_the_strict_question_alone(server: Server) -> None:
    source, target = server.create(), server.create()
    for url, reach in ((source, 1), (target, 9)):
        # Two children at the same distance from a middle: their mean is the middle, whatever the distance.
        run(
            url,
            "SELECT setseed(0.5); CREATE TABLE p (id int PRIMARY KEY);"
            "CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p, x int);"
            "INSERT INTO p SELECT generate_series(1, 600);"
            "CREATE TABLE middle AS SELECT id, (random() * 1000)::int AS m FROM p;"
            f"INSERT INTO c SELECT 2 * id + s, id, m + (2 * s - 1) * {reach} FROM middle, generate_series(0, 1) s;"
            "DROP TABLE middle; ANALYZE",
        )
    with pair(source, target) as both:
        scores = detect(both.ground)
    assert abs(by_table(scores.children)["p"].accuracy.value - 0.5) < 0.1
    assert by_table(scores.children_strict)["p"].accuracy.low > 0.9
    server.drop(source)
    server.drop(target)


def test_other_parents_of_the_same_kind_do_not_give_rows_away(server: Server) -> None:
    source, target = server.create(), server.create()
    for url, seed in ((source, 0.1), (target, 0.2)):
        # What a thing costs tells which thing it is; things of both databases are drawn alike, and few shops are there.
        run(
            url,
            f"SELECT setseed({seed}); CREATE TABLE thing (id int PRIMARY KEY, price double precision);"
            "CREATE TABLE shop (id int PRIMARY KEY, size double precision);"
            "CREATE TABLE sale (id int PRIMARY KEY, thing int NOT NULL REFERENCES thing, shop int NOT NULL REFERENCES"
            " shop, pieces int); INSERT INTO shop SELECT i, random() FROM generate_series(1, 20) i;"
            "INSERT INTO thing SELECT i, random() FROM generate_series(1, 200) i;"
            "INSERT INTO sale SELECT i, 1 + i % 200, 1 + i % 20, (random() * 9)::int FROM generate_series(1, 6000) i;"
            "ANALYZE",
        )
    with pair(source, target) as both:
        ground = both.ground
        kept = [key.parent for key in many_parents(ground, ground.plan.by_id["public.sale"])]
        scores = detect(ground)
    assert kept == ["public.thing"]
    sale = by_table(scores.with_parents)["sale"].accuracy
    assert sale.low < 0.55
    assert sale.value < 0.65
    server.drop(source)
    server.drop(target)


def test_a_reader_sees_the_mean_and_the_worst_table(unlinked: DetectionScores) -> None:
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(Group(*detection_summary(unlinked)))
    text = console.export_text()
    assert "a row with its children summed up" in text
    assert f"{unlinked.children[0].accuracy.value:.3f}" in text
    assert "public.customer" in text
