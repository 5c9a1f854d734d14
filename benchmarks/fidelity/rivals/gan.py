"""CTGAN and TVAE (Xu et al. 2019) of the package ctgan, one table, at their defaults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from ctgan import CTGAN, TVAE
from frames import Task, numbered, run, with_moments, with_numbers


def make(task: Task) -> dict[str, pd.DataFrame]:
    table, frame = task.single()
    kinds = {column["name"]: column["kind"] for column in table["columns"]}
    discrete = [name for name in frame if kinds[name] == "category"]
    frame = with_numbers(frame.assign(**{name: frame[name].fillna("") for name in discrete}), table)
    np.random.seed(task.seed)  # The package draws from numpy's global stream.
    torch.manual_seed(task.seed)
    model = (TVAE if "tvae" in task.options else CTGAN)()
    task.timed("fit", lambda: model.fit(frame, discrete))
    made = task.timed("sample", lambda: model.sample(len(frame)))
    made = made.assign(**{name: made[name].where(made[name] != "", None) for name in discrete})
    return {table["name"]: numbered(with_moments(made, table), table)}


run(make)
