"""Membership: was this person among those whom the replica was learned from?

Every person who was not learned is a target and has a partner who was: one coin a pair, as in the game of Yeom et al.
(2018). Several scores are tried and the best counts, at a bar that is so much higher.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import ERROR, USUAL_LEAK, decide, wilson
from replica.evaluation.attacks.likenesses import SCORES, neighbourhood
from replica.evaluation.attacks.scene import Scene
from replica.privacy.auditing import OneRun, audit_one_run

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_WHO = "Somebody who knows all of a person, and other people of the kind, wants to know if the person is in the data."
ALL = Question("membership", "Can it be told who was learned and who was not?", _WHO)
SUREST = Question(
    "membership, surest guesses", "Can it be told of a few, with hardly anybody taken for one of them wrongly?", _WHO
)

_MOST_AUC, _MOST_RATE, _FALSE = 0.55, 0.02, 0.01


@dataclass(frozen=True)
class Separation:
    """How one score tells members from others.

    Attributes:
        score: its name.
        auc: probability that a member scores higher than somebody else.
        error: its standard error (DeLong et al. 1988).
        rate: share of members who score higher than all but one in a hundred of the others.
        hits: how many these are.
        first: share of members who score higher than all others: among a thousand others, than all but one in a
            thousand.
        p: probability of so many or more, if members are not told apart.
    """

    score: str
    auc: float
    error: float
    rate: float
    hits: int
    first: float
    p: float


def tell_members(scene: Scene) -> tuple[AttackResult, ...]:
    """Scores members and others, and says how well the best score tells them apart."""
    rng = scene.ground.rng("attacks", ALL.name)
    members, others = _pairs(scene, rng)
    n, original = len(members), scene.space.original
    targets, copies = original[np.concatenate([members, others])], scene.space.synthetic[scene.copies]
    around = neighbourhood(targets, copies, original[others], partner=np.tile(np.arange(n), 2))
    found = [separate(name, scores[:n], scores[n:]) for name, score in SCORES.items() for scores in [score(around)]]
    return _overall(scene, found, n), _surest(scene, found, n)


def audit(scene: Scene) -> OneRun:
    """Guesses who was learned, by whichever score guesses best.

    Half of those who were kept out are people whom the attacker knows; the others, and of all who were learned as large
    a share as makes as many, are canaries: each of them was learned by a fair coin of its own, as the audit asks.
    """
    rng = scene.ground.rng("attacks", "audit")
    learned = scene.targets_learned
    others = rng.permutation(np.flatnonzero(~learned))
    known, out = np.array_split(others, 2)
    odds = len(out) / max(1, learned.sum())
    chosen = rng.permutation(np.r_[out, np.flatnonzero(learned & (rng.random(len(learned)) < odds))])
    points = scene.space.original[scene.targets]
    partner = rng.integers(0, len(known), len(chosen))
    around = neighbourhood(points[chosen], scene.space.synthetic[scene.copies], points[known], partner)
    runs = [audit_one_run(score(around), learned[chosen]) for score in SCORES.values()]
    return replace(max(runs, key=lambda run: run.right), tried=len(runs))


def _pairs(scene: Scene, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """As many who were learned as there are others, among the targets."""
    members, others = scene.targets[scene.targets_learned], scene.targets[~scene.targets_learned]
    n = min(len(members), len(others))
    return np.sort(rng.permutation(members)[:n]), np.sort(rng.permutation(others)[:n])


def separate(name: str, members: Floats, others: Floats) -> Separation:
    """Compares scores of members and of as many others."""
    ranks = stats.rankdata(np.r_[members, others])
    inner = stats.rankdata(members), stats.rankdata(others)
    n = len(members)
    above = (ranks[:n] - inner[0]) / n
    below = 1 - (ranks[n:] - inner[1]) / n
    error = float(np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / n))
    allowed = int(_FALSE * n)
    highest = np.sort(others)[::-1]
    hits = int((members > highest[allowed]).sum())
    first = float((members > highest[0]).mean())
    return Separation(name, float(above.mean()), max(error, 0.5 / n), hits / n, hits, first, _chance(hits, allowed, n))


def _chance(hits: int, allowed: int, n: int) -> float:
    """Probability that so many members or more lie above the bar, if all orders are equally likely.

    Then the members above it, before more than ``allowed`` others, have a negative hypergeometric distribution.
    """
    return float(stats.nhypergeom.sf(hits - 1, 2 * n, n, allowed + 1))


def _overall(scene: Scene, found: list[Separation], n: int) -> AttackResult:
    best = max(found, key=lambda one: one.auc)
    bar = float(stats.norm.isf(ERROR / len(found)))
    # Members given away come first of all: the others are as before.
    leak = USUAL_LEAK.share * scene.searched
    error = np.sqrt(1 / (6 * n))
    power = float(stats.norm.sf((max(0.5 + bar * error, _MOST_AUC) - 0.5 - leak / 2) / error))
    reach = 1.96 * best.error
    return replace(
        ALL.not_run(),
        figure=best.auc,
        low=max(0.0, best.auc - reach),
        high=min(1.0, best.auc + reach),
        baseline=0.5,
        power=power,
        detectable=USUAL_LEAK.detectable,
        n=2 * n,
        verdict=decide(
            leaks=best.auc - bar * best.error > 0.5 and best.auc > _MOST_AUC,
            beats_guessing=True,
            within_limit=best.auc <= 0.5 + leak / 4,
            power=power,
        ),
        note=_note(scene, f"area under the curve of the best of {len(found)} scores, {best.score}"),
    )


def _surest(scene: Scene, found: list[Separation], n: int) -> AttackResult:
    best = max(found, key=lambda one: one.rate)
    bar = ERROR / len(found)
    allowed = int(_FALSE * n)
    enough = next((k for k in range(n + 1) if _chance(k, allowed, n) < bar and k > _MOST_RATE * n), n + 1)
    power = float(stats.binom.sf(enough - 1, n, USUAL_LEAK.share * scene.searched))
    rate, reach = wilson(best.hits, n)
    return replace(
        SUREST.not_run(),
        figure=best.rate,
        low=max(0.0, rate - reach),
        high=min(1.0, rate + reach),
        baseline=(allowed + 1) / (n + 1),
        power=power,
        detectable=USUAL_LEAK.detectable,
        n=2 * n,
        verdict=decide(leaks=best.hits >= enough, beats_guessing=True, power=power),
        note=_note(
            scene,
            f"members told where {allowed / n:.1%} of others are, by the best score, {best.score};"
            f" {max(one.first for one in found):.1%} where nobody else is, by the best for that",
        ),
    )


def _note(scene: Scene, said: str) -> str:
    return "; ".join(part for part in (said, scene.note) if part)
