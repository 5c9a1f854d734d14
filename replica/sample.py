"""Making rows: how many, whose, their codes, what they point to, and at last their values, chunk by chunk.

Tables are made in the order of the plan. A table is handed out as soon as every row that it points to is known, and
what no later table needs of it is let go, so that memory holds codes and numbers, never a whole database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.constraints.repair import Duty
from replica.databases.base import Evaluate
from replica.errors import PlanError
from replica.fitted import FittedReplica, FittedTable
from replica.kinds.base import Codes, is_null
from replica.kinds.datetime import order_numbers
from replica.making.assigning import Assigner
from replica.making.choosing import Chooser, chooser_of, draw_chosen
from replica.making.drawing import CHUNK_ROWS, Drawing, Skeleton, draw
from replica.making.keeping import Ruler, aggregated, looked_up
from replica.making.keys import settle_keys
from replica.making.made import MadeDatabase, MadeTable
from replica.making.order_bounds import all_different, keep_in_order
from replica.making.room import room_under
from replica.making.settling import TURNS, Settler
from replica.planning.decisions import ReferencePlan, TablePlan
from replica.planning.scope import check_rows
from replica.planning.wishes import Wishes, wishes_of, with_conditions
from replica.relations.context import ancestor_codes, see_referenced
from replica.relations.elders import Elder, ElderRows
from replica.relations.fanout import reconcile
from replica.relations.gaps import in_measure
from replica.relations.joins import NULL
from replica.relations.sequences import NO_ANCHOR
from replica.schema.model import ForeignKey, Table, column_list
from replica.seeds import stream
from replica.settings import Settings

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TableRows:
    """The rows of one table, ready to be loaded.

    Attributes:
        table: the table.
        total: how many rows there are.
        columns: the columns that the batches hold; a row has no value for the others.
        batches: the rows; made while they are taken.
        notes: what a user should know of them, a line each; complete once all batches have been taken.
    """

    table: Table
    total: int
    columns: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    notes: list[str] = field(default_factory=list)


def sample(replica: FittedReplica, settings: Settings, evaluate: Evaluate | None = None) -> Iterator[TableRows]:
    """Makes the rows of a database, one table after the other.

    Args:
        replica: what was learned.
        settings: seed, scale and numbers of rows; whether rules are kept.
        evaluate: a server's evaluation of conditions that are not understood here; without one, such conditions are
            first proved when the rows are loaded.

    Raises:
        PlanError: numbers of rows do not fit each other, or rows cannot be chosen as was wished.
        UnsatisfiableError: no rows can be made that satisfy a constraint.
    """
    replica = replica if settings.rules else replica.without_rules()
    wishes = wishes_of(replica.plan.schema, settings)
    replica = replace(replica, plan=with_conditions(replica.plan, wishes))
    making = _Making(replica, settings, wishes, evaluate)
    waiting: list[str] = []
    for table, _ in replica.planned():
        making.draw(table)
        waiting.append(table.id)
        for name in [name for name in waiting if making.can_finish(name)]:
            waiting.remove(name)
            yield making.finish(name)
            making.forget(name)
    for name in waiting:
        yield making.finish(name)


def planned_rows(replica: FittedReplica, settings: Settings) -> dict[str, int]:
    """Returns how many rows each table gets.

    Raises:
        PlanError: more rows were asked for than the table's parents can have, or for a table that cannot get any.
    """
    check_rows(replica.plan.schema_map, settings.rows, replica.plan.skipped)
    counts = {table.id: _wanted_rows(table, fitted, settings) for table, fitted in replica.planned()}
    # Where references lead in a circle, fewer rows of one table may leave less room in one that came before it.
    before: dict[str, int] = {}
    while before != counts:
        before = dict(counts)
        for table, fitted in replica.planned():
            _cap_rows(replica, table, fitted, counts, asked=table.id in settings.rows)
    return counts


def _wanted_rows(table: TablePlan, fitted: FittedTable, settings: Settings) -> int:
    if table.id in settings.rows:
        return settings.rows[table.id]
    if table.role == "lookup" or fitted.rows == 0:
        return fitted.rows
    return max(1, round(fitted.rows * settings.scale))


def _cap_rows(
    replica: FittedReplica, table: TablePlan, fitted: FittedTable, counts: dict[str, int], *, asked: bool
) -> None:
    """Takes away the rows of a table that its parents have no room for; refuses where they were asked for."""
    for key in (*([table.owner] if table.owner else []), *(reference.key for reference in table.references)):
        room = _room(replica, table, key, counts)
        if room is None:
            continue
        most = room * counts[key.parent] + _orphans(table, fitted, key, counts[table.id])
        if counts[table.id] > most and asked:
            raise PlanError(
                f"--rows {table.id}={counts[table.id]}: {key.parent} has {counts[key.parent]} rows"
                f" and each may have {room or 'none'} at most: ask for fewer, or for more of {key.parent}"
            )
        counts[table.id] = min(counts[table.id], most)


def _room(replica: FittedReplica, table: TablePlan, key: ForeignKey, counts: Mapping[str, int]) -> int | None:
    """Most rows of a table that may point to one and the same row; None where there is no limit to speak of."""
    is_owner = table.owner is not None and table.owner.id == key.id
    may_be_null = any(table.table.by_name[name].nullable for name in key.columns)
    if key.parent not in counts or (may_be_null and not is_owner):
        return None
    if counts[key.parent] == 0 and not may_be_null:
        return 0
    fan_out = replica.tables[key.parent].fan_outs.get(key.id)
    rooms = (fan_out.cap if fan_out and is_owner else None, room_under(table, replica.tables[table.id], key, counts))
    return min((room for room in rooms if room is not None), default=None)


def _orphans(table: TablePlan, fitted: FittedTable, key: ForeignKey, n: int) -> int:
    """How many of a table's rows have no owner; none for another reference."""
    is_owner = table.owner is not None and table.owner.id == key.id
    return min(n, round(fitted.orphans * n / max(1, fitted.rows))) if is_owner else 0


