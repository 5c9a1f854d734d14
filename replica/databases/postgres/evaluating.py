"""Evaluating SQL on rows that no table holds yet: the server says what a condition makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pyarrow as pa

from replica.databases.postgres.connection import reported
from replica.databases.postgres.writer import printed
from replica.errors import LoadError
from replica.schema.model import Column, SqlType, Table, quote_name

_ROWS_AT_ONCE = 5_000
# Statements that may fail before the expression itself is to blame.
_FAILURES = 20_000
_COLLATED = frozenset({"text", "varchar", "bpchar", "name", "citext"})

# The expression itself is wrong or not allowed, whatever the values: SQLSTATE classes of syntax, access, features.
_WHATEVER_THE_ROW = ("42", "0A")
# What an expression makes of values that it cannot take; the session is lost in all other classes.
_OF_THE_ROW = ("21", "22", "23", "P0", "2F", "38", "39")

Answers = list[str | None]


class _CannotSayError(Exception):
    """The server cannot evaluate the expression on any row."""


def evaluate(
    connection: psycopg.Connection[Any], table: Table, expression: str, columns: Mapping[str, pa.Array]
) -> pa.Array | None:
    """Evaluates an SQL expression that gives text on rows that are in no table.

    Nothing is written, not even a temporary table, so a read-only session will do. Values are given as columns of the
    table's types but for domains, whose own checks would refuse rows that are still to be judged.

    Args:
        connection: the session; an error inside leaves its transaction as it was.
        table: the table whose columns the expression names.
        expression: what to evaluate.
        columns: values of all columns that it reads, as :meth:`~replica.databases.base.Snapshot.read` gives them.

    Returns:
        One text per row, ``false`` where the expression raises an error: shape (rows,). None where the server cannot
        evaluate it at all.
    """
    texts = [printed(values, table.by_name[name]).to_pylist() for name, values in columns.items()]
    query = _query(table, expression, list(columns))
    n = len(texts[0])
    found: Answers = []
    budget = [_FAILURES]
    try:
        for start in range(0, n, _ROWS_AT_ONCE):
            found += _answers(connection, query, [part[start : start + _ROWS_AT_ONCE] for part in texts], budget)
    except _CannotSayError:
        return None
    return pa.array(found, pa.string())


def _query(table: Table, expression: str, names: Sequence[str]) -> str:
    values = ", ".join(f"v{i}" for i in range(len(names)))
    typed = ", ".join(f"{_typed(f'v{i}', table.by_name[name])} AS {_quoted(name)}" for i, name in enumerate(names))
    given = ", ".join("%s::text[]" for _ in names)
    # The table's own name, since a condition may call its columns by it.
    return (
        f"SELECT {_escaped(expression)} FROM (SELECT {_escaped(typed)}, replica_row FROM unnest({given})"
        f" WITH ORDINALITY AS u({values}, replica_row)) AS {_escaped(quote_name(table.name))} ORDER BY replica_row"
    )


def _typed(value: str, column: Column) -> str:
    cast = f"{value}::{_plain_type(column.type)}"
    if column.type.base in _COLLATED and column.collation is not None:
        cast += f" COLLATE {column.collation}"
    return cast


def _plain_type(kind: SqlType) -> str:
    """The type under a domain, where it has a plain name; without limits of length, which conditions do not see."""
    element = kind.element if kind.family == "array" and kind.domain is None else None
    if element is not None and element.under is not None and element.family not in ("array", "composite"):
        return f"{element.under}[]"
    named = kind.domain is None or kind.base == "citext"
    if named or kind.family in ("enum", "composite", "array", "range", "other"):
        return kind.name
    return f"pg_catalog.{kind.base}"


def _answers(connection: psycopg.Connection[Any], query: str, texts: list[Answers], budget: list[int]) -> Answers:
    """Evaluates rows together; where one of them raises an error, halves are tried until it stands alone."""
    try:
        with connection.transaction():
            return [row[0] for row in connection.execute(query.encode(), texts)]
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state.startswith(_WHATEVER_THE_ROW):
            raise _CannotSayError from None
        if not state.startswith(_OF_THE_ROW):
            with reported("evaluating a condition", LoadError):
                raise
    budget[0] -= 1
    if budget[0] < 0:
        # An expression that hardly any value suits says nothing about rows: the load will prove it.
        raise _CannotSayError
    n = len(texts[0])
    if n == 1:
        return ["false"]
    half = n // 2
    first = _answers(connection, query, [part[:half] for part in texts], budget)
    return first + _answers(connection, query, [part[half:] for part in texts], budget)


def _escaped(text: str) -> str:
    """The driver takes a percent sign for a parameter."""
    return text.replace("%", "%%")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
