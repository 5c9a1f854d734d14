"""Time and memory against numbers of rows and of tables, and their plot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.evaluation import make_shop
from benchmarks.fidelity.plot import Line, Panel, draw
from benchmarks.fidelity.running import Run, by_replica, empty_database
from replica.databases.url import DatabaseUrl

PLOT = Path(__file__).parent / "scaling.svg"
FIGURES = Path(__file__).parent / "scaling.json"

_ROWS_PER_CUSTOMER = 13.2
_ROWS_PER_TABLE = 500
# Every third table is a root, and each other one belongs to one before it and points to another.
_TABLE = """
CREATE TABLE t{i} (
    id int PRIMARY KEY, a int NOT NULL, b double precision, c text NOT NULL, d timestamp NOT NULL{references}
);
INSERT INTO t{i} SELECT i, (random() * 50)::int, random() * random(), 'group ' || (random() ^ 3 * 20)::int,
    '2024-01-01'::timestamp + random() * interval '300 days'{values} FROM generate_series(1, {rows}) i;
"""


def scaling(rows: Sequence[int], tables: Sequence[int], admin: DatabaseUrl) -> Iterator[str]:
    """Measures, adds what was measured to the file with all figures, draws the plot, and yields a line for each."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {"rows": {}, "tables": {}}
    shops = [("rows", n, partial(make_shop, customers=round(n / _ROWS_PER_CUSTOMER), seed=0.1)) for n in rows]
    schemas = [("tables", n, partial(_make_tables, tables=n)) for n in tables]
    for axis, n, make in (*shops, *schemas):
        found = _measured(make, admin)
        known[axis][str(n)] = found
        FIGURES.write_text(json.dumps(known, indent=1) + "\n")
        _redraw(known)
        yield f"{n:,} {axis}: {json.dumps(found)}"


def _redraw(known: dict[str, dict[str, Any]]) -> None:
    PLOT.write_text(draw([_panel(known, axis) for axis in ("rows", "tables") if known[axis]]))


def _measured(make: Callable[[DatabaseUrl], None], admin: DatabaseUrl) -> dict[str, Any]:
    with empty_database(admin, "fidelity_scaling") as source, empty_database(admin, "fidelity_scaled") as target:
        make(source)
        return by_replica(Run("replica", "scaling", 1), source, target)


def _make_tables(url: DatabaseUrl, tables: int) -> None:
    with psycopg.connect(url.secret, autocommit=True) as connection:
        for i in range(tables):
            pointed = sorted({i // 3, i // 2} - {i}) if i % 3 else []
            references = "".join(f", t{j}_id int NOT NULL REFERENCES t{j}" for j in pointed)
            values = "".join(f", 1 + (random() ^ 2 * {_ROWS_PER_TABLE - 1})::int" for _ in pointed)
            made = _TABLE.format(i=i, references=references, values=values, rows=_ROWS_PER_TABLE)
            connection.execute(made.encode())
        connection.execute("ANALYZE")


def _panel(known: dict[str, dict[str, Any]], axis: str) -> Panel:
    points = sorted((int(n), found) for n, found in known[axis].items())
    lines = {"fit, s": "fit_seconds", "sample and load, s": "sample_seconds", "peak memory, GB": "peak_gb"}
    return Panel(axis, tuple(Line(name, tuple((n, found[key]) for n, found in points)) for name, key in lines.items()))
