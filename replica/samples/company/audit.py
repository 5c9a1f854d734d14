"""The audit log of the sample company: sessions on workdays, and jobs at night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from replica.samples.company.facts import COUNTRIES
from replica.samples.company.people import People
from replica.samples.company.tables import TODAY_NUMBER, UNKNOWN, Floats, Ints, Table, day_number, keys
from replica.samples.company.truth import TRUTH
from replica.seeds import stream

_SESSIONS_PER_EMPLOYEE = 1.0
_HOUR, _DAY = 3600, 86400
_SERVER_ZONE = "Europe/Berlin"
# These families keep other people's records, and so use the system more.
_ACTIVITY = {"people": 6.0, "finance": 2.5, "management": 2.0}

_OBJECTS = {
    "view": (("employee", 0.45), ("absence", 0.25), ("review", 0.15), ("project", 0.15)),
    "update": (("employee", 0.4), ("absence", 0.35), ("project", 0.25)),
    "create": (("absence", 0.97), ("project", 0.03)),
    "approve": (("absence", 1.0),),
    "export": (("employee", 0.6), ("absence", 0.4)),
    "print": (("employee", 0.5), ("review", 0.5)),
}
_STAFF_ACTIONS = (("view", 0.66), ("update", 0.14), ("create", 0.16), ("export", 0.02), ("print", 0.02))
_LEADER_ACTIONS = (("view", 0.5), ("approve", 0.3), ("update", 0.1), ("create", 0.06), ("export", 0.04))
_FIELDS = {
    "employee": ("phone", "languages", "work_hours", "office_id"),
    "absence": ("start_date", "end_date", "type_code"),
    "project": ("status", "end_date", "budget"),
}
_AGENTS = ("Firefox/128", "Chrome/126", "Safari/17", "Edge/125")
_JOBS = ("payroll_export", "directory_sync", "backup_check")
_OPTIONAL = frozenset({"login", "logout", "failed_login"})


class _Event(NamedTuple):
    """A row of the log.

    Attributes:
        order: seconds that sort events of all zones by time.
        employee: position, or ``UNKNOWN``.
        at: local time with its zone.
        action: what was done.
        object_type: to what.
        object_id: its key.
        ip: where from.
        payload: details.
    """

    order: float
    employee: int
    at: str
    action: str
    object_type: str
    object_id: str | None
    ip: str | None
    payload: dict[str, object]


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The log as a table, and what it says of logins.

    Attributes:
        table: ``hr.audit_log``.
        last_login: when each employee last logged in; None for those who never did.
        last_ip: from which address.
    """

    table: Table
    last_login: list[str | None]
    last_ip: list[str | None]


def draw_audit_log(seed: int, people: People, objects: Mapping[str, int]) -> AuditLog:
    """Draws the events of the year before today.

    Args:
        seed: the root seed of the sample.
        people: the employees.
        objects: how many rows the tables have that events may point at, by object type.
    """
    rng = stream(seed, "company", "audit_log")
    addresses = _addresses(rng, people)
    events = _jobs(rng)
    user, day = _sessions(rng, people)
    starts = _start_seconds(rng, len(user))
    for employee, session_day, start in zip(user.tolist(), day.tolist(), starts.tolist(), strict=True):
        ip = addresses[employee][int(rng.random() < 0.2)]
        events += _session(rng, people, _Visit(employee, session_day * _DAY + start, ip), objects)
    events.sort(key=lambda event: event.order)
    last_login, last_ip = _last_logins(rng, people, events, [office for office, _ in addresses])
    return AuditLog(_table(events), last_login, last_ip)


def _table(events: Sequence[_Event]) -> Table:
    return Table(
        "hr.audit_log",
        {
            "audit_id": keys(len(events)),
            "employee_id": [None if event.employee == UNKNOWN else event.employee + 1 for event in events],
            "at": [event.at for event in events],
            "action": [event.action for event in events],
            "object_type": [event.object_type for event in events],
            "object_id": [event.object_id for event in events],
            "ip": [event.ip for event in events],
            "payload": [event.payload for event in events],
        },
    )


def _addresses(rng: np.random.Generator, people: People) -> list[tuple[str, str]]:
    """Returns each one's usual address and another one; those of remote workers are never in an office."""
    host = rng.integers(1, 255, (len(people), 4)).tolist()
    found: list[tuple[str, str]] = []
    for office, (one, two, three, net) in zip(people.office.tolist(), host, strict=True):
        home = f"{('192.0.2', '198.51.100', '203.0.113')[net % 3]}.{three}"
        found.append((f"10.{office + 1}.{one % 8}.{two}" if office != UNKNOWN else home, home))
    return found


def _sessions(rng: np.random.Generator, people: People) -> tuple[Ints, Ints]:
    """Draws who comes on which day: few come often, nobody before hire or after leaving."""
    first = np.maximum(people.hire, day_number(TRUTH.audit_since))
    span = np.maximum(people.last_day - first, 0)
    family = np.array([_ACTIVITY.get(each, 1.0) for each in people.families])
    weight = span * family * rng.lognormal(0, 1.1, len(people)) * (rng.random(len(people)) > 0.08)
    count = round(len(people) * _SESSIONS_PER_EMPLOYEE)
    user = rng.choice(len(people), size=count, p=weight / weight.sum())
    day = first[user] + (rng.random(count) * span[user]).astype(np.int64)
    # 1970 began on a Thursday, so that Monday is 0 here. Two of seven days are drawn on a weekend.
    weekday = (day + 3) % 7
    moved = (weekday >= 5) & (rng.random(count) > (1 - TRUTH.audit_weekday_share) * 3.5)
    day = np.where(moved, day - weekday + rng.integers(0, 5, count), day)
    inside = (day >= first[user]) & (day < np.minimum(people.last_day[user], TODAY_NUMBER))
    return user[inside], day[inside]


