"""Drafting a schema map: guessing, from the schema and some rows, what a person would have to write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from replica.databases.base import Snapshot
from replica.inference.columns import TableGuess, guess_column, guess_locale_column, is_structural
from replica.inference.locale import guess_home
from replica.inference.ordering import Ordering, guess_ordering
from replica.inference.personal import STRONG
from replica.inference.roles import Roles, guess_roles
from replica.inference.rules import Found, discover_rules
from replica.inference.sampling import TableSample, sample_table
from replica.inference.searching import with_search_vectors
from replica.inference.undeclared import Undeclared, infer_undeclared
from replica.kinds.personal import IDENTIFYING
from replica.progress import Progress, Report, ignore
from replica.schema.model import Schema, Table
from replica.schema.schema_map import LOCALE, ColumnMap, Comments, Role, SchemaMap, TableMap, rule_key


@dataclass(frozen=True)
class Draft:
    """A drafted map and the evidence for its guesses.

    Attributes:
        schema_map: the map.
        comments: why each thing was guessed.
        personal: the columns that are guessed to hold personal data, by table.
    """

    schema_map: SchemaMap
    comments: Comments
    personal: dict[str, tuple[str, ...]] = field(default_factory=dict)


def draft_map(
    snapshot: Snapshot,
    schema: Schema,
    report: Report = ignore,
    *,
    references: bool = True,
    rules: bool = True,
    min_holders: int = 10,
) -> Draft:
    """Drafts a map of a source from its schema and some rows of every table.

    Args:
        snapshot: a view of the source.
        schema: what it declares.
        report: told of every table that is looked at.
        references: whether to look for references that the schema does not declare.
        rules: whether to look for rules that the rows keep although the schema does not declare them.
        min_holders: least number of persons behind a value that a rule may name.

    Raises:
        PrivilegeError: a table may not be read.
    """
    samples = _samples(snapshot, schema, report)
    comments: dict[tuple[str, str | None], str] = {}
    undeclared = infer_undeclared(schema, samples, snapshot) if references else Undeclared((), ())
    schema = undeclared.added_to(schema) if references else schema
    samples = {name: replace(sample, table=schema.by_id[name]) for name, sample in samples.items()}
    roles = guess_roles(schema, samples)
    tables: dict[str, TableMap] = {}
    for table in schema.tables:
        tables[table.id] = undeclared.written_to(
            _draft_table(table, schema, samples.get(table.id), roles, comments), table
        )
        if table.id in samples:
            tables[table.id], reasons = with_search_vectors(tables[table.id], samples[table.id], snapshot.evaluate)
            comments |= reasons
    comments |= undeclared.comments
    locale, comments[LOCALE] = guess_home(tables, samples)
    if rules:
        discovered = discover_rules(snapshot, schema, tables, samples, min_holders, report)
        tables = _with_rules(tables, discovered)
        comments |= {rule_key(one.table, one.rule): one.comment for one in discovered}
    personal = {
        name: tuple(column for column, found in table.columns.items() if is_personal(found.kind))
        for name, table in tables.items()
    }
    return Draft(
        SchemaMap(locale=locale, tables=tables), comments, {name: found for name, found in personal.items() if found}
    )


def _with_rules(tables: Mapping[str, TableMap], found: list[Found]) -> dict[str, TableMap]:
    by_table = {name: tuple(one.rule for one in found if one.table == name) for name in tables}
    return {name: replace(table, rules=by_table[name]) for name, table in tables.items()}


def with_inferred(snapshot: Snapshot, schema: Schema) -> Schema:
    """Returns a schema with the references that a draft would add to it.

    Raises:
        PrivilegeError: a table may not be read.
    """
    return infer_undeclared(schema, _samples(snapshot, schema, ignore), snapshot).added_to(schema)


def guess_people(snapshot: Snapshot, schema: Schema) -> tuple[Schema, Mapping[str, Role]]:
    """Returns a schema with the references that a draft would add to it, and the roles that it would give its tables.

    Raises:
        PrivilegeError: a table may not be read.
    """
    samples = _samples(snapshot, schema, ignore)
    schema = infer_undeclared(schema, samples, snapshot).added_to(schema)
    samples = {name: replace(sample, table=schema.by_id[name]) for name, sample in samples.items()}
    return schema, guess_roles(schema, samples).roles


def _samples(snapshot: Snapshot, schema: Schema, report: Report) -> dict[str, TableSample]:
    samples = {}
    own = [table for table in schema.tables if has_own_rows(table)]
    for i, table in enumerate(own):
        report(Progress("draft", table.id, i, len(own), "tables"))
        samples[table.id] = sample_table(snapshot, table)
    return samples


def has_own_rows(table: Table) -> bool:
    """Returns True for tables that are read and filled themselves: not through a partitioned root, not elsewhere."""
    return table.kind in ("table", "partitioned")


def is_personal(kind: str) -> bool:
    """Returns True for kinds that stand for personal data or credentials."""
    return kind in IDENTIFYING or kind in STRONG or kind == "credential"


def _draft_table(
    table: Table,
    schema: Schema,
    sample: TableSample | None,
    roles: Roles,
    comments: dict[tuple[str, str | None], str],
) -> TableMap:
    role = roles.roles[table.id]
    comments[table.id, None] = roles.reasons[table.id]
    if sample is None:
        return TableMap(
            role=role,
            columns={
                c.name: ColumnMap(kind="generated" if c.generated else "opaque", type=c.type.name)
                for c in table.columns
            },
        )
    owner = roles.owners.get(table.id)
    learned = [c.name for c in table.columns if not is_structural(sample, c) and not _is_length(sample, c.name)]
    ordering = guess_ordering(sample, owner, learned) if role != "lookup" else Ordering(None, {}, {}, {}, {}, {})
    guess = TableGuess(sample, role, ordering)
    columns: dict[str, ColumnMap] = {}
    for column in table.columns:
        columns[column.name], why = guess_column(guess, column, schema)
        if why:
            comments[table.id, column.name] = why
    if owner is not None:
        comments[table.id, None] += f"; owner: {roles.owner_reasons[table.id]}"
    personal = any(is_personal(found.kind) for found in columns.values())
    return TableMap(
        role=role,
        owner=owner.columns if owner else None,
        order=ordering.order,
        locale=guess_locale_column(table) if personal else None,
        columns=columns,
    )


def _is_length(sample: TableSample, name: str) -> bool:
    """True for a column of which only the length was read."""
    family = sample.table.by_name[name].type.family
    return family in ("bytes", "text") and str(sample.data.schema.field(name).type) == "int64"
