"""Rules that rows keep without a schema saying so: found, drafted with their evidence, kept, struck, switched off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import Server
from postgres_tools import run, value
from rule_breaks import breaks

import replica
from replica.cli import run as cli
from replica.databases.url import DatabaseUrl
from replica.errors import PlanError, SchemaMapError
from replica.inference import Draft
from replica.load import LoadReport
from replica.pipeline import draft, introspect, make_plan
from replica.rules import RULES
from replica.schema.rules import (
    AfterParent,
    Arithmetic,
    ChildCount,
    ChildSum,
    Copied,
    Dependency,
    Inequality,
    NullWhen,
    Periods,
    Rule,
    Running,
    UniqueRule,
)
from replica.schema.schema_map import SchemaMap, parse_map, write_map
from replica.settings import Settings

NewDatabase = Callable[..., DatabaseUrl]
SETTINGS = Settings(generator="marginal", workers=1)

SHOP: dict[str, tuple[Rule, ...]] = {
    "public.booking": (
        Copied("floor", ("room_id",), "floor"),
        Periods(("room_id",), "begins", "finishes", strict=True),
    ),
    "public.customer": (
        ChildCount("orders_count", "public.purchase", ("customer_id",)),
        Dependency("country", "city"),
    ),
    "public.entry": (Running("balance", ("customer_id",), ("booked_on", "entry_id"), "amount", True, 2),),
    "public.line": (
        Arithmetic("gross", "net + tax", 2),
        Arithmetic("net", "quantity * price", 2),
        AfterParent("packed_at", ("purchase_id",), "placed_at"),
    ),
    "public.offer": (Inequality("min_price", "max_price"),),
    "public.lesson": (UniqueRule(("customer_id", "room_id")),),
    "public.purchase": (
        ChildSum("total", "public.line", ("purchase_id",), "gross", 2),
        NullWhen("cancelled_on", "status", ("open", "paid")),
    ),
}
RULES_OF_SHOP = [pytest.param(table, rule, id=rule.form) for table, rules in SHOP.items() for rule in rules]


@dataclass(frozen=True)
class Shop:
    """The shop, its drafted map, and replicas with its rules (smaller and larger) and without them."""

    url: DatabaseUrl
    draft: Draft
    replicas: dict[float, DatabaseUrl]
    reports: dict[float, LoadReport]
    without: DatabaseUrl


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Shop]:
    source = server.create()
    run(source, (Path(__file__).parent / "shop.sql").read_text(encoding="utf8"))
    targets = {scale: server.fresh() for scale in (0.5, 1.0, 2.0)}
    without = server.fresh()
    fitted = replica.learn(source, SETTINGS)
    reports = {
        scale: replica.write(fitted, url, replace(SETTINGS, scale=scale, seed=int(scale * 2)))
        for scale, url in targets.items()
    }
    replica.replicate(source, without, replace(SETTINGS, rules=False))
    yield Shop(source, draft(source), targets, reports, without)
    for url in (source, without, *targets.values()):
        server.drop(url)


def test_every_form_has_a_rule_in_the_shop() -> None:
    assert {rule.form for rules in SHOP.values() for rule in rules} == set(RULES)


def test_the_rules_of_the_shop_are_found_and_no_others(shop: Shop) -> None:
    found = {name: table.rules for name, table in shop.draft.schema_map.tables.items() if table.rules}
    assert found == SHOP


@pytest.mark.parametrize(("table", "rule"), RULES_OF_SHOP)
def test_a_rule_stands_in_the_map_with_its_evidence_and_is_read_back(shop: Shop, table: str, rule: Rule) -> None:
    text = write_map(shop.draft.schema_map, shop.draft.comments)
    assert rule in parse_map(text).tables[table].rules
    line = next(line for line in text.splitlines() if f"form: {rule.form}," in line)
    assert "rows keep it, none breaks it" in line
    assert "keep: true" in line


@pytest.mark.parametrize(("table", "rule"), RULES_OF_SHOP)
def test_every_row_of_a_replica_keeps_a_rule_whatever_its_size(shop: Shop, table: str, rule: Rule) -> None:
    schema = introspect(shop.url)
    assert breaks(shop.url, schema, table, rule) == 0
    for url in shop.replicas.values():
        assert value(url, f"SELECT count(*) FROM {table}") > 0
        assert breaks(url, schema, table, rule) == 0


@pytest.mark.parametrize(("table", "rule"), RULES_OF_SHOP)
def test_without_rules_rows_follow_none(shop: Shop, table: str, rule: Rule) -> None:
    # A parent's moment is what the first moment of a family is counted from, with or without the rule; and what no
    # family has twice is not drawn twice either.
    broken = breaks(shop.without, introspect(shop.url), table, rule)
    assert broken > 0 or isinstance(rule, AfterParent | UniqueRule)


def test_a_saved_replica_is_written_without_rules_where_they_are_switched_off(
    shop: Shop, tmp_path: Path, target: DatabaseUrl
) -> None:
    replica.save(replica.learn(shop.url, SETTINGS), tmp_path / "x.replica")
    replica.write(replica.open_artifact(tmp_path / "x.replica"), target, replace(SETTINGS, rules=False))
    assert breaks(target, introspect(shop.url), "public.line", SHOP["public.line"][0]) > 0


def test_a_plan_shows_the_rules(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["plan", shop.url.secret]) == 0
    assert "total = round(sum(gross), 2) of public.line(purchase_id)" in capsys.readouterr().out
    assert cli(["plan", shop.url.secret, "--no-rules"]) == 0
    assert "sum(gross)" not in capsys.readouterr().out


def test_what_the_database_computes_gives_way_to_no_rule(new_database: NewDatabase, tmp_path: Path) -> None:
    url = new_database("""
        CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int GENERATED ALWAYS AS (a + b) STORED);
        INSERT INTO t SELECT n, n % 9, n % 7 FROM generate_series(1, 100) n;
    """)
    drafted = draft(url).schema_map
    assert drafted.tables["public.t"].rules == ()
    chosen = _with_rules(drafted, "public.t", Inequality("a", "c"))
    planned = make_plan(url, _mapped(tmp_path, chosen)).plan
    assert planned.notes == ("public.t: a <= c: not kept, since the database computes c",)


def test_replicas_of_a_shop_need_no_note_and_keep_their_spread(shop: Shop) -> None:
    assert all(report.notes == () for report in shop.reports.values())
    for query in (
        "SELECT avg(total) FROM purchase",
        "SELECT avg(max_price - min_price) FROM offer",
        "SELECT avg(extract(epoch FROM finishes - begins)) FROM booking",
        "SELECT count(cancelled_on)::float / count(*) FROM purchase",
    ):
        ours, theirs = float(value(shop.url, query)), float(value(shop.replicas[1.0], query))
        assert theirs == pytest.approx(ours, rel=0.35), query


def _mapped(tmp_path: Path, schema_map: SchemaMap) -> Settings:
    path = tmp_path / "map.yaml"
    path.write_text(write_map(schema_map, {}), encoding="utf8")
    return replace(SETTINGS, map_path=path)


def _with_rules(schema_map: SchemaMap, table: str, *rules: Rule) -> SchemaMap:
    return replace(schema_map, tables={**schema_map.tables, table: replace(schema_map.tables[table], rules=rules)})


@pytest.mark.parametrize(("table", "rule"), RULES_OF_SHOP)
def test_the_map_strikes_a_rule(shop: Shop, tmp_path: Path, table: str, rule: Rule) -> None:
    others = [replace(found, keep=found != rule) for found in SHOP[table]]
    settings = _mapped(tmp_path, _with_rules(shop.draft.schema_map, table, *others))
    planned = make_plan(shop.url, settings).plan.by_id[table].rules
    assert {found.rule for found in planned} == set(SHOP[table]) - {rule}
    assert make_plan(shop.url, replace(settings, rules=False)).plan.by_id[table].rules == ()


def test_a_map_without_rules_gets_them_and_one_with_rules_stays_as_it_is(shop: Shop) -> None:
    drafted = shop.draft
    bare = replace(
        drafted.schema_map,
        tables={name: replace(table, rules=()) for name, table in drafted.schema_map.tables.items()},
    )
    text = write_map(bare, drafted.comments)
    assert "rules:" not in text
    updated = write_map(drafted.schema_map, drafted.comments, text)
    assert parse_map(updated) == drafted.schema_map
    assert updated.count("# new; ") == sum(len(rules) for rules in SHOP.values())
    struck = updated.replace("keep: true", "keep: false")
    assert write_map(drafted.schema_map, drafted.comments, struck) == struck


def test_a_struck_rule_is_not_kept(shop: Shop, tmp_path: Path, target: DatabaseUrl) -> None:
    struck = replace(SHOP["public.line"][1], keep=False)
    chosen = _with_rules(shop.draft.schema_map, "public.line", SHOP["public.line"][0], struck)
    replica.replicate(shop.url, target, _mapped(tmp_path, chosen))
    schema = introspect(shop.url)
    assert breaks(target, schema, "public.line", SHOP["public.line"][0]) == 0
    assert breaks(target, schema, "public.line", SHOP["public.line"][1]) > 0


def test_a_saved_replica_keeps_its_rules(shop: Shop, tmp_path: Path, target: DatabaseUrl) -> None:
    replica.save(replica.learn(shop.url, SETTINGS), tmp_path / "x.replica")
    replica.write(replica.open_artifact(tmp_path / "x.replica"), target, SETTINGS)
    schema = introspect(shop.url)
    assert [breaks(target, schema, table, rule) for table, rules in SHOP.items() for rule in rules] == [0] * len(
        RULES_OF_SHOP
    )


# What is no rule -----------------------------------------------------------------------------------------------------

ACCIDENTS = {
    "numbers that have nothing to do with each other": """
        CREATE TABLE t (id int PRIMARY KEY, age int, shoe_size int, height int);
        INSERT INTO t SELECT n, n * 7 % 20, 36 + n * 11 % 12, 150 + n * 13 % 50 FROM generate_series(1, 500) n;
    """,
    "columns of numbers that grow together": """
        CREATE TABLE a (id int PRIMARY KEY);
        CREATE TABLE t (id int PRIMARY KEY, a_id int REFERENCES a, legacy_id int, n int);
        INSERT INTO a SELECT n FROM generate_series(1, 400) n;
        INSERT INTO t SELECT n, 1 + n * 7 % 400, 100000 + n, n * 31 % 17 FROM generate_series(1, 400) n;
    """,
    "a table of ten rows": """
        CREATE TABLE t (id int PRIMARY KEY, a int, b int, begins date, finishes date, colour text, shade text);
        INSERT INTO t SELECT n, n, n + 1, date '2020-01-01' + n, date '2020-01-02' + n, 'c' || n % 2, 's' || n % 2
        FROM generate_series(1, 10) n;
    """,
    "columns with one value": """
        CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text, d text, e date, f date);
        INSERT INTO t SELECT n, 1, 2, 'c', 'd', date '2020-01-01', date '2020-01-02' FROM generate_series(1, 400) n;
    """,
    "a key decides everything": """
        CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, a text, b int);
        INSERT INTO t SELECT n, 'c' || n, 'a' || n * 7 % 13, n * 11 % 19 FROM generate_series(1, 400) n;
    """,
    "a count that is not of these": """
        CREATE TABLE a (id int PRIMARY KEY, count_of_all int);
        CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a);
        INSERT INTO a SELECT n, n * 7 % 9 FROM generate_series(1, 200) n;
        INSERT INTO b SELECT n, 1 + n * 11 % 200 FROM generate_series(1, 900) n;
    """,
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_accidents_are_no_rules(name: str, new_database: NewDatabase) -> None:
    tables = draft(new_database(ACCIDENTS[name])).schema_map.tables
    assert {table: found.rules for table, found in tables.items() if found.rules} == {}


def test_a_rule_that_few_rows_break_is_drafted_but_not_kept(new_database: NewDatabase) -> None:
    url = new_database("""
        CREATE TABLE t (id int PRIMARY KEY, low int NOT NULL, high int NOT NULL);
        INSERT INTO t SELECT n, n * 7 % 100, n * 7 % 100 + n * 3 % 20 FROM generate_series(1, 1000) n;
        UPDATE t SET high = low - 1 WHERE id IN (500, 600);
    """)
    drafted = draft(url)
    assert drafted.schema_map.tables["public.t"].rules == (Inequality("low", "high", keep=False),)
    assert "998 rows keep it, 2 break it: not kept" in write_map(drafted.schema_map, drafted.comments)
    assert make_plan(url, SETTINGS).plan.by_id["public.t"].rules == ()


def test_what_few_persons_share_is_not_written_into_the_map(new_database: NewDatabase) -> None:
    url = new_database("""
        CREATE TABLE person (id int PRIMARY KEY, full_name text, state text NOT NULL, left_on date);
        INSERT INTO person SELECT n, 'Anna Berg ' || n, CASE WHEN n <= 3 THEN 'in custody' WHEN n <= 6 THEN 'missing'
            WHEN n % 2 = 0 THEN 'here' ELSE 'gone' END,
            CASE WHEN n > 6 AND n % 2 = 1 OR n <= 3 THEN date '2020-01-01' + n % 90 END
        FROM generate_series(1, 400) n;
    """)
    drafted = draft(url)
    assert drafted.schema_map.tables["public.person"].role == "subject"
    text = write_map(drafted.schema_map, drafted.comments)
    assert "custody" not in text
    assert "missing" not in text


# Rules beside what the schema declares -------------------------------------------------------------------------------


def test_a_declared_check_is_worth_more_than_a_rule(
    new_database: NewDatabase, tmp_path: Path, target: DatabaseUrl
) -> None:
    url = new_database("""
        CREATE TABLE t (id int PRIMARY KEY, low int NOT NULL, high int NOT NULL, CHECK (low > high OR id < 0));
        INSERT INTO t SELECT n, 50 + n * 7 % 40, n * 3 % 40 FROM generate_series(1, 300) n;
    """)
    rule = Inequality("low", "high")
    report = replica.replicate(url, target, _mapped(tmp_path, _with_rules(draft(url).schema_map, "public.t", rule)))
    assert value(target, "SELECT count(*) FROM t WHERE low <= high") == 0
    assert report.notes == (
        "public.t: low <= high: not kept in 300 rows, since what the schema declares does not allow it",
    )


def test_a_sum_that_a_check_or_a_type_does_not_allow_gives_way(
    new_database: NewDatabase, tmp_path: Path, target: DatabaseUrl
) -> None:
    url = new_database("""
        CREATE TABLE box (id int PRIMARY KEY, weight int NOT NULL CHECK (weight < 60), grams smallint NOT NULL);
        CREATE TABLE item (id int PRIMARY KEY, box_id int NOT NULL REFERENCES box, weight int NOT NULL);
        INSERT INTO box SELECT n, n % 50, n FROM generate_series(1, 200) n;
        INSERT INTO item SELECT n, 1 + n % 200, n % 40 FROM generate_series(1, 1000) n;
    """)
    rules = (
        ChildSum("weight", "public.item", ("box_id",), "weight"),
        ChildSum("grams", "public.item", ("box_id",), "weight * 1000"),
    )
    chosen = _with_rules(draft(url).schema_map, "public.box", *rules)
    report = replica.replicate(url, target, _mapped(tmp_path, chosen))
    broken = breaks(target, introspect(url), "public.box", rules[0])
    kept = value(target, "SELECT count(*) FROM box b WHERE weight = (SELECT sum(weight) FROM item WHERE box_id = b.id)")
    assert value(target, "SELECT max(weight) FROM box") < 60
    assert 0 < broken < 200
    assert kept == 200 - broken
    assert any("sum(weight) of public.item(box_id): not kept in" in note for note in report.notes)
    assert any("sum(weight * 1000) of public.item(box_id): not kept in" in note for note in report.notes)


def test_a_rule_about_a_key_is_left_and_the_plan_says_why(new_database: NewDatabase, tmp_path: Path) -> None:
    url = new_database("""
        CREATE TABLE t (a int PRIMARY KEY, b int UNIQUE, c int);
        INSERT INTO t SELECT n, n * 2, n % 7 FROM generate_series(1, 50) n;
    """)
    chosen = _with_rules(draft(url).schema_map, "public.t", Inequality("a", "b"))
    planned = make_plan(url, _mapped(tmp_path, chosen)).plan
    assert planned.by_id["public.t"].rules == ()
    assert planned.notes == ("public.t: a <= b: not kept, since b is part of a unique rule",)


def test_rules_that_lead_in_a_circle_are_not_all_kept(new_database: NewDatabase, tmp_path: Path) -> None:
    url = new_database("""
        CREATE TABLE t (id int PRIMARY KEY, a int, b int);
        INSERT INTO t SELECT n, n % 9, n % 7 FROM generate_series(1, 100) n;
    """)
    rules = Arithmetic("a", "b + 1"), Arithmetic("b", "a - 1")
    planned = make_plan(url, _mapped(tmp_path, _with_rules(draft(url).schema_map, "public.t", *rules))).plan
    assert [found.rule for found in planned.by_id["public.t"].rules] == [rules[0]]
    assert planned.notes == ("public.t: b = a - 1: not kept, since b would be made of itself, through other rules",)


WRONG: dict[str, tuple[Rule, str]] = {
    "no column": (Inequality("a", "nothing"), "table public.t has no column nothing"),
    "no table": (ChildCount("a", "public.none", ("x",)), "there is no table public.none"),
    "no reference": (AfterParent("d", ("a",), "d"), "(a) is no reference"),
    "no expression": (Arithmetic("a", "b +"), "cannot be read"),
    "texts": (Inequality("c", "a"), "c is neither a number nor a moment"),
    "a moment and a number": (Inequality("a", "d"), "d is neither a number nor a moment, or not as the other is"),
    "not a number": (Arithmetic("a", "upper(c)"), "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_rule_about_what_does_not_exist_is_refused(name: str, new_database: NewDatabase, tmp_path: Path) -> None:
    rule, message = WRONG[name]
    url = new_database("CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text, d date)")
    settings = _mapped(tmp_path, _with_rules(draft(url).schema_map, "public.t", rule))
    with pytest.raises(PlanError, match=r"public\.t: rule") as error:
        make_plan(url, settings)
    assert message in str(error.value)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(SchemaMapError, match="rules"):
        parse_map("tables: {t: {role: public, rules: [{form: guess, column: a}]}}")
