"""A copy of the source that holds nobody: made-up rows with the numbers, bounds and values that were measured.

Public tables are read as they are. Private ones are imagined from names and types, as where no row may be read at all,
and then given what was bought. What runs on the copy (choosing kinds, cutting bins, laying out codes) can tell no more
of the source than the measurements do (Dwork and Roth 2014, Proposition 2.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.domains import domain_of
from replica.databases.base import FamilySample, Reading, Repeats, Snapshot
from replica.imagining.rows import Imagined, imagine_rows
from replica.imagining.snapshot import ImaginedSnapshot, evaluate_imagined
from replica.imagining.values import as_read
from replica.kinds.base import masked
from replica.planning.decisions import ColumnPlan, Plan, all_checks
from replica.protecting.columns import Measured, made_values
from replica.protecting.sizes import SizeHistogram
from replica.protecting.unit import Unit
from replica.schema.graph import nullable_cost, order_tables
from replica.schema.model import ForeignKey, Schema, Table
from replica.schema.schema_map import SchemaMap
from replica.seeds import stream

Ints = npt.NDArray[np.int64]
Columns = dict[str, pa.Array]

MOST_SUBJECTS = 20_000
"""Subjects that the copy has at most: enough to cut bins by."""

_MOST_ROWS = 100_000
_NULLS = 0.1
_FORMS = frozenset({"code", "national_id", "iban", "card", "phone"})


@dataclass(frozen=True)
class Findings:
    """Everything that was measured to make the copy.

    Attributes:
        subjects: how many subjects there are, about.
        totals: how many rows the private tables have, about.
        fan_outs: how many rows an owner has, by owned table.
        columns: what is known of columns, by table and column.
        bounds: the most rows of a subject that are learned from, by table.
    """

    subjects: int
    totals: Mapping[str, int]
    fan_outs: Mapping[str, SizeHistogram]
    columns: Mapping[tuple[str, str], Measured]
    bounds: Mapping[str, int]


@dataclass(frozen=True)
class CopySnapshot(ImaginedSnapshot):
    """The :class:`~replica.databases.base.Snapshot` of a copy: public tables are read, private ones made up.

    Attributes:
        public: ids of the tables that are read.
        seed: of what public rows point to where that is private.
    """

    public: tuple[str, ...]
    seed: int

    def read(
        self, table: Table, columns: Mapping[str, Reading], sample: FamilySample | None = None, limit: int | None = None
    ) -> pa.Table:
        """See :meth:`replica.databases.base.Snapshot.read`."""
        if table.id not in self.public:
            found = super().read(table, columns or dict.fromkeys(list(self.frames[table.id])[:1], "value"))
            return found if columns else found.select([])
        keys = [key for key in table.foreign_keys if key.parent not in self.public]
        private = {name for key in keys for name in key.columns}
        frame = self.real.read(table, {n: how for n, how in columns.items() if n not in private}, sample, limit)
        for key in keys:
            frame = self._pointing(table, key, frame, columns)
        return frame.select(list(columns)) if columns else frame

    def _pointing(self, table: Table, key: ForeignKey, frame: pa.Table, columns: Mapping[str, Reading]) -> pa.Table:
        """Lets public rows point to private ones that are made up: to any of them, and now and then to none."""
        parent = self.frames[key.parent]
        rng = stream(self.seed, "copy", key.id)
        rows = rng.integers(0, max(1, rows_in(parent)), frame.num_rows)
        nullable = any(table.by_name[name].nullable for name in key.columns)
        none = ((rng.random(frame.num_rows) < _NULLS) & nullable) | (rows_in(parent) == 0)
        for name, other in zip(key.columns, key.parent_columns, strict=True):
            if name in columns and name not in frame.column_names:
                frame = frame.append_column(name, parent[other].take(pa.array(rows, mask=none)))
        return frame

    def row_count(self, table: Table) -> int:
        """See :meth:`replica.databases.base.Snapshot.row_count`."""
        return self.real.row_count(table) if table.id in self.public else super().row_count(table)

    def repeats(self, table: Table) -> Repeats | None:
        """See :meth:`replica.databases.base.Snapshot.repeats`."""
        return self.real.repeats(table) if table.id in self.public else None

    def fan_out(self, child: Table, key: ForeignKey) -> pa.Table:
        """See :meth:`replica.databases.base.Snapshot.fan_out`."""
        if child.id in self.public and key.parent in self.public:
            return self.real.fan_out(child, key)
        rows = self.read(child, dict.fromkeys(key.columns, "value"))
        columns = rows.rename_columns(list(key.parent_columns)).drop_null()
        counts = columns.group_by(list(key.parent_columns)).aggregate([([], "count_all")])
        return counts.rename_columns([*key.parent_columns, "count"])


def rows_in(frame: Mapping[str, pa.Array]) -> int:
    """How many rows some columns have."""
    return len(next(iter(frame.values()))) if frame else 0


@dataclass(frozen=True)
class Pattern:
    """What a copy is made by.

    Attributes:
        real: the source, of which public tables are read.
        schema: the schema, with the references that the map adds.
        schema_map: a map that tells nothing of private rows.
        unit: whose rows are whose.
        plan: what was decided before anything was measured.
        seed: of everything that is made up.
    """

    real: Snapshot
    schema: Schema
    schema_map: SchemaMap
    unit: Unit
    plan: Plan
    seed: int


def make_copy(pattern: Pattern, findings: Findings) -> CopySnapshot:
    """Makes a copy up out of what was measured; no private row is read.

    Args:
        pattern: the schema and what is public.
        findings: what was measured.
    """
    unit, schema = pattern.unit, pattern.schema
    owners = _owner_rows(pattern, findings)
    rows = {name: len(owner) for name, owner in owners.items()}
    given = {name: _keys(pattern, schema.by_id[name]) for name in unit.public}
    rows |= {name: pattern.real.row_count(schema.by_id[name]) for name in unit.public}
    cost = nullable_cost(lambda table, column: schema.by_id[table].by_name[column].nullable)
    order = order_tables(schema.by_id, schema.foreign_keys, cost)
    evaluate = partial(evaluate_imagined, pattern.real)
    frames = imagine_rows(Imagined(schema, order, rows, pattern.seed, evaluate, pattern.schema_map, given, loose=True))
    for name in unit.private:
        frame = frames[name]
        frame |= _varied_codes(pattern, name, frame)
        frame |= _public_values(pattern, name, len(owners[name])) | _measured_values(pattern, name, findings, owners)
        if (key := unit.owners.get(name)) is not None:
            frame |= _pointing(key, owners[name], frames)
    for name, link in unit.links.items():
        if rows[name]:
            frames[link.child] |= _pointing(link, _linked_rows(unit, name, owners), frames)
    totals = {**rows, **findings.totals}
    return CopySnapshot(pattern.real, frames, totals, unit.public, pattern.seed)


def _pointing(key: ForeignKey, rows: Ints, frames: Mapping[str, Columns]) -> Columns:
    """The columns of a reference whose rows point to these rows of the parent."""
    return {
        own: frames[key.parent][other].take(pa.array(rows))
        for own, other in zip(key.columns, key.parent_columns, strict=True)
    }


def _linked_rows(unit: Unit, linked: str, owners: Mapping[str, Ints]) -> Ints:
    """Which rows of a linked table the rows of its link table point to: those of their own subject, one by one."""
    name = unit.links[linked].child
    subject = owners[name]
    while unit.above[name] != unit.subject:
        name = unit.above[name]
        subject = owners[name][subject]
    order = np.argsort(subject, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.searchsorted(subject[order], subject[order])
    # Rows of a linked table are made subject by subject. Where a subject has none, a neighbour's will do.
    starts = np.searchsorted(owners[linked], subject)
    count = np.maximum(np.searchsorted(owners[linked], subject, side="right") - starts, 1)
    found: Ints = np.minimum(starts + place % count, len(owners[linked]) - 1)
    return found


def _owner_rows(pattern: Pattern, findings: Findings) -> dict[str, Ints]:
    """The number of each made-up row's owner, by private table; subjects own themselves, and what is linked to them."""
    unit = pattern.unit
    found = {unit.subject: np.arange(min(findings.subjects, MOST_SUBJECTS))}
    for name in unit.private[1:]:
        owners = len(found[unit.subject if name in unit.links else unit.above[name]])
        counts = findings.fan_outs[name].draw(owners, stream(pattern.seed, "copy", name))
        # Whole families until there are enough rows to cut bins by.
        counts[np.cumsum(counts) > _MOST_ROWS] = 0
        found[name] = np.repeat(np.arange(owners), counts)
    return found


