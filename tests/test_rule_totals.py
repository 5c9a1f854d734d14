"""Data repeated through references and running totals, beside keys, checks, types and each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from postgres_tools import value
from rule_breaks import breaks

import replica
from replica.databases.url import DatabaseUrl
from replica.errors import PlanError, SchemaMapError
from replica.pipeline import draft, introspect, make_plan
from replica.schema.rules import ChildSum, Copied, Rule, Running
from replica.schema.schema_map import parse_map, write_map
from replica.settings import Settings

NewDatabase = Callable[..., DatabaseUrl]
SETTINGS = Settings(generator="marginal", workers=1)

ORDERS = """
    CREATE TABLE customer (id int PRIMARY KEY, city text, tier varchar(8) NOT NULL);
    CREATE TABLE orders (
        id int PRIMARY KEY, customer_id int REFERENCES customer, city varchar, tier varchar(12), total int NOT NULL,
        placed_on date NOT NULL
    );
    CREATE TABLE item (
        id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, town text, tier text,
        amount int NOT NULL, order_total int NOT NULL, ordered_on date NOT NULL
    );
    INSERT INTO customer SELECT n, (ARRAY['Oslo', 'Graz', NULL, 'Lyon'])[1 + n * 7 % 4],
        (ARRAY['gold', 'silver', 'none'])[1 + n * 5 % 3] FROM generate_series(1, 60) n;
    INSERT INTO orders SELECT n, CASE WHEN n % 9 > 0 THEN c.id END, CASE WHEN n % 9 > 0 THEN c.city ELSE 'Rome' END,
        CASE WHEN n % 9 > 0 THEN c.tier ELSE 'guest' END, 0, date '2021-01-01' + n * 17 % 400
    FROM generate_series(1, 300) n JOIN customer c ON c.id = 1 + n * 7 % 60;
    INSERT INTO item SELECT n, o.id, o.city, o.tier, n * 13 % 50, 0, o.placed_on
    FROM generate_series(1, 900) n JOIN orders o ON o.id = 1 + n * 11 % 290;
    UPDATE orders o SET total = coalesce((SELECT sum(amount) FROM item i WHERE i.order_id = o.id), 0);
    UPDATE item i SET order_total = (SELECT total FROM orders o WHERE o.id = i.order_id);
