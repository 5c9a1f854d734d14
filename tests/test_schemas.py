"""Every feature of PostgreSQL that a schema may have, one section of a file under ``schemas/`` each.

A file is loaded, replicated once, and every section of it asserted; beside that, its whole schema, all numbers of rows
and all constraints.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Server
from postgres_tools import is_available, rows, value
from schema_files import Section, read_sections

import replica
from replica import Settings
from replica.databases.postgres.ddl import choose_tool
from replica.databases.url import DatabaseUrl
from replica.evaluation.constraints import ConstraintScores
from replica.schema.schema_map import ColumnMap, SchemaMap, write_map

SETTINGS = Settings(generator="marginal", workers=1)
FILES = sorted(Path(__file__).with_name("schemas").glob("*.sql"))
SECTIONS = {path.stem: read_sections(path) for path in FILES}
FEATURES = [
    pytest.param(
        name,
        section,
        id=f"{name}-{section.name}",
        marks=[pytest.mark.xfail(reason=why, strict=True)] if (why := section.fails or sections[0].fails) else [],
    )
    for name, sections in SECTIONS.items()
    for section in sections[1:]
]
WHOLE = [name for name, sections in SECTIONS.items() if sections[0].fails is None]


@dataclass(frozen=True)
class Pair:
    """A file's source and its replica, and how they compare."""

    source: DatabaseUrl
    target: DatabaseUrl
    report: ConstraintScores


def is_of_version(server: Server, wanted: str) -> bool:
    found = int(value(server.admin, "SHOW server_version_num")) // 10000
    return found < int(wanted.removeprefix("before ")) if wanted.startswith("before") else found >= int(wanted)


def has_feature(server: Server, name: str) -> bool:
    """Returns whether the server was built with ICU or XML."""
    query = {"icu": "SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'", "xml": "SELECT '<a/>'::xml IS DOCUMENT"}[
        name
    ]
    try:
        return bool(rows(server.admin, query))
    except psycopg.errors.FeatureNotSupported:
        return False


def lacking(server: Server, section: Section) -> str | None:
    """Returns what of a section's needs the server does not have."""
    for need in section.needs:
        kind, name = need.split(maxsplit=1)
        if kind == "extension" and not is_available(server, name):
            return need
        if kind == "feature" and not has_feature(server, name):
            return need
        if kind == "server" and not is_of_version(server, name):
            return need
    return None


def usable(server: Server, name: str) -> list[Section]:
    """Returns the sections of a file that the server can take."""
    head = SECTIONS[name][0]
    if (need := lacking(server, head)) is not None:
        pytest.skip(f"the server lacks {need}")
    return [section for section in SECTIONS[name] if lacking(server, section) is None]


def mapped(source: DatabaseUrl, sections: list[Section], folder: Path) -> Settings:
    """Returns the settings with a map that says what the sections want said."""
    wanted = [line for section in sections for line in section.maps]
    if not wanted:
        return SETTINGS
    draft = replica.draft(source).schema_map
    tables = dict(draft.tables)
    for table, key, told in wanted:
        said: dict[str, Any] = {key: told}
        if key.startswith("columns."):
            derived = ColumnMap(kind="derived", sql=told)
            said = {"columns": {**tables[table].columns, key.removeprefix("columns."): derived}}
        tables[table] = replace(tables[table], **said)
    path = folder / "map.yaml"
    path.write_text(write_map(SchemaMap(draft.version, draft.locale, tables), {}), encoding="utf8")
    return replace(SETTINGS, map_path=path)


@contextmanager
def replicated(server: Server, name: str, folder: Path) -> Iterator[Pair]:
    """Loads a file and replicates it; the session that loaded it stays open, with its temporary tables."""
    sections = usable(server, name)
    source, target = server.create(), server.fresh()
    with psycopg.connect(source.secret, autocommit=True) as session:
        for section in sections:
            session.execute(section.script.encode())
        try:
            replica.replicate(source, target, mapped(source, sections, folder))
            yield Pair(source, target, replica.verify(source, target))
        finally:
            server.drop(target)
    server.drop(source)


