"""Columns in SQL as they are read: numbers as numbers, what the driver does not know as text."""

from __future__ import annotations

from replica.databases.base import Reading
from replica.schema.model import Column, quoted_name

_NATIVE = frozenset({"boolean", "integer", "float", "date", "timestamp", "timestamptz", "time", "bytes"})
_AS_NUMBER = {
    # Numbers outside of what a float8 can hold would stop the reading: they come as the nearest that it can.
    "numeric": "CASE WHEN abs({0}) BETWEEN 1e-300 AND 1e300 OR {0}::text IN ('NaN', 'Infinity', '-Infinity')"
    " THEN {0}::float8 WHEN abs({0}) > 1 THEN sign({0})::float8 * 1e300 WHEN {0} IS NOT NULL THEN 0 END",
    "money": "{}::numeric::float8",
}
# JSON has no lower bounds: where one is not 1, all bounds stand before it as PostgreSQL writes them.
_ARRAY = (
    "CASE WHEN array_dims({0}) !~ '^(\\[1:[0-9]+\\])+$' THEN array_dims({0}) || '=' ELSE '' END || to_jsonb({0})::text"
)


def expression(column: Column, reading: Reading) -> str:
    """Returns the SQL that gives a column of ``t`` as :meth:`~replica.databases.base.Snapshot.read` promises it."""
    name = f"t.{quoted_name(column.name)}"
    family = column.type.family
    if reading == "presence":
        return f"({name} IS NOT NULL)"
    if reading == "length":
        return f"octet_length({name})::int8" if family == "bytes" else f"length({name}::text)::int8"
    if family in _AS_NUMBER:
        return _AS_NUMBER[family].format(name)
    if column.type.base == "oid":
        # ADBC takes it for a signed number.
        return f"{name}::int8"
    if family == "array":
        return _ARRAY.format(name)
    if family == "composite":
        return f"to_jsonb({name})::text"
    # A domain is read as the type under it, a type that ADBC would hand over as opaque bytes as text.
    return name if family in _NATIVE else f"{name}::text"
