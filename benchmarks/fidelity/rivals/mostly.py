"""MOSTLY AI's engine (TabularARGN, Tiwald et al. 2025) by its SDK in local mode, at its defaults."""

from __future__ import annotations

from typing import Any

import pandas as pd
from frames import RefusedError, Task, run
from mostlyai.sdk import MostlyAI


def make(task: Task) -> dict[str, pd.DataFrame]:
    mostly = MostlyAI(local=True, local_dir=str(task.folder / "local"), quiet=True)
    config = {"name": "fidelity", "random_state": task.seed, "tables": [_config(task, table) for table in task.tables]}
    generator = task.timed("fit", lambda: mostly.train(config=config, progress_bar=False))
    made = task.timed("sample", lambda: mostly.generate(generator, progress_bar=False).data())
    return made if isinstance(made, dict) else {task.tables[0]["name"]: made}


def _config(task: Task, table: dict[str, Any]) -> dict[str, Any]:
    """One reference, the owner's, is the context; the others are drawn, as the engine distinguishes them."""
    if any(len(reference["columns"]) > 1 for reference in table["references"]):
        raise RefusedError("does not know references of several columns")
    found: dict[str, Any] = {"name": table["name"], "data": task.frames[table["name"]]}
    if len(table["key"]) == 1:
        found["primary_key"] = table["key"][0]
    found["foreign_keys"] = [
        {
            "column": reference["columns"][0],
            "referenced_table": reference["parent"],
            "is_context": reference["owner"],
        }
        for reference in table["references"]
        if reference["columns"][0] not in table["key"]
    ]
    return found


run(make)
