"""Guessing where people come from: by their countries, telephone numbers and accounts first, then by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import phonenumbers

from replica.inference.sampling import TableSample
from replica.kinds.contact import calling_code
from replica.kinds.personal import guess_locale, locale_of
from replica.schema.schema_map import TableMap

Samples = Mapping[str, TableSample]
Tables = Mapping[str, TableMap]

_NAMES = frozenset({"first_name", "last_name", "full_name"})
_FEWEST, _SAMPLE = 5, 2000


def guess_home(tables: Tables, samples: Samples) -> tuple[str, str]:
    """Guesses the locale of names and addresses where no column of their table says a country.

    Args:
        tables: the drafted tables, whose columns have their kinds.
        samples: some rows of each.

    Returns:
        The locale and why.
    """
    votes: Counter[str] = Counter()
    sources = []
    for name, texts, country_of in _evidence(tables, samples):
        found = Counter(locale for text in texts if (locale := locale_of(country_of(text))) is not None)
        if found.total() >= _FEWEST:
            sources.append(name)
            # Each column has one vote, however many rows it has.
            votes.update({locale: round(1000 * count / found.total()) for locale, count in found.items()})
    if votes:
        locale, count = max(votes.items(), key=lambda item: (item[1], item[0]))
        more = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
        return locale, f"where {count / votes.total():.0%} of {', '.join(sources[:3])}{more} point"
    names = [text for table, column in _columns(tables, samples, _NAMES) for text in samples[table].texts(column)[:500]]
    if not names:
        return "en_US", "nothing says where people come from"
    return guess_locale([word for name in names for word in name.split()]), "whose names are most like those found"


def _evidence(tables: Tables, samples: Samples) -> Iterator[tuple[str, list[str], Callable[[str], str | None]]]:
    """Columns that point to countries: their name, some values, and what tells a value's country."""
    for name, table in tables.items():
        if table.locale is not None and name in samples:
            yield f"{name}.{table.locale}", samples[name].texts(table.locale)[:_SAMPLE], str
    for kind, country_of in _COUNTRY_OF.items():
        for name, column in _columns(tables, samples, frozenset({kind})):
            yield f"{name}.{column}", samples[name].texts(column)[:_SAMPLE], country_of


def _columns(tables: Tables, samples: Samples, kinds: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name, table in tables.items():
        for column, found in table.columns.items() if name in samples else ():
            if found.kind in kinds:
                yield name, column


def _of_phone(text: str) -> str | None:
    digits = "".join(letter for letter in text[: calling_code(text)] if letter.isdigit()).lstrip("0")
    return phonenumbers.region_code_for_country_code(int(digits)) if digits else None


def _of_iban(text: str) -> str | None:
    return text[:2]


_COUNTRY_OF: Final[Mapping[str, Callable[[str], str | None]]] = {"phone": _of_phone, "iban": _of_iban}
