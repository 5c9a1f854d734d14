"""The people of the sample company: who sits where, since when, under whom, and what they are called."""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from replica.samples.company.facts import DEPARTMENTS, OFFICES, TITLES
from replica.samples.company.tables import (
    TODAY_NUMBER,
    UNKNOWN,
    YEAR,
    Flags,
    Floats,
    Ints,
    day_number,
    month_start,
    pick,
)
from replica.samples.company.truth import TRUTH
from replica.seeds import stream

_DIRECTORS = 3
_TEAM = 9
_GROUP = 5
_VACANT = frozenset({"Events", "Learning"})

# The last day on which somebody of a rank was hired: those above were there first.
_HIRED_UNTIL = {
    "director": date(2005, 12, 1),
    "division": date(2007, 6, 1),
    "head": date(2010, 6, 1),
    "group": date(2012, 6, 1),
    "lead": date(2015, 6, 1),
    "staff": date(2025, 5, 1),
}
_FOUNDED = date(2004, 1, 15)
_GRADES = {"director": 10, "division": 9, "head": 8, "group": 7, "lead": 7}

_LOCALES = {"DE": "de_DE", "FR": "fr_FR", "GB": "en_GB", "ES": "es_ES", "NL": "nl_NL"}
_PLAIN_NAME = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+){0,2}")
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "æ": "ae", "œ": "oe"})


class Seat(NamedTuple):
    """A place in the organisation.

    Attributes:
        department: its position in ``DEPARTMENTS``.
        manager: the position of the seat above, or ``UNKNOWN``.
        rank: ``director``, ``division``, ``head``, ``group``, ``lead`` or ``staff``.
    """

    department: int
    manager: int
    rank: str


@dataclass(frozen=True, slots=True)
class People:
    """All employees in the order of hire; their keys count from 1 in this order.

    Attributes:
        department: positions in ``DEPARTMENTS``.
        manager: positions of the managers, ``UNKNOWN`` at the top.
        rank: as in :class:`Seat`.
        title: positions in ``TITLES``.
        hire: day numbers.
        last_day: the day of leaving, or the day the sample was taken.
        left: who has left.
        employment: labels of ``hr.employment``.
        country: country codes.
        office: positions in ``OFFICES``, ``UNKNOWN`` for remote work.
        sex: ``f``, ``m`` or ``x``.
        birth: day numbers.
        first_name: given names.
        last_name: family names.
        email: addresses.
    """

    department: Ints
    manager: Ints
    rank: list[str]
    title: Ints
    hire: Ints
    last_day: Ints
    left: Flags
    employment: list[str]
    country: list[str]
    office: Ints
    sex: list[str]
    birth: Ints
    first_name: list[str]
    last_name: list[str]
    email: list[str]

    def __len__(self) -> int:
        return len(self.hire)

    @property
    def families(self) -> list[str]:
        """The job family of each one's department."""
        return [DEPARTMENTS[position].family for position in self.department.tolist()]

    @property
    def on_payroll(self) -> Flags:
        """Who is no contractor."""
        return np.array([kind != "contractor" for kind in self.employment])

    @property
    def tenure(self) -> Floats:
        """Years from hire to the last day."""
        return (self.last_day - self.hire) / YEAR


def draw_people(seed: int, employees: int) -> People:
    """Draws the employees of the company.

    Args:
        seed: the root seed of the sample.
        employees: how many there are.
    """
    places = seats(stream(seed, "company", "seats"), employees)
    hired = _hire_days(stream(seed, "company", "hire"), places)
    order = np.argsort(hired, kind="stable")
    rank_of = np.empty_like(order)
    rank_of[order] = np.arange(employees)
    seated = [places[position] for position in order.tolist()]
    manager = np.array([UNKNOWN if each.manager == UNKNOWN else rank_of[each.manager] for each in seated])
    department = np.array([each.department for each in seated])
    rank = [each.rank for each in seated]

    rng = stream(seed, "company", "people")
    hire = hired[order]
    sex = _sexes(rng, department)
    country = _countries(rng, department)
    employment = _employment(rng, rank, sex)
    last_day, left = _last_days(rng, hire, rank, employment)
    title = _titles(rng, department, rank, (last_day - hire) / YEAR)
    first_name, last_name = _names(stream(seed, "company", "names"), country, sex)
    return People(
        department=department,
        manager=manager,
        rank=rank,
        title=title,
        hire=hire,
        last_day=last_day,
        left=left,
        employment=employment,
        country=country,
        office=_offices(rng, country, employment),
        sex=sex,
        birth=_birth_days(rng, hire, last_day, title),
        first_name=first_name,
        last_name=last_name,
        email=_emails(stream(seed, "company", "email"), (first_name, last_name), country, employment),
    )


