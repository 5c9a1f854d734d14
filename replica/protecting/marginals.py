"""Noisy marginals of pairs, and a model that agrees with them.

In the manner of MST and AIM (McKenna, Miklau and Sheldon 2021; McKenna et al. 2022): every span is measured by itself;
how far each pair is from independence is measured with noise; the marginals of those pairs that depend on each other
are bought with all that is left. The model is fitted to all of them together (:mod:`replica.protecting.loglinear`),
span by span in the order in which they are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from replica.generators.base import Encoded, TableGenerator
from replica.generators.grouping import group_codes
from replica.generators.marginal import Factor, Marginal, draw_groups
from replica.kinds.base import Codes, Span
from replica.privacy.meter import Meter, Price
from replica.protecting.loglinear import PairShares, fit_factors

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Pair = tuple[int, int]

_SCORED_GROUPS = 8
_GROUPS = 20
_SINGLE_PART = 0.5
_CONTEXT_PART = 0.3
# Cells of a marginal hold so many times its noise on average; finer ones would tell of nothing else.
_CLEAR = 6.0
# How far beyond noise a dependence must stand out to be worth a marginal.
_SURE = 2.5
# How many spans of its context one span may depend on; what these have in common is bought too.
_MOST_ABOVE = 2
# Rows that the model is fitted on.
_ROWS = 14_000
# How many rows the knowledge that most things are independent weighs.
_INDEPENDENCE = 100.0
_ROUNDS = 30
# A detail smaller than so many times its noise is taken for noise.
_SURE_DETAIL = 1.5
# With fewer neighbours there is nothing to smooth.
_FEW_NEIGHBOURS = 8
# The mean of a normal draw without its sign.
_MEAN_SIZE = math.sqrt(2 / math.pi)


@dataclass(frozen=True)
class Bought:
    """What a table's model may cost.

    Attributes:
        structure: for finding what depends on what; its sensitivity is the most rows of a subject.
        counts: for the marginals.
    """

    structure: Price
    counts: Price


@dataclass(frozen=True)
class Learned:
    """The rows of a table beside those of its copy.

    Attributes:
        rows: the codes of rows, at most so many of one subject as the prices' sensitivity says.
        context: as many rows.
        measured: which spans of the rows say anything of them; the others stand as in the copy.
        copy: the codes of the copy's rows, of which nothing need be bought.
        copy_context: their context.
    """

    rows: Encoded
    context: Encoded
    measured: tuple[bool, ...]
    copy: Codes
    copy_context: Codes


@dataclass(frozen=True)
class _Axis:
    """A span as far as noise lets it be seen.

    Attributes:
        span: the span.
        codes: its codes: shape (rows,).
        shares: how its codes are distributed, as far as that is known: shape (codes of the span,).
        groups: its codes in a few groups, by which dependence is judged: shape (codes of the span,).
        grouped: how the groups are distributed in the rows.
        noise: how far off the groups are together because of noise, in rows.
        fine: its codes in groups that the model tells apart: shape (codes of the span,).
    """

    span: Span
    codes: Ints
    shares: Floats
    groups: Ints
    grouped: Floats
    noise: float
    fine: Ints

    @property
    def fine_shares(self) -> Floats:
        """How the groups of the model are distributed."""
        return _summed(self.fine, self.shares)

    def view(self, most: int) -> Ints:
        """Puts the groups of the model into at most so many: shape (groups,)."""
        shares = self.fine_shares
        in_order = self.span.ordered > 0 and bool((np.diff(self.fine) >= 0).all())
        ordered = int(self.fine[self.span.ordered - 1]) + 1 if in_order else 0
        return group_codes(replace(self.span, cardinality=len(shares), ordered=ordered), shares, most)


@dataclass(frozen=True)
class _Measuring:
    """What measures the pairs of a table.

    Attributes:
        axes: all spans, the context's first.
        n_context: how many spans the context has.
        mass: about how many rows there are.
        meter: what adds noise.
    """

    axes: Sequence[_Axis]
    n_context: int
    mass: float
    meter: Meter


def fit_marginals(learned: Learned, meter: Meter, bought: Bought, rng: np.random.Generator) -> Marginal:
    """Learns rows given their context from noisy marginals alone.

    Args:
        learned: the rows, and the copy whose codes they are in.
        meter: what measures.
        bought: what it may cost.
        rng: the random stream of what is drawn to fit the model on.
    """
    spans, n_context = learned.rows.spans, len(learned.context.spans)
    own, mass = _own_axes(learned, meter, bought.counts)
    axes = [*_context_axes(learned, mass, meter, bought.structure), *own]
    measuring = _Measuring(axes, n_context, mass, meter)
    measured = [n_context + i for i, yes in enumerate(learned.measured) if yes and not spans[i].observed]
    scoring = _spending(bought.structure, 1 - _CONTEXT_PART if n_context else 1.0, 1)
    edges = _dependences(measuring, measured, scoring)
    pairs = edges + _between_parents(edges, n_context)
    each = _spending(bought.counts, 1 - _SINGLE_PART, len(pairs))
    measured_pairs = {pair: _measured_pair(measuring, pair, each) for pair in pairs}
    factors = _fitted(measuring, measured_pairs, _drawn_context(measuring, learned, measured_pairs, rng), rng)
    within = tuple(axis.shares / np.maximum(axis.fine_shares, 1e-15)[axis.fine] for axis in own)
    given = tuple(
        () if span.observed else tuple(_over_codes(factor, axes) for factor in found)
        for span, found in zip(spans, factors, strict=True)
    )
    return Marginal(spans, learned.context.spans, tuple(axis.fine for axis in own), given, within)


def made_rows(model: TableGenerator, learned: Learned, rng: np.random.Generator) -> Codes:
    """Draws rows for the contexts of the copy, whose observed spans stay: shape (rows of the copy, spans)."""
    codes = learned.copy.astype(np.int32)
    context = learned.copy_context.astype(np.int32)
    for i, span in enumerate(learned.rows.spans):
        if not span.observed:
            codes[:, i : i + 1] = model.sample(context, codes[:, :i], i + 1, rng)
    return codes


def _spending(price: Price, part: float, times: int) -> Price:
    """The price of one of several measurements that share a part of what may be spent."""
    return replace(price, precision=price.precision * part / max(1, times))


def _by_size(price: Price, sizes: dict[int, int]) -> dict[int, Price]:
    """Divides what single spans may cost so that noise is least over all their codes together.

    Noise in a span is in proportion to its codes and to sigma; the least sum under a common precision gives each a part
    in proportion to its codes to the power of two thirds.
    """
    whole = sum(size ** (2 / 3) for size in sizes.values())
    return {i: _spending(price, _SINGLE_PART * size ** (2 / 3) / whole, 1) for i, size in sizes.items()}


def _own_axes(learned: Learned, meter: Meter, price: Price) -> tuple[list[_Axis], float]:
    """Measures every span of the rows by itself, and with them about how many rows there are."""
    spans, codes = learned.rows.spans, learned.rows.codes.astype(np.int64)
    wanted = [i for i, yes in enumerate(learned.measured) if yes]
    prices = _by_size(price, {i: spans[i].cardinality for i in wanted})
    noisy = {
        i: meter.measure(np.bincount(codes[:, i], minlength=spans[i].cardinality), prices[i]).counts for i in wanted
    }
    # The same rows are counted by every span; the fewer codes it has, the surer its sum.
    weights = np.array([1 / len(counts) for counts in noisy.values()])
    totals = np.array([counts.sum() for counts in noisy.values()])
    mass = max(1.0, float(weights @ totals / weights.sum())) if wanted else 1.0
    axes = []
    for i, span in enumerate(spans):
        shares = _shares(learned.copy[:, i], span)
        if i in noisy:
            shares = onto_simplex(smoothed(noisy[i], shares * mass, span.ordered, math.sqrt(prices[i].variance)) / mass)
        groups = group_codes(span, shares, _SCORED_GROUPS)
        grouped = _summed(groups, shares)
        noise = _MEAN_SIZE * math.sqrt(prices[i].variance * len(shares) * len(grouped)) if i in noisy else 0.0
        axes.append(_Axis(span, codes[:, i], shares, groups, grouped, noise, group_codes(span, shares, _GROUPS)))
    return axes, mass


def _context_axes(learned: Learned, mass: float, meter: Meter, price: Price) -> list[_Axis]:
    """The spans of the context: divided as the copy's are, and measured in these few groups only."""
    codes = learned.context.codes.astype(np.int64)
    each = _spending(price, _CONTEXT_PART, len(learned.context.spans))
    axes = []
    for i, span in enumerate(learned.context.spans):
        shares = _shares(learned.copy_context[:, i], span)
        groups = group_codes(span, shares, _SCORED_GROUPS)
        noisy = meter.measure(np.bincount(groups[codes[:, i]], minlength=int(groups.max()) + 1), each)
        noise = _MEAN_SIZE * noisy.sigma * len(noisy.counts)
        axes.append(_Axis(span, codes[:, i], shares, groups, onto_simplex(noisy.counts / mass), noise, groups))
    return axes


