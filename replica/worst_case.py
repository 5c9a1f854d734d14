"""Learning a source again and again, with and without the persons who are least like all others.

This is slow and done by hand: every round learns a random half of all persons, writes a replica into an embedded
server and looks for those persons in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from replica.control.record import read_record
from replica.databases import open_database
from replica.databases.embedded import EmbeddedServer
from replica.errors import PlanError, SettingsError
from replica.evaluation.attacks.base import AttackResult
from replica.evaluation.attacks.worst_cases import Round, farthest, judge_rounds, look_for
from replica.evaluation.ground import Ground, read_ground
from replica.pipeline import Url, learn, make_plan, write
from replica.planning.decisions import Plan
from replica.progress import Progress, Report, ignore
from replica.settings import Settings

ROUNDS, PERSONS = 10, 20
"""How often a source is learned, and for whose sake."""

_SHARE = 0.5


@dataclass(frozen=True)
class _Game:
    """What is played with.

    Attributes:
        source: the original's address.
        settings: how it is learned, without whom.
        plan: what is known of it.
        server: where replicas are written.
        folder: where the keys to who was learned lie meanwhile.
    """

    source: Url
    settings: Settings
    plan: Plan
    server: EmbeddedServer
    folder: Path


def worst_case(
    source: Url,
    settings: Settings | None = None,
    *,
    subject: str | None = None,
    rounds: int = ROUNDS,
    report: Report = ignore,
) -> AttackResult:
    """Do the persons who are least like all others leave a trace when they are learned?

    Args:
        source: the original.
        settings: how it is learned.
        subject: the table of persons; None to take the one that the map or the draft calls so.
        rounds: how often.
        report: told how far it is.

    Raises:
        SettingsError: there are less than two rounds.
        PlanError: there is no table of persons.
        UnreachableError: the embedded server did not start.
    """
    if rounds < 2:
        raise SettingsError(f"rounds must be at least 2, however: {rounds}")
    settings = settings or Settings()
    plan = make_plan(source, settings).plan
    with TemporaryDirectory(prefix="replica-worst-case-") as name, EmbeddedServer(Path(name) / "postgres") as server:
        game = _Game(source, replace(settings, control=_SHARE, subject=subject), plan, server, Path(name))
        return judge_rounds(list(_play(game, rounds, report)))


def _play(game: _Game, rounds: int, report: Report) -> Iterator[Round]:
    persons: npt.NDArray[np.int64] | None = None
    for number in range(rounds):
        report(Progress("round", str(number + 1), number, rounds))
        ground, kept_out, subject = _learned_without_half(game, number)
        if persons is None:
            persons = farthest(ground, subject, PERSONS)
        yield Round(look_for(ground, subject, persons), ~kept_out[persons])


def _learned_without_half(game: _Game, number: int) -> tuple[Ground, npt.NDArray[np.bool_], str]:
    """Learns the source without half of the persons and writes a replica.

    Returns:
        both databases, who was kept out, and the table of persons.
    """
    target, record = game.server.url("worst_case"), game.folder / f"{number}.json"
    settings = replace(game.settings, record=record, seed=game.settings.seed + number, replace=True)
    version = open_database(game.server.url("postgres")).server_version()
    write(learn(game.source, settings, target_version=version), target, settings)
    split = read_record(record).split
    with open_database(game.source).snapshot() as original, open_database(target).snapshot() as synthetic:
        ground = read_ground(original, synthetic, game.plan, game.settings)
    if split.subject not in ground.keys:
        raise PlanError(f"{split.subject} is not compared: include it")
    return ground, split.holds(ground.keys[split.subject]), split.subject
