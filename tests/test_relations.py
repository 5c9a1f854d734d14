"""Rows of two tables depend on each other, and what was planned of that comes out exactly."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replica.errors import ArtifactError, UnsatisfiableError
from replica.kinds.base import Span
from replica.kinds.datetime import DAY_US, moment_numbers, order_numbers, weekday_of
from replica.kinds.quantile import QuantileCode
from replica.relations.context import (
    ContextSpec,
    ancestor_codes,
    bucket,
    place_codes,
    previous_codes,
    see_ancestor,
    see_previous,
    see_referenced,
    value_places,
)
from replica.relations.families import Members, fit_family, summarize
from replica.relations.fanout import FanOut, fit_fan_out, reconcile
from replica.relations.gaps import GapCode, Measure, fit_gaps, in_measure, in_units
from replica.relations.joins import NULL, UNKNOWN, group_numbers, row_numbers
from replica.relations.keys import KeyMaker
from replica.relations.layout import STRUCTURE, Block, Layout, make_layout
from replica.relations.references import assign, levels_without_gaps, spread_over_kept
from replica.relations.rules import Children, Distinct, Parents
from replica.relations.sequences import NO_ANCHOR, SequenceCode, fit_sequence, month_of
from replica.schema.model import Column, SqlType
from replica.seeds import stream, torch_seed
from replica.state import Arrays, pack, unpack

Ints = npt.NDArray[np.int64]
RNG_SEED = 11


def rng(seed: int = RNG_SEED) -> np.random.Generator:
    return np.random.default_rng(seed)


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)

# Layout


def spans(prefix: str, n: int, **more: Any) -> tuple[Span, ...]:
    return tuple(Span(f"{prefix}{i}", 3 + i, **more) for i in range(n))


@pytest.fixture(name="layout")
def a_layout() -> Layout:
    return make_layout(
        [
            ("order", "day", spans("day", 2, ordered=2)),
            ("calendar", "day", spans("calendar", 1, observed=True)),
            ("reference", "t.fk", spans("reference", 2)),
            ("referenced", "t.fk", spans("referenced", 2, observed=True)),
            ("previous", "", spans("previous", 1, observed=True)),
            ("attribute", "nothing", ()),
            ("attribute", "a", spans("a", 1)),
            ("fanout", "child.fk", spans("children", 1)),
            ("family", "child.fk", spans("family", 2)),
        ]
    )


def test_blocks_lie_one_behind_the_other(layout: Layout) -> None:
    assert [block.start for block in layout.blocks[1:]] == [block.stop for block in layout.blocks[:-1]]
    assert layout.blocks[-1].stop == len(layout.spans) == 12
    assert layout.find("attribute", "a") == Block("attribute", "a", 8, 9)
    assert layout.find("attribute", "nothing") is None
    assert layout.places("attribute", "nothing") == slice(0, 0)
    assert [block.kind for block in layout.of("fanout", "order")] == ["order", "fanout"]


def test_the_structure_ends_before_what_depends_on_references(layout: Layout) -> None:
    assert layout.structure == 5
    assert all((block.stop <= 5) == (block.kind in STRUCTURE) for block in layout.blocks)
    assert make_layout([]).structure == 0


def test_runs_stop_at_what_is_observed(layout: Layout) -> None:
    assert layout.runs(0, 12) == ((0, 2), (3, 5), (8, 12))
    assert layout.runs(4, 9) == ((4, 5), (8, 9))
    assert layout.runs(5, 8) == ()


# Context


def test_a_row_sees_all_of_its_owner_and_less_of_those_above(layout: Layout) -> None:
    assert see_ancestor(layout, nearest=True).places == (0, 1, 2, 3, 4, 8, 9, 10, 11)
    assert see_ancestor(layout, nearest=False).places == (0, 1, 3, 4, 8, 10, 11)
    assert see_referenced(layout).places == (0, 1, 8)
    assert value_places(layout) == [8, 9, 10, 11]


def test_rows_without_an_ancestor_have_a_code_of_their_own(layout: Layout) -> None:
    seen = see_ancestor(layout, nearest=True)
    codes = rng().integers(0, 3, (5, 12)).astype(np.int32)
    found = ancestor_codes(seen, codes, ints(3, -1, 0))
    assert np.array_equal(found[[0, 2]], codes[[3, 0]][:, list(seen.places)])
    assert found[1].tolist() == [span.cardinality - 1 for span in seen.spans]
    assert all(
        span.cardinality == layout.spans[at].cardinality + 1 for span, at in zip(seen.spans, seen.places, strict=True)
    )
    assert np.array_equal(ancestor_codes(seen, codes[:0], ints(-1, -1)), found[[1, 1]])


def test_first_rows_see_no_row_before_them(layout: Layout) -> None:
    seen = see_previous(layout, [8, 9])
    found = previous_codes(seen, np.array([[1, 2], [0, 1]], np.int32), np.array([True, False]))
    assert found.tolist() == [[3, 3], [0, 1]]


def test_the_context_is_ancestors_place_and_the_row_before(layout: Layout) -> None:
    spec = ContextSpec((see_ancestor(layout, nearest=True),), True, see_previous(layout, [8]), (8,))
    assert [span.name for span in spec.spans[-3:]] == ["place", "rows left", "a0"]
    assert len(spec.spans) == 12


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_buckets_grow_with_the_number_and_tell_small_ones_apart(numbers: list[int]) -> None:
    ordered = np.array(sorted(numbers))
    codes = bucket(ordered)
    assert (np.diff(codes) >= 0).all()
    assert ((codes >= 0) & (codes < 32)).all()
    assert np.array_equal(codes[ordered < 16], ordered[ordered < 16])
    assert place_codes(ints(0, 1, 2), ints(3, 3, 3)).tolist() == [[0, 2], [1, 1], [2, 0]]


# Joins


@pytest.mark.parametrize(
    ("children", "parents"),
    [
        (pa.array([2, 1, None, 9]), pa.array([1, 2, 3])),
        (pa.array(["b", "a", None, "z"]), pa.array(["a", "b", "c"])),
        (pa.array([2, 1, None, 9]), pa.array([1.0, 2.0, 3.0])),
        (pa.array([2, 1, None, 9]), pa.array(["1", "2", "3"])),
        (pa.array(["b  ", "a", None, "z"]), pa.array(["a  ", "b", "c"])),
    ],
)
def test_children_find_the_parent_with_the_same_key(children: pa.Array, parents: pa.Array) -> None:
    assert row_numbers([children], [parents]).tolist() == [1, 0, NULL, UNKNOWN]


@EXAMPLES
@given(
    parents=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), unique=True, max_size=15),
    children=st.lists(st.tuples(st.none() | st.integers(0, 6), st.none() | st.sampled_from("abcd")), max_size=30),
)
def test_keys_of_several_columns_are_joined_as_a_dictionary_would(
    parents: list[tuple[int, str]], children: list[tuple[int | None, str | None]]
) -> None:
    at: dict[tuple[int | None, str | None], int] = {key: i for i, key in enumerate(parents)}
    wanted = [NULL if None in key else at.get(key, UNKNOWN) for key in children]
    types = (pa.int64(), pa.string())
    columns = [[pa.array([key[i] for key in side], types[i]) for i in (0, 1)] for side in (children, parents)]
    assert row_numbers(*columns).tolist() == wanted


@EXAMPLES
@given(st.lists(st.tuples(st.none() | st.integers(0, 3), st.integers(-2, 2)), min_size=1, max_size=40))
def test_equal_combinations_get_equal_numbers(rows: list[tuple[int | None, int]]) -> None:
    found = group_numbers([pa.array([a for a, _ in rows], pa.int64()), np.array([b for _, b in rows])]).tolist()
    assert len(set(zip(found, rows, strict=True))) == len(set(rows)) == len(set(found))


# Fan-out


@EXAMPLES
@given(
    counts=st.lists(st.integers(0, 20), min_size=1, max_size=60),
    total=st.integers(0, 500),
    cap=st.none() | st.integers(0, 30),
)
def test_numbers_of_children_add_up_to_what_is_planned(counts: list[int], total: int, cap: int | None) -> None:
    if cap is not None and cap * len(counts) < total:
        with pytest.raises(UnsatisfiableError, match=r"t\.fk: "):
            reconcile(np.array(counts), total, rng(), cap=cap, what="t.fk")
        return
    found = reconcile(np.array(counts), total, rng(), cap=cap, what="t.fk")
    assert found.sum() == total
    assert (found >= 0).all()
    assert cap is None or found.max() <= cap


def test_rows_may_have_a_cap_of_their_own() -> None:
    cap = ints(0, 1, 5, 100)
    found = reconcile(ints(3, 3, 3, 3), 60, rng(), cap=cap)
    assert found.sum() == 60
    assert (found <= cap).all()


def test_those_without_children_stay_without_and_the_tail_keeps_its_share() -> None:
    counts = np.r_[np.zeros(500, np.int64), rng().geometric(0.1, 1000)]
    for total in (counts.sum() // 2, counts.sum() * 3):
        found = reconcile(counts, int(total), rng())
        assert (found[:500] == 0).all()
        top = np.argsort(counts)[-50:]
        assert found[top].sum() / total == pytest.approx(counts[top].sum() / counts.sum(), rel=0.1)


def test_no_parents_can_have_no_children() -> None:
    with pytest.raises(UnsatisfiableError):
        reconcile(ints(), 1, rng())


def test_numbers_of_children_are_learned_and_never_beyond_their_cap() -> None:
    counts = np.minimum(rng().poisson(2, 2000), 4)
    fitted = fit_fan_out("t.fk", counts, cap=4, min_holders=1)
    assert np.array_equal(fitted.decode(fitted.encode(counts), rng()), counts)
    assert fitted.spans[0].cardinality == 5
    loose = FanOut("t.fk", fit_fan_out("t.fk", counts * 3, cap=None, min_holders=1).curve, 4)
    assert loose.decode(loose.encode(counts * 3), rng()).max() == 4


# Families


def test_codes_of_families_tell_what_their_children_have_in_common() -> None:
    style = rng().integers(0, 3, 600)
    parent = np.repeat(np.arange(600), 8)
    codes = np.where(rng(1).random(4800) < 0.85, style[parent], rng(2).integers(0, 3, 4800))[:, None].astype(np.int32)
    features = summarize(Members(codes, (Span("a", 3),), parent), 650)
    assert features.mean(axis=0) == pytest.approx(np.zeros(features.shape[1]), abs=1e-6)
    counts = np.bincount(parent, minlength=650)
    family, found = fit_family("t.fk", features, counts, rng())
    assert found.shape == (650, len(family.sizes))
    assert (found[600:, 0] == 0).all()
    assert (found[:600, 0] > 0).all()
    assert all((found[:, i] < size).all() for i, size in enumerate(family.sizes))
    usual = [np.bincount(style[found[:600, 0] == code]).max() for code in np.unique(found[:600, 0])]
    assert sum(usual) / 600 > 0.9


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_families_share_a_code(n: int) -> None:
    parent = np.arange(n)
    features = summarize(Members(np.zeros((n, 1), np.int32), (Span("a", 3),), parent), n + 1)
    family, codes = fit_family("t.fk", features, np.r_[np.ones(n, np.int64), 0], rng())
    assert family.sizes == (2,)
    assert codes[:, 0].tolist() == [1] * n + [0]


def test_children_of_nobody_say_nothing() -> None:
    members = Members(np.array([[0], [1], [2]], np.int32), (Span("a", 3, ordered=3),), ints(-1, -1, 0))
    assert summarize(members, 2).shape[0] == 2


# Gaps and sequences


@EXAMPLES
@given(
    gaps=st.lists(st.integers(0, 400), min_size=1, max_size=80),
    kind=st.sampled_from(["date", "number", "timestamp"]),
    seed=st.integers(0, 50),
)
def test_moments_never_come_before_their_base(gaps: list[int], kind: Measure, seed: int) -> None:
    unit = 3_600_000_000 if kind == "timestamp" else 1
    base = rng(seed).integers(15_000, 19_000, len(gaps)) * (DAY_US if kind == "timestamp" else 1)
    values = base + np.array(gaps) * unit
    code = fit_gaps("gap", values, base, kind=kind, holders=None, min_holders=1, least=0)
    codes = code.encode(values, base)
    assert codes.shape == (len(gaps), len(code.spans))
    assert all((codes[:, i] < span.cardinality).all() for i, span in enumerate(code.spans))
    made = code.decode(codes, base, rng(seed))
    assert (made >= base).all()
    assert (made - base).max() <= max(gaps) * unit + (DAY_US if kind == "timestamp" else 0)


def test_gaps_within_a_day_are_measured_finely_and_longer_ones_by_days() -> None:
    base = rng().integers(0, 10**6, 500) * 60_000_000
    minutes = rng(1).integers(1, 90, 500) * 60_000_000
    fine = fit_gaps("gap", base + minutes, base, kind="timestamp", holders=None, min_holders=1, least=None)
    assert (fine.unit, fine.clock) == (60_000_000, None)
    days = fit_gaps("gap", base + minutes * 1000, base, kind="timestamp", holders=None, min_holders=1, least=None)
    assert days.unit == DAY_US
    assert days.clock is not None
    made = days.decode(days.encode(base + minutes * 1000, base), base, rng())
    assert not (made % 60_000_000).any()


def test_measures_turn_into_each_other() -> None:
    days = ints(0, 18262, 18627)
    assert in_units(days, "date", "timestamp").tolist() == (days * DAY_US).tolist()
    assert in_units(days * DAY_US + 5, "timestamp", "date").tolist() == days.tolist()
    assert in_measure(days * DAY_US, "timestamptz", "number").tolist() == [1970, 2020, 2020]
    assert month_of(days).tolist() == [0, 0, 11]
    assert weekday_of(ints(0, 4)).tolist() == [3, 0]


def test_whole_numbers_are_ordered_without_loss() -> None:
    large = [2**62, 2**62 + 1, -(2**63), None]
    assert order_numbers(pa.array(large, pa.int64())).tolist() == [2**62, 2**62 + 1, -(2**63), 0]
    assert moment_numbers(pa.array([1, None], pa.timestamp("us"))).tolist() == [1, 0]


def families(n: int = 300, kind: Measure = "date") -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Values that rise within families, each from the anchor of its owner on."""
    sizes = rng().integers(1, 8, n)
    owner = np.repeat(np.arange(n), sizes)
    first = np.r_[True, owner[1:] != owner[:-1]]
    unit = DAY_US if kind == "timestamp" else 1
    gaps = rng(1).choice(ints(1, 7, 30), len(owner)) * unit
    anchors = rng(2).integers(14_000, 18_000, n)[owner] * unit
    starts = np.flatnonzero(first)
    total = np.cumsum(gaps)
    values = anchors + total - np.repeat(total[starts] - gaps[starts], sizes)
    return values, anchors, first


