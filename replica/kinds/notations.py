"""How types that are written as a form with values in it are taken apart and put together.

A *form* is the text with a mark in the place of each value: ``[#,#)`` of a range, ``<a b="#">#</a>`` of a document.
Values go by *keys*, so that what stands in the same place of different texts is learned together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, Protocol
from xml.sax.saxutils import escape, unescape

from replica.schema.model import SqlType

MARK: Final = "\x01"
"""Stands for a value in a form; no type's text holds it."""

Parts = tuple[str, tuple[tuple[str, Any], ...]]

FLOAT: Final = SqlType("double precision", "float8", "float")
"""The type of numbers within a form."""

_INTEGER = SqlType("bigint", "int8", "integer")
_TEXT = SqlType("text", "text", "text")


class Notation(Protocol):
    """One way of writing values."""

    def split(self, text: str) -> Parts:
        """Returns the form of a text, and the values in it by their keys."""

    def join(self, form: str, values: Sequence[Any]) -> str:
        """Writes the text of a form with values, in the order in which :meth:`split` gave them."""

    def type_of(self, key: str) -> SqlType:
        """Returns the type of the values of a key."""


def _filled(form: str, texts: Sequence[str]) -> str:
    pieces = form.split(MARK)
    return "".join(piece + text for piece, text in zip(pieces, [*texts, ""], strict=True))


class NumbersNotation:
    """Numbers between marks, as in ``(1,2)`` or ``[0.5,1]``.

    Attributes:
        step: a number is learned as its distance from the one so many places before it, so that shapes keep their size
            and the ends of a segment their order; 0 for numbers that stand for themselves.
    """

    # Places in a sparse vector, and its dimension, are no values.
    _NUMBER = re.compile(
        r"(?<![\w./])-?\d++(?:\.\d++)?+(?:e[-+]?\d++)?+(?!\s*:)|(?<!\w)-?(?:Infinity|NaN)", re.IGNORECASE
    )
    _KEYS = 48

    def __init__(self, step: int = 0) -> None:
        self.step = step

    def split(self, text: str) -> Parts:
        """See :meth:`Notation.split`."""
        numbers = [float(found) for found in self._NUMBER.findall(text)]
        step = self._step(text, len(numbers))
        values = [n - numbers[i - step] if step and i >= step else n for i, n in enumerate(numbers)]
        keys = [f"number {min(i, self._KEYS)}" for i in range(len(values))]
        return self._NUMBER.sub(MARK, text), tuple(zip(keys, values, strict=True))

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        step = self._step(form, len(values))
        numbers: list[float] = []
        for i, value in enumerate(values):
            numbers.append(float(value) + (numbers[i - step] if step and i >= step else 0.0))
        return _filled(form, [repr(round(number, 12)) for number in numbers])

    def _step(self, text: str, numbers: int) -> int:  # noqa: ARG002 - others look at the text
        return self.step

    def type_of(self, key: str) -> SqlType:  # noqa: ARG002 - part of the protocol
        """See :meth:`Notation.type_of`."""
        return FLOAT


class CubeNotation(NumbersNotation):
    """Cubes: a point, or two corners."""

    def _step(self, text: str, numbers: int) -> int:
        return numbers // 2 if ")," in text else 0


class LineNotation(NumbersNotation):
    """Lines: factors of which not both may be zero."""

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        return super().join(form, values if any(values[:2]) else [1.0, *values[1:]])


class CircleNotation(NumbersNotation):
    """Circles: the radius is not negative."""

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        return super().join(form, [*values[:2], *map(abs, values[2:])])


