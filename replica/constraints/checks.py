"""CHECK conditions: read by a real SQL parser, evaluated on columns of values with SQL's three truth values.

What is not understood here is not guessed at: the target's server evaluates every condition when rows are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, reduce
from typing import Any, Literal
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from replica.constraints.patterns import in_python
from replica.kinds.base import is_null

Mask = npt.NDArray[np.bool_]
Columns = Mapping[str, pa.Array]

_DAY_US = 86_400_000_000.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = re.compile(r"\d{1,2}:\d{2}")


class NotReadableError(Exception):
    """A condition uses something that is not understood here."""


Unit = Literal["", "whole", "date", "moment", "clock", "label"]
"""What numbers stand for: whole numbers, days, microseconds since 1970 or midnight; a label is a text of an enum."""


@dataclass(frozen=True)
class _Value:
    """Values of an expression: data, where they are null, and what they stand for. Numbers are float64."""

    data: npt.NDArray[Any]
    null: Mask
    unit: Unit = ""

    @property
    def is_text(self) -> bool:
        """True where the data are texts."""
        return self.data.dtype == object


Handler = Callable[[exp.Expr, Columns, int], _Value]
Order = npt.NDArray[np.int8]


@lru_cache(maxsize=4096)
def parse(expression: str) -> exp.Expr:
    """Returns the syntax tree of a condition as PostgreSQL prints it.

    Raises:
        NotReadableError: the parser does not know the syntax.
    """
    try:
        # In parentheses a column called "lock" is no command.
        tree: exp.Expr = sqlglot.parse_one(f"({expression})", read="postgres")
        return tree.this if isinstance(tree, exp.Paren) else tree
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


def with_columns(expression: str, written: Callable[[str], str]) -> str:
    """Returns an expression in SQL with each column written anew.

    Args:
        expression: the expression.
        written: gives the SQL of a column by its name.
    """
    tree = parse(expression).transform(
        lambda node: exp.Var(this=written(node.name)) if isinstance(node, exp.Column) else node
    )
    return tree.sql(dialect="postgres")


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


def numbers_of(expression: str, columns: Columns, n: int) -> tuple[npt.NDArray[np.float64], Mask]:
    """Evaluates an expression that gives numbers; returns them, and where they are null."""
    found = _as_number(_evaluate(parse(expression), columns, n))
    return found.data, found.null


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
        return _Value(_with_ends(np.array(values.cast(pa.int32()).fill_null(0))), null, "date")
    if pa.types.is_timestamp(kind):
        return _Value(_with_ends(np.array(values.cast(pa.int64()).fill_null(0))), null, "moment")
    if pa.types.is_time64(kind):
        return _Value(np.array(values.cast(pa.int64()).fill_null(0), dtype=np.float64), null, "clock")
    if pa.types.is_integer(kind):
        return _Value(np.array(values.cast(pa.float64(), safe=False).fill_null(0.0)), null, "whole")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _Value(np.array(values.cast(pa.float64()).fill_null(0.0)), null)
    if pa.types.is_string(kind) or pa.types.is_null(kind):
        texts = values.cast(pa.string()).fill_null("")
        return _Value(np.array(texts.to_pylist(), dtype=object), null)
    if kind == pa.binary(16):
        # UUIDs are in the order of their texts.
        found = [str(UUID(bytes=value)) if value is not None else "" for value in values.to_pylist()]
        return _Value(np.array(found, dtype=object), null)
    raise NotReadableError(f"values of type {kind}")


def _with_ends(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Infinite moments are the ends of the integer range."""
    ends = np.iinfo(numbers.dtype)
    found = numbers.astype(np.float64)
    found[numbers == ends.max], found[numbers == ends.min] = np.inf, -np.inf
    return found


def _literal(node: exp.Expr, columns: Columns, n: int) -> _Value:  # noqa: ARG001 - a handler
    none = np.zeros(n, dtype=bool)
    if node.args.get("is_string"):
        return _Value(np.full(n, node.name, dtype=object), none)
    return _Value(np.full(n, float(node.name)), none, "whole" if node.name.isdigit() else "")


