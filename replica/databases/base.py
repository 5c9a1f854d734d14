"""What a database must be able to do for the stages that read one and the stages that write one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pyarrow as pa

from replica.databases.url import DatabaseUrl
from replica.errors import LoadError, ReplicaError
from replica.schema.model import ForeignKey, LooseReference, Schema, Table

Reading = Literal["value", "length", "presence"]
"""How a column is read: its value, only the length of its value, or only whether there is one."""


SKETCHED = 64
"""How many hashes of rows stand for a table."""

Evaluate = Callable[[Table, str, Mapping[str, pa.Array]], pa.Array | None]
"""Evaluates an SQL expression that gives text on rows that need not be in the table.

Takes the table, the expression and the columns that it reads, as :meth:`Snapshot.read` gives them. Returns one text per
row, ``false`` where the expression raises an error: shape (rows,). None where the server cannot evaluate it at all.
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """One entry of a dump: everything that creates one object.

    Attributes:
        kind: what it creates, in the dump's words, as in ``TABLE`` or ``FK CONSTRAINT``.
        schema: the namespace; ``-`` without one.
        name: the object's name, for messages.
        sql: the statements.
    """

    kind: str
    schema: str
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Ddl:
    """All that a database declares, as SQL in the order in which it must run.

    Attributes:
        pre_data: what must stand before the rows: types, functions, tables, checks.
        post_data: what comes after them: keys, indexes, triggers, rules, policies.
        server_version: version of the server that it came from, as one number.
        encoding: the source's encoding.
        collate: its ``LC_COLLATE``.
        ctype: its ``LC_CTYPE``.
        search_path: where its sessions look for names without a schema, as functions and triggers may use.
        settings: parameters that the database sets for all its sessions, as ``name=value``.
        comment: the database's comment.
    """

    pre_data: tuple[Statement, ...]
    post_data: tuple[Statement, ...]
    server_version: int
    encoding: str
    collate: str
    ctype: str
    search_path: str = '"$user", public'
    settings: tuple[str, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class FamilySample:
    """Keeps a share of the rows of a root table and, below it, whole families only.

    Attributes:
        root: id of the table that is sampled.
        key: its key columns; a hash of them decides.
        path: the references that lead from the table that is read up to the root; empty for the root itself.
        share: share of the root's rows that is kept, in (0, 1).
        seed: which rows.
    """

    root: str
    key: tuple[str, ...]
    path: tuple[ForeignKey, ...]
    share: float
    seed: int


@dataclass(frozen=True, slots=True)
class Holdout:
    """Leaves out a share of the rows of a root table and, below it, every row that leads to one of them.

    A row of the root is left out where the first 8 bytes of the SHA-256 of the secret and the row's key are below the
    share. The values of the key stand in the order of its columns with a unit separator (0x1f) between them: decimals
    and floating-point numbers as the 16 hexadecimal digits of a float8, everything else as :meth:`Snapshot.read` gives
    it, as text.

    Attributes:
        root: the table whose rows are drawn.
        key: its key columns.
        references: those that lead down from the root, the ones into a table before the ones from it.
        secret: random bytes.
        share: share of the root's rows that is left out, in (0, 1).
    """

    root: Table
    key: tuple[str, ...]
    references: tuple[ForeignKey, ...]
    secret: bytes = field(repr=False)
    share: float


def hash_limit(share: float) -> bytes:
    """Returns the 8 bytes that the hashes of a share of all rows are below; see :class:`Holdout`."""
    return int(share * 2**64).to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often rows occur more than once in a table without keys.

    Attributes:
        distinct: different rows, as a share of all rows.
        repeated: those that occur more than once, as a share of the different rows.
    """

    distinct: float
    repeated: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a preflight.

    Attributes:
        status: ``ok``, ``warning`` or ``error``; an error stops a run.
        subject: what was looked at.
        message: what was found and, unless it is fine, what to do.
        raises: the error that an ``error`` stops a run with.
    """

    status: Literal["ok", "warning", "error"]
    subject: str
    message: str
    raises: type[ReplicaError] = LoadError


@dataclass(frozen=True, slots=True)
class Inclusion:
    """How many of some different keys a parent has.

    Attributes:
        values: different keys of the child that were looked up; nulls do not count.
        found: how many of them the parent has.
    """

    values: int
    found: int

    @property
    def share(self) -> float:
        """The share that was found; 1 where there was nothing to look up."""
        return self.found / self.values if self.values else 1.0


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of how a server means to answer a query, with the steps whose rows it takes.

    Attributes:
        what: what it does, in the server's words.
        table: what the query calls the table that it reads; empty where it reads none.
        index: what the index that it uses is on, as SQL; empty without one.
        rows: how many rows the server expects of it.
        gathers: True where it makes one row of many, as an aggregate does.
        inputs: the steps before it.
    """

    what: str
    table: str
    index: str
    rows: float
    gathers: bool
    inputs: tuple[PlanStep, ...] = ()


class Snapshot(Protocol):
    """A consistent, read-only view of a source."""

    def read(
        self, table: Table, columns: Mapping[str, Reading], sample: FamilySample | None = None, limit: int | None = None
    ) -> pa.Table:
        """Reads columns of a table.

        Integers come as int64, other numbers as float64, dates as date32, times as time64[us] and timestamps as
        timestamp[us] in UTC, booleans as bool; bytes, where their value is asked for, as binary; arrays and
        composites as JSON text, which an array's bounds precede where a lower one is not 1, as in ``[0:1]=[7, 8]``;
        everything else as text in its own notation. Infinite dates and times are the ends
        of the integer range. A length or a presence comes as int64 or bool.

        Args:
            table: the table; rows of tables that inherit from it are not read.
            columns: how to read each column.
            sample: which families to keep; all when None.
            limit: about how many rows to read, taken from all over the table; twice as many at most.

        Raises:
            PrivilegeError: the user may not read the table.
        """

    def row_count(self, table: Table) -> int:
        """Counts a table's rows."""

    def repeats(self, table: Table) -> Repeats | None:
        """Counts rows that occur more than once; None where none does, or the table is too large to look."""

    def fan_out(self, child: Table, key: ForeignKey) -> pa.Table:
        """Counts children: the parent's key columns with the values that occur, and ``count`` (int64) of each."""

    def evaluate(self, table: Table, expression: str, columns: Mapping[str, pa.Array]) -> pa.Array | None:
        """See :data:`Evaluate`."""

    def inclusion(self, child: Table, key: ForeignKey | LooseReference, parent: Table, limit: int) -> Inclusion:
        """Looks up some of a child's keys in a parent.

        Args:
            child: the table with the keys.
            key: where they are, and which key of the parent they are to name.
            parent: the table they point to.
            limit: the most different keys to look up; a few times as many rows are read for them.

        Raises:
            PrivilegeError: the user may not read one of the tables.
        """

    def ask(self, query: str, timeout_s: float, limit: int) -> pa.Table | None:
        """Runs one query; names without a schema are looked for where the database's own sessions do.

        Args:
            query: one SELECT; nothing else is taken.
            timeout_s: how long it may take.
            limit: most rows to fetch.

        Returns:
            Numbers as float64, everything else as text in its own notation; columns may share a name. None where the
            query takes too long.

        Raises:
            QueryError: the server refuses it.
        """

    def explain(self, query: str) -> PlanStep:
        """Returns how the server means to answer one query, which is not run; parallel workers are left out.

        Raises:
            QueryError: the server refuses it.
        """

    def is_analyzed(self, table: Table) -> bool:
        """Returns True if the server's planner has statistics of a table, or of its partitions."""

    def dump(self, target_version: int | None = None) -> Ddl:
        """Returns the schema as SQL, for a target of the given version."""

    def without(self, holdout: Holdout) -> Snapshot:
        """Returns a view of the same moment in which some rows do not exist, except for those who :meth:`ask`.

        References of other rows to them stay; their keys are still found by :meth:`inclusion`.
        """

    def sketch(self, table: Table, columns: Sequence[str]) -> tuple[str, ...]:
        """Returns the smallest hashes of a table's rows, ``SKETCHED`` at most: on all servers the same for equal rows.

        How many hashes two sketches share says how many rows the tables do (Broder 1997, min-wise sketches).
        """


class Staging(Protocol):
    """A database being built, which nobody sees before :meth:`publish`."""

    way: str
    """How it is published, for the report."""

    def execute(self, statements: Sequence[Statement]) -> None:
        """Runs the statements of a dump in their order, several at a time where that is safe."""

    def copy(self, table: Table, columns: Sequence[str], batches: Iterator[pa.RecordBatch]) -> int:
        """Writes rows and returns how many.

        The batches hold what :meth:`Snapshot.read` would give, or text in the type's own notation; arrays and
        composites always that.
        """

    def evaluate(self, table: Table, expression: str, columns: Mapping[str, pa.Array]) -> pa.Array | None:
        """See :data:`Evaluate`; what the dump's first part creates is there."""

    def run_sql(self, what: str, sql: str) -> int:
        """Runs one statement and returns how many rows it touched."""

    def repeat_rows(self, table: Table, repeats: Repeats) -> int:
        """Makes rows copies of others until as many repeat as is wanted, and returns how many were changed."""

    def insert_again(self, tables: Sequence[Table], triggers: Sequence[Statement]) -> None:
        """Creates triggers and lets them see the rows of some tables come, one by one.

        The tables stand in an order in which each comes after those that it points to. No reference may be there yet.
        """

    def update_all(self, table: Table) -> int:
        """Lets triggers on updates see every row of a table, unchanged, and returns how many rows that were."""

    def position_sequences(self, schema: Schema) -> None:
        """Sets every sequence so that its next value is free."""

    def refresh(self, views: Sequence[str]) -> None:
        """Fills materialised views."""

    def count_broken(self, schema: Schema) -> dict[str, int]:
        """Counts, for every constraint of a schema, the loaded rows that break it."""

    def analyze(self) -> None:
        """Gathers the planner's statistics."""

    def preview(self) -> DatabaseUrl:
        """Returns the address under which the finished database can be read although it is not published.

        Raises:
            PrivilegeError: nobody else can see it before.
        """

    def publish(self) -> None:
        """Puts the finished database in the target's place, in one step."""


class Database(Protocol):
    """A database at an address."""

    url: DatabaseUrl

    def introspect(self) -> Schema:
        """Reads the catalog, and no user row.

        Raises:
            EmptySchemaError: there are no tables.
        """

    def identity(self) -> tuple[str, ...]:
        """Returns what tells this database from every other one in the world, while its server runs."""

    def exists(self) -> bool:
        """Returns True if there is a database at the address."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Opens a consistent, read-only view."""

    def check_source(self, schema: Schema) -> list[Finding]:
        """Looks for what would stop a run that reads this database."""

    def check_target(self, schema: Schema, *, replace: bool, preview: bool = False) -> list[Finding]:
        """Looks for what would stop a run that writes a database of this schema here.

        Args:
            schema: the schema.
            replace: whether a target that is not empty may be replaced.
            preview: whether the run needs :meth:`Staging.preview`.
        """

    def server_version(self) -> int:
        """Returns the server's version as one number."""

    def staging(self, ddl: Ddl, *, replace: bool, workers: int) -> AbstractContextManager[Staging]:
        """Opens a database to build in. Leaving the block without :meth:`Staging.publish` removes it.

        Raises:
            TargetNotEmptyError: the target holds tables and ``replace`` is False.
            TargetBusyError: another run is writing the target.
        """

    def count_broken(self, schema: Schema) -> dict[str, int]:
        """Counts, for every constraint of the schema, the rows that break it."""
