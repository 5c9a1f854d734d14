"""Models of noisy marginals: what they keep, and that no question moves further than it is paid for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from replica.generators.base import Encoded
from replica.kinds.base import Span
from replica.privacy.meter import Meter, Noisy, Price
from replica.protecting.loglinear import PairShares, fit_factors
from replica.protecting.marginals import Bought, Learned, fit_marginals

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

N = 8_000
SPANS = (Span("a", 3), Span("b", 4), Span("c", 30, ordered=30), Span("d", 2), Span("e", 5))
ABOVE = (Span("above", 4), Span("beside", 4))


def rows_of(n: int, seed: int) -> tuple[Ints, Ints]:
    """Rows whose last span depends on all others, and contexts that repeat themselves."""
    rng = np.random.default_rng(seed)
    above = rng.integers(0, 4, n)
    context = np.stack([above, np.where(rng.random(n) < 0.95, above, rng.integers(0, 4, n))], axis=1)
    a = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    b = np.where(rng.random(n) < 0.7, above, rng.integers(0, 4, n))
    c = np.clip(rng.normal(10 + 5 * a, 3, n), 0, 29).astype(np.int64)
    d = (rng.random(n) < np.where(c > 12, 0.8, 0.2)).astype(np.int64)
    e = np.where(rng.random(n) < 0.6, a + d, rng.integers(0, 5, n))
    return np.stack([a, b, c, d, e], axis=1), context


def learned(rows: Ints, context: Ints) -> Learned:
    """Rows beside a copy that knows nothing: all codes equally often, and no dependence."""
    rng = np.random.default_rng(0)
    copy, copy_context = (
        np.stack([rng.integers(0, span.cardinality, 3_000) for span in spans], axis=1).astype(np.int32)
        if spans
        else np.zeros((3_000, 0), np.int32)
        for spans in (SPANS, ABOVE[: context.shape[1]])
    )
    return Learned(
        Encoded(rows, SPANS), Encoded(context, ABOVE[: context.shape[1]]), (True,) * len(SPANS), copy, copy_context
    )


def bought(precision: float, bound: int = 1) -> Bought:
    return Bought(Price("structure", "t", bound, precision), Price("models", "t", bound, precision))


def far(first: Ints, second: Ints) -> Floats:
    """Total variation distances of all pairs of columns."""
    found = []
    for i, j in combinations(range(first.shape[1]), 2):
        tables = [np.bincount(rows[:, i] * 64 + rows[:, j], minlength=64 * 64) / len(rows) for rows in (first, second)]
        found.append(np.abs(tables[0] - tables[1]).sum() / 2)
    return np.array(found)


def test_all_pairs_come_through_a_little_noise() -> None:
    rows, _ = rows_of(N, 1)
    nothing = np.zeros((N, 0), np.int64)
    model = fit_marginals(learned(rows, nothing), Meter(), bought(0.5), np.random.default_rng(2))
    assert max(len(factors) for factors in model.factors) > 2, "a tree would know of one other span at most"
    empty = np.zeros((N, 0), np.int32)
    made = model.sample(empty, empty, len(SPANS), np.random.default_rng(3)).astype(np.int64)
    shuffled = np.stack([np.random.default_rng(i).permutation(rows[:, i]) for i in range(rows.shape[1])], axis=1)
    assert far(made, rows).mean() < 0.4 * far(shuffled, rows).mean()
    assert far(made, rows).max() < 0.12


def test_contexts_that_repeat_each_other_do_not_count_twice() -> None:
    rows, context = rows_of(N, 4)
    model = fit_marginals(learned(rows, context), Meter(), bought(0.5), np.random.default_rng(5))
    for above in range(4):
        both = np.full((4_000, 2), above, np.int32)
        made = model.sample(both, np.zeros((4_000, 0), np.int32), 2, np.random.default_rng(6))
        alike = (context == above).all(axis=1)
        assert np.mean(made[:, 1] == above) == pytest.approx(np.mean(rows[alike, 1] == above), abs=0.06)


def test_factors_agree_with_what_was_measured_of_all_pairs() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.integers(0, 3, N), rng.integers(0, 2, N)
    z = np.where(rng.random(N) < 0.7, np.minimum(x + y, 3), rng.integers(0, 4, N))
    pairs = []
    for other, size in ((x, 3), (y, 2)):
        shares = np.zeros((size, 4))
        np.add.at(shares, (other, z), 1 / N)
        noisy = shares + rng.normal(0, 1e-4, shares.shape)
        pairs.append(PairShares(other, np.arange(4), noisy, 1e-6))
    own, factors = fit_factors(np.bincount(z, minlength=4) / N, pairs)
    weights = own * factors[0][x] * factors[1][y]
    given = weights / weights.sum(axis=1, keepdims=True)
    for pair in pairs:
        found = np.stack([given[pair.other == k].sum(axis=0) / N for k in range(len(pair.shares))])
        assert np.abs(found - pair.shares).max() < 2e-3


def test_noise_that_is_below_nothing_leaves_distributions() -> None:
    other = np.array([0, 1] * 500)
    pair = PairShares(other, np.array([0, 1, 1]), np.array([[0.7, -0.2], [-0.05, 0.5]]), 1e-3)
    own, (factor,) = fit_factors(np.array([0.5, 0.3, 0.2]), [pair])
    weights = own * factor
    assert (weights > 0).all()
    assert np.isfinite(weights).all()
    assert weights[0, 0] / weights[0].sum() > weights[1, 0] / weights[1].sum()
    assert weights[0, 1] / weights[0, 2] == pytest.approx(weights[1, 1] / weights[1, 2]), "told apart by nothing"


# Sensitivity: one transcript, two neighbours --------------------------------------------------------------------------


@dataclass
class Recording(Meter):
    """A meter that keeps what it was asked, and answers as another run was answered where it is told to."""

    asked: list[tuple[Price, Ints]] = field(default_factory=list)
    answers: list[Noisy] = field(default_factory=list)
    replayed: tuple[Noisy, ...] = ()

    def measure(self, counts: Ints, price: Price) -> Noisy:
        """See :meth:`replica.privacy.meter.Meter.measure`."""
        self.asked.append((price, counts.copy()))
        answer = self.replayed[len(self.answers)] if self.replayed else super().measure(counts, price)
        self.answers.append(answer)
        return answer


def moved(there: Learned, gone: Learned, bound: int) -> list[float]:
    """How far each question moves between neighbours, over what it is paid for, if both get the same answers."""
    first = Recording()
    fit_marginals(there, first, bought(0.05, bound), np.random.default_rng(8))
    second = Recording(replayed=tuple(first.answers))
    fit_marginals(gone, second, bought(0.05, bound), np.random.default_rng(8))
    assert [price for price, _ in first.asked] == [price for price, _ in second.asked], (
        "questions depend on answers only"
    )
    return [
        float(np.linalg.norm((one - other).astype(np.float64))) / price.sensitivity
        for (price, one), (_, other) in zip(first.asked, second.asked, strict=True)
    ]


@pytest.mark.parametrize("bound", [1, 4])
@pytest.mark.parametrize("odd", [0, 1])
def test_a_subject_moves_no_question_further_than_it_is_paid_for(bound: int, odd: int) -> None:
    rows, context = rows_of(2_000, 9)
    extra = np.tile(np.array([[2, 3, 29, odd, 4]]), (bound, 1))
    whole = learned(np.concatenate([rows, extra]), np.concatenate([context, np.full((bound, 2), 3)]))
    found = moved(whole, learned(rows, context), bound)
    assert max(found) <= 1 + 1e-9
    assert max(found) > 0.5


def test_questions_move_too_far_where_rows_are_taken_for_subjects() -> None:
    rows, context = rows_of(2_000, 9)
    whole = learned(np.concatenate([rows, rows[:5] * 0]), np.concatenate([context, context[:5] * 0]))
    found = moved(whole, replace(whole, rows=Encoded(rows, SPANS), context=Encoded(context, ABOVE)), 1)
    assert max(found) > 1
