"""Every family of generators learns how spans depend on each other and on their context.

REPLICA_TEST_DEVICE=cuda lets a GPU learn and draw.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from replica.errors import UnknownNameError
from replica.generators import AUTO, DEFAULT_GENERATOR, GENERATORS, family_for, generator_named
from replica.generators.base import Encoded, FitOptions, TableGenerator, no_context
from replica.generators.devices import CPU
from replica.generators.marginal import Factor
from replica.generators.training import schedule_for
from replica.generators.wiring import Wiring
from replica.kinds.base import Codes, Span
from replica.state import Arrays, pack, unpack

N = 3000
DEVICE = os.environ.get("REPLICA_TEST_DEVICE", CPU)
OPTIONS = FitOptions(effort=0.5, device=DEVICE)
SPANS = (
    Span("group", 4),
    Span("follows group", 4),
    Span("follows context", 3),
    Span("noise", 5, ordered=5),
    Span("observed", 5, observed=True),
    Span("never above 2", 6, ordered=6),
)
CONTEXT = (Span("above", 3), Span("more above", 2))


@dataclass(frozen=True)
class Data:
    """Rows in which one span follows another, and one the context."""

    rows: Encoded
    context: Encoded


def data(n: int = N, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    above = rng.integers(0, 3, n)
    group = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    noise = rng.integers(0, 5, n)
    columns = [
        group,
        np.where(rng.random(n) < 0.9, group, rng.integers(0, 4, n)),
        np.where(rng.random(n) < 0.9, above, rng.integers(0, 3, n)),
        noise,
        noise,
        rng.integers(0, 3, n),
    ]
    context = np.stack([above, rng.integers(0, 2, n)], axis=1).astype(np.int32)
    return Data(Encoded(np.stack(columns, axis=1).astype(np.int32), SPANS), Encoded(context, CONTEXT))


@pytest.fixture(scope="module")
def source() -> Data:
    return data()


@pytest.fixture(scope="module", params=GENERATORS)
def fitted(request: pytest.FixtureRequest, source: Data) -> TableGenerator:
    return fit(request.param, source, options=replace(OPTIONS, effort=1.0))


def fit(name: str, found: Data, seed: int = 1, options: FitOptions = OPTIONS) -> TableGenerator:
    return generator_named(name).fit(found.rows, found.context, options, np.random.default_rng(seed))


def draw(generator: TableGenerator, context: Codes, given: Codes, stop: int, rng: np.random.Generator) -> Codes:
    return generator.sample(context, given, stop, rng, DEVICE)


def sampled(generator: TableGenerator, context: npt.NDArray[Any], seed: int = 2) -> Codes:
    """Draws all spans as the caller does: up to the observed one, which copies the one before, and what is behind."""
    context = context.astype(np.int32)
    rng, nothing = np.random.default_rng(seed), np.zeros((len(context), 0), np.int32)
    first = draw(generator, context, nothing, 4, rng)
    given = np.concatenate([first, first[:, 3:4]], axis=1).astype(np.int32)
    return np.concatenate([given, draw(generator, context, given, 6, rng)], axis=1)


def joint(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    table = np.zeros((8, 8))
    np.add.at(table, (a, b), 1 / len(a))
    return table


def distance(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """The total variation distance of two distributions."""
    return float(np.abs(a - b).sum() / 2)


def test_every_distribution_is_near_the_sources(fitted: TableGenerator, source: Data) -> None:
    made = sampled(fitted, source.context.codes)
    for i, span in enumerate(SPANS):
        assert ((made[:, i] >= 0) & (made[:, i] < span.cardinality)).all()
        shares = [np.bincount(codes[:, i], minlength=span.cardinality) / N for codes in (made, source.rows.codes)]
        assert distance(*shares) < 0.06, span.name


def test_what_no_row_has_is_never_drawn(fitted: TableGenerator, source: Data) -> None:
    assert sampled(fitted, source.context.codes)[:, 5].max() == 2


def test_a_span_that_follows_another_goes_on_doing_so(fitted: TableGenerator, source: Data) -> None:
    real, made = source.rows.codes, sampled(fitted, source.context.codes)
    independent = np.outer(*(joint(real[:, i], real[:, i]).sum(axis=1) for i in (0, 1)))
    near = distance(joint(made[:, 0], made[:, 1]), joint(real[:, 0], real[:, 1]))
    assert near < 0.1
    assert near < 0.25 * distance(independent, joint(real[:, 0], real[:, 1]))


def test_a_span_follows_the_context_it_is_given(fitted: TableGenerator) -> None:
    for above in range(3):
        context = np.tile(np.array([[above, 0]], np.int32), (800, 1))
        assert np.mean(sampled(fitted, context)[:, 2] == above) == pytest.approx(0.933, abs=0.12)


def test_what_is_given_decides_what_follows(fitted: TableGenerator) -> None:
    context = np.zeros((800, 2), np.int32)
    for group in range(4):
        given = np.full((800, 1), group, np.int32)
        found = draw(fitted, context, given, 2, np.random.default_rng(0))
        assert found.shape == (800, 1)
        assert np.mean(found[:, 0] == group) > 0.75


def test_what_is_independent_stays_so(fitted: TableGenerator, source: Data) -> None:
    made = sampled(fitted, source.context.codes)
    product = np.outer(*(joint(made[:, i], made[:, i]).sum(axis=1) for i in (0, 3)))
    assert distance(joint(made[:, 0], made[:, 3]), product) < 0.08


def test_the_same_stream_draws_the_same_rows(fitted: TableGenerator, source: Data) -> None:
    context = source.context.codes[:300]
    assert np.array_equal(sampled(fitted, context, seed=5), sampled(fitted, context, seed=5))
    assert not np.array_equal(sampled(fitted, context, seed=5), sampled(fitted, context, seed=6))


def test_no_rows_are_drawn_where_none_are_wanted(fitted: TableGenerator) -> None:
    found = draw(fitted, np.zeros((0, 2), np.int32), np.zeros((0, 0), np.int32), 4, np.random.default_rng(0))
    assert found.shape == (0, 4)


def test_what_was_learned_survives_being_saved(fitted: TableGenerator, source: Data) -> None:
    arrays: Arrays = {}
    tree = json.loads(json.dumps(pack(fitted, arrays)))
    again = unpack(tree, arrays, {found.__name__: found for found in (type(fitted), Span, Wiring, Factor)})
    assert np.array_equal(sampled(again, source.context.codes), sampled(fitted, source.context.codes))


@pytest.mark.parametrize("name", GENERATORS)
def test_the_same_stream_learns_the_same(name: str) -> None:
    found, short = data(200), replace(OPTIONS, effort=0.1)
    arrays: list[Arrays] = [{}, {}, {}]
    trees = [pack(fit(name, found, seed, short), kept) for seed, kept in zip((1, 1, 2), arrays, strict=True)]
    assert trees[0] == trees[1]
    assert all(np.array_equal(arrays[0][path], arrays[1][path]) for path in arrays[0])


@pytest.mark.parametrize("rows", [1, 2, 25])
@pytest.mark.parametrize("name", GENERATORS)
def test_the_smallest_tables_can_be_learned(name: str, rows: int) -> None:
    found = data(rows)
    alone = Data(found.rows, no_context(rows))
    for each in (found, alone):
        made = sampled(fit(name, each), each.context.codes)
        assert made.shape == (rows, len(SPANS))
        if rows == 1:
            assert np.array_equal(made[:, [0, 1, 2, 5]], each.rows.codes[:, [0, 1, 2, 5]])


@pytest.mark.parametrize("name", GENERATORS)
def test_a_span_of_one_code_and_a_table_of_one_span_can_be_learned(name: str) -> None:
    found = Data(Encoded(np.zeros((50, 1), np.int32), (Span("only", 1),)), no_context(50))
    nothing = np.zeros((9, 0), np.int32)
    made = draw(fit(name, found), nothing, nothing, 1, np.random.default_rng(0))
    assert made.tolist() == [[0]] * 9


@pytest.mark.parametrize("name", GENERATORS)
def test_learning_leaves_the_global_streams_alone(name: str) -> None:
    before = (torch.random.get_rng_state().tolist(), repr(np.random.get_state(legacy=False)))
    fit(name, data(60))
    assert before == (torch.random.get_rng_state().tolist(), repr(np.random.get_state(legacy=False)))


def test_the_default_keeps_what_depends_on_two_others() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, 4000), rng.integers(0, 2, 4000)
    rows = Encoded(np.stack([a, b, a ^ b], axis=1).astype(np.int32), tuple(Span(name, 2) for name in "abc"))
    found = fit(DEFAULT_GENERATOR, Data(rows, no_context(4000)))
    nothing = np.zeros((2000, 0), np.int32)
    made = draw(found, nothing, nothing, 3, np.random.default_rng(0))
    assert np.mean(made[:, 2] == made[:, 0] ^ made[:, 1]) > 0.9


def test_a_name_without_a_family_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown generator 'ctgan': known are autoregressive, diffusion,"):
        generator_named("ctgan")
    assert DEFAULT_GENERATOR in GENERATORS


@pytest.mark.parametrize("rows", [0, 1, 19, 20, 1000, 10**6, 10**8])
def test_a_schedule_sees_every_row_and_holds_few_out(rows: int) -> None:
    schedule = schedule_for(rows, FitOptions())
    assert schedule.epochs >= 1
    assert 64 <= schedule.batch <= 1024
    assert 0 <= schedule.held_out < max(1, rows)
    assert schedule.epochs >= schedule_for(rows, FitOptions(effort=0.2)).epochs


@pytest.mark.parametrize(
    ("rows", "spans", "max_seconds", "chosen"),
    [
        (3000, 6, None, "autoregressive"),
        (499, 6, None, "marginal"),
        (3000, 1, None, "marginal"),
        (3000, 6, 60.0, "autoregressive"),
        (3000, 6, 0.001, "marginal"),
    ],
)
def test_auto_chooses_by_rows_spans_and_time(rows: int, spans: int, max_seconds: float | None, chosen: str) -> None:
    found = data(rows).rows
    given = no_context(rows)
    part = Encoded(found.codes[:, :spans], found.spans[:spans])
    assert family_for(AUTO, part, given, FitOptions(max_seconds=max_seconds)) is GENERATORS[chosen]
    assert family_for("gan", part, given, FitOptions()) is GENERATORS["gan"]


@pytest.mark.parametrize("name", GENERATORS)
def test_codes_of_the_context_that_were_never_seen_are_no_obstacle(name: str) -> None:
    found = data(60)
    seen = Data(found.rows, Encoded(found.context.codes, (Span("above", 7), Span("more above", 2))))
    made = sampled(fit(name, seen, options=replace(OPTIONS, effort=0.1)), np.full((40, 2), [6, 1], np.int32))
    assert all(set(made[:, i]) <= set(found.rows.codes[:, i]) for i in (0, 1, 2, 5))
