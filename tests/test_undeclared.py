"""References that no schema declares: what names say, what values say, and that the replica keeps what was adopted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import Server
from postgres_tools import rows, run, value

import replica
from replica import Draft, Schema, SchemaMap, Settings
from replica.databases import open_database
from replica.databases.url import DatabaseUrl
from replica.errors import PlanError, UnsatisfiableError
from replica.inference.candidates import ADOPTED, by_child, name_candidates
from replica.inference.loose import tables_of_type
from replica.inference.naming import name_of_column, says_person, singular, words_in
from replica.making.loose import Parent, choose_rows, polymorphic_keys, put_keys
from replica.plan import plan
from replica.schema.model import Column, Family, LooseReference, SqlType, Table, Unique
from replica.schema.schema_map import (
    PERHAPS,
    ColumnMap,
    InsideMap,
    PolymorphicMap,
    ReferenceMap,
    TableMap,
    parse_map,
    write_map,
)

NewDatabase = Callable[..., DatabaseUrl]
QUICK = Settings(generator="marginal", workers=1)

INTEGER = SqlType("integer", "int4", "integer")
TEXT = SqlType("text", "text", "text")
UUID = SqlType("uuid", "uuid", "uuid")


# Names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("billing_customer_id", ("billing", "customer")),
        ("billingCustomerId", ("billing", "customer")),
        ("fk_customer", ("customer",)),
        ("customer_code", ("customer",)),
        ("concept_id_1", ("concept",)),
        ("country2", ("country",)),
        ("id", ("id",)),
        ("usr", ("user",)),
    ],
)
def test_the_words_of_a_column_are_found_behind_cases_numbers_and_key_words(name: str, words: tuple[str, ...]) -> None:
    assert words == name_of_column(name).words


@pytest.mark.parametrize(
    ("plural", "one"),
    [("categories", "category"), ("statuses", "status"), ("people", "person"), ("emojis", "emoji"), ("boxes", "box")],
)
def test_plurals_become_singular_and_singulars_stay(plural: str, one: str) -> None:
    assert (one, one) == (singular(plural), singular(one))


def test_role_names_stand_for_persons_and_others_do_not() -> None:
    assert all(says_person(name_of_column(name)) for name in ("author_id", "created_by", "manager_id", "updated_by_id"))
    assert not any(says_person(name_of_column(name)) for name in ("customer_id", "owner", "color_id", "position"))


def table(name: str, *columns: tuple[str, SqlType], key: tuple[str, ...] = ("id",)) -> Table:
    found = tuple(Column(column, kind) for column, kind in columns)
    return Table("public", name, found, uniques=(Unique("key", key, primary=True),) if key else ())


def adopted_by_name(*tables: Table) -> set[tuple[str, tuple[str, ...], str]]:
    """What names alone are enough for: table, columns, parent."""
    schema = Schema("shop", "PostgreSQL 15.4", 150004, tables)
    found = {
        (candidates[0].key.child, candidates[0].key.columns, candidates[0].key.parent)
        for candidates in by_child(name_candidates(schema)).values()
        if candidates[0].score >= ADOPTED
    }
    return {(child.split(".")[1], columns, parent.split(".")[1]) for child, columns, parent in found}


USERS = table("users", ("id", INTEGER), ("name", TEXT))


@pytest.mark.parametrize(
    ("column", "parent"),
    [
        (("user_id", INTEGER), "users"),
        (("userId", INTEGER), "users"),
        (("billing_user_id", INTEGER), "users"),
        (("author_id", INTEGER), "users"),
        (("approved_by", INTEGER), "users"),
        (("parent_id", INTEGER), "posts"),
        (("reply_to_id", INTEGER), "posts"),
        (("previous_post_id", INTEGER), "posts"),
    ],
)
def test_a_name_alone_can_be_enough(column: tuple[str, SqlType], parent: str) -> None:
    assert adopted_by_name(USERS, table("posts", ("id", INTEGER), column)) == {("posts", (column[0],), parent)}


@pytest.mark.parametrize(
    "column",
    [
        ("user_id", UUID),
        ("approved_by", TEXT),
        ("users_count", INTEGER),
        ("external_id", INTEGER),
        ("name", TEXT),
        ("id", INTEGER),
    ],
)
def test_names_that_say_nothing_or_have_another_type_are_left_alone(column: tuple[str, SqlType]) -> None:
    columns = (column,) if column[0] == "id" else (("id", INTEGER), column)
    assert not adopted_by_name(USERS, table("posts", *columns))


def test_the_owner_of_a_keys_name_is_what_columns_called_like_it_point_to() -> None:
    concept = table("concept", ("concept_id", INTEGER), ("label", TEXT), key=("concept_id",))
    person = table("person", ("person_id", INTEGER), ("gender_concept_id", INTEGER), key=("person_id",))
    death = table("death", ("person_id", INTEGER), ("cause_concept_id", INTEGER), key=("person_id",))
    assert adopted_by_name(concept, person, death) == {
        ("person", ("gender_concept_id",), "concept"),
        ("death", ("cause_concept_id",), "concept"),
        ("death", ("person_id",), "person"),
    }


def test_of_several_tables_the_one_that_begins_like_the_child_is_meant() -> None:
    found = adopted_by_name(
        table("copy_bucket", ("id", INTEGER)),
        table("user_bucket", ("id", INTEGER)),
        table("copy_bucket_item", ("id", INTEGER), ("bucket", INTEGER)),
        table("remark", ("id", INTEGER), ("bucket_id", INTEGER)),
    )
    assert found == {("copy_bucket_item", ("bucket",), "copy_bucket")}


@pytest.mark.parametrize(
    ("parents", "child", "columns"),
    [
        ({"org_unit"}, "workers", {"home_ou"}),
        ({"org_unit"}, "org_unit", {"parent_ou"}),
        ({"event_definition", "event_def_group"}, "event_params", {"event_def": "event_definition"}),
        ({"floating_group", "floating_group_member"}, "copies", {"floating": "floating_group"}),
        ({"standing_penalty", "usr_standing_penalty"}, "thresholds", {"penalty": "standing_penalty"}),
        ({"grp_tree", "settings_group"}, "usr_map", {"grp": "grp_tree"}),
        ({"grp_tree", "settings_group"}, "setting_types", {"grp": "settings_group"}),
        ({"copy_status"}, "copy", {"status"}),
        ({"bucket_type", "circ_type"}, "bucket", {"btype": "bucket_type"}),
        ({"org_address", "usr_address"}, "org_place", {"billing_address": "org_address"}),
        ({"queued_record", "queued_bib_record"}, "queued_bib_record_attr", {"record": "queued_bib_record"}),
        ({"entity_credit_account", "entity"}, "vendors", {"credit_id": "entity_credit_account"}),
    ],
)
def test_short_forms_and_parts_of_names_mean_the_table_that_they_fit_best(
    parents: set[str], child: str, columns: set[str] | dict[str, str]
) -> None:
    wanted = columns if isinstance(columns, dict) else dict.fromkeys(columns, next(iter(parents)))
    others = [table(name, ("id", INTEGER), ("note", TEXT)) for name in sorted(parents - {child})]
    found = adopted_by_name(*others, table(child, ("id", INTEGER), *((name, INTEGER) for name in wanted)))
    assert found == {(child, (name,), parent) for name, parent in wanted.items()}


def test_initials_of_several_tables_or_of_a_single_word_stand_for_none() -> None:
    places = table("places", ("id", INTEGER), ("home_ou", INTEGER), ("at_ws", INTEGER))
    tables = [table(name, ("id", INTEGER)) for name in ("org_unit", "old_user", "workstation", "word_set")]
    assert adopted_by_name(places, *tables) == set()


def test_a_key_that_is_called_like_no_table_is_pointed_to_by_its_name() -> None:
    commands = table("host_commands", ("task_id", INTEGER), key=("task_id",))
    logs = table("logs", ("id", INTEGER), ("physical_task_id", INTEGER))
    assert adopted_by_name(commands, logs) == {("logs", ("physical_task_id",), "host_commands")}
    # Where the database counts other keys and not this one, it may come from elsewhere itself.
    counted = replace(logs, columns=(replace(logs.columns[0], identity="always"), *logs.columns[1:]))
    assert adopted_by_name(commands, counted) == set()


def test_the_half_of_a_pair_that_names_its_table_is_no_reference() -> None:
    records = table("variant_records", ("id", INTEGER))
    notes = table("notes", ("id", INTEGER), ("record_id", INTEGER))
    assert adopted_by_name(records, notes) == {("notes", ("record_id",), "variant_records")}
    assert adopted_by_name(records, replace(notes, columns=(*notes.columns, Column("record_type", TEXT)))) == set()


def test_keys_of_several_columns_are_found_by_the_names_of_their_parts() -> None:
    found = adopted_by_name(
        table("province", ("name", TEXT), ("country", TEXT), key=("name", "country")),
        table("way", ("way_id", INTEGER), ("version", INTEGER), key=("way_id", "version")),
        table("lake", ("id", INTEGER), ("province", TEXT), ("country", TEXT)),
        table("way_tag", ("way_id", INTEGER), ("version", INTEGER), ("k", TEXT), key=("way_id", "version", "k")),
        table("remark", ("id", INTEGER), ("version", INTEGER), ("country", TEXT)),
    )
    assert found == {("lake", ("province", "country"), "province"), ("way_tag", ("way_id", "version"), "way")}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Project", ["projects"]),
        ("project", ["projects"]),
        ("projects", ["projects"]),
        ("Namespaces::Group", ["namespaces"]),
        ("Blog::Post", ["blog_posts", "posts"]),
        ("App\\Models\\Post", ["posts"]),
        ("LineItem", ["line_items"]),
        ("Nothing", []),
    ],
)
def test_types_stand_for_tables_in_the_ways_frameworks_write_them(kind: str, expected: list[str]) -> None:
    names = ("projects", "namespaces", "posts", "blog_posts", "line_items")
    schema = Schema("app", "PostgreSQL 15.4", 150004, tuple(table(name, ("id", INTEGER)) for name in names))
    assert expected == [found.name for found in tables_of_type(kind, schema)]


# Making


def test_pairs_that_must_differ_differ_even_where_just_enough_rows_are_there() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 5)
    chosen = choose_rows(np.full(200, 5), [group], rng, "like")
    assert all(sorted(chosen[group == i]) == [0, 1, 2, 3, 4] for i in range(40))
    with pytest.raises(UnsatisfiableError, match="like: a unique rule"):
        choose_rows(np.full(6, 5), [np.zeros(6, np.int64)], rng, "like")


def parent(*keys: int) -> Parent:
    return Parent(len(keys), lambda numbers: pa.array(keys).take(pa.array(numbers)))


def test_polymorphic_keys_are_those_of_the_table_that_the_type_stands_for() -> None:
    types = pa.array(["Post", "User", None, "Post", "Ghost"])
    parents = {"Post": parent(10, 11), "User": parent(7)}
    keys = polymorphic_keys(types, Column("x_id", INTEGER), parents, [], np.random.default_rng(0)).to_pylist()
    assert (keys[1], keys[2], keys[4]) == (7, None, None)
    assert {keys[0], keys[3]} <= {10, 11}
    texts = polymorphic_keys(types, Column("x_id", TEXT), parents, [], np.random.default_rng(0)).to_pylist()
    assert texts == [None if key is None else str(key) for key in keys]


@pytest.mark.parametrize(
    ("family", "path", "before", "after"),
    [
        ("array", ("*",), "{1,NULL}", "{7,NULL}"),
        ("array", ("*",), "{}", "{}"),
        ("array", ("*",), '{{1},{"2"}}', "{{7},{7}}"),
        ("json", ("user_id",), '{"user_id": 1, "a": [1]}', '{"user_id": 7, "a": [1]}'),
        ("json", ("user_id",), '{"user_id": "1"}', '{"user_id": "7"}'),
        ("json", ("user_id",), '{"user_id": null}', '{"user_id": null}'),
        ("json", ("items", "*", "id"), '{"items": [{"id": 1}, {"n": 2}]}', '{"items": [{"id": 7}, {"n": 2}]}'),
        ("json", ("a", "b"), '{"a": [{"b": 1}]}', '{"a": [{"b": 7}]}'),
        ("json", ("a", "b"), "[]", "[]"),
        ("json", ("a", "b"), "3", "3"),
    ],
)
def test_keys_inside_values_are_replaced_and_nothing_else(
    family: Family, path: tuple[str, ...], before: str, after: str
) -> None:
    column = Column("x", replace(TEXT, family=family))
    loose = LooseReference("t", "x", "users", "id", path=path)
    values = put_keys(pa.array([before, None]), column, [(loose, parent(7))], np.random.default_rng(0))
    assert values.to_pylist() == [after, None]


# A schema without any declared reference, from the draft to the replica

APP = """
    CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
    CREATE TABLE tags (id int PRIMARY KEY, label text NOT NULL);
    CREATE TABLE projects (
        id int PRIMARY KEY, author_id int NOT NULL, parent_id int, title text, tag_ids integer[], settings jsonb
    );
    CREATE TABLE posts (id int PRIMARY KEY, user_id int NOT NULL, project_id int, rating int NOT NULL, level_no int);
    CREATE TABLE comments (
        id int PRIMARY KEY, commentable_type text NOT NULL, commentable_id int NOT NULL, user_id int NOT NULL
    );
    CREATE TABLE likes (
        id int PRIMARY KEY, likeable_type text NOT NULL, likeable_id text NOT NULL, user_id int NOT NULL,
        UNIQUE (user_id, likeable_type, likeable_id)
    );
    CREATE TABLE warehouse (region text, code text, city text, PRIMARY KEY (region, code));
    CREATE TABLE stock (id int PRIMARY KEY, region text NOT NULL, warehouse_code text NOT NULL, amount int NOT NULL);
    CREATE TABLE stray (id int PRIMARY KEY, user_id int NOT NULL, color_id int NOT NULL, tag_count int NOT NULL);
    INSERT INTO users SELECT i, 'User ' || i FROM generate_series(1, 80) i;
    INSERT INTO tags SELECT i * 3, 'tag ' || i FROM generate_series(1, 30) i;
    INSERT INTO projects
        SELECT 1000 + i, 1 + i * 7 % 80, CASE WHEN i > 10 THEN 1000 + i / 2 END, 'P' || i,
               ARRAY[3 + 3 * (i % 30), 3 + 3 * ((i * 7 + 1) % 30)],
               jsonb_build_object('user_id', 1 + i % 80, 'color', 'red',
                                  'reviewer', jsonb_build_object('id', 1 + i % 80))
          FROM generate_series(1, 120) i;
    INSERT INTO posts SELECT i, 1 + i * 11 % 80, 1001 + i % 120, 1 + i % 5, 1 + i % 20 FROM generate_series(1, 300) i;
    INSERT INTO comments
        SELECT i, CASE WHEN i % 3 = 0 THEN 'Project' ELSE 'Blog::Post' END,
               CASE WHEN i % 3 = 0 THEN 1001 + i % 120 ELSE 1 + i % 300 END, 1 + i % 80
          FROM generate_series(1, 500) i;
    INSERT INTO likes
        SELECT i, CASE WHEN i % 2 = 0 THEN 'project' ELSE 'post' END,
               CASE WHEN i % 2 = 0 THEN 1001 + i % 120 ELSE 1 + i % 300 END, 1 + i % 80
          FROM generate_series(1, 240) i;
    INSERT INTO warehouse SELECT 'R' || i % 4, 'W' || i, 'City ' || i FROM generate_series(1, 20) i;
    INSERT INTO stock SELECT i, 'R' || (1 + i % 20) % 4, 'W' || (1 + i % 20), i FROM generate_series(1, 200) i;
    INSERT INTO stray SELECT i, 900 + i, 1 + i % 60, 3 * (1 + i % 30) FROM generate_series(1, 100) i;
    ANALYZE;
