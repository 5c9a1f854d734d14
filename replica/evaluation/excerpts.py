"""A few rows of each table, to be looked at side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from replica.databases.base import Reading, Snapshot
from replica.planning.decisions import Plan, TablePlan

ROWS = 6
_MOST_CHARACTERS = 60

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Excerpt:
    """Some rows of a table, as text.

    Attributes:
        columns: names of the columns.
        rows: the rows of each side; None is null. Of credentials and bytes there is only the length.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Row, ...], ...]


def read_excerpts(snapshots: Sequence[Snapshot], plan: Plan) -> Mapping[str, Excerpt]:
    """Reads a few rows of each table from all over it.

    Args:
        snapshots: the sides, in the order in which they are shown.
        plan: the tables.

    Raises:
        PrivilegeError: a table may not be read.
    """
    return {table.id: _excerpt(snapshots, table) for table in plan.tables}


def _excerpt(snapshots: Sequence[Snapshot], table: TablePlan) -> Excerpt:
    columns: dict[str, Reading] = {
        column.name: "length" if column.kind == "credential" or column.column.type.family == "bytes" else "value"
        for column in table.columns
    }
    # A few more than are shown, since a limit is kept only on average.
    frames = [snapshot.read(table.table, columns, limit=2 * ROWS).slice(0, ROWS) for snapshot in snapshots]
    return Excerpt(tuple(columns), tuple(_rows(frame, columns) for frame in frames))


def _rows(frame: pa.Table, columns: Mapping[str, Reading]) -> tuple[Row, ...]:
    texts = [_texts(frame.column(name), reading) for name, reading in columns.items()]
    return tuple(zip(*texts, strict=True)) if texts else ()


def _texts(values: pa.ChunkedArray, reading: Reading) -> list[str | None]:
    if reading == "length":
        return [None if length is None else f"({length} long, not shown)" for length in values.to_pylist()]
    texts = values.cast(pa.string()).to_pylist()
    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        return [text and _moment(text) for text in texts]
    return [_shortened(text) for text in texts]


def _moment(text: str) -> str:
    """A moment without parts of seconds that are not there; Arrow has no words for infinity."""
    if text.startswith("<"):
        return "-infinity" if "-" in text else "infinity"
    return text.removesuffix(".000000")


def _shortened(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