def _shares(codes: Codes, span: Span) -> Floats:
    """How the codes of the copy are distributed; all are possible."""
    counts = np.bincount(codes, minlength=span.cardinality) + 1e-3
    found: Floats = counts / counts.sum()
    return found


def _summed(groups: Ints, shares: Floats) -> Floats:
    """The shares of groups."""
    return np.bincount(groups, weights=shares).astype(np.float64)


def smoothed(counts: Ints, expected: Floats, ordered: int, sigma: float) -> Floats:
    """Takes noise out of counts of neighbouring codes where it hides whatever sets them apart from what is expected.

    Haar wavelets of what is left over, of which those that noise explains are dropped (Donoho and Johnstone 1994).

    Args:
        counts: with noise: shape (codes,).
        expected: the same, as far as it was known before.
        ordered: how many of the first codes are neighbours.
        sigma: standard deviation of the noise.
    """
    found = counts.astype(np.float64)
    if ordered < _FEW_NEIGHBOURS:
        return found
    left = np.zeros(1 << (ordered - 1).bit_length())
    left[:ordered] = found[:ordered] - expected[:ordered]
    least = sigma * _SURE_DETAIL
    details = []
    while len(left) > 1:
        detail = (left[::2] - left[1::2]) / math.sqrt(2)
        details.append(np.where(np.abs(detail) > least, detail, 0))
        left = (left[::2] + left[1::2]) / math.sqrt(2)
    for detail in reversed(details):
        left = np.stack([left + detail, left - detail], axis=1).reshape(-1) / math.sqrt(2)
    found[:ordered] = expected[:ordered] + left[:ordered]
    return found


