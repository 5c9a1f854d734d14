"""Imagined values: of types nobody knows, under domains inside other types, as a map wants them, along references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Server
from postgres_tools import is_available, rows, run, value

import replica
from replica import Settings
from replica.databases.url import DatabaseUrl
from replica.errors import PlanError
from replica.schema.schema_map import ColumnMap, PolymorphicMap, ReferenceMap, SchemaMap, TableMap, write_map

SETTINGS = Settings(schema_only=True, rows_per_table=40, workers=1)
NewDatabase = Callable[..., DatabaseUrl]

# A type whose texts are read by a function of another type, as an extension would bring it.
ODD_TYPE = """
    CREATE TYPE odd;
    CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS '{reader}in';
    CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS '{reader}out';
    CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, {layout});
    CREATE TABLE thing (id int PRIMARY KEY, odd odd NOT NULL);
"""


def test_a_type_that_nobody_knows_gets_values_that_the_server_takes(
    new_database: NewDatabase, target: DatabaseUrl
) -> None:
    source = new_database(ODD_TYPE.format(reader="int4", layout="INTERNALLENGTH = 4, PASSEDBYVALUE"))
    replica.replicate(source, target, SETTINGS)
    assert value(target, "SELECT count(odd) FROM thing") == 40


def test_a_type_without_any_value_is_named_before_rows_are_made(new_database: NewDatabase, target: DatabaseUrl) -> None:
    source = new_database(ODD_TYPE.format(reader="line_", layout="INTERNALLENGTH = 24, ALIGNMENT = double"))
    with pytest.raises(PlanError, match=r"public\.thing\.odd: no value of type public\.odd is known"):
        replica.make_plan(source, SETTINGS)
    run(source, "CREATE TABLE other (id int PRIMARY KEY)")
    replica.replicate(source, target, replace(SETTINGS, exclude=("thing",)))
    assert value(target, "SELECT count(*) FROM other") == 40


def test_numbers_of_articles_are_made_anew_where_no_two_rows_share_one(
    server: Server, new_database: NewDatabase, target: DatabaseUrl
) -> None:
    if not is_available(server, "isn"):
        pytest.skip("the server lacks isn")
    kinds = ("ean13", "isbn13", "isbn", "ismn13", "ismn", "issn13", "issn", "upc")
    columns = ", ".join(f"{kind}_number {kind} UNIQUE NOT NULL, some_{kind} {kind} NOT NULL" for kind in kinds)
    source = new_database(f"CREATE EXTENSION isn; CREATE TABLE article (id int PRIMARY KEY, {columns})")
    replica.replicate(source, target, SETTINGS)
    assert value(target, "SELECT count(DISTINCT isbn_number) FROM article") == 40


INNER = """
    CREATE DOMAIN small AS int CHECK (VALUE > 0 AND VALUE < 100);
    CREATE DOMAIN word AS text NOT NULL CHECK (VALUE ~ '^[[:lower:]_]+$');
    CREATE TYPE part AS (size small, name text);
    CREATE TABLE held (id int PRIMARY KEY, sizes small[] NOT NULL, words word[], parts part[],
      "One part" part NOT NULL);
