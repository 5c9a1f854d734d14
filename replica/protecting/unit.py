"""Whose rows are whose: the subjects, the path from every private table to them, and what is public."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from replica.errors import UnprotectedError
from replica.schema.model import ForeignKey, Schema, Table, column_list
from replica.schema.schema_map import Role, SchemaMap, TableMap

_OWN_ROWS = ("table", "partitioned")


@dataclass(frozen=True)
class Unit:
    """Who is protected.

    Neighbouring databases differ by one row of the subject table and all rows whose path ends in it.

    Attributes:
        subject: id of the subject table.
        owners: the reference through which the rows of each other private table belong to a subject.
        public: ids of the tables that are declared public.
        notes: what is not covered, a line each.
    """

    subject: str
    owners: Mapping[str, ForeignKey]
    public: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def private(self) -> tuple[str, ...]:
        """Ids of the private tables, each after its owner."""
        found = [self.subject]
        left = dict(self.owners)
        while left:
            layer = [name for name, key in left.items() if key.parent in found]
            found += layer
            left = {name: key for name, key in left.items() if name not in layer}
        return tuple(found)

    def path(self, table: str) -> tuple[ForeignKey, ...]:
        """Returns the references that lead from a private table to its subject; none for the subject table."""
        steps: list[ForeignKey] = []
        while table != self.subject:
            steps.append(self.owners[table])
            table = self.owners[table].parent
        return tuple(steps)

    @property
    def paths(self) -> dict[str, str]:
        """The paths in words, by private table."""
        return {name: " → ".join([name, *(_step(key) for key in self.path(name))]) for name in self.private}


def _step(key: ForeignKey) -> str:
    return f"{key.parent} by {column_list(key.columns)}"


@dataclass(frozen=True)
class Declared:
    """What the user says of a source.

    Attributes:
        subject: the subject table; None to take the one that the map calls so.
        public: names of public tables, or patterns of names such as ``ref.*``.
        by_map: True where the map is a person's own, so that its roles are declarations and not guesses.
    """

    subject: str | None
    public: tuple[str, ...]
    by_map: bool


def find_unit(schema: Schema, schema_map: SchemaMap, declared: Declared) -> Unit:
    """Decides whose rows are whose, and refuses a source of which that is not plain.

    Args:
        schema: the schema, with the references that the map adds.
        schema_map: a person's map, or a draft made without looking at private rows.
        declared: what the user says.

    Raises:
        UnprotectedError: there is no one subject table, or a table neither belongs to a subject nor is public.
    """
    subject = _subject(schema, schema_map, declared.subject)
    taking_part = {table.id: table for table in schema.tables if _takes_part(table, schema_map.tables[table.id])}
    public = {name for name in taking_part if name != subject and _is_public(name, schema_map, declared)}
    below = _below(subject, [t for name, t in taking_part.items() if name not in public])
    notes: list[str] = []
    owners, unclear = {}, []
    for name in sorted(set(taking_part) - public - {subject}):
        candidates = [key for key in taking_part[name].foreign_keys if not key.is_self and key.parent in below]
        chosen = _chosen(candidates, schema_map.tables[name])
        if chosen is None:
            unclear.append(_how_to_declare(name, candidates, subject))
            continue
        owners[name] = chosen
        notes += _not_covered(taking_part[name], chosen, candidates, subject)
    if unclear:
        raise UnprotectedError(
            f"it is not plain whose rows some tables hold, so nothing is read: {'; '.join(unclear)}. Tables"
            " about nobody are declared by --public NAME, which takes patterns such as 'ref.*', or by a role in the map"
        )
    return Unit(subject, owners, tuple(sorted(public)), tuple(notes))


def _subject(schema: Schema, schema_map: SchemaMap, wanted: str | None) -> str:
    if wanted is not None:
        found = [name for name in schema.by_id if name == wanted or schema.by_id[name].name == wanted]
        if len(found) != 1:
            raise UnprotectedError(f"--subject {wanted}: there is no such table, or more than one: write SCHEMA.TABLE")
        return found[0]
    found = [name for name, table in schema_map.tables.items() if table.role == "subject"]
    if len(found) != 1:
        raise UnprotectedError("no table is known to hold the persons to be protected: name it by --subject TABLE")
    return found[0]


def _takes_part(table: Table, table_map: TableMap) -> bool:
    return table.kind in _OWN_ROWS and table_map.role != "skip"


def _is_public(name: str, schema_map: SchemaMap, declared: Declared) -> bool:
    if any(fnmatchcase(name, pattern) or name.rsplit(".", maxsplit=1)[-1] == pattern for pattern in declared.public):
        return True
    return declared.by_map and schema_map.tables[name].role in ("public", "lookup")


def _below(subject: str, tables: list[Table]) -> set[str]:
    """The subject table and all private tables from which references lead to it."""
    found = {subject}
    while True:
        more = {table.id for table in tables if any(key.parent in found for key in table.foreign_keys)} - found
        if not more:
            return found
        found |= more


def _chosen(candidates: list[ForeignKey], table_map: TableMap) -> ForeignKey | None:
    """The owner that the map names; without one, the only reference there is."""
    for key in candidates:
        if table_map.owner and set(key.columns) == set(table_map.owner):
            return key
    return candidates[0] if len(candidates) == 1 else None


def _how_to_declare(name: str, candidates: list[ForeignKey], subject: str) -> str:
    if not candidates:
        return f"{name} leads to no row of {subject} (--public {name})"
    owners = " or ".join(f"owner: [{', '.join(key.columns)}]" for key in candidates)
    return f"{name} leads to {subject} in several ways (in the map: {owners}; or --public {name})"


def _not_covered(table: Table, owner: ForeignKey, candidates: list[ForeignKey], subject: str) -> list[str]:
    notes = [
        f"{table.id} belongs to {subject} through {column_list(owner.columns)} alone: being named by"
        f" {column_list(key.columns)} is not covered"
        for key in candidates
        if key != owner
    ]
    if any(table.by_name[column].nullable for column in owner.columns):
        notes.append(f"rows of {table.id} without {column_list(owner.columns)} belong to nobody and are left out")
    return notes


def with_unit(schema_map: SchemaMap, unit: Unit, schema: Schema) -> SchemaMap:
    """Returns a map in which roles and owners are those of the unit.

    A subject has no owner, and neither have public rows that would stand under private ones: what they have in common
    would tell of several subjects at once.
    """
    tables = dict(schema_map.tables)
    for name in unit.private:
        owner = unit.owners[name].columns if name != unit.subject else None
        order = tables[name].order if owner else None
        tables[name] = replace(tables[name], role="private" if owner else "subject", owner=owner, order=order)
    for name in unit.public:
        role: Role = "lookup" if tables[name].role == "lookup" else "public"
        owned = set(tables[name].owner or ())
        below = any(key.parent in unit.private and set(key.columns) == owned for key in schema.by_id[name].foreign_keys)
        tables[name] = replace(
            tables[name],
            role=role,
            owner=None if below else tables[name].owner,
            order=None if below else tables[name].order,
        )
    return replace(schema_map, tables=tables)
