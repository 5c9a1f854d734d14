"""Owners, the order of tables, references and unique rules: how rows hang together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from replica.constraints.checks import NotReadableError, columns_of
from replica.constraints.domains import domain_of
from replica.constraints.judging import reads, reads_of
from replica.constraints.unique import key_parts
from replica.errors import PlanError
from replica.planning.decisions import ColumnPlan, ReferencePlan, TablePlan, UniquePlan
from replica.schema.graph import Order, carries, find_circle, nullable_cost, order_tables, paths_to
from replica.schema.model import ForeignKey, Schema, Table, Unique, column_list
from replica.schema.schema_map import SchemaMap, TableMap
from replica.settings import Settings


@dataclass(frozen=True)
class Surroundings:
    """What planning one table must know of the others."""

    schema: Schema
    schema_map: SchemaMap
    settings: Settings
    owners: Mapping[str, ForeignKey]
    skipped: Mapping[str, str]
    deferred: frozenset[str]


def owner_of(table: Table, table_map: TableMap, skipped: Mapping[str, str]) -> ForeignKey | None:
    """Returns the reference that owns a table's rows; None without one, or where its parent gets no rows.

    Raises:
        PlanError: the schema map names an owner that cannot be one.
    """
    # The rows of a lookup are copied, not made under others.
    if not table_map.owner or table_map.role == "lookup":
        return None
    found = [key for key in table.foreign_keys if set(key.columns) == set(table_map.owner)]
    where = f"schema map: {table.id}: owner {column_list(table_map.owner)}"
    if not found:
        known = ", ".join(column_list(key.columns) for key in table.foreign_keys) or "none"
        raise PlanError(f"{where} is not a reference of the table; its references are {known}")
    if found[0].is_self:
        raise PlanError(f"{where} points to the table itself, which cannot own its rows: choose another or none")
    # What repeats a column of the table's own is chosen to fit it; an owner would fill it.
    own = set(found[0].columns) & set(table.own_keys)
    return None if found[0].parent in skipped or own else found[0]


def refuse_owner_circles(owners: Mapping[str, ForeignKey]) -> None:
    """Refuses owners that lead back to where they start.

    Raises:
        PlanError: they do.
    """
    circle = find_circle((key.child, key.parent) for key in owners.values())
    if circle:
        raise PlanError(f"schema map: owners lead in a circle: {' -> '.join([*circle, circle[0]])}; take one away")


def table_order(tables: list[Table], keys: list[ForeignKey], owners: Mapping[str, ForeignKey]) -> Order:
    """Returns the order of the tables; a circle is never broken at an owner."""
    by_id = {table.id: table for table in tables}
    cost = nullable_cost(lambda table, column: by_id[table].by_name[column].nullable)
    owner_ids = {key.id for key in owners.values()}
    return order_tables(by_id, keys, lambda key: float("inf") if key.id in owner_ids else cost(key))


def plan_references(table: Table, owner: ForeignKey | None, around: Surroundings) -> tuple[ReferencePlan, ...]:
    """The references but the owner, the widest first, each with the columns that are still to be filled."""
    keys = [key for key in table.foreign_keys if key != owner and key.parent not in around.skipped]
    # Own columns, such as a country's code in the reference to its capital, are filled by what makes them.
    filled = {column.name for column in table.columns if column.name not in table.reference_columns}
    filled |= set(owner.columns) if owner else set()
    # What has to wait comes last, so that nothing depends on it.
    # One with MATCH FULL says by a shared column that the others are not null, so it decides first.
    rank = {
        key.id: (key.is_self, key.id in around.deferred, -len(key.columns), not key.match_full, key.id) for key in keys
    }
    plans: list[ReferencePlan] = []
    before = [owner] if owner else []
    for key in sorted(keys, key=lambda key: rank[key.id]):
        free = tuple(column for column in key.columns if column not in filled)
        certain = {name for name in free if name in key.repeated or not table.by_name[name].nullable}
        implied = next(
            (other for other in before if _implies(other, key, around.schema) or _names(other, key, certain)), None
        )
        fixed = tuple(column for column in key.columns if column in filled)
        deferred = key.id in around.deferred
        plans.append(ReferencePlan(key, free, fixed, implied.id if implied else None, deferred))
        filled |= set(key.columns)
        before.append(key)
    return tuple(plans)


def with_values_read(table: TablePlan, schema: Schema) -> TablePlan:
    """Says of each reference of a table which values of a row must be known before it is assigned."""
    pointed = {name for key in schema.foreign_keys if key.parent == table.id for name in key.parent_columns}
    values = {column.name for column in table.columns if column.producer not in ("key", "reference")}
    reading = [set(reads_of(check, table.table)) for check in table.checks]
    for planned in table.uniques:
        unique, own = planned.unique, set(planned.unique.columns) & values
        # A rule over values that may still be changed is kept by changing them.
        if planned.way == "references" or (planned.way == "repair" and own <= pointed):
            parts = (*key_parts(table.table, unique), *([unique.predicate] if unique.predicate else []))
            reading.append(set(unique.columns).union(*(reads(part, table.table) for part in parts)))
    return replace(table, references=tuple(replace(found, reads=_read_for(found, reading, values))
                                           for found in table.references))  # fmt: skip


def _read_for(reference: ReferencePlan, reading: Iterable[Set[str]], values: Set[str]) -> tuple[str, ...]:
    """Values that conditions read together with a column that a reference fills, and those that it must agree with."""
    found = {name for names in reading if names & set(reference.free) for name in names & values}
    return tuple(sorted(found | (values & set(reference.fixed))))


def _implies(wide: ForeignKey, narrow: ForeignKey, schema: Schema) -> bool:
    """True where a row that ``wide`` points to carries a valid value of ``narrow``: a city's country for a country."""
    if not set(narrow.columns) < set(wide.columns):
        return False
    if wide.parent == narrow.parent:
        pairs = zip(wide.columns, wide.parent_columns, strict=True)
        return set(zip(narrow.columns, narrow.parent_columns, strict=True)) <= set(pairs)
    return any(carries(wide, key, narrow) for key in schema.by_id[wide.parent].foreign_keys)


