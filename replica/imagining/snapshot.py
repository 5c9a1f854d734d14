"""A source that nobody has: looks like a snapshot of a database, and holds imagined rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Ddl, FamilySample, Holdout, Inclusion, PlanStep, Reading, Repeats, Snapshot
from replica.imagining.rows import Imagined, imagine_rows, with_sizes
from replica.imagining.sizes import plan_sizes
from replica.kinds.literals import literal
from replica.schema.graph import nullable_cost, order_tables
from replica.schema.model import Column, ForeignKey, LooseReference, Schema, Table
from replica.schema.schema_map import SchemaMap
from replica.settings import Settings


@dataclass(frozen=True)
class ImaginedSnapshot:
    """The :class:`~replica.databases.base.Snapshot` of a source whose rows are not looked at.

    Attributes:
        real: the source, for its schema and its functions.
        frames: the imagined columns, by table.
        rows: how many rows each table has.
    """

    real: Snapshot
    frames: Mapping[str, Mapping[str, pa.Array]]
    rows: Mapping[str, int]

    def read(
        self,
        table: Table,
        columns: Mapping[str, Reading],
        sample: FamilySample | None = None,  # noqa: ARG002 - there are never too many rows
        limit: int | None = None,  # noqa: ARG002
    ) -> pa.Table:
        """See :meth:`replica.databases.base.Snapshot.read`."""
        frame = self.frames[table.id]
        if not columns:
            return pa.table({"": pa.nulls(self.row_count(table))}).drop_columns([""])
        return pa.table({name: _as_reading(frame[name], reading) for name, reading in columns.items()})

    def row_count(self, table: Table) -> int:
        """See :meth:`replica.databases.base.Snapshot.row_count`."""
        return self.rows[table.id]

    def repeats(self, table: Table) -> Repeats | None:  # noqa: ARG002 - imagined rows are all different
        """See :meth:`replica.databases.base.Snapshot.repeats`."""
        return None

    def fan_out(self, child: Table, key: ForeignKey) -> pa.Table:
        """See :meth:`replica.databases.base.Snapshot.fan_out`."""
        columns = pa.table(
            {up: self.frames[child.id][down] for down, up in zip(key.columns, key.parent_columns, strict=True)}
        )
        counts = columns.drop_null().group_by(list(key.parent_columns)).aggregate([([], "count_all")])
        return counts.rename_columns([*key.parent_columns, "count"])

    def inclusion(
        self,
        child: Table,  # noqa: ARG002 - imagined keys are no evidence
        key: ForeignKey | LooseReference,  # noqa: ARG002
        parent: Table,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> Inclusion:
        """See :meth:`replica.databases.base.Snapshot.inclusion`."""
        return Inclusion(0, 0)

    def evaluate(self, table: Table, expression: str, columns: Mapping[str, pa.Array]) -> pa.Array | None:
        """See :data:`replica.databases.base.Evaluate`."""
        return evaluate_imagined(self.real, table, expression, columns)

    def ask(self, query: str, timeout_s: float, limit: int) -> pa.Table | None:  # noqa: ARG002 - no server has the rows
        """See :meth:`replica.databases.base.Snapshot.ask`."""
        return None

    def explain(self, query: str) -> PlanStep:
        """See :meth:`replica.databases.base.Snapshot.explain`."""
        return self.real.explain(query)

    def is_analyzed(self, table: Table) -> bool:
        """See :meth:`replica.databases.base.Snapshot.is_analyzed`."""
        return self.real.is_analyzed(table)

    def dump(self, target_version: int | None = None) -> Ddl:
        """See :meth:`replica.databases.base.Snapshot.dump`."""
        return self.real.dump(target_version)

    def without(self, holdout: Holdout) -> ImaginedSnapshot:  # noqa: ARG002 - imagined rows are nobody's
        """See :meth:`replica.databases.base.Snapshot.without`."""
        return self

    def sketch(self, table: Table, columns: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002 - nor do they come again
        """See :meth:`replica.databases.base.Snapshot.sketch`."""
        return ()


def evaluate_imagined(
    real: Snapshot, table: Table, expression: str, columns: Mapping[str, pa.Array]
) -> pa.Array | None:
    """Evaluates an expression on imagined values, whose arrays and composites are JSON as those that are read."""
    return real.evaluate(table, expression, {name: _written(v, table.by_name[name]) for name, v in columns.items()})


def _written(values: pa.Array, column: Column) -> pa.Array:
    if column.type.family not in ("array", "composite"):
        return values
    texts = (None if text is None else literal(text, column.type) for text in values.to_pylist())
    return pa.array(texts, pa.string())


def _as_reading(values: pa.Array, reading: Reading) -> pa.Array:
    if reading == "presence":
        return values.is_valid()
    if reading == "length":
        size = pc.binary_length if pa.types.is_binary(values.type) else pc.utf8_length
        return size(values).cast(pa.int64())
    return values


@dataclass(frozen=True)
class ImaginedSource:
    """An imagined source: its schema with the numbers of rows, the rows, and what a user should know."""

    schema: Schema
    snapshot: ImaginedSnapshot
    notes: tuple[str, ...]


def imagine_source(
    real: Snapshot, schema: Schema, settings: Settings, schema_map: SchemaMap | None = None
) -> ImaginedSource:
    """Imagines rows for every table of a schema; not one row of the source is read.

    Args:
        real: the source.
        schema: what it declares, with the references that it does not.
        settings: rows per table, exact numbers of rows, and the seed.
        schema_map: a person's map, whose kinds count; None without one.

    Raises:
        PlanError: a table cannot hold as many rows as were asked for.
        UnsatisfiableError: a check leaves no value that is known.
    """
    cost = nullable_cost(lambda table, column: schema.by_id[table].by_name[column].nullable)
    order = order_tables(schema.by_id, schema.foreign_keys, cost)
    wanted = {**settings.rows, **dict.fromkeys(settings.exclude, 0)}
    sizes = plan_sizes(schema, order, settings.rows_per_table, wanted)
    evaluate = partial(evaluate_imagined, real)
    frames = imagine_rows(Imagined(schema, order, sizes.rows, settings.seed, evaluate, schema_map))
    return ImaginedSource(with_sizes(schema, sizes.rows), ImaginedSnapshot(real, frames, sizes.rows), sizes.notes)
