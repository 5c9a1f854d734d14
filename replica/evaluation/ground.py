"""What is compared: the rows of both databases, read once, joined, and in numbers that both sides share.

Beside the original and the replica stands a third side, the *floor*: the original with every column drawn for itself
and every key at random. A replica that scores no better than the floor has learned nothing of what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Reading, Snapshot
from replica.inference import is_personal
from replica.learning.source_rows import SourceTable, read_source
from replica.planning.decisions import ColumnPlan, Plan, TablePlan
from replica.progress import Report, ignore
from replica.schema.model import ForeignKey
from replica.seeds import stream
from replica.settings import Settings

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float64] | npt.NDArray[np.int32]
"""One column: numbers, not a number where null, or numbers of labels, -1 where null. Shape (rows,)."""

What = Literal["number", "moment", "category", "text"]

NUMBERS = frozenset({"integer", "float", "numeric", "money"})
MOMENTS = frozenset({"date", "timestamp", "timestamptz", "time"})
_TEXTS = frozenset({"json", "array", "composite", "xml", "tsvector", "bytes", "other"})

# A text with more values than this share of its rows names rows; few different values are categories all the same.
_NAMES_ROWS, _FEW = 0.5, 20
# References to at most so many rows that are kept say something by themselves, as a country's code does.
_MOST_KEPT = 500


@dataclass(frozen=True)
class Feature:
    """A column whose values mean something: no surrogate key, and no reference to rows that are made up.

    Attributes:
        name: the column's name; of a table that is joined, with its name before it.
        what: ``text`` stands for values that name rows or are made up, of which only the length is compared.
        labels: the values of a category, in the order of their numbers.
    """

    name: str
    what: What
    labels: tuple[str, ...] = ()

    @property
    def is_category(self) -> bool:
        """True where values are numbers of labels."""
        return self.what == "category"


@dataclass(frozen=True)
class Rows:
    """The rows of one table on one side.

    Rows of one owner are neighbours, in their order.

    Attributes:
        total: how many the table has; more than are here where whole families were sampled.
        values: the table's features, by column; of texts the lengths.
        texts: numbers that are equal on both sides where texts are, by column; -1 where null.
        parents: number of the row that each row points to, by reference; negative for none.
        fan_outs: numbers of children, by reference to this table.
        unit: number of the family that each row belongs to: what is resampled as one.
        holders: number of the person that each row belongs to; None where rows are about nobody.
    """

    total: int
    values: Mapping[str, Values]
    texts: Mapping[str, npt.NDArray[np.int32]]
    parents: Mapping[str, Ints]
    fan_outs: Mapping[str, Ints]
    unit: Ints
    holders: Ints | None = None

    def __len__(self) -> int:
        return len(self.unit)


Side = Mapping[str, Rows]
"""The tables of one side, by id."""


@dataclass(frozen=True)
class Ground:
    """Both databases, ready to be compared.

    Attributes:
        plan: what is known of the original: owners, orders, roles, rules.
        features: the features of each table, by id.
        original: the source's rows.
        synthetic: the replica's.
        floor: the source's, each column drawn for itself.
        seed: of all random choices.
        keys: the primary keys of the original's rows, an array a column, by table that has one.
    """

    plan: Plan
    features: Mapping[str, tuple[Feature, ...]]
    original: Side
    synthetic: Side
    floor: Side
    seed: int = 0
    keys: Mapping[str, tuple[pa.Array, ...]] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[Side, Side, Side]:
        """The original, the replica and the floor."""
        return self.original, self.synthetic, self.floor

    @property
    def made(self) -> tuple[TablePlan, ...]:
        """The tables whose rows were made up: a lookup is copied, and says nothing."""
        return tuple(table for table in self.plan.tables if table.role != "lookup")

    def rng(self, *path: str | int) -> np.random.Generator:
        """Returns the random stream of a place in the evaluation."""
        return stream(self.seed, "evaluate", *path)

    @property
    def sampled(self) -> tuple[str, ...]:
        """Tables of which only some families were read."""
        read = self.original, self.synthetic
        return tuple(name for name in self.original if any(side[name].total > len(side[name]) for side in read))


def keys_of(table: TablePlan) -> tuple[ForeignKey, ...]:
    """Returns all references of a table, its owner first."""
    return (*([table.owner] if table.owner else []), *(reference.key for reference in table.references))


def read_ground(
    original: Snapshot, synthetic: Snapshot, plan: Plan, settings: Settings, report: Report = ignore
) -> Ground:
    """Reads both databases, each once.

    Args:
        original: a view of the source.
        synthetic: a view of the replica.
        plan: what is known of the source.
        settings: the seed, and how many rows of a table are read at most: whole families of larger ones.
        report: told of every table that has been read.

    Raises:
        PrivilegeError: a table may not be read.
    """
    sources, copies = (read_all(snapshot, plan, settings, report) for snapshot in (original, synthetic))
    return compared(plan, sources, copies, settings.seed)


def read_all(snapshot: Snapshot, plan: Plan, settings: Settings, report: Report = ignore) -> dict[str, SourceTable]:
    """Reads one database with all columns; of credentials and bytes the length.

    Raises:
        PrivilegeError: a table may not be read.
    """
    return read_source(snapshot, plan, settings, report, columns=_columns_to_read)


def compared(
    plan: Plan, original: Mapping[str, SourceTable], synthetic: Mapping[str, SourceTable], seed: int
) -> Ground:
    """Brings rows that were read into numbers that both sides share."""
    features: dict[str, tuple[Feature, ...]] = {}
    sides: tuple[dict[str, Rows], dict[str, Rows]] = ({}, {})
    for table in plan.tables:
        columns = [found for column in table.columns if (found := _encoded(plan, column, original, synthetic, table))]
        features[table.id] = tuple(found.feature for found in columns)
        for i, (side, rows) in enumerate(zip(sides, (original[table.id], synthetic[table.id]), strict=True)):
            side[table.id] = Rows(
                total=rows.total,
                values={found.feature.name: found.values[i] for found in columns},
                texts={found.feature.name: found.texts[i] for found in columns if found.texts is not None},
                parents=rows.parents,
                fan_outs=rows.fan_outs,
                unit=_unit(table, rows.owner, side),
                holders=rows.holders,
            )
    return Ground(
        plan,
        features,
        *sides,
        floor=independent(plan, sides[0], stream(seed, "floor")),
        seed=seed,
        keys={
            table.id: tuple(original[table.id].column(name) for name in key.columns)
            for table in plan.tables
            if (key := table.table.primary_key) is not None
        },
    )


def _columns_to_read(_: Plan, table: TablePlan) -> dict[str, Reading]:
    """All columns; of bytes the length, and of credentials, unless they tell rows apart."""
    key = table.table.primary_key
    hidden = {column.name for column in table.columns if column.kind == "credential"} - set(key.columns if key else ())
    return {
        column.name: "length" if column.name in hidden or column.column.type.family == "bytes" else "value"
        for column in table.columns
    }


def _unit(table: TablePlan, owner: Ints, side: Mapping[str, Rows]) -> Ints:
    """The family of each row: its owner's, or one of its own. Tables come after their owners."""
    own = np.arange(len(owner))
    if table.owner is None or not len(side[table.owner.parent]):
        return own
    above = side[table.owner.parent].unit
    return np.where(owner >= 0, above[np.maximum(owner, 0)], own + int(above.max()) + 1)


