"""Arrays, of one dimension and of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Kind, Rows, Span, count_holders, is_null
from replica.kinds.categorical import CategoricalKind
from replica.kinds.literals import Lower, bounded_literal, parse_array
from replica.kinds.nested import column_of, draw_values, element_kind, flattened, present_values
from replica.kinds.quantile import QuantileCode, fit_quantiles
from replica.schema.model import Column, SqlType

# Lists of whole arrays, and the shapes of arrays of several dimensions that are kept.
_FEW = 64
_COVERED = 0.9
_REDRAWS = 8

_TEXT = SqlType("text", "text", "text")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ArrayKind:
    """Arrays: whole ones out of a list where few occur, element by element otherwise.

    Attributes:
        name: the column's name.
        whole: the list of whole arrays, as they are read; None where there are too many.
        length: the distribution of the number of elements; None for whole arrays and without a value.
        lower: the lower bounds that occur, the commonest first; those of no dimension are all 1.
        shapes: sizes by dimension of arrays of several dimensions, the commonest first; they hold for the number of
            elements that is their product.
        element: what makes an element; None where there is none to learn from.
        empty: share of nulls among the elements.
        distinct: True where no array of the source repeats an element.
        nulls: True where a code stands for null; a list of whole arrays has its own.
    """

    name: str
    whole: CategoricalKind | None
    length: QuantileCode | None
    lower: tuple[Lower, ...]
    shapes: tuple[Shape, ...]
    element: Kind | None
    empty: float
    distinct: bool
    nulls: bool

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "array"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`."""
        whole = CategoricalKind.fit(data, rng)
        texts, who = present_values(data)
        known = set(whole.values)
        covered = sum(text in known for text in texts)
        nulls = bool(is_null(data.values).any())
        if not texts or (len(known) <= _FEW and covered >= _COVERED * len(texts)):
            return cls(data.column.name, whole, None, (), (), None, 0.0, distinct=False, nulls=nulls)
        bounds, parsed = zip(*map(parse_array, texts), strict=True)
        arrays = [_flat(array) for array in parsed]
        filled = [place for place, array in enumerate(arrays) if array]
        kind = data.column.type.element or _TEXT
        elements, owners = flattened(arrays, who)
        values = column_of(elements, kind)
        there = ~is_null(values)
        inner = ColumnData(
            Column(data.column.name, kind), values.filter(pa.array(there)), owners[there], data.min_holders
        )
        counts = np.array([len(array) for array in arrays], np.float64)
        return cls(
            name=data.column.name,
            whole=None,
            length=fit_quantiles(counts, who, bins=24, min_holders=data.min_holders),
            lower=_common_bounds([bounds[place] for place in filled], who[filled], data.min_holders),
            shapes=_common_shapes(parsed),
            element=element_kind(inner, rng) if there.any() else None,
            empty=sum(element is None for element in elements) / max(1, len(elements)),
            distinct=all(len(set(map(repr, array))) == len(array) for array in arrays),
            nulls=nulls,
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        if self.whole is not None:
            return self.whole.spans
        bins = self.length.bins if self.length else 1
        length = Span(f"{self.name} length", bins + self.nulls, ordered=bins)
        return (length, Span(f"{self.name} bounds", len(self.lower))) if len(self.lower) > 1 else (length,)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        if self.whole is not None:
            return self.whole.encode(values)
        parsed = [((), []) if text is None else parse_array(text) for text in values.to_pylist()]
        counts = [len(_flat(array)) for _, array in parsed]
        assert self.length is not None  # noqa: S101 - fitted together
        codes = self.length.encode(np.array(counts, np.float64))
        if self.nulls:
            codes[is_null(values)] = self.length.bins
        known = {lower: code for code, lower in enumerate(self.lower)}
        bounds = [known.get(lower, 0) if array else 0 for lower, array in parsed]
        return np.stack([codes, np.array(bounds, codes.dtype)], axis=1)[:, : len(self.spans)]

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if self.whole is not None:
            return self.whole.decode(codes, rows)
        assert self.length is not None  # noqa: S101 - fitted together
        drawn = self.length.decode(np.minimum(codes[:, 0], self.length.bins - 1), rows.rng)
        bounds = codes[:, 1].tolist() if len(self.lower) > 1 else [0] * len(codes)
        lower = [self.lower[code] for code in bounds] if self.lower else [()] * len(codes)
        shapes = list(map(self._shape, np.round(drawn).astype(np.int64).tolist(), lower))
        counts = np.array([int(np.prod(shape)) for shape in shapes], np.int64)
        arrays = self._elements(counts, rows.rng)
        null = (self.nulls & (codes[:, 0] == self.length.bins)).tolist()
        values = [
            None if missing else _written(array, shape, first)
            for array, shape, first, missing in zip(arrays, shapes, lower, null, strict=True)
        ]
        return pa.array(values, pa.string())

    def _shape(self, count: int, lower: Lower) -> Shape:
        """The sizes of an array of about so many elements, with as many dimensions as it has bounds."""
        if not self.shapes:
            return (max(0, count),)
        like = [shape for shape in self.shapes if len(shape) == len(lower)] or self.shapes
        return min(like, key=lambda shape: abs(int(np.prod(shape)) - count))

    def _elements(self, counts: npt.NDArray[np.int64], rng: np.random.Generator) -> list[list[Any]]:
        """Draws the elements of arrays of so many elements each."""
        arrays: list[list[Any]] = [[] for _ in counts]
        # What repeats within an array that may not is drawn again; a few elements may be all there are.
        for _ in range(_REDRAWS if self.distinct else 1):
            lacking = counts - np.array([len(array) for array in arrays], np.int64)
            fresh = self._draw(int(lacking.sum()), rng)
            for array, stop, n in zip(arrays, np.cumsum(lacking).tolist(), lacking.tolist(), strict=True):
                array.extend(fresh[stop - n : stop])
            if self.distinct:
                arrays = [list({repr(element): element for element in array}.values()) for array in arrays]
        if self.shapes:
            # A shape must be full.
            arrays = [[*array, *array[:1] * (n - len(array))] for array, n in zip(arrays, counts.tolist(), strict=True)]
        return arrays

    def _draw(self, n: int, rng: np.random.Generator) -> list[Any]:
        if self.element is None or not n:
            return [None] * n
        null = rng.random(n) < self.empty
        values = draw_values(self.element, n, rng)
        return [None if missing else value for value, missing in zip(values, null.tolist(), strict=True)]


def _flat(array: Any) -> list[Any]:
    """The elements of an array of any dimension."""
    if not isinstance(array, list):
        return [array]
    return [inner for element in array for inner in _flat(element)]


def _shape_of(array: Any) -> Shape:
    """The sizes of an array by dimension."""
    return (len(array), *(_shape_of(array[0]) if array else ())) if isinstance(array, list) else ()


def _common_shapes(arrays: list[Any]) -> tuple[Shape, ...]:
    """The sizes that occur, where arrays have several dimensions; none where all are plain lists."""
    shapes = [_shape_of(array) for array in arrays]
    if all(len(shape) < 2 for shape in shapes):
        return ()
    return tuple(sorted(set(shapes), key=lambda shape: -shapes.count(shape))[:_FEW])


def _common_bounds(bounds: Sequence[Lower], who: npt.NDArray[np.int64], least: int) -> tuple[Lower, ...]:
    """The lower bounds that enough people have, the commonest first."""
    numbers = {lower: number for number, (lower, _) in enumerate(Counter(bounds).most_common())}
    held = count_holders(np.array([numbers[lower] for lower in bounds], np.int64), len(numbers), who)
    return tuple(lower for lower, people in zip(numbers, held.tolist(), strict=True) if people >= least)[:_FEW]


def _written(elements: list[Any], shape: Shape, lower: Lower) -> str:
    """An array of so many elements by dimension; bounds that are not of its dimensions are left out."""
    value = _nested(iter(elements), shape) if len(shape) > 1 and elements else elements
    return bounded_literal(value, lower if len(lower) == len(shape) else ())


def _nested(elements: Iterator[Any], shape: Shape) -> Any:
    """Puts elements into lists of lists."""
    if not shape:
        return next(elements)
    return [_nested(elements, shape[1:]) for _ in range(shape[0])]