def _start_seconds(rng: np.random.Generator, count: int) -> Floats:
    """Draws local times of day: mornings, before lunch, afternoons, and some evenings."""
    early, late = TRUTH.audit_hours
    hours = np.array([[9.1, 0.6], [11.2, 0.8], [14.4, 1.3]])[rng.choice(3, count, p=[0.45, 0.2, 0.35])]
    hour = np.clip(rng.normal(hours[:, 0], hours[:, 1]), early + 0.3 * rng.random(count), late - 1.2)
    evening = rng.random(count) < 0.02
    seconds: Floats = np.where(evening, rng.uniform(late, 22.5, count), hour) * _HOUR
    return seconds


class _Visit(NamedTuple):
    employee: int
    start: float
    ip: str


def _session(rng: np.random.Generator, people: People, visit: _Visit, objects: Mapping[str, int]) -> list[_Event]:
    """Draws a burst of events: a login, what follows within minutes, and mostly a logout."""
    leads = people.rank[visit.employee] != "staff"
    options = _LEADER_ACTIONS if leads else _STAFF_ACTIONS
    middle = [_weighted(options, draw) for draw in rng.random(rng.geometric(0.24)).tolist()]
    draws = rng.random(3)
    actions = ["failed_login"] if draws[0] < 0.05 else []
    actions += ["login", *middle]
    actions += ["logout"] if draws[1] < 0.55 else []
    country = next(each for each in COUNTRIES if each.code == people.country[visit.employee])
    # Every other zone of the company is an hour ahead of London.
    ahead = 0 if country.code == "GB" else _HOUR
    agent = _AGENTS[int(rng.random() * len(_AGENTS))]
    times = visit.start + np.cumsum(rng.exponential(70, len(actions)) + 2)
    found: list[_Event] = []
    for action, time in zip(actions, times.tolist(), strict=True):
        kind, key = ("session", None) if action in _OPTIONAL else _object(rng, action, visit.employee, objects)
        payload: dict[str, object] = {"agent": agent} if action in _OPTIONAL else _payload(rng, action, kind)
        at = _local(time, country.time_zone)
        found.append(_Event(time - ahead, visit.employee, at, action, kind, key, visit.ip, payload))
    return found


def _object(rng: np.random.Generator, action: str, employee: int, objects: Mapping[str, int]) -> tuple[str, str]:
    """Draws what an action is about: often one's own record, otherwise rather a recent row than an old one."""
    kind = _weighted(_OBJECTS[action], rng.random())
    if kind == "employee" and rng.random() < 0.4:
        return kind, str(employee + 1)
    return kind, str(1 + int(objects[kind] * (1 - rng.random() ** 2) * 0.999999))


def _payload(rng: np.random.Generator, action: str, kind: str) -> dict[str, object]:
    if action == "update":
        fields = _FIELDS[kind]
        return {"field": fields[int(rng.random() * len(fields))]}
    if action == "export":
        return {"format": "csv" if rng.random() < 0.7 else "xlsx", "rows": int(rng.lognormal(5, 1)) + 1}
    if action == "approve":
        return {"approved": bool(rng.random() < 0.93)}
    return {}


def _jobs(rng: np.random.Generator) -> list[_Event]:
    """Draws what the system does every night by itself."""
    found: list[_Event] = []
    for day in range(day_number(TRUTH.audit_since), TODAY_NUMBER):
        for place, job in enumerate(_JOBS):
            # Pay is exported on the 25th or so, the rest runs every night.
            if place == 0 and day % 30 != 25:
                continue
            time = day * _DAY + 2 * _HOUR + place * 600 + rng.exponential(60)
            payload: dict[str, object] = {"seconds": round(float(rng.gamma(3, 12)), 1)}
            found.append(_Event(time - _HOUR, UNKNOWN, _local(time, _SERVER_ZONE), job, "job", None, None, payload))
    return found


def _last_logins(
    rng: np.random.Generator, people: People, events: Sequence[_Event], addresses: Sequence[str]
) -> tuple[list[str | None], list[str | None]]:
    """Takes the last login from the log; most of those not in it logged in before it began."""
    last: list[str | None] = [None] * len(people)
    ip: list[str | None] = [None] * len(people)
    begin = day_number(TRUTH.audit_since)
    before = (people.hire < begin) & (rng.random(len(people)) < 0.85)
    ago = 1 + rng.exponential(30, len(people)).astype(np.int64)
    days = np.maximum(people.hire, np.minimum(people.last_day, begin) - ago)
    for employee in np.flatnonzero(before).tolist():
        time = int(days[employee]) * _DAY + (9 + 8 * rng.random()) * _HOUR
        last[employee], ip[employee] = _local(time, _SERVER_ZONE), addresses[employee]
    for event in events:
        if event.action == "login":
            last[event.employee], ip[event.employee] = event.at, event.ip
    return last, ip


def _local(seconds: float, zone: str) -> str:
    """Writes a local time so that the server reckons it in its zone, summer time included."""
    return f"{np.datetime64(int(seconds * 1000), 'ms')} {zone}"


def _weighted(options: Sequence[tuple[str, float]], draw: float) -> str:
    """Returns the option that a number between 0 and 1 falls on."""
    for name, share in options:
        if draw < share:
            return name
        draw -= share
    return options[-1][0]
