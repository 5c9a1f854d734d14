"""Values made of values: JSON documents and composites."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Kind, Rows, Span, bare_rows, is_null, spread
from replica.kinds.bits import BitKind
from replica.kinds.categorical import CategoricalKind, split_codes
from replica.kinds.code import CodeKind
from replica.kinds.datetime import MomentKind, TimeKind
from replica.kinds.identifiers import NetworkKind, UuidKind
from replica.kinds.literals import composite_literal
from replica.kinds.numeric import NumericKind
from replica.kinds.opaque import OpaqueKind
from replica.kinds.quantile import QuantileCode, fit_quantiles
from replica.schema.model import Column, SqlType

Ints = npt.NDArray[np.int64]

_SAMPLE = 20_000
_DEPTH = 6
_FEW = 64
_COVERED = 0.9

_NUMBER = SqlType("double precision", "float8", "float")
_TEXT = SqlType("text", "text", "text")

# What makes an element or a field of each family; texts are looked at first, other families are opaque.
_INNER: Final[Mapping[str, type[Kind]]] = {
    "integer": NumericKind,
    "float": NumericKind,
    "numeric": NumericKind,
    "money": NumericKind,
    "boolean": CategoricalKind,
    "enum": CategoricalKind,
    "date": MomentKind,
    "timestamp": MomentKind,
    "timestamptz": MomentKind,
    "time": TimeKind,
    "timetz": TimeKind,
    "uuid": UuidKind,
    "network": NetworkKind,
    "bit": BitKind,
}


@dataclass(frozen=True)
class JsonNode:
    """What was seen at one place of the documents.

    Attributes:
        types: the JSON types that occur and their shares, in one order: null, bool, number, text, list, object.
        leaf: what makes a number or a text here; None where there is neither.
        text: what makes a text here; None where there is none.
        true_share: share of true among the booleans.
        lengths: number of elements of lists; None without lists.
        element: what lists hold.
        keys: keys of objects, each with the share of objects that have it, and what is under it.
    """

    types: tuple[float, ...]
    leaf: NumericKind | None = None
    text: CategoricalKind | CodeKind | None = None
    true_share: float = 0.5
    lengths: QuantileCode | None = None
    element: JsonNode | None = None
    keys: tuple[tuple[str, float, JsonNode], ...] = ()


@dataclass(frozen=True)
class JsonKind:
    """JSON documents: the structure with all its shares, and one span that tells which of its forms a document has.

    The form is the set of keys at the top with the types under them; it is learned together with the rest of the
    row. Values inside a form are drawn by what was seen at their place. A key or a text that too few people have
    is not kept.

    Attributes:
        name: the column's name.
        forms: the structure of each form, the commonest first.
        weights: share of each form.
        nulls: True where the last code stands for null.
    """

    name: str
    forms: tuple[JsonNode, ...]
    weights: tuple[float, ...]
    nulls: bool

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "json"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`."""
        null = is_null(data.values)
        texts, who = present_values(data)
        documents = [json.loads(text) for text in texts]
        grouped: dict[str, list[int]] = {}
        for place, document in enumerate(documents):
            grouped.setdefault(_form(document), []).append(place)
        common = sorted(grouped, key=lambda form: -len(grouped[form]))[:_FEW]
        kept = [form for form in common if len(np.unique(who[grouped[form]])) >= data.min_holders] or [""]
        # What too few people have is counted as the commonest form.
        others = [place for form, places in grouped.items() if form not in kept for place in places]
        places = {form: np.array(grouped.get(form, []), np.int64) for form in kept}
        places[kept[0]] = np.sort(np.concatenate([places[kept[0]], np.array(others, np.int64)]))
        total = max(1, len(documents))
        return cls(
            name=data.column.name,
            forms=tuple(
                _learn([documents[i] for i in here.tolist()], who[here], data.min_holders, rng, 0)
                for here in places.values()
            ),
            weights=tuple(len(here) / total for here in places.values()),
            nulls=bool(null.any()),
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        return (Span(f"{self.name} form", len(self.forms) + self.nulls),)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        known = {_node_form(node): i for i, node in reversed(list(enumerate(self.forms)))}
        codes = np.array([0 if text is None else known.get(_form(json.loads(text)), 0) for text in values.to_pylist()])
        codes = codes.astype(np.int32).reshape(-1)
        if self.nulls:
            codes[is_null(values)] = len(self.forms)
        return codes[:, None]

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        documents: list[str | None] = [None] * len(codes)
        for form, node in enumerate(self.forms):
            here = np.flatnonzero(codes[:, 0] == form)
            for place, value in zip(here.tolist(), _write(node, len(here), rows.rng), strict=True):
                documents[place] = json.dumps(value, ensure_ascii=False)
        return pa.array(documents, pa.string())


def _form(document: Any) -> str:
    if isinstance(document, dict):
        return "{" + ",".join(f"{key}:{_type(value)}" for key, value in sorted(document.items())) + "}"
    return str(_type(document))


def _node_form(node: JsonNode) -> str:
    if node.keys:
        inner = sorted((key, int(np.argmax(below.types))) for key, _, below in node.keys)
        return "{" + ",".join(f"{key}:{kind}" for key, kind in inner) + "}"
    return "{}" if node.types[5] else str(int(np.argmax(node.types)))


def _type(value: Any) -> int:
    """The JSON type as a place: null, bool, number, text, list, object."""
    order: tuple[type, ...] = (type(None), bool, int, str, list, dict)
    return next((i for i, kind in enumerate(order) if isinstance(value, kind)), 2)


def present_values(data: ColumnData) -> tuple[list[str], Ints]:
    """Some of the values, and who stands behind each; every row stands for itself where nobody does."""
    present = spread(np.flatnonzero(~is_null(data.values)), _SAMPLE)
    return data.values.take(pa.array(present)).to_pylist(), present if data.holders is None else data.holders[present]


def flattened(lists: Sequence[list[Any]], who: Ints) -> tuple[list[Any], Ints]:
    """The elements of lists, and who stands behind each."""
    return [element for found in lists for element in found], np.repeat(who, [len(found) for found in lists])


def _learn(values: Sequence[Any], who: Ints, least: int, rng: np.random.Generator, depth: int) -> JsonNode:
    """Learns what stands at one place of many documents, given who stands behind each of them."""
    types = np.array([_type(value) for value in values], np.int64)
    by_type = [[values[i] for i in np.flatnonzero(types == kind).tolist()] for kind in range(6)]
    behind = [who[types == kind] for kind in range(6)]
    total = max(1, len(values))
    node = JsonNode(types=tuple(len(found) / total for found in by_type) if values else (1.0, 0, 0, 0, 0, 0))
    if by_type[1]:
        node = replace(node, true_share=sum(by_type[1]) / len(by_type[1]))
    if by_type[2]:
        node = replace(node, leaf=_fit_numbers(by_type[2], behind[2], least, rng))
    if by_type[3]:
        node = replace(node, text=fit_texts(by_type[3], behind[3], least, rng))
    if depth < _DEPTH and by_type[4]:
        counts = np.array([len(found) for found in by_type[4]], np.float64)
        inner, owners = flattened(by_type[4], behind[4])
        node = replace(
            node,
            lengths=fit_quantiles(counts, behind[4], bins=16, min_holders=least),
            element=_learn(inner[:_SAMPLE], owners[:_SAMPLE], least, rng, depth + 1),
        )
    if depth < _DEPTH and by_type[5]:
        node = replace(node, keys=_learn_keys(by_type[5], behind[5], least, rng, depth))
    return node


def _learn_keys(
    objects: list[dict[str, Any]], who: Ints, least: int, rng: np.random.Generator, depth: int
) -> tuple[tuple[str, float, JsonNode], ...]:
    places: dict[str, list[int]] = {}
    for place, found in enumerate(objects):
        for key in found:
            places.setdefault(key, []).append(place)
    return tuple(
        (key, len(here) / len(objects), _learn([objects[i][key] for i in here], who[here], least, rng, depth + 1))
        for key, here in places.items()
        if len(np.unique(who[here])) >= least
    )


def _fit_numbers(values: list[Any], who: Ints, least: int, rng: np.random.Generator) -> NumericKind:
    column = Column("number", _NUMBER)
    return NumericKind.fit(ColumnData(column, pa.array([float(v) for v in values]), who, least), rng)


def fit_texts(values: list[str], who: Ints, least: int, rng: np.random.Generator) -> CategoricalKind | CodeKind:
    """Learns texts: as a list where few different ones occur, by their pattern otherwise."""
    data = ColumnData(Column("text", _TEXT), pa.array(values, pa.string()), who, least)
    listed = CategoricalKind.fit(data, rng)
    known = set(listed.values)
    covered = sum(value in known for value in values)
    if known and len(known) <= _FEW * 4 and covered >= _COVERED * len(values):
        return listed
    return CodeKind.fit(data, rng)


def _write(node: JsonNode, n: int, rng: np.random.Generator) -> list[Any]:
    """Makes ``n`` values for one place."""
    shares = np.array(node.types) if sum(node.types) else np.array([1.0, 0, 0, 0, 0, 0])
    kinds = rng.choice(6, n, p=shares / shares.sum())
    values: list[Any] = [None] * n
    writers: dict[int, Callable[[int], list[Any]]] = {
        1: lambda m: (rng.random(m) < node.true_share).tolist(),
        2: lambda m: _numbers(node.leaf, m, rng),
        3: lambda m: draw_values(node.text, m, rng) if node.text else [""] * m,
        4: lambda m: _lists(node, m, rng),
        5: lambda m: _objects(node, m, rng),
    }
    for kind, write in writers.items():
        here = np.flatnonzero(kinds == kind)
        if len(here):
            for place, value in zip(here.tolist(), write(len(here)), strict=True):
                values[place] = value
    return values


def _numbers(leaf: NumericKind | None, n: int, rng: np.random.Generator) -> list[Any]:
    if leaf is None:
        return [0] * n
    values = draw_values(leaf, n, rng)
    return [int(v) if leaf.decimals == 0 and v is not None else v for v in values]


def _lists(node: JsonNode, n: int, rng: np.random.Generator) -> list[Any]:
    if node.lengths is None or node.element is None:
        return [[] for _ in range(n)]
    counts = np.round(node.lengths.decode(rng.integers(0, node.lengths.bins, n).astype(np.int32), rng)).astype(int)
    flat = _write(node.element, int(counts.sum()), rng)
    ends = np.cumsum(counts)
    return [flat[end - count : end] for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]


def _objects(node: JsonNode, n: int, rng: np.random.Generator) -> list[Any]:
    objects: list[dict[str, Any]] = [{} for _ in range(n)]
    for key, share, below in node.keys:
        here = np.flatnonzero(rng.random(n) < share)
        for place, value in zip(here.tolist(), _write(below, len(here), rng), strict=True):
            objects[place][key] = value
    return objects


def draw_values(kind: Kind, n: int, rng: np.random.Generator) -> list[Any]:
    """Draws values of a kind without looking at anything else."""
    return plain_values(kind.decode(random_codes(kind, n, rng), bare_rows(n, rng)))


def plain_values(values: pa.Array) -> list[Any]:
    """Values as they can be printed within others."""
    found: list[Any] = values.to_pylist()
    if pa.types.is_fixed_size_binary(values.type):
        return [None if value is None else str(uuid.UUID(bytes=value)) for value in found]
    return found


def listed_by(kind: Kind | None) -> CategoricalKind | None:
    """Returns the list that a kind takes its values from; None where it makes them otherwise."""
    listed = kind.listed if isinstance(kind, OpaqueKind) else kind
    return listed if isinstance(listed, CategoricalKind) else None


def random_codes(kind: Kind, n: int, rng: np.random.Generator) -> Codes:
    """Draws codes of a kind by what is known of their shares: bins are of equal weight, lists have weights."""
    listed = listed_by(kind)
    if listed is not None and len(listed.weights):
        return split_codes(rng.choice(len(listed.weights), n, p=listed.weights).astype(np.int32), listed.size)
    columns = [rng.integers(0, max(1, span.ordered or span.cardinality), n) for span in kind.spans]
    return np.stack(columns, axis=1).astype(np.int32) if columns else np.zeros((n, 0), np.int32)


# A date, with or without a time, of the years that Arrow can read; neither infinite nor before Christ.
_READ_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+([+-]\d\d:\d\d)?)?")
_MOMENTS = {"date": pa.date32(), "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC")}


