"""Keeping rules: the columns that they decide or bound are made, and after repairs made again, so that they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.constraints.judging import Judge, reads_of
from replica.constraints.repair import Columns, broken_rows, put
from replica.kinds.base import is_null
from replica.kinds.datetime import DAY_US
from replica.making.drawing import CHUNK_ROWS
from replica.making.made import MadeDatabase, MadeTable
from replica.planning.decisions import RulePlan, TablePlan
from replica.planning.rules import follows_owner
from replica.relations.gaps import in_units
from replica.relations.joins import group_numbers
from replica.rules import RULES
from replica.rules.base import measured
from replica.rules.numbers import stored
from replica.schema.model import Column, ForeignKey
from replica.schema.rules import AfterParent, ChildrenRule, ParentRule, Periods
from replica.seeds import stream

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass
class _Seen:
    """What a rule may look at; see :class:`replica.rules.base.Seen`."""

    database: MadeDatabase
    made: MadeTable
    column: str
    rows: slice | None
    rng: np.random.Generator
    leave: Callable[[int], None]
    current: Mapping[str, pa.Array] = field(default_factory=dict)

    def schema(self, name: str) -> Column:
        return self.made.plan.table.by_name[name]

    def own(self, name: str) -> pa.Array:
        if name in self.current:
            return self.current[name]
        if self.rows is None:
            return self.database.column(self.made.plan.id, name)
        return self.database.chunk(self.made.plan.id, name, self.rows)

    def parent(self, via: tuple[str, ...], name: str) -> pa.Array:
        key = _key(self.made.plan, via)
        rows = self.database.parents(self.made, key)
        return self.database.parent_values(key.parent, name, rows if self.rows is None else rows[self.rows])

    def children(self, table: str, via: tuple[str, ...], names: Iterable[str]) -> tuple[Ints, dict[str, pa.Array]]:
        child = self.database.tables[table]
        columns = {name: stored(self.database.column(table, name), child.plan.table.by_name[name]) for name in names}
        return self.database.parents(child, _key(child.plan, via, self.made.plan.id)), columns

    def learned(self) -> pa.Table | None:
        lookup = self.made.fitted.lookups.get(self.column)
        return None if lookup is None else pa.table({"by": pa.array(lookup.by, pa.string()), "value": lookup.array()})


def _key(plan: TablePlan, via: tuple[str, ...], parent: str | None = None) -> ForeignKey:
    keys = [*([plan.owner] if plan.owner else []), *(reference.key for reference in plan.references)]
    return next(key for key in keys if key.columns == via and parent in (None, key.parent))


class Ruler:
    """Keeps the rules of made-up tables.

    Args:
        database: the tables; from now on their columns keep the rules.
        seed: the root seed.

    Attributes:
        left: in how many rows a rule is not kept, beside what is declared: by table, rule in words and first row.
    """

    def __init__(self, database: MadeDatabase, seed: int) -> None:
        self.database = database
        self.seed = seed
        self.left: dict[tuple[str, str, int], int] = {}
        database.rule = self.chunk

    def chunk(self, made: MadeTable, name: str, rows: slice) -> pa.Array:
        """Returns a column for a stretch of rows, its rules kept."""
        rules = _rules_of(made.plan, name)
        if not rules:
            return self.database.raw(made, name, rows)
        if not any(RULES[found.rule.form].whole for found in rules):
            return self._kept(made, rules, self.database.raw(made, name, rows), rows)
        made.columns[name] = self._kept(made, rules, self._raw(made, name, None), None)
        return made.columns[name].slice(rows.start, rows.stop - rows.start)

    def _kept(
        self,
        made: MadeTable,
        rules: Iterable[RulePlan],
        values: pa.Array,
        rows: slice | None,
        current: Mapping[str, pa.Array] | None = None,
    ) -> pa.Array:
        for found in rules:
            rng = stream(self.seed, "rule", made.plan.id, found.column, found.rule.form, rows.start if rows else 0)
            left: list[int] = []
            seen = _Seen(self.database, made, found.column, rows, rng, left.append, current or {})
            values = RULES[found.rule.form].keep(found.rule, found.column, values, seen)
            self.left |= {_named(made.plan, found, rows): count for count in left}
        return values

    def tried(self, made: MadeTable, columns: Columns, rng: np.random.Generator) -> Columns:
        """Returns columns of rows that are not settled, the rules kept that speak of a row alone.

        Args:
            made: the table.
            columns: all columns that these rules look at.
            rng: the random stream.
        """
        kept = dict(columns)
        for name in _in_order(made.plan):
            for found in _rules_of(made.plan, name) if name in kept else ():
                if RULES[found.rule.form].alone:
                    seen = _Seen(self.database, made, name, None, rng, lambda _rows: None, kept)
                    kept[name] = RULES[found.rule.form].keep(found.rule, name, kept[name], seen)
        return kept

    def settle(self, made: MadeTable) -> None:
        """Settles what must be known of all rows: by rules that look at all of them, and by those of other tables."""
        self.move_families(made)
        later = self.aggregates(made.plan)
        for found in made.plan.rules:
            if RULES[found.rule.form].whole and found.column not in later:
                self.database.column(made.plan.id, found.column)
        for other in self.database.replica.plan.tables:
            for found in other.rules if other.id != made.plan.id else ():
                for name in RULES[found.rule.form].reads(found.rule, other.table).get(made.plan.id, ()):
                    if name not in made.fitted.keys and name not in later:
                        self.database.column(made.plan.id, name)

    def add_up(self, made: MadeTable) -> None:
        """Settles the columns that follow from the rows that point here."""
        for name in sorted(self.aggregates(made.plan)):
            self.database.column(made.plan.id, name)

    def aggregates(self, plan: TablePlan) -> set[str]:
        """Returns the columns that count or add up other rows, and those that are made of them."""
        found = {one.column for one in plan.rules if isinstance(one.rule, ChildrenRule)}
        while more := {
            one.column
            for one in plan.rules
            if one.column not in found and RULES[one.rule.form].reads(one.rule, plan.table)[plan.id] & found
        }:
            found |= more
        return found

    def units(self, made: MadeTable, free: Iterable[str], wanted: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Returns what repairs may change, each with what changes together: columns of one rule move as one.

        Args:
            made: the table.
            free: columns that may be changed.
            wanted: those of them that are to be.
        """
        names = list(free)
        graph = nx.Graph()
        for found in made.plan.rules:
            if RULES[found.rule.form].alone:
                columns = RULES[found.rule.form].reads(found.rule, made.plan.table)[made.plan.id]
                nx.add_path(graph, sorted(columns))
        together = {name: tuple(sorted(part)) for part in nx.connected_components(graph) for name in part}
        known = set(names)
        return {name: part if known >= set(part := together.get(name, (name,))) else (name,)
                for name in names if name in set(wanted)}  # fmt: skip

    def unruled(self, made: MadeTable, columns: Columns, rows: slice | None) -> Columns:
        """Returns columns as they are without rules, for when a declared check cannot be kept beside one.

        Args:
            made: the table.
            columns: its columns, rules kept.
            rows: which rows they are; None for all.
        """
        free = [name for name in columns if _rules_of(made.plan, name) and (rows is None or name not in made.columns)]
        return {**columns, **{name: self._raw(made, name, rows) for name in free}}

    def _raw(self, made: MadeTable, name: str, rows: slice | None) -> pa.Array:
        if rows is not None:
            return self.database.raw(made, name, rows)
        n = len(made)
        starts = range(0, max(n, 1), CHUNK_ROWS)
        return pa.concat_arrays([self.database.raw(made, name, slice(a, min(n, a + CHUNK_ROWS))) for a in starts])

    def restored(self, made: MadeTable, columns: Columns, rows: slice | None, judge: Judge) -> Columns:
        """Returns columns with the rules kept once more, where repairs have broken them.

        A declared check is worth more: rows that would break one stay as they are, and are counted.

        Args:
            made: the table.
            columns: its columns as repairs have left them.
            rows: which rows they are; None for all.
            judge: says which rows break a check.
        """
        kept = dict(columns)
        for name in _in_order(made.plan):
            is_settled = rows is not None and name in made.columns
            if name in kept and not is_settled:
                kept[name] = self._kept(made, _rules_of(made.plan, name), kept[name], rows, kept)
        changed = [name for name in kept if kept[name] is not columns[name] and not kept[name].equals(columns[name])]
        if not changed:
            return columns
        checks = [check for check in made.plan.checks if set(reads_of(check, made.plan.table)) <= set(kept)]
        broken = broken_rows(judge, checks, kept) & ~broken_rows(judge, checks, columns)
        back = np.flatnonzero(broken | _repeats(made.plan, kept, changed))
        for name in changed if len(back) else []:
            old = columns[name] if columns[name].type == kept[name].type else columns[name].cast(kept[name].type)
            kept[name] = put(kept[name], back, old.take(pa.array(back)))
            for found in _rules_of(made.plan, name):
                self.left[_named(made.plan, found, rows)] = len(back)
        return kept

    def move_families(self, made: MadeTable) -> None:
        """Moves what orders the rows of one owner where rules ask for it: families as a whole, or rows apart."""
        if made.fitted.sequence is None or not len(made):
            return
        family = made.plan.table.by_name[made.fitted.sequence.column].type.family
        for found in made.plan.rules:
            if not _moves_families(made.plan, found):
                continue
            if isinstance(found.rule, AfterParent):
                lack = np.maximum(0, self._earliest(made, found.rule, family) - made.values)
                made.values[:] += _most_of_family(lack, made.skeleton.family)
            else:
                made.values[:] = set_apart(made.values, made.skeleton.family)

    def _earliest(self, made: MadeTable, rule: AfterParent, family: str) -> Ints:
        """The first value that each row may have, in the units of what orders rows; the least number for any."""
        parents = made.parents[_key(made.plan, rule.via).id]
        numbers, null = measured(
            self.database.parent_values(_key(made.plan, rule.via).parent, rule.parent_column, parents)
        )
        least = in_units(np.ceil(numbers).astype(np.int64), "timestamp", family)
        if family == "date":
            # A date stands for its first moment, so a parent's time of day pushes it on.
            least = least + (numbers > least * DAY_US)
        return np.where(null, np.iinfo(np.int64).min // 2, least)

    def notes(self, table: str) -> list[str]:
        """Returns a line for each rule of a table that some rows do not keep."""
        counts: Counter[str] = Counter()
        for (name, rule, _), count in self.left.items():
            counts[rule] += count if name == table else 0
        return [
            f"{table}: {rule}: not kept in {count:,} rows, since what the schema declares does not allow it"
            for rule, count in sorted(counts.items())
            if count
        ]


def _most_of_family(lack: Ints, family: Ints) -> Ints:
    starts = np.flatnonzero(np.r_[True, family[1:] != family[:-1]])
    sizes = np.diff(np.r_[starts, len(family)])
    return np.repeat(np.maximum.reduceat(lack, starts), sizes)


def _named(plan: TablePlan, found: RulePlan, rows: slice | None) -> tuple[str, str, int]:
    return plan.id, RULES[found.rule.form].describe(found.rule, plan.table), rows.start if rows else 0


def _repeats(plan: TablePlan, columns: Columns, changed: Iterable[str]) -> Mask:
    """Rows that repeat the key of another one under a unique rule over changed columns."""
    found = np.zeros(len(next(iter(columns.values()))), dtype=bool)
    for unique in (rule.unique for rule in plan.uniques if not rule.unique.expressions and not rule.unique.predicate):
        if set(unique.columns) & set(changed) and set(unique.columns) <= set(columns):
            groups = group_numbers([columns[name] for name in unique.columns])
            null = np.any([is_null(columns[name]) for name in unique.columns], axis=0)
            found |= (np.bincount(groups)[groups] > 1) & ~null
    return found


def _rules_of(plan: TablePlan, name: str) -> tuple[RulePlan, ...]:
    return tuple(found for found in plan.rules if found.column == name and not _moves_families(plan, found))


def _moves_families(plan: TablePlan, found: RulePlan) -> bool:
    """True for rules about what orders the rows of one owner, for which families are moved."""
    rule = found.rule
    return found.column == plan.order and isinstance(rule, AfterParent | Periods) and follows_owner(plan, rule)


def set_apart(values: Ints, family: Ints) -> Ints:
    """Returns values that grow within each family by one at least; rows of one family are neighbours."""
    moved = values.copy()
    same = np.r_[False, family[1:] == family[:-1]]
    while len(close := np.flatnonzero(same & (moved <= np.r_[moved[:1], moved[:-1]]))):
        moved[close] = moved[close - 1] + 1
    return moved


def _in_order(plan: TablePlan) -> list[str]:
    """The columns that rules change, each behind those that it is made of."""
    graph = nx.DiGraph()
    for found in plan.rules:
        reads = RULES[found.rule.form].reads(found.rule, plan.table)[plan.id]
        graph.add_edges_from((other, found.column) for other in reads if other != found.column)
        graph.add_node(found.column)
    ruled = {found.column for found in plan.rules}
    order = nx.topological_sort(graph) if nx.is_directed_acyclic_graph(graph) else sorted(ruled)
    return [name for name in order if name in ruled]


def aggregated(plan: TablePlan) -> Iterator[str]:
    """Returns the tables whose rows a table's rules add up or count."""
    yield from (found.rule.table for found in plan.rules if isinstance(found.rule, ChildrenRule))


def looked_up(plan: TablePlan) -> Iterator[str]:
    """Returns the tables in whose rows a table's rules look, through its references."""
    yield from (_key(plan, found.rule.via).parent for found in plan.rules if isinstance(found.rule, ParentRule))