def _null(node: exp.Expr, columns: Columns, n: int) -> _Value:  # noqa: ARG001 - a handler
    return _Value(np.zeros(n), np.ones(n, dtype=bool))


def _boolean(node: exp.Expr, columns: Columns, n: int) -> _Value:  # noqa: ARG001 - a handler
    return _Value(np.full(n, bool(node.this)), np.zeros(n, dtype=bool))


def _inner(node: exp.Expr, columns: Columns, n: int) -> _Value:
    return _evaluate(node.this, columns, n)


def _both(a: _Value, b: _Value) -> _Value:
    false = (~a.null & ~a.data.astype(bool)) | (~b.null & ~b.data.astype(bool))
    null = (a.null | b.null) & ~false
    return _Value(~false & ~null, null)


def _either(a: _Value, b: _Value) -> _Value:
    true = (~a.null & a.data.astype(bool)) | (~b.null & b.data.astype(bool))
    return _Value(true, (a.null | b.null) & ~true)


def _joined(join: Callable[[_Value, _Value], _Value]) -> Handler:
    return lambda node, columns, n: join(*_two(node, columns, n))


def _not(node: exp.Expr, columns: Columns, n: int) -> _Value:
    a = _evaluate(node.this, columns, n)
    return _Value(~a.data.astype(bool), a.null)


def _two(node: exp.Expr, columns: Columns, n: int) -> tuple[_Value, _Value]:
    return _evaluate(node.this, columns, n), _evaluate(node.expression, columns, n)


def _comparison(says: Callable[[Order], Mask], *, ordered: bool = True) -> Handler:
    """A comparison by what it says of the order of its sides; equality does not need one."""

    def compare(a: _Value, b: _Value) -> _Value:
        if ordered and "label" in (a.unit, b.unit):
            raise NotReadableError("the order of an enum")
        a, b = _alike(a, b)
        return _Value(says(_order(a.data, b.data)), a.null | b.null)

    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        quantified = _quantified(node.expression)
        if quantified is None:
            return compare(*_two(node, columns, n))
        join, among = quantified
        this = _evaluate(node.this, columns, n)
        start = _Value(np.full(n, join is _both), np.zeros(n, dtype=bool))
        return reduce(join, (compare(this, _evaluate(element, columns, n)) for element in among), start)

    return handler


def _order(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Order:
    """Compares both sides: -1 where the first is less, 1 where it is greater. NaN equals itself and tops all else."""
    more, less = (a > b).astype(bool), (a < b).astype(bool)
    if a.dtype == np.float64 and b.dtype == np.float64:
        more |= np.isnan(a) & ~np.isnan(b)
        less |= ~np.isnan(a) & np.isnan(b)
    return more.astype(np.int8) - less.astype(np.int8)


def _quantified(node: exp.Expr) -> tuple[Callable[[_Value, _Value], _Value], list[exp.Expr]] | None:
    """How ``ANY (...)`` and ``ALL (...)`` join the comparisons with their elements; None for anything else."""
    if isinstance(node, exp.Any):
        return _either, _elements(node.this)
    if isinstance(node, exp.All):
        return _both, _elements(node.this)
    # The parser takes ALL before an array for a function.
    if isinstance(node, exp.Anonymous) and node.name.upper() == "ALL":
        return _both, _elements(node.expressions[0])
    return None


def _distinct(*, equal: bool) -> Handler:
    """``IS DISTINCT FROM`` and its opposite, for which null is a value like any other."""

    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        a, b = _alike(*_two(node, columns, n))
        same = np.where(a.null | b.null, a.null & b.null, _order(a.data, b.data) == 0)
        return _Value(same == equal, np.zeros(n, dtype=bool))

    return handler


def _alike(a: _Value, b: _Value) -> tuple[_Value, _Value]:
    """Brings both sides to one type: a text beside numbers is read as a number or a moment, a date as a moment."""
    if a.is_text != b.is_text:
        return (_read(a, b.unit), b) if a.is_text else (a, _read(b, a.unit))
    if {a.unit, b.unit} == {"date", "moment"}:
        return _as_moment(a), _as_moment(b)
    return a, b


def _as_moment(value: _Value) -> _Value:
    return _Value(value.data * _DAY_US, value.null, "moment") if value.unit == "date" else value


def _read(value: _Value, unit: Unit) -> _Value:
    """Reads texts as numbers of a unit."""
    distinct, places = np.unique(value.data.astype(str), return_inverse=True)
    numbers = np.array([_number(text) for text in distinct.tolist()], np.float64)[places]
    return _Value(np.floor(numbers / _DAY_US) if unit == "date" else numbers, value.null, unit)


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
        moment = datetime.fromisoformat(f"1970-01-01 {text}" if _CLOCK.match(text) else text)
    except ValueError:
        raise NotReadableError(f"the value of a literal: {len(text)} characters") from None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) / timedelta(microseconds=1)


