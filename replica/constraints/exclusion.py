"""EXCLUDE constraints over periods: rows of one group are packed one behind the other until none overlaps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from replica.constraints.checks import NotReadableError
from replica.constraints.exclusion_forms import parts_of
from replica.constraints.judging import Judge, reads
from replica.kinds.base import is_null
from replica.relations.joins import group_numbers
from replica.schema.model import Exclusion, Table

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_RANGES = frozenset({"tsrange", "tstzrange", "daterange", "int4range", "int8range", "numrange"})
_RANGE = re.compile(r'([\[(])"?([^",]*)"?,"?([^",]*)"?([\])])\Z')
_FIRST, _LAST = -(2**62), 2**62
_Unit = Literal["D", "us"]
_UNIT: Mapping[str, _Unit] = {"date": "D", "timestamp": "us", "timestamptz": "us"}


@dataclass(frozen=True)
class Packing:
    """What an EXCLUDE constraint asks for: within equal parts, periods do not overlap.

    Attributes:
        equal: parts that must be equal for two rows to be in each other's way.
        columns: the range column, or the columns with the start and the end.
        closed: True where the end belongs to the period.
        predicate: which rows count; None for all.
    """

    equal: tuple[str, ...]
    columns: tuple[str, ...]
    closed: bool
    predicate: str | None


@dataclass(frozen=True)
class _Periods:
    """Starts and ends as numbers, the end behind the period; rows without a period are not among ``there``."""

    start: Ints
    end: Ints
    there: Mask


def packing_of(exclusion: Exclusion, table: Table) -> Packing | None:
    """Reads an EXCLUDE constraint; None where it is of another form than periods within groups."""
    found = parts_of(exclusion)
    if found is None:
        return None
    equal, periods = found.compared("="), found.compared("&&")
    if len(periods) != 1 or len(equal) + 1 != len(found.parts):
        return None
    period = _period(periods[0], table)
    return Packing(equal, *period, found.predicate) if period else None


def _period(expression: str, table: Table) -> tuple[tuple[str, ...], bool] | None:
    """The columns of a period, and whether its end belongs to it."""
    try:
        tree = sqlglot.parse_one(expression, read="postgres")
    except SqlglotError:
        return None
    while isinstance(tree, exp.Paren):
        tree = tree.this
    if isinstance(tree, exp.Column) and table.by_name[tree.name].type.base in _RANGES:
        return (tree.name,), False
    if not isinstance(tree, exp.Anonymous) or tree.name.lower() not in _RANGES:
        return None
    ends = [part.find(exp.Column) for part in tree.expressions[:2]]
    bounds = tree.expressions[2].find(exp.Literal) if len(tree.expressions) > 2 else None
    if len(ends) < 2 or ends[0] is None or ends[1] is None:
        return None
    return (ends[0].name, ends[1].name), bounds is not None and bounds.name.endswith("]")


def read_by(packing: Packing, table: Table) -> tuple[str, ...]:
    """Returns the columns that decide whether rows are in each other's way."""
    named = (*packing.equal, *([packing.predicate] if packing.predicate else []))
    return tuple(dict.fromkeys((*(name for part in named for name in reads(part, table)), *packing.columns)))


