"""Imagined rows, table by table: values of their own first, then what they point to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.constraints.domains import Domain, domain_of
from replica.constraints.judging import Judge, reads_of
from replica.constraints.repair import Duty, keep_checks
from replica.databases.base import Evaluate
from replica.imagining.inheritance import leaves_of, spread_over_leaves
from replica.imagining.names import null_share
from replica.imagining.unknown import accepted_values
from replica.imagining.values import Wanted, as_read, imagine_values
from replica.inference.personal import words_of
from replica.kinds.base import masked
from replica.making.closed import closed_parents
from replica.planning.decisions import all_checks
from replica.relations.joins import NULL, row_numbers
from replica.schema.graph import Order
from replica.schema.model import Check, Column, ForeignKey, Schema, Table
from replica.schema.schema_map import SchemaMap
from replica.seeds import stream

Ints = npt.NDArray[np.int64]
Columns = dict[str, pa.Array]

# The shape of popularity: parents at the front have most of the children, as the first customers do.
_SKEW = 1.6
_NO_PARENT = 0.25
_ROOTS = 0.15


@dataclass
class Imagined:
    """The rows of all tables on their way.

    Attributes:
        schema: the schema.
        order: its tables, each after those it points to but for what is deferred.
        rows: how many rows each table gets.
        seed: the root seed.
        evaluate: a server's evaluation of conditions.
        schema_map: what a person says of the tables; None without a map.
        given: tables that are there already, with the columns that others point to.
        loose: True where only what others point to must tell rows apart, and no pattern must be met, since the rows are
            never loaded.
        frames: the columns that are made, by table.
    """

    schema: Schema
    order: Order
    rows: Mapping[str, int]
    seed: int
    evaluate: Evaluate | None
    schema_map: SchemaMap | None = None
    given: Mapping[str, Columns] = field(default_factory=dict)
    loose: bool = False
    frames: dict[str, Columns] = field(default_factory=dict)


def imagine_rows(imagined: Imagined) -> dict[str, Columns]:
    """Imagines the rows of all tables.

    Returns:
        The columns of every table, as :meth:`~replica.databases.base.Snapshot.read` would give them.

    Raises:
        UnsatisfiableError: a check leaves no value that is known here or named in a definition.
        PlanError: no value is known for a column that may not be null.
    """
    imagined.frames.update(imagined.given)
    names = [name for layer in imagined.order.generations for name in layer if name in imagined.rows]
    names = [name for name in names if name not in imagined.given]
    for name in names:
        imagined.frames[name] = _own_columns(imagined, imagined.schema.by_id[name])
    for name in names:
        _point(imagined, imagined.schema.by_id[name])
    return imagined.frames


def _own_columns(imagined: Imagined, table: Table) -> Columns:
    """Everything but references: made column by column, then mended where checks say otherwise."""
    n, checks = imagined.rows[table.id], tuple(all_checks(table))
    found: Columns = {}
    for column in table.columns:
        if column.generated is not None or column.name in table.reference_columns:
            found[column.name] = as_read(np.full(n, None, dtype=object), column.type)
            continue
        rng = stream(imagined.seed, "imagine", table.id, column.name)
        domain = _named_tables(table, column, domain_of(column, checks))
        kind = _mapped_kind(imagined, table, column)
        wanted = Wanted(column, domain, n, _is_key(imagined, table, column), rng, kind, imagined.loose)
        values = imagine_values(wanted)
        if values.null_count == n > 0 and not column.nullable:
            values = accepted_values(table, column, n, imagined.evaluate)
        found[column.name] = values if column.name in _pointed(imagined, table) else _with_nulls(values, wanted, table)
    found |= _partitioned(imagined, table, found)
    units = {name: (name,) for name in _own(table)}
    if imagined.loose:
        return found
    return _kept(imagined, table, found, units, [check for check in checks if not _reads_references(table, check)])


def _named_tables(table: Table, column: Column, domain: Domain) -> Domain:
    """For the type of a polymorphic pair, the types that mean a table."""
    types = [found.when[1] for found in table.loose_references if found.when and found.when[0] == column.name]
    return replace(domain, values=tuple(types)) if types and domain.values is None else domain


def _mapped_kind(imagined: Imagined, table: Table, column: Column) -> str | None:
    """The kind that a person's map gives a column."""
    if imagined.schema_map is None:
        return None
    found = imagined.schema_map.tables[table.id].columns.get(column.name)
    return found.kind if found is not None else None


