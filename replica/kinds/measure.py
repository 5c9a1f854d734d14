"""Quantities written as text: ``1:23.456``, ``+5.478``, ``12.5 kg``, ``$1,299.00``.

The *form* of a text is all of it but its quantity: signs, units, how the number is written. It is a category; the
quantity is a number, and both are learned with the rest of the row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, count_holders, is_null
from replica.kinds.quantile import QuantileCode, behind_known, fit_quantiles, staying
from replica.schema.model import Column

_BINS = 128
_TEXT = re.compile(
    r"(?P<before>[^\w\s.:,]{0,3}\s?)"
    r"(?P<whole>\d{1,3}(?::[0-5]\d){1,2}|[1-9]\d{0,2}(?:,\d{3})+|0|[1-9]\d*)"
    r"(?:(?P<point>[.,])(?P<digits>\d{1,9}))?"
    r"(?P<after>\s?[^\W\d_]{0,6}(?:/[^\W\d_]{1,4})?|\s?[%°'\"€£¥$])"
)
# How texts must look to be quantities: so many of them in few ways of writing, and hardly any a bare whole number.
_FITTING, _MOST_WAYS, _MARKED, _LOOKED_AT = 0.98, 6, 0.9, 2_000
_MOST_FORMS = 64


@dataclass(frozen=True)
class Form:
    """How a quantity is written.

    Attributes:
        before: what stands before it.
        parts: 1 for a number, 2 or 3 for a clock's minutes and seconds, and hours.
        width: digits that the first part is filled up to.
        grouped: True where thousands are set apart by commas.
        point: what stands before the decimals; empty without any.
        digits: how many decimals there are.
        after: what stands behind it.
    """

    before: str
    parts: int
    width: int
    grouped: bool
    point: str
    digits: int
    after: str

    def write(self, quantity: float) -> str:
        """Returns the text of a quantity that is not negative."""
        scale = 10**self.digits
        units, decimals = divmod(round(quantity * scale), scale)
        parts: list[int] = []
        for _ in range(self.parts - 1):
            units, part = divmod(units, 60)
            parts.append(part)
        first = f"{units:,}" if self.grouped else f"{units:0{self.width}d}"
        whole = ":".join([first, *(f"{part:02d}" for part in reversed(parts))])
        return f"{self.before}{whole}{self.point}{f'{decimals:0{self.digits}d}' if self.digits else ''}{self.after}"


_PLAIN = Form("", 1, 1, False, "", 0, "")


def read_quantity(text: str) -> tuple[Form, float] | None:
    """Returns how a quantity is written, and how much it is, clocks in seconds; None for any other text.

    >>> read_quantity("1:02.5")[1]
    62.5
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    whole, digits = found["whole"], found["digits"] or ""
    parts = whole.split(":")
    width = len(parts[0]) if len(parts) > 1 and parts[0].startswith("0") else 1
    quantity = 0.0
    for part in parts:
        quantity = quantity * 60 + int(part.replace(",", ""))
    form = Form(found["before"], len(parts), width, "," in whole, found["point"] or "", len(digits), found["after"])
    return form, quantity + (int(digits) / 10 ** len(digits) if digits else 0.0)


def are_quantities(texts: Sequence[str]) -> bool:
    """True for texts nearly all of which are quantities, written in few ways; bare whole numbers are codes."""
    some = texts[:_LOOKED_AT]
    forms = [found[0] for text in some if (found := read_quantity(text)) is not None]
    if not some or len(forms) < _FITTING * len(some):
        return False
    ways = Counter((form.before, form.after) for form in forms)
    marked = sum(form.parts > 1 or form.digits > 0 or bool(form.before.strip() or form.after) for form in forms)
    return len(ways) <= _MOST_WAYS and marked >= _MARKED * len(forms)


