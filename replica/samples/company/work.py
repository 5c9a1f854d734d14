"""What happens to the people of the sample company: titles, salaries, absences and skills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from replica.samples.company.facts import ABSENCE_TYPES, COUNTRIES, DEPARTMENTS, SKILLS, TITLES
from replica.samples.company.people import People, ladder
from replica.samples.company.tables import (
    UNKNOWN,
    YEAR,
    Flags,
    Floats,
    Ints,
    Table,
    dates,
    day_number,
    keys,
    month_start,
    references,
)
from replica.samples.company.truth import TRUTH
from replica.seeds import stream

_MARKET = date(2022, 10, 1)
_RAISE_SHARE = 0.32
_CANDIDATES = 24


@dataclass(frozen=True, slots=True)
class Step:
    """A title that somebody held.

    Attributes:
        employee: the position of the employee.
        start: day number.
        title: position in ``TITLES``.
    """

    employee: int
    start: int
    title: int


def title_steps(seed: int, people: People) -> list[Step]:
    """Draws the way of everybody from the first title to the present one; long tenure goes with more steps."""
    rng = stream(seed, "company", "title_history")
    luck = rng.random((len(people), 3)).tolist()
    families = people.families
    found: list[Step] = []
    for employee, (title, rank, tenure) in enumerate(
        zip(people.title.tolist(), people.rank, people.tenure.tolist(), strict=True)
    ):
        below = _titles_below(title, rank, families[employee])
        held = sum(draw < min(0.8, tenure / (3.0 * (n + 1))) for n, draw in enumerate(luck[employee]))
        quarters = _quarters(int(people.hire[employee]) + 300, int(people.last_day[employee]) - 60)
        held = min(held, len(below), len(quarters))
        starts = sorted(rng.choice(quarters, size=held, replace=False).tolist()) if held else []
        titles = [*below[len(below) - held :], title]
        found += [
            Step(employee, start, each)
            for start, each in zip([int(people.hire[employee]), *starts], titles, strict=True)
        ]
    return found


def _titles_below(title: int, rank: str, family: str) -> list[int]:
    """Returns the titles that lead up to one; directors began as such."""
    if rank == "director":
        return []
    grade = TITLES[title].grade
    leading = [place for place, each in enumerate(TITLES) if each.family == family and each.grade == 7]
    return [place for place in [*ladder(family), *leading] if TITLES[place].grade < grade]


def _quarters(first: int, last: int) -> list[int]:
    """Returns the first days of the quarters between two days."""
    if last <= first:
        return []
    months = np.arange(first, last).astype("datetime64[D]").astype("datetime64[M]")
    starts = np.unique(months[months.astype(np.int64) % 3 == 0]).astype("datetime64[D]").astype(np.int64)
    return [start for start in starts.tolist() if start >= first]


def title_history(steps: Sequence[Step]) -> Table:
    """Returns the steps as a table."""
    return Table(
        "hr.title_history",
        {
            "employee_id": [step.employee + 1 for step in steps],
            "valid_from": dates(np.array([step.start for step in steps])),
            "title_id": [step.title + 1 for step in steps],
        },
    )


@dataclass(frozen=True, slots=True)
class _Period:
    employee: int
    start: int
    reason: str
    title: int


def salaries(seed: int, people: People, steps: Sequence[Step]) -> Table:
    """Draws the salaries of all but contractors, by the formula of :class:`CompanyTruth`."""
    rng = stream(seed, "company", "salary")
    periods = _periods(rng, people, steps)
    owner = np.array([period.employee for period in periods])
    start = np.array([period.start for period in periods])
    first = np.diff(owner, prepend=UNKNOWN) != 0
    following = np.append(start[1:], 0)
    last = np.append(first[1:], True)
    currency = {each.code: each.currency for each in COUNTRIES}
    amount = np.exp(_log_salary(rng, people, periods, first))
    return Table(
        "hr.salary",
        {
            "employee_id": (owner + 1).tolist(),
            "valid_from": dates(start),
            "valid_to": [
                None if is_last else day for day, is_last in zip(dates(following - 1), last.tolist(), strict=True)
            ],
            "amount": (np.rint(amount / 10) * 10).tolist(),
            "currency_code": [currency[people.country[position]] for position in owner.tolist()],
            "reason": [period.reason for period in periods],
        },
    )


def _periods(rng: np.random.Generator, people: People, steps: Sequence[Step]) -> list[_Period]:
    """Draws when salaries change: with every promotion, on some first days of April, and once for the market."""
    held: list[list[Step]] = [[] for _ in range(len(people))]
    for step in steps:
        held[step.employee].append(step)
    years = range(2005, TRUTH.today.year + 1)
    aprils = [day_number(date(year, 4, 1)) for year in years]
    raised = rng.random((len(people), len(aprils))) < _RAISE_SHARE
    adjusted = rng.random(len(people)) < 0.35
    found: list[_Period] = []
    for employee in np.flatnonzero(people.on_payroll).tolist():
        first, last = int(people.hire[employee]), int(people.last_day[employee])
        reasons = {day: "annual" for day, given in zip(aprils, raised[employee].tolist(), strict=True) if given}
        if adjusted[employee]:
            reasons[day_number(_MARKET)] = "market"
        reasons = {day: reason for day, reason in reasons.items() if first + 180 < day < last}
        reasons |= {step.start: "promotion" for step in held[employee]} | {first: "hire"}
        titles = iter([*held[employee], None])
        title, upcoming = 0, next(titles)
        for day in sorted(reasons):
            while upcoming and upcoming.start <= day:
                title, upcoming = upcoming.title, next(titles)
            found.append(_Period(employee, day, reasons[day], title))
    return found


def _log_salary(rng: np.random.Generator, people: People, periods: Sequence[_Period], first: Flags) -> Floats:
    """Applies the formula; the yearly step is spread between one period and the next, never below zero."""
    owner = np.array([period.employee for period in periods])
    start = np.array([period.start for period in periods])
    grade = np.array([TITLES[period.title].grade for period in periods])
    years = np.where(first, 0.0, np.diff(start, prepend=0) / YEAR)
    growth = np.cumsum(TRUTH.log_salary_per_year * years * rng.uniform(*TRUTH.raise_spread, len(periods)))
    base = growth[np.flatnonzero(first)]
    growth -= base[np.cumsum(first) - 1]
    department = np.array([TRUTH.department_effect[each.name] for each in DEPARTMENTS])[people.department]
    country = np.array([TRUTH.country_effect[code] for code in people.country])
    own = department + country + rng.normal(0, TRUTH.log_salary_noise_sd, len(people))
    total: Floats = TRUTH.log_salary_intercept + TRUTH.log_salary_per_grade * grade + growth + own[owner]
    return total


def absences(seed: int, people: People) -> Table:
    """Draws absences by each one's own rate, the season of each type, and without overlaps."""
    rng = stream(seed, "company", "absence")
    begin = np.maximum(people.hire, day_number(TRUTH.absent_since))
    owner = _absence_owners(rng, people, np.maximum(people.last_day - begin, 0) / YEAR)
    kind = _absence_kinds(rng, len(people), owner)
    start = _in_season(rng, begin[owner], people.last_day[owner], kind)
    start, end = _absence_days(rng, start, people.last_day[owner], kind)
    order = np.lexsort((start, owner))
    order = order[_apart(owner[order], start[order], end[order])]
    # Requests come in by time and not by employee.
    order = order[np.argsort(start[order], kind="stable")]
    owner, kind, start, end = owner[order], kind[order], start[order], end[order]
    return Table(
        "hr.absence",
        {
            "absence_id": keys(len(owner)),
            "employee_id": (owner + 1).tolist(),
            "type_code": [ABSENCE_TYPES[place].code for place in kind.tolist()],
            "start_date": dates(start),
            "end_date": dates(end),
            "approved_by": _approvers(rng, people, owner, kind),
        },
    )


