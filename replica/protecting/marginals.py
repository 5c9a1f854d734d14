"""A tree of noisy marginals: which span depends on which is bought first, then the marginals that this asks for.

In the manner of MST (McKenna, Miklau and Sheldon 2021): how far each pair is from independence is measured with noise,
every span takes the one before it that it depends on most, and the marginals of these pairs are measured with all that
is left. Spans stand in the order in which they are drawn, so that the tree is the one that is sampled from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from replica.generators.base import Encoded, TableGenerator
from replica.generators.marginal import Marginal
from replica.kinds.base import Codes, Span
from replica.privacy.meter import Meter, Price

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SCORED_GROUPS = 8
_SINGLE_PART = 0.4
_CONTEXT_PART = 0.3
# Cells of a marginal hold so many times its noise on average; finer ones would tell of nothing else.
_CLEAR = 6.0
# How far beyond noise a dependence must stand out to be worth a marginal.
_SURE = 2.5
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
    """

    span: Span
    codes: Ints
    shares: Floats
    groups: Ints
    grouped: Floats
    noise: float


def fit_marginals(learned: Learned, meter: Meter, bought: Bought) -> Marginal:
    """Learns rows given their context from noisy marginals alone.

    Args:
        learned: the rows, and the copy whose codes they are in.
        meter: what measures.
        bought: what it may cost.
    """
    rows, n_context = learned.rows, len(learned.context.spans)
    own, mass = _own_axes(learned, meter, bought.counts)
    measured = [n_context + i for i, yes in enumerate(learned.measured) if yes and not rows.spans[i].observed]
    axes = [*_context_axes(learned, mass, meter, bought.structure), *own]
    for_pairs = _spending(bought.structure, 1 - _CONTEXT_PART if n_context else 1.0, 1)
    parents = _parents(axes, n_context, measured, mass, meter, for_pairs)
    pairs = sum(1 for parent in parents.values() if parent >= 0)
    each = _spending(bought.counts, 1 - _SINGLE_PART, pairs)
    tables = []
    for i, span in enumerate(rows.spans):
        parent = parents.get(n_context + i, -1)
        if span.observed:
            tables.append(np.zeros((0, 0)))
        elif parent < 0:
            tables.append(np.cumsum(own[i].shares)[None, :])
        else:
            tables.append(_conditional(axes[parent], own[i], mass, meter, each))
    places = tuple(parents.get(n_context + i, -1) for i in range(len(rows.spans)))
    return Marginal(rows.spans, learned.context.spans, places, tuple(tables))


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
        axes.append(_Axis(span, codes[:, i], shares, groups, grouped, noise))
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
        axes.append(_Axis(span, codes[:, i], shares, groups, onto_simplex(noisy.counts / mass), noise))
    return axes


def _shares(codes: Codes, span: Span) -> Floats:
    """How the codes of the copy are distributed; all are possible."""
    counts = np.bincount(codes, minlength=span.cardinality) + 1e-3
    found: Floats = counts / counts.sum()
    return found


def _summed(groups: Ints, shares: Floats) -> Floats:
    """The shares of groups."""
    return np.bincount(groups, weights=shares).astype(np.float64)


def group_codes(span: Span, shares: Floats, most: int) -> Ints:
    """Puts the codes of a span into at most so many groups, neighbours with neighbours: shape (codes,).

    Args:
        span: the span.
        shares: how its codes are distributed.
        most: two or more.
    """
    size, ordered = span.cardinality, min(span.ordered, span.cardinality)
    if size <= most:
        return np.arange(size)
    if ordered <= most // 2:
        # The commonest codes by themselves, all others together.
        found = np.full(size, most - 1)
        found[np.argsort(-shares, kind="stable")[: most - 1]] = np.arange(most - 1)
        return found
    left = max(1, most - (size - ordered))
    middle = np.cumsum(shares[:ordered]) - shares[:ordered] / 2
    cut = np.minimum((middle / max(float(shares[:ordered].sum()), 1e-12) * left).astype(np.int64), left - 1)
    # Numbered without gaps; special codes come last, in as few groups as there is room for.
    _, low = np.unique(cut, return_inverse=True)
    high = low.max() + 1 + np.minimum(np.arange(size - ordered), most - left - 1)
    return np.concatenate([low.reshape(-1), high])


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


