"""Building a database that nobody sees until it is whole.

Two ways, one protocol (:class:`~replica.databases.base.Staging`):

* :class:`SideBySide` builds in a staging database on the target's server and swaps names at the end. It needs
  the right to create databases, and the ownership of a target that is there already.
* :class:`InPlace` does everything in one transaction inside the existing target.

Either way a run that fails, is interrupted or is killed leaves the target as it was. A staging database says in
its name and its comment whose it is; while a run works on a target it holds an advisory lock, so what carries that
mark when the lock is free was left by a run that died, and is removed.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from itertools import groupby
from typing import Any

import adbc_driver_manager
import psycopg
import pyarrow as pa
from psycopg import sql

from replica.databases.base import Ddl, Repeats, Statement
from replica.databases.postgres.connection import address, connect, reported
from replica.databases.postgres.ddl import session_sql
from replica.databases.postgres.evaluating import evaluate
from replica.databases.postgres.integrity import count_broken
from replica.databases.postgres.properties import comment_sql, properties_of, put_settings
from replica.databases.postgres.recompute import insert_again, update_all
from replica.databases.postgres.repeats import repeat_rows_sql
from replica.databases.postgres.writer import binary_form, copy_binary, copy_csv, open_writer
from replica.databases.url import DatabaseUrl, database_name, with_database
from replica.errors import (
    AuthenticationError,
    IntegrityError,
    LoadError,
    PrivilegeError,
    ReplicaError,
    TargetBusyError,
    TargetNotEmptyError,
)
from replica.schema.model import Schema, Table
from replica.schema.model import Sequence as SqlSequence

Connection = psycopg.Connection[Any]

MARK = "replica staging"
_LOCK_SPACE = 0x5EB1

# Entries that touch one table each and may run beside each other.
_PARALLEL = frozenset({"CONSTRAINT", "INDEX"})
_BREAKS = frozenset({"CONSTRAINT", "FK CONSTRAINT", "INDEX", "CHECK CONSTRAINT"})

USER_TABLES_SQL = """
SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend x WHERE x.classid = 'pg_catalog.pg_class'::regclass
                    AND x.objid = c.oid AND x.deptype = 'e')
"""

CAN_CREATE_SQL = "SELECT rolsuper OR rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user"
OWNS_SQL = """
SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = %s
"""


@contextmanager
def open_staging(url: DatabaseUrl, ddl: Ddl, *, replace: bool, workers: int) -> Iterator[SideBySide | InPlace]:
    """Opens the better of the two ways that the user's privileges allow, and cleans up behind it.

    Raises:
        TargetNotEmptyError: the target holds tables and ``replace`` is False.
        TargetBusyError: another run is writing the target.
        PrivilegeError: the target does not exist and may not be created.
    """
    name = database_name(url)
    with _locked(url, name) as upkeep:
        with reported("removing what an earlier run left", LoadError):
            _remove_leftovers(upkeep, name)
        there = exists(upkeep, name)
        if there:
            _refuse_unless_empty(url, replace)
        if _may_swap(upkeep, name, there):
            with _side_by_side(url, upkeep, ddl, there=there, workers=workers) as side_by_side:
                yield side_by_side
        elif there:
            with _in_place(url, ddl) as in_place:
                yield in_place
        else:
            raise PrivilegeError(
                f"database {name} does not exist and this user may not create it: create it, or grant CREATEDB"
            )


def maintenance_connection(url: DatabaseUrl) -> Connection:
    """Opens a session in a database that is always there, for work on databases themselves.

    It is another one than the target where that is possible: a database in use cannot be renamed.
    """
    target = database_name(url)
    others = [name for name in ("postgres", "template1") if name != target]
    for name in others:
        try:
            return _patient(with_database(url, name))
        except AuthenticationError:
            continue
    return _patient(url)


def _patient(url: DatabaseUrl) -> Connection:
    """Opens a session that may work and wait as long as it needs, whatever the user's usual limits are."""
    connection = connect(url, autocommit=True)
    connection.execute(
        "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings"
        " WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_session_timeout')"
    )
    return connection


