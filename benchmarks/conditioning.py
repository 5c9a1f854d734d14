"""What rebalancing is good for: a classifier of a rare class that learns from a replica with more of it.

People of the adult table who earn much are made rare: of one half of the people four in five of them are left out. A
classifier learns who earns much from that half, from its replica, and from its replica with ``--rebalance``, and is
asked about the other half, thinned alike. What can be had without a replica, heavier weights for the rare class, stands
beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psycopg
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, f1_score, recall_score

from benchmarks.workplace import Workplace, seconds
from replica import FittedReplica, Settings, learn, write
from replica.databases.url import DatabaseUrl

ADULT = Path(os.environ.get("REPLICA_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "adult"
SHARES = (0.15, 0.3)
_TURNS = 3
_THINNED = "income = '>50K' AND (id / 2) % 5 <> 0"
_NAMES = "age, workclass, education, marital_status, occupation, relationship, race, sex, capital_gain, capital_loss,"
_QUERY = f"SELECT {_NAMES} hours_per_week, native_country, income = '>50K' FROM persons ORDER BY id"

Frame = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]
Figures = dict[str, list[float]]


def conditioning(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures recall, F1 and average precision of the rare class, by what was learned from."""
    place.execute((ADULT / "schema.sql").read_text(encoding="utf8"))
    load = "COPY persons FROM STDIN (FORMAT csv, HEADER true)"
    with psycopg.connect(place.url.secret) as connection, connection.cursor().copy(load) as copy:
        copy.write((ADULT / "persons.csv").read_bytes())
    place.execute(f"DELETE FROM persons WHERE {_THINNED}")
    everybody, other = _frame(place.url), "id % 2 <> 0"
    with psycopg.connect(place.url.secret) as connection:
        asked = np.array([is_other for (is_other,) in connection.execute(f"SELECT {other} FROM persons ORDER BY id")])
    test = (everybody[0][asked], everybody[1][asked])
    place.execute(f"DELETE FROM persons WHERE {other}")
    learned: list[FittedReplica] = []
    yield "learned", [seconds(lambda: learned.append(learn(place.url, Settings(workers=1))))], "s"
    yield from _named("the original", [_scores(_frame(place.url), test)])
    yield from _named("the original, classes weighted", [_scores(_frame(place.url), test, weighted=True)])
    for share in (None, *SHARES):
        wishes = {} if share is None else {"persons.income:>50K": share}
        turns = [_of_replica(place, learned[0], wishes, seed, test) for seed in range(_TURNS)]
        yield from _named("a replica" if share is None else f"a replica, rebalanced to {share:g}", turns)


def _of_replica(
    place: Workplace, learned: FittedReplica, wishes: dict[str, float], seed: int, test: Frame
) -> dict[str, float]:
    write(learned, place.target, Settings(seed=seed, rebalance=wishes, replace=True, workers=1))
    return _scores(_frame(place.target), test)


def _named(name: str, turns: list[dict[str, float]]) -> Iterator[tuple[str, list[float], str]]:
    for figure in turns[0]:
        yield f"{name}: {figure}", [turn[figure] for turn in turns], ""


def _scores(train: Frame, test: Frame, *, weighted: bool = False) -> dict[str, float]:
    model = HistGradientBoostingClassifier(class_weight="balanced" if weighted else None, random_state=0)
    chance = model.fit(*train).predict_proba(test[0])[:, 1]
    return {
        "recall": float(recall_score(test[1], chance > 0.5)),
        "F1": float(f1_score(test[1], chance > 0.5)),
        "average precision": float(average_precision_score(test[1], chance)),
    }


def _frame(url: DatabaseUrl) -> Frame:
    """Reads the columns as numbers, those of texts the same in every database."""
    with psycopg.connect(url.secret) as connection:
        *columns, rare = zip(*connection.execute(_QUERY.encode()).fetchall(), strict=True)
    return np.stack([[_number(value) for value in column] for column in columns], axis=1), np.array(rare)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) else float(_NUMBERS.setdefault(value, len(_NUMBERS)))


_NUMBERS: dict[object, int] = {}
