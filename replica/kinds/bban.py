"""Check digits that countries put inside their account numbers, beside those of the IBAN around them.

Sources: ECBS TR 201 (register of European account numbers); the SWIFT IBAN registry for the lengths and places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from stdnum import luhn
from stdnum.es import ccc

Compute = Callable[[str], str]
"""Check digits of an account number whose own are not heeded."""


@dataclass(frozen=True, slots=True)
class Inner:
    """Where a country's own check digits stand.

    Attributes:
        length: how many characters the account number has, without the IBAN's first four.
        start: the first place of the check digits in it.
        stop: the place behind them.
        compute: makes them from the whole account number.
    """

    length: int
    start: int
    stop: int
    compute: Compute


def _spanish(number: str) -> str:
    return str(ccc.calc_check_digits(number))


_FRENCH_LETTERS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "12345678912345678923456789")


def _french(number: str) -> str:
    bank, branch, account = (int(part.translate(_FRENCH_LETTERS)) for part in (number[:5], number[5:10], number[10:21]))
    return f"{97 - (89 * bank + 15 * branch + 3 * account) % 97:02d}"


def _belgian(number: str) -> str:
    return f"{int(number[:-2]) % 97 or 97:02d}"


def _mod_97(number: str) -> str:
    return f"{98 - int(number[:-2] + '00') % 97:02d}"


def _finnish(number: str) -> str:
    return str(luhn.calc_check_digit(number[:-1]))


_ODD = dict(
    zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22,
    25, 24, 23), strict=True)
)  # fmt: skip


def _italian(number: str) -> str:
    places = [int(c) if c.isdigit() else ord(c) - ord("A") for c in number[1:]]
    total = sum(_ODD["ABCDEFGHIJKLMNOPQRSTUVWXYZ"[at]] if i % 2 == 0 else at for i, at in enumerate(places))
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[total % 26]


def _norwegian(number: str) -> str:
    weights = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    check = -sum(weight * int(digit) for weight, digit in zip(weights, number, strict=False)) % 11
    # Where it would be 10 there is no such number; the caller draws another.
    return str(check % 10)


_INNER: Final[Mapping[str, Inner]] = {
    "BE": Inner(12, 10, 12, _belgian),
    "ES": Inner(20, 8, 10, _spanish),
    "FI": Inner(14, 13, 14, _finnish),
    "FR": Inner(23, 21, 23, _french),
    "IT": Inner(23, 0, 1, _italian),
    "MC": Inner(23, 21, 23, _french),
    "NO": Inner(11, 10, 11, _norwegian),
    "SM": Inner(23, 0, 1, _italian),
} | {
    country: Inner(length, length - 2, length, _mod_97)
    for country, length in (("BA", 16), ("ME", 18), ("MK", 15), ("PT", 21), ("RS", 18), ("SI", 15), ("XK", 16))
}
"""Countries whose account numbers have check digits of their own. A new one is a line here."""


def inner_places(country: str) -> range:
    """Returns where a country's own check digits stand in an IBAN without separators."""
    found = _INNER.get(country)
    return range(found.start + 4, found.stop + 4) if found else range(0)


def inner_digits(iban: str) -> str | None:
    """Returns a country's own check digits for an IBAN without separators; None where it has none, or another form."""
    found, number = _INNER.get(iban[:2]), iban[4:]
    if found is None or len(number) != found.length or not number.isalnum():
        return None
    try:
        return found.compute(number)
    except ValueError:
        # A letter where only digits may stand.
        return None