def _keys(pattern: Pattern, table: Table) -> Columns:
    """The columns of a public table that others point to, without those that point to private rows themselves."""
    private = {name for key in table.foreign_keys if key.parent in pattern.unit.private for name in key.columns}
    names = {column for key in pattern.schema.referencing(table.id) for column in key.parent_columns} - private
    frame = pattern.real.read(table, dict.fromkeys(sorted(names), "value"))
    return {name: pc.cast(frame.column(name), frame.schema.field(name).type).combine_chunks() for name in sorted(names)}


def _varied_codes(pattern: Pattern, name: str, frame: Columns) -> Columns:
    """Numbers and codes that are made anew, with digits drawn for each row: their form alone is to be learned."""
    found: Columns = {}
    for column in pattern.plan.by_id[name].by("kind"):
        if column.kind in _FORMS and column.name in frame and pa.types.is_string(frame[column.name].type):
            rng = stream(pattern.seed, "copy", name, column.name)
            texts = frame[column.name].to_pylist()
            found[column.name] = pa.array([text and _redrawn(text, rng) for text in texts], pa.string())
    return found


def _redrawn(text: str, rng: np.random.Generator) -> str:
    digits = iter(rng.integers(0, 10, len(text)).tolist())
    return "".join(str(next(digits)) if char.isdecimal() else char for char in text)


def _public_values(pattern: Pattern, name: str, n: int) -> Columns:
    """Columns whose values the schema names: each value equally often, so that none is missing."""
    table = pattern.plan.by_id[name]
    checks = tuple(all_checks(table.table))
    found: Columns = {}
    for column in table.columns:
        listed = domain_of(column.column, checks).values or column.column.type.labels
        if column.column.type.family == "boolean":
            listed = ("true", "false")
        if column.producer == "kind" and column.kind == "category" and listed:
            rng = stream(pattern.seed, "copy", name, column.name)
            values = np.resize(np.array(listed, dtype=object), n)[rng.permutation(n)]
            found[column.name] = _nulled(as_read(values, column.column.type), column, rng)
    return found


def _measured_values(pattern: Pattern, name: str, findings: Findings, owners: Mapping[str, Ints]) -> Columns:
    found: Columns = {}
    for column in pattern.plan.by_id[name].columns:
        measured = findings.columns.get((name, column.name))
        if measured is not None:
            rng = stream(pattern.seed, "copy", name, column.name)
            found[column.name] = _nulled(made_values(column, measured, len(owners[name]), rng), column, rng)
    return found


def _nulled(values: pa.Array, column: ColumnPlan, rng: np.random.Generator) -> pa.Array:
    """Some nulls wherever there may be any: how many there really are is learned later."""
    return masked(values, (rng.random(len(values)) < _NULLS) & column.column.nullable)
