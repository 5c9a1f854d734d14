"""Structured codes: values that follow a pattern, such as order numbers, SKUs, postal codes and identifiers."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds import checksums
from replica.kinds.base import Codes, ColumnData, Rows, Span, is_null, masked, spread
from replica.schema.model import Column

_SAMPLE = 20_000
# Where values fall into more patterns than this, letters and digits are mixed at random (hex, base 64).
_MAX_PATTERNS = 12
# The same where first characters name a country, each of which has forms of its own, and where forms differ in nothing
# but how many digits there are.
_MAX_PREFIXED = 60
# How many times as many combinations as rows the counted slots have at least, so that values do not look counted;
# and a limit that keeps the arithmetic within 64 bits.
_SCATTER, _MAX_CAPACITY = 1000, 2**31
# How often a number is drawn again that turns out not to be valid.
_REDRAWS, _HOPELESS = 24, 8

DIGITS, UPPER, _LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_ALPHABETS = (
    DIGITS,
    DIGITS + "abcdef",
    DIGITS + "ABCDEF",
    UPPER,
    _LOWER,
    DIGITS + UPPER,
    DIGITS + _LOWER,
    DIGITS + UPPER + _LOWER,
)


Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pattern:
    """One form that values take.

    Attributes:
        slots: what may stand at each place: one character for a fixed one, an alphabet for a free one.
        weight: its share of the values.
        check: the scheme of its check digits, a key of :data:`~replica.kinds.checksums.SCHEMES`; None without.
    """

    slots: tuple[str, ...]
    weight: float
    check: str | None = None

    @property
    def capacity(self) -> int:
        """How many different values the pattern has."""
        return math.prod(len(slot) for slot in self.slots)

    @property
    def matcher(self) -> Callable[[str], object]:
        """Tells whether a text has this form."""
        held = checksums.check_places(self.slots, self.check)
        parts = (
            "[0-9A-Za-z]" if i in held else re.escape(slot) if len(slot) == 1 else f"[{slot}]"
            for i, slot in enumerate(self.slots)
        )
        return re.compile("".join(parts)).fullmatch


@dataclass(frozen=True)
class CodeKind:
    """Values that follow patterns; where a column is unique, every row gets another value.

    Only the patterns are learned: which characters are fixed, and what kind of character stands elsewhere. Which of
    the patterns a row follows is a span, so that it goes with the rest of the row, as a postal code goes with its
    country.

    Attributes:
        name: the column's name.
        patterns: the forms, the commonest first.
        unique: True where no two rows may share a value.
        nulls: True where a code stands for null.
    """

    name: str
    patterns: tuple[Pattern, ...]
    unique: bool
    nulls: bool

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "text"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`. Option: ``unique``, whether values must differ."""
        return cls(
            name=data.column.name,
            patterns=find_patterns(sample_texts(data), max(2, data.min_holders), data.column.type.length),
            unique=bool(data.options.get("unique", False)),
            nulls=bool(is_null(data.values).any()),
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`: which pattern, or no value."""
        return (Span(f"{self.name} pattern", len(self.patterns) + self.nulls),)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        null = is_null(values)
        codes = np.zeros(len(values), np.int32)
        if len(self.patterns) > 1:
            matchers = [pattern.matcher for pattern in self.patterns]
            texts = values.fill_null("").to_pylist()
            codes[:] = [next((i for i, match in enumerate(matchers) if match(text)), 0) for text in texts]
        codes[null] = len(self.patterns) if self.nulls else 0
        return codes[:, None]

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        null = self.nulls & (codes[:, 0] == len(self.patterns))
        which = np.minimum(codes[:, 0], len(self.patterns) - 1)
        if self.unique:
            return masked(pa.array(unique_values(self.patterns, which, rows), pa.string()), null)
        texts = np.full(len(rows), "", dtype=object)
        for place, pattern in enumerate(self.patterns):
            here = np.flatnonzero(which == place)
            if len(here):
                texts[here] = random_values(pattern, len(here), rows.rng)
        return masked(pa.array(texts, pa.string()), null)


def sample_texts(data: ColumnData) -> list[str]:
    """Some of the values: of each holder one of a form, so that whatever counts texts counts holders."""
    present = spread(np.flatnonzero(~is_null(data.values)), _SAMPLE)
    texts: list[str] = data.values.take(pa.array(present)).to_pylist()
    if data.holders is None:
        return texts
    first = {(holder, _shape(text)): text for holder, text in zip(data.holders[present].tolist(), texts, strict=True)}
    return list(first.values())


def find_patterns(
    texts: list[str], min_holders: int, max_length: int | None, prefix: Callable[[str], int] | None = None
) -> tuple[Pattern, ...]:
    """Learns the forms of texts.

    Args:
        texts: the values.
        min_holders: least values behind a form and behind a fixed character.
        max_length: most characters, for a form made up where there are no values.
        prefix: how many first characters of a text stand for themselves, so that others have another form; by
            default the issuer, where the check digits follow a scheme that names one.

    >>> find_patterns(["AB-1", "AC-7", "AD-3"], 2, None)[0].slots[2]
    '-'
    """
    if not texts:
        return (Pattern((UPPER,) * min(8, max_length or 8), 1.0),)
    # The first characters of an IBAN name its country, and each country has a form of its own.
    issuer = checksums.prefix_length(checksums.find_scheme(texts))
    length, most = prefix or (lambda _: issuer), _MAX_PREFIXED if prefix or issuer else _MAX_PATTERNS
    shapes = Counter(_shape(text, length(text)) for text in texts)
    if len(set("".join(shapes)) & set("9Aa")) == 1:
        most = _MAX_PREFIXED
    if len(shapes) > most and shapes.most_common(1)[0][1] < len(texts) / 2 and not issuer:
        return _mixed(texts, min_holders)
    common = [(shape, count) for shape, count in shapes.most_common(most) if count >= min_holders]
    if not common:
        common = shapes.most_common(1)
    total = sum(count for _, count in common)
    by_shape: dict[str, list[str]] = {shape: [] for shape, _ in common}
    for text in texts:
        if (shape := _shape(text, length(text))) in by_shape:
            by_shape[shape].append(text)
    return tuple(_pattern(by_shape[shape], min_holders, count / total) for shape, count in common)


def _pattern(texts: list[str], min_holders: int, weight: float) -> Pattern:
    check = checksums.find_scheme(texts)
    slots = tuple(_slot(Counter(column), len(texts), min_holders) for column in zip(*texts, strict=True))
    return Pattern(checksums.blank(slots, check), weight, check)


def _shape(text: str, prefix: int = 0) -> str:
    """Each character by its class: digit, upper, lower; anything else, and the prefix, stands for itself."""
    return text[:prefix] + "".join(
        "9" if c.isdigit() else "A" if c.isalpha() and c.isupper() else "a" if c.isalpha() else c for c in text[prefix:]
    )


def _slot(seen: Counter[str], total: int, min_holders: int) -> str:
    """A place is fixed when all have one character there, otherwise free within its class."""
    if len(seen) == 1 and total >= min_holders:
        return next(iter(seen))
    kind = _shape(next(iter(seen)))
    if kind not in "9Aa":
        return next(iter(seen))
    # Leading digits of years and the like use few of the ten: keep to those that are common.
    common = "".join(sorted(c for c, count in seen.items() if count >= max(min_holders, total / 50)))
    whole = {"9": DIGITS, "A": UPPER, "a": _LOWER}[kind]
    # Hexadecimal digits stay such.
    whole = whole[:6] if kind != "9" and set(seen) == set(whole[:6]) else whole
    return common if 2 <= len(common) <= 4 and common.isascii() else whole


def _mixed(texts: list[str], min_holders: int) -> tuple[Pattern, ...]:
    """Identifiers whose characters come from one alphabet, in the lengths that occur."""
    used = set("".join(texts))
    marks = sorted(c for c in used if not c.isalnum())
    alphabet = next((a for a in _ALPHABETS if used - set(marks) <= set(a)), _ALPHABETS[-1])
    lengths = Counter(len(text) for text in texts)
    kept = [(length, count) for length, count in lengths.most_common(8) if count >= min_holders]
    kept = kept or lengths.most_common(1)
    total = sum(count for _, count in kept)
    patterns = []
    for length, count in kept:
        same = [text for text in texts if len(text) == length]
        fixed = {i: column[0] for i, column in enumerate(zip(*same, strict=True)) if _is_mark(column)}
        patterns.append(Pattern(tuple(fixed.get(i, alphabet) for i in range(length)), count / total))
    return tuple(patterns)


def _is_mark(column: tuple[str, ...]) -> bool:
    return len(set(column)) == 1 and not column[0].isalnum()


def drawn_once(pattern: Pattern, n: int, rng: np.random.Generator) -> list[str]:
    """Draws values of a pattern, check digits and all, whether or not they are valid in every respect."""
    return checksums.complete(_letters(pattern, rng.random((n, len(pattern.slots)))), pattern.check)


def random_values(pattern: Pattern, n: int, rng: np.random.Generator) -> list[str]:
    """Draws values of a pattern."""
    return _spell(pattern, n, lambda rows, _: rng.random((len(rows), len(pattern.slots))))


def _spell(pattern: Pattern, n: int, draw: Callable[[Ints, int], npt.NDArray[np.float64]]) -> list[str]:
    """Spells values from draws in [0, 1), one per slot: shape (values, slots).

    Numbers that cannot have a check digit, or hold a date that is none, are drawn again.

    Args:
        pattern: the form.
        n: how many.
        draw: returns the draws of some of the values, given how often they were drawn before.
    """
    texts = np.full(n, "", dtype=object)
    bad = np.arange(n)
    for attempt in range(_REDRAWS if pattern.check else 1):
        texts[bad] = checksums.complete(_letters(pattern, draw(bad, attempt)), pattern.check)
        bad = np.array([i for i in bad.tolist() if not checksums.is_valid(texts[i], pattern.check)], np.int64)
        # Where not one of many is valid, the source's are not either, whatever their check digits say.
        if not len(bad) or (len(bad) == n and attempt >= _HOPELESS):
            break
    return list(texts)


def _letters(pattern: Pattern, places: npt.NDArray[np.float64]) -> list[str]:
    columns = [
        np.array(list(slot))[(places[:, i] * len(slot)).astype(np.int64)] for i, slot in enumerate(pattern.slots)
    ]
    return ["".join(letters) for letters in zip(*columns, strict=True)] if columns else [""] * len(places)


def unique_values(patterns: tuple[Pattern, ...], which: npt.NDArray[np.int32], rows: Rows) -> list[str]:
    """Returns another value for every ordinal, of each row's pattern where that has a value for every row.

    Patterns with fewer values are dealt out by ordinal, as far as they last; when all are used up, longer values
    follow, so that a larger table always finds some.
    """
    dealt, number = _dealt(patterns, which, rows)
    texts = np.full(len(rows), "", dtype=object)
    for i, pattern in enumerate(patterns):
        here = np.flatnonzero(dealt == i)
        if len(here):
            texts[here] = _spelled_apart(pattern, number[here], rows)
    beyond = np.flatnonzero(dealt >= len(patterns))
    if len(beyond):
        turn, place = np.divmod(number[beyond], patterns[0].capacity)
        stems = _spelled_apart(patterns[0], place, rows)
        texts[beyond] = [f"{stem}{count + 1}" for stem, count in zip(stems, turn.tolist(), strict=True)]
    return list(texts)


def _dealt(patterns: tuple[Pattern, ...], which: npt.NDArray[np.int32], rows: Rows) -> tuple[Ints, Ints]:
    """The pattern of each row, and the number of its value, which no other row of that pattern has."""
    roomy = np.array([pattern.capacity >= rows.total for pattern in patterns])
    quotas = np.where(roomy, 0, _quotas(patterns, rows.total)) if roomy.any() else _quotas(patterns, rows.total)
    bounds = np.concatenate([[0], np.cumsum(quotas)])
    dealt = np.searchsorted(bounds, rows.ordinals, side="right") - 1
    if not roomy.any():
        return dealt, rows.ordinals - bounds[dealt]
    # What is not dealt out keeps its pattern, or gets one that has a value for every row.
    weights = np.array([pattern.weight for pattern in patterns]) * roomy
    others = rows.rng.choice(len(patterns), len(rows), p=weights / weights.sum())
    kept, beyond = np.where(roomy[which], which, others), rows.ordinals >= bounds[-1]
    return np.where(beyond, kept, dealt), np.where(beyond, rows.ordinals, rows.ordinals - bounds[dealt])


def _quotas(patterns: tuple[Pattern, ...], total: int) -> list[int]:
    """How many rows each pattern gets."""
    quotas = [min(pattern.capacity, math.floor(pattern.weight * total)) for pattern in patterns]
    missing = total - sum(quotas)
    for i, pattern in enumerate(patterns):
        extra = min(missing, pattern.capacity - quotas[i])
        quotas[i] += extra
        missing -= extra
    return quotas


def _spelled_apart(pattern: Pattern, numbers: Ints, rows: Rows) -> list[str]:
    """Spells different values for different numbers."""

    def draw(some: Ints, attempt: int) -> npt.NDArray[np.float64]:
        # Numbers beyond those of all rows are nobody else's either, as far as there are any.
        fresh = attempt * rows.total if (attempt + 1) * rows.total <= pattern.capacity else 0
        return _scattered(pattern, numbers[some] + fresh, rows)

    return _spell(pattern, len(numbers), draw)


def _scattered(pattern: Pattern, numbers: Ints, rows: Rows) -> npt.NDArray[np.float64]:
    """Turns numbers into draws for :func:`_spell` so that different numbers give different values.

    The last slots, as many as the rows need, count through all their combinations in steps that have no factor in
    common with their number, which visits each once. The slots before them are free, and are drawn.
    """
    sizes = [len(slot) for slot in pattern.slots]
    places = rows.rng.random((len(numbers), len(sizes)))
    first, capacity = len(sizes), 1
    while first > 0 and capacity < _SCATTER * rows.total and capacity * sizes[first - 1] < _MAX_CAPACITY:
        first -= 1
        capacity *= sizes[first]
    left = (numbers * _stride(capacity) + int(capacity * 0.7548776662)) % capacity
    for i in range(len(sizes) - 1, first - 1, -1):
        left, place = np.divmod(left, sizes[i])
        places[:, i] = (place + 0.5) / sizes[i]
    return places


def _stride(capacity: int) -> int:
    """A number near the golden section of the capacity and prime to it."""
    stride = max(1, int(capacity * 0.6180339887498949))
    while math.gcd(stride, capacity) != 1:
        stride += 1
    return stride
