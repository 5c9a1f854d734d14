"""Worst cases: do the persons who are least like all others leave a trace in what is learned with them?

Averages hide them: who is far from everybody is told most easily (Meeus et al. 2023, "Achilles' heels"), and most of
those at high risk are missed by attacks on everybody at once (Guepin et al. 2024, "Lost in the averages").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import ERROR, decide
from replica.evaluation.attacks.neighbours import nearest
from replica.evaluation.attacks.people import Matrix, Trait, traits_of
from replica.evaluation.attacks.scene import tables_of
from replica.evaluation.ground import Ground

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

QUESTION = Question(
    "worst cases",
    "Do the persons who are least like all others leave a trace when they are learned?",
    "Somebody who knows a conspicuous person, and how replicas are made, wants to know if the person is in the data.",
)

_NEIGHBOURS, _MOST_LABELS = 5, 30
_MOST_AUC = 0.6
_LEAK, _DETECTABLE = 0.75, "half of these persons are given away whenever they are learned"


@dataclass(frozen=True)
class Round:
    """One time of learning.

    Attributes:
        closeness: of each of the persons to the nearest one of the replica; higher is closer: shape (persons,).
        learned: who of them was learned this time.
    """

    closeness: Floats
    learned: Bools


def farthest(ground: Ground, subject: str, count: int) -> Ints:
    """Returns the numbers of the persons of the original who are farthest from their nearest others."""
    persons, _ = _points(ground, subject)
    # The nearest of all is the person.
    distances, _ = nearest(persons, persons, _NEIGHBOURS + 1)
    found: Ints = np.argsort(-distances[:, 1:].mean(axis=1), kind="stable")[:count]
    return found


def look_for(ground: Ground, subject: str, persons: Ints) -> Floats:
    """Returns how close the replica comes to each of some persons of the original."""
    original, synthetic = _points(ground, subject)
    return -nearest(original[persons], synthetic, 1)[0][:, 0]


def _points(ground: Ground, subject: str) -> tuple[Matrix, Matrix]:
    """Persons of both sides where what is rare lies far out: numbers by their spread, labels by their rarity.

    As in correspondence analysis, a label counts one over the root of its share. Both follow the original, so that all
    rounds measure alike.
    """
    traits = traits_of(ground, subject, tables_of(ground.plan, subject))
    parts = [_labels(trait) if trait.what == "category" else _numbers(trait) for trait in traits]
    original, synthetic = (
        np.concatenate([np.zeros((len(side), 0)), *(part[i] for part in parts)], axis=1).astype(np.float32)
        for i, side in enumerate((ground.original[subject], ground.synthetic[subject]))
    )
    return original, synthetic


def _numbers(trait: Trait) -> tuple[Floats, Floats]:
    known = trait.original[~np.isnan(trait.original)].astype(np.float64)
    middle, spread = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
    one, other = (
        np.nan_to_num((values.astype(np.float64) - middle) / (spread or 1.0))[:, None]
        for values in (trait.original, trait.synthetic)
    )
    return one, other


def _labels(trait: Trait) -> tuple[Floats, Floats]:
    """Labels as points; those that only few have share one more dimension."""
    codes = trait.original.astype(np.int64)
    shares = np.bincount(codes[codes >= 0], minlength=int(trait.synthetic.max(initial=0)) + 1) / len(codes)
    common = np.argsort(-shares, kind="stable")[:_MOST_LABELS]
    place = np.full(len(shares), len(common))
    place[common] = np.arange(len(common))
    weights = 1 / np.sqrt(2 * np.maximum(shares, 1 / len(codes)))
    found = []
    for values in (codes, trait.synthetic.astype(np.int64)):
        points = np.zeros((len(values), len(common) + 1))
        there = np.flatnonzero(values >= 0)
        points[there, place[values[there]]] = weights[values[there]]
        found.append(points)
    return found[0], found[1]


def judge_rounds(rounds: list[Round]) -> AttackResult:
    """Compares how close replicas come to persons who were learned and to the same persons when they were not."""
    closeness = np.stack([one.closeness for one in rounds])
    learned = np.stack([one.learned for one in rounds])
    # Each person beside themselves, since who lies far out is far from every replica; and each replica beside itself,
    # since one that happens to lie nearer lies nearer to everybody, learned or not.
    closeness = closeness - closeness.mean(axis=0) - closeness.mean(axis=1, keepdims=True) + closeness.mean()
    if learned.all() or not learned.any():
        return QUESTION.not_run("nobody was learned one time and not learned another: play more rounds")
    auc, error = _closer(closeness, learned)
    power = float(stats.norm.sf((max(0.5 + stats.norm.isf(ERROR) * error, _MOST_AUC) - _LEAK) / error))
    return replace(
        QUESTION.not_run(),
        figure=auc,
        low=max(0.0, auc - 1.96 * error),
        high=min(1.0, auc + 1.96 * error),
        baseline=0.5,
        power=power,
        detectable=_DETECTABLE,
        n=closeness.shape[1],
        verdict=decide(
            leaks=bool(stats.norm.sf((auc - 0.5) / error) < ERROR) and auc > _MOST_AUC,
            beats_guessing=True,
            within_limit=auc <= _MOST_AUC,
            power=power,
        ),
        note=f"probability that a replica comes closer with the person than without; {len(rounds)} times learned",
    )


def _closer(closeness: Floats, learned: Bools) -> tuple[float, float]:
    """Returns how often those who were learned are closer than those who were not, and its error if they are not.

    Who is learned is drawn anew in each round, so the null is known: labels change places within rounds (a stratified
    rank sum, van Elteren 1960). That the same persons come again does not matter to it.
    """
    ranks = stats.rankdata(closeness).reshape(closeness.shape)
    persons, chosen = closeness.shape[1], learned.sum(axis=1)
    pairs = int(learned.sum()) * int((~learned).sum())
    variance = (chosen * (persons - chosen) / max(1, persons - 1) * ranks.var(axis=1)).sum()
    beyond = ranks[learned].sum() - (chosen * ranks.mean(axis=1)).sum()
    # Ties, as of persons who cannot be told apart, are no reason to be surer.
    untied = float(np.sqrt((closeness.size + 1) / (12 * pairs)))
    return 0.5 + float(beyond) / pairs, max(float(np.sqrt(variance)) / pairs, untied)
