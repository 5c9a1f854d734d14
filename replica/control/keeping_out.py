"""Keeping people out of learning: whom, by which key, and how large the tables are with them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from replica.control.record import Record, path_of, save_record, sketch_persons
from replica.control.split import Split
from replica.databases.base import Snapshot
from replica.errors import PlanError, RecordError
from replica.inference import guess_people, has_own_rows
from replica.planning.scope import check_drift, some_of, with_full_names
from replica.planning.undeclared import with_references
from replica.schema.model import Schema
from replica.schema.schema_map import Role, read_map
from replica.settings import Settings

_PRIVATE = ("subject", "private")


@dataclass(frozen=True)
class KeptOut:
    """A source without the people who are kept out of learning.

    Attributes:
        view: the source as learning sees it.
        record: who they are.
        rows: how many rows the tables that lack some have with them, by id.
        notes: what a user should know, a line each; nothing in them depends on who they are.
    """

    view: Snapshot
    record: Record
    rows: Mapping[str, int]
    notes: tuple[str, ...]


def keep_out(snapshot: Snapshot, schema: Schema, settings: Settings) -> KeptOut:
    """Draws a control with a key that nobody can guess.

    Args:
        snapshot: a view of the source.
        schema: what it declares.
        settings: the share, the table of persons, the map, and where the record is to lie.

    Raises:
        PlanError: there is no table of persons, there are several, or the share takes nobody or everybody.
        RecordError: there is a record already where one is to be written.
    """
    if settings.record is not None and settings.record.exists():
        raise RecordError(f"{settings.record} exists, and may be the only key to an earlier control: name another file")
    schema, roles = _people(snapshot, schema, settings)
    split = Split(_subject(schema, roles, settings), secrets.token_bytes(32), settings.control or 0.0)
    holdout = split.holdout(schema)
    view = snapshot.without(holdout)
    below = dict.fromkeys(key.child for key in holdout.references)
    rows = {name: snapshot.row_count(schema.by_id[name]) for name in (split.subject, *below)}
    if view.row_count(holdout.root) in (0, rows[split.subject]):
        whom = "nobody" if rows[split.subject] < 1 / split.share else "nobody or everybody"
        raise PlanError(
            f"--control {split.share:g}: of the rows of {split.subject} it takes {whom}: try again, or another share"
        )
    record = Record(secrets.token_hex(16), split, sketch_persons(snapshot, holdout.root))
    return KeptOut(view, record, rows, tuple(_notes(schema, roles, split, set(rows))))


@contextmanager
def recorded(found: KeptOut | None, settings: Settings) -> Iterator[None]:
    """Writes the record of a control before anything is learned, and takes it away again where the block fails.

    Raises:
        RecordError: it cannot be written.
    """
    if found is None:
        yield
        return
    path = path_of(found.record.id, settings.record)
    save_record(found.record, path)
    try:
        yield
    except BaseException:
        # Ctrl-C too must leave no record of a run that gave nothing.
        path.unlink(missing_ok=True)
        raise


def _people(snapshot: Snapshot, schema: Schema, settings: Settings) -> tuple[Schema, Mapping[str, Role]]:
    """The schema with the references that it does not declare, and what its tables are.

    For this alone everybody is looked at: all else is guessed once more without the control.
    """
    if settings.map_path is None:
        return guess_people(snapshot, schema)
    schema_map = read_map(settings.map_path)
    check_drift(schema, schema_map, str(settings.map_path))
    return with_references(schema, schema_map), {name: table.role for name, table in schema_map.tables.items()}


def _subject(schema: Schema, roles: Mapping[str, Role], settings: Settings) -> str:
    wanted = with_full_names(settings, schema).subject
    if wanted is not None:
        if wanted not in schema.by_id or not has_own_rows(schema.by_id[wanted]):
            known = some_of(table.id for table in schema.tables if has_own_rows(table))
            raise PlanError(f"--subject {wanted}: there is no such table; known are {known}")
        return wanted
    found = [name for name, role in roles.items() if role == "subject"]
    if not found:
        raise PlanError(
            "--control: no table of persons was found: name the table whose rows they are with --subject, or leave"
            " --control out where the data are about nobody"
        )
    if len(found) > 1:
        raise PlanError(f"--control: several tables are of persons: name one with --subject: {some_of(found)}")
    return found[0]


def _notes(schema: Schema, roles: Mapping[str, Role], split: Split, lacking: set[str]) -> list[str]:
    notes = [f"{split.share:.0%} of the rows of {split.subject}, and what leads to them, are kept out of learning"]
    others = [name for name, role in roles.items() if role in _PRIVATE and name not in lacking]
    others = [name for name in others if name in schema.by_id and has_own_rows(schema.by_id[name])]
    if others:
        notes.append(f"{some_of(others)}: about persons, but without a way to {split.subject}: all rows are learned")
    return notes
