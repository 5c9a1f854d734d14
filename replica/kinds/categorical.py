"""Values out of a list: booleans, enums, and any type of which few different values occur."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, count_holders, is_null
from replica.kinds.code import CodeKind
from replica.kinds.literals import literal
from replica.kinds.personal import PersonalKind, made_up_class
from replica.schema.model import Column, SqlType

# Longer lists become two spans, a group and a place within it, so that no softmax gets too wide.
_ONE_SPAN = 320
_GROUP = 128
# Where fewer values than this share may be kept, the rest is made up.
_ENOUGH = 0.8
# Capitals of up to so many letters are signs; so many of the values must be, to be made up as such.
_SIGN, _MOSTLY = 4, 0.8


@dataclass(frozen=True)
class CategoricalKind:
    """A value out of a list, the commonest first; values that too few people hold are left out of it.

    A code of its own stands for all that was left out. Where that is little, decoding fills it from the values that
    were kept; otherwise, for text, with made-up words or signs, so that the kept ones become no commoner than they are.

    Attributes:
        name: the column's name.
        type: the column's type.
        values: the kept values as text.
        weights: how often each occurs, as a share of all kept; shape (values,).
        rare: True where a code stands for values left out.
        nulls: True where a code stands for null.
        filler: what makes values in place of those left out; None to take kept ones.
    """

    name: str
    type: SqlType
    values: tuple[str, ...]
    weights: npt.NDArray[np.float64]
    rare: bool
    nulls: bool
    filler: PersonalKind | CodeKind | None = None

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family not in ("bytes",)

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`."""
        null = is_null(data.values)
        present = _text(data.values).filter(pa.array(~null)).dictionary_encode()
        codes = np.asarray(present.indices, dtype=np.int64)
        counts = np.bincount(codes, minlength=len(present.dictionary))
        holders = data.holders[~null] if data.holders is not None else None
        # Labels of an enum and the two truth values are public: the schema names them.
        public = data.column.type.family in ("enum", "boolean")
        held = count_holders(codes, len(counts), holders)
        least = 1 if public else data.min_holders
        kept = np.flatnonzero(held >= least)
        kept = kept[np.argsort(-counts[kept], kind="stable")]
        labels = present.dictionary.to_pylist()
        left_out = [labels[i] for i in np.flatnonzero(held < least)]
        total = counts[kept].sum()
        return cls(
            name=data.column.name,
            type=data.column.type,
            values=tuple(labels[i] for i in kept),
            weights=counts[kept] / total if total else np.zeros(0),
            rare=len(kept) < len(counts),
            nulls=bool(null.any()),
            filler=_filler(data, left_out, rng) if total < _ENOUGH * counts.sum() else None,
        )

    @property
    def size(self) -> int:
        """How many codes there are."""
        return max(1, len(self.values) + self.rare + self.nulls)

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        return two_spans(self.name, self.size)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        found = pc.index_in(_text(values), pa.array(self.values, pa.string()))
        codes = np.array(pc.fill_null(found, len(self.values)), dtype=np.int32)
        if self.nulls:
            codes[is_null(values)] = len(self.values) + self.rare
        return split_codes(np.minimum(codes, self.size - 1), self.size)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        code = joined_codes(codes, self.size)
        null = self.nulls & (code == len(self.values) + self.rare)
        rare = (code >= len(self.values)) & ~null
        if self.filler is not None:
            made_up = _made_up(self.filler, rows)
            kept = self.written.take(pa.array(np.where(null | rare, 0, code), mask=null | rare))
            return pc.if_else(pa.array(rare), made_up, kept)
        if not self.values:
            return pa.nulls(len(code), self.written.type)
        code = np.where(rare, rows.rng.choice(len(self.values), len(code), p=self.weights), code)
        places = pa.array(np.where(null, 0, code), mask=null)
        return self.written.take(places)

    @cached_property
    def written(self) -> pa.Array:
        """The kept values as the writer takes them."""
        if self.type.family in ("array", "composite"):
            return pa.array([literal(value, self.type) for value in self.values], pa.string())
        return _typed(pa.array(self.values, pa.string()), self.type.family)


def _filler(data: ColumnData, left_out: list[str], rng: np.random.Generator) -> PersonalKind | CodeKind | None:
    """What stands in for values of a text that were left out."""
    if data.column.type.family != "text":
        return None
    name = made_up_class(re.sub(r"[^a-z0-9]+", "_", data.column.name.lower()))
    if name is None and _are_codes(left_out):
        return CodeKind.fit(ColumnData(data.column, pa.array(left_out, pa.string()), None, data.min_holders), rng)
    return PersonalKind.fit(replace(data, options={"class": name or "word"}), rng)


def _are_codes(texts: list[str]) -> bool:
    """True for short signs rather than words: numbers, grades, sizes."""
    signs = sum(_is_sign(text) for text in texts)
    return signs >= _MOSTLY * len(texts)


def _is_sign(text: str) -> bool:
    return " " not in text and (any(c.isdigit() for c in text) or (text.isupper() and len(text) <= _SIGN))


def _made_up(filler: PersonalKind | CodeKind, rows: Rows) -> pa.Array:
    if isinstance(filler, PersonalKind):
        return filler.decode(np.ones((len(rows), 1), np.int32), rows)
    weights = np.array([pattern.weight for pattern in filler.patterns])
    which = rows.rng.choice(len(weights), len(rows), p=weights / weights.sum())
    return filler.decode(which.astype(np.int32)[:, None], rows)


def two_spans(name: str, size: int) -> tuple[Span, ...]:
    """Returns the spans of a list of values: one, or a group and a place within it where the list is long."""
    if size <= _ONE_SPAN:
        return (Span(name, size),)
    return (Span(f"{name} group", -(-size // _GROUP)), Span(f"{name} place", _GROUP))


def split_codes(codes: npt.NDArray[np.int32], size: int) -> Codes:
    """Returns the codes of places in a list as :func:`two_spans` writes them: shape (rows, spans)."""
    if size <= _ONE_SPAN:
        return codes[:, None].astype(np.int32)
    return np.stack([codes // _GROUP, codes % _GROUP], axis=1).astype(np.int32)


def joined_codes(codes: Codes, size: int) -> npt.NDArray[np.int32]:
    """Returns the places in a list from the codes of its spans: shape (rows,)."""
    joined = codes[:, 0] if codes.shape[1] == 1 else codes[:, 0] * _GROUP + codes[:, 1]
    return np.minimum(joined, size - 1)


def _text(values: pa.Array) -> pa.Array:
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _typed(texts: pa.Array, family: str) -> pa.Array:
    """Brings text back to the type that the writer expects of the column's family."""
    if family == "boolean":
        return texts.cast(pa.bool_())
    if family == "integer":
        return texts.cast(pa.int64())
    if family == "float":
        return texts.cast(pa.float64())
    if family == "date":
        return texts.cast(pa.date32())
    return texts
