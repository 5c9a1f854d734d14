"""The sample company: an HR database of 20 tables, written into an empty database.

It stands in for a real company wherever none may be shown: in the demonstration, in tests and in the documentation.
All names, numbers and addresses are made up. How its rows depend on each other is known, see :func:`truth`, so that
it can be told how much of that a replica keeps. Each table draws from its own random stream: the same seed gives the
same rows on every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources

import numpy as np
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from replica.databases.postgres.connection import connect, reported
from replica.databases.url import DatabaseUrl
from replica.errors import SettingsError, TargetNotEmptyError
from replica.samples.company.audit import draw_audit_log
from replica.samples.company.facts import (
    ABSENCE_TYPES,
    BANKS,
    COUNTRIES,
    CURRENCIES,
    DEPARTMENTS,
    OFFICES,
    SKILLS,
    TITLES,
)
from replica.samples.company.people import People, draw_people
from replica.samples.company.personal import (
    addresses,
    bank_accounts,
    languages,
    national_ids,
    phones,
    user_accounts,
)
from replica.samples.company.projects import assignments, draw_projects, project_table
from replica.samples.company.reviews import reviews
from replica.samples.company.tables import UNKNOWN, Table, dates, dates_or_none, keys, references
from replica.samples.company.truth import TODAY, TRUTH, CompanyTruth, salary_band
from replica.samples.company.work import absences, salaries, skills, title_history, title_steps
from replica.seeds import stream

MIN_EMPLOYEES = 100
"""With fewer, the departments have no members beside their heads."""

_HOLDS_TABLES = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
                  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema')
"""

_NUMBERED = {
    "ref.title": "title_id",
    "ref.skill": "skill_id",
    "hr.office": "office_id",
    "hr.department": "department_id",
    "hr.employee": "employee_id",
    "hr.bank_account": "bank_account_id",
    "hr.absence": "absence_id",
    "hr.review": "review_id",
    "hr.project": "project_id",
    "hr.audit_log": "audit_id",
}


def truth() -> CompanyTruth:
    """Returns the dependences that the rows of :func:`build_company` are drawn with, and their parameters."""
    return TRUTH


def build_company(url: DatabaseUrl, *, seed: int = 0, employees: int = 2000) -> int:
    """Fills an empty database with the sample company, in one transaction.

    Args:
        url: the database, which exists and holds no tables.
        seed: the same seed gives the same rows.
        employees: how many people there are, with those who left; all but the lookup tables grow with it.

    Returns:
        The number of rows written.

    Raises:
        SettingsError: there are too few employees.
        TargetNotEmptyError: the database holds tables already.
    """
    if employees < MIN_EMPLOYEES:
        raise SettingsError(f"{employees} employees are too few: the sample company needs {MIN_EMPLOYEES} at least")
    tables = company_tables(seed, employees)
    with connect(url) as connection, reported("writing the sample company"):
        held = connection.execute(_HOLDS_TABLES).fetchone()
        if held and held[0]:
            raise TargetNotEmptyError(f"{url} holds tables: the sample company is written into an empty database")
        connection.execute(resources.files("replica.samples.company").joinpath("company.sql").read_bytes())
        for table in tables:
            _copy(connection, table)
        connection.execute("REFRESH MATERIALIZED VIEW hr.headcount")
    return sum(len(table) for table in tables)


def company_tables(seed: int, employees: int) -> list[Table]:
    """Draws all rows, table by table in an order in which they can be written.

    Args:
        seed: the root seed.
        employees: how many people there are.
    """
    people = draw_people(seed, employees)
    steps = title_steps(seed, people)
    absent, reviewed = absences(seed, people), reviews(seed, people)
    projects = draw_projects(seed, people)
    pointed_at = {"employee": employees, "absence": len(absent), "review": len(reviewed), "project": len(projects)}
    audit = draw_audit_log(seed, people, pointed_at)
    return [
        *_lookups(),
        _departments(seed, people),
        _employees(seed, people),
        addresses(seed, people),
        bank_accounts(seed, people),
        user_accounts(seed, people, audit.last_login, audit.last_ip),
        title_history(steps),
        salaries(seed, people, steps),
        absent,
        reviewed,
        skills(seed, people),
        project_table(seed, projects),
        assignments(seed, people, projects),
        audit.table,
    ]


