"""A figure never stands alone: beside it are its ceiling, its floor and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
_APART = 0.02


@dataclass(frozen=True, slots=True)
class Figure:
    """A score and what it can be compared with.

    Attributes:
        value: the replica against the original.
        low: lower end of the 95 % interval of ``value``.
        high: its upper end.
        ceiling: two samples of the original of the same size against each other; None where there is no such thing.
        floor: the original against its columns drawn independently and its keys drawn at random; None likewise.
        best: the value of a perfect replica. It is 1 for how alike things are, and 0.5 for how well they are told
            apart: values on both sides of it are worse, since less than chance means copies.
    """

    value: float
    low: float
    high: float
    ceiling: float | None = None
    floor: float | None = None
    best: float = 1.0

    @property
    def below_ceiling(self) -> float:
        """How much farther from the best the value lies than its ceiling; 0 without one, or where it lies nearer."""
        return max(0.0, self._off(self.value) - self._off(self.ceiling)) if self.ceiling is not None else 0.0

    @property
    def surely_below_ceiling(self) -> float:
        """How far at least the value lies under its ceiling: what is left when chance gets its due."""
        nearest = min(max(self.best, self.low), self.high)
        return max(0.0, self._off(nearest) - self._off(self.ceiling)) if self.ceiling is not None else 0.0

    @property
    def fidelity(self) -> float | None:
        """Where the value lies between floor, 0, and ceiling, 1; None where these are hardly apart."""
        if self.ceiling is None or self.floor is None:
            return None
        floor = self._off(self.floor)
        apart = floor - self._off(self.ceiling)
        return float(np.clip((floor - self._off(self.value)) / apart, 0.0, 1.0)) if abs(apart) >= _APART else None

    @property
    def upwards(self) -> Figure:
        """The same with all values as far above the best as they were below it, so that no mean hides them."""
        if self.best >= 1.0:
            return self
        turned = self.value < self.best
        low, high = (2 * self.best - self.high, 2 * self.best - self.low) if turned else (self.low, self.high)
        ceiling, floor = (None if end is None else self.best + self._off(end) for end in (self.ceiling, self.floor))
        return Figure(self.best + self._off(self.value), low, high, ceiling, floor, self.best)

    @property
    def as_likeness(self) -> Figure:
        """The same as a score of which 1 is the best: 0 where everything is told apart, or everything copied."""
        if self.best >= 1.0:
            return self
        scale = max(self.best, 1.0 - self.best)
        reach = max(self._off(self.low), self._off(self.high))
        nearest = self._off(min(max(self.best, self.low), self.high))
        ceiling, floor = (None if end is None else 1.0 - self._off(end) / scale for end in (self.ceiling, self.floor))
        return Figure(1.0 - self._off(self.value) / scale, 1.0 - reach / scale, 1.0 - nearest / scale, ceiling, floor)

    def _off(self, value: float) -> float:
        return abs(value - self.best)


@dataclass(frozen=True)
class Scored:
    """Scores of several things, each computed on many splits of the rows into random halves.

    A half that is drawn without replacement varies about as much around the whole as the whole does around the truth,
    so the spread over the splits is the standard error of the score (half-sampling: McCarthy 1969; Shao and Wu 1989).

    Attributes:
        names: what was scored.
        replica: halves of the original against halves of the replica, shape (splits, things).
        ceiling: halves of the original against their other halves, of the same shape.
        floor: halves of the original against halves of the floor.
        groups: number of random groups that the halves are made of; what the spread is known from.
    """

    names: tuple[str, ...]
    replica: Floats
    ceiling: Floats
    floor: Floats
    groups: int

    def __len__(self) -> int:
        return len(self.names)

    def figures(self) -> dict[str, Figure]:
        """Returns a figure for each thing that could be scored."""
        known = self._known()
        return {
            name: self._figure(self.replica[:, i], self.ceiling[:, i], self.floor[:, i])
            for i, name in enumerate(self.names)
            if known[i]
        }

    def mean(self) -> Figure | None:
        """Returns the figure of the mean over all things; None where there is none."""
        known = self._known()
        if not known.any():
            return None
        return self._figure(*(scores[:, known].mean(axis=1) for scores in (self.replica, self.ceiling, self.floor)))

    def _known(self) -> npt.NDArray[np.bool_]:
        """Which things could be scored on every split."""
        return np.asarray(np.isfinite(self.replica).all(axis=0))

    def _figure(self, replica: Floats, ceiling: Floats, floor: Floats) -> Figure:
        value = float(replica.mean())
        low, high = interval(value, float(replica.std(ddof=1)) if len(replica) > 1 else 0.0, self.groups)
        return Figure(value, low, high, _mean(ceiling), _mean(floor))


def _mean(scores: Floats) -> float | None:
    return float(scores.mean()) if np.isfinite(scores).all() else None


def interval(value: float, error: float, groups: int) -> tuple[float, float]:
    """Returns the 95 % interval of a score between 0 and 1, from its standard error over some groups."""
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, max(1, groups - 1))) * error
    return max(0.0, value - reach), min(1.0, value + reach)


def joined(parts: Sequence[Scored]) -> Scored | None:
    """Puts scores of the same splits side by side; None without any."""
    found = [part for part in parts if len(part)]
    if not found:
        return None
    return Scored(
        tuple(name for part in found for name in part.names),
        np.concatenate([part.replica for part in found], axis=1),
        np.concatenate([part.ceiling for part in found], axis=1),
        np.concatenate([part.floor for part in found], axis=1),
        min(part.groups for part in found),
    )


def mean_of(figures: Sequence[Figure]) -> Figure | None:
    """Returns the mean of figures; None without any.

    Figures of one database are not independent of each other, so their intervals are averaged and not narrowed. Where
    the best lies in the middle, what is below it does not make up for what is above it.
    """
    if not figures:
        return None
    figures = [one.upwards for one in figures]
    value, low, high = (float(np.mean([getattr(one, end) for one in figures])) for end in ("value", "low", "high"))
    ceilings = [one.ceiling for one in figures if one.ceiling is not None]
    floors = [one.floor for one in figures if one.floor is not None]
    return Figure(
        value,
        low,
        high,
        float(np.mean(ceilings)) if len(ceilings) == len(figures) else None,
        float(np.mean(floors)) if len(floors) == len(figures) else None,
        figures[0].best,
    )
