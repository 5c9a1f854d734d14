"""Values next to a value, for types that are written as text: what unique rules try when nothing else is free."""

from __future__ import annotations

import re
from datetime import date, timedelta

from replica.kinds.literals import split_bounds
from replica.schema.model import Column

_MOVABLE = frozenset({"range", "array", "json", "composite"})
_MOVABLE_TYPES = frozenset({"ltree", "cube", "seg", "pg_lsn"})
_ELEMENTS = frozenset({"integer", "float", "numeric", "date", "timestamp", "timestamptz", "text"})
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d(?!\d)")
# Whole numbers that are values, and not parts of words, of keys in quotes or of fractions.
_NUMBER = re.compile(r"""(?<![\w"'.-])-?\d{1,17}(?![\w"'.])""")
# A path of labels, which may go on.
_NO_RANGE = "empty"
_LABELS = re.compile(r"\w+(\.\w+)*")
_LAST_TEXT = re.compile(r'"([\])}]+)$')


def is_movable(column: Column) -> bool:
    """Returns True for columns whose texts :func:`moved` can move."""
    kind = column.type
    if kind.family == "array" and kind.element is not None:
        return kind.element.family in _ELEMENTS and not kind.element.domain_checks
    return kind.family in _MOVABLE or kind.base in _MOVABLE_TYPES


def moved(text: str, step: int, row: int) -> str | None:
    """Returns a text that is so many steps away; None where there is no way to move it.

    Its days or, without any, its numbers are all moved by the step, so that what lies between them stays. Where there
    are neither, the last text in it gets a number, and a path of labels another label. Bounds of arrays stay.

    >>> moved("[1,5)", 2, 0), moved('{"a": "x"}', 1, 7), moved("[0:1]={3,4}", 1, 0)
    ('[3,7)', '{"a": "x7"}', '[0:1]={4,5}')
    """
    bounds, inner = split_bounds(text)
    found = _moved(inner, step, row)
    return None if found is None else bounds + found


def _moved(text: str, step: int, row: int) -> str | None:
    if _DAY.search(text):
        try:
            return _DAY.sub(lambda found: (date.fromisoformat(found[0]) + timedelta(days=step)).isoformat(), text)
        except (ValueError, OverflowError):
            # The calendar ends there.
            return None
    if _NUMBER.search(text):
        return _NUMBER.sub(lambda found: str(int(found[0]) + step), text)
    number = f"{row}" if step == 1 else f"{row}-{step}"
    if _LABELS.fullmatch(text) and text != _NO_RANGE:
        return f"{text}.{number.replace('-', '_')}"
    suffixed = _LAST_TEXT.sub(lambda found: f'{number}"{found[1]}', text)
    return suffixed if suffixed != text else None
