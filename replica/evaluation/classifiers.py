"""All that classifiers are asked: whose rows they see, and what a replica teaches. Several are asked at a time."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from typing import get_args

from replica.errors import EvaluateError
from replica.evaluation.detection import DetectionScores, Question, TellJob, TellScores, What, questions
from replica.evaluation.ground import Ground
from replica.evaluation.predicting import UseJob, UseScores
from replica.evaluation.use import Prediction, predictions
from replica.processes import map_in_order
from replica.progress import Progress, Report, ignore

# With less work than this, starting processes costs more than it saves.
_WORTH_PROCESSES_S = 20.0


def score_classifiers(
    ground: Ground, processes: int = 1, report: Report = ignore
) -> tuple[DetectionScores, tuple[UseScores, ...]]:
    """Can a classifier tell the rows of the replica from the original's, and is one that learned on it of use?

    Args:
        ground: both databases.
        processes: how many may work beside each other.
        report: told how far it is.

    Raises:
        EvaluateError: a process was killed.
    """
    asked: list[Question | Prediction] = [*questions(ground), *predictions(ground)]
    jobs = (job for one in asked if (job := one.job(ground)) is not None)
    pays = sum(one.seconds(ground) for one in asked) > _WORTH_PROCESSES_S
    told: dict[str, list[TellScores]] = {what: [] for what in get_args(What)}
    used: list[UseScores] = []
    report(Progress("classify", "", 0, len(asked)))
    try:
        for done, scores in enumerate(map_in_order(_run, jobs, processes if pays else 1), start=1):
            report(Progress("classify", "", done, len(asked)))
            if isinstance(scores, TellScores):
                told[scores.what].append(scores)
            else:
                used += scores
    except BrokenProcessPool:
        raise EvaluateError(
            "classifiers: a worker process was killed, probably for want of memory: run with fewer --workers"
        ) from None
    return DetectionScores(**{what: tuple(found) for what, found in told.items()}), tuple(used)


def _run(job: TellJob | UseJob) -> TellScores | tuple[UseScores, ...]:
    return job.run()
