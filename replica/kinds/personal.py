"""Personal data: made up, never learned. One person has one name, and an e-mail address made of it.

Every value is a function of the person's number and the run's salt, so it is the same wherever the person turns up,
and it owes nothing to the source but the form: upper or lower case, longest length, whether there is a value at all.
Addresses lie in domains that RFC 2606 sets aside, telephone numbers in ranges set aside for fiction where a country
has any.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from faker import Faker
from faker.config import AVAILABLE_LOCALES
from faker.providers.date_time import Provider as DateProvider

from replica.databases.base import Reading
from replica.errors import UnknownNameError
from replica.kinds.base import Codes, ColumnData, People, Rows, Span, is_null
from replica.kinds.identifiers import scramble
from replica.schema.model import Column

Texts = npt.NDArray[np.str_]
Maker = Callable[[Rows, "PersonalKind"], Texts]

# Values per pool, for many persons and for few.
_POOL, _SMALL_POOL, _FEW = 4096, 512, 5_000
_SAMPLE = 2000
_DOMAINS = np.array(["example.com", "example.org", "example.net"])
_MALE, _FEMALE = 1, 2


@dataclass(frozen=True)
class PersonalKind:
    """One class of personal data.

    Attributes:
        name: the column's name.
        kind: which class; a key of :data:`PERSONAL`.
        case: ``upper``, ``lower`` or ``as is``.
        style: what else the source's values look like, in a word that the class knows.
        unique: True where no two rows may share a value.
        nulls: True where a code stands for null.
        max_length: most characters; None without a limit.
    """

    name: str
    kind: str
    case: str
    style: str
    unique: bool
    nulls: bool
    max_length: int | None

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "text"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`.

        Options: ``class``, the class of personal data; ``unique``, whether values must differ.

        Raises:
            UnknownNameError: there is no such class.
        """
        kind = str(data.options.get("class", "full_name"))
        if kind not in PERSONAL:
            raise UnknownNameError("class of personal data", kind, PERSONAL)
        texts = [text for text in data.values.drop_null()[:_SAMPLE].to_pylist() if text]
        return cls(
            name=data.column.name,
            kind=kind,
            case=_case(texts),
            style=_style(kind, texts),
            unique=bool(data.options.get("unique", False)),
            nulls=bool(is_null(data.values).any()),
            max_length=data.column.type.length,
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`: only whether there is a value."""
        return (Span(f"{self.name} present", 2),) if self.nulls else ()

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        if not self.nulls:
            return np.zeros((len(values), 0), np.int32)
        return (~is_null(values)).astype(np.int32)[:, None]

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        texts = PERSONAL[self.kind](rows, self)
        if self.case != "as is":
            texts = np.char.upper(texts) if self.case == "upper" else np.char.lower(texts)
        if self.max_length is not None:
            texts = self._shortened(texts, rows)
        missing = codes[:, 0] == 0 if self.nulls else np.zeros(len(rows), dtype=bool)
        return pa.array(texts, pa.string(), mask=missing)

    def _shortened(self, texts: Texts, rows: Rows) -> Texts:
        """Cuts what is too long; where values must differ, the row's number takes the end of it."""
        assert self.max_length is not None  # noqa: S101 - asked by the caller
        limit = self.max_length
        # Values that are cut have all the same length, and no other value has it.
        long = np.char.str_len(texts) > limit - self.unique
        if not long.any():
            return texts
        width = len(_base36(rows.total))
        suffixes = [_base36(int(n)).zfill(width) if self.unique else "" for n in rows.ordinals[long]]
        cut = [text[: max(0, limit - len(end))] + end[-limit:] for text, end in zip(texts[long], suffixes, strict=True)]
        result = texts.astype(object)
        result[long] = cut
        return np.array(result, dtype=np.str_)


def _case(texts: list[str]) -> str:
    letters = [text for text in texts if any(c.isalpha() for c in text)]
    if letters and all(text == text.upper() for text in letters):
        return "upper"
    return "lower" if letters and all(text == text.lower() for text in letters) else "as is"


def _style(kind: str, texts: list[str]) -> str:
    """What a class must know of the source's form beyond case and length."""
    if kind == "full_name":
        return "last, first" if sum("," in text for text in texts) > len(texts) / 2 else "first last"
    if kind == "email":
        return "address" if not texts or sum("@" in text for text in texts) >= len(texts) / 2 else "login"
    if kind == "url":
        return "host" if texts and not any("://" in text for text in texts) else "link"
    return ""


@lru_cache(maxsize=512)
def pool(locale: str, method: str, size: int = _POOL) -> Texts:
    """Returns values that Faker makes, always the same ones.

    Args:
        locale: Faker's locale; the values of ``en_US`` stand in where it does not have the method.
        method: the method of ``Faker``, as in ``last_name``.
        size: how many.
    """
    maker = Faker(locale)
    if not hasattr(maker, method):
        maker = Faker("en_US")
    maker.seed_instance(20_240_229)
    make = getattr(maker, method)
    return np.array([str(make()).replace("\n", ", ") for _ in range(size)])


def pick(people: People, method: str, what: str) -> Texts:
    """Takes a value from a pool for each person, the same one whenever the person comes up.

    Args:
        people: the persons.
        method: the method of ``Faker``.
        what: keeps values of different columns apart that come from one pool.
    """
    salt = people.salt + sum(ord(letter) * 31**i for i, letter in enumerate(what)) % 2**31
    words = scramble(people.numbers.astype(np.uint64), salt)
    size = _SMALL_POOL if people.total < _FEW else _POOL
    places = (words % np.uint64(size)).astype(np.int64)
    found = np.full(len(places), "", dtype=object)
    for place, locale in enumerate(people.locales):
        here = people.place == place
        if here.any():
            found[here] = pool(locale, method, size)[places[here]]
    return found.astype(np.str_)


def first_names(rows: Rows, kind: PersonalKind | None = None) -> Texts:  # noqa: ARG001 - a Maker
    """First names that agree with the person's sex where it is known."""
    people = rows.people
    # Half of those whose sex is not known are either.
    drawn = (scramble(people.numbers.astype(np.uint64), people.salt + 5) & np.uint64(1)).astype(np.int8) + 1
    sex = np.where(people.sex == 0, drawn, people.sex)
    male, female = pick(people, "first_name_male", "first"), pick(people, "first_name_female", "first")
    return np.where(sex == _MALE, male, female)


def last_names(rows: Rows, kind: PersonalKind | None = None) -> Texts:  # noqa: ARG001 - a Maker
    """Last names."""
    return pick(rows.people, "last_name", "last")


def _full_names(rows: Rows, kind: PersonalKind) -> Texts:
    first, last = first_names(rows), last_names(rows)
    if kind.style == "last, first":
        return _joined(last, ", ", first)
    return _joined(first, " ", last)


def _middle_names(rows: Rows, kind: PersonalKind) -> Texts:
    if kind.max_length is not None and kind.max_length <= 2:
        return np.char.upper(pick(rows.people, "first_name", "middle").astype("U1"))
    return pick(rows.people, "first_name", "middle")


def _logins(rows: Rows, kind: PersonalKind) -> Texts:
    """The first letter, the last name and a number, in plain letters, as in ``jsmith12``."""
    first, last = _plain(first_names(rows)), _plain(last_names(rows))
    number = _numbers(rows, kind)
    return _joined(first.astype("U1"), "", _joined(last, "", number))


def _emails(rows: Rows, kind: PersonalKind) -> Texts:
    if kind.style == "login":
        return _logins(rows, kind)
    first, last = _plain(first_names(rows)), _plain(last_names(rows))
    number = _numbers(rows, kind)
    domain = _DOMAINS[rows.people.numbers % len(_DOMAINS)]
    if kind.max_length is not None and kind.max_length < 40:
        # Too little room for long names: the number keeps addresses apart, so the names may be cut.
        room = max(1, (kind.max_length - 12 - 1 - 7) // 2)
        first, last = first.astype(f"U{room}"), last.astype(f"U{room}")
    local = _joined(first, ".", _joined(last, "", number))
    return _joined(local, "@", domain)


def _numbers(rows: Rows, kind: PersonalKind) -> Texts:
    """A number that keeps logins apart: the row's own where they must differ, otherwise a small one for some."""
    if kind.unique:
        return rows.ordinals.astype(np.str_)
    words = scramble(rows.people.numbers.astype(np.uint64), rows.people.salt + 9) % np.uint64(200)
    return np.where(words < 100, words.astype(np.str_), "")


def _street_addresses(rows: Rows, kind: PersonalKind) -> Texts:  # noqa: ARG001 - a Maker
    return pick(rows.people, "street_address", "street")


def _full_addresses(rows: Rows, kind: PersonalKind) -> Texts:  # noqa: ARG001 - a Maker
    return pick(rows.people, "address", "address")


def _from_pool(method: str) -> Maker:
    def make(rows: Rows, kind: PersonalKind) -> Texts:
        found = pick(rows.people, method, method)
        return _joined(found, " ", rows.ordinals.astype(np.str_)) if kind.unique else found

    return make


def _urls(rows: Rows, kind: PersonalKind) -> Texts:
    path = _joined(_plain(first_names(rows)), "-", _plain(last_names(rows)))
    path = _joined(path, "", _numbers(rows, kind))
    domain = _DOMAINS[rows.people.numbers % len(_DOMAINS)]
    prefix = "" if kind.style == "host" else "https://"
    return _joined(np.full(len(rows), prefix), "", _joined(domain, "/", path))


def _joined(left: Texts, between: str, right: Texts) -> Texts:
    return np.char.add(np.char.add(left, between), right)


def _plain(names: Texts) -> Texts:
    """Names as they stand in addresses: lower case, ASCII letters only."""
    distinct, places = np.unique(names, return_inverse=True)
    plain = [_ascii(name) or "user" for name in distinct.tolist()]
    return np.array(plain, np.str_)[places]


def _ascii(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    return "".join(c for c in letters.lower() if "a" <= c <= "z")


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, place = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[place] + digits
        if number == 0:
            return digits


PERSONAL: Final[Mapping[str, Maker]] = {
    "first_name": first_names,
    "last_name": last_names,
    "middle_name": _middle_names,
    "full_name": _full_names,
    "email": _emails,
    "username": _logins,
    "street_address": _street_addresses,
    "full_address": _full_addresses,
    "company": _from_pool("company"),
    "url": _urls,
    "city": _from_pool("city"),
    "region": _from_pool("administrative_unit"),
    "country": _from_pool("country"),
    "job_title": _from_pool("job"),
    "word": _from_pool("word"),
}
"""Classes of made-up values. A new one is a function and a line here."""

IDENTIFYING: Final = frozenset(PERSONAL) - {"city", "region", "country", "job_title", "word"}
"""The classes that point to a person; the others only fill in where the source's own values may not be kept."""


_BY_NAME: Final = {
    "city": re.compile(r"(.*_)?(birth|death|home)?_?(city|town|locality|suburb|municipality|ort|ville|ciudad)"),
    "region": re.compile(r"(.*_)?(state|region|province|county|district|canton|bundesland)(_name)?"),
    "country": re.compile(r"(.*_)?country(_name)?"),
    "job_title": re.compile(r"(.*_)?(title|job|job_title|position|occupation|profession)"),
}


def made_up_class(name: str) -> str | None:
    """Returns the class of made-up values that suits a column whose own values too few people share, by its name.

    Args:
        name: the column's name in lower case, its words joined by underscores.
    """
    return next((kind for kind, pattern in _BY_NAME.items() if pattern.fullmatch(name)), None)


def sexes(labels: list[str | None]) -> npt.NDArray[np.int8]:
    """Reads the labels of a column of sexes: 1 male, 2 female, 0 anything else; shape (labels,)."""
    male = {"m", "male", "man", "mr", "mr.", "h", "homme", "hombre", "mann", "herr", "boy", "1"}
    female = {"f", "female", "woman", "w", "ms", "ms.", "mrs", "mrs.", "miss", "femme", "mujer", "frau", "girl", "2"}
    words = [(label or "").strip().lower() for label in labels]
    found = [_MALE if word in male else _FEMALE if word in female else 0 for word in words]
    return np.array(found, np.int8)


# Languages of Faker's locales that are not written in Latin letters.
_OTHER_SCRIPTS: Final = frozenset(
    "ar bg bn el fa gu he hi hy ja ka ko mk mr ne or ru si ta th uk zh".split()  # noqa: SIM905 - one line of codes
)


@lru_cache(maxsize=1)
def _locale_by_country() -> dict[str, str]:
    """Countries, by code and by name in lower case, and the locale that Faker has for each."""
    preferred = {
        "CH": "de_CH",
        "BE": "nl_BE",
        "CA": "en_CA",
        "IN": "en_IN",
        "US": "en_US",
        "GB": "en_GB",
        "IE": "en_IE",
    }
    by_code: dict[str, str] = {}
    for locale in sorted(AVAILABLE_LOCALES):
        code = locale.partition("_")[2]
        # Quebec is no country, and Faker warns about its locale.
        # Names in other scripts would not fit what a source in Latin letters looks like.
        if len(code) == 2 and code != "QC" and locale[:2] not in _OTHER_SCRIPTS:
            by_code.setdefault(code, preferred.get(code, locale))
    found = {code.lower(): locale for code, locale in by_code.items()}
    for country in DateProvider.countries:
        if country.alpha_2_code in by_code:
            for name in (country.name, country.alpha_3_code):
                found[name.lower()] = by_code[country.alpha_2_code]
    found |= {"usa": "en_US", "uk": "en_GB", "united states": "en_US", "united kingdom": "en_GB", "germany": "de_DE"}
    return found


def locale_of(country: str | None) -> str | None:
    """Returns Faker's locale for a country given by its ISO code or its English name; None where it has none."""
    return _locale_by_country().get((country or "").strip().lower())


def guess_locale(names: list[str]) -> str:
    """Returns the locale whose names are most like the given ones; ``en_US`` where none is."""
    wanted = Counter(name.strip().lower() for name in names if name)
    best, best_share = "en_US", 0.0
    for locale in ("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR", "sv_SE", "no_NO", "da_DK"):
        known = {
            name.lower()
            for method in ("first_name", "last_name")
            for name in pool(locale, method, _SMALL_POOL).tolist()
        }
        share = sum(count for name, count in wanted.items() if name in known) / max(1, wanted.total())
        # A small lead is chance: English names are known to many locales.
        if share > best_share + 0.05:
            best, best_share = locale, share
    return best
