"""Random schemas: tables with all sorts of keys, references, checks and unique rules, and how many rows they get.

A schema is data, so that hypothesis can shrink it; :func:`ddl` writes it as SQL. What rows it has is for
``random_rows`` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: its name.
        type: its type in SQL.
        pool: the values that it may have; empty where a reference fills it.
        nulls: the share of nulls among them.
        not_null: whether it is declared NOT NULL.
        clause: what stands behind the type, such as an identity.
        in_turn: True where row after row has the next value of the pool, so that none comes twice before all came.
    """

    name: str
    type: str
    pool: tuple[str, ...] = ()
    nulls: float = 0.0
    not_null: bool = False
    clause: str = ""
    in_turn: bool = False


@dataclass(frozen=True)
class Reference:
    """A foreign key.

    Attributes:
        child: number of the table that holds it.
        columns: its columns.
        parent: number of the table that it points to.
        parent_columns: the columns that it points to.
        options: what else is declared, such as MATCH FULL.
        nulls: the share of rows that point nowhere, where they may.
        in_turn: True where rows go through all parents before one is pointed to again.
    """

    child: int
    columns: tuple[str, ...]
    parent: int
    parent_columns: tuple[str, ...]
    options: str = ""
    nulls: float = 0.0
    in_turn: bool = False


@dataclass(frozen=True)
class Rule:
    """A unique rule: its parts in SQL, the condition of a partial one, whether nulls are equal, whether an index."""

    parts: tuple[str, ...]
    predicate: str = ""
    nulls_equal: bool = False
    index: bool = False


@dataclass(frozen=True)
class Table:
    """A table: name, how many rows its filler tries to give it, columns, primary key, unique rules, checks."""

    name: str
    rows: int
    columns: tuple[Column, ...]
    primary: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    checks: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """What references may point to."""
        names = {quoted(column.name): column.name for column in self.columns}
        plain = [
            rule.parts for rule in self.rules if not rule.predicate and not rule.index and set(rule.parts) <= set(names)
        ]
        found = [tuple(names[part] for part in parts) for parts in plain]
        return [self.primary, *found] if self.primary else found


