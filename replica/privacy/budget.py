"""How much there is to spend, and how it is divided before any row is read.

All that is bought is Gaussian noise, so there is one currency: *precision*, the squared ratio of sensitivity to
standard deviation, which adds up over whatever is bought (Dong, Roth and Su 2022: a sum of Gaussian mechanisms is one).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.stats import norm

DELTA_FOR_VALUES = 0.1
"""The part of delta that discovering values may use, over all columns together."""

# Accounting works with distributions cut into small steps; this much is left so that it never comes out above.
_MARGIN = 0.999


@dataclass(frozen=True)
class Share:
    """A part of the budget and what it pays for."""

    what: str
    part: float
    pays_for: str


SHARES: tuple[Share, ...] = (
    Share("rows", 0.08, "how many subjects there are, and how many rows each has in every table"),
    Share("columns", 0.20, "the bounds, bins, values, decimals and nulls of every column"),
    Share("structure", 0.10, "which columns depend on which"),
    Share("models", 0.62, "the distribution of every column and of what depends on what, or the steps of training"),
)
"""What the budget pays for. The parts add up to one."""


@dataclass(frozen=True)
class Budget:
    """What may be spent.

    Attributes:
        epsilon: the claim's epsilon.
        delta: the claim's delta.
        precision: what both together allow to spend on Gaussian noise.
    """

    epsilon: float
    delta: float
    precision: float

    @property
    def left_of_delta(self) -> float:
        """The delta that is left for noise once values have been discovered."""
        return self.delta * (1 - DELTA_FOR_VALUES)

    def share(self, what: str) -> float:
        """Returns the precision that a share is worth."""
        return self.precision * next(share.part for share in SHARES if share.what == what)


def budget_of(epsilon: float, delta: float) -> Budget:
    """Returns the budget that a claim allows, with the part of delta for discovering values set aside."""
    multiplier = noise_for(epsilon, delta * (1 - DELTA_FOR_VALUES))
    return Budget(epsilon, delta, _MARGIN * multiplier**-2)


def noise_for(epsilon: float, delta: float) -> float:
    """Returns the least standard deviation, over sensitivity, with which one Gaussian mechanism keeps a claim.

    Balle and Wang (2018), "Improving the Gaussian mechanism for differential privacy", Theorem 8.
    """
    return float(brentq(lambda noise: delta_of_gaussian(noise, epsilon) - delta, 1e-3, 1e6, rtol=1e-12))


def delta_of_gaussian(noise: float, epsilon: float) -> float:
    """Returns the delta of a Gaussian mechanism, given its standard deviation over sensitivity and an epsilon."""
    half, shift = 1 / (2 * noise), epsilon * noise
    return float(norm.cdf(half - shift) - math.exp(epsilon + norm.logcdf(-half - shift)))
