"""Features in few bins, the same on every side: what shapes and pairs are counted in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Feature, Ground, Rows, Side, Values

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PAIR_BINS = 10
FINE_BINS = 400


@dataclass(frozen=True)
class Bins:
    """How one feature is cut; null has the last bin.

    Attributes:
        edges: of a number, where the next bin begins.
        numbers: of a category, the bin of each label.
        size: how many bins there are.
    """

    edges: Floats | None
    numbers: Ints | None
    size: int

    def cut(self, values: Values) -> Ints:
        """Returns the bin of each value: shape (rows,)."""
        if self.edges is not None:
            found = np.searchsorted(self.edges, values, side="right")
            return np.where(np.isnan(values), self.size - 1, found)
        assert self.numbers is not None  # noqa: S101 - one or the other
        labels = values.astype(np.int64)
        return np.where(labels < 0, self.size - 1, np.append(self.numbers, 0)[labels])


def pair_bins(feature: Feature, original: Values, bins: int = PAIR_BINS) -> Bins:
    """Cuts a number into bins of equal weight in the original, a category into its commonest labels and all others."""
    if feature.is_category:
        counts = np.bincount(original[original >= 0].astype(np.int64), minlength=len(feature.labels))
        # One more than bins is no reason to fold: so many come of a number that was cut before.
        common = np.argsort(-counts, kind="stable")[: bins - 1 if len(counts) > bins + 1 else bins + 1]
        numbers = np.full(len(counts), len(common))
        numbers[common] = np.arange(len(common))
        return Bins(None, numbers, len(common) + 1 + (len(common) < len(counts)))
    known = np.sort(original[~np.isnan(original)])
    # Values that are there, since between infinite ones there is no middle.
    places = np.round(np.linspace(0, 1, bins + 1)[1:-1] * (len(known) - 1)).astype(np.int64)
    edges = np.unique(known[places] if len(known) else known).astype(np.float64)
    return Bins(edges, None, len(edges) + 2)


def fine_bins(feature: Feature, samples: tuple[Values, ...]) -> Bins:
    """Cuts so finely that little is lost: a bin per label, or per value as long as there are not too many."""
    if feature.is_category:
        return Bins(None, np.arange(len(feature.labels)), len(feature.labels) + 1)
    edges = np.unique(np.concatenate([_fine_edges(values[~np.isnan(values)].astype(np.float64)) for values in samples]))
    return Bins(edges, None, len(edges) + 2)


def _fine_edges(known: Floats) -> Floats:
    different = np.unique(known)
    if len(different) <= FINE_BINS:
        return different
    places = np.linspace(0, len(known) - 1, FINE_BINS).astype(np.int64)
    found: Floats = np.sort(known)[places]
    return found


def in_bins(ground: Ground) -> Ground:
    """Returns the same with every feature cut into the bins of pairs, so that many pairs cost no more cutting."""
    cuts = {
        table: {feature.name: pair_bins(feature, ground.original[table].values[feature.name]) for feature in features}
        for table, features in ground.features.items()
    }
    features = {
        table: tuple(Feature(name, "category", tuple(map(str, range(cut.size - 1)))) for name, cut in found.items())
        for table, found in cuts.items()
    }
    original, synthetic, floor = (_cut(side, cuts) for side in ground.sides)
    return replace(ground, features=features, original=original, synthetic=synthetic, floor=floor)


def _cut(side: Side, cuts: Mapping[str, Mapping[str, Bins]]) -> dict[str, Rows]:
    return {
        table: replace(rows, values={name: _null_first(cut, rows.values[name]) for name, cut in cuts[table].items()})
        for table, rows in side.items()
    }


def _null_first(cut: Bins, values: Values) -> npt.NDArray[np.int32]:
    found = cut.cut(values)
    return np.where(found == cut.size - 1, -1, found).astype(np.int32)
