"""Before anything is measured: a map and a plan that no private row has a part in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from replica.databases.base import Snapshot
from replica.imagining.snapshot import ImaginedSnapshot, imagine_source
from replica.inference import Draft, draft_map
from replica.learning.source_rows import read_source
from replica.plan import plan
from replica.planning.decisions import Plan
from replica.planning.undeclared import with_references
from replica.privacy.budget import budget_of
from replica.privacy.meter import Meter
from replica.progress import Progress, Report
from replica.protecting.columns import Values
from replica.protecting.contributions import rows_of_subjects
from replica.protecting.copy import CopySnapshot, Findings, Pattern, make_copy
from replica.protecting.fitting import Guard, without_sampling
from replica.protecting.measuring import Protection, columns_to_measure, measure
from replica.protecting.unit import Declared, Unit, find_unit, with_unit
from replica.schema.model import Schema
from replica.schema.rules import Dependency
from replica.schema.schema_map import SchemaMap
from replica.settings import Settings

SWITCHED_OFF = (
    "switched off under differential privacy: what the rows of one owner have in common (family codes), clusters of"
    " private rows that others point to, looking for references and rules, and learning which value follows from which"
)


@dataclass(frozen=True)
class Prepared:
    """What is known before a private row is read.

    Attributes:
        schema: the schema, without what the server counted.
        schema_map: roles, owners and kinds.
        unit: whose rows are whose.
        plan: what was decided so far.
        draft: the drafted map and why; None where a person wrote it.
        notes: what a user should know, a line each.
    """

    schema: Schema
    schema_map: SchemaMap
    unit: Unit
    plan: Plan
    draft: Draft | None
    notes: tuple[str, ...]


def without_counts(schema: Schema) -> Schema:
    """Returns a schema without the numbers of rows and bytes that a server keeps, which tell of the rows."""
    return replace(schema, tables=tuple(replace(table, row_estimate=0, bytes=0) for table in schema.tables))


def prepare(
    real: Snapshot, schema: Schema, settings: Settings, schema_map: SchemaMap | None, *, preview: bool = False
) -> Prepared:
    """Decides whose rows are whose and what will be measured; private rows are not read.

    Args:
        real: the source.
        schema: what it declares.
        settings: the settings of the run.
        schema_map: a person's map; None to draft one from names and types, and from the rows of public tables.
        preview: whether to leave public rows unread as well.

    Raises:
        UnprotectedError: it is not plain whose rows are whose.
    """
    schema = without_counts(schema)
    draft = None
    declared = Declared(settings.subject, settings.public, by_map=schema_map is not None, links=settings.links)
    if schema_map is not None:
        unit = find_unit(with_references(schema, schema_map), schema_map, declared)
    else:
        imagined = imagine_source(real, schema, Settings(schema_only=True, seed=settings.seed)).snapshot
        draft = _drafted(imagined, schema)
        unit = find_unit(schema, draft.schema_map, declared)
        if not preview:
            known = CopySnapshot(real, imagined.frames, imagined.rows, unit.public, settings.seed)
            draft = _drafted(known, schema)
            unit = find_unit(schema, draft.schema_map, declared)
        schema_map = draft.schema_map
    schema_map = with_unit(_without_dependencies(schema_map, unit), unit, with_references(schema, schema_map))
    if draft is not None:
        draft = replace(draft, schema_map=schema_map)
    decided = plan(schema, schema_map, settings_under_protection(settings))
    return Prepared(schema, schema_map, unit, decided, draft, (*unit.notes, SWITCHED_OFF))


def _drafted(snapshot: ImaginedSnapshot, schema: Schema) -> Draft:
    return draft_map(snapshot, schema, references=False, rules=False, min_holders=1)


def _without_dependencies(schema_map: SchemaMap, unit: Unit) -> SchemaMap:
    """What follows from what would have to be read off the rows."""
    tables = {
        name: replace(table, rules=tuple(rule for rule in table.rules if not isinstance(rule, Dependency)))
        if name in unit.private
        else table
        for name, table in schema_map.tables.items()
    }
    return replace(schema_map, tables=tables)


def settings_under_protection(settings: Settings) -> Settings:
    """Values of a copy are nobody's, so all may be kept that are there twice; of single ones only the form is."""
    return replace(settings, min_holders=2)


def protect(
    real: Snapshot, prepared: Prepared, settings: Settings, report: Report
) -> tuple[Prepared, CopySnapshot, Guard]:
    """Measures a source and makes a copy of it.

    Args:
        real: the source.
        prepared: what was decided before.
        settings: the settings of the run.
        report: told how far it is.

    Returns:
        What is known now, the copy that everything else is learned from, and what fits the models of private tables.

    Raises:
        BudgetError: delta is too large for so few subjects.
        PrivilegeError: a table may not be read.
    """
    assert settings.epsilon is not None  # noqa: S101 - nothing is protected without
    unit = prepared.unit
    protection = Protection(unit, budget_of(settings.epsilon, settings.delta), Meter())
    report(Progress("measure"))
    # How many rows are read is nobody's business: nothing of it is reported.
    sources = read_source(real, prepared.plan, without_sampling(settings), columns=columns_to_measure)
    findings = measure(prepared.plan, protection, rows_of_subjects(unit, sources))
    pattern = Pattern(real, prepared.plan.schema, prepared.schema_map, unit, prepared.plan, settings.seed)
    known = replace(prepared, schema_map=_with_values(prepared.schema_map, findings))
    if known.draft is not None:
        known = replace(known, draft=replace(known.draft, schema_map=known.schema_map))
    return (
        known,
        make_copy(pattern, findings),
        Guard(real, protection, findings.subjects, findings.bounds, prepared.notes),
    )


def _with_values(schema_map: SchemaMap, findings: Findings) -> SchemaMap:
    """Texts of which values were found are categories; those of which none was are made up."""
    tables = dict(schema_map.tables)
    for (table, column), found in findings.columns.items():
        if isinstance(found, Values):
            columns = dict(tables[table].columns)
            columns[column] = replace(columns[column], kind="category")
            tables[table] = replace(tables[table], columns=columns)
    return replace(schema_map, tables=tables)
