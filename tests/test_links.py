"""Rows that belong to a subject through a link table alone, as an account belongs to a client through a disposition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
from conftest import Server
from postgres_tools import counts, rows, run, value

import replica
from replica import Settings
from replica.databases import open_database
from replica.databases.url import DatabaseUrl
from replica.errors import UnprotectedError
from replica.learning.source_rows import read_source
from replica.protecting.contributions import NOBODY, SubjectRows, bounded, rows_of_subjects
from replica.protecting.fitting import without_sampling
from replica.protecting.measuring import columns_to_code
from replica.protecting.preparing import prepare
from replica.protecting.unit import Unit
from replica.schema.schema_map import parse_map, write_map

CLIENTS = 3_000
PROTECTED = Settings(epsilon=3, delta=1e-6, subject="client", links=("disp",), workers=1)

SCHEMA = """
CREATE TABLE client (client_id integer PRIMARY KEY, sex text NOT NULL CHECK (sex IN ('f', 'm')));
CREATE TABLE account (account_id integer PRIMARY KEY, kind text NOT NULL CHECK (kind IN ('plain', 'gold')));
CREATE TABLE disp (
    disp_id integer PRIMARY KEY, client_id integer NOT NULL REFERENCES client,
    account_id integer NOT NULL REFERENCES account, role text NOT NULL CHECK (role IN ('owner', 'other')));
CREATE TABLE card (card_id integer PRIMARY KEY, disp_id integer NOT NULL REFERENCES disp);
CREATE TABLE loan (
    loan_id integer PRIMARY KEY, account_id integer NOT NULL REFERENCES account,
    amount integer NOT NULL CHECK (amount BETWEEN 0 AND 1000));
"""


def fill(url: DatabaseUrl, tables: Mapping[str, Sequence[tuple[object, ...]]]) -> None:
    with psycopg.connect(url.secret) as connection:
        connection.execute(SCHEMA.encode())
        for name, lines in tables.items():
            with connection.cursor().copy(f"COPY {name} FROM STDIN".encode()) as copy:
                for line in lines:
                    copy.write_row(line)


@pytest.fixture(scope="module")
def bank(server: Server) -> Iterator[DatabaseUrl]:
    """Clients with an account each, some of which others may use too; an account that nobody has. Only to be read."""
    url = server.create()
    rng = np.random.default_rng(3)
    gold, borrows = rng.random(CLIENTS) < 0.2, rng.random(CLIENTS) < 0.7
    shares = np.flatnonzero(rng.random(CLIENTS) < 0.3)[1:]
    amount = np.where(gold, rng.integers(600, 1000, CLIENTS), rng.integers(0, 400, CLIENTS))
    everybody = range(CLIENTS)
    tables: dict[str, Sequence[tuple[object, ...]]] = {
        "client": [(i, str(rng.choice(["f", "m"]))) for i in everybody],
        "account": [(i, "gold" if gold[i] else "plain") for i in everybody] + [(CLIENTS, "plain")],
        "disp": [(2 * i, i, i, "owner") for i in everybody]
        + [(2 * int(i) + 1, int(i), int(rng.integers(0, i)), "other") for i in shares],
        "card": [(i, 2 * i) for i in everybody if i % 3 == 0],
        "loan": [(i, i, int(amount[i])) for i in everybody if borrows[i]],
    }
    fill(url, tables)
    yield url
    server.drop(url)


def subject_rows(url: DatabaseUrl) -> tuple[Unit, dict[str, SubjectRows]]:
    database = open_database(url)
    with database.snapshot() as snapshot:
        prepared = prepare(snapshot, database.introspect(), PROTECTED, None)
        sources = read_source(snapshot, prepared.plan, without_sampling(PROTECTED), columns=columns_to_code)
    return prepared.unit, rows_of_subjects(prepared.unit, sources)


def test_a_table_that_only_a_link_leads_to_must_be_declared(bank: DatabaseUrl) -> None:
    undeclared = Settings(epsilon=1, subject="client")
    with pytest.raises(UnprotectedError, match=r"--public public\.account, or --link public\.disp if"):
        replica.learn(bank, undeclared)
    for wrong in ("card", "account", "nothing"):
        with pytest.raises(UnprotectedError, match="link"):
            replica.learn(bank, Settings(epsilon=1, subject="client", links=(wrong,)))


def test_a_linked_row_belongs_to_whom_its_first_link_belongs(bank: DatabaseUrl) -> None:
    unit, found = subject_rows(bank)
    assert unit.paths["public.loan"] == (
        "public.loan → public.account by (account_id) → public.disp linked by (account_id)"
        " → public.client by (client_id)"
    )
    accounts = found["public.account"]
    assert accounts.subject.tolist() == [*range(CLIENTS), NOBODY]
    owner = np.array(found["public.disp"].source.column("role").to_pylist()) == "owner"
    assert ((found["public.disp"].subject == NOBODY) == ~owner).all(), "who shares another's account has no part in it"
    assert (found["public.client"].source.fan_outs[unit.owners["public.disp"].id] == 1).all()
    kept = bounded(unit, found, dict.fromkeys(unit.private, 1))
    assert all(rows.per_subject(CLIENTS).max() <= 1 for rows in kept.values())
    assert len(kept["public.account"]) == CLIENTS


def summary(unit: Unit, found: dict[str, SubjectRows]) -> dict[str, list[tuple[object, ...]]]:
    """What is known of every subject's rows, by the subject's key: nothing else is measured or learned from."""
    clients = found["public.client"].source.column("client_id").to_pylist()
    told = {}
    for name in unit.private:
        rows = found[name]
        fan_outs = [
            rows.source.fan_outs[key]
            for key in sorted(rows.source.fan_outs)
            if key in {k.id for k in unit.owners.values()}
        ]
        values = [rows.source.column(column).to_pylist() for column in rows.source.frame.column_names]
        whose = [clients[subject] if subject != NOBODY else None for subject in rows.subject.tolist()]
        told[name] = sorted(line for line in zip(whose, *values, *fan_outs, strict=True) if line[0] is not None)
    return told


def test_without_a_subject_everything_else_belongs_to_whom_it_belonged(
    bank: DatabaseUrl, new_database: Callable[..., DatabaseUrl]
) -> None:
    """Two neighbours: one client, its account, the account's loans and all that links the account are gone."""
    shared = int(value(bank, "SELECT account_id FROM disp WHERE role = 'other' ORDER BY account_id LIMIT 1"))
    smaller = new_database()
    fill(smaller, {name: rows(bank, f"SELECT * FROM {name}") for name in ("client", "account", "disp", "card", "loan")})
    gone = f"client_id = {shared} OR account_id = {shared}"
    run(
        smaller,
        f"DELETE FROM card WHERE disp_id IN (SELECT disp_id FROM disp WHERE {gone}); DELETE FROM disp WHERE {gone};"
        f"DELETE FROM loan WHERE account_id = {shared}; DELETE FROM account WHERE account_id = {shared};"
        f"DELETE FROM client WHERE client_id = {shared}",
    )
    whole, less = summary(*subject_rows(bank)), summary(*subject_rows(smaller))
    for name, lines in whole.items():
        assert [line for line in lines if line[0] != shared] == less[name], name
        assert len(lines) - len(less[name]) <= 1