def decoded_in_order(
    sequence: SequenceCode, codes: npt.NDArray[np.int32], anchors: Ints, first: npt.NDArray[np.bool_]
) -> Ints:
    """Draws one row after the other, as drawing does."""
    values, draws = np.zeros(len(first), np.int64), rng(5)
    for i in range(len(first)):
        row = slice(i, i + 1)
        before = values[i - 1 : i] if i else np.zeros(1, np.int64)
        values[row] = sequence.decode(codes[row], before, anchors[row], first[row], draws)
    return values


@pytest.mark.parametrize("kind", ["date", "timestamp", "number"])
def test_rows_of_one_owner_keep_their_order_and_their_gaps(kind: Measure) -> None:
    values, anchors, first = families(kind=kind)
    sequence = fit_sequence(
        "day",
        values,
        measure=kind,
        is_first=first,
        anchors={"start": anchors},
        strict=True,
        holders=None,
        min_holders=1,
    )
    assert sequence.anchor == "start"
    codes = sequence.encode(values, np.r_[0, values[:-1]], anchors, first)
    assert all((codes[:, i] < span.cardinality).all() for i, span in enumerate(sequence.spans))
    made = decoded_in_order(sequence, codes, anchors, first)
    gaps = np.diff(made)[~first[1:]] // (DAY_US if kind == "timestamp" else 1)
    assert set(gaps.tolist()) <= {1, 7, 30}
    assert (made[first] >= anchors[first]).all()
    calendar = sequence.calendar_codes(made)
    assert calendar.shape == (len(made), len(sequence.calendar)) == (len(made), 1 if kind == "number" else 3)
    assert all((calendar[:, i] < span.cardinality).all() for i, span in enumerate(sequence.calendar))


