"""Attacks: what somebody who holds the replica could find out about the people of the original.

Each is a file with a function from a :class:`~replica.evaluation.attacks.scene.Scene` to results, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

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
    )
}
"""Attacks by name, the most trustworthy first."""
