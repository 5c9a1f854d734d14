"""Attribute inference: a model trained on the replica predicts what the attacker wants to know.

What can be predicted of those who were not learned is no leak: it is what the replica is for. What counts is how much
better the model is on those who were, and above all where the answer is rare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import Leak, Trial, judge
from replica.evaluation.attacks.inference import secrets_of, without
from replica.evaluation.attacks.people import Trait
from replica.evaluation.attacks.scene import Scene
from replica.evaluation.coding import pair_bins
from replica.evaluation.ground import Feature

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_WHO = "Somebody who knows the rest of a person trains a model on the replica to predict a property that is secret."
QUESTION = Question(
    "attribute inference", "Does a model trained on the replica know those learned better than others?", _WHO
)
RARE = Question("attribute inference, rare values", "Does it know them better where what is asked for is rare?", _WHO)

_MOST_SECRETS, _MOST_ROWS, _TREES, _BINS = 5, 20_000, 20, 10
_RARE = 0.05


def predict(scene: Scene) -> tuple[AttackResult, ...]:
    """Predicts one column after the other, and compares the shares of right answers."""
    if len(scene.traits) < 2:
        return tuple(question.not_run("persons have too few columns") for question in (QUESTION, RARE))
    rng = scene.ground.rng("attacks", QUESTION.name)
    answers = list(_answers(scene, rng))
    everybody = np.ones((len(answers), len(scene.targets)), dtype=bool)
    rare = np.stack([answer.rare for answer in answers])
    return _judged(QUESTION, scene, answers, everybody, rng), _judged(RARE, scene, answers, rare, rng)


@dataclass(frozen=True)
class _Answers:
    """The answers to one question for each target: whether they are right, and whether what is right is rare."""

    right: Floats
    guessed: Floats
    rare: Bools


def _judged(
    question: Question, scene: Scene, answers: list[_Answers], asked: Bools, rng: np.random.Generator
) -> AttackResult:
    """Compares the mean of right answers of each person over what is asked of them."""
    some = asked.any(axis=0)
    learned = scene.targets_learned[some]
    if min(learned.sum(), (~learned).sum()) < 2:
        return question.not_run("too few persons have rare values")
    counts = asked.sum(axis=0)[some]
    right, guessed = (
        (np.stack(part) * asked).sum(axis=0)[some] / counts
        for part in ([answer.right for answer in answers], [answer.guessed for answer in answers])
    )
    searched = min(1.0, _MOST_ROWS / len(scene.ground.synthetic[scene.subject]))
    trial = Trial(right, learned, float(guessed.mean()), searched, scene.note)
    return judge(question, trial, rng, Leak(most=0.02))


def _answers(scene: Scene, rng: np.random.Generator) -> Iterator[_Answers]:
    rows = rng.permutation(scene.copies)[:_MOST_ROWS]
    for secret in secrets_of(scene)[:_MOST_SECRETS]:
        truth, labels = (codes[which] for codes, which in zip(_coded(secret), (scene.targets, rows), strict=True))
        space = without(scene, secret)
        # Trees on all rows, down to single ones: a model that remembers is a better attacker than one that does not.
        from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415 - slow to import

        model = ExtraTreesClassifier(_TREES, random_state=int(rng.integers(2**31)))
        predicted = model.fit(space.synthetic[rows], labels).predict(space.original[scene.targets])
        shares = np.bincount(labels + 1, minlength=int(truth.max()) + 2) / len(labels)
        guessed = (rng.choice(labels, len(truth)) == truth).astype(np.float64)
        yield _Answers((predicted == truth).astype(np.float64), guessed, shares[truth + 1] < _RARE)


def _coded(secret: Trait) -> tuple[Ints, Ints]:
    """The secret of both sides as labels; numbers in bins."""
    if secret.what == "category":
        return secret.original.astype(np.int64), secret.synthetic.astype(np.int64)
    bins = pair_bins(Feature(secret.name, "number"), secret.synthetic, _BINS)
    return bins.cut(secret.original), bins.cut(secret.synthetic)
