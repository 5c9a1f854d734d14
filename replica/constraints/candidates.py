"""Values worth trying where rows break a check and no row has the answer: what the definition itself names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from replica.constraints.checks import NotReadableError, parse
from replica.schema.model import Check, Table

_MOST_OWN = 500
_WIDEST_STEP = 30
_DAY_US = 86_400_000_000
_ANYTHING = ("0", "1", "true", "2000-01-01", "2000-01-01 00:00:00", "12:00:00", "other")
_ELEMENTS = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"\s][^{},"]*)')


def candidates(
    table: Table, checks: Sequence[Check], names: Iterable[str], columns: Mapping[str, pa.Array]
) -> dict[str, pa.Array]:
    """Returns, for columns that checks read, what each may try.

    That is values that it has in some row, literals of the checks and their neighbours, its default, and null.

    Args:
        table: the table.
        checks: the checks.
        names: the columns that may be changed.
        columns: their values; the arrays that come back are of the same types.
    """
    written = [text for check in checks for text in literals(check.expression)]
    found = {}
    for name in names:
        column, values = table.by_name[name], columns[name]
        texts = [*written, *literals(column.default or ""), *column.type.labels]
        own = values.drop_null().unique().slice(0, _MOST_OWN)
        # Of a column that never has a value nobody knows one: any will do.
        parts = [own, *_readable(texts if len(own) else [*texts, *_ANYTHING], values.type)]
        if column.nullable:
            parts.append(pa.nulls(1, values.type))
        found[name] = pa.concat_arrays(parts)
    return found


def beside(name: str, columns: Mapping[str, pa.Array], rng: np.random.Generator) -> pa.Array | None:
    """Returns values close to those of another column of their rows, since checks compare columns; null in no row.

    Args:
        name: the column that may be changed.
        columns: it and what checks read beside it; shape (rows,) each.
        rng: the random stream.

    Returns:
        Values of the column's type: shape (rows,). None where no other column is like it.
    """
    kind = columns[name].type
    alike = [values for other, values in sorted(columns.items()) if other != name and values.type == kind]
    if not alike or not (pa.types.is_temporal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = alike[int(rng.integers(len(alike)))]
    steps = rng.integers(0, _WIDEST_STEP, len(values)) * rng.choice([-1, 1], len(values))
    plain = pa.int32() if pa.types.is_date32(kind) else pa.float64() if pa.types.is_floating(kind) else pa.int64()
    unit = _DAY_US if pa.types.is_timestamp(kind) else 60_000_000 if pa.types.is_time(kind) else 1
    moved = pc.add(values.cast(plain), pa.array(steps * unit).cast(plain))
    if pa.types.is_time(kind):
        moved = pa.array(np.mod(np.array(moved.fill_null(0)), _DAY_US), mask=np.asarray(moved.is_null()))
    return pc.coalesce(moved.cast(kind), columns[name])


def literals(expression: str) -> list[str]:
    """Returns the texts and numbers that stand in an SQL expression, and the whole numbers beside them."""
    try:
        tree = parse(expression) if expression else None
    except NotReadableError:
        return []
    if tree is None:
        return []
    found: list[str] = []
    for literal in tree.find_all(exp.Literal):
        text = literal.name
        found.append(text)
        if literal.is_string:
            found += _listed(text)
        elif text.isdigit():
            found += [str(int(text) + 1), str(int(text) - 1), str(-int(text))]
    return list(dict.fromkeys(found))


def _listed(text: str) -> list[str]:
    """The elements of an array that is written as one text: ``'{a,b}'``."""
    if not (text.startswith("{") and text.endswith("}")):
        return []
    return [a or b for a, b in _ELEMENTS.findall(text[1:-1])]


def _readable(texts: Sequence[str], kind: pa.DataType) -> Iterable[pa.Array]:
    """Those of some texts that are values of an Arrow type."""
    for text in dict.fromkeys(texts):
        try:
            yield pa.array([text], pa.string()).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