@dataclass(frozen=True)
class RandomSchema:
    """Tables and the references between them; ``seed`` is what the rows are drawn with."""

    tables: tuple[Table, ...]
    references: tuple[Reference, ...]
    seed: int


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def listed(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def ddl(schema: RandomSchema) -> str:
    """Returns the tables as SQL, with all but their references."""
    return "\n".join(statement for table in schema.tables for statement in _table_ddl(table))


def _table_ddl(table: Table) -> Iterator[str]:
    parts = [
        f"{quoted(column.name)} {column.type}{' NOT NULL' if column.not_null else ''} {column.clause}".strip()
        for column in table.columns
    ]
    parts += [f"PRIMARY KEY ({listed(table.primary)})"] if table.primary else []
    parts += [f"CHECK ({check})" for check in table.checks]
    nulls = {rule: " NULLS NOT DISTINCT" if rule.nulls_equal else "" for rule in table.rules}
    parts += [f"UNIQUE{nulls[rule]} ({', '.join(rule.parts)})" for rule in table.rules if not rule.index]
    yield f"CREATE TABLE {quoted(table.name)} (\n    {f',{chr(10)}    '.join(parts)}\n);"
    for rule in table.rules:
        if rule.index:
            where = f" WHERE {rule.predicate}" if rule.predicate else ""
            yield f"CREATE UNIQUE INDEX ON {quoted(table.name)} ({', '.join(rule.parts)}){nulls[rule]}{where};"


def reference_ddl(schema: RandomSchema) -> str:
    """Returns the references as SQL."""
    return "\n".join(
        f"ALTER TABLE {quoted(schema.tables[key.child].name)} ADD FOREIGN KEY ({listed(key.columns)})"
        f" REFERENCES {quoted(schema.tables[key.parent].name)} ({listed(key.parent_columns)}) {key.options};"
        for key in schema.references
    )


# Drawing

TABLE_NAMES = (
    "account", "Order", "order line", "account_item", "user", "Straße", 'quo"te', "select", "t" * 63, "items",
    "item_tag", "a.b",
)  # fmt: skip
COLUMN_NAMES = ("name", "Kind", "group", "from date", "über", 'q"q', "value", "level", "c" * 63, "note", "x", "is_on")
SIZES = (40, 20, 60, 100, 8, 3, 30, 12, 40, 5, 60, 1, 24, 40, 16, 80, 40, 0)
LABELS = ("red", "green", "blue", "Light Grey", "o'range", "NULL", "white", "pink", "brown", "teal")
FIRST_DAY = date(2023, 1, 1)

POOLS: dict[str, Callable[[int], list[str]]] = {
    "integer": lambda n: [str(k) for k in range(1, n + 1)],
    "smallint": lambda n: [str(k - 2) for k in range(n)],
    "bigint": lambda n: [str(10**12 + 7 * k) for k in range(n)],
    "numeric(8,2)": lambda n: [f"{k * 5 / 4:.2f}" for k in range(n)],
    "double precision": lambda n: [repr(k / 7) for k in range(n)],
    "text": lambda n: [LABELS[k] if k < len(LABELS) else f"Label {k}" for k in range(n)],
    "varchar(12)": lambda n: [f"{'AbCdEf'[k % 6]}-{k:03d}" for k in range(n)],
    "char(4)": lambda n: [f"x{k:02d}" for k in range(min(n, 99))],
    "boolean": lambda n: ["true", "false"][: max(n, 1)],
    "date": lambda n: [str(FIRST_DAY + timedelta(days=3 * k)) for k in range(n)],
    "timestamptz": lambda n: [f"{FIRST_DAY + timedelta(days=k)} 08:30:00+00" for k in range(n)],
    "uuid": lambda n: [str(UUID(int=k * 7919 + 11)) for k in range(n)],
    "jsonb": lambda n: [f'{{"a": {k}}}' for k in range(n)],
    "integer[]": lambda n: ["{" + ",".join(map(str, range(k % 4))) + "}" for k in range(n)],
}
ORDERED = ("integer", "smallint", "bigint", "numeric(8,2)", "double precision", "date", "timestamptz")
TEXTS = ("text", "varchar(12)", "char(4)")
# What unique rules can be made of.
COMPARED = (*ORDERED, *TEXTS, "boolean", "uuid")
LITERAL = {"jsonb": "'{}'", "integer[]": "'{}'"}


@st.composite
def random_schemas(draw: Draw) -> RandomSchema:
    """Draws a schema of one to eight tables."""
    names = draw(st.permutations(TABLE_NAMES))[: draw(st.integers(1, 8))]
    drawing = _Drawing(draw, names, tenants=len(names) > 2 and draw(st.booleans()))
    for number in range(len(names)):
        drawing.add_table(number)
    for number in range(len(names)):
        drawing.add_references(number)
    for number in range(len(names)):
        drawing.add_rules(number)
    return RandomSchema(tuple(drawing.tables), tuple(drawing.references), draw(st.integers(0, 2**32 - 1)))


class _Drawing:
    """A schema on its way."""

    def __init__(self, draw: Draw, names: Sequence[str], *, tenants: bool) -> None:
        self.draw = draw
        self.names = names
        self.tenants = tenants
        self.tables: list[Table] = []
        self.references: list[Reference] = []

    def chance(self, percent: int) -> bool:
        # Written so that it shrinks to False.
        return bool(self.draw(st.integers(0, 99)) >= 100 - percent)

    def one(self, values: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(values))

    # Tables and their own keys

    def add_table(self, number: int) -> None:
        """Draws a table with its primary key, which may be made of references to earlier tables."""
        self.tables.append(Table(self.names[number], self.one(SIZES), ()))
        ways: dict[str, Callable[[int], None]] = {
            "identity": self._own_key("integer", "GENERATED ALWAYS AS IDENTITY"),
            "serial": self._own_key("serial"),
            "by default": self._own_key("bigint", "GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT 10)"),
            "uuid": self._own_key("uuid"),
            "natural": self._own_key("integer"),
            "code": self._own_key("varchar(12)"),
            "none": lambda _: None,
            "pair": self._pair_key,
            "pair of labels": self._pair_key,
        }
        if [table for table in self.tables[:number] if table.keys]:
            ways |= {"child": self._child_key, "line": self._line_key, "bridge": self._bridge_key}
            if self.tenants and self.tables[0].keys:
                ways |= {"tenant": self._tenant_key, "tenant too": self._tenant_key}
        ways[self.one(list(ways))](number)
        for _ in range(self.draw(st.integers(0, 4))):
            self._attribute(number)
        if self.chance(30):
            self._code(number)

    def _put(self, number: int, column: Column) -> str:
        table = self.tables[number]
        self.tables[number] = replace(table, columns=(*table.columns, column))
        return column.name

    def _free_name(self, number: int, name: str) -> str:
        taken = {column.name for column in self.tables[number].columns}
        found, k = name, 1
        while found in taken:
            k += 1
            found = f"{name[:60]}{k}"
        return found

    def _primary(self, number: int, names: Sequence[str]) -> None:
        self.tables[number] = replace(self.tables[number], primary=tuple(names))

    def _own_key(self, type_: str, clause: str = "") -> Callable[[int], None]:
        def put(number: int) -> None:
            rows = max(1, self.tables[number].rows)
            pool = POOLS["integer" if type_ == "serial" else type_](rows)
            step, start = (10, 100) if "START" in clause else (1, 1)
            if clause:
                pool = [str(start + step * k) for k in range(rows)]
            self._primary(number, [self._put(number, Column("id", type_, tuple(pool), clause=clause, in_turn=True))])

        return put

    def _pair_key(self, number: int) -> None:
        """A key of two attributes; where there are few values of both, every pair is taken."""
        size = max(2, round(max(1, self.tables[number].rows) ** 0.5 + self.one([0, 2, 10])))
        names = [
            self._put(number, Column("region", "text", tuple(POOLS["text"](size)), not_null=True)),
            self._put(number, Column("no", "integer", tuple(POOLS["integer"](size)), not_null=True, in_turn=True)),
        ]
        self._primary(number, names)

    def _tenant_key(self, number: int) -> None:
        names = self._reference(number, 0, self.tables[0].keys[0], required=True)
        pool = tuple(POOLS["integer"](max(1, self.tables[number].rows)))
        own = self._put(number, Column("no", "integer", pool, not_null=True, in_turn=True))
        self._primary(number, [*names, own])

    def _child_key(self, number: int) -> None:
        self._primary(number, self._backward(number, in_turn=True))

    def _line_key(self, number: int) -> None:
        names = self._backward(number)
        own = self._put(number, Column("line", "integer", tuple(POOLS["integer"](self.one([2, 4, 30]))), not_null=True))
        self._primary(number, [*names, own])

    def _bridge_key(self, number: int) -> None:
        full = self.chance(30)
        columns = [name for _ in range(self.one([2, 2, 3])) for name in self._backward(number, in_turn=full)]
        self._primary(number, list(dict.fromkeys(columns)))

    def _backward(self, number: int, *, in_turn: bool = False) -> tuple[str, ...]:
        """A reference to an earlier table that may be part of a key."""
        parent = self.one([k for k in range(number) if self.tables[k].keys])
        return self._reference(number, parent, self.one(self.tables[parent].keys), required=True, in_turn=in_turn)

    def _attribute(self, number: int) -> None:
        type_ = self.one(list(POOLS))
        pool = tuple(POOLS[type_](self.one([1, 2, 4, 10, 30, 120])))
        nulls = self.one([0.0, 0.0, 0.2, 0.7])
        required = nulls == 0 and self.chance(60)
        name = self._free_name(number, self.one(COLUMN_NAMES))
        self._put(number, Column(name, type_, pool, nulls, required, in_turn=self.chance(15)))

    def _code(self, number: int) -> None:
        """A second key, which may be null."""
        pool = tuple(
            POOLS[(type_ := self.one(["text", "varchar(12)", "integer", "uuid"]))](max(1, self.tables[number].rows))
        )
        required = self.chance(60)
        column = Column("code", type_, pool, 0.0 if required else 0.2, required, in_turn=True)
        table = self.tables[number]
        rule = Rule((quoted(self._put(number, column)),))
        self.tables[number] = replace(self.tables[number], rules=(*table.rules, rule))

    # References

    def add_references(self, number: int) -> None:
        """Draws references to any table, this one and later ones included."""
        for _ in range(self.one([0, 1, 1, 2, 3])):
            keys = [(k, key) for k in range(len(self.tables)) for key in self._reachable(number, k)]
            wide = [(k, key) for k, key in keys if len(key) > 1]
            if keys:
                parent, key = self.one(wide if wide and self.chance(40) else keys)
                # Rows that must point on to tables that are filled later are mostly lost.
                required = self.chance(50 if parent < number else 10)
                self._reference(number, parent, key, required=required, in_turn=self.chance(20))

    def _reachable(self, number: int, parent: int) -> list[tuple[str, ...]]:
        """Keys of a table that a reference may point to: backward any, otherwise those that earlier tables fill."""
        late = {column for key in self.references if key.child == parent and key.parent != 0 for column in key.columns}
        return [key for key in self.tables[parent].keys if parent < number or not set(key) & late]

    def _reference(
        self, number: int, parent: int, key: tuple[str, ...], *, required: bool, in_turn: bool = False
    ) -> tuple[str, ...]:
        """Adds a reference with its columns; the tenant's is shared with other references."""
        columns = [self._reference_column(number, parent, name, required=required) for name in key]
        options = self._options(len(key))
        nulls = 0.0 if required else self.one([0.1, 0.5])
        found = Reference(number, tuple(columns), parent, key, options, nulls, in_turn)
        same = [other for other in self.references if (other.child, other.columns) == (number, found.columns)]
        if not same:
            self.references.append(found)
        return found.columns

    def _reference_column(self, number: int, parent: int, name: str, *, required: bool) -> str:
        target = self.tables[parent].column(name)
        is_tenant = self.tenants and (parent == 0 or name.startswith("tenant"))
        wanted = f"tenant_{name}" if self.tenants and parent == 0 else name if is_tenant else f"{name[:20]}_of_{parent}"
        table = self.tables[number]
        if is_tenant and any(column.name == wanted for column in table.columns):
            return wanted
        type_ = "integer" if target.type == "serial" else target.type
        return self._put(number, Column(self._free_name(number, wanted), type_, not_null=required))

    def _options(self, width: int) -> str:
        options = [self.one(["", "MATCH FULL"])] if width > 1 else []
        options += [self.one(["", "", "DEFERRABLE INITIALLY DEFERRED", "ON DELETE CASCADE"])]
        return " ".join(option for option in options if option)

    # Rules

    def add_rules(self, number: int) -> None:
        """Draws checks and unique rules over the columns that are there."""
        checks = [self._check(number) for _ in range(self.one([0, 0, 0, 1, 1, 2]))]
        # Two conditions on nulls leave most tables without a row.
        checks = [check for check in checks if "null" not in check.lower()] or checks[:1]
        rules = [self._rule(number) for _ in range(self.one([0, 0, 1, 1, 2]))]
        table = self.tables[number]
        self.tables[number] = replace(
            table,
            checks=tuple(dict.fromkeys(check for check in checks if check)),
            rules=tuple(dict.fromkeys((*table.rules, *(rule for rule in rules if rule)))),
        )

    def _check(self, number: int) -> str:
        table = self.tables[number]
        ways = [*self._checks_of_one(table), *self._checks_of_two(table)]
        return str(self.one(ways)) if ways else ""

    def _checks_of_one(self, table: Table) -> Iterator[str]:
        for column in table.columns:
            name, pool = quoted(column.name), column.pool
            if column.type in ORDERED and pool:
                yield f"{name} BETWEEN {_literal(column, pool[0])} AND {_literal(column, pool[len(pool) * 3 // 4])}"
                yield f"{name} >= {_literal(column, pool[len(pool) // 4])}"
                if len(pool) > 1:
                    yield f"{name} <> {_literal(column, pool[len(pool) // 2])}"
            if column.type in TEXTS and pool:
                some = ", ".join(_literal(column, value) for value in pool[: 2 + len(pool) // 2])
                yield f"{name} IN ({some})"
                yield f"char_length({name}) <= {sorted(map(len, pool))[len(pool) // 2]}"
            if not column.not_null and column.name not in table.primary and (pool or column.nulls):
                yield f"{name} IS NOT NULL"

    def _checks_of_two(self, table: Table) -> Iterator[str]:
        own = [column for column in table.columns if column.name not in table.primary]
        for a, b in combinations(table.columns, 2):
            if a.type == b.type and a.type in ORDERED:
                yield f"{quoted(a.name)} <= {quoted(b.name)}"
            if a.type == b.type and a.type in COMPARED and len({*a.pool, *b.pool}) != 1:
                yield f"{quoted(a.name)} <> {quoted(b.name)}"
        for a, b in combinations([column for column in own if not column.not_null], 2):
            yield f"{quoted(a.name)} IS NULL OR {quoted(b.name)} IS NOT NULL"
            yield f"num_nonnulls({quoted(a.name)}, {quoted(b.name)}) = 1"
            yield f"({quoted(a.name)} IS NULL) = ({quoted(b.name)} IS NULL)"
        for a, b in combinations(own, 2):
            if a.type in COMPARED and a.pool and not b.not_null:
                yield f"{quoted(a.name)} <> {_literal(a, a.pool[0])} OR {quoted(b.name)} IS NOT NULL"

    def _rule(self, number: int) -> Rule | None:
        table = self.tables[number]
        usable = [column for column in table.columns if column.type in COMPARED or not column.pool]
        if not usable:
            return None
        chosen = self.draw(st.lists(st.sampled_from(usable), min_size=1, max_size=3, unique=True))
        parts = tuple(quoted(column.name) for column in chosen)
        way = self.one(["constraint", "constraint", "index", "nulls equal", "partial", "lower"])
        if way == "lower":
            parts = tuple(
                f"lower({part})" if column.type in ("text", "varchar(12)") else part
                for part, column in zip(parts, chosen, strict=True)
            )
        predicate = self._predicate(table) if way == "partial" else ""
        return Rule(parts, predicate, way == "nulls equal", index=way not in ("constraint", "nulls equal"))

    def _predicate(self, table: Table) -> str:
        column = self.one(table.columns)
        name = quoted(column.name)
        if column.type == "boolean":
            return name
        if column.pool and column.type in COMPARED and self.chance(50):
            return f"{name} = {_literal(column, column.pool[0])}"
        return f"{name} IS {'NULL' if self.chance(50) else 'NOT NULL'}"


def _literal(column: Column, value: str) -> str:
    return value if column.type in ORDERED[:5] else "'" + value.replace("'", "''") + "'"
