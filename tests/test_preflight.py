"""What would stop a run is found before it, with the words that help, and never with a password."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
from conftest import Server
from postgres_tools import PASSWORD, as_role, changed, is_available, made_roles, run
from psycopg import sql

from replica import Settings, check, introspect, learn
from replica.databases import open_database
from replica.databases.base import Finding
from replica.databases.postgres.staging import InPlace, SideBySide
from replica.databases.url import DatabaseUrl, database_name, parse_url
from replica.errors import (
    AuthenticationError,
    EmptySchemaError,
    PrivilegeError,
    ReplicaError,
    SameDatabaseError,
    SettingsError,
    TargetNotEmptyError,
    UnreachableError,
)
from replica.pipeline import refuse_same, replicate
from replica.schema.model import Extension

TABLES = 'CREATE TABLE open (a int); CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."My Table" (a int)'
MINE = '"My Schema"."My Table"'


@pytest.fixture
def new_role(server: Server) -> Iterator[Callable[..., str]]:
    """To be named before ``new_database`` and ``target``, so that roles go after the databases."""
    with made_roles(server) as make:
        yield make


def errors(findings: list[Finding]) -> list[tuple[str, type[ReplicaError]]]:
    return [(finding.subject, finding.raises) for finding in findings if finding.status == "error"]


def statuses(findings: list[Finding]) -> dict[str, str]:
    return {finding.subject: finding.status for finding in findings}


def check_source(url: DatabaseUrl, schema_of: DatabaseUrl) -> list[Finding]:
    return open_database(url).check_source(introspect(schema_of))


def check_target(url: DatabaseUrl, schema_of: DatabaseUrl, *, replace: bool = False) -> list[Finding]:
    return open_database(url).check_target(introspect(schema_of), replace=replace)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "/nowhere", "no-such-host.invalid"])
def test_a_server_that_does_not_answer_is_told_from_one_that_refuses(host: str) -> None:
    url = parse_url(psycopg.conninfo.make_conninfo("", host=host, port=free_port(), password=PASSWORD, dbname="x"))
    with pytest.raises(UnreachableError, match=r"^no server answers at postgresql://.*; check host, port") as caught:
        introspect(url)
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_is_not_there_is_named(target: DatabaseUrl) -> None:
    with pytest.raises(AuthenticationError, match=f'database "{database_name(target)}" does not exist'):
        introspect(target)


@pytest.mark.parametrize("kind", ["missing", "without login"])
def test_a_user_that_is_refused_is_named_without_a_password(
    server: Server, new_role: Callable[..., str], empty_database: DatabaseUrl, kind: str
) -> None:
    role = new_role()
    if kind == "missing":
        url = as_role(empty_database, f"{role}_x")
    else:
        server.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
        url = as_role(empty_database, role)
    with pytest.raises(AuthenticationError, match=role) as caught:
        introspect(url)
    assert PASSWORD not in str(caught.value)


def test_a_wrong_password_is_refused_and_not_shown(new_role: Callable[..., str], empty_database: DatabaseUrl) -> None:
    url = changed(as_role(empty_database, new_role()), password="the wrong one")  # noqa: S106
    try:
        psycopg.connect(url.secret).close()
    except psycopg.OperationalError:
        with pytest.raises(AuthenticationError, match="password authentication failed") as caught:
            introspect(url)
        assert "the wrong one" not in str(caught.value)
    else:
        pytest.skip("the server trusts everyone")


def test_a_database_without_tables_stops_a_run(empty_database: DatabaseUrl, target: DatabaseUrl) -> None:
    with pytest.raises(EmptySchemaError, match="has no tables"):
        check(empty_database, target)


def test_everything_is_fine_where_it_is(new_database: Callable[..., DatabaseUrl], target: DatabaseUrl) -> None:
    url = new_database(TABLES)
    findings = check(url, target)
    assert errors(findings) == []
    assert {"source", "privileges", "target", "publishing", "client tools"} <= set(statuses(findings))
    assert next(found.message for found in findings if found.subject == "publishing") == SideBySide.way


def test_each_schema_that_may_not_be_read_is_named_with_what_to_grant(
    new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]
) -> None:
    url, role = new_database(TABLES), new_role()
    stranger = as_role(url, role)
    assert errors(check_source(stranger, url)) == [
        ('schema "My Schema"', PrivilegeError),
        ("schema public", PrivilegeError),
    ]
    run(url, f"GRANT SELECT ON open, {MINE} TO {role}")
    (refused,) = [found for found in check_source(stranger, url) if found.status == "error"]
    assert refused.subject == 'schema "My Schema"'
    assert "may not read 1 of its 1 tables" in refused.message
    # What it advises is all that is needed.
    run(url, refused.message.partition(": ")[2])
    assert errors(check_source(stranger, url)) == []
    assert statuses(check_source(stranger, url))["privileges"] == "ok"


def test_a_run_stops_at_the_first_table_and_counts_the_others(
    new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]
) -> None:
    stranger = as_role(new_database(TABLES), new_role())
    with pytest.raises(PrivilegeError, match=r'^schema "My Schema": .*GRANT SELECT.*\(and 1 more: see') as caught:
        learn(stranger, Settings(effort=0.2, workers=1))
    assert PASSWORD not in str(caught.value)


def test_row_security_that_hides_rows_is_an_error_but_not_for_the_owner(
    new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]
) -> None:
    url, role = new_database(TABLES + f"; ALTER TABLE {MINE} ENABLE ROW LEVEL SECURITY"), new_role()
    run(url, f"GRANT SELECT ON open, {MINE} TO {role}")
    stranger = as_role(url, role)
    assert errors(check_source(stranger, url)) == [('schema "My Schema"', PrivilegeError)]
    run(url, f'GRANT USAGE ON SCHEMA "My Schema" TO {role}')
    (found,) = [found for found in check_source(stranger, url) if found.status == "error"]
    assert "row-level security would hide rows" in found.message
    run(url, f"ALTER TABLE {MINE} OWNER TO {role}")
    assert errors(check_source(stranger, url)) == []


def test_what_is_not_carried_is_a_warning(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(TABLES + "; CREATE PUBLICATION news")
    assert statuses(check_source(url, url))["not carried"] == "warning"


def test_a_user_who_may_not_create_a_target_is_told_so(
    new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl], target: DatabaseUrl
) -> None:
    url = new_database(TABLES)
    findings = check_target(as_role(target, new_role()), url)
    assert errors(findings) == [("publishing", PrivilegeError)]
    assert any("GRANT CREATEDB" in found.message for found in findings)
    assert errors(check_target(as_role(target, new_role("CREATEDB")), url)) == []


def test_a_user_who_may_not_swap_databases_writes_in_place(
    new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]
) -> None:
    url, into = new_database(TABLES), new_database()
    for role in (new_role(), new_role("CREATEDB")):
        (found,) = [found for found in check_target(as_role(into, role), url) if found.subject == "publishing"]
        assert (found.status, found.message) == ("warning", InPlace.way)


def test_a_target_that_holds_something_needs_leave(new_database: Callable[..., DatabaseUrl]) -> None:
    url, into = new_database(TABLES), new_database("CREATE TABLE mine (a serial)")
    assert errors(check_target(into, url)) == [("target", TargetNotEmptyError)]
    found = check_target(into, url, replace=True)
    assert errors(found) == []
    assert any(f.status == "warning" and "2 objects will be replaced" in f.message for f in found)


def test_an_extension_that_the_target_lacks_is_named(new_database: Callable[..., DatabaseUrl], server: Server) -> None:
    url = new_database(TABLES)
    schema = replace(introspect(url), extensions=(Extension("no_such_thing", "1.0", "Odd one"),))
    (found,) = [f for f in open_database(url).check_target(schema, replace=True) if f.status == "error"]
    assert (found.subject, found.raises) == ("extension no_such_thing", Finding("ok", "", "").raises)
    assert found.message == (
        'the source has it in schema "Odd one", the target\'s server does not have it: install its package there'
    )
    assert is_available(server, "plpgsql")
    schema = replace(schema, extensions=(Extension("plpgsql", "1.0", "pg_catalog"),))
    assert statuses(open_database(url).check_target(schema, replace=True))["extension plpgsql"] == "ok"


def test_an_extension_that_takes_a_superuser_is_named(
    new_database: Callable[..., DatabaseUrl], new_role: Callable[..., str]
) -> None:
    url = new_database(TABLES)
    schema = replace(
        introspect(url), extensions=(Extension("adminpack", "1.0", "public"), Extension("vector", "1", "x"))
    )
    url = as_role(url, new_role())
    found = statuses(open_database(url).check_target(schema, replace=True))
    # One server has the one, another the other.
    assert "warning" in (found["extension adminpack"], found["extension vector"])


def test_a_disk_that_is_too_small_is_seen_where_it_can_be(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(TABLES)
    schema = introspect(url)
    huge = replace(schema, tables=tuple(replace(table, bytes=2**60) for table in schema.tables))
    found = [f for f in open_database(url).check_target(huge, replace=True) if f.subject == "disk"]
    assert [f.status for f in found] == ["warning"]
    assert "needed" in found[0].message


def test_a_source_newer_than_every_client_tool_is_an_error(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(TABLES)
    schema = replace(introspect(url), server_version=990_001)
    found = {f.subject: f for f in open_database(url).check_target(schema, replace=True)}
    assert found["client tools"].status == "error"
    assert "install PostgreSQL 99's client tools" in found["client tools"].message


def test_a_target_too_old_to_swap_databases_is_an_error(
    new_database: Callable[..., DatabaseUrl], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database(TABLES)
    monkeypatch.setattr("replica.databases.postgres.preflight.OLDEST_TARGET", 990_000)
    found = [f for f in open_database(url).check_target(introspect(url), replace=True) if f.subject == "versions"]
    assert [f.status for f in found] == ["error"]
    assert "is too old: use PostgreSQL 99 or newer" in found[0].message


def other_addresses(url: DatabaseUrl) -> list[DatabaseUrl]:
    """Addresses of the same database by other ways, as far as they answer."""
    with psycopg.connect(url.secret) as connection:
        port = connection.info.port
        row = connection.execute("SHOW unix_socket_directories").fetchone()
    folders = [folder.strip() for folder in str(row[0] if row else "").split(",")]
    found = []
    for host in ("localhost", "127.0.0.1", *folders):
        address = changed(url, host=host, port=port)
        try:
            psycopg.connect(address.secret).close()
        except psycopg.OperationalError:
            continue
        found.append(address)
    return [*found, changed(url, options="-c timezone=Asia/Tokyo"), changed(url, application_name="x")]


def test_one_database_by_several_addresses_is_one(new_database: Callable[..., DatabaseUrl]) -> None:
    url, other = new_database(TABLES), new_database(TABLES)
    for address in other_addresses(url):
        with pytest.raises(SameDatabaseError, match="name another target"):
            refuse_same(open_database(url), open_database(address))
        refuse_same(open_database(other), open_database(address))


def test_a_user_without_privileges_recognises_the_same_database(
    new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]
) -> None:
    url = new_database(TABLES)
    with pytest.raises(SameDatabaseError):
        replicate(url, as_role(url, new_role()), Settings(replace=True))


def test_a_check_finds_the_same_database_among_the_rest(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(TABLES)
    assert errors(check(url, url)) == [("target", SameDatabaseError)]


def test_no_finding_holds_a_password(new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(TABLES)
    stranger = as_role(url, new_role())
    findings = [*check_source(stranger, url), *check_target(stranger, url)]
    assert findings
    assert not any(PASSWORD in f"{finding}" or "pass'" in f"{finding}" for finding in findings)


def test_an_unknown_system_is_refused_before_anything_is_connected() -> None:
    with pytest.raises(SettingsError, match="oracle:// is not supported"):
        introspect("oracle://scott:tiger@db/x")
