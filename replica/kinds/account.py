"""Numbers that stand for one person: accounts, cards, national ids. Their form is learned, and no digit of theirs.

A pattern learned from few banks or few years would hold the banks' codes and the years; new numbers would then come
close to the source's, and now and then hit one. So every digit is set free, as far as numbers stay valid without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from replica.kinds import checksums
from replica.kinds.base import ColumnData
from replica.kinds.code import DIGITS, UPPER, CodeKind, Pattern, drawn_once

Share = Callable[[list[str]], float]
"""How many of some numbers are valid, from 0 to 1."""

# A place is set free only while so many of the numbers drawn at random stay valid.
_STILL_VALID, _DRAWN = 0.4, 40
# First characters that the form demands: the country of an IBAN, the network of a card.
_DEMANDED: Final = {"iban": 2, "luhn": 1}


@dataclass(frozen=True)
class AccountKind(CodeKind):
    """Numbers in the forms that the source has, with right check digits, and with nothing else of its numbers.

    Kept are lengths, separators, letters beside digits, an IBAN's country, a card's first digit, and those digits
    without which hardly a number is valid, such as the first of a month.
    """

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:
        """See :meth:`replica.kinds.base.Kind.fit`. Option: ``unique``, whether values must differ."""
        learned = super().fit(data, rng)
        return replace(learned, patterns=tuple(_freed(pattern, rng) for pattern in learned.patterns))


def _freed(pattern: Pattern, rng: np.random.Generator) -> Pattern:
    def share(texts: list[str]) -> float:
        return sum(checksums.is_valid(text, pattern.check) for text in texts) / len(texts)

    start = _DEMANDED.get(pattern.check or "", 0)
    return freed(pattern, start, share, _STILL_VALID, rng, letters=pattern.check == "iban")


def freed(
    pattern: Pattern, start: int, share: Share, least: float, rng: np.random.Generator, *, letters: bool = False
) -> Pattern:
    """Sets the digits of a pattern free, the last ones first, as far as enough numbers stay valid.

    Args:
        pattern: the pattern as it was learned.
        start: how many first characters stay as they are.
        share: tells how many of some numbers are valid.
        least: the smallest share, of what the pattern as it was learned has, that must stay valid.
        rng: for the numbers that are tried.
        letters: True where capitals are set free too.
    """
    held = checksums.check_places(pattern.slots, pattern.check)
    least *= share(drawn_once(pattern, _DRAWN, rng))
    for place in reversed(range(start, len(pattern.slots))):
        slot = pattern.slots[place]
        whole = DIGITS if set(slot) <= set(DIGITS) else UPPER if letters and set(slot) <= set(UPPER) else slot
        if place in held or slot == whole:
            continue
        wider = replace(pattern, slots=(*pattern.slots[:place], whole, *pattern.slots[place + 1 :]))
        if share(drawn_once(wider, _DRAWN, rng)) >= least:
            pattern = wider
    return pattern