@pytest.mark.parametrize("kind", ["date", "timestamp", "number"])
def test_owners_that_lack_the_anchor_begin_when_such_owners_do(kind: Measure) -> None:
    values, anchors, first = families(kind=kind)
    family = np.cumsum(first) - 1
    lacking = family % 5 == 0
    known = np.where(lacking, NO_ANCHOR, anchors)
    sequence = fit_sequence(
        "day", values, measure=kind, is_first=first, anchors={"start": known}, strict=True, holders=None, min_holders=1,
    )  # fmt: skip
    assert (sequence.anchor, sequence.unanchored) == ("start", True)
    codes = sequence.encode(values, np.r_[0, values[:-1]], known, first)
    assert all((codes[:, i] < span.cardinality).all() for i, span in enumerate(sequence.spans))
    made = decoded_in_order(sequence, codes, known, first)
    unit = DAY_US if kind == "timestamp" else 1
    # Who has an anchor begins within its distances, and who lacks it within a period, of which there are 48.
    assert (np.abs(made - values)[first & ~lacking] <= 30 * unit).all()
    assert np.median(np.abs(made - values)[first & lacking]) < 100 * unit
    assert values.min() <= made[first & lacking].min() <= made[first & lacking].max() <= values.max()
    # A distance from what is not known is no error.
    others = sequence.encode(values, np.r_[0, values[:-1]], anchors, first)
    drawn = sequence.decode(others, values, known, first, rng(3))[first & lacking]
    assert values.min() <= drawn.min() <= drawn.max() <= values.max()


