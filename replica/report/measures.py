"""What an evaluation measured, by name: what a gate sets limits to and what a report's verdicts are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from replica.evaluation.attacks.base import AttackResult
from replica.evaluation.detection import TellScores, What
from replica.evaluation.evaluate import EvaluationReport, RelationScores
from replica.evaluation.figures import Figure, mean_of
from replica.evaluation.moments import TimeScores
from replica.evaluation.pairs import PairScores
from replica.schema.model import quote_name

Group = Literal["constraints", "utility", "privacy"]
Kind = Literal["count", "score", "attacks"]

# Where so many rows are like others, a row that comes back says little.
_VARIOUS = 0.5


@dataclass(frozen=True)
class Part:
    """One of the things that a measure is about.

    Attributes:
        place: where it is, for a reader.
        table: id of the table to look at; empty where there is no single one.
        figure: what was measured there.
    """

    place: str
    table: str
    figure: Figure


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        figure: a score; None for what is counted, and where nothing was there to be scored.
        count: a number of things that are wrong; None for scores.
        parts: what it is made of.
        named: what is wrong, a line each; of attacks, tables that look as if persons had been overlooked.
        attacks: what was tried, empty where nothing was; None for what is no attack, and where there is nobody to
            attack.
        controls: people who were kept out of learning, so that attacks have something to be compared with.
    """

    figure: Figure | None = None
    count: int | None = None
    parts: tuple[Part, ...] = ()
    named: tuple[str, ...] = ()
    attacks: tuple[AttackResult, ...] | None = None
    controls: int = 0

    @property
    def is_there(self) -> bool:
        """False where the databases have nothing of what is measured."""
        return self.figure is not None or self.count is not None or self.attacks is not None

    @property
    def worst(self) -> tuple[Part, ...]:
        """The parts that surely lie under their ceilings, the farthest first."""
        below = [part for part in self.parts if part.figure.surely_below_ceiling > 0]
        return tuple(sorted(below, key=lambda part: -part.figure.surely_below_ceiling))


@dataclass(frozen=True)
class Measure:
    """Something that is measured of every replica.

    Attributes:
        group: which of the three verdicts it belongs to.
        title: what it is, for a reader.
        take: takes it from a report.
        kind: a score, a number of things that are wrong, or the verdicts of attacks.
    """

    group: Group
    title: str
    take: Callable[[EvaluationReport], Measured]
    kind: Kind = "score"


def utility_of(report: EvaluationReport) -> Figure | None:
    """Returns the mean of all scores of use that have a ceiling and a floor; None where nothing was scored."""
    found = (measure.take(report).figure for measure in MEASURES.values() if measure.group == "utility")
    return mean_of([one for one in found if one is not None and one.ceiling is not None and one.floor is not None])


# Constraints


def _missing(report: EvaluationReport) -> Measured:
    return Measured(count=len(report.constraints.missing), named=report.constraints.missing)


def _broken(report: EvaluationReport) -> Measured:
    named = tuple(f"{name}: {rows:,} rows" for name, rows in report.constraints.broken.items() if rows)
    return Measured(count=len(named), named=named)


def _rules(report: EvaluationReport) -> Measured:
    rules = report.behaviour.rules.broken
    return Measured(
        count=sum(rule.synthetic for rule in rules),
        named=tuple(f"{rule.table}: {rule.text}: {rule.synthetic:,} rows" for rule in rules),
    )


# Use


def _shapes(report: EvaluationReport) -> Measured:
    parts = [
        Part(f"{table.table}.{quote_name(column.name)}", table.table, column.aspects["shape"])
        for table in report.tables
        if table.columns
        for column in table.columns.columns
        if "shape" in column.aspects
    ]
    return Measured(report.shapes, parts=tuple(parts))


def _pairs(report: EvaluationReport) -> Measured:
    parts = [part for table in report.tables if table.pairs for part in _of_pairs(table.pairs, table.table)]
    return Measured(report.pairs, parts=tuple(parts))


def _fan_outs(report: EvaluationReport) -> Measured:
    fan_outs = report.relations.fan_outs if report.relations else {}
    return Measured(report.fan_out, parts=tuple(Part(key, "", figure) for key, figure in fan_outs.items()))


def _spanning(views: Callable[[RelationScores], Iterable[PairScores]]) -> Callable[[EvaluationReport], Measured]:
    """Pairs of columns of rows of several tables."""

    def take(report: EvaluationReport) -> Measured:
        found = tuple(views(report.relations)) if report.relations else ()
        parts = tuple(Part(view.name, "", view.mean) for view in found)
        return Measured(mean_of([view.mean for view in found]), parts=parts)

    return take


def _time(report: EvaluationReport) -> Measured:
    parts = tuple(part for table in report.tables if table.time for part in _of_time(table.time))
    return Measured(mean_of([part.figure for part in parts]), parts=parts)


def _queries(report: EvaluationReport) -> Measured:
    queries = report.behaviour.queries
    parts = tuple(Part(query.text, "", query.agreement) for query in queries.queries)
    return Measured(queries.agreement, parts=parts)


def _plans(report: EvaluationReport) -> Measured:
    return Measured(report.behaviour.plans.same if report.behaviour.plans else None)


