"""Plausible values of every type, from a column's name, type, comment, default and checks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import rstr

from replica.constraints.candidates import literals
from replica.constraints.domains import Domain, domain_of
from replica.constraints.inner import column_checks
from replica.constraints.patterns import in_python
from replica.imagining.names import is_birth, is_late, pool, scale_named, texts_named, values_in_comment
from replica.inference.personal import guess_personal, words_of
from replica.kinds import kind_named
from replica.kinds.article import article_numbers, is_article
from replica.kinds.base import ColumnData, People, Rows
from replica.kinds.identifiers import uuid_array
from replica.kinds.opaque import neutral_value
from replica.kinds.personal import PERSONAL
from replica.schema.model import Column, SqlType

Objects = npt.NDArray[np.object_]

# A fixed span of time, so that the same schema gives the same rows on every day.
_FIRST, _LAST = np.datetime64("2022-01-01", "s"), np.datetime64("2025-12-31", "s")
_BORN, _YOUNGEST = np.datetime64("1945-01-01", "s"), np.datetime64("2005-12-31", "s")
_LATE_DAYS = 40
_MOST_PATTERNS = 400
_MOST_REPEATS = 2
# Repetition without end; an escaped character or a class, in which these signs stand for themselves, stays whole.
_REPEATED = re.compile(r"(?P<whole>\\.|\[\^?\]?(?:\\.|[^\]])*\])|\{(?P<least>\d+),\}|[*+]", re.DOTALL)
_INTEGER_ENDS = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**53, "oid": 2**31 - 1}
_DIMENSION = re.compile(r"\((\d+)")
_GEOMETRY = re.compile(r"\((?P<shape>[A-Za-z]+)(?:,(?P<srid>\d+))?\)")


@dataclass(frozen=True)
class Wanted:
    """The values that are wanted of one column.

    Attributes:
        column: the column.
        domain: what its checks leave.
        n: how many rows there are.
        distinct: True where no two rows should share a value.
        rng: the random stream.
        kind: the kind that a person's map gives the column; None where none does.
        loose: True where values look like their kind rather than match a check's pattern.
    """

    column: Column
    domain: Domain
    n: int
    distinct: bool
    rng: np.random.Generator
    kind: str | None = None
    loose: bool = False

    @property
    def name(self) -> str:
        """The column's name in words."""
        return words_of(self.column.name)


def imagine_values(wanted: Wanted) -> pa.Array:
    """Returns values of a column without nulls, as :meth:`~replica.databases.base.Snapshot.read` would give them.

    All are null where no value of the type is known.
    """
    listed = _listed(wanted)
    if listed and not (wanted.distinct and len(listed) < wanted.n):
        return as_read(_weighted(wanted, listed), wanted.column.type)
    make = _MAKERS.get(wanted.column.type.family, _others)
    return as_read(make(wanted), wanted.column.type)


def _listed(wanted: Wanted) -> list[str]:
    """The few values that a check, a type or a comment names."""
    if wanted.domain.values is not None:
        return list(wanted.domain.values)
    if wanted.column.type.labels:
        return list(wanted.column.type.labels)
    family = wanted.column.type.family
    listed = values_in_comment(wanted.column.comment) if family in ("text", "integer") else ()
    if family == "integer":
        listed = tuple(text for text in listed if text.isdigit())
    default = _default(wanted.column)
    return list(dict.fromkeys(([default] if default is not None and listed else []) + list(listed)))


def _default(column: Column) -> str | None:
    """The text of a default that is a plain value."""
    if column.default is None or "(" in column.default.split("'")[0]:
        return None
    found = literals(column.default)
    return found[0] if found else None


def _weighted(wanted: Wanted, values: list[Any]) -> Objects:
    """Draws from a list whose first values are the most frequent; each comes up if there are rows enough."""
    weights = 1 / np.arange(1, len(values) + 1)
    places = wanted.rng.choice(len(values), wanted.n, p=weights / weights.sum())
    first = min(len(values), wanted.n)
    places[:first] = np.arange(first)
    found: Objects = np.array(values, dtype=object)[wanted.rng.permutation(places)]
    return found


