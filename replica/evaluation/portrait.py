"""A portrait of the replica alone: what can be said of it without a look at a row of the original.

Nothing here is given a view of the original, so that nothing of its rows can get into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from replica.databases.base import Database
from replica.evaluation.constraints import ConstraintScores
from replica.evaluation.excerpts import read_excerpts
from replica.evaluation.ground import compared, read_all
from replica.evaluation.pictures import Pictures, draw_pictures
from replica.planning.decisions import Plan
from replica.progress import Report, ignore
from replica.settings import Settings


@dataclass(frozen=True)
class Portrait:
    """What a replica looks like.

    Attributes:
        plan: what is known of it, from its own rows.
        rows: how many each table has, by id.
        constraints: whether the declared ones that the original keeps hold here.
        pictures: what there is to see, by table; one side only.
    """

    plan: Plan
    rows: Mapping[str, int]
    constraints: ConstraintScores
    pictures: Pictures = field(repr=False)


def portray(
    target: Database, plan: Plan, constraints: ConstraintScores, settings: Settings, report: Report = ignore
) -> Portrait:
    """Looks at a replica.

    Args:
        target: the replica.
        plan: what is known of it; to be drafted from the replica itself.
        constraints: whether the declared ones that the original keeps hold here.
        settings: the seed, and how many rows of a table are read at most.
        report: told of every table that has been read.

    Raises:
        PrivilegeError: a table may not be read.
    """
    with target.snapshot() as snapshot:
        rows = read_all(snapshot, plan, settings, report)
        excerpts = read_excerpts((snapshot,), plan)
    # Beside itself: features and bins come from the replica alone.
    ground = compared(plan, rows, rows, settings.seed)
    totals = {name: table.total for name, table in rows.items()}
    return Portrait(plan, totals, constraints, draw_pictures(ground, (ground.synthetic,), excerpts, {}))
