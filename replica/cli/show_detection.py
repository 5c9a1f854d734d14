"""What classifiers say of a replica, as a person reads it in a terminal. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from replica.cli.show import figure_text, grid_of
from replica.evaluation.detection import DetectionScores, What
from replica.evaluation.predicting import By, UseScores
from replica.schema.model import quote_name

_ASKED: dict[What, str] = {
    "rows": "a row",
    "with_parents": "a row with what it points to",
    "children": "a row with its children summed up",
    "children_strict": "the same with spread and extremes",
}
_BY: dict[By, str] = {"auc": "area under the ROC curve", "r2": "variance of ranks explained"}


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


def use_summary(scores: Sequence[UseScores]) -> Iterator[RenderableType]:
    """What a model is worth on the original that learned on the replica, by the column that it predicts."""
    if not scores:
        return
    grid = grid_of("predicted on the original", ">learned on the replica", "")
    for found in scores:
        grid.add_row(Text(f"{found.table}.{quote_name(found.column)}"), figure_text(found.figure), _BY[found.by])
    yield grid
    yield Text()
