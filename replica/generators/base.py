"""What a generator is: a model of rows of codes given codes of their context.

Generators see discrete codes only, never values, keys or tables. The codes of a row come in a fixed order of spans.
Some of the spans may be *observed*: they are learned from, but filled in by the caller, because they follow from
spans before them (the calendar from a date, the attributes of the row that a reference was assigned to).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from replica.generators.devices import CPU
from replica.kinds.base import Codes, Span

Spans = tuple[Span, ...]


@dataclass(frozen=True)
class Encoded:
    """Rows as codes.

    Attributes:
        codes: shape (rows, spans).
        spans: what each column of the codes is.
    """

    codes: npt.NDArray[np.integer[Any]]
    spans: Spans

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class FitOptions:
    """How much a fit may cost.

    Attributes:
        effort: 1.0 for the usual number of passes over the rows; less for a quicker, rougher fit.
        max_seconds: stop learning after about this long; None for no limit. A run that is stopped by the clock is not
            repeatable.
        device: where nets are computed, by a name of :data:`~replica.generators.devices.DEVICES`.
    """

    effort: float = 1.0
    max_seconds: float | None = None
    device: str = CPU


class TableGenerator(Protocol):
    """A family of generators, fitted to one table. A frozen dataclass, so that it can be saved as it is."""

    @classmethod
    def fit(cls, rows: Encoded, context: Encoded, options: FitOptions, rng: np.random.Generator) -> Self:
        """Learns rows given their context.

        Args:
            rows: at least one row and one span.
            context: as many rows; it may have no span.
            options: how much the fit may cost.
            rng: the random stream of the fit.
        """

    def sample(self, context: Codes, given: Codes, stop: int, rng: np.random.Generator, device: str = CPU) -> Codes:
        """Draws the spans from the first that is not given up to, not including, ``stop``.

        Args:
            context: codes of the context; shape (rows, context spans).
            given: codes of the first spans of each row; shape (rows, given spans).
            stop: place of the first span that is not drawn. No span between may be an observed one.
            rng: the random stream.
            device: where nets are computed, as in :class:`FitOptions`.

        Returns:
            Codes of the drawn spans: shape (rows, stop - given spans).
        """


def no_context(n: int) -> Encoded:
    """Returns the context of rows that stand alone."""
    return Encoded(np.zeros((n, 0), np.int32), ())
