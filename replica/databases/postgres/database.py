"""PostgreSQL as a :class:`~replica.databases.base.Database`: every method hands over to the module that does it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from replica.databases.base import Ddl, Finding, Snapshot, Staging
from replica.databases.postgres import preflight
from replica.databases.postgres.catalog import read_schema
from replica.databases.postgres.connection import connect, reported
from replica.databases.postgres.integrity import count_broken
from replica.databases.postgres.reader import open_snapshot
from replica.databases.postgres.staging import exists, maintenance_connection, open_staging
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import EmptySchemaError
from replica.schema.model import Schema


class PostgresDatabase:
    """A PostgreSQL database at an address; opening and closing sessions is each method's own affair."""

    def __init__(self, url: DatabaseUrl) -> None:
        self.url = url

    def introspect(self) -> Schema:
        """See :meth:`replica.databases.base.Database.introspect`."""
        with connect(self.url) as connection, reported("reading the schema"):
            # With an empty search path the server prints every name with its schema.
            connection.execute("SET search_path = ''")
            schema = read_schema(connection)
        if not schema.tables:
            raise EmptySchemaError(f"{self.url} has no tables: check the database name and the user's privileges")
        return schema

    def identity(self) -> tuple[str, ...]:
        """See :meth:`replica.databases.base.Database.identity`."""
        with connect(self.url) as connection:
            row = connection.execute(
                "SELECT extract(epoch FROM pg_postmaster_start_time())::text,"
                " (SELECT system_identifier FROM pg_control_system())::text,"
                " (SELECT oid FROM pg_database WHERE datname = current_database())::text"
            ).fetchone()
        return tuple(str(part) for part in row or ())

    def exists(self) -> bool:
        """See :meth:`replica.databases.base.Database.exists`."""
        with maintenance_connection(self.url) as upkeep:
            return exists(upkeep, database_name(self.url))

    def server_version(self) -> int:
        """See :meth:`replica.databases.base.Database.server_version`."""
        with maintenance_connection(self.url) as upkeep:
            return upkeep.info.server_version

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """See :meth:`replica.databases.base.Database.snapshot`."""
        return open_snapshot(self.url)

    def check_source(self, schema: Schema) -> list[Finding]:
        """See :meth:`replica.databases.base.Database.check_source`."""
        return preflight.check_source(self.url, schema)

    def check_target(self, schema: Schema, *, replace: bool, preview: bool = False) -> list[Finding]:
        """See :meth:`replica.databases.base.Database.check_target`."""
        return preflight.check_target(self.url, schema, replace=replace, preview=preview)

    def staging(self, ddl: Ddl, *, replace: bool, workers: int) -> AbstractContextManager[Staging]:
        """See :meth:`replica.databases.base.Database.staging`."""
        return open_staging(self.url, ddl, replace=replace, workers=workers)

    def count_broken(self, schema: Schema) -> dict[str, int]:
        """See :meth:`replica.databases.base.Database.count_broken`."""
        with connect(self.url) as connection:
            connection.execute("SET search_path = ''")
            return count_broken(connection, schema)
