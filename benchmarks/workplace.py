"""What every benchmark needs: a database, a target beside it, and a stopwatch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from replica.databases.embedded import EmbeddedServer
from replica.databases.url import DatabaseUrl, database_name, parse_url, with_database

TURNS = 5


@dataclass(frozen=True)
class Workplace:
    """An empty database that belongs to one benchmark."""

    url: DatabaseUrl

    @property
    def target(self) -> DatabaseUrl:
        """The address of a database that the benchmark may create."""
        return with_database(self.url, f"{database_name(self.url)}_replica")

    def execute(self, statement: str) -> None:
        """Runs SQL in the database."""
        with psycopg.connect(self.url.secret, autocommit=True) as connection:
            connection.execute(statement.encode())


def seconds(work: Callable[[], object]) -> float:
    """Returns how long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def server() -> Iterator[DatabaseUrl]:
    """Yields the address of a server: the one that REPLICA_BENCHMARK_URL names, or an embedded one started for it."""
    if os.environ.get("REPLICA_BENCHMARK_URL"):
        yield parse_url("env:REPLICA_BENCHMARK_URL")
        return
    with (
        TemporaryDirectory(prefix="replica-benchmark-") as folder,
        EmbeddedServer(Path(folder) / "postgres") as started,
    ):
        yield started.url("postgres")
