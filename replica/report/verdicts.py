"""The three verdicts of a report: constraints, use, privacy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from replica.evaluation.evaluate import EvaluationReport
from replica.evaluation.figures import Figure
from replica.report.gate import GateResult, Outcome
from replica.report.measures import ATTACKS, MEASURES, Group, utility_of

State = Literal["pass", "fail", "inconclusive", "not run"]

_LOOK_FIRST: Final = 3


@dataclass(frozen=True)
class Look:
    """Something to look at first.

    Attributes:
        what: what was measured.
        text: what was found there.
        table: the table that it is about; empty where there is no single one.
    """

    what: str
    text: str
    table: str = ""


@dataclass(frozen=True)
class Verdict:
    """One of the three verdicts.

    Attributes:
        group: what it is about.
        state: what follows from the gate's limits.
        headline: the one figure, as text.
        caption: what the figure is.
        figure: the figure with its ceiling and floor; None where it is a count.
        look: what to look at first.
    """

    group: Group
    state: State
    headline: str
    caption: str
    figure: Figure | None
    look: tuple[Look, ...]


def verdicts_of(report: EvaluationReport, result: GateResult) -> tuple[Verdict, Verdict, Verdict]:
    """Returns the verdicts on constraints, use and privacy."""
    return _constraints(report, result), _utility(report, result), _privacy(report, result)


def _constraints(report: EvaluationReport, result: GateResult) -> Verdict:
    scores = report.constraints
    total = len(scores.broken) + len(scores.missing)
    wrong = len(scores.missing) + sum(1 for rows in scores.broken.values() if rows)
    named = [
        Look(MEASURES[name].title, line)
        for name in _measures("constraints")
        for line in MEASURES[name].take(report).named
    ]
    return Verdict(
        "constraints",
        _state(result, "constraints"),
        f"{total - wrong:,} of {total:,}",
        "constraints that hold in the original hold in the replica, counted by the server",
        None,
        tuple(named[:_LOOK_FIRST]),
    )


def _utility(report: EvaluationReport, result: GateResult) -> Verdict:
    figure = utility_of(report)
    return Verdict(
        "utility",
        _state(result, "utility"),
        f"{figure.value:.3f}" if figure else "–",
        "mean of all scores that have a ceiling and a floor",
        figure,
        (*_failed(result, "utility"), *_worst(report, "utility"))[:_LOOK_FIRST],
    )


def _privacy(report: EvaluationReport, result: GateResult) -> Verdict:
    figure = MEASURES["privacy.newness"].take(report).figure or MEASURES["privacy.novelty"].take(report).figure
    return Verdict(
        "privacy",
        _state(result, "privacy"),
        f"{figure.value:.3f}" if figure else "–",
        f"share of rows that are not copies of the original's; {_attacks(report)}",
        figure,
        (*_failed(result, "privacy"), *_worst(report, "privacy"))[:_LOOK_FIRST],
    )


def _attacks(report: EvaluationReport) -> str:
    """What became of the attacks, in a few words."""
    if report.privacy is not None and report.privacy.subject is None:
        return "no table of persons is named" if report.privacy.overlooked else "there is nobody to attack"
    tried = [attack for attack in (report.privacy.attacks if report.privacy else ()) if attack.verdict != "not run"]
    if not tried:
        return "no attack was run"
    succeeded, weak = (sum(one.verdict == verdict for one in tried) for verdict in ("fail", "inconclusive"))
    return f"{succeeded} of {len(tried)} attacks succeeded, {weak} were too weak to say"


def _measures(group: Group) -> list[str]:
    return [name for name, measure in MEASURES.items() if measure.group == group]


def _of(result: GateResult, group: Group) -> list[Outcome]:
    return [outcome for outcome in result.outcomes if outcome.name.startswith(f"{group}.")]


def _state(result: GateResult, group: Group) -> State:
    """What the limits say. What was not run is never passed, even where the gate lets it through."""
    found = {outcome.name: outcome.status for outcome in _of(result, group)}
    if "fail" in found.values():
        return "fail"
    attacks = [status for name, status in found.items() if name.startswith(f"{ATTACKS}.")]
    if found.get(ATTACKS) == "not run" or "pass" not in found.values():
        return "not run"
    return "inconclusive" if attacks and "pass" not in attacks else "pass"


def _failed(result: GateResult, group: Group) -> tuple[Look, ...]:
    return tuple(Look(outcome.title, outcome.text) for outcome in _of(result, group) if not outcome.passed)


def _worst(report: EvaluationReport, group: Group) -> tuple[Look, ...]:
    """What surely lies farthest under its ceiling."""
    parts = [
        (MEASURES[name].title, part) for name in _measures(group) for part in MEASURES[name].take(report).worst[:1]
    ]
    parts.sort(key=lambda found: -found[1].figure.surely_below_ceiling)
    return tuple(Look(what, f"{part.place}: {_scale(part.figure)}", part.table) for what, part in parts)


def _scale(figure: Figure) -> str:
    return f"{figure.value:.3f}, where {figure.ceiling:.3f} could be had"