def test_families_that_begin_behind_the_end_are_moved_as_they_are() -> None:
    values, anchors, first = families()
    sequence = fit_sequence(
        "day", values, measure="date", is_first=first, anchors={"start": anchors}, strict=True, holders=None,
        min_holders=1,
    )  # fmt: skip
    family = np.cumsum(first) - 1
    made = sequence.drawn_together(values + 9_000, family)
    assert made.max() == sequence.last
    assert np.array_equal(np.diff(made)[~first[1:]], np.diff(values)[~first[1:]])


def test_ranks_have_no_end() -> None:
    sizes = rng().integers(2, 12, 200)
    first = np.concatenate([np.arange(size) == 0 for size in sizes])
    values = np.concatenate([np.arange(1, size + 1) for size in sizes])
    sequence = fit_sequence(
        "place", values, measure="number", is_first=first, anchors={}, strict=False, holders=None, min_holders=20
    )
    assert np.array_equal(sequence.drawn_together(values * 3, np.cumsum(first) - 1), values * 3)


def test_an_anchor_that_says_nothing_is_not_used() -> None:
    values, anchors, first = families()
    sequence = fit_sequence(
        "day", values, measure="date", is_first=first, anchors={"other": rng(9).permutation(anchors)}, strict=False,
        holders=None, min_holders=1,
    )  # fmt: skip
    assert sequence.anchor is None


