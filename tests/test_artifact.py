"""Artifacts are saved whole, opened only undamaged, and hold nothing of the persons in the source."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from conftest import Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

import replica
from replica import FittedReplica, Settings, open_artifact, save
from replica.artifact import FORMAT_VERSION, fingerprint, read_manifest
from replica.databases.url import DatabaseUrl
from replica.errors import ArtifactError
from replica.state import Arrays, pack

MEMBERS = ("manifest.json", "replica.json", "arrays.safetensors")
QUICK = Settings(generator="marginal", workers=1)
SCRIPT = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE person (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, born date CHECK (born > '1900-01-01'), mood mood,
    boss_id integer REFERENCES person
);
CREATE TABLE visit (id bigserial PRIMARY KEY, person_id integer NOT NULL REFERENCES person, at timestamptz, tags text[],
                    payload jsonb, UNIQUE (person_id, at));
INSERT INTO person (name, born, mood)
SELECT 'Ann No' || n, date '1950-01-01' + 31 * n, (ARRAY['sad', 'happy'])[1 + n % 2]::mood
  FROM generate_series(1, 60) n;
INSERT INTO visit (person_id, at, tags, payload)
SELECT 1 + n % 60, timestamptz '2024-01-01' + n * interval '7 hours', ARRAY['a', 'b'], '{"a": 1}'
  FROM generate_series(1, 200) n;
"""


@pytest.fixture(scope="module")
def fitted(server: Server) -> Iterator[FittedReplica]:
    """A small source, learned."""
    url = server.create()
    with psycopg.connect(url.secret) as connection:
        connection.execute(SCRIPT.encode())
    yield replica.learn(url, QUICK)
    server.drop(url)


