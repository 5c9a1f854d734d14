"""Rows that occur more than once, in tables that no key keeps apart."""

from __future__ import annotations

from replica.databases.base import Repeats
from replica.schema.model import Table

# Comparing all rows of a larger table would take too long for what it tells.
MOST_ROWS = 2_000_000


def may_repeat(table: Table) -> bool:
    """Returns True for a table that may hold one row twice, and is small enough to look at all of it."""
    is_plain = table.kind == "table" and bool(table.writable_columns)
    return is_plain and not table.uniques and not table.exclusions and table.row_estimate <= MOST_ROWS


def count_repeats_sql(rows: str) -> str:
    """Returns the query for how many rows there are, how many different ones, and how many of those more than once.

    Args:
        rows: the table's rows in SQL, under the alias ``t``.
    """
    groups = f"SELECT count(*) AS n FROM {rows} GROUP BY t::text"
    return f"SELECT coalesce(sum(n), 0)::int8, count(*), count(*) FILTER (WHERE n > 1) FROM ({groups}) AS g"


def repeat_rows_sql(table: Table, repeats: Repeats) -> str:
    """Returns the statement that makes rows that occur once copies of others, until as many are different as wanted.

    Rows are chosen by a hash of their place, so that a run can be repeated.
    """
    names = [_quoted(column.name) for column in table.writable_columns if column.identity != "always"]
    same = ", ".join(f"{name} = s.{name}" for name in names)
    return f"""
    WITH placed AS (SELECT ctid AS place, count(*) OVER (PARTITION BY t::text) AS n FROM ONLY {table.id} AS t),
    single AS (SELECT place, row_number() OVER (ORDER BY hashtextextended(place::text, 0)) AS rank
                 FROM placed WHERE n = 1),
    found AS (SELECT count(*) AS rows, count(*) FILTER (WHERE n = 1) AS singles,
                     coalesce(sum(1.0 / n) FILTER (WHERE n > 1), 0) AS repeated FROM placed),
    wanted AS (SELECT greatest(0, least(singles - 1, round(singles + repeated - rows * {repeats.distinct!r})))::int8
                      AS copies, rows * {repeats.distinct!r} * {repeats.repeated!r} - repeated AS sources, singles
                 FROM found),
    pairs AS (SELECT c.place, s.place AS source FROM wanted AS w
                JOIN single AS c ON c.rank <= w.copies
                JOIN single AS s ON s.rank = w.copies + 1
                                    + (c.rank - 1) % greatest(1, least(w.singles - w.copies, round(w.sources)))::int8)
    UPDATE ONLY {table.id} AS t SET {same} FROM pairs AS p JOIN ONLY {table.id} AS s ON s.ctid = p.source
     WHERE t.ctid = p.place"""


def _quoted(name: str) -> str:
    # Always in quotes: a plain name may be a reserved word.
    return '"' + name.replace('"', '""') + '"'
