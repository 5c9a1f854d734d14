"""Numbers of articles, as the types of the extension isn take them: valid check digits, in numbers nobody has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Objects = npt.NDArray[np.object_]

# The first digits under which a type's numbers lie, and how many digits there are with the check digit (ISO 2108,
# ISO 3297, ISO 10957; GS1 General Specifications, section 7.9). The shorter types take the long forms too.
_PREFIXES: Final[Mapping[str, str]] = {
    "ean13": "200",
    "isbn13": "978",
    "isbn": "978",
    "ismn13": "9790",
    "ismn": "9790",
    "issn13": "977",
    "issn": "977",
    "upc": "0",
}
_DIGITS = 13


def article_maker(base: str) -> Callable[[int, np.random.Generator, bool], Objects] | None:
    """Returns what makes numbers of a type of the extension isn, different ones if told so; None for other types."""
    prefix = _PREFIXES.get(base)
    if prefix is None:
        return None
    # The two digits behind an ISSN say which variant it is: the type takes none but 00.
    free = _DIGITS - 1 - len(prefix) - (2 if base.startswith("issn") else 0)

    def make(n: int, rng: np.random.Generator, distinct: bool) -> Objects:  # noqa: FBT001 - one of three
        bodies = np.arange(n) * 7919 % 10**free if distinct else rng.integers(0, 10**free, n)
        end = "00" if base.startswith("issn") else ""
        return np.array([_with_check_digit(f"{prefix}{body:0{free}}{end}") for body in bodies.tolist()], dtype=object)

    return make


def _with_check_digit(digits: str) -> str:
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
