"""The rows of the sample company keep what its truth says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from stdnum import iban
from stdnum.de import idnr
from stdnum.es import dni
from stdnum.fr import nir
from stdnum.gb import utr
from stdnum.nl import bsn

from replica.databases.url import DatabaseUrl
from replica.errors import SettingsError, TargetNotEmptyError
from replica.samples.company import build_company, company_tables, truth
from replica.samples.company.people import ascii_name, given_names

EMPLOYEES = 600
NATIONAL_IDS = {"DE": idnr, "FR": nir, "GB": utr, "ES": dni, "NL": bsn}


@pytest.fixture
def company(empty_database: DatabaseUrl) -> DatabaseUrl:
    build_company(empty_database, seed=7, employees=EMPLOYEES)
    return empty_database


def rows(url: DatabaseUrl, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url.secret) as connection:
        return connection.execute(query.encode()).fetchall()


def value(url: DatabaseUrl, query: str) -> float:
    return float(rows(url, query)[0][0])


def intraclass(values: Sequence[float], groups: Sequence[object]) -> float:
    """Returns the intraclass correlation: the share of the variance that lies between groups."""
    split: dict[object, list[float]] = {}
    for each, group in zip(values, groups, strict=True):
        split.setdefault(group, []).append(each)
    several = [np.array(group) for group in split.values() if len(group) > 1]
    sizes = np.array([len(group) for group in several])
    total = np.concatenate(several)
    within = sum(((group - group.mean()) ** 2).sum() for group in several) / (len(total) - len(several))
    means = np.array([group.mean() for group in several])
    between = (sizes * (means - total.mean()) ** 2).sum() / (len(several) - 1)
    size = (len(total) - (sizes**2).sum() / len(total)) / (len(several) - 1)
    return float((between - within) / (between + (size - 1) * within))


def least_squares(target: Sequence[float], columns: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Returns the coefficients of a linear model without intercept."""
    found: NDArray[np.float64] = np.linalg.lstsq(np.array(columns, dtype=float).T, np.array(target), rcond=None)[0]
    return found


def indicators(values: Sequence[str], names: Sequence[str]) -> list[list[float]]:
    return [[float(each == name) for each in values] for name in names]


def test_build_reports_the_rows_it_wrote_and_refuses_a_second_time(company: DatabaseUrl) -> None:
    tables = company_tables(7, EMPLOYEES)
    for table in tables:
        assert value(company, f"SELECT count(*) FROM {table.name}") == len(table)
    assert len(tables) == 20
    assert value(company, "SELECT count(*) FROM hr.headcount WHERE employees > 0") == 34
    staff = value(company, "SELECT count(*) FROM hr.employee WHERE termination_date IS NULL")
    assert value(company, "SELECT count(*) FROM hr.current_staff") == staff
    with pytest.raises(TargetNotEmptyError):
        build_company(company, employees=EMPLOYEES)


def test_same_seed_gives_same_rows() -> None:
    first, again, other = company_tables(1, 150), company_tables(1, 150), company_tables(2, 150)
    assert [list(table.rows()) for table in first] == [list(table.rows()) for table in again]
    assert [list(table.rows()) for table in first] != [list(table.rows()) for table in other]


def test_too_few_employees_are_refused(empty_database: DatabaseUrl) -> None:
    with pytest.raises(SettingsError):
        build_company(empty_database, employees=10)


def test_next_insert_finds_a_free_key(company: DatabaseUrl) -> None:
    with psycopg.connect(company.secret) as connection:
        row = connection.execute(
            "INSERT INTO hr.absence (employee_id, type_code, start_date, end_date)"
            " VALUES (1, 'sick', '2025-07-01', '2025-07-03') RETURNING days"
        ).fetchone()
        assert row == (3,)
        logged = connection.execute(
            "INSERT INTO hr.audit_log (action, object_type) VALUES ('view', 'job') RETURNING audit_id"
        ).fetchone()
    assert logged == (value(company, "SELECT count(*) FROM hr.audit_log"),)


