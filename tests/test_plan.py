"""Planning decides what each table is, where its values come from and in which order, and refuses what cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Server
from hypothesis import given, settings
from hypothesis import strategies as st

import replica
from replica import Plan, Schema, SchemaMap, Settings
from replica.databases.url import DatabaseUrl
from replica.errors import DriftError, PlanError, SchemaMapError
from replica.generators import CHOICES
from replica.kinds import KINDS, kind_of_type
from replica.kinds.personal import PERSONAL
from replica.plan import plan
from replica.planning.decisions import ReferencePlan, TablePlan
from replica.planning.scope import check_drift, with_full_names
from replica.schema.model import Column, ForeignKey, SqlType, Table, Unique
from replica.schema.schema_map import ColumnMap, ReferenceMap, TableMap, write_map

SHOP = """
CREATE DOMAIN amount AS numeric(10, 2) CONSTRAINT amount_positive CHECK (VALUE >= 0);
CREATE TABLE country (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE city (
    country_code text REFERENCES country, name text, PRIMARY KEY (country_code, name)
);
CREATE TABLE customer (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE, gender text,
    country_code text NOT NULL REFERENCES country, city_name text, born date, joined date, left_on date,
    referrer_id integer REFERENCES customer, initials text GENERATED ALWAYS AS (left(email, 1)) STORED,
    FOREIGN KEY (country_code, city_name) REFERENCES city
);
CREATE UNIQUE INDEX customer_email_lower ON customer (lower(email));
CREATE UNIQUE INDEX customer_joined_once ON customer (joined) WHERE left_on IS NULL;
CREATE TABLE purchase (
    id bigserial PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer, at timestamptz NOT NULL,
    paid_at timestamptz, valid_to timestamptz, total amount, code text, remark text, UNIQUE (customer_id, at)
);
CREATE TABLE product (sku varchar(12) PRIMARY KEY, price numeric(8, 2) CHECK (price > 0));
CREATE TABLE line (
    purchase_id bigint REFERENCES purchase, position integer, sku varchar(12) NOT NULL REFERENCES product,
    discount real, PRIMARY KEY (purchase_id, position)
);
CREATE TABLE wish (
    customer_id integer REFERENCES customer, sku varchar(12) REFERENCES product, PRIMARY KEY (customer_id, sku)
);
CREATE TABLE team (id integer PRIMARY KEY, lead_id integer, name text);
CREATE TABLE player (id integer PRIMARY KEY, team_id integer NOT NULL REFERENCES team, name text);
ALTER TABLE team ADD FOREIGN KEY (lead_id) REFERENCES player;
CREATE TABLE visit (at timestamp, customer_id integer, product_sku text) PARTITION BY RANGE (at);
CREATE TABLE visit_2024 PARTITION OF visit FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
"""

Change = Callable[[TableMap], TableMap]


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Schema]:
    """The schema of a small shop."""
    url = server.create()
    with psycopg.connect(url.secret) as connection:
        connection.execute(SHOP.encode())
    yield replica.introspect(url)
    server.drop(url)


@pytest.fixture
def schema_of(new_database: Callable[..., DatabaseUrl]) -> Callable[[str], Schema]:
    return lambda script: replica.introspect(new_database(script))


def plain_kind(table: Table, column: Column) -> str:
    """A kind that fits what the database declares."""
    if column.generated is not None:
        return "generated"
    if column.name in table.reference_columns:
        return "reference"
    key = table.primary_key
    whole = column.type.family in ("integer", "uuid")
    return "key" if whole and key is not None and key.columns == (column.name,) else kind_of_type(column)


def plain_map(schema: Schema, **changes: Change) -> SchemaMap:
    """A map in which all tables are public and nothing is owned, with changes by table name."""
    tables = {}
    for table in schema.tables:
        columns = {c.name: ColumnMap(kind=plain_kind(table, c), type=c.type.name) for c in table.columns}
        tables[table.id] = changes.get(table.name, said())(TableMap(role="public", columns=columns))
    return SchemaMap(tables=tables)


def said(columns: Mapping[str, ColumnMap] | None = None, **values: Any) -> Change:
    """Says something else of a table and of some of its columns."""
    return lambda found: replace(found, **values, columns={**found.columns, **(columns or {})})


def planned(schema: Schema, setting: Settings | None = None, /, **changes: Change) -> Plan:
    return plan(schema, plain_map(schema, **changes), setting or Settings())


def table_of(schema: Schema, name: str, **changes: Change) -> TablePlan:
    return planned(schema, **changes).by_id[f"public.{name}"]


def reference_of(table: TablePlan, *columns: str) -> ReferencePlan:
    return next(found for found in table.references if found.key.columns == columns)


def ways(table: TablePlan) -> dict[tuple[str, ...], str]:
    return {found.unique.expressions or found.unique.columns: found.way for found in table.uniques}


BY_PURCHASE = said(owner=("purchase_id",))
BY_CUSTOMER = said(owner=("customer_id",), order="at")


# What is decided


def test_what_the_map_says_of_a_table_is_planned(shop: Schema) -> None:
    found = table_of(
        shop, "customer", customer=said(role="subject", generator="marginal", locale="country_code", order="joined")
    )
    assert (found.role, found.generator, found.locale) == ("subject", "marginal", "country_code")
    assert found.private
    assert found.order is None, "rows without an owner have no order"
    assert found.rows == shop.by_id["public.customer"].row_estimate


@pytest.mark.parametrize("generator", ["autoregressive", "marginal"])
def test_the_run_says_the_generator_where_the_map_does_not(shop: Schema, generator: str) -> None:
    found = planned(shop, Settings(generator=generator), product=said(generator="marginal"))
    assert found.by_id["public.product"].generator == "marginal"
    assert found.by_id["public.line"].generator == generator


def test_auto_stays_open_unless_the_rows_may_not_be_looked_at(shop: Schema) -> None:
    for epsilon, chosen in ((None, "auto"), (1.0, "marginal")):
        found = planned(shop, Settings(generator="auto", epsilon=epsilon), customer=said(role="subject"))
        assert found.by_id["public.customer"].generator == chosen


def test_every_column_has_one_producer(shop: Schema) -> None:
    changes = {
        "line": said({"position": ColumnMap(kind="counter", within=("purchase_id",))}, owner=("purchase_id",)),
        "purchase": said(
            {
                "valid_to": ColumnMap(kind="period_end", of="at"),
                "remark": ColumnMap(kind="derived", sql="upper(code)"),
                "code": ColumnMap(kind="email"),
            },
            owner=("customer_id",),
            order="at",
        ),
    }
    found = planned(shop, **changes)
    producers = {f"{t.table.name}.{c.name}": c.producer for t in found.tables for c in t.columns}
    assert (
        producers
        | {
            "customer.id": "key",
            "customer.initials": "generated",
            "customer.country_code": "reference",
            "customer.born": "kind",
            "line.position": "counter",
            "purchase.valid_to": "period_end",
            "purchase.remark": "derived",
        }
        == producers
    )
    for table in found.tables:
        assert [column.column for column in table.columns] == list(table.table.columns)
        assert all((column.kind is not None) == (column.producer == "kind") for column in table.columns)
        assert sum(len(table.by(producer)) for producer in set(producers.values())) == len(table.columns)


def test_a_kind_is_told_what_the_map_says_and_whether_values_differ(shop: Schema) -> None:
    found = table_of(
        shop,
        "customer",
        customer=said({"email": ColumnMap(kind="email"), "born": ColumnMap(kind="moment", bins=7)}),
    )
    options = {column.name: dict(column.options) for column in found.columns}
    assert options["email"] == {"class": "email", "unique": True}
    assert options["born"] == {"bins": 7, "unique": False}
    assert options["joined"] == {"unique": False}, "a partial rule does not bind every row"


@pytest.mark.parametrize(("name", "kind", "sex"), [("gender", "category", "gender"), ("gender", "text", None)])
def test_a_column_of_few_values_called_gender_says_the_sex(shop: Schema, name: str, kind: str, sex: str | None) -> None:
    assert table_of(shop, "customer", customer=said({name: ColumnMap(kind=kind)})).sex == sex


def test_checks_of_domains_are_planned_in_terms_of_columns(shop: Schema) -> None:
    (price,), (total,) = table_of(shop, "product").checks, table_of(shop, "purchase").checks
    assert (price.columns, price.expression.strip("()")) == (("price",), "price > (0)::numeric")
    assert (total.columns, total.expression.strip("()")) == (("total",), "total >= (0)::numeric")


def test_a_lookup_has_no_owner_for_its_rows_are_copied(shop: Schema) -> None:
    found = table_of(shop, "city", city=said(role="lookup", owner=("country_code",)))
    assert found.owner is None
    assert reference_of(found, "country_code").free == ("country_code",)


# References


def test_a_reference_that_a_wider_one_decides_is_implied_by_it(shop: Schema) -> None:
    found = table_of(shop, "customer")
    wide, narrow = reference_of(found, "country_code", "city_name"), reference_of(found, "country_code")
    assert (wide.free, wide.fixed, wide.implied_by) == (("country_code", "city_name"), (), None)
    assert (narrow.free, narrow.fixed, narrow.implied_by) == ((), ("country_code",), wide.key.id)


def test_the_owner_fixes_what_a_wider_reference_shares_with_it(shop: Schema) -> None:
    found = table_of(shop, "customer", customer=said(owner=("country_code",)))
    wide = reference_of(found, "country_code", "city_name")
    assert (wide.free, wide.fixed, wide.implied_by) == (("city_name",), ("country_code",), None)
    assert found.owner is not None
    assert found.owner not in [reference.key for reference in found.references]


def test_a_wide_owner_implies_a_narrower_reference(shop: Schema) -> None:
    found = table_of(shop, "customer", customer=said(owner=("country_code", "city_name")))
    assert found.owner is not None
    assert reference_of(found, "country_code").implied_by == found.owner.id


def test_references_that_share_a_column_but_not_a_parent_are_not_implied(
    schema_of: Callable[[str], Schema],
) -> None:
    schema = schema_of(
        "CREATE TABLE a (x int PRIMARY KEY); CREATE TABLE b (x int, y int, PRIMARY KEY (x, y));"
        "CREATE TABLE c (x int REFERENCES a, y int, FOREIGN KEY (x, y) REFERENCES b)"
    )
    narrow = reference_of(table_of(schema, "c"), "x")
    assert (narrow.free, narrow.fixed, narrow.implied_by) == ((), ("x",), None)


def test_a_key_of_its_own_is_not_filled_by_a_composite_reference(schema_of: Callable[[str], Schema]) -> None:
    schema = schema_of(
        "CREATE TABLE country (code char(2) PRIMARY KEY, capital text);"
        "CREATE TABLE city (country_code char(2) NOT NULL REFERENCES country, name text,"
        " PRIMARY KEY (country_code, name));"
        "ALTER TABLE country ADD FOREIGN KEY (code, capital) REFERENCES city"
    )
    found = planned(schema).by_id["public.country"]
    capital = reference_of(found, "code", "capital")
    assert (capital.free, capital.fixed, capital.deferred) == (("capital",), ("code",), True)
    assert {column.name: column.producer for column in found.columns} == {"code": "kind", "capital": "reference"}


def test_a_column_unique_for_some_rows_only_is_still_filled_by_its_reference(
    schema_of: Callable[[str], Schema],
) -> None:
    schema = schema_of(
        "CREATE TABLE a (x int, y int, PRIMARY KEY (x, y));"
        "CREATE TABLE b (x int, y int, gone boolean, FOREIGN KEY (x, y) REFERENCES a);"
        "CREATE UNIQUE INDEX ON b (x) WHERE NOT gone"
    )
    assert reference_of(table_of(schema, "b"), "x", "y").free == ("x", "y")


def test_a_reference_to_the_table_itself_is_found(shop: Schema) -> None:
    found = reference_of(table_of(shop, "customer"), "referrer_id")
    assert (found.key.is_self, found.deferred) == (True, False)


def test_the_map_can_declare_references(shop: Schema) -> None:
    customer = ReferenceMap(columns=("customer_id",), parent="public.customer", parent_columns=("id",))
    product = ReferenceMap(columns=("product_sku",), parent="public.product", parent_columns=("sku",))
    found = planned(shop, visit=said(references=(customer, product), owner=("customer_id",)))
    visit = found.by_id["public.visit"]
    assert visit.owner is not None
    assert (visit.owner.parent, visit.owner.declared) == ("public.customer", False)
    assert reference_of(visit, "product_sku").free == ("product_sku",)
    assert visit.owner in found.children("public.customer")
    assert {column.name for column in visit.by("reference")} == {"customer_id", "product_sku"}


def test_the_map_can_declare_two_references_of_one_column(schema_of: Callable[[str], Schema]) -> None:
    schema = schema_of(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (x int)"
    )
    two = tuple(ReferenceMap(columns=("x",), parent=f"public.{name}", parent_columns=("id",)) for name in "ab")
    found = table_of(schema, "c", c=said(references=two))
    assert len({reference.key.id for reference in found.references}) == 2


# Order


def test_parents_come_before_children_and_circles_are_broken_where_null_may_stand(shop: Schema) -> None:
    found = planned(shop)
    assert found.order.cycles == (("public.player", "public.team"),)
    (deferred,) = found.order.deferred
    assert reference_of(found.by_id["public.team"], "lead_id").key.id == deferred
    assert_parents_first(found)


def test_an_owner_is_not_deferred_though_it_may_be_null(shop: Schema) -> None:
    found = planned(shop, team=said(owner=("lead_id",)))
    owner = found.by_id["public.team"].owner
    assert owner is not None
    assert found.order.deferred == (reference_of(found.by_id["public.player"], "team_id").key.id,)
    assert_parents_first(found)


def test_a_circle_without_nulls_is_broken_at_one_reference(schema_of: Callable[[str], Schema]) -> None:
    schema = schema_of(
        "CREATE TABLE a (id int PRIMARY KEY, b_id int NOT NULL);"
        "CREATE TABLE b (id int PRIMARY KEY, c_id int NOT NULL);"
        "CREATE TABLE c (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a);"
        "ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b DEFERRABLE;"
        "ALTER TABLE b ADD FOREIGN KEY (c_id) REFERENCES c"
    )
    found = planned(schema)
    assert found.order.cycles == (("public.a", "public.b", "public.c"),)
    assert len(found.order.deferred) == 1
    assert_parents_first(found)


def test_deferred_references_are_assigned_last(shop: Schema) -> None:
    for table in planned(shop).tables:
        late = [reference.deferred or reference.key.is_self for reference in table.references]
        assert late == sorted(late)


def assert_parents_first(found: Plan) -> None:
    place = {table.id: i for i, table in enumerate(found.tables)}
    for table in found.tables:
        keys = [reference.key for reference in table.references if not reference.deferred]
        for key in (*keys, *([table.owner] if table.owner else [])):
            assert key.is_self or place[key.parent] < place[table.id]


@st.composite
def graphs(draw: st.DrawFn) -> Schema:
    """Schemas of up to six tables that point to each other anyhow."""
    n = draw(st.integers(1, 6))
    whole = SqlType("integer", "int4", "integer")
    tables = []
    for i in range(n):
        targets = draw(st.lists(st.tuples(st.integers(0, n - 1), st.booleans()), max_size=3))
        columns = [Column("id", whole, nullable=False)]
        columns += [Column(f"r{j}", whole, nullable=nullable) for j, (_, nullable) in enumerate(targets)]
        keys = [
            ForeignKey(f"fk{j}", f"public.t{i}", (f"r{j}",), f"public.t{parent}", ("id",))
            for j, (parent, _) in enumerate(targets)
        ]
        unique = Unique(f"t{i}_pkey", ("id",), primary=True)
        tables.append(Table("public", f"t{i}", tuple(columns), (unique,), tuple(keys)))
    return Schema("d", "PostgreSQL 15", 150000, tuple(tables))


@settings(max_examples=100, deadline=None)
@given(graphs(), st.data())
def test_any_schema_is_planned_with_parents_first_and_every_reference_once(schema: Schema, data: st.DataObject) -> None:
    left_out = data.draw(st.lists(st.sampled_from(sorted(schema.by_id)), unique=True))
    found = planned(schema, Settings(exclude=tuple(left_out)))
    assert_parents_first(found)
    assert {table.id for table in found.tables} | set(found.skipped) == set(schema.by_id)
    assert set(left_out) <= set(found.skipped)
    for table in found.tables:
        kept = {key.id for key in table.table.foreign_keys if key.parent not in found.skipped}
        assert {reference.key.id for reference in table.references} == kept
        for key in table.table.foreign_keys:
            assert key.parent not in found.skipped or table.table.by_name[key.columns[0]].nullable


# Unique rules


@pytest.mark.parametrize(
    ("name", "change", "rule", "way"),
    [
        ("customer", said(), ("id",), "key"),
        ("customer", said({"email": ColumnMap(kind="email")}), ("email",), "key"),
        ("customer", said(), ("email",), "repair"),
        ("customer", said(), ("lower(email)",), "repair"),
        ("customer", said(), ("joined",), "repair"),
        ("product", said({"sku": ColumnMap(kind="code")}), ("sku",), "key"),
        ("line", BY_PURCHASE, ("purchase_id", "position"), "repair"),
        (
            "line",
            said({"position": ColumnMap(kind="counter", within=("purchase_id",))}),
            ("purchase_id", "position"),
            "counter",
        ),
        ("line", said(owner=("purchase_id",), order="position"), ("purchase_id", "position"), "order"),
        ("line", said(order="position"), ("purchase_id", "position"), "repair"),
        ("line", said(owner=("sku",), order="position"), ("purchase_id", "position"), "references"),
        ("purchase", BY_CUSTOMER, ("customer_id", "at"), "order"),
        ("wish", said(), ("customer_id", "sku"), "references"),
        ("wish", said(owner=("sku",)), ("customer_id", "sku"), "references"),
    ],
)
def test_each_unique_rule_is_kept_in_the_surest_way(
    shop: Schema, name: str, change: Change, rule: tuple[str, ...], way: str
) -> None:
    assert ways(table_of(shop, name, **{name: change}))[rule] == way


# Persons


def test_rows_belong_to_the_subject_that_their_references_lead_to(shop: Schema) -> None:
    private = said(role="private")
    found = planned(shop, customer=said(role="subject"), purchase=private, line=private, product=private)
    paths = {name: table.holder_path for name, table in found.by_id.items()}
    assert paths["public.customer"] == ()
    assert [key.child for key in paths["public.line"] or ()] == ["public.line", "public.purchase"]
    assert paths["public.product"] == (), "rows that lead to nobody are persons of their own"
    assert paths["public.city"] is None


def test_without_a_subject_rows_belong_to_the_top_of_their_owners(shop: Schema) -> None:
    found = planned(
        shop,
        purchase=said(role="private"),
        line=said(role="private", owner=("purchase_id",)),
    )
    path = found.by_id["public.line"].holder_path
    assert [key.parent for key in path or ()] == ["public.purchase"]


# Which tables get rows


def test_partitions_and_foreign_tables_get_no_rows_of_their_own(shop: Schema) -> None:
    tables = tuple(replace(table, kind="foreign") if table.name == "product" else table for table in shop.tables)
    found = planned(replace(shop, tables=tables))
    assert found.skipped["public.visit_2024"] == "filled through its partitioned table"
    assert found.skipped["public.product"] == "a foreign table; its rows live elsewhere"
    assert {"public.line", "public.wish"} <= set(found.skipped)
    assert "public.visit" in found.by_id


def test_what_points_to_a_single_partition_is_left_out(schema_of: Callable[[str], Schema]) -> None:
    schema = schema_of(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE a (id int NOT NULL REFERENCES p1); CREATE TABLE b (id int REFERENCES p1);"
        "CREATE TABLE c (id int NOT NULL REFERENCES p)"
    )
    found = planned(schema)
    why = "public.p1, a partition: rows are chosen from whole tables only"
    assert set(found.by_id) == {"public.b", "public.c", "public.p"}
    assert found.skipped["public.a"] == f"it needs {why}"
    assert found.notes == (
        f"public.a gets no rows, since it cannot do without {why}",
        f"public.b(id) is null in every row, since it points to {why}",
    )


@pytest.mark.parametrize("by_map", [True, False])
def test_what_cannot_do_without_a_table_left_out_is_left_out_too(shop: Schema, *, by_map: bool) -> None:
    changes = {"purchase": said(role="skip")} if by_map else {}
    found = planned(shop, Settings(exclude=() if by_map else ("public.purchase",)), **changes)
    assert found.skipped["public.purchase"] == ("the schema map says skip" if by_map else "--exclude")
    assert found.skipped["public.line"] == "it needs public.purchase, which gets no rows"
    assert found.notes == ("public.line gets no rows, since it cannot do without public.purchase, which gets no rows",)
    assert "public.wish" in found.by_id


def test_what_can_do_without_a_table_left_out_points_nowhere(shop: Schema) -> None:
    found = planned(shop, Settings(exclude=("public.player",)), team=said(owner=("lead_id",), order="id"))
    team = found.by_id["public.team"]
    assert (team.owner, team.order, team.references) == (None, None, ())
    assert found.notes == (
        "public.team(lead_id) is null in every row, since it points to public.player, which gets no rows",
    )
    assert found.order.deferred == ()


def test_include_takes_what_is_named_and_what_that_needs(shop: Schema) -> None:
    found = planned(shop, Settings(include=("public.line", "public.team")))
    needed = {"public.purchase", "public.product", "public.customer", "public.country"}
    assert set(found.by_id) == {"public.line", "public.team", *needed}
    assert found.skipped["public.wish"] == "not in --include"
    assert f"--include also takes {', '.join(sorted(needed))}, which the others cannot do without" in found.notes
    assert (
        "public.team(lead_id) is null in every row, since it points to public.player, which gets no rows" in found.notes
    )


def test_periods_end_after_their_start_where_the_owner_gets_no_rows(schema_of: Callable[[str], Schema]) -> None:
    schema = schema_of(
        "CREATE TABLE a (id int PRIMARY KEY);"
        "CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a, since date NOT NULL, until date)"
    )
    change = said({"until": ColumnMap(kind="period_end", of="since")}, owner=("a_id",), order="since")
    until = planned(schema, Settings(exclude=("public.a",)), b=change).by_id["public.b"].columns[-1]
    assert (until.producer, until.kind, until.map.after) == ("kind", "moment", "since")


# What is refused


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (Settings(rows={"public.nil": 1}), "--rows public.nil: there is no such table; known are public.city, "),
        (Settings(include=("nil",)), "--include nil: there is no such table"),
        (Settings(exclude=("nil",)), "--exclude nil: there is no such table"),
        (
            Settings(include=("public.visit_2024",)),
            "--include public.visit_2024: a partition gets its rows through public.visit: name that one",
        ),
        (
            Settings(rows={"public.line": 3}, exclude=("public.product",)),
            "--rows public.line: the table gets no rows (it needs public.product, which gets no rows): leave it out",
        ),
        (Settings(rows={"public.country": 3}), "--rows public.country: a lookup keeps its rows: leave it out, or make"),
    ],
)
def test_settings_that_do_not_fit_the_schema_are_refused(shop: Schema, setting: Settings, message: str) -> None:
    with pytest.raises(PlanError, match="^" + re.escape(message)):
        planned(shop, setting, country=said(role="lookup"))


def column(name: str, kind: str = "number", **values: Any) -> Change:
    return said({name: ColumnMap(kind=kind, **values)})


def reference(columns: str, parent: str, parent_columns: str) -> Change:
    found = ReferenceMap(columns=tuple(columns.split()), parent=parent, parent_columns=tuple(parent_columns.split()))
    return said(references=(found,))


BAD_MAPS: list[tuple[str, Change, str, str]] = [
    ("line", said(owner=("position",)), "owner (position)", "is not a reference of the table; its references are ("),
    ("team", said(owner=("name",)), "owner (name)", "its references are (lead_id)"),
    ("product", said(owner=("price",)), "owner (price)", "its references are none"),
    ("customer", said(owner=("referrer_id",)), "owner (referrer_id)", "cannot own its rows: choose another or none"),
    ("line", said(order="nil"), "order", "has no column nil; known are discount, position, purchase_id, sku"),
    ("line", said(order="sku"), "order sku", "choose another column or none"),
    ("line", said(order="discount"), "order discount", "choose another column or none"),
    ("line", said(order="purchase_id"), "order purchase_id", "choose another column or none"),
    ("purchase", said(order="total"), "order total", "choose another column or none"),
    ("customer", said(locale="nil"), "locale", "has no column nil; known are"),
    ("product", column("price", "reference"), ".price", "declare one, or choose a kind"),
    ("product", column("price", "generated"), ".price", "does not compute the column: choose a kind"),
    ("product", column("sku", "key"), ".sku", "choose code or label"),
    ("product", column("sku", "number"), ".sku", "kind number cannot make values of type character varying(12)"),
    ("product", column("price", "email"), ".price", "cannot make values of type numeric(8,2): choose another"),
    ("line", column("position", "counter"), ".position", "needs `within`, the columns it counts within"),
    ("line", column("discount", "counter", within=("sku",)), ".discount", "a counter is a whole number and needs"),
    ("line", column("position", "counter", within=("nil",)), ".position", "has no column nil; known are"),
    ("line", column("position", "counter", within=("position",)), "", "made of each other: position -> position; take"),
    ("purchase", column("valid_to", "period_end"), ".valid_to", "needs `of`, the column that starts the next period"),
    ("purchase", column("valid_to", "period_end", of="nil"), ".valid_to", "has no column nil; known are"),
    ("purchase", column("valid_to", "period_end", of="code"), ".valid_to", "but code is text: take it away"),
    ("purchase", column("valid_to", "period_end", of="at"), ".valid_to", "an owner, and its order as `of`"),
    ("purchase", column("remark", "derived"), ".remark", "needs `sql`, the expression that computes it"),
    ("customer", column("left_on", "moment", after="nil"), ".left_on", "has no column nil; known are"),
    ("customer", column("left_on", "moment", after="email"), ".left_on", "but email is text: take it away"),
    ("customer", column("gender", "text", near="born"), ".gender", "but gender is text: take it away"),
    (
        "customer",
        column("born", "moment", near="born"),
        "",
        "made of each other: born -> born; take one `after`, `near`",
    ),
    (
        "visit",
        reference("customer_id", "public.nil", "id"),
        "reference (customer_id)",
        "no table public.nil; known are",
    ),
    ("visit", reference("nil", "public.customer", "id"), "reference (nil)", "has no column nil; known are"),
    (
        "visit",
        reference("customer_id", "public.customer", "nil"),
        "reference (customer_id)",
        "has no column nil; known",
    ),
    (
        "visit",
        reference("customer_id", "public.team", "lead_id"),
        "reference (customer_id)",
        "point to a key of public.team",
    ),
    ("visit", reference("at", "public.customer", "joined"), "reference (at)", "point to a key of public.customer"),
    ("visit", reference("product_sku", "public.customer", "id"), "reference (product_sku)", "columns of the same type"),
    (
        "visit",
        reference("customer_id product_sku", "public.customer", "id"),
        "reference (customer_id, product_sku)",
        "give one",
    ),
    ("visit", reference("", "public.customer", ""), "reference ()", "give one column of public.customer for each"),
    ("line", reference("sku", "public.product", "sku"), "reference (sku)", "referenced by these columns already"),
    (
        "purchase",
        said(
            {
                "valid_to": ColumnMap(kind="period_end", of="at"),
                "paid_at": ColumnMap(kind="moment", after="valid_to"),
            },
            owner=("customer_id",),
            order="at",
        ),
        ".paid_at",
        "valid_to follows from other rows or columns: take it away",
    ),
]


@pytest.mark.parametrize(("table", "change", "place", "advice"), BAD_MAPS)
def test_a_map_that_does_not_fit_is_refused_with_the_place_and_a_way_out(
    shop: Schema, table: str, change: Change, place: str, advice: str
) -> None:
    with pytest.raises(PlanError) as error:
        planned(shop, **{table: change})
    message = str(error.value)
    separator = "" if place.startswith(".") or not place else ": "
    assert message.startswith(f"schema map: public.{table}{separator}{place}")
    assert advice in message
    assert "\n" not in message


def test_owners_in_a_circle_are_refused(shop: Schema) -> None:
    with pytest.raises(PlanError, match=r"owners lead in a circle: public\.(team|player) -> .*; take one away$"):
        planned(shop, team=said(owner=("lead_id",)), player=said(owner=("team_id",)))


def test_moments_counted_from_each_other_are_refused(shop: Schema) -> None:
    change = said({"born": ColumnMap(kind="moment", after="joined"), "joined": ColumnMap(kind="moment", near="born")})
    with pytest.raises(PlanError, match="columns are made of each other: born -> joined -> born"):
        planned(shop, customer=change)


def test_names_in_messages_are_quoted_as_in_sql(schema_of: Callable[[str], Schema]) -> None:
    schema = schema_of('CREATE TABLE "Order Details" ("Unit Price" money)')
    bad = said({"Unit Price": ColumnMap(kind="email")})
    with pytest.raises(PlanError, match=r'^schema map: public\."Order Details"\."Unit Price": kind email cannot'):
        plan(schema, plain_map(schema, **{"Order Details": bad}), Settings())


@pytest.mark.parametrize("locale", ["xx_XX", "germany", ""])
def test_an_unknown_locale_is_refused(shop: Schema, locale: str) -> None:
    with pytest.raises(PlanError, match=f"^schema map: locale {locale}: Faker has no such locale; write one such as"):
        plan(shop, replace(plain_map(shop), locale=locale), Settings())


def test_an_unknown_generator_names_the_table_and_those_that_exist(shop: Schema) -> None:
    known = ", ".join(sorted(CHOICES))
    message = rf"^schema map: public\.line: unknown generator 'magic': known are {known}$"
    with pytest.raises(SchemaMapError, match=message):
        planned(shop, line=said(generator="magic"))


def test_an_unknown_kind_names_the_column_and_those_that_exist(shop: Schema) -> None:
    message = r"^schema map: public\.product\.price: unknown kind 'magic': known are "
    with pytest.raises(SchemaMapError, match=message) as error:
        planned(shop, product=column("price", "magic"))
    assert all(name in str(error.value) for name in (*KINDS, *PERSONAL, "key", "counter", "period_end"))
    with pytest.raises(SchemaMapError, match=r"unknown kind 'nubmer': .*; did you mean number\?$"):
        planned(shop, product=column("price", "nubmer"))


# Drift


def test_a_map_that_knows_the_schema_does_not_drift(shop: Schema) -> None:
    check_drift(shop, plain_map(shop), "map.yaml")
    untyped = {
        name: replace(each, columns=dict.fromkeys(each.columns, ColumnMap(kind="opaque")))
        for name, each in plain_map(shop).tables.items()
    }
    check_drift(shop, SchemaMap(tables=untyped), "map.yaml")


def test_drift_lists_every_difference(shop: Schema) -> None:
    tables = dict(plain_map(shop).tables)
    product = tables["public.product"].columns
    tables["public.product"] = TableMap(
        role="public", columns={"price": replace(product["price"], type="money"), "Old One": ColumnMap(kind="key")}
    )
    tables["public.gone"] = tables.pop("public.wish")
    with pytest.raises(DriftError) as error:
        check_drift(shop, SchemaMap(tables=tables), "map.yaml")
    assert str(error.value) == (
        "the source does not match map.yaml: + public.product.sku character varying(12);"
        ' ~ public.product.price was money, is numeric(8,2); - public.product."Old One"; + table public.wish;'
        " - table public.gone. Update it with `replica map`, then read it"
    )


def test_a_column_that_may_be_mistyped_is_asked_about(shop: Schema) -> None:
    tables = dict(plain_map(shop).tables)
    columns = dict(tables["public.product"].columns)
    columns["pirce"] = columns.pop("price")
    tables["public.product"] = replace(tables["public.product"], columns=columns)
    with pytest.raises(DriftError, match=r"then read it; or did you mistype public\.product\.price\?$"):
        check_drift(shop, SchemaMap(tables=tables), "map.yaml")


def test_a_bare_name_stands_for_the_only_table_that_has_it(schema_of: Callable[[str], Schema]) -> None:
    schema = schema_of("CREATE TABLE a (i int); CREATE TABLE b (i int); CREATE SCHEMA s; CREATE TABLE s.b (i int)")
    found = with_full_names(Settings(rows={"a": 5, "s.b": 7}, exclude=("a",)), schema)
    assert (found.rows, found.exclude) == ({"public.a": 5, "s.b": 7}, ("public.a",))
    with pytest.raises(PlanError, match=r"--include b: several tables are called so: write one of public\.b, s\.b$"):
        with_full_names(Settings(include=("b",)), schema)


def test_much_drift_is_cut_short(shop: Schema) -> None:
    tables = {f"public.t{i}": TableMap(role="skip") for i in range(30)} | dict(plain_map(shop).tables)
    with pytest.raises(DriftError, match=r"; and 10 more\. Update it with `replica map`, then read it$"):
        check_drift(shop, SchemaMap(tables=tables), "map.yaml")


@pytest.mark.parametrize("gone", [None, "price"])
def test_planning_refuses_a_map_that_lacks_a_table_or_a_column(shop: Schema, gone: str | None) -> None:
    tables = dict(plain_map(shop).tables)
    found = tables.pop("public.product")
    if gone is not None:
        left = {name: each for name, each in found.columns.items() if name != gone}
        tables["public.product"] = replace(found, columns=left)
    what = "table public.product" if gone is None else "column public.product.price"
    with pytest.raises(DriftError, match=f"^the schema map does not know {what}: update it with `replica map`$"):
        plan(shop, SchemaMap(tables=tables), Settings())


def test_a_plan_is_made_from_a_map_on_disk(new_database: Callable[..., DatabaseUrl], tmp_path: Path) -> None:
    url = new_database("CREATE TABLE t (id int PRIMARY KEY, note text)")
    path = tmp_path / "map.yaml"
    path.write_text("tables: {public.t: {role: skip, columns: {id: {kind: key}, note: {kind: text}}}}")
    found = replica.make_plan(url, Settings(map_path=path))
    assert found.draft is None
    assert found.plan.skipped == {"public.t": "the schema map says skip"}
    path.write_text("tables: {public.t: {role: skip, columns: {id: {kind: key}}}}")
    with pytest.raises(DriftError, match=r"map\.yaml: \+ public\.t\.note text\. Update it"):
        replica.make_plan(url, Settings(map_path=path))


def test_a_drafted_map_on_disk_gives_the_plan_of_the_draft(company: DatabaseUrl, tmp_path: Path) -> None:
    drafted = replica.make_plan(company)
    assert drafted.draft is not None
    path = tmp_path / "map.yaml"
    path.write_text(write_map(drafted.draft.schema_map, drafted.draft.comments))
    assert replica.make_plan(company, Settings(map_path=path)).plan == drafted.plan
