"""Telephone numbers in ranges that ring nowhere, and credentials that open nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, masked
from replica.kinds.code import CodeKind
from replica.kinds.identifiers import absent, null_share, presence_codes
from replica.schema.model import Column

# Numbers that regulators keep free for films and books: by calling code, the national number with x for any digit.
_FICTIONAL = {
    "1": ("xxx55501xx",),
    "33": ("19900xxxx", "63998xxxx"),
    "44": ("7700900xxx", "1632960xxx"),
    "49": ("3023125xxx", "17139200xxx"),
    "61": ("491570xxx",),
    "353": ("209100xxx",),
}


@dataclass(frozen=True)
class PhoneKind:
    """Telephone numbers written as the source writes them, with digits of ranges set aside for fiction.

    Attributes:
        codes: the patterns of the numbers.
    """

    codes: CodeKind

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "text"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`. Option: ``unique``, whether values must differ."""
        codes = CodeKind.fit(data, rng)
        # Some numbers pass for card numbers by chance; a telephone number has no check digit.
        return cls(replace(codes, patterns=tuple(replace(pattern, check=None) for pattern in codes.patterns)))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        return self.codes.spans

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        return self.codes.encode(values)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        numbers = self.codes.decode(codes, rows)
        if self.codes.unique:
            # The free ranges are too small for every row to get a number of its own.
            return numbers
        return pa.array([None if number is None else fictional(number) for number in numbers.to_pylist()], pa.string())


def fictional(number: str) -> str:
    """Moves a number into a range set aside for fiction, where its country has one; its form stays.

    >>> fictional("+1 (212) 736-5000")
    '+1 (212) 555-0100'
    """
    places = [i for i, letter in enumerate(number) if letter.isdigit()]
    digits = "".join(number[i] for i in places)
    found = _national(digits, number)
    if found is None:
        return number
    start, template = found
    letters = list(number)
    for place, digit in zip(places[start:], template, strict=True):
        letters[place] = letters[place] if digit == "x" else digit
    return "".join(letters)


def _national(digits: str, number: str) -> tuple[int, str] | None:
    """Where the national number starts among the digits, and the template that fits it."""
    international = number.lstrip().startswith("+") or digits.startswith("00")
    bare = digits[2:] if digits.startswith("00") else digits
    skipped = len(digits) - len(bare)
    for code, templates in _FICTIONAL.items():
        for template in templates:
            if bare.startswith(code) and len(bare) - len(code) == len(template) and (international or code == "1"):
                return skipped + len(code), template
    # Ten digits without a calling code are most likely North American.
    if not international and len(digits) == 10 and digits[0] not in "01":
        return 0, _FICTIONAL["1"][0]
    return None


_SYMBOLS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
_LONGEST = 512


@dataclass(frozen=True)
class CredentialKind:
    """Password hashes, tokens and keys: random letters that open nothing. The source's are never read.

    Attributes:
        name: the column's name.
        length: how many characters to make.
        value: what every row gets instead, such as the hash of a known development password; None for random.
        nulls: share of rows without a value.
    """

    name: str
    length: int
    value: str | None
    nulls: float

    reading: ClassVar[Reading] = "length"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "text"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`. Option: ``value``, one known value for every row."""
        lengths = data.values.drop_null()
        usual = int(np.median(np.asarray(lengths))) if len(lengths) else 32
        value = data.options.get("value")
        limit = data.column.type.length or _LONGEST
        return cls(
            name=data.column.name,
            length=max(1, min(usual, limit, _LONGEST)),
            value=str(value) if value is not None else None,
            nulls=null_share(data.values),
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`: only whether there is a value."""
        return (Span(f"{self.name} present", 2),) if 0 < self.nulls < 1 else ()

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        return presence_codes(values, self.spans)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if self.value is not None:
            texts = pa.array([self.value] * len(rows), pa.string())
        else:
            letters = _SYMBOLS[rows.rng.integers(0, len(_SYMBOLS), (len(rows), self.length))]
            texts = pa.array(letters.view(f"<U{self.length}").reshape(-1), pa.string())
        return masked(texts, absent(codes, self.nulls, len(rows)))
