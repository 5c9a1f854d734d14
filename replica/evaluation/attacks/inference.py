"""Inference: somebody who knows all of a person but one thing looks the person up in the replica to learn it.

Giomi et al. 2023 (Anonymeter), section 5.3: the guess is what the nearest person of the replica has. Every column of
the persons' own row is the secret once. A number counts as guessed where it lies within a twentieth of all persons.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import Leak, Trial, judge
from replica.evaluation.attacks.neighbours import nearest
from replica.evaluation.attacks.people import Space, Trait
from replica.evaluation.attacks.scene import Scene
from replica.evaluation.ground import Values

Floats = npt.NDArray[np.float64]

QUESTION = Question(
    "inference",
    "Does the replica tell something of a person that the attacker did not know?",
    "Somebody who knows all of a person but one property reads it off the person of the replica who is most alike.",
)

_MOST_SECRETS, _NEAR = 8, 0.025


def infer(scene: Scene) -> tuple[AttackResult, ...]:
    """Guesses one column after the other from the nearest person of the replica."""
    secrets = secrets_of(scene)
    if len(scene.traits) < 2:
        return (QUESTION.not_run("persons have too few columns"),)
    rng = scene.ground.rng("attacks", QUESTION.name)
    successes, guesses = [], []
    for secret in secrets:
        space = without(scene, secret)
        found = nearest(space.original[scene.targets], space.synthetic[scene.copies], 1)[1][:, 0]
        values = secret.synthetic[scene.copies]
        truth = secret.original[scene.targets]
        successes.append(_same(secret, values[found], truth))
        guesses.append(_same(secret, rng.choice(values, len(truth)), truth).mean())
    trial = Trial(
        np.mean(successes, axis=0), scene.targets_learned, float(np.mean(guesses)), scene.searched, scene.note
    )
    return (judge(QUESTION, trial, rng, Leak(most=0.02)),)


def without(scene: Scene, secret: Trait) -> Space:
    """Returns the persons by all that the attacker knows."""
    return scene.space.of([i for i, trait in enumerate(scene.traits) if trait is not secret])


def secrets_of(scene: Scene) -> tuple[Trait, ...]:
    """Returns what an attacker wants to know: the persons' own columns, as far as they vary; else all there is."""
    own = [trait for trait in scene.traits if trait.table == scene.subject]
    varied = [trait for trait in own or scene.traits if len(np.unique(trait.synthetic)) > 1]
    return tuple(varied[:_MOST_SECRETS])


def _same(secret: Trait, guessed: Values, truth: Values) -> Floats:
    if secret.what == "category":
        return np.asarray(guessed == truth, dtype=np.float64)
    known = np.sort(secret.synthetic[~np.isnan(secret.synthetic)])
    one, other = (np.searchsorted(known, values) / max(1, len(known)) for values in (guessed, truth))
    nulls = np.isnan(guessed).astype(np.int64) + np.isnan(truth)
    same: Floats = np.where(nulls > 0, nulls == 2, np.abs(one - other) <= _NEAR).astype(np.float64)
    return same
