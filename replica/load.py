"""Loading: schema, rows, keys and the finishing touches, into a database that is published at the very end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

import pyarrow as pa

from replica.constraints.breaches import explained
from replica.databases.base import Database, Evaluate, Staging
from replica.databases.url import DatabaseUrl
from replica.errors import IntegrityError
from replica.fitted import FittedReplica
from replica.planning.decisions import TablePlan
from replica.progress import Progress, Report, ignore
from replica.sample import TableRows, planned_rows
from replica.schema.model import Table, quote_name
from replica.settings import Settings

# What a dump creates when all keys and indexes are there.
_AFTER_KEYS = frozenset({"RULE", "TRIGGER", "FK CONSTRAINT"})


@dataclass(frozen=True, slots=True)
class TableLoad:
    """How the loading of one table went: rows, and seconds with the making of the rows."""

    table: str
    rows: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class StepTime:
    """How long one step took, in seconds."""

    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was loaded, table by table and step by step.

    Attributes:
        tables: the tables, in the order in which they were loaded.
        steps: the steps, in their order.
        way: how the target was published.
        notes: what a user should know of the rows, a line each.
    """

    tables: tuple[TableLoad, ...]
    steps: tuple[StepTime, ...]
    way: str
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def seconds(self) -> float:
        """Seconds of all steps."""
        return sum(step.seconds for step in self.steps)


class _Clock:
    """Times steps one after the other."""

    def __init__(self, report: Report) -> None:
        self.steps: list[StepTime] = []
        self._report = report

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._report(Progress(name))
        start = time.monotonic()
        yield
        self.steps.append(StepTime(name, time.monotonic() - start))


def load(
    replica: FittedReplica,
    make: Callable[[Evaluate], Iterable[TableRows]],
    target: Database,
    settings: Settings,
    report: Report = ignore,
    *,
    accept: Callable[[DatabaseUrl], None] | None = None,
) -> LoadReport:
    """Builds the target out of a schema and rows, and puts it in place.

    Nothing of an existing target changes before the last step, and then all of it at once.

    Args:
        replica: where the schema comes from.
        make: gives the rows, table by table, made while they are taken; it is told who evaluates what only a server
            can.
        target: where to build.
        settings: workers, and whether a target that is not empty may be replaced.
        report: told how far the run is.
        accept: looks at the finished database before it is published, and raises an error that stops that.

    Raises:
        TargetNotEmptyError: the target holds tables and may not be replaced.
        LoadError: the server refused something; the target is as it was.
    """
    clock, ddl = _Clock(report), replica.ddl
    with target.staging(ddl, replace=settings.replace, workers=settings.processes) as staging:
        with clock.step("schema"):
            staging.execute(ddl.pre_data)
        with clock.step("rows"):
            watch = _Watch(report, sum(planned_rows(replica, settings).values()))
            notes: list[str] = []
            with _explaining(staging, replica):
                tables = list(_load_tables(staging, make(staging.evaluate), watch, notes))
        for name, repeats in replica.repeats.items():
            with clock.step(f"repeated rows of {name}"):
                staging.repeat_rows(replica.plan.schema.by_id[name], repeats)
        with clock.step("derived columns"):
            for table in replica.plan.tables:
                _derive(staging, table)
        with clock.step("keys and indexes"), _explaining(staging, replica, tables):
            _finish_schema(staging, replica)
        with clock.step("sequences"):
            staging.position_sequences(replica.plan.schema)
        if updated := _told(replica, "statement"):
            with clock.step("triggers"):
                for found in updated:
                    staging.update_all(found)
        with clock.step("materialized views"):
            staging.refresh(replica.plan.schema.materialized_views)
        with clock.step("statistics"):
            staging.analyze()
        if accept is not None:
            with clock.step("gate"):
                accept(staging.preview())
        with clock.step("publish"):
            staging.publish()
        way = staging.way
    return LoadReport(tuple(tables), tuple(clock.steps), way, tuple(notes))


@contextmanager
def _explaining(staging: Staging, replica: FittedReplica, loaded: Iterable[TableLoad] = ()) -> Iterator[None]:
    """Lets an error about a constraint say what it is, how many rows break it, and what may help."""
    try:
        yield
    except IntegrityError as error:
        rows = {table.table: table.rows for table in loaded}
        raise explained(error, replica.plan.schema, rows, staging.count_broken) from None


class _Watch:
    """Counts the rows of all tables together."""

    def __init__(self, report: Report, total: int) -> None:
        self._report = report
        self._total = total
        self._done = 0

    def counted(self, rows: TableRows) -> Iterator[pa.RecordBatch]:
        """Hands batches on and reports them when they have been taken."""
        for batch in rows.batches:
            yield batch
            self._done += batch.num_rows
            self._report(Progress("rows", rows.table.id, self._done, self._total, "rows"))


def _load_tables(staging: Staging, tables: Iterable[TableRows], watch: _Watch, notes: list[str]) -> Iterator[TableLoad]:
    """Loads table after table; the making of rows happens in between, and counts as a table's time."""
    start = time.monotonic()
    for rows in tables:
        written = staging.copy(rows.table, rows.columns, watch.counted(rows)) if rows.total else 0
        end = time.monotonic()
        notes += rows.notes
        yield TableLoad(rows.table.id, written, end - start)
        start = end


def _told(replica: FittedReplica, what: str) -> list[Table]:
    """The tables whose triggers the schema map says something about, each after those it points to."""
    known = replica.plan.schema_map.tables
    return [plan.table for plan in replica.plan.tables if known[plan.id].triggers == what]


def _finish_schema(staging: Staging, replica: FittedReplica) -> None:
    """Creates what comes after the rows. Triggers that are to see rows come do so before there are references."""
    entries, fired = replica.ddl.post_data, _told(replica, "fire")
    if not fired:
        staging.execute(entries)
        return
    keys = list(takewhile(lambda entry: entry.kind not in _AFTER_KEYS, entries))
    triggers = [entry for entry in entries if entry.kind == "TRIGGER"]
    staging.execute(keys)
    # Triggers draw from sequences too.
    staging.position_sequences(replica.plan.schema)
    staging.insert_again(fired, triggers)
    staging.execute([entry for entry in entries[len(keys) :] if entry.kind != "TRIGGER"])


def _derive(staging: Staging, table: TablePlan) -> None:
    """Computes the columns that the schema map gives an expression for."""
    columns = [column for column in table.by("derived") if column.map.sql]
    if columns:
        assignments = ", ".join(f"{quote_name(column.name)} = ({column.map.sql})" for column in columns)
        staging.run_sql(f"deriving columns of {table.id}", f"UPDATE {table.id} SET {assignments}")  # noqa: S608