@pytest.fixture(scope="module")
def saved(fitted: FittedReplica, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small source's artifact. Only to be read."""
    path = tmp_path_factory.mktemp("artifact") / "small.replica"
    save(fitted, path)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, members: Mapping[str, bytes], *, honest: bool = False) -> Path:
    """Writes a zip; with ``honest`` the manifest holds the hashes of what is in it."""
    found = dict(members)
    if honest:
        manifest = json.loads(found["manifest.json"])
        manifest["sha256"] = {name: hashlib.sha256(found[name]).hexdigest() for name in found if name in MEMBERS[1:]}
        found["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in found.items():
            archive.writestr(name, data)
    return path


def with_manifest(path: Path, saved: Path, **changes: Any) -> Path:
    members = members_of(saved)
    manifest = json.loads(members["manifest.json"]) | changes
    return write_members(path, {**members, "manifest.json": json.dumps(manifest).encode()})


def packed(found: FittedReplica) -> tuple[Any, Arrays]:
    arrays: Arrays = {}
    return pack(found, arrays), arrays


def assert_alike(first: FittedReplica, second: FittedReplica) -> None:
    (tree, arrays), (other_tree, other_arrays) = packed(first), packed(second)
    assert tree == other_tree
    assert arrays.keys() == other_arrays.keys()
    for name, values in arrays.items():
        assert values.dtype == other_arrays[name].dtype
        assert np.array_equal(values, other_arrays[name], equal_nan=values.dtype.kind == "f")


def refused(path: Path, message: str = "") -> None:
    """Opening the file fails with one line that names it."""
    with pytest.raises(ArtifactError) as error:
        open_artifact(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# What is saved


def test_what_is_opened_is_what_was_saved(fitted: FittedReplica, saved: Path) -> None:
    assert_alike(open_artifact(saved), fitted)


def test_what_was_opened_can_be_saved_again(saved: Path, tmp_path: Path) -> None:
    save(open_artifact(saved), tmp_path / "again.replica")
    assert members_of(tmp_path / "again.replica") == members_of(saved)


def test_a_file_is_json_and_numbers_and_no_code(saved: Path) -> None:
    members = members_of(saved)
    assert tuple(members) == MEMBERS
    for name in MEMBERS[:2]:
        assert isinstance(json.loads(members[name]), dict)
    assert all(isinstance(values, np.ndarray) for values in load(members["arrays.safetensors"]).values())
    # Every pickle since protocol 2 begins with this opcode, and numpy's own files that may hold one with that name.
    assert not any(data.startswith((b"\x80", b"\x93NUMPY")) for data in members.values())


def test_the_manifest_says_what_the_file_is(fitted: FittedReplica, saved: Path) -> None:
    manifest = read_manifest(saved)
    assert manifest["format"] == "replica-artifact"
    assert manifest["format_version"] == FORMAT_VERSION
    assert manifest["replica_version"] == version("replica")
    assert manifest["schema_fingerprint"] == fingerprint(fitted.plan.schema)
    members = members_of(saved)
    assert manifest["sha256"] == {name: hashlib.sha256(members[name]).hexdigest() for name in MEMBERS[1:]}


def test_saving_replaces_an_earlier_file_and_makes_folders(fitted: FittedReplica, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "x.replica"
    save(fitted, path)
    path.write_bytes(b"old")
    save(fitted, path)
    assert_alike(open_artifact(path), fitted)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("place", ["folder", "file/x.replica"])
def test_a_file_that_cannot_be_written_leaves_nothing_behind(fitted: FittedReplica, tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtifactError, match=rf"{place} cannot be written: \w"):
        save(fitted, tmp_path / place)
    assert {found.name for found in tmp_path.iterdir()} == {"file", "folder"}


def test_the_fingerprint_follows_the_schema_and_not_the_rows(new_database: Callable[..., DatabaseUrl]) -> None:
    script = "CREATE TABLE t (id int PRIMARY KEY, note text);"
    bare = fingerprint(replica.introspect(new_database(script)))
    filled = new_database(script + "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 5000) n; ANALYZE t")
    assert fingerprint(replica.introspect(filled)) == bare
    for change in ("ALTER TABLE t ADD c int", "ALTER TABLE t ALTER note SET NOT NULL", "CREATE INDEX ON t (note)"):
        assert fingerprint(replica.introspect(new_database(script + change))) != bare


# What is refused


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nil.replica", " does not exist: `replica fit` makes such files")


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04K\x01.", b"hello" * 100, b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_of_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.replica"
    path.write_bytes(content)
    refused(path, " is not a replica artifact: `replica fit` makes such files")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, " is not a replica artifact")


@pytest.mark.parametrize("manifest", [None, b"{", b"[]", b"{}", b'{"format": "docx"}', b"\xff", b"[" * 100_000])
def test_a_foreign_zip_is_refused(tmp_path: Path, manifest: bytes | None) -> None:
    members = {"word/document.xml": b"<xml/>", **({} if manifest is None else {"manifest.json": manifest})}
    refused(write_members(tmp_path / "x.replica", members), " is not a replica artifact")


@pytest.mark.parametrize("found", [FORMAT_VERSION + 1, 0, None, "1"])
def test_another_version_is_refused_and_named(saved: Path, tmp_path: Path, found: object) -> None:
    path = with_manifest(tmp_path / "x.replica", saved, format_version=found, replica_version="9.9")
    refused(
        path, f" is of format {found}, this version reads {FORMAT_VERSION}: use replica 9.9, or fit the source again"
    )


@pytest.mark.parametrize("hashes", [None, [], {}, {"replica.json": "00"}])
def test_a_manifest_without_the_right_hashes_is_refused(saved: Path, tmp_path: Path, hashes: object) -> None:
    refused(
        with_manifest(tmp_path / "x.replica", saved, sha256=hashes), " is not what was written; fit the source again"
    )


@pytest.mark.parametrize("name", MEMBERS)
def test_a_file_without_a_member_is_refused(saved: Path, tmp_path: Path, name: str) -> None:
    members = {key: data for key, data in members_of(saved).items() if key != name}
    what = "is not a replica artifact" if name == "manifest.json" else "is damaged: fit the source again"
    refused(write_members(tmp_path / "x.replica", members), what)


@pytest.mark.parametrize("name", MEMBERS[1:])
def test_a_member_of_another_file_is_refused(saved: Path, tmp_path: Path, name: str) -> None:
    members = members_of(saved)
    changed = members[name].replace(b"1", b"2", 1)
    refused(write_members(tmp_path / "x.replica", {**members, name: changed}), f"{name} is not what was written")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("replica.json", b"{", "is damaged"),
        ("replica.json", b"[1, 2]", "holds no fitted replica"),
        ("replica.json", b'{"$class": "Popen"}', "holds a Popen, which this version does not know"),
        ("replica.json", b'{"$class": "FittedReplica"}', "is of another version: use the version that wrote it"),
        ("replica.json", b'{"$map": [1]}', "is damaged"),
        ("replica.json", b'{"$map": [[{"$map": []}, 1]]}', "is damaged"),
        ("replica.json", b'{"$array": "nil"}', "array nil is missing"),
        ("replica.json", b"[" * 100_000, "is damaged"),
        ("arrays.safetensors", b"", "is damaged"),
        ("arrays.safetensors", b"\xff" * 64, "is damaged"),
    ],
)
def test_members_with_the_right_hash_and_the_wrong_content_are_refused(
    saved: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    refused(write_members(tmp_path / "x.replica", {**members_of(saved), name: content}, honest=True), message)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99, 0.9999])