def _own(table: Table) -> list[str]:
    """Columns whose values follow from nothing else."""
    return [c.name for c in table.columns if c.generated is None and c.name not in table.reference_columns]


def _reads_references(table: Table, check: Check) -> bool:
    return bool(table.reference_columns & set(reads_of(check, table)))


def _kept(
    imagined: Imagined, table: Table, columns: Columns, units: Mapping[str, tuple[str, ...]], checks: list[Check]
) -> Columns:
    """Mends rows that break a check."""
    wanted = [check for check in checks if check.validated and not check.at_load]
    duty = Duty(Judge(table, imagined.evaluate), wanted, units)
    return keep_checks(duty, columns, stream(imagined.seed, "imagine", table.id, len(units)))


def _pointed(imagined: Imagined, table: Table) -> set[str]:
    """Columns that references point to."""
    return {column for key in imagined.schema.referencing(table.id) for column in key.parent_columns}


def _is_key(imagined: Imagined, table: Table, column: Column) -> bool:
    """True where a unique rule holds the column and no other that could tell rows apart as well."""
    if imagined.loose:
        return column.name in _pointed(imagined, table)
    rules = [unique for unique in table.uniques if column.name in unique.columns]
    return any(
        len([name for name in rule.columns if name not in table.reference_columns]) == 1 or len(rule.columns) == 1
        for rule in rules
    )


def _with_nulls(values: pa.Array, wanted: Wanted, table: Table) -> pa.Array:
    column = wanted.column
    in_key = any(column.name in unique.columns and not unique.nulls_distinct for unique in table.uniques)
    if not column.nullable or wanted.domain.not_null or in_key:
        return values
    return masked(values, wanted.rng.random(len(values)) < null_share(words_of(column.name)))


def _partitioned(imagined: Imagined, table: Table, columns: Columns) -> Columns:
    """Brings the columns of a partition key between the bounds of the leaves, some rows to each."""
    leaves = leaves_of(imagined.schema, table)
    rng = stream(imagined.seed, "imagine", table.id, "partitions")
    if not any(leaves):
        return {}
    leaf = spread_over_leaves(leaves, imagined.rows[table.id], rng)
    found: Columns = {}
    for name in dict.fromkeys(name for bound in leaves for name in bound):
        column, values = table.by_name[name], columns[name].to_pylist()
        for place, bound in enumerate(leaves):
            here = np.flatnonzero(leaf == place)
            if name in bound and len(here):
                inside = imagine_values(Wanted(column, _within(bound[name]), len(here), distinct=False, rng=rng))
                for row, value in zip(here.tolist(), inside.to_pylist(), strict=True):
                    values[row] = value
        found[name] = pa.array(values, columns[name].type)
    return found


def _within(bound: tuple[str, ...]) -> Domain:
    if len(bound) == 1:
        return Domain(values=bound)
    low, high = (None if text in ("MINVALUE", "MAXVALUE") else text for text in bound)
    return Domain(low=low, high=high, high_open=True)


def _point(imagined: Imagined, table: Table) -> None:
    """Fills the columns of references, the widest first, so that those that share columns agree."""
    filled: set[str] = set(table.by_name) - table.reference_columns
    units: dict[str, tuple[str, ...]] = {name: (name,) for name in _own(table)}
    numbers: Columns = {}
    lost = np.zeros(imagined.rows[table.id], dtype=bool)
    keys = [key for key in table.foreign_keys if key.parent in imagined.rows]
    for key in sorted(keys, key=lambda key: (key.is_self, -len(key.columns), key.id)):
        rng = stream(imagined.seed, "imagine", key.id)
        shared = tuple(column for column in key.columns if column in filled)
        rows = _parents(imagined, table, key, shared, rng)
        _fill(imagined, table, key, shared, rows)
        filled |= set(key.columns)
        if not any(table.by_name[name].nullable for name in key.columns):
            lost |= rows < 0
        if not shared:
            numbers[f"@{key.id}"] = pa.array(rows)
            units[key.id] = (f"@{key.id}", *key.columns)
    numbers |= _found_together(imagined, table, numbers, lost)
    checks = [check for check in all_checks(table) if _reads_references(table, check)]
    kept = _kept(imagined, table, {**imagined.frames[table.id], **numbers}, units, checks)
    imagined.frames[table.id] = {name: kept[name] for name in imagined.frames[table.id]}


