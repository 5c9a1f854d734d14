"""Values of one person: does what nobody else has in a column come back in the replica?

Every name, comment or rare label that a single person has is a canary that nobody had to plant. Chance brings some of
them back too, and brings them back as often for persons who were not learned.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import Leak, Trial, judge
from replica.evaluation.attacks.fingerprints import Things
from replica.evaluation.attacks.scene import FEWEST_CONTROLS, Scene
from replica.evaluation.ground import Rows

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
            values, copies = (
                _values(side[table], feature.name) for side in (scene.ground.original, scene.ground.synthetic)
            )
            alone = values.held_by() == 1
            own += _per_person(values, alone, scene.persons)
            found += _per_person(values, alone & values.are_in(copies), scene.persons)
    some = own > 0
    learned = scene.learned_or_all[some]
    if min(learned.sum(), (~learned).sum()) < FEWEST_CONTROLS:
        return (QUESTION.not_run("too few persons have a text or label of their own"),)
    trial = Trial(found[some] / own[some], learned, None, note=f"{some.mean():.1%} of all persons have such a value")
    return (judge(QUESTION, trial, scene.ground.rng("attacks", QUESTION.name), _LEAK),)


def _values(rows: Rows, column: str) -> Things:
    """The texts or labels of a column, none where it holds something else; null is nothing that one has."""
    codes = rows.texts.get(column, rows.values[column])
    there = np.flatnonzero(codes >= 0) if codes.dtype == np.int32 else np.arange(0)
    holders = rows.holders if rows.holders is not None else np.arange(len(rows))
    return Things(codes[there].astype(np.uint64), holders[there])


def _per_person(values: Things, which: npt.NDArray[np.bool_], persons: int) -> Floats:
    holders = values.holders[which]
    return np.bincount(holders[holders < persons], minlength=persons).astype(np.float64)
