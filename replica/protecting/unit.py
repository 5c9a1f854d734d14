"""Whose rows are whose: the subjects, the path from every private table to them, and what is public."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property

from replica.errors import UnprotectedError
from replica.schema.model import ForeignKey, Schema, Table, column_list
from replica.schema.schema_map import Role, SchemaMap, TableMap

_OWN_ROWS = ("table", "partitioned")


@dataclass(frozen=True)
class Unit:
    """Who is protected.

    Neighbouring databases differ by one row of the subject table, all rows whose path ends in it, and all rows of link
    tables that link others to one of these.

    Attributes:
        subject: id of the subject table.
        owners: the reference through which the rows of a private table belong to a subject.
        links: for private tables from which no reference leads to a subject, the reference of the link table that leads
            to them. A row belongs to whom the first row that links it belongs to.
        public: ids of the tables that are declared public.
        notes: what is not covered, a line each.
    """

    subject: str
    owners: Mapping[str, ForeignKey]
    public: tuple[str, ...]
    notes: tuple[str, ...] = ()
    links: Mapping[str, ForeignKey] = field(default_factory=dict)

    @cached_property
    def above(self) -> dict[str, str]:
        """The table that each private table's path leads to next."""
        return {name: key.parent for name, key in self.owners.items()} | {n: key.child for n, key in self.links.items()}

    @cached_property
    def private(self) -> tuple[str, ...]:
        """Ids of the private tables, each behind the one above it; without those whose path leads in a circle."""
        found = [self.subject]
        for name in found:
            found += [other for other, above in self.above.items() if above == name]
        return tuple(found)

    @property
    def paths(self) -> dict[str, str]:
        """The paths in words, by private table."""
        words = {self.subject: self.subject}
        for name in self.private[1:]:
            key = self.owners.get(name)
            step = f"by {column_list(key.columns)}" if key else f"linked by {column_list(self.links[name].columns)}"
            above = words[self.above[name]]
            # The step stands behind the table that it leads to.
            first, arrow, rest = above.partition(" → ")
            words[name] = f"{name} → {first} {step}{arrow}{rest}"
        return words


@dataclass(frozen=True)
class Declared:
    """What the user says of a source.

    Attributes:
        subject: the subject table; None to take the one that the map calls so.
        public: names of public tables, or patterns of names such as ``ref.*``.
        links: names of link tables.
        by_map: True where the map is a person's own, so that its roles are declarations and not guesses.
    """

    subject: str | None
    public: tuple[str, ...]
    by_map: bool
    links: tuple[str, ...] = ()


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
    private = {name: table for name, table in taking_part.items() if name not in public}
    links = _links(subject, private, schema_map, declared)
    below = _below(subject, private.values(), links)
    notes: list[str] = []
    owners, unclear = {}, []
    for name in sorted(set(private) - {subject} - set(links)):
        keys = [key for key in private[name].foreign_keys if not key.is_self and key not in links.values()]
        candidates = [key for key in keys if key.parent in below]
        chosen = _chosen(candidates, schema_map.tables[name])
        if chosen is None:
            linking = sorted({key.child for key in schema.referencing(name) if key.child in below - {subject, name}})
            unclear.append(_how_to_declare(name, candidates, subject, linking))
            continue
        owners[name] = chosen
        notes += _not_covered(private[name], chosen, candidates, subject)
    notes += [_shared(key) for key in links.values()]
    unit = Unit(subject, owners, tuple(sorted(public)), tuple(notes), links)
    circling = sorted(set(private) - set(unit.private) - {name for name in private if name not in unit.above})
    unclear += [f"the path of {name} leads in a circle" for name in circling]
    if unclear:
        raise UnprotectedError(
            f"it is not plain whose rows some tables hold, so nothing is read: {'; '.join(unclear)}. Tables"
            " about nobody are declared by --public NAME, which takes patterns such as 'ref.*', or by a role in the map"
        )
    return unit


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


def _links(
    subject: str, private: Mapping[str, Table], schema_map: SchemaMap, declared: Declared
) -> dict[str, ForeignKey]:
    """The references of link tables, by the table that they lead to.

    Only tables from which nothing leads to a subject need a link.

    Raises:
        UnprotectedError: two link tables lead to one table, or what is called a link table links nothing.
    """
    by_itself = _below(subject, private.values(), {})
    found: dict[str, ForeignKey] = {}
    for name in sorted(by_itself - {subject}):
        columns = set(schema_map.tables[name].link or ())
        named = name in declared.links or private[name].name in declared.links
        keys = [
            key
            for key in private[name].foreign_keys
            if (named or (columns and set(key.columns) == columns)) and key.parent in set(private) - by_itself
        ]
        if (named or columns) and not keys:
            raise UnprotectedError(f"{name} links no rows of a private table to {subject}: it is no link table")
        for key in keys:
            if key.parent in found:
                raise UnprotectedError(
                    f"{found[key.parent].child} by {column_list(found[key.parent].columns)} and {name} by"
                    f" {column_list(key.columns)} both link {key.parent} to {subject}: name one reference by link: in"
                    " the map"
                )
            found[key.parent] = key
    known = {name for key in found.values() for name in (key.child, private[key.child].name)}
    if unknown := sorted(set(declared.links) - known):
        raise UnprotectedError(f"--link {unknown[0]}: there is no such table whose rows belong to {subject}")
    return found


def _below(subject: str, tables: Iterable[Table], links: Mapping[str, ForeignKey]) -> set[str]:
    """The subject table and all private tables from which references, or links to them, lead to it."""
    tables, found = list(tables), {subject}
    while True:
        more = {table.id for table in tables if any(key.parent in found for key in table.foreign_keys)}
        more |= {name for name, key in links.items() if key.child in found}
        more -= found
        if not more:
            return found
        found |= more


def _chosen(candidates: list[ForeignKey], table_map: TableMap) -> ForeignKey | None:
    """The owner that the map names; without one, the only reference there is."""
    for key in candidates:
        if table_map.owner and set(key.columns) == set(table_map.owner):
            return key
    return candidates[0] if len(candidates) == 1 else None


def _how_to_declare(name: str, candidates: list[ForeignKey], subject: str, linking: list[str]) -> str:
    if not candidates:
        links = "".join(f", or --link {other} if each row is of one who has it there" for other in linking)
        return f"{name} leads to no row of {subject} (--public {name}{links})"
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


def _shared(key: ForeignKey) -> str:
    return (
        f"a row of {key.parent} belongs to whom the first row of {key.child} that links it belongs to; rows that link"
        " it to others are left out, and so is a row that nothing links"
    )


def with_unit(schema_map: SchemaMap, unit: Unit, schema: Schema) -> SchemaMap:
    """Returns a map in which roles and owners are those of the unit.

    A subject has no owner, and neither have public rows that would stand under private ones: what they have in common
    would tell of several subjects at once.
    """
    tables = dict(schema_map.tables)
    for name in unit.private:
        owner = unit.owners[name].columns if name in unit.owners else None
        order = tables[name].order if owner else None
        role: Role = "subject" if name == unit.subject else "private"
        tables[name] = replace(tables[name], role=role, owner=owner, order=order)
    for name in unit.public:
        role = "lookup" if tables[name].role == "lookup" else "public"
        owned = set(tables[name].owner or ())
        below = any(key.parent in unit.private and set(key.columns) == owned for key in schema.by_id[name].foreign_keys)
        tables[name] = replace(
            tables[name],
            role=role,
            owner=None if below else tables[name].owner,
            order=None if below else tables[name].order,
        )
    return replace(schema_map, tables=tables)
