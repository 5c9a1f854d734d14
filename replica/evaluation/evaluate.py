"""The evaluation of a replica: both databases are read once, and every part of the report is computed from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from replica.control.record import record_of
from replica.databases.base import Database
from replica.evaluation.attacks.attacking import attack_replica
from replica.evaluation.attacks.base import PrivacyReport
from replica.evaluation.behaviour import BehaviourScores, score_behaviour
from replica.evaluation.classifiers import score_classifiers
from replica.evaluation.coding import in_bins
from replica.evaluation.columns import ShapeScores, score_columns
from replica.evaluation.constraints import ConstraintScores, require_alike, score_constraints
from replica.evaluation.control import control_masks
from replica.evaluation.copies import score_newness
from replica.evaluation.detection import DetectionScores
from replica.evaluation.excerpts import read_excerpts
from replica.evaluation.fanouts import score_fan_outs
from replica.evaluation.figures import Figure, mean_of
from replica.evaluation.ground import Ground, read_ground
from replica.evaluation.moments import TimeScores, score_time
from replica.evaluation.own_queries import check_queries, read_queries
from replica.evaluation.pairs import (
    PairScores,
    score_coparents,
    score_hops,
    score_joint_fan_outs,
    score_siblings,
    score_table_pairs,
)
from replica.evaluation.pictures import Pictures, draw_pictures
from replica.evaluation.predicting import UseScores
from replica.evaluation.servers import asking
from replica.evaluation.use import unpredictable
from replica.planning.decisions import Plan
from replica.privacy.ledger import Ledger
from replica.progress import Progress, Report, ignore
from replica.schema.model import Schema
from replica.settings import Settings

MOST_ROWS = 400_000
"""Rows of one table that are compared at most; of larger tables whole families are."""


PAIRS_SHOWN = 3
"""Pairs of columns of a table that are drawn."""


@dataclass(frozen=True)
class TableScores:
    """How alike a table is.

    Attributes:
        table: its id.
        original_rows: rows of the original.
        synthetic_rows: rows of the replica.
        columns: single columns; None where nothing was scored, as for a lookup, which is copied.
        pairs: pairs of its columns; None likewise.
        time: gaps, seasons, order; None without moments.
        newness: how many rows are not the original's own, as :func:`~replica.evaluation.copies.score_newness` says.
    """

    table: str
    original_rows: int
    synthetic_rows: int
    columns: ShapeScores | None = None
    pairs: PairScores | None = None
    time: TimeScores | None = None
    newness: Figure | None = None


@dataclass(frozen=True)
class RelationScores:
    """How alike rows of several tables go together.

    Attributes:
        fan_outs: numbers of children, by reference.
        joint_fan_outs: numbers of children beside each other and beside the row's own columns.
        one_hop: children beside what they point to.
        two_hops: children beside what that points to.
        siblings: two rows of one parent.
        coparents: two rows that one child points to.
    """

    fan_outs: Mapping[str, Figure]
    joint_fan_outs: tuple[PairScores, ...]
    one_hop: tuple[PairScores, ...]
    two_hops: tuple[PairScores, ...]
    siblings: tuple[PairScores, ...]
    coparents: tuple[PairScores, ...]


@dataclass(frozen=True)
class EvaluationReport:
    """How alike two databases are.

    Attributes:
        tables: scores by table; empty where rows were not compared.
        relations: scores of what spans tables; None likewise.
        constraints: whether they hold.
        behaviour: answers to queries, how they are planned, and rules.
        notes: what a reader should know, a line each.
        privacy: what attacks found; None where none was tried.
        detection: how well a classifier tells the replica from the original.
        use: what models that learned on the replica are worth on the original.
        plan: what was known of the original.
        pictures: what there is to see, by table: values and rows of both databases, for no log.
        claim: the claim of differential privacy that the replica was made under; None without one, or where that is not
            known.
    """

    tables: tuple[TableScores, ...]
    relations: RelationScores | None
    constraints: ConstraintScores
    behaviour: BehaviourScores
    notes: tuple[str, ...] = ()
    privacy: PrivacyReport | None = None
    detection: DetectionScores = field(default_factory=DetectionScores)
    use: tuple[UseScores, ...] = ()
    plan: Plan = field(kw_only=True, repr=False)
    pictures: Pictures = field(default_factory=dict, kw_only=True, repr=False)
    claim: Ledger | None = field(default=None, kw_only=True, repr=False)

    @property
    def shapes(self) -> Figure | None:
        """Mean over tables of the shapes of their columns."""
        return mean_of([table.columns.mean for table in self.tables if table.columns and table.columns.mean])

    @property
    def pairs(self) -> Figure | None:
        """Mean over tables of the pairs of their columns."""
        return mean_of([table.pairs.mean for table in self.tables if table.pairs])

    @property
    def fan_out(self) -> Figure | None:
        """Mean over references of the numbers of children."""
        return mean_of(list(self.relations.fan_outs.values())) if self.relations else None

    @property
    def valid(self) -> bool:
        """True if every constraint that the original keeps is there and holds."""
        return self.constraints.valid


def evaluate(
    source: Database, target: Database, plan: Plan, settings: Settings, report: Report = ignore
) -> EvaluationReport:
    """Compares a replica with its source.

    Args:
        source: the original.
        target: the replica.
        plan: what is known of the original.
        settings: the seed, how many processes to use, queries of the user's own, and the record of who was kept out
            of learning.
        report: told how far the comparison is.

    Raises:
        EvaluateError: the replica does not have the original's tables and columns, a query of the user's is wrong, or
            a process was killed.
        RecordError: the record is missing, or is of other databases.
    """
    own = read_queries(settings.queries)
    constraints = check_constraints(source, target, plan.schema, report)
    settings = replace(settings, fit_rows=MOST_ROWS)
    with source.snapshot() as original, target.snapshot() as synthetic, asking(original, synthetic) as servers:
        check_queries(servers, own)
        record = record_of(original, synthetic, plan.schema, settings.record)
        ground = read_ground(original, synthetic, plan, settings, report)
        behaviour = score_behaviour(servers, ground, own, report)
        excerpts = read_excerpts((original, synthetic), plan)
    tables = tuple(_score_table(ground, table, report) for table in ground.original)
    controls = control_masks(ground, record.split) if record else {}
    pairs = {table.table: _worst_pairs(table.pairs) for table in tables if table.pairs}
    detection, use = score_classifiers(ground, settings.processes, report)
    return EvaluationReport(
        tables,
        _score_relations(ground, report),
        constraints,
        behaviour,
        notes_of(ground, controls),
        privacy=attack_replica(ground, controls, report),
        detection=detection,
        use=use,
        plan=plan,
        pictures=draw_pictures(ground, (ground.original, ground.synthetic), excerpts, pairs),
    )


def check_constraints(source: Database, target: Database, schema: Schema, report: Report = ignore) -> ConstraintScores:
    """Looks only whether a replica keeps the constraints of its source; no row leaves the server.

    Raises:
        EvaluateError: the replica does not have the original's tables and columns.
    """
    other = target.introspect()
    require_alike(schema, other)
    report(Progress("constraints"))
    return score_constraints(source, target, schema, other)


def _score_table(ground: Ground, table: str, report: Report) -> TableScores:
    report(Progress("compare", table))
    totals = ground.original[table].total, ground.synthetic[table].total
    plan = ground.plan.by_id[table]
    if plan.role == "lookup":
        return TableScores(table, *totals)
    columns, pairs = score_columns(ground, table), score_table_pairs(ground, table)
    return TableScores(table, *totals, columns, pairs, score_time(ground, plan), score_newness(ground, table))


def _worst_pairs(scores: PairScores) -> list[tuple[str, str]]:
    """The pairs that lie farthest under their ceiling."""
    worst = sorted(scores.pairs, key=lambda pair: -pair[2].below_ceiling)
    return [(one, other) for one, other, _ in worst[:PAIRS_SHOWN]]


def _score_relations(ground: Ground, report: Report) -> RelationScores:
    report(Progress("compare", "references"))
    binned = in_bins(ground)
    return RelationScores(
        fan_outs=score_fan_outs(ground),
        joint_fan_outs=score_joint_fan_outs(binned),
        one_hop=score_hops(binned, 1),
        two_hops=score_hops(binned, 2),
        siblings=score_siblings(binned),
        coparents=score_coparents(binned),
    )


def notes_of(ground: Ground, controls: Mapping[str, npt.NDArray[np.bool_]]) -> tuple[str, ...]:
    """Returns what a reader should know: which tables were sampled, how many persons were kept out, a line each."""
    sampled = (
        f"{table}: whole families were compared, {len(rows):,} of {rows.total:,} rows"
        for table, rows in ground.original.items()
        if table in ground.sampled
    )
    kept_out = (
        f"{table}: {int(mask.sum()):,} of {len(mask):,} rows were kept out of learning"
        for table, mask in list(controls.items())[:1]
    )
    return (*sampled, *kept_out, *unpredictable(ground))
