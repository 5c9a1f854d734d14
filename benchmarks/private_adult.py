"""Differential privacy on the adult table: how far pairs of columns are from those of people who were not learned from.

Half of the people are learned from, the other half is what a replica is compared with. The measure is the mean total
variation distance over all pairs of columns but ``education``, which ``education_num`` repeats; numbers with more than
a hundred values are cut into a hundred bins of equal width, whatever is in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import numpy.typing as npt
import psycopg

from benchmarks.workplace import Workplace, seconds
from replica import Settings, introspect, learn, write
from replica.databases.url import DatabaseUrl
from replica.schema.schema_map import ColumnMap, SchemaMap, TableMap, write_map

ADULT = Path(os.environ.get("REPLICA_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "adult"
EPSILONS = (1.0, 3.0)
_WIDE = frozenset({"fnlwgt", "capital_gain", "capital_loss"})
_BINS = 100
_TURNS = 3

Codes = npt.NDArray[np.int64]


def private_adult(place: Workplace) -> Iterator[tuple[str, list[float], str]]:
    """Measures the distance of two halves of the people, and of replicas of one half from the other."""
    learned, other = _halves(place)
    mapped = _map(place)
    yield "two halves of the people, mean distance of pairs", [_distance(learned, other)], ""
    plain = [seconds(lambda: learn(place.url, Settings(generator="marginal", workers=1)))]
    yield "marginal without differential privacy, learned", plain, "s"
    for epsilon in EPSILONS:
        for generator in ("marginal", "autoregressive"):
            settings = Settings(epsilon=epsilon, map_path=mapped, generator=generator, replace=True, workers=1)
            figures, times = [], []
            for _ in range(_TURNS):
                times.append(seconds(lambda chosen=settings: _replicate(place, chosen)))  # type: ignore[misc]
                figures.append(_distance(_codes(place.target), other))
            yield f"{generator}, epsilon {epsilon:g}: mean distance of pairs", figures, ""
            yield f"{generator}, epsilon {epsilon:g}: learned and written", times, "s"


def _map(place: Workplace) -> Path:
    """A map as a person would write it, who knows what the columns mean: every text is a category."""
    columns = {
        column.name: ColumnMap(
            kind="key" if column.name == "id" else "category" if column.type.family == "text" else "number"
        )
        for column in introspect(place.url).tables[0].columns
    }
    path = Path(mkdtemp()) / "adult.yaml"
    path.write_text(write_map(SchemaMap(tables={"public.persons": TableMap(role="subject", columns=columns)}), {}))
    return path


def _replicate(place: Workplace, settings: Settings) -> None:
    write(learn(place.url, settings), place.target, settings)


def _halves(place: Workplace) -> tuple[list[Codes], list[Codes]]:
    """Loads everybody, codes them, and leaves one half in the database."""
    place.execute((ADULT / "schema.sql").read_text(encoding="utf8"))
    load = "COPY persons FROM STDIN (FORMAT csv, HEADER true)"
    with psycopg.connect(place.url.secret) as connection, connection.cursor().copy(load) as copy:
        copy.write((ADULT / "persons.csv").read_bytes())
    everybody = _codes(place.url)
    place.execute("DELETE FROM persons WHERE hashint4(id) % 2 <> 0")
    with psycopg.connect(place.url.secret) as connection:
        kept = {number for (number,) in connection.execute("SELECT id FROM persons")}
    chosen = np.isin(np.arange(len(everybody[0])) + 1, list(kept))
    return [codes[chosen] for codes in everybody], [codes[~chosen] for codes in everybody]


def _codes(url: DatabaseUrl) -> list[Codes]:
    """The columns as whole numbers that mean the same in every database, people by their number."""
    with psycopg.connect(url.secret) as connection:
        found = connection.execute("SELECT * FROM persons ORDER BY id")
        names = [column.name for column in found.description or ()]
        columns = dict(zip(names, zip(*found.fetchall(), strict=True), strict=True))
    return [_coded(name, values) for name, values in columns.items() if name not in ("id", "education")]


def _coded(name: str, values: tuple[object, ...]) -> Codes:
    if name in _WIDE:
        widest = {"fnlwgt": 1_500_000, "capital_gain": 100_000, "capital_loss": 4_400}[name]
        return np.clip(np.array(values, dtype=np.int64) * _BINS // widest, 0, _BINS - 1)
    if isinstance(values[0], int):
        return np.clip(np.array(values, dtype=np.int64), 0, _BINS - 1)
    return np.array([_NUMBERS.setdefault((name, value), len(_NUMBERS)) for value in values])


_NUMBERS: dict[tuple[str, object], int] = {}


def _distance(first: list[Codes], second: list[Codes]) -> float:
    """Mean total variation distance of all pairs of columns."""
    return float(np.mean([_pair(a, b) for a, b in zip(combinations(first, 2), combinations(second, 2), strict=True)]))


def _pair(first: tuple[Codes, Codes], second: tuple[Codes, Codes]) -> float:
    size = 1 + max(int(codes.max()) for codes in (*first, *second))
    shares = [np.bincount(a * size + b, minlength=size * size) / len(a) for a, b in (first, second)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
