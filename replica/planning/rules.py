"""Which rules are kept, and which column gives way for each.

A column that a rule changes is made after those that the rule reads, so rules must not lead in a circle. What the
schema declares comes first: a key, a unique rule or a reference gives way to no rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import networkx as nx
import numpy as np

from replica.constraints.checks import NotReadableError
from replica.errors import PlanError
from replica.planning.decisions import RulePlan, TablePlan, UniquePlan
from replica.planning.scope import require_columns
from replica.rules import RULES
from replica.rules.base import Reads, key_of
from replica.rules.copied import repeated_references
from replica.rules.numbers import UNREADABLE
from replica.schema.model import ForeignKey, Schema, Table, column_list, quote_name
from replica.schema.rules import AfterParent, ChildrenRule, Copied, Inequality, ParentRule, Periods, Rule
from replica.schema.schema_map import SchemaMap

Node = tuple[str, str]
Side = Literal["least", "most"]


def plan_rules(
    tables: tuple[TablePlan, ...], schema: Schema, schema_map: SchemaMap, notes: list[str]
) -> tuple[TablePlan, ...]:
    """Adds to each table the rules that its rows will keep.

    Args:
        tables: the tables that get rows.
        schema: all tables, with the references that only the map knows.
        schema_map: the rules; those with ``keep: false`` are left out.
        notes: gets a line for each rule that cannot be kept.

    Raises:
        PlanError: a rule names a table, a column or a reference that does not exist.
    """
    claims = _Claims({table.id: table for table in tables})
    for form in RULES:
        left = [(table, rule) for table in tables for rule in schema_map.tables[table.id].rules if rule.form == form]
        for table, rule in left:
            _check_rule(table.table, rule, schema)
        if RULES[form].key is not None:
            # It stands among the table's unique rules already.
            continue
        # The rows of a lookup are copied, rules and all.
        left = [(table, rule) for table, rule in left if rule.keep and table.role != "lookup"]
        left = [(table, rule) for table, rule in left if not _is_reference(table.table, rule)]
        while left:
            # The rule with the fewest columns to choose from goes first: its choice leaves the others theirs.
            table, rule = left.pop(int(np.argmin([claims.choices(*one) for one in left])))
            if why := claims.claim(table, rule):
                notes.append(f"{table.id}: {RULES[form].describe(rule, table.table)}: not kept, since {why}")
    return tuple(replace(table, rules=tuple(claims.kept.get(table.id, ()))) for table in tables)


def with_repeated_references(schema: Schema, schema_map: SchemaMap) -> Schema:
    """Widens references by what rules say that their rows repeat of the rows pointed to.

    That a payment's customer is the one of its rental makes (rental_id, customer_id) a reference to
    rental(rental_id, customer_id), and assigning references keeps it.
    """
    columns = nx.DiGraph()
    for key in schema.foreign_keys:
        columns.add_edges_from(_column_edges(key))
    tables = []
    for table in schema.tables:
        wider = []
        for key in _widened(table, schema, schema_map, columns):
            columns.add_edges_from(_column_edges(key))
            wider.append(key)
        tables.append(replace(table, foreign_keys=(*table.foreign_keys, *wider)))
    return replace(schema, tables=tuple(tables))


def _widened(table: Table, schema: Schema, schema_map: SchemaMap, columns: nx.DiGraph) -> Iterator[ForeignKey]:
    table_map = schema_map.tables[table.id]
    rules = [rule for rule in table_map.rules if isinstance(rule, Copied) and rule.keep and table_map.role != "lookup"]
    for key in table.foreign_keys:
        repeated = set(repeated_references(table, key, schema.by_id[key.parent]))
        said = {(rule.column, rule.parent_column) for rule in rules if rule.via == key.columns}
        if pairs := {own: other for own, other in sorted(repeated & said) if _has_an_end(key, own, other, columns)}:
            name = "_".join((*key.columns, *pairs, schema.by_id[key.parent].name))
            names, targets = (*key.columns, *pairs), (*key.parent_columns, *pairs.values())
            yield ForeignKey(name, table.id, names, key.parent, targets, declared=False, repeated=tuple(pairs))


def _has_an_end(key: ForeignKey, own: str, other: str, columns: nx.DiGraph) -> bool:
    """True where what a column repeats comes from elsewhere: following references does not lead back to it."""
    start, end = (key.child, own), (key.parent, other)
    if start == end:
        # Rows of a tree may repeat a column that another reference fills.
        return any(table != key.child for table, _ in columns.successors(start))
    return not nx.has_path(columns, end, start)


def _column_edges(key: ForeignKey) -> Iterator[tuple[Node, Node]]:
    for column, target in zip(key.columns, key.parent_columns, strict=True):
        yield (key.child, column), (key.parent, target)


def _is_reference(table: Table, rule: Rule) -> bool:
    """True for a rule that assigning references keeps."""
    return isinstance(rule, Copied) and any(
        {*rule.via, rule.column} <= set(key.columns)
        and (rule.column, rule.parent_column) in zip(key.columns, key.parent_columns, strict=True)
        for key in table.foreign_keys
    )


@dataclass
class _Claims:
    """Which columns rules have claimed so far.

    Attributes:
        tables: the tables that get rows.
        graph: columns, each pointing to those that it is made of.
        defined: columns that a rule alone decides.
        bounded: on which side rules bound a column.
        kept: the rules by table.
    """

    tables: Mapping[str, TablePlan]
    graph: nx.DiGraph = field(default_factory=nx.DiGraph)
    defined: set[Node] = field(default_factory=set)
    bounded: dict[Node, Side] = field(default_factory=dict)
    kept: dict[str, list[RulePlan]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table in self.tables.values():
            for column in table.columns:
                bases = (column.map.after, column.map.near, column.map.of, *column.map.within)
                self.graph.add_edges_from(((table.id, column.name), (table.id, base)) for base in bases if base)
            for reference in table.references:
                self.graph.add_edges_from(
                    ((table.id, free), (table.id, fixed)) for free in reference.free for fixed in reference.fixed
                )

    def choices(self, table: TablePlan, rule: Rule) -> int:
        """Returns among how many columns a rule may choose."""
        return sum(not why for why in self._options(table, rule).values())

    def claim(self, table: TablePlan, rule: Rule) -> str | None:
        """Takes a rule in; returns why that cannot be."""
        for name in RULES[rule.form].reads(rule, table.table):
            if name not in self.tables:
                return f"{name} gets no rows"
        options = self._options(table, rule)
        fitting = [columns for columns, why in options.items() if not why]
        if not fitting:
            return next(iter(options.values()))
        for name in fitting[0]:
            self._take(table, rule, name)
        return None

    def _options(self, table: TablePlan, rule: Rule) -> dict[tuple[str, ...], str | None]:
        """The columns that might give way, and what is in the way of that; None for nothing."""
        kind = RULES[rule.form]
        found = [kind.ruled(rule)] if kind.together else [(name,) for name in kind.ruled(rule)]
        return {
            columns: next((why for name in columns if (why := self._obstacle(table, rule, name))), None)
            for columns in found
        }

    def _obstacle(self, table: TablePlan, rule: Rule, name: str) -> str | None:
        node, kind = (table.id, name), RULES[rule.form]
        if computed := next(self._computed(kind.reads(rule, table.table)), None):
            return f"the database computes {quote_name(computed)}"
        if why := _fixed(table, rule, name, self.tables.values()):
            return why
        if node in self.defined:
            return f"another rule decides {quote_name(name)}"
        column = next(found for found in table.columns if found.name == name)
        side = _side(rule, name)
        if (kind.defines or side == "most") and column.map.after:
            return f"{quote_name(name)} is made after {quote_name(column.map.after)}"
        if side is not None and self.bounded.get(node, side) != side:
            return f"other rules bound {quote_name(name)} on its other side"
        trial = self.graph.copy()
        trial.add_edges_from((node, other) for other in _needs(table, rule, name))
        if not nx.is_directed_acyclic_graph(trial):
            return f"{quote_name(name)} would be made of itself, through other rules"
        return None

    def _computed(self, reads: Reads) -> Iterator[str]:
        for name, read in reads.items():
            columns = self.tables[name].columns if name in self.tables else ()
            yield from (c.name for c in columns if c.name in read and c.producer in ("generated", "derived"))

    def _take(self, table: TablePlan, rule: Rule, name: str) -> None:
        node = (table.id, name)
        self.graph.add_edges_from((node, other) for other in _needs(table, rule, name))
        if RULES[rule.form].defines:
            self.defined.add(node)
        if (side := _side(rule, name)) is not None:
            self.bounded[node] = side
        self.kept.setdefault(table.id, []).append(RulePlan(rule, name))


def _needs(table: TablePlan, rule: Rule, name: str) -> Iterator[Node]:
    """The columns that a column is made of to keep a rule."""
    for other, columns in RULES[rule.form].reads(rule, table.table).items():
        yield from ((other, column) for column in columns if (other, column) != (table.id, name)
                    and not (isinstance(rule, Periods) and name == rule.start and column == rule.end))  # fmt: skip


def _side(rule: Rule, name: str) -> Side | None:
    if isinstance(rule, Inequality):
        return "least" if name == rule.most else "most"
    return "least" if isinstance(rule, AfterParent) else None


def _fixed(table: TablePlan, rule: Rule, name: str, tables: Iterable[TablePlan]) -> str | None:
    """Why a column cannot give way to a rule, if it cannot."""
    column, shown = next(found for found in table.columns if found.name == name), quote_name(name)
    if any(name in found.unique.columns and not _stays_unique(table, rule, found) for found in table.uniques):
        return f"{shown} is part of a unique rule"
    if column.producer != "kind":
        return f"{shown} is a {column.producer.replace('_', ' ')}"
    if table.owner is not None and name == table.order and not _may_move(table, rule):
        return f"{shown} orders the rows of one owner"
    keys = (key for other in tables for key in _references(other))
    if any(key.parent == table.id and name in key.parent_columns for key in keys):
        return f"other rows point to {shown}"
    return None


def _stays_unique(table: TablePlan, rule: Rule, found: UniquePlan) -> bool:
    """True where a unique rule survives that one of its columns gives way, or is mended after it."""
    columns = set(found.unique.columns)
    if isinstance(rule, Periods):
        # Starts of periods that never overlap are all different.
        return rule.strict and {rule.start, *rule.within} <= columns
    if isinstance(rule, AfterParent) and follows_owner(table, rule) and rule.column == table.order:
        return set(rule.via) <= columns
    is_plain = not found.unique.expressions and not found.unique.predicate
    return isinstance(rule, AfterParent | Inequality) and found.way == "repair" and is_plain


def follows_owner(table: TablePlan, rule: AfterParent | Periods) -> bool:
    """Returns True for a rule about the rows of one owner."""
    columns = rule.via if isinstance(rule, AfterParent) else rule.within
    return table.owner is not None and table.owner.columns == columns


def _may_move(table: TablePlan, rule: Rule) -> bool:
    """True where what orders rows may still be moved: families as a whole, or rows on which no period depends."""
    if isinstance(rule, AfterParent | Periods):
        if follows_owner(table, rule):
            return True
        columns = set(rule.via if isinstance(rule, AfterParent) else rule.within)
        if any(reference.deferred and columns & set(reference.key.columns) for reference in table.references):
            return False
    return isinstance(rule, AfterParent | Periods | Inequality) and not table.by("period_end")


def _references(table: TablePlan) -> Iterator[ForeignKey]:
    if table.owner is not None:
        yield table.owner
    yield from (reference.key for reference in table.references)


def _check_rule(table: Table, rule: Rule, schema: Schema) -> None:
    """Refuses rules about what does not exist, or cannot be compared or computed.

    Raises:
        PlanError: a name is wrong, a type does not fit, or an expression cannot be read.
    """
    where = f"schema map: {table.id}: rule {rule.form}"
    try:
        reads = RULES[rule.form].reads(rule, table)
    except NotReadableError:
        raise PlanError(f"{where}: {UNREADABLE}") from None
    for name, columns in reads.items():
        if name not in schema.by_id:
            raise PlanError(f"{where}: there is no table {name}")
        require_columns(schema.by_id[name], columns, where)
    _check_reference(table, rule, schema, where)
    if why := RULES[rule.form].unfit(rule, table, schema):
        raise PlanError(f"{where}: {why}")


def _check_reference(table: Table, rule: Rule, schema: Schema, where: str) -> None:
    if isinstance(rule, ChildrenRule):
        keys = tuple(key for key in schema.by_id[rule.table].foreign_keys if key.parent == table.id)
        found = key_of(keys, rule.table, rule.via)
    elif isinstance(rule, ParentRule):
        found = key_of(table.foreign_keys, table.id, rule.via)
    else:
        return
    if found is None:
        raise PlanError(f"{where}: {column_list(rule.via)} is no reference between the two tables: name its columns")
