"""The whole way from a source to a replica: nothing broken, what holds is kept, nobody is copied, runs repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import CompanyReplica, Server
from postgres_tools import counts, rows, run, value
from stdnum import iban
from test_sample_company import intraclass

import replica
from replica import FittedReplica, Progress, Settings
from replica.databases.url import DatabaseUrl, database_name
from replica.errors import EvaluateError, PlanError, SameDatabaseError, TargetNotEmptyError, UnknownNameError
from replica.evaluation.evaluate import EvaluationReport
from replica.evaluation.figures import Figure
from replica.samples.company import truth
from replica.samples.company.people import ascii_name, given_names

NewDatabase = Callable[..., DatabaseUrl]
QUICK = Settings(generator="marginal", workers=1)

SHOP = """
    CREATE TABLE status (code text PRIMARY KEY, label text NOT NULL UNIQUE);
    CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, since date NOT NULL);
    CREATE TABLE purchase (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        customer_id int NOT NULL REFERENCES customer,
        status text NOT NULL REFERENCES status,
        at timestamptz NOT NULL,
        UNIQUE (customer_id, at)
    );
    CREATE TABLE item (
        purchase_id int REFERENCES purchase,
        line int,
        price numeric(8, 2) NOT NULL CHECK (price > 0),
        PRIMARY KEY (purchase_id, line)
    );
    CREATE TABLE card (customer_id int PRIMARY KEY REFERENCES customer, points int NOT NULL);
    INSERT INTO status VALUES ('new', 'New'), ('paid', 'Paid'), ('sent', 'Sent'), ('void', 'Void');
    INSERT INTO customer (name, since) SELECT 'Customer ' || n, date '2020-01-01' + n FROM generate_series(1, 60) n;
    INSERT INTO purchase (customer_id, status, at)
        SELECT c.id, (ARRAY['new', 'paid', 'sent', 'void'])[1 + (c.id * n) % 4], c.since + n * interval '7 hours'
          FROM customer c, generate_series(1, 5) n WHERE n <= 1 + c.id % 5;
    INSERT INTO item SELECT p.id, n, 1 + (p.id * n) % 50 FROM purchase p, generate_series(1, 3) n
         WHERE n <= 1 + p.id % 3;
    INSERT INTO card SELECT id, id % 9 FROM customer WHERE id % 2 = 0;
"""


def content(url: DatabaseUrl) -> dict[str, str]:
    """Returns a hash of the rows of every table."""
    query = "SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {} t"
    return {table.id: value(url, query.format(table.id)) for table in replica.introspect(url).tables}


def shared(source: DatabaseUrl, target: DatabaseUrl, query: str) -> float:
    """Returns the share of the replica's values that the source has too."""
    known = {found for (found,) in rows(source, query)}
    made = [found for (found,) in rows(target, query)]
    return float(np.mean([found in known for found in made]))


# The sample company


@pytest.fixture(scope="module")
def report(company_report: EvaluationReport) -> EvaluationReport:
    return company_report


def value_of(figure: Figure | None) -> float:
    assert figure is not None
    return figure.value


@pytest.fixture(scope="module")
def made(company_replica: CompanyReplica) -> DatabaseUrl:
    return company_replica.url


def test_no_constraint_is_missing_or_broken(report: EvaluationReport) -> None:
    assert report.valid
    assert report.constraints.missing == ()
    assert len(report.constraints.broken) > 60
    assert set(report.constraints.broken.values()) == {0}


def test_every_table_has_as_many_rows_as_the_source(report: EvaluationReport) -> None:
    assert len(report.tables) == 20
    assert all(table.synthetic_rows == table.original_rows > 0 for table in report.tables)


def test_columns_pairs_and_numbers_of_children_are_alike(report: EvaluationReport) -> None:
    assert value_of(report.shapes) > 0.8
    assert value_of(report.pairs) > 0.6
    assert value_of(report.fan_out) > 0.8


def test_lookups_are_copied(company: DatabaseUrl, made: DatabaseUrl) -> None:
    source, target = content(company), content(made)
    same = {name for name in source if source[name] == target[name]}
    assert same == {"ref.absence_type", "ref.bank", "ref.country", "ref.currency", "ref.skill", "ref.title"}


