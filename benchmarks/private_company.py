"""Differential privacy on the sample company: how well counts over references are answered.

A count asks how many rows of a private table satisfy a condition and lead, over one reference or two, to a row that
satisfies another one. What is compared with is a replica whose tables are the same, and whose rows are given to owners
at random: differential privacy table by table. (In a comparison of published methods on four databases that simple one
was among the best: it is hard to beat in long joins, which average.) Errors are relative, and small counts are left
out, as they are all noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import psycopg
from psycopg import sql

from benchmarks.workplace import Workplace, seconds
from replica import Settings, introspect, learn, write
from replica.databases.url import DatabaseUrl
from replica.samples.company import build_company
from replica.schema.model import ForeignKey, Schema, Table

SETTINGS = Settings(
    epsilon=3, subject="hr.employee", public=("ref.*", "hr.office", "hr.department"), replace=True, workers=1
)
_TURNS = 3
_EMPLOYEES = 2000
# Conditions on one table: its columns with few values, those values that so many rows have, and halves of numbers.
_MOST_VALUES = 12
_LEAST_SHARE, _MOST_CONDITIONS = 0.05, 8
# Counts below this part of the joined rows are left out.
_LEAST_COUNT = 0.01
_NUMBERS = frozenset({"integer", "numeric", "float"})


@dataclass(frozen=True)
class Condition:
    """A condition on a table's rows: SQL with the table's alias missing, and its constant."""

    column: str
    operator: str
    constant: object


@dataclass(frozen=True)
class Count:
    """A count over a chain of references, from the child up, and conditions on both of its ends."""

    chain: tuple[ForeignKey, ...]
    below: Condition
    above: Condition


def private_company(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures median relative errors of counts over one reference and over two, and how long learning takes."""
    build_company(place.url, employees=_EMPLOYEES)
    schema = introspect(place.url)
    counts = _counts(place.url, schema)
    real = _answers(place.url, counts)
    asked = [hops for hops in (1, 2) if any(len(count.chain) == hops for count in counts)]
    errors: dict[tuple[str, int], list[float]] = {}
    times = []
    for turn in range(_TURNS):
        settings = replace(SETTINGS, seed=turn)
        times.append(seconds(lambda chosen=settings: write(learn(place.url, chosen), place.target, chosen)))  # type: ignore[misc]
        for name in ("as learned", "owners at random"):
            if name != "as learned":
                _shuffle_owners(place.target, schema, turn)
            found = np.abs(_answers(place.target, counts) - real) / real
            for hops in asked:
                chosen = np.array([len(count.chain) == hops for count in counts])
                errors.setdefault((name, hops), []).append(float(np.median(found[chosen])))
    for (name, hops), figures in sorted(errors.items(), key=lambda item: (item[0][1], item[0][0])):
        number = sum(len(count.chain) == hops for count in counts)
        yield f"{number} counts over {hops} references, {name}: median relative error", figures, ""
    yield "learned and written with epsilon 3", times, "s"
    plain = replace(SETTINGS, epsilon=None, subject=None, public=(), generator="marginal")
    yield (
        "the same family without, learned and written",
        [seconds(lambda: write(learn(place.url, plain), place.target, plain))],
        "s",
    )


def _chains(schema: Schema) -> list[tuple[ForeignKey, ...]]:
    """One reference or two, one behind the other, that start in a table whose rows belong to an employee."""
    keys = [key for key in schema.foreign_keys if not key.is_self]
    owning = [key for key in keys if key.parent == SETTINGS.subject and key.columns == ("employee_id",)]
    return [*((key,) for key in owning), *((key, then) for key in owning for then in keys if then.child == key.parent)]


def _counts(url: DatabaseUrl, schema: Schema) -> list[Count]:
    """All counts with a condition at both ends of a chain that are not too small."""
    with psycopg.connect(url.secret) as connection:
        conditions = {table.id: _conditions(connection, table) for table in schema.tables}
        rows = {
            table.id: _one(connection, sql.SQL("SELECT count(*) FROM {}").format(_name(table)))
            for table in schema.tables
        }
    counts = [
        Count(chain, below, above)
        for chain in _chains(schema)
        for below, above in product(conditions[chain[0].child], conditions[chain[-1].parent])
    ]
    found = _answers(url, counts)
    return [c for c, n in zip(counts, found, strict=True) if n >= max(20.0, _LEAST_COUNT * rows[c.chain[0].child])]


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(*table.id.split("."))


