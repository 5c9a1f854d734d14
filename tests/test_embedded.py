"""The embedded PostgreSQL starts, is used again, and stops."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from postgres_tools import rows, run, value

from replica import introspect
from replica.databases.embedded import EmbeddedServer, tools_folders
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import UnreachableError


@pytest.fixture(scope="module")
def parent() -> Iterator[Path]:
    # Not below pytest's own folder: run as root, the server is another user, to whom that folder is closed.
    with TemporaryDirectory(prefix="replica-test-") as folder:
        yield Path(folder)


def answers(url: DatabaseUrl) -> bool:
    try:
        return bool(value(url, "SELECT true"))
    except psycopg.OperationalError:
        return False


def test_a_server_starts_stops_and_starts_again_with_its_data(parent: Path) -> None:
    folder = parent / "one"
    with EmbeddedServer(folder) as server:
        url = server.url("postgres")
        assert value(url, "SELECT current_setting('server_version_num')::int / 10000") == 18
        run(url, "CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)")
        assert [table.id for table in introspect(url).tables] == ["public.kept"]
    assert not answers(url)
    with EmbeddedServer(folder) as server:
        assert rows(server.url("postgres"), "SELECT a FROM kept") == [(7,)]
    assert not answers(url)


def test_a_server_listens_on_its_own_socket_only(parent: Path) -> None:
    with EmbeddedServer(parent / "one") as server:
        assert value(server.url("postgres"), "SHOW listen_addresses") == ""
        assert database_name(server.url("another one")) == "another one"


@pytest.mark.parametrize("name", ["my folder's ñ", "a" * 120], ids=["spaces", "long"])
def test_a_server_lives_in_a_folder_of_any_name(parent: Path, name: str) -> None:
    with EmbeddedServer(parent / name) as server:
        assert answers(server.url("postgres"))


def test_a_server_stops_with_its_last_process_only(parent: Path) -> None:
    folder = parent / "one"
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["replica"])
    ready, done = processes.Event(), processes.Event()
    other = processes.Process(target=use, args=(folder, ready, done))
    other.start()
    assert ready.wait(60)
    with EmbeddedServer(folder) as server:
        url = server.url("postgres")
    assert answers(url)
    done.set()
    other.join()
    assert other.exitcode == 0
    assert not answers(url)


def use(folder: Path, ready: Event, done: Event) -> None:
    with EmbeddedServer(folder):
        ready.set()
        done.wait(120)


@pytest.mark.parametrize("what", ["a file", "below a file", "another database"])
def test_a_folder_that_cannot_be_used_is_named(parent: Path, what: str) -> None:
    folder = parent / what
    if what == "another database":
        folder.mkdir()
        (folder / "PG_VERSION").write_text("9\n")
    else:
        folder.write_text("")
        folder = folder / "x" if what == "below a file" else folder
    with pytest.raises(UnreachableError, match=f"^the embedded PostgreSQL in {folder} did not start"):
        EmbeddedServer(folder)


def test_a_server_may_stay_when_its_user_goes(parent: Path) -> None:
    with EmbeddedServer(parent / "stays", keep_running=True) as server:
        url = server.url("postgres")
    assert answers(url)
    with EmbeddedServer(parent / "stays") as server:
        assert answers(url)
    assert not answers(url)


def test_client_tools_come_with_it() -> None:
    assert any((folder / "pg_dump").exists() for folder in tools_folders())
