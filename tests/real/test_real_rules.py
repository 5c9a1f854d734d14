"""Ten real databases: which rules are found in their rows, and that every row of a replica keeps them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Server
from postgres_tools import value
from rule_breaks import breaks

import replica
from real.databases import DATA, SCRIPTS, load
from replica.databases.url import DatabaseUrl
from replica.pipeline import Planned, introspect
from replica.rules import RULES
from replica.settings import Settings

pytestmark = pytest.mark.real

# Rules that hold in these databases and that somebody who knows them would name.
KNOWN = {
    "adult": {"public.persons: education_num follows from education"},
    "berka_no_trans": {
        "public.loan: amount = duration * payments",
        "public.loan: date >= public.account.date through (account_id)",
    },
    "chinook": {
        "public.invoice: total = round(sum(unit_price), 2) of public.invoice_line(invoice_id)",
        "public.invoice: billing_address follows from customer_id",
    },
    "f1": {
        "public.races: quali_date is null exactly where fp1_date is null",
        "public.sprint_results: position_order = position",
    },
    "northwind": {"public.orders: ship_address follows from customer_id"},
    "sakila": {
        "public.rental: rental_date to return_date never overlap within (inventory_id)",
        "public.payment: payment_date >= public.rental.rental_date through (rental_id)",
    },
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_row_of_a_replica_keeps_the_rules_of_its_source(
    name: str, server: Server, new_database: Callable[..., DatabaseUrl], record_property: Callable[..., None]
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the real databases are not here: {DATA} (REPLICA_REAL_DATA names another place)")
    source, target = new_database(), server.fresh()
    load(name, source)
    decided: list[Planned] = []
    settings = Settings(seed=2, generator="marginal", workers=1)
    try:
        report = replica.replicate(source, target, settings, planned=decided.append)
        schema, tables = introspect(source), decided[0].plan.tables
        rules = {
            f"{table.id}: {RULES[rule.form].describe(rule, table.table)}": (table.id, rule)
            for table in tables
            for rule in table.kept_rules
        }
        rows = sum(value(source, f"SELECT count(*) FROM {table.id}") for table in tables)
        assert report.rows > 0.95 * rows
        broken = {rule: breaks(target, schema, *found) for rule, found in rules.items()}
    finally:
        server.drop(target)
    record_property("rules", sorted(rules))
    record_property("notes", [*decided[0].plan.notes, *report.notes])
    assert {rule for rule, (table, found) in rules.items() if breaks(source, schema, table, found)} == set()
    assert {rule: rows for rule, rows in broken.items() if rows} == {}
    assert KNOWN.get(name, set()) <= set(rules)
