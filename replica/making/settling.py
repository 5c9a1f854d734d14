"""Settling a table's rows all at once: checks, unique rules and EXCLUDE constraints take turns until all hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from replica.constraints.domains import domain_of
from replica.constraints.exclusion import keep_exclusion, packing_of, read_by
from replica.constraints.exclusion_forms import agreement_of, keep_agreement
from replica.constraints.judging import Judge, reads, reads_of
from replica.constraints.repair import Duty, keep_checks, put
from replica.constraints.unique import Rule, keep_unique, key_parts
from replica.databases.base import Evaluate
from replica.errors import UnsatisfiableError
from replica.kinds.arrays import ArrayKind
from replica.kinds.nested import listed_by
from replica.making.keeping import Ruler
from replica.making.made import MadeDatabase, MadeTable
from replica.making.variety import Variety, crowds, rows_to_differ, varieties
from replica.planning.decisions import Plan, ReferencePlan, TablePlan, UniquePlan
from replica.schema.model import Check, Exclusion, Table, Unique, quote_name
from replica.seeds import stream

# How often unique rules of one table are gone through, since one may break what another has settled.
TURNS = 8

# Kinds whose values come from a list.
_LISTED = frozenset({"category", "opaque", "array"})


@dataclass(frozen=True)
class Settler:
    """Makes the columns of tables hold what must be known of all rows.

    Attributes:
        database: the tables on their way.
        plan: what was decided.
        ruler: keeps rules that no schema declares.
        evaluate: a server's evaluation of conditions that are not understood here.
        seed: the root seed.
        counts: planned rows by table.
    """

    database: MadeDatabase
    plan: Plan
    ruler: Ruler
    evaluate: Evaluate | None
    seed: int
    counts: Mapping[str, int]

    def settle(self, made: MadeTable, pending: frozenset[str] = frozenset()) -> None:
        """Settles columns that others point to, and those of unique rules that must be looked after.

        Args:
            made: the table.
            pending: columns that are not filled yet; rules that read them are left for later.
        """
        table = made.plan
        for name in self.pointed(table.id):
            if name not in made.fitted.keys and name not in pending:
                self.database.column(table.id, name)
        for column in (*table.by("counter"), *table.by("period_end")):
            if not pending & set(column.map.within):
                self.database.column(table.id, column.name)
        if len(made) == 0 or table.role == "lookup":
            return
        loose = [unique for unique in self._loose_uniques(made) if not pending & set(_read_by(table.table, unique))]
        varying = [found for found in varieties(self.plan, table.id, self.counts) if not pending & set(found.columns)]
        varying += crowds(table, pending, self.counts)
        excluding = [found for found in table.table.exclusions if not pending & set(found.columns)]
        settled = {name for name in made.columns if self.is_changeable(made, name)}
        self.keep_checks(made, settled.union(*(unique.columns for unique in loose)), 0, pending)
        # What keeps one rule may break another, so they take turns.
        for turn in range(TURNS):
            changed = {unique.name: self._keep_unique(made, unique, turn, pending) for unique in loose}
            changed |= {", ".join(found.columns): self._keep_variety(made, found, turn, pending) for found in varying}
            changed |= {found.name: self._keep_exclusion(made, found) for found in excluding}
            if not any(changed.values()):
                break
            self.keep_checks(made, {name for names in changed.values() for name in names}, turn + 1, pending)
        else:
            broken = next(name for name, names in changed.items() if names)
            raise UnsatisfiableError(
                f"rule {table.id}.{quote_name(broken)} cannot be kept together with the table's checks: plan fewer"
                " rows, or let the schema map choose a kind with more values"
            )
        if table.rules and not pending:
            made.columns |= self.ruler.restored(made, made.columns, None, self.judge(table))

    def _loose_uniques(self, made: MadeTable) -> list[Unique]:
        """Returns the unique rules that nothing keeps so far."""
        is_ordered = made.fitted.sequence is not None
        ways = {"repair"} if is_ordered else {"repair", "order"}
        # What assigning references kept may be broken again where columns of the table's own have a part in it; and
        # rows that break a check take values of others, so that what differed in every row may not any more.
        checked = {name for check in made.plan.checks for name in reads_of(check, made.plan.table)}
        own = {column.name for column in made.plan.by("kind")}
        keys = {column.name for column in made.plan.by("key")}

        def is_loose(found: UniquePlan) -> bool:
            names = set(found.unique.columns)
            mixed = found.way == "references" and bool(own & names)
            return found.way in ways or mixed or (found.way == "key" and bool(checked & names) and not keys & names)

        return [found.unique for found in made.plan.uniques if is_loose(found)]

    def _keep_unique(self, made: MadeTable, unique: Unique, turn: int, pending: frozenset[str]) -> tuple[str, ...]:
        """Changes values until a unique rule holds, and returns which columns it changed."""
        rule, columns = self._rule(made, unique, pending)
        changed = keep_unique(rule, columns, stream(self.seed, "unique", made.plan.id, unique.name, turn))
        made.columns |= changed
        return tuple(changed)

    def _keep_variety(self, made: MadeTable, variety: Variety, turn: int, pending: frozenset[str]) -> tuple[str, ...]:
        """Makes some rows differ until there are enough combinations, and returns which columns that changed."""
        rule, columns = self._rule(made, Unique("variety", variety.columns), pending)
        rows = rows_to_differ([columns[name] for name in variety.columns], variety)
        if rows is None:
            return ()
        rng = stream(self.seed, "variety", made.plan.id, *variety.columns, turn)
        try:
            changed = keep_unique(rule, {name: values.take(pa.array(rows)) for name, values in columns.items()}, rng)
        except UnsatisfiableError:
            # The table that needs them says which of its rows lack a row to point to.
            return ()
        made.columns |= {name: put(columns[name], rows, values) for name, values in changed.items()}
        return tuple(changed)

    def _rule(self, made: MadeTable, unique: Unique, pending: frozenset[str]) -> tuple[Rule, dict[str, pa.Array]]:
        """A unique rule with what may be changed for it, and the columns that it and its checks read."""
        table = made.plan
        names = _read_by(table.table, unique)
        changeable = tuple(name for name in names if self.is_changeable(made, name))
        domains = {name: domain_of(table.table.by_name[name], table.checks) for name in changeable}
        # A column that a check pins to one value cannot tell rows apart.
        changeable = tuple(name for name in changeable if len(domains[name].values or ("", "")) > 1)
        reading = {check: set(reads_of(check, table.table)) for check in table.checks}
        checks = tuple(check for check, read in reading.items() if set(changeable) & read and not pending & read)
        read = dict.fromkeys((*names, *(name for check in checks for name in reads_of(check, table.table))))
        columns = {name: self.database.column(table.id, name) for name in read}
        listed = frozenset(column.name for column in table.by("kind") if column.kind in _LISTED)
        listed |= {name for name in changeable if domains[name].values is not None}
        kinds = {name: made.fitted.kinds.get(name) for name in listed & set(columns)}
        lists = {name: listed_by(k.whole if isinstance(k, ArrayKind) else k) for name, k in kinds.items()}
        known = {name: found.written.cast(columns[name].type) for name, found in lists.items() if found is not None}
        return Rule(self.judge(table), unique, changeable, listed, known, checks), columns

    def _keep_exclusion(self, made: MadeTable, exclusion: Exclusion) -> tuple[str, ...]:
        """Packs periods, or lets rows agree, until an EXCLUDE constraint holds; returns which columns that changed."""
        table, judge = made.plan.table, self.judge(made.plan)
        own = {column.name for column in made.plan.columns if column.producer in ("kind", "period_end")}
        packing, agreement = packing_of(exclusion, table), agreement_of(exclusion, table)
        changed: dict[str, pa.Array] = {}
        if packing is not None and set(packing.columns) <= own:
            columns = {name: self.database.column(table.id, name) for name in read_by(packing, table)}
            changed = keep_exclusion(packing, judge, columns)
        if agreement is not None and self.is_changeable(made, agreement.column):
            columns = {name: self.database.column(table.id, name) for name in agreement.read_by(table)}
            changed = keep_agreement(agreement, judge, columns)
        made.columns |= changed
        return tuple(changed)

    def keep_checks(self, made: MadeTable, settled: set[str], turn: int, pending: frozenset[str]) -> None:
        """Keeps, for all rows at once, checks that read what must be known of all: settled columns and references."""
        table = made.plan
        free = {
            reference.key.id: reference
            for reference in table.references
            if reference.key.id in made.parents and self._may_move(made, reference)
        }
        touched = settled | {column for reference in free.values() for column in reference.free}
        changeable = {name for name in table.table.by_name if self.is_changeable(made, name)}
        later = pending | (self.ruler.aggregates(table) - set(made.columns))
        checks = [
            check for check in _reaching(table, touched, changeable) if not later & {*reads_of(check, table.table)}
        ]
        names = {name for check in checks for name in reads_of(check, table.table)}
        if not checks:
            return
        clearable = {
            reference.key.id: (f"@{reference.key.id}", *reference.free)
            for reference in table.references
            if reference.key.id in made.parents and self._may_be_null(made, reference)
        }
        units = self.ruler.units(made, sorted(changeable), names)
        names = names.union(*units.values(), *(free[1:] for free in clearable.values() if names & set(free)))
        columns = {name: self.database.column(table.id, name) for name in sorted(names)}
        clearable = {name: unit for name, unit in clearable.items() if set(unit[1:]) <= names}
        columns |= {f"@{name}": pa.array(made.parents[name]) for name in free | clearable}
        units |= {name: (f"@{name}", *reference.free) for name, reference in free.items()}
        duty = Duty(self.judge(table), checks, units, clearable)
        kept = self.mended(made, duty, columns, None, stream(self.seed, "checks", table.id, "all", turn))
        for name in free | clearable:
            made.parents[name] = np.array(kept[f"@{name}"], dtype=np.int64)
        made.columns |= {name: kept[name] for name in names}

    def judge(self, table: TablePlan) -> Judge:
        """Returns who evaluates the conditions of a table."""
        return Judge(table.table, self.evaluate)

    def mended(
        self,
        made: MadeTable,
        duty: Duty,
        columns: dict[str, pa.Array],
        rows: slice | None,
        rng: np.random.Generator,
    ) -> dict[str, pa.Array]:
        """Keeps checks; where a rule is in the way of one, without the rule."""
        try:
            return keep_checks(duty, columns, rng)
        except UnsatisfiableError:
            if not made.plan.rules:
                raise
            alone = {name: unit if unit[0].startswith("@") else (name,) for name, unit in duty.units.items()}
            return keep_checks(replace(duty, units=alone), self.ruler.unruled(made, columns, rows), rng)

    def _may_move(self, made: MadeTable, reference: ReferencePlan) -> bool:
        """True where rows may point to another row of the same table without breaking anything else."""
        code = made.fitted.references.get(reference.key.id)
        in_key = any(
            set(reference.key.columns) & set(found.unique.columns)
            for found in made.plan.uniques
            # Where a key of its own tells rows apart, they differ wherever they point.
            if found.way != "key"
        )
        return code is not None and not code.tree and not in_key and not reference.fixed

    def _may_be_null(self, made: MadeTable, reference: ReferencePlan) -> bool:
        """True where rows may point to nothing without breaking anything else."""
        table = made.plan
        nullable = all(table.table.by_name[name].nullable for name in reference.free)
        decides = any(other.implied_by == reference.key.id for other in table.references)
        held = any(
            not found.unique.nulls_distinct and set(reference.free) & set(found.unique.columns)
            for found in table.uniques
        )
        kept = reference.fixed or reference.implied_by or reference.key.id in made.fitted.copied
        return bool(reference.free) and nullable and not (decides or held or kept)

    def pointed(self, table: str) -> tuple[str, ...]:
        """Columns of a table that references point to."""
        keys = self.plan.children(table)
        loose = (found for other in self.plan.tables for found in other.table.loose_references)
        columns = [column for key in keys for column in key.parent_columns]
        return tuple(dict.fromkeys([*columns, *(found.parent_column for found in loose if found.parent == table)]))

    def is_changeable(self, made: MadeTable, name: str) -> bool:
        """Returns True for a column whose values nothing else depends on."""
        column = next(found for found in made.plan.columns if found.name == name)
        ordered = name == made.plan.order and made.fitted.sequence is not None
        fixed = ordered or self._is_pointed_at(made, name)
        decides = any(found.when and found.when[0] == name for found in made.plan.table.loose_references)
        return column.producer == "kind" and not fixed and not decides and made.plan.role != "lookup"

    def _is_pointed_at(self, made: MadeTable, name: str) -> bool:
        """True for a column whose values rows have taken over already."""
        tables = self.database.tables
        return any(
            name in key.parent_columns and key.child in tables and key.id in tables[key.child].parents
            for key in self.plan.children(made.plan.id)
        )


def _reaching(table: TablePlan, settled: set[str], changeable: set[str]) -> list[Check]:
    """Returns the checks that read one of some columns, and those that share what may be changed with them."""
    reached: set[str] = set(settled)
    found: list[Check] = []
    left = list(table.checks)
    while hits := [check for check in left if reached & set(reads_of(check, table.table))]:
        found += hits
        left = [check for check in left if check not in hits]
        reached |= {name for check in hits for name in reads_of(check, table.table)} & changeable
    return found


def _read_by(table: Table, unique: Unique) -> tuple[str, ...]:
    """Columns that tell a rule's keys: its own, those that its computed parts and its predicate read."""
    parts = key_parts(table, unique)
    own = unique.columns if not parts else (name for part in parts for name in reads(part, table))
    return tuple(dict.fromkeys((*own, *reads(unique.predicate or "true", table))))
