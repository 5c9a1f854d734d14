"""Honest replicas of the sample and of real databases pass the default gate; their sources, taken for replicas, do not.

Who is kept out of learning is drawn anew each time, so that an attack may cry wolf: each does so in one run of 200.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import COMPANY_EMPLOYEES, Server

from real.databases import DATA, SCRIPTS, load
from replica.cli import run
from replica.databases.url import DatabaseUrl
from replica.errors import GateError
from replica.samples.company import build_company

pytestmark = pytest.mark.real

SAMPLE = "company"
# About nobody, so that nobody can be kept out of learning.
ABOUT_NOBODY = {"mondial"}


@pytest.fixture(params=[SAMPLE, *SCRIPTS])
def source(request: pytest.FixtureRequest, server: Server) -> Iterator[tuple[str, DatabaseUrl]]:
    if request.param != SAMPLE and not DATA.is_dir():
        pytest.skip(f"the real databases are not here: {DATA} (REPLICA_REAL_DATA names another place)")
    url = server.create()
    if request.param == SAMPLE:
        build_company(url, seed=3, employees=COMPANY_EMPLOYEES)
    else:
        load(request.param, url)
    yield request.param, url
    server.drop(url)


def test_the_default_gate_tells_replicas_from_copies(
    source: tuple[str, DatabaseUrl],
    target: DatabaseUrl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    name, url = source
    control = () if name in ABOUT_NOBODY else ("--control", "0.1")
    code = run(["run", url.secret, target.secret, *control, "--gate", "default", "--quiet"])
    assert code == 0, capsys.readouterr().err
    assert run(["evaluate", url.secret, url.secret, "--gate", "default"]) == GateError.exit_code
    assert "privacy.n" in capsys.readouterr().err
