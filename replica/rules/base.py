"""What a form of rule is: how it is looked for in rows, and how made-up rows are brought to keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.kinds.base import is_null
from replica.kinds.datetime import DAY_US, moment_numbers
from replica.relations.joins import group_numbers, row_numbers
from replica.schema.model import Column, ForeignKey, Schema, Table, quote_name, quoted_name
from replica.schema.rules import ParentRule, Rule
from replica.schema.schema_map import TableMap

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
R = TypeVar("R", bound=Rule)

MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
NUMBERS = frozenset({"integer", "float", "numeric", "money"})
_NO_EQUALITY = frozenset({"json", "xml"})

FEWEST = 20
"""Rows that a rule must hold on, and rows that would break it if its columns knew nothing of each other."""
NEARLY = 0.995
"""Share of rows on which a rule must hold to be worth showing although some break it."""
_FAR = 10


@dataclass(frozen=True)
class Evidence:
    """What rows say of a rule.

    Attributes:
        support: rows that it says something of and that keep it.
        breaks: rows that break it.
        by_chance: rows that would break it if columns were shuffled. A rule that chance would hardly break says
            nothing: it follows from the columns' own values, or the table is too small.
    """

    support: int
    breaks: int
    by_chance: float

    @property
    def says_something(self) -> bool:
        """True where there are rows enough and chance would have broken it."""
        return self.support >= FEWEST and self.by_chance >= FEWEST

    @property
    def holds(self) -> bool:
        """True for a rule to adopt: it holds on every row, with enough support."""
        return self.says_something and self.breaks == 0

    @property
    def nearly(self) -> bool:
        """True for a rule to show only: few rows break it, and chance would have broken it far more often."""
        few = self.support >= NEARLY * (self.support + self.breaks)
        return self.says_something and few and self.breaks * _FAR <= self.by_chance


@dataclass(frozen=True)
class Looked:
    """Rows of a table in which rules are looked for.

    Attributes:
        table: the table.
        map: what is known of it.
        columns: values, by column.
        complete: True where these are all rows.
        min_holders: least number of persons behind a value that a map may hold.
        holder: the columns that name the person behind a row of a private table; None where nothing does, empty where
            every row is a person.
    """

    table: Table
    map: TableMap
    columns: Mapping[str, pa.Array]
    complete: bool
    min_holders: int = 1
    holder: tuple[str, ...] | None = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def kind(self, name: str) -> str:
        """Returns the kind that the map gives a column."""
        found = self.map.columns.get(name)
        return found.kind if found else ""

    @cached_property
    def codes(self) -> dict[str, Ints]:
        """Each column with its different values numbered, null being one of them."""
        return {name: group_numbers([values]) for name, values in self.columns.items()}

    @cached_property
    def distinct(self) -> dict[str, int]:
        """How many different values each column has."""
        return {name: int(codes.max(initial=-1)) + 1 for name, codes in self.codes.items()}

    @cached_property
    def free(self) -> tuple[str, ...]:
        """Columns with values of their own: no keys, no references, nothing computed, and not empty."""
        alone = {unique.columns[0] for unique in self.table.uniques if len(unique.columns) == 1}
        return tuple(
            name
            for name, values in self.columns.items()
            if self.kind(name) not in _STRUCTURAL and name not in alone and values.null_count < len(values)
        )

    def numbers(self) -> tuple[str, ...]:
        """Columns that hold measured numbers; none with NaN or infinity, which add up to nothing."""
        return tuple(
            name
            for name in self.free
            if self.table.by_name[name].type.family in NUMBERS and np.isfinite(measured(self.columns[name])[0]).all()
        )

    def moments(self) -> tuple[str, ...]:
        """Columns that hold dates and timestamps, ends of periods among them; none with infinite ones."""
        return tuple(
            name
            for name, values in self.columns.items()
            if self.table.by_name[name].type.family in MOMENTS
            and self.kind(name) != "generated"
            and values.null_count < len(values)
            and (np.abs(measured(values)[0]) < _INFINITE_US).all()
        )


# Infinite moments stand at the ends of what Arrow can count to.
_INFINITE_US = 9.2e18


_STRUCTURAL = frozenset({"key", "reference", "generated", "derived", "counter", "credential", "period_end"})

Tables = Mapping[str, Looked]


class Seen(Protocol):
    """What a rule may look at while values of a column are made."""

    rng: np.random.Generator

    def schema(self, name: str) -> Column:
        """Returns a column's declaration."""

    def own(self, name: str) -> pa.Array:
        """Returns another column of the same rows."""

    def parent(self, via: tuple[str, ...], name: str) -> pa.Array:
        """Returns a column of the rows that these rows point to through some columns."""

    def children(self, table: str, via: tuple[str, ...], names: Iterable[str]) -> tuple[Ints, dict[str, pa.Array]]:
        """Returns the row here that each row of another table points to, -1 for none, and columns of that table."""

    def leave(self, rows: int) -> None:
        """Says in how many rows the rule cannot be kept."""

    def learned(self) -> pa.Table | None:
        """Returns what was learned for the rule that is kept; None for nothing."""