def test_organisation_is_a_forest_of_uneven_departments(company: DatabaseUrl) -> None:
    levels = rows(
        company,
        """
        WITH RECURSIVE line AS (
            SELECT employee_id, hire_date, 0 AS level FROM hr.employee WHERE manager_id IS NULL
            UNION ALL
            SELECT e.employee_id, e.hire_date, level + 1
              FROM hr.employee e JOIN line ON e.manager_id = line.employee_id AND e.hire_date > line.hire_date
        ) SELECT level, count(*) FROM line GROUP BY level ORDER BY level
        """,
    )
    assert sum(count for _, count in levels) == EMPLOYEES
    assert 4 <= len(levels) <= 6
    sizes = [count for (count,) in rows(company, "SELECT count(*) FROM hr.employee GROUP BY department_id")]
    assert max(sizes) > 4 * float(np.median(sizes))
    # A head leads the department or, where there was nobody yet, the one below the own one.
    heads = "SELECT count(*) FROM hr.department d JOIN hr.employee e ON e.employee_id = d.head_id"
    assert value(company, f"{heads} WHERE e.department_id = d.department_id") == value(company, heads) == 32


def test_personal_data_agrees_within_a_person(company: DatabaseUrl) -> None:
    people = rows(
        company,
        """
        SELECT e.first_name, e.last_name, e.sex, e.country_code, e.email, e.phone, e.national_id, e.employment,
               c.dialling_code, b.iban, b.holder_name, k.country_code, k.bank_code, o.country_code
          FROM hr.employee e JOIN ref.country c ON c.code = e.country_code
          JOIN hr.bank_account b ON b.employee_id = e.employee_id AND b.is_primary
          JOIN ref.bank k USING (bic) LEFT JOIN hr.office o USING (office_id)
        """,
    )
    assert len(people) == EMPLOYEES
    given = {country: given_names(country) for country in NATIONAL_IDS}
    known = truth()
    for first, last, sex, country, email, phone, number, kind, dialling, account, holder, home, code, office in people:
        assert sex == "x" or first in given[country][sex]
        surname = last.partition(" ")[0] if country == "ES" else last
        local, _, domain = email.partition("@")
        assert local.lower().rstrip("0123456789") == f"{ascii_name(first)}.{ascii_name(surname)}"
        assert domain == (known.contractor_domain if kind == "contractor" else known.employee_domain)
        assert phone is None or phone.startswith(dialling + " ")
        assert NATIONAL_IDS[country].is_valid(number)
        assert iban.is_valid(account)
        assert account[:2] == home == country
        assert account[4:].startswith(code)
        assert holder == f"{first} {last}"
        assert office in {None, country}


def test_salaries_follow_the_formula(company: DatabaseUrl) -> None:
    known = truth()
    found = rows(
        company,
        """
        SELECT ln(s.amount), t.grade, (s.valid_from - e.hire_date) / 365.25, d.name, e.country_code
          FROM hr.salary s JOIN hr.employee e USING (employee_id)
          JOIN hr.department d USING (department_id)
          JOIN LATERAL (SELECT title_id FROM hr.title_history h
                         WHERE h.employee_id = e.employee_id AND h.valid_from <= s.valid_from
                         ORDER BY h.valid_from DESC LIMIT 1) held ON true
          JOIN ref.title t ON t.title_id = held.title_id
        """,
    )
    amount, grade, years, department, country = (list(column) for column in zip(*found, strict=True))
    log_amount = [float(each) for each in amount]
    abroad = [code for code in known.country_effect if code != "DE"]
    columns = [[float(each) for each in grade], [float(each) for each in years], *indicators(country, abroad)]
    columns += indicators(department, list(known.department_effect))
    fitted = least_squares(log_amount, columns)
    assert fitted[0] == pytest.approx(known.log_salary_per_grade, abs=0.01)
    assert fitted[1] == pytest.approx(known.log_salary_per_year, abs=0.003)
    expected_country = [known.country_effect[code] for code in abroad]
    assert fitted[2 : 2 + len(abroad)] == pytest.approx(expected_country, abs=0.03)
    expected = np.array([known.log_salary_intercept + effect for effect in known.department_effect.values()])
    assert np.corrcoef(fitted[2 + len(abroad) :], expected)[0, 1] > 0.9
    residual = np.array(log_amount) - np.array(columns).T @ fitted
    assert residual.std() == pytest.approx(known.log_salary_noise_sd, abs=0.015)


