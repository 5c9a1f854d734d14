"""Which rows are whose, and at most so many of each subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.learning.source_rows import SourceTable
from replica.privacy.noise import random_words
from replica.protecting.unit import Unit
from replica.schema.model import ForeignKey

Ints = npt.NDArray[np.int64]

NOBODY = -1


@dataclass(frozen=True)
class SubjectRows:
    """The rows of a private table.

    Attributes:
        source: the rows.
        subject: number of the subject that each row belongs to, ``NOBODY`` for rows without: shape (rows,).
    """

    source: SourceTable
    subject: Ints

    def __len__(self) -> int:
        return len(self.subject)

    @property
    def picked(self) -> Ints:
        """One row of every subject that has any, drawn anew each time: numbers of rows."""
        rows = np.flatnonzero(random_ranks(self.subject) == 0)
        found: Ints = rows[self.subject[rows] != NOBODY]
        return found

    def per_subject(self, subjects: int) -> Ints:
        """How many rows each subject has: shape (subjects,)."""
        return np.bincount(self.subject[self.subject != NOBODY], minlength=subjects)


def rows_of_subjects(unit: Unit, sources: Mapping[str, SourceTable]) -> dict[str, SubjectRows]:
    """Follows the path of every row of the private tables to its subject.

    Args:
        unit: the paths.
        sources: the rows of all tables.
    """
    found = {unit.subject: SubjectRows(sources[unit.subject], np.arange(len(sources[unit.subject])))}
    for name in unit.private:
        key = unit.owners.get(name)
        if key is not None:
            found[name] = SubjectRows(sources[name], _of_rows(found[key.parent].subject, sources[name].parents[key.id]))
        for linked, link in unit.links.items():
            if link.child == name:
                found[name], found[linked] = _linked(found[name], sources[linked], link)
                if key is not None:
                    found[key.parent] = _recounted(found[key.parent], found[name], key)
    return found


def _of_rows(subject: Ints, rows: Ints) -> Ints:
    """The subject of each row that is pointed to; nobody where none is."""
    return np.append(subject, NOBODY)[np.where(rows < 0, len(subject), rows)]


def _linked(linking: SubjectRows, source: SourceTable, link: ForeignKey) -> tuple[SubjectRows, SubjectRows]:
    """Whose the rows of a linked table are, and the rows of the link table without those that share others' rows.

    Rows of a table stand in an order that does not change when some of them are taken out, so that with one subject and
    all that belongs to it gone, everything else belongs to whom it belonged.
    """
    rows = linking.source.parents[link.id]
    known = np.flatnonzero((rows >= 0) & (linking.subject != NOBODY))
    linked, first = np.unique(rows[known], return_index=True)
    subject = np.full(len(source), NOBODY)
    subject[linked] = linking.subject[known[first]]
    own = (rows < 0) | (_of_rows(subject, rows) == linking.subject)
    return replace(linking, subject=np.where(own, linking.subject, NOBODY)), SubjectRows(source, subject)


def _recounted(owners: SubjectRows, rows: SubjectRows, key: ForeignKey) -> SubjectRows:
    """Owners whose numbers of children do not count those that are nobody's."""
    pointed = rows.source.parents[key.id][rows.subject != NOBODY]
    counts = np.bincount(pointed, minlength=len(owners))
    return replace(owners, source=replace(owners.source, fan_outs={**owners.source.fan_outs, key.id: counts}))


def random_ranks(groups: Ints) -> Ints:
    """Returns the place of each element in a random order of those of its group: shape (elements,)."""
    order = np.lexsort([random_words(len(groups)), groups])
    ordered = groups[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    return ranks


def bounded(unit: Unit, found: Mapping[str, SubjectRows], bounds: Mapping[str, int]) -> dict[str, SubjectRows]:
    """Keeps at most so many rows of each subject, drawn uniformly; what hangs on a row that is dropped goes with it.

    Rows that belong to nobody are dropped.

    Args:
        unit: the paths.
        found: the rows.
        bounds: the most rows of a subject, by table.

    Returns:
        The rows that are left, which point to their owners by their new numbers. Numbers of children are those from
        before.
    """
    kept: dict[str, Ints] = {}
    for name in unit.private:
        subject = found[name].subject.copy()
        key = unit.owners.get(name)
        if key is not None:
            there = np.zeros(len(found[key.parent]) + 1, dtype=bool)
            there[kept[key.parent]] = True
            subject[~there[np.maximum(found[name].source.parents[key.id], NOBODY)]] = NOBODY
        kept[name] = np.flatnonzero((random_ranks(subject) < bounds[name]) & (subject != NOBODY))
    return {name: _taken(found[name], kept, unit.owners.get(name)) for name in unit.private}


def _taken(rows: SubjectRows, kept: Mapping[str, Ints], owner: ForeignKey | None) -> SubjectRows:
    at = kept[rows.source.plan.id]
    parents = {name: numbers[at] for name, numbers in rows.source.parents.items()}
    if owner is not None:
        parents[owner.id] = np.searchsorted(kept[owner.parent], parents[owner.id])
    source = replace(
        rows.source,
        frame=rows.source.frame.take(pa.array(at)),
        parents=parents,
        fan_outs={name: counts[at] for name, counts in rows.source.fan_outs.items()},
        holders=None,
    )
    return SubjectRows(source, rows.subject[at])
