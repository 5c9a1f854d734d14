"""Reading PostgreSQL's catalog into a :class:`~replica.schema.model.Schema`. No user row is read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from replica.databases.postgres.types import TYPES_SQL, TypeRow, check_expression, sql_type
from replica.schema.graph import with_own_keys
from replica.schema.model import (
    Check,
    Column,
    Exclusion,
    Extension,
    ForeignKey,
    Index,
    Schema,
    Sequence,
    Table,
    Trigger,
    Unique,
    quote_name,
    table_id,
)

Row = dict[str, Any]
ByTable = Mapping[int, list[Row]]

# Tables that belong to an extension come and go with it; temporary ones belong to a session.
_USER_RELATIONS = """
    n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
    AND n.nspname NOT LIKE 'pg\\_temp%' AND c.relpersistence <> 't'
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend x
                     WHERE x.classid = 'pg_catalog.pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
"""

_TABLES_SQL = f"""
SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relispartition AS is_partition,
       c.reltuples::bigint AS tuples, c.relpersistence = 'u' AS unlogged, c.relrowsecurity AS row_security,
       pg_catalog.pg_table_size(c.oid) AS bytes, pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound,
       CASE WHEN c.relispartition THEN pg_catalog.pg_get_partition_constraintdef(c.oid) END AS condition,
       pg_catalog.pg_get_partkeydef(c.oid) AS partition_key,
       ARRAY(SELECT i.inhparent::bigint FROM pg_catalog.pg_inherits i
              WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parents
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f') AND {_USER_RELATIONS}
"""

_COLUMNS_SQL = """
SELECT a.attrelid AS table, a.attnum AS number, a.attname AS name, a.atttypid::bigint AS type, a.atttypmod AS typmod,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS printed, a.attnotnull AS not_null,
       a.attidentity AS identity, a.attgenerated AS generated,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS "default",
       CASE WHEN a.attcollation <> t.typcollation
            THEN (SELECT pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)
                    FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
                   WHERE co.oid = a.attcollation) END AS collation,
       pg_catalog.col_description(a.attrelid, a.attnum) AS comment
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""

# A constraint that a partition has from its root is the root's affair.
_CONSTRAINTS_SQL = """
SELECT c.conrelid AS table, c.conname AS name, c.contype AS type, c.conkey AS key, c.confkey AS parent_key,
       c.confrelid AS parent, c.condeferrable AS deferrable, c.convalidated AS validated,
       c.confmatchtype = 'f' AS match_full, c.confdeltype AS on_delete, c.confupdtype AS on_update,
       pg_catalog.pg_get_constraintdef(c.oid) AS definition, c.conindid AS index,
       EXISTS (SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid
                WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = c.oid
                  AND d.refclassid = 'pg_catalog.pg_proc'::regclass AND p.provolatile <> 'i') AS at_load
  FROM pg_catalog.pg_constraint c
 WHERE c.conrelid = ANY(%s) AND c.contype IN ('c', 'f', 'x')
   AND NOT (c.conparentid <> 0 AND c.contype = 'f')
 ORDER BY c.conrelid, c.conname
"""

_INDEXES_SQL = """
SELECT i.indrelid AS table, ic.relname AS name, i.indisunique AS is_unique, i.indisprimary AS is_primary,
       i.indkey::smallint[] AS key, i.indnkeyatts AS key_length,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid, true) AS predicate,
       i.indexprs IS NOT NULL AS has_expressions,
       ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k, true)
               FROM generate_series(1, i.indnkeyatts) k) AS parts,
       pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_not_distinct,
       con.oid IS NOT NULL AS is_constraint, coalesce(con.condeferrable, false) AS deferrable,
       coalesce(con.contype = 'x', false) AS is_exclusion,
       ARRAY(SELECT DISTINCT d.refobjsubid::int FROM pg_catalog.pg_depend d
              WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
                AND d.refobjid = i.indrelid AND d.refobjsubid > 0) AS reads
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  LEFT JOIN pg_catalog.pg_constraint con ON con.conindid = i.indexrelid AND con.contype IN ('p', 'u', 'x')
 WHERE i.indrelid = ANY(%s) AND i.indisvalid
 ORDER BY i.indrelid, ic.relname
"""

