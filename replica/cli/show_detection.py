"""How well a replica is told from its original, as a person reads it in a terminal. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from replica.cli.show import figure_text, grid_of
from replica.evaluation.detection import DetectionScores, What

_ASKED: dict[What, str] = {
    "rows": "a row",
    "with_parents": "a row with what it points to",
    "children": "a row with its children summed up",
    "children_strict": "the same with spread and extremes",
}


def detection_summary(scores: DetectionScores) -> Iterator[RenderableType]:
    """How often a classifier guesses right: the mean over tables, and the table that it knows best."""
    grid = grid_of("told from the original by", ">guessed right, 0.5 is best", "worst table")
    for what, asked in _ASKED.items():
        worst = scores.worst(what)
        if worst is not None:
            at = f"{worst.table} {figure_text(worst.accuracy)}"
            grid.add_row(asked, figure_text(scores.mean(what)), Text(at))
    if grid.row_count:
        yield grid
        yield Text()
