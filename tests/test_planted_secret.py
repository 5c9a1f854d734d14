"""Without differential privacy: what one person has, however often, is not handed on."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
from conftest import Server
from postgres_tools import counts, rows, value
from typer.testing import CliRunner

import replica
from replica import Planned, Settings
from replica.cli.commands import app
from replica.databases.url import DatabaseUrl
from replica.errors import LeakError

PERSONS, REPEATED = 600, 50
# Each is in all fifty visits of one person; the last one is in one visit each of nine persons, one below the usual ten.
WORD, CODE, PLACE, NOTE = "zqunique", "ZQX-77431", "Zqtown", "zqnote is what was said of it"
TAG, KEY, RARE = "zqtag", "zqmember", "zqninepersons"
AMOUNT, DAY = "98765.43", "1903-03-03"
SECRETS = (WORD, CODE, PLACE, NOTE, TAG, KEY, RARE)

SCHEMA = """
CREATE TABLE person (
    person_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL,
    email text NOT NULL, born date NOT NULL);
CREATE TABLE visit (
    visit_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id integer NOT NULL REFERENCES person ON DELETE CASCADE, visited date NOT NULL, reason text NOT NULL,
    reference_code text NOT NULL, town text NOT NULL, remark text, amount numeric(10, 2) NOT NULL, tags text[] NOT NULL,
    details jsonb NOT NULL);
"""


@dataclass(frozen=True)
class Planted:
    """A replica of a source with secrets, and everything that was left behind."""

    source: DatabaseUrl
    url: DatabaseUrl
    file: Path
    logged: str


@pytest.fixture(scope="module")
def planted(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    source, url = server.create(), server.fresh()
    fill(source)
    file = tmp_path_factory.mktemp("planted") / "x.replica"
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    settings = Settings(generator="marginal", workers=1)
    planned: list[Planned] = []
    fitted = replica.learn(
        source, settings, report=lambda progress: said.append(repr(progress)), planned=planned.append
    )
    logging.getLogger().removeHandler(handler)
    assert planned[0].plan.by_id["public.person"].role == "subject"
    replica.save(fitted, file)
    replica.write(replica.open_artifact(file), url, settings, lambda progress: said.append(repr(progress)))
    yield Planted(source, url, file, "\n".join(said))
    server.drop(source)
    server.drop(url)


def fill(url: DatabaseUrl) -> None:
    rng = np.random.default_rng(6)
    with psycopg.connect(url.secret) as connection:
        connection.execute(SCHEMA.encode())
        with connection.cursor().copy("COPY person (first_name, last_name, email, born) FROM STDIN") as copy:
            for i in range(PERSONS):
                born = np.datetime64("1950-01-01") + int(rng.integers(0, 18_000))
                copy.write_row((f"Anna{i}", f"Meyer{i}", f"anna{i}@mail.test", str(born)))
        columns = "person_id, visited, reason, reference_code, town, remark, amount, tags, details"
        with connection.cursor().copy(f"COPY visit ({columns}) FROM STDIN".encode()) as copy:
            for person in [*range(PERSONS), *range(PERSONS), *[0] * (REPEATED - 2)]:
                copy.write_row(visit(person, rng))
            for person in range(1, 10):
                _, *rest = visit(person, rng)
                copy.write_row((person + 1, rest[0], RARE, *rest[2:]))


def visit(person: int, rng: np.random.Generator) -> tuple[object, ...]:
    if person == 0:
        return 1, DAY, WORD, CODE, PLACE, NOTE, AMOUNT, f"{{{TAG},check}}", f'{{"{KEY}": "{WORD}", "kind": "{WORD}"}}'
    reason, town = str(rng.choice(["check", "pain", "flu"])), str(rng.choice(["Oslo", "Bergen", "Moss"]))
    day = np.datetime64("2020-01-01") + int(rng.integers(0, 1500))
    code = f"AB-{rng.integers(10_000, 99_999)}"
    remark = f"came for {reason} and left on foot"
    kind = str(rng.choice(["a", "b"]))
    return (
        person + 1,
        str(day),
        reason,
        code,
        town,
        remark,
        round(float(rng.uniform(10, 90)), 2),
        "{check}",
        (f'{{"kind": "{kind}"}}'),
    )


def test_a_secret_of_one_person_stands_nowhere(planted: Planted) -> None:
    with zipfile.ZipFile(planted.file) as archive:
        kept = b"".join(archive.read(name) for name in archive.namelist()).decode("latin1")
    made = "".join(str(rows(planted.url, f"SELECT * FROM {table}")) for table in counts(planted.url))
    assert "check" in kept, "what is common is there to be found"
    assert "check" in made
    assert value(planted.url, "SELECT count(*) FROM visit") > 1000
    found = {
        place: [secret for secret in SECRETS if secret in text]
        for place, text in (("artifact", kept), ("replica", made), ("messages", planted.logged))
    }
    assert found == {"artifact": [], "replica": [], "messages": []}


def test_numbers_and_days_of_one_person_come_out_no_oftener_than_by_chance(planted: Planted) -> None:
    assert value(planted.url, f"SELECT count(*) FROM visit WHERE amount = {AMOUNT}") == 0
    assert value(planted.url, f"SELECT count(*) FROM visit WHERE visited = '{DAY}'") == 0
    assert value(planted.url, "SELECT max(amount) FROM visit") < 1000


@pytest.mark.parametrize(("least", "leaks"), [(10, False), (1, True)])
def test_an_audit_of_the_artifact_finds_what_too_few_persons_have(
    planted: Planted, tmp_path: Path, least: int, *, leaks: bool
) -> None:
    """What one person has in fifty rows is one person's; kept it is found, if the plan is held to ten."""
    file = tmp_path / "x.replica"
    fitted = replica.learn(planted.source, Settings(generator="marginal", workers=1, min_holders=least))
    replica.save(replace(fitted, plan=replace(fitted.plan, min_holders=10)), file)
    shown = CliRunner().invoke(app, ["audit-artifact", str(file), planted.source.secret, "--json"])
    found = json.loads(shown.stdout)
    assert {one["column"]: one["found"] > 0 for one in found}["public.visit.reason"] == leaks
    assert sum(one["looked_for"] for one in found) > PERSONS
    assert isinstance(shown.exception, LeakError) == leaks
    assert WORD not in shown.output
