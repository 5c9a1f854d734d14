"""Results as a person reads them: trees and tables for the terminal. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pydantic_core
from rich import box
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text
from rich.tree import Tree

from replica.databases.base import Finding
from replica.evaluation.figures import Figure
from replica.inference import Draft
from replica.inference.personal import STRONG, guess_personal
from replica.load import LoadReport
from replica.planning.decisions import Plan, TablePlan
from replica.rules import RULES
from replica.schema.graph import Order, nullable_cost, order_tables
from replica.schema.model import ForeignKey, Schema, Table, Unique, column_list, quote_name

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def print_json(value: Any) -> None:
    """Prints dataclasses as JSON on standard output."""
    print(pydantic_core.to_json(value, indent=2).decode())  # noqa: T201


def output() -> Console:
    """Returns the console for results; as wide as it must be where nobody resizes it."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def reference_text(key: ForeignKey) -> str:
    """Returns a reference as in ``(country_code) → ref.country``."""
    return f"{column_list(key.columns)} → {key.parent}"


# inspect -------------------------------------------------------------------------------------------------------------


def order_of(schema: Schema) -> Order:
    """Returns the order of a schema's tables, with circles broken where it costs least."""
    cost = nullable_cost(lambda table, column: schema.by_id[table].by_name[column].nullable)
    return order_tables(schema.by_id, schema.foreign_keys, cost)


def personal_by_name(schema: Schema) -> dict[str, dict[str, str]]:
    """Guesses personal data by the names of columns alone: table ids, columns and the class of each."""
    found: dict[str, dict[str, str]] = {}
    for table in schema.tables:
        sure = _named_personal(table, about_persons=False)
        guessed = _named_personal(table, about_persons=bool(STRONG & set(sure.values())))
        if guessed:
            found[table.id] = guessed
    return found


def _named_personal(table: Table, *, about_persons: bool) -> dict[str, str]:
    guesses = {column.name: guess_personal(column, [], about_persons=about_persons) for column in table.columns}
    return {name: guess[0] for name, guess in guesses.items() if guess is not None}


def schema_tree(schema: Schema) -> Tree:
    """A schema as a tree: generations, circles, personal data, and what is not carried."""
    order = order_of(schema)
    keys = len(schema.foreign_keys)
    tree = Tree(Text(f"{schema.database}: {schema.server}, {len(schema.tables)} tables, {keys} references"))
    for number, layer in enumerate(order.generations, start=1):
        branch = tree.add(Text(f"generation {number}", style="bold"))
        for name in layer:
            _table_branch(branch, schema.by_id[name], order)
    _branch(tree, "circles", _circle_lines(schema, order))
    personal = personal_by_name(schema)
    lines = (f"{name}: {_columns_and_kinds(columns)}" for name, columns in personal.items())
    _branch(tree, "personal data, guessed by the names of columns (no row was read)", lines)
    _branch(tree, "not supported", schema.unsupported, style="yellow")
    return tree


def _table_branch(branch: Tree, table: Table, order: Order) -> None:
    rows = "never counted" if table.row_estimate < 0 else f"about {table.row_estimate:,} rows"
    key = table.primary_key
    key_text = f", key {column_list(key.columns)}" if key else ", no primary key"
    kind = "" if table.kind == "table" else f", {table.kind}"
    leaf = branch.add(Text.assemble(table.id, (f"  {rows}, {len(table.columns)} columns{key_text}{kind}", "dim")))
    for found in table.foreign_keys:
        deferred = "  (filled last: it closes a circle)" if found.id in order.deferred else ""
        leaf.add(Text(reference_text(found) + deferred, style="dim"))


def _circle_lines(schema: Schema, order: Order) -> Iterable[str]:
    deferred = [key for key in schema.foreign_keys if key.id in order.deferred]
    for circle in order.cycles:
        broken = [f"{key.child} {column_list(key.columns)}" for key in deferred if {key.child, key.parent} <= {*circle}]
        yield f"{' ⇄ '.join(circle)}: broken at {', '.join(broken)}"


def _columns_and_kinds(columns: dict[str, str]) -> str:
    return ", ".join(f"{quote_name(name)} ({kind.replace('_', ' ')})" for name, kind in columns.items())


def _branch(tree: Tree, title: str, lines: Iterable[str], style: str = "") -> None:
    listed = list(lines)
    if listed:
        branch = tree.add(Text(title, style="bold"))
        for line in listed:
            branch.add(Text(line, style=style))


# check ---------------------------------------------------------------------------------------------------------------


def findings_table(findings: Sequence[Finding]) -> Grid:
    """What a preflight found, a line each."""
    grid = grid_of("", "what", "found")
    for found in findings:
        colour = _COLOURS[found.status]
        grid.add_row(Text(found.status, style=colour), Text(found.subject), Text(found.message))
    return grid