def _absence_owners(rng: np.random.Generator, people: People, years: Floats) -> Ints:
    """Draws how often each one was away: rates differ by a gamma distribution, and some are zero."""
    shape = TRUTH.absence_rate_shape
    rate = rng.gamma(shape, TRUTH.absences_per_year / shape, len(people))
    rate[rng.random(len(people)) < TRUTH.never_absent_share] = 0
    # What contractors do in their own time is not recorded.
    rate[~people.on_payroll] = 0
    return np.repeat(np.arange(len(people)), rng.poisson(rate * years))


def _absence_kinds(rng: np.random.Generator, employees: int, owner: Ints) -> Ints:
    """Draws types, where each one leans to some of them."""
    shares = np.array([each.share for each in ABSENCE_TYPES])
    leaning = rng.normal(0, 0.7, (employees, len(shares)))
    scores = np.log(shares) + leaning[owner] + rng.gumbel(size=(len(owner), len(shares)))
    kinds: Ints = scores.argmax(axis=1)
    return kinds


def _in_season(rng: np.random.Generator, first: Ints, last: Ints, kind: Ints) -> Ints:
    """Draws days of which those in season are taken more often."""
    seasons = np.array([TRUTH.absence_season.get(each.code, (1.0,) * 12) for each in ABSENCE_TYPES])
    days = first[:, None] + (rng.random((len(first), _CANDIDATES)) * (last - first + 1)[:, None]).astype(np.int64)
    month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    scores = np.log(seasons[kind[:, None], month]) + rng.gumbel(size=days.shape)
    chosen: Ints = days[np.arange(len(first)), scores.argmax(axis=1)]
    return chosen


