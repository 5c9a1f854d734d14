"""Checks of domains, wherever in a column's type they stand, as checks of the column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from replica.schema.model import Check, Column, SqlType, quote_name

_VALUE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\bVALUE\b")


@dataclass(frozen=True)
class _Inside:
    """A condition on a part of a value.

    Attributes:
        check: the domain's check; for a domain that forbids nulls, one that says so.
        condition: the condition in SQL on the whole value.
    """

    check: Check
    condition: str


def column_checks(column: Column) -> Iterator[Check]:
    """Yields what the domains in a column's type ask of it, in terms of the column.

    The domain of the column itself gives its checks as they are; those of elements and fields, as conditions that only
    a server evaluates: ``(SELECT bool_and(inner_1 > 0) FROM unnest(numbers) AS inner_1)``.
    """
    for found in _conditions(column.type, quote_name(column.name), depth=0):
        check = found.check
        yield Check(check.name, found.condition, (column.name,), check.validated, check.at_load)


def _conditions(kind: SqlType, value: str, depth: int) -> Iterator[_Inside]:
    for check in kind.domain_checks:
        yield _Inside(check, _with_value(check.expression, value))
    if depth and kind.not_null:
        # What the column itself says of nulls is not said here.
        yield _Inside(Check(kind.domain or kind.name, ""), f"{value} IS NOT NULL")
    if kind.family == "array" and kind.element is not None:
        name = f"inner_{depth + 1}"
        for found in _conditions(kind.element, name, depth + 1):
            each = f"(SELECT bool_and({found.condition}) FROM unnest({value}) AS {name})"  # noqa: S608 - names are quoted
            yield _Inside(found.check, each)
    if kind.family == "composite":
        for field, inner in kind.fields:
            for found in _conditions(inner, f"({value}).{quote_name(field)}", depth + 1):
                # A composite that is null as a whole has no fields to speak of.
                yield _Inside(found.check, f"({value}) IS NULL OR ({found.condition})")


def _with_value(expression: str, value: str) -> str:
    return _VALUE.sub(lambda found: value if found[0] == "VALUE" else found[0], expression)