"""


def test_domains_inside_arrays_and_composites_are_kept_without_rows(
    new_database: NewDatabase, target: DatabaseUrl
) -> None:
    replica.replicate(new_database(INNER), target, SETTINGS)
    assert value(target, "SELECT count(DISTINCT s) > 5 FROM held, unnest(sizes) AS s")
    assert value(target, """SELECT bool_and(("One part").size > 0) FROM held""")


def test_domains_inside_arrays_and_composites_are_kept_with_rows(
    new_database: NewDatabase, target: DatabaseUrl
) -> None:
    source = new_database(
        INNER
        + """
        CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
        CREATE TYPE pair AS (number even, rest text);
        CREATE TABLE evens (id int PRIMARY KEY, all_even even[] NOT NULL, pair pair NOT NULL);
        INSERT INTO evens SELECT n, ARRAY[n * 2, n * 6 + 2], (n * 4, 'r' || n % 3)::pair FROM generate_series(1, 200) n;
        """
    )
    replica.replicate(source, target, Settings(generator="marginal", workers=1))
    assert value(target, "SELECT count(*) FROM evens") == 200
    assert value(target, "SELECT bool_and(e % 2 = 0) AND count(DISTINCT e) > 10 FROM evens, unnest(all_even) AS e")


def test_names_alone_suggest_references(new_database: NewDatabase, target: DatabaseUrl) -> None:
    source = new_database(
        "CREATE TABLE customers (id bigint PRIMARY KEY, name text);"
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, price numeric(8, 2))"
    )
    replica.replicate(source, target, replace(SETTINGS, rows={"public.orders": 120}))
    assert value(target, "SELECT count(*) FROM orders WHERE customer_id NOT IN (SELECT id FROM customers)") == 0
    largest = value(target, "SELECT max(n) FROM (SELECT count(*) AS n FROM orders GROUP BY customer_id) AS t")
    assert largest > 3


def test_a_map_says_what_values_look_like_and_where_they_point(
    new_database: NewDatabase, target: DatabaseUrl, tmp_path: Path
) -> None:
    source = new_database(
        "CREATE TABLE person (id int PRIMARY KEY, reach text NOT NULL, pay text NOT NULL);"
        "CREATE TABLE shop (id int PRIMARY KEY, name text);"
        "CREATE TABLE note (id int PRIMARY KEY, about text NOT NULL, about_key int NOT NULL, writer int NOT NULL)"
    )
    draft = replica.make_plan(source, SETTINGS).plan.schema_map
    tables = dict(draft.tables)
    person, note = tables["public.person"], tables["public.note"]
    said = {"reach": ColumnMap(kind="email"), "pay": ColumnMap(kind="iban")}
    tables["public.person"] = replace(person, role="subject", columns={**person.columns, **said})
    tables["public.note"] = pointing(note)
    path = tmp_path / "map.yaml"
    path.write_text(write_map(SchemaMap(draft.version, draft.locale, tables), {}), encoding="utf8")
    replica.replicate(source, target, replace(SETTINGS, map_path=path))
    assert value(target, "SELECT bool_and(reach LIKE '%_@_%._%' AND pay ~ '^[A-Z]{2}[0-9]{2}') FROM person")
    assert rows(target, "SELECT DISTINCT about FROM note ORDER BY 1") == [("Person",), ("Shop",)]
    lost = "SELECT count(*) FROM note WHERE NOT EXISTS (SELECT FROM {0} WHERE {0}.id = {1}) {2}"
    assert value(target, lost.format("person", "writer", "")) == 0
    assert value(target, lost.format("shop", "about_key", "AND about = 'Shop'")) == 0


def pointing(note: TableMap) -> TableMap:
    """Says of the table of notes whom each is by, and which row of which table it is about."""
    columns = {
        "about": ColumnMap(kind="category"),
        "about_key": ColumnMap(kind="polymorphic"),
        "writer": ColumnMap(kind="reference"),
    }
    return replace(
        note,
        columns={**note.columns, **columns},
        references=(ReferenceMap(("writer",), "public.person", ("id",)),),
        polymorphic=(PolymorphicMap("about", "about_key", {"Person": "public.person", "Shop": "public.shop"}),),
    )


def test_a_rule_of_owner_and_flag_does_not_look_for_rows_that_are_not_there_yet(
    new_database: NewDatabase, target: DatabaseUrl
) -> None:
    source = new_database(
        "CREATE TABLE writers (id int PRIMARY KEY, name text); CREATE TABLE topics (id int PRIMARY KEY, name text);"
        "CREATE TABLE views (id int PRIMARY KEY, writer_id int NOT NULL REFERENCES writers, topic_id int NOT NULL"
        " REFERENCES topics, current boolean NOT NULL, body text);"
        "CREATE UNIQUE INDEX ON views (writer_id, topic_id) WHERE current;"
        "CREATE TABLE marks (id int PRIMARY KEY, usage int NOT NULL, writer_id int REFERENCES writers, topic_id int"
        " REFERENCES topics);"
        "CREATE UNIQUE INDEX ON marks (usage, writer_id) WHERE writer_id IS NOT NULL;"
        "CREATE UNIQUE INDEX ON marks (usage, topic_id) WHERE topic_id IS NOT NULL"
    )
    replica.replicate(source, target, replace(SETTINGS, rows_per_table=150))
    assert value(target, "SELECT count(*) FROM views") == value(target, "SELECT count(*) FROM marks") == 150
