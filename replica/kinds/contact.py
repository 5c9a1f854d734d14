"""Telephone numbers in ranges that ring nowhere, and credentials that open nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self

import numpy as np
import phonenumbers
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.account import freed
from replica.kinds.base import Codes, ColumnData, Rows, Span, masked
from replica.kinds.code import DIGITS, CodeKind, Pattern, find_patterns, random_values, sample_texts
from replica.kinds.identifiers import absent, null_share, presence_codes
from replica.schema.model import Column

# Numbers that regulators keep free for films and books: by calling code, area and number, with x for any digit.
_FICTIONAL = {
    "1": ("xxx 55501xx",),
    "33": ("1 9900xxxx", "2 6191xxxx", "3 5301xxxx", "4 6571xxxx", "5 3649xxxx"),
    "44": ("20 79460xxx", "113 4960xxx", "161 4960xxx"),
    "49": ("30 23125xxx", "69 90009xxx", "40 66969xxx", "89 99998xxx", "221 4710xxx", "171 39200xx", "171 39200xxx"),
    "61": ("491 570xxx",),
    "353": ("20 9100xxx",),
}

# Countries whose way of dialling numbers without a calling code may follow, the likeliest first.
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "BR", "IN", "AU", "CH", "AT", "BE", "IE", "SE", "PT", "DK")
_SAMPLE, _VALID = 200, 0.9
# Numbers of each pattern that are tried; the valid ones lend their first digits to all.
_TRIED, _FEWEST_TRIED, _LAST_DIGITS = 1024, 64, 2
# A digit is set free while so many numbers stay valid; areas that are tried where all must be, and their digits.
_STILL_VALID, _AREAS, _AREA_DIGITS = 0.2, 40, 4
# How many times as many numbers as rows are left, where every row needs another.
_SCATTER = 100


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
        codes, texts = CodeKind.fit(data, rng), sample_texts(data)
        region = _region(texts[:_SAMPLE])
        found = find_patterns(texts, max(2, data.min_holders), data.column.type.length, calling_code)
        # Some numbers pass for card numbers by chance; a telephone number has no check digit.
        patterns = tuple(_freed(replace(pattern, check=None), region, rng) for pattern in found)
        if codes.unique and region is not None:
            patterns = tuple(_in_one_area(pattern, region, len(data), rng) for pattern in patterns)
        return cls(replace(codes, patterns=patterns), region)

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
        drawn = random_values(pattern, min(max(n, _FEWEST_TRIED), _TRIED), rng)
        tried = [fictional(number, turn) for number, turn in zip(drawn, _turns(len(drawn), rng), strict=True)]
        valid = [number for number in tried if self.region is None or _is_valid(number, self.region)] or tried
        chosen, last = rng.integers(0, len(valid), n), rng.integers(0, 10, (n, _LAST_DIGITS))
        ends = last.astype(str).tolist()
        return [_ending(valid[i], digits) for i, digits in zip(chosen.tolist(), ends, strict=True)]


def _turns(n: int, rng: np.random.Generator) -> list[int]:
    turns: list[int] = rng.integers(0, 2**16, n).tolist()
    return turns


def calling_code(number: str) -> int:
    """Returns how many first characters of a number are its calling code; 0 for a number without one.

    >>> calling_code("+49 30 23125 000"), calling_code("0033 1 99 00 00 00"), calling_code("030 23125 000")
    (3, 4, 0)
    """
    found = _INTERNATIONAL.match(number)
    for length in range(1, 4) if found else ():
        if found and number[found.end() : found.end() + length] in _CALLING_CODES:
            return found.end() + length
    return 0


_INTERNATIONAL = re.compile(r"\s*(\+|00)\s?(?=\d)")
_CALLING_CODES = frozenset(str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def _freed(pattern: Pattern, region: str | None, rng: np.random.Generator) -> Pattern:
    """Keeps of a learned pattern its form, its calling code and what hardly a number is valid without."""
    return freed(pattern, _code_of(pattern), partial(_share, region), _STILL_VALID, rng)


def _in_one_area(pattern: Pattern, region: str, rows: int, rng: np.random.Generator) -> Pattern:
    """The pattern with first digits under which nearly all numbers are valid, for numbers that cannot be drawn again.

    The digits are drawn, not learned; as many are left open as so many rows need.
    """
    free = [i for i in range(_code_of(pattern), len(pattern.slots)) if len(pattern.slots[i]) == len(DIGITS)]
    places = free[: max(0, min(_AREA_DIGITS, len(free) - len(str(_SCATTER * rows))))]
    areas = [
        replace(pattern, slots=tuple(number[i] if i in places else slot for i, slot in enumerate(pattern.slots)))
        for number in random_values(pattern, _AREAS, rng)
    ]
    return max(areas, key=lambda area: _share(region, random_values(area, _AREAS, rng)))


def _code_of(pattern: Pattern) -> int:
    return calling_code("".join(slot[0] for slot in pattern.slots))


def _share(region: str | None, numbers: list[str]) -> float:
    """How many of some numbers are valid, from 0 to 1."""
    return sum(region is None or _is_valid(number, region) for number in numbers) / len(numbers)


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


def fictional(number: str, turn: int = 0) -> str:
    """Moves a number into a range set aside for fiction, where its country has one.

    Its form stays; only where no range of its country has areas as long, its digits are grouped as the range's are.

    Args:
        number: the number.
        turn: which of the ranges that fit, if there are several.

    >>> fictional("+1 (212) 736-5000"), fictional("+49 221 1234 567"), fictional("+49 7121 123 456")
    ('+1 (212) 555-0100', '+49 221 4710 567', '+49 30 23125456')
    """
    found = _national(number)
    if found is None:
        return number
    start, templates = found
    area = _AREA.match(number, start)
    width = len(area["digits"]) if area and area["mark"] else None
    fitting = [one for one in templates if width in (None, len(one.split()[0]))]
    template = (fitting or templates)[turn % len(fitting or templates)]
    if area and not fitting:
        number = _regrouped(number, start, len(template.split()[0]), area["mark"])
    letters = list(number)
    places = [i for i in range(start, len(number)) if number[i].isdigit()]
    for place, digit in zip(places, template.replace(" ", ""), strict=True):
        letters[place] = letters[place] if digit == "x" else digit
    return "".join(letters)


_AREA = re.compile(r"(?P<digits>\d+)(?P<mark>[^\d]*)(?=\d|$)")


def _regrouped(number: str, start: int, width: int, mark: str) -> str:
    """The number with its digits from a place on in two groups."""
    digits = _digits(number[start:])
    return f"{number[:start]}{digits[:width]}{mark}{digits[width:]}"


def _national(number: str) -> tuple[int, list[str]] | None:
    """Where the national number starts, and the templates with as many digits."""
    start = calling_code(number)
    code = _CODE.search(number[:start])
    # Ten digits without a calling code are most likely North American.
    calling = code[0] if code else "1"
    digits = _digits(number[start:])
    if not code and len(digits) == len("12125550100") and digits[0] == "1":
        start, digits = number.index("1") + 1, digits[1:]
    elif not code and not (len(digits) == len("2125550100") and digits[0] not in "01"):
        return None
    if trunk := _TRUNK.match(number, start):
        start, digits = trunk.end(), digits[1:]
    start = next((i for i in range(start, len(number)) if number[i].isdigit()), start)
    templates = [one for one in _FICTIONAL.get(calling, ()) if len(one) - 1 == len(digits)]
    return (start, templates) if templates else None


_CODE = re.compile(r"(?<=[+0\s])[1-9]\d*$")
_TRUNK = re.compile(r"\s*\(0\)")


def _digits(number: str) -> str:
    return "".join(letter for letter in number if letter.isdigit())


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
