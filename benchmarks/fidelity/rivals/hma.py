"""HMA, the open multi-table synthesizer of SDV, at its defaults; one table goes to its Gaussian copula."""

from __future__ import annotations

import numpy as np
import pandas as pd
from frames import RefusedError, Task, run
from sdv.metadata import Metadata
from sdv.multi_table import HMASynthesizer
from sdv.single_table import GaussianCopulaSynthesizer

_KINDS = {"integer": "numerical", "number": "numerical", "moment": "datetime", "category": "categorical"}


def make(task: Task) -> dict[str, pd.DataFrame]:
    metadata = _metadata(task)
    np.random.seed(task.seed)  # The package draws from numpy's global stream.
    if len(task.tables) == 1:
        name = task.tables[0]["name"]
        model = GaussianCopulaSynthesizer(metadata)
        task.timed("fit", lambda: model.fit(task.frames[name]))
        return {name: task.timed("sample", lambda: model.sample(num_rows=len(task.frames[name])))}
    hma = HMASynthesizer(metadata, verbose=False)
    task.timed("fit", lambda: hma.fit(task.frames))
    sample = getattr(hma, "sample_scale", None)
    return task.timed("sample", lambda: sample(1.0) if sample else hma.sample(scale=1.0))


def _metadata(task: Task) -> Metadata:
    metadata = Metadata()
    for table in task.tables:
        if len(table["key"]) > 1:
            table["key"] = []  # Composite keys are unknown to it; its rows may break them, which is counted.
        metadata.add_table(table["name"])
        keys = set(table["key"]) | {r["columns"][0] for r in table["references"] if len(r["columns"]) == 1}
        for column in table["columns"]:
            kind = "id" if column["name"] in keys else _KINDS[column["kind"]]
            metadata.add_column(column["name"], table["name"], sdtype=kind)
        if table["key"]:
            metadata.set_primary_key(table["key"][0], table["name"])
    for table in task.tables:
        for reference in table["references"]:
            if len(reference["columns"]) > 1:
                raise RefusedError("does not know references of several columns")
            metadata.add_relationship(
                reference["parent"], table["name"], reference["parent_columns"][0], reference["columns"][0]
            )
    return metadata


run(make)
