"""Noise, what it costs, and audits that must fail where a mechanism is broken."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import quad
from scipy.stats import beta, norm

from replica.privacy.budget import DELTA_FOR_VALUES, SHARES, budget_of, delta_of_gaussian, noise_for
from replica.privacy.ledger import Entry, Ledger, epsilon_of
from replica.privacy.meter import Meter, Price, threshold
from replica.privacy.noise import coin_flips, discrete_gaussian, normal, random_below, random_order

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FIGURES = Path(__file__).parent / "fixtures" / "accounting.json"


def gaussian_shares(variance: int, places: Ints) -> Floats:
    whole = np.arange(-40 * math.isqrt(variance) - 40, 40 * math.isqrt(variance) + 41)
    found: Floats = np.exp(-(places**2) / (2 * variance)) / np.exp(-(whole**2) / (2 * variance)).sum()
    return found


@pytest.mark.parametrize("variance", [1, 3, 50, 10_000, 10**8, 3 * 10**8])
def test_noise_on_counts_is_the_discrete_gaussian(variance: int) -> None:
    n = 60_000
    drawn = discrete_gaussian(n, variance)
    edges = np.unique(np.round(np.linspace(-3, 3, 13) * math.sqrt(variance)).astype(np.int64))
    found = np.bincount(np.searchsorted(edges, drawn, side="right"), minlength=len(edges) + 1)
    places = np.arange(-8 * math.isqrt(variance) - 8, 8 * math.isqrt(variance) + 9)
    if len(places) > 10**6:
        expected = np.diff(np.r_[0, norm.cdf((edges - 0.5) / math.sqrt(variance)), 1])
    else:
        shares = gaussian_shares(variance, places)
        expected = np.bincount(np.searchsorted(edges, places, side="right"), weights=shares, minlength=len(edges) + 1)
    deviation = (found - n * expected) / np.sqrt(n * expected * (1 - expected) + 1e-9)
    assert np.abs(deviation).max() < 5.5


def test_noise_on_sums_is_normal() -> None:
    drawn = normal(100_001, 3.0)
    assert len(drawn) == 100_001
    assert abs(drawn.mean()) < 5 * 3 / math.sqrt(1e5)
    assert abs(drawn.std() - 3) < 0.05
    assert abs(np.mean(np.abs(drawn) > 6) - 2 * norm.sf(2)) < 0.005


def test_random_numbers_are_uniform_and_never_the_same_twice() -> None:
    found = random_below(np.full(60_000, 6))
    assert np.abs(np.bincount(found, minlength=6) - 10_000).max() < 600
    assert random_below(np.full(5_000, 2**62)).max() > 2**61
    assert sorted(random_order(100).tolist()) == list(range(100))
    assert abs(coin_flips(100_000, 0.03).mean() - 0.03) < 0.004
    assert (random_order(100) != random_order(100)).any()


def test_noise_without_variance_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        discrete_gaussian(3, 0)


# What it costs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epsilon", "noise"), [(1, 4.224679), (3, 1.543861), (10, 0.541087)])
def test_the_least_noise_is_the_analytic_one(epsilon: float, noise: float) -> None:
    assert noise_for(epsilon, 1e-6) == pytest.approx(noise, rel=1e-5)
    assert epsilon_of([Entry("a", "b", 1, noise**2, discrete=False)], 1e-6) == pytest.approx(epsilon, rel=2e-3)


def test_many_small_entries_cost_as_much_as_one_large_one() -> None:
    together = [Entry("a", str(i), 2, 4 * 100 * 1.543861**2, discrete=False) for i in range(100)]
    assert epsilon_of(together, 1e-6) == pytest.approx(3, rel=2e-3)


def renyi_epsilon(rate: float, noise: float, steps: int, delta: float) -> float:
    """The sampled Gaussian by Renyi divergences of whole orders (Mironov, Talwar and Zhang 2019, equation 9)."""
    best = math.inf
    for order in range(2, 64):
        k = np.arange(order + 1)
        logs = [math.lgamma(order + 1) - math.lgamma(i + 1) - math.lgamma(order - i + 1) for i in k]
        terms = np.array(logs) + (order - k) * math.log1p(-rate) + k * math.log(rate) + (k * k - k) / (2 * noise**2)
        divergence = steps * float(np.logaddexp.reduce(terms)) / (order - 1)
        best = min(best, divergence + math.log1p(-1 / order) - math.log(delta * order) / (order - 1))
    return best


def privacy_loss_epsilon(rate: float, noise: float, delta: float) -> float:
    """One step of the sampled Gaussian, by integrating the hockey-stick divergence both ways."""

    def mixed(x: float) -> float:
        return float((1 - rate) * norm.pdf(x, 0, noise) + rate * norm.pdf(x, 1, noise))

    def plain(x: float) -> float:
        return float(norm.pdf(x, 0, noise))

    def over(epsilon: float, a: Callable[[float], float], b: Callable[[float], float]) -> float:
        return float(quad(lambda x: max(0.0, a(x) - math.exp(epsilon) * b(x)), -9 * noise, 9 * noise + 1, limit=200)[0])

    low, high = 0.0, 20.0
    for _ in range(14):
        middle = (low + high) / 2
        worst = max(over(middle, mixed, plain), over(middle, plain, mixed))
        low, high = (middle, high) if worst > delta else (low, middle)
    return high


def test_a_step_of_training_costs_what_its_definition_says() -> None:
    one = Entry("models", "all", 1, 0.8**2, steps=1, rate=0.05, discrete=False)
    assert epsilon_of([one], 1e-5) == pytest.approx(privacy_loss_epsilon(0.05, 0.8, 1e-5), rel=5e-3)


def test_training_costs_a_little_less_than_another_accountant_finds() -> None:
    training = Entry("models", "all", 1, 1.2**2, steps=500, rate=0.02, discrete=False)
    upper = renyi_epsilon(0.02, 1.2, 500, 1e-6)
    assert 0.75 * upper < epsilon_of([training], 1e-6) < upper


@pytest.mark.parametrize("case", json.loads(FIGURES.read_text()), ids=str)
def test_ledgers_cost_what_an_accountant_of_others_says(case: dict[str, Any]) -> None:
    """By ``benchmarks/accounting_figures.py``: interval that holds epsilon for sure, give or take its rounding."""
    entries = [
        Entry("models", f"t{i}", 1, noise**2, steps=times, rate=rate, discrete=False)
        for i, (noise, rate, times) in enumerate(case["steps"])
    ]
    found = epsilon_of(entries, case["delta"])
    assert case["low"] - 1e-3 <= found <= case["high"] + 1e-3


def test_what_is_used_of_delta_is_taken_off() -> None:
    entry = Entry("columns", "a.b", 1, 100.0, delta=5e-7)
    assert epsilon_of([entry], 1e-6) > epsilon_of([replace(entry, delta=0.0)], 1e-6)
    assert epsilon_of([entry, entry], 1e-6) == math.inf


@pytest.mark.parametrize("epsilon", [0.1, 1, 8])
def test_a_budget_that_is_spent_whole_keeps_its_claim(epsilon: float) -> None:
    budget = budget_of(epsilon, 1e-6)
    assert sum(share.part for share in SHARES) == pytest.approx(1)
    meter = Meter()
    for share in SHARES:
        for i in range(5):
            price = Price(share.what, f"t{i}", i + 1, budget.share(share.what) / 5)
            meter.measure(np.zeros(3, np.int64), price)
    meter.discover(np.array([1]), Price("columns", "t", 1, 1e-9), 1e-6 * DELTA_FOR_VALUES)
    spent = Ledger("t", epsilon, 1e-6, tuple(meter.entries)).spent()
    assert 0.97 * epsilon < spent <= epsilon


# Audits --------------------------------------------------------------------------------------------------------------

RUNS = 80_000
DELTA = 1e-3


@dataclass(frozen=True)
class Audited:
    """What a mechanism claims, and what it gives on two neighbouring inputs: one number a run."""

    epsilon: float
    there: Floats
    gone: Floats

    @property
    def lower_bound(self) -> float:
        """The epsilon that these runs disprove, with a confidence of 99 % (Clopper and Pearson 1934)."""
        best = 0.0
        half = len(self.there) // 2
        for sign in (1, -1):
            # The event is chosen on the first half of the runs and judged on the second.
            values = sign * np.concatenate([self.there[:half], self.gone[:half]])
            cut = max(
                np.quantile(values, [0.5, 0.75, 0.9, 0.95, 0.98]), key=lambda at: self._bound(sign, at, slice(half))
            )
            best = max(best, self._bound(sign, float(cut), slice(half, None)))
        return best

    def _bound(self, sign: int, cut: float, which: slice) -> float:
        hits = [int((sign * runs[which] > cut).sum()) for runs in (self.there, self.gone)]
        n = len(self.there[which])
        low = beta.ppf(0.0025, hits[0], n - hits[0] + 1) if hits[0] else 0.0
        high = beta.ppf(0.9975, hits[1] + 1, n - hits[1]) if hits[1] < n else 1.0
        return math.log(max(low - DELTA, 1e-12) / high)


def many(meter: Meter, count: int, price: Price) -> Floats:
    """Measures one count over and over."""
    return meter.measure(np.full(RUNS, count), price).counts.astype(np.float64)


def audit_of_counts(multiplicity: int, price: Price) -> Audited:
    """A subject with so many rows in one cell, there or gone."""
    meter = Meter()
    there, gone = many(meter, 40 + multiplicity, price), many(meter, 40, price)
    return Audited(epsilon_of(meter.entries[:1], DELTA), there, gone)


@pytest.mark.parametrize(("bound", "precision"), [(1, 0.05), (7, 0.8)])
def test_counts_keep_their_claim(bound: int, precision: float) -> None:
    audited = audit_of_counts(bound, Price("models", "t", bound, precision))
    assert audited.lower_bound <= audited.epsilon
    assert audited.lower_bound > 0.25 * audited.epsilon, "an audit without power proves nothing"


def test_an_audit_finds_a_sensitivity_that_is_halved() -> None:
    audited = audit_of_counts(6, Price("models", "t", 3, 0.8))
    assert audited.lower_bound > audited.epsilon


def test_an_audit_finds_rows_taken_for_subjects() -> None:
    audited = audit_of_counts(20, Price("models", "t", 1, 0.8))
    assert audited.lower_bound > audited.epsilon


def test_a_value_of_one_subject_is_hardly_ever_named() -> None:
    price = Price("columns", "t.c", 1, 0.5)
    _, named = Meter().discover(np.ones(RUNS, np.int64), price, 1e-2)
    assert beta.ppf(0.005, named.sum(), RUNS - named.sum() + 1) <= 1e-2
    assert threshold(price.variance, 1e-6) > threshold(price.variance, 1e-2)
    # With the noise of half the sensitivity, the same threshold would name it too often.
    loose = threshold(price.variance, 1e-2)
    noisy = 3 + discrete_gaussian(RUNS, 4 * price.variance)
    assert beta.ppf(0.005, (noisy >= loose).sum(), RUNS) > 1e-2


def test_delta_of_the_gaussian_is_what_its_definition_says() -> None:
    epsilon, noise = 0.7, 1.9

    def over(x: float) -> float:
        return max(0.0, float(norm.pdf(x, 1, noise) - math.exp(epsilon) * norm.pdf(x, 0, noise)))

    assert delta_of_gaussian(noise, epsilon) == pytest.approx(quad(over, -30, 30, limit=500)[0], rel=1e-5)
