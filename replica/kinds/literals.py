"""Arrays and composites, read as JSON, in the notation in which PostgreSQL takes them."""

from __future__ import annotations

import json
import re
from typing import Any

from replica.schema.model import SqlType

Lower = tuple[int, ...]
"""The lower bounds of an array by dimension; empty where all of them are 1."""

# The bounds of an array, which stand before it where a lower one is not 1: the same in both notations.
_BOUNDS = re.compile(r"(?:\[-?\d+:-?\d+\])+=")
_LOWER = re.compile(r"\[(-?\d+):")


def split_bounds(text: str) -> tuple[str, str]:
    """Splits the text of an array into its bounds, if it has any, and the rest.

    >>> split_bounds("[0:1]=[7, 8]"), split_bounds("{7,8}")
    (('[0:1]=', '[7, 8]'), ('', '{7,8}'))
    """
    found = _BOUNDS.match(text)
    return (found[0], text[found.end() :]) if found else ("", text)


def parse_array(text: str) -> tuple[Lower, list[Any]]:
    """Returns the lower bounds and the (nested) elements of an array as it was read.

    >>> parse_array("[0:1]=[7, 8]"), parse_array("[[7], [8]]")
    (((0,), [7, 8]), ((), [[7], [8]]))
    """
    bounds, document = split_bounds(text)
    return tuple(map(int, _LOWER.findall(bounds))), json.loads(document)


def literal(text: str, kind: SqlType) -> str:
    """Writes an array or a composite as it was read as PostgreSQL writes it."""
    bounds, document = split_bounds(text)
    return bounds + _literal(json.loads(document), kind)


def _literal(value: Any, kind: SqlType) -> str:
    if kind.family == "composite":
        return composite_literal([_nested(value.get(name), field) for name, field in kind.fields])
    return array_literal(_elements(value, kind.element))


def _elements(value: Any, element: SqlType | None) -> Any:
    if isinstance(value, list):
        return [_elements(inner, element) for inner in value]
    return _nested(value, element) if element is not None else value


def _nested(value: Any, kind: SqlType) -> Any:
    """A value within another: arrays and composites as text, the rest as it is."""
    return _literal(value, kind) if value is not None and kind.family in ("array", "composite") else value


def bounded_literal(value: list[Any], lower: Lower) -> str:
    """Writes a (nested) list as PostgreSQL writes an array with such lower bounds; one without elements has none.

    >>> bounded_literal([[7, 8]], (0, 1)), bounded_literal([7, 8], ()), bounded_literal([], (0,))
    ('[0:0][1:2]={{7,8}}', '{7,8}', '{}')
    """
    bounds, inner = "", value
    for first in lower if value else ():
        bounds += f"[{first}:{first + len(inner) - 1}]"
        inner = inner[0]
    return f"{bounds}=" * bool(bounds) + array_literal(value)


def array_literal(value: Any) -> str:
    r"""Writes a (nested) list as PostgreSQL writes an array.

    >>> array_literal(["a b", None, 'say "hi"'])
    '{"a b",NULL,"say \\"hi\\""}'
    """
    if isinstance(value, list):
        return "{" + ",".join(array_literal(element) for element in value) + "}"
    if value is None:
        return "NULL"
    if isinstance(value, str | dict):
        text = value if isinstance(value, str) else json.dumps(value)
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _scalar(value)


def composite_literal(values: list[Any]) -> str:
    """Writes the fields of a composite as PostgreSQL writes it.

    >>> composite_literal(["High St", None, 3, True])
    '("High St",,3,t)'
    """
    return "(" + ",".join(map(_field, values)) + ")"


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str | dict | list):
        text = value if isinstance(value, str) else json.dumps(value)
        return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'
    return _scalar(value)


def _scalar(value: Any) -> str:
    return ("t" if value else "f") if isinstance(value, bool) else str(value)
