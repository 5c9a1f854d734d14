"""Looking up keys of a child in a parent, wherever in the child they are: columns, polymorphic pairs, JSON, arrays."""

from __future__ import annotations

import json

from replica.schema.model import ForeignKey, LooseReference, Table

ROWS_PER_KEY = 20
"""How many rows are read, at most, for each key that is looked up."""

# A key that is text where the parent's is not; what cannot be one is no key of the parent.
_AS_KEY = {
    "integer": "CASE WHEN {0} ~ '^-?[0-9]{{1,18}}$' THEN {0}::int8 END",
    "numeric": "CASE WHEN {0} ~ '^-?[0-9]{{1,18}}$' THEN {0}::numeric END",
    "uuid": "CASE WHEN {0} ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' THEN {0}::uuid END",
}


def count_found(key: ForeignKey | LooseReference, rows: str, child: Table, parent: Table, limit: int) -> str:
    """Returns SQL that counts different keys of a child, and those of them that a parent has.

    Args:
        key: where the keys are, and what they name.
        rows: the child's rows in SQL, under the alias ``t``.
        child: the table with the keys.
        parent: the table they point to.
        limit: the most keys to look up.
    """
    some = f"SELECT * FROM ({_keys(key, rows, child, parent)}) AS r LIMIT {ROWS_PER_KEY * limit}"
    keys = f"SELECT DISTINCT * FROM ({some}) AS s LIMIT {limit}"
    return f"SELECT count(*), count(*) FILTER (WHERE {_is_there(key, parent)}) FROM ({keys}) AS k"


def count_lost(key: LooseReference, rows: str, child: Table, parent: Table) -> str:
    """Returns SQL that counts the keys of a child that a parent does not have."""
    return f"SELECT count(*) FROM ({_keys(key, f'{rows} AS t', child, parent)}) AS k WHERE NOT {_is_there(key, parent)}"


def _is_there(key: ForeignKey | LooseReference, parent: Table) -> str:
    names = key.parent_columns if isinstance(key, ForeignKey) else (key.parent_column,)
    pairs = " AND ".join(f"p.{_quoted(name)} = k.v{i}" for i, name in enumerate(names))
    return f"EXISTS (SELECT 1 FROM {parent.id} AS p WHERE {pairs})"


def _keys(key: ForeignKey | LooseReference, rows: str, child: Table, parent: Table) -> str:
    """The keys, one per row, as v0, v1 and so on."""
    if isinstance(key, ForeignKey):
        columns = [f"t.{_quoted(name)}" for name in key.columns]
        outputs = ", ".join(f"{column} AS v{i}" for i, column in enumerate(columns))
        return f"SELECT {outputs} FROM {rows} WHERE {' AND '.join(f'{column} IS NOT NULL' for column in columns)}"
    column, family = f"t.{_quoted(key.column)}", parent.by_name[key.parent_column].type.family
    own = child.by_name[key.column].type
    if own.family == "json":
        inner = f"jsonb_path_query({column}::jsonb, {_text(_json_path(key.path or ()))}::jsonpath)"
        # What is neither number nor text, such as null, is no key.
        values = f"SELECT j #>> '{{}}' AS v FROM {rows}, {inner} AS j WHERE jsonb_typeof(j) IN ('number', 'string')"
        return f"SELECT {_as_key('q.v', family)} AS v0 FROM ({values}) AS q"
    if own.family == "array":
        same = own.element is not None and own.element.family == family
        value = "e" if same else _as_key("e::text", family)
        return f"SELECT {value} AS v0 FROM {rows}, unnest({column}) AS e WHERE e IS NOT NULL"
    value = column if own.family == family else _as_key(f"{column}::text", family)
    when = f" AND t.{_quoted(key.when[0])}::text = {_text(key.when[1])}" if key.when else ""
    return f"SELECT {value} AS v0 FROM {rows} WHERE {column} IS NOT NULL{when}"


def _json_path(path: tuple[str, ...]) -> str:
    return "lax $" + "".join("[*]" if part == "*" else f".{json.dumps(part)}" for part in path)


def _as_key(value: str, family: str) -> str:
    return _AS_KEY.get(family, "{0}").format(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"
