"""Reading what is learned from: every table's rows, put in the order of their owners, with what they point to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import FamilySample, Reading, Snapshot
from replica.kinds import kind_named
from replica.kinds.datetime import order_numbers
from replica.planning.decisions import ColumnPlan, Plan, TablePlan
from replica.progress import Progress, Report, ignore
from replica.relations.joins import row_numbers
from replica.schema.model import ForeignKey
from replica.settings import Settings

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SourceTable:
    """The rows of one table that are learned from.

    Rows of one owner are neighbours, in their order; rows without an owner come first.

    Attributes:
        plan: what was decided about the table.
        frame: its columns.
        total: how many rows the source has; more than there are here when whole families were sampled.
        parents: number of the row that each row points to, by reference; see :mod:`replica.relations.joins`.
        fan_outs: numbers of children per row, by reference to this table.
        holders: number of the person each row belongs to; None where rows are about nobody.
    """

    plan: TablePlan
    frame: pa.Table
    total: int
    parents: Mapping[str, Ints]
    fan_outs: Mapping[str, Ints]
    holders: Ints | None

    def __len__(self) -> int:
        return int(self.frame.num_rows)

    def column(self, name: str) -> pa.Array:
        """Returns a column as one array."""
        return one_array(self.frame.column(name))

    @cached_property
    def owner(self) -> Ints:
        """Number of each row's owner, negative for none: shape (rows,)."""
        key = self.plan.owner
        return self.parents[key.id] if key else np.full(len(self), -1)

    @cached_property
    def is_first(self) -> npt.NDArray[np.bool_]:
        """Which rows are the first of their owner; rows without one are all first."""
        first = np.ones(len(self), dtype=bool)
        first[1:] = (self.owner[1:] != self.owner[:-1]) | (self.owner[1:] < 0)
        return first

    @cached_property
    def position(self) -> Ints:
        """The place of each row among those of its owner, from 0."""
        starts = np.flatnonzero(self.is_first)
        return np.arange(len(self)) - np.repeat(starts, np.diff(np.r_[starts, len(self)]))

    @cached_property
    def family_size(self) -> Ints:
        """How many rows the owner of each row has."""
        sizes = np.diff(np.r_[np.flatnonzero(self.is_first), len(self)])
        return np.repeat(sizes, sizes)


def one_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Returns a column of a table as one array."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


Columns = Callable[[Plan, TablePlan], dict[str, Reading]]
"""Says which columns of a table are read, and how."""


def read_source(
    snapshot: Snapshot,
    plan: Plan,
    settings: Settings,
    report: Report = ignore,
    columns: Columns | None = None,
) -> dict[str, SourceTable]:
    """Reads the rows of all planned tables and joins them.

    Args:
        snapshot: a view of the source.
        plan: what was decided.
        settings: how many rows to read at most.
        report: told of every table that has been read.
        columns: which columns to read; those that are learned if None. Keys and orders are read anyway.
    """
    columns = columns or columns_to_learn
    report(Progress("read", "counting", 0, 1))
    totals = {table.id: snapshot.row_count(table.table) for table in plan.tables}
    wanted_rows = sum(min(total, settings.fit_rows) for total in totals.values())
    done = 0
    samples = _samples(plan, totals, settings)
    frames: dict[str, pa.Table] = {}
    owners: dict[str, Ints] = {}
    # In the plan's order, each table comes after its owner.
    for table in plan.tables:
        wanted = columns(plan, table) | _columns_to_join(plan, table)
        sample = samples.get(table.id)
        limit = settings.fit_rows if sample is None and totals[table.id] > settings.fit_rows else None
        frame = snapshot.read(table.table, wanted, sample=sample, limit=limit)
        owner = _join(table.owner, frame, frames[table.owner.parent]) if table.owner else np.full(len(frame), -1)
        order = _row_order(table, frame, owner)
        frames[table.id] = frame.take(pa.array(order))
        owners[table.id] = owner[order]
        done += len(owner)
        report(Progress("read", table.id, done, max(done, wanted_rows), "rows"))
    parents = {table.id: _parents(table, frames, owners[table.id]) for table in plan.tables}
    return {
        table.id: SourceTable(
            plan=table,
            frame=frames[table.id],
            total=totals[table.id],
            parents=parents[table.id],
            fan_outs=_fan_outs(snapshot, plan, table, frames, parents, samples),
            holders=_holders(table, frames, parents),
        )
        for table in plan.tables
    }


