"""Moments and numbers counted from others: the time since the row before, the end after the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes, Span
from replica.kinds.datetime import DAY_US, TIME_BINS, time_step
from replica.kinds.quantile import QuantileCode, fit_quantiles

Ints = npt.NDArray[np.int64]

Measure = Literal["date", "timestamp", "number"]
"""What whole numbers stand for: days since 1970, microseconds since 1970, or themselves."""

_BINS = 128
# With more gaps than this below one day, days are too coarse a measure.
_WITHIN_DAY = 0.3


@dataclass(frozen=True)
class GapCode:
    """Values as distances from a base.

    Values are whole numbers: days of a date, microseconds of a timestamp, units of a number.

    Attributes:
        name: what is coded.
        unit: how many units of the value one unit of the gap is: a day for timestamps that are learned by days.
        curve: the distribution of the gap.
        clock: the distribution of the time of day, where gaps are counted in days; None otherwise.
        step: all values are multiples of this many units.
        least: the smallest gap allowed; None lets a value come before its base.
    """

    name: str
    unit: int
    curve: QuantileCode
    clock: QuantileCode | None
    step: int
    least: int | None

    @property
    def spans(self) -> tuple[Span, ...]:
        """The gap, and the time of day where it is apart."""
        first = Span(self.name, self.curve.bins, ordered=self.curve.bins)
        if self.clock is None:
            return (first,)
        return (first, Span(f"{self.name} clock", self.clock.bins, ordered=self.clock.bins))

    def encode(self, values: Ints, base: Ints) -> Codes:
        """Returns the codes of values counted from their bases: shape (rows, spans)."""
        if self.unit != DAY_US:
            return self.curve.encode(((values - base) / self.unit).astype(np.float64))[:, None]
        day, base_day = values // DAY_US, base // DAY_US
        gap = self.curve.encode((day - base_day).astype(np.float64))
        if self.clock is None:
            return gap[:, None]
        return np.stack([gap, self.clock.encode((values - day * DAY_US).astype(np.float64))], axis=1)

    def decode(self, codes: Codes, base: Ints, rng: np.random.Generator) -> Ints:
        """Draws values counted from their bases: shape (rows,)."""
        gap = np.round(self.curve.decode(codes[:, 0], rng)).astype(np.int64)
        values = base + gap * self.unit if self.unit != DAY_US else (base // DAY_US + gap) * DAY_US
        if self.clock is not None:
            drawn = self.clock.decode(codes[:, 1], rng)
            values += np.clip(np.floor(drawn / self.step + 0.5).astype(np.int64) * self.step, 0, DAY_US - self.step)
        if self.least is not None:
            # The time of day may fall before the base's on the same day.
            values = np.maximum(values, base + self.least)
        return values


def fit_gaps(
    name: str,
    values: Ints,
    base: Ints,
    *,
    kind: Measure,
    holders: Ints | None,
    min_holders: int,
    least: int | None,
) -> GapCode:
    """Learns distances.

    Args:
        name: what is coded.
        values: days, microseconds or numbers; at least one.
        base: what they are counted from.
        kind: what the values are.
        holders: who stands behind each.
        min_holders: least holders behind a distance that is kept as it is.
        least: the smallest gap allowed, in units of the values; None lets a value come before its base.
    """
    if kind != "timestamp":
        gap = (values - base).astype(np.float64)
        curve = fit_quantiles(gap, holders, bins=_BINS, min_holders=min_holders)
        return GapCode(name, 1, curve, None, 1, least)
    step = time_step(values % DAY_US)
    within_day = float(np.mean(np.abs(values - base) < DAY_US))
    if within_day > _WITHIN_DAY:
        gap = ((values - base) / step).astype(np.float64)
        return GapCode(name, step, fit_quantiles(gap, holders, bins=_BINS, min_holders=min_holders), None, step, least)
    days = (values // DAY_US - base // DAY_US).astype(np.float64)
    clock = (values % DAY_US).astype(np.float64)
    return GapCode(
        name,
        DAY_US,
        fit_quantiles(days, holders, bins=_BINS, min_holders=min_holders),
        fit_quantiles(clock, holders, bins=TIME_BINS, min_holders=min_holders) if clock.any() else None,
        max(step, 1),
        least,
    )


def in_units(numbers: Ints, family: str, wanted: str) -> Ints:
    """Turns days into microseconds or back, where the types of two moments measure differently."""
    if (family == "date") == (wanted == "date"):
        return numbers
    return numbers * DAY_US if family == "date" else numbers // DAY_US


def in_measure(numbers: Ints, family: str, measure: Measure) -> Ints:
    """Turns a moment, in the units of its type, into another measure; a number is its year."""
    if measure != "number":
        return in_units(numbers, family, measure)
    days = in_units(numbers, family, "date")
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