def test_salaries_grow_with_grade_and_tenure_and_are_lower_in_spain(made: DatabaseUrl) -> None:
    query = """
        SELECT {} FROM hr.salary s JOIN hr.employee e USING (employee_id) JOIN ref.title t USING (title_id)
    """
    assert value(made, query.format("corr(ln(amount), grade)")) > 0.1
    assert value(made, query.format("corr(ln(amount), valid_from - hire_date)")) > 0.25
    spain = "avg(ln(amount)) FILTER (WHERE country_code = 'ES') < avg(ln(amount)) FILTER (WHERE country_code = 'DE')"
    assert value(made, query.format(spain))


def test_salary_periods_are_contiguous_from_hire_on(made: DatabaseUrl) -> None:
    periods = rows(
        made,
        "SELECT employee_id, valid_from, valid_to, hire_date FROM hr.salary JOIN hr.employee USING (employee_id)"
        " ORDER BY employee_id, valid_from",
    )
    families = [list(group) for _, group in groupby(periods, key=lambda period: period[0])]
    assert all((later[1] - earlier[2]).days == 1 for own in families for earlier, later in pairwise(own))
    assert all(own[-1][2] is None for own in families)
    assert np.mean([own[0][1] == own[0][3] for own in families]) > 0.8


def test_full_time_hours_are_those_of_the_country(made: DatabaseUrl) -> None:
    query = (
        "SELECT country_code, mode() WITHIN GROUP (ORDER BY work_hours)::float FROM hr.employee"
        " WHERE employment = 'full_time' GROUP BY 1"
    )
    assert dict(rows(made, query)) == truth().full_hours


def test_contractors_have_fewer_salaries_than_others(made: DatabaseUrl) -> None:
    share = (
        "SELECT avg((employee_id IN (SELECT employee_id FROM hr.salary))::int)::float FROM hr.employee"
        " WHERE employment {} 'contractor'"
    )
    assert value(made, share.format("=")) < value(made, share.format("<>")) - 0.1


def test_sickness_follows_the_season_and_some_are_absent_far_more_than_others(made: DatabaseUrl) -> None:
    share = (
        "SELECT avg((extract(month FROM start_date) IN {})::int)::float FROM hr.absence WHERE type_code IN ('sick',"
        " 'child_sick')"
    )
    assert value(made, share.format("(1, 2)")) > 1.5 * value(made, share.format("(7, 8)"))
    spread = (
        "SELECT (var_pop(n) / avg(n))::float FROM (SELECT count(absence_id) AS n FROM hr.employee"
        " LEFT JOIN hr.absence USING (employee_id) GROUP BY employee_id) counted"
    )
    # A Poisson distribution has the variance of its mean.
    assert value(made, spread) > 3


def test_ratings_of_one_employee_go_together(made: DatabaseUrl) -> None:
    rating, employee = zip(*rows(made, "SELECT rating, employee_id FROM hr.review"), strict=True)
    assert intraclass(rating, employee) > 0.1


def test_the_organisation_stays_a_tree(company: DatabaseUrl, made: DatabaseUrl) -> None:
    tree = """
        WITH RECURSIVE line AS (
            SELECT {0} AS id, 0 AS level FROM {1} WHERE {2} IS NULL
            UNION ALL SELECT {0}, level + 1 FROM {1} JOIN line ON {2} = line.id
        ) SELECT level, count(*) FROM line GROUP BY level ORDER BY level
    """
    departments = tree.format("department_id", "hr.department", "parent_id")
    assert rows(made, departments) == rows(company, departments)
    managers = tree.format("employee_id", "hr.employee", "manager_id")
    levels = dict(rows(made, managers))
    assert sum(levels.values()) == value(made, "SELECT count(*) FROM hr.employee")
    assert abs(len(levels) - len(rows(company, managers))) <= 1


def test_each_employees_events_are_logged_in_the_order_of_time(made: DatabaseUrl) -> None:
    late = (
        "SELECT count(*) FROM (SELECT at < lag(at) OVER (PARTITION BY employee_id ORDER BY audit_id) AS late"
        " FROM hr.audit_log WHERE employee_id IS NOT NULL) events WHERE late"
    )
    assert value(made, late) == 0
    bursts = (
        "SELECT avg((gap < interval '10 minutes')::int)::float FROM (SELECT at - lag(at) OVER (PARTITION BY employee_id"
        " ORDER BY at) AS gap FROM hr.audit_log WHERE employee_id IS NOT NULL) gaps"
    )
    assert value(made, bursts) > 0.7


