"""Where a database is: URLs, and secrets that stay out of them."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg.conninfo
from psycopg import ProgrammingError, pq

from replica.errors import SettingsError

_SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql"}


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
    scheme = address.partition("://")[0] if "://" in address else "postgresql"
    dialect = _SCHEMES.get(scheme.split("+")[0])
    if dialect is None:
        raise SettingsError(f"{scheme}:// is not supported: give a postgresql:// address")
    try:
        parts = psycopg.conninfo.conninfo_to_dict(address.replace(f"{scheme}://", "postgresql://", 1))
    except ProgrammingError:
        raise SettingsError("the database address cannot be read: write postgresql://user@host:port/name") from None
    return DatabaseUrl(dialect, _display(parts), psycopg.conninfo.make_conninfo("", **parts))


def with_database(url: DatabaseUrl, database: str) -> DatabaseUrl:
    """Returns the address of another database on the same server."""
    parts = psycopg.conninfo.conninfo_to_dict(url.secret)
    parts["dbname"] = database
    return DatabaseUrl(url.dialect, _display(parts), psycopg.conninfo.make_conninfo("", **parts))


def database_name(url: DatabaseUrl) -> str:
    """Returns the name of the database that the address leads to, by libpq's own rules."""
    parts = psycopg.conninfo.conninfo_to_dict(url.secret)
    named = parts.get("dbname") or os.environ.get("PGDATABASE")
    if named:
        return str(named)
    return str(parts.get("user") or os.environ.get("PGUSER") or _service_database(url) or _login())


def _service_database(url: DatabaseUrl) -> str | None:
    """Asks libpq what a service file says, which only it reads."""
    try:
        info = pq.Conninfo.parse(url.secret.encode())
    except psycopg.OperationalError:
        return None
    values = {option.keyword: option.val for option in info}
    name = values.get(b"dbname")
    return name.decode() if name else None


def _login() -> str:
    return getpass.getuser()


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


def _display(parts: Mapping[str, object]) -> str:
    user = f"{parts['user']}@" if parts.get("user") else ""
    host = str(parts.get("host") or parts.get("hostaddr") or "")
    port = f":{parts['port']}" if parts.get("port") and not host.startswith("/") else ""
    query = f"?host={host}" if host.startswith("/") else ""
    name = parts.get("dbname") or ""
    place = "" if query else f"{host}{port}"
    service = f"?service={parts['service']}" if parts.get("service") else ""
    return f"postgresql://{user}{place}/{name}{query or service}"
