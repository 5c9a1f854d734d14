"""Plans: does a server mean to answer queries on the replica as it does on the original?

A test database finds slow queries only where its planner decides as the real one's does. What the planner knows are its
statistics, so its estimates are compared too, and with the rows that there really are.

No two databases can be asked that hold samples of the original, so there is no ceiling and no floor. The original
compared with itself would be 1 by definition. In its place stands what other constants make of it: the same queries
about other rows of the original, planned on the original. A replica whose plans differ less often than that differs
less than one query of a kind does from another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from replica.databases.base import PlanStep, Snapshot
from replica.evaluation.figures import CONFIDENCE, Figure
from replica.evaluation.ground import Ground, Side
from replica.evaluation.servers import NoAnswer, Servers
from replica.evaluation.workload.drawing import with_other_constants
from replica.evaluation.workload.query import Query
from replica.evaluation.workload.sql import as_sql

Floats = npt.NDArray[np.float64]
Shape = tuple[str, str, str, tuple["Shape", ...]]


@dataclass(frozen=True)
class Ratio:
    """Numbers of the replica in relation to those of the original, over many queries.

    Attributes:
        mean: geometric mean; 1 where they are alike.
        low: lower end of its 95 % interval.
        high: its upper end.
        spread: geometric standard deviation: by which factor single queries usually lie off the mean.
    """

    mean: float
    low: float
    high: float
    spread: float


@dataclass(frozen=True)
class QErrors:
    """By which factor estimates are off the rows that there are, whichever of both is the larger (Moerkotte 2009).

    Attributes:
        median: over all queries; 1 where every estimate is right.
        ninetieth: the 90th percentile.
        worst: the largest.
    """

    median: float
    ninetieth: float
    worst: float


@dataclass(frozen=True)
class PlanScores:
    """How alike plans are.

    Attributes:
        queries: how many were planned by both servers.
        same: share of them that have the same plan: the same steps in the same order, on the same tables, by indexes
            on the same columns. With its interval, and neither ceiling nor floor.
        other_constants: share that keep their plan on the original where constants are others; None where none are.
        estimates: rows that the replica's planner expects in relation to the original's, its size allowed for.
        original_errors: how far off the original's own estimates are; None where no query was answered.
        synthetic_errors: the same of the replica, which is good where it errs as much as the original.
        different: numbers of the queries that are planned otherwise.
        original_guesses: tables of the original with rows of which its planner has no statistics.
        synthetic_guesses: the same of the replica.
    """

    queries: int
    same: Figure
    other_constants: float | None
    estimates: Ratio
    original_errors: QErrors | None
    synthetic_errors: QErrors | None
    different: tuple[int, ...]
    original_guesses: tuple[str, ...]
    synthetic_guesses: tuple[str, ...]


@dataclass(frozen=True)
class _Planned:
    """Both plans of a query, and whether the original's stays the same with other constants; None if unknown."""

    number: int
    original: PlanStep
    synthetic: PlanStep
    stays: bool | None

    @property
    def is_same(self) -> bool:
        return shape_of(self.original) == shape_of(self.synthetic)


def score_plans(
    servers: Servers, ground: Ground, workload: Sequence[Query], rows: Mapping[int, tuple[float, float]]
) -> PlanScores | None:
    """Are queries planned alike, and does either planner know its rows as well as the other?

    Args:
        servers: both databases.
        ground: their rows.
        workload: the queries.
        rows: the rows that they are about in both databases, by number, where they were answered.

    Returns:
        None where no query could be planned.
    """
    planned = list(_plan_all(servers, ground, workload))
    if not planned:
        return None
    expected = np.array([[rows_expected(one.original), rows_expected(one.synthetic)] for one in planned])
    sizes = np.array([_size(ground, workload[one.number - 1]) for one in planned])
    answered = np.array([one.number in rows for one in planned])
    found = np.array([rows[one.number] for one in planned if one.number in rows]).reshape(-1, 2)
    asked = sorted({name for one in planned for name in workload[one.number - 1].tables})
    stays = [one.stays for one in planned if one.stays is not None]
    return PlanScores(
        queries=len(planned),
        same=_share([one.is_same for one in planned]),
        other_constants=float(np.mean(stays)) if stays else None,
        estimates=ratio_of(expected[:, 0], expected[:, 1] * sizes),
        original_errors=q_errors(expected[answered, 0], found[:, 0]),
        synthetic_errors=q_errors(expected[answered, 1], found[:, 1]),
        different=tuple(one.number for one in planned if not one.is_same),
        original_guesses=tuple(_guessed(servers.original, ground, ground.original, asked)),
        synthetic_guesses=tuple(_guessed(servers.synthetic, ground, ground.synthetic, asked)),
    )


def shape_of(step: PlanStep) -> Shape:
    """Returns what is the same of two plans that differ in their estimates only."""
    return step.what, step.table, step.index, tuple(shape_of(below) for below in step.inputs)


def rows_expected(plan: PlanStep) -> float:
    """Returns how many rows are expected before an aggregate makes fewer of them; of the whole plan without one."""
    step = plan
    while not step.gathers and len(step.inputs) == 1:
        step = step.inputs[0]
    return step.inputs[0].rows if step.gathers and step.inputs else plan.rows


def ratio_of(original: Floats, synthetic: Floats) -> Ratio:
    """How do the replica's numbers relate to the original's, query by query? One row counts as the least."""
    logs = np.log(np.maximum(1.0, synthetic) / np.maximum(1.0, original))
    mean, deviation = float(logs.mean()), float(logs.std(ddof=1)) if len(logs) > 1 else 0.0
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, max(1, len(logs) - 1))) * deviation / np.sqrt(len(logs))
    return Ratio(*(float(np.exp(at)) for at in (mean, mean - reach, mean + reach, deviation)))


def q_errors(expected: Floats, found: Floats) -> QErrors | None:
    """How far are estimates off? None without any; one row counts as the least, of both."""
    if not len(found):
        return None
    factors = np.exp(np.abs(np.log(np.maximum(1.0, expected) / np.maximum(1.0, found))))
    return QErrors(*(float(np.quantile(factors, at)) for at in (0.5, 0.9, 1.0)))


def _plan_all(servers: Servers, ground: Ground, workload: Sequence[Query]) -> Iterator[_Planned]:
    """The plans of all queries that both servers can plan."""
    rng = ground.rng("queries", "other constants")
    for i, query in enumerate(workload, start=1):
        plans = servers.plans(as_sql(query, ground))
        if not isinstance(plans, NoAnswer):
            other = with_other_constants(query, ground, rng) if query.conditions else None
            again = servers.original.explain(as_sql(other, ground)) if other and other != query else None
            yield _Planned(i, *plans, stays=shape_of(again) == shape_of(plans[0]) if again else None)


def _size(ground: Ground, query: Query) -> float:
    """By what rows of the replica are multiplied to be as many as the original's."""
    return ground.original[query.table].total / max(1, ground.synthetic[query.table].total)


def _guessed(snapshot: Snapshot, ground: Ground, side: Side, tables: Sequence[str]) -> Iterator[str]:
    """Tables that have rows and no statistics."""
    for name in tables:
        if side[name].total and not snapshot.is_analyzed(ground.plan.by_id[name].table):
            yield name


def _share(same: Sequence[bool]) -> Figure:
    """A share and its interval (Wilson 1927)."""
    found = stats.binomtest(sum(same), len(same)).proportion_ci(CONFIDENCE, method="wilson")
    return Figure(sum(same) / len(same), float(found.low), float(found.high))
