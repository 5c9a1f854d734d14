"""Check digits: finding out which scheme numbers follow, and making new numbers valid under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any, Final

from stdnum.exceptions import ValidationError

from replica.kinds.bban import inner_digits, inner_places

_SAMPLE = 200
_AGREE = 0.95
_FEWEST = 5


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way of computing check digits.

    Attributes:
        module: the ``python-stdnum`` module that knows it.
        places: where the check digits stand; negative from the end.
        function: the module's function that computes them from the rest of the number (for ``iban``, from the whole);
            None where the module can only tell a valid number, and the digits are searched.
        prefix: how many first characters name the issuer and are kept apart.
    """

    module: str
    places: tuple[int, ...]
    function: str | None = None
    prefix: int = 0


SCHEMES: Final[Mapping[str, Scheme]] = {
    "iban": Scheme("stdnum.iban", (2, 3), "calc_check_digits", prefix=2),
    "br.cpf": Scheme("stdnum.br.cpf", (-2, -1)),
    # Before EAN, whose check digit these numbers have too.
    "tr.tckimlik": Scheme("stdnum.tr.tckimlik", (-2, -1)),
    "ch.ssn": Scheme("stdnum.ean", (-1,), "calc_check_digit"),
    "de.idnr": Scheme("stdnum.iso7064.mod_11_10", (-1,), "calc_check_digit"),
    "es.dni": Scheme("stdnum.es.dni", (-1,), "calc_check_digit"),
    "fr.nir": Scheme("stdnum.fr.nir", (-2, -1), "calc_check_digits"),
    "gb.nhs": Scheme("stdnum.gb.nhs", (-1,)),
    "it.codicefiscale": Scheme("stdnum.it.codicefiscale", (-1,), "calc_check_digit"),
    "nl.bsn": Scheme("stdnum.nl.bsn", (-1,)),
    "pl.pesel": Scheme("stdnum.pl.pesel", (-1,), "calc_check_digit"),
    "luhn": Scheme("stdnum.luhn", (-1,), "calc_check_digit"),
}
"""Schemes of check digits by name, in the order in which they are tried. A new one is a line here."""


def find_scheme(texts: list[str]) -> str | None:
    """Returns the scheme that nearly all of the numbers follow, if there is one."""
    sample = texts[:_SAMPLE]
    if len(sample) < _FEWEST or not all(_could_be_number(_compact(text)) for text in sample):
        return None
    for name, scheme in SCHEMES.items():
        if _agree(sample, scheme):
            return name
    return None


def _agree(sample: list[str], scheme: Scheme) -> bool:
    """True where nearly all numbers follow a scheme; most schemes are out after a few."""
    module, left = import_module(scheme.module), len(sample) - _AGREE * len(sample)
    for text in sample:
        left -= _completed(text, scheme, module) != text
        if left < 0:
            return False
    return True


def prefix_length(name: str | None) -> int:
    """Returns how many first characters of the scheme's numbers name the issuer."""
    return SCHEMES[name].prefix if name else 0


def check_places(slots: tuple[str, ...], name: str | None) -> frozenset[int]:
    """Returns which of the slots hold check digits."""
    if name is None:
        return frozenset()
    shown = [i for i, slot in enumerate(slots) if slot.isalnum()]
    places = list(SCHEMES[name].places)
    if name == "iban":
        places += inner_places("".join(slots[i] for i in shown[:2]))
    return frozenset(shown[place] for place in places if -len(shown) <= place < len(shown))


def blank(slots: tuple[str, ...], name: str | None) -> tuple[str, ...]:
    """Fixes the places of the check digits, which are computed and must not be counted as free."""
    held = check_places(slots, name)
    return tuple("0" if i in held else slot for i, slot in enumerate(slots))


def complete(texts: list[str], name: str | None) -> list[str]:
    """Puts the right check digits into numbers, separators and all; a number that cannot have any stays as it is."""
    if name is None:
        return texts
    scheme = SCHEMES[name]
    module = import_module(scheme.module)
    if name == "iban":
        texts = [_with_inner_digits(text) for text in texts]
    return [_completed(text, scheme, module) or text for text in texts]


def _with_inner_digits(text: str) -> str:
    """An IBAN with the check digits that its country puts inside the account number."""
    number = _compact(text)
    digits = inner_digits(number)
    if digits is None:
        return text
    shown, letters = [i for i, letter in enumerate(text) if letter.isalnum()], list(text)
    for place, digit in zip(inner_places(number[:2]), digits, strict=True):
        letters[shown[place]] = digit
    return "".join(letters)


def is_valid(text: str, name: str | None) -> bool:
    """Returns True if a number is valid in every respect that its scheme knows, such as a date within it."""
    return name is None or bool(import_module(SCHEMES[name].module).is_valid(_compact(text)))


def _completed(text: str, scheme: Scheme, module: Any) -> str | None:
    """The text with its check digits; None where the scheme has none for it."""
    shown = [i for i, letter in enumerate(text) if letter.isalnum()]
    if len(shown) <= len(scheme.places):
        return None
    digits = _digits(_compact(text), scheme, module)
    if digits is None or len(digits) != len(scheme.places):
        return None
    letters = list(text)
    for place, digit in zip(scheme.places, digits, strict=True):
        letters[shown[place]] = digit
    return "".join(letters)


def _digits(number: str, scheme: Scheme, module: Any) -> str | None:
    if scheme.function is None:
        return _searched(number, scheme, module)
    rest = number if scheme.prefix else number[: len(number) - len(scheme.places)]
    if scheme.prefix and not rest[: scheme.prefix].isalpha():
        return None
    try:
        return str(getattr(module, scheme.function)(rest))
    except (ValidationError, ValueError, IndexError, KeyError):
        # What stdnum raises for a number of another form.
        return None


def _searched(number: str, scheme: Scheme, module: Any) -> str | None:
    stem = number[: len(number) - len(scheme.places)]
    for digits in product("0123456789", repeat=len(scheme.places)):
        if module.is_valid(stem + "".join(digits)):
            return "".join(digits)
    return None


def _compact(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


def _could_be_number(text: str) -> bool:
    return 8 <= len(text) <= 34 and sum(letter.isdigit() for letter in text) >= 5
