"""What identifies the people of the sample company: numbers with check digits, telephones, addresses, accounts.

All of it is made up. Telephone numbers come from the ranges that regulators keep for fiction, or from blocks that are
not given out; banks do not exist; IP addresses are private or kept for documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import numpy as np
from stdnum import iban as stdnum_iban
from stdnum.es import ccc, dni
from stdnum.fr import nir
from stdnum.gb import utr
from stdnum.iso7064 import mod_11_10

from replica.samples.company.facts import BANKS, CITIES, OFFICES
from replica.samples.company.people import People, ascii_name
from replica.samples.company.tables import UNKNOWN, Floats, Ints, Table, dates, distinct, keys, pick
from replica.seeds import stream

_PHONES = {
    "DE": ("+49 30 23125 ###", "+49 69 90009 ###", "+49 40 66969 ###", "+49 221 4710 ###", "+49 89 99998 ###"),
    "FR": ("+33 1 99 00 ## ##", "+33 2 61 91 ## ##", "+33 3 53 01 ## ##", "+33 4 65 71 ## ##", "+33 6 39 98 ## ##"),
    "GB": ("+44 20 7946 0###", "+44 113 496 0###", "+44 161 496 0###", "+44 7700 900###"),
    "ES": ("+34 91 000 ####", "+34 93 000 ####", "+34 600 000 ###"),
    "NL": ("+31 20 000 ####", "+31 30 000 ####", "+31 6 0000 ####"),
}
_STREETS = {
    "DE": ("{}straße {}", "{}weg {}", "{}allee {}"),
    "FR": ("{1} rue {0}", "{1} avenue {0}", "{1} boulevard {0}"),
    "GB": ("{1} {0} Street", "{1} {0} Road", "{1} {0} Lane", "{1} {0} Close"),
    "ES": ("Calle {} {}", "Avenida {} {}", "Plaza {} {}"),
    "NL": ("{}straat {}", "{}laan {}", "{}kade {}"),
}
_STEMS = {
    "DE": "Goethe Schiller Linden Garten Bahnhof Kirch Wald Rosen Buchen Birken Mühlen Schul Park Wiesen Ahorn Berg",
    "FR": "Pasteur Voltaire Molière Gambetta Lafayette Carnot Ronsard Racine Lamartine Mozart Kléber Colbert Ravel",
    "GB": "Church Station Victoria Albert Green Mill Park Queen's King's Manor Orchard Chapel Hill Meadow Windsor",
    "ES": "Mayor Real Alcalá Goya Velázquez Cervantes Colón Serrano Quevedo Gaudí Toledo Sevilla Aragón Castilla",
    "NL": "Kerk Molen School Dorps Station Wilhelmina Juliana Beatrix Prinsen Beuken Eiken Linden Tulpen Water",
}
_LETTERS = "ABDEFGHJLNPQRSTUWXY"
_BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LANGUAGES = {"DE": "de", "FR": "fr", "GB": "en", "ES": "es", "NL": "nl"}
_OTHER_LANGUAGES = ("de", "fr", "es", "nl", "it", "pl", "tr", "ar", "pt")


def national_ids(rng: np.random.Generator, people: People) -> list[str]:
    """Draws a tax or security number of each one's country; all are different and have valid check digits."""

    def draw(positions: Ints) -> list[str]:
        digits = rng.integers(0, 10, (len(positions), 10))
        return [_national_id(people, position, row) for position, row in zip(positions.tolist(), digits, strict=True)]

    return distinct(draw, len(people))


def _national_id(people: People, position: int, digits: Ints) -> str:
    match people.country[position]:
        case "DE":
            return _german_tax_number(digits)
        case "FR":
            born = dates(people.birth[position : position + 1])[0]
            return _french_security_number(people.sex[position], born, digits)
        case "GB":
            return _british_tax_reference(digits)
        case "ES":
            return _spanish_identity_number(digits)
        case _:
            return _dutch_service_number(digits)


def _german_tax_number(digits: Ints) -> str:
    """Ten digits of which one stands there twice and one is missing, and a check digit."""
    order = np.argsort(digits * 10 + np.arange(10), kind="stable")
    chosen = np.roll(order, int(digits.sum()))
    chosen[chosen == digits[0]] = (digits[0] + 1 + digits[1] % 8) % 10
    if chosen[0] == 0:
        chosen = np.roll(chosen, -1) if chosen[1] else np.roll(chosen, -2)
    number = _joined(chosen)
    return number + str(mod_11_10.calc_check_digit(number))


def _french_security_number(sex: str, born: date, digits: Ints) -> str:
    """Sex, year and month of birth, place of birth, a running number, and a key of two digits."""
    sex_digit = {"f": 2, "m": 1}.get(sex, 1 + int(digits[0]) % 2)
    place = f"{1 + int(_joined(digits[1:3])) % 19:02d}{1 + int(_joined(digits[3:6])) % 400:03d}"
    number = f"{sex_digit}{born:%y%m}{place}{1 + int(_joined(digits[6:9])) % 999:03d}"
    return number + str(nir.calc_check_digits(number))


