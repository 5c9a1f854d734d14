"""What a database is told beside its content: owner, comment, limits, settings, grants."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]

# Parameters that only a superuser may set, and those of modules that are not there.
_REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject, psycopg.errors.InvalidParameterValue)


def read_settings(connection: Connection) -> tuple[tuple[str, ...], str | None]:
    """Returns the settings that a database has for all its users, as ``name=value``, and its comment."""
    row = connection.execute(
        "SELECT coalesce((SELECT s.setconfig FROM pg_catalog.pg_db_role_setting s"
        " WHERE s.setdatabase = d.oid AND s.setrole = 0), '{}'), shobj_description(d.oid, 'pg_database')"
        " FROM pg_catalog.pg_database d WHERE d.datname = current_database()"
    ).fetchone()
    return (tuple(map(str, row[0])), row[1] and str(row[1])) if row else ((), None)


def put_settings(upkeep: Connection, settings: Sequence[str], database: str) -> None:
    """Gives a database settings, as ``name=value``; those that the user may not set stay the server's."""
    for assignment in settings:
        statement = sql.SQL("ALTER DATABASE {} {}").format(sql.Identifier(database), _setting(assignment))
        with suppress(*_REFUSALS):
            upkeep.execute(statement)


def comment_sql(database: str, comment: object) -> sql.Composed:
    """Returns what comments on a database; None takes its comment away."""
    return sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(database), sql.Literal(comment))


def properties_of(upkeep: Connection, target: str, staging: str) -> list[sql.Composed]:
    """Returns statements that give a staging database its target's owner, comment, limits, settings and grants."""
    row = upkeep.execute(
        "SELECT pg_get_userbyid(d.datdba), d.datconnlimit, shobj_description(d.oid, 'pg_database'), d.oid,"
        " d.datacl IS NOT NULL FROM pg_catalog.pg_database d WHERE d.datname = %s",
        [target],
    ).fetchone()
    if row is None:
        return []
    owner, limit, comment, oid, has_grants = row
    name = sql.Identifier(staging)
    statements = [
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(owner)),
        sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(limit)),
        comment_sql(staging, comment),
    ]
    statements += _settings(upkeep, oid, name)
    if has_grants:
        statements += _grants(upkeep, oid, name)
    return statements


def _settings(upkeep: Connection, oid: int, name: sql.Identifier) -> list[sql.Composed]:
    rows = upkeep.execute(
        "SELECT r.rolname, unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s"
        " LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = %s",
        [oid],
    ).fetchall()
    statements = []
    for role, assignment in rows:
        setting = _setting(assignment)
        if role is None:
            statements.append(sql.SQL("ALTER DATABASE {} {}").format(name, setting))
        else:
            statements.append(sql.SQL("ALTER ROLE {} IN DATABASE {} {}").format(sql.Identifier(role), name, setting))
    return statements


def _setting(assignment: str) -> sql.Composed:
    """What sets a parameter, out of how the catalog writes it: ``name=value``."""
    key, _, value = assignment.partition("=")
    return sql.SQL("SET {} TO {}").format(sql.Identifier(key), _setting_value(key, value))


def _setting_value(key: str, value: str) -> sql.Composable:
    """Lists of names are stored as SQL already; everything else is one literal."""
    lists = {"search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries"}
    return sql.SQL(value or "''") if key in lists else sql.Literal(value)


def _grants(upkeep: Connection, oid: int, name: sql.Identifier) -> list[sql.Composed]:
    rows = upkeep.execute(
        "SELECT CASE WHEN a.grantee = 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable"
        " FROM pg_catalog.pg_database d, aclexplode(d.datacl) a WHERE d.oid = %s",
        [oid],
    ).fetchall()
    statements = [sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name)]
    for grantee, privilege, grantable in rows:
        to = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
        option = sql.SQL(" WITH GRANT OPTION" if grantable else "")
        grant = sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(sql.SQL(privilege), name, to, option)
        statements.append(grant)
    return statements
