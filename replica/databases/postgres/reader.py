"""Reading rows column-wise: ADBC into Arrow, inside one read-only snapshot that ``pg_dump`` shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import SKETCHED, Ddl, FamilySample, Holdout, Inclusion, PlanStep, Reading, Repeats
from replica.databases.postgres.asking import ask, explain, is_analyzed
from replica.databases.postgres.connection import address, connect, reported
from replica.databases.postgres.ddl import choose_tool, dump_section
from replica.databases.postgres.evaluating import evaluate
from replica.databases.postgres.expressions import expression
from replica.databases.postgres.holdouts import kept_rows
from replica.databases.postgres.properties import read_settings
from replica.databases.postgres.references import ROWS_PER_KEY, count_found
from replica.databases.postgres.repeats import count_repeats_sql, may_repeat
from replica.databases.postgres.types import EPOCH_DAYS, EPOCH_US
from replica.databases.url import DatabaseUrl
from replica.schema.model import Column, ForeignKey, LooseReference, Table

STATEMENT_TIMEOUT_MS = 60 * 60 * 1000
"""A read that takes longer than an hour is a mistake; sampling keeps reads of large tables short."""

# A share of the pages of a small table may be none at all; and to look at every row of it costs little.
_MOST_SCANNED_ROWS = 2_000_000

# ADBC shifts PostgreSQL's epoch without looking for infinity, so it arrives wrapped around.
_INT32_MAX, _INT64_MAX = 2**31 - 1, 2**63 - 1
_WRAPPED_DAYS = {_INT32_MAX + EPOCH_DAYS - 2**32: _INT32_MAX, -(2**31) + EPOCH_DAYS: -(2**31)}
_WRAPPED_US = {_INT64_MAX + EPOCH_US - 2**64: _INT64_MAX, -(2**63) + EPOCH_US: -(2**63)}


@contextmanager
def open_snapshot(url: DatabaseUrl) -> Iterator[PostgresSnapshot]:
    """Opens a read-only transaction that sees one moment, shared by every session of the run."""
    with connect(url) as holder, reported("opening a snapshot of the source"):
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        holder.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        holder.execute("SET LOCAL search_path = ''")
        row = holder.execute("SELECT pg_export_snapshot()").fetchone()
        name = str(row[0]) if row else ""
        with closing(_reader(url, name)) as reader:
            yield PostgresSnapshot(url, holder, reader, name)


def _reader(url: DatabaseUrl, snapshot: str) -> Any:
    connection = adbc.connect(address(url), autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
        # A policy that would hide rows raises an error instead of giving half a table.
        cursor.execute("SET LOCAL row_security = off")
        cursor.execute("SET LOCAL search_path = ''")
        cursor.execute("SET LOCAL datestyle = 'ISO, YMD'")
        cursor.execute("SET LOCAL intervalstyle = 'postgres'")
        cursor.execute("SET LOCAL timezone = 'UTC'")
        cursor.execute("SET LOCAL lc_monetary = 'C'")
    return connection


class PostgresSnapshot:
    """The :class:`~replica.databases.base.Snapshot` of PostgreSQL."""

    def __init__(
        self, url: DatabaseUrl, holder: psycopg.Connection[Any], reader: Any, name: str, holdout: Holdout | None = None
    ) -> None:
        self._url = url
        self._holder = holder
        self._reader = reader
        self._name = name
        self._holdout = holdout

    def without(self, holdout: Holdout) -> PostgresSnapshot:
        """See :meth:`replica.databases.base.Snapshot.without`."""
        return PostgresSnapshot(self._url, self._holder, self._reader, self._name, holdout)

    def read(
        self, table: Table, columns: Mapping[str, Reading], sample: FamilySample | None = None, limit: int | None = None
    ) -> pa.Table:
        """See :meth:`replica.databases.base.Snapshot.read`."""
        found = [table.by_name[name] for name in columns]
        outputs = [f"{expression(column, columns[column.name])} AS c{i}" for i, column in enumerate(found)]
        # Rows without a parent are sampled by their place.
        source = self._rows(table, _scatter(table, limit), "t.ctid, t.*" if sample else "t.*")
        query = f"SELECT {', '.join(outputs) or 'true AS c'} FROM {source}"
        if sample is not None:
            query += f" WHERE {_family_condition(sample)}"
        if limit is not None:
            # The share gives this many only on average, and the estimate may be old.
            query += f" LIMIT {2 * limit}"
        data = self._fetch(query, f"reading {table.id}")
        arrays = [_canonical(data.column(i), column, columns[column.name]) for i, column in enumerate(found)]
        if not arrays:
            return pa.table({"": pa.nulls(data.num_rows)}).drop_columns([""])
        return pa.table(dict(zip(columns, arrays, strict=True)))

    def row_count(self, table: Table) -> int:
        """See :meth:`replica.databases.base.Snapshot.row_count`."""
        data = self._fetch(f"SELECT count(*) FROM {self._rows(table)}", f"counting {table.id}")
        return int(data.column(0)[0].as_py())

    def repeats(self, table: Table) -> Repeats | None:
        """See :meth:`replica.databases.base.Snapshot.repeats`."""
        if not may_repeat(table):
            return None
        found = self._fetch(count_repeats_sql(self._rows(table)), f"counting the different rows of {table.id}")
        rows, distinct, repeated = (int(found.column(i)[0].as_py()) for i in range(3))
        return Repeats(distinct / rows, repeated / distinct) if distinct < rows else None

    def fan_out(self, child: Table, key: ForeignKey) -> pa.Table:
        """See :meth:`replica.databases.base.Snapshot.fan_out`."""
        columns = [child.by_name[name] for name in key.columns]
        outputs = ", ".join(f"{expression(column, 'value')} AS c{i}" for i, column in enumerate(columns))
        present = " AND ".join(f"t.{_quoted(column.name)} IS NOT NULL" for column in columns)
        groups = ", ".join(str(i + 1) for i in range(len(columns)))
        query = f"SELECT {outputs}, count(*) FROM {self._rows(child)} WHERE {present} GROUP BY {groups}"
        data = self._fetch(query, f"counting {key.id}")
        names = [*key.parent_columns, "count"]
        arrays = [_canonical(data.column(i), column, "value") for i, column in enumerate(columns)]
        return pa.table([*arrays, data.column(len(columns))], names=names)

    def evaluate(self, table: Table, expression: str, columns: Mapping[str, pa.Array]) -> pa.Array | None:
        """See :data:`replica.databases.base.Evaluate`."""
        return evaluate(self._holder, table, expression, columns)

    def inclusion(self, child: Table, key: ForeignKey | LooseReference, parent: Table, limit: int) -> Inclusion:
        """See :meth:`replica.databases.base.Snapshot.inclusion`."""
        rows = self._rows(child, _scatter(child, ROWS_PER_KEY * limit))
        data = self._fetch(count_found(key, rows, child, parent, limit), f"looking up keys of {child.id}")
        return Inclusion(int(data.column(0)[0].as_py()), int(data.column(1)[0].as_py()))

    def ask(self, query: str, timeout_s: float, limit: int) -> pa.Table | None:
        """See :meth:`replica.databases.base.Snapshot.ask`."""
        return ask(self._holder, query, timeout_s, limit)

    def explain(self, query: str) -> PlanStep:
        """See :meth:`replica.databases.base.Snapshot.explain`."""
        return explain(self._holder, query)

    def is_analyzed(self, table: Table) -> bool:
        """See :meth:`replica.databases.base.Snapshot.is_analyzed`."""
        return is_analyzed(self._holder, table)

    def dump(self, target_version: int | None = None) -> Ddl:
        """See :meth:`replica.databases.base.Snapshot.dump`."""
        version = self._holder.info.server_version
        tool = choose_tool(version, target_version)
        with reported("reading the source's encoding"):
            row = self._holder.execute(
                "SELECT pg_encoding_to_char(encoding), datcollate, datctype, reset_val FROM pg_database, pg_settings"
                " WHERE datname = current_database() AND name = 'search_path'"
            ).fetchone()
            settings, comment = read_settings(self._holder)
        encoding, collate, ctype, search_path = row if row else ("UTF8", "C", "C", "public")
        return Ddl(
            pre_data=dump_section(self._url, tool, "pre-data", self._name),
            post_data=dump_section(self._url, tool, "post-data", self._name),
            server_version=version,
            encoding=str(encoding),
            collate=str(collate),
            ctype=str(ctype),
            search_path=str(search_path) or "''",
            settings=settings,
            comment=comment,
        )

    def sketch(self, table: Table, columns: Sequence[str]) -> tuple[str, ...]:
        """See :meth:`replica.databases.base.Snapshot.sketch`."""
        row = ", ".join(f"t.{_quoted(name)}" for name in columns)
        hashed = f"encode(substr(sha256(convert_to(ROW({row})::text, 'UTF8')), 1, 8), 'hex')"
        query = f"SELECT DISTINCT {hashed} AS h FROM {self._rows(table)} ORDER BY h LIMIT {SKETCHED}"
        return tuple(self._fetch(query, f"recognising {table.id}").column(0).to_pylist())

    def _rows(self, table: Table, sampling: str = "", columns: str = "t.*") -> str:
        return kept_rows(self._holdout, table, sampling, columns)

    def _fetch(self, query: str, step: str) -> pa.Table:
        with reported(step), self._reader.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _scatter(table: Table, limit: int | None) -> str:
    """Takes rows from all over a table that is larger than what is wanted of it; whole pages where it is very large.

    The share is what the limit asks for and no more: a limit on top of a larger share would prefer the first pages.
    """
    if limit is None or table.row_estimate <= limit or table.kind == "foreign":
        return ""
    method = "SYSTEM" if table.row_estimate > _MOST_SCANNED_ROWS else "BERNOULLI"
    percent = min(100.0, 100.0 * limit / table.row_estimate)
    return f" TABLESAMPLE {method} ({percent:.6f}) REPEATABLE (0)"


def _family_condition(sample: FamilySample) -> str:
    """A hash of the root's key decides; below it a row stays when its parent stays.

    Rows without a parent stay by a hash of their place in the table.
    """
    aliases = ["t", *(f"p{i}" for i in range(len(sample.path)))]
    root = aliases[-1]
    condition = _kept(" || '|' || ".join(f"{root}.{_quoted(name)}::text" for name in sample.key), sample)
    for i in range(len(sample.path) - 1, -1, -1):
        key, child, parent = sample.path[i], aliases[i], aliases[i + 1]
        pairs = zip(key.columns, key.parent_columns, strict=True)
        join = " AND ".join(f"{parent}.{_quoted(up)} = {child}.{_quoted(down)}" for down, up in pairs)
        alone = " OR ".join(f"{child}.{_quoted(name)} IS NULL" for name in key.columns)
        condition = (
            f"(EXISTS (SELECT 1 FROM {key.parent} AS {parent} WHERE {join} AND {condition})"
            f" OR (({alone}) AND {_kept(f'{child}.ctid::text', sample)}))"
        )
    return condition


def _kept(text: str, sample: FamilySample) -> str:
    return f"(hashtextextended({text}, {sample.seed}) & 2147483647) < {int(sample.share * 2**31)}"


def _canonical(values: pa.ChunkedArray, column: Column, reading: Reading) -> pa.Array:
    """Brings what the driver gave to the few types that kinds know."""
    array = values.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if reading == "presence":
        return array.cast(pa.bool_())
    if reading == "length":
        return array.cast(pa.int64())
    family = column.type.family
    if family == "integer":
        return array.cast(pa.int64())
    if family in ("float", "numeric", "money"):
        return array.cast(pa.float64())
    if family == "date":
        return _unwrap(array, pa.int32(), _WRAPPED_DAYS)
    if family in ("timestamp", "timestamptz"):
        return _unwrap(array, pa.int64(), _WRAPPED_US).cast(pa.timestamp("us"))
    return array


def _unwrap(array: pa.Array, plain: pa.DataType, wrapped: Mapping[int, int]) -> pa.Array:
    """Puts infinity back at the ends of the range, where kinds look for it.

    A moment so late that Arrow cannot count to it has wrapped around too, and becomes the last that it can.
    """
    numbers = array.view(plain)
    past = pc.less(numbers, pa.scalar(min(wrapped), plain))
    if pc.any(past).as_py():
        numbers = pc.if_else(past, pa.scalar(max(wrapped.values()) - 1, plain), numbers)
    for wrong, right in wrapped.items():
        hits = pc.equal(numbers, pa.scalar(wrong, plain))
        if pc.any(hits).as_py():
            numbers = pc.if_else(hits, pa.scalar(right, plain), numbers)
    target = pa.date32() if plain == pa.int32() else pa.timestamp("us")
    return pa.Array.from_buffers(target, len(numbers), numbers.buffers(), numbers.null_count, numbers.offset)
