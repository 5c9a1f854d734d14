"""The last resort: types that nothing else knows how to make."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.article import article_numbers, is_article
from replica.kinds.base import Codes, ColumnData, Rows, Span
from replica.kinds.categorical import CategoricalKind
from replica.schema.model import Column, SqlType

# A valid value of each type, for columns that may not be null and whose own values may not be kept.
_NEUTRAL = {
    "xml": "<replica/>",
    "tsvector": "",
    "tsquery": "",
    "hstore": "",
    "ltree": "replica",
    "lquery": "replica",
    "point": "(0,0)",
    "line": "{1,0,0}",
    "lseg": "((0,0),(1,1))",
    "box": "(1,1),(0,0)",
    "path": "((0,0),(1,1))",
    "polygon": "((0,0),(1,0),(1,1))",
    "circle": "<(0,0),1>",
    "cube": "(0)",
    "seg": "0",
    "pg_lsn": "0/0",
    "txid_snapshot": "1:1:",
    "pg_snapshot": "1:1:",
    "jsonpath": "$",
    "tid": "(0,0)",
    "xid": "0",
    "regclass": "pg_class",
    "regtype": "text",
}


@dataclass(frozen=True)
class OpaqueKind:
    """Values of any type as text: those that enough people share, and otherwise one neutral value of the type.

    Attributes:
        listed: the values that may be kept.
        neutral: what stands where none may; None lets the value be null.
    """

    listed: CategoricalKind
    neutral: str | None

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`: everything but bytes."""
        return column.type.family != "bytes"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`."""
        return cls(CategoricalKind.fit(data, rng), neutral_value(data.column.type))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        return self.listed.spans

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        return self.listed.encode(values)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if self.listed.values or self.neutral is None:
            return self.listed.decode(codes, rows)
        null = self.listed.nulls & (codes[:, 0] == self.listed.rare)
        return pa.array([None if missing else self.neutral for missing in null.tolist()], pa.string())


def neutral_value(kind: SqlType) -> str | None:
    """Returns a valid value of a type as text; None where no value is known to be valid."""
    if kind.family == "range":
        return "{}" if kind.base.endswith("multirange") else "empty"
    if kind.family == "bit":
        return "0" * (kind.length or 1)
    if kind.family == "array":
        return "{}"
    if kind.base in ("geometry", "geography"):
        return _empty_geometry(kind.name)
    if kind.base in ("vector", "halfvec", "sparsevec"):
        size = int((re.search(r"\((\d+)\)", kind.name) or ("", "1"))[1])
        return f"{{}}/{size}" if kind.base == "sparsevec" else f"[{','.join('0' * size)}]"
    if kind.family == "enum":
        return kind.labels[0] if kind.labels else None
    if is_article(kind.base):
        return article_numbers(kind.base, np.zeros(1, np.int64))[0]
    return _NEUTRAL.get(kind.base)


def _empty_geometry(name: str) -> str:
    """A shape without a point, of the kind and the reference system of a type such as ``geometry(Point,4326)``."""
    found = re.search(r"\((\w+)(?:,\s*(\d+))?\)", name)
    shape = found[1] if found and found[1].lower() != "geometry" else "Point"
    return (f"SRID={found[2]};" if found and found[2] else "") + f"{shape} EMPTY"
