"""Arrays and composites, read as JSON, in the notation in which PostgreSQL takes them."""

from __future__ import annotations

import json
from typing import Any

from replica.schema.model import SqlType


def literal(value: Any, kind: SqlType) -> str:
    """Writes an array or a composite, read as JSON, as PostgreSQL writes it."""
    if kind.family == "composite":
        return composite_literal([_nested(value.get(name), field) for name, field in kind.fields])
    return array_literal(_elements(value, kind.element))


def _elements(value: Any, element: SqlType | None) -> Any:
    if isinstance(value, list):
        return [_elements(inner, element) for inner in value]
    return _nested(value, element) if element is not None else value


def _nested(value: Any, kind: SqlType) -> Any:
    """A value within another: arrays and composites as text, the rest as it is."""
    return literal(value, kind) if value is not None and kind.family in ("array", "composite") else value


def array_literal(value: Any) -> str:
    r"""Writes a (nested) list as PostgreSQL writes an array.

    >>> array_literal(["a b", None, 'say "hi"'])
    '{"a b",NULL,"say \\\\"hi\\\\""}'
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
