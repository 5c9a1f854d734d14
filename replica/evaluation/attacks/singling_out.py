"""Singling out: conditions found in the replica that meet exactly one person of the original.

Giomi, Boenisch, Wehmeyer and Tasnadi 2023, "A unified framework for quantifying privacy risk in synthetic data"
(Anonymeter), section 5.1. Conditions are of one column or of several, each true of a single person of the replica. They
are tried on all persons of the original at once, those who were not learned among them, so that it makes no difference
that there are fewer of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from replica.evaluation.attacks.base import AttackResult, Question
from replica.evaluation.attacks.chance import Trial, judge
from replica.evaluation.attacks.people import Trait
from replica.evaluation.attacks.scene import Scene
from replica.evaluation.coding import Bins, pair_bins
from replica.evaluation.ground import Feature

Codes = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

QUESTION = Question(
    "singling out",
    "Can a description be read off the replica that fits exactly one person of the original?",
    "Somebody who has only the replica wants to say: there is exactly one person with these properties.",
)

_BINS, _MOST_GUESSES = 20, 10_000
_MORE = (0, 1, 2, 4, 8)
"""How many columns a condition has beyond those that make it true of one person in the replica."""


def single_out(scene: Scene) -> tuple[AttackResult, ...]:
    """Makes a condition of each person of the replica, and counts the persons of the original who are met alone."""
    original, synthetic = _coded(scene.traits)
    rng = scene.ground.rng("attacks", QUESTION.name)
    records = synthetic[rng.permutation(len(synthetic))[:_MOST_GUESSES]]
    columns = list(_columns(records, synthetic, rng))
    # Somebody who guesses asks for as much, of persons who are nobody.
    nobody = np.stack([rng.permutation(column) for column in records.T], axis=1)
    alone, guessed = (_met_alone(values, columns, original) for values in (records, nobody))
    note = "" if len(records) == len(synthetic) else f"{len(records):,} conditions were tried"
    return (
        judge(
            QUESTION,
            Trial(alone, scene.learned_or_all, float(guessed.mean()), len(records) / len(synthetic), note),
            rng,
        ),
    )


def _coded(traits: tuple[Trait, ...]) -> tuple[Codes, Codes]:
    """Persons of both sides in bins of the replica's: shapes (persons, traits)."""
    cuts = [None if trait.what == "category" else _bins(trait) for trait in traits]
    original, synthetic = (
        np.stack([values if cut is None else cut.cut(values) for cut, values in zip(cuts, side, strict=True)], axis=1)
        for side in ([trait.original for trait in traits], [trait.synthetic for trait in traits])
    )
    return original.astype(np.int32), synthetic.astype(np.int32)


def _bins(trait: Trait) -> Bins:
    return pair_bins(Feature(trait.name, "number"), trait.synthetic, _BINS)


def _columns(records: Codes, synthetic: Codes, rng: np.random.Generator) -> Iterator[Ints]:
    """Yields for each record columns that make a condition true of no other person of the replica, and some more."""
    side = np.asfortranarray(synthetic)
    for record in records:
        columns = rng.permutation(len(record))
        enough = _narrowed(side, record, columns, until=1)[1]
        # Beyond what singles a person out in the replica, chance finds less, and what was copied stays.
        yield columns[: enough + int(rng.choice(_MORE))]


def _met_alone(records: Codes, columns: Iterable[Ints], original: Codes) -> Floats:
    """Which persons of the original are the only one that some condition meets."""
    alone, side = np.zeros(len(original)), np.asfortranarray(original)
    for record, used in zip(records, columns, strict=True):
        met = _narrowed(side, record, used, until=0)[0]
        if len(met) == 1:
            alone[met] = 1.0
    return alone


def _narrowed(side: Codes, record: Codes, columns: Ints, until: int) -> tuple[Ints, int]:
    """The rows like a record in one column after the other, until so few are left, and how many columns it took."""
    rows = np.flatnonzero(side[:, columns[0]] == record[columns[0]])
    used = 1
    while len(rows) > until and used < len(columns):
        rows = rows[side[rows, columns[used]] == record[columns[used]]]
        used += 1
    return rows, used
