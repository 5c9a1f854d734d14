"""The evaluation of a replica: reads both databases and scores table by table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Database, Reading, Snapshot
from replica.errors import EvaluateError
from replica.evaluation.scores import PAIR_BINS, binned, coded, pair_trends, shape_of_codes, shape_of_numbers
from replica.inference import has_own_rows
from replica.progress import Progress, Report, ignore
from replica.schema.model import Column, ForeignKey, Schema, Table, quote_name

SAMPLE_ROWS = 50_000

_NUMBERS = frozenset({"integer", "float", "numeric", "money", "date", "timestamp", "timestamptz", "time"})
_CATEGORIES = frozenset({"boolean", "enum", "text"})
# A text with more values than this share of the rows names rows; names of people are meant to differ.
_NAMES_ROWS = 0.5


@dataclass(frozen=True, slots=True)
class TableScores:
    """How alike a table is.

    Attributes:
        table: its id.
        original_rows: rows of the original.
        synthetic_rows: rows of the replica.
        columns: score of the shape of each column that carries statistics.
        pairs: mean score of the pairs of columns; None with fewer than two.
    """

    table: str
    original_rows: int
    synthetic_rows: int
    columns: Mapping[str, float]
    pairs: float | None

    @property
    def shapes(self) -> float | None:
        """Mean score of the columns."""
        return float(np.mean(list(self.columns.values()))) if self.columns else None


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """How alike two databases are.

    Attributes:
        tables: scores by table.
        fan_outs: score of the number of children per row, by reference.
        broken: rows of the replica that break each constraint that the original keeps.
        missing: constraints of the original that the replica does not have.
    """

    tables: tuple[TableScores, ...]
    fan_outs: Mapping[str, float]
    broken: Mapping[str, int]
    missing: tuple[str, ...]

    @property
    def shapes(self) -> float | None:
        """Mean over tables of the scores of columns."""
        return _mean([table.shapes for table in self.tables])

    @property
    def pairs(self) -> float | None:
        """Mean over tables of the scores of pairs."""
        return _mean([table.pairs for table in self.tables])

    @property
    def fan_out(self) -> float | None:
        """Mean over references of the scores of numbers of children."""
        return _mean(list(self.fan_outs.values()))

    @property
    def valid(self) -> bool:
        """True if every constraint that the original keeps is there and holds."""
        return not self.missing and not any(self.broken.values())


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def evaluate(
    source: Database, target: Database, report: Report = ignore, schema: Schema | None = None
) -> EvaluationReport:
    """Compares a replica with its source.

    Args:
        source: the original.
        target: the replica.
        report: told how far the comparison is.
        schema: what to compare: the original's schema, with references that it does not declare; without them if None.

    Raises:
        EvaluateError: the replica does not have the original's tables and columns.
    """
    schema, other = schema or source.introspect(), target.introspect()
    _require_alike(schema, other)
    with source.snapshot() as original, target.snapshot() as synthetic:
        tables = tuple(
            _score_table(table, original, synthetic)
            for table in _watched([table for table in schema.tables if has_own_rows(table)], report)
        )
        fan_outs = {
            key.id: _score_fan_out(key, schema, original, synthetic)
            for table in schema.tables
            if has_own_rows(table)
            for key in table.foreign_keys
            if has_own_rows(schema.by_id[key.parent])
        }
    report(Progress("constraints"))
    kept = {name for name, count in source.count_broken(schema).items() if count == 0}
    broken = {name: count for name, count in target.count_broken(schema).items() if name in kept}
    return EvaluationReport(tables, fan_outs, broken, _missing(schema, other))


def _watched(tables: list[Table], report: Report) -> Iterator[Table]:
    for i, table in enumerate(tables):
        report(Progress("compare", table.id, i, len(tables), "tables"))
        yield table


def _require_alike(schema: Schema, other: Schema) -> None:
    for table in schema.tables:
        if table.id not in other.by_id:
            raise EvaluateError(f"the target has no table {table.id}: is it a replica of this source?")
        for column in table.columns:
            if column.name not in other.by_id[table.id].by_name:
                raise EvaluateError(
                    f"the target has no column {table.id}.{quote_name(column.name)}: is it a replica of this source?"
                )


def _missing(schema: Schema, other: Schema) -> tuple[str, ...]:
    """Names of constraints and triggers that only the original has."""
    missing = []
    for table in schema.tables:
        twin = other.by_id[table.id]
        for attribute in ("uniques", "foreign_keys", "checks", "exclusions", "triggers"):
            have = {found.name for found in getattr(twin, attribute)}
            declared = [f for f in getattr(table, attribute) if getattr(f, "declared", True)]
            missing += [f"{table.id}.{quote_name(f.name)}" for f in declared if f.name not in have]
    return tuple(missing)


def carries_statistics(table: Table, column: Column) -> bool:
    """Returns True for columns whose distribution means something: no keys, references or computed values."""
    if column.generated is not None or column.name in table.reference_columns | table.polymorphic_columns:
        return False
    alone = any(unique.columns == (column.name,) for unique in table.uniques)
    return not alone and column.type.family in _NUMBERS | _CATEGORIES


def _score_table(table: Table, original: Snapshot, synthetic: Snapshot) -> TableScores:
    counts = original.row_count(table), synthetic.row_count(table)
    columns = [column for column in table.columns if carries_statistics(table, column)]
    wanted: dict[str, Reading] = {column.name: "value" for column in columns}
    a = original.read(replace(table, row_estimate=counts[0]), wanted, limit=SAMPLE_ROWS)
    b = synthetic.read(replace(table, row_estimate=counts[1]), wanted, limit=SAMPLE_ROWS)
    scores: dict[str, float] = {}
    bins: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    for column in columns:
        found = _score_column(column, a.column(column.name), b.column(column.name))
        if found is not None:
            scores[column.name] = found[0]
            bins.append(found[1])
    pairs = None
    if len(bins) > 1 and a.num_rows and b.num_rows:
        pairs = pair_trends(np.stack([x for x, _ in bins], axis=1), np.stack([y for _, y in bins], axis=1))
    return TableScores(table.id, counts[0], counts[1], scores, pairs)


def _score_column(
    column: Column, a: pa.ChunkedArray, b: pa.ChunkedArray
) -> tuple[float, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] | None:
    """The score of a column's shape, and its bins for pairs; None where it names rows."""
    if column.type.family in _NUMBERS:
        x, y = as_floats(a), as_floats(b)
        nulls = shape_of_codes(np.isnan(x).astype(np.int64), np.isnan(y).astype(np.int64))
        score = min(nulls, shape_of_numbers(x[~np.isnan(x)], y[~np.isnan(y)]))
        return score, binned(x, y)
    first, second = a.to_pylist(), b.to_pylist()
    if column.type.family == "text" and len(set(first)) > max(20, _NAMES_ROWS * len(first)):
        return None
    texts = [[None if v is None else str(v) for v in values] for values in (first, second)]
    return shape_of_codes(*coded(texts[0], texts[1])), coded(texts[0], texts[1], most=PAIR_BINS)


def as_floats(values: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Returns numbers and moments as floating-point numbers, null as not a number: shape (rows,)."""
    kind = values.type
    if pa.types.is_date32(kind):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        values = values.cast(pa.int64())
    return np.array(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _score_fan_out(key: ForeignKey, schema: Schema, original: Snapshot, synthetic: Snapshot) -> float:
    """Do rows have as many children in both? Rows without any count too."""
    child, parent = schema.by_id[key.child], schema.by_id[key.parent]
    sides = []
    for snapshot in (original, synthetic):
        counts = np.array(snapshot.fan_out(child, key).column("count"), dtype=np.float64)
        without = max(0, snapshot.row_count(parent) - len(counts))
        sides.append(np.concatenate([np.zeros(without), counts]))
    return shape_of_numbers(sides[0], sides[1])