def test_personal_data_agree_within_a_person(made: DatabaseUrl) -> None:
    people = rows(
        made,
        "SELECT first_name, last_name, sex, country_code, email, holder_name FROM hr.employee"
        " JOIN hr.bank_account USING (employee_id)",
    )
    given = {country: given_names(country) for country in truth().full_hours}
    assert np.mean([sex == "x" or first in given[country][sex] for first, _, sex, country, _, _ in people]) > 0.95
    assert all(holder == f"{first} {last}" for first, last, *_, holder in people)
    in_address = [
        {ascii_name(first), ascii_name(last.split()[0])} & set(email.split("@")[0].rstrip("0123456789").split("."))
        for first, last, *_, email, _ in people
    ]
    assert np.mean([bool(found) for found in in_address]) > 0.95


def test_every_account_number_is_valid(made: DatabaseUrl) -> None:
    assert all(iban.is_valid(number) for (number,) in rows(made, "SELECT iban FROM hr.bank_account"))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT first_name || ' ' || last_name || birth_date FROM hr.employee",
        "SELECT email FROM hr.employee",
        "SELECT first_name || phone FROM hr.employee WHERE phone IS NOT NULL",
        "SELECT national_id FROM hr.employee",
        "SELECT iban FROM hr.bank_account",
        "SELECT username FROM hr.user_account",
        "SELECT password_hash FROM hr.user_account",
        "SELECT api_token FROM hr.user_account",
        "SELECT last_ip FROM hr.user_account WHERE last_ip IS NOT NULL",
        "SELECT street || postcode || city FROM hr.address",
    ],
)
def test_nobody_of_the_source_is_in_the_replica(company: DatabaseUrl, made: DatabaseUrl, query: str) -> None:
    assert shared(company, made, query) == 0


def test_names_phones_and_texts_meet_those_of_the_source_by_chance_only(
    company: DatabaseUrl, made: DatabaseUrl
) -> None:
    assert shared(company, made, "SELECT first_name || ' ' || last_name FROM hr.employee") < 0.02
    # Phrases that many reviewers use can make up a sentence that one of them wrote.
    assert shared(company, made, "SELECT comments FROM hr.review WHERE comments IS NOT NULL") < 0.005
    # The numbers come from ranges set aside for fiction, which are small.
    assert shared(company, made, "SELECT phone FROM hr.employee WHERE phone IS NOT NULL") < 0.1


def test_computed_values_views_and_sequences_follow_the_new_rows(made: DatabaseUrl) -> None:
    assert value(made, "SELECT bool_and(days = end_date - start_date + 1) FROM hr.absence")
    assert value(made, "SELECT sum(employees) FROM hr.headcount") == value(
        made, "SELECT count(*) FROM hr.employee WHERE termination_date IS NULL"
    )
    assert value(made, "SELECT nextval('hr.audit_log_audit_id_seq') > max(audit_id) FROM hr.audit_log")


def test_progress_goes_from_reading_to_publishing(company_replica: CompanyReplica) -> None:
    steps = [step for step, _ in groupby(moment.step for moment in company_replica.progress)]
    assert steps[:3] == ["read", "encode", "learn"] or steps[1:4] == ["read", "encode", "learn"]
    assert steps[-1] == "publish"
    learned = [moment for moment in company_replica.progress if moment.step == "learn"]
    assert learned[-1].done == learned[-1].total > 0
    assert [moment.done for moment in learned] == sorted(moment.done for moment in learned)


# The same again


def test_the_same_rows_come_out_whatever_the_number_of_workers(
    company_replica: CompanyReplica, target: DatabaseUrl
) -> None:
    replica.write(company_replica.fitted, target, Settings(workers=2))
    assert content(target) == content(company_replica.url)


def test_an_artifact_gives_the_same_rows_without_the_source(
    company_replica: CompanyReplica, target: DatabaseUrl, tmp_path: Path
) -> None:
    replica.save(company_replica.fitted, tmp_path / "company.replica")
    replica.write(replica.open_artifact(tmp_path / "company.replica"), target, company_replica.settings)
    assert content(target) == content(company_replica.url)


def test_another_seed_gives_other_rows(company_replica: CompanyReplica, target: DatabaseUrl) -> None:
    replica.write(company_replica.fitted, target, Settings(seed=1, workers=1))
    first, second = content(company_replica.url), content(target)
    assert {name for name in first if first[name] == second[name]} == {
        "ref.absence_type",
        "ref.bank",
        "ref.country",
        "ref.currency",
        "ref.skill",
        "ref.title",
    }


def test_the_marginal_generator_makes_a_company_too(company: DatabaseUrl, target: DatabaseUrl) -> None:
    replica.replicate(company, target, QUICK)
    report = replica.evaluate(company, target)
    assert report.valid
    assert value_of(report.shapes) > 0.8
    assert value_of(report.pairs) > 0.6


