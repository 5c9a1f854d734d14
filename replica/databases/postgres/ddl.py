"""The schema as SQL: ``pg_dump`` writes it, this module cuts it into entries that any session can run.

``pg_restore`` is not used. Its version 18 cannot fill a server 15 (it sets ``transaction_timeout``), its version
15 cannot read an archive of 18, and it needs a tool of the right version beside every target. Plain SQL, cut at
the headers that ``pg_dump`` writes before each object, runs everywhere, names the object that fails, and can be
run inside one transaction.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import psycopg.conninfo

from replica.databases.base import Statement
from replica.databases.embedded import tools_folders
from replica.databases.url import DatabaseUrl
from replica.errors import DatabaseError, PrivilegeError

# Texts, names, comments and bodies are passed over whole: one may hold what looks like a header.
_PIECES = re.compile(
    r"^--\n-- Name: (?P<name>.*); Type: (?P<kind>.*); Schema: (?P<schema>.*); Owner: .*\n--\n"
    r"|(?P<tail>^--\n-- PostgreSQL database dump complete\n--\n)"
    r"|--.*|'[^']*(?:''[^']*)*'|\"[^\"]*(?:\"\"[^\"]*)*\""
    r"|(?P<dollars>\$(?:[^\W\d]\w*)?\$)(?s:.*?)(?P=dollars)",
    re.MULTILINE,
)
# Some minor releases keep notes of their own among a column's options, which other releases refuse. Users can set
# only n_distinct and n_distinct_inherited there.
_FOREIGN_OPTION = re.compile(
    r"^ALTER (?:FOREIGN )?TABLE (?:ONLY )?[^\n]+ ALTER COLUMN [^\n]+ SET \((?!n_distinct)\w+=[^\n,]*\);\n",
    re.MULTILINE,
)

# Replication, secrets, database-wide triggers; and the refresh of views, which is a step of its own.
_LEFT_OUT = frozenset(
    {
        "DATABASE",
        "DATABASE PROPERTIES",
        "EVENT TRIGGER",
        "MATERIALIZED VIEW DATA",
        "PUBLICATION",
        "PUBLICATION TABLE",
        "PUBLICATION TABLES IN SCHEMA",
        "SECURITY LABEL",
        "SUBSCRIPTION",
        "SUBSCRIPTION TABLE",
        "USER MAPPING",
    }
)
# An extension brings its comment; only its owner, often not the user, may set it.
_LEFT_OUT_COMMENTS = ("EVENT TRIGGER ", "PUBLICATION ", "SUBSCRIPTION ", "DATABASE ", "EXTENSION ")

SESSION_SQL = """
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
SET standard_conforming_strings = on; SET check_function_bodies = false; SET xmloption = content;
SET client_min_messages = warning; SET row_security = off; SET default_tablespace = '';
SET search_path = ''; SET synchronous_commit = off; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres';
SET timezone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET lc_monetary = 'C'
"""
"""What a session that runs a dump must be set to; every version since 12 knows all of it."""


def session_sql(search_path: str, *, local: bool = False) -> str:
    """Returns what prepares a session that builds a replica.

    Args:
        search_path: the source's. The dump names everything with its schema, but bodies of functions need not.
        local: only until the end of the transaction.
    """
    word = "SET LOCAL " if local else "SET "
    return SESSION_SQL.replace("SET ", word).replace("search_path = ''", f"search_path = {search_path}")


def dump_section(url: DatabaseUrl, tool: Path, section: str, snapshot: str) -> tuple[Statement, ...]:
    """Runs ``pg_dump`` for one section and returns its entries.

    Args:
        url: the source.
        tool: the ``pg_dump`` to run.
        section: ``pre-data`` or ``post-data``.
        snapshot: the exported snapshot in which rows are read too.
    """
    parts = psycopg.conninfo.conninfo_to_dict(url.secret)
    # Not on the command line, where every user of the machine could read it.
    password = parts.pop("password", None)
    environment = dict(os.environ, LC_MESSAGES="C", PGCLIENTENCODING="UTF8")
    if password is not None:
        environment["PGPASSWORD"] = str(password)
    command = [
        str(tool),
        f"--section={section}",
        f"--snapshot={snapshot}",
        "--no-owner",
        "--no-privileges",
        "--no-tablespaces",
        "--no-subscriptions",
        "--no-security-labels",
        "--no-password",
        f"--dbname={psycopg.conninfo.make_conninfo('', **parts)}",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf8", check=False)  # noqa: S603
    if done.returncode != 0:
        raise _dump_error(done.stderr)
    return split_dump(done.stdout)


def _dump_error(stderr: str) -> DatabaseError:
    lines = [line for line in stderr.splitlines() if "error:" in line or "detail:" in line]
    reason = "; ".join(re.sub(r"^.*?(error|detail):\s*", "", line) for line in lines[:2]) or "no reason given"
    if "permission denied" in reason:
        return PrivilegeError(f"pg_dump cannot read the schema: {reason}; grant SELECT on it to this user")
    return DatabaseError(f"pg_dump failed: {reason}")


def split_dump(text: str) -> tuple[Statement, ...]:
    r"""Cuts a plain dump into its entries and leaves out what a replica must not carry.

    >>> text = "SET a = 1;\n--\n-- Name: t; Type: TABLE; Schema: s; Owner: -\n--\n\nCREATE TABLE s.t ();\n"
    >>> split_dump(text)
    (Statement(kind='TABLE', schema='s', name='t', sql='CREATE TABLE s.t ();'),)
    >>> split_dump("SET a = 1;\n")
    ()
    """
    body = _FOREIGN_OPTION.sub("", text)
    marks = [found for found in _PIECES.finditer(body) if found["kind"] or found["tail"]]
    ends = [*(mark.start() for mark in marks), len(body)][1:]
    entries = (
        Statement(mark["kind"], mark["schema"], mark["name"], body[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=True)
        if not mark["tail"]
    )
    return tuple(entry for entry in entries if not _is_left_out(entry))


def _is_left_out(entry: Statement) -> bool:
    if entry.kind == "COMMENT":
        return entry.name.startswith(_LEFT_OUT_COMMENTS)
    return entry.kind in _LEFT_OUT


def choose_tool(source_version: int, target_version: int | None) -> Path:
    """Chooses the ``pg_dump`` that suits both servers.

    A dump is written for servers of the tool's version or newer, and a tool reads servers of its version or
    older. So the best is the target's own version where it is at least the source's; then the oldest tool that
    can read the source.

    Raises:
        DatabaseError: every tool found is older than the source.
    """
    source = source_version // 10000
    target = (target_version or source_version) // 10000
    usable = {major: path for major, path in find_tools().items() if major >= source}
    if not usable:
        raise DatabaseError(
            f"no pg_dump of version {source} or newer was found: install PostgreSQL {source}'s client tools"
        )
    return usable.get(target) or usable[min(usable)]


@cache
def find_tools() -> dict[int, Path]:
    """Returns the ``pg_dump`` programs of this machine by major version: on the PATH, installed, or bundled."""
    candidates = [Path(found)] if (found := shutil.which("pg_dump")) else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
    candidates += sorted(Path("/usr").glob("pgsql-*/bin/pg_dump"))
    candidates += [folder / "pg_dump" for folder in tools_folders()]
    tools: dict[int, Path] = {}
    for path in candidates:
        major = _major(path)
        if major is not None:
            tools.setdefault(major, path)
    return tools


def _major(path: Path) -> int | None:
    try:
        done = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"(\d+)(?:\.\d+|devel|beta\d|rc\d)", done.stdout)
    return int(found[1]) if found else None
