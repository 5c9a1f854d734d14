"""The scoreboard: a few rows that are known of somebody, roughly, find all the others.

Narayanan and Shmatikov 2008, "Robust de-anonymization of large sparse datasets", section 4, who found persons in the
Netflix data by a handful of films. A person of the replica scores for each known item it has too: more for rare items,
for a rating and a day that are near. Somebody is taken for found where the best score stands out, by 1.5 standard
deviations as in the paper and by more than it does for nineteen of twenty sets of rows that are nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import Trial, judge
from replica.evaluation.attacks.scene import FEWEST_CONTROLS, Scene
from replica.evaluation.ground import Feature, Rows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

QUESTION = Question(
    "scoreboard",
    "Do a few rows that are roughly known of a person find one person of the replica who stands out?",
    "Somebody knows up to eight of a person's rows, two of them wrong, days off by two weeks, and looks for the rest.",
)

_FEWEST, _MOST = 4, 8
_WRONG, _DAYS_OFF = 0.25, 14.0
_RATING, _DAYS, _ECCENTRIC = 1.5, 30.0, 1.5
_GUESSES, _BY_CHANCE, _WORK = 400, 0.05, 2e8
_DAY = {"date": 1.0, "timestamp": 86_400e6, "timestamptz": 86_400e6}


@dataclass(frozen=True)
class _Board:
    """Rows of a table as the scoreboard sees them, by item and person.

    Attributes:
        item: number of what a row is about, -1 for nothing.
        rating: how much, in standard deviations; 0 where there is nothing of the kind.
        day: when; 0 likewise.
        person: whose it is.
    """

    item: Ints
    rating: Floats
    day: Floats
    person: Ints

    def at(self, rows: Ints) -> _Board:
        """Returns some of the rows."""
        return _Board(self.item[rows], self.rating[rows], self.day[rows], self.person[rows])


def find_by_rows(scene: Scene) -> tuple[AttackResult, ...]:
    """Tries every table with a column that says what a row is about."""
    found = [
        replace(_attack(scene, table, item), table=table)
        for table in scene.tables[1:]
        if (item := _item(scene, table)) is not None
    ]
    return tuple(found) or (QUESTION.not_run("no table of persons' rows has a column that says what a row is about"),)


def _item(scene: Scene, table: str) -> Feature | None:
    categories = [
        feature for feature in scene.ground.features[table] if feature.is_category and len(feature.labels) > 2
    ]
    return max(categories, key=lambda feature: len(feature.labels), default=None)


def _attack(scene: Scene, table: str, item: Feature) -> AttackResult:
    rng = scene.ground.rng("attacks", QUESTION.name, table)
    known, copies = _boards(scene, table, item)
    score = _Scorer(copies, len(scene.ground.synthetic[scene.subject]))
    targets = _targets(scene, known, score, rng)
    learned = scene.learned_or_all[targets]
    if min(learned.sum(), (~learned).sum()) < FEWEST_CONTROLS:
        return QUESTION.not_run(f"too few persons have {_FEWEST} rows or more")
    order = np.argsort(known.person, kind="stable")
    starts = np.searchsorted(known.person[order], targets)
    ends = np.searchsorted(known.person[order], targets, side="right")
    found = [
        score.eccentricity(_blurred(known.at(rng.permutation(order[start:end])[:_MOST]), copies, rng))
        for start, end in zip(starts, ends, strict=True)
    ]
    # Nobody's rows, each of somebody else, show how often somebody stands out by chance.
    nobody = [
        score.eccentricity(_blurred(copies.at(rng.integers(0, len(copies.item), _MOST)), copies, rng))
        for _ in range(_GUESSES)
    ]
    bar = max(_ECCENTRIC, float(np.quantile(nobody, 1 - _BY_CHANCE)))
    hits = (np.array(found) > bar).astype(np.float64)
    note = f"{len(targets):,} persons were attacked"
    return judge(QUESTION, Trial(hits, learned, None, note=note), rng)


def _targets(scene: Scene, known: _Board, score: _Scorer, rng: np.random.Generator) -> Ints:
    """Persons with enough rows, as many as can be tried."""
    counts = np.bincount(known.person, minlength=scene.persons)
    able = scene.targets[counts[scene.targets] >= _FEWEST]
    most = int(np.clip(_WORK / (_MOST * max(score.rows_per_item, 1.0)), 200, len(scene.targets)))
    kinds = scene.learned_or_all[able]
    parts = (rng.permutation(able[kind])[: most // 2] for kind in (kinds, ~kinds))
    return np.sort(np.concatenate(list(parts)))


def _boards(scene: Scene, table: str, item: Feature) -> tuple[_Board, _Board]:
    """The rows of both sides."""
    features = scene.ground.features[table]
    columns = scene.ground.plan.by_id[table].table.by_name
    rating = next((feature.name for feature in features if feature.what == "number"), None)
    day = next((feature.name for feature in features if columns[feature.name].type.family in _DAY), None)
    unit = _DAY[columns[day].type.family] if day else 1.0
    sides = scene.ground.original, scene.ground.synthetic
    spread = float(np.nanstd(sides[1][table].values[rating])) if rating and len(sides[1][table]) else 1.0
    one, other = (
        _board(
            side[table],
            len(side[scene.subject]),
            item.name,
            side[table].values[rating] / (spread or 1.0) if rating else None,
            side[table].values[day] / unit if day else None,
        )
        for side in sides
    )
    return one, other


def _board(rows: Rows, persons: int, item: str, rating: Floats | None, day: Floats | None) -> _Board:
    holders = rows.holders if rows.holders is not None else np.full(len(rows), persons)
    items = rows.values[item].astype(np.int64)
    there = np.flatnonzero((holders < persons) & (items >= 0))
    nothing = np.zeros(len(rows))
    rating, day = (nothing if values is None else np.nan_to_num(values) for values in (rating, day))
    return _Board(items, rating, day, holders).at(there)


def _blurred(rows: _Board, copies: _Board, rng: np.random.Generator) -> _Board:
    """What an attacker would know of rows: days are off, and some are of something else."""
    wrong = rng.random(len(rows.item)) < _WRONG
    items = np.where(wrong, rng.choice(copies.item, len(rows.item)), rows.item)
    return replace(rows, item=items, day=rows.day + rng.uniform(-_DAYS_OFF, _DAYS_OFF, len(rows.item)))


class _Scorer:
    """Scores the persons of the replica.

    Args:
        copies: their rows.
        persons: how many they are.
    """

    def __init__(self, copies: _Board, persons: int) -> None:
        order = np.lexsort([copies.person, copies.item])
        self._rows, self._persons = copies.at(order), persons
        self._items = int(copies.item.max(initial=-1)) + 1
        self._starts = np.searchsorted(self._rows.item, np.arange(self._items + 1))
        self.rows_per_item = len(order) / max(1, len(np.unique(copies.item)))

    def eccentricity(self, known: _Board) -> float:
        """By how many standard deviations of all scores the best stands above the next."""
        found = [
            self._points(int(item), float(rating), float(day))
            for item, rating, day in zip(known.item, known.rating, known.day, strict=True)
            if item < self._items
        ]
        persons, at = np.unique(
            np.concatenate([who for who, _ in found] or [np.zeros(0, np.int64)]), return_inverse=True
        )
        if self._persons < 2 or not len(persons):
            return 0.0
        scores = np.bincount(at, weights=np.concatenate([points for _, points in found]))
        # Those who have none of the items score nothing.
        variance = (scores**2).sum() / self._persons - (scores.sum() / self._persons) ** 2
        second, first = np.partition(np.r_[0.0, scores], -2)[-2:]
        return float((first - second) / np.sqrt(variance)) if variance > 0 else 0.0

    def _points(self, item: int, rating: float, day: float) -> tuple[Ints, Floats]:
        """The persons who have an item, and what each gets for the row of it that is nearest."""
        start, end = self._starts[item], self._starts[item + 1]
        persons = self._rows.person[start:end]
        if not len(persons):
            return persons, np.zeros(0)
        near = np.exp(-np.abs(self._rows.rating[start:end] - rating) / _RATING)
        near += np.exp(-np.abs(self._rows.day[start:end] - day) / _DAYS)
        first = np.flatnonzero(np.r_[True, persons[1:] != persons[:-1]])
        best: Floats = np.maximum.reduceat(near, first)
        return persons[first], best / np.log(max(2, len(first)))