_TRIGGERS_SQL = """
SELECT t.tgrelid AS table, t.tgname AS name, pg_catalog.pg_get_triggerdef(t.oid) AS definition,
       p.proname AS function, t.tgenabled <> 'D' AS enabled
  FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgrelid = ANY(%s) AND NOT t.tgisinternal
 ORDER BY t.tgrelid, t.tgname
"""

_SEQUENCES_SQL = f"""
SELECT c.oid, n.nspname AS schema, c.relname AS name, s.seqstart AS start, s.seqincrement AS increment,
       s.seqmin AS minimum, s.seqmax AS maximum, s.seqcycle AS cycle,
       (SELECT json_build_array(d.refobjid::bigint, d.refobjsubid) FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
           AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
         LIMIT 1) AS owner,
       (SELECT json_agg(json_build_array(ad.adrelid::bigint, ad.adnum)) FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_attrdef ad ON ad.oid = d.objid
         WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refobjid = c.oid) AS users
  FROM pg_catalog.pg_sequence s
  JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE {_USER_RELATIONS}
 ORDER BY n.nspname, c.relname
"""

_VIEWS_SQL = f"""
SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relispopulated AS filled,
       ARRAY(SELECT DISTINCT d.refobjid::bigint FROM pg_catalog.pg_rewrite r
               JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
              WHERE r.ev_class = c.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
                AND d.refobjid <> c.oid) AS reads
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'm') AND {_USER_RELATIONS}
 ORDER BY n.nspname, c.relname
"""

_EXTENSIONS_SQL = """
SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname <> 'plpgsql' ORDER BY e.extname
"""

# What the replica leaves out on purpose, with the reason that is shown to the user.
_LEFT_OUT_SQL = """
SELECT 'publication ' || quote_ident(pubname) || ': replication is not copied' AS line FROM pg_catalog.pg_publication
UNION ALL
SELECT 'event trigger ' || quote_ident(evtname) || ': database-wide triggers are not copied'
  FROM pg_catalog.pg_event_trigger
UNION ALL
SELECT 'foreign server ' || quote_ident(srvname) || ': its user mappings hold secrets and are not copied'
  FROM pg_catalog.pg_foreign_server
UNION ALL
SELECT 'large objects: ' || count(*) || ' are not copied' FROM pg_catalog.pg_largeobject_metadata HAVING count(*) > 0
ORDER BY 1
"""

_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

# The server's page size, and a guess at a row's width where it never counted.
_PAGE_BYTES = 8192
_GUESSED_ROW_BYTES = 100


def read_schema(connection: psycopg.Connection[Any]) -> Schema:
    """Reads everything that planning needs from the catalog, in one transaction."""
    types = _types(connection)
    rows = _fetch(connection, _TABLES_SQL)
    ids = {row["oid"]: table_id(row["schema"], row["name"]) for row in rows}
    oids = list(ids)
    columns = _by_table(_fetch(connection, _COLUMNS_SQL, [oids]))
    names = {(row["table"], row["number"]): row["name"] for found in columns.values() for row in found}
    parts = _Parts(
        types=types,
        ids=ids,
        names=names,
        columns=columns,
        constraints=_by_table(_fetch(connection, _CONSTRAINTS_SQL, [oids])),
        indexes=_by_table(_fetch(connection, _INDEXES_SQL, [oids])),
        triggers=_by_table(_fetch(connection, _TRIGGERS_SQL, [oids])),
    )
    tables = with_own_keys(sorted(_with_estimates(parts.table(row) for row in rows), key=lambda table: table.id))
    views = _fetch(connection, _VIEWS_SQL)
    info = connection.info
    return Schema(
        database=info.dbname,
        server=f"PostgreSQL {_dotted(info.server_version)}",
        server_version=info.server_version,
        tables=tuple(tables),
        sequences=tuple(_sequence(row, ids, names) for row in _fetch(connection, _SEQUENCES_SQL)),
        materialized_views=_refresh_order(views),
        views=tuple(table_id(row["schema"], row["name"]) for row in views if row["kind"] == "v"),
        extensions=tuple(Extension(**row) for row in _fetch(connection, _EXTENSIONS_SQL)),
        unsupported=_unsupported(connection, tables),
    )


def _fetch(connection: psycopg.Connection[Any], query: str, args: list[Any] | None = None) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        # Without arguments the text goes as it is, so that LIKE may use percent signs.
        return cursor.execute(query.encode(), args).fetchall()