def exists(upkeep: Connection, name: str) -> bool:
    """Returns True if a database of that name is on the server."""
    return upkeep.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [name]).fetchone() is not None


def _scalar(connection: Connection, query: str, args: list[Any] | None = None) -> Any:
    row = connection.execute(query.encode(), args).fetchone()
    return row[0] if row else None


@contextmanager
def _locked(url: DatabaseUrl, name: str) -> Iterator[Connection]:
    with maintenance_connection(url) as upkeep:
        got = _scalar(upkeep, "SELECT pg_try_advisory_lock(%s, hashtext(%s))", [_LOCK_SPACE, name])
        if not got:
            raise TargetBusyError(f"another run is writing {name}: wait for it to end, or stop it")
        yield upkeep


def _staging_prefix(target: str) -> str:
    """How the names of a target's staging databases begin: a new database has a name before it has a comment."""
    return f"replica_staging_{hashlib.sha256(target.encode()).hexdigest()[:12]}_"


def _mark(target: str) -> str:
    return json.dumps({MARK: target})


def _remove_leftovers(upkeep: Connection, target: str) -> None:
    """Removes what this run or a killed one leaves behind. The lock is ours, so nobody else uses any of it."""
    rows = upkeep.execute(
        "SELECT datname FROM pg_catalog.pg_database"
        " WHERE starts_with(datname, %s) OR shobj_description(oid, 'pg_database') = %s",
        [_staging_prefix(target), _mark(target)],
    ).fetchall()
    for (name,) in rows:
        upkeep.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _refuse_unless_empty(url: DatabaseUrl, replace: bool) -> None:
    with connect(url) as connection:
        held = _scalar(connection, USER_TABLES_SQL)
    if held and not replace:
        raise TargetNotEmptyError(
            f"target {database_name(url)} is not empty ({held} tables, views or sequences):"
            " give --replace to replace all of it, or name another database"
        )


def _may_swap(upkeep: Connection, name: str, there: bool) -> bool:
    may_create = bool(_scalar(upkeep, CAN_CREATE_SQL))
    return may_create and (not there or bool(_scalar(upkeep, OWNS_SQL, [name])))


