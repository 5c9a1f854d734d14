"""References that repeat those of the row that another one points to: found, kept on every row, whoever owns them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import Server
from postgres_tools import run, value

import replica
from replica.databases.url import DatabaseUrl
from replica.pipeline import draft, introspect
from replica.rules import RULES
from replica.schema.rules import Copied
from replica.schema.schema_map import SchemaMap, write_map
from replica.settings import Settings

NewDatabase = Callable[..., DatabaseUrl]
SETTINGS = Settings(generator="marginal", workers=1)


@dataclass(frozen=True)
class Case:
    """Tables with a reference that repeats another.

    Attributes:
        script: the tables and their rows.
        table: the table whose rows repeat.
        rule: what they repeat.
        owners: owners that the table may have.
        true: what is true of source and replica alike.
    """

    script: str
    table: str
    rule: Copied
    owners: tuple[tuple[str, ...], ...]
    true: str


CASES = {
    "a payment is of its rental's customer": Case(
        """
        CREATE TABLE customer (id int PRIMARY KEY, city text);
        CREATE TABLE rental (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, rented_on date NOT NULL);
        CREATE TABLE payment (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer,
            rental_id int REFERENCES rental, amount int NOT NULL, paid_on date NOT NULL);
        INSERT INTO customer SELECT n, 'city ' || n % 5 FROM generate_series(1, 40) n;
        INSERT INTO rental SELECT n, 1 + n * 7 % 38, date '2024-01-01' + n % 90 FROM generate_series(1, 300) n;
        INSERT INTO payment SELECT n, CASE WHEN n % 20 = 0 THEN 1 + n % 40 ELSE customer_id END,
            CASE WHEN n % 20 > 0 THEN r.id END, n % 9, date '2024-01-01' + n % 70
          FROM generate_series(1, 400) n JOIN rental r ON r.id = 1 + n % 300;
        """,
        "public.payment",
        Copied("customer_id", ("rental_id",), "customer_id"),
        (("customer_id",), ("rental_id",), ()),
        "SELECT count(*) FILTER (WHERE rental_id IS NULL) BETWEEN 5 AND 60 AND count(DISTINCT customer_id) > 20"
        " AND count(DISTINCT rental_id) > 150 FROM payment",
    ),
    "tenants": Case(
        """
        CREATE TABLE tenant (id int PRIMARY KEY);
        CREATE TABLE customer (tenant_id int REFERENCES tenant, no int, PRIMARY KEY (tenant_id, no));
        CREATE TABLE purchase (tenant_id int REFERENCES tenant, no int, customer_no int NOT NULL,
            PRIMARY KEY (tenant_id, no), FOREIGN KEY (tenant_id, customer_no) REFERENCES customer);
        CREATE TABLE line (tenant_id int, purchase_no int, no int, customer_no int NOT NULL, quantity int,
            PRIMARY KEY (tenant_id, purchase_no, no), FOREIGN KEY (tenant_id, purchase_no) REFERENCES purchase,
            FOREIGN KEY (tenant_id, customer_no) REFERENCES customer);
        INSERT INTO tenant SELECT generate_series(1, 4);
        INSERT INTO customer SELECT t, n FROM generate_series(1, 4) t, generate_series(1, 12) n;
        INSERT INTO purchase SELECT t, n, 1 + n * n % 11 FROM generate_series(1, 4) t, generate_series(1, 30) n;
        INSERT INTO line SELECT tenant_id, p.no, n, customer_no, (n * p.no) % 5
          FROM purchase p, generate_series(1, 3) n WHERE n <= 1 + p.no % 3;
        """,
        "public.line",
        Copied("customer_no", ("tenant_id", "purchase_no"), "customer_no"),
        (("tenant_id", "purchase_no"), ("tenant_id", "customer_no"), ()),
        "SELECT count(DISTINCT (tenant_id, customer_no)) > 15 AND count(DISTINCT (tenant_id, purchase_no)) > 50"
        " FROM line",
    ),
    "answers are about what their comment is about": Case(
        """
        CREATE TABLE post (id int PRIMARY KEY, title text);
        CREATE TABLE comment (id int PRIMARY KEY, post_id int NOT NULL REFERENCES post,
            answers int REFERENCES comment, score int);
        INSERT INTO post SELECT n, 'post ' || n FROM generate_series(1, 30) n;
        INSERT INTO comment SELECT n, 1 + n % 30, CASE WHEN n > 90 THEN n - 30 * (1 + n % 3) END, n % 7
          FROM generate_series(1, 300) n;
        """,
        "public.comment",
        Copied("post_id", ("answers",), "post_id"),
        (("post_id",), ()),
        "SELECT count(answers) > 120 AND count(DISTINCT post_id) > 15 FROM comment",
    ),
    "nulls are repeated too": Case(
        """
        CREATE TABLE customer (id int PRIMARY KEY, city text);
        CREATE TABLE ticket (id int PRIMARY KEY, customer_id int REFERENCES customer, topic text);
        CREATE TABLE message (id int PRIMARY KEY, ticket_id int NOT NULL REFERENCES ticket,
            customer_id int REFERENCES customer, words int);
        INSERT INTO customer SELECT n, 'city ' || n % 5 FROM generate_series(1, 40) n;
        INSERT INTO ticket SELECT n, CASE WHEN n % 3 > 0 THEN 1 + n * n % 37 END, 'topic ' || n % 4
          FROM generate_series(1, 90) n;
        INSERT INTO message SELECT n, t.id, t.customer_id, n % 60
          FROM generate_series(1, 300) n JOIN ticket t ON t.id = 1 + n % 90;
        """,
        "public.message",
        Copied("customer_id", ("ticket_id",), "customer_id"),
        (("ticket_id",), ("customer_id",), ()),
        "SELECT count(ticket_id) = 300 AND count(customer_id) BETWEEN 120 AND 270 AND count(DISTINCT ticket_id) > 45"
        " FROM message",
    ),
}
OWNED = [
    pytest.param(case, owner, id=f"{name}, owner {owner}") for name, case in CASES.items() for owner in case.owners
]


@pytest.fixture(scope="module")
def sources(server: Server) -> dict[str, DatabaseUrl]:
    """The tables of each case."""
    found = {}
    for case in CASES.values():
        found[case.script] = server.create()
        run(found[case.script], case.script)
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_reference_that_repeats_another_is_found(sources: dict[str, DatabaseUrl], case: Case) -> None:
    found = draft(sources[case.script]).schema_map
    assert {name: table.rules for name, table in found.tables.items() if table.rules} == {case.table: (case.rule,)}


@pytest.mark.parametrize(("case", "owner"), OWNED)
def test_it_is_kept_on_every_row(
    sources: dict[str, DatabaseUrl], server: Server, tmp_path: Path, case: Case, owner: tuple[str, ...]
) -> None:
    source, target = sources[case.script], server.fresh()
    found = draft(source).schema_map
    owned = replace(found.tables[case.table], owner=owner, order=None)
    path = tmp_path / "map.yaml"
    path.write_text(write_map(SchemaMap(found.version, found.locale, {**found.tables, case.table: owned}), {}))
    query = RULES["copied"].breaks(case.rule, introspect(source).by_id[case.table], introspect(source))
    assert value(source, query) == 0
    for scale in (1.0, 0.5, 2.0):
        settings = replace(SETTINGS, map_path=path, scale=scale, replace=True)
        replica.replicate(source, target, settings)
        assert value(target, query) == 0
        assert replica.verify(source, target).valid
        if scale == 1.0:
            assert value(source, case.true) is True
            assert value(target, case.true) is True
    server.drop(target)
