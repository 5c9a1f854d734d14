"""What chance alone would do: rates with intervals, the risk over people who were not learned, and power.

Which persons were kept out of learning was decided by a coin. If a replica tells nothing of single persons, then an
attack hits those who were learned exactly as often as those who were not, whatever it does. So the null distribution of
hits is hypergeometric, without any assumption about the data or the attack (Fisher's exact test).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from replica.evaluation.attacks.base import AttackResult, Question, Verdict

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ERROR = 0.005
"""How often one attack may cry wolf: a report of ten attacks does so in at most one of twenty."""

MOST_RISK = 0.05
"""The risk that is small enough: an attack that succeeds for one person in twenty beyond what it would anyway."""

LEAST_POWER = 0.8
"""An attack that finds nothing says something only if it would have found the leak with this probability."""

_Z = float(stats.norm.ppf(0.975))
_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """How well an attack did against those who were learned and those who were not.

    Attributes:
        members: persons attacked who were learned.
        hits: how well the attack did on them, summed; a hit counts 1.
        controls: persons attacked who were not learned.
        control_hits: how well it did on them.
        p: probability of so much more success on members, if they are not told apart from the others.
    """

    members: int
    hits: float
    controls: int
    control_hits: float
    p: float

    @property
    def rate(self) -> float:
        """Success on members."""
        return self.hits / self.members if self.members else 0.0

    @property
    def control_rate(self) -> float:
        """Success on the others: what can be said of anybody of this kind."""
        return self.control_hits / self.controls if self.controls else 0.0

    def risk(self) -> tuple[float, float, float]:
        """Returns the risk that comes of having been learned, and its 95 % interval.

        The share of what an attacker could not have got anyway, (r - c) / (1 - c), from Wilson's rates r of members and
        c of controls; errors are propagated (Giomi et al. 2023, Anonymeter, section 5).
        """
        rate, error = wilson(self.hits, self.members)
        other, other_error = wilson(self.control_hits, self.controls)
        left = max(1 - other, 1e-9)
        value = (rate - other) / left
        reach = float(np.hypot(error / left, (rate - 1) / left**2 * other_error))
        return tuple(float(np.clip(x, 0.0, 1.0)) for x in (value, value - reach, value + reach))  # type: ignore[return-value]


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Returns the centre of Wilson's 95 % interval of a rate, and half its width."""
    if n == 0:
        return 0.5, 0.5
    total = n + _Z**2
    rate = hits / n
    return (hits + _Z**2 / 2) / total, _Z / total * float(np.sqrt(n * rate * (1 - rate) + _Z**2 / 4))


def compare(success: Floats, learned: Bools) -> Comparison:
    """Compares an attack's success on those who were learned with that on the others.

    Args:
        success: success on each person, between 0 and 1: shape (persons,).
        learned: who was learned.
    """
    ours, others = success[learned], success[~learned]
    is_binary = bool(np.isin(success, (0.0, 1.0)).all())
    p = _fisher(ours.sum(), len(ours), others.sum(), len(others)) if is_binary else _welch(ours, others)
    return Comparison(len(ours), float(ours.sum()), len(others), float(others.sum()), float(p))


def _fisher(hits: npt.ArrayLike, members: int, control_hits: npt.ArrayLike, controls: int) -> Floats:
    """Probability that members have so many of all hits or more."""
    hits = np.asarray(hits)
    found: Floats = stats.hypergeom.sf(hits - 1, members + controls, members, hits + np.asarray(control_hits))
    return found


def _welch(ours: Floats, others: Floats) -> float:
    """The same for success in shares, by the difference of the means."""
    if len(ours) < 2 or len(others) < 2:
        return 1.0
    error = np.sqrt(ours.var(ddof=1) / len(ours) + others.var(ddof=1) / len(others))
    return float(stats.norm.sf((ours.mean() - others.mean()) / error)) if error > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Leak:
    """What an attack must not let through.

    Attributes:
        share: of the members, given away for certain: the leak that the power is stated for.
        detectable: the same in words.
        most: the largest risk that is no failure.
    """

    share: float = 0.2
    detectable: str = "one in five of the persons learned is given away"
    most: float = MOST_RISK


USUAL_LEAK = Leak()