def test_salary_periods_are_contiguous_and_rise(company: DatabaseUrl) -> None:
    periods = rows(
        company,
        "SELECT employee_id, valid_from, valid_to, amount, hire_date, employment"
        " FROM hr.salary JOIN hr.employee USING (employee_id) ORDER BY employee_id, valid_from",
    )
    for _, group in groupby(periods, key=lambda period: period[0]):
        own = list(group)
        assert own[0][1] == own[0][4]
        assert own[0][5] != "contractor"
        assert own[-1][2] is None
        for earlier, later in pairwise(own):
            assert (later[1] - earlier[2]).days == 1
            assert later[3] > earlier[3]
    present = "SELECT count(*) FROM hr.employee e WHERE title_id = (SELECT title_id FROM hr.title_history h"
    present += " WHERE h.employee_id = e.employee_id ORDER BY valid_from DESC LIMIT 1)"
    assert value(company, present) == EMPLOYEES


def test_absences_follow_the_season_and_each_ones_own_rate(company: DatabaseUrl) -> None:
    share = "SELECT avg((extract(month FROM start_date) IN {})::int) FROM hr.absence WHERE type_code = '{}'"
    assert value(company, share.format("(1, 2)", "sick")) > 0.3
    assert value(company, share.format("(7, 8)", "sick")) < 0.12
    assert value(company, share.format("(7, 8)", "vacation")) > 0.3
    counts = [
        count
        for (count,) in rows(
            company,
            "SELECT count(absence_id) FROM hr.employee e LEFT JOIN hr.absence USING (employee_id)"
            " WHERE hire_date < '2021-01-01' AND termination_date IS NULL AND employment <> 'contractor'"
            " GROUP BY e.employee_id",
        )
    ]
    # A Poisson distribution has the variance of its mean.
    assert np.var(counts) > 3 * np.mean(counts)
    assert counts.count(0) / len(counts) == pytest.approx(truth().never_absent_share, abs=0.04)
    outside = (
        "SELECT count(*) FROM hr.absence a JOIN hr.employee e USING (employee_id)"
        " WHERE start_date < hire_date OR end_date > termination_date OR end_date > '2025-06-30'"
    )
    overlapping = (
        "SELECT count(*) FROM hr.absence a JOIN hr.absence b ON a.employee_id = b.employee_id"
        " AND a.absence_id < b.absence_id AND a.start_date <= b.end_date AND b.start_date <= a.end_date"
    )
    assert value(company, outside) == value(company, overlapping) == 0


def test_ratings_depend_on_reviewer_and_employee(company: DatabaseUrl) -> None:
    found = rows(company, "SELECT rating, employee_id, reviewer_id FROM hr.review ORDER BY review_id")
    rating, employee, reviewer = (list(column) for column in zip(*found, strict=True))
    known = truth()
    # A twelfth is what rounding adds to the variance.
    parts = np.array([known.rating_employee_sd, known.rating_reviewer_sd, known.rating_noise_sd]) ** 2
    of_reviewer = parts[1] / (parts.sum() + 1 / 12)
    of_both = (parts[0] + parts[1]) / (parts.sum() + 1 / 12)
    assert intraclass(rating, employee) == pytest.approx(of_both, abs=0.1)
    # One rating of each employee, since those of one employee go together whoever gives them.
    first = {person: place for place, person in reversed(list(enumerate(employee)))}.values()
    between = intraclass([rating[place] for place in first], [reviewer[place] for place in first])
    assert between == pytest.approx(of_reviewer, abs=0.15)
    manages = "SELECT avg((reviewer_id = manager_id)::int) FROM hr.review JOIN hr.employee USING (employee_id)"
    assert value(company, manages) == 1
    named = (
        "SELECT avg((position(first_name IN comments) > 0)::int) FROM hr.review JOIN hr.employee USING (employee_id)"
    )
    assert value(company, named) == pytest.approx(known.comment_first_name_share, abs=0.05)
    assert value(company, "SELECT count(DISTINCT comments)::float / count(comments) FROM hr.review") > 0.9


