"""What has been spent of a privacy budget, entry by entry, so that anybody can add it up again.

All entries concern the same subjects, so they compose one after the other, whatever table they are about. The sum is
taken by privacy loss distributions (``dp_accounting``; Meiser and Mohammadi 2018, Doroshenko et al. 2022) for
neighbours that differ by one subject being there or not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dp_accounting import dp_event

# The discrete Gaussian of variance v is what a continuous one of variance v - 4 becomes when it is rounded at random
# (Peikert 2010, Theorem 3.1, with a rounding width of 2): they differ by less than exp(-78) a count. So each count is
# accounted as the continuous one, which holds whatever the shape of a subject's part in many counts is.
ROUNDING_VARIANCE = 4
_COARSEST = 1e-4


@dataclass(frozen=True)
class Entry:
    """One thing that was bought.

    Attributes:
        what: what for, as in ``bins``.
        subject: which table and columns it tells of.
        sensitivity: the most that one subject changes what was measured, in the Euclidean norm.
        variance: of the noise that was added, per number.
        steps: how often; 1 but for training.
        rate: the chance that a subject takes part in a step; 1 but for training.
        delta: the chance that what was measured shows more than the noise hides, for lists of values that were
            discovered.
        discrete: True for whole numbers with discrete noise.
    """

    what: str
    subject: str
    sensitivity: float
    variance: float
    steps: int = 1
    rate: float = 1.0
    delta: float = 0.0
    discrete: bool = True

    @property
    def noise_multiplier(self) -> float:
        """Standard deviation of the noise over sensitivity, as it is accounted."""
        counted = self.variance - ROUNDING_VARIANCE if self.discrete else self.variance
        return math.sqrt(counted) / self.sensitivity

    @property
    def event(self) -> dp_event.DpEvent:
        """The entry as the accounting library names it."""
        from dp_accounting import dp_event  # noqa: PLC0415 - slow to import

        event: dp_event.DpEvent = dp_event.GaussianDpEvent(self.noise_multiplier)
        if self.rate < 1:
            event = dp_event.PoissonSampledDpEvent(self.rate, event)
        return dp_event.SelfComposedDpEvent(event, self.steps) if self.steps > 1 else event


@dataclass(frozen=True)
class Ledger:
    """A claim and what it rests on.

    Attributes:
        unit: id of the table whose rows are the subjects.
        epsilon: what was claimed before any row was read; what was spent is no more.
        delta: the same.
        entries: what was bought.
        protected: for each private table, the path to its subject, in words.
        public: ids of the tables that were declared public.
        bounds: most rows per subject that were learned from, by table.
        notes: what is not covered, and what was switched off, a line each.
    """

    unit: str
    epsilon: float
    delta: float
    entries: tuple[Entry, ...]
    protected: dict[str, str] = field(default_factory=dict)
    public: tuple[str, ...] = ()
    bounds: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def claim(self) -> str:
        """The claim in one sentence."""
        return (
            f"Whether any one row of {self.unit}, with all rows that belong to it, was in the source changes the chance"
            f" of any outcome by a factor of at most exp({self.epsilon:g}), but for a chance of {self.delta:g}."
        )

    def spent(self) -> float:
        """Returns the epsilon that the entries add up to, at the claim's delta."""
        return epsilon_of(self.entries, self.delta)

    def events(self) -> list[Any]:
        """Returns the entries as named tuples of the accounting library, for whoever counts with something else."""
        return [entry.event.to_named_tuple() for entry in self.entries]


def epsilon_of(entries: Iterable[Entry], delta: float) -> float:
    """Adds up entries.

    Args:
        entries: what was bought.
        delta: the chance of more than that; what the entries use of it themselves is taken off first.

    Returns:
        Epsilon; infinity where the entries use up delta by themselves.
    """
    entries = tuple(entries)
    left = delta - sum(entry.delta for entry in entries)
    if left <= 0:
        return math.inf
    from dp_accounting.pld import PLDAccountant  # noqa: PLC0415 - slow to import
    from dp_accounting.privacy_accountant import NeighboringRelation  # noqa: PLC0415 - slow to import

    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=_COARSEST)
    for event in _merged(entries):
        accountant.compose(event)
    return float(accountant.get_epsilon(left))


def most_found(ledger: Ledger, false_positives: float) -> float:
    """Returns the greatest true positive rate of any attack on whether a subject was there (Kairouz et al. 2015)."""
    grown = math.exp(ledger.epsilon)
    return min(
        grown * false_positives + ledger.delta,
        1 - (1 - ledger.delta - false_positives) / grown,
        1.0,
    )


def noise_for_steps(spent: float, rate: float, steps: int, claim: tuple[float, float]) -> float:
    """Returns about the least noise multiplier with which steps of training, after all else, keep a claim.

    Args:
        spent: the precision of everything else that was, or will be, bought.
        rate: the chance that a subject takes part in a step.
        steps: how many steps there are.
        claim: epsilon, and the delta that is left for both.
    """
    others = Entry("others", "", 1.0, 1 / spent, discrete=False)

    def over(noise: float) -> bool:
        training = Entry("models", "", 1.0, noise**2, steps=steps, rate=rate, discrete=False)
        return epsilon_of([others, training], claim[1]) > claim[0]

    low, high = 0.3, 1.0
    while over(high):
        low, high = high, 2 * high
    while high > 1.01 * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if over(middle) else (low, middle)
    return high


def _merged(entries: Sequence[Entry]) -> list[dp_event.DpEvent]:
    """Gaussian mechanisms, each chosen after the ones before, are together one: their precisions add up."""
    from dp_accounting import dp_event  # noqa: PLC0415 - slow to import

    precision = sum(entry.noise_multiplier**-2 for entry in entries if entry.rate == 1 for _ in range(entry.steps))
    whole = [dp_event.GaussianDpEvent(precision**-0.5)] if precision else []
    sampled = Counter[tuple[float, float]]()
    for entry in entries:
        if entry.rate < 1:
            sampled[entry.rate, entry.noise_multiplier] += entry.steps
    return whole + [
        dp_event.SelfComposedDpEvent(dp_event.PoissonSampledDpEvent(rate, dp_event.GaussianDpEvent(noise)), steps)
        for (rate, noise), steps in sampled.items()
    ]
