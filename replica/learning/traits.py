"""What no code of a table says: references that never point to one row, whose names its rows bear, room for rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from replica.learning.source_rows import SourceTable
from replica.schema.model import ForeignKey

_FEWEST_APART = 10


def references_apart(source: SourceTable) -> tuple[tuple[str, str], ...]:
    """Returns pairs of references that never point to one row; the row itself stands as an empty name."""
    table = source.plan
    keys = [*([table.owner] if table.owner else []), *(reference.key for reference in table.references)]
    found = []
    for i, key in enumerate(keys):
        rows = source.parents[key.id]
        if key.is_self and not (rows == np.arange(len(rows))).any():
            found.append((key.id, ""))
        for other in keys[i + 1 :]:
            both = (rows >= 0) & (source.parents[other.id] >= 0)
            alike = other.parent == key.parent and other.parent_columns == key.parent_columns
            if alike and both.sum() >= _FEWEST_APART and not (rows == source.parents[other.id])[both].any():
                found.append((key.id, other.id))
    return tuple(found)


def is_same_person(source: SourceTable, sources: Mapping[str, SourceTable]) -> bool:
    """True where a table's names or addresses are those of the person that its rows belong to."""
    table = source.plan
    if not table.holder_path or source.holders is None:
        return False
    person = sources[table.holder_path[-1].parent]
    rows = np.minimum(source.holders, max(0, len(person) - 1))
    if not len(person):
        return False
    for column in table.by("kind"):
        texts = _comparable(person, column.kind)
        if texts is None or not len(source):
            continue
        own = source.column(column.name).to_pylist()
        hits = [a is not None and a == texts[row] for a, row in zip(own, rows.tolist(), strict=True)]
        if np.mean(hits) >= 0.5:
            return True
    single = len(table.holder_path) == 1 and most_children(table.holder_path[0], source) == 1
    return single and any(column.kind in ("username", "email") for column in table.by("kind"))


def _comparable(person: SourceTable, kind: str | None) -> list[str | None] | None:
    """The person's own values of a class of personal data; full names are put together where there are only parts."""
    by_kind = {column.kind: column.name for column in person.plan.by("kind")}
    if kind in by_kind and kind in ("full_name", "first_name", "last_name", "email", "username", "phone"):
        values: list[str | None] = person.column(by_kind[kind]).to_pylist()
        return values
    if kind == "full_name" and {"first_name", "last_name"} <= set(by_kind):
        first, last = (person.column(by_kind[part]).to_pylist() for part in ("first_name", "last_name"))
        return [f"{a} {b}" for a, b in zip(first, last, strict=True)]
    return None


def most_children(key: ForeignKey, child: SourceTable) -> int | None:
    """Returns the most children that a key leaves room for: one, or as many as the rest of the key has values."""
    caps = []
    for unique in child.plan.table.uniques:
        rest = [name for name in unique.columns if name not in key.columns]
        if unique.predicate or unique.expressions or not set(key.columns) & set(unique.columns):
            continue
        if set(key.columns) <= set(unique.columns) or not rest:
            sizes = [_values_of(child, name) for name in rest]
            if all(size is not None for size in sizes):
                caps.append(math.prod(size for size in sizes if size is not None))
    return min(caps, default=None)


def _values_of(child: SourceTable, name: str) -> int | None:
    """How many values a column has to choose from; None where there is no limit to speak of."""
    column = next(found for found in child.plan.columns if found.name == name)
    if column.producer == "kind" and column.kind == "category":
        return max(1, len(child.column(name).unique().drop_null()))
    return None
