"""Where a database is: URLs, and secrets that stay out of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg.conninfo
from psycopg import ProgrammingError, pq

from replica.errors import SettingsError

_SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_GREATEST_PORT = 65535
_NOWHERE = "/dev/null"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The address of a database. Printing it never shows a secret.

    Attributes:
        dialect: the key in ``DATABASES``.
        display: the address without password, fit for a terminal.
        secret: the connection string with everything in it; kept out of ``repr``.
    """

    dialect: str
    display: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return self.display


def parse_url(text: str) -> DatabaseUrl:
    """Reads a database address as a user writes it.

    ``postgresql://user@host/name`` is taken as it is, and what it leaves out comes from libpq's environment
    (``PGHOST``, ``PGPASSWORD``, ``PGSERVICE``, a password file). ``env:NAME`` takes the address from an
    environment variable and ``file:PATH`` from a file, so that no secret stands on a command line.

    Raises:
        SettingsError: the variable or file is missing, or the text is not an address.
    """
    address = _resolve(text.strip())
    found = _SCHEME.match(address)
    scheme = found[1] if found else "postgresql"
    dialect = _SCHEMES.get(scheme.split("+")[0])
    if dialect is None:
        raise SettingsError(f"{scheme}:// is not supported: give a postgresql:// address")
    try:
        parts = psycopg.conninfo.conninfo_to_dict(_SCHEME.sub("postgresql://", address, 1) if found else address)
    except (ProgrammingError, ValueError):
        raise SettingsError("the database address cannot be read: write postgresql://user@host:port/name") from None
    for port in str(parts.get("port") or "").split(","):
        if port and not (port.isdecimal() and 0 < int(port) <= _GREATEST_PORT):
            # It is not repeated: where an address is mistyped, a part of the password may stand in its place.
            raise SettingsError("the port of the database address is not a number: write host:5432")
    return _from_parts(dialect, parts)


def with_database(url: DatabaseUrl, database: str) -> DatabaseUrl:
    """Returns the address of another database on the same server."""
    return _from_parts(url.dialect, {**psycopg.conninfo.conninfo_to_dict(url.secret), "dbname": database})


def database_name(url: DatabaseUrl) -> str:
    """Returns the name of the database that the address leads to, by libpq's own rules.

    Only libpq knows all of them (service files, environment, the user's name): it is asked by way of a connection
    that leads nowhere.
    """
    nowhere = psycopg.conninfo.make_conninfo(url.secret, host=_NOWHERE, hostaddr="", port="1")
    connection = pq.PGconn.connect_start(nowhere.encode())
    try:
        return connection.db.decode()
    finally:
        connection.finish()


def _from_parts(dialect: str, parts: Mapping[str, Any]) -> DatabaseUrl:
    return DatabaseUrl(dialect, _display(parts), psycopg.conninfo.make_conninfo("", **parts))


def _resolve(text: str) -> str:
    """Follows ``env:`` and ``file:`` to the address itself."""
    kind, _, rest = text.partition(":")
    if kind == "env":
        if not os.environ.get(rest):
            raise SettingsError(f"environment variable {rest} is not set: it should hold a database address")
        return os.environ[rest].strip()
    if kind == "file":
        try:
            return Path(rest).expanduser().read_text(encoding="utf8").strip()
        except (OSError, UnicodeDecodeError):
            raise SettingsError(f"file {rest} cannot be read: it should hold a database address") from None
    return text


def _display(parts: Mapping[str, Any]) -> str:
    """Writes an address that leads to the same place, for whoever has the password."""
    user = f"{_quoted(parts['user'])}@" if parts.get("user") else ""
    hosts = str(parts.get("host") or parts.get("hostaddr") or "").split(",")
    ports = str(parts.get("port") or "").split(",")
    query = {"service": parts.get("service")}
    if any(host.startswith(("/", "@")) for host in hosts):
        place = ""
        query |= {"host": ",".join(hosts), "port": parts.get("port")}
    else:
        ports = ports * len(hosts) if len(ports) == 1 else ports
        place = ",".join(_place(host, port) for host, port in zip(hosts, ports, strict=False))
    asked = "&".join(f"{key}={_quoted(value, '/,')}" for key, value in query.items() if value)
    return f"postgresql://{user}{place}/{_quoted(parts.get('dbname') or '')}{'?' if asked else ''}{asked}"


def _place(host: str, port: str) -> str:
    return (f"[{host}]" if ":" in host else _quoted(host)) + (f":{port}" if port else "")


def _quoted(text: str, safe: str = "") -> str:
    """Percent-encodes what would not stay itself in an address; letters of any language stay readable."""
    return re.sub(rf"[^\w.~{safe}-]", lambda found: quote(found[0], safe=""), str(text))