def _told(what: What) -> Callable[[EvaluationReport], Measured]:
    """How well a classifier tells rows apart, as a score of which 1 is the best."""

    def take(report: EvaluationReport) -> Measured:
        found: tuple[TellScores, ...] = getattr(report.detection, what)
        parts = tuple(Part(one.table, one.table, one.accuracy.as_likeness) for one in found)
        return Measured(mean_of([part.figure for part in parts]), parts=parts)

    return take


def _use(report: EvaluationReport) -> Measured:
    parts = tuple(Part(f"{one.table}.{quote_name(one.column)}", one.table, one.figure) for one in report.use)
    return Measured(mean_of([part.figure for part in parts]), parts=parts)


def _of_pairs(scores: PairScores, table: str) -> Iterator[Part]:
    for one, other, figure in scores.pairs:
        yield Part(f"{table}: {quote_name(one)} and {quote_name(other)}", table, figure)


def _of_time(scores: TimeScores) -> Iterator[Part]:
    named: Mapping[str, Mapping[str, Figure]] = {
        "season": scores.seasons,
        "trend": scores.trend,
        "order": scores.order,
    }
    for what, figures in named.items():
        for name, figure in figures.items():
            yield Part(f"{scores.table}, {what}: {name}", scores.table, figure)
    if scores.gaps is not None:
        yield Part(f"{scores.table}, gaps between rows", scores.table, scores.gaps)
    if scores.previous is not None:
        yield Part(f"{scores.table}, a row and the one before", scores.table, scores.previous.mean)


# Privacy


def _newness(report: EvaluationReport) -> Measured:
    """Rows about persons. Of all other tables names and labels are kept on purpose."""
    private = {table.id for table in report.plan.tables if table.private}
    parts = tuple(
        Part(table.table, table.table, table.newness)
        for table in report.tables
        if table.newness and table.table in private
    )
    return Measured(mean_of([part.figure for part in parts]), parts=parts)


def _novelty(report: EvaluationReport) -> Measured:
    """Rows of all tables in which most rows of the original are unlike each other, a large table for more."""
    found = [(t.newness, t.original_rows) for t in report.tables if t.newness and (t.newness.ceiling or 0) > _VARIOUS]
    if not found:
        return Measured()
    rows = sum(count for _, count in found)
    ends = ("value", "low", "high", "ceiling")
    means = {end: sum(getattr(figure, end) * count for figure, count in found) / rows for end in ends}
    return Measured(Figure(**means))


def _attacks(report: EvaluationReport) -> Measured:
    if report.privacy is None:
        return Measured(attacks=())
    if report.privacy.subject is None:
        # Where nothing looks as if it were about persons there is nobody to attack.
        return Measured(attacks=() if report.privacy.overlooked else None, named=report.privacy.overlooked)
    return Measured(attacks=report.privacy.attacks, controls=report.privacy.controls)


ATTACKS: Final = "privacy.attacks"

MEASURES: Final[Mapping[str, Measure]] = {
    "constraints.missing": Measure("constraints", "constraints that the replica does not have", _missing, "count"),
    "constraints.broken": Measure("constraints", "constraints that rows of the replica break", _broken, "count"),
    "constraints.rules": Measure("constraints", "rows that break rules nobody declared", _rules, "count"),
    "utility.shapes": Measure("utility", "single columns", _shapes),
    "utility.pairs": Measure("utility", "pairs of columns of one table", _pairs),
    "utility.fan_outs": Measure("utility", "numbers of children", _fan_outs),
    "utility.joint_fan_outs": Measure(
        "utility", "numbers of children together", _spanning(lambda found: found.joint_fan_outs)
    ),
    "utility.one_hop": Measure("utility", "a row and what it points to", _spanning(lambda found: found.one_hop)),
    "utility.two_hops": Measure("utility", "a row and what that points to", _spanning(lambda found: found.two_hops)),
    "utility.siblings": Measure("utility", "two rows of one parent", _spanning(lambda found: found.siblings)),
    "utility.coparents": Measure(
        "utility", "two rows that one child points to", _spanning(lambda found: found.coparents)
    ),
    "utility.time": Measure("utility", "time: seasons, trends, order, gaps", _time),
    "utility.detection": Measure("utility", "rows that a classifier cannot tell apart", _told("rows")),
    "utility.detection_with_parents": Measure(
        "utility", "rows with their parents that a classifier cannot tell apart", _told("with_parents")
    ),
    "utility.detection_children": Measure(
        "utility", "rows with their children summed up that a classifier cannot tell apart", _told("children")
    ),
    "utility.detection_children_strict": Measure(
        "utility", "the same with spread and extremes of the children", _told("children_strict")
    ),
    "utility.use": Measure("utility", "predictions of columns, learned on the replica", _use),
    "utility.queries": Measure("utility", "answers to queries", _queries),
    "utility.plans": Measure("utility", "plans of queries", _plans),
    "privacy.newness": Measure("privacy", "rows about persons that are not copies", _newness),
    "privacy.novelty": Measure("privacy", "rows of the whole database that are not copies", _novelty),
    ATTACKS: Measure("privacy", "attacks on persons", _attacks, "attacks"),
}
"""What is measured, by the name that a gate file uses."""
