"""The persons whom attacks are about, each as one row: their own columns, and what their other rows add up to.

Nothing here knows who was learned: rows of the original and of the replica are treated alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Feature, Ground, Rows, Values

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

_MOST_LABELS, _SHARES = 30, 4


@dataclass(frozen=True)
class Trait:
    """One thing that can be said of a person.

    Attributes:
        name: the column, and what is made of it where it is not the person's own.
        table: id of the table that it comes from.
        what: ``number``, also for moments, or ``category``.
        original: of each person of the original; not a number, or -1, where null.
        synthetic: of each person of the replica.
    """

    name: str
    table: str
    what: Literal["number", "category"]
    original: Values
    synthetic: Values


def traits_of(ground: Ground, subject: str, tables: tuple[str, ...]) -> tuple[Trait, ...]:
    """Returns what can be said of persons: their own columns, then what their rows in other tables add up to."""
    sides = ground.original[subject], ground.synthetic[subject]
    own = (
        Trait(
            feature.name,
            subject,
            "category" if feature.is_category else "number",
            *(side.values[feature.name] for side in sides),
        )
        for feature in ground.features[subject]
        if feature.what != "text"
    )
    sizes = len(sides[0]), len(sides[1])
    return (*own, *(trait for table in tables if table != subject for trait in _summaries(ground, table, sizes)))


def _summaries(ground: Ground, table: str, sizes: tuple[int, int]) -> Iterator[Trait]:
    """How many rows of a table a person has, their means and extremes, and the shares of the commonest labels."""
    families = tuple(
        _Family(rows, size) for rows, size in zip((ground.original[table], ground.synthetic[table]), sizes, strict=True)
    )
    yield Trait("rows", table, "number", *(family.count for family in families))
    for feature in ground.features[table]:
        if feature.what in ("number", "moment"):
            for name in ("mean", "least", "most"):
                yield Trait(
                    f"{name} {feature.name}", table, "number", *(family.of(feature.name, name) for family in families)
                )
        elif feature.is_category:
            for label in _commonest(feature, ground.original[table].values[feature.name]):
                yield Trait(
                    f"{feature.name}, label {label}",
                    table,
                    "number",
                    *(family.share(feature.name, label) for family in families),
                )


def _commonest(feature: Feature, codes: Values) -> list[int]:
    counts = np.bincount(codes[codes >= 0].astype(np.int64), minlength=len(feature.labels))
    return [int(label) for label in np.argsort(-counts, kind="stable")[:_SHARES] if counts[label]]


class _Family:
    """The rows of one table, by the person whom they belong to.

    Args:
        rows: the rows.
        persons: how many persons there are.
    """

    def __init__(self, rows: Rows, persons: int) -> None:
        holders = rows.holders if rows.holders is not None else np.full(len(rows), persons)
        self._rows, self._persons = rows, persons
        # Rows that lead to nobody have numbers behind all persons.
        self._there = np.flatnonzero(holders < persons)
        self._holders = holders[self._there]

    @property
    def count(self) -> Floats:
        """Rows of each person."""
        return np.bincount(self._holders, minlength=self._persons).astype(np.float64)

    def of(self, column: str, name: str) -> Floats:
        """Returns the mean, the least or the most of a column, not a number where a person has none."""
        values = self._rows.values[column][self._there].astype(np.float64)
        known = np.isfinite(values)
        holders, values = self._holders[known], values[known]
        if name == "mean":
            counts = np.bincount(holders, minlength=self._persons)
            sums = np.bincount(holders, weights=values, minlength=self._persons)
            return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        found = np.full(self._persons, np.inf if name == "least" else -np.inf)
        (np.minimum if name == "least" else np.maximum).at(found, holders, values)
        return np.where(np.isfinite(found), found, np.nan)

    def share(self, column: str, label: int) -> Floats:
        """Returns the share of a label among the rows of each person, not a number without rows."""
        hits = (self._rows.values[column][self._there] == label).astype(np.float64)
        counts = np.bincount(self._holders, minlength=self._persons)
        sums = np.bincount(self._holders, weights=hits, minlength=self._persons)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


# Distances


@dataclass(frozen=True)
class Space:
    """Persons as points whose squared distances add up as Gower's (1971) do.

    A number is its rank among the replica's, between 0 and 1; labels that differ are 1 apart.

    Attributes:
        original: the original's persons: shape (persons, dimensions).
        synthetic: the replica's.
        trait: number of the trait that each dimension comes from.
    """

    original: Matrix
    synthetic: Matrix
    trait: Ints

    def of(self, traits: Sequence[int]) -> Space:
        """Returns the same persons by some of their traits."""
        which = np.isin(self.trait, np.array(traits, dtype=np.int64))
        return Space(self.original[:, which], self.synthetic[:, which], self.trait[which])


def space_of(traits: tuple[Trait, ...]) -> Space:
    """Puts persons into a space; there must be a trait."""
    parts = [_embedded(trait) for trait in traits]
    return Space(
        np.concatenate([one for one, _ in parts], axis=1),
        np.concatenate([other for _, other in parts], axis=1),
        np.repeat(np.arange(len(parts)), [one.shape[1] for one, _ in parts]),
    )


def _embedded(trait: Trait) -> tuple[Matrix, Matrix]:
    if trait.what == "category":
        codes = trait.synthetic[trait.synthetic >= 0].astype(np.int64)
        common = np.argsort(-np.bincount(codes, minlength=1), kind="stable")[:_MOST_LABELS]
        one, other = (
            (values[:, None] == common[None, :]).astype(np.float32) * np.float32(np.sqrt(0.5))
            for values in (trait.original, trait.synthetic)
        )
        return one, other
    known = np.sort(trait.synthetic[np.isfinite(trait.synthetic)]).astype(np.float64)
    return _ranked(trait.original, known), _ranked(trait.synthetic, known)


def _ranked(values: Values, known: Floats) -> Matrix:
    """Middle ranks, and whether there is a value at all."""
    left, right = (np.searchsorted(known, values, side=side) for side in ("left", "right"))
    null = np.isnan(values)
    ranks = np.where(null, 0.5, (left + right) / max(2, 2 * len(known)))
    return np.stack([ranks, null * np.sqrt(0.5)], axis=1).astype(np.float32)
