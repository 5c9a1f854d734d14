"""What one run disproves: an audit with many canaries, each of which was there or not by a coin of its own.

Steinke, Nasr and Jagielski (2023), "Privacy auditing with one (1) training run": whoever could tell from a single
outcome of many coins how they fell would contradict a small epsilon, since under differential privacy each guess is
right no oftener than exp(epsilon) / (1 + exp(epsilon)), nearly independently of the others. No attack proves an upper
bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import binom

ERROR = 0.05
"""Chance that an audit disproves what is true."""

_GREATEST = 50.0
# Of the canaries, so many are guessed: half of them the surest to have been there, half the surest not to have been.
_GUESSED = 0.2


@dataclass(frozen=True)
class OneRun:
    """An audit.

    Attributes:
        canaries: subjects who were there or not by a fair coin each.
        guesses: about how many of them the attacker was sure enough to guess.
        right: how many guesses were right.
        tried: how many attackers guessed, of whom this is the best.
    """

    canaries: int
    guesses: int
    right: int
    tried: int = 1

    def disproved(self, delta: float) -> float:
        """Returns the greatest epsilon that the guesses disprove with a confidence of 95 %; 0 if none.

        Theorem 1.1 of the paper with its tighter remainder (its Proposition 5.7).

        Args:
            delta: the claim's delta.
        """
        allowed = ERROR / self.tried
        if self.guesses == 0 or self._chance(0.0, delta) > allowed:
            return 0.0
        if self._chance(_GREATEST, delta) <= allowed:
            return _GREATEST
        return float(brentq(lambda epsilon: self._chance(epsilon, delta) - allowed, 0.0, _GREATEST, xtol=1e-6))

    def _chance(self, epsilon: float, delta: float) -> float:
        """The chance of so many right guesses, at most, where a claim holds."""
        right = 1 / (1 + np.exp(-epsilon))
        whole = float(binom.sf(self.right - 1, self.guesses, right))
        fewer = np.arange(1, self.right + 1)
        beyond = (binom.sf(self.right - fewer - 1, self.guesses, right) - whole) / fewer
        return min(1.0, whole + 2 * self.canaries * delta * float(np.max(beyond, initial=0.0)))


def audit_one_run(scores: npt.NDArray[np.float64], there: npt.NDArray[np.bool_]) -> OneRun:
    """Guesses of those canaries that an attacker is surest of.

    Args:
        scores: how sure the attacker is that each canary was there: shape (canaries,). Ties are broken by their order,
            which must say nothing.
        there: which of them were, each by a fair coin of its own: shape (canaries,).
    """
    order = np.argsort(scores, kind="stable")
    each = max(1, round(len(order) * _GUESSED / 2)) if len(order) > 1 else 0
    right = int((~there[order[:each]]).sum() + there[order[len(order) - each :]].sum())
    return OneRun(len(order), 2 * each, right)
