"""A constraint that the server found broken: what it says, how many rows break it, and what may help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from replica.errors import IntegrityError
from replica.schema.model import Check, Exclusion, ForeignKey, Schema, Table, Unique, column_list, quote_name

Rule = Check | Unique | ForeignKey | Exclusion
Count = Callable[[Schema], Mapping[str, int]]
"""Counts the rows that break each rule of a schema."""


@dataclass(frozen=True)
class Breach:
    """A constraint of a table that the server found broken."""

    table: Table
    rule: Rule

    @property
    def definition(self) -> str:
        """The constraint as SQL writes it."""
        rule = self.rule
        if isinstance(rule, Check):
            return f"CHECK ({rule.expression})"
        if isinstance(rule, ForeignKey):
            return (
                f"FOREIGN KEY {column_list(rule.columns)} REFERENCES {rule.parent} {column_list(rule.parent_columns)}"
            )
        if isinstance(rule, Exclusion):
            return rule.definition
        parts = f"({', '.join(rule.expressions)})" if rule.expressions else column_list(rule.columns)
        where = f" WHERE {rule.predicate}" if rule.predicate else ""
        return f"{'PRIMARY KEY' if rule.primary else 'UNIQUE'} {parts}{where}"

    @property
    def suggestion(self) -> str:
        """What may help."""
        if isinstance(self.rule, Check):
            return "let the schema map choose other kinds for its columns, or leave the table out with --exclude"
        if isinstance(self.rule, ForeignKey):
            return f"plan more rows of {self.rule.parent}, or make the reference the table's owner in the schema map"
        return "plan fewer rows of the table, or let the schema map choose kinds with more values"

    def alone(self, schema: Schema) -> Schema:
        """Returns a schema of the table with this rule and no other, and of what it points to."""
        rule = self.rule
        table = replace(
            _bare(self.table),
            checks=(rule,) if isinstance(rule, Check) else (),
            uniques=(rule,) if isinstance(rule, Unique) else (),
            foreign_keys=(rule,) if isinstance(rule, ForeignKey) else (),
        )
        others = [_bare(other) for other in schema.tables if other.id != table.id]
        return replace(schema, tables=(table, *others))


def _bare(table: Table) -> Table:
    columns = tuple(
        replace(column, nullable=True, type=replace(column.type, domain_checks=())) for column in table.columns
    )
    return replace(table, columns=columns, checks=(), uniques=(), foreign_keys=(), exclusions=(), loose_references=())


def find_breach(error: IntegrityError, schema: Schema) -> Breach | None:
    """Returns the constraint that an error speaks of; None where the schema has none of its name.

    Where tables have constraints of one name, that of the table that the message names.
    """
    found = [Breach(table, rule) for table in schema.tables for rule in _rules(table) if rule.name == error.constraint]
    named = [breach for breach in found if breach.table.id in str(error) or breach.table.name in str(error)]
    return next(iter(named or found), None)


def _rules(table: Table) -> Iterator[Rule]:
    yield from table.checks
    yield from table.uniques
    yield from table.foreign_keys
    yield from table.exclusions


def explained(error: IntegrityError, schema: Schema, rows: Mapping[str, int], count: Count) -> IntegrityError:
    """Returns an error with the constraint's definition, the share of the rows that break it, and a suggestion.

    Args:
        error: what the server said.
        schema: the source's.
        rows: rows that are loaded, by table; without its own a table's share is not known.
        count: asks the server for the rows that break rules.
    """
    breach = find_breach(error, schema)
    if breach is None:
        return error
    share = ""
    if breach.table.id in rows and not isinstance(breach.rule, Exclusion):
        broken = sum(count(breach.alone(schema)).values())
        what = "keys repeat" if isinstance(breach.rule, Unique) else "of the rows break it"
        figure = f"{broken:,}" if isinstance(breach.rule, Unique) else f"{broken / max(1, rows[breach.table.id]):.1%}"
        share = f"; {figure} {what}"
    where = f"{breach.table.id}.{quote_name(breach.rule.name)}"
    text = f"{error}; {where} is {breach.definition}{share}: {breach.suggestion}"
    return IntegrityError(text, constraint=error.constraint)
