"""What a column's name and comment say that its values look like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from faker import Faker

Texts = npt.NDArray[np.object_]

_POOL = 97
_MOST_WORDS = 12

# What a name ends with or holds, and the method of Faker whose values look like it; the first that fits is taken.
_METHODS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), method)
    for pattern, method in (
        (r".*(url|uri|link|href|website|homepage|endpoint|callback)s?", "url"),
        (r".*(ip|ip_address|remote_addr|host_address)", "ipv4"),
        (r".*(domain|host|hostname|server)(_name)?", "domain_name"),
        (r".*user_agent", "user_agent"),
        (r".*(mime|content|media)_?type", "mime_type"),
        (r".*(file|image|photo|picture|avatar|logo|attachment|document)(_file)?_?(name)?", "file_name"),
        (r".*(path|directory|folder)", "file_path"),
        (r".*(colou?r)", "hex_color"),
        (r".*(locale)", "locale"),
        (r".*(language|lang)(_code)?", "language_code"),
        (r".*(currency)(_code|_iso)?", "currency_code"),
        (r".*country_(code|iso)", "country_code"),
        (r".*country(_name)?", "country"),
        (r".*(city|town|locality|municipality)(_name)?", "city"),
        (r".*(postal|post|zip)_?(code)?", "postcode"),
        (r".*(time_?zone|tz)(_name)?", "timezone"),
        (r".*(sha\d*|md5|hash|digest|checksum|fingerprint|etag)", "sha256"),
        (r".*(uuid|guid)", "uuid4"),
        (r".*(slug|permalink|basename|shortname)", "slug"),
        (r".*(isbn)(13)?", "isbn13"),
        (r".*(ean|barcode|gtin|upc)", "ean13"),
        (r".*(version|release)", "numerify"),
        (r".*(company|organi[sz]ation|employer|vendor|supplier|publisher)(_name)?", "company"),
        (r".*(job|position|occupation|profession)(_title|_name)?", "job"),
        (r".*(body|content|description|comment|note|message|summary|text|bio|abstract|reason|instruction)s?", "text"),
        (r".*(title|subject|headline|question|heading)", "sentence"),
        (r".*(tag|keyword|category|topic|label|term)s?", "word"),
        (r".*(name|display)", "catch_phrase"),
    )
)

_LISTED = re.compile(
    r"\b(?:one of|either|values?(?: are)?|allowed|possible values|may be|can be)\b[:\s]+(.+)", re.IGNORECASE
)
_CODED = re.compile(r"\b([\w-]{1,20})\s*(?:=|->|:)\s*[A-Za-z]")
_WORD = re.compile(r"[\"'`]?([\w-]{1,40})[\"'`]?\Z")


@lru_cache(maxsize=256)
def pool(method: str, locale: str = "en_US") -> Texts:
    """Returns plausible texts of a kind, always the same: shape (values,)."""
    maker = Faker(locale)
    maker.seed_instance(20_240_229)
    special: Mapping[str, Callable[[], str]] = {
        "numerify": lambda: str(maker.numerify("%.#.#")),
        "text": lambda: str(maker.paragraph(nb_sentences=2)),
        "sentence": lambda: str(maker.sentence(nb_words=5)).rstrip("."),
    }
    make = special.get(method) or getattr(maker, method)
    return np.array([str(make()) for _ in range(_POOL)], dtype=object)


def texts_named(name: str) -> Texts | None:
    """Returns plausible texts for a column by its name in words; None where the name says nothing known."""
    return next((pool(method) for pattern, method in _METHODS if pattern.fullmatch(name)), None)


@dataclass(frozen=True)
class Scale:
    """How large the numbers of a column are likely to be.

    Attributes:
        low: the least.
        high: the greatest.
        skewed: True where small ones are the more frequent.
    """

    low: float
    high: float
    skewed: bool = False


_SCALES: Final[tuple[tuple[re.Pattern[str], Scale], ...]] = tuple(
    (re.compile(pattern), scale)
    for pattern, scale in (
        (r"(.*_)?year(_.*)?", Scale(1990, 2025)),
        (r"(.*_)?month", Scale(1, 12)),
        (r"(.*_)?(day|day_of_month)", Scale(1, 28)),
        (r"(.*_)?(hour|hours)", Scale(0, 23)),
        (r"(.*_)?(minute|second)s?", Scale(0, 59)),
        (r"(.*_)?age", Scale(18, 90)),
        (r"(.*_)?lat(itude)?", Scale(-60, 70)),
        (r"(.*_)?(lon|lng|long|longitude)", Scale(-180, 180)),
        (r"(.*_)?(percent|percentage|pct|progress)", Scale(0, 100)),
        (r"(.*_)?(rate|ratio|share|probability|confidence|weight|factor)", Scale(0, 1)),
        (r"(.*_)?(rating|stars|grade)", Scale(1, 5)),
        (r"(.*_)?(position|rank|sort|order|priority|level|depth|ordinal|seq|sequence)(_.*)?", Scale(1, 20)),
        (r"(.*_)?(count|counter|quantity|qty|number_of.*|num_.*|total_.*s|.*_count)", Scale(0, 60, skewed=True)),
        (
            r"(.*_)?(price|amount|total|cost|fee|balance|subtotal|tax|discount|charge|paid|owed)(_.*)?",
            Scale(1, 900, skewed=True),
        ),
        (r"(.*_)?(salary|income|revenue|budget)(_.*)?", Scale(20_000, 150_000, skewed=True)),
        (r"(.*_)?(size|bytes|length|file_size)", Scale(100, 5_000_000, skewed=True)),
        (r"(.*_)?(width|height)", Scale(100, 4000)),
        (r"(.*_)?(duration|elapsed|timeout|interval|seconds|millis|ms)(_.*)?", Scale(1, 3600, skewed=True)),
        (r"(.*_)?version(_.*)?", Scale(1, 9, skewed=True)),
        (r"(.*_)?port", Scale(1024, 49_151)),
        (r"(.*_)?(type|kind|status|state|mode|flags?|category|role|visibility)", Scale(0, 4, skewed=True)),
    )
)


def scale_named(name: str) -> Scale:
    """Returns how large the numbers of a column are likely to be, by its name in words."""
    return next((scale for pattern, scale in _SCALES if pattern.fullmatch(name)), Scale(0, 1000, skewed=True))


def values_in_comment(comment: str | None) -> tuple[str, ...]:
    """Returns the values that a comment lists, as in ``one of: open, closed`` or ``0 = off, 1 = on``.

    >>> values_in_comment("State of the order; one of: open, closed or lost")
    ('open', 'closed', 'lost')
    >>> values_in_comment("0 = inactive, 1 = active")
    ('0', '1')
    """
    if not comment:
        return ()
    coded = _CODED.findall(comment)
    if len(coded) >= 2:
        return tuple(dict.fromkeys(coded))
    listed = _LISTED.search(comment)
    if listed is None:
        return ()
    parts = [part.strip() for part in re.split(r",|;|/|\||\bor\b|\band\b", listed[1].split(".")[0])]
    words = [found[1] for part in parts if (found := _WORD.match(part))]
    return tuple(dict.fromkeys(words)) if 2 <= len(words) == len(parts) <= _MOST_WORDS else ()


_RARELY_SET: Final = re.compile(
    r".*(deleted|archived|cancell?ed|closed|removed|expired|revoked|blocked|banned|suspended|locked|failed|resolved"
    r"|discarded|retired|withdrawn|terminated|deceased|ended|error).*"
)
_LATER: Final = re.compile(r".*(updat|modif|chang|last|end|expir|finish|complet|clos|delet|due|until|_to|stop).*")
_BIRTH: Final = re.compile(r"(.*_)?(birth|dob|born|birthday|birthdate)(_.*)?|date_of_birth")


def null_share(name: str) -> float:
    """Returns how many values of a column that may be null are likely to be."""
    return 0.7 if _RARELY_SET.fullmatch(name) else 0.15


def is_late(name: str) -> bool:
    """Returns True for moments at the end of something."""
    return bool(_LATER.fullmatch(name))


def is_birth(name: str) -> bool:
    """Returns True for days of birth."""
    return bool(_BIRTH.fullmatch(name))
