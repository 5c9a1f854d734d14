"""Guessing which columns hold personal data and credentials: by their names first, then by their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import phonenumbers

from replica.kinds.checksums import find_scheme
from replica.kinds.personal import pool
from replica.schema.model import Column, Table

Reason = tuple[str, str]
"""A kind and why it was chosen."""

_NAMES: Final[Mapping[str, str]] = {
    "credential": (
        r"pass(word|wd|phrase|code)?(_?(hash|digest|salt|enc(rypted)?))?|pwd|passwd|hashed_password|encrypted_password"
        r"|(api|access|secret|private|encryption|signing)_?(key|token)|(auth|access|refresh|session|reset|csrf"
        r"|remember|confirmation|invite|bearer|device)_?token|token|secret|client_secret|otp(_secret)?|mfa_secret"
        r"|salt|pin_?code|security_answer"
    ),
    "email": r"(.*_)?e?_?mail(_?(address|addr|id))?|email\d?|(.*_)email(_.*)?",
    "first_name": (
        r"(.*_)?(first|given|fore|christian)_?names?|(.*_)?names?_?(first|given)|fname|vorname|prenom|voornaam"
    ),
    "last_name": (
        r"(.*_)?(last|sur|family)_?names?|(.*_)?names?_?(last|family)|lname|nachname|apellidos?|achternaam"
        r"|familienname|nom_de_famille"
    ),
    "middle_name": r"middle_?(name|initial)s?",
    "full_name": (
        r"(full|legal|real|person|contact|customer|client|patient|employee|staff|member|student|teacher|holder"
        r"|account_?holder|card_?holder|recipient|guest|passenger|applicant|borrower|tenant|donor|beneficiary"
        r"|author|reviewer|ship|shipping|billing)_?name|contact(_person)?"
    ),
    "phone": (
        r"(.*_)?(tele)?(phone|fax|mobile|cell|telephone|handy|msisdn)(_?(phone|number|num|nr|no))?\d?"
        r"|tel(_?(number|no|nr))?"
    ),
    "iban": r"(.*_)?iban(_.*)?",
    "card": r"(credit_?|debit_?)?card_?(number|num|no)|cc_?(number|num)|pan",
    "national_id": (
        r"(.*_)?(ssn|social_security(_(number|no))?|national_?(id|number|insurance(_number)?)|nin|nino|personal_?"
        r"(id|number|no|code)|person_?nummer|tax_?(id|number|no|payer_id)|passport(_?(number|no))?|driver_?licen[cs]e"
        r"(_?(number|no))?|licen[cs]e_number|cpf|dni|nif|nie|bsn|pesel|nhs_number|medicare_number|id_card(_number)?)"
    ),
    "username": r"user_?name|login(_?(name|id))?|nick_?name|screen_?name|user_?handle|handle|account_name",
    "street_address": (
        r"(.*_)?(street(_?(address|name|line))?\d?|address(_?(line|street))?_?\d?|addr\d?|strasse|adresse|calle)"
    ),
    "url": (
        r"(.*_)?(url|website|web_?site|homepage|home_?page|avatar|photo_?path|picture_?path|linkedin|twitter|facebook)"
    ),
    "company": r"company(_?name)?|organi[sz]ation_?name|employer(_?name)?|firm(_?name)?",
}
_PATTERNS: Final = {kind: re.compile(pattern) for kind, pattern in _NAMES.items()}

# Personal wherever they stand; the others only in tables about persons.
_ALWAYS = frozenset(
    {
        "credential",
        "email",
        "first_name",
        "last_name",
        "middle_name",
        "phone",
        "iban",
        "card",
        "national_id",
        "username",
    }
)

_PERSON_WORDS = frozenset(
    {"person", "people", "customer", "client", "user", "member", "patient", "student", "employee", "staff", "worker"}
    | {"contact", "citizen", "resident", "subscriber", "guest", "passenger", "driver", "player", "visitor", "donor"}
    | {"borrower", "applicant", "candidate", "tenant"}
)
_COMPANY = re.compile(r"\b(inc|ltd|llc|llp|plc|corp|company|co|gmbh|ag|kg|sa|sarl|srl|spa|bv|nv|ab|as|oy|group|bank)\b")

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_WORDY = re.compile(r"[^\W\d_][\w'’.-]*(?: [^\W\d_][\w'’.-]*){1,3}\Z")
_MOST = 0.8
_FEWEST = 5
_FEW = 0.2
_FEWEST_NAMES = 20

STRONG = frozenset(
    {"email", "first_name", "last_name", "full_name", "phone", "national_id", "iban", "card", "username"}
)
"""Kinds that make a table one about persons."""


def words_of(name: str) -> str:
    """Returns a column's name as its words in lower case, joined by underscores.

    >>> words_of("firstName"), words_of("E-Mail Address")
    ('first_name', 'e_mail_address')
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def is_named(table: Table, words: frozenset[str]) -> bool:
    """Returns True where the last word of a table's name is one of some words in the singular."""
    last = words_of(table.name).split("_")[-1]
    return last in words or last.removesuffix("s") in words or last.removesuffix("ies") + "y" in words


def is_of_persons(table: Table) -> bool:
    """Returns True where a table's name says that its rows are persons."""
    return is_named(table, _PERSON_WORDS)


def is_credential(column: Column) -> bool:
    """Returns True for a column whose name says password, token or key; its values are not even looked at."""
    return column.type.family in ("text", "bytes") and bool(_PATTERNS["credential"].fullmatch(words_of(column.name)))


