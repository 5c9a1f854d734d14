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

from replica.generators.base import Encoded
from replica.generators.marginal import Marginal
from replica.kinds.base import Span
from replica.privacy.meter import Meter, Price

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SCORED_GROUPS = 8
_SINGLE_PART = 0.3
# Cells of a marginal hold so many times its noise on average; finer ones would tell of nothing else.
_CLEAR = 4.0
_ROUNDS = 30


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
class _Axis:
    """A span as far as noise lets it be seen.

    Attributes:
        span: the span.
        codes: its codes: shape (rows,).
        shares: how its codes are distributed: shape (codes of the span,).
        mass: how many rows there are about.
    """

    span: Span
    codes: Ints
    shares: Floats
    mass: float

    def groups(self, most: int) -> Ints:
        """Puts codes into at most so many groups: shape (codes of the span,)."""
        size = self.span.cardinality
        if size <= most:
            return np.arange(size)
        ordered = min(self.span.ordered, size)
        if ordered <= most // 2:
            return _commonest(self.shares, most)
        special = size - ordered
        left = max(2, most - special)
        cut = np.cumsum(self.shares[:ordered]) - self.shares[:ordered] / 2
        whole = max(float(self.shares[:ordered].sum()), 1e-12)
        low = np.minimum((cut / whole * left).astype(np.int64), left - 1)
        # Numbered without gaps, special codes last, in as few groups as there is room for.
        _, low = np.unique(low, return_inverse=True)
        high = low.max() + 1 + np.minimum(np.arange(special), max(0, most - left - 1))
        return np.concatenate([low.reshape(-1), high])


def _commonest(shares: Floats, most: int) -> Ints:
    """The commonest codes by themselves, all others together."""
    found = np.full(len(shares), most - 1)
    found[np.argsort(-shares, kind="stable")[: most - 1]] = np.arange(most - 1)
    return found


def fit_marginals(rows: Encoded, context: Encoded, meter: Meter, bought: Bought) -> Marginal:
    """Learns rows given their context from noisy marginals alone.

    Args:
        rows: the codes of rows, at most so many of one subject as the prices' sensitivity says.
        context: as many rows.
        meter: what measures.
        bought: what it may cost.
    """
    spans = (*context.spans, *rows.spans)
    codes = np.concatenate([context.codes, rows.codes], axis=1).astype(np.int64)
    drawn = [len(context.spans) + i for i, span in enumerate(rows.spans) if not span.observed]
    axes = _axes(codes, spans, drawn, meter, bought)
    parents = _parents(axes, drawn, meter, bought.structure)
    pairs = [(parent, at) for at, parent in parents.items() if parent >= 0]
    each = replace(bought.counts, precision=bought.counts.precision * (1 - _SINGLE_PART) / max(1, len(pairs)))
    places, tables = [], []
    for i, span in enumerate(rows.spans):
        at = len(context.spans) + i
        parent = parents.get(at, -1)
        places.append(parent)
        if span.observed:
            tables.append(np.zeros((0, 0)))
        elif parent < 0:
            tables.append(np.cumsum(axes[at].shares)[None, :])
        else:
            tables.append(_conditional(axes[parent], axes[at], meter, each))
    return Marginal(rows.spans, context.spans, tuple(places), tuple(tables))


def _axes(codes: Ints, spans: tuple[Span, ...], drawn: list[int], meter: Meter, bought: Bought) -> list[_Axis]:
    """Measures every span by itself: what is drawn for the model, the rest for finding what depends on it."""
    seen = [at for at in range(len(spans)) if at not in drawn]
    counted = replace(bought.counts, precision=bought.counts.precision * _SINGLE_PART / max(1, len(drawn)))
    scored = replace(bought.structure, precision=bought.structure.precision / 2 / max(1, len(seen)))
    noisy = [
        meter.measure(np.bincount(codes[:, at], minlength=span.cardinality), counted if at in set(drawn) else scored)
        for at, span in enumerate(spans)
    ]
    # The same rows are counted by every span, so the surest sum is worth most.
    weights = np.array([1 / (found.sigma**2 * found.counts.size) for found in noisy])
    totals = np.array([found.counts.sum() for found in noisy])
    mass = max(1.0, float(weights @ totals / weights.sum()))
    return [
        _Axis(span, codes[:, at], onto_simplex(found.counts / mass), mass)
        for at, (span, found) in enumerate(zip(spans, noisy, strict=True))
    ]


