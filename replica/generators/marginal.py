"""A graphical model over low-order marginals: every span depends on a few others, of its context or before it.

The order of the spans is given, so the model is a product of one distribution each, given spans before it. Each of
these is a product of *factors*. Learned from rows, there is one factor over a few spans (a Bayesian network; Cooper and
Herskovits 1992): a span takes, of all that is known when it is drawn, the one that tells most about it, then the next
one, for as long as rows that were not counted would be told better. With one parent each that is the tree of Chow and
Liu (1968). Under differential privacy there is one factor for each pair whose marginal was bought, any number of them.
The fast baseline: a few passes over the rows, no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.devices import CPU
from replica.kinds.base import Codes

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SAMPLE = 20_000
# Weight of what fewer parents say in each row of a table, in rows: rare combinations lean on it.
_PRIOR = 2.0
_MOST_PARENTS = 3
# Only so many spans are asked whether they tell anything more.
_ASKED = 12
_MOST_CELLS = 2**18
# Products are taken of so many rows at once.
_ROWS = 20_000


@dataclass(frozen=True)
class Factor:
    """What some spans say of another one.

    Attributes:
        places: the places of the spans, counting the context's first; none for what is said whatever they are.
        weights: shape (combinations of their groups, groups of the other one); what is not possible has none.
    """

    places: tuple[int, ...]
    weights: Floats


@dataclass(frozen=True)
class Marginal:
    """A fitted model.

    Attributes:
        spans: the spans of a row.
        context: the spans of its context.
        groups: for each span, the context's first, the group that each of its codes is in; spans depend on groups of
            each other alone. Shape (codes,).
        factors: for each span of a row what its groups' distribution is the product of, up to its sum; none for
            observed spans.
        within: for each span of a row the share that each code has of its group: shape (codes,).
    """

    spans: Spans
    context: Spans
    groups: tuple[Ints, ...]
    factors: tuple[tuple[Factor, ...], ...]
    within: tuple[Floats, ...]

    @classmethod
    def fit(cls, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.generators.base.TableGenerator.fit`."""
        known = np.concatenate([context.codes, rows.codes], axis=1).astype(np.int64)
        sizes = [span.cardinality for span in (*context.spans, *rows.spans)]
        judged = known if len(known) <= _SAMPLE else known[rng.choice(len(known), _SAMPLE, replace=False)]
        factors: list[tuple[Factor, ...]] = []
        for at, span in enumerate(rows.spans, start=len(context.spans)):
            parents = () if span.observed else _most_telling(judged, sizes, at)
            factors.append(() if span.observed else (Factor(parents, _table(known, sizes, parents, at)),))
        groups = tuple(np.arange(size) for size in sizes)
        within = tuple(np.ones(span.cardinality) for span in rows.spans)
        return cls(rows.spans, context.spans, groups, tuple(factors), within)

    def sample(self, context: Codes, given: Codes, stop: int, rng: np.random.Generator, device: str = CPU) -> Codes:  # noqa: ARG002 - part of the protocol
        """See :meth:`replica.generators.base.TableGenerator.sample`."""
        n, n_given, n_context = len(context), given.shape[1], context.shape[1]
        known = np.concatenate([context, given, np.zeros((n, stop - n_given), np.int32)], axis=1)
        for i in range(n_given, stop):
            group = draw_groups(self.factors[i], self.groups, known, rng)
            known[:, n_context + i] = _code(self.groups[n_context + i], self.within[i], group, rng)
        return known[:, n_context + n_given :]


def draw_groups(
    factors: Sequence[Factor], groups: Sequence[Ints], known: npt.NDArray[np.integer], rng: np.random.Generator
) -> Ints:
    """Draws a span's groups given the codes of spans before it: shape (rows,).

    Args:
        factors: what the span's distribution is the product of.
        groups: for each span before it the group of each of its codes.
        known: the codes: shape (rows, spans).
        rng: the random stream.
    """
    rows = [_combination(factor.places, groups, known) for factor in factors]
    if len(factors) == 1:
        return _from_table(factors[0].weights, rows[0], rng)
    found = []
    for start in range(0, len(known), _ROWS):
        whole = np.ones((1, 1))
        for factor, row in zip(factors, rows, strict=True):
            whole = whole * factor.weights[row[start : start + _ROWS]]
        summed = np.cumsum(whole, axis=1)
        below = summed <= rng.random(len(summed))[:, None] * summed[:, -1:]
        found.append(np.minimum(below.sum(axis=1), summed.shape[1] - 1))
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _combination(places: tuple[int, ...], groups: Sequence[Ints], known: npt.NDArray[np.integer]) -> Ints:
    """Which combination of groups some spans have: shape (rows,)."""
    found = np.zeros(len(known), np.int64)
    for place in places:
        found = found * (int(groups[place].max()) + 1) + groups[place][known[:, place]]
    return found