# Encoding


@dataclass(frozen=True)
class _Column:
    """A feature with its values on both sides."""

    feature: Feature
    values: tuple[Values, Values]
    texts: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]] | None = None


def _encoded(
    plan: Plan,
    column: ColumnPlan,
    original: Mapping[str, SourceTable],
    synthetic: Mapping[str, SourceTable],
    table: TablePlan,
) -> _Column | None:
    """A column of both sides in numbers; None where its values mean nothing."""
    if not _means_something(plan, table, column, original):
        return None
    arrays = original[table.id].column(column.name), synthetic[table.id].column(column.name)
    family = column.column.type.family
    read_as_length = str(arrays[0].type) == "int64" and family not in NUMBERS
    if read_as_length or family in NUMBERS | MOMENTS:
        what: What = "text" if read_as_length else "moment" if family in MOMENTS else "number"
        return _Column(Feature(column.name, what), (as_floats(arrays[0]), as_floats(arrays[1])))
    codes, labels = _codes(*arrays)
    if _names_rows(column, codes[0]):
        lengths = as_floats(pc.utf8_length(pa.array(labels, pa.string())))
        return _Column(Feature(column.name, "text"), (_at(lengths, codes[0]), _at(lengths, codes[1])), codes)
    return _Column(Feature(column.name, "category", labels), codes)