class _Making:
    """The state of one run of :func:`sample`."""

    def __init__(self, replica: FittedReplica, settings: Settings, wishes: Wishes, evaluate: Evaluate | None) -> None:
        self.replica = replica
        self.settings = settings
        self.wishes = wishes
        self.evaluate = evaluate
        self.seed = settings.seed
        self.database = MadeDatabase(replica, settings.seed)
        self.assigner = Assigner(self.database, evaluate)
        self.ruler = Ruler(self.database, settings.seed)
        self.counts = planned_rows(replica, settings)
        self.settler = Settler(self.database, replica.plan, self.ruler, evaluate, settings.seed, self.counts)
        self.database.ready = self.ready
        self.plans = replica.plan.by_id
        self.drawn: set[str] = set()
        self.pointable: set[str] = set()
        self.settled: set[str] = set()
        self.own_settled: set[str] = set()
        self.seen_by = _seen_by(replica)
        self.done: set[str] = set()

    def rng(self, *path: str | int) -> np.random.Generator:
        return stream(self.seed, *path)

    # Drawing codes

    def draw(self, table: TablePlan) -> None:
        """Draws the codes of a table, and assigns the references that its values depend on."""
        fitted, n = self.replica.tables[table.id], self.counts[table.id]
        skeleton = self._skeleton(table, fitted, n)
        made = MadeTable(
            plan=table,
            fitted=fitted,
            skeleton=skeleton,
            codes=np.zeros((n, len(fitted.layout.spans)), np.uint16),
            values=np.zeros(n if fitted.sequence else 0, np.int64),
        )
        self.database.tables[table.id] = made
        self.drawn.add(table.id)
        if table.owner is not None:
            # Before rows stand under it, their owner's keys are settled.
            self.ready(self.database.tables[table.owner.parent])
            made.parents[table.owner.id] = skeleton.owner
        for name, maker in fitted.keys.items():
            maker.require(table.table.by_name[name], n, f"{table.id}.{name}")
        settle_keys(made, self.database.makers(table.id), self.settler.judge(table))
        self._put_kept(made)
        chooser = self._chooser(made)
        if fitted.generator is None or n == 0:
            return
        drawing = self._drawing(made)
        layout = fitted.layout
        early = [block.name for block in layout.of("referenced")]
        two_passes = bool(layout.of("referenced", "previous"))
        if not two_passes:
            self._draw_columns(made, drawing, (0, slice(0, 0)), chooser)
            self._draw_together(made)
            return
        draw(fitted, drawing, made.codes, made.values, (0, layout.structure), slice(0, 0))
        self._draw_together(made)
        for name in early:
            self.assigner.assign(made, self._reference(table, name))
            self._observe(made, name)
        previous = layout.places("previous", "")
        self._draw_columns(made, drawing, (layout.structure, previous), chooser)

    def _chooser(self, made: MadeTable) -> Chooser | None:
        """What chooses the rows of a table; None where nothing is wished of it."""
        wishes = self.wishes.of(made.plan.id)
        if not wishes:
            return None
        return chooser_of(made, wishes, self.ruler, self.settler.judge(made.plan), self.rng("wishes", made.plan.id))

    def _draw_columns(
        self, made: MadeTable, drawing: Drawing, place: tuple[int, slice], chooser: Chooser | None
    ) -> None:
        """Draws the spans from a place on, those of the columns among them."""
        start, previous = place
        span = (start, len(made.fitted.layout.spans))
        if chooser is None:
            draw(made.fitted, drawing, made.codes, made.values, span, previous)
        else:
            draw_chosen(chooser, drawing, made, span, previous)

    def _reference(self, table: TablePlan, name: str) -> ReferencePlan:
        return next(reference for reference in table.references if reference.key.id == name)

    def _skeleton(self, table: TablePlan, fitted: FittedTable, n: int) -> Skeleton:
        """Settles how many rows each owner has."""
        if table.owner is None:
            return Skeleton(np.full(n, NULL))
        parent = self.database.tables[table.owner.parent]
        # Where references lead in a circle, it may not have been yet.
        self.ready(parent)
        orphans = _orphans(table, fitted, table.owner, n)
        if len(parent) == 0:
            return Skeleton(np.full(n, NULL))
        cap = _room(self.replica, table, table.owner, self.counts)
        limits = self.assigner.owner_limits(table, table.owner, n, cap)
        counts = self._children(parent, table.owner, n - orphans, limits)
        return Skeleton(np.r_[np.full(orphans, NULL), np.repeat(np.arange(len(parent)), counts)])

    def _children(self, parent: MadeTable, key: ForeignKey, total: int, cap: Ints) -> Ints:
        """Brings the drawn numbers of children to the planned total, and the codes with them."""
        fan_out = parent.fitted.fan_outs.get(key.id)
        rng = self.rng("fan-out", key.id)
        where = f"{key.child}{column_list(key.columns)}"
        if fan_out is None:
            return reconcile(np.ones(len(parent), np.int64), total, rng, cap=cap, what=where)
        places = parent.fitted.layout.places("fanout", key.id)
        counts = fan_out.decode(parent.codes[:, places].astype(np.int32), rng)
        counts = reconcile(counts, total, rng, cap=cap, what=where)
        parent.codes[:, places] = fan_out.encode(counts)
        parent.children[key.id] = counts
        return counts

    def _put_kept(self, made: MadeTable) -> None:
        """Fills in the codes of rows that are kept."""
        blocks = made.fitted.layout.of("common")
        if made.fitted.kept is not None and blocks and len(made):
            rows = np.arange(len(made)) % max(1, len(made.fitted.kept))
            made.codes[:, blocks[0].start : blocks[-1].stop] = made.fitted.kept[rows]

    def _drawing(self, made: MadeTable) -> Drawing:
        return Drawing(
            skeleton=made.skeleton,
            above=lambda rows: self._above(made, rows),
            anchors=self._anchors(made),
            elders=tuple(self._elder_rows(elder) for elder in made.fitted.context.elders),
            seed=self.seed,
            table=made.plan.id,
            workers=self.settings.processes,
            device=self.settings.device,
        )

    def _above(self, made: MadeTable, rows: slice) -> Codes:
        """What is seen of the owners of some rows, and of theirs."""
        numbers, at = np.arange(rows.start, rows.stop), made
        parts = []
        for ancestor in made.fitted.context.ancestors:
            numbers = np.where(numbers >= 0, at.skeleton.owner[np.maximum(numbers, 0)], NULL)
            assert at.plan.owner is not None  # noqa: S101 - as many ancestors as owners
            at = self.database.tables[at.plan.owner.parent]
            parts.append(ancestor_codes(ancestor, at.codes, numbers))
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(numbers), 0), np.int32)

    def _elder_rows(self, elder: Elder) -> ElderRows:
        other = self.database.tables[elder.table]
        return ElderRows(other.codes, other.skeleton.owner, other.values if elder.order else None)

    def _anchors(self, made: MadeTable) -> Ints:
        """The owner's moment that first values are counted from."""
        sequence, owner = made.fitted.sequence, made.plan.owner
        if sequence is None or sequence.anchor is None or owner is None:
            return np.zeros(len(made), np.int64)
        column = self.database.column(owner.parent, sequence.anchor)
        family = self.database.tables[owner.parent].plan.table.by_name[sequence.anchor].type.family
        known = np.where(is_null(column), NO_ANCHOR, in_measure(order_numbers(column), family, sequence.measure))
        return np.append(known, NO_ANCHOR)[made.skeleton.owner]

    def _draw_together(self, made: MadeTable) -> None:
        """Lets no family run past the end of what was learned."""
        sequence = made.fitted.sequence
        if sequence is not None:
            made.values[:] = sequence.drawn_together(made.values, made.skeleton.family)
            self.ruler.move_families(made)
            table = made.plan
            made.values[:] = keep_in_order(
                made.values,
                made.skeleton.family,
                table.table.by_name[table.order or ""],
                table.checks,
                self.settler.judge(table),
                self.rng("order", table.id),
            )
            if any(found.unique.columns == (table.order,) for found in table.uniques):
                made.values[:] = all_different(made.values)

    def _observe(self, made: MadeTable, name: str) -> None:
        """Puts in what is known of the rows that a reference was assigned to."""
        reference = self._reference(made.plan, name)
        parent = self.database.tables[reference.key.parent]
        # Where it stands depends on what else is observed; what of it is like an own column does not.
        whole = see_referenced(parent.fitted.layout)
        # Files written before likenesses were learned do not say what is seen.
        seen = replace(made.fitted.referenced.get(name, whole), places=whole.places)
        made.codes[:, made.fitted.layout.places("referenced", name)] = ancestor_codes(
            seen, parent.codes, made.parents[name]
        )

    # Finishing tables

    def _can_follow(self, key: ForeignKey) -> bool:
        """True where what a reference points to is drawn, and all that its values come from."""
        if key.parent not in self.drawn:
            return False
        forgotten = key.parent not in self.database.tables
        return forgotten or all(self.database.can_tell(key.parent, name) for name in key.parent_columns)

    def can_finish(self, name: str) -> bool:
        """True when every table that this one points to has been drawn, and likewise for those its rules look at."""
        looked_at, left = {name}, [name]
        while left:
            at = left.pop()
            plan = self.plans[at]
            loose = {found.parent for found in plan.table.loose_references} & set(self.plans)
            is_drawn = at in self.drawn and loose <= self.drawn
            keys = [*([plan.owner] if plan.owner else []), *(found.key for found in plan.references)]
            if not is_drawn or not all(self._can_follow(key) for key in keys):
                return False
            more = {*aggregated(plan), *looked_up(plan)} - looked_at
            looked_at |= more
            left += more
        return True

    def finish(self, name: str) -> TableRows:
        """Assigns what is left, settles what must be known of all rows, and hands the rows out."""
        made = self.database.tables[name]
        self._settle_all(made)
        columns = tuple(column.name for column in made.plan.columns if column.producer != "generated")
        notes: list[str] = []
        return TableRows(made.plan.table, len(made), columns, self._batches(made, columns, notes), notes)

    def _settle_all(self, made: MadeTable) -> None:
        """Settles all that must be known before batches are made; what follows from other tables' rows comes last."""
        if made.plan.id in self.settled:
            return
        self.settled.add(made.plan.id)
        self._settle_own(made)
        for name in aggregated(made.plan):
            self._settle_all(self.database.tables[name])
        self.ruler.add_up(made)
        computed = self.ruler.aggregates(made.plan)
        if computed and len(made):
            self.settler.keep_checks(made, computed, TURNS + 1, frozenset())
            made.columns |= self.ruler.restored(made, made.columns, None, self.settler.judge(made.plan))

    def _settle_own(self, made: MadeTable) -> None:
        """Assigns and settles what does not follow from rows that point here."""
        if made.plan.id in self.own_settled:
            return
        self.own_settled.add(made.plan.id)
        for name in looked_up(made.plan):
            self._settle_own(self.database.tables[name])
        self.ready(made)
        for reference in made.plan.references:
            self.assigner.assign(made, reference)
        # Persons follow from columns that are settled with this, before batches are made beside each other.
        self.database.people(made, slice(0, 0))
        self.ruler.settle(made)
        polymorphic = made.plan.by("polymorphic")
        if made.plan.id not in self.pointable or self._late(made.plan) or made.plan.rules or polymorphic:
            self.settler.settle(made)
        for column in polymorphic:
            self.database.column(made.plan.id, column.name)

    def ready(self, made: MadeTable) -> None:
        """Settles what is pointed to, as far as that goes without references to rows that are not settled.

        What is pointed to may not change any more once something points to it.
        """
        if made.plan.id in self.pointable or not self.settler.pointed(made.plan.id):
            return
        # Columns of rows that are still to be drawn, or that are being chosen.
        untold = {name for name in made.plan.table.by_name if not self.database.can_tell(made.plan.id, name)}
        untold |= {name for found in made.plan.references if found.key.id in made.assigning for name in found.free}
        if untold & set(self.settler.pointed(made.plan.id)):
            return
        self.pointable.add(made.plan.id)
        late = [found for found in made.plan.references if found in self._late(made.plan) or untold & set(found.free)]
        if any(made.plan.id in circle for circle in self.replica.plan.order.cycles):
            # Assigning may lead back here, and fix keys that only the table's own columns tell apart.
            self.settler.settle(made, frozenset(untold | made.plan.table.polymorphic_columns | self._unassigned(made)))
        for reference in made.plan.references:
            if reference not in late:
                self.assigner.assign(made, reference)
        # Polymorphic columns point into tables that may not be there yet.
        pending = untold | {name for found in late for name in found.free} | made.plan.table.polymorphic_columns
        self.settler.settle(made, frozenset(pending))
        if untold:
            # The rest is settled when it can be told.
            self.pointable.discard(made.plan.id)

    def _unassigned(self, made: MadeTable) -> set[str]:
        """Columns of references that are still to be assigned."""
        return {name for found in made.plan.references if found.key.id not in made.parents for name in found.free}

    def _late(self, table: TablePlan) -> list[ReferencePlan]:
        """References to rows that are not settled before those of the table."""
        return [found for found in table.references if found.deferred or found.key.is_self]

    def _batches(self, made: MadeTable, columns: tuple[str, ...], notes: list[str]) -> Iterator[pa.RecordBatch]:
        yield from self._made_batches(made, columns)
        notes += self.ruler.notes(made.plan.id)

    def _made_batches(self, made: MadeTable, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        n = len(made)
        starts = list(range(0, n, CHUNK_ROWS))
        if self.settings.processes < 2 or len(starts) < 2:
            for start in starts:
                yield self._batch(made, columns, slice(start, min(n, start + CHUNK_ROWS)))
            return
        # A few batches ahead, so that making and loading overlap.
        with ThreadPoolExecutor(self.settings.processes) as pool:
            ahead = self.settings.processes + 1
            pending = [
                pool.submit(self._batch, made, columns, slice(a, min(n, a + CHUNK_ROWS))) for a in starts[:ahead]
            ]
            for start in starts[ahead:]:
                done = pending.pop(0).result()
                pending.append(pool.submit(self._batch, made, columns, slice(start, min(n, start + CHUNK_ROWS))))
                yield done
            for future in pending:
                yield future.result()

    def _batch(self, made: MadeTable, columns: tuple[str, ...], rows: slice) -> pa.RecordBatch:
        table = made.plan
        arrays = {name: self._values(made, name, rows) for name in columns}
        if table.role != "lookup":
            free = [name for name in columns if name not in made.columns and self.settler.is_changeable(made, name)]
            duty = Duty(self.settler.judge(table), table.checks, self.ruler.units(made, free, free))
            arrays = self.settler.mended(made, duty, arrays, rows, self.rng("checks", table.id, rows.start))
            arrays = self.ruler.restored(made, arrays, rows, self.settler.judge(table)) if table.rules else arrays
        if not arrays:
            # Rows without a column are still rows.
            return pa.RecordBatch.from_arrays([pa.nulls(rows.stop - rows.start)], names=[""])
        return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))

    def _values(self, made: MadeTable, name: str, rows: slice) -> pa.Array:
        column = next(found for found in made.plan.columns if found.name == name)
        if column.producer == "derived":
            return _placeholder(column.column.type.family, column.column.nullable, rows.stop - rows.start)
        return self.database.chunk(made.plan.id, name, rows)

    def forget(self, name: str) -> None:
        """Lets go of tables that have been handed out and that no other table sees any more."""
        self.done.add(name)
        for table in list(self.database.tables):
            if table in self.done and self.seen_by[table] <= self.done:
                del self.database.tables[table]


def _seen_by(replica: FittedReplica) -> dict[str, set[str]]:
    """For each table the tables that see its rows: that point to it, lie below it, or come after it under its owner."""
    plan = replica.plan
    seers: dict[str, set[str]] = {table.id: set() for table in plan.tables}
    for table in plan.tables:
        for reference in table.references:
            seers[reference.key.parent].add(table.id)
        for loose in table.table.loose_references:
            seers.get(loose.parent, set()).add(table.id)
        for key in table.holder_path or ():
            seers[key.parent].add(table.id)
        at = table
        while at.owner is not None:
            seers[at.owner.parent].add(table.id)
            at = plan.by_id[at.owner.parent]
        elders = (elder.table for elder in replica.tables[table.id].context.elders)
        for name in (*aggregated(table), *looked_up(table), *elders):
            seers[name].add(table.id)
    return seers


_ZERO = {"integer": 0, "float": 0.0, "boolean": False}


def _placeholder(family: str, nullable: bool, n: int) -> pa.Array:
    """What stands in a derived column until it is computed."""
    if nullable:
        return pa.nulls(n, pa.string())
    return pa.array([_ZERO.get(family, "" if family in ("text", "tsvector") else "0")] * n)
