"""Rules that several references share in, and what else random schemas brought to light: each replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from conftest import Server
from postgres_tools import counts, value

import replica
from replica import Settings
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import PlanError
from replica.relations.joins import NULL
from replica.relations.references import assign
from replica.relations.rules import Children, Distinct, Parents, Within, offends

NewDatabase = Callable[..., DatabaseUrl]
SETTINGS = Settings(generator="marginal", workers=1)

PAIRS = """
    CREATE TABLE place (region text, no int, PRIMARY KEY (region, no));
    INSERT INTO place SELECT 'r' || r, n FROM generate_series(1, 4) r, generate_series(1, 5) n WHERE r + n < 8;
"""
TENANTS = """
    CREATE TABLE tenant (id int PRIMARY KEY);
    CREATE TABLE item (tenant_id int REFERENCES tenant, no int, PRIMARY KEY (tenant_id, no));
    INSERT INTO tenant SELECT generate_series(1, 40);
"""

CASES = {
    "a unique column that is part of a reference": f"""
        {PAIRS}
        CREATE TABLE visit (region text NOT NULL, no int NOT NULL UNIQUE, FOREIGN KEY (region, no) REFERENCES place);
        INSERT INTO visit VALUES ('r1', 1), ('r3', 2), ('r2', 3), ('r1', 5), ('r2', 4);
    """,
    "a nullable unique column that is part of a reference": f"""
        {PAIRS}
        CREATE TABLE visit (region text UNIQUE, no int, FOREIGN KEY (region, no) REFERENCES place MATCH FULL);
        INSERT INTO visit VALUES ('r1', 1), ('r3', 2), ('r2', 3), (NULL, NULL), (NULL, NULL);
    """,
    "a partial rule over a part of a reference": f"""
        {PAIRS}
        CREATE TABLE visit (region text, no int, PRIMARY KEY (region, no), FOREIGN KEY (region, no) REFERENCES place);
        CREATE UNIQUE INDEX ON visit (no) WHERE region <> 'r1';
        INSERT INTO visit VALUES ('r2', 1), ('r3', 2), ('r2', 3), ('r2', 4), ('r1', 4), ('r1', 1), ('r1', 2), ('r1', 3);
    """,
    "a rule with an expression over a reference": f"""
        {PAIRS}
        CREATE TABLE visit (id int PRIMARY KEY, region text NOT NULL, no int NOT NULL,
            FOREIGN KEY (region, no) REFERENCES place);
        CREATE UNIQUE INDEX ON visit (no, lower(region));
        INSERT INTO visit SELECT row_number() OVER (), * FROM place;
    """,
    "a rule in which nulls are equal": """
        CREATE TABLE a (id int PRIMARY KEY);
        CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a, UNIQUE NULLS NOT DISTINCT (a));
        INSERT INTO a SELECT generate_series(1, 12);
        INSERT INTO b SELECT n, nullif(n, 12) FROM generate_series(1, 12) n;
    """,
    "tenants without an item to point to": f"""
        {TENANTS}
        CREATE TABLE sale (tenant_id int NOT NULL REFERENCES tenant, no int NOT NULL, PRIMARY KEY (tenant_id, no),
            FOREIGN KEY (tenant_id, no) REFERENCES item);
        INSERT INTO item VALUES (3, 1), (3, 2), (17, 1), (30, 1), (30, 2);
        INSERT INTO sale SELECT * FROM item;
    """,
    "two references that share a tenant": f"""
        {TENANTS}
        CREATE TABLE shelf (tenant_id int REFERENCES tenant, code int, PRIMARY KEY (tenant_id, code));
        CREATE TABLE stock (tenant_id int NOT NULL, no int NOT NULL, code int NOT NULL, UNIQUE (tenant_id, no, code),
            FOREIGN KEY (tenant_id, no) REFERENCES item, FOREIGN KEY (tenant_id, code) REFERENCES shelf);
        INSERT INTO item SELECT t, n FROM generate_series(1, 20) t, generate_series(1, 3) n WHERE n <= 1 + t % 3;
        INSERT INTO shelf SELECT t, n FROM generate_series(11, 40) t, generate_series(1, 2) n;
        INSERT INTO stock SELECT tenant_id, no, code FROM item JOIN shelf USING (tenant_id);
    """,
    "a bridge of three references with all triples": """
        CREATE TABLE a (id int PRIMARY KEY);
        CREATE TABLE b (id int PRIMARY KEY);
        CREATE TABLE c (id int PRIMARY KEY);
        CREATE TABLE abc (a int REFERENCES a, b int REFERENCES b, c int REFERENCES c, PRIMARY KEY (a, b, c));
        INSERT INTO a SELECT generate_series(1, 4);
        INSERT INTO b SELECT generate_series(1, 5);
        INSERT INTO c SELECT generate_series(1, 3);
        INSERT INTO abc SELECT a.id, b.id, c.id FROM a, b, c;
    """,
    "keys that a check restricts": """
        CREATE TABLE one (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, CHECK (id <> 7));
        CREATE TABLE many (id bigint PRIMARY KEY, one int REFERENCES one, CHECK (id BETWEEN 5000000001 AND 5000000040));
        INSERT INTO one OVERRIDING SYSTEM VALUE SELECT n FROM generate_series(1, 20) n WHERE n <> 7;
        INSERT INTO many SELECT 5000000000 + n, 1 FROM generate_series(1, 40, 2) n;
    """,
    "a unique column whose range is full": """
        CREATE TABLE t (id int PRIMARY KEY, grp text NOT NULL, slot int NOT NULL CHECK (slot BETWEEN 1 AND 6),
            UNIQUE (grp, slot));
        INSERT INTO t SELECT n, 'g' || n / 6, 1 + n % 6 FROM generate_series(0, 59) n;
    """,
    "unique texts of a limited length": """
        CREATE TABLE t (id int PRIMARY KEY, code varchar(12) NOT NULL UNIQUE CHECK (char_length(code) <= 5));
        INSERT INTO t SELECT n, 'A-' || lpad(n::text, 3, '0') FROM generate_series(1, 30) n;
    """,
    "a check over a key and a reference": """
        CREATE TABLE t (id int PRIMARY KEY, up int NOT NULL REFERENCES t, CHECK (id <= up));
        INSERT INTO t SELECT n, least(20, n + n % 3) FROM generate_series(1, 20) n;
    """,
    "references within a tenant that nothing else names": """
        CREATE TABLE t (tenant_id int, no int, up_no int, PRIMARY KEY (tenant_id, no),
            FOREIGN KEY (tenant_id, up_no) REFERENCES t);
        INSERT INTO t SELECT n / 8, n % 8, CASE WHEN n % 8 > 0 THEN (n % 8) / 2 END FROM generate_series(0, 39) n;
    """,
    "references within a tenant in a circle of tables": """
        CREATE TABLE person (id int PRIMARY KEY, tenant_id int, desk int);
        CREATE TABLE desk (tenant_id int NOT NULL REFERENCES person, no int, beside int, PRIMARY KEY (tenant_id, no),
            FOREIGN KEY (tenant_id, beside) REFERENCES desk);
        INSERT INTO person SELECT generate_series(1, 20);
        INSERT INTO desk SELECT n / 4 + 1, n % 4, nullif((n + 1) % 4, 0) FROM generate_series(0, 39) n;
        UPDATE person SET tenant_id = id / 4 + 1, desk = id % 4;
        ALTER TABLE person ADD FOREIGN KEY (tenant_id, desk) REFERENCES desk;
    """,
    "two null conditions within a reference": f"""
        {PAIRS}
        CREATE TABLE visit (id int PRIMARY KEY, region text, no int, FOREIGN KEY (region, no) REFERENCES place,
            CHECK (num_nonnulls(region, no) = 1));
        CREATE TABLE trip (id int PRIMARY KEY, region text, no int, FOREIGN KEY (region, no) REFERENCES place,
            CHECK (region IS NULL OR no IS NOT NULL));
        INSERT INTO visit SELECT n, CASE WHEN n % 3 > 0 THEN 'r1' END, CASE WHEN n % 3 = 0 THEN 4 END
          FROM generate_series(1, 30) n;
        INSERT INTO trip SELECT n, CASE WHEN n % 3 = 0 THEN 'r2' END, CASE WHEN n % 3 < 2 THEN 1 END
          FROM generate_series(1, 30) n;
    """,
    "a unique truth in which nulls are equal": """
        CREATE TABLE t (id int PRIMARY KEY, good boolean, UNIQUE NULLS NOT DISTINCT (good));
        INSERT INTO t VALUES (1, true), (2, NULL);
    """,
    "a unique UUID that is null with another column": """
        CREATE TABLE t (id int PRIMARY KEY, x float8, code uuid UNIQUE, CHECK ((x IS NULL) = (code IS NULL)));
        INSERT INTO t SELECT n, n / 3.0, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid
          FROM generate_series(1, 12) n;
        INSERT INTO t SELECT n FROM generate_series(13, 40) n;
    """,
    "repeated rows with a reserved word": """
        CREATE TABLE t ("group" int, x int);
        INSERT INTO t SELECT n % 7, n % 3 FROM generate_series(1, 60) n;
    """,
    "a pair of values as a key in a circle": """
        CREATE TABLE t (id int PRIMARY KEY, up int);
        CREATE TABLE pair (region text, no int, t int NOT NULL REFERENCES t, PRIMARY KEY (region, no),
            CHECK (no >= 5));
        ALTER TABLE t ADD region text, ADD no int, ADD FOREIGN KEY (region, no) REFERENCES pair;
        INSERT INTO t SELECT generate_series(1, 20);
        INSERT INTO pair SELECT 'r' || n % 4, 5 + n / 4, n FROM generate_series(1, 20) n;
        UPDATE t SET region = 'r' || id % 4, no = 5 + id / 4;
    """,
    "an order within an owner that a check restricts": """
        CREATE TABLE shop (id int PRIMARY KEY);
        CREATE TABLE line (shop int REFERENCES shop, line int, PRIMARY KEY (shop, line),
            CHECK (line BETWEEN 1 AND 9), CHECK (line <> 4));
        INSERT INTO shop SELECT generate_series(1, 30);
        INSERT INTO line SELECT DISTINCT s, l FROM generate_series(1, 30) s,
            LATERAL unnest(ARRAY[1 + s % 3, 5 + s % 2, 7 + s % 3]) l;
    """,
    "as many regions as a rule over a part of a reference needs": """
        CREATE TABLE place (region text, no int, up_region text, up_no int, PRIMARY KEY (region, no),
            FOREIGN KEY (up_region, up_no) REFERENCES place MATCH FULL);
        CREATE TABLE stay (region text PRIMARY KEY, no int NOT NULL, since date NOT NULL UNIQUE,
            FOREIGN KEY (region, no) REFERENCES place);
        INSERT INTO place SELECT 'r' || n % (1 + n % 9), n, 'r0', 9 FROM generate_series(1, 31) n;
        INSERT INTO stay SELECT DISTINCT ON (region) region, no, date '2020-01-01' + no FROM place WHERE region > 'r0';
    """,
    "a reference that repeats a key of the table's own": """
        CREATE TABLE place (region text, no int, PRIMARY KEY (region, no));
        CREATE TABLE main (region text PRIMARY KEY, no int NOT NULL, FOREIGN KEY (region, no) REFERENCES place);
        INSERT INTO place SELECT 'r' || n % (1 + n % 9), n FROM generate_series(1, 31) n;
        INSERT INTO main SELECT region, max(no) FROM place GROUP BY region;
        ALTER TABLE place ADD FOREIGN KEY (region) REFERENCES main;
    """,
    "an order of an owner's rows in which no two rows agree at all": """
        CREATE TABLE shop (id int PRIMARY KEY);
        CREATE TABLE sale (shop int REFERENCES shop, day date UNIQUE, PRIMARY KEY (shop, day));
        INSERT INTO shop SELECT generate_series(1, 30);
        INSERT INTO sale SELECT 1 + n % 29, date '2020-01-01' + n FROM generate_series(1, 200) n;
    """,
    "a key that is mended before its table points to itself": """
        CREATE TABLE t (region text, no int, up_region text, up_no int, PRIMARY KEY (region, no),
            FOREIGN KEY (up_region, up_no) REFERENCES t);
        CREATE UNIQUE INDEX ON t (no, up_region, up_no);
        INSERT INTO t SELECT 'r' || n % 4, n % 9, 'r' || (n * 5 % 36) % 4, (n * 5 % 36) % 9
          FROM generate_series(0, 35) n;
    """,
    "a check over two references in a rule that a key of its own keeps": f"""
        {PAIRS}
        CREATE TABLE visit (id int PRIMARY KEY, before int, region text, no int, UNIQUE (id, no, before),
            FOREIGN KEY (region, no) REFERENCES place MATCH FULL, CHECK ((before IS NULL) = (no IS NULL)));
        CREATE TABLE stop (id int PRIMARY KEY, visit int NOT NULL REFERENCES visit);
        INSERT INTO visit SELECT n, CASE WHEN n % 2 = 0 THEN n END, CASE WHEN n % 2 = 0 THEN 'r1' END,
            CASE WHEN n % 2 = 0 THEN 1 + n % 5 END FROM generate_series(1, 10) n;
        INSERT INTO stop SELECT n, n FROM generate_series(1, 10) n;
        ALTER TABLE visit ADD FOREIGN KEY (before) REFERENCES stop;
    """,
    "a circle in which a number must not come more often than there are rows to point to": """
        CREATE TABLE firm (id int PRIMARY KEY, firm_id int, no int, n int);
        CREATE TABLE task (firm_id int NOT NULL REFERENCES firm, no int NOT NULL, after_no int NOT NULL,
            PRIMARY KEY (firm_id, no));
        INSERT INTO firm SELECT n, NULL, NULL, n FROM generate_series(1, 3) n;
        INSERT INTO task SELECT 1 + n % 3, n, n FROM generate_series(1, 30) n;
        UPDATE firm SET firm_id = id, no = id + 2;
        UPDATE task SET after_no = greatest(no - 3, 1 + (no + 2) % 3);
        ALTER TABLE task ADD FOREIGN KEY (firm_id, after_no) REFERENCES task;
        ALTER TABLE firm ADD FOREIGN KEY (firm_id, no) REFERENCES task;
    """,
}


@pytest.mark.parametrize("case", CASES)
def test_rules_of_references_are_kept(case: str, new_database: NewDatabase, target: DatabaseUrl) -> None:
    source = new_database(CASES[case])
    replica.replicate(source, target, SETTINGS)
    report = replica.verify(source, target)
    assert report.valid, (report.missing, report.broken)
    assert counts(target) == counts(source)


def test_a_rule_that_reads_a_value_waits_for_it_and_match_full_is_never_null_in_part(
    new_database: NewDatabase, target: DatabaseUrl
) -> None:
    source = new_database("""
        CREATE TABLE item (firm int, no int, PRIMARY KEY (firm, no));
        CREATE TABLE line (firm int NOT NULL, no int NOT NULL, item_no int, after_no int, PRIMARY KEY (firm, no),
            FOREIGN KEY (firm, item_no) REFERENCES item MATCH FULL, FOREIGN KEY (firm, after_no) REFERENCES line);
        CREATE UNIQUE INDEX ON line (item_no) WHERE no = 1;
        INSERT INTO item SELECT 1 + n % 4, n FROM generate_series(1, 6) n;
        INSERT INTO line SELECT i.firm, 10 + n * 3, i.no, NULL
          FROM generate_series(1, 8) n JOIN item i ON i.no = 1 + n * 3 % 6;
    """)
    replica.replicate(source, target, replace(SETTINGS, scale=2.0))
    report = replica.verify(source, target)
    assert report.valid, (report.missing, report.broken)


CIRCLE = """
    CREATE TABLE a (id int PRIMARY KEY, b int NOT NULL UNIQUE);
    CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL UNIQUE REFERENCES a DEFERRABLE INITIALLY DEFERRED);
    ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED;
    INSERT INTO a SELECT n, 13 - n FROM generate_series(1, 12) n;
    INSERT INTO b SELECT n, n FROM generate_series(1, 12) n;
