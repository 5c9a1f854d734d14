"""What learning gives: a fitted table, and the fitted replica of a whole database. Pure data that can be saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Ddl, Repeats
from replica.generators.base import TableGenerator
from replica.kinds.base import Codes, Kind, Span
from replica.kinds.categorical import two_spans
from replica.planning.decisions import Plan, TablePlan
from replica.privacy.ledger import Ledger
from replica.relations.context import Ancestor, ContextSpec
from replica.relations.families import FamilyCode
from replica.relations.fanout import FanOut
from replica.relations.gaps import GapCode
from replica.relations.keys import KeyMaker
from replica.relations.layout import Layout
from replica.relations.partial import PartialNulls
from replica.relations.reuse import Reuse
from replica.relations.sequences import SequenceCode


@dataclass(frozen=True)
class ReferenceCode:
    """The spans that say which rows a reference points to.

    Attributes:
        name: id of the reference.
        rows: for a reference to rows that are kept, how many there are, and each has a code; None where the
            parent's rows are made up, and codes stand for clusters of them.
        sizes: codes per level of the clusters; empty for kept rows.
        nulls: True where the last code of the first span stands for null.
        tree: True for a reference of a table to itself without circles, whose depth has a span of its own.
        depths: how many levels such a tree has.
    """

    name: str
    rows: int | None
    sizes: tuple[int, ...]
    nulls: bool
    tree: bool = False
    depths: int = 0

    @property
    def spans(self) -> tuple[Span, ...]:
        """One span for kept rows (two where there are many), or one per level of the clusters."""
        if self.rows is not None:
            return two_spans(self.name, self.rows + self.nulls)
        first = Span(f"{self.name} cluster", self.sizes[0] + self.nulls)
        return (first, *(Span(f"{self.name} cluster {i + 2}", size) for i, size in enumerate(self.sizes[1:])))

    @property
    def depth_spans(self) -> tuple[Span, ...]:
        """The span with the depth of a row in its tree."""
        return (Span(f"{self.name} depth", self.depths, ordered=self.depths),) if self.tree else ()


@dataclass(frozen=True)
class RelativeMoment:
    """A moment that is learned as a distance from another moment of its row.

    Attributes:
        base: the column it is counted from.
        gap: the distance; None where the column never has a value.
        nulls: True where the last code stands for null.
    """

    base: str
    gap: GapCode | None
    nulls: bool

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans of the distance, the first with a code more where null occurs."""
        if self.gap is None:
            return ()
        first, *rest = self.gap.spans
        return (Span(first.name, first.cardinality + self.nulls, ordered=first.ordered), *rest)


@dataclass(frozen=True)
class PeriodEnd:
    """The end of a period: where the next row of the same owner starts, or shortly before.

    Attributes:
        start: the column with the start.
        offset: what is taken off the next start, in its own units.
        last: what the last row of an owner has instead; its base is the row's own start.
    """

    start: str
    offset: int
    last: RelativeMoment

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans of the last row's end, each with a code more, for rows that are not last."""
        return tuple(Span(span.name, span.cardinality + 1, ordered=span.ordered) for span in self.last.spans)


@dataclass(frozen=True)
class Lookup:
    """What follows from the values of a column: texts of both, pair by pair; None for null."""

    by: tuple[str, ...]
    values: tuple[str | None, ...]

    def array(self) -> pa.Array:
        """Returns what follows, as text."""
        return pa.array(self.values, pa.string())


@dataclass(frozen=True)
class FittedTable:
    """A table that has been learned.

    Attributes:
        rows: how many rows the source has.
        orphans: how many of them have no owner although the table has one.
        layout: what the codes of a row are.
        context: what is known of a row before it is made.
        kinds: the fitted kinds, by column.
        relative: moments that are learned as distances, by column.
        period_ends: ends of periods, by column.
        keys: what makes the keys, by column.
        sequence: the order of the rows of one owner; None without one.
        fan_outs: numbers of children, by reference to this table.
        families: what children have in common, by reference to this table.
        references: which rows references point to, by reference of this table.
        kept: for small public tables whose rows are kept as such, the codes of what their children have in common;
            shape (source rows, spans of the ``common`` blocks). None otherwise.
        apart: pairs of references of this table that never point to one row, the table itself standing for "".
        same_person: True where personal data are those of the person that the row belongs to.
        copied: for references from kept rows to kept rows, the number of the row pointed to, by reference; -1 for null.
        generator: the fitted model; None where there is nothing to draw.
        lookups: what follows from what by rules of the table, by the column that follows.
        partial: which columns composite references have where they point nowhere, by reference.
        reuse: values that rows of one owner hardly ever share.
        referenced: what is seen of the rows that references point to, by reference.
    """

    rows: int
    orphans: int
    layout: Layout
    context: ContextSpec
    kinds: Mapping[str, Kind]
    relative: Mapping[str, RelativeMoment]
    period_ends: Mapping[str, PeriodEnd]
    keys: Mapping[str, KeyMaker]
    sequence: SequenceCode | None
    fan_outs: Mapping[str, FanOut]
    families: Mapping[str, FamilyCode]
    references: Mapping[str, ReferenceCode]
    kept: Codes | None
    apart: tuple[tuple[str, str], ...]
    same_person: bool
    copied: Mapping[str, npt.NDArray[np.int64]]
    generator: TableGenerator | None
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    partial: Mapping[str, PartialNulls] = field(default_factory=dict)
    reuse: tuple[Reuse, ...] = ()
    referenced: Mapping[str, Ancestor] = field(default_factory=dict)


@dataclass(frozen=True)
class FittedReplica:
    """A database that has been learned: all that is needed to make others like it.

    Attributes:
        plan: what was decided.
        ddl: the schema as SQL.
        tables: the fitted tables, by id.
        repeats: how often rows occur more than once, by table without keys.
        privacy: the claim of differential privacy and what it rests on; None without one.
        control: random name of the record of who was kept out of learning; None where nobody was.
    """

    plan: Plan
    ddl: Ddl
    tables: Mapping[str, FittedTable]
    repeats: Mapping[str, Repeats] = field(default_factory=dict)
    privacy: Ledger | None = None
    control: str | None = None

    def apart_from(self, control: str, rows: Mapping[str, int]) -> FittedReplica:
        """Returns the same, learned without some people.

        Args:
            control: the name of the record of who they are.
            rows: how many rows the tables that lack some have with them, by id: the replica is to be as large.
        """
        # Of a lookup all rows are copied that there are.
        larger = {table.id: rows[table.id] for table in self.plan.tables if table.id in rows and table.role != "lookup"}
        tables = {name: replace(table, rows=larger.get(name, table.rows)) for name, table in self.tables.items()}
        return replace(self, tables=tables, control=control)

    def without_rules(self) -> FittedReplica:
        """Returns the same without the rules that its rows would keep."""
        tables = tuple(replace(table, rules=()) for table in self.plan.tables)
        return replace(self, plan=replace(self.plan, tables=tables))

    def planned(self) -> tuple[tuple[TablePlan, FittedTable], ...]:
        """Returns plans and fitted tables together, in the order in which tables are made."""
        return tuple((table, self.tables[table.id]) for table in self.plan.tables)