"""

ORPHANS = {
    "plain": "posts c WHERE NOT EXISTS (SELECT 1 FROM users p WHERE p.id = c.user_id)",
    "role": "projects c WHERE NOT EXISTS (SELECT 1 FROM users p WHERE p.id = c.author_id)",
    "self": "projects c WHERE parent_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = c.parent_id)",
    "composite": "stock c WHERE NOT EXISTS"
    " (SELECT 1 FROM warehouse p WHERE (p.region, p.code) = (c.region, c.warehouse_code))",
    "polymorphic": "comments c WHERE NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = c.commentable_id AND"
    " c.commentable_type = 'Project' UNION ALL SELECT 1 FROM posts p WHERE p.id = c.commentable_id AND"
    " c.commentable_type = 'Blog::Post')",
    "polymorphic text": "likes c WHERE NOT EXISTS (SELECT 1 FROM projects p WHERE p.id::text = c.likeable_id AND"
    " c.likeable_type = 'project' UNION ALL SELECT 1 FROM posts p WHERE p.id::text = c.likeable_id AND"
    " c.likeable_type = 'post')",
    "array": "projects c, unnest(tag_ids) AS e WHERE NOT EXISTS (SELECT 1 FROM tags p WHERE p.id = e)",
    "json": "projects c WHERE NOT EXISTS (SELECT 1 FROM users p WHERE p.id = (c.settings ->> 'user_id')::int)",
    "nested json": "projects c"
    " WHERE NOT EXISTS (SELECT 1 FROM users p WHERE p.id = (c.settings -> 'reviewer' ->> 'id')::int)",
}


@pytest.fixture(scope="module")
def app(server: Server) -> Iterator[DatabaseUrl]:
    url = server.create()
    run(url, APP)
    yield url
    server.drop(url)


@pytest.fixture(scope="module")
def draft(app: DatabaseUrl) -> Draft:
    return replica.draft(app)


@pytest.fixture(scope="module")
def app_replica(server: Server, app: DatabaseUrl) -> Iterator[DatabaseUrl]:
    url = server.fresh()
    replica.replicate(app, url, QUICK)
    yield url
    server.drop(url)


def points(draft: Draft, name: str) -> set[tuple[tuple[str, ...], str]]:
    return {(found.columns, found.parent) for found in draft.schema_map.tables[f"public.{name}"].references}


def test_a_draft_adopts_what_names_suggest_and_values_bear_out(draft: Draft) -> None:
    assert points(draft, "posts") == {(("user_id",), "public.users"), (("project_id",), "public.projects")}
    assert points(draft, "projects") == {(("author_id",), "public.users"), (("parent_id",), "public.projects")}
    assert points(draft, "stock") == {(("region", "warehouse_code"), "public.warehouse")}
    assert points(draft, "comments") == points(draft, "likes") == {(("user_id",), "public.users")}


def test_a_draft_adopts_polymorphic_pairs_and_keys_inside_values(draft: Draft) -> None:
    tables = draft.schema_map.tables
    parents = {"Project": "public.projects", "Blog::Post": "public.posts"}
    assert tables["public.comments"].polymorphic == (PolymorphicMap("commentable_type", "commentable_id", parents),)
    parents = {"project": "public.projects", "post": "public.posts"}
    assert tables["public.likes"].polymorphic == (PolymorphicMap("likeable_type", "likeable_id", parents),)
    assert set(tables["public.projects"].keys_inside) == {
        InsideMap("tag_ids", ("*",), "public.tags"),
        InsideMap("settings", ("user_id",), "public.users"),
        InsideMap("settings", ("reviewer", "id"), "public.users"),
    }


def test_small_numbers_that_are_keys_by_chance_are_not_adopted(draft: Draft) -> None:
    # Ratings and levels are all keys of users, posts and more; colors have no table; counts are all keys of tags.
    assert not points(draft, "stray")
    assert (draft.schema_map.tables["public.posts"].columns["rating"].kind, "stray") == ("number", "stray")
    assert draft.schema_map.tables["public.posts"].columns["level_no"].kind == "number"
    assert draft.schema_map.tables["public.stray"].columns["tag_count"].kind == "number"


def test_a_name_that_the_values_deny_is_not_even_shown(draft: Draft) -> None:
    assert ("public.stray", PERHAPS) not in draft.comments
    assert draft.schema_map.tables["public.stray"].columns["user_id"].kind == "number"


def test_a_written_draft_shows_the_evidence_and_reads_back(draft: Draft) -> None:
    text = write_map(draft.schema_map, draft.comments)
    assert "# it is named after the table; all of 80 different keys are there" in text
    assert parse_map(text) == draft.schema_map


@pytest.mark.parametrize("form", list(ORPHANS))
def test_no_row_of_the_replica_points_nowhere(form: str, app: DatabaseUrl, app_replica: DatabaseUrl) -> None:
    query = f"SELECT count(*) FROM {ORPHANS[form]}"
    assert (value(app, query), value(app_replica, query)) == (0, 0)


def test_other_parts_of_documents_stay_and_keys_differ_within_a_list(app_replica: DatabaseUrl) -> None:
    assert value(app_replica, "SELECT count(*) FROM projects WHERE settings ->> 'color' <> 'red'") == 0
    assert value(app_replica, "SELECT count(*) FROM projects WHERE tag_ids[1] = tag_ids[2]") == 0
    assert rows(app_replica, "SELECT DISTINCT likeable_type FROM likes ORDER BY 1") == [("post",), ("project",)]


def test_evaluation_counts_orphans_of_undeclared_references(
    app: DatabaseUrl, app_replica: DatabaseUrl, new_database: NewDatabase
) -> None:
    assert replica.verify(app, app_replica).valid
    broken = new_database(APP)
    run(broken, "UPDATE posts SET user_id = 999 WHERE id = 1; UPDATE projects SET tag_ids = '{4}' WHERE id = 1001")
    run(
        broken,
        "UPDATE comments SET commentable_id = 999 WHERE id = 3; UPDATE projects SET settings = '{\"user_id\": 0}'",
    )
    report = replica.verify(app, broken)
    assert not report.missing
    assert {name: n for name, n in report.broken.items() if n} == {
        "public.posts.user_id_users": 1,
        "public.projects.tag_ids.* -> public.tags": 1,
        "public.projects.settings.user_id -> public.users": 120,
        "public.comments.commentable_id -> public.projects where commentable_type is Project": 1,
    }


def test_a_lookup_takes_a_bounded_number_of_keys(app: DatabaseUrl) -> None:
    database = open_database(app)
    schema = database.introspect()
    users, posts = schema.by_id["public.users"], schema.by_id["public.posts"]
    loose = LooseReference(posts.id, "user_id", users.id, "id")
    with database.snapshot() as snapshot:
        assert snapshot.inclusion(posts, loose, users, 2000).values == 80
        assert snapshot.inclusion(posts, loose, users, 10).values == 10
        assert snapshot.inclusion(posts, replace(loose, column="id"), users, 2000).share == 80 / 300


def test_without_rows_names_decide_and_nothing_is_said_of_types(new_database: NewDatabase) -> None:
    empty = new_database(APP[: APP.index("INSERT")])
    found = replica.draft(empty)
    assert points(found, "posts") == {(("user_id",), "public.users"), (("project_id",), "public.projects")}
    assert not found.schema_map.tables["public.comments"].polymorphic
    assert "polymorphic pair" in found.comments["public.comments", PERHAPS]
    assert replica.make_plan(empty).plan.by_id["public.posts"].references


# The map


def test_a_new_column_of_a_known_table_brings_its_reference(draft: Draft) -> None:
    tables = dict(draft.schema_map.tables)
    tables["public.posts"] = lacking(tables["public.posts"], "project_id")
    tables["public.comments"] = lacking(tables["public.comments"], "commentable_type", "commentable_id")
    old = write_map(replace(draft.schema_map, tables=tables), {})
    updated = parse_map(write_map(draft.schema_map, draft.comments, old))
    assert set(updated.tables["public.posts"].references) == set(draft.schema_map.tables["public.posts"].references)
    assert updated.tables["public.comments"].polymorphic == draft.schema_map.tables["public.comments"].polymorphic


def lacking(found: TableMap, *names: str) -> TableMap:
    """What a map said of a table before it had some columns."""
    columns = {name: column for name, column in found.columns.items() if name not in names}
    references = tuple(reference for reference in found.references if not set(reference.columns) & set(names))
    return replace(found, columns=columns, references=references, polymorphic=())


def with_comments(draft: Draft, **values: Any) -> SchemaMap:
    tables = dict(draft.schema_map.tables)
    tables["public.comments"] = replace(tables["public.comments"], **values)
    return replace(draft.schema_map, tables=tables)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"polymorphic": (PolymorphicMap("kind", "commentable_id", {}),)}, "no column kind"),
        ({"polymorphic": (PolymorphicMap("commentable_type", "commentable_type", {}),)}, "one column"),
        ({"polymorphic": (PolymorphicMap("commentable_type", "user_id", {}),)}, "is a reference or computed"),
        (
            {"polymorphic": (PolymorphicMap("id", "commentable_id", {"1": "public.nowhere"}),)},
            "no table public.nowhere",
        ),
        (
            {"polymorphic": (PolymorphicMap("commentable_type", "commentable_id", {"W": "public.warehouse"}),)},
            "no primary key of one column",
        ),
        ({"polymorphic": ()}, "no polymorphic pair holds the column"),
        ({"keys_inside": (InsideMap("user_id", ("*",), "public.users"),)}, "arrays and JSON documents only"),
        ({"references": (ReferenceMap(("user_id",), "public.nowhere", ("id",)),)}, "no table public.nowhere"),
    ],
)
def test_a_reference_that_cannot_be_is_refused(
    app: DatabaseUrl, draft: Draft, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        plan(replica.introspect(app), with_comments(draft, **values), Settings())


def test_keys_inside_an_array_are_its_elements(app: DatabaseUrl, draft: Draft) -> None:
    tables = dict(draft.schema_map.tables)
    inside = (InsideMap("tag_ids", ("id",), "public.tags"),)
    tables["public.projects"] = replace(tables["public.projects"], keys_inside=inside)
    with pytest.raises(PlanError, match="keys inside an array are its elements"):
        plan(replica.introspect(app), replace(draft.schema_map, tables=tables), Settings())


def test_words_of_names_are_the_same_however_they_are_written() -> None:
    assert words_in("billing_customer") == words_in("BillingCustomers") == words_in("billing-customers")


def test_comments_of_maps_stand_where_references_do() -> None:
    found = TableMap(role="public", columns={"a": ColumnMap("number")})
    text = write_map(SchemaMap(tables={"public.t": found}), {("public.t", PERHAPS): "(a) points to x: why"})
    assert "    # perhaps: (a) points to x: why" in text.splitlines()