def test_families_of_one_row_have_no_gaps() -> None:
    values = rng().integers(0, 100, 50)
    sequence = fit_sequence(
        "day",
        values,
        measure="number",
        is_first=np.ones(50, dtype=bool),
        anchors={},
        strict=True,
        holders=None,
        min_holders=1,
    )
    assert sequence.gap is None
    codes = sequence.encode(values, values, np.zeros(50, np.int64), np.ones(50, dtype=bool))
    made = sequence.decode(codes, values, np.zeros(50, np.int64), np.ones(50, dtype=bool), rng())
    assert (made >= values.min()).all()
    assert (made <= values.max()).all()
    # A second row, which no family had, does not stand where the first does.
    later = np.zeros(50, dtype=bool)
    assert (sequence.decode(codes, values, np.zeros(50, np.int64), later, rng()) > values).all()


@pytest.mark.parametrize("strict", [False, True])
def test_families_that_run_past_the_end_are_drawn_together_in_their_order(strict: bool) -> None:
    values, anchors, first = families()
    sequence = fit_sequence(
        "day",
        values,
        measure="date",
        is_first=first,
        anchors={"start": anchors},
        strict=strict,
        holders=None,
        min_holders=1,
    )
    family = np.cumsum(first) - 1
    late = values + (sequence.last - values[first][family]) // 2 * (family % 3 == 0)
    made = sequence.drawn_together(late, family)
    starts = np.flatnonzero(first)
    assert np.array_equal(made[starts], late[starts])
    ends = np.r_[starts[1:], len(made)] - 1
    fits = late[ends] <= sequence.last
    assert np.array_equal(made[np.isin(family, np.flatnonzero(fits))], late[np.isin(family, np.flatnonzero(fits))])
    steps = np.diff(made)[~first[1:]]
    assert steps.min() >= (1 if strict else 0)
    assert (made[ends] <= sequence.last + 8).all()


