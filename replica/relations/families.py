"""What the children of one row have in common, written as a few codes of that row.

The rows under one parent are summed up as one vector: means and spreads of what is ordered, shares of what is not,
and how many there are. The vectors are clustered, and what the clusters leave over is clustered again (residual
vector quantisation, Juang and Gray 1982). The codes are columns of the parent, learned and drawn with the rest of its
row, and context for its children.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.kinds.base import Codes, Span

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_CLUSTERS = 64
_PER_CLUSTER = 12
_LEVELS = 3
_SHARES = 12
_SAMPLE = 20_000
_SHRINK = 2.0


@dataclass(frozen=True)
class Members:
    """Rows that are to be summed up by the row they belong to.

    Attributes:
        codes: their codes; shape (rows, spans).
        spans: what the codes are.
        parent: number of the row each belongs to, negative for none; shape (rows,).
    """

    codes: Codes
    spans: tuple[Span, ...]
    parent: Ints


def summarize(members: Members, n_parents: int) -> Floats:
    """Sums up families: shape (parents, features), each feature of mean 0; parents without children get zeros."""
    known = members.parent >= 0
    parent = members.parent[known]
    counts = np.bincount(parent, minlength=n_parents)
    features = [np.log1p(counts)[:, None].astype(np.float64)]
    for i, span in enumerate(members.spans):
        codes = members.codes[known, i].astype(np.int64)
        if span.ordered > 2:
            features.append(_ordered(codes, span.ordered, parent, counts))
        features.append(_shares(codes, span, parent, counts))
    return np.concatenate([_scaled(block, counts) for block in features if block.shape[1]], axis=1)


def _ordered(codes: Ints, ordered: int, parent: Ints, counts: Ints) -> Floats:
    """Mean and spread of the rank of a span within each family, drawn towards all where a family is small."""
    usable = codes < ordered
    rank = codes[usable] / max(1, ordered - 1)
    at = parent[usable]
    n = np.bincount(at, minlength=len(counts)).astype(np.float64)
    total = np.bincount(at, weights=rank, minlength=len(counts))
    overall = rank.mean() if len(rank) else 0.5
    mean = (total + _SHRINK * overall) / (n + _SHRINK)
    squares = np.bincount(at, weights=(rank - mean[at]) ** 2, minlength=len(counts))
    spread = np.sqrt((squares + _SHRINK * 0.05) / (n + _SHRINK))
    return np.stack([mean, spread], axis=1)


def _shares(codes: Ints, span: Span, parent: Ints, counts: Ints) -> Floats:
    """Shares of the commonest codes within each family; of the special codes alone for an ordered span."""
    frequency = np.bincount(codes, minlength=span.cardinality)
    if span.ordered > 2:
        frequency[: span.ordered] = 0
    chosen = np.argsort(-frequency, kind="stable")[:_SHARES]
    chosen = chosen[frequency[chosen] > 0.01 * len(codes)]
    if len(chosen) == 0 or (len(chosen) == 1 and frequency[chosen[0]] == len(codes)):
        return np.zeros((len(counts), 0))
    columns = []
    for code in chosen:
        hits = np.bincount(parent[codes == code], minlength=len(counts))
        columns.append((hits + _SHRINK * frequency[code] / max(1, len(codes))) / (counts + _SHRINK))
    return np.stack(columns, axis=1)


def _scaled(block: Floats, counts: Ints) -> Floats:
    """Centres a block over the parents with children and gives all blocks the same weight."""
    there = counts > 0
    if not there.any():
        return np.zeros_like(block)
    centred = block - block[there].mean(axis=0)
    spread = centred[there].std(axis=0)
    scaled = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9)
    scaled[~there] = 0
    weighed: Floats = scaled / np.sqrt(block.shape[1])
    return weighed


@dataclass(frozen=True)
class FamilyCode:
    """The spans that hold what a row's children have in common, for one reference.

    Attributes:
        name: id of the reference.
        sizes: codes per level; code 0 of the first level stands for no children.
        observed: True where the codes belong to rows that are kept, and are not drawn.
    """

    name: str
    sizes: tuple[int, ...]
    observed: bool

    @property
    def spans(self) -> tuple[Span, ...]:
        """A span per level."""
        return tuple(
            Span(f"family {self.name} {level + 1}", size, observed=self.observed)
            for level, size in enumerate(self.sizes)
        )


def fit_family(
    name: str,
    features: Floats,
    counts: Ints,
    rng: np.random.Generator,
    *,
    levels: int = _LEVELS,
    observed: bool = False,
) -> tuple[FamilyCode, Codes]:
    """Clusters families.

    Args:
        name: id of the reference.
        features: what :func:`summarize` gave; shape (parents, features).
        counts: children per parent.
        rng: the random stream.
        levels: most levels of codes.
        observed: whether the codes belong to rows that are kept.

    Returns:
        The spans, and the codes of the parents: shape (parents, levels).
    """
    there = np.flatnonzero(counts > 0)
    size = int(np.clip(len(there) // _PER_CLUSTER, 1, _CLUSTERS))
    codes: list[npt.NDArray[np.int32]] = []
    rest = features[there].copy()
    for level in range(levels):
        if size < 2 or (level > 0 and len(there) < size * _PER_CLUSTER * 4 * level):
            break
        labels, centers = _cluster(rest, size, rng)
        rest = rest - centers[labels]
        column = np.zeros(len(counts), np.int32)
        # The first level keeps a code for rows without children.
        column[there] = labels + (level == 0)
        codes.append(column)
    if not codes:
        column = np.zeros(len(counts), np.int32)
        column[there] = 1
        return FamilyCode(name, (2,), observed), column[:, None]
    sizes = tuple(int(column.max(initial=0)) + 1 for column in codes)
    return FamilyCode(name, sizes, observed), np.stack(codes, axis=1)


def _cluster(features: Floats, size: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.int32], Floats]:
    """k-means, learned on a sample of the rows."""
    sample = features
    if len(features) > _SAMPLE:
        sample = features[rng.choice(len(features), _SAMPLE, replace=False)]
    distinct = len(np.unique(sample.round(9), axis=0))
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to import, and few commands cluster

    model = KMeans(
        n_clusters=max(1, min(size, distinct)), n_init=1, max_iter=50, random_state=int(rng.integers(0, 2**31))
    )
    model.fit(sample)
    labels: npt.NDArray[np.int32] = model.predict(features).astype(np.int32)
    return labels, model.cluster_centers_
