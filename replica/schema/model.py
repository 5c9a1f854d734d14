"""A database's schema as pure data: no connection, no rows, no behaviour beyond looking things up.

Tables are known everywhere by their *id*, the qualified name as SQL writes it: ``hr.employee``, or
``public."Order Details"`` where a part needs quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")

Family = Literal[
    "boolean",
    "integer",
    "float",
    "numeric",
    "money",
    "text",
    "enum",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "timetz",
    "interval",
    "uuid",
    "bytes",
    "json",
    "array",
    "composite",
    "range",
    "network",
    "bit",
    "xml",
    "tsvector",
    "other",
]
"""Coarse groups of types: what a column kind can ask about a column without knowing the dialect."""


def quote_name(name: str) -> str:
    """Returns a name as people write it: plain where that can be read, in double quotes elsewhere."""
    return name if _PLAIN_NAME.match(name) else quoted_name(name)


def quoted_name(name: str) -> str:
    """Returns a name as every SQL statement takes it: in double quotes, since it may be a word of the language."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """Returns a text as a constant of SQL, whatever a server makes of backslashes."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def table_id(schema: str, name: str) -> str:
    """Returns the id of a table: its qualified name, quoted where needed."""
    return f"{quote_name(schema)}.{quote_name(name)}"


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK constraint of a table or a domain.

    Attributes:
        name: the constraint's name.
        expression: the condition in the source's SQL, without ``CHECK`` and the outer parentheses. In a
            domain's check the value is called ``VALUE``.
        columns: the columns that the condition reads; empty for a domain.
        validated: False where the source never proved it on old rows (NOT VALID, NOT ENFORCED).
        at_load: True where it calls a function of the user's that may read other rows, which only the loaded database
            can answer.
    """

    name: str
    expression: str
    columns: tuple[str, ...] = ()
    validated: bool = True
    at_load: bool = False


@dataclass(frozen=True, slots=True)
class SqlType:
    """A column's type, with everything a generator needs to know to make a valid value.

    Attributes:
        name: the full name as the database prints it, as in ``numeric(10,2)``.
        base: the internal name after domains are resolved, as in ``numeric`` or ``int4``.
        family: the coarse group.
        length: most characters or bits of a text or bit type; None when unlimited.
        precision: digits of a numeric; None when unlimited.
        scale: digits after the point of a numeric; None when unlimited.
        labels: the labels of an enum, in their order.
        element: the element's type of an array or a range.
        fields: names and types of a composite.
        domain: the qualified name of the domain; None where the column has a plain type.
        under: the full name of the type under the domain; None where the column has a plain type.
        domain_checks: the checks of the domain and of the domains under it.
        not_null: True where the domain forbids nulls.
    """

    name: str
    base: str
    family: Family
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    labels: tuple[str, ...] = ()
    element: SqlType | None = None
    fields: tuple[tuple[str, SqlType], ...] = ()
    domain: str | None = None
    under: str | None = None
    domain_checks: tuple[Check, ...] = ()
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: the column's name.
        type: its type.
        nullable: False under NOT NULL, a primary key or a domain that forbids nulls.
        default: the default expression in SQL; None without one.
        identity: ``always`` or ``by default`` for an identity column; None otherwise.
        generated: ``stored`` or ``virtual`` for a computed column, whose expression is then ``default``.
        collation: the qualified name of a collation other than the type's own.
        comment: the comment on the column.
    """

    name: str
    type: SqlType
    nullable: bool = True
    default: str | None = None
    identity: Literal["always", "by default"] | None = None
    generated: Literal["stored", "virtual"] | None = None
    collation: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Unique:
    """A primary key, a unique constraint or a unique index: one rule that no two rows may share a key.

    Attributes:
        name: of the constraint or the index.
        columns: the key's columns; for an expression index, the columns that the key reads.
        primary: True for the primary key.
        expressions: the key's parts in SQL where at least one is an expression; empty otherwise.
        predicate: the condition of a partial index; None when every row counts.
        nulls_distinct: False under NULLS NOT DISTINCT.
        deferrable: True for a deferrable constraint.
        constraint: False for a bare unique index.
        declared: False for one that only the schema map knows.
    """

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    expressions: tuple[str, ...] = ()
    predicate: str | None = None
    nulls_distinct: bool = True
    deferrable: bool = False
    constraint: bool = True
    declared: bool = True


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference from a child table to a parent table.

    Attributes:
        name: the constraint's name; for a reference that only the schema map declares, a name made of its columns and
            the parent.
        child: id of the table that holds the key.
        columns: its columns, in the order of ``parent_columns``.
        parent: id of the table that is pointed to.
        parent_columns: the columns that are pointed to; a unique key of the parent.
        match_full: True under MATCH FULL, where a composite key is null as a whole or not at all.
        deferrable: True for a deferrable constraint.
        validated: False under NOT VALID and NOT ENFORCED: the source's rows may break it.
        on_delete: the action, as in ``CASCADE``.
        on_update: the action.
        declared: False where only the schema map knows the reference.
        repeated: those of its columns that a rule adds to another reference: they hold what the row pointed to holds,
            nulls too, while the others alone name it.
    """

    name: str
    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    match_full: bool = False
    deferrable: bool = False
    validated: bool = True
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    declared: bool = True
    repeated: tuple[str, ...] = ()

    @property
    def naming(self) -> ForeignKey:
        """The same reference without columns that only repeat the row pointed to."""
        pairs = [pair for pair in zip(self.columns, self.parent_columns, strict=True) if pair[0] not in self.repeated]
        columns, parent_columns = (tuple(names) for names in zip(*pairs, strict=True))
        return replace(self, columns=columns, parent_columns=parent_columns, repeated=())

    @property
    def id(self) -> str:
        """The key's name within the whole schema."""
        return f"{self.child}.{quote_name(self.name)}"

    @property
    def is_self(self) -> bool:
        """True where a table points to itself."""
        return self.child == self.parent