def _found_together(imagined: Imagined, table: Table, numbers: Columns, lost: npt.NDArray[np.bool_]) -> Columns:
    """Lets rows whose references do not go together point to what another row points to."""
    found = np.flatnonzero(~lost)
    if not lost.any() or not len(found):
        return {}
    donors = np.arange(len(lost))
    donors[lost] = stream(imagined.seed, "imagine", table.id, "together").choice(found, int(lost.sum()))
    frame, rows = imagined.frames[table.id], pa.array(donors)
    frame |= {name: frame[name].take(rows) for name in table.reference_columns}
    return {name: values.take(rows) for name, values in numbers.items()}


def _parents(
    imagined: Imagined, table: Table, key: ForeignKey, shared: tuple[str, ...], rng: np.random.Generator
) -> Ints:
    """Which row each row points to; negative for none."""
    n, parents = imagined.rows[table.id], imagined.rows[key.parent]
    if not parents:
        return np.full(n, NULL)
    if shared:
        return _agreeing(imagined, table, key, shared, rng)
    if key.is_self:
        rows = (rng.random(n) * np.arange(n)).astype(np.int64)
        roots = (rng.random(n) < _ROOTS) | (np.arange(n) == 0)
        rows = np.where(roots, np.arange(n), rows)
        may_be_null = any(table.by_name[column].nullable for column in key.columns)
        return np.where(roots & may_be_null, NULL, rows)
    opened = np.flatnonzero(~_closed(imagined, table, key))
    if not len(opened):
        return np.full(n, NULL)
    parents = len(opened)
    one_each = any(set(unique.columns) <= set(key.columns) and not unique.predicate for unique in table.uniques)
    if one_each and n <= parents:
        rows = rng.permutation(parents)[:n]
    else:
        rows = (rng.random(n) ** _SKEW * parents).astype(np.int64)
    nullable = any(table.by_name[column].nullable for column in key.columns)
    return np.where((rng.random(n) < _NO_PARENT) & nullable, NULL, opened[rows])


def _closed(imagined: Imagined, table: Table, key: ForeignKey) -> npt.NDArray[np.bool_]:
    targets = [imagined.frames[key.parent][name] for name in key.parent_columns]
    return closed_parents(table, tuple(all_checks(table)), key, targets)


def _agreeing(
    imagined: Imagined, table: Table, key: ForeignKey, shared: tuple[str, ...], rng: np.random.Generator
) -> Ints:
    """Rows of the parent that agree with what other references have filled in already; negative where none does."""
    target = dict(zip(key.columns, key.parent_columns, strict=True))
    own = [imagined.frames[table.id][name] for name in shared]
    theirs = [imagined.frames[key.parent][target[name]] for name in shared]
    # Parents in a random order, of which the first with the same values is found: one for all rows of a group.
    order = rng.permutation(len(theirs[0]))
    shuffled = [values.take(pa.array(order)) for values in theirs]
    found = row_numbers(own, shuffled)
    nullable = any(table.by_name[name].nullable for name in key.columns if name not in shared)
    alone = (rng.random(len(found)) < _NO_PARENT) & nullable
    return np.where((found >= 0) & ~alone, order[np.maximum(found, 0)], NULL)


def _fill(imagined: Imagined, table: Table, key: ForeignKey, shared: tuple[str, ...], rows: Ints) -> None:
    frame, parent = imagined.frames[table.id], imagined.frames[key.parent]
    places = pa.array(np.maximum(rows, 0), mask=rows < 0)
    for name, other in zip(key.columns, key.parent_columns, strict=True):
        if name in shared:
            continue
        values = parent[other].take(places).cast(frame[name].type)
        if values.null_count and not table.by_name[name].nullable and len(parent[other]):
            # Half of a reference that may be null in its other half only.
            values = pc.coalesce(values, parent[other].take(pa.array(np.arange(len(rows)) % len(parent[other]))))
        frame[name] = values


def with_sizes(schema: Schema, rows: Mapping[str, int]) -> Schema:
    """Returns the schema as if its tables had been counted with the imagined rows."""
    return replace(schema, tables=tuple(replace(table, row_estimate=rows.get(table.id, 0)) for table in schema.tables))
