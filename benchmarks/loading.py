"""Loading rows, beside the server's own COPY of the same rows from a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psycopg
import pyarrow as pa

from benchmarks.workplace import TURNS, Workplace, seconds
from replica.databases import open_database
from replica.databases.postgres.writer import copy_binary, copy_csv, open_writer
from replica.schema.model import Table

ROWS = 2_000_000
BATCH = 64 * 1024
_READ = 1 << 20


def loading(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures both ways of loading and their ratios to COPY FROM in binary form."""
    place.execute("CREATE TABLE t (a bigint, b int, c double precision, d timestamp, e text)")
    table = open_database(place.url).introspect().tables[0]
    batches = _batches()
    with TemporaryDirectory() as folder, psycopg.connect(place.url.secret, autocommit=True) as connection:
        file = Path(folder) / "rows"
        _load_binary(place, table, batches)
        _copy_out(connection, file)
        server, binary, csv = [], [], []
        for _ in range(TURNS):
            server.append(ROWS / _emptied(connection, lambda: _copy_in(connection, file)))
            binary.append(ROWS / _emptied(connection, lambda: _load_binary(place, table, batches)))
            csv.append(ROWS / _emptied(connection, lambda: _load_csv(connection, table, batches)))
    yield "five columns, the server's binary COPY from a file", server, "rows/s"
    yield "the same rows from Arrow, by ADBC", binary, "rows/s"
    yield "the same rows from Arrow, as CSV", csv, "rows/s"
    yield "ratio of ADBC to the server's COPY", [a / b for a, b in zip(binary, server, strict=True)], ""
    yield "ratio of CSV to the server's COPY", [a / b for a, b in zip(csv, server, strict=True)], ""


def _batches() -> list[pa.RecordBatch]:
    rng = np.random.default_rng(0)
    words = np.array([f"text {i}" for i in range(5000)])
    found = []
    for start in range(0, ROWS, BATCH):
        size = min(BATCH, ROWS - start)
        moments = rng.integers(0, 10**15, size).astype("datetime64[us]")
        columns = {
            "a": pa.array(np.arange(start, start + size)),
            "b": pa.array(rng.integers(0, 1000, size)),
            "c": pa.array(rng.random(size)),
            "d": pa.array(moments),
            "e": pa.array(words[rng.integers(0, 5000, size)]),
        }
        found.append(pa.RecordBatch.from_pydict(columns))
    return found


def _emptied(connection: psycopg.Connection[tuple[object, ...]], work: object) -> float:
    connection.execute("TRUNCATE t")
    connection.execute("CHECKPOINT")
    return seconds(work)  # type: ignore[arg-type]


def _load_binary(place: Workplace, table: Table, batches: list[pa.RecordBatch]) -> int:
    with closing(open_writer(place.url.secret, "public")) as connection:
        return copy_binary(connection, table, list("abcde"), batches[0].schema, iter(batches))


def _load_csv(connection: psycopg.Connection[tuple[object, ...]], table: Table, batches: list[pa.RecordBatch]) -> int:
    return copy_csv(connection, table, list("abcde"), iter(batches))


def _copy_out(connection: psycopg.Connection[tuple[object, ...]], file: Path) -> None:
    with file.open("wb") as out, connection.cursor().copy("COPY t TO STDOUT (FORMAT binary)") as copy:
        for data in copy:
            out.write(data)


def _copy_in(connection: psycopg.Connection[tuple[object, ...]], file: Path) -> None:
    with file.open("rb") as source, connection.cursor().copy("COPY t FROM STDIN (FORMAT binary)") as copy:
        while data := source.read(_READ):
            copy.write(data)
