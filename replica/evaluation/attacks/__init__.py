"""Attacks: what somebody who holds the replica could find out about the people of the original.

Each is a file with a function from a :class:`~replica.evaluation.attacks.scene.Scene` to results, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from replica.evaluation.attacks import (
    attributes,
    distances,
    inference,
    linkability,
    membership,
    scoreboard,
    singling_out,
    uniqueness,
    values,
)
from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.copies import PERSONS, ROWS, copied_rows, copied_subjects
from replica.evaluation.attacks.scene import Scene


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack.

    Attributes:
        asks: what it asks.
        run: tries it.
        needs_controls: False where it can also be tried if nobody was kept out of learning.
    """

    asks: Question
    run: Callable[[Scene], tuple[AttackResult, ...]]
    needs_controls: bool = True


ATTACKS: Final[Mapping[str, Attack]] = {
    attack.asks.name: attack
    for attack in (
        Attack(ROWS, copied_rows, needs_controls=False),
        Attack(PERSONS, copied_subjects, needs_controls=False),
        Attack(values.QUESTION, values.copied_values),
        Attack(membership.ALL, membership.tell_members),
        Attack(singling_out.QUESTION, singling_out.single_out),
        Attack(linkability.QUESTION, linkability.link),
        Attack(inference.QUESTION, inference.infer),
        Attack(attributes.QUESTION, attributes.predict),
        Attack(uniqueness.QUESTION, uniqueness.single_out_by_few, needs_controls=False),
        Attack(scoreboard.QUESTION, scoreboard.find_by_rows),
        Attack(distances.QUESTION, distances.measure),
    )
}
"""Attacks by name, the most trustworthy first."""
