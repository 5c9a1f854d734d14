"""How well and how fast every family of generators learns whole databases, and how its public counterpart does.

    python -m benchmarks.families URL NAME ...                   # these databases of the server at URL, every family
    python -m benchmarks.families URL NAME --rivals PYTHON       # one table, against CTGAN, TVAE and a Gaussian copula
    ... --families gan,vae                                       # some families

PYTHON is that of an environment with ``ctgan`` and ``sdv``. CTGAN and TVAE get as many epochs as fit into the processor
time that the family of the same kind took to learn; the copula has no such choice. Everything is judged by the same
evaluation. The replicas are databases of their own, dropped at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

import replica
from replica import Settings
from replica.databases.url import DatabaseUrl, database_name, parse_url, with_database
from replica.generators import GENERATORS

RIVALS = {"gan": "CTGAN", "vae": "TVAE", "marginal": "GaussianCopula"}
"""The public counterpart of a family, by family."""

_LEARN = """
import json, resource, sys, time
from replica import Settings, learn, write
source, target, generator = sys.argv[1:]
settings = Settings(generator=generator, replace=True, workers=1)
start = time.process_time()
learned = learn(source, settings)
middle = time.process_time()
write(learned, target, settings)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"fit": middle - start, "make": time.process_time() - middle, "peak": peak}))
"""

# Missing labels are a label of their own, since these libraries know none that are missing.
_RIVAL = """
import json, resource, sys, time, warnings
import joblib
import pandas as pd
warnings.simplefilter("ignore")
joblib.parallel_config(backend="sequential")  # Other processes would cost time that nobody counts.
name, source, target, seconds = sys.argv[1:]
rows = pd.read_csv(source, index_col=0)
texts = [c for c in rows if rows[c].dtype.kind not in "iuf"]
rows[texts] = rows[texts].fillna("?")
def fitted(rows, epochs=None):
    start = time.process_time()
    if name == "GaussianCopula":
        from sdv.metadata import Metadata
        from sdv.single_table import GaussianCopulaSynthesizer
        model = GaussianCopulaSynthesizer(Metadata.detect_from_dataframes({"t": rows}))
        model.fit({"t": rows})
    else:
        import ctgan
        model = getattr(ctgan, name)(epochs=epochs)
        model.fit(rows, texts)
    return model, time.process_time() - start
epochs, start = None, time.process_time()
if name != "GaussianCopula":
    fitted(rows.head(500), 1)  # What is loaded once is no part of an epoch, and would make the second look free.
    once, six = fitted(rows, 1)[1], fitted(rows, 6)[1]
    epochs = max(1, int(1 + (float(seconds) - once) / max(1e-3, (six - once) / 5)))
model, fit = fitted(rows, epochs)
start = time.process_time()
made = model.sample(len(rows))
made = made["t"] if isinstance(made, dict) else made
make = time.process_time() - start
made[texts] = made[texts].replace("?", None)
made.insert(0, "id", range(1, len(made) + 1))
made.to_csv(target, index=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"fit": fit, "make": make, "peak": peak, "epochs": epochs}))
"""


@dataclass(frozen=True)
class Cost:
    """What a model took.

    Attributes:
        fit: processor seconds to learn.
        make: processor seconds to make the rows and, of a family, to write them.
        peak: the most resident memory, in gigabytes.
        epochs: of a rival, how many passes over the rows it got.
    """

    fit: float
    make: float
    peak: float
    epochs: int | None = None


def _run(python: str, program: str, *arguments: str) -> Cost:
    found = subprocess.run([python, "-c", program, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(found.stdout.splitlines()[-1]))


@contextmanager
def _scratch(source: DatabaseUrl, *, copied: bool = False) -> Iterator[DatabaseUrl]:
    """A database beside the source for the time of one measurement: a copy of it, or none yet."""
    name = f"{database_name(source)}_families"
    with psycopg.connect(with_database(source, "postgres").secret, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        if copied:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database_name(source)}"')
        yield with_database(source, name)
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def measure(source: DatabaseUrl, generator: str) -> Cost:
    """Learns a database with one family, prints how well, and returns what it took."""
    with _scratch(source) as target:
        cost = _run(sys.executable, _LEARN, source.secret, target.secret, generator)
        _print(database_name(source), generator, cost, _scores(source, target))
    return cost


def measure_rival(source: DatabaseUrl, rival: str, python: str, seconds: float) -> None:
    """Learns the one table of a database with a public library, in about so many seconds, and prints how well."""
    (table,) = replica.introspect(source).tables
    with TemporaryDirectory() as folder, _scratch(source, copied=True) as target:
        files = [Path(folder) / name for name in ("real.csv", "made.csv")]
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        with psycopg.connect(target.secret) as connection, connection.cursor() as cursor:
            with cursor.copy(f'COPY "{table.name}" ({names}) TO STDOUT (FORMAT csv, HEADER)') as copy:
                files[0].write_bytes(b"".join(copy))
            cost = _run(python, _RIVAL, rival, *map(str, files), str(seconds))
            cursor.execute(f'TRUNCATE "{table.name}"')
            with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT csv, HEADER)') as copy:
                copy.write(files[1].read_bytes())
        _print(database_name(source), rival, cost, _scores(source, target))


def _scores(source: DatabaseUrl, target: DatabaseUrl) -> str:
    start = time.perf_counter()
    report = replica.evaluate(source, target, settings=Settings(workers=1))
    found = report.detection
    auc = [table.auc.value for table in found.rows]
    parts = [
        ("shapes", report.shapes and report.shapes.value),
        ("pairs", report.pairs and report.pairs.value),
        ("C2ST", (figure := found.mean("rows")) and figure.value),
        ("AUC", sum(auc) / len(auc) if auc else None),
        ("C2ST-Agg", (figure := found.mean("children")) and figure.value),
    ]
    judged = time.perf_counter() - start
    return "  ".join(f"{name} {'-' if value is None else f'{value:.3f}':>5}" for name, value in parts) + (
        f"  (judged in {judged:.0f} s)"
    )


def _print(database: str, model: str, cost: Cost, scores: str) -> None:
    epochs = f", {cost.epochs} epochs" if cost.epochs else ""
    took = f"fit {cost.fit:6.1f} s  make {cost.make:5.1f} s  peak {cost.peak:.2f} GB"
    print(f"{database:<24} {model:<15} {scores}  {took}{epochs}", flush=True)


def _option(arguments: list[str], name: str) -> str | None:
    if name not in arguments:
        return None
    at = arguments.index(name)
    _, value = arguments.pop(at), arguments.pop(at)
    return value


def main(arguments: Sequence[str]) -> None:
    """Prints a line per database and model."""
    rest = list(arguments)
    python, chosen = _option(rest, "--rivals"), _option(rest, "--families")
    address, *names = rest
    url = parse_url(address)
    for name in names:
        for generator in chosen.split(",") if chosen else GENERATORS:
            source = with_database(url, name)
            cost = measure(source, generator)
            if python and generator in RIVALS:
                measure_rival(source, RIVALS[generator], python, cost.fit)


if __name__ == "__main__":
    main(sys.argv[1:])