def test_number_of_reviews_follows_tenure(company: DatabaseUrl) -> None:
    query = (
        "SELECT corr(reviews, years) FROM (SELECT count(review_id) AS reviews,"
        " least(coalesce(termination_date, '2025-06-30') - hire_date, 3100) AS years"
        " FROM hr.employee e LEFT JOIN hr.review USING (employee_id)"
        " WHERE employment <> 'contractor' GROUP BY e.employee_id) counted"
    )
    assert value(company, query) > 0.85
    contractors = "SELECT count(*) FROM hr.review JOIN hr.employee USING (employee_id) WHERE employment = 'contractor'"
    assert value(company, contractors) == 0


def test_skills_and_assignments_follow_the_work(company: DatabaseUrl) -> None:
    own_family = (
        "SELECT avg((s.category = t.job_family)::int) FROM hr.employee_skill"
        " JOIN ref.skill s USING (skill_id) JOIN hr.employee USING (employee_id) JOIN ref.title t USING (title_id)"
        " WHERE grade < 8"
    )
    assert value(company, own_family) > 0.55
    per_year = (
        "SELECT regr_slope(level, (coalesce(termination_date, '2025-06-30') - since) / 365.25)"
        " FROM hr.employee_skill JOIN hr.employee USING (employee_id)"
        " WHERE since > coalesce(termination_date, '2025-06-30') - 3000"
    )
    assert value(company, per_year) == pytest.approx(truth().skill_level_per_year, abs=0.06)
    own_department = (
        "SELECT avg((p.department_id = e.department_id)::int) FROM hr.assignment"
        " JOIN hr.project p USING (project_id) JOIN hr.employee e USING (employee_id)"
    )
    assert value(company, own_department) == pytest.approx(truth().own_department_share, abs=0.06)
    outside = (
        "SELECT count(*) FROM hr.assignment a JOIN hr.project p USING (project_id)"
        " JOIN hr.employee e USING (employee_id)"
        " WHERE a.start_date < greatest(p.start_date, e.hire_date) OR a.start_date > '2025-06-30'"
        " OR coalesce(a.end_date, '2025-06-30') > least(p.end_date, e.termination_date, '2025-06-30')"
    )
    assert value(company, outside) == 0


def test_audit_events_are_bursts_in_office_hours(company: DatabaseUrl) -> None:
    known = truth()
    local = (
        "SELECT l.employee_id, at AT TIME ZONE time_zone AS here, action, termination_date, hire_date"
        " FROM hr.audit_log l JOIN hr.employee e USING (employee_id) JOIN ref.country ON code = country_code"
    )
    weekday = value(company, f"SELECT avg((extract(isodow FROM here) < 6)::int) FROM ({local}) e")
    assert weekday == pytest.approx(known.audit_weekday_share, abs=0.025)
    early, late = known.audit_hours
    within = f"extract(hour FROM here) >= {early} AND extract(hour FROM here) < {late}"
    assert value(company, f"SELECT avg(({within})::int) FROM ({local}) e") > 0.95
    gone = (
        f"SELECT count(*) FROM ({local}) e WHERE here::date NOT BETWEEN hire_date AND coalesce(termination_date, here)"
    )
    assert value(company, gone) == 0
    gap = (
        "SELECT avg((gap < interval '10 minutes')::int) FROM (SELECT here - lag(here) OVER"
        f" (PARTITION BY employee_id ORDER BY here) AS gap FROM ({local}) e) gaps"
    )
    assert value(company, gap) > 0.75
    unordered = (
        "SELECT count(*) FROM (SELECT at < lag(at) OVER (ORDER BY audit_id) AS late FROM hr.audit_log) e WHERE late"
    )
    assert value(company, unordered) == 0
    latest = (
        "SELECT count(*) FROM hr.user_account u JOIN (SELECT employee_id, max(at) AS at FROM hr.audit_log"
        " WHERE action = 'login' GROUP BY employee_id) l USING (employee_id) WHERE u.last_login <> l.at"
    )
    assert value(company, latest) == 0