def column_of(values: Sequence[Any], kind: SqlType) -> pa.Array:
    """Turns values out of JSON into the array that a snapshot would give for a column of the type."""
    if kind.family in ("integer", "float", "numeric", "money"):
        numbers = [None if v is None else float(v) for v in values]
        return pa.array(numbers, pa.float64())
    if kind.family == "boolean":
        return pa.array(values, pa.bool_())
    texts = [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values]
    if kind.family in _MOMENTS:
        usual = [text if text is not None and _READ_MOMENT.fullmatch(text) else None for text in texts]
        found = pa.array(usual, pa.string()).cast(_MOMENTS[kind.family])
        return found.cast(pa.timestamp("us")) if kind.family == "timestamptz" else found
    return pa.array(texts, pa.string()).cast(pa.time64("us")) if kind.family == "time" else pa.array(texts, pa.string())


def element_kind(data: ColumnData, rng: np.random.Generator) -> Kind:
    """What makes the elements of arrays."""
    if data.column.type.family == "text" and data.holders is not None:
        return fit_texts(data.values.to_pylist(), data.holders, data.min_holders, rng)
    return _kind_within(data.column.type).fit(data, rng)


def _kind_within(kind: SqlType) -> type[Kind]:
    """What makes values of a type within others."""
    return CompositeKind if kind.family == "composite" else _INNER.get(kind.family, OpaqueKind)


