"""The geometry of the charts: numbers to SVG. What they look like is for the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replica.evaluation.figures import Figure, mean_of
from replica.evaluation.pictures import Bars, HeatMap

# Grades of how far something surely lies under its ceiling, the first the best.
_GRADES = (0.02, 0.05, 0.1, 0.2)
NO_GRADE = "none"

AREA = (120.0, 44.0)
"""Width and height of the picture of a distribution."""


def grade_of(*figures: Figure | None) -> str:
    """Returns a grade from ``0``, as good as it can be, to ``4``; ``none`` where nothing was scored."""
    mean = mean_of([figure for figure in figures if figure is not None])
    if mean is None or mean.ceiling is None:
        return NO_GRADE
    return str(sum(mean.surely_below_ceiling > least for least in _GRADES))


def areas(bars: Bars) -> tuple[str, ...]:
    """Returns the outline of each side's distribution as an SVG path, in the size of :data:`AREA`."""
    top = max((share for side in bars.shares for share in side), default=0.0) or 1.0
    return tuple(_steps(side, top) for side in bars.shares)


def _steps(shares: Sequence[float], top: float) -> str:
    if not shares:
        return ""
    width, height = AREA
    step = width / len(shares)
    heights = [height * (1 - 0.96 * share / top) for share in shares]
    points = [f"V{y:.1f}H{(i + 1) * step:.1f}" for i, y in enumerate(heights)]
    return f"M0,{height:.1f}{''.join(points)}V{height:.1f}Z"


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map: where it lies and how dark it is, from 0 to 1."""

    x: int
    y: int
    weight: float
    share: float


def heat_cells(heat: HeatMap) -> tuple[tuple[Cell, ...], ...]:
    """Returns the cells of each side that are not empty; all sides share one scale."""
    top = max((share for side in heat.shares for line in side for share in line), default=0.0) or 1.0
    return tuple(
        tuple(
            # The root, so that rare cells can be told from empty ones.
            Cell(x, y, (share / top) ** 0.5, share)
            for y, line in enumerate(side)
            for x, share in enumerate(line)
            if share > 0
        )
        for side in heat.shares
    )
