"""Behaviour: what an application meets that is put on the replica instead of the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from replica.evaluation.ground import Ground
from replica.evaluation.own_queries import OwnQueries, OwnScore, score_own_queries
from replica.evaluation.plans import PlanScores, score_plans
from replica.evaluation.queries import QueryScores, score_queries
from replica.evaluation.rules import RuleScores, score_rules
from replica.evaluation.servers import Servers
from replica.evaluation.workload.drawing import draw_workload
from replica.evaluation.workload.sql import as_sql
from replica.progress import Report, ignore

QUERIES = 80
"""How many queries the workload has."""


@dataclass(frozen=True)
class BehaviourScores:
    """How alike two databases behave.

    Attributes:
        queries: answers to a workload that was drawn at random.
        plans: how both servers mean to answer it; None where they say nothing.
        rules: rules that no schema declares.
        own: answers to the user's queries; empty without any.
        statements: the SQL of the workload by the numbers of its queries. Its constants are values of the original: for
            eyes that may see it, and for no log.
    """

    queries: QueryScores
    plans: PlanScores | None
    rules: RuleScores
    own: tuple[OwnScore, ...] = ()
    statements: Mapping[int, str] = field(default_factory=dict, repr=False)


def score_behaviour(servers: Servers, ground: Ground, own: OwnQueries, report: Report = ignore) -> BehaviourScores:
    """Does the replica answer, plan and keep what the original does?

    Args:
        servers: both databases.
        ground: their rows.
        own: queries of the user's.
        report: told how far it is.
    """
    workload = draw_workload(ground, QUERIES)
    queries = score_queries(servers, ground, workload, report)
    answered = {query.number: query.rows for query in queries.queries if query.rows is not None}
    return BehaviourScores(
        queries=queries,
        plans=score_plans(servers, ground, workload, answered),
        rules=score_rules(servers, ground.plan, report),
        own=score_own_queries(servers, own, report),
        statements={i: as_sql(query, ground) for i, query in enumerate(workload, start=1)},
    )
