"""Addresses are read in every form that libpq knows, and never show a secret."""

# ruff: noqa: S105, S108 - passwords and folders that lead nowhere

from __future__ import annotations

import getpass
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import conninfo

from replica.databases.url import DatabaseUrl, database_name, parse_url, with_database
from replica.errors import SettingsError

LIBPQ = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE")
SERVICES = """
[prod]
host=db.example
user=reader
password=hidden
dbname=sales
[nameless]
host=db.example
user=reader
"""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBPQ:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "services").write_text(SERVICES)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))


def parts(url: DatabaseUrl) -> dict[str, object]:
    return dict(conninfo.conninfo_to_dict(url.secret))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ann@db:5433/sales", {"user": "ann", "host": "db", "port": "5433", "dbname": "sales"}),
        ("postgres://db/sales", {"host": "db", "dbname": "sales"}),
        ("postgresql+psycopg://db/sales", {"host": "db", "dbname": "sales"}),
        ("  postgresql://db/sales\n", {"host": "db", "dbname": "sales"}),
        ("postgresql:///sales", {"dbname": "sales"}),
        ("postgresql://[::1]:5433/sales", {"host": "::1", "port": "5433", "dbname": "sales"}),
        ("postgresql://%2Ftmp/sales", {"host": "/tmp", "dbname": "sales"}),
        ("postgresql:///sales?host=/tmp/my%20run&port=5", {"host": "/tmp/my run", "port": "5", "dbname": "sales"}),
        ("postgresql://a:1,b:2/sales", {"host": "a,b", "port": "1,2", "dbname": "sales"}),
        (
            "postgresql://ann:p%40ss%2F%3A@db/sales",
            {"user": "ann", "password": "p@ss/:", "host": "db", "dbname": "sales"},
        ),
        ("postgresql://db/sales?sslmode=require", {"host": "db", "dbname": "sales", "sslmode": "require"}),
        ("host=db password='it''s' dbname=sales", None),
        (r"host=db password='a b\'c' dbname=sales", {"host": "db", "password": "a b'c", "dbname": "sales"}),
        ("host=db password=x://y dbname=sales", {"host": "db", "password": "x://y", "dbname": "sales"}),
        ("", {}),
    ],
)
def test_an_address_is_read_in_each_of_its_forms(text: str, expected: dict[str, object] | None) -> None:
    if expected is None:
        with pytest.raises(SettingsError):
            parse_url(text)
    else:
        assert parts(parse_url(text)) == expected


@pytest.mark.parametrize("text", ["mysql://ann:hidden@db/sales", "mysql+pymysql://ann:hidden@db/sales"])
def test_another_system_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^mysql[+a-z]*:// is not supported") as caught:
        parse_url(text)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "hidden",
        "postgresql://ann:hidden@[::1/sales",
        "host=db password='hidden",
        "x=hidden://y",
        "postgresql://\udcffhidden",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_url(text)
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", ["postgresql://h:543x/d", "host=h port=99999", "postgresql://a:1,b:x2/d"])
def test_a_port_that_is_no_number_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match=r"the port of the database address is not a number: write host:5432$"):
        parse_url(text)


def test_an_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DB", " postgresql://ann:hidden@db/sales ")
    assert parts(parse_url("env:MY_DB"))["password"] == "hidden"


@pytest.mark.parametrize("content", [None, ""])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    monkeypatch.delenv("MY_DB", raising=False)
    if content is not None:
        monkeypatch.setenv("MY_DB", content)
    with pytest.raises(SettingsError, match="MY_DB is not set"):
        parse_url("env:MY_DB")


def test_an_address_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my address").write_text("postgresql://ann:hidden@db/sales\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parts(parse_url(f"file:{tmp_path}/my address"))["password"] == "hidden"
    assert parts(parse_url("file:~/my address"))["password"] == "hidden"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "address"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        parse_url(f"file:{path}")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("postgresql://db/sales", {"PGDATABASE": "other"}, "sales"),
        ("postgresql://ann@db", {"PGDATABASE": "other"}, "other"),
        ("postgresql://ann@db", {"PGUSER": "bob"}, "ann"),
        ("postgresql://db", {"PGUSER": "bob"}, "bob"),
        ("postgresql://db", {}, getpass.getuser()),
        ("", {"PGSERVICE": "prod"}, "sales"),
        ("postgresql://?service=prod", {"PGDATABASE": "other"}, "sales"),
        ("postgresql://ann@/?service=prod", {}, "sales"),
        ("postgresql:///mine?service=prod", {}, "mine"),
        ("service=nameless", {}, "reader"),
        ("service=nameless", {"PGDATABASE": "other"}, "other"),
        ("service=nameless user=ann", {}, "ann"),
    ],
)
@pytest.mark.usefixtures("service_file")
def test_the_database_is_the_one_that_libpq_would_take(
    monkeypatch: pytest.MonkeyPatch, text: str, environment: dict[str, str], expected: str
) -> None:
    for name, content in environment.items():
        monkeypatch.setenv(name, content)
    assert database_name(parse_url(text)) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:hidden@db:5433/sales", "postgresql://ann@db:5433/sales"),
        ("postgresql://ann:hidden@[::1]:5433/sales", "postgresql://ann@[::1]:5433/sales"),
        ("postgresql://ann:hidden@/sales?host=/tmp&port=5433", "postgresql://ann@/sales?host=/tmp&port=5433"),
        ("postgresql://a:1,b:2/sales?password=hidden", "postgresql://a:1,b:2/sales"),
        ("host=a,b port=5 dbname=sales sslpassword=hidden", "postgresql://a:5,b:5/sales"),
        ("hostaddr=10.0.0.1 dbname='my sales/é'", "postgresql://10.0.0.1/my%20sales%2Fé"),
        ("service=prod password=hidden", "postgresql:///?service=prod"),
        ("port=5", "postgresql://:5/"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    assert str(parse_url(text)) == shown


# libpq's own limit: no zero bytes.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
passwords = st.text(string.ascii_letters + "'\"\\ @:/?%é&=", min_size=1).map(lambda text: f"S3kr {text}")
hosts = st.sampled_from(["db.example", "10.0.0.1", "::1", "/tmp", "/var/run/my folder", "@abstract"])


@given(user=words, password=passwords, host=hosts, port=st.integers(1, 65535), name=words)
def test_every_part_survives_and_only_the_password_is_not_shown(
    user: str, password: str, host: str, port: int, name: str
) -> None:
    given_parts = {"user": user, "host": host, "port": str(port), "dbname": name}
    url = parse_url(conninfo.make_conninfo("", password=password, **given_parts))
    assert parts(url) == {**given_parts, "password": password}
    assert parts(parse_url(url.display)) == given_parts
    assert database_name(url) == name
    for shown in (url.display, str(url), repr(url), f"{url}"):
        assert "S3kr" not in shown


@given(password=passwords, name=words)
def test_another_database_of_the_server_keeps_the_rest(password: str, name: str) -> None:
    url = with_database(parse_url(conninfo.make_conninfo("", host="db", dbname="old", password=password)), name)
    assert parts(url) == {"host": "db", "dbname": name, "password": password}
    assert "S3kr" not in str(url)
