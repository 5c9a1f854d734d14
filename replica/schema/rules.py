"""Rules that a schema does not declare and its rows keep all the same: the forms in which a schema map says them.

Each form is a frozen dataclass. What discovers and keeps a form is a file of its own in :mod:`replica.rules`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_CONFIG = ConfigDict(extra="forbid", frozen=True)

Keep = Annotated[bool, Field(description="false strikes the rule: it is known and not kept.")]


@dataclass(config=_CONFIG)
class Inequality:
    """In no row is ``least`` greater than ``most``; rows with a null in one of them keep it.

    Attributes:
        least: the lesser column.
        most: the greater column.
        strict: True where both are never equal either.
        keep: False for a rule that is known and not kept.
        form: ``inequality``.
    """

    least: str
    most: str
    strict: bool = False
    keep: Keep = True
    form: Literal["inequality"] = "inequality"


@dataclass(config=_CONFIG)
class NullWhen:
    """A column is null exactly where another column says so.

    Attributes:
        column: the column.
        by: the column that says so.
        values: texts of the values with which ``column`` is null; empty for "where ``by`` is null".
        negated: True where it is null with all other values, or where ``by`` is not null.
        keep: False for a rule that is known and not kept.
        form: ``null_when``.
    """

    column: str
    by: str
    values: tuple[str, ...] = ()
    negated: bool = False
    keep: Keep = True
    form: Literal["null_when"] = "null_when"


@dataclass(config=_CONFIG)
class Dependency:
    """Rows that agree in one column agree in another: a functional dependency. Nulls in ``by`` say nothing.

    Attributes:
        column: the dependent column.
        by: the determinant.
        keep: False for a rule that is known and not kept.
        form: ``dependency``.
    """

    column: str
    by: str
    keep: Keep = True
    form: Literal["dependency"] = "dependency"


@dataclass(config=_CONFIG)
class Arithmetic:
    """A number that follows from others of its row; rows with a null keep it.

    Attributes:
        column: the column that follows.
        equals: the SQL expression that it equals.
        digits: digits after the point that the expression is rounded to; None for not at all.
        keep: False for a rule that is known and not kept.
        form: ``arithmetic``.
    """

    column: str
    equals: str
    digits: int | None = None
    keep: Keep = True
    form: Literal["arithmetic"] = "arithmetic"


@dataclass(config=_CONFIG)
class ChildSum:
    """A number that is a sum over the rows of another table that point here; zero or null without any.

    Attributes:
        column: the column with the sum.
        table: id of the table with the rows.
        via: its columns that point here.
        equals: the SQL expression over its columns that is summed.
        digits: digits after the point that the sum is rounded to; None for not at all.
        keep: False for a rule that is known and not kept.
        form: ``sum``.
    """

    column: str
    table: str
    via: tuple[str, ...]
    equals: str
    digits: int | None = None
    keep: Keep = True
    form: Literal["sum"] = "sum"


@dataclass(config=_CONFIG)
class ChildCount:
    """A number that counts the rows of another table that point here.

    Attributes:
        column: the column with the count.
        table: id of the table with the rows.
        via: its columns that point here.
        keep: False for a rule that is known and not kept.
        form: ``count``.
    """

    column: str
    table: str
    via: tuple[str, ...]
    keep: Keep = True
    form: Literal["count"] = "count"


@dataclass(config=_CONFIG)
class AfterParent:
    """A moment that never comes before a moment of the row that this one points to.

    Attributes:
        column: the moment.
        via: the columns that point to the other row.
        parent_column: its moment.
        keep: False for a rule that is known and not kept.
        form: ``after_parent``.
    """

    column: str
    via: tuple[str, ...]
    parent_column: str
    keep: Keep = True
    form: Literal["after_parent"] = "after_parent"


@dataclass(config=_CONFIG)
class Periods:
    """Periods of one group never overlap: each ends before the next one starts. Only the last may be open.

    Attributes:
        within: the columns of a group.
        start: the column where a period starts.
        end: the column where it ends.
        strict: True where the next one starts later than that, so that both ends belong to a period.
        keep: False for a rule that is known and not kept.
        form: ``periods``.
    """

    within: tuple[str, ...]
    start: str
    end: str
    strict: bool = False
    keep: Keep = True
    form: Literal["periods"] = "periods"


@dataclass(config=_CONFIG)
class Running:
    """A number that goes on from the row before it in its group. Rows with a null in ``within`` or ``by`` have none.

    Attributes:
        column: the running total; where it is null, this row and the next one keep the rule.
        within: the columns of a group; empty where all rows are one.
        by: the columns that order the rows of a group; a key last, so that no two rows are equal.
        equals: the SQL expression over columns that each row adds; rows where it is null keep the rule.
        opening: True where a group begins with any number; False where it begins with what its first row adds.
        digits: digits after the point that what is added is rounded to; None for not at all.
        keep: False for a rule that is known and not kept.
        form: ``running``.
    """

    column: str
    within: tuple[str, ...]
    by: Annotated[tuple[str, ...], Field(min_length=1)]
    equals: str
    opening: bool = False
    digits: int | None = None
    keep: Keep = True
    form: Literal["running"] = "running"


@dataclass(config=_CONFIG)
class Copied:
    """A column that repeats a column of the row that this one points to, nulls too; rows that point nowhere keep it.

    Attributes:
        column: the column.
        via: the columns that point to the other row.
        parent_column: the column that it repeats.
        keep: False for a rule that is known and not kept.
        form: ``copied``.
    """

    column: str
    via: tuple[str, ...]
    parent_column: str
    keep: Keep = True
    form: Literal["copied"] = "copied"


@dataclass(config=_CONFIG)
class UniqueRule:
    """A key that the schema does not declare: no two rows agree in all of its columns; rows with a null keep it.

    Attributes:
        columns: the columns.
        keep: False for a rule that is known and not kept.
        form: ``unique``.
    """

    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    keep: Keep = True
    form: Literal["unique"] = "unique"


ParentRule = AfterParent | Copied
"""Rules that look at the row that ``via`` points to."""

ChildrenRule = ChildSum | ChildCount
"""Rules that look at the rows of ``table`` that point here through ``via``."""

Rule = Inequality | NullWhen | Dependency | Arithmetic | Running | ChildrenRule | ParentRule | Periods | UniqueRule

AnyRule = Annotated[Rule, Field(discriminator="form")]
"""A rule as maps hold it: ``form`` says which one it is."""
