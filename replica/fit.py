"""Learning: reading the source's rows, encoding them, and fitting one model per table, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

import numpy as np

from replica.databases.base import Ddl, Snapshot
from replica.errors import FitError
from replica.fitted import FittedReplica, FittedTable
from replica.generators import family_for
from replica.generators.base import Encoded, FitOptions, TableGenerator
from replica.generators.devices import CPU, to_learn
from replica.learning.conditioning import Observed, context_spec, likened, observe, source_context
from replica.learning.encoding import EncodedTable, encode_tables, is_copied
from replica.learning.lookups import learn_lookups
from replica.learning.partial_nulls import learn_partial_nulls
from replica.learning.source_rows import SourceTable, read_source
from replica.learning.traits import is_same_person, references_apart
from replica.planning.decisions import Plan, TablePlan
from replica.processes import main_module_hidden, pool_of
from replica.progress import Progress, Report, ignore
from replica.protecting.fitting import Guard
from replica.relations.context import ContextSpec
from replica.relations.keys import KeyMaker
from replica.relations.layout import Layout
from replica.relations.reuse import Reuse, learn_reuse
from replica.schema.model import Schema
from replica.seeds import stream
from replica.settings import Settings

# With less work than this, in rows times spans, starting processes costs more than it saves.
_WORTH_PROCESSES = 1_500_000


@dataclass(frozen=True)
class _Job:
    """The learning of one table: everything that another process needs."""

    table: str
    generator: str
    rows: Encoded
    context: Encoded
    options: FitOptions
    seed: int

    @property
    def work(self) -> int:
        """About how much there is to do."""
        return len(self.rows) * (len(self.rows.spans) + len(self.context.spans) // 4)

    @property
    def on_gpu(self) -> bool:
        """True where the processor does not learn it."""
        return to_learn(self.options.device, len(self.rows)).type != CPU


def fit(
    snapshot: Snapshot, plan: Plan, ddl: Ddl, settings: Settings, report: Report = ignore, guard: Guard | None = None
) -> FittedReplica:
    """Learns all planned tables.

    Args:
        snapshot: a view of the source.
        plan: what was decided.
        ddl: the schema as SQL, read in the same snapshot.
        settings: the settings of the run.
        report: told how far the run is.
        guard: under differential privacy, what fits the models of private tables; the snapshot is then a copy.

    Raises:
        PrivilegeError: a table may not be read.
        FitError: a table could not be learned.
    """
    sources = read_source(snapshot, plan, settings, report)
    report(Progress("encode"))
    encoded = encode_tables(plan, sources, settings.seed, families=guard is None and "families" not in settings.hidden)
    alike = guard is None and "twins" not in settings.hidden
    observed = {name: observe(table, encoded, settings.hidden, alike=alike) for name, table in encoded.items()}
    layouts = {name: found.layout for name, found in observed.items()}
    specs = {table.id: context_spec(plan, table, layouts).without(settings.hidden) for table in plan.tables}
    seen = {name: (encoded[name], found.codes) for name, found in observed.items()}
    if alike:
        specs = {name: likened(plan, encoded[name], seen, layouts, spec) for name, spec in specs.items()}
    jobs = [
        _Job(
            table=table.id,
            generator=table.generator,
            rows=Encoded(observed[table.id].codes, layouts[table.id].spans),
            context=source_context(plan, encoded[table.id], seen, specs[table.id]),
            options=FitOptions(effort=settings.effort, device=settings.device),
            seed=settings.seed,
        )
        for table in plan.tables
        if _has_something_to_learn(encoded[table.id], layouts[table.id], table)
        and not (guard is not None and table.private)
    ]
    models = _run(jobs, settings, report)
    if guard is not None:
        models |= guard.fit(plan, encoded, settings, report)
    tables = {
        table.id: _fitted(
            plan,
            encoded[table.id],
            observed[table.id],
            specs[table.id],
            models.get(table.id),
            same_person=is_same_person(sources[table.id], sources),
            kept=lambda name: encoded[name].kept is not None,
            seed=settings.seed,
        )
        for table in plan.tables
    }
    repeats = {table.id: found for table in plan.tables if (found := snapshot.repeats(table.table)) is not None}
    return FittedReplica(plan, ddl, tables, repeats, guard.ledger() if guard is not None else None)


def _has_something_to_learn(encoded: EncodedTable, layout: Layout, table: TablePlan) -> bool:
    """False for empty tables, for lookups that own nothing, and for tables without a span to draw."""
    if table.role == "lookup":
        return len(encoded.source) > 0 and bool(layout.of("fanout", "family"))
    return len(encoded.source) > 0 and any(not span.observed for span in layout.spans)


def _run(jobs: list[_Job], settings: Settings, report: Report) -> dict[str, TableGenerator]:
    """Fits all models: in other processes where that pays, the longest first."""
    jobs = sorted(jobs, key=lambda job: -job.work)
    total = sum(job.work for job in jobs) or 1
    work = {job.table: job.work for job in jobs}
    models: dict[str, TableGenerator] = {}
    finished = 0
    report(Progress("learn", "", 0, total))
    for table, model in _fit_all(_shared_out(jobs, settings)):
        models[table] = model
        finished += work[table]
        report(Progress("learn", table, finished, total))
    return models


@dataclass(frozen=True)
class _Shares:
    """Who fits what.

    Attributes:
        here: what this process fits, one after the other.
        elsewhere: what others fit meanwhile; maybe nothing.
        processes: how many others there are.
    """

    here: list[_Job]
    elsewhere: list[_Job]
    processes: int


def _shared_out(jobs: list[_Job], settings: Settings) -> _Shares:
    """Leaves to other processes what is worth it, and to this one what a GPU learns, which serves one best."""
    here = [job for job in jobs if job.on_gpu]
    elsewhere = [job for job in jobs if not job.on_gpu]
    processes = min(settings.processes, len(elsewhere))
    if processes < 2 or sum(job.work for job in elsewhere) < _WORTH_PROCESSES:
        return _Shares(_with_time_limits(jobs, 1, settings), [], 0)
    return _Shares(_with_time_limits(here, 1, settings), _with_time_limits(elsewhere, processes, settings), processes)


def _with_time_limits(jobs: list[_Job], beside_each_other: int, settings: Settings) -> list[_Job]:
    """Shares the minutes that the user gave among tables by their work."""
    if settings.max_minutes is None:
        return jobs
    longest, total = settings.max_minutes * 60, sum(job.work for job in jobs) or 1
    seconds = [min(longest * beside_each_other * job.work / total, longest) for job in jobs]
    return [
        replace(job, options=replace(job.options, max_seconds=most)) for job, most in zip(jobs, seconds, strict=True)
    ]


def _fit_all(shares: _Shares) -> Iterator[tuple[str, TableGenerator]]:
    if not shares.elsewhere:
        for job in shares.here:
            yield job.table, fit_job(job)
        return
    with pool_of(shares.processes) as pool:
        with main_module_hidden():
            futures: dict[Future[TableGenerator], str] = {
                pool.submit(fit_job, job): job.table for job in shares.elsewhere
            }
        for job in shares.here:
            yield job.table, fit_job(job)
        for future in as_completed(futures):
            yield futures[future], _result(future)


def _result(future: Future[TableGenerator]) -> TableGenerator:
    try:
        return future.result()
    except BrokenProcessPool:
        raise FitError(
            "learning: a worker process was killed, probably for want of memory: run with fewer --workers or a lower"
            " --fit-rows"
        ) from None


def fit_job(job: _Job) -> TableGenerator:
    """Fits one model; runs in a process of its own.

    Raises:
        FitError: the family could not learn the table.
    """
    rng = stream(job.seed, "model", job.table)
    try:
        family = family_for(job.generator, job.rows, job.context, job.options)
        return family.fit(job.rows, job.context, job.options, rng)
    except (ValueError, RuntimeError, FloatingPointError) as error:
        way_out = "another generator or --device cpu" if job.on_gpu else "another generator"
        raise FitError(
            f"{job.table}: {job.generator} could not learn it ({type(error).__name__}); try {way_out}"
        ) from error


def _fitted(
    plan: Plan,
    encoded: EncodedTable,
    observed: Observed,
    spec: ContextSpec,
    model: TableGenerator | None,
    *,
    same_person: bool,
    kept: Callable[[str], bool],
    seed: int,
) -> FittedTable:
    source = encoded.source
    table = source.plan
    copied = {
        reference.key.id: source.parents[reference.key.id]
        for reference in table.references
        if is_copied(table, reference, kept(table.id), kept(reference.key.parent))
    }
    return FittedTable(
        rows=source.total,
        orphans=_orphans(source),
        layout=observed.layout,
        referenced=observed.referenced,
        context=spec,
        kinds=encoded.kinds,
        relative=encoded.relative,
        period_ends=encoded.period_ends,
        keys=_key_makers(plan.schema, table),
        sequence=encoded.sequence,
        fan_outs=encoded.fan_outs,
        families=encoded.families,
        references=encoded.references,
        kept=encoded.kept,
        apart=references_apart(source),
        same_person=same_person,
        copied=copied,
        generator=model,
        lookups=learn_lookups(source, plan.min_holders),
        partial=learn_partial_nulls(source),
        reuse=_reuse(encoded, seed),
    )


def _reuse(encoded: EncodedTable, seed: int) -> tuple[Reuse, ...]:
    """What rows of one owner hardly ever share."""
    source = encoded.source
    family = np.cumsum(source.is_first) - 1
    return learn_reuse(encoded.layout, encoded.codes, family, stream(seed, "reuse", source.plan.id))


def _orphans(source: SourceTable) -> int:
    """Rows without an owner, scaled up where whole families were sampled."""
    if source.plan.owner is None or not len(source):
        return 0
    share = float(np.mean(source.owner < 0))
    return round(share * source.total)


def _key_makers(schema: Schema, table: TablePlan) -> dict[str, KeyMaker]:
    """What makes the keys of new rows; a lookup keeps those it has."""
    if table.role == "lookup":
        return {}
    return {column.name: _key_maker(schema, table, column.name) for column in table.by("key")}


def _key_maker(schema: Schema, table: TablePlan, name: str) -> KeyMaker:
    """Keys count as their sequence does; without one, from where the schema map says."""
    column = next(found for found in table.columns if found.name == name)
    if column.column.type.family == "uuid":
        return KeyMaker("uuid", 0, 1, 0)
    family = "numeric" if column.column.type.family == "numeric" else "integer"
    for sequence in schema.sequences:
        if sequence.users == ((table.id, name),) and column.map.start is None:
            return KeyMaker(family, sequence.start, sequence.increment, 0)  # type: ignore[arg-type]
    start = 1 if column.map.start is None else column.map.start
    return KeyMaker(family, start, 1, 0)  # type: ignore[arg-type]
