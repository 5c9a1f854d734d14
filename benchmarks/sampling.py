"""Making rows of one table with eight columns, from a fit of a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.workplace import Workplace, seconds
from replica import FittedReplica, Settings, learn
from replica.generators import GENERATORS
from replica.sample import sample

ROWS = 1_000_000
_LEARNED = 100_000
_TURNS = 3


def sampling(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures rows per second, from codes to values, with every family of generators and one or two workers."""
    place.execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, a int, b int, c double precision, d timestamp, e text, f boolean,"
        " g text);"
        "INSERT INTO t SELECT i, (random() * 50)::int, (random() ^ 2 * 1000)::int, random() * random(),"
        " '2024-01-01'::timestamp + random() * interval '300 days', 'group ' || (random() ^ 3 * 40)::int,"
        " random() < 0.2,"
        f" (ARRAY['red', 'green', 'blue'])[1 + i % 3] FROM generate_series(1, {_LEARNED}) i; ANALYZE t"
    )
    for generator in GENERATORS:
        learned: FittedReplica = learn(place.url, Settings(generator=generator))
        for workers in (1, 2):
            settings = Settings(rows={"public.t": ROWS}, workers=workers)
            figures = [ROWS / seconds(partial(_drain, learned, settings)) for _ in range(_TURNS)]
            yield f"eight columns, {generator}, {workers} workers", figures, "rows/s"


def _drain(learned: FittedReplica, settings: Settings) -> None:
    for table in sample(learned, settings):
        for _ in table.batches:
            pass
