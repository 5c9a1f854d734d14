"""Replica: a synthetic replica of a relational database, with the same schema, statistics and valid constraints.

The stages are functions, in this order; :func:`replicate` is all of them.

    introspect -> draft -> make_plan -> learn -> write -> evaluate
"""

from __future__ import annotations

from replica.artifact import open_artifact, save
from replica.errors import ReplicaError
from replica.evaluation.constraints import ConstraintScores
from replica.evaluation.evaluate import EvaluationReport
from replica.fitted import FittedReplica
from replica.inference import Draft
from replica.load import LoadReport
from replica.pipeline import Planned, check, draft, evaluate, introspect, learn, make_plan, replicate, verify, write
from replica.planning.decisions import Plan
from replica.progress import Progress
from replica.schema.model import Schema
from replica.schema.schema_map import SchemaMap, read_map
from replica.settings import Settings

__all__ = [
    "ConstraintScores",
    "Draft",
    "EvaluationReport",
    "FittedReplica",
    "LoadReport",
    "Plan",
    "Planned",
    "Progress",
    "ReplicaError",
    "Schema",
    "SchemaMap",
    "Settings",
    "check",
    "draft",
    "evaluate",
    "introspect",
    "learn",
    "make_plan",
    "open_artifact",
    "read_map",
    "replicate",
    "save",
    "verify",
    "write",
]
