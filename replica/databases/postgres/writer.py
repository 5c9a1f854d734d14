"""Writing rows: ADBC's binary COPY where Arrow's type is the column's type exactly, CSV COPY for the rest."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from psycopg import sql

from replica.databases.postgres.connection import reported
from replica.databases.postgres.types import EPOCH_DAYS, EPOCH_US
from replica.errors import LoadError
from replica.schema.model import Column, Table

_BUFFER_BYTES = 48 * 1024

Convert = Callable[[pa.Array], pa.Array]

_MIDNIGHT_US = 86_400_000_000
_CSV_OPTIONS = pyarrow.csv.WriteOptions(include_header=False)


def _cast(target: pa.DataType) -> Convert:
    return lambda values: values.cast(target)


def _same(values: pa.Array) -> pa.Array:
    return values


def _versioned_json(values: pa.Array) -> pa.Array:
    """The binary form of jsonb is its text behind a version byte."""
    return pc.binary_join_element_wise(pa.scalar(b"\x01", pa.binary()), values.cast(pa.binary()), b"")


def _since_2000(plain: pa.DataType, epoch: int) -> Convert:
    """The binary form of moments counts from 2000; the ends of the range stay, since they are infinite there too.

    The driver would do the same for Arrow's own types of moments, but refuses the infinite ones.
    """
    ends = np.iinfo(plain.to_pandas_dtype())
    infinite = pa.array([ends.min, ends.max], plain)

    def convert(values: pa.Array) -> pa.Array:
        numbers = values.cast(plain)
        moved = pc.subtract(numbers, pa.scalar(epoch, plain))
        return pc.if_else(pc.is_in(numbers, infinite), numbers, moved)

    return convert


# (base type, Arrow type) -> what ADBC must be given so that the server reads exactly that type.
_BINARY: dict[tuple[str, pa.DataType], Convert] = {
    ("bool", pa.bool_()): _same,
    ("int2", pa.int64()): _cast(pa.int16()),
    ("int4", pa.int64()): _cast(pa.int32()),
    ("int8", pa.int64()): _same,
    ("float4", pa.float64()): _cast(pa.float32()),
    ("float8", pa.float64()): _same,
    ("text", pa.string()): _same,
    ("varchar", pa.string()): _same,
    ("bpchar", pa.string()): _same,
    ("citext", pa.string()): _same,
    ("enum", pa.string()): _same,
    ("json", pa.string()): _same,
    ("jsonb", pa.string()): _versioned_json,
    ("bytea", pa.binary()): _same,
    ("uuid", pa.binary(16)): _cast(pa.binary()),
    ("date", pa.date32()): _since_2000(pa.int32(), EPOCH_DAYS),
    ("time", pa.time64("us")): _same,
    ("timestamp", pa.timestamp("us")): _since_2000(pa.int64(), EPOCH_US),
    ("timestamptz", pa.timestamp("us")): _since_2000(pa.int64(), EPOCH_US),
    ("interval", pa.month_day_nano_interval()): _same,
}


def binary_form(column: Column, kind: pa.DataType) -> Convert | None:
    """Returns how to turn an Arrow array into what ADBC can write to the column; None where it cannot."""
    if column.type.base == "numeric" and pa.types.is_decimal(kind):
        return _same
    return _BINARY.get((column.type.base, kind))


def open_writer(uri: str, search_path: str) -> Any:
    """Opens an ADBC session to write with: it reads all types of the database first, so one serves for many tables."""
    with reported("opening a session to write with", LoadError):
        connection = adbc.connect(uri, autocommit=True)
        with connection.cursor() as cursor:
            # The user may have a limit that suits short statements only.
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(f"SET search_path = {search_path}")
    return connection


def copy_binary(
    connection: Any, table: Table, columns: Sequence[str], schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> int:
    """Writes batches through ADBC and commits. Every column must have a binary form.

    Args:
        connection: what :func:`open_writer` gives.
        table: the table.
        columns: its columns that the batches hold.
        schema: what the batches hold.
        batches: the rows.

    Returns:
        The number of rows.
    """
    forms = [binary_form(table.by_name[name], schema.field(name).type) for name in columns]

    def convert(batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [form(batch.column(name)) for name, form in zip(columns, forms, strict=True) if form is not None]
        return pa.RecordBatch.from_arrays(arrays, names=list(columns))

    target = convert(pa.RecordBatch.from_pylist([], schema)).schema
    # Errors of the rows' maker would be lost inside the driver: keep the first and raise it again.
    failed: list[BaseException] = []

    def pull() -> Iterator[pa.RecordBatch]:
        try:
            _take_interrupts_back()
            for batch in batches:
                converted, rows = convert(batch), _rows_at_once(batch)
                yield from (converted.slice(start, rows) for start in range(0, batch.num_rows, rows))
        except BaseException as error:  # raised again below, whatever it is
            failed.append(error)
            raise

    try:
        with reported(f"loading {table.id}", LoadError), connection.cursor() as cursor:
            reader = pa.RecordBatchReader.from_batches(target, pull())
            return int(cursor.adbc_ingest(table.name, reader, mode="append", db_schema_name=table.schema))
    except BaseException:
        # What failed while rows were made reaches this place as an error of the driver: the cause is told instead.
        if failed:
            raise failed[0] from None
        raise


def _rows_at_once(batch: pa.RecordBatch) -> int:
    """So few rows that a socket's buffer takes them at once: the server reads them while the next are encoded."""
    size, rows = int(batch.nbytes), int(batch.num_rows)
    return max(100, _BUFFER_BYTES * rows // max(1, size))


def _take_interrupts_back() -> None:
    """Lets Ctrl-C stop the making of rows: the driver takes it, cancels what the server does just now, and goes on."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


def copy_csv(
    connection: psycopg.Connection[Any], table: Table, columns: Sequence[str], batches: Iterator[pa.RecordBatch]
) -> int:
    """Writes batches as CSV through one COPY in the connection's transaction.

    Returns:
        The number of rows.
    """
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(table.schema, table.name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    written = 0
    with (
        reported(f"loading {table.id}", LoadError),
        connection.cursor() as cursor,
        cursor.copy(command) as copy,
    ):
        for batch in batches:
            copy.write(csv_bytes(_with_plain_money(batch, table), columns))
            written += batch.num_rows
    return written


def _with_plain_money(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    """The type "money" takes no exponents."""
    for i, field in enumerate(batch.schema):
        if table.by_name[field.name].type.family == "money" and pa.types.is_floating(field.type):
            batch = batch.set_column(i, field.name, batch.column(i).cast(pa.decimal128(38, 4)))
    return batch


def printed(values: pa.Array, column: Column) -> pa.Array:
    """Returns values as texts that the server reads as the column's type: shape (rows,)."""
    if column.type.family == "money" and pa.types.is_floating(values.type):
        values = values.cast(pa.decimal128(38, 4))
    return _printable(values).cast(pa.string())


def csv_bytes(batch: pa.RecordBatch, columns: Sequence[str]) -> memoryview:
    """Renders a batch as CSV: nulls are empty, every text stands in quotes."""
    arrays = [_printable(batch.column(name)) for name in columns]
    out = io.BytesIO()
    pyarrow.csv.write_csv(pa.RecordBatch.from_arrays(arrays, names=list(columns)), out, _CSV_OPTIONS)
    return out.getbuffer()


def _printable(values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_date32(kind):
        return _moment_texts(values, pa.int32(), "D")
    if pa.types.is_timestamp(kind):
        return _moment_texts(values, pa.int64(), "us")
    if pa.types.is_time64(kind):
        return _clock_texts(values)
    if pa.types.is_fixed_size_binary(kind):
        return uuid_text(values)
    if pa.types.is_binary(kind):
        return pa.array([None if value is None else "\\x" + value.hex() for value in values.to_pylist()], pa.string())
    if pa.types.is_interval(kind):
        return pa.array([None if value is None else _interval_text(value) for value in values.to_pylist()], pa.string())
    if pa.types.is_null(kind):
        return values.cast(pa.string())
    return values


def _moment_texts(values: pa.Array, plain: pa.DataType, unit: Literal["D", "us"]) -> pa.Array:
    """Prints moments; Arrow does not print infinite ones, nor years but of four digits, as the server does."""
    numbers = values.cast(plain)
    first, end = (int(np.datetime64(day, unit).astype(np.int64)) for day in ("0001-01-01", "10000-01-01"))
    odd = pc.fill_null(pc.or_(pc.less(numbers, first), pc.greater_equal(numbers, end)), False)
    if not pc.any(odd).as_py():
        return values
    ends = np.iinfo(plain.to_pandas_dtype())
    named = {ends.min: "-infinity", ends.max: "infinity"}
    texts = [named.get(n) or _odd_moment(n, unit) for n in numbers.filter(odd).to_pylist()]
    usual = pc.if_else(odd, pa.scalar(0, plain), numbers).cast(values.type).cast(pa.string())
    return pc.replace_with_mask(usual, odd, pa.array(texts, pa.string()))


def _odd_moment(number: int, unit: Literal["D", "us"]) -> str:
    """Prints a moment whose year does not have four digits; year 0 is the year 1 before Christ."""
    text = str(np.datetime64(number, unit))
    year, month, rest = text.rsplit("-", 2)
    return f"{1 - int(year):04d}-{month}-{rest} BC" if int(year) < 1 else text


def _clock_texts(values: pa.Array) -> pa.Array:
    """Prints the end of a day as such; Arrow knows only its beginning."""
    midnight = pc.fill_null(pc.equal(values.cast(pa.int64()), _MIDNIGHT_US), False)
    if not pc.any(midnight).as_py():
        return values
    usual = pc.if_else(midnight, pa.scalar(0, values.type), values).cast(pa.string())
    return pc.if_else(midnight, "24:00:00", usual)


def _interval_text(value: Any) -> str:
    return f"{value.months} months {value.days} days {value.nanoseconds // 1000} microseconds"


def uuid_text(values: pa.Array) -> pa.Array:
    """Prints 16-byte values as UUIDs."""
    digits = np.frombuffer(b"".join(value or b"\0" * 16 for value in values.to_pylist()), np.uint8).tobytes().hex()
    texts = (digits[i : i + 32] for i in range(0, len(digits), 32))
    printed = [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts]
    return pc.if_else(values.is_valid(), pa.array(printed, pa.string()), pa.scalar(None, pa.string()))
