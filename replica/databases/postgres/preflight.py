"""Looking, before anything is read or written, for what would stop a run later."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from replica.databases.base import Finding
from replica.databases.postgres.connection import connect
from replica.databases.postgres.ddl import choose_tool
from replica.databases.postgres.staging import (
    CAN_CREATE_SQL,
    NO_PREVIEW,
    OWNS_SQL,
    USER_TABLES_SQL,
    InPlace,
    SideBySide,
    exists,
    maintenance_connection,
)
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import DatabaseError, PrivilegeError, TargetNotEmptyError
from replica.schema.model import Schema, Table, quote_name

Connection = psycopg.Connection[Any]

# DROP DATABASE ... WITH (FORCE), which the swap of names needs, is of this version.
OLDEST_TARGET = 130000
# A replica needs its own rows, its indexes, and the old database until the names are swapped.
_ROOM_FACTOR = 1.5


# What may be installed, and whether this user may: some providers let others do so all the same.
_EXTENSIONS_SQL = """
SELECT a.name, bool_or(v.trusted OR NOT v.superuser OR r.rolsuper)
  FROM pg_catalog.pg_available_extensions a
  JOIN pg_catalog.pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version
  JOIN pg_catalog.pg_roles r ON r.rolname = current_user
 GROUP BY a.name