def seats(rng: np.random.Generator, employees: int) -> list[Seat]:
    """Builds the organisation from the top down, so that every seat stands after the one above it."""
    sizes = _sizes(employees)
    places = [Seat(0, UNKNOWN, "director") for _ in range(_DIRECTORS)]
    heads: dict[str, int] = {DEPARTMENTS[0].name: 0}
    for position, each in enumerate(DEPARTMENTS[1:], start=1):
        above = heads[each.parent or ""]
        if each.name in _VACANT:
            heads[each.name] = above
            continue
        is_division = each.parent == DEPARTMENTS[0].name
        heads[each.name] = len(places)
        boss = position % _DIRECTORS if is_division else above
        places.append(Seat(position, boss, "division" if is_division else "head"))
    taken = Counter(place.department for place in places)
    for position, each in enumerate(DEPARTMENTS):
        places += _teams(rng, position, heads[each.name], sizes[position] - taken[position], len(places))
    return places


def _sizes(employees: int) -> list[int]:
    """Shares the employees out by weight; every department has its leaders at least."""
    weights = np.array([each.weight for each in DEPARTMENTS])
    least = np.ones(len(DEPARTMENTS), dtype=np.int64)
    least[0] = _DIRECTORS
    edges = np.rint(np.cumsum(weights) / weights.sum() * (employees - least.sum())).astype(np.int64)
    return [int(size) for size in least + np.diff(edges, prepend=0)]


def _teams(rng: np.random.Generator, department: int, head: int, members: int, offset: int) -> list[Seat]:
    """Seats the members of a department under its head, in teams once there are enough of them."""
    leads = members // _TEAM
    if not leads:
        return [Seat(department, head, "staff")] * members
    groups = leads // _GROUP if leads > _GROUP else 0
    found = [Seat(department, head, "group")] * groups
    found += [Seat(department, offset + n % groups if groups else head, "lead") for n in range(leads - groups)]
    # Teams differ in size, as they do in companies.
    shares = rng.dirichlet(np.full(leads - groups, 4.0))
    chosen = rng.choice(leads - groups, size=members - leads, p=shares)
    return found + [Seat(department, offset + groups + lead, "staff") for lead in chosen.tolist()]


def _hire_days(rng: np.random.Generator, places: Sequence[Seat]) -> Ints:
    """Draws days of hire, each after that of the manager."""
    fractions = rng.beta(1.25, 1.05, len(places))
    on_first = rng.random(len(places)) < TRUTH.first_of_month_share
    days: list[int] = []
    for place, fraction, at_start in zip(places, fractions.tolist(), on_first.tolist(), strict=True):
        earliest = day_number(_FOUNDED) if place.manager == UNKNOWN else days[place.manager] + 30
        latest = max(day_number(_HIRED_UNTIL[place.rank]), earliest + 60)
        day = earliest + int(fraction * (latest - earliest))
        days.append(int(month_start(np.array([day]), ahead=1)[0]) if at_start else day)
    return np.array(days)


def _sexes(rng: np.random.Generator, department: Ints) -> list[str]:
    women = np.array([TRUTH.women_share[each.family] for each in DEPARTMENTS])[department]
    draws = rng.random(len(department))
    neither = rng.random(len(department)) < 0.008
    return [str(sex) for sex in np.where(neither, "x", np.where(draws < women, "f", "m"))]


def _countries(rng: np.random.Generator, department: Ints) -> list[str]:
    codes = list(TRUTH.country_share)
    shares = [TRUTH.country_share_of.get(each.name, TRUTH.country_share) for each in DEPARTMENTS]
    edges = np.cumsum([[share[code] for code in codes] for share in shares], axis=1)
    drawn = (rng.random(len(department))[:, None] > edges[department, :-1]).sum(axis=1)
    return [codes[position] for position in drawn.tolist()]


def _offices(rng: np.random.Generator, country: Sequence[str], employment: Sequence[str]) -> Ints:
    """Draws an office in the country of each; contractors mostly work from elsewhere."""
    found = np.full(len(country), UNKNOWN)
    codes = np.array(country)
    for code in TRUTH.country_share:
        here = [position for position, each in enumerate(OFFICES) if each.country == code]
        shares = np.array([OFFICES[position].share for position in here])
        mine = np.flatnonzero(codes == code)
        found[mine] = rng.choice(here, size=len(mine), p=shares / shares.sum())
    remote = rng.random(len(country)) < np.where(np.array(employment) == "contractor", 0.6, 0.05)
    return np.where(remote, UNKNOWN, found)


def _employment(rng: np.random.Generator, rank: Sequence[str], sex: Sequence[str]) -> list[str]:
    part_time, contractor = rng.random((2, len(rank)))
    found: list[str] = []
    for place, kind, part, outside in zip(rank, sex, part_time.tolist(), contractor.tolist(), strict=True):
        if place == "staff" and outside < TRUTH.contractor_share:
            found.append("contractor")
        else:
            share = TRUTH.part_time_share[kind] if place == "staff" else 0.05
            found.append("part_time" if part < share else "full_time")
    return found


def _last_days(
    rng: np.random.Generator, hire: Ints, rank: Sequence[str], employment: Sequence[str]
) -> tuple[Ints, Flags]:
    """Draws who left and when; whoever leads somebody has stayed, so that no manager is missing."""
    chance = np.array([TRUTH.leaving_per_year[kind] for kind in employment])
    stay = np.maximum(rng.exponential(1 / chance) * YEAR, 45).astype(np.int64)
    end = hire + stay
    to_month_end = rng.random(len(hire)) < 0.7
    end = np.where(to_month_end, month_start(end, ahead=1) - 1, end)
    left = (end <= TODAY_NUMBER) & (np.array(rank) == "staff")
    return np.where(left, end, TODAY_NUMBER), left