class _Building:
    """What both ways share: running the dump, copying rows, and the finishing steps, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        # Rows are made, and judged, while others are written.
        self._lock = threading.Lock()

    def _run(self, connection: Connection, entry: Statement) -> None:
        what = f"creating {entry.kind.lower()} {entry.name}"
        is_rule = entry.kind in _BREAKS
        # A rule that is broken may be counted after it.
        with (
            reported(what, IntegrityError if is_rule else LoadError),
            connection.transaction() if is_rule else nullcontext(),
        ):
            connection.execute(entry.sql.encode())

    def execute(self, statements: Sequence[Statement]) -> None:
        """See :meth:`replica.databases.base.Staging.execute`."""
        for entry in statements:
            self._run(self.connection, entry)

    def copy(self, table: Table, columns: Sequence[str], batches: Iterator[pa.RecordBatch]) -> int:
        """See :meth:`replica.databases.base.Staging.copy`."""
        if not columns:
            return self._insert_bare(table, sum(batch.num_rows for batch in batches))
        return self._copy(table, columns, batches)

    def _copy(self, table: Table, columns: Sequence[str], batches: Iterator[pa.RecordBatch]) -> int:
        """Writes each batch by itself, so that the session is free to judge the rows of the next."""
        written = 0
        for batch in batches:
            with self._lock:
                written += copy_csv(self.connection, table, columns, iter([batch]))
        return written

    def _insert_bare(self, table: Table, rows: int) -> int:
        """Rows of a table that has no column to write."""
        plain = f"INSERT INTO {table.id} SELECT FROM generate_series(1, {rows:d})"
        return self.run_sql(f"loading {table.id}", plain)

    def evaluate(self, table: Table, expression: str, columns: Mapping[str, pa.Array]) -> pa.Array | None:
        """See :data:`replica.databases.base.Evaluate`."""
        with self._lock:
            return evaluate(self._judging(), table, expression, columns)

    def _judging(self) -> Connection:
        return self.connection

    def run_sql(self, what: str, statement: str) -> int:
        """See :meth:`replica.databases.base.Staging.run_sql`."""
        with reported(what, LoadError):
            return max(0, self.connection.execute(statement.encode()).rowcount)

    def repeat_rows(self, table: Table, repeats: Repeats) -> int:
        """See :meth:`replica.databases.base.Staging.repeat_rows`."""
        return self.run_sql(f"repeating rows of {table.id}", repeat_rows_sql(table, repeats))

    def insert_again(self, tables: Sequence[Table], triggers: Sequence[Statement]) -> None:
        """See :meth:`replica.databases.base.Staging.insert_again`."""
        insert_again(self, tables, triggers)

    def update_all(self, table: Table) -> int:
        """See :meth:`replica.databases.base.Staging.update_all`."""
        return update_all(self, table)

    def position_sequences(self, schema: Schema) -> None:
        """See :meth:`replica.databases.base.Staging.position_sequences`."""
        for sequence in schema.sequences:
            self._position(sequence, schema)

    def _position(self, sequence: SqlSequence, schema: Schema) -> None:
        first, last = sequence.minimum, sequence.maximum
        extreme, pick, clip, reaches = "max", "greatest", "least", ">="
        if sequence.increment < 0:
            first, last = last, first
            extreme, pick, clip, reaches = "min", "least", "greatest", "<="
        used = [
            f"(SELECT {extreme}({_quoted(column)}) FROM {table})"
            for table, column in sequence.users
            if schema.by_id[table].by_name[column].type.family in ("integer", "numeric")
        ]
        if not used:
            return
        # Columns may hold what the sequence never gives: before its first value all are free, behind its last none.
        statement = (
            f"SELECT setval({_literal(sequence.id)},"
            f" (CASE WHEN taken THEN {clip}(value, {last:d}) ELSE {sequence.start:d} END)::bigint, taken)"
            f" FROM (SELECT value, coalesce(value {reaches} {first:d}, false) AS taken"
            f" FROM (SELECT {pick}({', '.join(used)}) AS value) AS u) AS t"
        )
        self.run_sql(f"positioning sequence {sequence.id}", statement)

    def refresh(self, views: Sequence[str]) -> None:
        """See :meth:`replica.databases.base.Staging.refresh`."""
        for view in views:
            self.run_sql(f"refreshing {view}", f"REFRESH MATERIALIZED VIEW {view}")

    def count_broken(self, schema: Schema) -> dict[str, int]:
        """See :meth:`replica.databases.base.Staging.count_broken`."""
        return count_broken(self.connection, schema)

    def analyze(self) -> None:
        """See :meth:`replica.databases.base.Staging.analyze`."""
        self.run_sql("gathering statistics", "ANALYZE")


class SideBySide(_Building):
    """A staging database beside the target; at the end both swap names in one transaction."""

    way = "a staging database beside the target, then both swap names"

    def __init__(self, url: DatabaseUrl, upkeep: Connection, ddl: Ddl, *, there: bool, workers: int) -> None:
        self._target = database_name(url)
        self._there = there
        self._upkeep = upkeep
        self._workers = max(1, workers)
        self._search_path = ddl.search_path
        self._settings, self._comment = ddl.settings, ddl.comment
        self._name = _staging_prefix(self._target) + secrets.token_hex(6)
        self._url = with_database(url, self._name)
        with reported("creating the staging database", LoadError):
            self._create(ddl)
        super().__init__(self._session())
        self._judge: Connection | None = None
        self._writer: Any = None

    def _create(self, ddl: Ddl) -> None:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
            sql.Identifier(self._name), ddl.encoding, ddl.collate, ddl.ctype
        )
        try:
            self._upkeep.execute(create)
        except (psycopg.errors.WrongObjectType, psycopg.errors.InvalidParameterValue):
            # The target's system does not know the source's locale; its own will do.
            plain = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'")
            self._upkeep.execute(plain.format(sql.Identifier(self._name), ddl.encoding))
        self._upkeep.execute(comment_sql(self._name, _mark(self._target)))

    def _session(self) -> Connection:
        connection = connect(self._url, autocommit=True)
        connection.execute(session_sql(self._search_path).encode())
        return connection

    def _judging(self) -> Connection:
        """A session of its own, since the other may be in the middle of a COPY."""
        if self._judge is None:
            self._judge = self._session()
        return self._judge

    def close(self) -> None:
        """Closes its sessions: a database in use cannot be renamed."""
        self.connection.close()
        for other in (self._judge, self._writer):
            if other is not None:
                # What broke it has been reported.
                with suppress(psycopg.Error, adbc_driver_manager.Error):
                    other.close()

    def preview(self) -> DatabaseUrl:
        """See :meth:`replica.databases.base.Staging.preview`."""
        return self._url

    def execute(self, statements: Sequence[Statement]) -> None:
        """See :meth:`replica.databases.base.Staging.execute`."""
        for parallel, run in groupby(statements, lambda entry: entry.kind in _PARALLEL):
            entries = list(run)
            if parallel and self._workers > 1 and len(entries) > 1:
                self._execute_parallel(entries)
            else:
                super().execute(entries)

    def _execute_parallel(self, entries: list[Statement]) -> None:
        """Runs entries by table: one table's are kept in order, since they would wait for each other anyway."""
        by_table: dict[str, list[Statement]] = {}
        for entry in entries:
            by_table.setdefault(_table_of(entry), []).append(entry)

        def work(group: list[Statement]) -> None:
            with self._session() as connection:
                for entry in group:
                    self._run(connection, entry)

        # A few sessions, each with many tables: opening one costs more than a small index.
        shares: list[list[Statement]] = [[] for _ in range(min(self._workers, len(by_table)))]
        for i, group in enumerate(by_table.values()):
            shares[i % len(shares)].extend(group)
        with ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(work, shares))

    def _copy(self, table: Table, columns: Sequence[str], batches: Iterator[pa.RecordBatch]) -> int:
        first = next(batches, None)
        if first is None:
            return 0
        whole = _chain(first, batches)
        if all(binary_form(table.by_name[name], first.schema.field(name).type) for name in columns):
            if self._writer is None:
                self._writer = open_writer(address(self._url), self._search_path)
            return copy_binary(self._writer, table, columns, first.schema, whole)
        return copy_csv(self.connection, table, columns, whole)

    def publish(self) -> None:
        """Puts the staging database in the target's place.

        Renaming a database takes a lock that makes new sessions wait and then fail, and old sessions are ended
        while it is being taken. So the target is closed for that moment only, and a run that is killed at any
        point before the commit leaves it open and untouched.
        """
        self.close()
        staging, target = sql.Identifier(self._name), sql.Identifier(self._target)
        old_name = f"replica_old_{secrets.token_hex(6)}"
        old = sql.Identifier(old_name)
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        with reported("publishing the target", LoadError):
            if not self._there:
                put_settings(self._upkeep, self._settings, self._name)
                with self._upkeep.transaction():
                    self._upkeep.execute(comment_sql(self._name, self._comment))
                    self._upkeep.execute(rename.format(staging, target))
                return
            properties = properties_of(self._upkeep, self._target, self._name)
            with self._without_sessions(), self._upkeep.transaction():
                for statement in properties:
                    self._upkeep.execute(statement)
                self._upkeep.execute(rename.format(target, old))
                self._upkeep.execute(rename.format(staging, target))
                self._upkeep.execute(comment_sql(old_name, _mark(self._target)))

    @contextmanager
    def _without_sessions(self) -> Iterator[None]:
        """Ends the target's sessions again and again while the block runs; more may come until the lock is held."""
        done = threading.Event()

        def end_sessions() -> None:
            # Where this fails, the renaming says that the database is in use.
            with (
                suppress(ReplicaError, psycopg.Error),
                connect(with_database(self._url, self._upkeep.info.dbname), autocommit=True) as other,
            ):
                while not done.wait(0.05):
                    _end_connections(other, [self._target, self._name])

        ender = threading.Thread(target=end_sessions, daemon=True)
        ender.start()
        try:
            yield
        finally:
            done.set()
            ender.join()


