"""References that only the schema map knows, plain ones, polymorphic pairs, keys inside values; and keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from replica.errors import PlanError
from replica.planning.scope import require_columns, some_of
from replica.rules import RULES
from replica.schema.graph import with_own_keys
from replica.schema.model import Column, ForeignKey, LooseReference, Schema, Table, Unique, column_list, quote_name
from replica.schema.schema_map import InsideMap, PolymorphicMap, ReferenceMap, SchemaMap


def with_references(schema: Schema, schema_map: SchemaMap) -> Schema:
    """Adds the references that only the map declares to the tables.

    Raises:
        PlanError: a reference of the map points nowhere, or to what cannot be pointed to.
    """
    tables = []
    for table in schema.tables:
        keys = (*table.foreign_keys, *_plain(schema, table, schema_map))
        with_keys = replace(table, foreign_keys=keys)
        tables.append(replace(with_keys, loose_references=tuple(_loose(schema, with_keys, schema_map))))
    return replace(schema, tables=tuple(with_own_keys(tables)))


def with_keys(schema: Schema, schema_map: SchemaMap) -> Schema:
    """Adds the keys to the tables that only rules of the map declare.

    Raises:
        PlanError: a rule names a column that does not exist.
    """
    return replace(schema, tables=tuple(_with_keys(table, schema_map) for table in schema.tables))


def _with_keys(table: Table, schema_map: SchemaMap) -> Table:
    keys = []
    for rule in schema_map.tables[table.id].rules:
        key = RULES[rule.form].key
        if key is None or not rule.keep:
            continue
        columns = key(rule)
        require_columns(table, columns, f"schema map: {table.id}: rule {rule.form}")
        keys.append(Unique("_".join((*columns, "key")), columns, constraint=False, declared=False))
    return replace(table, uniques=(*table.uniques, *keys)) if keys else table


def _plain(schema: Schema, table: Table, schema_map: SchemaMap) -> list[ForeignKey]:
    keys: list[ForeignKey] = []
    for found in schema_map.tables[table.id].references:
        where = f"schema map: {table.id}: reference {column_list(found.columns)}"
        _check_reference(schema, table, found, where)
        known = (*table.foreign_keys, *keys)
        if any((set(key.columns), key.parent) == (set(found.columns), found.parent) for key in known):
            raise PlanError(f"{where}: {found.parent} is referenced by these columns already; take it away")
        name = "_".join((*found.columns, schema.by_id[found.parent].name))
        keys.append(ForeignKey(name, table.id, found.columns, found.parent, found.parent_columns, declared=False))
    return keys


def _check_reference(schema: Schema, table: Table, found: ReferenceMap, where: str) -> None:
    """Refuses a reference of the map that the database itself would refuse."""
    parent = _parent(schema, found.parent, where)
    target = f"{found.parent}{column_list(found.parent_columns)}"
    require_columns(table, found.columns, where)
    require_columns(parent, found.parent_columns, where)
    if not found.columns or len(found.columns) != len(found.parent_columns):
        raise PlanError(f"{where}: it points to {target}: give one column of {found.parent} for each")
    if not any(_is_plain_key(unique) and set(unique.columns) == set(found.parent_columns) for unique in parent.uniques):
        raise PlanError(f"{where}: {target} is not unique: point to a key of {found.parent}")
    for name, other in zip(found.columns, found.parent_columns, strict=True):
        own, wanted = table.by_name[name].type, parent.by_name[other].type
        if own.family != wanted.family and not {own.family, wanted.family} <= {"integer", "numeric"}:
            raise PlanError(
                f"{where}: {quote_name(name)} is {own.name}, but {found.parent}.{quote_name(other)} is {wanted.name}:"
                " point to columns of the same type"
            )


def _is_plain_key(unique: Unique) -> bool:
    """True for a rule over columns alone that holds for all rows."""
    return not unique.expressions and unique.predicate is None


def _parent(schema: Schema, name: str, where: str) -> Table:
    parent = schema.by_id.get(name)
    if parent is None:
        raise PlanError(f"{where}: there is no table {name}; known are {some_of(schema.by_id)}")
    return parent


def _loose(schema: Schema, table: Table, schema_map: SchemaMap) -> Iterator[LooseReference]:
    for pair in schema_map.tables[table.id].polymorphic:
        yield from _polymorphic(schema, table, pair)
    for inside in schema_map.tables[table.id].keys_inside:
        yield _inside(schema, table, inside)


def _polymorphic(schema: Schema, table: Table, pair: PolymorphicMap) -> Iterator[LooseReference]:
    where = f"schema map: {table.id}: polymorphic {column_list((pair.type, pair.id))}"
    require_columns(table, (pair.type, pair.id), where)
    if pair.type == pair.id:
        raise PlanError(f"{where}: type and id are one column: name two")
    for name in (pair.type, pair.id):
        if name in table.reference_columns or table.by_name[name].generated is not None:
            raise PlanError(f"{where}: {quote_name(name)} is a reference or computed already: take one of them away")
    if table.by_name[pair.type].type.family not in ("text", "enum", "integer"):
        raise PlanError(
            f"{where}: {quote_name(pair.type)} is {table.by_name[pair.type].type.name}, which names no table"
        )
    for value, name in pair.parents.items():
        parent = _parent(schema, name, where)
        key = _single_key(parent, where)
        own, wanted = table.by_name[pair.id].type, key.type
        # Ids of several kinds of rows are often kept as text.
        if own.family not in (wanted.family, "text") and not {own.family, wanted.family} <= {"integer", "numeric"}:
            raise PlanError(
                f"{where}: {quote_name(pair.id)} is {own.name}, but the key of {name} is {wanted.name}: take"
                f" {value} away"
            )
        yield LooseReference(table.id, pair.id, parent.id, key.name, when=(pair.type, value))


def _inside(schema: Schema, table: Table, inside: InsideMap) -> LooseReference:
    where = f"schema map: {table.id}: keys inside {quote_name(inside.column)}"
    require_columns(table, (inside.column,), where)
    column = table.by_name[inside.column]
    key = _single_key(_parent(schema, inside.parent, where), where)
    if column.generated is not None or column.type.family not in ("array", "json"):
        raise PlanError(f"{where}: it is {column.type.name}: keys are inside arrays and JSON documents only")
    if column.type.family == "array" and inside.path != ("*",):
        raise PlanError(f'{where}: the keys inside an array are its elements: write path: ["*"]')
    if not inside.path:
        raise PlanError(f"{where}: say where in a document they are, as in path: [user, id]")
    return LooseReference(table.id, inside.column, inside.parent, key.name, path=inside.path)


def _single_key(parent: Table, where: str) -> Column:
    """The one column that names a table's rows."""
    key = parent.primary_key
    if key is None or len(key.columns) != 1:
        raise PlanError(f"{where}: {parent.id} has no primary key of one column: it cannot be pointed to")
    return parent.by_name[key.columns[0]]
