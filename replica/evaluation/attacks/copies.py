"""Copies: does the replica hold rows, or whole persons, as they stand in the original?

Rows are alike by chance too. Only what a single person of the original has is looked up in the replica, and both sides
say what chance would find of it. Let x and y be how many persons of the original and of the replica are expected to
have a thing. If the replica knows nobody, a thing is met once in the original and once in the replica with
x y exp(-x - y), and twice in one and never in the other with half of x^2 or y^2 in the place of x y. As
x y <= (x^2 + y^2) / 2, there is, for each thing that one person of either side has by chance, one that two persons of
the same side have, whatever the replica was made of. (Where both sides are alike, that is twice what two of the
original have: Good and Toulmin 1956, the first term.) Where people were kept out of learning, how often theirs are
found says it as well, and the larger of both counts.

Few persons say little of chance, even if no two of them have anything in common. But where no two agree in some half of
the columns either, nor in the other half, all columns agree by chance hardly ever, and four copies are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import stats

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import ERROR, decide, wilson
from replica.evaluation.attacks.fingerprints import (
    Columns,
    Fingerprints,
    Things,
    all_columns,
    families_of,
    halved,
    persons_of,
    rows_of,
)
from replica.evaluation.attacks.scene import Scene, share_read
from replica.evaluation.ground import Ground

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SHARE = 0.01
"""The copies that must be found: one person in a hundred."""

_MOST = 0.005
_HARDLY, _HALVINGS = 0.5, 3
_MOST_BY_CHANCE = 0.5

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
        is_rich: True where not even halves of such things are ever alike by chance.
        searched: share of the replica that was looked through: no more than that of the copies can be found.
    """

    persons: int
    with_own: int
    found: int
    background: float
    times: float
    share: float = SHARE
    is_rich: bool = False
    searched: float = 1.0

    @property
    def expected(self) -> float:
        """Persons of whom chance alone would find something."""
        return self.background * self.times

    @property
    def is_leak(self) -> bool:
        """True where chance does not explain what was found, and it is more than nearly nothing."""
        return self.p(self.found) < ERROR and self.found - self.expected > self.most

    @property
    def most(self) -> float:
        """Persons beyond chance who may be found."""
        return _MOST * self.searched * self.persons

    def p(self, found: int) -> float:
        """Probability of so many or more: of two counts, given their sum (Przyborowski and Wilenski 1940)."""
        if self.is_rich and not self.background:
            return float(stats.poisson.sf(found - 1, _HARDLY))
        return float(stats.binom.sf(found - 1, round(found + self.background), self.times / (1 + self.times)))

    @property
    def power(self) -> float:
        """Probability that copies of that share would be called a leak."""
        copied = int(self.share * self.searched * self.with_own)
        least = max(self.expected + self.most, 1.0)
        counts = np.arange(int(least), int(least) + 20 + int(20 * np.sqrt(least)))
        enough = next((int(n) for n in counts if n > least and self.p(int(n)) < ERROR), None)
        if enough is None:
            return 0.0
        return float(stats.poisson.sf(enough - copied - 1, self.expected)) if enough > copied else 1.0


def copied_rows(scene: Scene) -> tuple[AttackResult, ...]:
    """Looks up the rows of each table."""
    ground = _as_learned(scene)
    return tuple(
        as_result(ROWS, table, _worst(scene, (table,), partial(rows_of, ground, table))) for table in scene.tables
    )


def copied_subjects(scene: Scene) -> tuple[AttackResult, ...]:
    """Looks up persons with all their rows, and all rows that a person has in one table."""
    ground, subject = _as_learned(scene), scene.subject
    whole = _worst(scene, scene.tables, partial(persons_of, ground, subject))
    families = {
        table: _worst(scene, (table,), partial(families_of, ground, subject, table)) for table in scene.tables[1:]
    }
    found: list[tuple[str | None, Found]] = [(None, whole), *families.items()]
    return tuple(as_result(PERSONS, table, one) for table, one in found)


def _as_learned(scene: Scene) -> Ground:
    return replace(scene.ground, original=scene.as_learned)


def _worst(scene: Scene, tables: tuple[str, ...], way: Callable[[Columns], Fingerprints]) -> Found:
    """Looks with and without texts, which are made anew even where the rest is not.

    Returns:
        where copies are found, or would have been.
    """
    rng = scene.ground.rng("attacks", "copies", *tables)
    searched = min(share_read(scene.ground.synthetic[table]) for table in tables)
    found = []
    for texts in (False, True):
        columns = all_columns(scene.ground, tables, texts)
        rich = all(way(half).original.all_differ for _ in range(_HALVINGS) for half in halved(columns, rng))
        found.append(replace(look_up(way(columns), scene), is_rich=rich, searched=searched))
    return max(found, key=lambda one: (one.is_leak, one.power, one.found - one.expected))


def look_up(prints: Fingerprints, scene: Scene) -> Found:
    """Counts persons who have something of their own that is in the replica."""
    learned, things, copies = scene.learned_or_all, prints.original, prints.synthetic
    held, persons = things.held_by(), len(scene.ground.synthetic[scene.subject])
    alone, there = held == 1, things.are_in(copies)
    own, found = (_persons(things.holders[which], scene.persons) for which in (alone, alone & there))
    # What the original has is no chance, however often it stands in the replica.
    new = (copies.held_by() > 1) & ~copies.are_in(things)
    larger = persons / scene.persons
    background = _shared(things, held == 2, scene.persons) + _shared(copies, new, persons) / larger**2
    times = larger * float(learned.mean())
    others = int(found[~learned].sum())
    # If most of those who were not learned are found, they were copied too.
    by_chance = 0 < others < _MOST_BY_CHANCE * own[~learned].sum()
    if by_chance and others * learned.sum() / (~learned).sum() > background * times:
        background, times = float(others), float(learned.sum() / (~learned).sum())
    return Found(int(learned.sum()), int(own[learned].sum()), int(found[learned].sum()), background, times)


def _shared(things: Things, which: Bools, persons: int) -> int:
    """Counts different things, as far as persons have them."""
    return len(np.unique(things.marks[which & (things.holders < persons)]))


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
