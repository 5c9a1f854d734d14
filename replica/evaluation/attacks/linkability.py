"""Linkability: does the replica tell which two halves of what is known of people belong together?

Giomi et al. 2023 (Anonymeter), section 5.2. One half is the person's own row, the other what their rows in other tables
add up to; where there are no other tables, every second column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import Trial, judge
from replica.evaluation.attacks.neighbours import nearest
from replica.evaluation.attacks.scene import Scene

QUESTION = Question(
    "linkability",
    "Does the replica tell which person some records belong to that were kept apart?",
    "Somebody has two files about the same people, without names, and links them by the replica.",
)

_NEIGHBOURS = 5


def link(scene: Scene) -> tuple[AttackResult, ...]:
    """Looks each half up in the replica, and succeeds where both lead to the same person there."""
    halves = _halves(scene)
    if not all(halves):
        return (QUESTION.not_run("persons have too few columns to make two halves of"),)
    spaces = [scene.space.of(half) for half in halves]
    one, other = (
        nearest(space.original[scene.targets], space.synthetic[scene.copies], _NEIGHBOURS)[1] for space in spaces
    )
    linked = (one[:, :, None] == other[:, None, :]).any(axis=(1, 2)).astype(np.float64)
    guessing = min(1.0, one.shape[1] * other.shape[1] / len(scene.copies))
    trial = Trial(linked, scene.targets_learned, guessing, scene.searched, scene.note)
    return (judge(QUESTION, trial, scene.ground.rng("attacks", QUESTION.name)),)


def _halves(scene: Scene) -> tuple[Sequence[int], Sequence[int]]:
    """Numbers of the traits that each half has."""
    own = [i for i, trait in enumerate(scene.traits) if trait.table == scene.subject]
    others = [i for i, trait in enumerate(scene.traits) if trait.table != scene.subject]
    every = range(len(scene.traits))
    return (own, others) if own and others else (every[::2], every[1::2])
