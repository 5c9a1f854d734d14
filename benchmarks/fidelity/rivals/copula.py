"""A Gaussian copula of the package copulas, one table.

Categories are intervals of a uniform number (Patki, Wedge and Veeramachaneni 2016).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from copulas.multivariate import GaussianMultivariate
from frames import Task, numbered, run, with_moments, with_numbers


class Intervals:
    """Categories as intervals of [0, 1], as wide as they are common; numbers in their own scale."""

    def __init__(self, values: pd.Series, rng: np.random.Generator) -> None:
        shares = values.fillna("\0").value_counts(normalize=True)
        self.names, self.ends = shares.index.to_numpy(), shares.cumsum().to_numpy()
        self.shares, self.rng = shares, rng

    def encode(self, values: pd.Series) -> np.ndarray:
        """Returns a number in the interval of each category."""
        ends = pd.Series(self.ends, self.names)
        filled = values.fillna("\0")
        return (filled.map(ends) - self.rng.random(len(values)) * filled.map(self.shares)).to_numpy()

    def decode(self, numbers: pd.Series) -> pd.Series:
        """Returns the category in whose interval each number lies."""
        at = np.searchsorted(self.ends, numbers.clip(0, 1 - 1e-9))
        found = pd.Series(self.names[np.minimum(at, len(self.names) - 1)])
        return found.where(found != "\0", None)


def make(task: Task) -> dict[str, pd.DataFrame]:
    table, frame = task.single()
    frame = with_numbers(frame, table)
    rng = np.random.default_rng(task.seed)
    kinds = {column["name"]: column["kind"] for column in table["columns"]}
    intervals = {name: Intervals(frame[name], rng) for name in frame if kinds[name] == "category"}
    numbers = frame.assign(**{name: one.encode(frame[name]) for name, one in intervals.items()})
    model = GaussianMultivariate(random_state=task.seed)
    task.timed("fit", lambda: model.fit(numbers))
    made = task.timed("sample", lambda: model.sample(len(frame)))
    made = made.assign(**{name: one.decode(made[name]) for name, one in intervals.items()})
    for name in set(frame) - set(intervals):
        made[name] = made[name].clip(frame[name].min(), frame[name].max())
    return {table["name"]: numbered(with_moments(made, table), table)}


run(make)
