"""The one place where counts get noise: whatever is measured of private rows passes here and leaves an entry."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from replica.privacy.ledger import ROUNDING_VARIANCE, Entry
from replica.privacy.noise import discrete_gaussian

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Price:
    """What a measurement costs.

    Attributes:
        what: which share of the budget it comes from.
        subject: the table and columns that it tells of.
        sensitivity: the most that one subject changes it, in the Euclidean norm.
        precision: what it spends; see :mod:`replica.privacy.budget`.
    """

    what: str
    subject: str
    sensitivity: float
    precision: float

    @property
    def variance(self) -> int:
        """Variance of the noise that buys it: a whole number."""
        return math.ceil(self.sensitivity**2 / self.precision) + ROUNDING_VARIANCE


@dataclass(frozen=True)
class Noisy:
    """Counts with noise.

    Attributes:
        counts: what was counted, with noise; may be negative. Shape as it was given.
        sigma: standard deviation of the noise.
    """

    counts: Ints
    sigma: float


@dataclass
class Meter:
    """Adds noise and keeps the entries of a ledger."""

    entries: list[Entry] = field(default_factory=list)

    def note(self, entry: Entry) -> None:
        """Enters what is bought elsewhere: the steps of a training, before the first one."""
        self.entries.append(entry)

    def measure(self, counts: Ints, price: Price) -> Noisy:
        """Returns counts with discrete Gaussian noise.

        Args:
            counts: whole numbers; shape (...). One subject changes them by at most the price's sensitivity.
            price: what it costs.
        """
        self.entries.append(Entry(price.what, price.subject, price.sensitivity, price.variance))
        noise = discrete_gaussian(counts.size, price.variance).reshape(counts.shape)
        return Noisy(counts + noise, math.sqrt(price.variance))

    def discover(self, counts: Ints, price: Price, delta: float) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Counts values whose list is itself private, and says which are common enough to be named.

        Every subject is counted for one value at most, so that a value is new by one subject alone: with that, noise
        lifts it over the threshold with a chance of at most delta (Korolova et al. 2009; Desfontaines et al. 2022).

        Args:
            counts: subjects per value that occurs; shape (values,).
            price: what it costs.
            delta: the chance that is allowed.

        Returns:
            The counts with noise, and which of them may be looked at: shape (values,) each.
        """
        self.entries.append(Entry(price.what, price.subject, price.sensitivity, price.variance, delta=delta))
        noisy = counts + discrete_gaussian(len(counts), price.variance)
        return noisy, noisy >= threshold(price.variance, delta)


def threshold(variance: float, delta: float) -> float:
    """Returns what a count of one exceeds with a chance of at most delta, under noise of a variance.

    A discrete Gaussian exceeds m no more often than a continuous one exceeds m - 1 (Canonne, Kamath and Steinke 2020,
    Proposition 25).
    """
    return 2 + math.sqrt(variance) * float(norm.isf(delta))