def _british_tax_reference(digits: Ints) -> str:
    number = _joined(digits[:9])
    return str(utr.calc_check_digit(number)) + number


def _spanish_identity_number(digits: Ints) -> str:
    number = _joined(digits[:8])
    return number + str(dni.calc_check_digit(number))


def _dutch_service_number(digits: Ints) -> str:
    """Eight digits and the remainder of their weighted sum; where that is 10 the last but one digit gives way."""
    head = [1 + int(digits[0]) % 9, *digits[1:8].tolist()]
    check = sum((9 - place) * digit for place, digit in enumerate(head)) % 11
    if check == 10:
        head[7] = head[7] - 1 if head[7] else 1
        check = sum((9 - place) * digit for place, digit in enumerate(head)) % 11
    return "".join(map(str, head)) + str(check)


def phones(rng: np.random.Generator, people: People) -> list[str | None]:
    """Draws telephone numbers of each one's country; contractors seldom leave one."""
    missing = rng.random(len(people)) < np.where(people.on_payroll, 0.06, 0.4)
    chosen = rng.random(len(people)).tolist()
    patterns = [
        _PHONES[code][int(draw * len(_PHONES[code]))] for code, draw in zip(people.country, chosen, strict=True)
    ]
    return [
        None if is_missing else number
        for number, is_missing in zip(filled(rng, patterns), missing.tolist(), strict=True)
    ]


def languages(rng: np.random.Generator, people: People) -> list[list[str]]:
    """Draws the languages that people speak, that of the country first; most speak English."""
    english, third = rng.random((2, len(people)))
    others = rng.integers(0, len(_OTHER_LANGUAGES), len(people)).tolist()
    found: list[list[str]] = []
    for code, speaks, more, other in zip(people.country, english.tolist(), third.tolist(), others, strict=True):
        spoken = [_LANGUAGES[code]]
        if speaks < 0.8:
            spoken.append("en")
        if more < 0.3:
            spoken.append(_OTHER_LANGUAGES[other])
        found.append(list(dict.fromkeys(spoken)))
    return found


def filled(rng: np.random.Generator, patterns: Sequence[str]) -> list[str]:
    """Puts a random digit for every ``#`` and a random letter for every ``?``."""
    length = max((len(pattern) for pattern in patterns), default=0)
    digits = rng.integers(0, 10, (len(patterns), length)).tolist()
    letters = rng.integers(0, len(_LETTERS), (len(patterns), length)).tolist()
    return [
        "".join(
            str(digit) if sign == "#" else _LETTERS[letter] if sign == "?" else sign
            for sign, digit, letter in zip(pattern, number, word, strict=False)
        )
        for pattern, number, word in zip(patterns, digits, letters, strict=True)
    ]


def addresses(seed: int, people: People) -> Table:
    """Draws a home for everybody, mostly in the city of the office, and further addresses for some."""
    rng = stream(seed, "company", "address")
    chances = {"home": 1.0, "postal": 0.14, "emergency": 0.22}
    owner: list[int] = []
    kind: list[str] = []
    for name, share in chances.items():
        having = np.flatnonzero(rng.random(len(people)) < share).tolist()
        owner += having
        kind += [name] * len(having)
    country = [people.country[position] for position in owner]
    city, postcode = _cities(rng, people, owner)
    return Table(
        "hr.address",
        {
            "employee_id": [position + 1 for position in owner],
            "kind": kind,
            "street": _streets(rng, country),
            "postcode": filled(rng, postcode),
            "city": city,
            "country_code": country,
        },
    )


def _cities(rng: np.random.Generator, people: People, owner: Sequence[int]) -> tuple[list[str], list[str]]:
    """Draws cities and the patterns of their postcodes."""
    near, choice = rng.random((2, len(owner))).tolist()
    found: list[tuple[str, str]] = []
    for position, is_near, draw in zip(owner, near, choice, strict=True):
        cities = CITIES[people.country[position]]
        office = int(people.office[position])
        at_work = [each for each in cities if office != UNKNOWN and each[0] == OFFICES[office].city]
        # Squared, so that the cities which stand first draw more people.
        found.append(at_work[0] if at_work and is_near < 0.7 else cities[int(draw**2 * len(cities))])
    return [city for city, _ in found], [postcode for _, postcode in found]


def _streets(rng: np.random.Generator, country: Sequence[str]) -> list[str]:
    stems = {code: words.split() for code, words in _STEMS.items()}
    form, stem = rng.random((2, len(country))).tolist()
    house = (1 + rng.gamma(1.2, 30, len(country)).astype(np.int64)).tolist()
    return [
        _STREETS[code][int(which * len(_STREETS[code]))].format(stems[code][int(word * len(stems[code]))], number)
        for code, which, word, number in zip(country, form, stem, house, strict=True)
    ]


