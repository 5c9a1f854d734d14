"""The scorer: Replica's own evaluation, cut down to the figures that are compared, each beside its ceiling."""

from __future__ import annotations

from typing import Any, Final

from replica import EvaluationReport, evaluate
from replica.databases.url import DatabaseUrl
from replica.evaluation.detection import TellScores, What
from replica.evaluation.figures import Figure
from replica.report.measures import MEASURES

LARGE = 5_000
"""Tables of at least so many rows have a figure to reach; of smaller ones it is tested whether they are told apart."""

WHATS: Final[tuple[What, ...]] = ("rows", "with_parents", "children", "children_strict")

_MEANS = (
    "shapes",
    "pairs",
    "fan_outs",
    "joint_fan_outs",
    "one_hop",
    "two_hops",
    "siblings",
    "coparents",
    "time",
    "use",
    "queries",
)


def score(source: DatabaseUrl, target: DatabaseUrl) -> dict[str, Any]:
    """Compares two databases and returns what is kept of it: means of all scores, and who is told apart how well."""
    report = evaluate(source, target)
    rows = {table.table: table.original_rows for table in report.tables}
    means = {name: MEASURES[f"utility.{name}"].take(report).figure for name in _MEANS}
    return {
        "means": {name: _shown(figure) for name, figure in means.items() if figure is not None},
        "detection": {what: [_told(one, rows[one.table]) for one in getattr(report.detection, what)] for what in WHATS},
        **_broken(report),
    }


def _broken(report: EvaluationReport) -> dict[str, Any]:
    """Broken rules are counted on the rows, whether or not the target declares them."""
    broken = {name: count for name, count in report.constraints.broken.items() if count}
    return {"broken_constraints": len(broken), "broken_rows": sum(broken.values())}


def _told(one: TellScores, rows: int) -> dict[str, Any]:
    return {"table": one.table, "rows": rows, **_shown(one.accuracy), "auc": round(one.auc.value, 4)}


def _shown(figure: Figure) -> dict[str, float | None]:
    ends = {"value": figure.value, "low": figure.low, "high": figure.high, "ceiling": figure.ceiling}
    return {name: None if value is None else round(value, 4) for name, value in ends.items()}