def onto_simplex(values: Floats) -> Floats:
    """Returns the nearest shares, which are not negative and add up to one (Wang and Carreira-Perpinan 2013)."""
    ordered = np.sort(values)[::-1]
    over = np.cumsum(ordered) - 1
    last = int(np.flatnonzero(ordered * np.arange(1, len(values) + 1) > over)[-1])
    kept = np.maximum(values - over[last] / (last + 1), 0)
    found: Floats = kept / kept.sum()
    return found


def _parents(axes: list[_Axis], drawn: list[int], meter: Meter, price: Price) -> dict[int, int]:
    """The span before each drawn one that it depends on most, -1 where noise may be all there is."""
    pairs = [(other, at) for at in drawn for other in range(at)]
    if not pairs:
        return dict.fromkeys(drawn, -1)
    grouped = [axis.groups(_SCORED_GROUPS) for axis in axes]
    scores = np.array([_distance(axes[a], axes[b], grouped[a], grouped[b]) for a, b in pairs])
    # A row moves every score by one.
    whole = replace(price, sensitivity=price.sensitivity * math.sqrt(len(pairs)), precision=price.precision / 2)
    noisy = meter.measure(scores, whole)
    found: dict[int, int] = {}
    for at in drawn:
        mine = [i for i, (_, b) in enumerate(pairs) if b == at]
        if not mine:
            found[at] = -1
            continue
        gains = [
            noisy.counts[i] - _chance(axes[pairs[i][0]], axes[at], grouped[pairs[i][0]], grouped[at]) for i in mine
        ]
        best = int(np.argmax(gains))
        found[at] = pairs[mine[best]][0] if gains[best] > noisy.sigma else -1
    return found


def _grouped(axis: _Axis, groups: Ints) -> Floats:
    """The shares of groups of codes."""
    return np.bincount(groups, weights=axis.shares).astype(np.float64)


def _distance(a: _Axis, b: _Axis, groups_a: Ints, groups_b: Ints) -> int:
    """How far a marginal is from what independent spans would give, in rows."""
    shares_a, shares_b = _grouped(a, groups_a), _grouped(b, groups_b)
    expected = np.round(np.outer(shares_a, shares_b) * a.mass).astype(np.int64)
    return int(np.abs(_joint(a, b, groups_a, groups_b) - expected).sum())


def _chance(a: _Axis, b: _Axis, groups_a: Ints, groups_b: Ints) -> float:
    """The distance that independent spans show by chance: the mean deviation of a Poisson count in every cell."""
    expected = np.outer(_grouped(a, groups_a), _grouped(b, groups_b)) * a.mass
    return float(np.sqrt(2 / np.pi * expected).sum())


def _joint(a: _Axis, b: _Axis, groups_a: Ints, groups_b: Ints) -> Ints:
    size_a, size_b = int(groups_a.max()) + 1, int(groups_b.max()) + 1
    cells = groups_a[a.codes] * size_b + groups_b[b.codes]
    return np.bincount(cells, minlength=size_a * size_b).reshape(size_a, size_b)


def _conditional(parent: _Axis, child: _Axis, meter: Meter, price: Price) -> Floats:
    """Distributions of a span given each code of its parent, summed up: shape (codes of parent, codes of span)."""
    cells = max(4.0, parent.mass / (_CLEAR * math.sqrt(price.variance)))
    side = max(2, int(math.sqrt(cells)))
    few = min(parent.span.cardinality, child.span.cardinality, side)
    rest = max(2, int(cells / few))
    groups_p = parent.groups(few if parent.span.cardinality <= child.span.cardinality else rest)
    groups_c = child.groups(rest if parent.span.cardinality <= child.span.cardinality else few)
    noisy = meter.measure(_joint(parent, child, groups_p, groups_c), price).counts / parent.mass
    shares_p, shares_c = _grouped(parent, groups_p), _grouped(child, groups_c)
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