# References


def children_of(wish: Any, block: Any = 0, **more: Any) -> Children:
    wishes = np.atleast_2d(np.array(wish, np.int64).T).T
    return Children(wishes, np.broadcast_to(np.array(block, np.int64), len(wishes)).copy(), **more)


def parents_of(cluster: Any, capacity: Any, block: Any = 0) -> Parents:
    clusters = np.atleast_2d(np.array(cluster, np.int64).T).T
    return Parents(
        clusters,
        np.broadcast_to(np.array(block, np.int64), len(clusters)).copy(),
        np.broadcast_to(np.array(capacity, np.int64), len(clusters)).copy(),
    )


@EXAMPLES
@given(
    capacity=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    blocks=st.integers(1, 3),
    seed=st.integers(0, 30),
)
def test_every_parent_gets_as_many_children_as_it_has_room_for(capacity: list[int], blocks: int, seed: int) -> None:
    block = np.arange(len(capacity)) % blocks
    demand = np.repeat(block, capacity)
    cluster = rng(seed).integers(0, 3, len(capacity))
    children = children_of(rng(seed + 1).integers(0, 3, len(demand)), rng(seed).permutation(demand))
    parents = parents_of(cluster, capacity, block)
    chosen = assign(children, parents, rng(seed), "t.fk")
    assert np.bincount(chosen, minlength=len(capacity)).tolist() == capacity
    assert np.array_equal(parents.block[chosen], children.block)


def test_capacities_are_scaled_to_the_number_of_children() -> None:
    chosen = assign(children_of(np.zeros(3000)), parents_of(np.zeros(30), np.arange(30)), rng(), "t.fk")
    counts = np.bincount(chosen, minlength=30)
    assert counts == pytest.approx(np.arange(30) * 3000 / 435, abs=1.01)


def test_wishes_are_granted_as_far_as_there_is_room() -> None:
    wish = rng().integers(0, 4, 1000)
    cluster = np.repeat(np.arange(4), 50)
    chosen = assign(children_of(wish), parents_of(cluster, 5), rng(), "t.fk")
    granted = cluster[chosen] == wish
    counts = np.bincount(wish, minlength=4)
    assert granted.sum() == np.minimum(counts, 250).sum()


