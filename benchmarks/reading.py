"""Reading a table of five columns into Arrow, beside the server's own COPY of it to nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from benchmarks.workplace import TURNS, Workplace, seconds
from replica.databases import open_database

ROWS = 3_000_000


def reading(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures rows per second and the ratio to COPY TO in binary form."""
    place.execute(
        "CREATE TABLE t (a bigint, b int, c double precision, d timestamp, e text);"
        f"INSERT INTO t SELECT i, i % 1000, random(), '2024-01-01'::timestamp + i * interval '1 s', 'text ' || i % 5000"
        f" FROM generate_series(1, {ROWS}) i; ANALYZE t"
    )
    database = open_database(place.url)
    table = database.introspect().tables[0]
    ours, theirs = [], []
    with database.snapshot() as snapshot, psycopg.connect(place.url.secret) as connection:
        wanted = {column.name: "value" for column in table.columns}
        for _ in range(TURNS):
            ours.append(ROWS / seconds(lambda: snapshot.read(table, wanted)))  # type: ignore[arg-type]
            theirs.append(ROWS / seconds(lambda: _drain(connection)))
    yield "five columns, by ADBC into Arrow", ours, "rows/s"
    yield "the same, by the server's binary COPY, thrown away", theirs, "rows/s"
    yield "ratio", [a / b for a, b in zip(ours, theirs, strict=True)], ""


def _drain(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with connection.cursor().copy("COPY t TO STDOUT (FORMAT binary)") as copy:
        for _ in copy:
            pass
