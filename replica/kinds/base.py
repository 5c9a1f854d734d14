"""What a column kind is: how values of one column become discrete codes and come back.

A *kind* learns one column and turns its values into a few small integers, the *codes*, one per *span*. Generators
model codes only; what a code means is the kind's own business. A kind with no span is not learned at all: it makes
its values from the row's number, a random stream and the person that the row is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Reading
from replica.schema.model import Column

Codes = npt.NDArray[np.int32]
"""Codes of rows: shape (rows, spans)."""


@dataclass(frozen=True, slots=True)
class Span:
    """One discrete column of encoded rows.

    Attributes:
        name: what it holds, for messages and reports.
        cardinality: codes are 0 .. cardinality - 1.
        ordered: how many of the first codes grow with the value; 0 for plain categories.
        observed: True for a span that is filled in from outside and never sampled.
        twin: name of the drawn span of the same row whose codes this one has too, being its value in another row, such
            as the row before; empty where there is none. A twin may have one code more, for no such row.
    """

    name: str
    cardinality: int
    ordered: int = 0
    observed: bool = False
    twin: str = ""


@dataclass(frozen=True)
class ColumnData:
    """What a kind learns from.

    Attributes:
        column: the column.
        values: what :class:`~replica.databases.base.Snapshot` read, one per row.
        holders: number of the person that each row belongs to; None where rows are about nobody.
        min_holders: least number of holders (or of rows, without holders) behind a value that may be kept as it is.
        options: what the schema map says for the column.
        follows: which rows come right behind another one of their owner; None where none does.
    """

    column: Column
    values: pa.Array
    holders: npt.NDArray[np.int64] | None = None
    min_holders: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    follows: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class People:
    """The persons that rows are about; the same person has the same values in every table.

    Attributes:
        numbers: the number of each row's person among all persons.
        salt: what makes this run's persons differ from another's; from the seed.
        sex: per row 0 (unknown), 1 (male) or 2 (female).
        place: per row, where in ``locales`` its names and addresses come from.
        locales: locales as Faker names them, such as ``de_DE``.
        total: how many persons there are; a few need no large pools of names.
    """

    numbers: npt.NDArray[np.int64]
    salt: int
    sex: npt.NDArray[np.int8]
    place: npt.NDArray[np.int16]
    locales: tuple[str, ...]
    total: int = 10_000


@dataclass(frozen=True)
class Rows:
    """The rows for which values are made.

    Attributes:
        ordinals: each row's number in its table, from 0.
        total: how many rows the table gets.
        rng: the random stream of this chunk of rows and this column.
        people: who the rows are about.
        labels: each row's place in the pools of kept labels; places of one row agree between its columns.
        follows: which rows come right behind another one of their owner; None where none does.
    """

    ordinals: npt.NDArray[np.int64]
    total: int
    rng: np.random.Generator
    people: People
    labels: npt.NDArray[np.int64]
    follows: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.ordinals)


def bare_rows(n: int, rng: np.random.Generator) -> Rows:
    """Returns rows that are about nobody in particular."""
    numbers = np.arange(n)
    people = People(numbers, 0, np.zeros(n, np.int8), np.zeros(n, np.int16), ("en_US",))
    return Rows(numbers, n, rng, people, numbers)


class Kind(Protocol):
    """A kind, fitted to one column. A frozen dataclass, so that it can be saved as it is."""

    reading: ClassVar[Reading]
    """How the column is read from the source."""

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """Returns True if the kind can make values of the column's type."""

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """Learns a column. It may be empty, and all its values may be null."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """The discrete columns that the kind encodes to; maybe none."""

    def encode(self, values: pa.Array) -> Codes:
        """Returns the codes of values: shape (rows, spans)."""

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """Makes values: one per row of ``codes``, which has shape (rows, spans)."""


def is_null(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Returns where an Arrow array is null: shape (rows,)."""
    mask: npt.NDArray[np.bool_] = np.asarray(values.is_null())
    return mask


def spread(places: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Returns at most so many of some places, evenly from the first to the last.

    Rows stand in some order, and what the first of them are like says little of the last.
    """
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).astype(np.int64)]


def masked(values: pa.Array, null: npt.NDArray[np.bool_]) -> pa.Array:
    """Returns the array with nulls where ``null`` is True."""
    if not null.any():
        return values
    return pc.if_else(pa.array(~null), values, pa.scalar(None, values.type))


def count_holders(
    groups: npt.NDArray[np.int64], n_groups: int, holders: npt.NDArray[np.int64] | None
) -> npt.NDArray[np.int64]:
    """Counts how many different holders stand behind each group.

    Args:
        groups: the group of each row, from 0; shape (rows,).
        n_groups: how many groups there are.
        holders: the holder of each row; every row is its own holder when None.

    Returns:
        One count per group: shape (n_groups,).
    """
    if holders is None:
        return np.bincount(groups, minlength=n_groups)
    pairs = np.unique(np.stack([groups, holders], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=n_groups)