def ladder(family: str) -> list[int]:
    """Returns the positions in ``TITLES`` of the titles that lead to no team, from the lowest grade up."""
    return [place for place, each in enumerate(TITLES) if each.family == family and each.grade <= 6]


def _titles(rng: np.random.Generator, department: Ints, rank: Sequence[str], tenure: Floats) -> Ints:
    """Gives leaders the title of their rank, and others a step on the ladder that rises with their tenure."""
    by_family_grade = {(each.family, each.grade): place for place, each in enumerate(TITLES)}
    climb = rng.normal(0.9, 1.1, len(rank)) + 0.22 * tenure
    found: list[int] = []
    for position, place, height in zip(department.tolist(), rank, climb.tolist(), strict=True):
        family = DEPARTMENTS[position].family
        if place == "staff":
            steps = ladder(family)
            found.append(steps[int(np.clip(round(height), 0, len(steps) - 1))])
        else:
            grade = _GRADES[place]
            found.append(by_family_grade.get((family, grade), by_family_grade["management", max(grade, 8)]))
    return np.array(found)


def _birth_days(rng: np.random.Generator, hire: Ints, last_day: Ints, title: Ints) -> Ints:
    """Draws birthdays: higher grades were older when hired, and nobody works beyond 66."""
    grade = np.array([each.grade for each in TITLES])[title]
    age = 17.5 + 1.1 * grade + 30 * rng.beta(1.4, 3.2, len(hire))
    oldest = 58 + 8 * rng.random(len(hire)) - (last_day - hire) / YEAR
    return hire - (np.minimum(age, np.maximum(oldest, 17.5)) * YEAR).astype(np.int64)


def given_names(country: str) -> Mapping[str, list[str]]:
    """Returns the women's (``f``) and the men's (``m``) names of a country, none of them in both."""
    names = importlib.import_module(f"faker.providers.person.{_LOCALES[country]}").Provider
    women, men = _plain(names.first_names_female), _plain(names.first_names_male)
    return {
        "f": [name for name in women if name not in set(men)],
        "m": [name for name in men if name not in set(women)],
    }


def _family_names(country: str) -> list[str]:
    return _plain(importlib.import_module(f"faker.providers.person.{_LOCALES[country]}").Provider.last_names)


def _plain(names: Sequence[str]) -> list[str]:
    """Leaves out what is more than a name; such entries stand in some of the lists."""
    return [name for name in dict.fromkeys(names) if _PLAIN_NAME.fullmatch(name) and len(name) <= 20]


def _names(rng: np.random.Generator, country: Sequence[str], sex: Sequence[str]) -> tuple[list[str], list[str]]:
    """Draws names by country and sex; a few are common and most are rare."""
    first, last = [""] * len(sex), [""] * len(sex)
    listed = np.where(np.array(sex) == "x", rng.choice(["f", "m"], len(sex)), np.array(sex))
    codes = np.array(country)
    for code in TRUTH.country_share:
        for kind, given in given_names(code).items():
            mine = np.flatnonzero((codes == code) & (listed == kind)).tolist()
            for position, name in zip(mine, _frequent(rng, given, len(mine)), strict=True):
                first[position] = name
        mine = np.flatnonzero(codes == code).tolist()
        for position, name in zip(mine, _frequent(rng, _family_names(code), len(mine)), strict=True):
            last[position] = name
        if code == "ES":
            for position, second in zip(mine, _frequent(rng, _family_names(code), len(mine)), strict=True):
                last[position] += f" {second}"
    return first, last


def _frequent(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    return pick(rng, names, [1 / (place + 12) ** 0.8 for place in range(len(names))], count)


def ascii_name(name: str) -> str:
    """Returns a name as it stands in an address: ``Müller-Groß`` is ``mueller-gross``."""
    spelled = unicodedata.normalize("NFKD", name.lower().translate(_SPELLED_OUT))
    return re.sub(r"[^a-z-]", "", spelled)


def _emails(
    rng: np.random.Generator,
    names: tuple[Sequence[str], Sequence[str]],
    country: Sequence[str],
    employment: Sequence[str],
) -> list[str]:
    """Derives addresses from names; whoever bears a name already taken gets a number."""
    taken: Counter[str] = Counter()
    capital = (rng.random(len(country)) < 0.02).tolist()
    found: list[str] = []
    for given, family, code, kind, is_capital in zip(*names, country, employment, capital, strict=True):
        # Of the two family names that Spaniards bear, the first one counts.
        surname = family.partition(" ")[0] if code == "ES" else family
        local = f"{ascii_name(given)}.{ascii_name(surname)}"
        taken[local] += 1
        numbered = f"{local}{taken[local]}" if taken[local] > 1 else local
        domain = TRUTH.contractor_domain if kind == "contractor" else TRUTH.employee_domain
        found.append(f"{numbered.title() if is_capital else numbered}@{domain}")
    return found
