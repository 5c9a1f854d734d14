"""Numbers of articles, as the types of the extension isn take them: valid, and different in every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, masked
from replica.kinds.identifiers import absent, null_share, presence_codes, present_only
from replica.schema.model import Column

Ints = npt.NDArray[np.int64]

# The first digits under which the numbers of a type lie, of 13 with the check digit, and the last before that: the two
# behind an ISSN say which variant it is, and the type takes none but 00 (ISO 2108, ISO 3297, ISO 10957; GS1 General
# Specifications, section 7.9). The shorter types take the long forms too.
_ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "ean13": ("200", ""),
    "isbn13": ("978", ""),
    "isbn": ("978", ""),
    "ismn13": ("9790", ""),
    "ismn": ("9790", ""),
    "issn13": ("977", "00"),
    "issn": ("977", "00"),
    "upc": ("0", ""),
}
_DIGITS = 13
_STEP = 7919  # Coprime to ten, so that different rows get different numbers.


def is_article(base: str) -> bool:
    """Returns True for the types of the extension isn."""
    return base in _ENDS


def article_numbers(base: str, numbers: Ints) -> list[str]:
    """Returns a valid number of a type for each whole number, different ones for different numbers below the room."""
    first, last = _ENDS[base]
    free = _DIGITS - 1 - len(first) - len(last)
    bodies = numbers % 10**free * _STEP % 10**free
    return [_with_check_digit(f"{first}{body:0{free}}{last}") for body in bodies.tolist()]


def _with_check_digit(digits: str) -> str:
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


@dataclass(frozen=True)
class ArticleKind:
    """Numbers that are made of the row's number; nothing is learned but where there are any.

    Attributes:
        name: the column's name.
        base: the type.
        nulls: share of rows without a value.
        first: where counting starts.
    """

    name: str
    base: str
    nulls: float
    first: int

    reading: ClassVar[Reading] = "presence"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return is_article(column.type.base)

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`."""
        column = data.column
        return cls(column.name, column.type.base, null_share(data.values), int(rng.integers(0, 10**9)))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`: only whether there is a value."""
        return (Span(f"{self.name} present", 2),) if 0 < self.nulls < 1 else ()

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        return presence_codes(present_only(values), self.spans)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        texts = article_numbers(self.base, rows.ordinals.astype(np.int64) + self.first)
        return masked(pa.array(texts, pa.string()), absent(codes, self.nulls, len(rows)))