@pytest.fixture(scope="module")
def pairs(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    """The pairs that are there already; each is made when the first test asks for it."""
    with ExitStack() as stack:
        yield _Pairs(server, tmp_path_factory, stack)


class _Pairs(dict[str, Pair]):
    def __init__(self, server: Server, folders: pytest.TempPathFactory, stack: ExitStack) -> None:
        super().__init__()
        self._server, self._folders, self._stack = server, folders, stack
        self._failed: dict[str, Exception] = {}

    def __missing__(self, name: str) -> Pair:
        if name in self._failed:
            raise self._failed[name]
        try:
            self[name] = self._stack.enter_context(replicated(self._server, name, self._folders.mktemp(name)))
        except Exception as error:
            self._failed[name] = error
            raise
        return self[name]


@pytest.mark.parametrize(("name", "section"), FEATURES)
def test_feature(pairs: Mapping[str, Pair], server: Server, name: str, section: Section) -> None:
    if (need := lacking(server, section)) is not None:
        pytest.skip(f"the server lacks {need}")
    pair = pairs[name]
    for query in section.true:
        assert value(pair.target, query) is True, query
    for query in section.same:
        assert rows(pair.target, query) == rows(pair.source, query), query


@pytest.mark.parametrize("name", WHOLE)
def test_schema_is_the_same(pairs: Mapping[str, Pair], name: str) -> None:
    pair = pairs[name]
    assert dumped(pair.target) == dumped(pair.source)


@pytest.mark.parametrize("name", WHOLE)
def test_constraints_are_as_valid_as_they_were(pairs: Mapping[str, Pair], name: str) -> None:
    pair = pairs[name]
    query = """
        SELECT nspname, coalesce(relname, typname), conname, contype, convalidated,
               to_jsonb(c) ->> 'conenforced', condeferrable, condeferred, connoinherit AND contype = 'c'
          FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace
          LEFT JOIN pg_class r ON r.oid = conrelid LEFT JOIN pg_type t ON t.oid = contypid
         WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg_temp%'
         ORDER BY 1, 2, 3
    """
    assert rows(pair.target, query) == rows(pair.source, query)


@pytest.mark.parametrize("name", WHOLE)
def test_no_constraint_is_broken(pairs: Mapping[str, Pair], name: str) -> None:
    report = pairs[name].report
    assert report.missing == ()
    assert report.valid, {what: count for what, count in report.broken.items() if count}


@pytest.mark.parametrize("name", WHOLE)
def test_every_table_has_its_rows(pairs: Mapping[str, Pair], name: str) -> None:
    pair = pairs[name]
    source, target = row_counts(pair.source), row_counts(pair.target)
    parts = {table.id for table in replica.introspect(pair.source).tables if table.kind == "partition"}
    assert {table: n for table, n in target.items() if table not in parts} == {
        table: n for table, n in source.items() if table not in parts
    }
    assert {table for table in parts if target[table]} == {table for table in parts if source[table]}


def row_counts(url: DatabaseUrl) -> dict[str, int]:
    """Counts the rows of each table itself; of a partitioned one those of its parts."""
    tables = [table for table in replica.introspect(url).tables if table.kind != "foreign"]
    only = {table.id: "" if table.partition_key else "ONLY " for table in tables}
    return {name: value(url, f"SELECT count(*) FROM {word}{name}") for name, word in only.items()}


# Some releases write a random word around a dump, and minor releases keep notes of their own among options.
_NOISE = re.compile(r"^(\\(un)?restrict .*|-- Dumped .*|SELECT pg_catalog.setval.*)$", re.MULTILINE)


def dumped(url: DatabaseUrl) -> str:
    """Returns the whole schema as SQL, without what differs between two dumps of one schema."""
    version = int(value(url, "SHOW server_version_num"))
    command = [str(choose_tool(version, None)), "--schema-only", "--no-owner", f"--dbname={url.secret}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf8")
    return _NOISE.sub("", done.stdout)