def test_a_wish_that_cannot_be_granted_is_granted_at_a_higher_level() -> None:
    chosen = assign(children_of([[0, 5]] * 6), parents_of([[0, 1], [0, 2], [1, 5]], [3, 3, 3]), rng(), "t.fk")
    assert np.isin(chosen, [0, 1]).sum() >= 4


@EXAMPLES
@given(groups=st.integers(1, 12), each=st.integers(1, 6), n_parents=st.integers(6, 12), seed=st.integers(0, 30))
def test_no_pair_that_must_be_unique_stands_twice(groups: int, each: int, n_parents: int, seed: int) -> None:
    group = np.repeat(np.arange(groups), each)
    children = children_of(np.zeros(len(group)), distinct=[Distinct(group)])
    chosen = assign(children, parents_of(np.zeros(n_parents), rng(seed).integers(0, 4, n_parents)), rng(seed), "t.fk")
    assert len(set(zip(group.tolist(), chosen.tolist(), strict=True))) == len(group)


def test_what_is_null_in_a_key_does_not_count() -> None:
    children = children_of(np.zeros(20), distinct=[Distinct(np.full(20, -1))])
    assert set(assign(children, parents_of([0], 1), rng(), "t.fk")) == {0}


def test_no_row_points_to_a_forbidden_one() -> None:
    children = children_of(np.zeros(50), forbidden=[np.arange(50)])
    chosen = assign(children, parents_of(np.zeros(50), 1), rng(), "t.fk")
    assert (chosen != np.arange(50)).all()


def test_unique_pairs_that_need_every_parent_are_found() -> None:
    group = np.repeat(np.arange(5), 4)
    children = children_of(np.zeros(20), distinct=[Distinct(group)], forbidden=[group])
    chosen = assign(children, parents_of(np.zeros(5), 4), rng(), "t.fk")
    assert all(set(chosen[group == i]) == set(range(5)) - {i} for i in range(5))


def test_where_there_is_no_parent_the_reference_is_null_or_refused() -> None:
    parents = parents_of([0, 0], 2, block=1)
    optional = children_of(
        [0, 0, 0], [1, 2, 1], may_be_null=True, distinct=[Distinct(ints(1, 2, 3))], forbidden=[ints(0, 0, 1)]
    )
    assert assign(optional, parents, rng(), "t.fk").tolist() == [1, NULL, 0]
    with pytest.raises(UnsatisfiableError, match=r"t\.fk: 1 rows have no row to point to"):
        assign(children_of([0, 0, 0], [1, 2, 1]), parents, rng(), "t.fk")


def test_more_unique_pairs_than_parents_are_null_or_refused() -> None:
    crowded = {"wish": np.zeros(3), "distinct": [Distinct(np.zeros(3, np.int64))]}
    found = assign(children_of(**crowded, may_be_null=True), parents_of([0, 0], 2), rng(), "t.fk")
    assert sorted(found) == [NULL, 0, 1]
    with pytest.raises(UnsatisfiableError, match="all are taken"):
        assign(children_of(**crowded), parents_of([0, 0], 2), rng(), "t.fk")


def test_nobody_needs_no_parent() -> None:
    assert len(assign(children_of(np.zeros((0, 1))), parents_of([0], 1), rng(), "t.fk")) == 0


@EXAMPLES
@given(places=st.lists(st.integers(0, 9), min_size=1, max_size=50), n_parents=st.integers(1, 45))
def test_references_to_kept_rows_go_to_that_row_or_its_copies(places: list[int], n_parents: int) -> None:
    found = spread_over_kept(np.array(places), 10, n_parents, rng())
    assert ((found >= 0) & (found < n_parents)).all()
    for place, row in zip(places, found.tolist(), strict=True):
        assert row % 10 == place or place >= n_parents