@contextmanager
def _side_by_side(url: DatabaseUrl, upkeep: Connection, ddl: Ddl, *, there: bool, workers: int) -> Iterator[SideBySide]:
    try:
        staging = SideBySide(url, upkeep, ddl, there=there, workers=workers)
        with closing(staging):
            yield staging
    finally:
        # The staging database or, once it is published, the old one. If the server or the session is gone by now,
        # the next run does this.
        with suppress(psycopg.Error):
            _remove_leftovers(upkeep, database_name(url))


def _end_connections(connection: Connection, databases: list[str]) -> None:
    """Ends the connections to databases, as far as the user may."""
    found = connection.execute(
        "SELECT pid FROM pg_catalog.pg_stat_activity"
        " WHERE datname = ANY(%s) AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        [databases],
    ).fetchall()
    for (pid,) in found:
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])


NO_PREVIEW = (
    "a gate looks at a replica before it is published, which takes a staging database: grant CREATEDB and the"
    " ownership of the target, or evaluate it afterwards"
)


class InPlace(_Building):
    """The existing target, emptied and filled inside one transaction."""

    way = "one transaction inside the existing target, since this user may not create or swap databases"

    def preview(self) -> DatabaseUrl:
        """See :meth:`replica.databases.base.Staging.preview`; what a transaction did is seen by itself alone."""
        raise PrivilegeError(NO_PREVIEW)

    def publish(self) -> None:
        """Commits."""
        with reported("publishing the target", LoadError):
            self.connection.commit()