def onto_simplex(values: Floats) -> Floats:
    """Returns the nearest shares, which are not negative and add up to one (Wang and Carreira-Perpinan 2013)."""
    ordered = np.sort(values)[::-1]
    over = np.cumsum(ordered) - 1
    last = int(np.flatnonzero(ordered * np.arange(1, len(values) + 1) > over)[-1])
    kept = np.maximum(values - over[last] / (last + 1), 0)
    found: Floats = kept / kept.sum()
    return found


def _dependences(measuring: _Measuring, measured: list[int], price: Price) -> list[Pair]:
    """The pairs that depend on each other further than noise explains, most of all first."""
    axes, n_context = measuring.axes, measuring.n_context
    pairs = [(other, at) for at in measured for other in range(at) if other < n_context or other in measured]
    if not pairs:
        return []
    scores = np.array([_distance(axes[a], axes[b], measuring.mass) for a, b in pairs])
    # A row moves every score by one.
    whole = replace(price, sensitivity=price.sensitivity * math.sqrt(len(pairs)))
    noisy = measuring.meter.measure(scores, whole)
    gains = noisy.counts - np.array([_chance(axes[a], axes[b], measuring.mass) for a, b in pairs])
    found: list[Pair] = []
    for k in np.argsort(-gains, kind="stable").tolist():
        above = sum(1 for a, b in found if b == pairs[k][1] and a < n_context)
        if gains[k] > _SURE * noisy.sigma and (pairs[k][0] >= n_context or above < _MOST_ABOVE):
            found.append(pairs[k])
    return found


def _between_parents(edges: list[Pair], n_context: int) -> list[Pair]:
    """Pairs of spans of the context on which one span depends: what they have in common must not count twice."""
    found = set()
    for at in {b for _, b in edges}:
        above = sorted(a for a, b in edges if b == at and a < n_context)
        found |= {(above[i], above[j]) for j in range(len(above)) for i in range(j)}
    return sorted(found)


def _distance(a: _Axis, b: _Axis, mass: float) -> int:
    """How far a marginal is from what independent spans would give, in rows."""
    expected = np.round(np.outer(a.grouped, b.grouped) * mass).astype(np.int64)
    return int(np.abs(_joint(a.groups[a.codes], b.groups[b.codes], expected.shape) - expected).sum())


def _chance(a: _Axis, b: _Axis, mass: float) -> float:
    """The distance that independent spans show by chance: that of Poisson counts, and of noise in what is expected."""
    return _MEAN_SIZE * float(np.sqrt(np.outer(a.grouped, b.grouped) * mass).sum()) + a.noise + b.noise


