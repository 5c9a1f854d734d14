"""Connecting to PostgreSQL, and turning what it says into errors that carry no values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_manager
import psycopg
from psycopg import conninfo, pq

from replica.databases.url import DatabaseUrl
from replica.errors import (
    AuthenticationError,
    ConnectionLostError,
    DatabaseError,
    DiskFullError,
    IntegrityError,
    PrivilegeError,
    ReplicaError,
    UnreachableError,
)

APPLICATION = "replica"
CONNECT_TIMEOUT_S = 15

# Messages of these SQLSTATE classes may quote the value that was refused.
_QUOTES_VALUES = ("21", "22", "23")
_CONSTRAINT = re.compile(r' constraint "([^"]+)"')
_QUOTED = re.compile(r'"[^"]*"|\'[^\']*\'')

_BY_STATE: dict[str, type[ReplicaError]] = {
    "53100": DiskFullError,
    "42501": PrivilegeError,
    "57P01": ConnectionLostError,
    "57P02": ConnectionLostError,
    "57P03": ConnectionLostError,
    "25006": PrivilegeError,
}
_BY_CLASS: dict[str, type[ReplicaError]] = {
    "08": ConnectionLostError,
    "23": IntegrityError,
    "28": AuthenticationError,
}


def address(url: DatabaseUrl) -> str:
    """Returns what every session is opened with, by psycopg and by ADBC alike."""
    return conninfo.make_conninfo(
        url.secret, application_name=APPLICATION, connect_timeout=CONNECT_TIMEOUT_S, client_encoding="utf8"
    )


def connect(url: DatabaseUrl, *, autocommit: bool = False) -> psycopg.Connection[tuple[object, ...]]:
    """Opens a session.

    Raises:
        UnreachableError: no server answers.
        AuthenticationError: the server refuses the user, the password or the database.
    """
    try:
        return psycopg.connect(address(url), autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise _refusal(url, error) from None


def _refusal(url: DatabaseUrl, error: psycopg.OperationalError) -> DatabaseError:
    """Tells a server that is not there from one that says no."""
    reason = _last_clause(str(error))
    if pq.PGconn.ping(address(url).encode()) == pq.Ping.NO_RESPONSE:
        return UnreachableError(f"no server answers at {url}: {reason}; check host, port and network")
    return AuthenticationError(f"{url} refused the connection: {reason}; check user, password and database")


def _last_clause(message: str) -> str:
    first = next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")
    return re.sub(r"^.*?(FATAL|failed|is bad):\s*", "", first, count=1).removeprefix("FATAL:").strip()


def scrub(message: str, sqlstate: str | None) -> str:
    """Returns the first line of a server's message without the values it may quote."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    first = next((line for line in lines if "ERROR:" in line or "FATAL:" in line), lines[0] if lines else "")
    first = re.sub(r"^.*?(ERROR|FATAL):\s*", "", first)
    if sqlstate is None or sqlstate[:2] in _QUOTES_VALUES:
        kept = re.match(r"(.* constraint )(\"[^\"]+\")(.*)", first)
        if kept:
            return kept[1] + kept[2] + _QUOTED.sub("…", kept[3])
        first = _QUOTED.sub("…", first)
    return first


@contextmanager
def reported(step: str, fallback: type[ReplicaError] = DatabaseError) -> Iterator[None]:
    """Turns errors of psycopg and ADBC inside the block into Replica's own, without any value.

    Args:
        step: what was being done, as in ``"reading hr.employee"``; it opens the message.
        fallback: the class to raise when the SQLSTATE says nothing more exact.
    """
    try:
        yield
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        found = _translate(step, message, error.sqlstate, fallback, _is_lost(error))
        raise _with_constraint(found, error.diag.constraint_name) from None
    except adbc_driver_manager.Error as error:
        if "due to user request" in str(error):
            # The driver takes Ctrl-C for itself while it works, and cancels its statement.
            raise KeyboardInterrupt from None
        lost = "connection" in str(error).lower() and "closed" in str(error).lower()
        found = _translate(step, str(error), error.sqlstate, fallback, lost)
        named = _CONSTRAINT.search(str(error))
        raise _with_constraint(found, named[1] if named else None) from None


def _with_constraint(error: ReplicaError, name: str | None) -> ReplicaError:
    return IntegrityError(str(error), constraint=name) if isinstance(error, IntegrityError) else error


def _is_lost(error: psycopg.Error) -> bool:
    if not isinstance(error, psycopg.OperationalError) or error.sqlstate:
        return False
    return "connection" in str(error) or "server closed" in str(error)


def _translate(step: str, message: str, sqlstate: str | None, fallback: type[ReplicaError], lost: bool) -> ReplicaError:
    if lost:
        return ConnectionLostError(f"{step}: the connection to the server was lost; run again")
    state = sqlstate or ""
    found = _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or fallback
    hints: dict[type[ReplicaError], str] = {
        DiskFullError: "; the server's disk is full: make room and run again",
        ConnectionLostError: "; the server ended the session: run again",
        PrivilegeError: "; grant the privilege or connect as another user",
    }
    hint = hints.get(found, "")
    return found(f"{step}: {scrub(message, sqlstate)}{hint}")
