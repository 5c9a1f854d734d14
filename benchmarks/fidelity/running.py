"""One run: a tool learns a database and writes another one, which is judged; all of it ends in one small JSON file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.fidelity.exchange import hand_out, take_in
from benchmarks.fidelity.scoring import score
from benchmarks.fidelity.tools import TOOLS
from benchmarks.fidelity.watching import Watched, watch
from replica import make_plan
from replica.databases.url import DatabaseUrl, database_name, with_database
from tests.real.databases import load

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Run:
    """What is to be run.

    Attributes:
        tool: the tool's name.
        database: the source's name.
        seed: the seed.
        minutes: after so many the tool is stopped.
        hidden: what Replica's models do not see, for an ablation; empty for nothing.
    """

    tool: str
    database: str
    seed: int
    minutes: float = 60.0
    hidden: str = ""

    @property
    def name(self) -> str:
        """The tool, and what it does without."""
        return f"{self.tool}_without_{self.hidden}" if self.hidden else self.tool

    @property
    def file(self) -> Path:
        """Where the result is written."""
        return RESULTS / f"{self.database}.{self.name}.{self.seed}.json"


class RefusedError(Exception):
    """A tool did not make the database; says why."""


def perform(run: Run, admin: DatabaseUrl) -> dict[str, Any]:
    """Runs a tool on a database, judges what it made, and writes and returns the result.

    A tool that refuses, fails or takes too long has that for a result.
    """
    about = {"tool": run.name, "database": run.database, "seed": run.seed, **_circumstances()}
    source = source_database(run.database, admin)
    with empty_database(admin, f"fidelity_{run.database}_{run.name}_{run.seed}") as target:
        try:
            cost = (by_replica if run.tool == "replica" else _by_rival)(run, source, target)
            result = {**about, **cost, **score(source, target)}
        except (RefusedError, psycopg.Error) as reason:
            result = {**about, "refused": " ".join(str(reason).split())[:300]}
    RESULTS.mkdir(exist_ok=True)
    run.file.write_text(json.dumps(result, indent=1))
    return result


def by_replica(run: Run, source: DatabaseUrl, target: DatabaseUrl) -> dict[str, Any]:
    """Lets Replica learn a database and write another one, and returns what that cost.

    Raises:
        RefusedError: it did not come to an end.
    """
    with TemporaryDirectory(prefix="fidelity-") as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "benchmarks.fidelity.replica_itself", str(report), str(run.seed)]
        command += [run.hidden] if run.hidden else []
        addresses = {"FIDELITY_SOURCE": source.secret, "FIDELITY_TARGET": target.secret}
        watched = watch(command, addresses, run.minutes * 60)
        found = _report(report, watched)
    return _cost(found["seconds"]["fit"], found["seconds"]["sample"], found["rows"], watched)


def _by_rival(run: Run, source: DatabaseUrl, target: DatabaseUrl) -> dict[str, Any]:
    plan = make_plan(source).plan
    with TemporaryDirectory(prefix="fidelity-") as name:
        folder = Path(name)
        hand_out(source, plan, folder)
        watched = watch(TOOLS[run.tool].command(folder, run.seed), {}, run.minutes * 60)
        found = _report(folder / "report.json", watched)
        if "refused" in found:
            raise RefusedError(found["refused"])
        start = time.perf_counter()
        rows = take_in(source, target, plan, folder)
        loading = time.perf_counter() - start
    return _cost(found["seconds"]["fit"], found["seconds"]["sample"] + loading, rows, watched)


def _report(file: Path, watched: Watched) -> dict[str, Any]:
    if watched.code is None:
        raise RefusedError(f"stopped after {watched.seconds / 60:.0f} minutes")
    if not file.exists():
        raise RefusedError(watched.said[-300:] or f"ended with {watched.code}")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _cost(fit: float, sample: float, rows: int, watched: Watched) -> dict[str, Any]:
    return {
        "fit_seconds": round(fit, 1),
        "sample_seconds": round(sample, 1),
        "rows": rows,
        "rows_per_second": round(rows / sample),
        "peak_gb": round(watched.peak, 2),
    }


def _circumstances() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    return {
        "commit": commit.stdout.strip(),
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def source_database(name: str, admin: DatabaseUrl) -> DatabaseUrl:
    """Returns the address of one of the real databases, built where it is not there yet."""
    url = with_database(admin, f"fidelity_{name}")
    with psycopg.connect(admin.secret, autocommit=True) as connection:
        there = connection.execute("SELECT FROM pg_database WHERE datname = %s", (database_name(url),)).fetchone()
        if there is not None:
            return url
        connection.execute(f"CREATE DATABASE {database_name(url)}".encode())
    try:
        load(name, url)
    except BaseException:
        drop_database(url, admin)
        raise
    return url


def drop_database(url: DatabaseUrl, admin: DatabaseUrl) -> None:
    """Removes a database that is there."""
    with psycopg.connect(admin.secret, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {database_name(url)} WITH (FORCE)".encode())


@contextmanager
def empty_database(admin: DatabaseUrl, name: str) -> Iterator[DatabaseUrl]:
    """Yields the address of an empty database that is removed in the end."""
    url = with_database(admin, name)
    drop_database(url, admin)
    with psycopg.connect(admin.secret, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield url
    finally:
        drop_database(url, admin)
