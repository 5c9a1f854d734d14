"""Trying all attacks on a replica."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks import ATTACKS, Attack, membership
from replica.evaluation.attacks.base import AttackResult, PrivacyReport
from replica.evaluation.attacks.scene import FEWEST_CONTROLS, Scene, open_scene
from replica.evaluation.ground import Ground
from replica.inference.personal import STRONG
from replica.planning.scope import some_of
from replica.progress import Progress, Report, ignore

_NOBODY = "nobody is there to attack: no table with rows is about persons, by its role or by its columns"
_OVERLOOKED = (
    "no table of persons is named, but {} look as if they held something of some: give the table of persons the role"
    " subject in the schema map; or, if there are none, those tables the role public, and their columns other kinds"
)
_PERSONAL = STRONG | {"credential"}
_UNKNOWN = "it is not known who was kept out of learning: fit with --control, and keep its record"
_NOTHING = "nothing is known of persons but made-up names and keys"
_FEW = f"fewer than {FEWEST_CONTROLS} persons were kept out of learning"


def attack_replica(
    ground: Ground, controls: Mapping[str, npt.NDArray[np.bool_]] | None, report: Report = ignore
) -> PrivacyReport:
    """What could somebody who holds the replica find out about the people of the original?

    Args:
        ground: both databases.
        controls: which rows of the original were kept out of learning, by table; None where that is not known: most
            attacks are then not run.
        report: told of every attack.
    """
    scene = open_scene(ground, controls)
    if scene is None:
        overlooked = overlooked_tables(ground)
        why = _OVERLOOKED.format(some_of(overlooked)) if overlooked else _NOBODY
        return PrivacyReport(None, 0, 0, tuple(attack.asks.not_run(why) for attack in ATTACKS.values()), overlooked)
    found: list[AttackResult] = []
    for name, attack in ATTACKS.items():
        report(Progress("attack", name))
        found += _tried(attack, scene)
    membership_attack = ATTACKS[membership.ALL.name]
    members = scene.persons if scene.learned is None else int(scene.learned.sum())
    audited = membership.audit(scene) if _lacking(membership_attack, scene) is None else None
    return PrivacyReport(scene.subject, members, scene.persons - members, tuple(found), audit=audited)


def overlooked_tables(ground: Ground) -> tuple[str, ...]:
    """Returns tables, with rows on both sides, that are about persons by their role or by a column's kind."""
    filled = (table for table in ground.plan.tables if all(len(side[table.id]) for side in ground.sides[:2]))
    return tuple(table.id for table in filled if table.private or any(c.kind in _PERSONAL for c in table.columns))


def _tried(attack: Attack, scene: Scene) -> tuple[AttackResult, ...]:
    lacking = _lacking(attack, scene)
    return attack.run(scene) if lacking is None else (attack.asks.not_run(lacking),)


def _lacking(attack: Attack, scene: Scene) -> str | None:
    """What an attack lacks to be tried; None if nothing."""
    if not attack.needs_controls:
        return None
    if scene.learned is None:
        return _UNKNOWN
    if min((~scene.targets_learned).sum(), scene.targets_learned.sum()) < FEWEST_CONTROLS:
        return _FEW
    return None if scene.traits else _NOTHING