Reads = dict[str, Set[str]]


def _fits_any(rule: R, table: Table, schema: Schema) -> str | None:  # noqa: ARG001
    """Stands in for forms that say something of columns of any type."""
    return None


@dataclass(frozen=True)
class RuleKind(Generic[R]):
    """A form of rule: how to find it, test it, say it and keep it.

    Attributes:
        propose: rules that some rows of a table suggest.
        test: what rows say of a rule.
        reads: the columns that it speaks of, by table; the ruled ones among them.
        ruled: columns that may be changed to keep it, the best choice first.
        describe: the rule in words, without a value of any row.
        breaks: an SQL query that counts the rows of a table that break it, in a schema.
        keep: a column with the rule kept, from what the column was. Called with the rule, the column's name, its
            values and what may be seen.
        unfit: why its columns cannot be compared or computed, in words; None where they can. Called with the rule, its
            table and the schema, once all names are known to exist.
        whole: True where rows cannot be looked at in parts.
        defines: True where the rule alone decides the column; False where it only bounds it.
        together: True where all ruled columns are changed, in their order; False where one of them is.
        key: the columns of the undeclared key that it is, which is planned as declared ones are; None for others.
        lenient: True where it is kept although a few rows of the source break it.
        alone: True where each row keeps or breaks it by itself: copied whole, it keeps it.
    """

    propose: Callable[[Looked, Tables, tuple[ForeignKey, ...]], Iterable[R]]
    test: Callable[[R, Looked, Tables, np.random.Generator], Evidence]
    reads: Callable[[R, Table], Reads]
    ruled: Callable[[R], tuple[str, ...]]
    describe: Callable[[R, Table], str]
    breaks: Callable[[R, Table, Schema], str]
    keep: Callable[[R, str, pa.Array, Seen], pa.Array]
    unfit: Callable[[R, Table, Schema], str | None] = _fits_any
    whole: bool = False
    defines: bool = False
    together: bool = False
    key: Callable[[R], tuple[str, ...]] | None = None
    lenient: bool = False
    alone: bool = False


def measured(values: pa.Array) -> tuple[Floats, Mask]:
    """Returns values as numbers (moments as microseconds since 1970), and where they are null."""
    null = is_null(values)
    if pa.types.is_date32(values.type):
        return moment_numbers(values).astype(np.float64) * DAY_US, null
    if pa.types.is_timestamp(values.type):
        return moment_numbers(values).astype(np.float64), null
    filled = values.cast(pa.float64(), safe=False)
    return np.array(filled.fill_null(0.0), dtype=np.float64), null


