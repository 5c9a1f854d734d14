"""Rules as SQL of the tests' own: how many rows of a database break one."""

from __future__ import annotations

import psycopg

from replica.databases.url import DatabaseUrl
from replica.schema.model import Schema, quote_name
from replica.schema.rules import (
    AfterParent,
    Arithmetic,
    ChildCount,
    ChildSum,
    Copied,
    Dependency,
    Inequality,
    NullWhen,
    Periods,
    Rule,
    Running,
    UniqueRule,
)

_NUMBER = "::float8"


def breaks(url: DatabaseUrl, schema: Schema, table: str, rule: Rule) -> int:
    """Counts the rows of a table that break a rule."""
    with psycopg.connect(url.secret) as connection:
        row = connection.execute(_query(schema, table, rule).encode()).fetchone()
    assert row is not None
    return int(row[0])


def _query(schema: Schema, table: str, rule: Rule) -> str:
    q = quote_name
    match rule:
        case Inequality():
            wrong = f"{q(rule.least)} {'>=' if rule.strict else '>'} {q(rule.most)}"
            return f"SELECT count(*) FROM {table} WHERE {wrong}"
        case NullWhen():
            listed = ", ".join("'" + value.replace("'", "''") + "'" for value in rule.values)
            says = f"{q(rule.by)}::text IN ({listed})" if rule.values else f"{q(rule.by)} IS NULL"
            says = f"NOT coalesce({says}, false)" if rule.negated else f"coalesce({says}, false)"
            return f"SELECT count(*) FROM {table} WHERE ({q(rule.column)} IS NULL) <> ({says})"
        case Dependency():
            one = f"count(DISTINCT coalesce({q(rule.column)}::text, '<null>'))"
            return (
                f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {q(rule.by)} IS NOT NULL"
                f" GROUP BY {q(rule.by)} HAVING {one} > 1) g"
            )
        case Arithmetic():
            wanted = f"({rule.equals})"
            return f"SELECT count(*) FROM {table} WHERE {_differs(q(rule.column), wanted, rule.digits)}"
        case Running():
            return _of_totals(table, rule)
        case ChildSum() | ChildCount():
            return _of_children(schema, table, rule)
        case AfterParent() | Copied():
            key = next(key for key in schema.by_id[table].foreign_keys if key.columns == rule.via)
            return (
                f"SELECT count(*) FROM {table} c JOIN {key.parent} p ON {_join(key.columns, key.parent_columns)}"
                f" WHERE c.{q(rule.column)} {'<' if isinstance(rule, AfterParent) else 'IS DISTINCT FROM'}"
                f" p.{q(rule.parent_column)}"
            )
        case UniqueRule():
            names = ", ".join(map(q, rule.columns))
            present = " AND ".join(f"{q(name)} IS NOT NULL" for name in rule.columns)
            return f"SELECT count({names.split(', ')[0]}) - count(DISTINCT ({names})) FROM {table} WHERE {present}"
        case Periods():
            within, start, end = ", ".join(map(q, rule.within)), q(rule.start), q(rule.end)
            present = " AND ".join(f"{q(name)} IS NOT NULL" for name in rule.within)
            wrong = f"coalesce({end}, 'infinity') {'>=' if rule.strict else '>'} following"
            return (
                f"SELECT count(*) FROM (SELECT *, lead({start}) OVER (PARTITION BY {within} ORDER BY {start}, {end})"
                f" AS following FROM {table} WHERE {present}) p WHERE {wrong}"
            )


def _of_children(schema: Schema, table: str, rule: ChildSum | ChildCount) -> str:
    key = next(k for k in schema.by_id[rule.table].foreign_keys if k.columns == rule.via and k.parent == table)
    one = f"(SELECT {{}} FROM {rule.table} c WHERE {_join(key.columns, key.parent_columns)})"
    column = f"p.{quote_name(rule.column)}"
    if isinstance(rule, ChildCount):
        return f"SELECT count(*) FROM {table} p WHERE {column} <> {one.format('count(*)')}"
    total = one.format(f"coalesce(sum({rule.equals}), 0)")
    return f"SELECT count(*) FROM {table} p WHERE {_differs(column, total, rule.digits)}"


def _of_totals(table: str, rule: Running) -> str:
    """Adds up what came before each row of a group and its first total, as one sum instead of step by step."""
    q = quote_name
    within, by = ", ".join(map(q, rule.within)), ", ".join(map(q, rule.by))
    window = f"({f'PARTITION BY {within}' if within else ''} ORDER BY {by} ROWS UNBOUNDED PRECEDING)"
    step = f"({rule.equals})::numeric"
    begins = f"first_value({q(rule.column)}) OVER w - first_value({step}) OVER w" if rule.opening else "0"
    rows = (
        f"SELECT {q(rule.column)} AS found, {begins} + sum({step}) OVER w AS wanted FROM {table} WINDOW w AS {window}"
    )
    return f"SELECT count(*) FROM ({rows}) t WHERE {_differs('found', 'wanted', rule.digits)}"


def _join(columns: tuple[str, ...], others: tuple[str, ...]) -> str:
    pairs = zip(columns, others, strict=True)
    return " AND ".join(f"c.{quote_name(a)} = p.{quote_name(b)}" for a, b in pairs)


def _differs(column: str, wanted: str, digits: int | None) -> str:
    """Exactly equal once rounded, but for the noise of floating point."""
    if digits is None:
        return f"abs({column}{_NUMBER} - {wanted}{_NUMBER}) > 1e-6 * greatest(1, abs({wanted}{_NUMBER}))"
    return (
        f"round({column}::numeric, {digits}) <> round({wanted}::numeric, {digits})"
        f" AND abs({column}{_NUMBER} - {wanted}{_NUMBER}) > {0.5 * 10.0**-digits!r} * 1.000001"
        f" + 1e-6 * abs({wanted}{_NUMBER})"
    )
