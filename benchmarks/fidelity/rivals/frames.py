"""What the scripts of all rivals share; runs in their environments, where there is pandas and no Replica."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

NULL = r"\N"
_DAY_ZERO, _DAY = pd.Timestamp("2000-01-01"), pd.Timedelta(days=1)


class RefusedError(Exception):
    """The rival cannot do what was asked for; says why."""


@dataclass
class Task:
    """What a rival is to do, and how long it took.

    Attributes:
        folder: where the tables are.
        seed: the seed of the run.
        tables: what the tables are, as ``tables.json`` says.
        frames: their rows.
        options: further arguments.
        seconds: how long each part took.
    """

    folder: Path
    seed: int
    tables: list[dict[str, Any]]
    frames: dict[str, pd.DataFrame]
    options: list[str]
    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, part: str, work: Callable[[], Any]) -> Any:
        """Does a part of the work and notes how long it took."""
        start = time.perf_counter()
        done = work()
        self.seconds[part] = time.perf_counter() - start
        return done

    def single(self) -> tuple[dict[str, Any], pd.DataFrame]:
        """Returns the only table, its rows without its key.

        Raises:
            RefusedError: there are more.
        """
        if len(self.tables) > 1:
            raise RefusedError(f"makes one table, not {len(self.tables)}")
        table = self.tables[0]
        return table, self.frames[table["name"]].drop(columns=table["key"])


def run(make: Callable[[Task], dict[str, pd.DataFrame]]) -> None:
    """Reads a task, has it done, and writes the tables that were made, or why there are none."""
    folder = Path(sys.argv[1])
    tables = json.loads((folder / "tables.json").read_text())
    frames = {table["name"]: _read(folder, table) for table in tables}
    task = Task(folder, int(sys.argv[2]), tables, frames, sys.argv[3:])
    try:
        made = make(task)
        for table in tables:
            _write(folder, table, made[table["name"]])
        report: dict[str, Any] = {"seconds": task.seconds}
    except RefusedError as reason:
        report = {"refused": str(reason)}
    except Exception as error:
        traceback.print_exc()
        report = {"refused": f"{type(error).__name__}: {error}"[:300]}
    (folder / "report.json").write_text(json.dumps(report))


def _moments(table: dict[str, Any], frame: pd.DataFrame) -> list[str]:
    return [column["name"] for column in table["columns"] if column["kind"] == "moment" and column["name"] in frame]


def with_numbers(frame: pd.DataFrame, table: dict[str, Any]) -> pd.DataFrame:
    """Puts days in the place of moments, for tools that know numbers and categories only."""
    return frame.assign(**{name: (frame[name] - _DAY_ZERO) / _DAY for name in _moments(table, frame)})


def with_moments(frame: pd.DataFrame, table: dict[str, Any]) -> pd.DataFrame:
    """Puts moments in the place of days."""
    return frame.assign(**{name: _DAY_ZERO + frame[name] * _DAY for name in _moments(table, frame)})


def numbered(frame: pd.DataFrame, table: dict[str, Any]) -> pd.DataFrame:
    """Puts the key of a single table back, counted from 1."""
    for name in table["key"]:
        frame[name] = np.arange(1, len(frame) + 1)
    return frame


def _read(folder: Path, table: dict[str, Any]) -> pd.DataFrame:
    frame = pd.read_csv(folder / "original" / table["file"], dtype=str, keep_default_na=False, na_values=[NULL])
    for column in table["columns"]:
        name, kind = column["name"], column["kind"]
        if kind in ("integer", "number"):
            frame[name] = pd.to_numeric(frame[name])
        elif kind == "moment":
            frame[name] = pd.to_datetime(frame[name], format="ISO8601")
        else:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    return frame


def _write(folder: Path, table: dict[str, Any], frame: pd.DataFrame) -> None:
    out = pd.DataFrame({column["name"]: _printed(frame[column["name"]], column) for column in table["columns"]})
    out.to_csv(folder / "made" / table["file"], index=False, na_rep=NULL)


def _printed(values: pd.Series, column: dict[str, Any]) -> pd.Series:
    """Values in the form that the column's type takes."""
    values = values.reset_index(drop=True)
    if column["kind"] == "integer":
        return pd.to_numeric(values, errors="coerce").round().astype("Int64")
    if column["kind"] == "number":
        numbers = pd.to_numeric(values, errors="coerce")
        return numbers if column["scale"] is None else numbers.round(column["scale"])
    return values
