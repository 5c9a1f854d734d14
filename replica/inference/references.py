"""Undeclared references: names and types suggest them, the values in the source decide.

Where a table has rows, every key that names suggest is looked up in the source, so that a reference is adopted on
evidence: all of some thousand different keys are there. Where there are none, names decide alone, and have to say more.
What is likely but not sure is only shown. The number of lookups is bounded by the candidates; each reads a bounded
number of rows and asks a key of the parent for every value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Inclusion, Snapshot
from replica.inference.candidates import (
    ADOPTED,
    PROPOSED,
    Candidate,
    by_child,
    fits,
    name_candidates,
    plain_keys,
    undeclared,
)
from replica.inference.sampling import TableSample
from replica.schema.model import Column, ForeignKey, Schema, Table

KEYS_LOOKED_UP = 2_000
"""Different keys that are looked up for each candidate."""

_NEARLY = 0.99
_MOSTLY = 0.5
_SURE = 0.75
_FEW_KEYS = 10
_MANY_KEYS = 500
_COVERED = 0.2
_MOST_CANDIDATES = 3
_FEWEST_TEXTS = 8
_MOST_BY_VALUE = 3

Samples = Mapping[str, TableSample]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A reference that is proposed.

    Attributes:
        key: the reference.
        evidence: what speaks for it.
        adopted: True where that is enough to make the replica keep it.
        score: how much the names say so, from 0 to 1.
        share: how many of the keys that were looked up the parent has; None where there were none.
        implied: True where it is as sure as one that is adopted, but follows from another reference.
    """

    key: ForeignKey
    evidence: str
    adopted: bool
    score: float
    share: float | None = None
    implied: bool = False

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """How good it is beside others of the same columns."""
        return self.adopted, self.share == 1, self.score * (self.share or 0)


def infer_references(schema: Schema, samples: Samples, snapshot: Snapshot | None) -> list[Proposal]:
    """Infers references that a schema does not declare.

    Args:
        schema: what it declares.
        samples: some rows of its tables; tables without one are judged by their names.
        snapshot: where keys are looked up; None where names have to do.

    Raises:
        PrivilegeError: a table may not be read.
    """
    evidence = _Evidence(schema, samples, snapshot)
    found: list[Proposal] = []
    for candidates in by_child(name_candidates(schema)).values():
        judged = [proposal for c in candidates[:_MOST_CANDIDATES] if (proposal := evidence.judge(c))]
        if judged:
            found.append(max(judged, key=lambda proposal: proposal.rank))
    known = {(p.key.child, p.key.columns) for p in found if p.adopted}
    by_value = [p for p in evidence.by_value() if (p.key.child, p.key.columns) not in known]
    taken = {(p.key.child, p.key.columns) for p in by_value}
    found = [p for p in found if (p.key.child, p.key.columns) not in taken] + by_value
    return _without_implied(schema, _without_strangers(schema, _without_circles(schema, found)))


class _Evidence:
    """What the values say of candidates."""

    def __init__(self, schema: Schema, samples: Samples, snapshot: Snapshot | None) -> None:
        self.schema = schema
        self.samples = samples
        self.snapshot = snapshot

    def judge(self, candidate: Candidate) -> Proposal | None:
        """Looks a candidate's keys up and decides; None for one that is not worth showing."""
        key, score = candidate.key, candidate.score
        keys = self._keys(key)
        if not keys or self.snapshot is None:
            return Proposal(key, candidate.reason, score >= ADOPTED, score) if score >= PROPOSED else None
        if self._is_refuted(key):
            return None
        child, parent = self.schema.by_id[key.child], self.schema.by_id[key.parent]
        found = self.snapshot.inclusion(child, key, parent, KEYS_LOOKED_UP)
        if not found.values or found.share < _MOSTLY:
            return None
        evidence = f"{candidate.reason}; {shown(found, parent)}"
        if found.share < 1:
            # A few orphans are common where nothing forbids them, but not with keys of several columns.
            nearly = found.share >= _NEARLY and score >= ADOPTED and len(key.columns) == 1
            return Proposal(key, evidence, nearly, score, found.share)
        convincing = score >= _SURE or self._is_no_coincidence(key, found)
        return Proposal(key, evidence, score >= PROPOSED and convincing, score, found.share)

    def _keys(self, key: ForeignKey) -> int:
        """How many different keys the sample has."""
        sample = self.samples.get(key.child)
        if sample is None or not len(sample):
            return 0
        codes = sample.codes(key.columns)
        return len(set(codes[codes >= 0].tolist()))

    def _is_refuted(self, key: ForeignKey) -> bool:
        """True where all of the parent is known and lacks most of the child's keys, so that no lookup is needed."""
        parent = self.samples.get(key.parent)
        if len(key.columns) > 1 or parent is None or not parent.complete:
            return False
        return (
            _share_in(self._distinct(key.child, key.columns[0]), self._distinct(key.parent, key.parent_columns[0]))
            < _MOSTLY
        )

    def _distinct(self, table: str, column: str) -> pa.Array:
        return self.samples[table].column(column).unique().drop_null()

    def _is_no_coincidence(self, key: ForeignKey, found: Inclusion) -> bool:
        """True where so many keys would hardly all be there by chance.

        Small whole numbers are in every dense key: they have to reach far into it.
        """
        if len(key.columns) > 1 and found.values >= _MANY_KEYS:
            return True
        column = self.schema.by_id[key.parent].by_name[key.parent_columns[0]]
        if column.type.family not in ("integer", "numeric"):
            return found.values >= 2
        rows = self.samples[key.parent].rows if key.parent in self.samples else 0
        return found.values >= _FEW_KEYS and found.found >= _COVERED * rows

    def by_value(self) -> Iterator[Proposal]:
        """References that only the values show: texts and UUIDs that are all keys of one table, and of no other."""
        if self.snapshot is None:
            return
        targets = [
            (table, table.by_name[unique.columns[0]])
            for table in self.schema.tables
            for unique in plain_keys(table)
            if unique.primary and len(unique.columns) == 1 and table.id in self.samples
        ]
        for table in self.schema.tables:
            for column in table.columns:
                if table.id in self.samples and _is_open(table, column):
                    yield from self._by_value(table, column, targets)

    def _by_value(self, table: Table, column: Column, targets: list[tuple[Table, Column]]) -> Iterator[Proposal]:
        values = self._distinct(table.id, column.name)
        if len(values) < _FEWEST_TEXTS:
            return
        fitting = [
            (parent, key)
            for parent, key in targets
            if key is not column
            and fits(column, key)
            and self.samples[parent.id].complete
            and _share_in(values, self._distinct(parent.id, key.name)) == 1
        ]
        if len(fitting) != 1:
            return
        parent, target = fitting[0]
        key = undeclared(table.id, (column.name,), parent, (target.name,))
        assert self.snapshot is not None  # noqa: S101 - asked before
        found = self.snapshot.inclusion(table, key, parent, KEYS_LOOKED_UP)
        if found.values and found.share == 1:
            yield Proposal(
                key, f"of all keys only this table's fit; {shown(found, parent)}", True, PROPOSED, found.share
            )


