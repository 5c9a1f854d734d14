"""The fidelity harness.

    python -m benchmarks.fidelity install mostlyai
    python -m benchmarks.fidelity run --tool replica --database berka_no_trans --seed 1
    python -m benchmarks.fidelity table

REPLICA_BENCHMARK_URL names a PostgreSQL server, where sources stay from one run to the next; without it an embedded one
is started.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.fidelity.running import Run, perform
from benchmarks.fidelity.table import table
from benchmarks.fidelity.tools import BUILDS, TOOLS, install
from benchmarks.workplace import server
from tests.real.databases import SCRIPTS


def main() -> None:
    """Does what the command line says."""
    given = _parser().parse_args()
    given.work(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)

    one = commands.add_parser("install", help="make a rival's environment")
    one.add_argument("name", choices=BUILDS)
    one.set_defaults(work=lambda given: install(given.name))

    one = commands.add_parser("run", help="run tools on databases, and judge what they make")
    one.add_argument("--tool", choices=TOOLS, nargs="+", default=["replica"])
    one.add_argument("--database", choices=SCRIPTS, nargs="+", default=list(SCRIPTS))
    one.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3])
    one.add_argument("--minutes", type=float, default=60.0, help="stop a tool after so many")
    one.set_defaults(work=_run)

    one = commands.add_parser("table", help="print medians and ranges of all results as Markdown")
    one.set_defaults(work=lambda _: print(table()))
    return parser


def _run(given: argparse.Namespace) -> None:
    with server() as admin:
        for database in given.database:
            for tool in given.tool:
                for seed in given.seed:
                    result = perform(Run(tool, database, seed, given.minutes), admin)
                    shown = {name: value for name, value in result.items() if name not in ("means", "detection")}
                    print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    main()
