"""Drafts guess what a person would have to write: roles, owners, orders, kinds and personal data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import psycopg
import pytest
from conftest import Server
from faker import Faker
from psycopg import sql

import replica
from replica import Draft, Settings
from replica.databases.url import DatabaseUrl
from replica.kinds.checksums import complete
from replica.plan import plan
from replica.schema.schema_map import LOCALE, ColumnMap, TableMap, write_map

NewDatabase = Callable[..., DatabaseUrl]

# The company


@pytest.fixture(scope="module")
def company_draft(company: DatabaseUrl) -> Draft:
    return replica.draft(company)


LOOKUPS = {"ref.absence_type", "ref.bank", "ref.country", "ref.currency", "ref.skill", "ref.title"}
PUBLIC = {"hr.department", "hr.office"}
OWNERS = {
    "hr.absence": ("employee_id",),
    "hr.address": ("employee_id",),
    "hr.assignment": ("project_id",),
    "hr.audit_log": ("employee_id",),
    "hr.bank_account": ("employee_id",),
    "hr.employee_skill": ("employee_id",),
    "hr.project": ("department_id",),
    "hr.review": ("employee_id",),
    "hr.salary": ("employee_id",),
    "hr.title_history": ("employee_id",),
    "hr.user_account": ("employee_id",),
}
ORDERS = {
    "hr.absence": "start_date",
    "hr.assignment": "start_date",
    "hr.audit_log": "at",
    "hr.employee_skill": "since",
    "hr.project": "start_date",
    "hr.review": "year",
    "hr.salary": "valid_from",
    "hr.title_history": "valid_from",
}
PERSONAL = {
    "hr.address.street": "street_address",
    "hr.bank_account.holder_name": "full_name",
    "hr.bank_account.iban": "iban",
    "hr.employee.email": "email",
    "hr.employee.first_name": "first_name",
    "hr.employee.last_name": "last_name",
    "hr.employee.national_id": "national_id",
    "hr.employee.phone": "phone",
    "hr.user_account.password_hash": "credential",
    "hr.user_account.username": "username",
}


def test_the_company_is_about_its_employees(company_draft: Draft) -> None:
    roles: dict[str, set[str]] = {}
    for name, table in company_draft.schema_map.tables.items():
        roles.setdefault(table.role, set()).add(name)
    assert roles.pop("private") == set(OWNERS)
    assert roles == {"subject": {"hr.employee"}, "lookup": LOOKUPS, "public": PUBLIC}


def test_what_belongs_to_an_employee_is_owned_and_ordered(company_draft: Draft) -> None:
    tables = company_draft.schema_map.tables
    assert {name: table.owner for name, table in tables.items() if table.owner} == OWNERS
    assert {name: table.order for name, table in tables.items() if table.order} == ORDERS


def test_all_personal_columns_of_the_company_are_found_and_no_others(company_draft: Draft) -> None:
    found = {f"{table}.{name}" for table, names in company_draft.personal.items() for name in names}
    assert found == set(PERSONAL)
    tables = company_draft.schema_map.tables
    assert {name: tables[name.rpartition(".")[0]].columns[name.rpartition(".")[2]].kind for name in found} == PERSONAL


@pytest.mark.parametrize(
    ("table", "name", "wanted"),
    [
        ("hr.salary", "valid_to", ColumnMap(kind="period_end", type="date", of="valid_from")),
        ("hr.absence", "end_date", ColumnMap(kind="moment", type="date", after="start_date")),
        ("hr.absence", "days", ColumnMap(kind="generated", type="integer")),
        ("hr.employee", "manager_id", ColumnMap(kind="reference", type="integer")),
        ("hr.employee", "employee_id", ColumnMap(kind="key", type="integer")),
        ("hr.employee", "employee_number", ColumnMap(kind="code", type="text")),
        ("hr.employee", "sex", ColumnMap(kind="category", type="character(1)")),
        ("hr.user_account", "api_token", ColumnMap(kind="key", type="uuid")),
        ("hr.user_account", "settings", ColumnMap(kind="json", type="jsonb")),
        ("hr.review", "comments", ColumnMap(kind="text", type="text")),
        ("hr.department", "name", ColumnMap(kind="label", type="text")),
    ],
)
def test_the_structure_of_the_company_is_found(company_draft: Draft, table: str, name: str, wanted: ColumnMap) -> None:
    assert company_draft.schema_map.tables[table].columns[name] == wanted


def test_a_draft_says_how_to_log_in(company_draft: Draft) -> None:
    assert "set value: to a known hash to log in" in company_draft.comments["hr.user_account", "password_hash"]


def test_names_of_the_company_come_from_where_its_people_live(company_draft: Draft) -> None:
    tables = company_draft.schema_map.tables
    assert {name for name, table in tables.items() if table.locale == "country_code"} == {"hr.employee", "hr.address"}
    assert company_draft.schema_map.locale == "de_DE"


def test_every_table_of_a_draft_has_a_reason(company_draft: Draft) -> None:
    for name, table in company_draft.schema_map.tables.items():
        assert company_draft.comments[name, None]
        assert ("; owner: " in company_draft.comments[name, None]) == (table.owner is not None)
        assert all(
            company_draft.comments[name, column]
            for column, found in table.columns.items()
            if found.kind in ("period_end", "counter", "email", "full_name") or found.after or found.near
        )


def test_a_draft_can_be_planned_as_it_is(company: DatabaseUrl, company_draft: Draft) -> None:
    schema = replica.introspect(company)
    found = plan(schema, company_draft.schema_map, Settings())
    assert {table.id for table in found.tables} == set(schema.by_id)


def test_a_draft_is_the_same_each_time(company: DatabaseUrl, company_draft: Draft) -> None:
    assert replica.draft(company) == company_draft


# A table that a test writes down


@dataclass(frozen=True)
class Rows:
    """A table called ``name`` with one column per entry of ``columns``, its type and its values."""

    name: str
    columns: dict[str, tuple[str, Sequence[object]]]

    def script(self) -> str:
        """SQL that creates and fills it, with a key in front."""
        declared = ", ".join(f'"{name}" {kind}' for name, (kind, _) in self.columns.items())
        names = ", ".join(f'"{name}"' for name in self.columns)
        rows = zip(*(values for _, values in self.columns.values()), strict=True)
        values = ", ".join(f"({', '.join(sql.quote(value) for value in row)})" for row in rows)
        return (
            f'CREATE TABLE "{self.name}" (key serial PRIMARY KEY, {declared});'
            f'INSERT INTO "{self.name}" ({names}) VALUES {values};'
        )


@pytest.fixture(scope="module")
def draft_of(server: Server) -> Iterator[Callable[..., dict[str, TableMap]]]:
    """Drafts a map of what some SQL makes; tables by their bare names."""
    url = server.create()

    def draft(*parts: str | Rows) -> dict[str, TableMap]:
        with psycopg.connect(url.secret) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            for part in parts:
                connection.execute((part if isinstance(part, str) else part.script()).encode())
        found = replica.draft(url).schema_map.tables
        return {name.removeprefix("public."): table for name, table in found.items()}

    yield draft
    server.drop(url)


DraftOf = Callable[..., dict[str, TableMap]]
N = 200
fake = Faker("en_GB")
fake.seed_instance(7)
PEOPLE = [fake.unique.name() for _ in range(N)]
EMAILS = [fake.unique.email() for _ in range(N)]
PHONES = [f"+4420{79460000 + 13 * i}" for i in range(N)]
STREETS = [fake.unique.street_address() for _ in range(N)]
NOTES = [f"The visit number {i} went well and they will come back in {i % 7 + 2} weeks" for i in range(N)]
EANS = complete([f"400{1_000_000 + 7919 * i:09d}0" for i in range(N)], "ch.ssn")
IMEIS = complete([f"35{100_000_000 + 104_729 * i:012d}0" for i in range(N)], "luhn")
CARDS = complete([f"4{10**13 + 999_983 * i:014d}0" for i in range(N)], "luhn")
AHVS = complete([f"756{1_000_000 + 7919 * i:09d}0" for i in range(N)], "ch.ssn")
IBANS = complete([f"DE00370400440{i * 7919:09d}" for i in range(N)], "iban")
CODES = [f"{7919 * i % 10**6:06d}" for i in range(N)]
DAYS = [f"20{20 + i % 5}-{i % 12 + 1:02d}-{i % 28 + 1:02d}" for i in range(N)]


def cycled(*values: str) -> list[str]:
    return [values[i % len(values)] for i in range(N)]


def text(values: Sequence[object]) -> tuple[str, Sequence[object]]:
    return "text", values


def kinds(table: TableMap) -> dict[str, str]:
    return {name: column.kind for name, column in table.columns.items() if name != "key"}


# Tables that are not about persons


def test_a_product_is_no_person_whatever_its_columns_are_called(draft_of: DraftOf) -> None:
    names = [f"Oak Chair {i}" for i in range(N)]
    words, flags = cycled("Chair", "Table"), cycled("yes", "no")
    columns = {"name": text(names), "ean": text(EANS), "title": text(words), "phone": text(flags)}
    (found,) = draft_of(Rows("product", columns)).values()
    assert found.role == "public"
    assert kinds(found) == {"name": "label", "ean": "label", "title": "category", "phone": "category"}


@pytest.mark.parametrize("values", [EANS, IMEIS], ids=["EAN", "IMEI"])
def test_check_digits_of_goods_say_no_person(draft_of: DraftOf, values: list[str]) -> None:
    (found,) = draft_of(Rows("device", {"number": text(values)})).values()
    assert (found.role, kinds(found)) == ("public", {"number": "label"})


@pytest.mark.parametrize("word", ["Street", "Park", "Chair", "Bridge"])
def test_what_is_named_after_persons_is_no_person(draft_of: DraftOf, word: str) -> None:
    (found,) = draft_of(Rows("station", {"name": text([f"{name.split()[-1]} {word}" for name in PEOPLE])})).values()
    assert (found.role, found.columns["name"].kind) in {("public", "label"), ("public", "category")}


def test_a_short_list_that_others_point_to_is_a_lookup(draft_of: DraftOf) -> None:
    found = draft_of(
        "CREATE TABLE colour (id int PRIMARY KEY, name text); INSERT INTO colour VALUES (1, 'red'), (2, 'blue');"
        "CREATE TABLE car (id serial PRIMARY KEY, colour_id int REFERENCES colour, price int);"
        "INSERT INTO car (colour_id, price) SELECT 1 + n % 2, 17 * n FROM generate_series(1, 200) n;"
        "CREATE TABLE model (id int PRIMARY KEY, name text); INSERT INTO model VALUES (1, 'nobody points here')"
    )
    assert {name: table.role for name, table in found.items()} == {
        "colour": "lookup",
        "car": "public",
        "model": "public",
    }


def test_a_list_with_prices_is_no_lookup(draft_of: DraftOf) -> None:
    found = draft_of(
        "CREATE TABLE course (id int PRIMARY KEY, title text, level int, price numeric(8,2), sort_order int);"
        "INSERT INTO course SELECT n, 'Course ' || n, n % 4, 20 + n * 1.25, n FROM generate_series(1, 60) n;"
        "CREATE TABLE place (id int PRIMARY KEY, title text, level int, sort_order int);"
        "INSERT INTO place SELECT n, 'Place ' || n, n % 4, n FROM generate_series(1, 60) n;"
        "CREATE TABLE booking (id serial PRIMARY KEY, course_id int REFERENCES course, place_id int REFERENCES place);"
        "INSERT INTO booking (course_id, place_id) SELECT 1 + n % 60, 1 + n % 60 FROM generate_series(1, 2000) n;"
    )
    assert {name: table.role for name, table in found.items()} == {
        "course": "public",
        "place": "lookup",
        "booking": "public",
    }


@pytest.mark.parametrize(
    ("columns", "locale", "why"),
    [
        ({"phone": [f"+49 30 23125 {n:03}" for n in range(60)]}, "de_DE", "public.member.phone"),
        ({"country": ["DE"] * 40 + ["FR"] * 20}, "de_DE", "70% of public.member.country"),
        ({"iban": [f"NL00ABNA{n:010}" for n in range(60)]}, "nl_NL", "public.member.iban"),
        ({}, "en_US", "names"),
    ],
)
def test_where_people_come_from_is_told_by_more_than_their_names(
    new_database: NewDatabase, columns: dict[str, list[str]], locale: str, why: str
) -> None:
    names = {"first_name": text([name.split()[0] for name in PEOPLE])}
    url = new_database(
        Rows("member", names | {name: text(cycled(*values)) for name, values in columns.items()}).script()
    )
    found = replica.draft(url)
    assert found.schema_map.locale == locale
    comment = found.comments[LOCALE]
    assert why in comment
    assert f"locale: {locale}  # {comment}" in write_map(found.schema_map, found.comments)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (NOTES, "text"),
        (cycled("red", "green", "blue"), "category"),
        (CODES, "label"),
        (DAYS, "label"),
        (PEOPLE, "label"),
    ],
    ids=["notes", "colours", "codes", "days", "names"],
)
def test_what_nobody_is_behind_may_be_kept(draft_of: DraftOf, values: list[str], kind: str) -> None:
    (found,) = draft_of(Rows("thing", {"x": text(values)})).values()
    assert (found.role, kinds(found)) == ("public", {"x": kind})


# Tables that are about persons


@pytest.mark.parametrize(
    ("values", "kind"),
    [(EMAILS, "email"), (PHONES, "phone"), (IBANS, "iban"), (CARDS, "card"), (AHVS, "national_id")],
    ids=["e-mail", "phone", "IBAN", "card", "national id"],
)
def test_values_give_a_person_away_whatever_their_column_is_called(
    draft_of: DraftOf, values: list[str], kind: str
) -> None:
    (found,) = draft_of(Rows("record", {"field_7": text(values), "size": ("integer", range(N))})).values()
    assert (found.role, kinds(found)) == ("subject", {"field_7": kind, "size": "number"})


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("E-Mail", EMAILS, "email"),
        ("contactEmail", EMAILS, "email"),
        ("login", [email.partition("@")[0] for email in EMAILS], "username"),
        ("Vorname", [name.split()[0] for name in PEOPLE], "first_name"),
        ("surname", [name.split()[-1] for name in PEOPLE], "last_name"),
        ("name", PEOPLE, "full_name"),
        ("mobile", PHONES, "phone"),
        ("SSN", CODES, "national_id"),
        ("home_address", STREETS, "street_address"),
        ("address", [f"{street}, London" for street in STREETS], "full_address"),
        ("account_no_iban", IBANS, "iban"),
        ("passwordHash", CODES, "credential"),
        ("api_key", CODES, "credential"),
        ("mail", IBANS, "iban"),
        ("fax", cycled("yes", "no"), "category"),
        ("contact_email_sent", cycled("yes", "no"), "category"),
        ("remarks", NOTES, "text"),
        ("status", cycled("new", "old", "gone"), "category"),
        ("badge", [f"B-{code}" for code in CODES], "code"),
        ("entered", [str(date(1950, 1, 1) + timedelta(97 * i)) for i in range(N)], "code"),
        ("City", [f"{name.split()[-1]}ton" for name in PEOPLE], "city"),
        ("notice", [None] * N, "text"),
    ],
)
def test_a_column_of_a_table_about_persons_is_told_by_name_and_values(
    draft_of: DraftOf, name: str, values: list[str], kind: str
) -> None:
    (found,) = draft_of(Rows("customer", {"reach": text(EMAILS), name: text(values)})).values()
    assert found.role == "subject"
    assert kinds(found)[name] == kind


def test_names_that_no_list_knows_are_names_in_a_table_of_persons_only(draft_of: DraftOf) -> None:
    first, last = ("Ayşe", "Çağla", "Oğuz", "Ilgın"), ("Yıldız", "Öztürk", "Kılıç", "Çetin", "Güneş")
    names = [f"{first[i % 4]} {last[i % 5]}{'abcdefghij'[i // 20]}" for i in range(N)]
    companies = [f"{name.split()[1]} Ltd" for name in names]
    found = draft_of(
        Rows("patients", {"name": text(names)}),
        Rows("clients", {"name": text(companies)}),
        Rows("ship", {"name": text(names), "reach": text(EMAILS)}),
    )
    assert kinds(found["patients"])["name"] == "full_name"
    assert kinds(found["clients"])["name"] != "full_name"
    assert kinds(found["ship"])["name"] != "full_name"


def test_of_several_tables_of_persons_the_largest_is_the_subject(draft_of: DraftOf) -> None:
    found = draft_of(
        Rows("customer", {"first_name": text(PEOPLE), "email": text(EMAILS)}),
        Rows("agent", {"first_name": text(PEOPLE[:9]), "email": text(EMAILS[:9])}),
        "CREATE TABLE ticket (id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, agent_id int"
        " REFERENCES agent, body text); INSERT INTO ticket (customer_id, agent_id, body)"
        " SELECT 1 + n % 200, 1 + n % 9, 'it is broken' FROM generate_series(1, 400) n",
    )
    assert {name: table.role for name, table in found.items()} == {
        "customer": "subject",
        "agent": "private",
        "ticket": "private",
    }
    assert found["ticket"].owner == ("customer_id",)


def test_credentials_are_not_read(new_database: NewDatabase) -> None:
    url = new_database(
        "CREATE TABLE account (id serial PRIMARY KEY, email text, password text, token bytea);"
        "INSERT INTO account (email, password, token) SELECT 'u' || n || '@x.org', 'hunter' || n, 'x'"
        " FROM generate_series(1, 50) n"
    )
    found = replica.draft(url)
    assert found.personal == {"public.account": ("email", "password")}
    assert kinds(found.schema_map.tables["public.account"]) == {
        "id": "key",
        "email": "email",
        "password": "credential",
        "token": "bytes",
    }
    assert "hunter" not in repr(found)


# How rows hang together

ORDERS_SCRIPT = """
CREATE TABLE customer (id serial PRIMARY KEY, email text);
INSERT INTO customer (email) SELECT 'u' || n || '@x.org' FROM generate_series(1, 60) n;
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customer, placed_at timestamp NOT NULL,
                     shipped_at timestamp, updated_at timestamp, open_until timestamp);