def _parents(
    axes: list[_Axis], n_context: int, measured: list[int], mass: float, meter: Meter, price: Price
) -> dict[int, int]:
    """The span before each measured one that it depends on most; none where noise may be all there is."""
    pairs = [(other, at) for at in measured for other in range(at) if other < n_context or other in measured]
    if not pairs:
        return {}
    scores = np.array([_distance(axes[a], axes[b], mass) for a, b in pairs])
    # A row moves every score by one.
    noisy = meter.measure(scores, replace(price, sensitivity=price.sensitivity * math.sqrt(len(pairs))))
    best: dict[int, tuple[float, int]] = {}
    for (a, b), score in zip(pairs, noisy.counts.tolist(), strict=True):
        gain = score - _chance(axes[a], axes[b], mass)
        if gain > best.get(b, (_SURE * noisy.sigma, -1))[0]:
            best[b] = (gain, a)
    return {at: parent for at, (_, parent) in best.items()}


def _distance(a: _Axis, b: _Axis, mass: float) -> int:
    """How far a marginal is from what independent spans would give, in rows."""
    expected = np.round(np.outer(a.grouped, b.grouped) * mass).astype(np.int64)
    return int(np.abs(_joint(a.groups[a.codes], b.groups[b.codes], expected.shape) - expected).sum())


def _chance(a: _Axis, b: _Axis, mass: float) -> float:
    """The distance that independent spans show by chance: that of Poisson counts, and of noise in what is expected."""
    return _MEAN_SIZE * float(np.sqrt(np.outer(a.grouped, b.grouped) * mass).sum()) + a.noise + b.noise


def _joint(a: Ints, b: Ints, shape: tuple[int, ...]) -> Ints:
    return np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape)


def _conditional(parent: _Axis, child: _Axis, mass: float, meter: Meter, price: Price) -> Floats:
    """Distributions of a span given each code of its parent, summed up: shape (codes of parent, codes of span)."""
    cells = max(4.0, mass / (_CLEAR * math.sqrt(price.variance)))
    few = min(parent.span.cardinality, child.span.cardinality, max(2, int(math.sqrt(cells))))
    rest = max(2, int(cells / few))
    sides = (few, rest) if parent.span.cardinality <= child.span.cardinality else (rest, few)
    groups_p = group_codes(parent.span, parent.shares, sides[0])
    groups_c = group_codes(child.span, child.shares, sides[1])
    shape = (int(groups_p.max()) + 1, int(groups_c.max()) + 1)
    noisy = meter.measure(_joint(groups_p[parent.codes], groups_c[child.codes], shape), price).counts / mass
    shares_p = onto_simplex(noisy.sum(axis=1))
    shares_c = _summed(groups_c, child.shares)
    joint = _raked(_cleared(noisy, shares_p), shares_p, shares_c)
    within = child.shares / np.maximum(shares_c, 1e-12)[groups_c]
    spread = joint / joint.sum(axis=1, keepdims=True)
    summed: Floats = np.cumsum((spread[:, groups_c] * within)[groups_p], axis=1)
    return summed / summed[:, -1:]


def _cleared(joint: Floats, rows: Floats) -> Floats:
    """The nearest marginal whose rows add up to what is known of them and that is not negative."""
    return np.stack(
        [onto_simplex(row / share) * share if share > 0 else row * 0 for row, share in zip(joint, rows, strict=True)]
    )


def _raked(joint: Floats, rows: Floats, columns: Floats) -> Floats:
    """Scales a marginal until both its sides are what is known of them (Deming and Stephan 1940)."""
    found = joint + 1e-3 * np.outer(rows + 1e-9, columns + 1e-9)
    for _ in range(_ROUNDS):
        found *= (columns / np.maximum(found.sum(axis=0), 1e-15))[None, :]
        found *= ((rows + 1e-12) / np.maximum(found.sum(axis=1), 1e-15))[:, None]
    return found