@dataclass(frozen=True)
class MeasureKind:
    """A quantity as text: two spans, its form and how much it is.

    Attributes:
        name: the column's name.
        forms: how quantities are written, the commonest first.
        ranges: the least and the greatest quantity of each form; shape (forms, 2).
        curve: the distribution of the quantity; None where there is none, and all are zero.
        nulls: True where the last form's code stands for null.
        steady: how often a row has the very quantity of the row before, of the same owner and in the same bin.
    """

    name: str
    forms: tuple[Form, ...]
    ranges: npt.NDArray[np.float64]
    curve: QuantileCode | None
    nulls: bool
    steady: float = 0.0

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "text"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`. Texts that are no quantity count as the commonest form."""
        forms, places, quantities = _read(data.values)
        there = places >= 0
        holders = data.holders[there] if data.holders is not None else None
        held = count_holders(places[there], len(forms), holders)
        counts = np.bincount(places[there], minlength=len(forms))
        kept = [i for i in np.argsort(-counts, kind="stable") if held[i] >= data.min_holders][:_MOST_FORMS]
        nulls = bool(is_null(data.values).any())
        if not kept:
            return cls(data.column.name, (_PLAIN,), np.zeros((1, 2)), None, nulls)
        curve = fit_quantiles(quantities[there], holders, bins=_BINS, min_holders=data.min_holders)
        ranges = np.zeros((len(kept), 2))
        for place, form in enumerate(kept):
            here = places == form
            behind = data.holders[here] if data.holders is not None else None
            ends = fit_quantiles(quantities[here], behind, bins=1, min_holders=data.min_holders).knots_v
            ranges[place] = ends[0], ends[-1]
        steady = curve.steadiness(quantities[there], behind_known(data.follows, there))
        return cls(data.column.name, tuple(forms[i] for i in kept), ranges, curve, nulls, steady)

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        bins = self.curve.bins if self.curve else 1
        return (
            Span(f"{self.name} form", len(self.forms) + self.nulls),
            Span(f"{self.name} quantity", bins + 1, ordered=bins),
        )

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        forms, places, quantities = _read(values)
        known = {form: code for code, form in enumerate(self.forms)}
        codes = np.zeros((len(values), 2), np.int32)
        codes[:, 0] = np.array([*(known.get(form, 0) for form in forms), 0])[places]
        null, none = is_null(values), self.spans[1].cardinality - 1
        codes[:, 1] = np.where(null, none, self.curve.encode(quantities) if self.curve else 0)
        if self.nulls:
            codes[null, 0] = len(self.forms)
        return codes

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        drawn = np.zeros(len(codes))
        if self.curve is not None:
            stays = staying(codes[:, 1], rows.follows, self.steady, rows.rng)
            drawn = self.curve.decode(np.minimum(codes[:, 1], self.curve.bins - 1), rows.rng, stays)
        places = np.minimum(codes[:, 0], len(self.forms) - 1)
        quantities = np.clip(drawn, self.ranges[places, 0], self.ranges[places, 1])
        null = codes[:, 0] >= len(self.forms)
        texts = [
            None if missing else self.forms[place].write(quantity)
            for place, quantity, missing in zip(places.tolist(), quantities.tolist(), null.tolist(), strict=True)
        ]
        return pa.array(texts, pa.string())


def _read(values: pa.Array) -> tuple[list[Form], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The forms that occur, of each row its form's place (-1 for none), and its quantity: zero for none."""
    encoded = values.cast(pa.string()).dictionary_encode()
    forms: dict[Form, int] = {}
    places, quantities = [], []
    for text in encoded.dictionary.to_pylist():
        found = read_quantity(text)
        places.append(-1 if found is None else forms.setdefault(found[0], len(forms)))
        quantities.append(0.0 if found is None else found[1])
    at = np.array(encoded.indices.fill_null(len(places)), np.int64)
    return list(forms), np.array([*places, -1], np.int64)[at], np.array([*quantities, 0.0])[at]
