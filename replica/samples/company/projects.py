"""The projects of the sample company, and who works on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np

from replica.samples.company.facts import DEPARTMENTS
from replica.samples.company.people import People
from replica.samples.company.tables import (
    TODAY_NUMBER,
    UNKNOWN,
    Flags,
    Ints,
    Table,
    dates,
    dates_or_none,
    day_number,
    keys,
    pick,
    references,
)
from replica.samples.company.truth import TRUTH
from replica.seeds import stream

_EMPLOYEES_PER_PROJECT = 13
_FIRST_DAY = date(2016, 1, 4)
_AIMS = ("Migration of", "Redesign of", "Rollout of", "Review of", "Pilot for", "Renewal of", "Automation of")
_THINGS = {
    "engineering": ("the billing service", "the search index", "the data lake", "the mobile app", "the build pipeline"),
    "product": ("the design system", "the customer portal", "the price pages", "the sign-up form"),
    "sales": ("the CRM", "the partner programme", "the tender process", "the discount rules"),
    "marketing": ("the web shop campaign", "the trade fair", "the newsletter", "the brand guide"),
    "support": ("the ticket system", "the help centre", "the chat desk", "the training videos"),
    "finance": ("the closing process", "the cost centres", "the travel expenses", "the invoice archive"),
    "people": ("the applicant portal", "the payroll interface", "the review process", "the learning platform"),
    "operations": ("the warehouse", "the fleet contracts", "the supplier portal", "the office move"),
    "legal": ("the contract archive", "the privacy notices", "the whistleblower line"),
}
_ROLES = {
    "engineering": (("specialist", 0.6), ("tester", 0.25), ("analyst", 0.15)),
    "product": (("specialist", 0.5), ("analyst", 0.3), ("tester", 0.2)),
    "finance": (("analyst", 0.7), ("specialist", 0.2), ("advisor", 0.1)),
    "legal": (("advisor", 0.8), ("analyst", 0.2)),
}
_OTHER_ROLES = (("coordinator", 0.45), ("specialist", 0.35), ("advisor", 0.2))


@dataclass(frozen=True, slots=True)
class Projects:
    """All projects in the order of their start.

    Attributes:
        department: positions in ``DEPARTMENTS``.
        lead: positions of employees, or ``UNKNOWN``.
        start: day numbers.
        end: day numbers; beyond today where a project goes on.
        status: labels of ``hr.project_status``.
    """

    department: Ints
    lead: Ints
    start: Ints
    end: Ints
    status: list[str]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def ended(self) -> Flags:
        """Which ones have an end."""
        return np.array([status in {"done", "cancelled"} for status in self.status])


def draw_projects(seed: int, people: People) -> Projects:
    """Draws projects of all departments but the executive office; large departments have more."""
    rng = stream(seed, "company", "project")
    count = max(12, len(people) // _EMPLOYEES_PER_PROJECT)
    sizes = np.bincount(people.department, minlength=len(DEPARTMENTS)) ** 0.7
    sizes[0] = 0
    department = rng.choice(len(DEPARTMENTS), size=count, p=sizes / sizes.sum())
    first, last = day_number(_FIRST_DAY), TODAY_NUMBER + 120
    start = np.sort(first + ((last - first) * rng.beta(1.3, 1.0, count)).astype(np.int64))
    end = start + np.maximum(60, rng.lognormal(5.5, 0.6, count)).astype(np.int64)
    cancelled, held = rng.random((2, count))
    status = np.where(cancelled < 0.12, "cancelled", "done")
    end = np.where(status == "cancelled", start + (end - start) // 3, end)
    status = np.where(end > TODAY_NUMBER, np.where(held < 0.25, "on_hold", "active"), status)
    status = np.where(start > TODAY_NUMBER, "planned", status)
    lead = np.array(
        [
            _lead(rng, people, int(place), int(day)) if state != "planned" else UNKNOWN
            for place, day, state in zip(department, start, status, strict=True)
        ]
    )
    return Projects(department, lead, start, end, status.tolist())


def _lead(rng: np.random.Generator, people: People, department: int, day: int) -> int:
    """Draws one of the department who stays for the whole project, or nobody if there is none."""
    there = np.flatnonzero((people.department == department) & (people.hire <= day) & ~people.left & people.on_payroll)
    return int(rng.choice(there)) if len(there) else UNKNOWN


def project_table(seed: int, projects: Projects) -> Table:
    """Returns the projects as a table; a code is the year of the start and a number within the year."""
    rng = stream(seed, "company", "project_names")
    in_year: Counter[int] = Counter()
    codes: list[str] = []
    for day in dates(projects.start):
        in_year[day.year] += 1
        codes.append(f"PRJ-{day.year}-{in_year[day.year]:03d}")
    things = [_THINGS[DEPARTMENTS[place].family] for place in projects.department.tolist()]
    aims = pick(rng, _AIMS, [1.0] * len(_AIMS), len(projects))
    draws = rng.random(len(projects)).tolist()
    names = [f"{aim} {thing[int(draw * len(thing))]}" for aim, thing, draw in zip(aims, things, draws, strict=True)]
    budget = (projects.end - projects.start) * rng.lognormal(6.3, 0.5, len(projects))
    return Table(
        "hr.project",
        {
            "project_id": keys(len(projects)),
            "code": codes,
            "name": names,
            "department_id": (projects.department + 1).tolist(),
            "lead_id": references(projects.lead),
            "start_date": dates(projects.start),
            "end_date": dates_or_none(projects.end, projects.ended),
            "status": projects.status,
            "budget": (np.rint(budget / 500) * 500).tolist(),
        },
    )


def assignments(seed: int, people: People, projects: Projects) -> Table:
    """Draws the members of each project, most of them from its department, within its dates and their own."""
    rng = stream(seed, "company", "assignment")
    parts = [_members(rng, people, projects, project) for project in range(len(projects))]
    project = np.repeat(np.arange(len(projects)), [len(part) for part in parts])
    owner = np.concatenate(parts)
    first = np.maximum(projects.start[project], people.hire[owner])
    last = np.minimum(projects.end[project], people.last_day[owner])
    late = np.minimum(rng.exponential(40, len(owner)), 0.5 * (last - first)).astype(np.int64)
    early = (rng.random(len(owner)) < 0.4) * rng.random(len(owner)) * 0.4 * (last - first)
    is_lead = projects.lead[project] == owner
    start = np.where(is_lead, first, first + late)
    end = np.where(is_lead, last, last - early.astype(np.int64))
    # Whoever is on a running project and has not left it has no end yet.
    closed = projects.ended[project] | people.left[owner] | (end < np.minimum(TODAY_NUMBER, last))
    return Table(
        "hr.assignment",
        {
            "project_id": (project + 1).tolist(),
            "employee_id": (owner + 1).tolist(),
            "start_date": dates(start),
            "end_date": dates_or_none(end, closed),
            "role": _roles(rng, people, owner, is_lead),
            "allocation": _allocations(rng, people, owner, is_lead),
        },
    )


def _members(rng: np.random.Generator, people: People, projects: Projects, project: int) -> Ints:
    """Draws who is on a project: its lead, people of the department, and some of others."""
    if projects.status[project] == "planned":
        return np.empty(0, dtype=np.int64)
    start, end, lead = projects.start[project], min(projects.end[project], TODAY_NUMBER), projects.lead[project]
    there = (people.hire < end - 14) & (people.last_day > start + 14)
    there[lead] &= lead == UNKNOWN
    inside = there & (people.department == projects.department[project])
    own = np.flatnonzero(inside)
    others = np.flatnonzero(there & ~inside)
    size = int(rng.poisson(0.25 * len(own) + 5))
    from_own = min(len(own), rng.binomial(size, TRUTH.own_department_share))
    # Small departments do not fill up with strangers: the shares hold for each project.
    from_others = min(len(others), rng.binomial(max(from_own, 1), 1 / TRUTH.own_department_share - 1))
    leads = [lead] if lead != UNKNOWN else []
    chosen = [*leads, *rng.choice(own, from_own, replace=False), *rng.choice(others, from_others, replace=False)]
    return np.array(chosen, dtype=np.int64)


def _roles(rng: np.random.Generator, people: People, owner: Ints, is_lead: Flags) -> list[str]:
    draws = rng.random(len(owner)).tolist()
    families = people.families
    found: list[str] = []
    for position, leads, draw in zip(owner.tolist(), is_lead.tolist(), draws, strict=True):
        options = _ROLES.get(families[position], _OTHER_ROLES)
        edges = np.cumsum([weight for _, weight in options])
        found.append("lead" if leads else options[int((draw > edges[:-1]).sum())][0])
    return found


def _allocations(rng: np.random.Generator, people: People, owner: Ints, is_lead: Flags) -> list[float]:
    """Draws percentages: leads give half of their time and more, part-time workers seldom all of it."""
    usual = rng.choice([10, 20, 25, 40, 50, 80, 100], len(owner), p=[0.1, 0.25, 0.1, 0.2, 0.2, 0.1, 0.05])
    leading = rng.choice([50, 60, 80, 100], len(owner))
    part_time = np.array([kind == "part_time" for kind in people.employment])[owner]
    share = np.where(is_lead, leading, usual).astype(np.float64)
    share = np.where(part_time, np.minimum(share, 50), share)
    return [float(each) for each in share]
