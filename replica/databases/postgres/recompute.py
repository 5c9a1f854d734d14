"""Letting triggers see the rows of a replica, for tables whose other columns or tables follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from replica.databases.base import Statement
from replica.schema.model import Column, Table


class Session(Protocol):
    """What runs SQL in the database that is being built."""

    def run_sql(self, what: str, sql: str) -> int:
        """Runs one statement and returns how many rows it touched."""

    def execute(self, statements: Sequence[Statement]) -> None:
        """Runs the statements of a dump."""


def insert_again(session: Session, tables: Sequence[Table], triggers: Sequence[Statement]) -> None:
    """Takes the rows out of tables, creates triggers, and puts the rows back, so that triggers see them come.

    No trigger and no reference may be there yet: none is to see the rows go.

    Args:
        session: where to.
        tables: the tables, each after those that it points to.
        triggers: all triggers of the database.
    """
    filled = [table for table in tables if table.writable_columns]
    for i, table in enumerate(filled):
        rows = f"SELECT {_names(table.writable_columns)} FROM {table.own_rows}"
        aside = f"CREATE TEMPORARY TABLE replica_rows_{i} AS {rows}"
        session.run_sql(f"setting the rows of {table.id} aside", aside)
        session.run_sql(f"setting the rows of {table.id} aside", f"TRUNCATE {table.own_rows}")
    session.execute(triggers)
    for i, table in enumerate(filled):
        names = _names(table.writable_columns)
        again = f"INSERT INTO {table.id} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM pg_temp.replica_rows_{i}"
        session.run_sql(f"firing the triggers of {table.id}", again)
        session.run_sql(f"firing the triggers of {table.id}", f"DROP TABLE pg_temp.replica_rows_{i}")
    # What was put off to the end of the transaction would stand in the way of later changes to these tables.
    session.run_sql("firing deferred triggers", "SET CONSTRAINTS ALL IMMEDIATE")


def update_all(session: Session, table: Table) -> int:
    """Sets every column of every row to what it is, so that triggers on updates see the rows, and returns how many."""
    columns = [column for column in table.writable_columns if column.identity != "always"]
    if not columns:
        return 0
    same = ", ".join(f"{_quoted(column.name)} = {_quoted(column.name)}" for column in columns)
    return session.run_sql(f"firing the triggers of {table.id}", f"UPDATE {table.own_rows} SET {same}")


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(_quoted(column.name) for column in columns)


def _quoted(name: str) -> str:
    # Always in quotes: a plain name may be a reserved word.
    return '"' + name.replace('"', '""') + '"'