"""


@pytest.mark.parametrize(("table", "n"), [("a", 13), ("b", 13)])
def test_a_circle_of_one_to_one_references_with_unequal_rows_is_refused_before_any_row_is_made(
    table: str, n: int, new_database: NewDatabase, target: DatabaseUrl, server: Server
) -> None:
    asked = replace(SETTINGS, rows={f"public.{table}": n})
    with pytest.raises(PlanError, match=rf"--rows public.{table}={n}: public.. has 12 rows"):
        replica.replicate(new_database(CIRCLE), target, asked)
    assert database_name(target) not in server.databases()


def test_a_circle_of_one_to_one_references_shrinks_as_a_whole(new_database: NewDatabase, target: DatabaseUrl) -> None:
    replica.replicate(new_database(CIRCLE), target, replace(SETTINGS, rows={"public.b": 5}, scale=0.5))
    assert value(target, "SELECT count(*) = 5 FROM a JOIN b ON a.b = b.id JOIN a other ON other.id = b.a")


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def plain(n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.zeros(n, np.int64)


def parents_of(n: int) -> Parents:
    return Parents(plain(n)[:, None], plain(n), np.ones(n, np.int64))


def test_rows_move_on_where_the_only_place_is_taken() -> None:
    """Row i may point to parents i and i + 1, the last one to the last alone: one assignment is possible."""
    n = 30
    pairs = np.array([(i, p) for i in range(n) for p in (i, i + 1) if p < n])
    within = Within(np.arange(n), np.arange(n), pairs[::-1])
    children = Children(plain(n)[:, None], plain(n), [Distinct(plain(n))], [within])
    assert assign(children, parents_of(n), rng(), "t.fk").tolist() == list(range(n))


def test_a_key_leaves_room_for_what_later_references_add() -> None:
    group = np.repeat(np.arange(6), 20)
    rule = Distinct(group, np.arange(10) // 2, np.array([4, 4, 4, 4, 4]))
    children = Children(plain(120)[:, None], plain(120), [rule])
    chosen = assign(children, parents_of(10), rng(), "t.fk")
    assert not offends(children, chosen).any()
    assert (np.unique(np.c_[group, chosen // 2], axis=0, return_counts=True)[1] == 4).all()


def test_a_bridge_that_is_nearly_full_is_assigned() -> None:
    group = np.repeat(np.arange(150), 148)
    children = Children(plain(len(group))[:, None], plain(len(group)), [Distinct(group)])
    chosen = assign(children, parents_of(150), rng(), "t.fk")
    assert not offends(children, chosen).any()
    assert (chosen != NULL).all()
