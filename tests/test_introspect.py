"""What a database declares is read exactly, and no user row with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from conftest import Server
from postgres_tools import FEATURES, as_role, is_available, made_roles, run, value

from replica import introspect
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import EmptySchemaError
from replica.schema.model import (
    Check,
    Column,
    Exclusion,
    Extension,
    ForeignKey,
    Index,
    Schema,
    Sequence,
    SqlType,
    Table,
    Trigger,
    Unique,
)

LINE = '"Sales Team"."Order ""Line"""'


@pytest.fixture(scope="module")
def features(server: Server) -> Iterator[DatabaseUrl]:
    url = server.create()
    run(url, FEATURES)
    yield url
    server.drop(url)


@pytest.fixture(scope="module")
def schema(features: DatabaseUrl) -> Schema:
    return introspect(features)


@pytest.fixture(scope="module")
def person(schema: Schema) -> Table:
    return schema.by_id["hr.person"]


@pytest.fixture
def new_role(server: Server) -> Iterator[Callable[..., str]]:
    """To be named before ``new_database``, so that roles go after the databases."""
    with made_roles(server) as make:
        yield make


def test_database_and_server_are_named(schema: Schema, features: DatabaseUrl) -> None:
    version = int(value(features, "SHOW server_version_num"))
    assert schema.database == database_name(features)
    assert (schema.server_version, schema.server) == (version, f"PostgreSQL {version // 10000}.{version % 10000}")


def test_tables_of_all_schemas_come_in_the_order_of_their_ids(schema: Schema) -> None:
    assert [table.id for table in schema.tables] == [
        '"Sales Team"."Order ""Line"""',
        '"Sales Team".note',
        "hr.country",
        "hr.person",
        "public.asset",
        "public.booking",
        "public.car",
        "public.measure",
        "public.measure_2024",
        "public.measure_2024_rest",
        "public.measure_rest",
        "public.reading",
        "public.secret",
        "public.types",
    ]


def test_columns_have_their_types_defaults_and_comments(person: Table) -> None:
    integer, text = SqlType("integer", "int4", "integer"), SqlType("text", "text", "text")
    day, flag = SqlType("date", "date", "date"), SqlType("boolean", "bool", "boolean")
    code = SqlType("character(2)", "bpchar", "text", length=2)
    form = Check("nick_form", "(((VALUE)::text ~ '^[a-z]+$'::text) AND ((VALUE)::text <> 'VALUE'::text))")
    fields = (("street", text), ("No.", SqlType("int4", "int4", "integer")))
    tags = SqlType("_text", "array", "array", element=text)
    assert person.columns == (
        Column("id", integer, nullable=False, identity="always"),
        Column(
            "number",
            SqlType("bigint", "int8", "integer"),
            nullable=False,
            default="nextval('hr.person_number_seq'::regclass)",
        ),
        Column("boss", integer),
        Column("born_in", code),
        Column("lives_in", code),
        Column("email", text, collation='pg_catalog."C"', comment="where it's read"),
        Column(
            "nick",
            SqlType(
                "hr.nick",
                "varchar",
                "text",
                length=12,
                domain="hr.nick",
                under="character varying(12)",
                domain_checks=(form,),
            ),
        ),
        Column(
            "mood",
            SqlType("hr.mood", "enum", "enum", labels=("sad", "so 'so'", "Happy")),
            nullable=False,
            default="'sad'::hr.mood",
        ),
        Column("home", SqlType("hr.address", "composite", "composite", fields=(*fields, ("tags", tags)))),
        Column("born", day),
        Column("died", day),
        Column("active", flag, default="true"),
        Column("age_name", text, default="((nick)::text || '!'::text)", generated="stored"),
    )
    assert person.comment == "someone\n-- Name: x; Type: TABLE"


