"""What a reference must hold while it is assigned, out of a table's unique rules and its other references.

A unique rule over several references, or over a part of one, is split in three: what is known of a row already, what
the reference adds, and what later references will add. Two references that share columns must find their rows
together, so the first one only takes what leaves the second a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.constraints.judging import Judge, reads, reads_of
from replica.constraints.matching import MOST_PAIRS, allowed
from replica.constraints.unique import Rule, key_parts, part_numbers
from replica.databases.base import Evaluate
from replica.kinds.base import is_null
from replica.making.closed import closed_parents, may_be_closed
from replica.making.made import MadeDatabase
from replica.planning.decisions import ReferencePlan, TablePlan, UniquePlan
from replica.relations.joins import group_numbers
from replica.relations.rules import Distinct, Within, rank
from replica.schema.model import ForeignKey, Unique, quote_name

Ints = npt.NDArray[np.int64]
Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class Turn:
    """The moment at which a reference of a table is assigned.

    Attributes:
        database: all tables.
        table: the table.
        key: the reference.
        free: its columns that it fills.
        n: how many rows the table has.
        evaluate: a server's evaluation of what is not understood here.
    """

    database: MadeDatabase
    table: TablePlan
    key: ForeignKey
    free: frozenset[str]
    n: int
    evaluate: Evaluate | None

    @property
    def later(self) -> list[ReferencePlan]:
        """References that are still to come."""
        made = self.database.tables.get(self.table.id)
        done = set(made.parents) if made is not None else set()
        return [found for found in self.table.references if found.key.id not in done | {self.key.id}]

    @property
    def pending(self) -> frozenset[str]:
        """Columns that are not filled yet, and not by this reference."""
        return frozenset(name for found in self.later for name in found.free) - self.free

    def known(self, name: str) -> pa.Array:
        """Returns a column that is filled, as far as it is."""
        made = self.database.tables[self.table.id]
        later = {found.key.id for found in self.later} | {self.key.id}
        keys = self.database.filling(self.table, name)
        if name in made.columns or not any(key.id in later for key in keys):
            return self.database.column(self.table.id, name)
        done = [key for key in keys if key.id not in later]
        target = done[0].parent_columns[done[0].columns.index(name)]
        return self.database.parent_values(done[0].parent, target, made.parents[done[0].id])

    def added(self, name: str) -> pa.Array:
        """Returns what each parent would put into a column that this reference fills."""
        return self.parent_column(self.key, name)

    def parent_column(self, key: ForeignKey, name: str) -> pa.Array:
        """Returns the column that one of a reference's columns points to."""
        target = key.parent_columns[key.columns.index(name)]
        return self.database.parent_values(key.parent, target, np.arange(len(self.database.tables[key.parent])))

    def is_made(self, key: ForeignKey) -> bool:
        """True where the rows that a reference points to, and their keys, are there."""
        return not key.is_self and all(self.database.can_tell(key.parent, name) for name in key.parent_columns)


def distinct_rules(turn: Turn, *, declared_only: bool = False) -> list[Distinct]:
    """Returns the unique rules that the reference has a part in; those that only the map knows too, if asked."""
    found = (
        _distinct(turn, planned.unique)
        for planned in turn.table.uniques
        if turn.free & _read_by(turn, planned.unique)
        and _is_kept_here(turn, planned)
        and (planned.unique.declared or not declared_only)
    )
    return [rule for rule in found if rule is not None]


def _read_by(turn: Turn, unique: Unique) -> set[str]:
    """The columns of a rule's key, and those that say whether a row counts."""
    return set(unique.columns) | set(reads(unique.predicate, turn.table.table) if unique.predicate else ())


def _is_kept_here(turn: Turn, planned: UniquePlan) -> bool:
    """True for rules made of references, and of columns that nothing can change since rows point to them."""
    if planned.way != "repair" or turn.table.id not in turn.database.tables:
        return planned.way == "references"
    keys = turn.database.replica.plan.children(turn.table.id)
    pointed = {name for key in keys for name in key.parent_columns}
    own = {column.name for column in turn.table.columns if column.producer != "reference"}
    return set(planned.unique.columns) & own <= pointed & set(turn.database.tables[turn.table.id].columns)


