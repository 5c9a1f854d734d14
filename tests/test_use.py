"""Use: what a model that learned on the replica is worth on the original."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Server
from evaluating import pair
from postgres_tools import run
from rich.console import Console, Group

import replica
from replica.cli.show_detection import use_summary
from replica.errors import PlanError
from replica.evaluation.classifiers import score_classifiers
from replica.evaluation.ground import Ground
from replica.evaluation.predicting import UseScores, explained, told_by_label
from replica.evaluation.use import predictions, unpredictable
from replica.settings import Settings


def test_variance_is_explained_as_far_as_guesses_are_right() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    assert explained(truth, truth, np.arange(4)).value == 1
    # Squares add up to 5 around the mean, and to 1 around the guesses.
    found = explained(truth, np.array([1.0, 2.0, 3.0, 3.0]), np.arange(4))
    assert found.value == pytest.approx(0.8)
    missed = np.array([0, 0, 0, 1]) - 0.2 * np.array([2.25, 0.25, 0.25, 2.25])
    assert found.error == pytest.approx(np.sqrt((missed**2).sum()) / 5)
    assert explained(truth, truth[::-1].copy(), np.arange(4)).value == 0
    assert explained(np.ones(3), np.ones(3), np.arange(3)).value == 0


def test_labels_are_told_from_each_other_by_how_common_they_are() -> None:
    truth = np.array([0, 0, 0, 1], np.int32)
    guesses = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    # Of three pairs of a 0 and the 1, two are in order, whichever label is asked for.
    assert told_by_label(truth, guesses, np.arange(4)).value == pytest.approx(2 / 3)


ORIGINAL = """
    SELECT setseed(0.1);
    CREATE TABLE client (id int PRIMARY KEY, email text, town text);
    CREATE TABLE loan (id int PRIMARY KEY, client_id int NOT NULL REFERENCES client, sum int, years int,
                       status text, note int);
    INSERT INTO client SELECT i, 'c' || i || '@mail.test', (ARRAY['Oslo', 'Bergen'])[1 + i % 2]
      FROM generate_series(1, 300) i;
    INSERT INTO loan SELECT i, 1 + i % 300, (random() * 1000)::int, (random() * 9)::int, '', 0
      FROM generate_series(1, 2400) i;
    UPDATE loan SET status = CASE WHEN sum > 600 AND client_id % 2 = 0 THEN 'late' WHEN sum < 300 THEN 'early'
                             ELSE 'due' END, note = sum / 10 + (random() * 20)::int;
    ANALYZE;
"""
# Whether a loan is late no longer follows from anything.
UNLEARNED = ORIGINAL + "UPDATE loan SET status = (ARRAY['late', 'early', 'due', 'due'])[1 + (random() * 3)::int]"
NAMED = """
version: 1
tables:
  public.client:
    role: subject
    predict: [email]
    columns: {id: {kind: key}, email: {kind: email}, town: {kind: category}}
  public.loan:
    role: private
    owner: [client_id]
    predict: [status, sum]
    columns: {id: {kind: key}, client_id: {kind: reference}, sum: {kind: number}, years: {kind: number},
              status: {kind: category}, note: {kind: number}}
"""


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("maps") / "loans.yaml"
    path.write_text(NAMED)
    return Settings(map_path=path)


@pytest.fixture(scope="module")
def grounds(server: Server, by_name: Settings) -> Iterator[dict[str, Ground]]:
    """Loans beside themselves, with and without a map, and beside a replica that lost what makes them late."""
    source, target = server.create(), server.create()
    run(source, ORIGINAL)
    run(target, UNLEARNED)
    found = {}
    for name, other, settings in (("same", source, by_name), ("lost", target, by_name), ("picked", source, Settings())):
        with pair(source, other, settings) as both:
            found[name] = both.ground
    yield found
    server.drop(source)
    server.drop(target)


@pytest.fixture(scope="module")
def used(grounds: dict[str, Ground]) -> dict[str, dict[str, UseScores]]:
    return {name: {score.column: score for score in score_classifiers(ground)[1]} for name, ground in grounds.items()}


def test_a_copy_teaches_as_much_as_the_original(used: dict[str, dict[str, UseScores]]) -> None:
    assert set(used["same"]) == {"status", "sum"}
    for score in used["same"].values():
        ceiling, floor = score.figure.ceiling, score.figure.floor
        assert ceiling is not None
        assert floor is not None
        assert ceiling > floor + 0.3
        assert score.figure.low <= ceiling + 0.02
        assert score.figure.value > ceiling - 0.05
        assert score.rows == 1200


def test_what_is_lost_cannot_be_learned(used: dict[str, dict[str, UseScores]]) -> None:
    lost = used["lost"]
    assert lost["status"].by == "auc"
    assert lost["status"].figure.value == pytest.approx(0.5, abs=0.1)
    assert lost["status"].figure.below_ceiling > 0.3
    assert lost["sum"].by == "r2"
    # Notes still tell the sum.
    assert lost["sum"].figure.value > 0.7


def test_without_a_map_a_column_worth_it_is_picked(used: dict[str, dict[str, UseScores]]) -> None:
    # A client's town shows in what becomes of the loans.
    town, loan = sorted(used["picked"].values(), key=lambda score: score.table)
    assert town.column == "town"
    assert loan.column in {"status", "sum", "note"}
    assert all(score.figure.ceiling and score.figure.ceiling > 0.6 for score in used["picked"].values())


def test_names_that_say_nothing_are_reported(grounds: dict[str, Ground]) -> None:
    assert list(unpredictable(grounds["same"])) == [
        "public.client: email is not predicted: its values are keys, made up, or copied"
    ]
    (loans, client) = predictions(grounds["same"])
    assert {feature.name for feature in loans.features} == {"status", "sum"}
    assert client.features == ()


def test_a_column_that_does_not_exist_cannot_be_predicted(server: Server, tmp_path: Path) -> None:
    source = server.create()
    run(source, ORIGINAL)
    path = tmp_path / "wrong.yaml"
    path.write_text(NAMED.replace("predict: [status, sum]", "predict: [statuses]"))
    with pytest.raises(PlanError, match=r"public.loan: predict: .*statuses"):
        replica.make_plan(source, Settings(map_path=path))
    server.drop(source)


def test_a_reader_sees_what_was_predicted(used: dict[str, dict[str, UseScores]]) -> None:
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(Group(*use_summary(tuple(used["lost"].values()))))
    text = console.export_text()
    assert "public.loan.status" in text
    assert f"{used['lost']['status'].figure.value:.3f}" in text
    assert "variance of ranks explained" in text