def _is_open(table: Table, column: Column) -> bool:
    """True for texts and UUIDs of which nothing is known yet."""
    if column.type.family not in ("text", "uuid") or column.generated is not None:
        return False
    alone = any(unique.columns == (column.name,) for unique in table.uniques)
    return not alone and column.name not in table.reference_columns


def _share_in(values: pa.Array, among: pa.Array) -> float:
    """The share of values that are among others; 1 for types that do not compare here."""
    if not len(values):
        return 1.0
    if values.type != among.type:
        if not (pa.types.is_floating(values.type) or pa.types.is_floating(among.type)):
            return 1.0
        values, among = values.cast(pa.float64()), among.cast(pa.float64())
    if pa.types.is_string(values.type):
        values, among = pc.utf8_rtrim_whitespace(values), pc.utf8_rtrim_whitespace(among)
    return float(pc.mean(pc.is_in(values, value_set=among).cast(pa.float64())).as_py())


def shown(found: Inclusion, parent: Table) -> str:
    """Returns what a lookup says, for a comment."""
    if found.share == 1:
        return f"all of {found.values} different keys are there"
    return f"{found.values - found.found} of {found.values} different keys are not in {parent.name}"


def _without_strangers(schema: Schema, found: list[Proposal]) -> list[Proposal]:
    """Takes back keys of several columns that share one with a declared key, where no value says that both hold.

    Two references may share a tenant, which both their parents point to. They hardly share a version, which each parent
    counts for itself.
    """
    keys = [*schema.foreign_keys, *(p.key for p in found if p.adopted)]
    pointing = {(key.child, column) for key in keys if len(key.columns) == 1 for column in key.columns}

    def is_strange(key: ForeignKey) -> bool:
        target = dict(zip(key.columns, key.parent_columns, strict=True))
        return any(
            len(other.columns) > 1
            and other.child == key.child
            and other.parent != key.parent
            and any((key.parent, target[column]) not in pointing for column in set(key.columns) & set(other.columns))
            for other in schema.foreign_keys
            if not set(other.columns) <= set(key.columns) and not set(key.columns) <= set(other.columns)
        )

    doubtful = [p for p in found if p.adopted and p.share is None and len(p.key.columns) > 1 and is_strange(p.key)]
    return [replace(p, adopted=False) if p in doubtful else p for p in found]


def _without_implied(schema: Schema, found: list[Proposal]) -> list[Proposal]:
    """Takes back references that follow from a wider one: a city's country from the city.

    Keeping the wider one keeps them. One of a single column stays where the wider one may be null and it not.
    """
    adopted = [p.key for p in found if p.adopted]
    keys = [*schema.foreign_keys, *adopted]

    def follows(narrow: ForeignKey) -> bool:
        child = schema.by_id[narrow.child]
        return any(
            _implies(wide, narrow, keys)
            and (wide.declared or len(narrow.columns) > 1 or not any(child.by_name[c].nullable for c in wide.columns))
            for wide in keys
            if wide.child == narrow.child
        )

    return [replace(p, adopted=False, implied=True) if p.adopted and follows(p.key) else p for p in found]


def _implies(wide: ForeignKey, narrow: ForeignKey, keys: list[ForeignKey]) -> bool:
    """True where the row that one reference points to points to the row that the other does."""
    if not set(narrow.columns) < set(wide.columns):
        return False
    target = dict(zip(wide.columns, wide.parent_columns, strict=True))
    carried = {target[column]: other for column, other in zip(narrow.columns, narrow.parent_columns, strict=True)}
    return any(
        key.child == wide.parent
        and key.parent == narrow.parent
        and dict(zip(key.columns, key.parent_columns, strict=True)) == carried
        for key in keys
    )


def _without_circles(schema: Schema, found: list[Proposal]) -> list[Proposal]:
    """Takes back what cannot be: two tables whose whole keys point to each other."""
    keys = {p.key for p in found if p.adopted}
    kept = []
    for proposal in found:
        key = proposal.key
        mirrored = any(
            other.child == key.parent and other.parent == key.child and other.columns == key.parent_columns
            for other in keys
        )
        is_whole = any(set(u.columns) == set(key.columns) for u in plain_keys(schema.by_id[key.child]))
        kept.append(replace(proposal, adopted=False) if mirrored and is_whole and not key.is_self else proposal)
    return kept
