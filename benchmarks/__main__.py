"""Runs the benchmarks: all of them, or those that are named.

    python -m benchmarks [reading] [loading] [sampling] [memory] [company] [evaluation] [private]
                         [private-company] [conditioning]
                         [device]

REPLICA_BENCHMARK_URL names a PostgreSQL server; without it an embedded one is started. Machines are noisy: what can be
compared is measured in turns within one run, and printed as median and range.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import psycopg

from benchmarks.company import company
from benchmarks.conditioning import conditioning
from benchmarks.device import device
from benchmarks.evaluation import evaluation
from benchmarks.loading import loading
from benchmarks.memory import memory
from benchmarks.private_adult import private_adult
from benchmarks.private_company import private_company
from benchmarks.reading import reading
from benchmarks.sampling import sampling
from benchmarks.workplace import Workplace, server
from replica.databases.url import DatabaseUrl, database_name, with_database

BENCHMARKS: Final[Mapping[str, Callable[[Workplace], Iterator[tuple[str, list[float], str]]]]] = {
    "reading": reading,
    "loading": loading,
    "sampling": sampling,
    "memory": memory,
    "company": company,
    "evaluation": evaluation,
    "private": private_adult,
    "private-company": private_company,
    "conditioning": conditioning,
    "device": device,
}
"""Benchmarks by name; each yields what it measured, the figures of its turns, and their unit."""


def main() -> None:
    """Runs what the command line names and prints a line per figure."""
    wanted = sys.argv[1:] or list(BENCHMARKS)
    with server() as admin:
        for name in wanted:
            url = with_database(admin, f"replica_benchmark_{name.replace('-', '_')}")
            with _database(admin, url):
                for what, figures, unit in BENCHMARKS[name](Workplace(url)):
                    spread = f"  ({min(figures):,.3g} to {max(figures):,.3g})" if len(figures) > 1 else ""
                    print(f"{name:<10} {what:<58} {_shown(statistics.median(figures))} {unit}{spread}", flush=True)


def _shown(figure: float) -> str:
    return f"{figure:>14,.0f}" if figure >= 1000 else f"{figure:>14.2f}"


@contextmanager
def _database(admin: DatabaseUrl, url: DatabaseUrl) -> Iterator[None]:
    name = database_name(url)
    with psycopg.connect(admin.secret, autocommit=True) as connection:
        for each in (name, f"{name}_replica"):
            connection.execute(f"DROP DATABASE IF EXISTS {each} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        yield
        for each in (name, f"{name}_replica"):
            connection.execute(f"DROP DATABASE IF EXISTS {each} WITH (FORCE)")


if __name__ == "__main__":
    main()