def _elements(node: exp.Expr | None) -> list[exp.Expr]:
    """The elements of ``ARRAY[...]``, through casts and parentheses."""
    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    if isinstance(node, exp.Array | exp.Tuple):
        return list(node.expressions)
    raise NotReadableError("a list that is not written out")


def _in(node: exp.Expr, columns: Columns, n: int) -> _Value:
    if node.args.get("query"):
        raise NotReadableError("a subquery")
    among = exp.Array(expressions=[element.copy() for element in node.expressions])
    return _evaluate(exp.EQ(this=node.this.copy(), expression=exp.Any(this=among)), columns, n)


def _between(node: exp.Expr, columns: Columns, n: int) -> _Value:
    low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
    high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
    return _both(_evaluate(low, columns, n), _evaluate(high, columns, n))


def _is(node: exp.Expr, columns: Columns, n: int) -> _Value:
    a = _evaluate(node.this, columns, n)
    none = np.zeros(n, dtype=bool)
    if isinstance(node.expression, exp.Null):
        return _Value(a.null.copy(), none)
    if isinstance(node.expression, exp.Boolean):
        return _Value(~a.null & (a.data.astype(bool) == bool(node.expression.this)), none)
    raise NotReadableError(node.sql())


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Handler:
    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        a, b = _as_number(_evaluate(node.this, columns, n)), _as_number(_evaluate(node.expression, columns, n))
        unit = _unit_of(type(node), a.unit, b.unit)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = compute(a.data, b.data)
        # Whole numbers are divided without remainder.
        found = np.trunc(found) if unit == "whole" and isinstance(node, exp.Div) else found
        return _Value(found, a.null | b.null, unit)

    return handler


def _as_number(value: _Value) -> _Value:
    """What arithmetic takes; of values that are all null nobody knows the type."""
    if value.is_text and not value.null.all():
        raise NotReadableError("arithmetic on text")
    return _Value(np.zeros(len(value.data)) if value.is_text else value.data.astype(np.float64), value.null, value.unit)


_DAYS: Mapping[tuple[type[exp.Expr], Unit, Unit], Unit] = {
    (exp.Sub, "date", "date"): "whole",
    (exp.Sub, "date", "whole"): "date",
    (exp.Add, "date", "whole"): "date",
    (exp.Add, "whole", "date"): "date",
}


def _unit_of(operation: type[exp.Expr], a: Unit, b: Unit) -> Unit:
    """What the result of arithmetic stands for."""
    if a in ("", "whole") and b in ("", "whole"):
        return "whole" if a == b == "whole" else ""
    if (operation, a, b) not in _DAYS:
        raise NotReadableError(f"arithmetic on {a or 'number'} and {b or 'number'}")
    return _DAYS[operation, a, b]


def _of_number(compute: Callable[[Any], Any]) -> Handler:
    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        a = _as_number(_evaluate(node.this, columns, n))
        return _Value(compute(a.data), a.null, a.unit)

    return handler


_WHOLE_TYPES = frozenset({"INT", "SMALLINT", "BIGINT", "TINYINT"})
_NUMERIC_TYPES = frozenset({"DECIMAL", "DOUBLE", "FLOAT", "BIGDECIMAL"})
_MOMENT_TYPES = frozenset({"TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPNTZ", "TIMESTAMPLTZ"})
_TEXT_TYPES = frozenset({"TEXT", "VARCHAR", "CHAR", "BPCHAR", "NCHAR", "NVARCHAR", "NAME"})
_LABEL_TYPES = frozenset({"USERDEFINED", "USER-DEFINED"})