def bank_accounts(seed: int, people: People) -> Table:
    """Draws one account for everybody, and a second one for some."""
    rng = stream(seed, "company", "bank_account")
    second = np.flatnonzero(rng.random(len(people)) < 0.17).tolist()
    owner = [*range(len(people)), *second]
    chosen = _banks(rng, [people.country[position] for position in owner])

    def draw(places: Ints) -> list[str]:
        digits = rng.integers(0, 10, (len(places), 20))
        return [iban(chosen[place], row) for place, row in zip(places.tolist(), digits, strict=True)]

    return Table(
        "hr.bank_account",
        {
            "bank_account_id": keys(len(owner)),
            "employee_id": [position + 1 for position in owner],
            "iban": distinct(draw, len(owner)),
            "bic": [BANKS[bank].bic for bank in chosen],
            "holder_name": [f"{people.first_name[position]} {people.last_name[position]}" for position in owner],
            "is_primary": [True] * len(people) + [False] * len(second),
        },
    )


def _banks(rng: np.random.Generator, country: Sequence[str]) -> list[int]:
    here = {code: [place for place, bank in enumerate(BANKS) if bank.country == code] for code in set(country)}
    draws = rng.random(len(country)).tolist()
    # Squared, so that the banks which stand first have more customers.
    return [here[code][int(draw**2 * len(here[code]))] for code, draw in zip(country, draws, strict=True)]


def iban(bank: int, digits: Ints) -> str:
    """Returns an IBAN at a bank, with the check digits inside it that its country asks for."""
    place, text = BANKS[bank], _joined(digits)
    match place.country:
        case "FR":
            branch, account = text[:5], text[5:16]
            key = 97 - (89 * int(place.code) + 15 * int(branch) + 3 * int(account)) % 97
            inner = f"{place.code}{branch}{account}{key:02d}"
        case "ES":
            branch, account = text[:4], text[4:14]
            inner = place.code + branch + str(ccc.calc_check_digits(f"{place.code}{branch}00{account}")) + account
        case "NL":
            inner = place.code + _dutch_account(text[:9])
        case "GB":
            inner = place.code + text[:14]
        case _:
            inner = place.code + text[:10]
    return f"{place.country}{stdnum_iban.calc_check_digits(f'{place.country}00{inner}')}{inner}"


def _dutch_account(text: str) -> str:
    """Nine digits and a tenth that makes the weighted sum divisible by 11; where it is 10 the ninth gives way."""
    total = sum((10 - place) * int(digit) for place, digit in enumerate(text))
    check = -total % 11
    if check < 10:
        return text + str(check)
    return _dutch_account(text[:8] + str((int(text[8]) + 1) % 10))


def user_accounts(seed: int, people: People, last_login: Sequence[str | None], last_ip: Sequence[str | None]) -> Table:
    """Draws the logins of nearly everybody.

    Args:
        seed: the root seed of the sample.
        people: the employees.
        last_login: when each of them last logged in, by the audit log.
        last_ip: from which address.
    """
    rng = stream(seed, "company", "user_account")
    having = [position for position, seen in enumerate(last_login) if seen or rng.random() < 0.8]
    secrets = rng.integers(0, len(_BCRYPT), (len(having), 53)).tolist()
    tokens = rng.bytes(16 * len(having))
    names = _usernames(people, having)
    return Table(
        "hr.user_account",
        {
            "employee_id": [position + 1 for position in having],
            "username": names,
            "password_hash": ["$2b$12$" + "".join(_BCRYPT[place] for place in row) for row in secrets],
            "api_token": [UUID(bytes=tokens[16 * n : 16 * n + 16], version=4) for n in range(len(having))],
            "is_active": [not people.left[position] for position in having],
            "last_login": [last_login[position] for position in having],
            "last_ip": [last_ip[position] for position in having],
            "settings": _settings(rng, [people.country[position] for position in having]),
        },
    )


def _usernames(people: People, having: Sequence[int]) -> list[str]:
    """The first letter of the given name and the start of the family name, numbered where taken."""
    counts: dict[str, int] = {}
    found: list[str] = []
    for position in having:
        family = ascii_name(people.last_name[position]).replace("-", "")
        base = ascii_name(people.first_name[position])[:1] + family[:9]
        counts[base] = counts.get(base, 0) + 1
        found.append(base if counts[base] == 1 else f"{base}{counts[base]}")
    return found


def _settings(rng: np.random.Generator, country: Sequence[str]) -> list[dict[str, object]]:
    theme = pick(rng, ("light", "dark", "system"), (0.5, 0.3, 0.2), len(country))
    page_size = rng.choice([10, 25, 50, 100], len(country), p=[0.2, 0.5, 0.2, 0.1]).tolist()
    own: Floats = rng.random((3, len(country)))
    found: list[dict[str, object]] = []
    for place, code in enumerate(country):
        chosen: dict[str, object] = {
            "theme": theme[place],
            "language": _LANGUAGES[code] if own[0, place] < 0.85 else "en",
            "notifications": {"email": bool(own[1, place] < 0.7), "sms": bool(own[2, place] < 0.15)},
        }
        # Settings that were never touched are not stored.
        if own[2, place] < 0.6:
            chosen["page_size"] = page_size[place]
        found.append(chosen)
    return found


def _joined(digits: Ints) -> str:
    return "".join(map(str, digits.tolist()))
