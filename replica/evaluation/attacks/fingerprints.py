"""Fingerprints: numbers that are equal where rows, or all rows of a person, are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Ground, Rows, Side

Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Fingerprints:
    """Things that persons of the original have, and those that are in the replica.

    64 bits each: among ten million things, two that differ are taken for equal with a probability of 3 in a million.

    Attributes:
        original: a number for each thing: shape (things,).
        holders: number of the person who has it.
        synthetic: the things in the replica.
    """

    original: Marks
    holders: Ints
    synthetic: Marks

    def held_by(self) -> Ints:
        """Returns how many persons of the original have each thing."""
        _, things = np.unique(self.original, return_inverse=True)
        # Each thing once for each person.
        order = np.lexsort([self.holders, things])
        first = np.ones(len(order), dtype=bool)
        first[1:] = (np.diff(things[order]) != 0) | (np.diff(self.holders[order]) != 0)
        return np.bincount(things[order[first]])[things] if len(things) else things

    @property
    def all_differ(self) -> bool:
        """True where no two persons of the original have the same thing."""
        return len(self.original) > 0 and bool((self.held_by() == 1).all())


Columns = Mapping[str, tuple[str, ...]]
"""Which columns of each table count."""


def all_columns(ground: Ground, tables: Iterable[str], texts: bool) -> Columns:
    """Returns the columns of tables that mean something, those of texts among them or not."""
    return {
        table: tuple(feature.name for feature in ground.features[table] if texts or feature.what != "text")
        for table in tables
    }


def halved(columns: Columns, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """Deals columns at random into two halves."""
    every = [(table, name) for table, names in columns.items() for name in names]
    order = rng.permutation(len(every))
    first, second = ({every[i] for i in order[start::2]} for start in (0, 1))
    one, other = (
        {table: tuple(name for name in names if (table, name) in part) for table, names in columns.items()}
        for part in (first, second)
    )
    return one, other


def rows_of(ground: Ground, table: str, columns: Columns) -> Fingerprints:
    """Returns fingerprints of a table's rows."""
    one, other = _marks(ground, table, columns)
    original = ground.original[table]
    return Fingerprints(one, original.holders if original.holders is not None else np.arange(len(one)), other)


def families_of(ground: Ground, subject: str, table: str, columns: Columns) -> Fingerprints:
    """Returns fingerprints of all rows that a person has in a table, of persons who have some."""
    one, other = _marks(ground, table, columns)
    marks, holders = _by_person(one, ground.original[table], len(ground.original[subject]))
    copies, _ = _by_person(other, ground.synthetic[table], len(ground.synthetic[subject]))
    return Fingerprints(marks, holders, copies)


def persons_of(ground: Ground, subject: str, columns: Columns) -> Fingerprints:
    """Returns fingerprints of persons with all their rows."""
    marks = {table: _marks(ground, table, columns) for table in columns}
    original = _whole(ground.original, subject, {table: one for table, (one, _) in marks.items()})
    synthetic = _whole(ground.synthetic, subject, {table: other for table, (_, other) in marks.items()})
    return Fingerprints(original, np.arange(len(original)), synthetic)


def _whole(side: Side, subject: str, marks: Mapping[str, Marks]) -> Marks:
    whole = np.zeros(len(side[subject]), dtype=np.uint64)
    for table, found in marks.items():
        part = np.zeros(len(whole), dtype=np.uint64)
        sums, holders = _by_person(found, side[table], len(whole))
        part[holders] = sums
        whole = mixed(whole ^ mixed(part))
    return whole


def _by_person(marks: Marks, rows: Rows, persons: int) -> tuple[Marks, Ints]:
    """Adds up what each person has, so that the order of rows does not count; modulo 2 to the 64."""
    holders = rows.holders if rows.holders is not None else np.full(len(rows), persons)
    there = holders < persons
    sums = np.zeros(persons, dtype=np.uint64)
    np.add.at(sums, holders[there], mixed(marks[there]))
    some = np.flatnonzero(np.bincount(holders[there], minlength=persons))
    return sums[some], some


def _marks(ground: Ground, table: str, columns: Columns) -> tuple[Marks, Marks]:
    """A number for each row of both sides; texts without a number that both sides share are known by their lengths."""
    original, synthetic = (_row_marks(side[table], columns[table]) for side in (ground.original, ground.synthetic))
    return original, synthetic


def _row_marks(rows: Rows, names: Sequence[str]) -> Marks:
    found = np.zeros(len(rows), dtype=np.uint64)
    for name in names:
        numbers = rows.texts.get(name, rows.values[name]).astype(np.float64) + 0.0  # No negative zero.
        numbers[np.isnan(numbers)] = np.nan  # One kind of null.
        found = mixed(found + numbers.view(np.uint64))
    return found


def mixed(numbers: Marks) -> Marks:
    """Scatters numbers over all of 64 bits; the same for the same (SplitMix64, Steele et al. 2014)."""
    found = numbers + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))
