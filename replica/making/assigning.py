"""Finding the rows that made-up rows point to: gathering wishes, capacities and rules for ``relations/references``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Evaluate
from replica.errors import UnsatisfiableError
from replica.kinds.categorical import joined_codes
from replica.making.made import MadeDatabase, MadeTable
from replica.making.room import room_under
from replica.making.ruling import (
    Turn,
    allowed_parents,
    cannot_point,
    crowded_nulls,
    distinct_rules,
    is_free_to_be_null,
    open_parents,
    owner_limits,
    within_rules,
)
from replica.planning.decisions import ReferencePlan, TablePlan
from replica.relations.fanout import reconcile
from replica.relations.joins import NULL, UNKNOWN, group_numbers, row_numbers
from replica.relations.references import assign, levels_without_gaps, spread_over_kept
from replica.relations.rules import Children, Parents
from replica.schema.graph import carries
from replica.schema.model import ForeignKey
from replica.seeds import stream

Ints = npt.NDArray[np.int64]


class Assigner:
    """Assigns the references of made-up tables, each once.

    Args:
        database: the tables.
        evaluate: a server's evaluation of what is not understood here.
    """

    def __init__(self, database: MadeDatabase, evaluate: Evaluate | None = None) -> None:
        self.database = database
        self.evaluate = evaluate
        database.assign = self.assign

    def assign(self, made: MadeTable, reference: ReferencePlan) -> None:
        """Finds the row that each row points to."""
        key = reference.key
        if key.id in made.parents:
            return
        n, parent = len(made), self.database.tables[key.parent]
        self.database.ready(parent)
        if key.id in made.parents:
            return
        if key.id in made.fitted.copied:
            made.parents[key.id] = _copied(made.fitted.copied[key.id], n, len(parent), is_self=key.is_self)
            return
        # Those that fill its other columns come first.
        for found in made.plan.references:
            if set(found.free) & set(reference.fixed):
                self.assign(made, found)
        if key.id in made.parents:
            return
        made.parents[key.id] = np.full(n, NULL)
        made.assigning.add(key.id)
        made.parents[key.id] = self._assigned(made, reference, parent)
        made.assigning.remove(key.id)

    def _assigned(self, made: MadeTable, reference: ReferencePlan, parent: MadeTable) -> Ints:
        """The row that each row points to."""
        key, found = reference.key, np.full(len(made), NULL)
        if len(made) == 0 or len(parent) == 0:
            return found
        if reference.implied_by is not None:
            found = self._implied(made, reference)
        if key.id not in made.fitted.references:
            return found
        wish = made.codes[:, made.fitted.layout.places("reference", key.id)].astype(np.int64)
        rows = self._rows_to_assign(made, reference, wish)
        if not len(rows):
            return found
        if not reference.free:
            return self._looked_up(made, reference)
        found[rows] = self._choose(made, parent, reference, wish, rows)
        return found

    def _implied(self, made: MadeTable, reference: ReferencePlan) -> Ints:
        """The row that each row points to because another reference decides this one; NULL where that one is null."""
        key, plan = reference.key, made.plan
        keys = [*([plan.owner] if plan.owner else []), *(found.key for found in plan.references)]
        by = next(found for found in keys if found.id == reference.implied_by)
        rows = self.database.parents(made, by)
        if by.parent == key.parent:
            return rows
        above = self.database.tables[by.parent]
        if len(above) == 0:
            return rows
        carried = next(found for found in above.plan.table.foreign_keys if carries(by, found, key))
        return np.where(rows >= 0, self.database.parents(above, carried)[np.maximum(rows, 0)], NULL)

    def owner_limits(self, table: TablePlan, owner: ForeignKey, n: int, cap: int | None) -> Ints:
        """Returns the most children that each owner may have: shape (owners,).

        Args:
            table: the table of the children.
            owner: the reference that owns them.
            n: how many children are planned.
            cap: the most that any owner may have; None without a limit.
        """
        return owner_limits(Turn(self.database, table, owner, frozenset(owner.columns), n, self.evaluate), cap)

    def _turn(self, made: MadeTable, reference: ReferencePlan) -> Turn:
        free = frozenset(reference.free)
        return Turn(self.database, made.plan, reference.key, free, len(made), self.evaluate)

    def _rows_to_assign(self, made: MadeTable, reference: ReferencePlan, wish: Ints) -> Ints:
        """Rows whose reference is not null and not decided by a wider one."""
        code = made.fitted.references[reference.key.id]
        turn = self._turn(made, reference)
        if code.tree:
            there = self._levels(made, reference)[0] > 0
        elif code.rows is not None:
            there = joined_codes(wish.astype(np.int32), code.rows + code.nulls) < code.rows
        else:
            there = wish[:, 0] < code.sizes[0]
        if not is_free_to_be_null(turn):
            there[:] = True if not code.tree else there
        if not code.tree:
            there |= crowded_nulls(turn, ~there)
        if reference.fixed:
            # What is null in part refers to nothing, whatever the rest is.
            there &= ~cannot_point(turn)
        if reference.implied_by is not None:
            there &= made.parents[reference.implied_by] == NULL
        return np.flatnonzero(there)

    def _levels(self, made: MadeTable, reference: ReferencePlan) -> tuple[Ints, Ints]:
        """How far below a root each row stands, without gaps, and its block: what it must share with its parent."""
        code = made.fitted.references[reference.key.id]
        depth = made.codes[:, made.fitted.layout.places("depth", code.name)].astype(np.int64)[:, 0]
        block, up = self._blocks(made, made, reference, np.arange(len(made)))
        levels = np.zeros(len(made), np.int64)
        for number in np.unique(up):
            levels[up == number] = levels_without_gaps(depth[up == number])
        # A row whose block, seen from below and from above, is not one cannot stand in the tree.
        return np.where(block == up, levels, 0), up

    def _looked_up(self, made: MadeTable, reference: ReferencePlan) -> Ints:
        """A reference all of whose columns something else fills: the row that they name."""
        key, table = reference.key, made.plan.id
        children = [self.database.column(table, name) for name in key.columns]
        found = row_numbers(children, [self.database.column(key.parent, name) for name in key.parent_columns])
        if (found == UNKNOWN).any():
            share = float(np.mean(found == UNKNOWN))
            raise UnsatisfiableError(
                f"reference {key.id}: {share:.1%} of the rows name no row of {key.parent}, since other references fill"
                " its columns; make it the owner in the schema map"
            )
        return found

    def _choose(self, made: MadeTable, parent: MadeTable, reference: ReferencePlan, wish: Ints, rows: Ints) -> Ints:
        """The row that each of some rows points to; a key that nobody declared gives way where there is no room."""
        try:
            return self._chosen(made, parent, reference, wish, rows, declared_only=False)
        except UnsatisfiableError:
            if all(planned.unique.declared for planned in made.plan.uniques):
                raise
            return self._chosen(made, parent, reference, wish, rows, declared_only=True)

    def _chosen(
        self,
        made: MadeTable,
        parent: MadeTable,
        reference: ReferencePlan,
        wish: Ints,
        rows: Ints,
        *,
        declared_only: bool,
    ) -> Ints:
        key, code = reference.key, made.fitted.references[reference.key.id]
        rng = stream(self.database.seed, "assign", key.id)
        turn = self._turn(made, reference)
        blocks, parent_blocks = self._blocks(made, parent, reference, rows)
        rules = distinct_rules(turn, declared_only=declared_only)
        distinct = [replace(rule, group=rule.group[rows]) for rule in rules]
        within = [replace(rule, group=rule.group[rows]) for rule in within_rules(turn)]
        forbidden = [other[rows] for other in self._forbidden(made, key)]
        may_be_null = is_free_to_be_null(turn)
        allows = allowed_parents(turn)
        allows = None if allows is None else allows[rows]

        def limited(capacity: Ints) -> Ints:
            counts = {name: len(table) for name, table in self.database.tables.items()}
            room = None if reference.fixed else room_under(made.plan, made.fitted, key, counts)
            return capacity if room is None else reconcile(capacity, len(rows), rng, cap=room, what=key.id)

        def closed(blocks: Ints) -> Ints:
            return np.where(open_parents(turn), blocks, -1)

        if code.rows is not None:
            places = joined_codes(wish[rows].astype(np.int32), code.rows + code.nulls)
            wished = spread_over_kept(np.minimum(places, code.rows - 1).astype(np.int64), code.rows, len(parent), rng)
            children = Children(wished[:, None], blocks, distinct, within, forbidden, may_be_null, allows)
            # Kept rows get as many children as wish for them, at least one where others than the wished may be needed.
            capacity = np.maximum(np.bincount(wished, minlength=len(parent)), 1 if reference.fixed else 0)
            kept = Parents(np.arange(len(parent))[:, None], closed(parent_blocks), limited(capacity))
            return assign(children, kept, rng, key.id)
        if code.tree:
            level, block = self._levels(made, reference)
            size = int(level.max(initial=0)) + 1
            blocks, parent_blocks = block[rows] * size + level[rows] - 1, block * size + level
        clusters = parent.codes[:, parent.fitted.layout.places("family", key.id)].astype(np.int64)
        children = Children(wish[rows], blocks, distinct, within, forbidden, may_be_null, allows)
        capacity = limited(self._capacity(parent, key))
        return assign(children, Parents(clusters, closed(parent_blocks), capacity), rng, key.id)

    def _capacity(self, parent: MadeTable, key: ForeignKey) -> Ints:
        fan_out = parent.fitted.fan_outs.get(key.id)
        if fan_out is None:
            return np.ones(len(parent), np.int64)
        places = parent.fitted.layout.places("fanout", key.id)
        return fan_out.decode(parent.codes[:, places].astype(np.int32), stream(self.database.seed, "fan-out", key.id))

    def _blocks(self, made: MadeTable, parent: MadeTable, reference: ReferencePlan, rows: Ints) -> tuple[Ints, Ints]:
        """Numbers what the columns that are filled already say, on both sides."""
        if not reference.fixed:
            return np.zeros(len(rows), np.int64), np.zeros(len(parent), np.int64)
        target = dict(zip(reference.key.columns, reference.key.parent_columns, strict=True))
        down = [self.database.column(made.plan.id, name).take(pa.array(rows)) for name in reference.fixed]
        up = [self.database.column(parent.plan.id, target[name]) for name in reference.fixed]
        both = [pa.concat_arrays([a, b.cast(a.type)]) for a, b in zip(down, up, strict=True)]
        numbers = group_numbers(both)
        return numbers[: len(rows)], numbers[len(rows) :]

    def _forbidden(self, made: MadeTable, key: ForeignKey) -> list[Ints]:
        """Rows that a reference may not point to, since another of the same row does, or since it is that row."""
        found = []
        for a, b in made.fitted.apart:
            other = b if a == key.id else a if b == key.id else None
            if other == "":
                found.append(np.arange(len(made)))
            elif other is not None and other in made.parents:
                found.append(made.parents[other])
        return found


def _copied(rows: Ints, n: int, n_parents: int, *, is_self: bool) -> Ints:
    """References of kept rows; a table that grew has several copies of each, one that shrank has lost some."""
    if not len(rows) or not n_parents:
        return np.full(n, NULL)
    turn, place = np.divmod(np.arange(n), len(rows))
    found = rows[place]
    if is_self:
        # Copies of a tree point within their own copy; what points to a lost row becomes a root.
        found = np.where(found >= 0, found + turn * len(rows), NULL)
        return np.where(found < n_parents, found, NULL)
    return np.where(found >= 0, found % n_parents, NULL)