def _lookups() -> list[Table]:
    """Returns the tables whose rows are fixed."""
    bands = [salary_band(title.grade) for title in TITLES]
    return [
        _listed("ref.currency", ("code", "name"), CURRENCIES),
        _listed("ref.country", ("code", "name", "currency_code", "dialling_code", "time_zone", "in_eu"), COUNTRIES),
        _listed(
            "ref.title",
            ("title_id", "name", "job_family", "grade", "min_salary", "max_salary"),
            [(place, *title, *band) for place, (title, band) in enumerate(zip(TITLES, bands, strict=True), start=1)],
        ),
        _listed(
            "ref.absence_type", ("code", "name", "is_paid", "needs_approval"), [each[:4] for each in ABSENCE_TYPES]
        ),
        _listed(
            "ref.skill",
            ("skill_id", "name", "category"),
            [(place, *skill) for place, skill in enumerate(SKILLS, start=1)],
        ),
        _listed("ref.bank", ("bic", "name", "country_code", "bank_code"), BANKS),
        _listed(
            "hr.office",
            ("office_id", "name", "street", "postcode", "city", "country_code", "opened_on"),
            [(place, *office[:6]) for place, office in enumerate(OFFICES, start=1)],
        ),
    ]


def _listed(name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    return Table(name, dict(zip(columns, zip(*rows, strict=True), strict=True)))


def _departments(seed: int, people: People) -> Table:
    """Returns the tree; its heads are the first of their department, and vacant posts have none."""
    rng = stream(seed, "company", "department")
    place_of = {each.name: place for place, each in enumerate(DEPARTMENTS)}
    heads = np.full(len(DEPARTMENTS), UNKNOWN)
    # From the last to the first, so that of the directors the one who came first stays.
    for position in range(len(people) - 1, -1, -1):
        if people.rank[position] in {"director", "division", "head"}:
            heads[people.department[position]] = position
    size = np.bincount(people.department, minlength=len(DEPARTMENTS))
    return Table(
        "hr.department",
        {
            "department_id": keys(len(DEPARTMENTS)),
            "parent_id": [place_of[each.parent] + 1 if each.parent else None for each in DEPARTMENTS],
            "name": [each.name for each in DEPARTMENTS],
            "cost_centre": _cost_centres(),
            "head_id": references(heads),
            "budget": (np.rint(size * rng.lognormal(11.1, 0.2, len(size)) / 1000) * 1000).tolist(),
            "updated_at": _touched(rng, len(DEPARTMENTS)),
        },
    )


def _cost_centres() -> list[str]:
    """Numbers cost centres by division, in steps that leave room: those of the first division begin with CC-10."""
    codes: list[str] = []
    division, number = 9, 0
    for each in DEPARTMENTS:
        is_division = each.parent in {None, DEPARTMENTS[0].name}
        division, number = (division + 1, 0) if is_division else (division, number + 10)
        codes.append(f"CC-{division:02d}{number:02d}")
    return codes


def _employees(seed: int, people: People) -> Table:
    rng = stream(seed, "company", "employee")
    # Numbers are given in the order of hire, and some were never used.
    numbers = np.cumsum(rng.choice([1, 2, 3], len(people), p=[0.93, 0.05, 0.02])).tolist()
    return Table(
        "hr.employee",
        {
            "employee_id": keys(len(people)),
            "employee_number": [f"E-{number:06d}" for number in numbers],
            "first_name": people.first_name,
            "last_name": people.last_name,
            "sex": people.sex,
            "birth_date": dates(people.birth),
            "email": people.email,
            "phone": phones(rng, people),
            "national_id": national_ids(rng, people),
            "hire_date": dates(people.hire),
            "termination_date": dates_or_none(people.last_day, people.left),
            "employment": people.employment,
            "department_id": (people.department + 1).tolist(),
            "title_id": (people.title + 1).tolist(),
            "manager_id": references(people.manager),
            "office_id": references(people.office),
            "country_code": people.country,
            "languages": languages(rng, people),
            "work_hours": _work_hours(rng, people),
            "updated_at": _touched(rng, len(people)),
        },
    )


def _work_hours(rng: np.random.Generator, people: People) -> list[float | None]:
    """Full time is what the country says; part time comes in round numbers, and contractors agree on none."""
    part = rng.choice([16.0, 20.0, 24.0, 28.0, 30.0], len(people), p=[0.1, 0.35, 0.15, 0.1, 0.3]).tolist()
    hours: list[float | None] = []
    for kind, code, some in zip(people.employment, people.country, part, strict=True):
        agreed = some if kind == "part_time" else TRUTH.full_hours[code]
        hours.append(None if kind == "contractor" else agreed)
    return hours


def _touched(rng: np.random.Generator, count: int) -> list[datetime]:
    """Draws when rows were last changed, rather lately than long ago."""
    end = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
    return [end - timedelta(seconds=int(age)) for age in rng.exponential(200 * 86400, count)]


def _copy(connection: psycopg.Connection[tuple[object, ...]], table: Table) -> None:
    """Writes a table, and sets its sequence so that the next key is free."""
    schema, _, name = table.name.partition(".")
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema, name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in table.rows():
            copy.write_row([Jsonb(value) if isinstance(value, dict) else value for value in row])
    if table.name in _NUMBERED:
        connection.execute(
            "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", (table.name, _NUMBERED[table.name], len(table))
        )