def _joint(a: Ints, b: Ints, shape: tuple[int, ...]) -> Ints:
    return np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape)


@dataclass(frozen=True)
class _PairFound:
    """The marginal of a pair as it was measured: the groups that each span's own groups were counted in, and shares."""

    views: tuple[Ints, Ints]
    shares: Floats
    slack: float


def _measured_pair(measuring: _Measuring, pair: Pair, price: Price) -> _PairFound:
    """Buys the marginal of a pair, as finely as noise lets it be seen."""
    first, second = (measuring.axes[at] for at in pair)
    sizes = len(first.fine_shares), len(second.fine_shares)
    cells = max(4.0, measuring.mass / (_CLEAR * math.sqrt(price.variance)))
    few = min(*sizes, max(2, int(math.sqrt(cells))))
    rest = max(2, int(cells / few))
    most = (few, rest) if sizes[0] <= sizes[1] else (rest, few)
    views = first.view(most[0]), second.view(most[1])
    shape = (int(views[0].max()) + 1, int(views[1].max()) + 1)
    counts = _joint(views[0][first.fine[first.codes]], views[1][second.fine[second.codes]], shape)
    noisy = measuring.meter.measure(counts, price)
    slack = _INDEPENDENCE * noisy.sigma**2 / measuring.mass**2
    return _PairFound(views, noisy.counts / measuring.mass, slack)


def _drawn_context(
    measuring: _Measuring, learned: Learned, found: dict[Pair, _PairFound], rng: np.random.Generator
) -> Ints:
    """Groups of contexts to fit on: those of the copy, each as often as what was measured of contexts asks for."""
    n_context = measuring.n_context
    rows = learned.copy_context[rng.integers(0, max(1, len(learned.copy_context)), _ROWS)].astype(np.int64)
    groups = (
        np.stack([axis.fine[rows[:, i]] for i, axis in enumerate(measuring.axes[:n_context])], axis=1)
        if n_context
        else rows
    )
    weights = np.ones(_ROWS)
    pairs = {pair: each for pair, each in found.items() if pair[1] < n_context}
    for _ in range(_ROUNDS if n_context else 0):
        for i in range(n_context):
            weights *= _ratio(measuring.axes[i].grouped, groups[:, i], weights)
        for (a, b), each in pairs.items():
            cell = each.views[0][groups[:, a]] * each.shares.shape[1] + each.views[1][groups[:, b]]
            weights *= _ratio(onto_simplex(each.shares.reshape(-1)), cell, weights)
    # Systematic sampling: each as often as its weight says, but for a fraction.
    places = (np.arange(_ROWS) + rng.random()) / _ROWS
    chosen = np.searchsorted(np.cumsum(weights / weights.sum()), places)
    taken: Ints = groups[rng.permutation(np.minimum(chosen, _ROWS - 1))]
    return taken


def _ratio(wanted: Floats, cells: Ints, weights: Floats) -> Floats:
    """What each row's weight is to be multiplied by so that cells have the shares that are wanted."""
    there = np.bincount(cells, weights=weights, minlength=len(wanted)) / weights.sum()
    ratio: Floats = np.where(there > 0, (wanted + 1e-6) / np.maximum(there, 1e-12), 1.0)[cells]
    return ratio


def _over_codes(factor: Factor, axes: Sequence[_Axis]) -> Factor:
    """A factor over groups of groups as one over groups of codes."""
    views = tuple(view[axes[place].fine] for place, view in zip(factor.places, factor.views, strict=True))
    return replace(factor, views=views)


def _fitted(
    measuring: _Measuring, found: dict[Pair, _PairFound], drawn: Ints, rng: np.random.Generator
) -> list[tuple[Factor, ...]]:
    """Fits the spans one after the other, each given rows drawn from those before it; over groups of all of them."""
    axes, factors = measuring.axes, []
    for at in range(measuring.n_context, len(axes)):
        pairs = {a: each for (a, b), each in found.items() if b == at}
        own = axes[at].fine_shares
        told = [
            PairShares(each.views[0][drawn[:, a]], each.views[1], each.shares, each.slack) for a, each in pairs.items()
        ]
        base, fitted = fit_factors(own, told) if told else (own, [])
        given = [
            Factor((a,), (each.views[0],), weights) for (a, each), weights in zip(pairs.items(), fitted, strict=True)
        ]
        factors.append((Factor((), (), base[None, :]), *given))
        group = draw_groups(factors[-1], drawn, rng)
        drawn = np.concatenate([drawn, group[:, None]], axis=1)
    return factors
