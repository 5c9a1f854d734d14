"""Strings of bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, is_null
from replica.kinds.quantile import QuantileCode, fit_quantiles
from replica.schema.model import Column

# Flags that stand together are learned together as far as this; later bits are drawn by their share of ones.
_LEARNED = 16


@dataclass(frozen=True)
class BitKind:
    """Bits: the length where it varies, the first bits as spans of the row, the rest by their shares.

    Attributes:
        name: the column's name.
        unique: True where every row gets other bits.
        lengths: the distribution of the number of bits; None where there is no value.
        ones: share of ones at each place; shape (longest,).
        nulls: True where the first span has a code for null.
    """

    name: str
    unique: bool
    lengths: QuantileCode | None
    ones: npt.NDArray[np.float64]
    nulls: bool

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "bit"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`. Option: ``unique``, whether values must differ."""
        unique = bool(data.options.get("unique", False))
        null = is_null(data.values)
        texts = data.values.drop_null().to_pylist()
        holders = data.holders[~null] if data.holders is not None else None
        counts = np.array([len(text) for text in texts], np.float64)
        if not texts:
            # Without a value a fixed length is still known.
            fixed = data.column.type.length if data.column.type.base == "bit" else 0
            curve = fit_quantiles(np.array([float(fixed or 0)]), None, bins=1, min_holders=1)
            ones = np.full(fixed or 0, 0.5)
            return cls(data.column.name, unique, None if null.any() else curve, ones, bool(null.any()))
        curve = fit_quantiles(counts, holders, bins=16, min_holders=data.min_holders)
        longest = int(counts.max())
        shares = [np.mean([text[i] == "1" for text in texts if len(text) > i]) for i in range(longest)]
        return cls(data.column.name, unique, curve, np.array(shares, np.float64), bool(null.any()))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        bins = self.lengths.bins if self.lengths else 0
        first = Span(f"{self.name} length", max(1, bins + self.nulls), ordered=bins)
        return (first, *(Span(f"{self.name} bit {i}", 2) for i in range(min(_LEARNED, len(self.ones)))))

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        texts = values.fill_null("").to_pylist()
        codes = np.zeros((len(texts), len(self.spans)), np.int32)
        if self.lengths is not None:
            codes[:, 0] = self.lengths.encode(np.array([len(text) for text in texts], np.float64))
            codes[is_null(values), 0] = self.lengths.bins if self.nulls else 0
        for i in range(1, codes.shape[1]):
            codes[:, i] = [text[i - 1 : i] == "1" for text in texts]
        return codes

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if self.lengths is None:
            return pa.nulls(len(codes), pa.string())
        bins = self.lengths.bins
        drawn = np.round(self.lengths.decode(np.minimum(codes[:, 0], bins - 1), rows.rng)).astype(np.int64)
        counts = np.clip(drawn, 0, len(self.ones))
        bits = rows.rng.random((len(codes), len(self.ones))) < self.ones
        learned = codes.shape[1] - 1
        bits[:, :learned] = codes[:, 1:] == 1
        if self.unique:
            self._count(bits, rows)
        null = self.nulls & (codes[:, 0] == bins)
        texts = [
            None if missing else "".join("1" if bit else "0" for bit in row[:count])
            for row, count, missing in zip(bits.tolist(), counts.tolist(), null.tolist(), strict=True)
        ]
        return pa.array(texts, pa.string())

    def _count(self, bits: npt.NDArray[np.bool_], rows: Rows) -> None:
        """Counts through the rows with the last bits, as few as tell all rows apart."""
        width = min(bits.shape[1], max(1, int(rows.total - 1).bit_length()))
        places = np.arange(width - 1, -1, -1)
        bits[:, bits.shape[1] - width :] = (rows.ordinals[:, None] >> places) & 1
