"""The distribution of a span given others, fitted to noisy marginals of the span with each of them.

It is a product of one factor per marginal: of all distributions that agree with the marginals as far as noise lets
them be known, the one with the most entropy (Dudik, Phillips and Schapire 2007, with squared relaxation). Spans are
fitted in the order in which they are drawn, each given rows that were drawn from those before it. So nothing has to be
summed over but the span itself, and any number of marginals can be used, where a model of all spans at once (McKenna,
Sheldon and Miklau 2019) is bound to graphs of small width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_array

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_ROUNDS = 50
# How far off the span's own distribution may be, which is known better than any marginal.
_OWN_SLACK = 1e-7
_LEAST = 1e-9
# Cells below this weigh as much as cells of it when steps are scaled.
_SMALL = 1e-4


@dataclass(frozen=True)
class PairShares:
    """What was measured of a span together with another one.

    Attributes:
        other: the other span's group in each row that is fitted on: shape (rows,).
        view: the group that each of the span's own codes was counted in: shape (codes,).
        shares: what was found; noise may make them negative. Shape (groups of the other, groups of the span).
        slack: how far off they may be: the ridge on the factor's logarithm, in squared shares.
    """

    other: Ints
    view: Ints
    shares: Floats
    slack: float


@dataclass(frozen=True)
class _Problem:
    """A fit, as its numbers stand in one vector: the factors of all pairs, then the span's own."""

    own: Floats
    pairs: Sequence[PairShares]
    design: csr_array
    back: csr_array
    wanted: Floats
    slack: Floats

    def split(self, numbers: Floats) -> tuple[list[Floats], Floats]:
        """Returns the logarithms of the factors over groups of both spans, and those of the span's own."""
        ends = np.cumsum([pair.shares.size for pair in self.pairs])
        *parts, own = np.split(numbers, ends)
        return [part.reshape(pair.shares.shape) for part, pair in zip(parts, self.pairs, strict=True)], own

    def objective(self, numbers: Floats) -> tuple[float, Floats]:
        """Returns the dual of the entropy, which is to be least, and its slope."""
        factors, own = self.split(numbers)
        table = np.concatenate([factor[:, pair.view] for factor, pair in zip(factors, self.pairs, strict=True)])
        logits = self.design @ table + np.log(self.own + _LEAST) + own
        highest = logits.max(axis=1, keepdims=True)
        shares = np.exp(logits - highest)
        whole = shares.sum(axis=1, keepdims=True)
        shares /= whole
        slope = self._marginals(shares) - self.wanted + self.slack * numbers
        value = float(np.mean(highest + np.log(whole))) - float(numbers @ self.wanted)
        return value + float((self.slack * numbers) @ numbers) / 2, slope

    def _marginals(self, shares: Floats) -> Floats:
        joint, start, found = self.back @ shares, 0, []
        for pair in self.pairs:
            stop = start + len(pair.shares)
            found.append((joint[start:stop] @ _one_hot(pair.view)).reshape(-1))
            start = stop
        return np.concatenate([*found, shares.mean(axis=0)])


def fit_factors(own: Floats, pairs: Sequence[PairShares]) -> tuple[Floats, list[Floats]]:
    """Fits the distribution of a span given others.

    Args:
        own: how the span's codes are distributed: shape (codes,).
        pairs: what was measured, at least of one pair.

    Returns:
        The factor of the span's own, shape (codes,), and those of the pairs, shape (groups of the other, codes).
    """
    problem = _problem(own, pairs)
    # A step along any number changes its cell by about as much.
    scale = 1 / np.sqrt(np.maximum(problem.wanted, _SMALL) + problem.slack)

    def scaled(numbers: Floats) -> tuple[float, Floats]:
        value, slope = problem.objective(numbers * scale)
        return value, slope * scale

    best = minimize(
        scaled,
        np.zeros(len(scale)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ROUNDS, "maxcor": 20, "ftol": 1e-9, "gtol": 1e-6},
    )
    factors, whole = problem.split(best.x * scale)
    return (own + _LEAST) * np.exp(whole), [np.exp(f[:, p.view]) for f, p in zip(factors, pairs, strict=True)]


def _problem(own: Floats, pairs: Sequence[PairShares]) -> _Problem:
    n = len(pairs[0].other)
    starts = np.cumsum([0, *(len(pair.shares) for pair in pairs)])
    columns = np.stack([pair.other + start for pair, start in zip(pairs, starts, strict=False)], axis=1).reshape(-1)
    design = csr_array((np.ones(len(columns)), columns, np.arange(n + 1) * len(pairs)), shape=(n, int(starts[-1])))
    wanted = np.concatenate([*(_fitting(pair, own).reshape(-1) for pair in pairs), own])
    slack = np.concatenate([*(np.full(pair.shares.size, pair.slack) for pair in pairs), np.full(len(own), _OWN_SLACK)])
    return _Problem(own, pairs, design, csr_array(design.T) / n, wanted, slack)


def _fitting(pair: PairShares, own: Floats) -> Floats:
    """The shares as they would be if the other span were distributed as it is in the rows."""
    there = np.bincount(pair.other, minlength=len(pair.shares)) / len(pair.other)
    fitting: Floats = pair.shares + np.outer(there - pair.shares.sum(axis=1), own @ _one_hot(pair.view))
    return fitting


def _one_hot(view: Ints) -> Floats:
    """Which group each code is in: shape (codes, groups)."""
    found: Floats = (view[:, None] == np.arange(int(view.max()) + 1)).astype(np.float64)
    return found
