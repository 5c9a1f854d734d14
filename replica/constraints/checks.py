"""CHECK conditions: read by a real SQL parser, evaluated on columns of values with SQL's three truth values.

What is not understood here is not guessed at: the target's server evaluates every condition when rows are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from replica.kinds.base import is_null

Mask = npt.NDArray[np.bool_]
Columns = Mapping[str, pa.Array]

_DAY_US = 86_400_000_000


class NotReadableError(Exception):
    """A condition uses something that is not understood here."""


@dataclass(frozen=True)
class _Value:
    """Values of an expression: data, and where they are null. Numbers are float64, moments microseconds."""

    data: npt.NDArray[Any]
    null: Mask


@lru_cache(maxsize=4096)
def parse(expression: str) -> exp.Expr:
    """Returns the syntax tree of a condition as PostgreSQL prints it.

    Raises:
        NotReadableError: the parser does not know the syntax.
    """
    try:
        return sqlglot.parse_one(expression, read="postgres")
    except SqlglotError as error:
        raise NotReadableError(str(error)) from None


def readable(expression: str) -> bool:
    """Returns True if :func:`holds` can evaluate a condition."""
    try:
        tree = parse(expression)
        names = {column.name for column in tree.find_all(exp.Column)}
        holds(expression, {name: pa.nulls(0, pa.string()) for name in names}, 0)
    except NotReadableError:
        return False
    return True


def columns_of(expression: str) -> frozenset[str]:
    """Returns the columns that a condition reads."""
    return frozenset(column.name for column in parse(expression).find_all(exp.Column))


def holds(expression: str, columns: Columns, n: int) -> Mask:
    """Evaluates a condition as a CHECK does: a row passes when it is true or unknown.

    Args:
        expression: the condition.
        columns: values of the columns that it reads, as :meth:`~replica.databases.base.Snapshot.read` gives them.
        n: how many rows there are.

    Raises:
        NotReadableError: the condition uses something that is not understood here.
    """
    found = _evaluate(parse(expression), columns, n)
    passes: Mask = found.null | found.data.astype(bool)
    return passes


def is_true(expression: str, columns: Columns, n: int) -> Mask:
    """Evaluates a condition as the predicate of an index does: a row counts when it is true."""
    found = _evaluate(parse(expression), columns, n)
    counts: Mask = ~found.null & found.data.astype(bool)
    return counts


def texts_of(expression: str, columns: Columns, n: int) -> pa.Array:
    """Evaluates an expression that gives text or numbers, as the part of an index does."""
    found = _evaluate(parse(expression), columns, n)
    return pa.array(found.data.astype(object), mask=found.null)


def _evaluate(node: exp.Expr, columns: Columns, n: int) -> _Value:
    handler = _HANDLERS.get(type(node))
    if handler is None:
        raise NotReadableError(f"{type(node).__name__} in {node.sql()}")
    found = handler(node, columns, n)
    # Newer versions of the parser mark "IS NOT" on the node itself, older ones wrap it in a Not.
    return _Value(~found.data.astype(bool), found.null) if node.args.get("negate") else found


def _column(node: exp.Expr, columns: Columns, n: int) -> _Value:  # noqa: ARG001 - a handler
    if node.name not in columns:
        raise NotReadableError(f"column {node.name}")
    return as_value(columns[node.name])


def as_value(values: pa.Array) -> _Value:
    """Turns an array into what conditions compute with."""
    null = is_null(values)
    kind = values.type
    if pa.types.is_boolean(kind):
        return _Value(np.array(values.fill_null(False)), null)
    if pa.types.is_date32(kind):
        days = np.array(values.cast(pa.int32()).fill_null(0), dtype=np.float64)
        return _Value(days * _DAY_US, null)
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        return _Value(np.array(values.cast(pa.int64()).fill_null(0), dtype=np.float64), null)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _Value(np.array(values.cast(pa.float64()).fill_null(0.0)), null)
    if pa.types.is_string(kind) or pa.types.is_null(kind):
        texts = values.cast(pa.string()).fill_null("")
        return _Value(np.array(texts.to_pylist(), dtype=object), null)
    raise NotReadableError(f"values of type {kind}")


def _literal(node: exp.Expr, columns: Columns, n: int) -> _Value:  # noqa: ARG001 - a handler
    value: Any = node.name if node.args.get("is_string") else float(node.name)
    return _Value(np.full(n, value, dtype=object if isinstance(value, str) else np.float64), np.zeros(n, dtype=bool))


def _null(node: exp.Expr, columns: Columns, n: int) -> _Value:  # noqa: ARG001 - a handler
    return _Value(np.zeros(n), np.ones(n, dtype=bool))


def _boolean(node: exp.Expr, columns: Columns, n: int) -> _Value:  # noqa: ARG001 - a handler
    return _Value(np.full(n, bool(node.this)), np.zeros(n, dtype=bool))


def _inner(node: exp.Expr, columns: Columns, n: int) -> _Value:
    return _evaluate(node.this, columns, n)


def _and(node: exp.Expr, columns: Columns, n: int) -> _Value:
    a, b = _two(node, columns, n)
    false = (~a.null & ~a.data.astype(bool)) | (~b.null & ~b.data.astype(bool))
    null = (a.null | b.null) & ~false
    return _Value(~false & ~null, null)


def _or(node: exp.Expr, columns: Columns, n: int) -> _Value:
    a, b = _two(node, columns, n)
    true = (~a.null & a.data.astype(bool)) | (~b.null & b.data.astype(bool))
    return _Value(true, (a.null | b.null) & ~true)


def _not(node: exp.Expr, columns: Columns, n: int) -> _Value:
    a = _evaluate(node.this, columns, n)
    return _Value(~a.data.astype(bool), a.null)


def _two(node: exp.Expr, columns: Columns, n: int) -> tuple[_Value, _Value]:
    return _evaluate(node.this, columns, n), _evaluate(node.expression, columns, n)


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[exp.Expr, Columns, int], _Value]:
    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        if isinstance(node.expression, exp.Any):
            return _one_of(node.this, _elements(node.expression.this), columns, n)
        if isinstance(node.expression, exp.All):
            found = _one_of(node.this, _elements(node.expression.this), columns, n)
            return _Value(~found.data, found.null)
        a, b = _alike(*_two(node, columns, n))
        return _Value(compare(a.data, b.data).astype(bool), a.null | b.null)

    return handler


def _alike(a: _Value, b: _Value) -> tuple[_Value, _Value]:
    """Brings both sides to one type: a text beside numbers is read as a number or a moment."""
    a_text, b_text = a.data.dtype == object, b.data.dtype == object
    if a_text == b_text:
        return a, b
    return (_Value(_numbers(a), a.null), b) if a_text else (a, _Value(_numbers(b), b.null))


def _numbers(value: _Value) -> npt.NDArray[np.float64]:
    distinct, places = np.unique(value.data.astype(str), return_inverse=True)
    return np.array([_number(text) for text in distinct.tolist()])[places]


def _number(text: str) -> float:
    if text == "":
        return 0.0
    try:
        return float(text)
    except ValueError:
        return _moment(text)


def _moment(text: str) -> float:
    """Microseconds since 1970 of a date, a time or a timestamp."""
    if text.lower().strip() in ("t", "true", "f", "false"):
        return float(text.lower().startswith("t"))
    try:
        if re.match(r"\d{1,2}:\d{2}", text):
            return float(np.datetime64("1970-01-01T" + text[:15]).astype("datetime64[us]").astype(np.int64))
        return float(np.datetime64(text[:26].replace(" ", "T").rstrip("Z")).astype("datetime64[us]").astype(np.int64))
    except ValueError:
        raise NotReadableError(f"the value of a literal: {len(text)} characters") from None


def _elements(node: exp.Expr | None) -> list[exp.Expr]:
    """The elements of ``ARRAY[...]``, through casts and parentheses."""
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    if isinstance(node, exp.Array | exp.Tuple):
        return list(node.expressions)
    raise NotReadableError("a list that is not written out")


def _one_of(this: exp.Expr, among: list[exp.Expr], columns: Columns, n: int) -> _Value:
    value = _evaluate(this, columns, n)
    true, unknown = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    for element in among:
        a, b = _alike(value, _evaluate(element, columns, n))
        true |= (a.data == b.data) & ~b.null
        unknown |= b.null
    return _Value(true, value.null | (unknown & ~true))


def _in(node: exp.Expr, columns: Columns, n: int) -> _Value:
    if node.args.get("query"):
        raise NotReadableError("a subquery")
    return _one_of(node.this, node.expressions, columns, n)


def _between(node: exp.Expr, columns: Columns, n: int) -> _Value:
    low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
    high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
    return _and(exp.And(this=low, expression=high), columns, n)


def _is(node: exp.Expr, columns: Columns, n: int) -> _Value:
    a = _evaluate(node.this, columns, n)
    none = np.zeros(n, dtype=bool)
    if isinstance(node.expression, exp.Null):
        return _Value(a.null.copy(), none)
    if isinstance(node.expression, exp.Boolean):
        return _Value(~a.null & (a.data.astype(bool) == bool(node.expression.this)), none)
    raise NotReadableError(node.sql())


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Callable[[exp.Expr, Columns, int], _Value]:
    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        a, b = _two(node, columns, n)
        if object in (a.data.dtype, b.data.dtype):
            raise NotReadableError("arithmetic on text")
        with np.errstate(divide="ignore", invalid="ignore"):
            return _Value(compute(a.data.astype(np.float64), b.data.astype(np.float64)), a.null | b.null)

    return handler


def _negative(node: exp.Expr, columns: Columns, n: int) -> _Value:
    a = _evaluate(node.this, columns, n)
    return _Value(-a.data.astype(np.float64), a.null)


_NUMERIC_TYPES = frozenset({"INT", "SMALLINT", "BIGINT", "DECIMAL", "DOUBLE", "FLOAT", "TINYINT", "BIGDECIMAL"})
_MOMENT_TYPES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "TIMESTAMPNTZ", "TIMESTAMPLTZ", "TIMETZ"})
_TEXT_TYPES = frozenset({"TEXT", "VARCHAR", "CHAR", "BPCHAR", "NCHAR", "NVARCHAR", "NAME", "USERDEFINED"})


def _cast(node: exp.Expr, columns: Columns, n: int) -> _Value:
    value = _evaluate(node.this, columns, n)
    target = node.args["to"].this
    name = target.value if hasattr(target, "value") else str(target)
    is_text = value.data.dtype == object
    if name in _TEXT_TYPES or name == "USER-DEFINED":
        # A number as text has many forms; only texts stay what they are.
        if not is_text:
            raise NotReadableError("a number cast to text")
        return value
    if name in _NUMERIC_TYPES or name in _MOMENT_TYPES:
        if not is_text:
            return _Value(np.floor(value.data / _DAY_US) * _DAY_US, value.null) if name == "DATE" else value
        return _Value(_numbers(value), value.null)
    if name == "BOOLEAN" and not is_text:
        return value
    raise NotReadableError(f"a cast to {name}")


def _mapped(transform: Callable[[str], Any], kind: Any) -> Callable[[exp.Expr, Columns, int], _Value]:
    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        a = _evaluate(node.this, columns, n)
        if a.data.dtype != object:
            raise NotReadableError("a function of text on something else")
        return _Value(np.array([transform(text) for text in a.data.tolist()], dtype=kind), a.null)

    return handler


def _absolute(node: exp.Expr, columns: Columns, n: int) -> _Value:
    a = _evaluate(node.this, columns, n)
    return _Value(np.abs(a.data.astype(np.float64)), a.null)


def _coalesce(node: exp.Expr, columns: Columns, n: int) -> _Value:
    found = _evaluate(node.this, columns, n)
    for other in node.expressions:
        b = _evaluate(other, columns, n)
        a, b = _alike(found, b)
        found = _Value(np.where(a.null, b.data, a.data), a.null & b.null)
    return found


def _pattern(ignore_case: bool, like: bool) -> Callable[[exp.Expr, Columns, int], _Value]:
    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        right = node.expression
        while isinstance(right, exp.Cast | exp.Paren):
            right = right.this
        if not (isinstance(right, exp.Literal) and right.args.get("is_string")):
            raise NotReadableError("a pattern that is not written out")
        a = _evaluate(node.this, columns, n)
        if a.data.dtype != object:
            raise NotReadableError("a pattern on something that is not text")
        matcher = _like(right.name, ignore_case) if like else _regular(right.name, ignore_case)
        return _Value(np.array([matcher(text) is not None for text in a.data.tolist()], dtype=bool), a.null)

    return handler


def _regular(pattern: str, ignore_case: bool) -> Callable[[str], Any]:
    """PostgreSQL's regular expressions are Python's but for some classes and escapes."""
    if "[[:" in pattern or "\\m" in pattern or "\\M" in pattern or "(?" in pattern:
        raise NotReadableError("a regular expression that Python writes otherwise")
    try:
        return re.compile(pattern, re.IGNORECASE if ignore_case else 0).search
    except re.error:
        raise NotReadableError("a regular expression that Python does not read") from None


def _like(pattern: str, ignore_case: bool) -> Callable[[str], Any]:
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0)).fullmatch


def _function(node: exp.Expr, columns: Columns, n: int) -> _Value:
    """Functions that the parser has no class for."""
    name = node.name.lower()
    if name in ("cardinality", "array_length"):
        value = _evaluate(node.expressions[0], columns, n)
        return _Value(np.array([_count_elements(text) for text in value.data.tolist()], np.float64), value.null)
    raise NotReadableError(f"function {name}")


def _array_size(node: exp.Expr, columns: Columns, n: int) -> _Value:
    value = _evaluate(node.this, columns, n)
    return _Value(np.array([_count_elements(text) for text in value.data.tolist()], np.float64), value.null)


def _count_elements(text: Any) -> int:
    """How many elements an array has, written as PostgreSQL writes it or as JSON."""
    inner = str(text).strip()[1:-1]
    if not inner:
        return 0
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "x", inner)
    return outside.count(",") + 1


_HANDLERS: Mapping[type[exp.Expr], Callable[[exp.Expr, Columns, int], _Value]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Null: _null,
    exp.Boolean: _boolean,
    exp.Paren: _inner,
    exp.And: _and,
    exp.Or: _or,
    exp.Not: _not,
    exp.EQ: _comparison(lambda a, b: a == b),
    exp.NEQ: _comparison(lambda a, b: a != b),
    exp.GT: _comparison(lambda a, b: a > b),
    exp.GTE: _comparison(lambda a, b: a >= b),
    exp.LT: _comparison(lambda a, b: a < b),
    exp.LTE: _comparison(lambda a, b: a <= b),
    exp.Between: _between,
    exp.In: _in,
    exp.Is: _is,
    exp.Add: _arithmetic(lambda a, b: a + b),
    exp.Sub: _arithmetic(lambda a, b: a - b),
    exp.Mul: _arithmetic(lambda a, b: a * b),
    exp.Div: _arithmetic(lambda a, b: a / b),
    exp.Mod: _arithmetic(np.fmod),
    exp.Neg: _negative,
    exp.Cast: _cast,
    exp.Lower: _mapped(str.lower, object),
    exp.Upper: _mapped(str.upper, object),
    exp.Trim: _mapped(str.strip, object),
    exp.Length: _mapped(len, np.float64),
    exp.Abs: _absolute,
    exp.Coalesce: _coalesce,
    exp.Like: _pattern(ignore_case=False, like=True),
    exp.ILike: _pattern(ignore_case=True, like=True),
    exp.RegexpLike: _pattern(ignore_case=False, like=False),
    exp.RegexpILike: _pattern(ignore_case=True, like=False),
    exp.ArraySize: _array_size,
    exp.Anonymous: _function,
}
