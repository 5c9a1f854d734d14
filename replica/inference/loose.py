"""References that no foreign key could declare: polymorphic pairs, and keys inside arrays and JSON documents."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import inflection
import pyarrow as pa

from replica.databases.base import Snapshot
from replica.inference.candidates import ADOPTED, PROPOSED, KeyNames
from replica.inference.naming import name_of_column, name_of_table, words_in
from replica.inference.references import KEYS_LOOKED_UP, shown
from replica.inference.sampling import TableSample
from replica.schema.model import Column, LooseReference, Schema, SqlType, Table
from replica.schema.schema_map import InsideMap, PolymorphicMap

_TYPE_WORDS = frozenset({"type", "class", "kind", "model", "table"})
_MOST_TYPES = 60
_COVERED = 0.9
_NEARLY = 0.99
_SURE = 0.75
_DOCUMENTS = 500
_FEWEST_DOCUMENTS = 3
_DEPTH = 4
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_TYPES = {
    "integer": SqlType("bigint", "int8", "integer"),
    "uuid": SqlType("uuid", "uuid", "uuid"),
    "text": SqlType("text", "text", "text"),
}


@dataclass(frozen=True, slots=True)
class LooseProposal:
    """A polymorphic pair, or a place of keys inside values, that is proposed.

    Attributes:
        table: id of the table that has it.
        found: what the schema map would say of it.
        evidence: what speaks for it.
        adopted: True where that is enough to make the replica keep it.
    """

    table: str
    found: PolymorphicMap | InsideMap
    evidence: str
    adopted: bool


# Polymorphic pairs


def polymorphic_pairs(table: Table) -> list[tuple[str, str]]:
    """Returns the pairs of columns that look polymorphic: one ends with ``type``, the other with ``id``."""
    ids = {
        name_of_column(c.name).words: c.name
        for c in table.columns
        if name_of_column(c.name).has_key and c.type.family in ("integer", "uuid", "text")
    }
    found = []
    for column in table.columns:
        words = words_in(column.name)
        is_type = len(words) > 1 and words[-1] in _TYPE_WORDS and column.type.family in ("text", "enum")
        if is_type and words[:-1] in ids and {column.name, ids[words[:-1]]}.isdisjoint(table.reference_columns):
            found.append((column.name, ids[words[:-1]]))
    return found


def infer_polymorphic(
    schema: Schema, samples: Mapping[str, TableSample], snapshot: Snapshot | None
) -> Iterator[LooseProposal]:
    """Infers polymorphic pairs: which table each value of the type stands for, checked by the keys beside it.

    Raises:
        PrivilegeError: a table may not be read.
    """
    for table in schema.tables:
        for type_column, id_column in polymorphic_pairs(table) if table.id in samples else ():
            values = _types_of(samples[table.id], type_column)
            if values and snapshot is not None:
                yield _polymorphic(schema, table, (type_column, id_column), values, snapshot)
            elif not values:
                found = PolymorphicMap(type_column, id_column, {})
                yield LooseProposal(
                    table.id, found, "its names look polymorphic; there are no rows to say which", False
                )


def _types_of(sample: TableSample, name: str) -> Counter[str]:
    counts = Counter(sample.texts(name)) if pa.types.is_string(sample.column(name).type) else Counter[str]()
    return counts if len(counts) <= _MOST_TYPES else Counter()


def _polymorphic(
    schema: Schema, table: Table, pair: tuple[str, str], values: Counter[str], snapshot: Snapshot
) -> LooseProposal:
    parents: dict[str, str] = {}
    said = []
    for value in values:
        for parent in tables_of_type(value, schema):
            key = parent.primary_key
            if key is None or len(key.columns) != 1:
                continue
            loose = LooseReference(table.id, pair[1], parent.id, key.columns[0], when=(pair[0], value))
            found = snapshot.inclusion(table, loose, parent, KEYS_LOOKED_UP)
            if found.values and found.share >= _NEARLY:
                parents[value] = parent.id
                said.append(f"{value}: {shown(found, parent)}")
                break
    share = sum(values[value] for value in parents) / sum(values.values())
    evidence = "; ".join(said) or "no table has the keys that its types name"
    adopted = bool(parents) and share >= _COVERED
    return LooseProposal(table.id, PolymorphicMap(pair[0], pair[1], parents), evidence, adopted)


def tables_of_type(value: str, schema: Schema) -> list[Table]:
    r"""Returns the tables that a type may stand for, the likeliest first.

    ``Namespaces::Group`` may be ``namespaces_groups``, ``groups``, or, where one table holds all classes of a module,
    ``namespaces``; ``App\Models\Post`` is ``posts``; ``public.post`` and ``posts`` are what they say.
    """
    parts = [inflection.underscore(part) for part in re.split(r"::|\\|/|\.", value) if part]
    wanted = ["_".join(parts), parts[-1], *(parts[:-1][::-1])] if parts else []
    tables = [table for table in schema.tables if table.kind in ("table", "partitioned")]
    found: list[Table] = []
    for name in dict.fromkeys(wanted):
        words = name_of_table(name).glued
        found += [table for table in tables if name_of_table(table.name).glued == words and table not in found]
    return found


# Keys inside values


def infer_inside(
    schema: Schema, samples: Mapping[str, TableSample], snapshot: Snapshot | None
) -> Iterator[LooseProposal]:
    """Infers keys inside arrays and JSON documents by the names of columns and members, checked in the source.

    Raises:
        PrivilegeError: a table may not be read.
    """
    names = KeyNames(schema)
    for table in schema.tables:
        for column in table.columns if table.id in samples else ():
            for path, part in _parts(column, samples[table.id]):
                proposal = _inside(schema, names, (table, column, path, part), snapshot)
                if proposal is not None:
                    yield proposal


def _parts(column: Column, sample: TableSample) -> Iterator[tuple[tuple[str, ...], Column]]:
    """Places inside a column that could hold keys, each as if it were a column of its own."""
    if column.generated is not None:
        return
    element = column.type.element
    if column.type.family == "array" and element is not None and element.family in _TYPES:
        yield ("*",), Column(column.name, element)
    elif column.type.family == "json":
        yield from _members(sample.texts(column.name)[:_DOCUMENTS])


def _members(texts: list[str]) -> Iterator[tuple[tuple[str, ...], Column]]:
    """Members of documents that always hold whole numbers, UUIDs or texts, and whose names end as those of keys do."""
    seen: dict[tuple[str, ...], set[str]] = {}
    counts: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        for path, value in _leaves(json.loads(text), ()):
            seen.setdefault(path, set()).add(_type_of(value))
            counts[path] += 1
    for path, types in sorted(seen.items()):
        name = "_".join(part for part in path if part != "*")
        last = [part for part in path if part != "*"][-1:]
        if len(types) == 1 and types <= set(_TYPES) and counts[path] >= _FEWEST_DOCUMENTS and last:
            alone = name_of_column(last[0])
            # ``{"user": {"id": 7}}`` says user_id, ``{"event": {"user_id": 7}}`` says it too.
            short = last[0] if alone.has_key else name
            if name_of_column(short).has_key:
                yield path, Column(short, _TYPES[next(iter(types))])


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if len(path) > _DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, (*path, "*"))
    elif value is not None:
        yield path, value


def _type_of(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return "other"
    if isinstance(value, int):
        return "integer"
    return "uuid" if _UUID.fullmatch(value) else "text"


def _inside(
    schema: Schema,
    names: KeyNames,
    place: tuple[Table, Column, tuple[str, ...], Column],
    snapshot: Snapshot | None,
) -> LooseProposal | None:
    table, column, path, part = place
    for candidate in names.of_part(table, part):
        key = candidate.key
        parent = schema.by_id[key.parent]
        primary = parent.primary_key
        if primary is None or primary.columns != key.parent_columns or candidate.score < PROPOSED:
            continue
        loose = LooseReference(table.id, column.name, parent.id, key.parent_columns[0], path=path)
        inside = InsideMap(column.name, path, parent.id)
        found = snapshot.inclusion(table, loose, parent, KEYS_LOOKED_UP) if snapshot is not None else None
        if found is None or not found.values:
            return LooseProposal(table.id, inside, candidate.reason, candidate.score >= ADOPTED and found is None)
        if found.share >= _NEARLY:
            evidence = f"{candidate.reason}; {shown(found, parent)}"
            return LooseProposal(table.id, inside, evidence, found.share == 1 and candidate.score >= _SURE)
    return None
