"""Database systems that Replica reads and writes, and the one place that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from replica.databases.base import Database
from replica.databases.postgres.database import PostgresDatabase
from replica.databases.url import DatabaseUrl, parse_url

DATABASES: Final[Mapping[str, Callable[[DatabaseUrl], Database]]] = {
    "postgresql": PostgresDatabase,
}
"""Database systems by the dialect of their addresses. A new one is a class and a line here."""


def open_database(url: str | DatabaseUrl) -> Database:
    """Returns the database at an address; nothing is connected yet.

    Raises:
        SettingsError: the address cannot be read, or its system is not supported.
    """
    found = parse_url(url) if isinstance(url, str) else url
    return DATABASES[found.dialect](found)
