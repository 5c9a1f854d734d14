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
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from replica.generators.base import Encoded, FitOptions, Spans
from replica.generators.devices import CPU
from replica.generators.grouping import group_codes
from replica.kinds.base import Codes

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SAMPLE = 20_000
# Weights of what fewer parents say in each row of a table, in rows: rare combinations lean on it; all do where parents
# tell little.
_PRIORS = (2.0, 20.0, 200.0)
_MOST_PARENTS = 3
# Only so many spans are asked whether they tell anything more.
_ASKED = 24
_MOST_CELLS = 2**18
# Spans of many codes are looked at in so many groups too: few rows say little of each code, and more of each group.
_COARSE = (16, 5)
# Products are taken of so many rows at once.
_ROWS = 20_000


@dataclass(frozen=True)
class Factor:
    """What some spans say of another one.

    Attributes:
        places: the places of the spans, counting the context's first; none for what is said whatever they are.
        views: for each of them the group that each of its codes is in: shape (codes,).
        weights: shape (combinations of these groups, groups of the other one); what is not possible has none.
    """

    places: tuple[int, ...]
    views: tuple[Ints, ...]
    weights: Floats


@dataclass(frozen=True)
class Marginal:
    """A fitted model.

    Attributes:
        spans: the spans of a row.
        context: the spans of its context.
        groups: for each span of a row the group that each of its codes is in. Which group it is other spans decide, and
            which code of it nobody. Shape (codes,).
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
        spans = (*context.spans, *rows.spans)
        judged = known if len(known) <= _SAMPLE else known[rng.choice(len(known), _SAMPLE, replace=False)]
        factors: list[tuple[Factor, ...]] = []
        for at, span in enumerate(rows.spans, start=len(context.spans)):
            factors.append(() if span.observed else (_table(known, spans, _most_telling(judged, spans, at), at),))
        groups = tuple(np.arange(span.cardinality) for span in rows.spans)
        within = tuple(np.ones(span.cardinality) for span in rows.spans)
        return cls(rows.spans, context.spans, groups, tuple(factors), within)

    def sample(self, context: Codes, given: Codes, stop: int, rng: np.random.Generator, device: str = CPU) -> Codes:  # noqa: ARG002 - part of the protocol
        """See :meth:`replica.generators.base.TableGenerator.sample`."""
        n, n_given, n_context = len(context), given.shape[1], context.shape[1]
        known = np.concatenate([context, given, np.zeros((n, stop - n_given), np.int32)], axis=1)
        for i in range(n_given, stop):
            group = draw_groups(self.factors[i], known, rng)
            known[:, n_context + i] = _code(self.groups[i], self.within[i], group, rng)
        return known[:, n_context + n_given :]


def draw_groups(factors: Sequence[Factor], known: npt.NDArray[np.integer], rng: np.random.Generator) -> Ints:
    """Draws a span's groups given the codes of spans before it: shape (rows,).

    Args:
        factors: what the span's distribution is the product of.
        known: the codes: shape (rows, spans).
        rng: the random stream.
    """
    rows = [_combination(factor.places, factor.views, known) for factor in factors]
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


def _combination(places: tuple[int, ...], views: tuple[Ints, ...], known: npt.NDArray[np.integer]) -> Ints:
    """Which combination of groups some spans have: shape (rows,)."""
    found = np.zeros(len(known), np.int64)
    for place, view in zip(places, views, strict=True):
        found = found * (int(view.max()) + 1) + view[known[:, place]]
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


@dataclass(frozen=True)
class _Parent:
    """A span that another one may depend on, how finely it is looked at, and how much its table leans on fewer parents.

    The first is told by the group that each code is in, the second by a weight in rows.
    """

    place: int
    view: Ints
    prior: float = _PRIORS[0]

    @property
    def size(self) -> int:
        """How many groups there are."""
        return int(self.view.max()) + 1


def _candidates(known: Ints, spans: Spans, at: int) -> list[_Parent]:
    """All spans before one, in all their codes and in fewer groups."""
    found = []
    for place, span in enumerate(spans[:at]):
        found.append(_Parent(place, np.arange(span.cardinality)))
        coarse = [most for most in _COARSE if most < span.cardinality]
        if coarse:
            shares = np.bincount(known[:, place], minlength=span.cardinality) / len(known)
            found += [_Parent(place, group_codes(span, shares, most)) for most in coarse]
    return found


def _most_telling(known: Ints, spans: Spans, at: int) -> tuple[_Parent, ...]:
    """The spans before ``at`` that tell most about it, the first one most of all; none if none tells anything.

    What they tell is the likelihood of each row under the table of all the others (leave one out), so that a table with
    too many combinations for so many rows does badly. Where none helps to tell rows, but one is surely not independent,
    that one is taken all the same: a weak dependence of many codes is lost otherwise.
    """
    own, size = known[:, at], spans[at].cardinality
    told, _ = _left_out(np.zeros(len(own), np.int64), own, np.full(len(own), 1 / size))
    chosen: list[_Parent] = []
    combination, combinations = np.zeros(len(own), np.int64), 1
    asked = _candidates(known, spans, at)
    while asked and len(chosen) < _MOST_PARENTS:
        # Better by chance in the best of so many.
        least = float(np.log(told).sum()) + math.log(len(asked)) + 1
        scored = []
        for parent in asked:
            if not chosen or combinations * parent.size * size <= _MOST_CELLS:
                tried, prior = _left_out(combination * parent.size + parent.view[known[:, parent.place]], own, told)
                scored.append((float(np.log(tried).sum()), replace(parent, prior=prior), tried))
        scored.sort(key=lambda found: -found[0])
        if not scored or scored[0][0] <= least:
            break
        _, best, told = scored[0]
        chosen.append(best)
        combination, combinations = combination * best.size + best.view[known[:, best.place]], combinations * best.size
        asked = [parent for _, parent, _ in scored if parent.place != best.place][:_ASKED]
    return tuple(chosen) or _least_independent(known, spans, at)


def _least_independent(known: Ints, spans: Spans, at: int) -> tuple[_Parent, ...]:
    """The span before ``at`` with the most mutual information beyond what chance would show; none if none has any."""
    best: tuple[_Parent, ...] = ()
    best_gain = 0.0
    n, size = len(known), spans[at].cardinality
    own = _entropy(np.bincount(known[:, at], minlength=size) / n)
    for other, span in enumerate(spans[:at]):
        joint = np.bincount(known[:, other] * size + known[:, at], minlength=span.cardinality * size) / n
        first = joint.reshape(span.cardinality, size).sum(axis=1)
        # The bias of the plug-in estimate (Miller 1955): half the extra degrees of freedom per row.
        cells = np.count_nonzero(joint) - np.count_nonzero(first)
        gain = own + _entropy(first) - _entropy(joint) - max(0, int(cells) - (size - 1)) / (2 * n)
        if gain > best_gain:
            best, best_gain = (_Parent(other, np.arange(span.cardinality)),), gain
    return best


def _entropy(shares: Floats) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def _left_out(combination: Ints, own: Ints, fewer: Floats) -> tuple[Floats, float]:
    """The likelihood of each row's code given its combination, by all other rows: shape (rows,).

    Args:
        combination: which combination of parents each row has.
        own: the code.
        fewer: the same with fewer parents.

    Returns:
        The likelihoods, and the prior with which they are greatest.
    """
    _, given = np.unique(combination, return_inverse=True)
    _, both = np.unique(given * (int(own.max()) + 1) + own, return_inverse=True)
    others, all_others = np.bincount(both)[both] - 1, np.bincount(given)[given] - 1
    found = [((others + prior * fewer) / (all_others + prior), prior) for prior in _PRIORS]
    return max(found, key=lambda each: float(np.log(each[0]).sum()))


def _table(known: Ints, spans: Spans, parents: tuple[_Parent, ...], at: int) -> Factor:
    """The distribution of a span given each combination of its parents."""
    size = spans[at].cardinality
    own = np.bincount(known[:, at], minlength=size).astype(np.float64)
    found: Floats = (own / own.sum())[None, :]
    combination, combinations = np.zeros(len(known), np.int64), 1
    for parent in parents:
        combination = combination * parent.size + parent.view[known[:, parent.place]]
        combinations *= parent.size
        joint = np.bincount(combination * size + known[:, at], minlength=combinations * size)
        weighted: Floats = joint.reshape(combinations, size) + parent.prior * np.repeat(found, parent.size, axis=0)
        found = weighted / weighted.sum(axis=1, keepdims=True)
    return Factor(tuple(parent.place for parent in parents), tuple(parent.view for parent in parents), found)