def crowded_nulls(turn: Turn, null: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Returns the rows whose reference may not be null, since rules count nulls and another row has it: shape (rows,).

    Args:
        turn: the reference's.
        null: the rows that would be null.
    """
    crowded = np.zeros(turn.n, dtype=bool)
    for planned in turn.table.uniques:
        unique = planned.unique
        names = [name for name in unique.columns if name not in turn.free]
        is_plain = not unique.nulls_distinct and not unique.expressions and not unique.predicate
        if (
            is_plain
            and turn.free & set(unique.columns)
            and _is_kept_here(turn, planned)
            and not turn.pending & set(names)
        ):
            group = group_numbers([turn.known(name) for name in names]) if names else np.zeros(turn.n, np.int64)
            at = np.flatnonzero(null)
            crowded[at[rank(group[at]) > 0]] = True
    return crowded


def _distinct(turn: Turn, unique: Unique) -> Distinct | None:
    """One rule; None where parts of it mix what is known with what is not, so that it cannot be kept here."""
    table = turn.table.table
    parts = key_parts(table, unique) or tuple(quote_name(name) for name in unique.columns)
    sides = [_side(turn, frozenset(reads(part, table))) for part in parts]
    where = _side(turn, frozenset(reads(unique.predicate, table))) if unique.predicate else "known"
    if "mixed" in sides or where not in ("known", "added"):
        return None
    known = [part for part, side in zip(parts, sides, strict=True) if side == "known"]
    added = [part for part, side in zip(parts, sides, strict=True) if side == "added"]
    pending = {name for part, side in zip(parts, sides, strict=True) if side == "later" for name in reads(part, table)}
    reads_rows = bool(known) or (where == "known" and unique.predicate is not None)
    # Before a table's rows are drawn, nothing of them is known.
    if not (added or where == "added") or (reads_rows and table.id not in turn.database.tables):
        return None
    group = _numbers(turn, unique, known, unique.predicate if where == "known" else None, of_parents=False)
    image = _numbers(turn, unique, added, unique.predicate if where == "added" else None, of_parents=True)
    most = _room(turn, pending, image) if pending else 1
    return None if most is None else Distinct(group, image, most)


def _side(turn: Turn, names: frozenset[str]) -> str:
    """Where a part's columns come from: what is known, what the reference adds, what comes later, or several."""
    if names & turn.free:
        return "added" if names <= turn.free else "mixed"
    if names & turn.pending:
        return "later" if names <= turn.pending else "mixed"
    return "known"


def _numbers(turn: Turn, unique: Unique, parts: Sequence[str], predicate: str | None, *, of_parents: bool) -> Ints:
    """Numbers what rows, or parents, have in some parts of a key; -1 where they do not count."""
    n = len(turn.database.tables[turn.key.parent]) if of_parents else turn.n
    table = turn.table.table
    names = dict.fromkeys(name for part in (*parts, *([predicate] if predicate else [])) for name in reads(part, table))
    columns = {name: turn.added(name) if of_parents else turn.known(name) for name in names}
    return part_numbers(Rule(Judge(table, turn.evaluate), unique, ()), parts, predicate, columns, n)


def _room(turn: Turn, pending: set[str], image: Ints) -> int | Ints | None:
    """How many rows may share a key so far, as later references tell them apart; None where nobody can say."""
    most: int | Ints = 1
    apart = {frozenset(pair) for pair in turn.database.replica.tables[turn.table.id].apart}
    for found in turn.later:
        names = sorted(pending & set(found.free))
        if not names:
            continue
        if not turn.is_made(found.key):
            return None
        shared = sorted(set(found.fixed) & turn.free)
        less = frozenset((turn.key.id, found.key.id)) in apart
        most = most * np.maximum(_choices(turn, found.key, names, shared, image) - less, 0)
    return most


def _choices(turn: Turn, key: ForeignKey, names: list[str], shared: list[str], image: Ints) -> int | Ints:
    """How many values a later reference has for some columns: in all, or per image where they share columns."""
    values = [turn.parent_column(key, name) for name in names]
    total = len(np.unique(group_numbers(values))) if len(values[0]) else 0
    if not shared or not len(image):
        return total
    ours, theirs = _common_numbers([turn.added(name) for name in shared], [turn.parent_column(key, n) for n in shared])
    pairs = np.unique(np.c_[theirs, group_numbers(values)], axis=0) if len(theirs) else np.zeros((0, 2), np.int64)
    per_parent = np.bincount(pairs[:, 0], minlength=int(ours.max(initial=0)) + 1)[ours]
    most = np.zeros(int(image.max(initial=0)) + 1, np.int64)
    np.maximum.at(most, image[image >= 0], per_parent[image >= 0])
    return most


def within_rules(turn: Turn) -> list[Within]:
    """Returns what later references that share columns with this one need."""
    return [rule for found in turn.later if (rule := _within(turn, found)) is not None]


def _within(turn: Turn, later: ReferencePlan) -> Within | None:
    key, naming = later.key, set(later.free) - set(later.key.repeated)
    nullable = {name for name in naming if turn.table.table.by_name[name].nullable}
    added = [name for name in key.columns if name in turn.free]
    known = [name for name in key.columns if name not in turn.free | turn.pending]
    may_be_null = bool(nullable) and not key.match_full
    if not added or may_be_null or later.implied_by == turn.key.id or not turn.is_made(key):
        return None
    image, theirs = _common_numbers([turn.added(name) for name in added], [turn.parent_column(key, n) for n in added])
    group, left = np.zeros(turn.n, np.int64), np.zeros(len(theirs), np.int64)
    if known:
        values = [turn.known(name) for name in known]
        group, left = _common_numbers(values, [turn.parent_column(key, name) for name in known])
        for found in values:
            group = np.where(is_null(found), -1, group)
    return Within(group, image, np.unique(np.c_[left, theirs], axis=0))


def _common_numbers(ours: Sequence[pa.Array], theirs: Sequence[pa.Array]) -> tuple[Ints, Ints]:
    """Numbers the combinations of columns on two sides alike."""
    both = [pa.concat_arrays([a, b.cast(a.type)]) for a, b in zip(ours, theirs, strict=True)]
    numbers = group_numbers(both)
    return numbers[: len(ours[0])], numbers[len(ours[0]) :]


def open_parents(turn: Turn) -> npt.NDArray[np.bool_]:
    """Returns which parents may be pointed to: shape (parents,). See :func:`replica.making.closed.closed_parents`."""
    parent = turn.database.tables[turn.key.parent]
    if not all(turn.database.can_tell(turn.key.parent, name) for name in turn.key.parent_columns):
        return np.ones(len(parent), dtype=bool)
    if not may_be_closed(turn.table.table, turn.table.checks, turn.key, parent.plan.table):
        return np.ones(len(parent), dtype=bool)
    targets = [turn.parent_column(turn.key, name) for name in turn.key.columns]
    return ~closed_parents(turn.table.table, turn.table.checks, turn.key, targets)


def owner_limits(turn: Turn, cap: int | None) -> Ints:
    """Returns the most children that each row may own, before any of them is made: shape (parents,)."""
    n = len(turn.database.tables[turn.key.parent])
    limits = np.full(n, turn.n if cap is None else cap, np.int64)
    if not turn.is_made(turn.key):
        return limits
    limits[~open_parents(turn)] = 0
    for within in within_rules(turn):
        limits[~np.isin(within.image, within.pairs[:, 1])] = 0
    for rule in distinct_rules(turn, declared_only=True):
        limits = np.minimum(limits, _shared_out(rule, limits > 0, turn.n))
    return limits


def _shared_out(rule: Distinct, usable: npt.NDArray[np.bool_], n: int) -> Ints:
    """Shares what an image may have among the parents that have it."""
    image = np.arange(len(usable)) if rule.image is None else rule.image
    at = np.flatnonzero((image >= 0) & usable)
    sharing = np.bincount(image[at], minlength=int(image.max(initial=0)) + 1)[image[at]]
    most = np.minimum(rule.most[image[at]] if isinstance(rule.most, np.ndarray) else rule.most, n)
    limits = np.full(len(usable), n, np.int64)
    limits[at] = most // sharing + (rank(image[at]) < most % sharing)
    return limits


def is_free_to_be_null(turn: Turn) -> bool:
    """True where the reference may be null although some of its columns are filled already."""
    fixed = set(turn.key.columns) - turn.free
    naming = turn.free - set(turn.key.repeated)
    nullable = [turn.table.table.by_name[name].nullable for name in naming]
    # Under MATCH FULL all columns are null or none.
    return not fixed and all(nullable) if turn.key.match_full else any(nullable)


def cannot_point(turn: Turn) -> npt.NDArray[np.bool_]:
    """Returns which rows have a null among columns that are filled already: shape (rows,).

    A null that repeats one of the row pointed to is none of these.
    """
    null = np.zeros(turn.n, dtype=bool)
    for name in turn.key.naming.columns:
        if name not in turn.free:
            null |= is_null(turn.known(name))
    return null


def allowed_parents(turn: Turn) -> npt.NDArray[np.bool_] | None:
    """Returns which parents the checks leave each row: shape (rows, parents); None where they have no say.

    A row that no parent suits may have any, since its other columns can be changed for it.
    """
    table, m = turn.table.table, len(turn.database.tables[turn.key.parent])
    checks = [check for check in turn.table.checks if _mixes(turn, frozenset(reads_of(check, table)))]
    if not checks or turn.n * m > MOST_PAIRS:
        return None
    read = {name for check in checks for name in reads_of(check, table)}
    choice = {name: turn.added(name) for name in read & turn.free}
    known = {name: turn.known(name) for name in read - turn.free}
    mask = allowed(Judge(table, turn.evaluate), checks, choice, known, turn.n)
    return None if mask is None else mask | ~mask.any(axis=1, keepdims=True)


def _mixes(turn: Turn, names: frozenset[str]) -> bool:
    """True for columns of which the reference fills some and the others are filled."""
    return bool(names & turn.free) and bool(names - turn.free) and not names & turn.pending