def _cast(node: exp.Expr, columns: Columns, n: int) -> _Value:
    value = _evaluate(node.this, columns, n)
    target = node.args["to"]
    name = target.this.value if hasattr(target.this, "value") else str(target.this)
    if target.expressions:
        raise NotReadableError("a cast that cuts or rounds values")
    if name in _TEXT_TYPES or name in _LABEL_TYPES:
        # A number as text has many forms, and citext compares in its own way; other texts stay what they are.
        if not value.is_text or "citext" in target.sql().lower():
            raise NotReadableError(f"a cast to {name}")
        return _Value(value.data, value.null, "label" if name in _LABEL_TYPES else "")
    if name in _WHOLE_TYPES:
        number = _read(value, "") if value.is_text else _as_number(value)
        return _Value(np.copysign(np.floor(np.abs(number.data) + 0.5), number.data), number.null, "whole")
    if name in _NUMERIC_TYPES and value.unit in ("", "whole"):
        number = _read(value, "") if value.is_text else _as_number(value)
        return _Value(number.data, number.null)
    if name == "BOOLEAN" and (value.data.dtype == bool or value.null.all()):
        return value
    if name == "UUID" and value.is_text:
        return _Value(np.array([_canonical(text) for text in value.data.tolist()], dtype=object), value.null)
    return _cast_moment(value, name)


def _canonical(text: str) -> str:
    """A UUID as the server writes it."""
    try:
        return str(UUID(text)) if text else text
    except ValueError:
        raise NotReadableError("a UUID that is none") from None


def _cast_moment(value: _Value, name: str) -> _Value:
    if name == "DATE" and (value.is_text or value.unit in ("date", "moment")):
        in_days = value.unit == "date"
        return value if in_days else _read(value, "date") if value.is_text else _floored(value)
    if name in _MOMENT_TYPES and (value.is_text or value.unit in ("date", "moment")):
        return _read(value, "moment") if value.is_text else _as_moment(value)
    if name == "TIME" and (value.is_text or value.unit == "clock"):
        return _read(value, "clock") if value.is_text else value
    raise NotReadableError(f"a cast to {name}")


def _floored(moment: _Value) -> _Value:
    return _Value(np.floor(moment.data / _DAY_US), moment.null, "date")


def _mapped(transform: Callable[[str], Any], kind: Any) -> Handler:
    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        a = _evaluate(node.this, columns, n)
        if not a.is_text:
            raise NotReadableError("a function of text on something else")
        found = np.array([transform(text) for text in a.data.tolist()], dtype=kind)
        return _Value(found, a.null, "" if kind is object else "whole")

    return handler


def _trim(node: exp.Expr, columns: Columns, n: int) -> _Value:
    """Takes blanks, or other characters that are written out, off one end or both."""
    letters, strip = " ", {"LEADING": str.lstrip, "TRAILING": str.rstrip}.get(str(node.args.get("position")), str.strip)
    if node.expression is not None:
        letters = _written(node.expression)
    return _mapped(lambda text: strip(text, letters), object)(node, columns, n)


def _written(node: exp.Expr) -> str:
    """A text that stands in the condition, through casts and parentheses."""
    while isinstance(node, exp.Cast | exp.Paren):
        node = node.this
    if isinstance(node, exp.Literal) and node.args.get("is_string"):
        return node.name
    raise NotReadableError("a text that is not written out")


def _coalesce(node: exp.Expr, columns: Columns, n: int) -> _Value:
    found = _evaluate(node.this, columns, n)
    for other in node.expressions:
        b = _evaluate(other, columns, n)
        a, b = _alike(found, b)
        found = _Value(np.where(a.null, b.data, a.data), a.null & b.null, a.unit if a.unit == b.unit else "")
    return found


def _pattern(ignore_case: bool, like: bool) -> Handler:
    def handler(node: exp.Expr, columns: Columns, n: int) -> _Value:
        pattern = _written(node.expression)
        matcher = _like(pattern, ignore_case) if like else _regular(pattern, ignore_case)
        return _mapped(lambda text: matcher(text) is not None, bool)(node, columns, n)

    return handler


