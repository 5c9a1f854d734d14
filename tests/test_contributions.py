"""Whose rows are whose, how many of each count, and where values lie on public ladders."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import beta

from replica.generators.grouping import group_codes
from replica.kinds.base import Span
from replica.privacy.ledger import Entry, epsilon_of
from replica.privacy.meter import Meter, Price
from replica.protecting.contributions import random_ranks
from replica.protecting.ladders import DAYS, NUMBERS, Ladder, number_at, number_places, search
from replica.protecting.marginals import onto_simplex, smoothed
from replica.protecting.sizes import GRID, measure_sizes

Ints = npt.NDArray[np.int64]
PRICE = Price("columns", "t.c", 1, 0.05)


def test_ranks_of_a_group_are_drawn_uniformly() -> None:
    groups = np.repeat(np.arange(4_000), 3)
    ranks = random_ranks(groups).reshape(-1, 3)
    assert (np.sort(ranks, axis=1) == [0, 1, 2]).all()
    first = np.bincount(np.argmin(ranks, axis=1), minlength=3)
    assert np.abs(first - 4_000 / 3).max() < 200


def test_numbers_keep_their_order_on_the_ladder() -> None:
    numbers = np.array([-1e5, -17.5, -1.0, -0.25, 0.0, 0.25, 1.0, 16.5, 17.0, 40.0, 1e6])
    places = number_places(numbers)
    assert (np.diff(places) > 0).all()
    assert (places >= 0).all()
    assert (places < math.prod(NUMBERS.branches)).all()
    assert (number_at(places) <= numbers).all()
    assert (number_at(places + 1) > numbers).all()


def test_a_search_finds_a_common_value_and_where_the_rest_lies() -> None:
    rng = np.random.default_rng(1)
    ages = np.where(rng.random(20_000) < 0.4, 40, rng.integers(18, 90, 20_000)).astype(np.float64)
    steps = search(number_places(ages), NUMBERS, Meter(), Price("columns", "t.c", 1, 0.01))
    low, high = number_at(steps.low), number_at(steps.high)
    assert steps.weight.sum() == pytest.approx(1)
    assert steps.weight[(low <= 40) & (high > 40)] == pytest.approx(0.4, abs=0.05)
    assert steps.weight[(low < 16) | (high > 128)].sum() < 0.01


def test_a_search_stays_where_the_schema_allows_values() -> None:
    ladder = Ladder(DAYS.branches, DAYS.parts, low=1_000_000, high=1_100_000)
    steps = search(np.full(500, 5), ladder, Meter(), Price("columns", "t.c", 1, 0.01))
    assert ((steps.high > 1_000_000) & (steps.low <= 1_100_000)).all()


def bounds_of(values: Ints, *, raw: bool) -> float:
    """Where the last value of a column is said to lie: as it is measured, or as a careless program would read it."""
    if raw:
        return float(values.max())
    steps = search(number_places(values.astype(np.float64)), NUMBERS, Meter(), PRICE)
    return float(number_at(steps.high)[-1]) if len(steps) else 0.0


@pytest.mark.parametrize("raw", [False, True])
def test_an_audit_tells_bounds_that_are_measured_from_those_that_are_read(raw: bool) -> None:
    """One subject at a million, there or gone."""
    runs = 60
    claimed = epsilon_of([Entry("columns", "t.c", 1, PRICE.variance)], 0.01)
    everybody = np.full(30, 20)
    hits = [
        sum(bounds_of(values, raw=raw) > 1e5 for _ in range(runs))
        for values in (np.append(everybody, 1_000_000), everybody)
    ]
    low = beta.ppf(0.005, hits[0], runs - hits[0] + 1) if hits[0] else 0.0
    high = beta.ppf(0.995, hits[1] + 1, runs - hits[1])
    disproved = math.log(max(low - 0.01, 1e-12) / high)
    assert (disproved > claimed) == raw


def test_sizes_come_out_as_they_are() -> None:
    rng = np.random.default_rng(2)
    numbers = np.minimum(rng.poisson(2.5, 5_000), 8)
    found = measure_sizes(numbers, Meter(), Price("rows", "t", 1, 0.01))
    assert found.mean == pytest.approx(numbers.mean(), rel=0.1)
    assert 5 <= found.quantile(0.95) <= 8
    assert abs(found.draw(20_000, rng).mean() - found.mean) < 0.1
    assert found.weight[GRID > 20].sum() == 0


def test_codes_are_grouped_with_their_neighbours() -> None:
    shares = np.full(100, 0.01)
    groups = group_codes(Span("x", 101, ordered=100), np.append(shares, 0.0), 8)
    assert (np.diff(groups) >= 0).all()
    assert groups.max() < 8
    assert groups[100] == groups.max()
    assert groups[100] != groups[99]
    labels = group_codes(Span("y", 20), np.arange(20) / 190, 4)
    assert len({int(labels[19]), int(labels[18]), int(labels[17])}) == 3


def test_noise_is_taken_out_of_what_is_even_and_peaks_stay() -> None:
    rng = np.random.default_rng(3)
    truth = np.full(64, 100.0)
    truth[20] = 900
    noisy = np.round(truth + rng.normal(0, 30, 64)).astype(np.int64)
    found = smoothed(noisy, np.full(64, truth.mean()), 64, 30)
    assert np.abs(found - truth).sum() < 0.8 * np.abs(noisy - truth).sum()
    assert found[20] > 700


def test_shares_are_the_nearest_that_add_up() -> None:
    assert onto_simplex(np.array([0.7, 0.5, -0.2])).tolist() == pytest.approx([0.6, 0.4, 0.0])