@dataclass(frozen=True, slots=True)
class Trial:
    """How an attack did on each person.

    Attributes:
        success: between 0 and 1: shape (persons,).
        learned: which of them were learned.
        guessing: success of somebody who guesses without looking persons up in the replica; None where there is
            nothing to guess, since success would always come of a leak or of chance.
        searched: share of the replica that was searched; more than that of a leak cannot be seen.
        note: what a reader should know beside it.
    """

    success: Floats
    learned: Bools
    guessing: float | None
    searched: float = 1.0
    note: str = ""


def judge(question: Question, trial: Trial, rng: np.random.Generator, leak: Leak = USUAL_LEAK) -> AttackResult:
    """Says what follows from how an attack did on each person.

    Args:
        question: the attack.
        trial: how it did.
        rng: where draws come from.
        leak: what must not be let through.
    """
    leak = replace(leak, share=leak.share * trial.searched, most=leak.most * trial.searched)
    found = compare(trial.success, trial.learned)
    value, low, high = found.risk()
    strength = power_of(found, leak, _spread(trial.success[~trial.learned]), rng)
    rates = f"succeeds with {found.rate:.1%} of those learned"
    if trial.guessing is not None:
        rates += f"; guessing would with {trial.guessing:.1%}"
    return replace(
        question.not_run(),
        figure=value,
        low=low,
        high=high,
        baseline=found.control_rate,
        power=strength,
        detectable=leak.detectable,
        n=len(trial.success),
        verdict=decide(
            leaks=found.p < ERROR and value > leak.most,
            beats_guessing=trial.guessing is None or bool(trial.success.mean() > trial.guessing),
            within_limit=value <= leak.share / 2,
            power=strength,
        ),
        note="; ".join(part for part in (rates, trial.note) if part),
    )


def _spread(success: Floats) -> float:
    """Variance of one person's success, as a share of that of a hit or miss with the same rate."""
    rate = float(success.mean()) if len(success) else 0.0
    return min(1.0, float(success.var()) / (rate * (1 - rate))) if 0 < rate < 1 else 1.0


def power_of(found: Comparison, leak: Leak, spread: float, rng: np.random.Generator) -> float:
    """Returns the probability that a leak would be called a failure.

    Args:
        found: how many persons there are, and what an attack reaches without a leak.
        leak: the leak.
        spread: variance of one person's success, as a share of that of a hit or miss with the same rate.
        rng: where draws come from.
    """
    if not found.members or not found.controls:
        return 0.0
    # A rate of nothing in a few is not known to be nothing.
    base = (found.control_hits + 0.5) / (found.controls + 1)
    rates = np.array([base + leak.share * (1 - base), base])
    sizes = np.array([found.members, found.controls])
    hits = _drawn(rates, sizes, spread, rng)
    risk = (hits[:, 0] / sizes[0] - hits[:, 1] / sizes[1]) / np.maximum(1 - hits[:, 1] / sizes[1], 1e-9)
    if spread < 1:
        error = np.sqrt((rates * (1 - rates) * spread / sizes).sum())
        p = stats.norm.sf((hits / sizes) @ [1.0, -1.0] / error)
    else:
        p = _fisher(hits[:, 0], int(sizes[0]), hits[:, 1], int(sizes[1]))
    return float(np.mean((p < ERROR) & (risk > leak.most)))


def _drawn(rates: Floats, sizes: npt.NDArray[np.int64], spread: float, rng: np.random.Generator) -> Floats:
    if spread >= 1:
        return rng.binomial(sizes, rates, (_DRAWS, 2)).astype(np.float64)
    sigma = np.sqrt(sizes * rates * (1 - rates) * spread)
    return np.clip(rng.normal(sizes * rates, sigma, (_DRAWS, 2)), 0, sizes)


def decide(*, leaks: bool, beats_guessing: bool, power: float, within_limit: bool = True) -> Verdict:
    """Says what follows from an attack.

    Args:
        leaks: members were hit more often than chance explains, and by more than may be.
        beats_guessing: the attack does better than guessing; otherwise its failure says nothing.
        power: probability with which a leak would have been caught.
        within_limit: the figure itself is nearer to no leak than to the one that the power is stated for.
    """
    if leaks:
        return "fail"
    return "pass" if beats_guessing and within_limit and power >= LEAST_POWER else "inconclusive"
