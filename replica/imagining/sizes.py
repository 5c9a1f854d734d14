"""How many rows each table gets when there is nothing to count: what was asked for, as far as keys leave room."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from replica.constraints.domains import domain_of
from replica.errors import PlanError
from replica.imagining.inheritance import leaves_of, members_of
from replica.planning.decisions import all_checks
from replica.schema.graph import Order
from replica.schema.model import Column, Schema, Table, Unique, quote_name

_SMALL = {"boolean": 2.0}
_LARGEST = {"int2": 2.0**15, "int4": 2.0**31}
# Keys of several columns that are nearly full leave hardly any choice: some of their room stays free.
_FILLED = 0.7


@dataclass(frozen=True)
class Sizes:
    """Numbers of rows.

    Attributes:
        rows: rows of each table with rows of its own.
        notes: what was capped and why, a line each.
    """

    rows: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Room:
    """The most rows that a table can have, and the rule that says so."""

    rows: float
    rule: Unique | None = None


def plan_sizes(schema: Schema, order: Order, wanted: int, exact: Mapping[str, int]) -> Sizes:
    """Settles how many rows each table gets.

    Args:
        schema: the schema.
        order: its tables in an order in which each comes after those it points to.
        wanted: rows per root table; the tables of a tree of inheritance share them.
        exact: numbers of rows that were asked for by table.

    Raises:
        PlanError: a table cannot hold as many rows as were asked for exactly.
    """
    rows: dict[str, int] = {}
    notes: list[str] = []
    for name in (name for layer in order.generations for name in layer):
        table = schema.by_id[name]
        if table.kind in ("partition", "foreign"):
            continue
        if table.kind == "partitioned" and not leaves_of(schema, table):
            notes.append(f"{name} gets no rows: it has no partition that could hold one")
            rows[name] = 0
            continue
        share = max(1, wanted // len(members_of(schema, table)), len(leaves_of(schema, table)))
        asked = exact.get(name, share)
        room = _room(table, rows, asked)
        if room.rows < asked:
            rule = room.rule.name if room.rule else ""
            if name in exact:
                raise PlanError(
                    f"--rows {name}={asked}: unique rule {quote_name(rule)} leaves room for {int(room.rows)} rows"
                )
            notes.append(
                f"{name} gets {_comfortable(room)} rows: unique rule {quote_name(rule)} leaves room for no more"
            )
        rows[name] = min(asked, _comfortable(room)) if name not in exact else asked
    return Sizes(rows, tuple(notes))


def _comfortable(room: _Room) -> int:
    """As many rows as can be had without filling a key of several columns to the brim."""
    if math.isinf(room.rows):
        return 2**62
    alone = room.rule is None or len(room.rule.columns) < 2
    return int(room.rows) if alone else max(1, int(room.rows * _FILLED))


def _room(table: Table, rows: Mapping[str, int], asked: int) -> _Room:
    """What the parents and the unique rules of a table leave room for."""
    found = _Room(math.inf)
    for key in table.foreign_keys:
        nullable = any(table.by_name[column].nullable for column in key.columns)
        if rows.get(key.parent, asked) == 0 and not nullable:
            return _Room(0)
    for unique in table.uniques:
        if unique.predicate is not None:
            continue
        held = _distinct_keys(table, unique, rows)
        if held < found.rows:
            found = _Room(held, unique)
    return found


def _distinct_keys(table: Table, unique: Unique, rows: Mapping[str, int]) -> float:
    """How many different keys there can be."""
    columns = [table.by_name[name] for name in unique.columns]
    if unique.expressions and columns:
        return math.inf
    if unique.nulls_distinct and any(column.nullable for column in columns):
        return math.inf
    left = {column.name for column in columns}
    held = 1.0
    for key in sorted(table.foreign_keys, key=lambda key: -len(key.columns)):
        if left & set(key.columns) and not key.is_self:
            held *= rows.get(key.parent, math.inf)
            left -= set(key.columns)
    return held * math.prod(_distinct_values(table, table.by_name[name]) for name in left)


def _distinct_values(table: Table, column: Column) -> float:
    """How many different values a column can have."""
    domain = domain_of(column, all_checks(table))
    if domain.values is not None:
        return float(len(domain.values))
    if column.type.labels:
        return float(len(column.type.labels))
    if column.type.family == "bit" and column.type.base == "bit":
        return 2.0 ** (column.type.length or 1)
    if column.type.family == "text" and domain.max_length is not None and not domain.patterns:
        return 36.0 ** min(20, domain.max_length)
    most = _SMALL.get(column.type.family, _LARGEST.get(column.type.base, math.inf))
    if column.type.family == "integer" and domain.low is not None and domain.high is not None:
        span = float(domain.high) - float(domain.low) + 1 - domain.low_open - domain.high_open
        most = min(most, max(0.0, span))
    return most