# plan ----------------------------------------------------------------------------------------------------------------


def plan_tree(plan: Plan, rows: dict[str, int]) -> Tree:
    """Everything decided, table by table in the order in which they are made."""
    tree = Tree(Text(f"{len(plan.tables)} tables get rows, {len(plan.skipped)} get none"))
    for number, table in enumerate(plan.tables, start=1):
        _planned_branch(tree, number, table, rows[table.id])
    _branch(tree, "no rows", (f"{name}: {why}" for name, why in plan.skipped.items()))
    _branch(tree, "notes", plan.notes, style="yellow")
    return tree


def _planned_branch(tree: Tree, number: int, table: TablePlan, rows: int) -> None:
    how = "copied as it is" if table.role == "lookup" else table.generator
    title = Text.assemble((f"{number}. {table.id}", "bold"), f"  {table.role}, about {rows:,} rows, {how}")
    branch = tree.add(title)
    if table.owner is not None:
        order = f", in order of {quote_name(table.order)}" if table.order else ""
        branch.add(Text(f"owner: {reference_text(table.owner)}{order}"))
    if table.locale is not None:
        branch.add(Text(f"names and addresses follow: {quote_name(table.locale)}"))
    for reference in table.references:
        later = "; filled once both tables are made" if reference.deferred else ""
        implied = f"; follows from {reference.implied_by}" if reference.implied_by else ""
        branch.add(Text(f"reference: {reference_text(reference.key)}{later}{implied}"))
    columns = branch.add(Text("columns"))
    for column in table.columns:
        what = (column.kind or column.producer).replace("_", " ")
        columns.add(Text.assemble(quote_name(column.name), (f"  {column.column.type.name}", "dim"), f"  {what}"))
    way = {u.unique: "copy" if table.role == "lookup" else u.way for u in table.uniques}
    _branch(branch, "unique rules", (f"{_key_text(unique)}: by {way[unique]}" for unique in way))
    _branch(branch, "checks", _check_lines(table))
    _branch(branch, "rules", (RULES[rule.form].describe(rule, table.table) for rule in table.kept_rules))


def _key_text(unique: Unique) -> str:
    key = f"({', '.join(unique.expressions)})" if unique.expressions else column_list(unique.columns)
    return f"{key} where {unique.predicate}" if unique.predicate else key


def _check_lines(table: TablePlan) -> Iterable[str]:
    """Checks by name; those of domains, which several columns may share, with their column."""
    own = {check.name for check in table.table.checks}
    for check in table.checks:
        columns = "" if check.name in own else f" of {', '.join(map(quote_name, check.columns))}, by its domain"
        yield f"{check.name}{columns}"


DRAFT_HINT = "No --map was given, so these guesses are used. Correct them in a file: replica map SOURCE -o FILE"


def draft_lines(draft: Draft) -> Grid:
    """The guesses of a drafted map that a person should look at first."""
    grid = grid_of("table", "role", "owner", "personal data")
    for name, table in draft.schema_map.tables.items():
        owner = column_list(table.owner) if table.owner else ""
        personal = ", ".join(quote_name(column) for column in draft.personal.get(name, ()))
        grid.add_row(Text(name), Text(table.role), Text(owner), Text(personal))
    return grid


# run, sample ---------------------------------------------------------------------------------------------------------


def load_table(report: LoadReport) -> Group:
    """Rows, seconds and rates by table and by step."""
    tables = grid_of("table", ">rows", ">seconds", ">rows/s")
    for table in report.tables:
        tables.add_row(Text(table.table), f"{table.rows:,}", f"{table.seconds:.2f}", f"{table.rate:,.0f}")
    rate = report.rows / report.seconds if report.seconds else 0.0
    tables.add_section()
    tables.add_row("all", f"{report.rows:,}", f"{report.seconds:.2f}", f"{rate:,.0f}")
    steps = grid_of("step", ">seconds")
    for step in report.steps:
        steps.add_row(step.step, f"{step.seconds:.2f}")
    return Group(tables, Text(), steps, Text(f"\npublished by: {report.way}"))


def grid_of(*headings: str) -> Grid:
    """A table; a heading that starts with ``>`` is of a column of numbers."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        numbers = heading.startswith(">")
        grid.add_column(escape(heading.lstrip(">")), justify="right" if numbers else "left", overflow="fold")
    return grid


def figure_text(figure: Figure | None) -> str:
    """Returns a score with how far its 95 % interval reaches, its ceiling and its floor."""
    if figure is None:
        return "–"
    ends = [f"{end:.3f}" if end is not None else "–" for end in (figure.ceiling, figure.floor)]
    reach = max(figure.high - figure.value, figure.value - figure.low)
    return f"{figure.value:.3f} ±{reach:.3f} ({ends[0]}, {ends[1]})"