@dataclass(frozen=True, slots=True)
class LooseReference:
    """A reference that no foreign key could declare: one half of a polymorphic pair, or keys inside values.

    Attributes:
        child: id of the table that holds it.
        column: the column that holds keys, or values with keys inside.
        parent: id of the table that is pointed to.
        parent_column: the column that is pointed to; a unique key of the parent.
        when: for a polymorphic pair, the column with the type and the type that means this parent.
        path: for keys inside values, where they are: names of JSON members, and ``*`` for each element of a list or an
            array; None where the column itself is the key.
    """

    child: str
    column: str
    parent: str
    parent_column: str
    when: tuple[str, str] | None = None
    path: tuple[str, ...] | None = None

    @property
    def id(self) -> str:
        """The reference's name within the whole schema; it says which column it is about, and no value but a type."""
        place = ".".join((quote_name(self.column), *(self.path or ())))
        when = f" where {quote_name(self.when[0])} is {self.when[1]}" if self.when else ""
        return f"{self.child}.{place} -> {self.parent}{when}"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An EXCLUDE constraint: its name, its columns and its definition in SQL."""

    name: str
    columns: tuple[str, ...]
    definition: str


@dataclass(frozen=True, slots=True)
class Index:
    """An index that enforces nothing; kept to be shown, since the dump carries it."""

    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of a table: name, definition in SQL, the function it calls, whether it is enabled."""

    name: str
    definition: str
    function: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence and the columns that draw from it.

    Attributes:
        id: its qualified name.
        start: the first value.
        increment: the step; negative when it counts down.
        minimum: the least value.
        maximum: the greatest value.
        cycle: True where it starts again at the end.
        owner: table id and column that own it; None for a free sequence.
        users: table ids and columns whose default draws from it, the owner among them.
    """

    id: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cycle: bool = False
    owner: tuple[str, str] | None = None
    users: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Extension:
    """An installed extension: name, version, and the schema it lives in."""

    name: str
    version: str
    schema: str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        schema: the name of its namespace.
        name: its name.
        columns: its columns, in their order.
        uniques: primary key, unique constraints and unique indexes.
        foreign_keys: its references to other tables.
        checks: its CHECK constraints.
        exclusions: its EXCLUDE constraints.
        indexes: indexes that enforce nothing.
        triggers: its triggers.
        kind: ``table``; ``partitioned`` for the root of partitions; ``partition`` for a part; ``foreign`` for
            a table that lives in another server.
        inherits: ids of the tables it inherits from; for a partition, its root.
        partition_bound: for a partition, its bound in SQL.
        partition_condition: for a partition, the condition that its rows meet, those of the tables above it included;
            None where it takes every row, or rows by a hash.
        partition_key: for a partitioned table, its key in SQL.
        row_estimate: rows as the server's statistics say; -1 when it never counted.
        bytes: size on disk with its out-of-line values.
        row_security: True where row-level security is on.
        unlogged: True for an unlogged table.
        comment: the comment on the table.
        own_keys: unique columns that composite references repeat although their values start here; see
            :func:`~replica.schema.graph.with_own_keys`.
        loose_references: references of the schema map that no foreign key could declare.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    uniques: tuple[Unique, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    kind: Literal["table", "partitioned", "partition", "foreign"] = "table"
    inherits: tuple[str, ...] = ()
    partition_bound: str | None = None
    partition_condition: str | None = None
    partition_key: str | None = None
    row_estimate: int = -1
    bytes: int = 0
    row_security: bool = False
    unlogged: bool = False
    comment: str | None = None
    own_keys: tuple[str, ...] = ()
    loose_references: tuple[LooseReference, ...] = ()

    @property
    def id(self) -> str:
        """The table's qualified name, quoted where needed."""
        return table_id(self.schema, self.name)

    @property
    def own_rows(self) -> str:
        """Its rows in SQL: those of its partitions too, but not those of tables that inherit from it."""
        return self.id if self.partition_key else f"ONLY {self.id}"

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def primary_key(self) -> Unique | None:
        """The primary key, if there is one."""
        return next((unique for unique in self.uniques if unique.primary), None)

    @cached_property
    def reference_columns(self) -> frozenset[str]:
        """Columns whose values come from a row that a reference points to.

        A column whose values start here is the table's own, even where a composite reference repeats it, as a
        country's code does in the reference to its capital.
        """
        pointed = {column for key in self.foreign_keys for column in key.columns}
        return frozenset(pointed - set(self.own_keys))

    @property
    def polymorphic_columns(self) -> frozenset[str]:
        """Columns that point to a row of the table that another column names."""
        return frozenset(found.column for found in self.loose_references if found.when is not None)

    @property
    def writable_columns(self) -> tuple[Column, ...]:
        """Columns that a row must bring: all but the generated ones."""
        return tuple(column for column in self.columns if column.generated is None)


