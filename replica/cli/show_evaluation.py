"""An evaluation as a person reads it in a terminal. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from replica.cli.show import figure_text, grid_of
from replica.cli.show_behaviour import behaviour_summary
from replica.cli.show_detection import detection_summary, use_summary
from replica.cli.show_privacy import privacy_summary
from replica.evaluation.constraints import ConstraintScores
from replica.evaluation.evaluate import EvaluationReport, RelationScores, TableScores
from replica.evaluation.figures import Figure, mean_of
from replica.report.gate import GateResult
from replica.schema.model import quote_name

_LEGEND = (
    "1 is alike, 0 is not. Beside each score: how far its 95 % interval reaches; in brackets what two samples of the"
    " original of that size score against each other, and what its columns drawn one by one and its keys drawn at"
    " random would score. –: nothing to score, as in a lookup, which is copied.\n"
)


def evaluation_summary(report: EvaluationReport) -> Group:
    """Scores by table and by what spans tables, and the constraints."""
    parts: list[RenderableType] = [_tables(report), Text()]
    if report.relations is not None:
        parts += [_relations(report.relations), Text()]
    parts += [*detection_summary(report.detection), *use_summary(report.use)]
    parts += behaviour_summary(report.behaviour)
    parts += privacy_summary(report.privacy)
    parts += [Text(f"note: {note}", style="dim") for note in report.notes]
    return Group(*parts, Text(_LEGEND, style="dim"), *_verdict(report.constraints))


def _tables(report: EvaluationReport) -> RenderableType:
    grid = grid_of("table", ">rows", ">replica's rows", ">shapes", ">pairs", "worst column")
    for table in report.tables:
        counts = f"{table.original_rows:,}", f"{table.synthetic_rows:,}"
        columns = table.columns.mean if table.columns else None
        pairs = table.pairs.mean if table.pairs else None
        grid.add_row(Text(table.table), *counts, figure_text(columns), figure_text(pairs), Text(_worst(table)))
    grid.add_section()
    grid.add_row("mean", "", "", figure_text(report.shapes), figure_text(report.pairs), "")
    return grid


def _worst(table: TableScores) -> str:
    """The column that lies farthest under its ceiling."""
    columns = table.columns.columns if table.columns else ()
    below = {column.name: column.aspects["shape"].below_ceiling for column in columns if "shape" in column.aspects}
    name = max(below, key=lambda one: below[one], default=None)
    return f"{quote_name(name)}, {below[name]:.3f} under its ceiling" if name and below[name] > 0 else "–"


def _relations(relations: RelationScores) -> RenderableType:
    grid = grid_of("what spans tables", ">score")
    for what, figure in _means(relations):
        grid.add_row(what, figure_text(figure))
    return grid


def _means(relations: RelationScores) -> Iterator[tuple[str, Figure | None]]:
    yield "numbers of children", mean_of(list(relations.fan_outs.values()))
    yield "numbers of children together", mean_of([found.mean for found in relations.joint_fan_outs])
    yield "a row and what it points to", mean_of([found.mean for found in relations.one_hop])
    yield "a row and what that points to", mean_of([found.mean for found in relations.two_hops])
    yield "two rows of one parent", mean_of([found.mean for found in relations.siblings])
    yield "two rows that one child points to", mean_of([found.mean for found in relations.coparents])


def _verdict(constraints: ConstraintScores) -> list[Text]:
    broken = {name: count for name, count in constraints.broken.items() if count}
    lines = [Text(f"missing in the replica: {name}", style="red") for name in constraints.missing]
    lines += [Text(f"broken: {name}, {count:,} rows", style="red") for name, count in broken.items()]
    if not lines:
        lines = [Text(f"all {len(constraints.broken)} constraints that hold in the source hold in the replica")]
    return lines


def gate_lines(result: GateResult, *, asked: bool) -> RenderableType:
    """What became of a gate's limits: all of them where a gate was asked for, and otherwise only how it would go."""
    if not asked:
        verdict = "passes" if result.passed else f"does not pass, for {len(result.failed)} reasons,"
        return Text(f"This replica {verdict} {result.gate}: --gate says more", style="dim")
    grid = grid_of("limit", "", "found")
    for outcome in result.outcomes:
        style = "green" if outcome.passed else "red"
        grid.add_row(outcome.name, Text(outcome.status, style=style), Text(outcome.text))
    return grid
