"""PostgreSQL's types as :class:`~replica.schema.model.SqlType`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from replica.schema.model import Check, Family, SqlType, table_id

FAMILIES: dict[str, Family] = {
    "bool": "boolean",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "oid": "integer",
    "float4": "float",
    "float8": "float",
    "numeric": "numeric",
    "money": "money",
    "text": "text",
    "varchar": "text",
    "bpchar": "text",
    "char": "text",
    "name": "text",
    "citext": "text",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "time": "time",
    "timetz": "timetz",
    "interval": "interval",
    "uuid": "uuid",
    "bytea": "bytes",
    "json": "json",
    "jsonb": "json",
    "inet": "network",
    "cidr": "network",
    "macaddr": "network",
    "macaddr8": "network",
    "bit": "bit",
    "varbit": "bit",
    "xml": "xml",
    "tsvector": "tsvector",
}
"""The family of each base type; what is missing here is ``other``."""

# Arrays in all but their notation.
_VECTORS = frozenset({"int2vector", "oidvector"})

EPOCH_DAYS = 10957
"""Days from 1970, where Arrow counts from, to 2000, where PostgreSQL does."""

EPOCH_US = EPOCH_DAYS * 86_400_000_000
"""The same in microseconds."""

TYPES_SQL = """
SELECT t.oid, t.typname AS name, n.nspname AS schema, t.typtype AS kind, t.typcategory AS category,
       t.typelem AS element, t.typbasetype AS base,
       pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_name,
       t.typtypmod AS typmod, t.typnotnull AS not_null,
       r.rngsubtype AS subtype, mr.rngtypid AS multi_of,
       (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e
         WHERE e.enumtypid = t.oid) AS labels,
       (SELECT json_agg(json_build_array(a.attname, a.atttypid::bigint, a.atttypmod) ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'c') AS fields,
       (SELECT json_agg(json_build_array(c.conname, pg_catalog.pg_get_constraintdef(c.oid), c.convalidated)
                        ORDER BY c.conname)
          FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c') AS checks
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
  LEFT JOIN pg_catalog.pg_range mr ON mr.rngmultitypid = t.oid
"""


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One row of ``TYPES_SQL``."""

    oid: int
    name: str
    schema: str
    kind: str
    category: str
    element: int
    base: int
    base_name: str | None
    typmod: int
    not_null: bool
    subtype: int | None
    multi_of: int | None
    labels: list[str] | None
    fields: list[tuple[str, int, int]] | None
    checks: list[tuple[str, str, bool]] | None


def check_expression(definition: str) -> str:
    """Returns the condition inside ``CHECK (...)`` as ``pg_get_constraintdef`` prints it."""
    text = definition.strip()
    for suffix in (" NOT VALID", " NOT ENFORCED", " NO INHERIT"):
        text = text.removesuffix(suffix)
    text = text.removeprefix("CHECK").strip()
    return text[1:-1].strip() if text.startswith("(") and text.endswith(")") else text


def sql_type(oid: int, typmod: int, printed: str, types: Mapping[int, TypeRow]) -> SqlType:
    """Builds the full type of a column.

    Args:
        oid: the column's type.
        typmod: its type modifier; -1 without one.
        printed: what ``format_type`` says, as in ``numeric(10,2)``.
        types: all types by oid.
    """
    row = types[oid]
    if row.kind == "d":
        return _domain(row, printed, types)
    if row.kind == "e":
        return SqlType(printed, "enum", "enum", labels=tuple(row.labels or ()))
    if row.kind == "c":
        fields = tuple((name, _inner(kind, mod, types)) for name, kind, mod in row.fields or ())
        return SqlType(printed, "composite", "composite", fields=fields)
    if row.kind in "rm":
        subtype = row.subtype if row.kind == "r" else types[row.multi_of or 0].subtype
        return SqlType(printed, row.name, "range", element=_inner(subtype or 0, -1, types))
    if row.category == "A" and row.element and row.name not in _VECTORS:
        return SqlType(printed, "array", "array", element=_inner(row.element, typmod, types))
    return _scalar(row.name, typmod, printed)


def _domain(row: TypeRow, printed: str, types: Mapping[int, TypeRow]) -> SqlType:
    base = sql_type(row.base, row.typmod, printed, types)
    checks = tuple(
        Check(name, check_expression(definition), validated=validated)
        for name, definition, validated in row.checks or ()
    )
    return replace(
        base,
        name=printed,
        domain=table_id(row.schema, row.name),
        under=base.under or row.base_name,
        domain_checks=base.domain_checks + checks,
        not_null=base.not_null or row.not_null,
    )


def _inner(oid: int, typmod: int, types: Mapping[int, TypeRow]) -> SqlType:
    """The type of an element or a field, printed by its plain name."""
    row = types[oid]
    return sql_type(oid, typmod, row.name if row.schema == "pg_catalog" else table_id(row.schema, row.name), types)


def _scalar(name: str, typmod: int, printed: str) -> SqlType:
    family = FAMILIES.get(name, "other")
    if name in ("varchar", "bpchar"):
        return SqlType(printed, name, family, length=typmod - 4 if typmod >= 0 else None)
    if name in ("bit", "varbit"):
        return SqlType(printed, name, family, length=typmod if typmod >= 0 else None)
    if name == "char":
        return SqlType(printed, name, family, length=1)
    if name == "name":
        return SqlType(printed, name, family, length=63)
    if name == "numeric" and typmod >= 0:
        scale = (typmod - 4) & 0x7FF
        return SqlType(
            printed,
            name,
            family,
            precision=((typmod - 4) >> 16) & 0xFFFF,
            scale=scale - 0x800 if scale >= 0x400 else scale,
        )
    return SqlType(printed, name, family)
