"""Repeated data: a column that holds what the row that it points to holds, as a line the currency of its order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.kinds.base import is_null
from replica.relations.joins import group_numbers
from replica.rules.base import (
    NEARLY,
    NUMBERS,
    Evidence,
    Ints,
    Looked,
    Mask,
    RuleKind,
    Seen,
    Tables,
    comparable,
    joined,
    key_of,
    measured,
    points_to,
    reads_above,
)
from replica.rules.numbers import fits, rounded
from replica.schema.model import Column, ForeignKey, Schema, Table, column_list, quote_name
from replica.schema.rules import Copied

# Types that hold the same values.
_ALIKE = (frozenset({"int2", "int4", "int8"}), frozenset({"text", "varchar"}))
# Values that are made outside, made last, or not even read.
_NOT_REPEATED = frozenset({"generated", "derived", "polymorphic", "credential"})
# Rows that candidates are tried on before all rows are looked at.
_FIRST_ROWS = 500


def _propose(here: Looked, tables: Tables, keys: tuple[ForeignKey, ...]) -> Iterable[Copied]:
    for key in keys:
        parent = tables.get(key.parent)
        rows = points_to(here, key, parent) if key.child == here.table.id and parent is not None else None
        if rows is None or parent is None:
            continue
        decided: set[str] = set()
        for name, other in (*_pairs(here, parent, key), *repeated_references(here.table, key, parent.table)):
            if name not in decided and _seems_copied(here, parent, (name, other), rows):
                decided.add(name)
                yield Copied(name, key.columns, other)


def _pairs(here: Looked, parent: Looked, key: ForeignKey) -> Iterator[tuple[str, str]]:
    """Columns that might repeat others, each with those of its own name first."""
    others = [name for name in parent.columns if parent.kind(name) not in _NOT_REPEATED]
    for name in here.free:
        for other in sorted(others, key=lambda other: other != name):
            # What the reference itself says need not be said again.
            is_news = other not in key.parent_columns and not (key.is_self and other == name)
            if is_news and _alike(here.table.by_name[name], parent.table.by_name[other]):
                yield name, other


def repeated_references(table: Table, key: ForeignKey, parent: Table) -> Iterator[tuple[str, str]]:
    """Yields columns of references that might repeat a reference of the row pointed to, each with that one's column.

    A payment may be of the same customer as its rental. Both columns point to one key, so that every value of the one
    may stand in the other.

    Args:
        table: the table.
        key: its reference to the other row.
        parent: the other row's table.
    """
    said = dict(zip(key.columns, key.parent_columns, strict=True))
    for own in table.foreign_keys:
        for other in parent.foreign_keys:
            theirs = dict(zip(other.parent_columns, other.columns, strict=True))
            if own == key or own.parent != other.parent or set(own.parent_columns) != set(theirs):
                continue
            pairs = {name: theirs[target] for name, target in zip(own.columns, own.parent_columns, strict=True)}
            news = {name: there for name, there in pairs.items() if said.get(name) != there}
            may_hold = all(
                table.by_name[name].nullable >= parent.by_name[there].nullable for name, there in news.items()
            )
            if may_hold and not said.keys() & news.keys():
                yield from news.items()


def _alike(column: Column, other: Column) -> bool:
    bases = {column.type.base, other.type.base}
    return column.type.family == other.type.family and (len(bases) == 1 or any(bases <= group for group in _ALIKE))


def _seems_copied(here: Looked, parent: Looked, names: tuple[str, str], rows: Ints) -> bool:
    """True where nearly all rows repeat it; where no row's parent was read, a name is what there is to go by."""
    there = np.flatnonzero(rows >= 0)
    if not len(there):
        return names[0] == names[1]
    for some in (there[:_FIRST_ROWS], there):
        ours, theirs = _beside(here, parent, names, (some, rows[some]))
        if (ours == theirs).mean() < NEARLY:
            return False
    return True


