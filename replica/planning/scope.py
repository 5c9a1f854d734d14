"""Which tables take part: names in settings and map, tables without rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from faker.config import AVAILABLE_LOCALES

from replica.errors import DriftError, PlanError, nearest
from replica.schema.model import ForeignKey, Schema, Table, column_list, quote_name
from replica.schema.schema_map import SchemaMap
from replica.settings import Settings


def check_drift(schema: Schema, schema_map: SchemaMap, name: str) -> None:
    """Refuses a map that does not know every column of the source, or knows others.

    Args:
        schema: what the source declares.
        schema_map: a person's map.
        name: what to call the map in the message.

    Raises:
        DriftError: they differ; the message holds the differences.
    """
    lines = []
    for table in schema.tables:
        known = schema_map.tables.get(table.id)
        if known is None:
            lines.append(f"+ table {table.id}")
            continue
        for column in table.columns:
            found = known.columns.get(column.name)
            if found is None:
                lines.append(f"+ {table.id}.{quote_name(column.name)} {column.type.name}")
            elif found.type not in (None, column.type.name):
                lines.append(f"~ {table.id}.{quote_name(column.name)} was {found.type}, is {column.type.name}")
        lines += [f"- {table.id}.{quote_name(name)}" for name in known.columns if name not in table.by_name]
    lines += [f"- table {name}" for name in schema_map.tables if name not in schema.by_id]
    if lines:
        shown = "; ".join(lines[:20]) + (f"; and {len(lines) - 20} more" if len(lines) > 20 else "")
        typo = _mistyped(schema, schema_map)
        hint = f"; or did you mistype {typo}?" if typo else ""
        raise DriftError(f"the source does not match {name}: {shown}. Update it with `replica map`, then read it{hint}")


def _mistyped(schema: Schema, schema_map: SchemaMap) -> str | None:
    """The first column that a map lacks and has nearly so."""
    for table in schema.tables:
        known = schema_map.tables[table.id].columns if table.id in schema_map.tables else {}
        lacking = [column.name for column in table.columns if column.name not in known]
        for name in known:
            if name not in table.by_name and (meant := nearest(name, lacking)):
                return f"{table.id}.{quote_name(meant)}"
    return None


def with_full_names(settings: Settings, schema: Schema) -> Settings:
    """Replaces bare names of tables in settings by their ids, where only one table is called so.

    Raises:
        PlanError: several tables are.
    """
    return replace(
        settings,
        rows={full_name(schema, "--rows", name): count for name, count in settings.rows.items()},
        include=tuple(full_name(schema, "--include", name) for name in settings.include),
        exclude=tuple(full_name(schema, "--exclude", name) for name in settings.exclude),
        subject=full_name(schema, "--subject", settings.subject) if settings.subject else settings.subject,
    )


def full_name(schema: Schema, option: str, name: str) -> str:
    """Returns the id of the only table with a bare name; the name itself where none has it, or where it is an id.

    Raises:
        PlanError: several tables have it.
    """
    ids = [table.id for table in schema.tables if name in (table.name, quote_name(table.name))]
    if name not in schema.by_id and len(ids) > 1:
        raise PlanError(f"{option} {name}: several tables are called so: write one of {some_of(ids)}")
    return ids[0] if ids and name not in schema.by_id else name


def check_tables(schema: Schema, schema_map: SchemaMap, settings: Settings) -> None:
    """Names in settings and map must exist."""
    for option, names in (("--rows", settings.rows), ("--include", settings.include), ("--exclude", settings.exclude)):
        for name in names:
            if name not in schema.by_id:
                raise PlanError(f"{option} {name}: there is no such table; known are {some_of(schema.by_id)}")
            if schema.by_id[name].kind == "partition":
                root = schema.by_id[name].inherits[0]
                raise PlanError(f"{option} {name}: a partition gets its rows through {root}: name that one")
    if schema_map.locale.replace("-", "_") not in AVAILABLE_LOCALES:
        raise PlanError(f"schema map: locale {schema_map.locale}: Faker has no such locale; write one such as de_DE")
    for table in schema.tables:
        if table.id not in schema_map.tables:
            raise DriftError(f"the schema map does not know table {table.id}: update it with `replica map`")
        for column in table.columns:
            if column.name not in schema_map.tables[table.id].columns:
                raise DriftError(
                    f"the schema map does not know column {table.id}.{quote_name(column.name)}:"
                    " update it with `replica map`"
                )


def check_rows(schema_map: SchemaMap, rows: Iterable[str], skipped: Mapping[str, str]) -> None:
    """Refuses numbers of rows for tables that do not exist or whose number is settled.

    Args:
        schema_map: what is known about the tables.
        rows: ids of the tables that are to get a number of rows.
        skipped: ids of the tables that get none, and why.

    Raises:
        PlanError: a table cannot get a number of rows.
    """
    for name in rows:
        if name not in schema_map.tables:
            raise PlanError(f"--rows {name}: there is no such table; known are {some_of(schema_map.tables)}")
        if name in skipped:
            raise PlanError(f"--rows {name}: the table gets no rows ({skipped[name]}): leave it out of --rows")
        if schema_map.tables[name].role == "lookup":
            raise PlanError(f"--rows {name}: a lookup keeps its rows: leave it out, or make its role public in the map")


def some_of(names: Iterable[str]) -> str:
    """Returns the first of some names, for messages."""
    listed = sorted(names)
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")


def require_columns(table: Table, columns: Iterable[str], where: str) -> None:
    """Refuses names of columns that a table does not have.

    Raises:
        PlanError: there is no such column.
    """
    for column in columns:
        if column not in table.by_name:
            known = some_of(map(quote_name, table.by_name))
            raise PlanError(f"{where}: table {table.id} has no column {quote_name(column)}; known are {known}")


def skipped_tables(schema: Schema, schema_map: SchemaMap, settings: Settings, notes: list[str]) -> dict[str, str]:
    """Tables that get no rows: told so, or in need of one that gets none."""
    skipped: dict[str, str] = {}
    for table in schema.tables:
        if table.kind == "foreign":
            skipped[table.id] = "a foreign table; its rows live elsewhere"
        elif table.kind == "partition":
            skipped[table.id] = "filled through its partitioned table"
        elif schema_map.tables[table.id].role == "skip":
            skipped[table.id] = "the schema map says skip"
        elif table.id in settings.exclude:
            skipped[table.id] = "--exclude"
    if settings.include:
        wanted = _needed(schema, settings.include)
        for table in schema.tables:
            if table.id not in wanted:
                skipped.setdefault(table.id, "not in --include")
        extra = sorted(wanted - set(settings.include))
        if extra:
            notes.append(f"--include also takes {', '.join(extra)}, which the others cannot do without")
    _spread(schema, skipped, notes)
    return skipped


def _needed(schema: Schema, names: Iterable[str]) -> set[str]:
    """The tables and all that they point to and may not leave null."""
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += [key.parent for key in schema.by_id[name].foreign_keys if not may_be_null(schema, key)]
    return wanted


def may_be_null(schema: Schema, key: ForeignKey) -> bool:
    """Returns True for a reference that may point nowhere."""
    return any(schema.by_id[key.child].by_name[column].nullable for column in key.columns)


def _spread(schema: Schema, skipped: dict[str, str], notes: list[str]) -> None:
    """A table that points to one without rows, and may not be null there, gets none either."""
    changed = True
    while changed:
        changed = False
        for key in schema.foreign_keys:
            if key.parent in skipped and key.child not in skipped and not may_be_null(schema, key):
                skipped[key.child] = f"it needs {key.parent}, {_lack(schema, key.parent)}"
                notes.append(
                    f"{key.child} gets no rows, since it cannot do without {key.parent}, {_lack(schema, key.parent)}"
                )
                changed = True
    notes += [
        f"{key.child}{column_list(key.columns)} is null in every row, since it points to {key.parent},"
        f" {_lack(schema, key.parent)}"
        for key in schema.foreign_keys
        if key.parent in skipped and key.child not in skipped
    ]


def _lack(schema: Schema, parent: str) -> str:
    """Why no row of a table can be pointed to."""
    if schema.by_id[parent].kind == "partition":
        return "a partition: rows are chosen from whole tables only"
    return "which gets no rows"
