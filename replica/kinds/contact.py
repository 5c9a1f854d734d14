"""Telephone numbers in ranges that ring nowhere, and credentials that open nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import phonenumbers
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, masked
from replica.kinds.code import CodeKind, Pattern, random_values
from replica.kinds.identifiers import absent, null_share, presence_codes
from replica.schema.model import Column

# Numbers that regulators keep free for films and books: by calling code, the national number with x for any digit.
_FICTIONAL = {
    "1": ("xxx55501xx",),
    "33": ("19900xxxx", "63998xxxx"),
    "44": ("2079460xxx",),
    "49": ("3023125xxx", "17139200xxx"),
    "61": ("491570xxx",),
    "353": ("209100xxx",),
}

# Countries whose way of dialling numbers without a calling code may follow, the likeliest first.
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "BR", "IN", "AU", "CH", "AT", "BE", "IE", "SE", "PT", "DK")
_SAMPLE, _VALID = 200, 0.9
# Numbers of each pattern that are tried; the valid ones lend their first digits to all.
_TRIED, _LAST_DIGITS = 1024, 2


@dataclass(frozen=True)
class PhoneKind:
    """Telephone numbers written as the source writes them, with digits of ranges set aside for fiction.

    Where the source's numbers are valid, as their country deals them out, the made-up ones are too.

    Attributes:
        codes: the patterns of the numbers.
        region: the country where numbers without a calling code are valid; None where many are not valid anywhere.
    """

    codes: CodeKind
    region: str | None

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
        codes = replace(codes, patterns=tuple(replace(pattern, check=None) for pattern in codes.patterns))
        return cls(codes, _region(data.values.drop_null()[:_SAMPLE].to_pylist()))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        return self.codes.spans

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        return self.codes.encode(values)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if self.codes.unique:
            # The free ranges are too small for every row to get a number of its own.
            return self.codes.decode(codes, rows)
        numbers = np.full(len(codes), None, dtype=object)
        for place, pattern in enumerate(self.codes.patterns):
            here = np.flatnonzero(codes[:, 0] == place)
            if len(here):
                numbers[here] = self._numbers(pattern, len(here), rows.rng)
        return pa.array(numbers, pa.string())

    def _numbers(self, pattern: Pattern, n: int, rng: np.random.Generator) -> list[str]:
        """Draws numbers of a pattern: the first digits of a valid one, and any last digits."""
        tried = [fictional(number) for number in random_values(pattern, min(n, _TRIED), rng)]
        valid = [number for number in tried if self.region is None or _is_valid(number, self.region)] or tried
        chosen, last = rng.integers(0, len(valid), n), rng.integers(0, 10, (n, _LAST_DIGITS))
        return [_ending(valid[i], digits) for i, digits in zip(chosen.tolist(), last.astype(str).tolist(), strict=True)]


def _region(numbers: list[str]) -> str | None:
    """The first country in which nearly all numbers are valid."""
    for region in _REGIONS:
        if numbers and sum(_is_valid(number, region) for number in numbers) >= _VALID * len(numbers):
            return region
    return None


def _is_valid(number: str, region: str) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, region)))
    except phonenumbers.NumberParseException:
        return False


def _ending(number: str, digits: list[str]) -> str:
    """The number with other last digits, its form kept."""
    letters = list(number)
    for place in [i for i, letter in enumerate(letters) if letter.isdigit()][-len(digits) :]:
        letters[place] = digits[place % len(digits)]
    return "".join(letters)


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