def _absence_days(rng: np.random.Generator, start: Ints, last: Ints, kind: Ints) -> tuple[Ints, Ints]:
    """Draws how long absences are; weekends are not where they begin, and long vacations run Monday to Friday."""
    code = np.array([each.code for each in ABSENCE_TYPES])[kind]
    vacation = rng.choice([1, 2, 3, 5, 12, 19], len(start), p=[0.2, 0.12, 0.13, 0.25, 0.22, 0.08])
    sick = np.where(rng.random(len(start)) < 0.03, rng.integers(15, 60, len(start)), rng.geometric(0.36, len(start)))
    length = np.select(
        [code == "vacation", code == "sick", code == "parental", code == "unpaid"],
        [vacation, sick, rng.integers(4, 30, len(start)) * 14, rng.integers(1, 60, len(start))],
        rng.geometric(0.6, len(start)),
    )
    # 1970 began on a Thursday, so that Monday is 0 here.
    weekday = (start + 3) % 7
    to_monday = (weekday >= 5) | ((code == "vacation") & (length >= 5))
    monday = start + (7 - weekday) % 7
    start = np.where(to_monday & (monday <= last), monday, start)
    return start, np.minimum(start + length - 1, last)


def _apart(owner: Ints, start: Ints, end: Ints) -> Flags:
    """Tells which rows, ordered by owner and start, do not overlap a row that stays."""
    stays: list[bool] = []
    current, busy_until = UNKNOWN, 0
    for person, first, final in zip(owner.tolist(), start.tolist(), end.tolist(), strict=True):
        free = person != current or first > busy_until
        stays.append(free)
        if free:
            current, busy_until = person, final
    return np.array(stays)


def _approvers(rng: np.random.Generator, people: People, owner: Ints, kind: Ints) -> list[int | None]:
    """The manager approves what needs it, and now and then the manager's manager."""
    manager = people.manager[owner]
    above = np.where(manager == UNKNOWN, UNKNOWN, people.manager[manager])
    steps_in = (rng.random(len(owner)) < 0.04) & (above != UNKNOWN)
    needed = np.array([each.needs_approval for each in ABSENCE_TYPES])[kind]
    return references(np.where(needed, np.where(steps_in, above, manager), UNKNOWN))


def skills(seed: int, people: People) -> Table:
    """Draws skills, mostly those of the own job family, at levels that rise with the years of use."""
    rng = stream(seed, "company", "employee_skill")
    category = np.array([family for _, family in SKILLS])
    own = np.array(people.families)[:, None] == category[None, :]
    odds = np.where(own, TRUTH.skill_own_family_odds, np.where(category == "general", 3.0, 1.0))
    scores = np.log(odds) + rng.gumbel(size=odds.shape)
    count = 1 + rng.poisson(2.0, len(people))
    place_of = np.argsort(np.argsort(-scores, axis=1), axis=1)
    owner, skill = np.nonzero(place_of < count[:, None])
    before = np.where(rng.random(len(owner)) < 0.25, rng.exponential(2 * YEAR, len(owner)), 0)
    inside = rng.random(len(owner)) * (people.last_day - people.hire)[owner]
    since = people.hire[owner] + np.where(before > 0, -np.minimum(before, 6 * YEAR), inside).astype(np.int64)
    # A skill cannot date from childhood.
    since = np.maximum(since, np.minimum(people.birth[owner] + int(16 * YEAR), people.hire[owner]))
    years = (people.last_day[owner] - since) / YEAR
    level = np.clip(np.rint(1.2 + TRUTH.skill_level_per_year * years + rng.normal(0, 0.6, len(owner))), 1, 5)
    return Table(
        "hr.employee_skill",
        {
            "employee_id": (owner + 1).tolist(),
            "skill_id": (skill + 1).tolist(),
            "level": level.astype(np.int64).tolist(),
            "since": dates(month_start(since)),
        },
    )
