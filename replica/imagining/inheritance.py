"""Partitions and tables that inherit: which rows belong where."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from replica.schema.model import Schema, Table

Ints = npt.NDArray[np.int64]

_LITERAL = re.compile(r"'((?:[^']|'')*)'|(MINVALUE|MAXVALUE|NULL|-?\d+(?:\.\d+)?|true|false)")
_KEY = re.compile(r"(RANGE|LIST|HASH) \((.*)\)\Z", re.DOTALL)

Bound = Mapping[str, tuple[str, ...]]
"""For each column of a partition key, the texts between which its values lie: one for a list, two for a range."""


def members_of(schema: Schema, table: Table) -> tuple[str, ...]:
    """Returns the tables with rows of their own in a table's tree of inheritance, the table among them."""
    if table.kind == "partitioned":
        return (table.id,)
    root = table
    while root.inherits and root.inherits[0] in schema.by_id:
        root = schema.by_id[root.inherits[0]]
    found = [root.id]
    for name in found:
        found += [other.id for other in schema.tables if name in other.inherits and other.kind == "table"]
    return tuple(dict.fromkeys(found))


def leaves_of(schema: Schema, table: Table) -> tuple[Bound, ...]:
    """Returns what the key columns of a partitioned table hold in each of its leaves; none for other tables.

    Default partitions and those of a hash have no bound to speak of, so they come as empty ones.
    """
    if table.partition_key is None:
        return ()
    found: list[Bound] = []
    for part in (part for part in schema.tables if table.id in part.inherits and part.kind in ("partition", "foreign")):
        own = _bound(table, part)
        below = leaves_of(schema, part)
        found += [{**own, **bound} for bound in below] or [own]
    return tuple(found)


def _bound(table: Table, part: Table) -> Bound:
    key = _KEY.match(table.partition_key or "")
    text = part.partition_bound or ""
    if key is None or "DEFAULT" in text.split("'")[0] or key[1] == "HASH":
        return {}
    columns = [name.strip().strip('"') for name in key[2].split(",")]
    if any(name not in table.by_name for name in columns):
        return {}
    texts = [(a or b).replace("''", "'") for a, b in _LITERAL.findall(text)]
    if key[1] == "LIST":
        return {columns[0]: (next((text for text in texts if text != "NULL"), texts[0]),)} if texts else {}
    half = len(texts) // 2
    return {name: (texts[i], texts[half + i]) for i, name in enumerate(columns) if half + i < len(texts)}


def spread_over_leaves(leaves: tuple[Bound, ...], n: int, rng: np.random.Generator) -> Ints:
    """Returns the leaf of each row: every one gets a row before any gets many. Shape (rows,)."""
    found = rng.integers(0, max(1, len(leaves)), n)
    first = min(n, len(leaves))
    found[:first] = np.arange(first)
    return found