class RangeNotation:
    """Ranges and multiranges: where they start, how long they are, and how far the next part is.

    Args:
        element: the type of the bounds.
    """

    _PART = re.compile(r"""([\[(])("[^"]*"|[^,"]*),("[^"]*"|[^\])"]*)([\])])""")

    def __init__(self, element: SqlType) -> None:
        self.element = element

    def split(self, text: str) -> Parts:
        """See :meth:`Notation.split`."""
        values: list[tuple[str, Any]] = []
        end: float | None = None

        def part(found: re.Match[str]) -> str:
            nonlocal end
            low, high = (self._number(bound.strip('"')) for bound in found.group(2, 3))
            if low is not None:
                # A part after the first is told by the gap before it.
                values.append(("start", self._told(found[2])) if end is None else ("gap", low - end))
            if high is not None:
                values.append(("width", high - low) if low is not None else ("end", self._told(found[3])))
                end = high
            low_mark, high_mark = ("" if bound is None else MARK for bound in (low, high))
            return f"{found[1]}{low_mark},{high_mark}{found[4]}"

        return self._PART.sub(part, text), tuple(values)

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        left = iter(values)
        end = 0.0

        def part(found: re.Match[str]) -> str:
            nonlocal end
            low = high = ""
            if found[2]:
                start = self._number(next(left)) if found.start() <= 1 else end + self._least(next(left))
                low = self._text(start or 0.0)
                end = start or 0.0
            if found[3]:
                value = next(left)
                end = end + self._least(value) if found[2] else (self._number(value) or 0.0)
                high = self._text(end)
            return f"{found[1]}{low},{high}{found[4]}"

        return self._PART.sub(part, form)

    @property
    def _is_moment(self) -> bool:
        return self.element.family in ("date", "timestamp", "timestamptz")

    def _told(self, bound: str) -> Any:
        """A bound as the kind of its type takes it."""
        bound = bound.strip('"')
        return re.sub(r"[+-]00$", "", bound).replace(" ", "T") if self._is_moment else float(bound)

    def _number(self, bound: Any) -> float | None:
        """A bound as a number: of days since 1970, or of seconds; None without one, or where it is infinite."""
        if bound is None or bound == "" or str(bound).endswith(("infinity", "BC", "NaN")):
            return None
        if not self._is_moment:
            return float(bound)
        moment = bound if isinstance(bound, date) else datetime.fromisoformat(re.sub(r"[+-]00$", "", bound))
        if self.element.family == "date":
            return float(moment.toordinal())
        assert isinstance(moment, datetime)  # noqa: S101 - dates have gone
        return (moment.replace(tzinfo=None) - _EPOCH) / timedelta(seconds=1)

    def _text(self, number: float) -> str:
        if self.element.family == "date":
            return date.fromordinal(min(max(1, round(number)), date.max.toordinal())).isoformat()
        if self._is_moment:
            zone = "+00" if self.element.family == "timestamptz" else ""
            return f'"{_EPOCH + timedelta(microseconds=round(number * 1e6))}{zone}"'
        return str(round(number)) if self.element.family == "integer" else repr(round(number, 9))

    def _least(self, width: Any) -> float:
        """A width that leaves something between the bounds."""
        number = float(width)
        is_whole = self.element.family in ("date", "integer")
        return max(1.0, round(number)) if is_whole else number if number > 0 else 1.0

    def type_of(self, key: str) -> SqlType:
        """See :meth:`Notation.type_of`."""
        if key in ("start", "end") and self._is_moment:
            family = self.element.family
            return SqlType("date", "date", "date") if family == "date" else _TIMESTAMP
        return _INTEGER if self.element.family in ("integer", "date") else FLOAT


_EPOCH = datetime(1970, 1, 1)
_TIMESTAMP = SqlType("timestamp without time zone", "timestamp", "timestamp")


class WordsNotation:
    """Texts in quotes among other marks.

    Args:
        value: finds a value, with the text in its first group.
        quote: how the text is written.
    """

    def __init__(self, value: str, quote: str) -> None:
        self._value = re.compile(value)
        self._quote = quote

    def split(self, text: str) -> Parts:
        """See :meth:`Notation.split`."""
        words = [word.replace("''", "'").replace("\\\\", "\\") for word in self._value.findall(text)]
        return self._value.sub(MARK, text), tuple(("word", word) for word in words)

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        q = self._quote
        texts = [q + str(value or "x").replace("\\", "\\\\").replace("'", "''") + q for value in values]
        return _filled(form, texts)

    def type_of(self, key: str) -> SqlType:  # noqa: ARG002 - part of the protocol
        """See :meth:`Notation.type_of`."""
        return _TEXT


