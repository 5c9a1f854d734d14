"""People who are kept out of learning leave no trace, and only the record tells who they are."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import Server
from evaluating import pair
from postgres_tools import counts, rows, run, value
from psycopg import sql

import replica
from replica.cli import run as main
from replica.control.keeping_out import keep_out
from replica.control.record import Record, read_record, record_of, save_record, state_folder
from replica.control.split import Split, downward
from replica.databases import open_database
from replica.databases.base import FamilySample, Reading
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import PlanError, RecordError
from replica.evaluation.control import control_masks
from replica.fit import fit
from replica.pipeline import Planned
from replica.schema.model import Schema
from replica.schema.schema_map import Role, write_map
from replica.settings import Settings

KEY = bytes(range(32))
KEYS = """
CREATE TYPE tier AS ENUM ('gold', 'silver');
CREATE DOMAIN code AS varchar(20);
CREATE TABLE by_int (id int PRIMARY KEY);
CREATE TABLE by_big (id bigint PRIMARY KEY);
CREATE TABLE by_numeric (id numeric PRIMARY KEY);
CREATE TABLE by_text (id text PRIMARY KEY);
CREATE TABLE by_char (id char(12) PRIMARY KEY);
CREATE TABLE by_uuid (id uuid PRIMARY KEY);
CREATE TABLE by_date (id date PRIMARY KEY);
CREATE TABLE by_several (
    name code, level tier, "Born On" date, ratio real, PRIMARY KEY (name, level, "Born On", ratio)
);
INSERT INTO by_int SELECT i - 50 FROM generate_series(1, 400) i;
INSERT INTO by_big SELECT 9007199254740993 + i FROM generate_series(1, 400) i;
INSERT INTO by_numeric SELECT i / 8.0 FROM generate_series(1, 400) i;
INSERT INTO by_numeric SELECT 10 ^ (i + 10) FROM generate_series(1, 20) i;
INSERT INTO by_text SELECT 'ñ| ' || chr(31) || i || '''\\' FROM generate_series(1, 400) i;
INSERT INTO by_char SELECT 'c' || i FROM generate_series(1, 400) i;
INSERT INTO by_uuid SELECT md5(i::text)::uuid FROM generate_series(1, 400) i;
INSERT INTO by_date SELECT date '1960-01-01' + i * 31 FROM generate_series(1, 400) i;
INSERT INTO by_several
SELECT 'n' || i, (ARRAY['gold', 'silver'])[1 + i % 2]::tier, date '2000-02-28' + i, i / 3.0
FROM generate_series(1, 400) i;
"""


@dataclass(frozen=True)
class Source:
    """A database to split."""

    url: DatabaseUrl
    schema: Schema


@pytest.fixture(scope="module")
def keyed(server: Server) -> Iterator[Source]:
    """Tables of persons whose keys are of all types."""
    url = server.create()
    run(url, KEYS)
    yield Source(url, open_database(url).introspect())
    server.drop(url)


def read_keys(source: Source, table: str, split: Split | None) -> list[tuple[object, ...]]:
    """The keys that a view has, of all rows or without those of a control."""
    found = source.schema.by_id[table]
    assert found.primary_key is not None
    columns: dict[str, Reading] = dict.fromkeys(found.primary_key.columns, "value")
    with open_database(source.url).snapshot() as snapshot:
        view = snapshot if split is None else snapshot.without(split.holdout(source.schema))
        frame = view.read(found, columns)
        assert view.row_count(found) == frame.num_rows
    return sorted(zip(*(frame.column(name).to_pylist() for name in columns), strict=True))


TABLES = ("int", "big", "numeric", "text", "char", "uuid", "date", "several")


@pytest.mark.parametrize("table", [f"public.by_{kind}" for kind in TABLES])
def test_the_server_leaves_out_whom_python_says(keyed: Source, table: str) -> None:
    split = Split(table, KEY, 0.3)
    found = keyed.schema.by_id[table]
    assert found.primary_key is not None
    with open_database(keyed.url).snapshot() as snapshot:
        frame = snapshot.read(found, dict.fromkeys(found.primary_key.columns, "value"))
    columns = [frame.column(name).combine_chunks() for name in found.primary_key.columns]
    held = split.holds(columns)
    kept = [row for row, out in zip(zip(*(c.to_pylist() for c in columns), strict=True), held, strict=True) if not out]
    assert 0.2 < held.mean() < 0.4
    assert read_keys(keyed, table, split) == sorted(kept)


def test_another_key_draws_other_people_and_a_share_is_about_kept(keyed: Source) -> None:
    everybody = read_keys(keyed, "public.by_int", None)
    kept = [set(read_keys(keyed, "public.by_int", Split("public.by_int", bytes([i]) * 32, 0.1))) for i in range(8)]
    assert len(set(map(frozenset, kept))) == len(kept)
    shares = [1 - len(found) / len(everybody) for found in kept]
    assert min(shares) > 0.04
    assert max(shares) < 0.18
    assert np.mean(shares) == pytest.approx(0.1, abs=0.03)


def test_a_split_does_not_show_its_key() -> None:
    assert repr(Split("public.by_int", KEY, 0.1)) == "Split(subject='public.by_int', share=0.1)"


# Trees

CLIENT = "public.client"
SPLIT = Split(CLIENT, KEY, 0.2)
MARKED = ("client", "home", "account", "transfer", "ledger")


@pytest.fixture(scope="module")
def bank(server: Server) -> Iterator[Source]:
    """People with a composite key and what hangs on them. Only to be read."""
    url = server.create()
    run(url, Path(__file__).with_name("control.sql").read_text(encoding="utf8"))
    yield Source(url, open_database(url).introspect())
    server.drop(url)


def marks(source: Source, split: Split | None) -> set[str]:
    """The marks of the people in a control; without one, of everybody."""
    everybody = read_keys(source, CLIENT, None)
    held = set(everybody) - set(read_keys(source, CLIENT, split)) if split else set(everybody)
    found = rows(source.url, "SELECT region, number, mark FROM client")
    return {mark for region, number, mark in found if (region, number) in held}


def test_what_belongs_to_a_person_is_found_by_its_references(bank: Source) -> None:
    children = [key.child.removeprefix("public.") for key in downward(bank.schema, CLIENT)]
    # A branch may be without its head and is nobody's; a home cannot be without its client.
    assert children == ["account", "home", "ledger", "transfer", "transfer"]


def test_no_row_that_leads_to_a_person_is_read(bank: Source) -> None:
    held = marks(bank, SPLIT)
    assert 20 < len(held) < 60
    with open_database(bank.url).snapshot() as snapshot:
        view = snapshot.without(SPLIT.holdout(bank.schema))
        for name in MARKED:
            table = bank.schema.by_id[f"public.{name}"]
            texts = snapshot.read(table, {"mark": "value"}).column("mark").to_pylist()
            kept = view.read(table, {"mark": "value"}).column("mark").to_pylist()
            expected = [text for text in texts if not any(mark in text for mark in held)]
            assert sorted(kept) == sorted(expected)
            assert view.row_count(table) == len(expected) < len(texts)
        assert view.row_count(bank.schema.by_id["public.branch"]) == 12


def test_families_are_sampled_and_counted_without_a_control(bank: Source) -> None:
    account, ledger = bank.schema.by_id["public.account"], bank.schema.by_id["public.ledger"]
    (up,), (owner,) = ledger.foreign_keys, [key for key in account.foreign_keys if key.parent == CLIENT]
    with open_database(bank.url).snapshot() as snapshot:
        view = snapshot.without(SPLIT.holdout(bank.schema))
        kept = set(view.read(account, {"id": "value"}).column("id").to_pylist())
        counts = view.fan_out(ledger, up)
        assert set(counts.column("id").to_pylist()) <= kept
        assert sum(counts.column("count").to_pylist()) == len(kept) * 3 - sum(n % 4 == 0 for n in kept) * 3
        sample = FamilySample(CLIENT, ("region", "number"), (up, owner), 0.5, 0)
        some = view.read(ledger, {"account_id": "value"}, sample=sample).column("account_id").to_pylist()
        assert {n for n in some if n is not None} < kept
        assert view.inclusion(ledger, up, account, 1000).share == 1


def test_masks_say_the_same_as_the_server(bank: Source) -> None:
    held = marks(bank, SPLIT)
    with pair(bank.url, bank.url, Settings(rules=False)) as found:
        masks = control_masks(found.ground, SPLIT)
    assert list(masks) == [CLIENT, "public.account", "public.home", "public.ledger", "public.transfer"]
    for name in MARKED:
        mask, url = masks[f"public.{name}"], bank.url
        assert len(mask) == value(url, f"SELECT count(*) FROM {name}")
        assert mask.sum() == value(url, f"SELECT count(*) FROM {name} WHERE mark ~ '{'|'.join(held)}'")
    keys = zip(*(part.to_pylist() for part in found.ground.keys[CLIENT]), strict=True)
    drawn = {key for key, out in zip(keys, masks[CLIENT], strict=True) if out}
    assert drawn == set(read_keys(bank, CLIENT, None)) - set(read_keys(bank, CLIENT, SPLIT))


# Learning and the record


@dataclass(frozen=True)
class Written:
    """A replica that was learned without a control, saved and written."""

    artifact: Path
    target: DatabaseUrl
    record: Record
    notes: tuple[str, ...]


@pytest.fixture(scope="module")
def written(server: Server, bank: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """The bank's replica, in two steps, with the record where it lies by default."""
    folder, target = tmp_path_factory.mktemp("state"), server.fresh()
    planned: list[Planned] = []
    # Nothing rare is folded, so that all that is read can be found.
    settings = Settings(control=0.2, workers=1, generator="marginal", min_holders=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        replica.save(replica.learn(bank.url, settings, planned=planned.append), folder / "bank.replica")
        replica.write(replica.open_artifact(folder / "bank.replica"), target, Settings(workers=1))
        (path,) = state_folder().iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        yield Written(folder / "bank.replica", target, read_record(path), planned[0].plan.notes)
    server.drop(target)


def test_no_one_in_a_control_leaves_a_trace(bank: Source, written: Written) -> None:
    held = marks(bank, written.record.split)
    with zipfile.ZipFile(written.artifact) as archive:
        artifact = b"".join(archive.read(name) for name in archive.namelist())
    found = {mark for mark in marks(bank, None) if mark.encode() in artifact}
    assert found == marks(bank, None) - held
    assert len(held) > 10
    for name in MARKED:
        assert value(written.target, f"SELECT count(*) FROM {name} WHERE mark ~ '{'|'.join(held)}'") == 0
    assert written.record.id.encode() in artifact
    assert written.record.split.key.hex().encode() not in artifact
    assert written.record.split.key not in artifact


def test_a_replica_is_as_large_as_its_source(bank: Source, written: Written) -> None:
    assert counts(written.target) == counts(bank.url)
    assert written.notes[0].startswith("20% of the rows of public.client")


def found_record(source: DatabaseUrl, target: DatabaseUrl, chosen: Path | None = None) -> Record | None:
    first, second = open_database(source), open_database(target)
    with first.snapshot() as original, second.snapshot() as synthetic:
        return record_of(original, synthetic, first.introspect(), chosen)


def test_a_record_is_found_by_its_pair_alone(server: Server, bank: Source, written: Written, tmp_path: Path) -> None:
    assert found_record(bank.url, written.target) == written.record
    assert found_record(bank.url, bank.url) is None
    assert found_record(written.target, bank.url) is None
    path = tmp_path / "elsewhere.json"
    save_record(written.record, path)
    assert found_record(bank.url, written.target, path) == written.record
    with pytest.raises(RecordError, match="another source or another replica") as caught:
        found_record(bank.url, bank.url, path)
    assert caught.value.exit_code == 53
    copy = server.fresh()
    try:
        # It is another database to the server, with other rows in between, and the same replica all the same.
        names = (sql.Identifier(database_name(url)) for url in (copy, written.target))
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        run(copy, "UPDATE client SET mark = 'changed' WHERE number <= 50")
        assert found_record(bank.url, copy) == written.record
        run(copy, "UPDATE client SET mark = 'changed'")
        assert found_record(bank.url, copy) is None
    finally:
        server.drop(copy)


# The command line


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for state."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def people(server: Server) -> Iterator[DatabaseUrl]:
    """Persons who point to each other, a list without a key, and two tables that are called alike. Only to be read."""
    url = server.create()
    run(
        url,
        """
        CREATE TABLE person (id int PRIMARY KEY, full_name text NOT NULL, boss int REFERENCES person, height int);
        INSERT INTO person
        SELECT n, 'Name ' || n, CASE WHEN n > 10 THEN n / 2 END, 150 + n % 40 FROM generate_series(1, 300) n;
        CREATE TABLE visit (person_id int REFERENCES person, day date NOT NULL);
        INSERT INTO visit SELECT 1 + n % 300, date '2024-01-01' + n % 50 FROM generate_series(1, 600) n;
        CREATE SCHEMA a; CREATE SCHEMA b;
        CREATE TABLE a.twin (id int PRIMARY KEY); CREATE TABLE b.twin (id int PRIMARY KEY);
        ANALYZE;
        """,
    )
    yield url
    server.drop(url)


def test_a_tree_whose_only_root_is_kept_out_stays_a_tree(server: Server) -> None:
    source, target = server.create(), server.fresh()
    run(
        source,
        """
        CREATE TABLE person (id int PRIMARY KEY, boss int REFERENCES person, height int);
        INSERT INTO person SELECT n, CASE WHEN n > 1 THEN (n + 2) / 4 END, 150 + n % 40 FROM generate_series(1, 400) n;
        """,
    )
    try:
        settings = Settings(generator="marginal", workers=1)
        plan = replica.make_plan(source, settings).plan
        root = [pa.array([1])]
        keys = (bytes([i]) * 32 for i in range(256))
        split = next(found for key in keys if (found := Split("public.person", key, 0.1)).holds(root).all())
        with open_database(source).snapshot() as snapshot:
            fitted = fit(snapshot.without(split.holdout(plan.schema)), plan, snapshot.dump(), settings)
        replica.write(fitted, target, settings)
        assert value(target, "SELECT count(*) FILTER (WHERE boss IS NULL) BETWEEN 1 AND 8 FROM person")
        depth = """
            WITH RECURSIVE below AS (
                SELECT id, 0 AS depth FROM person WHERE boss IS NULL
                UNION ALL SELECT p.id, depth + 1 FROM person p JOIN below ON below.id = p.boss
            ) SELECT max(depth), avg(depth)::float8, count(*) FROM below
        """
        (deepest, mean, _), (other_deepest, other_mean, below) = rows(source, depth)[0], rows(target, depth)[0]
        assert abs(deepest - other_deepest) <= 2
        assert other_mean == pytest.approx(mean, abs=1)
        assert below == value(target, "SELECT count(*) FROM person")
    finally:
        server.drop(target)
        server.drop(source)


def command(*words: str | Path | DatabaseUrl) -> int:
    return main([word.secret if isinstance(word, DatabaseUrl) else str(word) for word in words])


def test_a_run_writes_its_record_and_evaluate_reads_it(
    server: Server, people: DatabaseUrl, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, record, quick = server.fresh(), state / "mine.json", ("--generator", "marginal", "--workers", "1")
    try:
        words = ("run", people, target, "--control", "0.2", "--subject", "person", "--record", record, *quick)
        assert command(*words) == 0
        assert "20% of the rows of public.person" in capsys.readouterr().err
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        found = read_record(record)
        assert len(found.targets) == 1
        assert counts(target) == counts(people)
        # Who lost their boss to the control is not taken for somebody without one.
        assert value(target, "SELECT count(*) FROM person WHERE boss IS NULL") < 30
        capsys.readouterr()
        assert command("evaluate", people, target, "--record", record) == 0
        held = 300 - len(read_keys(Source(people, replica.introspect(people)), "public.person", found.split))
        told = " ".join(capsys.readouterr().out.split())
        assert f"public.person: {held} of 300 rows were kept out of learning" in told
        assert f"Attacks on persons (public.person): {300 - held} learned, {held} kept out" in told
        assert command(*words, "--replace") == 53
        assert "mine.json exists" in capsys.readouterr().err.splitlines()[-1]
        assert command("evaluate", people, target, "--record", state / "none.json") == 53
        assert found.split.key.hex() not in "".join(capsys.readouterr())
    finally:
        server.drop(target)


def test_the_same_seed_keeps_out_other_people(people: DatabaseUrl) -> None:
    schema, settings = replica.introspect(people), Settings(control=0.2, seed=3)
    with open_database(people).snapshot() as snapshot:
        first, second = (keep_out(snapshot, schema, settings) for _ in range(2))
        keys = [found.view.read(schema.by_id["public.person"], {"id": "value"}) for found in (first, second)]
    assert first.record.split.key != second.record.split.key
    assert first.record.id != second.record.id
    assert not keys[0].equals(keys[1])
    assert first.rows == {"public.person": 300, "public.visit": 600}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--control", "0.9"), 2, "control 0.9 is out of range"),
        (("--subject", "person"), 2, "give one of them"),
        (("--control", "0.1", "--schema-only"), 2, "reads no row"),
        (("--control", "0.1", "--subject", "nowhere"), 24, "there is no such table; known are a.twin"),
        (("--control", "0.1", "--subject", "twin"), 24, "several tables are called so"),
        (("--control", "0.1", "--subject", "visit"), 24, "has no primary key"),
        (("--control", "0.1", "--subject", "a.twin"), 24, "it takes nobody: try again"),
    ],
)
def test_what_cannot_be_split_is_refused(
    people: DatabaseUrl,
    state: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    assert command("fit", people, "-o", state / "x.replica", *words) == code
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not list(state.iterdir())


def test_a_map_must_name_one_table_of_persons(people: DatabaseUrl, state: Path) -> None:
    drafted = replica.draft(people)
    cases: list[tuple[str, Role, str]] = [
        ("a.twin", "subject", "several tables are of persons"),
        ("public.person", "private", "no table of persons was found"),
    ]
    for name, role, message in cases:
        tables = dict(drafted.schema_map.tables)
        tables[name] = replace(tables[name], role=role)
        path = state / "map.yaml"
        path.write_text(write_map(replace(drafted.schema_map, tables=tables), {}), encoding="utf8")
        with pytest.raises(PlanError, match=message):
            replica.learn(people, Settings(control=0.1, map_path=path))


def test_a_run_that_fails_leaves_no_record(people: DatabaseUrl, state: Path) -> None:
    settings = Settings(control=0.2, subject="person", workers=1)

    def stop(_: Planned) -> None:
        (path,) = state_folder().iterdir()
        assert read_record(path).split.subject == "public.person"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replica.learn(people, settings, planned=stop)
    assert not list(state_folder().iterdir())
    (state / "file").touch()
    with pytest.raises(RecordError, match="cannot be written"):
        replica.learn(people, replace(settings, record=state / "file" / "x.json"))


def test_an_artifact_takes_no_record_of_another(written: Written, server: Server, state: Path) -> None:
    path, target = state / "other.json", server.fresh()
    save_record(replace(written.record, id="another"), path)
    with pytest.raises(RecordError, match="the record of another fit"):
        replica.write(replica.open_artifact(written.artifact), target, Settings(record=path))
    path.write_text('{"format": "replica-control", "format_version": 1}', encoding="utf8")
    with pytest.raises(RecordError, match="is no record of a control"):
        read_record(path)
    # On a machine that does not have the record a replica is written all the same, and says so.
    try:
        loaded = replica.write(replica.open_artifact(written.artifact), target, Settings(workers=1))
        assert loaded.notes[-1].startswith("the record of who was kept out of learning is not here")
    finally:
        server.drop(target)
