"""A snapshot shows one moment of a source, in few types, and only what is asked for."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from conftest import Server
from postgres_tools import as_role, made_roles, run, value

from replica.databases import open_database
from replica.databases.base import FamilySample, Reading
from replica.databases.url import DatabaseUrl
from replica.errors import ConnectionLostError, PrivilegeError
from replica.schema.model import ForeignKey, Table

ROWS = 20_000
FAMILIES = f"""
CREATE TABLE clan (region text, number numeric, PRIMARY KEY (region, number));
CREATE TABLE person (id int PRIMARY KEY, region text, number numeric, FOREIGN KEY (region, number) REFERENCES clan);
CREATE TABLE letter (id int, person int REFERENCES person);
INSERT INTO clan SELECT 'r' || i % 2, i FROM generate_series(0, 399) i;
INSERT INTO person SELECT i, CASE WHEN i % 10 > 0 THEN 'r' || i % 2 END, i % 400 FROM generate_series(0, 3999) i;
INSERT INTO letter SELECT i, nullif(i % 4000, 7) FROM generate_series(0, 7999) i;
CREATE TABLE many (id int PRIMARY KEY, label text);
INSERT INTO many SELECT i, 'label ' || i FROM generate_series(1, {ROWS}) i;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (5000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (5000) TO (MAXVALUE);
INSERT INTO parted SELECT i FROM generate_series(1, 10000) i;
CREATE TABLE base (id int); CREATE TABLE derived () INHERITS (base);
INSERT INTO base VALUES (1); INSERT INTO derived VALUES (2), (3);
ANALYZE;
"""

VALUES: list[tuple[str, str, pa.DataType, Any]] = [
    ("smallint", "7", pa.int64(), 7),
    ("oid", "4294967295", pa.int64(), 4294967295),
    ("real", "0.5", pa.float64(), 0.5),
    ("numeric", "1.25", pa.float64(), 1.25),
    ("numeric", "0", pa.float64(), 0.0),
    ("numeric", "Infinity", pa.float64(), float("inf")),
    ("numeric", "1e400", pa.float64(), 1e300),
    ("numeric", "-1e400", pa.float64(), -1e300),
    ("numeric", "1e-400", pa.float64(), 0.0),
    ("money", "1.25", pa.float64(), 1.25),
    ("boolean", "t", pa.bool_(), True),
    ("text", "ñ", pa.string(), "ñ"),
    ("character(3)", "a", pa.string(), "a"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", pa.string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("bytea", "\\x0041", pa.binary(), b"\0A"),
    ("date", "2024-02-29", pa.date32(), datetime.date(2024, 2, 29)),
    ("time", "12:30:00.5", pa.time64("us"), datetime.time(12, 30, 0, 500_000)),
    ("timestamp", "2024-02-29 12:30", pa.timestamp("us"), datetime.datetime(2024, 2, 29, 12, 30)),
    ("timestamptz", "2024-02-29 12:30+02", pa.timestamp("us"), datetime.datetime(2024, 2, 29, 10, 30)),
    ("timetz", "12:30+02", pa.string(), "12:30:00+02"),
    ("interval", "1 day 2 hours", pa.string(), "1 day 02:00:00"),
    ("inet", "10.0.0.1/8", pa.string(), "10.0.0.1/8"),
    ("jsonb", '{"b":1,"a":null}', pa.string(), '{"a": null, "b": 1}'),
    ("integer[]", "{{1,NULL}}", pa.string(), "[[1, null]]"),
    ("pair", "(1,x)", pa.string(), '{"b": "x", "a,": 1}'),
    ("int4range", "[1,3]", pa.string(), "[1,4)"),
    ("small", "3", pa.int64(), 3),
]
ENDS = {"date": pa.int32(), "timestamp": pa.int64(), "timestamptz": pa.int64()}


@pytest.fixture(scope="module")
def families(server: Server) -> Iterator[DatabaseUrl]:
    url = server.create()
    run(url, FAMILIES)
    yield url
    server.drop(url)


@pytest.fixture(scope="module")
def typed(server: Server) -> Iterator[DatabaseUrl]:
    url = server.create()
    columns = ", ".join(f"c{i} {kind}" for i, (kind, _, _, _) in enumerate(VALUES))
    texts = ", ".join(f"'{text}'" for _, text, _, _ in VALUES)
    nulls = ", ".join("NULL" for _ in VALUES)
    run(url, 'CREATE TYPE pair AS ("a," int, b text); CREATE DOMAIN small AS smallint CHECK (VALUE < 9);')
    run(url, f"CREATE TABLE t ({columns}); INSERT INTO t VALUES ({texts}), ({nulls})")
    yield url
    server.drop(url)


@pytest.fixture
def new_role(server: Server) -> Iterator[Callable[..., str]]:
    """To be named before ``new_database``, so that roles go after the databases."""
    with made_roles(server) as make:
        yield make


def table_of(url: DatabaseUrl, name: str) -> Table:
    return open_database(url).introspect().by_id[f"public.{name}"]


def read(url: DatabaseUrl, name: str, columns: dict[str, Reading], **options: Any) -> dict[str, list[Any]]:
    with open_database(url).snapshot() as snapshot:
        found: dict[str, list[Any]] = snapshot.read(table_of(url, name), columns, **options).to_pydict()
        return found


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_value_comes_in_its_familys_type(typed: DatabaseUrl, number: int) -> None:
    _, _, kind, expected = VALUES[number]
    with open_database(typed).snapshot() as snapshot:
        column = snapshot.read(table_of(typed, "t"), {f"c{number}": "value"}).column(0)
    assert (column.type, column.to_pylist()) == (kind, [expected, None])


@pytest.mark.parametrize("kind", ENDS)
def test_infinite_moments_are_the_ends_of_the_range(new_database: Callable[..., DatabaseUrl], kind: str) -> None:
    url = new_database(f"CREATE TABLE t (v {kind}); INSERT INTO t VALUES ('infinity'), ('-infinity'), (NULL)")
    with open_database(url).snapshot() as snapshot:
        numbers = snapshot.read(table_of(url, "t"), {"v": "value"}).column("v").cast(ENDS[kind])
    bits = ENDS[kind].bit_width - 1
    assert numbers.to_pylist() == [2**bits - 1, -(2**bits), None]


def test_the_last_moments_of_all_stay_late(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database("CREATE TABLE t (v timestamp); INSERT INTO t VALUES ('294276-12-31'), ('294246-01-01')")
    with open_database(url).snapshot() as snapshot:
        late, before = snapshot.read(table_of(url, "t"), {"v": "value"}).column("v").cast(pa.int64()).to_pylist()
    assert before < late < 2**63 - 1


def test_lengths_and_presences_come_without_values(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(
        "CREATE TABLE t (a text, b bytea, c jsonb, d int);"
        "INSERT INTO t VALUES ('ñandú', '\\x00ff00', '[1]', 12), ('', '', 'null', NULL), (NULL, NULL, NULL, 1)"
    )
    lengths = read(url, "t", {"a": "length", "b": "length", "c": "length", "d": "length"})
    assert lengths == {"a": [5, 0, None], "b": [3, 0, None], "c": [3, 4, None], "d": [2, None, 1]}
    present = read(url, "t", {"a": "presence", "b": "presence", "d": "presence"})
    assert present == {"a": [True, True, False], "b": [True, True, False], "d": [True, False, True]}


def test_only_the_columns_asked_for_come_in_their_order(families: DatabaseUrl) -> None:
    assert list(read(families, "person", {"number": "presence", "id": "value"})) == ["number", "id"]
    with open_database(families).snapshot() as snapshot:
        none = snapshot.read(table_of(families, "clan"), {})
    assert (none.num_rows, none.num_columns) == (400, 0)


def test_an_empty_table_gives_columns_of_the_right_types(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database("CREATE TABLE t (a int, b numeric, c text[], d timestamptz)")
    columns: dict[str, Reading] = {"a": "value", "b": "value", "c": "value", "d": "value"}
    with open_database(url).snapshot() as snapshot:
        data = snapshot.read(table_of(url, "t"), columns)
    assert data.schema.types == [pa.int64(), pa.float64(), pa.string(), pa.timestamp("us")]
    assert data.num_rows == 0


def test_a_table_is_read_without_those_that_inherit_and_a_root_with_its_parts(families: DatabaseUrl) -> None:
    assert read(families, "base", {"id": "value"}) == {"id": [1]}
    assert len(read(families, "parted", {"id": "value"})["id"]) == 10_000
    with open_database(families).snapshot() as snapshot:
        counts = {name: snapshot.row_count(table_of(families, name)) for name in ("base", "derived", "parted")}
    assert counts == {"base": 1, "derived": 2, "parted": 10_000}


def test_what_others_write_meanwhile_is_not_seen(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)")
    table = table_of(url, "t")
    with open_database(url).snapshot() as snapshot:
        run(url, "INSERT INTO t VALUES (3); DELETE FROM t WHERE a = 1; CREATE TABLE later (a int)")
        assert snapshot.read(table, {"a": "value"}).to_pydict() == {"a": [1, 2]}
        assert snapshot.row_count(table) == 2
        names = [statement.name for statement in snapshot.dump().pre_data]
    assert "t" in names
    assert "later" not in names


def test_nothing_can_be_written_through_a_snapshot(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(
        "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (v mood); INSERT INTO t VALUES ('sad');"
        "CREATE TABLE log (a int); CREATE FUNCTION note(mood) RETURNS text LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO public.log VALUES (1); RETURN ''; END$$;"
        "CREATE CAST (mood AS text) WITH FUNCTION note(mood)"
    )
    with pytest.raises(PrivilegeError, match="read-only transaction"):
        read(url, "t", {"v": "value"})
    assert value(url, "SELECT count(*) FROM log") == 0


@pytest.mark.parametrize("limit", [1, 100, 3000])
@pytest.mark.parametrize("name", ["many", "parted"])
def test_a_limit_takes_about_that_many_rows_from_all_over(families: DatabaseUrl, name: str, limit: int) -> None:
    ids = read(families, name, {"id": "value"}, limit=limit)["id"]
    total = ROWS if name == "many" else 10_000
    assert len(ids) <= 2 * limit
    if limit > 1:
        assert len(ids) > limit / 2
        assert min(ids) < total / 4
        assert max(ids) > total * 3 / 4


def test_a_limit_above_the_number_of_rows_takes_them_all(families: DatabaseUrl) -> None:
    assert len(read(families, "many", {"id": "value"}, limit=ROWS)["id"]) == ROWS


@dataclass(frozen=True)
class Families:
    """What a share of the clans, their people and their letters are."""

    clans: set[Any]
    people: list[dict[str, Any]]
    letters: list[dict[str, Any]]


def sampled(url: DatabaseUrl, seed: int, share: float = 0.5) -> Families:
    tables = open_database(url).introspect().by_id
    (clan_of,), (person_of,) = tables["public.person"].foreign_keys, tables["public.letter"].foreign_keys
    with open_database(url).snapshot() as snapshot:

        def part(name: str, *path: ForeignKey) -> list[dict[str, Any]]:
            sample = FamilySample("public.clan", ("region", "number"), path, share, seed)
            columns: dict[str, Reading] = {column.name: "value" for column in tables[name].columns}
            found: list[dict[str, Any]] = snapshot.read(tables[name], columns, sample=sample).to_pylist()
            return found

        clans = {(row["region"], row["number"]) for row in part("public.clan")}
        return Families(clans, part("public.person", clan_of), part("public.letter", person_of, clan_of))


def test_a_sample_of_families_holds_whole_families_only(families: DatabaseUrl) -> None:
    found = sampled(families, seed=1)
    # Of each clan 10 people, one of ten clans has its people without a region; of each person 2 letters.
    placed = [row for row in found.people if row["region"] is not None]
    by_clan = Counter((row["region"], row["number"]) for row in placed)
    assert set(by_clan) == {clan for clan in found.clans if clan[1] % 10}
    assert set(by_clan.values()) == {10}
    people = {row["id"] for row in found.people}
    by_person = Counter(row["person"] for row in found.letters if row["person"] is not None)
    assert set(by_person) >= {row["id"] for row in placed if row["id"] != 7}
    assert {by_person[row["id"]] for row in placed if row["id"] != 7} == {2}
    assert all(person in people for person in by_person)


def test_rows_without_a_parent_stay_by_the_same_share(families: DatabaseUrl) -> None:
    found = sampled(families, seed=1)
    alone = [row for row in found.people if row["region"] is None]
    assert 140 < len(alone) < 260  # of 400
    assert 150 < len(found.clans) < 250  # of 400


def test_the_seed_decides_which_families(families: DatabaseUrl) -> None:
    first, again, other = (sampled(families, seed=seed).clans for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(("share", "expected"), [(1e-12, 0), (1 - 1e-12, 400)])
def test_a_share_near_nothing_or_everything_keeps_that(families: DatabaseUrl, share: float, expected: int) -> None:
    assert len(sampled(families, seed=3, share=share).clans) == expected


def test_children_are_counted_by_the_values_of_their_parents_keys(families: DatabaseUrl) -> None:
    person = table_of(families, "person")
    with open_database(families).snapshot() as snapshot:
        counts = snapshot.fan_out(person, person.foreign_keys[0])
    assert counts.schema.names == ["region", "number", "count"]
    assert counts.schema.types == [pa.string(), pa.float64(), pa.int64()]
    assert counts.num_rows == 360
    assert set(counts.column("count").to_pylist()) == {10}


def test_a_table_that_may_not_be_read_is_named(
    new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]
) -> None:
    url = new_database("CREATE TABLE shut (a int)")
    stranger = as_role(url, new_role())
    with pytest.raises(PrivilegeError, match=r"^reading public\.shut: permission denied for table shut; grant"):
        read(stranger, "shut", {"a": "value"})


def test_a_policy_that_hides_rows_stops_the_reading(
    new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]
) -> None:
    url = new_database(
        "CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY half ON t USING (a > 1); GRANT SELECT ON t TO PUBLIC; INSERT INTO t VALUES (1), (2)"
    )
    with pytest.raises(PrivilegeError, match=r"^reading public\.t: .*row-level security"):
        read(as_role(url, new_role()), "t", {"a": "value"})
    assert read(url, "t", {"a": "value"}) == {"a": [1, 2]}


def test_a_lost_connection_is_told_as_such(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database("CREATE TABLE t (a int)")
    table = table_of(url, "t")
    ours = "application_name = 'replica' AND datname = current_database()"
    with open_database(url).snapshot() as snapshot:
        assert value(url, f"SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE {ours}") == 2
        with pytest.raises(ConnectionLostError, match=r"^reading public\.t: the connection to the server was lost"):
            snapshot.read(table, {"a": "value"})
        with pytest.raises(ConnectionLostError):
            snapshot.dump()


def test_no_transaction_stays_open_behind_a_snapshot(families: DatabaseUrl) -> None:
    with open_database(families).snapshot():
        pass
    with psycopg.connect(families.secret) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'replica' AND datname = current_database()"
        )
        # A backend needs a moment to see that its client has gone.
        while connection.execute(query).fetchone() != (0,):
            connection.rollback()