def test_a_file_cut_short_is_refused(saved: Path, tmp_path: Path, share: float) -> None:
    path = tmp_path / "x.replica"
    data = saved.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(path)


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_byte_flipped_in_a_member_is_found(saved: Path, tmp_path: Path, name: str, share: float) -> None:
    with zipfile.ZipFile(saved) as archive:
        info = archive.getinfo(name)
    data = bytearray(saved.read_bytes())
    at = info.header_offset + 30 + len(name) + int(share * info.compress_size)
    data[at] ^= 0x10
    path = tmp_path / "x.replica"
    path.write_bytes(data)
    refused(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_whatever_byte_is_wrong_a_file_is_refused_or_unharmed(
    fitted: FittedReplica, saved: Path, tmp_path: Path, place: float, flip: int
) -> None:
    data = bytearray(saved.read_bytes())
    data[int(place * len(data))] ^= flip
    path = tmp_path / "x.replica"
    path.write_bytes(data)
    try:
        found = open_artifact(path)
    except ArtifactError:
        return
    assert_alike(found, fitted)


# What must not be in it

NUMBERS = "\n-- numbers --\n"
SECRETS = {
    "email": "SELECT email FROM hr.employee",
    "phone": "SELECT phone FROM hr.employee WHERE phone IS NOT NULL",
    "national id": "SELECT national_id FROM hr.employee",
    "employee number": "SELECT employee_number FROM hr.employee",
    "full name": "SELECT first_name || ' ' || last_name FROM hr.employee",
    "holder": "SELECT holder_name FROM hr.bank_account",
    "iban": "SELECT iban FROM hr.bank_account",
    "street": "SELECT street FROM hr.address",
    "username": "SELECT username FROM hr.user_account",
    "password": "SELECT password_hash FROM hr.user_account",
    "token": "SELECT api_token::text FROM hr.user_account",
    "address of a machine": "SELECT host(last_ip) FROM hr.user_account WHERE last_ip IS NOT NULL",
    "comment": "SELECT comments FROM hr.review WHERE comments IS NOT NULL",
    "project": "SELECT code FROM hr.project UNION SELECT name FROM hr.project",
}
PUBLIC_WORDS = """
SELECT string_agg(concat_ws(' ', o.name, street, city), ' ') FROM hr.office o
UNION ALL SELECT string_agg(name, ' ') FROM ref.bank UNION ALL SELECT string_agg(name, ' ') FROM ref.country
UNION ALL SELECT string_agg(name, ' ') FROM ref.skill UNION ALL SELECT string_agg(name, ' ') FROM ref.title
UNION ALL SELECT string_agg(name, ' ') FROM hr.department
UNION ALL SELECT string_agg(city, ' ') FROM (SELECT city FROM hr.address GROUP BY city HAVING count(*) >= 10) kept
"""


@pytest.fixture(scope="module", params=["autoregressive", "marginal"])
def company_text(request: pytest.FixtureRequest, company: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory) -> str:
    """All that the company's artifact holds, as text."""
    path = tmp_path_factory.mktemp("company") / "company.replica"
    # Nothing but weights depends on how long a model learns.
    setting = Settings(generator=str(request.param), effort=0.1, workers=1)
    save(replica.learn(company, setting), path)
    manifest, structure, numbers = (data.decode(errors="ignore") for data in members_of(path).values())
    return f"{manifest}\n{structure}{NUMBERS}{numbers}"


def texts(url: DatabaseUrl, query: str) -> set[str]:
    with psycopg.connect(url.secret) as connection:
        return {str(value) for (value,) in connection.execute(query.encode())}


@pytest.mark.parametrize("what", SECRETS)
def test_no_value_of_a_person_is_in_the_file(company: DatabaseUrl, company_text: str, what: str) -> None:
    values = texts(company, SECRETS[what])
    assert len(values) > 30
    escaped = {json.dumps(value)[1:-1] for value in values}
    assert [value for value in values | escaped if value in company_text] == []


@pytest.mark.parametrize("part", ["first_name", "last_name"])
def test_no_name_of_a_person_is_in_the_file(company: DatabaseUrl, company_text: str, part: str) -> None:
    names = texts(company, f"SELECT {part} FROM hr.employee")
    known = set(re.findall(r"\w+", " ".join(texts(company, PUBLIC_WORDS))))
    assert len(names - known) > 300
    # Among the bytes of millions of numbers, some spell a short name by chance.
    structure, _, numbers = company_text.partition(NUMBERS)
    assert names & set(re.findall(r"[\w'’ -]+", structure)) <= known
    assert [name for name in names - known if len(name) >= 7 and name in numbers] == []


def test_what_many_share_is_in_the_file(company_text: str) -> None:
    assert "Sales Central Europe" in company_text
    assert "part_time" in company_text