def test_large_tables_learned_and_made_by_several_workers_are_the_same(
    new_database: NewDatabase, target: DatabaseUrl
) -> None:
    columns = ", ".join(f"c{i} int" for i in range(14))
    values = ", ".join(f"n * {i + 3} % {i + 5}" for i in range(14))
    script = f"CREATE TABLE {{0}} (id int PRIMARY KEY, {columns});"
    script += f"INSERT INTO {{0}} SELECT n, {values} FROM generate_series(1, 60000) n;"
    source, other = new_database(script.format("a") + script.format("b")), new_database()
    for url, workers in ((target, 1), (other, 2)):
        replica.replicate(source, url, Settings(generator="marginal", workers=workers))
    assert content(target) == content(other)


# A small shop


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[DatabaseUrl]:
    url = server.create()
    run(url, SHOP)
    yield url
    server.drop(url)


@pytest.fixture(scope="module")
def learned(shop: DatabaseUrl) -> FittedReplica:
    return replica.learn(shop, QUICK)


@pytest.mark.parametrize("generator", ["marginal", "autoregressive"])
def test_two_runs_from_the_source_agree(
    shop: DatabaseUrl, new_database: NewDatabase, target: DatabaseUrl, generator: str
) -> None:
    settings, other = Settings(generator=generator, effort=0.2, workers=1), new_database()
    replica.replicate(shop, target, settings)
    replica.replicate(shop, other, settings)
    assert content(target) == content(other)
    assert replica.verify(shop, target).valid


@pytest.mark.parametrize("scale", [0.1, 1, 10])
def test_scale_multiplies_all_tables_but_lookups(
    shop: DatabaseUrl, learned: FittedReplica, target: DatabaseUrl, scale: float
) -> None:
    replica.write(learned, target, Settings(scale=scale))
    source = counts(shop)
    assert counts(target) == {
        name: n if name == "status" else pytest.approx(n * scale, abs=0.5) for name, n in source.items()
    }
    assert rows(target, "TABLE status ORDER BY code") == rows(shop, "TABLE status ORDER BY code")
    assert replica.verify(shop, target).valid


def test_rows_are_as_many_as_asked_for(shop: DatabaseUrl, learned: FittedReplica, target: DatabaseUrl) -> None:
    loaded = replica.write(learned, target, Settings(rows={"public.purchase": 17, "public.item": 0}))
    assert counts(target) == {**counts(shop), "purchase": 17, "item": 0}
    assert {table.table: table.rows for table in loaded.tables}["public.purchase"] == 17
    assert loaded.rows == sum(counts(target).values())


def test_tables_that_need_one_without_rows_get_none(learned: FittedReplica, target: DatabaseUrl) -> None:
    replica.write(learned, target, Settings(rows={"public.customer": 0}))
    assert counts(target) == {"status": 4, "customer": 0, "purchase": 0, "item": 0, "card": 0}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"public.card": 61}, "--rows public.card=61: public.customer has 60 rows and each may have 1 at most"),
        ({"public.customer": 0, "public.purchase": 1}, "--rows public.purchase=1: public.customer has 0 rows"),
    ],
)
def test_more_rows_than_there_is_room_for_are_refused(
    learned: FittedReplica, target: DatabaseUrl, server: Server, asked: dict[str, int], message: str
) -> None:
    with pytest.raises(PlanError) as caught:
        replica.write(learned, target, Settings(rows=asked))
    assert message in str(caught.value)
    assert database_name(target) not in server.databases()


def test_include_takes_what_the_table_needs(shop: DatabaseUrl, target: DatabaseUrl) -> None:
    replica.replicate(shop, target, Settings(generator="marginal", workers=1, include=("public.purchase",)))
    assert counts(target) == {**counts(shop), "item": 0, "card": 0}


def test_exclude_takes_along_what_needs_the_table(shop: DatabaseUrl, target: DatabaseUrl) -> None:
    replica.replicate(shop, target, Settings(generator="marginal", workers=1, exclude=("public.purchase",)))
    assert counts(target) == {**counts(shop), "purchase": 0, "item": 0}


def test_hardly_any_time_still_gives_a_valid_replica(shop: DatabaseUrl, target: DatabaseUrl) -> None:
    replica.replicate(shop, target, Settings(workers=1, max_minutes=1e-6))
    assert replica.verify(shop, target).valid
    assert counts(target) == counts(shop)


