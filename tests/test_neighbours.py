"""Values next to a value, of types that are written as text."""

from __future__ import annotations

import pytest

from replica.constraints.neighbours import is_movable, moved
from replica.schema.model import Check, Column, SqlType

INTEGER = SqlType("integer", "int4", "integer")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1,5)", "[3,7)"),
        ("(,-4]", "(,-2]"),
        ("{[1,3),[11,21)}", "{[3,5),[13,23)}"),
        ("[2024-02-28,2024-03-05)", "[2024-03-01,2024-03-07)"),
        ('["2024-01-01 10:00:00+00","2024-01-01 11:30:00+00")', '["2024-01-03 10:00:00+00","2024-01-03 11:30:00+00")'),
        ("{1,2,NULL}", "{3,4,NULL}"),
        ('{"a1": 5, "2": "b3"}', '{"a1": 7, "2": "b3"}'),
        ('{"a": "x"}', '{"a": "x9-2"}'),
        ('{"a","b c"}', '{"a","b c9-2"}'),
        ("[0:1]={1,2}", "[0:1]={3,4}"),
        ("top.arts", "top.arts.9_2"),
        ("{}", None),
        ("empty", None),
        ("[9999-12-31,)", None),
    ],
)
def test_days_move_then_numbers_then_the_last_text(text: str, expected: str | None) -> None:
    assert moved(text, 2, 9) == expected


def test_arrays_of_elements_that_may_not_be_anything_stay() -> None:
    enum = SqlType("mood", "enum", "enum", labels=("a", "b"))
    positive = SqlType("positive", "int4", "integer", domain="positive", domain_checks=(Check("c", "VALUE > 0"),))
    found = [is_movable(Column("x", SqlType("x", "array", "array", element=e))) for e in (INTEGER, enum, positive)]
    assert found == [True, False, False]
