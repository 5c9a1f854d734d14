"""Rows that a view leaves out, in SQL: who is left out is found once per query, and rows are matched by hash joins."""

from __future__ import annotations

from collections.abc import Iterable

from replica.databases.base import Holdout, hash_limit
from replica.databases.postgres.expressions import expression
from replica.schema.model import Column, ForeignKey, Table, quoted_name


def kept_rows(holdout: Holdout | None, table: Table, sampling: str = "", columns: str = "t.*") -> str:
    """Returns SQL for the rows of a table that a view has, as an item of FROM called ``t``.

    Args:
        holdout: what is left out; None for nothing.
        table: the table.
        sampling: a TABLESAMPLE clause.
        columns: what is asked of it where rows are left out; all columns by default.
    """
    rows = f"{table.own_rows} AS t{sampling}"
    if holdout is None:
        return rows
    if table.id == holdout.root.id:
        return f"(SELECT {columns} FROM {rows} WHERE NOT {_is_drawn(holdout)}) AS t"
    into = [key for key in holdout.references if key.child == table.id]
    if not into:
        return rows
    kept = " AND ".join(f"NOT {_leads_to(key, holdout)}" for key in into)
    return f"(WITH {', '.join(_left_out(holdout, into))} SELECT {columns} FROM {rows} WHERE {kept}) AS t"


def _left_out(holdout: Holdout, into: Iterable[ForeignKey]) -> Iterable[str]:
    """The rows that are left out of every table that some references lead through, each table once, from the root."""
    needed = list(into)
    for key in reversed(holdout.references):
        if any(other.parent == key.child for other in needed):
            needed.append(key)
    names = dict.fromkeys([holdout.root.id, *(key.child for key in holdout.references)])
    for name in names:
        pointed = sorted({column for key in needed if key.parent == name for column in key.parent_columns})
        if pointed:
            outputs = ", ".join(f"t.{quoted_name(column)}" for column in pointed)
            yield f"{_name(name, holdout)} AS ({_rows_left_out(name, outputs, holdout)})"


def _rows_left_out(name: str, outputs: str, holdout: Holdout) -> str:
    if name == holdout.root.id:
        return f"SELECT {outputs} FROM {holdout.root.own_rows} AS t WHERE {_is_drawn(holdout)}"
    # One join a reference: conditions with OR between them would be tried row by row.
    return " UNION ALL ".join(
        f"SELECT {outputs} FROM {name} AS t WHERE {_leads_to(key, holdout)}"
        for key in holdout.references
        if key.child == name
    )


def _leads_to(key: ForeignKey, holdout: Holdout) -> str:
    """A row of the key's child leads to one that is left out."""
    pairs = zip(key.columns, key.parent_columns, strict=True)
    same = " AND ".join(f"h.{quoted_name(up)} = t.{quoted_name(down)}" for down, up in pairs)
    return f"EXISTS (SELECT FROM {_name(key.parent, holdout)} AS h WHERE {same})"


def _name(table: str, holdout: Holdout) -> str:
    names = [holdout.root.id, *dict.fromkeys(key.child for key in holdout.references)]
    return f"left_out_{names.index(table)}"


def _is_drawn(holdout: Holdout) -> str:
    """The hash of a row's key lies below the share."""
    parts = " || chr(31) || ".join(_text(holdout.root.by_name[name]) for name in holdout.key)
    hashed = f"sha256({_bytes(holdout.secret)} || convert_to({parts}, 'UTF8'))"
    return f"(substr({hashed}, 1, 8) < {_bytes(hash_limit(holdout.share))})"


def _text(column: Column) -> str:
    value = expression(column, "value")
    if column.type.family in ("float", "numeric", "money"):
        return f"encode(float8send(({value})::float8), 'hex')"
    return f"({value})::text"


def _bytes(value: bytes) -> str:
    return f"'\\x{value.hex()}'::bytea"