def _one(connection: psycopg.Connection, query: sql.Composed) -> float:
    found = connection.execute(query).fetchone()
    return float(found[0]) if found and found[0] is not None else 0.0


def _conditions(connection: psycopg.Connection, table: Table) -> list[Condition]:
    found = []
    structural = {name for key in table.foreign_keys for name in key.columns}
    structural |= set(table.primary_key.columns if table.primary_key else ())
    for column in table.columns:
        if column.name in structural or column.type.family in ("json", "bytes"):
            continue
        name, origin = sql.Identifier(column.name), _name(table)
        shares = connection.execute(
            sql.SQL(
                "SELECT {0}, count(*)::float / sum(count(*)) OVER () FROM {1} WHERE {0} IS NOT NULL GROUP BY 1"
                " ORDER BY 2 DESC LIMIT {2}"
            ).format(name, origin, _MOST_VALUES + 1)
        ).fetchall()
        if 1 < len(shares) <= _MOST_VALUES:
            found += [Condition(column.name, "=", value) for value, share in shares if share >= _LEAST_SHARE]
        elif len(shares) > _MOST_VALUES and column.type.family in _NUMBERS:
            middle = sql.SQL("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY {}) FROM {}").format(name, origin)
            found.append(Condition(column.name, "<=", _one(connection, middle)))
    return found[:_MOST_CONDITIONS]


def _answers(url: DatabaseUrl, counts: list[Count]) -> np.ndarray:
    with psycopg.connect(url.secret) as connection:
        return np.array([_one(connection, _query(count)) for count in counts])


def _query(count: Count) -> sql.Composed:
    joins = [sql.SQL("{} AS t0").format(sql.Identifier(*count.chain[0].child.split(".")))]
    for i, key in enumerate(count.chain):
        on = sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(f"t{i}", own), sql.Identifier(f"t{i + 1}", other))
            for own, other in zip(key.columns, key.parent_columns, strict=True)
        )
        parent = sql.Identifier(*key.parent.split("."))
        joins.append(sql.SQL("JOIN {} AS {} ON {}").format(parent, sql.Identifier(f"t{i + 1}"), on))
    where = sql.SQL(" AND ").join(
        sql.SQL("{} {} {}").format(
            sql.Identifier(alias, condition.column), sql.SQL(condition.operator), sql.Literal(condition.constant)
        )
        for alias, condition in (("t0", count.below), (f"t{len(count.chain)}", count.above))
    )
    return sql.SQL("SELECT count(*) FROM {} WHERE {}").format(sql.SQL(" ").join(joins), where)


def _shuffle_owners(url: DatabaseUrl, schema: Schema, turn: int) -> None:
    """Gives the rows of every private table to employees at random; keys and rules no longer matter."""
    with psycopg.connect(url.secret, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(sql.SQL("SELECT setseed({})").format(sql.Literal(turn / 10)))
        for key in {chain[0] for chain in _chains(schema)}:
            table, column = sql.Identifier(*key.child.split(".")), sql.Identifier(key.columns[0])
            _drop_rules(connection, key.child)
            connection.execute(
                sql.SQL(
                    "UPDATE {table} SET {column} = owners.employee_id FROM"
                    " (SELECT ctid AS place, 1 + floor(random() * n)::int AS number FROM {table},"
                    " (SELECT count(*) AS n FROM hr.employee) AS counted) AS drawn"
                    " JOIN (SELECT employee_id, row_number() OVER () AS number FROM hr.employee) AS owners"
                    " USING (number)"
                    " WHERE drawn.place = {table}.ctid AND {table}.{column} IS NOT NULL"
                ).format(table=table, column=column)
            )


def _drop_rules(connection: psycopg.Connection, table: str) -> None:
    """Drops what unique rules and exclusions a table has, which random owners would break."""
    names = connection.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c', 'p', 'u', 'x')", [table]
    ).fetchall()
    target = sql.Identifier(*table.split("."))
    for (name,) in names:
        connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {} CASCADE").format(target, sql.Identifier(name)))
    indexes = connection.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass AND indisunique", [table]
    ).fetchall()
    for (name,) in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
