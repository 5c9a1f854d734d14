"""Uniqueness: are persons who are alone with a few common properties in the replica with the same ones?

Sweeney 2000, "Simple demographics often identify people uniquely": sex, date of birth and postcode do for most of a
country. The properties are the three columns of the persons' own row with which most of them are alone; numbers that
hardly two persons share are nothing that others know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.copies import as_result, look_up
from replica.evaluation.attacks.copula import cell_probabilities, correctness, uniqueness
from replica.evaluation.attacks.fingerprints import Fingerprints, rows_of
from replica.evaluation.attacks.scene import Scene, share_read
from replica.evaluation.ground import Feature

Ints = npt.NDArray[np.int64]

QUESTION = Question(
    "uniqueness",
    "Are persons who are alone with a few common properties found in the replica with just these?",
    "Somebody knows a few properties that many know of a person, such as sex, date of birth and place.",
)

_COLUMNS, _MOST_VALUES, _ASKED, _LARGER = 3, 0.5, 500, 10
_SHARE = 0.2


def single_out_by_few(scene: Scene) -> tuple[AttackResult, ...]:
    """Looks up who is alone with three columns, and says how many are, here and in a larger population."""
    columns = _most_telling(scene)
    if not columns:
        return (QUESTION.not_run("the table of persons has no such columns"),)
    prints = _prints(scene, columns)
    result = as_result(
        QUESTION,
        None,
        replace(look_up(prints, scene), share=_SHARE, searched=share_read(scene.ground.synthetic[scene.subject])),
    )
    alone = float((prints.original.held_by() == 1).mean())
    return (replace(result, note=f"{result.note}; {_population(scene, columns, alone)}"),)


def _population(scene: Scene, columns: Sequence[str], alone: float) -> str:
    """How unique persons are here, and would be in a larger population that they are a sample of."""
    rng = scene.ground.rng("attacks", QUESTION.name)
    rows = scene.ground.original[scene.subject]
    codes = np.stack([np.unique(rows.values[name], return_inverse=True)[1] for name in columns], axis=1)
    persons = rng.permutation(len(codes))[:_ASKED]
    p = cell_probabilities(codes, persons, rng)
    larger = _LARGER * len(codes)
    there, right = uniqueness(p, larger).mean(), correctness(p, larger).mean()
    return (
        f"{alone:.1%} of all persons are alone with {', '.join(columns)}; if they are one in {_LARGER} of a population,"
        f" {there:.1%} are alone there and a match is right in {right:.1%}"
    )


def _most_telling(scene: Scene) -> tuple[str, ...]:
    """The three columns with which most persons are alone, the first by itself, each next one beside those before."""
    left = [feature.name for feature in scene.ground.features[scene.subject] if _is_known_to_others(scene, feature)]
    chosen: list[str] = []
    while left and len(chosen) < _COLUMNS:
        different = {name: len(np.unique(_prints(scene, (*chosen, name)).original.marks)) for name in left}
        chosen.append(max(left, key=lambda name: different[name]))
        left.remove(chosen[-1])
    return tuple(chosen)


def _prints(scene: Scene, columns: tuple[str, ...]) -> Fingerprints:
    return rows_of(scene.ground, scene.subject, {scene.subject: columns})


def _is_known_to_others(scene: Scene, feature: Feature) -> bool:
    """Labels, dates, and numbers that many share; nobody knows when a row was written, to the second."""
    family = scene.ground.plan.by_id[scene.subject].table.by_name[feature.name].type.family
    values = scene.ground.original[scene.subject].values[feature.name]
    different = len(np.unique(values))
    shared = different < _MOST_VALUES * len(values)
    return different > 1 and (feature.is_category or family == "date" or (feature.what == "number" and shared))
