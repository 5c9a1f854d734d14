"""Values of one person: does what nobody else has in a column come back in the replica?

Every name, comment or rare label that a single person has is a canary that nobody had to plant. Chance brings some of
them back too, and brings them back as often for persons who were not learned.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import Leak, Trial, judge
from replica.evaluation.attacks.fingerprints import Fingerprints
from replica.evaluation.attacks.scene import FEWEST_CONTROLS, Scene

Floats = npt.NDArray[np.float64]

QUESTION = Question(
    "copied values",
    "Do texts and labels that only one person has come back in the replica?",
    "Somebody knows a word, a number or a name that is one person's alone, and looks for it.",
)

_LEAK = Leak(0.1, "one in ten of the persons learned has all texts and labels of their own copied", 0.02)


def copied_values(scene: Scene) -> tuple[AttackResult, ...]:
    """Looks up, in every column of texts or labels, what a single person has; success is the share that comes back."""
    own, found = np.zeros(scene.persons), np.zeros(scene.persons)
    for table in scene.tables:
        for feature in scene.ground.features[table]:
            if (prints := _prints(scene, table, feature.name)) is not None:
                alone = prints.held_by() == 1
                own += _per_person(prints, alone, scene.persons)
                found += _per_person(prints, alone & np.isin(prints.original, prints.synthetic), scene.persons)
    some = own > 0
    learned = scene.learned_or_all[some]
    if min(learned.sum(), (~learned).sum()) < FEWEST_CONTROLS:
        return (QUESTION.not_run("too few persons have a text or label of their own"),)
    trial = Trial(found[some] / own[some], learned, None, note=f"{some.mean():.1%} of all persons have such a value")
    return (judge(QUESTION, trial, scene.ground.rng("attacks", QUESTION.name), _LEAK),)


def _prints(scene: Scene, table: str, column: str) -> Fingerprints | None:
    """The values of a column that are texts or labels, with their holders; null is nothing that one has."""
    sides = scene.ground.original[table], scene.ground.synthetic[table]
    codes = [rows.texts.get(column, rows.values[column]) for rows in sides]
    if codes[0].dtype != np.int32:
        return None
    there = np.flatnonzero(codes[0] >= 0)
    holders = sides[0].holders if sides[0].holders is not None else np.arange(len(sides[0]))
    return Fingerprints(codes[0][there].astype(np.uint64), holders[there], codes[1][codes[1] >= 0].astype(np.uint64))


def _per_person(prints: Fingerprints, which: npt.NDArray[np.bool_], persons: int) -> Floats:
    holders = prints.holders[which]
    return np.bincount(holders[holders < persons], minlength=persons).astype(np.float64)
