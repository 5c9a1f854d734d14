"""Asking queries of a snapshot, and asking how the server would answer them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa

from replica.databases.base import PlanStep
from replica.databases.postgres.connection import reported, scrub
from replica.errors import QueryError
from replica.schema.model import Table

_SETTINGS = (
    "SET LOCAL search_path TO DEFAULT; SET LOCAL row_security = off; SET LOCAL jit = off;"
    " SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'"
)
# As a part of another query nothing but one that reads is valid; prepared, nothing can follow it either.
_HEAD, _FOOT = "SELECT * FROM (\n", "\n) AS q"
# The numbers of int8, int2, int4, oid, float4, float8 and numeric in the catalog of every server.
_NUMBERS = frozenset({20, 21, 23, 26, 700, 701, 1700})
_TOO_LONG = "57014"
# The session is lost with errors of these classes, but for a statement that was stopped.
_OF_THE_SESSION = ("08", "57")
# What a function says is up to whoever wrote it, and may hold anything.
_OF_A_FUNCTION = "P0"

# What a user may read of them; of a partitioned table they are those of its partitions.
_STATISTICS_SQL = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 JOIN pg_catalog.pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname
                WHERE c.oid = %(name)s::regclass
                   OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(%(name)s::regclass)))
"""


def ask(connection: psycopg.Connection[Any], query: str, timeout_s: float, limit: int) -> pa.Table | None:
    """See :meth:`replica.databases.base.Snapshot.ask`; the transaction stays as it was."""
    statement = f"{_HEAD}{query}{_FOOT} LIMIT {limit}"
    with _aside(connection, statement):
        connection.execute(f"SET LOCAL statement_timeout = {max(1, round(timeout_s * 1000))}".encode())
        try:
            cursor = connection.execute(statement.encode(), prepare=True)
        except psycopg.errors.QueryCanceled:
            return None
        return _table(cursor)


def explain(connection: psycopg.Connection[Any], query: str) -> PlanStep:
    """See :meth:`replica.databases.base.Snapshot.explain`; the transaction stays as it was."""
    statement = f"EXPLAIN (FORMAT JSON) {_HEAD}{query}{_FOOT}"
    with _aside(connection, statement):
        # A step of several workers would say how many rows each of them has.
        connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        row = connection.execute(statement.encode(), prepare=True).fetchone()
        root: Mapping[str, Any] = row[0][0]["Plan"] if row else {}
        return _step(root, _index_keys(connection, root))


def is_analyzed(connection: psycopg.Connection[Any], table: Table) -> bool:
    """See :meth:`replica.databases.base.Snapshot.is_analyzed`."""
    with reported(f"looking for statistics of {table.id}"):
        row = connection.execute(_STATISTICS_SQL, {"name": table.id}).fetchone()
    return bool(row and row[0])


@contextmanager
def _aside(connection: psycopg.Connection[Any], statement: str) -> Iterator[None]:
    """Undoes whatever happens inside, errors and settings, and says of errors no more than may be said."""
    with reported("asking a query"):
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(_SETTINGS)
                yield
        except psycopg.Error as error:
            if not error.sqlstate or (error.sqlstate.startswith(_OF_THE_SESSION) and error.sqlstate != _TOO_LONG):
                raise
            raise QueryError(_reason(error, statement)) from None


def _reason(error: psycopg.Error, statement: str) -> str:
    """What the server says and where, without what it quotes: that may be a value that stands where a name should."""
    if (error.sqlstate or "").startswith(_OF_A_FUNCTION):
        return "a function raises an error of its own"
    said = scrub(error.diag.message_primary or "", None)
    if not error.diag.statement_position:
        return said
    # The query begins on the statement's second line; what follows it is where it ends too soon.
    line = statement.count("\n", 0, int(error.diag.statement_position) - 1)
    last = statement.count("\n") - 1
    return f"line {min(line, last)}: {said}"


def _table(cursor: psycopg.Cursor[Any]) -> pa.Table:
    """What a query gave, from the server's text, which is the same for every type."""
    result = cursor.pgresult
    assert result is not None  # noqa: S101 - the query was run
    columns, names = [], []
    for j in range(result.nfields):
        cells = (result.get_value(i, j) for i in range(result.ntuples))
        values = pa.array([None if cell is None else cell.decode() for cell in cells], pa.string())
        columns.append(values.cast(pa.float64()) if result.ftype(j) in _NUMBERS else values)
        names.append((result.fname(j) or b"").decode())
    return pa.Table.from_arrays(columns, names=names)


def _step(node: Mapping[str, Any], keys: Mapping[str, str]) -> PlanStep:
    """Reads one node of a plan; the fields are those of every version since 13."""
    how = [str(node[name]) for name in ("Node Type", "Strategy", "Join Type") if name in node]
    return PlanStep(
        what=" ".join(how),
        table=str(node.get("Alias", "")),
        index=keys.get(node.get("Index Name", ""), ""),
        rows=float(node.get("Plan Rows", 0)),
        gathers=node.get("Node Type") == "Aggregate",
        inputs=tuple(_step(below, keys) for below in node.get("Plans", ())),
    )


def _index_keys(connection: psycopg.Connection[Any], root: Mapping[str, Any]) -> dict[str, str]:
    """What the indexes of a plan are on, by name: an index may be called otherwise elsewhere."""
    names = {str(node["Index Name"]) for node in _nodes(root) if "Index Name" in node}
    if not names:
        return {}
    found = connection.execute(
        "SELECT c.relname, pg_catalog.pg_get_indexdef(c.oid) FROM pg_catalog.pg_class AS c"
        " WHERE c.relkind = 'i' AND c.relname = ANY (%s) ORDER BY 2",
        [list(names)],
    )
    return {str(name): str(definition).partition(" USING ")[2] for name, definition in found}


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)
