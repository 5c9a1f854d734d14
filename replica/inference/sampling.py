"""What guesses are made from: some rows of every table, without the values of credentials and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading, Snapshot
from replica.inference.personal import is_credential
from replica.kinds.base import is_null
from replica.schema.model import Table

SAMPLE_ROWS = 20_000


@dataclass(frozen=True)
class TableSample:
    """Some rows of a table.

    Attributes:
        table: the table.
        data: the rows, by column; credentials and bytes as lengths.
        complete: True where these are all rows.
    """

    table: Table
    data: pa.Table
    complete: bool

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def rows(self) -> int:
        """How many rows the table has: counted where all were read, as the server estimates otherwise."""
        return len(self) if self.complete else max(self.table.row_estimate, len(self))

    def column(self, name: str) -> pa.Array:
        """Returns a column as one array."""
        return self.data.column(name).combine_chunks()

    def texts(self, name: str) -> list[str]:
        """Returns the values of a column of text that are not null."""
        values = self.column(name)
        if not pa.types.is_string(values.type):
            values = values.cast(pa.string())
        texts: list[str] = values.drop_null().to_pylist()
        return texts

    def distinct(self, name: str) -> int:
        """Counts the different values of a column; null does not count."""
        values = self.column(name)
        return len(values.unique().drop_null())

    def codes(self, columns: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """Numbers the different combinations of columns; rows with a null get -1. Shape (rows,)."""
        total = np.zeros(len(self), np.int64)
        null = np.zeros(len(self), dtype=bool)
        for name in columns:
            values = self.column(name)
            encoded = values.dictionary_encode()
            null |= is_null(values)
            part = np.array(encoded.indices.fill_null(0), dtype=np.int64)
            _, total = np.unique(total * (len(encoded.dictionary) + 1) + part, return_inverse=True)
        return np.where(null, -1, total.reshape(-1))

    @cached_property
    def in_key_order(self) -> npt.NDArray[np.int64]:
        """Returns the rows' places ordered by the primary key; as they were read without one. Shape (rows,)."""
        key = self.table.primary_key
        if key is None or not all(_sortable(self.data.schema.field(name).type) for name in key.columns):
            return np.arange(len(self))
        columns = [np.asarray(self.column(name).fill_null(0).cast(pa.float64())) for name in reversed(key.columns)]
        return np.lexsort(columns)


def _sortable(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def sample_table(snapshot: Snapshot, table: Table) -> TableSample:
    """Reads some rows of a table."""
    columns: dict[str, Reading] = {
        column.name: "length" if column.type.family == "bytes" or is_credential(column) else "value"
        for column in table.columns
    }
    data = snapshot.read(table, columns, limit=SAMPLE_ROWS)
    return TableSample(table, data, complete=table.row_estimate <= SAMPLE_ROWS and data.num_rows < 2 * SAMPLE_ROWS)