def as_read(values: Objects | pa.Array, kind: SqlType) -> pa.Array:
    """Brings plain values and texts to the Arrow type in which a column of a type is read."""
    if isinstance(values, pa.Array):
        return values
    plain = _ARROW.get(kind.family, pa.string())
    found = pa.array([None if value is None else str(value) for value in values.tolist()], pa.string())
    return found if plain == pa.string() else found.cast(plain)


_ARROW: Final[Mapping[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "numeric": pa.float64(),
    "money": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us"),
    "time": pa.time64("us"),
    "bytes": pa.binary(),
}


def _booleans(wanted: Wanted) -> pa.Array:
    if wanted.distinct:
        return pa.array(np.arange(wanted.n) % 2 == 0)
    share = 0.85 if (wanted.column.default or "").startswith("true") else 0.2
    return pa.array(wanted.rng.random(wanted.n) < share)


def _limits(wanted: Wanted, low: float, high: float) -> tuple[float, float]:
    """Brings the likely range into what type and checks allow."""
    kind, domain = wanted.column.type, wanted.domain
    ends = _INTEGER_ENDS.get(kind.base, 1e15)
    if kind.precision is not None:
        ends = min(ends, 10.0 ** (kind.precision - (kind.scale or 0)) - 1)
    step = 1.0 if kind.family == "integer" else 10.0 ** -(kind.scale if kind.scale is not None else 2)
    least, most = _number(domain.low), _number(domain.high)
    if least is not None:
        least += step * domain.low_open
        low, high = least, max(high, least) if high > least else least + (high - low)
    if most is not None:
        most -= step * domain.high_open
        high = min(high, most)
        low = min(low, high) if least is None else low
    low, high = max(low, -ends), min(max(high, low), ends)
    return low, high


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _numbers(wanted: Wanted) -> pa.Array:
    scale = scale_named(wanted.name)
    low, high = _limits(wanted, scale.low, scale.high)
    whole = wanted.column.type.family == "integer" or wanted.column.type.scale == 0
    if wanted.distinct:
        step = 1.0 if whole else 10.0 ** -(wanted.column.type.scale if wanted.column.type.scale is not None else 2)
        return _as_numbers(low + step * np.arange(wanted.n), whole, wanted)
    spread = wanted.rng.random(wanted.n)
    if scale.skewed:
        spread = np.clip(wanted.rng.lognormal(-1.6, 0.9, wanted.n), 0, 1)
    return _as_numbers(low + spread * (high - low), whole, wanted)


def _as_numbers(values: npt.NDArray[np.floating[Any]], whole: bool, wanted: Wanted) -> pa.Array:
    kind = wanted.column.type
    digits = 0 if whole else kind.scale if kind.scale is not None else 2
    rounded = np.round(values, max(0, digits))
    return pa.array(rounded.astype(np.int64)) if kind.family == "integer" else pa.array(rounded)


def _texts(wanted: Wanted) -> Objects | pa.Array:
    """Texts that match a pattern, personal data, what the name says, or words: whichever comes first."""
    personal = _personal(wanted) if wanted.loose or not wanted.domain.patterns else None
    if personal is not None:
        found = np.array(personal.to_pylist(), dtype=object)
    elif wanted.domain.patterns:
        found = _matching(wanted)
    else:
        known = texts_named(wanted.name)
        if known is None and wanted.column.comment:
            known = texts_named(words_of(wanted.column.comment)[-60:])
        known = pool("word" if (wanted.domain.max_length or 99) < 20 else "catch_phrase") if known is None else known
        found = known[wanted.rng.integers(0, len(known), wanted.n)]
    return _fitted(found, wanted)


def _fitted(texts: Objects, wanted: Wanted) -> Objects:
    """Texts of the lengths that are allowed, different in every row where they must be."""
    longest, shortest = wanted.domain.max_length, wanted.domain.min_length
    found = []
    for row, text in enumerate(texts.tolist()):
        end = _base36(row) if wanted.distinct and not wanted.domain.patterns else ""
        kept = (text or "") if longest is None else (text or "")[: max(0, longest - len(end))]
        joined = f"{kept.rstrip()}{' ' if end and kept and longest is None else ''}{end}"
        found.append(joined.ljust(shortest, "x") if longest is None else joined.ljust(shortest, "x")[:longest])
    return np.array(found, dtype=object)


def _base36(number: int) -> str:
    return np.base_repr(number, 36).lower()


def _matching(wanted: Wanted) -> Objects:
    """Texts that match a check's regular expression, as far as Python reads it."""
    maker = rstr.Rstr(Random(int(wanted.rng.integers(0, 2**31))))  # noqa: S311 - made-up texts are no secrets
    count = wanted.n if wanted.distinct else min(wanted.n, _MOST_PATTERNS)
    try:
        pattern = _shortened(in_python(wanted.domain.patterns[0], ascii_only=True))
        made = [maker.xeger(pattern) for _ in range(count)]
    except (re.error, ValueError, NotImplementedError, OverflowError):
        made = ["a"]
    return np.array(made, dtype=object)[np.arange(wanted.n) % len(made)]


def _shortened(pattern: str) -> str:
    """Lets what may be repeated without end be repeated a few times only: no code has a hundred digits."""

    def few(found: re.Match[str]) -> str:
        if found["whole"]:
            return found["whole"]
        least = {"*": 0, "+": 1}.get(found[0]) if found["least"] is None else int(found["least"])
        return f"{{{least},{(least or 0) + _MOST_REPEATS}}}"

    return _REPEATED.sub(few, pattern)


_FAKED: Final = {"phone": "phone_number", "iban": "iban", "card": "credit_card_number", "national_id": "ssn"}


def _personal(wanted: Wanted) -> pa.Array | None:
    """Values of the class of personal data that the map or the column's name says."""
    guess = (wanted.kind,) if wanted.kind else guess_personal(wanted.column, [], about_persons=True)
    if guess is None:
        return None
    if guess[0] in _FAKED:
        known = pool(_FAKED[guess[0]])
        return pa.array(known[wanted.rng.integers(0, len(known), wanted.n)], pa.string())
    if guess[0] not in PERSONAL:
        return None
    kind, options = kind_named(guess[0])
    data = ColumnData(wanted.column, pa.array([], pa.string()), None, 1, {**options, "unique": wanted.distinct})
    numbers = np.arange(wanted.n)
    nobody = np.zeros(wanted.n, np.int16)
    people = People(numbers, int(wanted.rng.integers(2**31)), nobody.astype(np.int8), nobody, ("en_US",), wanted.n)
    rows = Rows(numbers, wanted.n, wanted.rng, people, numbers)
    return kind.fit(data, wanted.rng).decode(np.zeros((wanted.n, 0), np.int32), rows)


def _seconds(wanted: Wanted) -> npt.NDArray[np.int64]:
    """Seconds since 1970 within the span, later ones for what ends something, in the limits of the checks."""
    first, last = (_BORN, _YOUNGEST) if is_birth(wanted.name) else (_FIRST, _LAST)
    low, high = int(first.astype(np.int64)), int(last.astype(np.int64))
    low = _moment(wanted.domain.low, low)
    high = max(_moment(wanted.domain.high, max(high, low + 86_400)), low + 1)
    found = low + (np.sort(wanted.rng.random(wanted.n)) * (high - low)).astype(np.int64)
    if is_late(wanted.name):
        found = np.minimum(found + wanted.rng.integers(60, _LATE_DAYS * 86_400, wanted.n), high)
    if wanted.distinct:
        found = low + np.arange(wanted.n) * max(1, min(86_400, (high - low) // max(1, wanted.n)))
    return found


def _moment(text: str | None, otherwise: int) -> int:
    try:
        return otherwise if text is None else int(np.datetime64(text.replace(" ", "T")[:19], "s").astype(np.int64))
    except ValueError:
        return otherwise


def _dates(wanted: Wanted) -> pa.Array:
    days = np.arange(wanted.n) + 18_993 if wanted.distinct else _seconds(wanted) // 86_400
    return pa.array(days.astype(np.int32)).cast(pa.date32())


def _timestamps(wanted: Wanted) -> pa.Array:
    return pa.array(_seconds(wanted) * 1_000_000).cast(pa.timestamp("us"))


def _clock(wanted: Wanted) -> npt.NDArray[np.int64]:
    return (np.arange(wanted.n) if wanted.distinct else wanted.rng.integers(7 * 60, 20 * 60, wanted.n)) % 1440


def _times(wanted: Wanted) -> pa.Array:
    return pa.array(_clock(wanted) * 60_000_000).cast(pa.time64("us"))


def _zoned_times(wanted: Wanted) -> Objects:
    return np.array([f"{m // 60:02}:{m % 60:02}:00+00" for m in _clock(wanted).tolist()], dtype=object)


def _intervals(wanted: Wanted) -> Objects:
    days, minutes = wanted.rng.integers(0, 30, wanted.n), _clock(wanted)
    return np.array([f"{d} days {m // 60:02}:{m % 60:02}:00" for d, m in zip(days, minutes, strict=True)], dtype=object)


def _uuids(wanted: Wanted) -> Objects:
    words = uuid_array(np.arange(wanted.n).astype(np.uint64), int(wanted.rng.integers(2**62))).to_pylist()
    texts = (word.hex() for word in words)
    return np.array([f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts], dtype=object)


def _bytes(wanted: Wanted) -> pa.Array:
    size = wanted.domain.max_length or 16
    return pa.array([wanted.rng.bytes(size) for _ in range(wanted.n)], pa.binary())


def _json(wanted: Wanted) -> Objects:
    is_list = (wanted.column.default or "").startswith("'[") or wanted.name.endswith("ids")
    words = pool("word")
    picks = wanted.rng.integers(0, len(words), (wanted.n, 2))
    made: list[str] = []
    for row, (a, b) in enumerate(picks.tolist()):
        value: Any = [words[a], words[b]] if is_list else {"name": words[a], "value": b, "active": b % 3 > 0}
        if wanted.distinct and isinstance(value, dict):
            value["id"] = row
        made.append(json.dumps(value))
    return np.array(made, dtype=object)


def _inner(wanted: Wanted, name: str, kind: SqlType, n: int) -> list[Any]:
    """Values of an element or a field, as JSON has them."""
    column = Column(name, kind, nullable=False)
    domain = domain_of(column, column_checks(column))
    values = imagine_values(Wanted(column, domain, n, wanted.distinct, wanted.rng))
    if kind.family in ("array", "composite", "json"):
        return [None if text is None else json.loads(text) for text in values.to_pylist()]
    if pa.types.is_binary(values.type):
        return ["\\x" + value.hex() for value in values.to_pylist()]
    if kind.family in ("boolean", "integer", "float", "numeric"):
        return list(values.to_pylist())
    return list(values.cast(pa.string()).to_pylist())


def _arrays(wanted: Wanted) -> Objects:
    element = wanted.column.type.element
    if element is None:
        return np.full(wanted.n, "[]", dtype=object)
    sizes = np.maximum(wanted.rng.integers(0, 4, wanted.n), 1 if wanted.distinct else 0)
    values = _inner(wanted, wanted.column.name, element, int(sizes.sum()))
    ends = np.cumsum(sizes)
    return np.array([json.dumps(values[end - size : end]) for size, end in zip(sizes, ends, strict=True)], dtype=object)


def _composites(wanted: Wanted) -> Objects:
    fields = {name: _inner(wanted, name, kind, wanted.n) for name, kind in wanted.column.type.fields}
    return np.array(
        [json.dumps({name: values[row] for name, values in fields.items()}) for row in range(wanted.n)], dtype=object
    )


def _ranges(wanted: Wanted) -> Objects:
    """Ranges that follow each other without touching."""
    kind = wanted.column.type
    base = kind.element.family if kind.element is not None else "integer"
    if base in ("date", "timestamp", "timestamptz"):
        days = (np.datetime64("2023-01-01") + np.arange(wanted.n).astype("timedelta64[D]") * 2).astype(str)
        ends = (np.datetime64("2023-01-02") + np.arange(wanted.n).astype("timedelta64[D]") * 2).astype(str)
    else:
        days, ends = (np.arange(wanted.n) * 10).astype(str), (np.arange(wanted.n) * 10 + 5).astype(str)
    pieces = [f"[{a},{b})" for a, b in zip(days.tolist(), ends.tolist(), strict=True)]
    multi = kind.base.endswith("multirange")
    return np.array([f"{{{piece}}}" for piece in pieces] if multi else pieces, dtype=object)


def _networks(wanted: Wanted) -> Objects:
    numbers = np.arange(wanted.n) if wanted.distinct else wanted.rng.integers(0, 2**16, wanted.n)
    base = wanted.column.type.base
    if base.startswith("macaddr"):
        end = ":00:01" if base == "macaddr8" else ""
        return np.array(
            [f"02:00:00:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}{end}" for n in numbers], object
        )
    mask = "/32" if base == "cidr" else ""
    return np.array([f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}{mask}" for n in numbers.tolist()], dtype=object)


def _bits(wanted: Wanted) -> Objects:
    size = wanted.column.type.length or 8
    numbers = np.arange(wanted.n) if wanted.distinct else wanted.rng.integers(0, 2 ** min(size, 30), wanted.n)
    return np.array([np.binary_repr(n % 2 ** min(size, 30), size)[-size:] for n in numbers.tolist()], dtype=object)


def _marked(form: str) -> Callable[[Wanted], Objects]:
    """Texts of a type's own notation with a word and a number in them."""

    def make(wanted: Wanted) -> Objects:
        words = pool("word")[wanted.rng.integers(0, 97, wanted.n)]
        return np.array([form.format(word=word, n=i) for i, word in enumerate(words.tolist())], dtype=object)

    return make


_BY_BASE: Final[Mapping[str, Callable[[Wanted], Objects]]] = {
    "hstore": _marked('"kind"=>"{word}", "number"=>"{n}"'),
    "ltree": _marked("top.{word}.n{n}"),
    "point": _marked("({n},1)"),
    "pg_lsn": _marked("0/{n:X}"),
    "xid": _marked("{n}"),
    "cube": _marked("({n}, 1)"),
    "seg": _marked("{n}"),
    "regclass": _marked("pg_class"),
}


def _others(wanted: Wanted) -> Objects:
    """Values of types that only extensions know: by the type's name, or one that is valid whatever the type."""
    kind = wanted.column.type
    if kind.base in _BY_BASE:
        return _BY_BASE[kind.base](wanted)
    if kind.base in ("vector", "halfvec"):
        size = int(found[1]) if (found := _DIMENSION.search(kind.name)) else 3
        numbers = wanted.rng.normal(size=(wanted.n, size)).round(4)
        return np.array([json.dumps(row) for row in numbers.tolist()], dtype=object)
    if kind.base in ("geometry", "geography"):
        return _points(wanted)
    if is_article(kind.base):
        return np.array(article_numbers(kind.base, np.arange(wanted.n)), dtype=object)
    neutral = neutral_value(kind)
    return np.full(wanted.n, _default(wanted.column) if neutral is None else neutral, dtype=object)


def _points(wanted: Wanted) -> Objects:
    found = _GEOMETRY.search(wanted.column.type.name)
    shape, srid = (found["shape"].upper(), found["srid"]) if found else ("POINT", None)
    x, y = wanted.rng.uniform(-120, 120, wanted.n).round(4), wanted.rng.uniform(-60, 60, wanted.n).round(4)
    forms = {
        "POINT": "POINT({x} {y})",
        "LINESTRING": "LINESTRING({x} {y},0 0)",
        "POLYGON": "POLYGON((0 0,1 0,{x} {y},0 0))",
        "MULTIPOINT": "MULTIPOINT({x} {y})",
        "MULTILINESTRING": "MULTILINESTRING(({x} {y},0 0))",
        "MULTIPOLYGON": "MULTIPOLYGON(((0 0,1 0,{x} {y},0 0)))",
    }
    form = (f"SRID={srid};" if srid else "") + forms.get(shape, forms["POINT"])
    return np.array([form.format(x=a, y=b) for a, b in zip(x.tolist(), y.tolist(), strict=True)], dtype=object)


_MAKERS: Final[Mapping[str, Callable[[Wanted], Objects | pa.Array]]] = {
    "boolean": _booleans,
    "integer": _numbers,
    "float": _numbers,
    "numeric": _numbers,
    "money": _numbers,
    "text": _texts,
    "date": _dates,
    "timestamp": _timestamps,
    "timestamptz": _timestamps,
    "time": _times,
    "timetz": _zoned_times,
    "interval": _intervals,
    "uuid": _uuids,
    "bytes": _bytes,
    "json": _json,
    "array": _arrays,
    "composite": _composites,
    "range": _ranges,
    "network": _networks,
    "bit": _bits,
    "xml": _marked("<item n='{n}'>{word}</item>"),
    "tsvector": _marked("'{word}':1"),
}
