"""What partitions ask of the rows of their root: that one of them takes every row, and the rules of single ones.

Rows are made for the root, so what holds for one partition only is written as a rule of the root with the partition's
bounds as its condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from replica.schema.model import Check, Schema, Table, Unique, quote_name

# More conditions than this cost more to look at than they help; the server routes rows anyway.
_MOST_LEAVES = 400


def with_partition_rules(schema: Schema) -> Schema:
    """Adds to partitioned tables what their partitions ask of rows; other tables stay as they are."""
    children: dict[str, list[Table]] = {}
    for table in schema.tables:
        if table.kind == "partition":
            children.setdefault(table.inherits[0], []).append(table)
    return replace(schema, tables=tuple(_with_rules(table, children) for table in schema.tables))


def _with_rules(root: Table, children: dict[str, list[Table]]) -> Table:
    if root.kind != "partitioned":
        return root
    parts = list(_below(root, children))
    checks, uniques = list(root.checks), list(root.uniques)
    for part in parts:
        if part.partition_condition is not None:
            checks += _own_checks(root, part)
            uniques += _own_uniques(root, part, uniques)
    bounds = _covered(root, children)
    if bounds and len(parts) <= _MOST_LEAVES:
        key = tuple(column.name for column in root.columns if column.name in (root.partition_key or ""))
        checks.append(Check("partition bounds", " OR ".join(f"({bound})" for bound in bounds), key))
    return replace(root, checks=tuple(checks), uniques=tuple(uniques))


def _below(table: Table, children: dict[str, list[Table]]) -> Iterator[Table]:
    for part in children.get(table.id, ()):
        yield part
        yield from _below(part, children)


def _covered(table: Table, children: dict[str, list[Table]]) -> list[str]:
    """The conditions of which a row of a table must meet one; none where every row will do."""
    own = [table.partition_condition] if table.partition_condition else []
    parts = children.get(table.id, [])
    by_hash = (table.partition_key or "HASH").startswith("HASH")
    if by_hash or any(part.partition_bound == "DEFAULT" and not part.partition_key for part in parts):
        # The default takes what no other part does, and parts by hash share all there is.
        gaps = [] if by_hash else [part for part in parts if part.partition_key and _has_gaps(part, children)]
        return own if not gaps else [bound for part in parts for bound in _covered(part, children)]
    return [bound for part in parts for bound in _covered(part, children)]


def _has_gaps(table: Table, children: dict[str, list[Table]]) -> bool:
    return _covered(table, children) != [table.partition_condition]


def _own_checks(root: Table, part: Table) -> Iterator[Check]:
    """Checks that a partition has beyond those of its root, for the rows that fall into it."""
    known = {check.expression for check in root.checks}
    outside = f"({part.partition_condition}) IS NOT TRUE"
    for check in part.checks:
        if check.expression not in known and check.validated:
            yield Check(check.name, f"{outside} OR ({check.expression})", check.columns)
    for column in part.columns:
        if not column.nullable and root.by_name[column.name].nullable:
            yield Check(f"{part.name} not null", f"{outside} OR {quote_name(column.name)} IS NOT NULL", (column.name,))


def _own_uniques(root: Table, part: Table, known: Sequence[Unique]) -> Iterator[Unique]:
    """Unique rules that a partition has beyond those of its root."""
    there = {(unique.columns, unique.expressions, unique.predicate) for unique in (*root.uniques, *known)}
    for unique in part.uniques:
        if (unique.columns, unique.expressions, unique.predicate) not in there:
            within = f"({part.partition_condition})" + (f" AND ({unique.predicate})" if unique.predicate else "")
            yield replace(unique, primary=False, predicate=within)