def _field_kind(data: ColumnData, rng: np.random.Generator) -> Kind:
    """What makes a field of composites."""
    if data.column.type.family != "text":
        return _kind_within(data.column.type).fit(data, rng)
    listed = CategoricalKind.fit(data, rng)
    return listed if len(listed.values) <= _FEW * 4 else CodeKind.fit(data, rng)


@dataclass(frozen=True)
class CompositeKind:
    """Composite values: each field by a kind of its own, all of them spans of the row.

    Attributes:
        name: the column's name.
        fields: the fields' names and types.
        kinds: what makes each field.
        nulls: True where the first span tells whether there is a value.
    """

    name: str
    fields: tuple[tuple[str, SqlType], ...]
    kinds: tuple[Kind, ...]
    nulls: bool

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "composite"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`."""
        null = is_null(data.values)
        holders = data.holders[~null] if data.holders is not None else None
        documents = [json.loads(text) for text in data.values.drop_null().to_pylist()]
        kinds = []
        for name, kind in data.column.type.fields:
            values = column_of([document.get(name) for document in documents], kind)
            column = Column(f"{data.column.name}.{name}", kind)
            inner = ColumnData(column, values, holders, data.min_holders)
            kinds.append(_field_kind(inner, rng))
        return cls(data.column.name, data.column.type.fields, tuple(kinds), bool(null.any()))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        first = (Span(f"{self.name} present", 2),) if self.nulls else ()
        return first + tuple(span for kind in self.kinds for span in kind.spans)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        documents = [{} if text is None else json.loads(text) for text in values.to_pylist()]
        columns = [(~is_null(values)).astype(np.int32)[:, None]] if self.nulls else []
        for (name, kind), maker in zip(self.fields, self.kinds, strict=True):
            columns.append(maker.encode(column_of([document.get(name) for document in documents], kind)))
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(values), 0), np.int32)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        start = int(self.nulls)
        columns = []
        for kind in self.kinds:
            columns.append(plain_values(kind.decode(codes[:, start : start + len(kind.spans)], rows)))
            start += len(kind.spans)
        values = [composite_literal(list(row)) for row in zip(*columns, strict=True)]
        present = codes[:, 0] == 1 if self.nulls else np.ones(len(codes), dtype=bool)
        kept = [value if there else None for value, there in zip(values, present.tolist(), strict=True)]
        return pa.array(kept, pa.string())
