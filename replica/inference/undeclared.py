"""All references that a schema does not declare, of every form, and how a drafted map speaks of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from replica.databases.base import Snapshot
from replica.inference.loose import LooseProposal, infer_inside, infer_polymorphic, polymorphic_pairs
from replica.inference.references import Proposal, infer_references
from replica.inference.sampling import TableSample
from replica.schema.graph import with_own_keys
from replica.schema.model import ForeignKey, LooseReference, Schema, Table, column_list
from replica.schema.schema_map import PERHAPS, Comments, InsideMap, PolymorphicMap, ReferenceMap, TableMap, place_of

_EXACT = 0.93


@dataclass(frozen=True)
class Undeclared:
    """What was inferred.

    Attributes:
        references: plain references.
        loose: polymorphic pairs and keys inside values.
    """

    references: Sequence[Proposal]
    loose: Sequence[LooseProposal]

    def added_to(self, schema: Schema) -> Schema:
        """Returns the schema with what was adopted."""
        tables = []
        for table in schema.tables:
            keys = tuple(p.key for p in self.references if p.adopted and p.key.child == table.id)
            loose = tuple(key for p in self.loose if p.adopted and p.table == table.id for key in _keys_of(p, schema))
            tables.append(replace(table, foreign_keys=(*table.foreign_keys, *keys), loose_references=loose))
        return replace(schema, tables=tuple(with_own_keys(tables)))

    def apart_from(self, schema: Schema) -> Undeclared:
        """Returns references of single columns that no declared one holds: others may leave no row to point to."""
        taken = {(key.child, column) for key in schema.foreign_keys for column in key.columns}
        free = [p for p in self.references if len(p.key.columns) == 1 and (p.key.child, p.key.columns[0]) not in taken]
        return replace(self, references=free)

    def written_to(self, table_map: TableMap, table: Table) -> TableMap:
        """Returns a drafted table with what was adopted."""
        loose = [p.found for p in self.loose if p.adopted and p.table == table.id]
        return replace(
            table_map,
            references=tuple(_written(p.key) for p in self.references if p.adopted and p.key.child == table.id),
            polymorphic=tuple(found for found in loose if isinstance(found, PolymorphicMap)),
            keys_inside=tuple(found for found in loose if isinstance(found, InsideMap)),
        )

    @property
    def comments(self) -> Comments:
        """The evidence of what was adopted, and all that was not."""
        comments: dict[tuple[str, str | None], str] = {}
        perhaps: dict[str, list[str]] = defaultdict(list)
        for p in self.references:
            if p.adopted:
                comments[p.key.child, place_of(_written(p.key))] = p.evidence
            elif not p.implied:
                target = f"{p.key.parent}{column_list(p.key.parent_columns)}"
                perhaps[p.key.child].append(f"{column_list(p.key.columns)} points to {target}: {p.evidence}")
        for found in self.loose:
            if found.adopted:
                comments[found.table, place_of(found.found)] = found.evidence
            else:
                perhaps[found.table].append(f"{_described(found.found)}: {found.evidence}")
        return comments | {(name, PERHAPS): "\n".join(lines) for name, lines in perhaps.items()}


def infer_undeclared(schema: Schema, samples: Mapping[str, TableSample], snapshot: Snapshot | None) -> Undeclared:
    """Infers all references that a schema does not declare.

    Args:
        schema: what it declares.
        samples: some rows of its tables.
        snapshot: where keys are looked up; None where names have to do.

    Raises:
        PrivilegeError: a table may not be read.
    """
    references = infer_references(schema, samples, snapshot)
    loose = list(infer_polymorphic(schema, samples, snapshot))
    sure = {(p.table, p.found.id) for p in loose if isinstance(p.found, PolymorphicMap) and p.adopted}
    pairs = {(table.id, name) for table in schema.tables for _, name in polymorphic_pairs(table)}
    kept = []
    for proposal in references:
        place = proposal.key.child, proposal.key.columns[0]
        if len(proposal.key.columns) == 1 and place in sure:
            continue
        # What looks polymorphic is a plain reference only where it is named after its table.
        is_doubtful = place in pairs and proposal.score < _EXACT
        kept.append(replace(proposal, adopted=False) if is_doubtful else proposal)
    plain = {(p.key.child, p.key.columns[0]) for p in kept if p.adopted and len(p.key.columns) == 1}
    loose = [p for p in loose if not isinstance(p.found, PolymorphicMap) or (p.table, p.found.id) not in plain]
    return Undeclared(kept, [*loose, *infer_inside(schema, samples, snapshot)])


def _written(key: ForeignKey) -> ReferenceMap:
    return ReferenceMap(key.columns, key.parent, key.parent_columns)


def _keys_of(proposal: LooseProposal, schema: Schema) -> list[LooseReference]:
    found = proposal.found
    if isinstance(found, InsideMap):
        key = _key(schema, found.parent)
        return [LooseReference(proposal.table, found.column, found.parent, key, path=found.path)]
    return [
        LooseReference(proposal.table, found.id, parent, _key(schema, parent), when=(found.type, value))
        for value, parent in found.parents.items()
    ]


def _key(schema: Schema, name: str) -> str:
    key = schema.by_id[name].primary_key
    assert key is not None  # noqa: S101 - only tables with a key of one column are proposed
    return key.columns[0]


def _described(found: PolymorphicMap | InsideMap) -> str:
    if isinstance(found, InsideMap):
        return f"{found.column} holds keys of {found.parent} at [{', '.join(found.path)}]"
    known = ", ".join(f"{value} is {parent}" for value, parent in found.parents.items())
    return f"{column_list((found.type, found.id))} are a polymorphic pair{f' ({known})' if known else ''}"