INSERT INTO orders (customer_id, placed_at, shipped_at, updated_at, open_until)
SELECT 1 + n % 60, p, p + (n % 5) * interval '9 hours', '2024-03-01'::timestamp + n * 7919 % 4000 * interval '1 hour',
       CASE WHEN n <= 240 THEN '2020-01-01'::timestamp + (n + 60) * interval '5 hours'
                               + (n + 60) % 13 * interval '1 minute' END
  FROM generate_series(1, 300) n,
       LATERAL (SELECT '2020-01-01'::timestamp + n * interval '5 hours' + n % 13 * interval '1 minute' AS p) x;
CREATE TABLE order_line (order_id int REFERENCES orders, line smallint, price numeric(8, 2),
                         PRIMARY KEY (order_id, line));
INSERT INTO order_line SELECT o, l, o * l * 1.1 FROM generate_series(1, 300) o, generate_series(1, 1 + o % 4) l;
"""


def test_rows_are_owned_ordered_and_counted(draft_of: DraftOf) -> None:
    found = draft_of(ORDERS_SCRIPT)
    orders, lines = found["orders"], found["order_line"]
    assert (orders.owner, orders.order) == (("customer_id",), "placed_at")
    assert orders.columns["shipped_at"].after == "placed_at"
    assert (orders.columns["updated_at"].after, orders.columns["updated_at"].near) == (None, None)
    assert (orders.columns["open_until"].kind, orders.columns["open_until"].of) == ("period_end", "placed_at")
    assert lines.owner == ("order_id",)
    assert lines.columns["line"] == ColumnMap(kind="counter", type="smallint", within=("order_id",), start=1)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ("CASE WHEN p > 3 THEN p END, k", ("counter", 1)),
        ("p, k - 1", ("counter", 0)),
        ("p, 10 * k", ("number", None)),
        ("p, (p % 2 * 4611686018427387904 + k) * CASE WHEN p % 2 = 0 THEN -1 ELSE 1 END", ("number", None)),
    ],
    ids=["some without a parent", "from zero", "with gaps", "at the ends of the range"],
)
def test_a_counter_runs_without_gaps_under_each_parent(
    draft_of: DraftOf, values: str, wanted: tuple[str, int | None]
) -> None:
    found = draft_of(
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 90);"
        "CREATE TABLE child (id serial PRIMARY KEY, parent_id int REFERENCES parent, place bigint,"
        " UNIQUE (parent_id, place)); INSERT INTO child (parent_id, place)"
        f" SELECT {values} FROM generate_series(1, 90) p, generate_series(1, 3) k"
    )
    place = found["child"].columns["place"]
    assert (place.kind, place.start) == wanted


@pytest.mark.parametrize(
    ("kind", "value", "order"),
    [
        ("numeric(6, 0)", "k * k * 7", "place"),
        ("numeric", "k * k * 7", "place"),
        ("numeric(6, 2)", "k * 1.25", None),
        ("numeric", "k * 1.25", None),
        ("date", "date '2024-01-01' + k * k * 7", "place"),
        ("real", "k * k * 7", None),
    ],
)
def test_only_moments_and_whole_numbers_order_rows(draft_of: DraftOf, kind: str, value: str, order: str | None) -> None:
    found = draft_of(
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 90);"
        f"CREATE TABLE child (parent_id int REFERENCES parent, place {kind}, PRIMARY KEY (parent_id, place));"
        f"INSERT INTO child SELECT p, {value} FROM generate_series(1, 90) p, generate_series(1, 5) k"
    )
    assert found["child"].order == order


@pytest.mark.parametrize(("lacking", "kind"), [(0, "key"), (1, "key"), (50, "number")])
def test_a_unique_number_that_many_rows_lack_is_no_key(draft_of: DraftOf, lacking: int, kind: str) -> None:
    found = draft_of(
        "CREATE TABLE t (id int PRIMARY KEY, badge int UNIQUE);"
        f"INSERT INTO t SELECT n, CASE WHEN n % 100 >= {lacking} THEN n END FROM generate_series(1, 200) n"
    )
    assert found["t"].columns["badge"].kind == kind


@pytest.mark.parametrize(("first", "start"), [(1, None), (1000, 1000), (0, 0), (-5, -5)])
def test_a_key_starts_where_that_of_the_source_does(draft_of: DraftOf, first: int, start: int | None) -> None:
    found = draft_of(
        f"CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series({first}, {first} + 99)"
    )
    assert found["t"].columns["id"] == ColumnMap(kind="key", type="integer", start=start)


def test_a_search_vector_is_computed_in_the_target(draft_of: DraftOf) -> None:
    found = draft_of(
        "CREATE TABLE film (id serial PRIMARY KEY, title text, plot text, words tsvector);"
        "CREATE TRIGGER words BEFORE INSERT OR UPDATE ON film FOR EACH ROW"
        " EXECUTE FUNCTION tsvector_update_trigger('words', 'pg_catalog.english', 'title', 'plot');"
        "INSERT INTO film (title, plot) VALUES ('A', 'B')"
    )
    words = found["film"].columns["words"]
    assert words.kind == "derived"
    assert words.sql == (
        "to_tsvector('pg_catalog.english'::regconfig,"
        " coalesce(\"title\"::text, '') || ' ' || coalesce(\"plot\"::text, ''))"
    )


# Odd sources


def test_tables_without_rows_are_drafted_by_their_names(draft_of: DraftOf) -> None:
    found = draft_of(
        "CREATE TABLE member (id int PRIMARY KEY, first_name text, email text, bio text);"
        "CREATE TABLE visit (id int PRIMARY KEY, member_id int REFERENCES member, at timestamp, n int,"
        " UNIQUE (member_id, n));"
        "CREATE TABLE bare ()"
    )
    assert {name: table.role for name, table in found.items()} == {
        "member": "subject",
        "visit": "private",
        "bare": "public",
    }
    assert kinds(found["member"]) == {"id": "key", "first_name": "first_name", "email": "email", "bio": "text"}
    assert found["bare"].columns == {}


def test_partitions_are_left_to_their_table(draft_of: DraftOf) -> None:
    found = draft_of(
        "CREATE TABLE log (at date, note text) PARTITION BY RANGE (at);"
        "CREATE TABLE log_a PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
        "INSERT INTO log SELECT date '2024-01-01' + n, 'x' FROM generate_series(1, 100) n"
    )
    assert {name: table.role for name, table in found.items()} == {"log": "public", "log_a": "skip"}


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_moments_without_end_are_looked_at_too(draft_of: DraftOf, kind: str) -> None:
    found = draft_of(
        f"CREATE TABLE t (id int PRIMARY KEY, d {kind}, e date); INSERT INTO t SELECT n,"
        f" (ARRAY['infinity', '-infinity', '2024-01-01']::{kind}[])[1 + n % 3], '0044-03-15 BC'"
        " FROM generate_series(1, 90) n"
    )
    assert kinds(found["t"]) == {"id": "key", "d": "moment", "e": "moment"}
