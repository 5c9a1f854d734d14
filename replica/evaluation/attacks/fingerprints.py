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
class Things:
    """Things that persons of one side have.

    64 bits each: among ten million things, two that differ are taken for equal with a probability of 3 in a million.

    Attributes:
        marks: a number for each thing: shape (things,).
        holders: number of the person who has it: of the same shape.
    """

    marks: Marks
    holders: Ints

    def __len__(self) -> int:
        return len(self.marks)

    def held_by(self) -> Ints:
        """Returns how many persons of this side have each thing."""
        _, things = np.unique(self.marks, return_inverse=True)
        # Each thing once for each person.
        order = np.lexsort([self.holders, things])
        first = np.ones(len(order), dtype=bool)
        first[1:] = (np.diff(things[order]) != 0) | (np.diff(self.holders[order]) != 0)
        return np.bincount(things[order[first]])[things] if len(things) else things

    def are_in(self, other: Things) -> npt.NDArray[np.bool_]:
        """Returns which things the other side has as well: shape (things,)."""
        return np.isin(self.marks, other.marks)

    @property
    def all_differ(self) -> bool:
        """True where no two persons have the same thing."""
        return len(self) > 0 and bool((self.held_by() == 1).all())


@dataclass(frozen=True)
class Fingerprints:
    """The things of the original, and those of the replica."""

    original: Things
    synthetic: Things


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
    return Fingerprints(*(_rows(side[table], columns[table]) for side in (ground.original, ground.synthetic)))


def families_of(ground: Ground, subject: str, table: str, columns: Columns) -> Fingerprints:
    """Returns fingerprints of all rows that a person has in a table, of persons who have some."""
    sides = ground.original, ground.synthetic
    return Fingerprints(*(_by_person(_rows(side[table], columns[table]), len(side[subject])) for side in sides))


def persons_of(ground: Ground, subject: str, columns: Columns) -> Fingerprints:
    """Returns fingerprints of persons with all their rows."""
    return Fingerprints(*(_whole(side, subject, columns) for side in (ground.original, ground.synthetic)))


def _whole(side: Side, subject: str, columns: Columns) -> Things:
    whole = np.zeros(len(side[subject]), dtype=np.uint64)
    for table, names in columns.items():
        part = np.zeros(len(whole), dtype=np.uint64)
        found = _by_person(_rows(side[table], names), len(whole))
        part[found.holders] = found.marks
        whole = mixed(whole ^ mixed(part))
    return Things(whole, np.arange(len(whole)))


def _by_person(rows: Things, persons: int) -> Things:
    """Adds up what each person has, so that the order of rows does not count; modulo 2 to the 64."""
    there = rows.holders < persons
    sums = np.zeros(persons, dtype=np.uint64)
    np.add.at(sums, rows.holders[there], mixed(rows.marks[there]))
    some = np.flatnonzero(np.bincount(rows.holders[there], minlength=persons))
    return Things(sums[some], some)


def _rows(rows: Rows, names: Sequence[str]) -> Things:
    """A number for each row; texts without a number that both sides share are known by their lengths."""
    found = np.zeros(len(rows), dtype=np.uint64)
    for name in names:
        numbers = rows.texts.get(name, rows.values[name]).astype(np.float64) + 0.0  # No negative zero.
        numbers[np.isnan(numbers)] = np.nan  # One kind of null.
        found = mixed(found + numbers.view(np.uint64))
    return Things(found, rows.holders if rows.holders is not None else np.arange(len(rows)))


def mixed(numbers: Marks) -> Marks:
    """Scatters numbers over all of 64 bits; the same for the same (SplitMix64, Steele et al. 2014)."""
    found = numbers + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))