TYPES = {
    "b": SqlType("boolean", "bool", "boolean"),
    "i2": SqlType("smallint", "int2", "integer"),
    "i8": SqlType("bigint", "int8", "integer"),
    "o": SqlType("oid", "oid", "integer"),
    "f4": SqlType("real", "float4", "float"),
    "f8": SqlType("double precision", "float8", "float"),
    "n": SqlType("numeric", "numeric", "numeric"),
    "n52": SqlType("numeric(5,2)", "numeric", "numeric", precision=5, scale=2),
    "nneg": SqlType("numeric(3,-2)", "numeric", "numeric", precision=3, scale=-2),
    "m": SqlType("money", "money", "money"),
    "t": SqlType("text", "text", "text"),
    "v": SqlType("character varying(7)", "varchar", "text", length=7),
    "v0": SqlType("character varying", "varchar", "text"),
    "c": SqlType("character(3)", "bpchar", "text", length=3),
    "one": SqlType('"char"', "char", "text", length=1),
    "nm": SqlType("name", "name", "text", length=63),
    "d": SqlType("date", "date", "date"),
    "ts": SqlType("timestamp(3) without time zone", "timestamp", "timestamp"),
    "tz": SqlType("timestamp with time zone", "timestamptz", "timestamptz"),
    "ti": SqlType("time without time zone", "time", "time"),
    "tiz": SqlType("time with time zone", "timetz", "timetz"),
    "iv": SqlType("interval day to second", "interval", "interval"),
    "u": SqlType("uuid", "uuid", "uuid"),
    "by": SqlType("bytea", "bytea", "bytes"),
    "j": SqlType("json", "json", "json"),
    "jb": SqlType("jsonb", "jsonb", "json"),
    "ip": SqlType("inet", "inet", "network"),
    "net": SqlType("cidr", "cidr", "network"),
    "mac": SqlType("macaddr", "macaddr", "network"),
    "mac8": SqlType("macaddr8", "macaddr8", "network"),
    "b3": SqlType("bit(3)", "bit", "bit", length=3),
    "vb": SqlType("bit varying(9)", "varbit", "bit", length=9),
    "x": SqlType("xml", "xml", "xml"),
    "tv": SqlType("tsvector", "tsvector", "tsvector"),
    "ai": SqlType("integer[]", "array", "array", element=SqlType("int4", "int4", "integer")),
    "am": SqlType(
        "hr.mood[]",
        "array",
        "array",
        element=SqlType("hr.mood", "enum", "enum", labels=("sad", "so 'so'", "Happy")),
    ),
    "av": SqlType("character varying(5)[]", "array", "array", element=SqlType("varchar", "varchar", "text", length=5)),
    "r": SqlType("int4range", "int4range", "range", element=SqlType("int4", "int4", "integer")),
    "mr": SqlType("nummultirange", "nummultirange", "range", element=SqlType("numeric", "numeric", "numeric")),
    "rr": SqlType("hr.reach", "reach", "range", element=SqlType("float8", "float8", "float")),
    "p": SqlType("point", "point", "other"),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_read_with_all_its_limits(schema: Schema, name: str) -> None:
    assert schema.by_id["public.types"].by_name[name].type == TYPES[name]


def test_every_column_of_the_table_of_types_is_expected(schema: Schema) -> None:
    assert {column.name for column in schema.by_id["public.types"].columns} == {"id", *TYPES}


def test_a_nested_domain_brings_the_checks_and_the_not_null_of_all_its_levels(schema: Schema) -> None:
    column = schema.by_id[LINE].by_name["price €"]
    assert column == Column(
        "price €",
        SqlType(
            "hr.price",
            "numeric",
            "numeric",
            precision=8,
            scale=2,
            domain="hr.price",
            under="numeric(8,2)",
            domain_checks=(
                Check("positive_check", "(VALUE > (0)::numeric)"),
                Check("cheap", "((VALUE)::numeric < (1000)::numeric)"),
            ),
            not_null=True,
        ),
        nullable=False,
        default="1",
    )


def test_an_array_of_a_domain_keeps_the_domain_of_its_elements(schema: Schema) -> None:
    element = schema.by_id[LINE].by_name["prices"].type.element
    assert element is not None
    assert (element.domain, element.base, element.precision) == ("hr.positive", "numeric", 8)


def test_identities_are_told_apart(schema: Schema, person: Table) -> None:
    assert person.by_name["id"].identity == "always"
    assert schema.by_id["public.types"].by_name["id"].identity == "by default"


def test_unique_rules_are_read_with_their_conditions(person: Table) -> None:
    assert {unique.name: unique for unique in person.uniques} == {
        "person_pkey": Unique("person_pkey", ("id",), primary=True),
        "person_number": Unique("person_number", ("number",), deferrable=True),
        "person_email": Unique("person_email", ("email",), nulls_distinct=False),
        "person_active_nick": Unique("person_active_nick", ("nick",), predicate="active", constraint=False),
        "person_norm": Unique(
            "person_norm",
            ("boss", "email"),
            expressions=("hr.norm(email)", "COALESCE(boss, 0)"),
            predicate="died IS NULL",
            constraint=False,
        ),
    }


def test_a_composite_key_keeps_the_order_of_its_columns(schema: Schema) -> None:
    key = schema.by_id[LINE].primary_key
    assert key is not None
    assert key.columns == ("line", "Order No")


def test_several_keys_lead_to_one_parent_and_to_the_table_itself(person: Table) -> None:
    assert person.foreign_keys == (
        ForeignKey("person_born", "hr.person", ("born_in",), "hr.country", ("code",), on_update="CASCADE"),
        ForeignKey("person_boss", "hr.person", ("boss",), "hr.person", ("id",), deferrable=True, on_delete="SET NULL"),
        ForeignKey("person_lives", "hr.person", ("lives_in",), "hr.country", ("code",), on_delete="CASCADE"),
    )


def test_a_key_to_unique_columns_pairs_them_as_declared(schema: Schema) -> None:
    columns, parents = ("country", "region"), ("name", "region")
    expected = ForeignKey("to country", LINE, columns, "hr.country", parents, match_full=True)
    assert schema.by_id[LINE].foreign_keys == (expected,)


def test_a_key_that_was_never_proved_says_so(schema: Schema) -> None:
    note = '"Sales Team".note'
    columns = ("line", "Order No")
    assert schema.by_id[note].foreign_keys == (
        ForeignKey("note_line", note, columns, LINE, columns, on_delete="CASCADE"),
        ForeignKey("note_person", note, ("part",), "hr.person", ("id",), validated=False),
    )


def test_checks_name_their_columns_and_whether_they_were_proved(person: Table) -> None:
    assert person.checks == (
        Check("adult", "(born < '2020-01-01'::date)", ("born",), validated=False),
        Check("lifetime", "((died IS NULL) OR (died >= born))", ("died", "born")),
        Check("person_born_check", "(born > '1900-01-01'::date)", ("born",)),
    )


def test_plain_indexes_and_triggers_are_kept_with_their_definitions(person: Table) -> None:
    index = "CREATE INDEX person_home ON hr.person USING btree (born) INCLUDE (died)"
    assert person.indexes == (Index("person_home", index),)
    execute = "EXECUTE FUNCTION hr.touch()"
    asleep = f"CREATE TRIGGER sleeping AFTER INSERT ON hr.person FOR EACH STATEMENT {execute}"
    awake = f"CREATE TRIGGER touched BEFORE UPDATE ON hr.person FOR EACH ROW {execute}"
    assert person.triggers == (
        Trigger("sleeping", asleep, "touch", enabled=False),
        Trigger("touched", awake, "touch"),
    )


def test_an_exclusion_is_no_index_and_no_unique_rule(schema: Schema) -> None:
    booking = schema.by_id["public.booking"]
    definition = "EXCLUDE USING gist (during WITH &&) WHERE ((room > 0))"
    assert booking.exclusions == (Exclusion("no_overlap", ("during",), definition),)
    assert (booking.indexes, booking.uniques) == ((), ())


def test_partitions_know_their_roots_bounds_and_keys(schema: Schema) -> None:
    found = {
        table.name: (table.kind, table.inherits, table.partition_bound, table.partition_key)
        for table in schema.tables
        if table.name.startswith("measure")
    }
    year = "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')"
    assert found == {
        "measure": ("partitioned", (), None, "RANGE (at)"),
        "measure_2024": ("partition", ("public.measure",), year, "LIST (at)"),
        "measure_2024_rest": ("partition", ("public.measure_2024",), "DEFAULT", None),
        "measure_rest": ("partition", ("public.measure",), "DEFAULT", None),
    }


def test_a_key_to_a_partitioned_table_is_one_key(schema: Schema) -> None:
    key = ForeignKey("reading_at", "public.reading", ("at",), "public.measure", ("at",))
    assert schema.by_id["public.reading"].foreign_keys == (key,)


def test_the_estimate_of_a_partitioned_table_is_that_of_its_parts(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(
        "CREATE TABLE m (at date) PARTITION BY RANGE (at);"
        "CREATE TABLE m_old PARTITION OF m FOR VALUES FROM (MINVALUE) TO ('2020-01-01') PARTITION BY RANGE (at);"
        "CREATE TABLE m_old_all PARTITION OF m_old DEFAULT; CREATE TABLE m_new PARTITION OF m DEFAULT;"
        "INSERT INTO m SELECT date '2019-12-01' + i FROM generate_series(1, 90) i; ANALYZE m_old_all, m_new"
    )
    assert {table.name: table.row_estimate for table in introspect(url).tables} == {
        "m": 90,
        "m_old": 30,
        "m_old_all": 30,
        "m_new": 60,
    }


def test_a_table_inherits_columns_and_checks_but_no_keys(schema: Schema) -> None:
    asset, car = schema.by_id["public.asset"], schema.by_id["public.car"]
    assert (car.kind, car.inherits) == ("table", ("public.asset",))
    assert [column.name for column in car.columns] == ["id", "label", "plate"]
    assert [unique.columns for unique in car.uniques] == [("plate",)]
    assert [check.expression for check in asset.checks] == ["(label <> ''::text)"]
    assert car.checks == ()


def test_row_security_and_storage_are_seen(schema: Schema) -> None:
    assert [table.name for table in schema.tables if table.row_security] == ["secret"]
    assert [table.name for table in schema.tables if table.unlogged] == ["types"]


def test_materialised_views_come_in_the_order_of_their_refresh(schema: Schema) -> None:
    assert schema.materialized_views == ("public.zz_base", "public.aa_top")
    assert schema.views == ('"Sales Team"."All"', "public.mm_between")


def test_sequences_know_who_draws_from_them(schema: Schema) -> None:
    found = {sequence.id: sequence for sequence in schema.sequences}
    most = 2**63 - 1
    number, identity = ("hr.person", "number"), ("hr.person", "id")
    plain = ("public.types", "id")
    assert found == {
        "hr.person_id_seq": Sequence("hr.person_id_seq", 10, 2, 1, 2**31 - 1, owner=identity, users=(identity,)),
        "hr.person_number_seq": Sequence("hr.person_number_seq", 1, 1, 1, most, owner=number, users=(number,)),
        "hr.tickets": Sequence(
            "hr.tickets", 1000, -5, -100000, 1000, cycle=True, users=((LINE, "ticket"), (LINE, "ticket2"))
        ),
        "public.types_id_seq": Sequence("public.types_id_seq", 1, 1, 1, 2**31 - 1, owner=plain, users=(plain,)),
    }


def test_what_belongs_to_an_extension_is_not_the_users(
    server: Server, new_database: Callable[..., DatabaseUrl]
) -> None:
    name = next((name for name in ("citext", "vector") if is_available(server, name)), None)
    if name is None:
        pytest.skip("the server has no extension to install")
    url = new_database(f"CREATE SCHEMA ext; CREATE EXTENSION {name} SCHEMA ext; CREATE TABLE t (a ext.{name})")
    schema = introspect(url)
    version = value(url, f"SELECT extversion FROM pg_extension WHERE extname = '{name}'")
    assert schema.extensions == (Extension(name, version, "ext"),)
    assert schema.by_id["public.t"].by_name["a"].type.base == name


def test_a_foreign_table_is_told_apart_and_not_carried(
    server: Server, new_database: Callable[..., DatabaseUrl]
) -> None:
    if not is_available(server, "postgres_fdw"):
        pytest.skip("the server has no postgres_fdw")
    url = new_database(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw;"
        "CREATE FOREIGN TABLE far (a int) SERVER away"
    )
    schema = introspect(url)
    assert schema.by_id["public.far"].kind == "foreign"
    assert schema.unsupported == (
        "table public.far: a foreign table; its rows live elsewhere",
        "foreign server away: its user mappings hold secrets and are not copied",
    )


def test_what_is_left_out_is_listed(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database("CREATE TABLE t (); CREATE PUBLICATION p; SELECT lo_create(0)")
    assert introspect(url).unsupported == (
        "large objects: 1 are not copied",
        "publication p: replication is not copied",
    )


def test_temporary_tables_of_others_are_not_seen(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database("CREATE TABLE stays (a int)")
    with psycopg.connect(url.secret, autocommit=True) as other:
        other.execute("CREATE TEMPORARY TABLE goes (a int)")
        assert [table.id for table in introspect(url).tables] == ["public.stays"]


def test_a_table_without_columns_is_a_table(new_database: Callable[..., DatabaseUrl]) -> None:
    assert introspect(new_database("CREATE TABLE bare ()")).by_id["public.bare"].columns == ()


def test_dropped_columns_leave_no_trace(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database("CREATE TABLE t (a int, gone int, b int, UNIQUE (b), CHECK (b > a)); ALTER TABLE t DROP gone")
    table = introspect(url).by_id["public.t"]
    assert [column.name for column in table.columns] == ["a", "b"]
    assert (table.uniques[0].columns, table.checks[0].columns) == (("b",), ("b", "a"))


def test_no_user_row_is_read(new_role: Callable[..., str], new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database(FEATURES)
    stranger = as_role(url, new_role())
    assert introspect(stranger).tables == introspect(url).tables


def test_a_database_without_tables_is_refused(new_database: Callable[..., DatabaseUrl]) -> None:
    url = new_database("CREATE VIEW v AS SELECT 1 AS one")
    with pytest.raises(EmptySchemaError, match="has no tables"):
        introspect(url)