def test_levels_have_no_gap() -> None:
    assert levels_without_gaps(ints(4, 0, 2, 2)).tolist() == [2, 0, 1, 1]
    assert len(levels_without_gaps(ints())) == 0


# Keys


@pytest.mark.parametrize(
    ("maker", "keys"),
    [
        (KeyMaker("integer", 1, 1, 0), [1, 2, None, 11]),
        (KeyMaker("integer", -5, -2, 0), [-5, -7, None, -25]),
        (KeyMaker("numeric", 100, 1, 0), [100, 101, None, 110]),
    ],
)
def test_keys_follow_from_the_number_of_the_row(maker: KeyMaker, keys: list[int | None]) -> None:
    assert maker.values(ints(0, 1, -1, 10)).to_pylist() == keys


def test_uuids_differ_by_row_and_by_run() -> None:
    here, there = (set(KeyMaker("uuid", 0, 1, salt).values(np.arange(20_000)).to_pylist()) for salt in (1, 2))
    assert len(here) == len(there) == 20_000
    assert not here & there


@pytest.mark.parametrize(
    ("base", "precision", "most"), [("int2", None, 2**15 - 1), ("int4", None, 2**31 - 1), ("numeric", 3, 999)]
)
def test_more_rows_than_the_type_has_keys_are_refused(base: str, precision: int | None, most: int) -> None:
    kind = SqlType(
        base, base, "numeric" if precision else "integer", precision=precision, scale=0 if precision else None
    )
    KeyMaker("integer", 1, 1, 0).require(Column("id", kind), most, "t.id")
    with pytest.raises(UnsatisfiableError, match=r"t\.id: "):
        KeyMaker("integer", 1, 1, 0).require(Column("id", kind), most + 1, "t.id")


# Streams and state


def test_a_stream_depends_on_its_path_alone() -> None:
    assert stream(3, "a", 1).integers(0, 2**60) == stream(3, "a", 1).integers(0, 2**60)
    paths: list[tuple[str | int, ...]] = [("a", 1), ("a", 2), ("a1",), ("a", "1")]
    different = {int(stream(3, *path).integers(0, 2**60)) for path in paths}
    different.add(int(stream(4, "a", 1).integers(0, 2**60)))
    assert len(different) == 5
    assert 0 <= torch_seed(stream(1)) < 2**62


VALUES = [None, True, 3, 2.5, float("inf"), "text", (1, "a", None), {"k": (1,)}, {3: "x"}, Span("a", 3, ordered=2)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_packed_comes_back(value: Any) -> None:
    arrays: Arrays = {}
    assert unpack(json.loads(json.dumps(pack(value, arrays))), arrays, {"Span": Span}) == value


def test_arrays_lists_and_sets_are_packed_too() -> None:
    arrays: Arrays = {}
    curve = QuantileCode(np.array([0.0, 1.0]), np.array([2.0, 4.0]), np.array([0.0, 1.0]))
    gap = GapCode("gap", 1, curve, None, 1, None)
    tree = json.loads(json.dumps(pack([gap, frozenset({"b", "a"}), np.int64(4), np.arange(6).reshape(2, 3).T], arrays)))
    again = unpack(tree, arrays, {"GapCode": GapCode, "QuantileCode": QuantileCode})
    assert np.array_equal(again[0].curve.knots_v, curve.knots_v)
    assert again[1:3] == (("a", "b"), 4)
    assert again[3].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_only_named_classes_and_whole_files_are_unpacked() -> None:
    with pytest.raises(ArtifactError, match="holds a Popen"):
        unpack({"$class": "Popen", "args": "sh"}, {}, {"Span": Span})
    with pytest.raises(ArtifactError, match="another version"):
        unpack({"$class": "Span", "weight": 3}, {}, {"Span": Span})
    with pytest.raises(ArtifactError, match="array x is missing"):
        unpack({"$array": "x"}, {}, {})
    with pytest.raises(TypeError, match="object at here cannot be saved"):
        pack(object(), {}, "here")
