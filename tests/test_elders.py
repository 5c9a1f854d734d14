"""Rows of other tables under the same owner: which one a row sees, and as what."""

from __future__ import annotations

import numpy as np

from replica.kinds.base import Span
from replica.relations.elders import Elder, ElderRows, after_row_before, elder_codes, order_on
from replica.relations.sequences import fit_sequence

OWNERS = np.array([-1, 0, 0, 0, 2, 2])
VALUES = np.array([5, 10, 20, 20, 7, 9])
ROWS = ElderRows(np.arange(12, dtype=np.int32).reshape(6, 2), OWNERS, VALUES)


def test_the_next_row_is_the_first_behind_a_moment_and_of_the_same_owner() -> None:
    owner = np.array([0, 0, 0, 0, 1, 2, 2, -1])
    after = np.array([np.iinfo(np.int64).min, 10, 19, 20, 0, 7, 9, 0])
    assert ROWS.next_after(owner, after).tolist() == [1, 2, 2, -1, -1, 5, -1, -1]


def test_without_time_a_row_sees_the_one_that_stands_as_far_along() -> None:
    owner, position, size = np.array([0, 0, 0, 2, 1]), np.array([0, 1, 5, 0, 0]), np.array([6, 6, 6, 1, 1])
    assert ROWS.as_far_along(owner, position, size).tolist() == [1, 1, 3, 4, -1]


def test_where_there_is_no_row_the_code_for_none_is_seen() -> None:
    elder = Elder("public.visit", (Span("what", 10), Span("where", 20)), (1, 0))
    assert elder_codes(elder, ROWS, np.array([2, -1])).tolist() == [[5, 4], [9, 19]]
    empty = ElderRows(np.zeros((0, 2), np.int32), np.zeros(0, np.int64), None)
    assert elder_codes(
        elder, empty, empty.as_far_along(np.zeros(1, np.int64), *np.ones((2, 1), np.int64))
    ).tolist() == [[9, 19]]


def test_a_row_that_falls_on_the_next_one_has_the_order_that_it_is_shown() -> None:
    rng = np.random.default_rng(0)
    first = np.tile([True, False, False], 200)
    values = np.cumsum(np.where(first, rng.integers(100, 200, 600), rng.integers(1, 9, 600)))
    sequence = fit_sequence(
        "day", values, measure="number", is_first=first, anchors={}, strict=False, holders=None, min_holders=1
    )
    before = np.r_[0, values[:-1]]
    shown = order_on(
        sequence,
        ElderRows(np.zeros((600, 0), np.int32), np.arange(600), values),
        np.arange(600),
        before,
        0 * values,
        first,
    )
    assert np.array_equal(shown, sequence.encode(values, before, 0 * values, first))
    assert after_row_before(values, np.arange(600) - 1, first)[1] == values[0]


def test_no_elder_rows_at_all_show_the_order_of_none() -> None:
    values = np.arange(40)
    sequence = fit_sequence(
        "day",
        values,
        measure="number",
        is_first=np.ones(40, bool),
        anchors={},
        strict=False,
        holders=None,
        min_holders=1,
    )
    none = ElderRows(np.zeros((0, 1), np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))
    chosen = none.next_after(np.zeros(3, np.int64), np.zeros(3, np.int64))
    codes = order_on(sequence, none, chosen, chosen, chosen, np.ones(3, bool))
    assert (codes == [span.cardinality for span in sequence.spans]).all()