def _beside(here: Looked, parent: Looked, names: tuple[str, str], rows: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Numbers the values of some rows and of those that they point to: equal values have equal numbers, nulls too."""
    values, others = here.columns[names[0]].take(pa.array(rows[0])), parent.columns[names[1]].take(pa.array(rows[1]))
    if here.table.by_name[names[0]].type.family in NUMBERS - {"integer"}:
        # As text, 1.0 would not be 1.00.
        numbers, null = (np.concatenate(both) for both in zip(measured(values), measured(others), strict=True))
        codes = group_numbers([np.where(null, np.nan, numbers)])
    else:
        kind = _common(values.type, others.type)
        codes = group_numbers([pa.concat_arrays([values.cast(kind), others.cast(kind)])])
    return codes[: len(values)], codes[len(values) :]


def _test(rule: Copied, here: Looked, tables: Tables, rng: np.random.Generator) -> Evidence:
    key = key_of(here.table.foreign_keys, here.table.id, rule.via)
    rows = points_to(here, key, tables[key.parent]) if key else None
    if key is None or rows is None:
        return Evidence(0, 0, 0.0)
    there = np.flatnonzero(rows >= 0)
    ours, theirs = _beside(here, tables[key.parent], (rule.column, rule.parent_column), (there, rows[there]))
    breaks = int((ours != theirs).sum())
    return Evidence(len(there) - breaks, breaks, float((ours != rng.permutation(theirs)).sum()))


def _describe(rule: Copied, table: Table) -> str:
    key = key_of(table.foreign_keys, table.id, rule.via)
    parent = key.parent if key else "parent"
    return f"{quote_name(rule.column)} = {parent}.{quote_name(rule.parent_column)} through {column_list(rule.via)}"


def _breaks(rule: Copied, table: Table, schema: Schema) -> str:
    key = next(key for key in table.foreign_keys if key.columns == rule.via)
    parent = schema.by_id[key.parent]
    ours, theirs = comparable(table.by_name[rule.column], "c"), comparable(parent.by_name[rule.parent_column], "p")
    rows = f"{table.own_rows} AS c JOIN {parent.own_rows} AS p ON {joined(key)}"
    return f"SELECT count(*) FROM {rows} WHERE {ours} IS DISTINCT FROM {theirs}"


def _keep(rule: Copied, name: str, values: pa.Array, seen: Seen) -> pa.Array:
    """Takes the other row's value, where there is one that the column can hold."""
    taken = seen.parent(rule.via, rule.parent_column)
    is_alone = np.any([is_null(seen.own(column)) for column in rule.via], axis=0)
    is_held = _holds(taken, seen.schema(name))
    seen.leave(int((~is_held & ~is_alone).sum()))
    kind = _common(taken.type, values.type)
    return pc.if_else(pa.array(is_held & ~is_alone), taken.cast(kind), values.cast(kind))


def _holds(values: pa.Array, column: Column) -> Mask:
    """Where a column may hold values of another one of its kind, which may be wider."""
    null, held = is_null(values), np.ones(len(values), dtype=bool)
    if column.type.family in NUMBERS:
        numbers, _ = measured(values)
        held = fits(numbers, column) & np.isclose(numbers, rounded(numbers, column.type.scale), rtol=1e-12, atol=1e-12)
    elif column.type.family == "text" and column.type.length is not None:
        held = np.array(pc.utf8_length(values).fill_null(0)) <= column.type.length
    return np.where(null, column.nullable, held)


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """A type for the values of two columns of one kind, whatever makes them."""
    if one == other:
        return one
    if pa.types.is_integer(one) and pa.types.is_integer(other):
        return pa.int64()
    return pa.float64() if pa.types.is_floating(one) and pa.types.is_floating(other) else pa.string()


def _unfit(rule: Copied, table: Table, schema: Schema) -> str | None:
    key = next(key for key in table.foreign_keys if key.columns == rule.via)
    if _alike(table.by_name[rule.column], schema.by_id[key.parent].by_name[rule.parent_column]):
        return None
    return f"{quote_name(rule.column)} is of another type than {quote_name(rule.parent_column)} of {key.parent}"


KIND = RuleKind[Copied](
    propose=_propose,
    test=_test,
    reads=reads_above,
    ruled=lambda rule: (rule.column,),
    describe=_describe,
    breaks=_breaks,
    keep=_keep,
    unfit=_unfit,
    defines=True,
)