def guess_personal(
    column: Column, texts: Sequence[str], *, about_persons: bool, are_persons: bool = False
) -> Reason | None:
    """Guesses the class of personal data that a column of text holds.

    Args:
        column: the column.
        texts: some of its values.
        about_persons: True where the table is about persons or belongs to them, where weaker signs count too.
        are_persons: True where the table's name says that its rows are persons.

    Returns:
        The kind and the reason; None where nothing points to personal data.
    """
    if column.type.family != "text":
        return None
    by_value = _guess_by_value(texts)
    name = words_of(column.name)
    for kind, pattern in _PATTERNS.items():
        if pattern.fullmatch(name) and (kind in _ALWAYS or about_persons) and not _is_other(kind, texts):
            return _corrected(kind, by_value, texts), f"its name says {kind.replace('_', ' ')}"
    if by_value is not None:
        return by_value
    if about_persons and _are_first_names(texts):
        return "first_name", "its values are first names"
    if not about_persons or name not in ("name", "names", "title_name", "contact_name"):
        return None
    if _look_like_names(texts) or (are_persons and _could_be_names(texts)):
        return "full_name", "its values look like names of people"
    return None


def _is_other(kind: str, texts: Sequence[str]) -> bool:
    """True where a few values, none of which could be what the name says, name something else: ``fax`` is yes or no."""
    sign = _SIGNS.get(kind)
    sample = [text for text in texts[:500] if text]
    if sign is None or len(sample) < _FEWEST:
        return False
    return not any(map(sign.search, sample)) and len(set(sample)) <= _FEW * len(sample)


_SIGNS: Final = {"email": re.compile("@")} | dict.fromkeys(("phone", "iban", "card", "national_id"), re.compile(r"\d"))


def _corrected(kind: str, by_value: Reason | None, texts: Sequence[str]) -> str:
    """A name can mislead: an account number may be an IBAN, a contact an address."""
    if by_value is not None and by_value[0] in ("email", "iban") and kind not in ("credential",):
        return by_value[0]
    if kind == "street_address" and texts and sum("," in t or "\n" in t for t in texts) > _MOST * len(texts):
        return "full_address"
    return kind


def _guess_by_value(texts: Sequence[str]) -> Reason | None:
    sample = [text for text in texts[:500] if text]
    if len(sample) < _FEWEST:
        return None
    for kind, what, test in _VALUE_TESTS:
        if sum(map(test, sample)) >= _MOST * len(sample):
            return kind, f"its values look like {what}"
    scheme = find_scheme(sample)
    if scheme is not None and len(set(sample)) > len(sample) / 2 and _is_of_persons(scheme, sample):
        kind = {"iban": "iban", "luhn": "card"}.get(scheme, "national_id")
        return kind, f"its check digits follow {scheme}"
    return None


def _is_of_persons(scheme: str, texts: Sequence[str]) -> bool:
    """Goods and companies have check digits too: then only numbers of the form that persons have say a person."""
    form = _FORMS.get(scheme)
    return form is None or all(form.fullmatch(re.sub(r"\W", "", text)) for text in texts)


_FORMS: Final = {
    "ch.ssn": re.compile(r"756\d{10}"),
    "luhn": re.compile(r"4\d{12}(\d{3})?|(5[1-5]|2[2-7])\d{14}|3[47]\d{13}|6\d{15}"),
}


def _is_phone(text: str) -> bool:
    if not text.lstrip().startswith("+"):
        return False
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(text, None)))
    except phonenumbers.NumberParseException:
        return False


_VALUE_TESTS: Final[tuple[tuple[str, str, Callable[[str], bool]], ...]] = (
    ("email", "e-mail addresses", lambda text: bool(_EMAIL.match(text))),
    ("phone", "telephone numbers", _is_phone),
)


@lru_cache(maxsize=1)
def _first_names() -> frozenset[str]:
    locales = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "sv_SE", "pl_PL", "pt_BR")
    return frozenset(name.lower() for locale in locales for name in pool(locale, "first_name").tolist())


def _are_first_names(texts: Sequence[str]) -> bool:
    """Single words, nearly all of them known as first names; in a column of anything else few are."""
    sample = [text for text in texts[:500] if text]
    known = _first_names()
    hits = sum(text.lower() in known for text in sample)
    return len(set(sample)) >= _FEWEST_NAMES and hits >= _MOST * len(sample)


def _look_like_names(texts: Sequence[str]) -> bool:
    """Two to four words, a known first name among the first two: a title may come before it.

    Last names are no sign, since streets, parks and brands bear them too.
    """
    sample = [text for text in texts[:500] if text]
    known = _first_names()
    hits = sum(
        bool(_WORDY.match(text)) and any(word.lower().strip(".,") in known for word in text.split()[:2])
        for text in sample
    )
    return len(sample) >= 2 and hits >= 0.5 * len(sample)


def _could_be_names(texts: Sequence[str]) -> bool:
    """Two to four words that hardly repeat and are no company, whatever language they come from."""
    sample = [text for text in texts[:500] if text]
    hits = sum(bool(_WORDY.match(text)) and text[:1].isupper() and not _COMPANY.search(text.lower()) for text in sample)
    return len(sample) >= _FEWEST and hits >= _MOST * len(sample) and len(set(sample)) > len(sample) / 2