def keep_exclusion(packing: Packing, judge: Judge, columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Moves periods on until none overlaps another of its group; lengths and the order of starts stay.

    Args:
        packing: what must hold.
        judge: evaluates the equal parts and the predicate.
        columns: what :func:`read_by` names; of equal length.

    Returns:
        The columns that were changed; none where nothing overlaps.
    """
    table = judge.table
    periods = _periods(packing, table, columns)
    there = periods.there & _counted(packing, judge, columns)
    rows = np.flatnonzero(there)
    if not len(rows):
        return {}
    groups = _groups(packing, judge, columns)[rows]
    start, end = _packed(groups, periods.start[rows], periods.end[rows])
    moved = (start != periods.start[rows]) | (end != periods.end[rows])
    if not moved.any():
        return {}
    new_start, new_end = periods.start.copy(), periods.end.copy()
    new_start[rows], new_end[rows] = start, end
    changed = np.zeros(len(there), dtype=bool)
    changed[rows[moved]] = True
    return _written(packing, table, columns, _Periods(new_start, new_end, changed))


def _counted(packing: Packing, judge: Judge, columns: Mapping[str, pa.Array]) -> Mask:
    n = len(next(iter(columns.values())))
    return judge.counted(packing.predicate, columns) if packing.predicate else np.ones(n, dtype=bool)


def _groups(packing: Packing, judge: Judge, columns: Mapping[str, pa.Array]) -> Ints:
    """Numbers the combinations of the equal parts; a null is equal to nothing."""
    n = len(next(iter(columns.values())))
    keys = []
    for part in packing.equal:
        try:
            values = judge.texts(part, columns)
        except NotReadableError:
            # Rows that may not be in each other's way are packed all the same.
            continue
        keys.append(np.where(is_null(values), np.arange(n) + n, group_numbers([values])))
    return group_numbers(keys) if keys else np.zeros(n, np.int64)


def _packed(groups: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Goes through each group in the order of the starts and moves what overlaps behind what was before it."""
    order = np.lexsort([end, start, groups])
    start, end = start.copy(), end.copy()
    behind, group = _FIRST, -1
    for place, row in enumerate(order.tolist()):
        if groups[row] != group:
            behind, group = _FIRST, groups[row]
        if end[row] <= start[row]:
            continue  # An empty period is in nobody's way.
        shift = max(0, behind - start[row]) if start[row] > _FIRST else 0
        start[row] = max(behind, start[row] + shift)
        end[row] = end[row] + shift if end[row] < _LAST else _LAST
        following = order[place + 1] if place + 1 < len(order) else None
        if end[row] == _LAST and following is not None and groups[following] == group:
            # What never ends, ends where the next one begins.
            start[following] = max(start[following], start[row] + 1)
            end[row] = start[following]
        behind = end[row]
    return start, end


def _periods(packing: Packing, table: Table, columns: Mapping[str, pa.Array]) -> _Periods:
    if len(packing.columns) == 1:
        return _of_ranges(columns[packing.columns[0]], table, packing.columns[0])
    first, last = (columns[name] for name in packing.columns)
    start, end = (_numbers(values) for values in (first, last))
    start = np.where(is_null(first), _FIRST, start)
    end = np.where(is_null(last), _LAST, np.where(np.abs(end) < _LAST, end + packing.closed, end))
    return _Periods(start, end, np.ones(len(start), dtype=bool))


def _numbers(values: pa.Array) -> Ints:
    kind = values.type
    plain = values.cast(pa.int32()) if pa.types.is_date32(kind) else values
    numbers = np.array(plain.cast(pa.int64(), safe=False).fill_null(0), dtype=np.int64)
    return np.clip(numbers, _FIRST, _LAST)


def _of_ranges(values: pa.Array, table: Table, name: str) -> _Periods:
    kind = table.by_name[name].type.element
    unit = _UNIT.get(kind.family) if kind is not None else None
    start, end = np.full(len(values), _FIRST), np.full(len(values), _LAST)
    there = np.zeros(len(values), dtype=bool)
    for row, text in enumerate(values.to_pylist()):
        found = _RANGE.match(text) if text else None
        if found is None:
            continue
        there[row] = True
        if found[2] not in ("", "-infinity"):
            start[row] = _bound(found[2], unit) + (found[1] == "(")
        if found[3] not in ("", "infinity"):
            end[row] = _bound(found[3], unit) + (found[4] == "]")
    return _Periods(start, end, there)


def _bound(text: str, unit: _Unit | None) -> int:
    if unit is None:
        return int(np.floor(float(text)))
    # Moments come in UTC; what follows the time of day says so.
    day, _, time = text.replace(" ", "T").partition("T")
    clock = re.split(r"[+\-Z]", time)[0]
    return int(np.datetime64(f"{day}T{clock}" if clock else day, unit).astype(np.int64))


def _written(packing: Packing, table: Table, columns: Mapping[str, pa.Array], periods: _Periods) -> dict[str, pa.Array]:
    """Puts moved periods back into their columns."""
    if len(packing.columns) == 1:
        (name,) = packing.columns
        return {name: _with_ranges(columns[name], table, name, periods)}
    found = {}
    numbers = (periods.start, np.where(periods.end < _LAST, periods.end - packing.closed, _LAST))
    for name, new in zip(packing.columns, numbers, strict=True):
        old = columns[name]
        open_end = (new <= _FIRST) | (new >= _LAST)
        plain = pa.array(np.where(open_end, 0, new), mask=open_end)
        typed = (plain.cast(pa.int32()) if pa.types.is_date32(old.type) else plain).cast(old.type)
        found[name] = pc.if_else(pa.array(periods.there), typed, old)
    return found


def _with_ranges(values: pa.Array, table: Table, name: str, periods: _Periods) -> pa.Array:
    kind = table.by_name[name].type.element
    unit = _UNIT.get(kind.family) if kind is not None else None
    texts = values.to_pylist()
    for row in np.flatnonzero(periods.there).tolist():
        low, high = (_bound_text(int(number), unit) for number in (periods.start[row], periods.end[row]))
        texts[row] = f"[{low},{high})"
    return pa.array(texts, values.type)


def _bound_text(number: int, unit: _Unit | None) -> str:
    if number in (_FIRST, _LAST):
        return ""
    return str(number) if unit is None else f'"{str(np.datetime64(number, unit)).replace("T", " ")}"'