def _types(connection: psycopg.Connection[Any]) -> dict[int, TypeRow]:
    with connection.cursor(row_factory=class_row(TypeRow)) as cursor:
        return {row.oid: row for row in cursor.execute(TYPES_SQL.encode()).fetchall()}


def _by_table(rows: Iterable[Row]) -> ByTable:
    grouped: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["table"]].append(row)
    return grouped


def _dotted(version: int) -> str:
    return f"{version // 10000}.{version % 10000}"


class _Parts:
    """The catalog's rows, grouped by table, and how a table is put together from them."""

    def __init__(
        self,
        *,
        types: Mapping[int, TypeRow],
        ids: Mapping[int, str],
        names: Mapping[tuple[int, int], str],
        columns: ByTable,
        constraints: ByTable,
        indexes: ByTable,
        triggers: ByTable,
    ) -> None:
        self.types = types
        self.ids = ids
        self.names = names
        self.columns = columns
        self.constraints = constraints
        self.indexes = indexes
        self.triggers = triggers

    def table(self, row: Row) -> Table:
        oid = row["oid"]
        constraints = self.constraints.get(oid, [])
        indexes = self.indexes.get(oid, [])
        return Table(
            schema=row["schema"],
            name=row["name"],
            columns=tuple(self.column(found) for found in self.columns.get(oid, [])),
            uniques=tuple(self.unique(found) for found in indexes if found["is_unique"]),
            foreign_keys=tuple(
                self.foreign_key(found) for found in constraints if found["type"] == "f" and found["parent"] in self.ids
            ),
            checks=tuple(self.check(found) for found in constraints if found["type"] == "c"),
            exclusions=tuple(
                Exclusion(found["name"], self.keyed(oid, found["key"]), found["definition"])
                for found in constraints
                if found["type"] == "x"
            ),
            indexes=tuple(
                Index(found["name"], found["definition"])
                for found in indexes
                if not found["is_unique"] and not found["is_exclusion"]
            ),
            triggers=tuple(
                Trigger(found["name"], found["definition"], found["function"], found["enabled"])
                for found in self.triggers.get(oid, [])
            ),
            kind=_kind(row),
            inherits=tuple(self.ids[parent] for parent in row["parents"] if parent in self.ids),
            partition_bound=row["bound"],
            partition_condition=_condition(row["condition"]),
            partition_key=row["partition_key"],
            row_estimate=_estimate(row),
            bytes=row["bytes"] or 0,
            row_security=row["row_security"],
            unlogged=row["unlogged"],
            comment=row["comment"],
        )

    def keyed(self, table: int, numbers: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.names[table, number] for number in numbers if number > 0)

    def column(self, row: Row) -> Column:
        kind = sql_type(row["type"], row["typmod"], row["printed"], self.types)
        return Column(
            name=row["name"],
            type=kind,
            nullable=not (row["not_null"] or kind.not_null),
            default=row["default"],
            identity={"a": "always", "d": "by default"}.get(row["identity"]),  # type: ignore[arg-type]
            generated={"s": "stored", "v": "virtual"}.get(row["generated"]),  # type: ignore[arg-type]
            collation=row["collation"],
            comment=row["comment"],
        )

    def unique(self, row: Row) -> Unique:
        key, parts = row["key"][: row["key_length"]], " ".join(row["parts"])
        if row["has_expressions"]:
            # What the index reads is the key's columns and those of its condition.
            key = [number for number in row["reads"] if _occurs(self.names[row["table"], number], parts)]
        return Unique(
            name=row["name"],
            columns=self.keyed(row["table"], key),
            primary=row["is_primary"],
            expressions=tuple(row["parts"]) if row["has_expressions"] else (),
            predicate=None if self._says_nothing(row) else row["predicate"],
            nulls_distinct=not row["nulls_not_distinct"],
            deferrable=row["deferrable"],
            constraint=row["is_constraint"],
        )

    def _says_nothing(self, row: Row) -> bool:
        """True for a predicate that leaves out what no rule counts anyway: rows with a null in the key."""
        if row["has_expressions"] or row["nulls_not_distinct"] or row["predicate"] is None:
            return False
        key = self.keyed(row["table"], row["key"][: row["key_length"]])
        return row["predicate"].strip("()") in {f"{quote_name(name)} IS NOT NULL" for name in key}

    def foreign_key(self, row: Row) -> ForeignKey:
        return ForeignKey(
            name=row["name"],
            child=self.ids[row["table"]],
            columns=self.keyed(row["table"], row["key"]),
            parent=self.ids[row["parent"]],
            parent_columns=self.keyed(row["parent"], row["parent_key"]),
            match_full=row["match_full"],
            deferrable=row["deferrable"],
            validated=row["validated"],
            on_delete=_ACTIONS[row["on_delete"]],
            on_update=_ACTIONS[row["on_update"]],
        )

    def check(self, row: Row) -> Check:
        return Check(
            row["name"],
            check_expression(row["definition"]),
            self.keyed(row["table"], row["key"] or ()),
            row["validated"],
            row["at_load"],
        )