"""


def test_what_a_row_repeats_is_found_through_one_reference_and_the_next(
    new_database: NewDatabase, target: DatabaseUrl
) -> None:
    """What is repeated may itself be repeated, be a sum of these very rows, or be null."""
    url = new_database(ORDERS)
    found = _rules(url)
    assert found == {
        "public.orders": (
            ChildSum("total", "public.item", ("order_id",), "amount"),
            Copied("city", ("customer_id",), "city"),
            Copied("tier", ("customer_id",), "tier"),
        ),
        "public.item": (
            Copied("town", ("order_id",), "city"),
            Copied("tier", ("order_id",), "tier"),
            Copied("order_total", ("order_id",), "total"),
            Copied("ordered_on", ("order_id",), "placed_on"),
        ),
    }
    report = replica.replicate(url, target, replace(SETTINGS, scale=1.5))
    assert report.notes == ()
    assert _broken(target, found) == {}
    assert value(target, "SELECT count(*) FROM orders WHERE customer_id IS NOT NULL AND city IS NULL") > 0
    # Rows that point nowhere have values of their own.
    assert value(target, "SELECT count(*) FROM orders WHERE customer_id IS NULL AND city = 'Rome'") > 0


def test_an_undeclared_reference_of_several_columns_carries_values(
    new_database: NewDatabase, target: DatabaseUrl
) -> None:
    url = new_database("""
        CREATE TABLE batting (player_id int, year int, team text NOT NULL, PRIMARY KEY (player_id, year));
        CREATE TABLE fielding (
            player_id int, year int, position text, team text NOT NULL, PRIMARY KEY (player_id, year, position)
        );
        INSERT INTO batting SELECT n / 5, 1990 + n % 5, (ARRAY['BOS', 'NYA', 'CHN', 'SLN'])[1 + n * 7 % 4]
        FROM generate_series(1, 500) n;
        INSERT INTO fielding SELECT player_id, year, p, team FROM batting, (VALUES ('C'), ('1B'), ('SS')) v (p)
        WHERE (player_id * 7 + year * 3 + ascii(p)) % 4 > 0;
    """)
    found = _rules(url)
    assert found["public.fielding"] == (Copied("team", ("player_id", "year"), "team"),)
    planned = make_plan(url, SETTINGS).plan
    replica.replicate(url, target, SETTINGS)
    assert breaks(target, planned.schema, "public.fielding", found["public.fielding"][0]) == 0


def test_a_row_repeats_another_one_of_its_own_table(new_database: NewDatabase, target: DatabaseUrl) -> None:
    url = new_database("""
        CREATE TABLE node (id int PRIMARY KEY, above int REFERENCES node, label text NOT NULL, section text);
        INSERT INTO node SELECT n, CASE WHEN n > 3 THEN n / 3 END, (ARRAY['red', 'blue', 'green'])[1 + n * 5 % 3], NULL
        FROM generate_series(1, 400) n;
        UPDATE node n SET section = u.label FROM node u WHERE u.id = n.above;
    """)
    found = _rules(url)
    assert Copied("section", ("above",), "label") in found["public.node"]
    replica.replicate(url, target, SETTINGS)
    assert _broken(target, found) == {}


def test_what_a_type_or_a_check_does_not_allow_stays_and_is_counted(
    new_database: NewDatabase, tmp_path: Path, target: DatabaseUrl
) -> None:
    url = new_database("""
        CREATE TABLE product (id int PRIMARY KEY, label text, price numeric(8, 3) NOT NULL);
        CREATE TABLE line (
            id int PRIMARY KEY, product_id int NOT NULL REFERENCES product, label varchar(4) NOT NULL,
            price numeric(5, 2) NOT NULL, CHECK (price < 50)
        );
        INSERT INTO product SELECT n, (ARRAY['nut', 'bolt', 'washer', NULL])[1 + n % 4], n * 1.125
        FROM generate_series(1, 80) n;
        INSERT INTO line SELECT n, 1 + n % 80, (ARRAY['nut', 'bolt'])[1 + n % 2], n % 50 FROM generate_series(1, 400) n;
    """)
    rules = Copied("label", ("product_id",), "label"), Copied("price", ("product_id",), "price")
    report = replica.replicate(url, target, _mapped(url, tmp_path, {"public.line": rules}))
    both = "SELECT count(*) FROM line l JOIN product p ON p.id = product_id WHERE"
    assert 0 < value(target, f"{both} l.label = p.label") < 400
    assert sum("not kept in" in note for note in report.notes) == 2
    assert value(target, f"{both} length(p.label) <= 4 AND l.label <> p.label") == 0
    assert value(target, f"{both} p.price < 50 AND p.price = round(p.price, 2) AND l.price <> p.price") == 0


LEDGER = """
    CREATE TABLE account (id int PRIMARY KEY, opened date NOT NULL);
    CREATE TABLE entry (
        id int PRIMARY KEY, account_id int NOT NULL REFERENCES account, at timestamp NOT NULL, paid_in numeric NOT NULL,
        paid_out numeric, balance numeric(12, 2) CHECK (balance >= 0), nth int NOT NULL, all_in float8 NOT NULL
    );
    INSERT INTO account SELECT n, date '2020-01-01' + n FROM generate_series(1, 80) n;
    INSERT INTO entry SELECT n, 1 + n * 7 % 80, timestamp '2021-01-01' + interval '1 hour' * (n * 131 % 997),
        (n * 37 % 90)::numeric / 4, CASE WHEN n % 50 > 0 THEN (n * 53 % 80)::numeric / 4 END, 0, 0, 0
    FROM generate_series(1, 900) n;
    UPDATE entry e SET balance = CASE WHEN e.id % 60 > 0 THEN t.total END, nth = t.nth, all_in = t.all_in
    FROM (SELECT id, 200 + account_id + sum(paid_in - coalesce(paid_out, 0)) OVER w AS total, count(*) OVER w AS nth,
        sum(paid_in) OVER (ORDER BY id) AS all_in FROM entry WINDOW w AS (PARTITION BY account_id ORDER BY at, id)) t
    WHERE t.id = e.id;