def _means_something(plan: Plan, table: TablePlan, column: ColumnPlan, original: Mapping[str, SourceTable]) -> bool:
    """False for surrogate keys and for references, unless they name rows of a short list that is kept."""
    if column.producer == "key" or column.name in table.table.polymorphic_columns:
        return False
    keys = [key for key in table.table.foreign_keys if column.name in key.columns]
    if not keys:
        return column.producer != "reference"
    kept = [key for key in keys if key.parent in plan.by_id and plan.by_id[key.parent].role == "lookup"]
    return bool(kept) and all(len(original[key.parent]) <= _MOST_KEPT for key in kept) and table.role != "lookup"


def _names_rows(column: ColumnPlan, codes: npt.NDArray[np.int32]) -> bool:
    """True for texts that are long, different in nearly every row, or made up."""
    family = column.column.type.family
    if family in _TEXTS or is_personal(column.kind or "") or column.kind == "text":
        return True
    if family in ("enum", "boolean"):
        return False
    return len(np.unique(codes[codes >= 0])) > max(_FEW, _NAMES_ROWS * len(codes))


def _codes(
    original: pa.Array, synthetic: pa.Array
) -> tuple[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]], tuple[str, ...]]:
    """Numbers the values of both sides alike, in the order of the values."""
    texts = pa.concat_arrays([values.cast(pa.string()) for values in (original, synthetic)])
    labels = pc.unique(texts.drop_null()).sort()
    found = np.array(pc.index_in(texts, labels).fill_null(-1), dtype=np.int32)
    return (found[: len(original)], found[len(original) :]), tuple(labels.to_pylist())


def _at(numbers: Floats, codes: npt.NDArray[np.int32]) -> Floats:
    if not len(numbers):
        return np.full(len(codes), np.nan)
    return np.where(codes >= 0, numbers[np.maximum(codes, 0)], np.nan)


def as_floats(values: pa.Array) -> Floats:
    """Returns numbers and moments as floating-point numbers, null as not a number: shape (rows,)."""
    kind = values.type
    if pa.types.is_date32(kind):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        values = values.cast(pa.int64())
    return np.array(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


# The floor


def independent(plan: Plan, side: Side, rng: np.random.Generator) -> Side:
    """Returns a side with every column drawn for itself and every reference at random."""
    found: dict[str, Rows] = {}
    for table in plan.tables:
        rows = side[table.id]
        parents = {key.id: _at_random(rows.parents[key.id], len(side[key.parent]), rng) for key in keys_of(table)}
        owner = parents[table.owner.id] if table.owner else np.full(len(rows), -1)
        # Rows of one owner stay neighbours.
        order = np.argsort(owner, kind="stable")
        parents = {name: pointed[order] for name, pointed in parents.items()}
        found[table.id] = Rows(
            total=rows.total,
            values={name: values[_drawn(rows, rng)] for name, values in rows.values.items()},
            texts={name: codes[_drawn(rows, rng)] for name, codes in rows.texts.items()},
            parents=parents,
            fan_outs={},
            unit=_unit(table, owner[order], found),
            holders=None,
        )
    return {name: replace(rows, fan_outs=_fan_outs(plan, name, found)) for name, rows in found.items()}


def _drawn(rows: Rows, rng: np.random.Generator) -> Ints:
    """Draws as many rows, with replacement: an independent sample and not the same one in another order."""
    return rng.integers(0, max(1, len(rows)), len(rows))


def _at_random(pointed: Ints, n: int, rng: np.random.Generator) -> Ints:
    return np.where(pointed >= 0, rng.integers(0, max(1, n), len(pointed)), pointed)


def _fan_outs(plan: Plan, name: str, side: Side) -> dict[str, Ints]:
    n = len(side[name])
    pointed = {key.id: side[key.child].parents[key.id] for key in plan.children(name)}
    return {key: np.bincount(rows[rows >= 0], minlength=n) for key, rows in pointed.items()}