class LexemesNotation(WordsNotation):
    """Vectors of lexemes: how many there are, and whether their places are known."""

    def __init__(self) -> None:
        super().__init__(r"'((?:[^']|'')*)'", "'")

    def split(self, text: str) -> Parts:
        """See :meth:`Notation.split`."""
        _, words = super().split(text)
        return f"{len(words)}{':' * (':' in text)}", words

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        places = (f"{MARK}:{i}" if form.endswith(":") else MARK for i in range(1, len(values) + 1))
        return super().join(" ".join(places), values)


class LabelsNotation:
    """Paths of labels, as in ``Top.Science``; each level has a key of its own."""

    def split(self, text: str) -> Parts:
        """See :meth:`Notation.split`."""
        labels = text.split(".") if text else []
        return ".".join(MARK for _ in labels), tuple((f"level {i}", label) for i, label in enumerate(labels))

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        return _filled(form, [re.sub(r"\W", "_", str(value or "x")) for value in values]) if form else ""

    def type_of(self, key: str) -> SqlType:  # noqa: ARG002 - part of the protocol
        """See :meth:`Notation.type_of`."""
        return _TEXT


class PairsNotation:
    """Keys with values, as in ``"a"=>"1", "b"=>NULL``."""

    _PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>"((?:[^"\\]|\\.)*)"')

    def split(self, text: str) -> Parts:
        """See :meth:`Notation.split`."""
        pairs = [(key, re.sub(r"\\(.)", r"\1", value)) for key, value in self._PAIR.findall(text)]
        return self._PAIR.sub(lambda found: f'"{found[1]}"=>{MARK}', text), tuple(pairs)

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        return _filled(form, ['"' + re.sub(r'(["\\])', r"\\\1", str(value or "")) + '"' for value in values])

    def type_of(self, key: str) -> SqlType:  # noqa: ARG002 - part of the protocol
        """See :meth:`Notation.type_of`."""
        return _TEXT


class XmlNotation:
    """XML: the texts of elements and attributes are values, the rest is the form."""

    _TOKEN = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<![^>]*>|<[^>]*>|[^<]+", re.DOTALL)
    _ATTRIBUTE = re.compile(r"""([\w:.-]+)(\s*=\s*)(?:"([^"]*)"|'([^']*)')""")
    _QUOTES: Final[Mapping[str, str]] = {"&quot;": '"', "&apos;": "'"}

    def split(self, text: str) -> Parts:
        """See :meth:`Notation.split`."""
        values: list[tuple[str, str]] = []
        form: list[str] = []
        tag = ""
        for token in self._TOKEN.findall(text):
            if not token.startswith("<"):
                bare = token.strip()
                values += [(tag, unescape(bare, self._QUOTES))] if bare else []
                form.append(token.replace(bare, MARK) if bare else token)
            elif token[1] in "!?/":
                form.append(token)
            else:
                tag = re.split(r"[\s/>]", token[1:], maxsplit=1)[0]
                form.append(self._with_attributes(token, tag, values))
        return "".join(form), tuple(values)

    def _with_attributes(self, token: str, tag: str, values: list[tuple[str, str]]) -> str:
        return self._ATTRIBUTE.sub(lambda found: self._attribute(found, tag, values), token)

    def _attribute(self, found: re.Match[str], tag: str, values: list[tuple[str, str]]) -> str:
        # What a namespace is called is no value.
        if found[1].startswith("xmlns"):
            return found[0]
        values.append((f"{tag} {found[1]}", unescape(found[3] if found[3] is not None else found[4], self._QUOTES)))
        return f'{found[1]}{found[2]}"{MARK}"'

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`Notation.join`."""
        return _filled(form, [escape(str(value or ""), {'"': "&quot;"}) for value in values])

    def type_of(self, key: str) -> SqlType:  # noqa: ARG002 - part of the protocol
        """See :meth:`Notation.type_of`."""
        return _TEXT