"""


def test_running_totals_are_found_with_what_each_row_adds(new_database: NewDatabase, target: DatabaseUrl) -> None:
    """With nulls, with and without an opening, of one, and of a whole table."""
    url = new_database(LEDGER)
    found = _rules(url)
    by = ("at", "id")
    assert set(found["public.entry"]) == {
        Running("nth", ("account_id",), by, "1"),
        Running("balance", ("account_id",), by, "paid_in - paid_out", opening=True, digits=2),
        Running("all_in", (), ("id",), "paid_in", digits=2),
    }
    report = replica.replicate(url, target, replace(SETTINGS, scale=2.0))
    assert report.notes == ()
    schema = introspect(url)
    totals = [rule for rule in found["public.entry"] if isinstance(rule, Running) and rule.column != "balance"]
    assert [breaks(target, schema, "public.entry", rule) for rule in totals] == [0, 0]
    assert value(target, "SELECT count(*) FROM entry WHERE balance IS NULL") > 0
    wrong = """
        SELECT count(*) FROM (SELECT balance, lag(balance) OVER w + paid_in - paid_out AS wanted FROM entry
            WINDOW w AS (PARTITION BY account_id ORDER BY at, id)) t WHERE abs(balance - wanted) > 0.001
    """
    assert value(url, wrong) == 0
    assert value(target, wrong) == 0


ACCIDENTS = {
    "a number that never changes within its group": """
        CREATE TABLE a (id int PRIMARY KEY, n int);
        CREATE TABLE t (id int PRIMARY KEY, a_id int REFERENCES a, total int, added int);
        INSERT INTO a SELECT n, n FROM generate_series(1, 50) n;
        INSERT INTO t SELECT n, 1 + n * 7 % 50, (1 + n * 7 % 50) * 3 % 17, 0 FROM generate_series(1, 600) n;
    """,
    "numbers of which one column cannot hold all": """
        CREATE TABLE a (id int PRIMARY KEY, n bigint);
        CREATE TABLE t (id int PRIMARY KEY, a_id int REFERENCES a, n int);
        INSERT INTO a SELECT n, n * 1000000000::bigint FROM generate_series(1, 50) n;
        INSERT INTO t SELECT n, 1 + n * 7 % 50, n * 13 % 31 FROM generate_series(1, 600) n;
    """,
    "flags that are nearly always off": """
        CREATE TABLE a (id int PRIMARY KEY, is_old boolean);
        CREATE TABLE t (id int PRIMARY KEY, a_id int REFERENCES a, is_new boolean);
        INSERT INTO a SELECT n, n % 1000 = 0 FROM generate_series(1, 4000) n;
        INSERT INTO t SELECT n, 1 + n * 7 % 4000, n % 1000 = 1 FROM generate_series(1, 12000) n;
    """,
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_accidents_are_neither(name: str, new_database: NewDatabase) -> None:
    rules = [rule for found in _rules(new_database(ACCIDENTS[name])).values() for rule in found]
    assert not [rule for rule in rules if isinstance(rule, Copied | Running)]


WRONG: dict[str, tuple[Rule, str]] = {
    "no reference": (Copied("name", ("id",), "name"), "(id) is no reference"),
    "other types": (Copied("name", ("a_id",), "n"), "name is of another type than n of public.a"),
    "no such column above": (Copied("name", ("a_id",), "x"), "table public.a has no column x"),
    "no number": (Running("name", ("a_id",), ("id",), "n"), "name is neither a number"),
    "no order": (Running("n", ("a_id",), ("name",), "n"), "name is neither a number nor a moment"),
    "no expression": (Running("n", ("a_id",), ("id",), "n +"), "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused(name: str, new_database: NewDatabase, tmp_path: Path) -> None:
    rule, message = WRONG[name]
    url = new_database("""
        CREATE TABLE a (id int PRIMARY KEY, n int, name text);
        CREATE TABLE t (id int PRIMARY KEY, a_id int REFERENCES a, n int, name text);
    """)
    with pytest.raises(PlanError, match=r"public\.t: rule") as error:
        make_plan(url, _mapped(url, tmp_path, {"public.t": (rule,)}))
    assert message in str(error.value)


def test_a_total_needs_an_order() -> None:
    with pytest.raises(SchemaMapError, match="by"):
        parse_map("tables: {t: {role: public, rules: [{form: running, column: a, within: [], by: [], equals: b}]}}")


def _rules(url: DatabaseUrl) -> dict[str, tuple[Rule, ...]]:
    return {name: table.rules for name, table in draft(url).schema_map.tables.items() if table.rules}


def _broken(url: DatabaseUrl, rules: Mapping[str, tuple[Rule, ...]]) -> dict[Rule, int]:
    schema = introspect(url)
    counts = {rule: breaks(url, schema, table, rule) for table, found in rules.items() for rule in found}
    return {rule: count for rule, count in counts.items() if count}


def _mapped(url: DatabaseUrl, folder: Path, rules: Mapping[str, tuple[Rule, ...]]) -> Settings:
    """Settings with a drafted map, and these rules in place of what was found."""
    drafted = draft(url).schema_map
    tables = {name: replace(table, rules=rules.get(name, ())) for name, table in drafted.tables.items()}
    path = folder / "map.yaml"
    path.write_text(write_map(replace(drafted, tables=tables), {}), encoding="utf8")
    return replace(SETTINGS, map_path=path)
