"""Sequential trees in the manner of synthpop (Nowok, Raab and Dibben 2016), one table.

Each column is drawn given those before it: a CART is grown, a new row falls into a leaf, and takes the value of one of
the original rows there. Nulls and categories are codes; leaves hold at least five rows, as by default there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from frames import Task, numbered, run
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

_LEAF = 5
_MOST_CLASSES = 60

Tree = tuple[Any, dict[int, np.ndarray]]
"""A tree, and the rows of each of its leaves."""


def make(task: Task) -> dict[str, pd.DataFrame]:
    table, frame = task.single()
    rng = np.random.default_rng(task.seed)
    kinds = {column["name"]: column["kind"] for column in table["columns"]}
    codes = pd.DataFrame({name: _codes(frame[name], kinds[name]) for name in frame})
    trees = task.timed("fit", lambda: [_tree(codes, i, kinds, task.seed) for i in range(1, codes.shape[1])])
    rows = task.timed("sample", lambda: _draw(codes, trees, rng))
    made = pd.DataFrame({name: frame[name].to_numpy()[rows[:, i]] for i, name in enumerate(frame)})
    return {table["name"]: numbered(made, table)}


def _codes(values: pd.Series, kind: str) -> np.ndarray:
    if kind == "category":
        return pd.factorize(values, use_na_sentinel=False)[0].astype(float)
    numbers = values.astype("int64") if kind == "moment" else values
    return numbers.fillna(numbers.min() - 1).to_numpy(dtype=float)


def _tree(codes: pd.DataFrame, i: int, kinds: dict[str, str], seed: int) -> Tree:
    name = codes.columns[i]
    few = kinds[name] == "category" and codes[name].nunique() <= _MOST_CLASSES
    grown = (DecisionTreeClassifier if few else DecisionTreeRegressor)(min_samples_leaf=_LEAF, random_state=seed)
    grown.fit(codes.iloc[:, :i].to_numpy(), codes[name])
    leaves = grown.apply(codes.iloc[:, :i].to_numpy())
    return grown, pd.Series(np.arange(len(codes))).groupby(leaves).apply(np.asarray).to_dict()


def _draw(
    codes: pd.DataFrame, trees: list[tuple[object, dict[int, np.ndarray]]], rng: np.random.Generator
) -> np.ndarray:
    """Returns, for each new row and column, the original row whose value it takes."""
    known, n = codes.to_numpy(), len(codes)
    rows = np.zeros(known.shape, int)
    rows[:, 0] = rng.integers(n, size=n)
    for i, (grown, members) in enumerate(trees, start=1):
        seen = np.stack([known[rows[:, j], j] for j in range(i)], axis=1)
        leaves = grown.apply(seen)
        for leaf in np.unique(leaves):
            chosen = leaves == leaf
            rows[chosen, i] = rng.choice(members[leaf], size=int(chosen.sum()))
    return rows


run(make)