@dataclass(frozen=True)
class Schema:
    """Everything a database declares, as far as planning needs it. The dump carries the rest.

    Attributes:
        database: the database's name.
        server: name and version of the server, as in ``PostgreSQL 15.4``.
        server_version: its version as one number, as in ``150004``.
        tables: tables of all user schemas, ordered by id.
        sequences: all sequences.
        materialized_views: ids of the materialised views that are filled, in the order in which they must be refreshed.
        views: ids of the views.
        extensions: the installed extensions.
        unsupported: what the replica will not carry, a line each with the reason.
    """

    database: str
    server: str
    server_version: int
    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...] = ()
    materialized_views: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    extensions: tuple[Extension, ...] = ()
    unsupported: tuple[str, ...] = field(default=())

    @cached_property
    def by_id(self) -> dict[str, Table]:
        """Tables by id."""
        return {table.id: table for table in self.tables}

    @property
    def foreign_keys(self) -> tuple[ForeignKey, ...]:
        """All references of all tables."""
        return tuple(key for table in self.tables for key in table.foreign_keys)

    def referencing(self, table: str) -> tuple[ForeignKey, ...]:
        """Returns the references that point to a table."""
        return tuple(key for key in self.foreign_keys if key.parent == table)


def column_list(columns: Iterable[str]) -> str:
    """Returns names as SQL writes them in a key: ``(a, "B")``."""
    return "(" + ", ".join(quote_name(column) for column in columns) + ")"
