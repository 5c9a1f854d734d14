"""Where each column's values come from."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from replica.errors import PlanError, SchemaMapError, did_you_mean
from replica.kinds import KINDS, kind_named
from replica.kinds.personal import PERSONAL
from replica.planning.decisions import ColumnPlan, Producer
from replica.planning.scope import require_columns
from replica.schema.graph import find_circle
from replica.schema.model import Column, ForeignKey, Table, quote_name
from replica.schema.schema_map import STRUCTURAL, ColumnMap, TableMap

_MOMENTS = ("date", "timestamp", "timestamptz")
# Kinds that only the structure can give a column.
_NOT_HELD = {
    "reference": "no reference holds the column: declare one, or",
    "polymorphic": "no polymorphic pair holds the column: add one, or",
    "generated": "the database does not compute the column:",
}


def plan_column(table: Table, column: Column, found: ColumnMap) -> ColumnPlan:
    """Decides where a column's values come from.

    Raises:
        PlanError: what the schema map says of it does not fit the column.
        SchemaMapError: it names a kind that does not exist.
    """
    where = f"schema map: {table.id}.{quote_name(column.name)}"
    if column.generated is not None:
        return ColumnPlan(column, "generated", None, {}, found)
    if column.name in table.reference_columns:
        return ColumnPlan(column, "reference", None, {}, found)
    if column.name in table.polymorphic_columns:
        return ColumnPlan(column, "polymorphic", None, {}, found)
    if found.kind in _NOT_HELD:
        raise PlanError(f"{where}: kind {found.kind}, but {_NOT_HELD[found.kind]} choose a kind")
    if found.kind in STRUCTURAL:
        _check_structural(table, column, found, where)
        return ColumnPlan(column, cast("Producer", found.kind), None, {}, found)
    if found.kind not in KINDS and found.kind not in PERSONAL:
        kinds = sorted({*KINDS, *PERSONAL, *STRUCTURAL})
        hint = did_you_mean(found.kind, kinds)
        raise SchemaMapError(f"{where}: unknown kind {found.kind!r}: known are {', '.join(kinds)}{hint}")
    kind, options = kind_named(found.kind)
    if not kind.accepts(column):
        raise PlanError(f"{where}: kind {found.kind} cannot make values of type {column.type.name}: choose another")
    for key, other in (("after", found.after), ("near", found.near)):
        if other is not None:
            _check_base(table, column, other, f"{where}: {key}")
    unique = any(unique.columns == (column.name,) and not unique.predicate for unique in table.uniques)
    return ColumnPlan(column, "kind", found.kind, {**options, **found.options, "unique": unique}, found)


def as_owned(found: ColumnMap, table_map: TableMap, owner: ForeignKey | None) -> ColumnMap:
    """Without the rows of their owner, periods follow nothing: their ends are moments after their starts."""
    if found.kind == "period_end" and owner is None and table_map.owner:
        return replace(found, kind="moment", after=found.of, of=None)
    return found


def _check_structural(table: Table, column: Column, found: ColumnMap, where: str) -> None:
    if found.kind == "key" and column.type.family not in ("integer", "numeric", "uuid"):
        raise PlanError(
            f"{where}: a key is a whole number or a UUID, but this is {column.type.name}: choose code or label"
        )
    if found.kind == "counter":
        if column.type.family not in ("integer", "numeric") or not found.within:
            raise PlanError(f"{where}: a counter is a whole number and needs `within`, the columns it counts within")
        require_columns(table, found.within, where)
    if found.kind == "period_end":
        if found.of is None:
            raise PlanError(f"{where}: a period_end needs `of`, the column that starts the next period")
        _check_base(table, column, found.of, f"{where}: period_end")
    if found.kind == "derived" and not found.sql:
        raise PlanError(f"{where}: a derived column needs `sql`, the expression that computes it")


def _check_base(table: Table, column: Column, base: str, where: str) -> None:
    """Refuses a moment that is to be counted from something that is none."""
    require_columns(table, [base], where)
    for found in (column, table.by_name[base]):
        if found.type.family not in _MOMENTS:
            raise PlanError(
                f"{where}: it is for dates and timestamps, but {quote_name(found.name)} is {found.type.name}:"
                " take it away"
            )


def check_order(table: Table, table_map: TableMap, columns: tuple[ColumnPlan, ...]) -> None:
    """Refuses an order that rows cannot be made in, and periods that do not follow it."""
    where, order = f"schema map: {table.id}", table_map.order
    if order is not None:
        require_columns(table, [order], f"{where}: order")
        column = next(found for found in columns if found.name == order)
        if column.producer not in ("kind", "key", "counter") or not _is_countable(column.column):
            raise PlanError(
                f"{where}: order {quote_name(order)}: rows are ordered by a date, a timestamp or a whole number that"
                " is no reference and not computed: choose another column or none"
            )
    for column in columns:
        if column.producer == "period_end" and (column.map.of != order or not table_map.owner):
            raise PlanError(
                f"{where}.{quote_name(column.name)}: a period_end follows the order of an owner's rows: give the table"
                " an owner, and its order as `of`"
            )


def check_bases(table: Table, columns: tuple[ColumnPlan, ...]) -> None:
    """Refuses columns that are made of what is not there yet, or of each other."""
    where = f"schema map: {table.id}"
    own = {column.name for column in columns if column.producer == "kind"}
    for column in columns:
        base = column.map.after or column.map.near
        if column.producer == "kind" and base is not None and base not in own:
            raise PlanError(
                f"{where}.{quote_name(column.name)}: `after` and `near` are for moments of the row's own, but"
                f" {quote_name(base)} follows from other rows or columns: take it away"
            )
    bases = [
        (found.name, base)
        for found in columns
        if found.producer in ("kind", "counter")
        for base in (found.map.after, found.map.near, *found.map.within)
        if base is not None
    ]
    circle = find_circle(bases)
    if circle:
        shown = " -> ".join(quote_name(name) for name in (*circle, circle[0]))
        raise PlanError(f"{where}: columns are made of each other: {shown}; take one `after`, `near` or `within` away")


def _is_countable(column: Column) -> bool:
    """True for moments and whole numbers."""
    kind = column.type
    return kind.family in (*_MOMENTS, "integer") or (kind.family == "numeric" and kind.scale in (None, 0))


def sex_column(columns: tuple[ColumnPlan, ...]) -> str | None:
    """The column of few values whose name says sex or gender."""
    for column in columns:
        if column.kind == "category" and column.name.lower().strip("_") in (
            "sex",
            "gender",
            "geschlecht",
            "sexe",
            "sexo",
        ):
            return column.name
    return None