def _condition(printed: str | None) -> str | None:
    """A partition's condition; that of hashes holds in one database only, since it names the table by its number."""
    return None if not printed or "satisfies_hash_partition" in printed else printed


def _kind(row: Row) -> Any:
    if row["is_partition"]:
        return "partition"
    return {"r": "table", "p": "partitioned", "f": "foreign"}[row["kind"]]


def _occurs(name: str, expression: str) -> bool:
    """Returns True if a column stands in an expression, in quotes where the server wants them."""
    written = re.escape(name.replace('"', '""'))
    return re.search(rf'"{written}"|(?<![\w"]){written}(?![\w"])', expression) is not None


def _with_estimates(tables: Iterable[Table]) -> list[Table]:
    """Gives partitioned tables the rows of their parts, since the server seldom counts the whole."""
    found = {table.id: table for table in tables}
    parts: dict[str, list[str]] = defaultdict(list)
    for table in found.values():
        if table.kind == "partition":
            parts[table.inherits[0]].append(table.id)

    def rows(table: Table) -> int:
        return sum(rows(found[part]) for part in parts[table.id]) if table.partition_key else table.row_estimate

    return [replace(table, row_estimate=rows(table)) for table in found.values()]


def _estimate(row: Row) -> int:
    """Rows by the server's statistics; by the size on disk where it never counted."""
    if row["tuples"] > 0 or (row["tuples"] == 0 and not row["bytes"]):
        return int(row["tuples"])
    if row["kind"] != "r":
        return int(row["tuples"])
    return int((row["bytes"] or 0) // _PAGE_BYTES * (_PAGE_BYTES // _GUESSED_ROW_BYTES))


def _sequence(row: Row, ids: Mapping[int, str], names: Mapping[tuple[int, int], str]) -> Sequence:
    def place(pair: list[int]) -> tuple[str, str] | None:
        table, number = pair
        return (ids[table], names[table, number]) if table in ids else None

    owner = place(row["owner"]) if row["owner"] else None
    users = [found for found in map(place, row["users"] or ()) if found]
    if owner and owner not in users:
        users.append(owner)
    return Sequence(
        id=table_id(row["schema"], row["name"]),
        start=row["start"],
        increment=row["increment"],
        minimum=row["minimum"],
        maximum=row["maximum"],
        cycle=row["cycle"],
        owner=owner,
        users=tuple(sorted(users)),
    )


def _refresh_order(views: list[Row]) -> tuple[str, ...]:
    """Materialised views that are filled, so that each comes after those it reads, through plain views too."""
    by_oid = {row["oid"]: row for row in views}
    order: list[str] = []
    seen: set[int] = set()

    def visit(oid: int) -> None:
        if oid in seen or oid not in by_oid:
            return
        seen.add(oid)
        for read in by_oid[oid]["reads"]:
            visit(read)
        if by_oid[oid]["kind"] == "m" and by_oid[oid]["filled"]:
            order.append(table_id(by_oid[oid]["schema"], by_oid[oid]["name"]))

    for row in views:
        visit(row["oid"])
    return tuple(order)


def _unsupported(connection: psycopg.Connection[Any], tables: Iterable[Table]) -> tuple[str, ...]:
    foreign = (
        f"table {table.id}: a foreign table; its rows live elsewhere" for table in tables if table.kind == "foreign"
    )
    return (*foreign, *(row["line"] for row in _fetch(connection, _LEFT_OUT_SQL)))
