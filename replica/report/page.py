"""The report as one HTML file that needs nothing else: styles, script and pictures are in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from replica.evaluation.attacks.base import AttackResult, Verdict
from replica.evaluation.evaluate import EvaluationReport, TableScores
from replica.evaluation.figures import Figure
from replica.evaluation.portrait import Portrait
from replica.privacy.ledger import Ledger, epsilon_of, most_found
from replica.report import charts
from replica.report.evidence import evidence_of
from replica.report.gate import GateResult
from replica.report.measures import MEASURES
from replica.report.schema_picture import lay_out
from replica.report.verdicts import verdicts_of
from replica.schema.model import Schema, column_list, quote_name

QUERIES_SHOWN: Final = 12


@dataclass(frozen=True)
class Release:
    """What a report is about.

    Attributes:
        source: name of the original's database.
        target: name of the replica's.
        date: when it was evaluated, as text.
        version: of this program.
        ledger: the claim of differential privacy and what it rests on; None without one.
    """

    source: str
    target: str
    date: str
    version: str
    ledger: Ledger | None = None


def confidential_page(release: Release, report: EvaluationReport, result: GateResult) -> str:
    """Returns the whole report, with figures, values and rows of the original: for eyes that may see these."""
    schema = report.plan.schema
    tables = sorted(report.tables, key=lambda table: table.table)
    return (
        _environment()
        .get_template("confidential.html.j2")
        .render(
            kind="confidential",
            release=release,
            report=report,
            result=result,
            verdicts=verdicts_of(report, result),
            evidence=evidence_of(release.ledger, report.privacy) if release.ledger else None,
            picture=lay_out(schema),
            schema=schema,
            references=_references(schema),
            tables=tables,
            anchors={table.table: f"table-{i}" for i, table in enumerate(tables, start=1)},
            grades={table.table: table_grade(table) for table in tables},
            counts={table.table: table.synthetic_rows for table in tables},
            spanning=_spanning(report),
            worst_queries=sorted(report.behaviour.queries.queries, key=lambda query: -query.agreement.below_ceiling)[
                :QUERIES_SHOWN
            ],
        )
    )


def publishable_page(release: Release, portrait: Portrait) -> str:
    """Returns what may leave the house: nothing in it was computed on rows of the original but constraint results."""
    tables = sorted(portrait.rows)
    return (
        _environment()
        .get_template("publishable.html.j2")
        .render(
            kind="publishable",
            evidence=None,
            release=release,
            portrait=portrait,
            picture=lay_out(portrait.plan.schema),
            references=_references(portrait.plan.schema),
            tables=tables,
            anchors={name: f"table-{i}" for i, name in enumerate(tables, start=1)},
        )
    )


def _references(schema: Schema) -> dict[str, str]:
    """References as a reader knows them from the side of the parent: ``hr.salary (employee_id)``."""
    return {key.id: f"{key.child} {column_list(key.columns)}" for key in schema.foreign_keys}


def table_grade(table: TableScores) -> str:
    """Returns the grade of a table: of its columns and their pairs."""
    return charts.grade_of(table.columns.mean if table.columns else None, table.pairs.mean if table.pairs else None)


def attacks_by_name(attacks: Iterable[AttackResult]) -> list[list[AttackResult]]:
    """Returns the attacks that were run: those of one name, on several tables, together."""
    found: dict[str, list[AttackResult]] = {}
    for attack in attacks:
        if attack.verdict != "not run":
            found.setdefault(attack.name, []).append(attack)
    return list(found.values())


def worst_verdict(attacks: Iterable[AttackResult]) -> Verdict:
    """Returns the verdict that weighs most: a leak before a doubt before none."""
    order: tuple[Verdict, ...] = ("fail", "inconclusive", "pass", "not run")
    return min((attack.verdict for attack in attacks), key=order.index)


def _spanning(report: EvaluationReport) -> list[tuple[str, object]]:
    """What spans tables, by its title."""
    names = ("fan_outs", "joint_fan_outs", "one_hop", "two_hops", "siblings", "coparents", "time")
    told = ("detection", "detection_with_parents", "detection_children", "detection_children_strict", "use")
    measures = [MEASURES[f"utility.{name}"] for name in (*names, *told)]
    return [(measure.title, found) for measure in measures if (found := measure.take(report)).is_there]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("replica.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "include_raw": lambda name: Markup(_source(environment, name)),  # noqa: S704 - our own files
        "areas": charts.areas,
        "area": charts.AREA,
        "heat_cells": charts.heat_cells,
        "grade_of": charts.grade_of,
        "pair_grid": pair_grid,
        "by_name": attacks_by_name,
        "epsilon_of": epsilon_of,
        "most_found": most_found,
        "worst_verdict": worst_verdict,
    }
    environment.filters |= {
        "score": lambda value: "–" if value is None else f"{value:.3f}",
        "share": lambda value: "–" if value is None else f"{value:.1%}",
        "count": lambda value: f"{value:,}",
        "quoted": quote_name,
    }
    return environment


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None  # noqa: S101 - it was made with one
    return environment.loader.get_source(environment, name)[0]


@dataclass(frozen=True)
class GridCell:
    """A pair in a grid of all pairs: its place, its names, its figure and its grade."""

    x: int
    y: int
    names: tuple[str, str]
    figure: Figure
    grade: str


@dataclass(frozen=True)
class PairGrid:
    """All pairs of columns of a table as a triangle: the columns that have a pair, and the cells."""

    names: tuple[str, ...]
    cells: tuple[GridCell, ...]


def pair_grid(table: TableScores) -> PairGrid | None:
    """Returns the pairs of a table as a grid; None without pairs."""
    if table.pairs is None:
        return None
    names = tuple(dict.fromkeys(name for one, other, _ in table.pairs.pairs for name in (one, other)))
    place = {name: i for i, name in enumerate(names)}
    cells = (
        GridCell(place[one], place[other], (one, other), figure, charts.grade_of(figure))
        for one, other, figure in table.pairs.pairs
    )
    return PairGrid(names, tuple(cells))
