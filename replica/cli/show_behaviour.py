"""How a replica behaves, as a person reads it in a terminal. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.text import Text

from replica.cli.show import figure_text, grid_of
from replica.evaluation.behaviour import BehaviourScores
from replica.evaluation.own_queries import OwnScore
from replica.evaluation.plans import PlanScores, QErrors
from replica.evaluation.queries import QueryScores
from replica.evaluation.rules import RuleScores

_WORST, _MOST_NAMED = 3, 5
_TABLES = {1: "one table", 2: "two tables", 3: "three tables"}


def behaviour_summary(scores: BehaviourScores) -> Iterator[RenderableType]:
    """Answers to queries, plans and rules."""
    if scores.queries.queries:
        yield _answers(scores.queries)
        yield from _worst(scores.queries)
        yield Text()
    if scores.own:
        yield _own(scores.own)
    if scores.plans is not None:
        yield from _plans(scores.plans)
        yield Text()
    yield from _rules(scores.rules)
    yield Text()


def _answers(scores: QueryScores) -> RenderableType:
    grid = grid_of(f"answers to {len(scores.queries)} queries", ">relative error", ">1 less it, on halves")
    grid.add_row("median", _share(scores.error_median), figure_text(scores.agreement))
    grid.add_row("90th percentile", _share(scores.error_ninetieth), figure_text(scores.worst_tenth))
    for size, figure in scores.by_tables.items():
        grid.add_row(f"median over {_TABLES[size]}", "", figure_text(figure))
    return grid


def _worst(scores: QueryScores) -> Iterator[Text]:
    """What lies farthest under its ceiling, and what was not answered."""
    below = sorted(scores.queries, key=lambda query: -query.agreement.below_ceiling)
    for query in below[:_WORST]:
        if query.agreement.below_ceiling:
            yield Text(f"{figure_text(query.agreement)}: {query.text}", style="dim")
    texts = {query.number: query.text for query in scores.queries}
    for number, reason in scores.left_out.items():
        yield Text(f"not answered, {reason}: {texts[number]}", style="yellow")


def _own(scores: Iterable[OwnScore]) -> RenderableType:
    grid = grid_of("own query", ">relative error (no ceiling, no floor)", "plan", "")
    for query in scores:
        says = query.left_out or f"{query.compared} compared"
        grid.add_row(str(query.number), _share(query.error), "same" if query.same_plan else "another", Text(says))
    return grid


def _plans(scores: PlanScores) -> Iterator[Text]:
    same, estimates = scores.same, scores.estimates
    other = f"; {scores.other_constants:.0%} where constants alone differ" if scores.other_constants is not None else ""
    yield Text(
        f"plans: {same.value:.0%} of {scores.queries} queries are planned alike"
        f" ({same.low:.0%} to {same.high:.0%}{other})"
    )
    yield Text(
        f"the replica's planner expects {estimates.mean:.2f} times the rows that the original's does"
        f" ({estimates.low:.2f} to {estimates.high:.2f}; spread {estimates.spread:.2f})"
    )
    if scores.original_errors and scores.synthetic_errors:
        errors = _errors(scores.original_errors), _errors(scores.synthetic_errors)
        yield Text(f"estimates are off by a factor of: original {errors[0]}; replica {errors[1]}")
    for side, tables in (("original", scores.original_guesses), ("replica", scores.synthetic_guesses)):
        if tables:
            names = ", ".join(tables) if len(tables) <= _MOST_NAMED else f"{len(tables)} tables"
            yield Text(f"the {side}'s planner has no statistics of {names}: run ANALYZE there", style="yellow")


def _errors(errors: QErrors) -> str:
    return f"{errors.median:.2f} (median), {errors.ninetieth:.1f} (90th percentile), {errors.worst:.0f} (worst)"


def _rules(scores: RuleScores) -> Iterator[Text]:
    for rule in scores.broken:
        yield Text(f"broken rule: {rule.table}: {rule.text}: {rule.synthetic:,} rows", style="yellow")
    for line in scores.left_out:
        yield Text(f"rule not counted: {line}", style="yellow")
    if scores.held and not scores.broken:
        yield Text(f"all {len(scores.held)} undeclared rules that hold in the source hold in the replica")


def _share(error: float | None) -> str:
    return f"{error:.1%}" if error is not None else "–"
