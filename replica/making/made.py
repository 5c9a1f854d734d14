"""The made-up database on its way: rows as numbers and codes, and their columns on demand.

Nothing here reads the source. A value is made when it is asked for, from the row's number, its codes and the random
stream of its column and chunk, so it comes out the same whenever that is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.fitted import FittedReplica, FittedTable
from replica.kinds.base import Codes, People, Rows
from replica.kinds.datetime import moment_array, order_numbers
from replica.kinds.personal import locale_of, sexes
from replica.making.drawing import CHUNK_ROWS, Skeleton
from replica.making.loose import Parent, polymorphic_keys, put_keys, rules_over
from replica.planning.decisions import ColumnPlan, ReferencePlan, TablePlan
from replica.relations.gaps import in_units
from replica.relations.joins import NULL, group_numbers
from replica.relations.keys import KeyMaker
from replica.schema.model import ForeignKey, LooseReference
from replica.seeds import stream

Ints = npt.NDArray[np.int64]

_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})


@dataclass
class MadeTable:
    """A table's rows on their way.

    Attributes:
        plan: what was decided.
        fitted: what was learned.
        skeleton: the rows and their owners.
        codes: codes of all rows; shape (rows, spans).
        values: what orders the rows of one owner; empty without an order.
        children: how many children each row has, by reference to this table, once it is settled.
        parents: the row that each row points to, by reference, once it is assigned; -1 for null.
        columns: columns that are settled for all rows.
        assigning: references that are being assigned right now, so that their rows are not known yet.
    """

    plan: TablePlan
    fitted: FittedTable
    skeleton: Skeleton
    codes: Codes
    values: Ints
    children: dict[str, Ints] = field(default_factory=dict)
    parents: dict[str, Ints] = field(default_factory=dict)
    columns: dict[str, pa.Array] = field(default_factory=dict)
    assigning: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.skeleton)


def _assign_nothing(made: MadeTable, reference: ReferencePlan) -> None:
    """Stands in until there is something that assigns references."""
    made.parents[reference.key.id] = np.full(len(made), NULL)


def _nothing(made: MadeTable) -> None:
    """Stands in until there is something that settles rows."""


class MadeDatabase:
    """All tables on their way, and how their columns follow from each other.

    Args:
        replica: what was learned.
        seed: the root seed.
    """

    def __init__(self, replica: FittedReplica, seed: int) -> None:
        self.replica = replica
        self.seed = seed
        self.tables: dict[str, MadeTable] = {}
        self.rule: Callable[[MadeTable, str, slice], pa.Array] = self.raw
        self.assign: Callable[[MadeTable, ReferencePlan], None] = _assign_nothing
        self.ready: Callable[[MadeTable], None] = _nothing
        self._people: dict[str, tuple[npt.NDArray[np.int8], npt.NDArray[np.int16], tuple[str, ...]]] = {}

    def parent_values(self, table: str, name: str, rows: Ints) -> pa.Array:
        """Returns a column of a table for some of its rows; null for negative numbers."""
        made = self.tables[table]
        maker = made.fitted.keys.get(name)
        if maker is not None and name not in made.columns:
            return self._salted(table, name).values(rows)
        places = pa.array(np.maximum(rows, 0), mask=rows < 0)
        return self.column(table, name).take(places)

    def column(self, table: str, name: str) -> pa.Array:
        """Returns a whole column, settled from now on."""
        made = self.tables[table]
        if name not in made.columns:
            n = len(made)
            parts = [self.chunk(table, name, slice(a, min(n, a + CHUNK_ROWS))) for a in range(0, n, CHUNK_ROWS)]
            made.columns[name] = pa.concat_arrays(parts) if parts else self.chunk(table, name, slice(0, 0))
        return made.columns[name]

    def can_tell(self, table: str, name: str, asked: frozenset[tuple[str, str]] = frozenset()) -> bool:
        """Returns True where a column can be told by now: tables that its values come from may be still to come.

        Args:
            table: the table.
            name: the column.
            asked: columns that wait for this one; what waits for itself cannot be told.
        """
        if table not in self.tables or (table, name) in asked:
            return False
        made = self.tables[table]
        is_reference = any(column.name == name for column in made.plan.by("reference"))
        if not is_reference or name in made.columns:
            return True
        return all(
            self.can_tell(key.parent, key.parent_columns[key.columns.index(name)], asked | {(table, name)})
            for key in self.filling(made.plan, name)
        )

    def chunk(self, table: str, name: str, rows: slice) -> pa.Array:
        """Returns a column for a stretch of rows; stretches start at multiples of ``CHUNK_ROWS``."""
        made = self.tables[table]
        if name in made.columns:
            return made.columns[name].slice(rows.start, rows.stop - rows.start)
        return self.rule(made, name, rows)

    def raw(self, made: MadeTable, name: str, rows: slice) -> pa.Array:
        """Returns a column for a stretch of rows as its producer makes it, whatever rules say of it."""
        column = next(found for found in made.plan.columns if found.name == name)
        producers = {
            "reference": self._reference_chunk,
            "key": self._key_chunk,
            "counter": self._counter_chunk,
            "period_end": self._period_end_chunk,
            "polymorphic": self._polymorphic_chunk,
        }
        is_copy = made.plan.role == "lookup" and column.producer not in ("reference", "polymorphic")
        make = self._kind_chunk if is_copy else producers.get(column.producer, self._kind_chunk)
        return self._with_keys(made, column, make(made, column, rows), rows)

    def _key_chunk(self, made: MadeTable, column: ColumnPlan, rows: slice) -> pa.Array:
        return self._salted(made.plan.id, column.name).values(np.arange(rows.start, rows.stop))

    def makers(self, table: str) -> dict[str, KeyMaker]:
        """Returns what makes a table's keys in this run, by column."""
        return {name: self._salted(table, name) for name in self.tables[table].fitted.keys}

    def _salted(self, table: str, name: str) -> KeyMaker:
        maker = self.tables[table].fitted.keys[name]
        return replace(maker, salt=int(stream(self.seed, "key", table, name).integers(0, 2**62)))

    def _reference_chunk(self, made: MadeTable, column: ColumnPlan, rows: slice) -> pa.Array:
        """A column that references fill: from the first of them, in order, that is not null."""
        name = column.name
        found: pa.Array | None = None
        for key in self.filling(made.plan, name):
            target = key.parent_columns[key.columns.index(name)]
            values = self.parent_values(key.parent, target, self.parents(made, key)[rows])
            found = values if found is None else pc.coalesce(found, values)
        if found is None:
            return pa.nulls(rows.stop - rows.start, pa.string())
        if not found.null_count:
            return found
        fill = self._partly_filled if column.column.nullable else self._filled
        return fill(made, column, rows, found)

    def _partly_filled(self, made: MadeTable, column: ColumnPlan, rows: slice, found: pa.Array) -> pa.Array:
        """Gives rows whose reference points nowhere a value, where another of its columns is null in its place."""
        key = self.filling(made.plan, column.name)[0]
        partial, n_parents = made.fitted.partial.get(key.id), len(self.tables[key.parent])
        if partial is None or not n_parents:
            return found
        # One stream for all columns of the reference, so that each row has one pattern.
        rng = stream(self.seed, "partial", made.plan.id, key.id, rows.start)
        place = key.columns.index(column.name)
        known = partial.draw(len(found), rng)[:, place]
        chosen = np.where(known, rng.integers(0, n_parents, len(found)), NULL)
        return pc.coalesce(found, self.parent_values(key.parent, key.parent_columns[place], chosen))

    def _filled(self, made: MadeTable, column: ColumnPlan, rows: slice, found: pa.Array) -> pa.Array:
        """Fills a column that may not be null on rows whose reference is, as another of its columns may be."""
        key = self.filling(made.plan, column.name)[-1]
        known = made.parents[key.id][made.parents[key.id] >= 0]
        parents = known if len(known) else np.arange(len(self.tables[key.parent]))
        if not len(parents):
            return found
        rng = stream(self.seed, "fill", made.plan.id, column.name, rows.start)
        target = key.parent_columns[key.columns.index(column.name)]
        return pc.coalesce(found, self.parent_values(key.parent, target, rng.choice(parents, len(found))))

    def parents(self, made: MadeTable, key: ForeignKey) -> Ints:
        """Returns the row that each row points to, assigning it if it is not yet."""
        if key.id not in made.parents:
            self.assign(made, next(found for found in made.plan.references if found.key.id == key.id))
        return made.parents[key.id]

    def filling(self, plan: TablePlan, name: str) -> list[ForeignKey]:
        """Returns the references that fill a column: the owner first, then those that decide others."""
        keys = [plan.owner] if plan.owner is not None and name in plan.owner.columns else []
        keys += [
            reference.key for reference in plan.references if name in reference.free or self._stands_in(reference, name)
        ]
        return keys

    def _stands_in(self, reference: ReferencePlan, name: str) -> bool:
        """True where a reference fills a column on rows where the one that decides it is null."""
        return reference.implied_by is not None and name in reference.key.columns

    def _kind_chunk(self, made: MadeTable, column: ColumnPlan, rows: slice) -> pa.Array:
        fitted, layout, name = made.fitted, made.fitted.layout, column.name
        if name == made.plan.order and fitted.sequence is not None:
            return _ordered(column, made.values[rows])
        codes = made.codes[rows, layout.places("attribute", name)].astype(np.int32)
        if name in fitted.relative:
            return self._relative_chunk(made, column, codes, rows)
        kind = fitted.kinds.get(name)
        if kind is None:
            return pa.nulls(rows.stop - rows.start, pa.string())
        return kind.decode(codes, self._rows(made, column, rows))

    def _relative_chunk(self, made: MadeTable, column: ColumnPlan, codes: Codes, rows: slice) -> pa.Array:
        relative, family = made.fitted.relative[column.name], column.column.type.family
        n = rows.stop - rows.start
        base = self.chunk(made.plan.id, relative.base, rows)
        if relative.gap is None:
            return pa.nulls(n, pa.date32() if family == "date" else pa.timestamp("us"))
        base_family = made.plan.table.by_name[relative.base].type.family
        starts = in_units(order_numbers(base), base_family, family)
        null = np.array(base.is_null())
        if relative.nulls:
            null = null | (codes[:, 0] == relative.gap.spans[0].cardinality)
        codes = np.minimum(codes, np.array([span.cardinality - 1 for span in relative.gap.spans], np.int32))
        rng = stream(self.seed, "decode", made.plan.id, column.name, rows.start)
        values = moment_array(relative.gap.decode(codes, starts, rng), family)
        return pc.if_else(pa.array(~null), values, pa.scalar(None, values.type))

    def _rows(self, made: MadeTable, column: ColumnPlan, rows: slice) -> Rows:
        ordinals = np.arange(rows.start, rows.stop)
        rng = stream(self.seed, "decode", made.plan.id, column.name, rows.start)
        follows = None if made.plan.owner is None else ~made.skeleton.is_first[rows]
        return Rows(ordinals, len(made), rng, self.people(made, rows), self._labels(made)[rows], follows)

    def _labels(self, made: MadeTable) -> Ints:
        """Kept rows have the labels of the row they are; elsewhere labels are dealt anew."""
        n, source = len(made), max(1, made.fitted.rows)
        if made.fitted.kept is not None:
            return np.arange(n)
        return stream(self.seed, "labels", made.plan.id).permutation(max(n, source))[:n]

    def people(self, made: MadeTable, rows: slice) -> People:
        """Returns the persons that rows are about."""
        person, numbers = self._persons(made, rows)
        sex, place, locales = self._traits(person)
        inside = np.minimum(numbers, max(0, len(sex) - 1))
        salt = int(stream(self.seed, "people", person.plan.id).integers(0, 2**62))
        if not len(sex):
            nobody = np.zeros(len(numbers), np.int16)
            return People(numbers, salt, nobody.astype(np.int8), nobody, locales, 0)
        return People(numbers, salt, sex[inside], place[inside], locales, len(person))

    def _persons(self, made: MadeTable, rows: slice) -> tuple[MadeTable, Ints]:
        """The table of the persons that rows are about, and the number of each row's person."""
        numbers = np.arange(rows.start, rows.stop)
        if not made.fitted.same_person or not made.plan.holder_path:
            return made, numbers
        at, table = numbers, made
        for key in made.plan.holder_path:
            at = np.where(at >= 0, table.parents[key.id][np.maximum(at, 0)], NULL)
            table = self.tables[key.parent]
        # A row that belongs to nobody gets a person of its own, behind all others.
        return table, np.where(at >= 0, at, len(table) + numbers)

    def _traits(self, made: MadeTable) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int16], tuple[str, ...]]:
        """Sex and locale of the persons of a table; they may follow from its other columns."""
        if made.plan.id not in self._people:
            n, plan = len(made), made.plan
            # Asking for these columns asks for persons again, who are then nobody in particular.
            self._people[plan.id] = (np.zeros(n, np.int8), np.zeros(n, np.int16), (self._default_locale,))
            sex = sexes(self._texts(plan, plan.sex)) if plan.sex else np.zeros(n, np.int8)
            place = np.zeros(n, np.int16)
            locales: tuple[str, ...] = (self._default_locale,)
            if plan.locale:
                found = [locale_of(text) or self._default_locale for text in self._texts(plan, plan.locale)]
                locales = tuple(sorted(set(found))) or locales
                index = {locale: i for i, locale in enumerate(locales)}
                place = np.array([index[locale] for locale in found], np.int16)
            self._people[plan.id] = (sex, place, locales)
        return self._people[made.plan.id]

    @property
    def _default_locale(self) -> str:
        return self.replica.plan.schema_map.locale

    def _texts(self, plan: TablePlan, name: str) -> list[str | None]:
        values = self.column(plan.id, name)
        texts: list[str | None] = (values if pa.types.is_string(values.type) else values.cast(pa.string())).to_pylist()
        return texts

    def _counter_chunk(self, made: MadeTable, column: ColumnPlan, rows: slice) -> pa.Array:
        """Numbers the rows within the values of other columns, in the order of the rows."""
        if column.name not in made.columns:
            groups = group_numbers([self.column(made.plan.id, name) for name in column.map.within])
            order = np.argsort(groups, kind="stable")
            starts = np.flatnonzero(np.r_[True, np.diff(groups[order]) != 0]) if len(groups) else np.zeros(0, np.int64)
            within = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
            numbers = np.empty(len(groups), np.int64)
            numbers[order] = within + (column.map.start if column.map.start is not None else 1)
            made.columns[column.name] = pa.array(numbers)
        return made.columns[column.name].slice(rows.start, rows.stop - rows.start)

    def _polymorphic_chunk(self, made: MadeTable, column: ColumnPlan, rows: slice) -> pa.Array:
        """Points each row to one of the table that its type stands for."""
        if column.name not in made.columns:
            table, name = made.plan.table, column.name
            found = [loose for loose in table.loose_references if loose.column == name and loose.when]
            types = self.column(table.id, next(loose.when[0] for loose in found if loose.when))
            parents = {loose.when[1]: self._pointed_to(loose) for loose in found if loose.when}
            groups = [self._groups(made, others) for others in rules_over(table, name)]
            rng = stream(self.seed, "polymorphic", table.id, name)
            made.columns[name] = polymorphic_keys(types, column.column, parents, groups, rng)
        return made.columns[column.name].slice(rows.start, rows.stop - rows.start)

    def _groups(self, made: MadeTable, names: tuple[str, ...]) -> Ints:
        """Numbers what columns say together; -1 where one of them is null."""
        columns = [self.column(made.plan.id, name) for name in names]
        if not columns:
            return np.zeros(len(made), np.int64)
        null = np.any([np.array(values.is_null()) for values in columns], axis=0)
        return np.where(null, -1, group_numbers(columns))

    def _pointed_to(self, loose: LooseReference) -> Parent:
        parent = self.tables.get(loose.parent)
        rows = len(parent) if parent is not None else 0
        return Parent(rows, lambda numbers: self.parent_values(loose.parent, loose.parent_column, numbers))

    def _with_keys(self, made: MadeTable, column: ColumnPlan, values: pa.Array, rows: slice) -> pa.Array:
        """Puts keys of rows that exist into values that hold keys."""
        table = made.plan.table
        found = [loose for loose in table.loose_references if loose.column == column.name and loose.path is not None]
        if not found:
            return values
        rng = stream(self.seed, "inside", table.id, column.name, rows.start)
        return put_keys(values, column.column, [(loose, self._pointed_to(loose)) for loose in found], rng)

    def _period_end_chunk(self, made: MadeTable, column: ColumnPlan, rows: slice) -> pa.Array:
        """Ends each period where the next of the same owner starts; the last one as its codes say."""
        if column.name in made.columns:
            return made.columns[column.name].slice(rows.start, rows.stop - rows.start)
        fitted, family = made.fitted.period_ends.get(column.name), column.column.type.family
        n = len(made)
        if fitted is None:
            return pa.nulls(rows.stop - rows.start, pa.date32() if family == "date" else pa.timestamp("us"))
        last = np.r_[made.skeleton.is_first[1:], True][:n]
        codes = made.codes[:, made.fitted.layout.places("attribute", column.name)].astype(np.int32)
        starts, null = made.values, np.zeros(n, dtype=bool)
        ends = np.r_[starts[1:], 0][:n] - fitted.offset
        gap = fitted.last.gap
        if gap is None:
            null = last
        else:
            limit = np.array([span.cardinality - 1 for span in gap.spans], np.int32)
            null = last & fitted.last.nulls & (codes[:, 0] >= gap.spans[0].cardinality)
            rng = stream(self.seed, "decode", made.plan.id, column.name)
            ends = np.where(last, gap.decode(np.minimum(codes, limit), starts, rng), ends)
        values = moment_array(ends, family)
        made.columns[column.name] = pc.if_else(pa.array(~null), values, pa.scalar(None, values.type))
        return made.columns[column.name].slice(rows.start, rows.stop - rows.start)


def _ordered(column: ColumnPlan, values: Ints) -> pa.Array:
    """Turns what orders rows into values of the column's type."""
    family = column.column.type.family
    if family in _MOMENTS:
        return moment_array(values, family)
    return pa.array(values).cast(pa.decimal128(38, 0)) if family == "numeric" else pa.array(values)