def _samples(plan: Plan, totals: Mapping[str, int], settings: Settings) -> dict[str, FamilySample]:
    """For trees with a table that is too large, the share of the root's rows that is learned from."""
    paths = {table.id: _owner_path(plan, table) for table in plan.tables}
    roots = {table.id: paths[table.id][-1].parent if paths[table.id] else table.id for table in plan.tables}
    samples = {}
    for table in plan.tables:
        root = plan.by_id[roots[table.id]].table
        largest = max(totals[name] for name in roots if roots[name] == root.id)
        key = root.primary_key
        if largest <= settings.fit_rows or key is None:
            continue
        share = settings.fit_rows / largest
        samples[table.id] = FamilySample(root.id, key.columns, paths[table.id], share, settings.seed)
    return samples


def _owner_path(plan: Plan, table: TablePlan) -> tuple[ForeignKey, ...]:
    path: list[ForeignKey] = []
    at = table
    while at.owner is not None:
        path.append(at.owner)
        at = plan.by_id[at.owner.parent]
    return tuple(path)


def columns_to_learn(_: Plan, table: TablePlan) -> dict[str, Reading]:
    """Returns the columns that are learned, and how each is read."""
    wanted: dict[str, Reading] = {}
    for found in table.columns:
        if found.producer == "kind":
            reading = kind_named(found.kind or "")[0].reading
            wanted[found.name] = "value" if table.role == "lookup" and reading == "presence" else reading
        elif found.producer == "period_end":
            wanted[found.name] = "value"
    return wanted


def _columns_to_join(plan: Plan, table: TablePlan) -> dict[str, Reading]:
    """The columns that rows are joined on or ordered by."""
    pointed = [column for key in plan.children(table.id) for column in key.parent_columns]
    own = [found.name for found in table.columns if found.producer == "reference" or _is_key_to_read(table, found)]
    return dict.fromkeys((*own, *pointed, *([table.order] if table.order else [])), "value")


def _is_key_to_read(table: TablePlan, found: ColumnPlan) -> bool:
    """Keys are copied for lookups, and otherwise order the rows where nothing else does."""
    return found.producer == "key" and (table.role == "lookup" or _is_sortable(found.column.type.family))


def _is_sortable(family: str) -> bool:
    return family in ("integer", "numeric")


def _join(key: ForeignKey, child: pa.Table, parent: pa.Table) -> Ints:
    return row_numbers(
        [one_array(child.column(name)) for name in key.columns],
        [one_array(parent.column(name)) for name in key.parent_columns],
    )


def _row_order(table: TablePlan, frame: pa.Table, owner: Ints) -> Ints:
    """Rows by owner, then by the column that orders them, then by key."""
    key = table.table.primary_key
    names = [
        name
        for name in reversed(key.columns if key else ())
        if name in frame.column_names and _is_sortable(table.table.by_name[name].type.family)
    ]
    names += [table.order] if table.order is not None else []
    columns = [order_numbers(one_array(frame.column(name))) for name in names]
    return np.lexsort([*columns, owner]).astype(np.int64)


def _parents(table: TablePlan, frames: Mapping[str, pa.Table], owner: Ints) -> dict[str, Ints]:
    found = {
        reference.key.id: _join(reference.key.naming, frames[table.id], frames[reference.key.parent])
        for reference in table.references
    }
    if table.owner is not None:
        found[table.owner.id] = owner
    return found


def _fan_outs(
    snapshot: Snapshot,
    plan: Plan,
    table: TablePlan,
    frames: Mapping[str, pa.Table],
    parents: Mapping[str, Mapping[str, Ints]],
    samples: Mapping[str, FamilySample],
) -> dict[str, Ints]:
    """Children per row and reference: counted here, or by the server where the children were sampled otherwise."""
    n = len(frames[table.id])
    found = {}
    for key in plan.children(table.id):
        child = plan.by_id[key.child]
        is_owner = child.owner is not None and child.owner.id == key.id
        if key.child in samples and not is_owner:
            counts, names = snapshot.fan_out(child.table, key.naming), key.naming.parent_columns
            pointed = [one_array(counts.column(name)) for name in names]
            rows = row_numbers(pointed, [one_array(frames[table.id].column(name)) for name in names])
            known = rows >= 0
            weights = np.array(counts.column("count"), dtype=np.float64)
            found[key.id] = np.bincount(rows[known], weights=weights[known], minlength=n).astype(np.int64)
        else:
            rows = parents[key.child][key.id]
            found[key.id] = np.bincount(rows[rows >= 0], minlength=n)
    return found


def _holders(
    table: TablePlan, frames: Mapping[str, pa.Table], parents: Mapping[str, Mapping[str, Ints]]
) -> Ints | None:
    """Follows the path to the person; rows that lose it on the way are persons of their own."""
    if table.holder_path is None:
        return None
    n = len(frames[table.id])
    at = np.arange(n)
    for key in table.holder_path:
        step = parents[key.child][key.id]
        at = np.where(at >= 0, step[np.maximum(at, 0)] if len(step) else -1, -1)
    largest = int(at.max(initial=-1)) + 1
    return np.where(at >= 0, at, largest + np.arange(n))
