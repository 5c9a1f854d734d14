"""A query as data: a table, what it leads to, conditions, groups, and what is counted or added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from replica.schema.model import ForeignKey, column_list, quote_name

Comparison = Literal["=", "in", "<=", ">=", "between", "is null", "is not null"]
Part = Literal["value", "year", "month"]
Measure = Literal["count", "sum", "avg"]


@dataclass(frozen=True, slots=True)
class Place:
    """A column of one of a query's tables.

    Attributes:
        table: the table's place in the query.
        name: the column's name.
    """

    table: int
    name: str


@dataclass(frozen=True, slots=True)
class Join:
    """A step along a reference.

    Attributes:
        start: the place of the table that it starts from.
        key: the reference; the table that it points to comes next in the query.
    """

    start: int
    key: ForeignKey


@dataclass(frozen=True, slots=True)
class Condition:
    """What a row must meet.

    Attributes:
        place: the column.
        comparison: what it is compared by.
        constants: what with, as numbers: of a category the number of its label. They are values of the original.
    """

    place: Place
    comparison: Comparison
    constants: tuple[float, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """What rows are grouped by: a column's value, or the year or month of a moment."""

    place: Place
    part: Part = "value"


@dataclass(frozen=True)
class Query:
    """A query over the rows of one table, each beside the rows that it leads to; rows that lead nowhere do not count.

    Attributes:
        table: id of the table.
        joins: steps to other tables.
        conditions: what rows must meet, all of it.
        groups: what they are grouped by; empty for one answer.
        measure: rows counted, or a column added up or averaged.
        of: that column; None where rows are counted.
    """

    table: str
    joins: tuple[Join, ...] = ()
    conditions: tuple[Condition, ...] = ()
    groups: tuple[Group, ...] = ()
    measure: Measure = "count"
    of: Place | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """Ids of all tables, in their places."""
        return (self.table, *(join.key.parent for join in self.joins))

    def describe(self) -> str:
        """Returns the query in words, without a constant."""
        measure = "count" if self.of is None else f"{self.measure}({self._name(self.of)})"
        parts = [f"{measure} of {self.table}"]
        # A step that no column is behind still leaves rows out.
        said = {place.table for place in self._places()} | {join.start for join in self.joins}
        parts += [f"that has {self._path(i)}" for i in range(1, len(self.tables)) if i not in said]
        if self.conditions:
            parts.append("where " + " and ".join(map(self._condition, self.conditions)))
        if self.groups:
            parts.append("by " + ", ".join(map(self._group, self.groups)))
        return " ".join(parts)

    def _places(self) -> list[Place]:
        places = [*(condition.place for condition in self.conditions), *(group.place for group in self.groups)]
        return [*places, *([self.of] if self.of else [])]

    def _path(self, table: int) -> str:
        """The references that lead to a table, by their columns."""
        if not table:
            return ""
        join = self.joins[table - 1]
        columns = join.key.columns
        step = quote_name(columns[0]) if len(columns) == 1 else column_list(columns)
        return f"{before} → {step}" if (before := self._path(join.start)) else step

    def _name(self, place: Place) -> str:
        path = self._path(place.table)
        return f"{path} → {quote_name(place.name)}" if path else quote_name(place.name)

    def _condition(self, condition: Condition) -> str:
        shown = {"in": "in (…)", "between": "between …", "is null": "is null", "is not null": "is not null"}
        return f"{self._name(condition.place)} {shown.get(condition.comparison, f'{condition.comparison} …')}"

    def _group(self, group: Group) -> str:
        name = self._name(group.place)
        return name if group.part == "value" else f"{group.part} of {name}"
