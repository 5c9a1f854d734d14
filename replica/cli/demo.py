"""The demonstration: a sample company and its replica, side by side in an embedded PostgreSQL."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from replica.cli import show
from replica.cli.show_evaluation import evaluation_summary
from replica.cli.watching import watching
from replica.databases import open_database
from replica.databases.embedded import EmbeddedServer, tools_folders
from replica.databases.url import DatabaseUrl, with_database
from replica.pipeline import evaluate, replicate
from replica.samples import SAMPLES
from replica.settings import Settings

_SAMPLE = "company"
_SOURCE, _TARGET = "company", "company_replica"
_SOURCE_SEED = 0

# What to look at in both databases: the same query, so that people can compare.
_PEEK = "SELECT first_name, last_name, email, hire_date FROM hr.employee ORDER BY employee_id LIMIT 4"


@dataclass(frozen=True)
class Demo:
    """What a demonstration is told: where its server keeps its data, and the seed of the replica."""

    folder: Path
    seed: int = 0


def run_demo(demo: Demo, output: Console, messages: Console) -> None:
    """Builds the sample company, replicates it, shows the report and says how to look into both databases.

    Args:
        demo: what to do.
        output: the console for results.
        messages: the console for everything else.

    Raises:
        UnreachableError: the embedded server did not start.
        ReplicaError: a stage failed.
    """
    folder = demo.folder.resolve()
    messages.print(f"An embedded PostgreSQL keeps its data in {folder / 'postgres'}", markup=False, soft_wrap=True)
    server = EmbeddedServer(folder / "postgres", keep_running=True)
    source, target = server.url(_SOURCE), server.url(_TARGET)
    if not open_database(source).exists():
        _build(server.url("postgres"), source)
    with watching(messages) as report:
        loaded = replicate(source, target, Settings(seed=demo.seed, replace=True), report)
        found = evaluate(source, target, report)
    output.print(show.load_table(loaded))
    output.print()
    output.print(evaluation_summary(found))
    for title, url in (("source", source), ("replica", target)):
        output.print(_peek(title, url))
    _say_where(output, folder, source, target)


def _build(admin: DatabaseUrl, source: DatabaseUrl) -> None:
    """Builds the sample under another name first, so that a build that was stopped is not taken for a whole one."""
    building = f"{_SOURCE}_building"
    with psycopg.connect(admin.secret, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {building}")
        connection.execute(f"CREATE DATABASE {building}")
    SAMPLES[_SAMPLE](with_database(source, building), seed=_SOURCE_SEED)
    with psycopg.connect(admin.secret, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {building} RENAME TO {_SOURCE}")


def _peek(title: str, url: DatabaseUrl) -> Grid:
    with psycopg.connect(url.secret) as connection:
        cursor = connection.execute(_PEEK.encode())
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
    grid = Grid(title=f"hr.employee in the {title}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in names:
        grid.add_column(name, style="dim")
    for row in rows:
        grid.add_row(*(Text(str(value)) for value in row))
    return grid


def _say_where(output: Console, folder: Path, source: DatabaseUrl, target: DatabaseUrl) -> None:
    psql = tools_folders()[-1] / "psql"
    lines = [
        "",
        "Look into both databases:",
        f"  {shlex.quote(str(psql))} {shlex.quote(str(source))}",
        f"  {shlex.quote(str(psql))} {shlex.quote(str(target))}",
        f"Everything lies in {folder}. The server goes on running. To stop it, then to remove everything:",
        # Not pg_ctl, which refuses to work for root.
        f'  kill -INT "$(head -n 1 {shlex.quote(str(folder / "postgres" / "postmaster.pid"))})"',
        f"  rm -r {shlex.quote(str(folder))}",
    ]
    for line in lines:
        output.print(line, markup=False, soft_wrap=True)