def test_a_bank_is_learned_with_what_links_lead_to(bank: DatabaseUrl, target: DatabaseUrl, tmp_path: Path) -> None:
    fitted = replica.learn(bank, PROTECTED)
    file = tmp_path / "bank.replica"
    replica.save(fitted, file)
    replica.write(replica.open_artifact(file), target, PROTECTED)
    assert fitted.privacy is not None
    assert fitted.privacy.spent() <= 3
    assert any("first row of public.disp" in note for note in fitted.privacy.notes)
    for table, n in counts(bank).items():
        assert abs(counts(target)[table] - n) <= 0.3 * n, table
    assert float(value(target, "SELECT avg((kind = 'gold')::int) FROM account")) == pytest.approx(0.2, abs=0.06)
    # What an account is decides what is lent on it.
    gap = """SELECT avg(amount) FILTER (WHERE kind = 'gold') - avg(amount) FILTER (WHERE kind = 'plain')
        FROM loan JOIN account USING (account_id)"""
    assert float(value(target, gap)) > 250
    linked = "SELECT avg((EXISTS (SELECT FROM disp WHERE disp.account_id = account.account_id))::int) FROM account"
    assert float(value(target, linked)) > 0.8


def test_a_map_may_say_which_reference_links(bank: DatabaseUrl) -> None:
    database = open_database(bank)
    schema = database.introspect()
    with database.snapshot() as snapshot:
        drafted = prepare(snapshot, schema, PROTECTED, None).schema_map
        tables = dict(drafted.tables) | {
            "public.disp": replace(drafted.tables["public.disp"], owner=("client_id",), link=("account_id",))
        }
        written = write_map(replace(drafted, tables=tables), {})
        found = prepare(snapshot, schema, replace(PROTECTED, links=()), parse_map(written, "map"))
    assert "link: [account_id]" in written
    assert found.unit.paths["public.account"].endswith("linked by (account_id) → public.client by (client_id)")
