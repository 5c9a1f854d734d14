"""Constraints: which of the original's the replica lacks, and how many of its rows break one, counted by the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from replica.databases.base import Database
from replica.errors import EvaluateError
from replica.schema.model import Schema, quote_name


@dataclass(frozen=True)
class ConstraintScores:
    """Whether constraints hold.

    Attributes:
        broken: rows of the replica, or keys, that break each constraint that the original keeps.
        missing: constraints and triggers of the original that the replica does not have.
    """

    broken: Mapping[str, int]
    missing: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """True if every constraint that the original keeps is there and holds."""
        return not self.missing and not any(self.broken.values())


def score_constraints(source: Database, target: Database, schema: Schema, other: Schema) -> ConstraintScores:
    """Does the replica have every constraint of the original, and does every row keep it?

    Args:
        source: the original.
        target: the replica.
        schema: the original's schema, with references that it does not declare.
        other: the replica's.
    """
    kept = {name for name, count in source.count_broken(schema).items() if count == 0}
    broken = {name: count for name, count in target.count_broken(schema).items() if name in kept}
    return ConstraintScores(broken, _missing(schema, other))


def require_alike(schema: Schema, other: Schema) -> None:
    """Refuses to compare databases of different schemas.

    Raises:
        EvaluateError: the replica does not have the original's tables and columns.
    """
    for table in schema.tables:
        if table.id not in other.by_id:
            raise EvaluateError(f"the target has no table {table.id}: is it a replica of this source?")
        for column in table.columns:
            if column.name not in other.by_id[table.id].by_name:
                raise EvaluateError(
                    f"the target has no column {table.id}.{quote_name(column.name)}: is it a replica of this source?"
                )


def _missing(schema: Schema, other: Schema) -> tuple[str, ...]:
    """Names of constraints and triggers that only the original has."""
    missing = []
    for table in schema.tables:
        twin = other.by_id[table.id]
        for attribute in ("uniques", "foreign_keys", "checks", "exclusions", "triggers"):
            have = {found.name for found in getattr(twin, attribute)}
            declared = [f for f in getattr(table, attribute) if getattr(f, "declared", True)]
            missing += [f"{table.id}.{quote_name(f.name)}" for f in declared if f.name not in have]
    return tuple(missing)
