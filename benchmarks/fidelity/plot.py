"""A plot with logarithmic axes as SVG, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _MARGIN, _LEGEND = 380, 280, 48, 24
_COLOURS = ("#3b7dd8", "#d8733b", "#3ba55d", "#9b59b6")
_INK = "#808080"


@dataclass(frozen=True)
class Line:
    """A name, and points (x, y) above zero."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Panel:
    """Lines over one axis."""

    axis: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Scale:
    """Whole decades, laid over a stretch of pixels."""

    first: int
    last: int
    start: float
    stop: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, stop: float) -> _Scale:
        first = math.floor(math.log10(min(values)))
        return cls(first, max(first + 1, math.ceil(math.log10(max(values)))), start, stop)

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return round(self.start + share * (self.stop - self.start), 1)

    @property
    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.first, self.last + 1)]


def draw(panels: Sequence[Panel]) -> str:
    """Returns panels beside each other as one SVG document."""
    body = [part for i, panel in enumerate(panels) for part in _panel(panel, i * _WIDTH)]
    size = f'width="{_WIDTH * len(panels)}" height="{_HEIGHT + _LEGEND}"'
    style = 'font-family="sans-serif" font-size="11"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>', *body, "</svg>", ""])


def _panel(panel: Panel, left: float) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    x = _Scale.over([point[0] for point in points], left + _MARGIN, left + _WIDTH - 12)
    y = _Scale.over([point[1] for point in points], _HEIGHT - _MARGIN, 12)
    for tick in x.ticks:
        yield _rule(x.at(tick), y.start, x.at(tick), y.stop)
        yield _text(x.at(tick), y.start + 16, f"{tick:,.0f}", "middle")
    for tick in y.ticks:
        yield _rule(x.start, y.at(tick), x.stop, y.at(tick))
        yield _text(x.start - 6, y.at(tick) + 4, f"{tick:g}", "end")
    yield _text((x.start + x.stop) / 2, y.start + 34, panel.axis, "middle")
    for i, line in enumerate(panel.lines):
        colour = _COLOURS[i % len(_COLOURS)]
        path = " ".join(f"{x.at(a)},{y.at(b)}" for a, b in line.points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x.at(a)}" cy="{y.at(b)}" r="3" fill="{colour}"/>' for a, b in line.points)
        yield _text(x.start + 110 * i, _HEIGHT + 8, line.name, "start", colour)


def _rule(*ends: float) -> str:
    x1, y1, x2, y2 = ends
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{_INK}" stroke-opacity="0.3"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = _INK) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