"""


def check_source(url: DatabaseUrl, schema: Schema) -> list[Finding]:
    """See :meth:`replica.databases.base.Database.check_source`."""
    with connect(url) as connection:
        found = [Finding("ok", "source", f"{schema.server}, {len(schema.tables)} tables at {url}")]
        found += _privileges(connection, schema)
        found += _row_security(connection, schema)
        found += [Finding("warning", "not carried", line) for line in schema.unsupported]
    return found


def _privileges(connection: Connection, schema: Schema) -> Iterator[Finding]:
    refused: dict[str, list[Table]] = {}
    for table in schema.tables:
        if not _may_read(connection, table):
            refused.setdefault(table.schema, []).append(table)
    for name, tables in refused.items():
        total = sum(table.schema == name for table in schema.tables)
        hint = f"this user may not read {len(tables)} of its {total} tables: {_grant(connection, name, tables, total)}"
        yield Finding("error", f"schema {quote_name(name)}", hint, PrivilegeError)
    if not refused:
        yield Finding("ok", "privileges", f"SELECT on all {len(schema.tables)} tables")


def _grant(connection: Connection, schema: str, refused: list[Table], total: int) -> str:
    """The SQL that an administrator has to run."""
    which = f"ALL TABLES IN SCHEMA {quote_name(schema)}" if len(refused) == total else ", ".join(t.id for t in refused)
    user = quote_name(connection.info.user)
    return f"GRANT USAGE ON SCHEMA {quote_name(schema)} TO {user}; GRANT SELECT ON {which} TO {user}"


def _may_read(connection: Connection, table: Table) -> bool:
    # Without USAGE the server does not even look for the table.
    may_enter = _scalar(connection, "SELECT has_schema_privilege(%s, 'USAGE')", [table.schema])
    return bool(may_enter and _scalar(connection, "SELECT has_table_privilege(%s, 'SELECT')", [table.id]))


def _row_security(connection: Connection, schema: Schema) -> Iterator[Finding]:
    """A policy would silently show this user a part of the rows only."""
    for table in schema.tables:
        if not table.row_security or not _may_read(connection, table):
            continue
        if _scalar(connection, "SELECT row_security_active(%s::regclass)", [table.id]):
            yield Finding(
                "error",
                table.id,
                "row-level security would hide rows from this user: connect as its owner or with BYPASSRLS",
                PrivilegeError,
            )


def check_target(url: DatabaseUrl, schema: Schema, *, replace: bool, preview: bool = False) -> list[Finding]:
    """See :meth:`replica.databases.base.Database.check_target`."""
    name = database_name(url)
    with maintenance_connection(url) as upkeep:
        found = [Finding("ok", "target", f"PostgreSQL {_dotted(upkeep.info.server_version)} at {url}")]
        there = exists(upkeep, name)
        found += _way(upkeep, name, there, preview)
        found += _tools(schema, upkeep.info.server_version)
        found += _extensions(upkeep, schema)
        found += _room(upkeep, schema)
    if there:
        found += _emptiness(url, replace)
    return found


def _way(upkeep: Connection, name: str, there: bool, preview: bool) -> Iterator[Finding]:
    may_create = bool(_scalar(upkeep, CAN_CREATE_SQL, []))
    if may_create and (not there or bool(_scalar(upkeep, OWNS_SQL, [name]))):
        yield Finding("ok", "publishing", SideBySide.way)
    elif there and preview:
        yield Finding("error", "publishing", NO_PREVIEW, PrivilegeError)
    elif there:
        yield Finding("warning", "publishing", InPlace.way)
    else:
        hint = f"database {name} does not exist and this user may not create it: GRANT CREATEDB"
        yield Finding("error", "publishing", hint, PrivilegeError)


def _emptiness(url: DatabaseUrl, replace: bool) -> Iterator[Finding]:
    with connect(url) as connection:
        held = _scalar(connection, USER_TABLES_SQL, [])
    if held and not replace:
        hint = f"it is not empty ({held} objects): give --replace to replace all of it"
        yield Finding("error", "target", hint, TargetNotEmptyError)
    elif held:
        yield Finding("warning", "target", f"its {held} objects will be replaced, at the very end and in one step")


def _tools(schema: Schema, target_version: int) -> Iterator[Finding]:
    try:
        tool = choose_tool(schema.server_version, target_version)
    except DatabaseError as error:
        yield Finding("error", "client tools", str(error))
        return
    yield Finding("ok", "client tools", str(tool))
    if target_version < OLDEST_TARGET:
        hint = f"the target ({_dotted(target_version)}) is too old: use PostgreSQL {OLDEST_TARGET // 10000} or newer"
        yield Finding("error", "versions", hint)
    if target_version // 10000 < schema.server_version // 10000:
        yield Finding(
            "warning",
            "versions",
            f"the target ({_dotted(target_version)}) is older than the source ({_dotted(schema.server_version)}):"
            " the run goes on only if the whole schema can be created there",
        )


def _extensions(upkeep: Connection, schema: Schema) -> Iterator[Finding]:
    available = {str(name): bool(allowed) for name, allowed in upkeep.execute(_EXTENSIONS_SQL).fetchall()}
    for extension in schema.extensions:
        subject = f"extension {extension.name}"
        where = f"in schema {quote_name(extension.schema)}"
        if extension.name not in available:
            hint = f"the source has it {where}, the target's server does not have it: install its package there"
            yield Finding("error", subject, hint)
        elif not available[extension.name]:
            hint = f"the source has it {where}; on the target it may take a superuser to create it"
            yield Finding("warning", subject, hint)
        else:
            yield Finding("ok", subject, f"available (source has {extension.version} {where})")


def _room(upkeep: Connection, schema: Schema) -> Iterator[Finding]:
    needed = int(sum(table.bytes for table in schema.tables) * _ROOM_FACTOR)
    try:
        folder = Path(str(_scalar(upkeep, "SELECT current_setting('data_directory')", [])))
        free = shutil.disk_usage(folder).free if folder.is_dir() else None
    except (psycopg.errors.InsufficientPrivilege, PermissionError):
        free = None
    if free is None:
        yield Finding("warning", "disk", f"about {_size(needed)} needed; how much is free cannot be seen from here")
    elif free < needed:
        hint = f"about {_size(needed)} needed, {_size(free)} free: make room"
        yield Finding("warning", "disk", hint)
    else:
        yield Finding("ok", "disk", f"about {_size(needed)} needed, {_size(free)} free")


def _scalar(connection: Connection, query: str, args: list[Any]) -> Any:
    row = connection.execute(query.encode(), args or None).fetchone()
    return row[0] if row else None


def _dotted(version: int) -> str:
    return f"{version // 10000}.{version % 10000}"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
