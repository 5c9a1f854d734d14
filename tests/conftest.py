"""Real PostgreSQL for every test, and the databases that tests share.

The server is, in this order: the one that REPLICA_TEST_URL names, a container where a Docker daemon answers, the
embedded PostgreSQL. REPLICA_TEST_SERVER=embedded or =docker chooses one of the last two.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from psycopg import sql

import replica
from replica import EvaluationReport, FittedReplica, Progress, Settings
from replica.databases.embedded import EmbeddedServer
from replica.databases.url import DatabaseUrl, database_name, parse_url, with_database
from replica.samples.company import build_company

COMPANY_EMPLOYEES = 500
DOCKER_IMAGE = "postgres:18"


@dataclass(frozen=True)
class Server:
    """A server on which tests may create what they like.

    Attributes:
        admin: the address of a database to create others from.
        kind: where the server comes from.
    """

    admin: DatabaseUrl
    kind: str

    def url(self, name: str) -> DatabaseUrl:
        return with_database(self.admin, name)

    def create(self) -> DatabaseUrl:
        """Creates an empty database."""
        url = self.fresh()
        self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database_name(url))))
        return url

    def fresh(self) -> DatabaseUrl:
        """Returns an address where no database is yet."""
        return self.url(f"replica_test_{uuid.uuid4().hex[:12]}")

    def drop(self, url: DatabaseUrl) -> None:
        name = sql.Identifier(database_name(url))
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def execute(self, statement: sql.Composed | sql.SQL) -> None:
        with psycopg.connect(self.admin.secret, autocommit=True) as connection:
            connection.execute(statement)

    def databases(self) -> set[str]:
        with psycopg.connect(self.admin.secret) as connection:
            return {str(name) for (name,) in connection.execute("SELECT datname FROM pg_database")}


def pytest_configure() -> None:
    """Takes interruptions even where a shell has them ignored, as it does in the background: tests raise them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _docker_answers() -> bool:
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return False
    try:
        from docker.client import DockerClient  # noqa: PLC0415 - comes with testcontainers, and asks a daemon

        client = DockerClient.from_env(timeout=3)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:  # whatever it says, there is no daemon to use
        return False


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415 - only where a daemon answers

    with PostgresContainer(DOCKER_IMAGE, driver=None) as container:
        yield container.get_connection_url()


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[Server]:
    """The newest PostgreSQL, whatever the other tests run on."""
    # Not below pytest's own folder: run as root, the server is another user, and every new run of pytest closes that
    # folder to others.
    with TemporaryDirectory(prefix="replica-test-") as folder, EmbeddedServer(Path(folder) / "postgres") as embedded:
        yield Server(embedded.url("postgres"), "embedded")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server that tests use; see above for which one it is."""
    wanted = os.environ.get("REPLICA_TEST_SERVER", "")
    with ExitStack() as stack:
        if os.environ.get("REPLICA_TEST_URL") and not wanted:
            yield Server(parse_url("env:REPLICA_TEST_URL"), "environment")
        elif wanted == "docker" or (not wanted and _docker_answers()):
            yield Server(parse_url(stack.enter_context(_container())), "docker")
        else:
            yield request.getfixturevalue("embedded_server")


@pytest.fixture
def new_database(server: Server) -> Iterator[Callable[..., DatabaseUrl]]:
    """Makes databases out of SQL; they go when the test ends."""
    made: list[DatabaseUrl] = []

    def make(script: str = "") -> DatabaseUrl:
        made.append(server.create())
        if script:
            with psycopg.connect(made[-1].secret) as connection:
                connection.execute(script.encode())
        return made[-1]

    yield make
    for url in made:
        server.drop(url)


@pytest.fixture
def empty_database(new_database: Callable[..., DatabaseUrl]) -> DatabaseUrl:
    return new_database()


@pytest.fixture
def target(server: Server) -> Iterator[DatabaseUrl]:
    """An address where no database is yet; what the test puts there goes when it ends."""
    url = server.fresh()
    yield url
    server.drop(url)


@pytest.fixture(scope="session")
def company(server: Server) -> Iterator[DatabaseUrl]:
    """The sample company with 500 employees. Only to be read."""
    url = server.create()
    build_company(url, seed=3, employees=COMPANY_EMPLOYEES)
    yield url
    server.drop(url)


@dataclass(frozen=True)
class CompanyReplica:
    """A replica of the sample company.

    Attributes:
        url: the database. Only to be read.
        fitted: what was learned.
        settings: what it was learned and written with.
        progress: all that was reported meanwhile.
    """

    url: DatabaseUrl
    fitted: FittedReplica
    settings: Settings
    progress: list[Progress]


@pytest.fixture(scope="session")
def company_replica(server: Server, company: DatabaseUrl) -> Iterator[CompanyReplica]:
    """The sample company, learned and written once."""
    url, settings, progress = server.fresh(), Settings(workers=1), list[Progress]()
    fitted = replica.learn(company, settings, report=progress.append)
    replica.write(fitted, url, settings, progress.append)
    yield CompanyReplica(url, fitted, settings, progress)
    server.drop(url)


@pytest.fixture(scope="session")
def company_report(company: DatabaseUrl, company_replica: CompanyReplica) -> EvaluationReport:
    """How alike the sample company and its replica are."""
    return replica.evaluate(company, company_replica.url)
