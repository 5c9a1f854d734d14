"""What attacks are given: both databases, the persons, and who of them was learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.people import Space, Trait, space_of, traits_of
from replica.evaluation.ground import Ground, Rows, Side
from replica.planning.decisions import Plan

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MOST_TARGETS = 1000
"""Persons of each kind, learned or not, that an attack is tried on at most."""

MOST_COPIES = 50_000
"""Persons of the replica that an attacker searches at most."""

FEWEST_CONTROLS = 10
"""With fewer persons who were not learned there is nothing to compare with."""


@dataclass(frozen=True)
class Scene:
    """Where an attack takes place.

    Attributes:
        ground: both databases.
        subject: id of the table of persons.
        tables: ids of the tables whose rows belong to persons, the persons' own first.
        learned: which persons of the original were learned; None where that is not known.
        as_learned: the original's rows, those that a person has and that were kept out of learning being nobody's.
    """

    ground: Ground
    subject: str
    tables: tuple[str, ...]
    learned: Bools | None
    as_learned: Side

    @property
    def persons(self) -> int:
        """Persons of the original."""
        return len(self.ground.original[self.subject])

    @property
    def learned_or_all(self) -> Bools:
        """Which persons were learned; all of them where it is not known."""
        return self.learned if self.learned is not None else np.ones(self.persons, dtype=bool)

    @cached_property
    def traits(self) -> tuple[Trait, ...]:
        """What can be said of each person."""
        return traits_of(self.ground, self.subject, self.tables)

    @cached_property
    def space(self) -> Space:
        """The persons as points, by all their traits; there must be one."""
        return space_of(self.traits)

    @cached_property
    def targets(self) -> Ints:
        """The persons who are attacked: all of them, or as many as can be."""
        if self.learned is None:
            return np.arange(0)
        rng = self.ground.rng("attacks", "targets")
        kinds = (np.flatnonzero(self.learned), np.flatnonzero(~self.learned))
        return np.sort(np.concatenate([_some(kind, MOST_TARGETS, rng) for kind in kinds]))

    @cached_property
    def copies(self) -> Ints:
        """The persons of the replica among whom the attacker searches."""
        persons = np.arange(len(self.ground.synthetic[self.subject]))
        return _some(persons, MOST_COPIES, self.ground.rng("attacks", "copies"))

    @property
    def targets_learned(self) -> Bools:
        """Which of the targets were learned."""
        return self.learned_or_all[self.targets]

    @property
    def searched(self) -> float:
        """Share of the replica's persons that the attacker searches."""
        return len(self.copies) / self.ground.synthetic[self.subject].total

    @property
    def note(self) -> str:
        """What is left out because there is too much of it; nothing otherwise."""
        left = []
        persons, copies = (side[self.subject].total for side in (self.ground.original, self.ground.synthetic))
        if self.learned is not None and len(self.targets) < persons:
            left.append(f"{len(self.targets):,} of {persons:,} persons were attacked")
        if len(self.copies) < copies:
            left.append(f"{len(self.copies):,} of {copies:,} persons of the replica were searched")
        return "; ".join(left)


def share_read(rows: Rows) -> float:
    """Returns the share of a table that was read: of huge ones only some families are."""
    return len(rows) / max(1, rows.total)


def _some(numbers: Ints, most: int, rng: np.random.Generator) -> Ints:
    return np.sort(rng.permutation(numbers)[:most]) if len(numbers) > most else numbers


def open_scene(ground: Ground, controls: Mapping[str, Bools] | None) -> Scene | None:
    """Finds the persons that the data are about; None where there are none.

    Args:
        ground: both databases.
        controls: which rows of the original were kept out of learning, by table, that of the persons first; None or
            empty where that is not known.
    """
    subject = next(iter(controls)) if controls else subject_of(ground.plan)
    if subject is None or not len(ground.original[subject]) or not len(ground.synthetic[subject]):
        return None
    tables = tuple(name for name in tables_of(ground.plan, subject) if len(ground.original[name]))
    if not controls:
        return Scene(ground, subject, tables, None, ground.original)
    learned = ~controls[subject]
    return Scene(ground, subject, tables, learned, _of_those_learned(ground, tables, learned, controls))


def _of_those_learned(
    ground: Ground, tables: tuple[str, ...], learned: Bools, controls: Mapping[str, Bools]
) -> dict[str, Rows]:
    """The original without rows that were kept out since they lead to others too, as a row of two persons does."""
    found = dict(ground.original)
    for table in tables[1:]:
        rows = found[table]
        if rows.holders is None or table not in controls:
            continue
        theirs = (rows.holders < len(learned)) & learned[np.minimum(rows.holders, len(learned) - 1)]
        nobody = len(learned) + np.arange(len(rows))
        found[table] = replace(rows, holders=np.where(theirs & controls[table], nobody, rows.holders))
    return found


def subject_of(plan: Plan) -> str | None:
    """Returns the table of persons; of several the one that most tables belong to."""
    subjects = [table.id for table in plan.tables if table.role == "subject"]
    return max(subjects, key=lambda name: (len(tables_of(plan, name)), name), default=None)


def tables_of(plan: Plan, subject: str) -> tuple[str, ...]:
    """Returns the tables whose rows belong to persons of a table, that table first."""
    below = (table.id for table in plan.tables if table.holder_path and table.holder_path[-1].parent == subject)
    return (subject, *below)
