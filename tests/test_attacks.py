"""Attacks: each catches a leak that was planted, and none cries wolf over a replica of other people."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import comb

import numpy as np
import pyarrow as pa
import pytest
from conftest import CompanyReplica
from evaluating import pair

from benchmarks.attacks import scene_of, share_of_leak
from benchmarks.crowd import PERSON, VISIT, Crowd, draw_crowd, ground_of
from replica.cli import run as cli
from replica.databases.url import DatabaseUrl
from replica.evaluation.attacks import ATTACKS
from replica.evaluation.attacks.attacking import attack_replica
from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import Trial, compare, judge, wilson
from replica.evaluation.attacks.copula import cell_probabilities, correctness, uniqueness
from replica.evaluation.attacks.membership import separate
from replica.evaluation.attacks.scene import Scene
from replica.evaluation.attacks.worst_cases import Round, farthest, judge_rounds

PERSONS = 1500
ASKED = Question("asked", "?", "!")


@cache
def scene(leak: float) -> Scene:
    return scene_of(PERSONS, leak, seed=1)


@cache
def results(name: str, leak: float) -> tuple[AttackResult, ...]:
    return ATTACKS[name].run(scene(leak))


# Distances are reported only; single visits are alike by chance, which the attack must say.
UNABLE = {("distance to closest record", None), ("copied rows", VISIT)}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_catches_a_planted_leak(name: str) -> None:
    for found in results(name, share_of_leak(ATTACKS[name])):
        assert found.verdict == ("inconclusive" if (found.name, found.table) in UNABLE else "fail"), found


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_quiet_over_a_replica_of_other_people(name: str) -> None:
    for found in results(name, 0.0):
        if (found.name, found.table) in UNABLE:
            assert found.verdict == "inconclusive"
        else:
            assert found.verdict == "pass", found
            assert found.power is not None
            assert found.power > 0.8


@pytest.mark.parametrize("name", ATTACKS)
def test_results_are_complete(name: str) -> None:
    for found in results(name, 0.0):
        assert found.figure is not None
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.figure <= found.high <= 1
        assert found.n > 0
        assert found.question
        assert found.threat


def test_without_controls_attacks_are_not_run_and_copies_are_still_found() -> None:
    ground = scene(0.01).ground
    report = attack_replica(ground, None)
    assert (report.members, report.controls) == (PERSONS, 0)
    for found in report.attacks:
        assert found.verdict != "pass" or not ATTACKS[found.name].needs_controls
    verdicts = {(found.name, found.table): found.verdict for found in report.attacks}
    assert verdicts["copied subjects", None] == verdicts["copied rows", PERSON] == "fail"
    assert verdicts["membership", None] == "not run"


def test_too_few_controls_are_none() -> None:
    ground = scene(0.0).ground
    held = np.arange(PERSONS) < 5
    report = attack_replica(ground, {PERSON: held})
    assert {found.verdict for found in report.attacks if ATTACKS[found.name].needs_controls} == {"not run"}


def test_few_people_make_attacks_inconclusive_and_not_passed() -> None:
    few = scene_of(60, 0.0, seed=2)
    verdicts = [found.verdict for name in ("membership", "linkability") for found in ATTACKS[name].run(few)]
    assert set(verdicts) == {"inconclusive"}


def test_a_database_about_nobody_has_nobody_to_attack() -> None:
    ground = scene(0.0).ground
    tables = tuple(replace(table, role="public", holder_path=None) for table in ground.plan.tables)
    report = attack_replica(replace(ground, plan=replace(ground.plan, tables=tables)), None)
    assert report.subject is None
    assert {found.verdict for found in report.attacks} == {"not run"}
    # Nobody says who these people are, but a column of surnames does not let them be overlooked.
    assert report.overlooked == (PERSON,)
    columns = tuple(replace(column, kind="category") for column in ground.plan.by_id[PERSON].columns)
    nameless = tuple(replace(table, columns=columns) if table.id == PERSON else table for table in tables)
    assert attack_replica(replace(ground, plan=replace(ground.plan, tables=nameless)), None).overlooked == ()


def test_copies_are_not_hidden_by_the_order_of_rows() -> None:
    rng = np.random.default_rng(4)
    crowd = draw_crowd(300, rng)
    copies = crowd.of(rng.permutation(300)[:20]).beside(draw_crowd(280, rng))
    shuffled = rng.permutation(len(copies.visitor))
    visits = replace(copies, visit=copies.visit.take(shuffled), visitor=copies.visitor[shuffled])
    report = attack_replica(ground_of(crowd, visits), None)
    found = next(one for one in report.attacks if (one.name, one.table) == ("copied subjects", None))
    assert found.verdict == "fail"
    assert found.figure == pytest.approx(20 / 300)


def with_items(crowd: Crowd, items: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Crowd:
    """A crowd whose visits are told apart by an item and a rating alone."""
    columns = {
        "item": pa.array([f"item {item}" for item in items]),
        "rating": crowd.visit.column("rating"),
        "day": pa.array(np.zeros(len(items), np.int32)).cast(pa.date32()),
    }
    return replace(crowd, visit=pa.table(columns))


def test_a_replica_looser_than_its_source_is_no_thief() -> None:
    # Everybody of the original keeps to one item, as a driver to a number: hardly two have a visit in common. The
    # replica has not learned that, so that chance brings visits of many persons together.
    rng = np.random.default_rng(11)
    crowd, other = draw_crowd(300, rng), draw_crowd(300, rng)
    original = with_items(crowd, rng.integers(0, 30_000, 300)[crowd.visitor])
    loose = with_items(other, rng.integers(0, 30_000, len(other.visitor)))
    copies = original.of(np.arange(60)).beside(loose.of(np.arange(60, 300)))
    verdicts = {}
    for what, replica in (("loose", loose), ("copies", copies)):
        report = attack_replica(ground_of(original, replica), None)
        verdicts[what] = next(x.verdict for x in report.attacks if (x.name, x.table) == ("copied rows", VISIT))
    assert verdicts == {"loose": "inconclusive", "copies": "fail"}


def test_rows_kept_out_for_somebody_else_are_no_part_of_a_person_who_was_learned() -> None:
    crowd = draw_crowd(300, np.random.default_rng(5))
    held = np.arange(300) < 60
    # The first visit of everybody leads to somebody who was kept out as well.
    first = np.r_[True, np.diff(crowd.visitor) > 0]
    learned = crowd.of(np.arange(60, 300))
    rest = np.flatnonzero(~np.r_[True, np.diff(learned.visitor) > 0])
    copies = replace(learned, visit=learned.visit.take(rest), visitor=learned.visitor[rest])
    masks = {PERSON: held, VISIT: held[crowd.visitor] | first}
    report = attack_replica(ground_of(crowd, copies), masks)
    found = next(one for one in report.attacks if (one.name, one.table) == ("copied subjects", None))
    assert found.figure == 1.0


# Figures


def hypergeometric_tail() -> float:
    """Of 80 hits among 200, 60 or more fall on 100 of them."""
    return sum(comb(100, k) * comb(100, 80 - k) for k in range(60, 81)) / comb(200, 80)


def test_rates_and_risks_are_those_of_anonymeter() -> None:
    # 60 of 100 hits, and 20 of 100: by hand with z = 1.959964.
    assert np.round(wilson(60, 100), 5).tolist() == [0.59630, 0.0943]
    success = np.r_[np.ones(60), np.zeros(40), np.ones(20), np.zeros(80)]
    found = compare(success, np.arange(200) < 100)
    value, low, high = found.risk()
    assert value == pytest.approx((0.596300 - 0.211099) / (1 - 0.211099), abs=1e-4)
    assert low < value < high
    assert found.p == pytest.approx(hypergeometric_tail(), rel=1e-6)


def test_an_attack_that_guesses_no_better_than_chance_says_nothing() -> None:
    rng = np.random.default_rng(6)
    success = (rng.random(2000) < 0.3).astype(float)
    learned = np.arange(2000) < 1500
    assert judge(ASKED, Trial(success, learned, 0.6), rng).verdict == "inconclusive"
    assert judge(ASKED, Trial(success, learned, 0.1), rng).verdict == "pass"


def test_separation_counts_who_scores_higher() -> None:
    found = separate("by hand", np.array([3.0, 1.0]), np.array([2.0, 0.0]))
    assert found.auc == 0.75
    assert (found.hits, found.first) == (1, 0.5)
    # One of two above the highest of the others: in 6 orders of mmoo, at least one member leads in 3.
    assert found.p == pytest.approx(0.5)


def test_uniqueness_in_a_population_is_estimated_from_a_sample() -> None:
    rng = np.random.default_rng(7)
    shared = rng.normal(size=20_000)
    columns = [np.floor(np.clip(shared * 0.7 + rng.normal(size=20_000), -4, 4) * 6 + 24) for _ in range(2)]
    codes = np.stack([*columns, rng.integers(0, 10, 20_000)], axis=1).astype(np.int64)
    _, inverse, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    sample = rng.permutation(20_000)[:2000]
    p = cell_probabilities(codes[sample], np.arange(500), rng)
    true = (counts[inverse.ravel()[sample]] == 1).mean()
    assert uniqueness(p, 20_000).mean() == pytest.approx(true, abs=0.05)
    assert correctness(p, 20_000).mean() == pytest.approx((1 / counts[inverse.ravel()[sample]]).mean(), abs=0.05)


# Worst cases


def rounds_with(trace: float) -> list[Round]:
    """Ten rounds with twenty persons; a share of those who are learned is met at no distance."""
    rng = np.random.default_rng(9)
    own = rng.uniform(1, 3, 20)
    learned = rng.random((10, 20)) < 0.5
    met = learned & (rng.random((10, 20)) < trace)
    closeness = np.where(met, 0.0, -own - rng.normal(0, 0.3, (10, 20)))
    return [Round(*one) for one in zip(closeness, learned, strict=True)]


def test_persons_who_leave_a_trace_are_found_among_rounds_with_and_without_them() -> None:
    leaks, quiet = judge_rounds(rounds_with(0.5)), judge_rounds(rounds_with(0.0))
    assert (leaks.verdict, quiet.verdict) == ("fail", "pass")
    assert quiet.power is not None
    assert quiet.power > 0.9
    assert judge_rounds(rounds_with(0.5)[:1]).verdict == "inconclusive"


def test_the_farthest_persons_are_those_whom_nobody_is_like() -> None:
    rng = np.random.default_rng(10)
    crowd = draw_crowd(300, rng)
    # Three persons with everything at its end, and each with a town of their own.
    odd = {"height": 400.0, "income": 9e9}
    columns = {name: crowd.person.column(name).to_pylist() for name in crowd.person.column_names}
    for i, person in enumerate((5, 50, 250)):
        for name, value in odd.items():
            columns[name][person] = value * (1 if i else -1)
        columns["town"][person], columns["job"][person] = f"nowhere {i}", f"nothing {i}"
    strange = replace(crowd, person=pa.table(columns, crowd.person.schema))
    found = farthest(ground_of(strange, draw_crowd(300, rng)), PERSON, 20)
    assert {5, 50, 250} <= set(found.tolist())


def test_one_replica_that_lies_nearer_to_everybody_gives_nobody_away() -> None:
    rng = np.random.default_rng(3)
    learned = np.array([[True] * 15 + [False] * 5, [False] * 15 + [True] * 5])
    closeness = rng.normal(0, 0.01, (2, 20)) + np.array([[1.0], [0.0]])
    found = judge_rounds([Round(*one) for one in zip(closeness, learned, strict=True)])
    assert found.verdict == "inconclusive"
    assert found.figure == pytest.approx(0.5, abs=0.2)


def test_the_command_learns_a_source_again_and_again(
    new_database: Callable[..., DatabaseUrl], capsys: pytest.CaptureFixture[str]
) -> None:
    # Customers who differ by their cities alone cannot be given away, whichever half of them is learned.
    url = new_database("""
        CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL, city text NOT NULL);
        INSERT INTO customer SELECT n, 'm' || n || '@example.com', (ARRAY['Oslo', 'Rome', 'Bonn'])[1 + n % 3]
        FROM generate_series(1, 200) n;
    """)
    quick = ("--generator", "marginal", "--workers", "1", "--subject", "customer", "--rounds", "2", "--json")
    assert cli(["worst-case", url.secret, *quick]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 20
    assert found["verdict"] == "inconclusive"
    assert cli(["worst-case", url.secret, "--rounds", "1"]) == 2


# The sample company


def verdicts_of(source: DatabaseUrl, target: DatabaseUrl) -> dict[tuple[str, str | None], str]:
    with pair(source, target) as found:
        report = attack_replica(found.ground, None)
    assert report.subject == "hr.employee"
    return {(attack.name, attack.table): attack.verdict for attack in report.attacks}


def test_a_replica_of_the_company_copies_nobody(company: DatabaseUrl, company_replica: CompanyReplica) -> None:
    verdicts = verdicts_of(company, company_replica.url)
    assert verdicts["copied subjects", None] == verdicts["copied rows", "hr.employee"] == "pass"
    assert "fail" not in verdicts.values()
    assert verdicts["membership", None] == "not run"


def test_a_copy_of_the_company_is_found_out(company: DatabaseUrl) -> None:
    verdicts = verdicts_of(company, company)
    assert verdicts["copied subjects", None] == verdicts["copied rows", "hr.employee"] == "fail"


def test_a_copy_of_everybody_is_not_excused_by_those_kept_out() -> None:
    crowd = draw_crowd(600, np.random.default_rng(8))
    held = np.arange(600) < 120
    report = attack_replica(ground_of(crowd, crowd), {PERSON: held, VISIT: held[crowd.visitor]})
    verdicts = {(found.name, found.table): found.verdict for found in report.attacks}
    assert verdicts["copied subjects", None] == verdicts["copied rows", VISIT] == "fail"
