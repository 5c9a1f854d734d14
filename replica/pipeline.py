"""The whole way from a source to a target: the stages in their order, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from replica.control.keeping_out import KeptOut, keep_out, recorded
from replica.control.record import NO_RECORD, path_of, record_named, remember
from replica.databases import open_database
from replica.databases.base import Database, Finding, Snapshot
from replica.databases.url import DatabaseUrl
from replica.errors import SameDatabaseError, SettingsError
from replica.evaluation.constraints import ConstraintScores
from replica.evaluation.evaluate import EvaluationReport, check_constraints
from replica.evaluation.evaluate import evaluate as compare
from replica.evaluation.own_queries import read_queries
from replica.evaluation.portrait import Portrait, portray
from replica.fit import fit
from replica.fitted import FittedReplica
from replica.imagining.rows import with_sizes
from replica.imagining.snapshot import imagine_source
from replica.inference import Draft, draft_map, with_inferred
from replica.inference.undeclared import infer_undeclared
from replica.load import LoadReport, load
from replica.plan import plan
from replica.planning.decisions import Plan
from replica.planning.scope import check_drift, with_full_names
from replica.planning.undeclared import with_references
from replica.planning.wishes import wishes_of
from replica.progress import Report, ignore
from replica.protecting.auditing import Searched, search_for_source
from replica.protecting.fitting import Guard
from replica.protecting.preparing import Prepared, prepare, protect, settings_under_protection
from replica.sample import sample
from replica.schema.model import Schema
from replica.schema.schema_map import SchemaMap, read_map
from replica.settings import Settings

Url = str | DatabaseUrl


@dataclass(frozen=True)
class Planned:
    """What planning gives.

    Attributes:
        plan: everything decided.
        draft: the drafted map and its evidence; None where a person's map was used.
        protection: under differential privacy, whose rows are whose and what is measured; None without it.
    """

    plan: Plan
    draft: Draft | None = field(default=None)
    protection: Prepared | None = field(default=None)


def introspect(url: Url) -> Schema:
    """Reads what a database declares; no user row is read.

    Raises:
        UnreachableError: no server answers.
        AuthenticationError: the server refuses the user, the password or the database.
        EmptySchemaError: there are no tables.
    """
    return open_database(url).introspect()


def draft(url: Url, report: Report = ignore) -> Draft:
    """Drafts a schema map of a source from its schema and some of its rows.

    Raises:
        PrivilegeError: a table may not be read.
    """
    database = open_database(url)
    schema = database.introspect()
    _refuse_errors(database.check_source(schema))
    with database.snapshot() as snapshot:
        return draft_map(snapshot, schema, report)


def make_plan(url: Url, settings: Settings | None = None) -> Planned:
    """Decides everything about a replica of a source.

    Raises:
        DriftError: the source does not match the schema map.
        PlanError: what was asked for does not fit the schema.
    """
    with _source(url, settings or Settings(), preview=True) as source:
        return _plan(source, settings or Settings(), ignore)


def learn(
    url: Url,
    settings: Settings | None = None,
    *,
    target_version: int | None = None,
    report: Report = ignore,
    planned: Callable[[Planned], None] | None = None,
) -> FittedReplica:
    """Learns a source; with a control in ``settings``, without some of its people, who are written to a private record.

    Args:
        url: the source.
        settings: the settings of the run.
        target_version: version of the server that the replica is for, as one number; the source's own if None.
        report: told how far the run is.
        planned: told what was decided, before anything is learned.

    Raises:
        PrivilegeError: a table may not be read.
        FitError: a table could not be learned.
        RecordError: the record cannot be written.
    """
    settings = settings or Settings()
    with _source(url, settings, report) as source, recorded(source.kept_out, settings):
        decided = _plan(source, settings, report)
        if planned is not None:
            planned(decided)
        ddl = source.snapshot.dump(target_version)
        learned = fit(source.snapshot, decided.plan, ddl, settings, report, source.guard)
    if source.kept_out is None:
        return learned
    # Exact numbers of rows are for those that may know them.
    rows = source.kept_out.rows if source.guard is None else {}
    return learned.apart_from(source.kept_out.record.id, rows)


def write(
    replica: FittedReplica,
    url: Url,
    settings: Settings | None = None,
    report: Report = ignore,
    *,
    accept: Callable[[DatabaseUrl], None] | None = None,
) -> LoadReport:
    """Makes rows out of what was learned and loads them into a target.

    Args:
        replica: what was learned.
        url: the target.
        settings: the settings of the run.
        report: told how far the run is.
        accept: looks at the finished database before it is published, and raises an error that stops that.

    Raises:
        TargetNotEmptyError: the target holds tables and may not be replaced.
        LoadError: the server refused something; the target is as it was.
        RecordError: the record in ``settings`` is of another fit.
    """
    settings = settings or Settings()
    settings = with_full_names(settings, replica.plan.schema)
    record = record_named(replica.control, settings.record) if replica.control else None
    target = open_database(url)
    _refuse_errors(target.check_target(replica.plan.schema, replace=settings.replace))
    loaded = load(replica, partial(sample, replica, settings), target, settings, report, accept=accept)
    if record is not None:
        remember(record, target, replica.plan.schema, settings.record)
    elif replica.control:
        loaded = replace(loaded, notes=(*loaded.notes, NO_RECORD))
    return loaded


def replicate(
    source: Url,
    target: Url,
    settings: Settings | None = None,
    report: Report = ignore,
    planned: Callable[[Planned], None] | None = None,
    *,
    accept: Callable[[EvaluationReport], None] | None = None,
) -> LoadReport:
    """Learns a source and writes a database like it; see :func:`learn` and :func:`write`.

    Args:
        source: the source.
        target: the target.
        settings: the settings of the run.
        report: told how far the run is.
        planned: told what was decided, before anything is learned.
        accept: told how alike both are before the target is published, and raises an error that stops that.

    Raises:
        SettingsError: there is nothing to be told of, since no row is to be read.
        SameDatabaseError: source and target are one database.
        PrivilegeError: nobody can look at the target before it is published, and ``accept`` is to.
        ReplicaError: any of the errors of the stages; the target is then as it was.
    """
    settings = settings or Settings()
    if accept is not None and settings.schema_only:
        raise SettingsError("with --schema-only nothing is learned that could be compared: leave --gate and -o out")
    if settings.map_path is not None:
        read_map(settings.map_path)  # A file that is no map is refused before any database is looked at.
    schema = open_database(source).introspect()
    into = open_database(target)
    refuse_same(open_database(source), into)
    wishes_of(schema, settings)  # Names that nobody knows are refused before anything is learned.
    _refuse_errors(into.check_target(schema, replace=settings.replace, preview=accept is not None))
    version = into.server_version()
    replica = learn(source, settings, target_version=version, report=report, planned=planned)

    def look(staged: DatabaseUrl) -> None:
        # The record does not know this replica yet; it is named, so that it is taken at our word.
        record = path_of(replica.control, settings.record) if replica.control else None
        if accept is not None:
            found = evaluate(source, staged, report, replace(settings, record=record))
            accept(replace(found, claim=replica.privacy))

    return write(replica, target, settings, report, accept=look if accept else None)


def check(source: Url, target: Url, settings: Settings | None = None) -> list[Finding]:
    """Looks for everything that would stop a run, and says which way it would go.

    Raises:
        UnreachableError: a server does not answer.
        AuthenticationError: a server refuses the user, the password or the source database.
    """
    settings = settings or Settings()
    from_, into = open_database(source), open_database(target)
    schema = from_.introspect()
    try:
        refuse_same(from_, into)
    except SameDatabaseError as error:
        # What the target holds is then no news, least of all that it may be replaced.
        return [Finding("error", "target", str(error), SameDatabaseError), *from_.check_source(schema)]
    # In the order in which a run looks.
    return [*into.check_target(schema, replace=settings.replace), *from_.check_source(schema)]


def evaluate(source: Url, target: Url, report: Report = ignore, settings: Settings | None = None) -> EvaluationReport:
    """Compares a replica with its source.

    References, owners and rules that the schema does not declare count too: those of the map in ``settings``, or
    without one those of a draft.

    Raises:
        SettingsError: the file with the user's queries holds something else.
        EvaluateError: the target does not have the source's tables and columns, or a query of the user's is wrong.
        RecordError: the record in ``settings`` is missing, or is of other databases.
    """
    # The original is looked at as it is, whatever it was learned under.
    settings = replace(settings or Settings(), control=None, subject=None, epsilon=None, public=(), links=())
    read_queries(settings.queries)  # What holds no queries is refused before any database is looked at.
    with _source(source, settings) as found:
        # Rules count whether or not a replica was made to keep them.
        decided = _plan(found, replace(settings, rules=True), report).plan
    return compare(open_database(source), open_database(target), decided, settings, report)


def describe(source: Url, target: Url, report: Report = ignore, settings: Settings | None = None) -> Portrait:
    """Looks at a replica alone, and at whether it keeps the constraints that its source declares.

    Nothing else is computed on rows of the source; what is taken for granted of columns is drafted from the replica.

    Raises:
        EvaluateError: the target does not have the source's tables and columns.
    """
    settings = replace(settings or Settings(), map_path=None, rules=False)
    database, into = open_database(source), open_database(target)
    constraints = check_constraints(database, into, database.introspect(), report)
    with _source(target, settings) as found:
        decided = _plan(found, settings, report).plan
    return portray(into, decided, constraints, settings, report)


def verify(source: Url, target: Url, report: Report = ignore, settings: Settings | None = None) -> ConstraintScores:
    """Looks only whether a replica has and keeps the constraints of its source, undeclared references among them.

    Raises:
        EvaluateError: the target does not have the source's tables and columns.
    """
    database = open_database(source)
    schema = _with_undeclared(database, settings or Settings())
    return check_constraints(database, open_database(target), schema, report)


def _with_undeclared(source: Database, settings: Settings) -> Schema:
    schema = source.introspect()
    if settings.map_path is not None:
        schema_map = read_map(settings.map_path)
        check_drift(schema, schema_map, str(settings.map_path))
        return with_references(schema, schema_map)
    with source.snapshot() as snapshot:
        return with_inferred(snapshot, schema)


def search_artifact(fitted: FittedReplica, source: Url) -> list[Searched]:
    """Looks in what was learned for texts of a source that fewer persons have than may.

    Raises:
        PrivilegeError: a table may not be read.
    """
    with open_database(source).snapshot() as snapshot:
        return search_for_source(fitted, snapshot)


def refuse_same(source: Database, target: Database) -> None:
    """Refuses to write a database over itself.

    Raises:
        SameDatabaseError: both addresses lead to one database.
    """
    if target.exists() and source.identity() == target.identity():
        raise SameDatabaseError("target and source are the same database: name another target")


@dataclass(frozen=True)
class _Source:
    """What is learned from, and what a user should know of it."""

    schema: Schema
    snapshot: Snapshot
    notes: tuple[str, ...] = ()
    kept_out: KeptOut | None = None
    prepared: Prepared | None = None
    guard: Guard | None = None


@contextmanager
def _source(url: Url, settings: Settings, report: Report = ignore, *, preview: bool = False) -> Iterator[_Source]:
    """Opens a source, without whom a control keeps out; rows that may not be looked at have others stand in for them.

    Those are imagined or, under differential privacy, a copy.
    """
    database = open_database(url)
    schema = database.introspect()
    _refuse_errors(database.check_source(schema))
    with database.snapshot() as snapshot:
        if settings.schema_only:
            yield _imagined(snapshot, schema, settings)
            return
        kept = keep_out(snapshot, schema, settings) if settings.control is not None else None
        found = _Source(schema, snapshot) if kept is None else _Source(schema, kept.view, kept.notes, kept)
        yield found if settings.epsilon is None else _protected(found, settings, report, preview=preview)


def _protected(source: _Source, settings: Settings, report: Report, *, preview: bool) -> _Source:
    """Prepares a source under differential privacy and, unless it is for a preview, measures and copies it."""
    schema_map = None
    if settings.map_path is not None:
        schema_map = read_map(settings.map_path)
        check_drift(source.schema, schema_map, str(settings.map_path))
    prepared = prepare(source.snapshot, source.schema, settings, schema_map, preview=preview)
    notes = (*source.notes, *prepared.notes)
    if preview:
        return replace(source, schema=prepared.schema, notes=notes, prepared=prepared)
    prepared, copy, guard = protect(source.snapshot, prepared, settings, report)
    schema = with_sizes(prepared.schema, copy.rows)
    return replace(source, schema=schema, snapshot=copy, notes=notes, prepared=prepared, guard=guard)


def _imagined(snapshot: Snapshot, schema: Schema, settings: Settings) -> _Source:
    """Imagines a source; references that nobody declared are those of the map, or those that names alone suggest."""
    settings = with_full_names(settings, schema)
    if settings.map_path is None:
        inferred = infer_undeclared(schema, {}, None).apart_from(schema)
        found = imagine_source(snapshot, inferred.added_to(schema), settings)
        return _Source(found.schema, found.snapshot, found.notes)
    schema_map = read_map(settings.map_path)
    check_drift(schema, schema_map, str(settings.map_path))
    found = imagine_source(snapshot, with_references(schema, schema_map), settings, schema_map)
    # Planning adds the references of the map itself.
    return _Source(with_sizes(schema, found.snapshot.rows), found.snapshot, found.notes)


def _plan(source: _Source, settings: Settings, report: Report) -> Planned:
    if settings.schema_only:
        # Imagined values are nobody's, so all of them may be kept, and there is little to learn of them.
        settings = replace(settings, min_holders=1, generator="marginal")
    if source.prepared is not None:
        found = plan(source.schema, source.prepared.schema_map, settings_under_protection(settings))
        return Planned(_noted(found, source), source.prepared.draft, source.prepared)
    if settings.map_path is not None:
        schema_map: SchemaMap = read_map(settings.map_path)
        check_drift(source.schema, schema_map, str(settings.map_path))
        return Planned(_noted(plan(source.schema, schema_map, settings), source))
    drafted = draft_map(
        source.snapshot,
        source.schema,
        report,
        # Rows that were imagined say nothing of references and rules.
        references=not settings.schema_only,
        rules=settings.rules and not settings.schema_only,
        min_holders=settings.min_holders,
    )
    return Planned(_noted(plan(source.schema, drafted.schema_map, settings), source), drafted)


def _noted(decided: Plan, source: _Source) -> Plan:
    return replace(decided, notes=(*source.notes, *decided.notes))


def _refuse_errors(findings: list[Finding]) -> None:
    """Turns the first error of a preflight into an exception."""
    errors = [finding for finding in findings if finding.status == "error"]
    if not errors:
        return
    first, more = errors[0], f" (and {len(errors) - 1} more: see `replica check`)" if len(errors) > 1 else ""
    raise first.raises(f"{first.subject}: {first.message}{more}")
