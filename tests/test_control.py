"""People who are kept out of learning leave no trace, and only the record tells who they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import Server
from evaluating import pair
from postgres_tools import run, value

from replica.control.split import Split, downward
from replica.databases import open_database
from replica.databases.base import Reading
from replica.databases.url import DatabaseUrl
from replica.evaluation.control import control_masks
from replica.schema.model import Schema
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
MARKED = {"client": "full_name", "home": "street", "account": "note", "transfer": "note", "ledger": "note"}


@pytest.fixture(scope="module")
def bank(server: Server) -> Iterator[Source]:
    """People with a composite key and what hangs on them. Only to be read."""
    url = server.create()
    run(url, Path(__file__).with_name("control.sql").read_text(encoding="utf8"))
    yield Source(url, open_database(url).introspect())
    server.drop(url)


def marks(source: Source, split: Split) -> set[str]:
    """The marks of the people in a control."""
    everybody, kept = read_keys(source, CLIENT, None), read_keys(source, CLIENT, split)
    return {f"mark{region}{number}x" for region, number in set(everybody) - set(kept)}


def test_what_belongs_to_a_person_is_found_by_its_references(bank: Source) -> None:
    children = [key.child.removeprefix("public.") for key in downward(bank.schema, CLIENT)]
    # A branch may be without its head and is nobody's; a home cannot be without its client.
    assert children == ["account", "home", "ledger", "transfer", "transfer"]


def test_no_row_that_leads_to_a_person_is_read(bank: Source) -> None:
    held = marks(bank, SPLIT)
    assert 30 < len(held) < 90
    with open_database(bank.url).snapshot() as snapshot:
        view = snapshot.without(SPLIT.holdout(bank.schema))
        for name, column in MARKED.items():
            table = bank.schema.by_id[f"public.{name}"]
            texts = snapshot.read(table, {column: "value"}).column(column).to_pylist()
            kept = view.read(table, {column: "value"}).column(column).to_pylist()
            expected = [text for text in texts if not any(mark in text for mark in held)]
            assert sorted(kept) == sorted(expected)
            assert view.row_count(table) == len(expected) < len(texts)
        branch = bank.schema.by_id["public.branch"]
        assert view.row_count(branch) == 12


def test_masks_say_the_same_as_the_server(bank: Source) -> None:
    held = marks(bank, SPLIT)
    with pair(bank.url, bank.url, Settings(rules=False)) as found:
        masks = control_masks(found.ground, SPLIT)
    assert list(masks) == [CLIENT, "public.account", "public.home", "public.ledger", "public.transfer"]
    for name, column in MARKED.items():
        mask, url = masks[f"public.{name}"], bank.url
        assert len(mask) == value(url, f"SELECT count(*) FROM {name}")
        pattern = "|".join(held)
        assert mask.sum() == value(url, f"SELECT count(*) FROM {name} WHERE {column} ~ '{pattern}'")
    keys = found.ground.keys[CLIENT]
    regions, numbers = (part.to_pylist() for part in keys)
    named = {f"mark{regions[i]}{numbers[i]}x" for i in np.flatnonzero(masks[CLIENT])}
    assert named == held
