"""One run of the whole pipeline, audited with persons who were there or not by a coin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import psycopg
import pytest
from conftest import Server
from scipy.stats import binom

import replica
from replica import FittedReplica, Settings
from replica.databases.url import DatabaseUrl
from replica.privacy import meter
from replica.privacy.auditing import OneRun, audit_one_run
from replica.sample import sample

CANARIES, OTHERS, ROWS = 300, 3_000, 20
EPSILON, DELTA = 1.0, 1e-6
SETTINGS = Settings(epsilon=EPSILON, delta=DELTA, subject="person", workers=1)


@pytest.mark.parametrize(
    ("canaries", "right", "disproved"),
    [(100, 100, 3.49), (500, 500, 5.11), (1000, 1000, 5.81), (1000, 600, 0.30), (5000, 3000, 0.36), (1000, 500, 0.0)],
)
def test_what_is_disproved_is_as_published(canaries: int, right: int, disproved: float) -> None:
    assert OneRun(canaries, canaries, right).disproved(1e-6) == pytest.approx(disproved, abs=0.02)


def test_guessing_disproves_hardly_ever_anything() -> None:
    rng = np.random.default_rng(1)
    found = [audit_one_run(rng.random(300), rng.random(300) < 0.5).disproved(1e-6) for _ in range(200)]
    assert np.mean(np.array(found) > 0) <= float(binom.ppf(0.999, 200, 0.05)) / 200


def test_many_attackers_need_more_right_guesses() -> None:
    assert OneRun(400, 80, 60).disproved(1e-6) > OneRun(400, 80, 60, tried=5).disproved(1e-6) > 0
    assert OneRun(400, 80, 60).disproved(1e-6) > OneRun(400, 80, 60).disproved(1e-3)


def crowd(url: DatabaseUrl, there: npt.NDArray[np.bool_]) -> None:
    """Others, and those canaries who are there; each of them has a label and rows of its own."""
    labels = [f"label {i}" for i in range(CANARIES)]
    listed = ", ".join(f"'{label}'" for label in labels)
    rng = np.random.default_rng(8)
    with psycopg.connect(url.secret) as connection:
        connection.execute(
            f"CREATE TYPE mark AS ENUM ('common', {listed});"
            "CREATE TABLE person (person_id integer PRIMARY KEY, mark mark NOT NULL);"
            "CREATE TABLE visit (visit_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " person_id integer NOT NULL REFERENCES person, mark mark NOT NULL);".encode()
        )
        marks = ["common"] * OTHERS + [label for label, kept in zip(labels, there.tolist(), strict=True) if kept]
        order = rng.permutation(len(marks)).tolist()
        with connection.cursor().copy("COPY person FROM STDIN") as copy:
            for number, i in enumerate(order):
                copy.write_row((number, marks[i]))
        with connection.cursor().copy("COPY visit (person_id, mark) FROM STDIN") as copy:
            for number, i in enumerate(order):
                for _ in range(ROWS if marks[i] != "common" else 1):
                    copy.write_row((number, marks[i]))


@pytest.fixture(scope="module")
def there() -> npt.NDArray[np.bool_]:
    """By which coins canaries are there."""
    return np.random.default_rng(4).random(CANARIES) < 0.5


@pytest.fixture(scope="module")
def canaries(server: Server, there: npt.NDArray[np.bool_]) -> Iterator[DatabaseUrl]:
    url = server.create()
    crowd(url, there)
    yield url
    server.drop(url)


def sureness(fitted: FittedReplica) -> npt.NDArray[np.float64]:
    """How sure somebody is of each canary who draws from the model as often as they like: how common its label is."""
    found = np.zeros(CANARIES)
    for made in sample(fitted, Settings(scale=40, workers=1)):
        for batch in made.batches:
            for label, count in Counter(batch.column("mark").to_pylist()).items():
                if label != "common":
                    found[int(label.removeprefix("label "))] += count / made.total
    return found


def test_one_run_does_not_disprove_the_claim(canaries: DatabaseUrl, there: npt.NDArray[np.bool_]) -> None:
    fitted = replica.learn(canaries, SETTINGS)
    assert fitted.privacy is not None
    run = audit_one_run(sureness(fitted), there)
    assert run.guesses == CANARIES / 5
    assert run.disproved(DELTA) <= fitted.privacy.epsilon


def without_noise(n: int, variance: int) -> npt.NDArray[np.int64]:
    return np.zeros(n, np.int64) if variance else np.ones(n, np.int64)


def narrow(n: int, variance: int) -> npt.NDArray[np.int64]:
    """Noise of a sensitivity that is too small by far, as where rows are taken for subjects."""
    return np.round(np.random.default_rng(2).normal(0, np.sqrt(variance) / ROWS, n)).astype(np.int64)


@pytest.mark.parametrize("noise", [without_noise, narrow])
def test_one_run_finds_a_pipeline_whose_noise_is_too_small(
    canaries: DatabaseUrl,
    there: npt.NDArray[np.bool_],
    monkeypatch: pytest.MonkeyPatch,
    noise: Callable[[int, int], npt.NDArray[np.int64]],
) -> None:
    monkeypatch.setattr(meter, "discrete_gaussian", noise)
    run = audit_one_run(sureness(replica.learn(canaries, SETTINGS)), there)
    assert run.disproved(DELTA) > EPSILON