def _names(narrow: ForeignKey, wide: ForeignKey, certain: Set[str]) -> bool:
    """True where a row that ``narrow`` points to is what ``wide`` points to, whose other columns are surely filled."""
    pairs, named = (dict(zip(key.columns, key.parent_columns, strict=True)) for key in (wide, narrow))
    return narrow.parent == wide.parent and named.items() < pairs.items() and pairs.keys() - named.keys() <= certain


# Kinds that give every row another value when they are told to.
_MANY_BITS = 32
_UNIQUE_KINDS = frozenset({"code", "national_id", "iban", "card", "email", "username", "uuid", "bits", "article"})


def plan_unique(
    unique: Unique, columns: tuple[ColumnPlan, ...], owner: ForeignKey | None, order: str | None
) -> UniquePlan:
    """Chooses how a unique rule is kept, the surest way first."""
    parts = [column for column in columns if column.name in unique.columns]
    plain = not unique.expressions
    if any(_differs_in_every_row(column) for column in parts) and plain:
        return UniquePlan(unique, "key")
    for column in parts:
        if column.producer == "counter" and set(column.map.within) <= set(unique.columns) and plain:
            return UniquePlan(unique, "counter")
    if plain and any(column.producer == "polymorphic" for column in parts):
        return UniquePlan(unique, "polymorphic")
    if (
        plain
        and not unique.predicate
        and owner
        and order in unique.columns
        and set(owner.columns) <= set(unique.columns)
    ):
        return UniquePlan(unique, "order")
    read = _read_by(unique, columns)
    fixed = set(owner.columns) if owner else set()
    own = [column for column in columns if column.name in read and column.producer != "reference"]
    pointing = [column for column in parts if column.producer == "reference" and column.name not in fixed]
    # A few labels, which are known by then, tell too few rows apart by themselves; the order of an owner's rows stays.
    settled = all(column.kind == "category" or column.name == order for column in own)
    if parts and (not own or (pointing and plain and settled)):
        return UniquePlan(unique, "references")
    return UniquePlan(unique, "repair")


def without_constants(unique: Unique, table: Table) -> Unique:
    """Returns a rule without the columns that a check pins to one value: the others alone tell rows apart."""
    if unique.expressions:
        return unique
    left = tuple(name for name in unique.columns if not _is_constant(table, name))
    return replace(unique, columns=left) if left else unique


def _is_constant(table: Table, name: str) -> bool:
    column = table.by_name[name]
    return not column.nullable and len(domain_of(column, table.checks).values or ("", "")) == 1


def _read_by(unique: Unique, columns: tuple[ColumnPlan, ...]) -> set[str]:
    """The columns of a rule's key and of its predicate; all of them where it cannot be read."""
    try:
        return set(unique.columns) | (columns_of(unique.predicate) if unique.predicate else set())
    except NotReadableError:
        return {column.name for column in columns}


def _differs_in_every_row(column: ColumnPlan) -> bool:
    if column.producer == "key":
        return True
    kind = column.column.type
    if kind.family == "bit" and (kind.base != "bit" or (kind.length or 1) < _MANY_BITS):
        # They may run out, and shorter ones may begin like longer ones.
        return False
    return column.producer == "kind" and bool(column.options.get("unique")) and column.kind in _UNIQUE_KINDS


def holder_path(table: Table, table_map: TableMap, around: Surroundings) -> tuple[ForeignKey, ...] | None:
    """The way to the person that a row belongs to: to the subject if there is one, otherwise up the owners."""
    if table_map.role == "subject":
        return ()
    if table_map.role != "private":
        return None
    keys = [
        key
        for key in around.schema.foreign_keys
        if key.child not in around.skipped and key.parent not in around.skipped and not _is_beside_owner(key, around)
    ]
    for name, other in around.schema_map.tables.items():
        if other.role == "subject" and name not in around.skipped and (path := paths_to(table.id, name, keys)):
            return path
    upward: list[ForeignKey] = []
    at = table.id
    while at in around.owners and around.schema_map.tables[around.owners[at].parent].role in ("private", "subject"):
        upward.append(around.owners[at])
        at = around.owners[at].parent
    return tuple(upward)


def _is_beside_owner(key: ForeignKey, around: Surroundings) -> bool:
    """True for another reference to the owner's table: who approved a row is not whose row it is."""
    owner = around.owners.get(key.child)
    return owner is not None and owner.parent == key.parent and owner.id != key.id
