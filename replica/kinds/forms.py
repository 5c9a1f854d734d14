"""Values that are a form with values in it: ranges, geometry, vectors, documents, pairs, paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Kind, Rows, Span, is_null
from replica.kinds.categorical import CategoricalKind
from replica.kinds.code import CodeKind
from replica.kinds.geometry import GeometryNotation
from replica.kinds.nested import column_of, draw_values, element_kind, plain_values
from replica.kinds.notations import (
    CircleNotation,
    CubeNotation,
    LabelsNotation,
    LexemesNotation,
    LineNotation,
    Notation,
    NumbersNotation,
    PairsNotation,
    Parts,
    RangeNotation,
    WordsNotation,
    XmlNotation,
)
from replica.kinds.opaque import neutral_value
from replica.schema.model import Column, SqlType

# Lists of whole values, values that are learned with the rest of the row, and keys of which values are kept at all.
_FEW = 64
_COVERED = 0.9
_LEARNED = 6
_MOST_KEYS = 256
_SAMPLE = 20_000

_FORM = SqlType("form", "form", "other")

NOTATIONS: Final[Mapping[str, Notation]] = {
    "point": NumbersNotation(),
    "line": LineNotation(),
    "lseg": NumbersNotation(2),
    "box": NumbersNotation(2),
    "path": NumbersNotation(2),
    "polygon": NumbersNotation(2),
    "circle": CircleNotation(),
    "cube": CubeNotation(),
    "seg": NumbersNotation(1),
    "vector": NumbersNotation(),
    "halfvec": NumbersNotation(),
    "sparsevec": NumbersNotation(),
    "tsvector": LexemesNotation(),
    "tsquery": WordsNotation(r"'((?:[^']|'')*)'", "'"),
    "ltree": LabelsNotation(),
    "hstore": PairsNotation(),
    "xml": XmlNotation(),
    "geometry": GeometryNotation(),
    "geography": GeometryNotation(),
}
"""How types are written, by internal name; ranges are known by their bounds. A new type is a class and a line."""

_BOUNDS = frozenset({"integer", "float", "numeric", "date", "timestamp", "timestamptz"})


def notation_of(kind: SqlType) -> Notation | None:
    """Returns how a type is written; None where values of it are not taken apart."""
    if kind.family == "range":
        return RangeNotation(kind.element) if kind.element and kind.element.family in _BOUNDS else None
    return NOTATIONS.get(kind.base)


@dataclass(frozen=True)
class FormKind:
    """A form out of a list, and the values in it, each by the kind of its type.

    Where few different values occur they are taken whole. A form that too few people have is not kept.

    Attributes:
        name: the column's name.
        type: the column's type.
        whole: the list of whole values; None where there are too many.
        forms: the list of forms.
        keys: the keys of each kept form, in the order of its values.
        inner: what makes the values of each key.
        learned: the keys whose values are spans of the row; the other values are drawn by themselves.
    """

    name: str
    type: SqlType
    whole: CategoricalKind | None
    forms: CategoricalKind
    keys: tuple[tuple[str, ...], ...]
    inner: tuple[tuple[str, Kind], ...]
    learned: tuple[str, ...]

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return notation_of(column.type) is not None

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`. Option: ``unique``, whether values must differ."""
        name, kind = data.column.name, data.column.type
        whole = CategoricalKind.fit(data, rng)
        seen = _split(data.values, _notation(kind))
        forms = CategoricalKind.fit(replace(data, column=Column(name, _FORM), values=_forms_of(seen)), rng)
        present = sum(parts is not None for parts in seen)
        is_few = len(whole.values) <= _FEW and _kept(data.values, whole) >= _COVERED * present
        if not present or (is_few and not data.options.get("unique")):
            return cls(name, kind, whole, forms, (), (), ())
        known = {parts[0]: tuple(key for key, _ in parts[1]) for parts in seen if parts is not None}
        wanted = list(dict.fromkeys(key for form in forms.values for key in known[form]))[:_MOST_KEYS]
        keys = tuple(tuple(key if key in wanted else wanted[-1] for key in known[form]) for form in forms.values)
        last = {found[-1] for found in keys if found and data.options.get("unique")}
        inner = tuple((key, _fit_key(data, seen, key, rng, unique=key in last)) for key in wanted)
        once = [key for key in wanted if all(Counter(found)[key] <= 1 for found in keys)]
        # What tells rows apart must know which row it is for.
        learned = sorted(once, key=lambda key: key not in last)[: max(_LEARNED, len(last))]
        return cls(name, kind, None, forms, keys, inner, tuple(learned))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`: the form, then the values that are learned."""
        if self.whole is not None:
            return self.whole.spans
        inner = dict(self.inner)
        return self.forms.spans + tuple(span for key in self.learned for span in inner[key].spans)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        if self.whole is not None:
            return self.whole.encode(values)
        notation, inner = _notation(self.type), dict(self.inner)
        seen = _split(values, notation)
        columns = [self.forms.encode(_forms_of(seen))]
        for key in self.learned:
            found = column_of(_values_of(seen, key), notation.type_of(key))
            columns.append(inner[key].encode(_without_gaps(found)))
        return np.concatenate(columns, axis=1)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if self.whole is not None:
            return self._present(self.whole.decode(codes, rows), self.whole, codes)
        keys = dict(zip(self.forms.values, self.keys, strict=True))
        forms = self.forms.decode(codes[:, : len(self.forms.spans)], rows).to_pylist()
        made = self._learned_values(codes, rows)
        counts = Counter(key for form in forms if form is not None for key in keys[form] if key not in made)
        drawn = {key: iter(draw_values(kind, counts[key], rows.rng)) for key, kind in self.inner if key in counts}
        notation = _notation(self.type)
        texts = [
            None
            if form is None
            else notation.join(form, [made[key][row] if key in made else next(drawn[key]) for key in keys[form]])
            for row, form in enumerate(forms)
        ]
        return self._present(pa.array(texts, pa.string()), self.forms, codes)

    def _learned_values(self, codes: Codes, rows: Rows) -> dict[str, list[Any]]:
        """The values of the keys that are spans of the row: one per row, whether its form has the key or not."""
        made, start = {}, len(self.forms.spans)
        inner = dict(self.inner)
        for key in self.learned:
            stop = start + len(inner[key].spans)
            made[key] = plain_values(inner[key].decode(codes[:, start:stop], rows))
            start = stop
        return made

    def _present(self, texts: pa.Array, listed: CategoricalKind, codes: Codes) -> pa.Array:
        """Puts a neutral value where no value or form may be kept."""
        neutral = neutral_value(self.type)
        if listed.values or neutral is None:
            return texts
        null = listed.nulls & (codes[:, 0] == listed.rare)
        return pa.array([None if missing else neutral for missing in null.tolist()], pa.string())


def _notation(kind: SqlType) -> Notation:
    found = notation_of(kind)
    assert found is not None, f"{kind.name} has no form"  # noqa: S101 - accepts() has looked
    return found


def _split(values: pa.Array, notation: Notation) -> list[Parts | None]:
    return [None if text is None else notation.split(text) for text in values.to_pylist()]


def _forms_of(seen: list[Parts | None]) -> pa.Array:
    return pa.array([None if parts is None else parts[0] for parts in seen], pa.string())


def _kept(values: pa.Array, whole: CategoricalKind) -> int:
    """How many rows have a value of a list."""
    return int(np.asarray(pc.is_in(values, pa.array(whole.values, pa.string()))).sum())


def _fit_key(data: ColumnData, seen: list[Parts | None], key: str, rng: np.random.Generator, *, unique: bool) -> Kind:
    """Learns what stands under one key, given who is behind each value."""
    pairs = [
        (row, value) for row, parts in enumerate(seen) if parts is not None for found, value in parts[1] if found == key
    ][:_SAMPLE]
    rows = np.array([row for row, _ in pairs], np.int64)
    kind = _notation(data.column.type).type_of(key)
    column = Column(f"{data.column.name} {key}", kind)
    holders = data.holders[rows] if data.holders is not None else None
    inner = ColumnData(column, column_of([value for _, value in pairs], kind), holders, data.min_holders)
    if unique and kind.family == "text":
        return CodeKind.fit(replace(inner, options={"unique": True}), rng)
    return element_kind(inner, rng)


def _values_of(seen: list[Parts | None], key: str) -> list[Any]:
    """The value that each row has under a key; None where it has none."""
    return [dict(parts[1]).get(key) if parts is not None else None for parts in seen]


def _without_gaps(values: pa.Array) -> pa.Array:
    """Fills nulls with the other values in turn: rows without a key say nothing of its values."""
    null, known = is_null(values), np.flatnonzero(~is_null(values))
    if not null.any() or not len(known):
        return values
    places = np.arange(len(values))
    places[null] = known[np.arange(int(null.sum())) % len(known)]
    return values.take(pa.array(places))