def _from_table(weights: Floats, row: Ints, rng: np.random.Generator) -> Ints:
    """Draws from the distribution that each row of a table is: shape (rows,)."""
    # Distributions summed up and laid end to end, so that one search draws for all rows.
    summed = np.cumsum(weights, axis=1)
    summed /= summed[:, -1:]
    shelf = (summed + np.arange(len(summed))[:, None]).reshape(-1)
    place = np.searchsorted(shelf, row + rng.random(len(row)), side="right")
    found: Ints = np.clip(place - row * summed.shape[1], 0, summed.shape[1] - 1)
    return found


def _code(groups: Ints, within: Floats, group: Ints, rng: np.random.Generator) -> Ints:
    """A code of each group: shape (rows,)."""
    if len(groups) == int(groups.max()) + 1:
        return group
    order = np.argsort(groups, kind="stable")
    # Shares laid end to end, group by group, each of which has one unit.
    shelf = np.cumsum(within[order])
    starts = np.searchsorted(groups[order], np.arange(int(groups.max()) + 2))
    place = np.searchsorted(shelf, group + rng.random(len(group)), side="right")
    found: Ints = order[np.clip(place, starts[group], starts[group + 1] - 1)]
    return found


def _most_telling(known: Ints, sizes: list[int], at: int) -> tuple[int, ...]:
    """The spans before ``at`` that tell most about it, the first one most of all; none if none tells anything.

    What they tell is the likelihood of each row under the table of all the others (leave one out), so that a table with
    too many combinations for so many rows does badly.
    """
    own = known[:, at]
    told = _left_out(np.zeros(len(own), np.int64), own, np.full(len(own), 1 / sizes[at]))
    chosen: list[int] = []
    combination, combinations = np.zeros(len(own), np.int64), 1
    asked = list(range(at))
    while asked and len(chosen) < _MOST_PARENTS:
        # Better by chance in the best of so many.
        best, least = -1, float(np.log(told).sum()) + math.log(len(asked)) + 1
        found = told
        scores = {}
        for other in asked:
            if chosen and combinations * sizes[other] * sizes[at] > _MOST_CELLS:
                continue
            tried = _left_out(combination * sizes[other] + known[:, other], own, told)
            scores[other] = float(np.log(tried).sum())
            if scores[other] > least:
                best, least, found = other, scores[other], tried
        if best < 0:
            break
        chosen.append(best)
        told = found
        combination, combinations = combination * sizes[best] + known[:, best], combinations * sizes[best]
        asked = sorted((other for other in scores if other != best), key=lambda other: -scores[other])[:_ASKED]
    return tuple(chosen)


def _left_out(combination: Ints, own: Ints, fewer: Floats) -> Floats:
    """The likelihood of each row's code given its combination, by all other rows: shape (rows,).

    Args:
        combination: which combination of parents each row has.
        own: the code.
        fewer: the same with fewer parents.
    """
    _, given = np.unique(combination, return_inverse=True)
    _, both = np.unique(given * (int(own.max()) + 1) + own, return_inverse=True)
    counts, all_counts = np.bincount(both)[both], np.bincount(given)[given]
    found: Floats = (counts - 1 + _PRIOR * fewer) / (all_counts - 1 + _PRIOR)
    return found


def _table(known: Ints, sizes: list[int], parents: tuple[int, ...], at: int) -> Floats:
    """The distribution of a span given each combination of its parents: shape (combinations, codes)."""
    own = np.bincount(known[:, at], minlength=sizes[at]).astype(np.float64)
    found: Floats = (own / own.sum())[None, :]
    combination, combinations = np.zeros(len(known), np.int64), 1
    for parent in parents:
        combination, combinations = combination * sizes[parent] + known[:, parent], combinations * sizes[parent]
        joint = np.bincount(combination * sizes[at] + known[:, at], minlength=combinations * sizes[at])
        weighted: Floats = joint.reshape(combinations, sizes[at]) + _PRIOR * np.repeat(found, sizes[parent], axis=0)
        found = weighted / weighted.sum(axis=1, keepdims=True)
    return found
