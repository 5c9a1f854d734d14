"""Distances to the closest record: reported because many ask for them, and never a reason to trust a replica.

Replicas that pass such tests can be wide open to the other attacks (Yao et al. 2025, "The DCR delusion").
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import wilson
from replica.evaluation.attacks.neighbours import nearest
from replica.evaluation.attacks.scene import Scene

QUESTION = Question(
    "distance to closest record",
    "Are the replica's persons nearer to those learned than to others?",
    "None of its own: a measure that is often asked for.",
)


def measure(scene: Scene) -> tuple[AttackResult, ...]:
    """Share of the replica's persons who are nearer to somebody learned than to as many who were not."""
    rng = scene.ground.rng("attacks", QUESTION.name)
    learned = scene.targets_learned
    n = int(min(learned.sum(), (~learned).sum()))
    kinds = (rng.permutation(scene.targets[kind])[:n] for kind in (learned, ~learned))
    original = scene.space.original
    copies = scene.space.synthetic[rng.permutation(scene.copies)[: 2 * n]]
    (members, _), (others, _) = (nearest(copies, original[kind], 2) for kind in kinds)
    nearer = float(np.sum(members[:, 0] < others[:, 0]) + 0.5 * np.sum(members[:, 0] == others[:, 0]))
    share, reach = wilson(nearer, len(copies))
    ratio = np.median(members[:, 0] / np.maximum(members[:, 1], 1e-9))
    return (
        replace(
            QUESTION.not_run(),
            figure=nearer / len(copies),
            low=share - reach,
            high=share + reach,
            baseline=0.5,
            n=len(copies),
            verdict="inconclusive",
            note=f"reported only: it proves nothing; median ratio of the nearest to the next is {ratio:.2f}",
        ),
    )