def test_a_large_table_is_learned_from_whole_families(new_database: NewDatabase, target: DatabaseUrl) -> None:
    source = new_database(
        SHOP
        + """
        INSERT INTO customer (name, since)
            SELECT 'Customer ' || n, date '2021-01-01' + n FROM generate_series(61, 900) n;
        INSERT INTO purchase (customer_id, status, at)
            SELECT c.id, 'paid', c.since + n * interval '1 day' FROM customer c, generate_series(1, 4) n
             WHERE c.id > 60 AND n <= c.id % 5;
        """
    )
    read: list[Progress] = []
    settings = Settings(generator="marginal", workers=1, fit_rows=300)
    replica.replicate(source, target, settings, read.append)
    assert max(moment.done for moment in read if moment.step == "read") < sum(counts(source).values()) / 2
    report = replica.evaluate(source, target)
    assert report.valid
    assert counts(target) == counts(source)
    # A sample of purchases, rather than of families, would make them small.
    assert report.relations is not None
    assert report.relations.fan_outs["public.purchase.purchase_customer_id_fkey"].value > 0.8
    within_a_day = (
        "SELECT avg((gap < interval '2 days')::int)::float FROM"
        " (SELECT at - lag(at) OVER (PARTITION BY customer_id ORDER BY at) AS gap FROM purchase) gaps"
    )
    assert value(target, within_a_day) > 0.9


# Refusals


def test_a_database_is_not_written_over_itself(shop: DatabaseUrl) -> None:
    before = content(shop)
    with pytest.raises(SameDatabaseError):
        replica.replicate(shop, shop, Settings(replace=True))
    assert content(shop) == before


def test_a_target_with_tables_is_replaced_only_if_told_so(
    learned: FittedReplica, shop: DatabaseUrl, new_database: NewDatabase
) -> None:
    target = new_database("CREATE TABLE old (id int); INSERT INTO old VALUES (1)")
    with pytest.raises(TargetNotEmptyError):
        replica.write(learned, target)
    assert counts(target) == {"old": 1}
    replica.write(learned, target, Settings(replace=True))
    assert counts(target) == counts(shop)


def test_an_unknown_generator_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="marginal"):
        Settings(generator="none")


# Comparing


def test_a_database_is_like_itself(shop: DatabaseUrl) -> None:
    report = replica.evaluate(shop, shop)
    for figure in (report.shapes, report.pairs, report.fan_out):
        assert figure is not None
        assert figure.ceiling is not None
        assert figure.value >= figure.ceiling - 0.02
    assert report.valid


def test_what_differs_lowers_the_scores(shop: DatabaseUrl, new_database: NewDatabase) -> None:
    other = new_database(SHOP + "UPDATE item SET price = price + 1000; DELETE FROM item WHERE line > 1;")
    report = replica.evaluate(shop, other)
    shapes = {
        f"{table.table}.{column.name}": column.aspects["shape"]
        for table in report.tables
        for column in (table.columns.columns if table.columns else ())
    }
    assert shapes["public.item.price"].value == 0
    assert shapes["public.customer.since"].below_ceiling < 0.05
    assert report.relations is not None
    assert report.relations.fan_outs["public.item.item_purchase_id_fkey"].value < 0.7
    assert report.valid


def test_broken_and_missing_constraints_are_counted(shop: DatabaseUrl, new_database: NewDatabase) -> None:
    other = new_database(
        SHOP + "ALTER TABLE item DROP CONSTRAINT item_price_check; ALTER TABLE card DROP CONSTRAINT card_pkey;"
        "UPDATE item SET price = -price WHERE line = 3; INSERT INTO card SELECT customer_id, 0 FROM card LIMIT 5;"
    )
    report = replica.verify(shop, other)
    assert not report.valid
    assert set(report.missing) == {"public.item.item_price_check", "public.card.card_pkey"}
    broken = {name: count for name, count in report.broken.items() if count}
    wrong = value(other, "SELECT count(*) FROM item WHERE price <= 0")
    assert broken["public.item.item_price_check"] == wrong > 0
    assert set(broken) == set(report.missing)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("DROP TABLE item", "the target has no table public.item: is it a replica"),
        ("ALTER TABLE item DROP price", "the target has no column public.item.price: is it a replica"),
    ],
)
def test_databases_with_other_tables_cannot_be_compared(
    shop: DatabaseUrl, new_database: NewDatabase, script: str, message: str
) -> None:
    with pytest.raises(EvaluateError, match=message):
        replica.evaluate(shop, new_database(SHOP + script))