@contextmanager
def _in_place(url: DatabaseUrl, ddl: Ddl) -> Iterator[InPlace]:
    with connect(url) as connection:
        try:
            with reported("emptying the target", LoadError):
                connection.execute(session_sql(ddl.search_path, local=True).encode())
                _drop_everything(connection)
            yield InPlace(connection)
        finally:
            # After a commit there is nothing to roll back.
            if not connection.closed and not connection.broken:
                connection.rollback()


def _drop_everything(connection: Connection) -> None:
    rows = connection.execute(
        "SELECT nspname FROM pg_catalog.pg_namespace"
        " WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'public')"
    ).fetchall()
    for (name,) in rows:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
    # Only its owner may drop the schema "public", and the owner of a database need not be that.
    while found := connection.execute(_PUBLIC_OBJECT_SQL).fetchone():
        connection.execute(f"DROP {found[0]} {found[1]} CASCADE".encode())


# Of what stands in "public", something that is no part of anything else: a table's type goes with the table.
_PUBLIC_OBJECT_SQL = """
SELECT CASE WHEN o.type = 'statistics object' THEN 'STATISTICS'
            WHEN o.type = 'composite type' THEN 'TYPE'
            WHEN o.type IN ('function', 'procedure', 'aggregate') THEN 'ROUTINE'
            ELSE upper(o.type) END, o.identity
  FROM pg_catalog.pg_depend d, pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS o
 WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = 'public'::regnamespace
   AND d.deptype = 'n' AND d.classid <> 'pg_catalog.pg_extension'::regclass
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend x WHERE x.classid = d.classid AND x.objid = d.objid
                    AND x.objsubid = 0 AND x.deptype <> 'n')
 LIMIT 1
"""


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _table_of(entry: Statement) -> str:
    """The table an index or constraint belongs to, as far as keeping one table's entries together needs it."""
    words = entry.sql.split(" ON ", 1)[1].split() if entry.kind == "INDEX" else entry.sql.split()[2:]
    return next((word for word in words if word not in ("ONLY", "IF", "EXISTS")), "").split("(")[0].split("\n")[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
