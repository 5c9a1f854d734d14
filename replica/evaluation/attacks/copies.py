"""Copies: does the replica hold rows, or whole persons, as they stand in the original?

Rows are alike by chance too. Only what a single person of the original has is looked up in the replica, and what chance
would find of it is known from the original: in as many fresh persons, the expected number of things met again that one
person has is at most twice the number of things that exactly two have (Good and Toulmin 1956, the first term). Where
people were kept out of learning, how often theirs are found says it as well, and the larger of both counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import decide, wilson
from replica.evaluation.attacks.fingerprints import Fingerprints, families_of, persons_of, rows_of
from replica.evaluation.attacks.scene import Scene
from replica.evaluation.ground import Ground

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SHARE = 0.01
"""The copies that must be found: one person in a hundred."""

_ERROR = 0.025
_MOST = 0.005

ROWS = Question(
    "copied rows",
    "Does the replica hold rows of the original that only one person has?",
    "Somebody who knows a person finds one of their rows in the replica, word for word.",
)
PERSONS = Question(
    "copied subjects",
    "Does the replica hold whole persons of the original, or all rows that a person has in a table?",
    "Somebody finds a person in the replica with everything that belongs to them.",
)


@dataclass(frozen=True)
class Found:
    """What was found of things that one person alone has.

    Attributes:
        persons: persons who were learned.
        with_own: those of them who have something that nobody else has.
        found: those of them of whom such a thing was found in the replica.
        background: how many times chance was seen at work.
        times: how many persons chance would find for each of these.
        share: of the members, copied: the leak that must be found.
    """

    persons: int
    with_own: int
    found: int
    background: float
    times: float
    share: float = SHARE

    @property
    def expected(self) -> float:
        """Persons of whom chance alone would find something."""
        return self.background * self.times

    @property
    def is_leak(self) -> bool:
        """True where chance does not explain what was found, and it is more than nearly nothing."""
        return self.p(self.found) < _ERROR and self.found - self.expected > _MOST * self.persons

    def p(self, found: int) -> float:
        """Probability of so many or more: of two counts, given their sum (Przyborowski and Wilenski 1940)."""
        return float(stats.binom.sf(found - 1, round(found + self.background), self.times / (1 + self.times)))

    @property
    def power(self) -> float:
        """Probability that copies of that share would be called a leak."""
        copied = int(self.share * self.with_own)
        least = max(self.expected + _MOST * self.persons, 1.0)
        counts = np.arange(int(least), int(least) + 20 + int(20 * np.sqrt(least)))
        enough = next((int(n) for n in counts if n > least and self.p(int(n)) < _ERROR), None)
        if enough is None:
            return 0.0
        return float(stats.poisson.sf(enough - copied - 1, self.expected)) if enough > copied else 1.0


def copied_rows(scene: Scene) -> tuple[AttackResult, ...]:
    """Looks each table's rows up; with and without texts, since texts are made anew even where the rest is not."""
    ground = _as_learned(scene)
    return tuple(
        as_result(ROWS, table, _worst(scene, [rows_of(ground, table, texts) for texts in (False, True)]))
        for table in scene.tables
    )


def copied_subjects(scene: Scene) -> tuple[AttackResult, ...]:
    """Looks up persons with all their rows, and all rows that a person has in one table."""
    ground, subject = _as_learned(scene), scene.subject
    whole = [persons_of(ground, subject, scene.tables, texts) for texts in (False, True)]
    found = [as_result(PERSONS, None, _worst(scene, whole))]
    for table in scene.tables[1:]:
        ways = [families_of(ground, subject, table, texts) for texts in (False, True)]
        found.append(as_result(PERSONS, table, _worst(scene, ways)))
    return tuple(found)


def _as_learned(scene: Scene) -> Ground:
    return replace(scene.ground, original=scene.as_learned)


def _worst(scene: Scene, ways: Iterable[Fingerprints]) -> Found:
    """The way of looking that finds most beyond chance; where none finds anything, the one that would have."""
    found = [look_up(way, scene) for way in ways]
    return max(found, key=lambda one: (one.is_leak, one.power, one.found - one.expected))


def look_up(prints: Fingerprints, scene: Scene) -> Found:
    """Counts persons who have something of their own that is in the replica."""
    learned = scene.learned_or_all
    there = np.isin(prints.original, prints.synthetic)
    held = prints.held_by()
    own, found, shared = (
        _persons(prints.holders[which], scene.persons) for which in (held == 1, (held == 1) & there, held == 2)
    )
    copies = len(scene.ground.synthetic[scene.subject])
    # Of the things that two have, each person has half.
    background, times = float(shared.sum()) / 2, 2 * copies / scene.persons * learned.mean()
    others = int(found[~learned].sum())
    if others and others * learned.sum() / (~learned).sum() > background * times:
        background, times = float(others), float(learned.sum() / (~learned).sum())
    return Found(int(learned.sum()), int(own[learned].sum()), int(found[learned].sum()), background, times)


def _persons(holders: Ints, persons: int) -> Bools:
    """Which persons are among the holders."""
    return np.bincount(holders[holders < persons], minlength=persons) > 0


def as_result(question: Question, table: str | None, found: Found) -> AttackResult:
    """Says what follows from what was found."""
    rate, reach = wilson(found.found, found.persons)
    return replace(
        question.not_run(table=table),
        figure=found.found / max(1, found.persons),
        low=max(0.0, rate - reach),
        high=min(1.0, rate + reach),
        baseline=found.expected / max(1, found.persons),
        power=found.power,
        detectable=f"{found.share:.0%} of the persons learned are copied",
        n=found.persons,
        verdict=decide(leaks=found.is_leak, beats_guessing=True, power=found.power),
        note=f"{found.found:,} persons found, {found.expected:,.1f} expected by chance",
    )