def _regular(pattern: str, ignore_case: bool) -> Callable[[str], Any]:
    try:
        return re.compile(in_python(pattern), re.DOTALL | (re.IGNORECASE if ignore_case else 0)).search
    except (ValueError, re.error):
        raise NotReadableError("a regular expression that Python does not read") from None


def _like(pattern: str, ignore_case: bool) -> Callable[[str], Any]:
    parts = (
        ".*" if part == "%" else "." if part == "_" else re.escape(part[1:] if len(part) > 1 else part)
        for part in re.findall(r"\\.|.", pattern, re.DOTALL)
    )
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0)).fullmatch


def _function(node: exp.Expr, columns: Columns, n: int) -> _Value:
    """Functions that the parser has no class for."""
    name = node.name.lower()
    if name == "cardinality":
        return _mapped(_count_elements, np.float64)(exp.Length(this=node.expressions[0].copy()), columns, n)
    if name in ("num_nulls", "num_nonnulls"):
        nulls = [_evaluate(part, columns, n).null for part in node.expressions]
        counted = sum((null if name == "num_nulls" else ~null).astype(np.float64) for null in nulls)
        return _Value(counted + np.zeros(n), np.zeros(n, dtype=bool), "whole")
    raise NotReadableError(f"function {name}")


def _array_size(node: exp.Expr, columns: Columns, n: int) -> _Value:
    """The length of an array's first dimension; an empty array has none."""
    value = _evaluate(node.this, columns, n)
    if not (isinstance(node.expression, exp.Literal) and node.expression.name == "1") or not value.is_text:
        raise NotReadableError("the length of another dimension")
    texts = [str(text).strip() for text in value.data.tolist()]
    if any(text[1:2] in ("{", "[") for text in texts):
        raise NotReadableError("an array of arrays")
    counts = np.array([_count_elements(text) for text in texts], np.float64)
    return _Value(counts, value.null | (counts == 0), "whole")


def _count_elements(text: str) -> int:
    """How many elements an array has, written as PostgreSQL writes it or as JSON."""
    inner = text.strip()[1:-1]
    if not inner:
        return 0
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "x", inner)
    return outside.count(",") + 1


_HANDLERS: Mapping[type[exp.Expr], Handler] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Null: _null,
    exp.Boolean: _boolean,
    exp.Paren: _inner,
    exp.And: _joined(_both),
    exp.Or: _joined(_either),
    exp.Not: _not,
    exp.EQ: _comparison(lambda order: order == 0, ordered=False),
    exp.NEQ: _comparison(lambda order: order != 0, ordered=False),
    exp.GT: _comparison(lambda order: order > 0),
    exp.GTE: _comparison(lambda order: order >= 0),
    exp.LT: _comparison(lambda order: order < 0),
    exp.LTE: _comparison(lambda order: order <= 0),
    exp.NullSafeEQ: _distinct(equal=True),
    exp.NullSafeNEQ: _distinct(equal=False),
    exp.Between: _between,
    exp.In: _in,
    exp.Is: _is,
    exp.Add: _arithmetic(lambda a, b: a + b),
    exp.Sub: _arithmetic(lambda a, b: a - b),
    exp.Mul: _arithmetic(lambda a, b: a * b),
    exp.Div: _arithmetic(lambda a, b: a / b),
    exp.Mod: _arithmetic(np.fmod),
    exp.Neg: _of_number(lambda a: -a),
    exp.Abs: _of_number(np.abs),
    exp.Cast: _cast,
    exp.Lower: _mapped(str.lower, object),
    exp.Upper: _mapped(str.upper, object),
    exp.Trim: _trim,
    exp.Length: _mapped(len, np.float64),
    exp.Coalesce: _coalesce,
    exp.Like: _pattern(ignore_case=False, like=True),
    exp.ILike: _pattern(ignore_case=True, like=True),
    exp.RegexpLike: _pattern(ignore_case=False, like=False),
    exp.RegexpILike: _pattern(ignore_case=True, like=False),
    exp.ArraySize: _array_size,
    exp.Anonymous: _function,
}
