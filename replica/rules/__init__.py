"""Rules that rows keep without a schema saying so: one file a form, and the one place that knows them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from replica.rules import (
    after_parent,
    arithmetic,
    children,
    copied,
    dependency,
    inequality,
    null_when,
    periods,
    running,
    unique,
)
from replica.rules.base import RuleKind

# In this order forms claim columns: what decides a column before what only bounds it.
RULES: Final[Mapping[str, RuleKind[Any]]] = {
    "arithmetic": arithmetic.KIND,
    "running": running.KIND,
    "sum": children.SUM,
    "count": children.COUNT,
    "copied": copied.KIND,
    "dependency": dependency.KIND,
    "null_when": null_when.KIND,
    "inequality": inequality.KIND,
    "after_parent": after_parent.KIND,
    "periods": periods.KIND,
    "unique": unique.KIND,
}
"""The forms of rules, by the name that schema maps use."""

__all__ = ["RULES"]