def like(numbers: Floats, null: Mask, kind: pa.DataType, *, up: bool = True) -> pa.Array:
    """Turns numbers back into values of an Arrow type; what lies between two dates goes up, or down."""
    mask = null | ~np.isfinite(numbers)
    safe = np.where(mask, 0.0, numbers)
    if pa.types.is_date32(kind):
        days = np.ceil(safe / DAY_US) if up else np.floor(safe / DAY_US)
        return pa.array(days.astype(np.int32), pa.int32(), mask=mask).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array(safe.astype(np.int64), pa.int64(), mask=mask).cast(kind)
    if pa.types.is_decimal(kind):
        return pc.cast(pa.array(np.round(safe, kind.scale), mask=mask), kind, safe=False)
    if pa.types.is_integer(kind):
        return pa.array((np.ceil(safe) if up else np.floor(safe)).astype(np.int64), mask=mask).cast(kind)
    if pa.types.is_string(kind):
        return pa.array([repr(value) for value in safe.tolist()], kind, mask=mask)
    return pa.array(safe, kind, mask=mask)


def shuffled(n: int, mask: Mask, broken: Callable[[Ints], Mask], rng: np.random.Generator) -> float:
    """How many of some rows would break a rule if one of its columns were shuffled among them.

    Args:
        n: how many rows the rule says something of.
        mask: which ones.
        broken: given for each of them the row whose value it gets, which then break the rule.
        rng: a random stream.
    """
    rows = np.flatnonzero(mask)
    if len(rows) < 2:
        return 0.0
    return float(broken(rng.permutation(rows)).mean()) * n


def points_to(child: Looked, key: ForeignKey, parent: Looked) -> Ints | None:
    """Returns the row of the parent that each row of the child points to; None where columns were not read."""
    if not set(key.columns) <= set(child.columns) or not set(key.parent_columns) <= set(parent.columns):
        return None
    return row_numbers(
        [child.columns[name] for name in key.columns], [parent.columns[name] for name in key.parent_columns]
    )


def key_of(keys: Iterable[ForeignKey], child: str, via: tuple[str, ...]) -> ForeignKey | None:
    """Returns the reference of a table through some columns."""
    return next((key for key in keys if key.child == child and key.columns == via), None)


def unlike(families: Set[str], columns: Iterable[Column]) -> str | None:
    """Returns that a column is not of some families, in words; None where all are."""
    wrong = next((column for column in columns if column.type.family not in families), None)
    return (
        None if wrong is None else f"{quote_name(wrong.name)} is neither a number nor a moment, or not as the other is"
    )


def in_sql(column: Column, alias: str = "") -> str:
    """Returns a column in SQL that compares and computes; money as the number that it is."""
    name = f"{alias}.{quoted_name(column.name)}" if alias else quoted_name(column.name)
    return f"{name}::numeric" if column.type.family == "money" else name


def comparable(column: Column, alias: str) -> str:
    """Returns a column in SQL that can be compared and grouped by: some types have no equality."""
    name = f"{alias}.{quoted_name(column.name)}"
    return f"{name}::text" if column.type.base in _NO_EQUALITY or column.type.family == "other" else name


def joined(key: ForeignKey) -> str:
    """Returns the condition under which a row ``c`` points to a row ``p``."""
    pairs = zip(key.columns, key.parent_columns, strict=True)
    return " AND ".join(f"c.{quoted_name(down)} = p.{quoted_name(up)}" for down, up in pairs)


def reads_above(rule: ParentRule, table: Table) -> Reads:
    """Returns the columns that a rule speaks of which looks at the row that another one points to."""
    found: Reads = {table.id: {rule.column, *rule.via}}
    key = key_of(table.foreign_keys, table.id, rule.via)
    if key is not None:
        found[key.parent] = found.get(key.parent, frozenset()) | {rule.parent_column, *key.parent_columns}
    return found


def words(name: str) -> frozenset[str]:
    """Returns the words of a column's name, in lower case."""
    spaced = "".join(f"_{c.lower()}" if c.isupper() and i and name[i - 1].islower() else c.lower()
                     for i, c in enumerate(name))  # fmt: skip
    return frozenset(word for word in spaced.replace(" ", "_").split("_") if word)
