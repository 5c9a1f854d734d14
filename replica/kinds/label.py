"""Labels: texts that name public things, such as countries, products and job titles, and are kept as they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span
from replica.kinds.literals import literal
from replica.schema.model import Column


@dataclass(frozen=True)
class LabelKind:
    """A pool of the source's own labels, dealt to the rows without repetition.

    Only for tables outside every person's data. Labels of one row stay together, so a country keeps its code.
    A table that grows beyond the pool gets the labels again with a number behind them.

    Attributes:
        name: the column's name.
        family: the family of the column's type.
        pool: the labels as text, one per row of the source; None for null.
        length: most characters of a value; None without a limit.
    """

    name: str
    family: str
    pool: tuple[str | None, ...]
    length: int | None

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family != "bytes"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`."""
        texts = data.values if pa.types.is_string(data.values.type) else data.values.cast(pa.string())
        pool = tuple(None if text is None else _plain(text, data.column) for text in texts.to_pylist())
        return cls(data.column.name, data.column.type.family, pool, data.column.type.length)

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`: nothing is learned."""
        return ()

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        return np.zeros((len(values), 0), np.int32)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:  # noqa: ARG002 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if not self.pool:
            return self._typed(pa.nulls(len(rows), pa.string()))
        turn, place = np.divmod(rows.labels, len(self.pool))
        texts = pa.array(self.pool, pa.string()).take(pa.array(place))
        if turn.any():
            numbered = zip(texts.to_pylist(), turn.tolist(), strict=True)
            texts = pa.array([self._numbered(text, number) for text, number in numbered], pa.string())
        return self._typed(texts)

    def _numbered(self, text: str | None, turn: int) -> str | None:
        if text is None or not turn:
            return text
        if self.family in ("integer", "numeric"):
            return str(int(float(text)) + turn * self._stride)
        if self.family != "text":
            return text
        suffix = f" {turn + 1}" if " " in text or self.length is None or self.length > 12 else str(turn + 1)
        return text[: max(0, self.length - len(suffix))] + suffix[-self.length :] if self.length else text + suffix

    @cached_property
    def _stride(self) -> int:
        numbers = [int(float(text)) for text in self.pool if text is not None]
        return max(numbers) - min(numbers) + 1 if numbers else 1

    def _typed(self, texts: pa.Array) -> pa.Array:
        target = _ARROW.get(self.family)
        return texts.cast(target) if target is not None else texts


_ARROW = {"integer": pa.int64(), "boolean": pa.bool_(), "float": pa.float64()}


def _plain(text: str, column: Column) -> str:
    """A value as the server takes it: whole decimals without a point, arrays and composites in their own notation."""
    if column.type.family == "numeric":
        return text.removesuffix(".0")
    if column.type.family in ("array", "composite"):
        return literal(text, column.type)
    return text
