"""The fidelity harness.

    python -m benchmarks.fidelity install mostlyai
    python -m benchmarks.fidelity run --tool replica --database berka_no_trans --seed 1
    python -m benchmarks.fidelity table
    python -m benchmarks.fidelity ablation --database berka_no_trans
    python -m benchmarks.fidelity scaling

REPLICA_BENCHMARK_URL names a PostgreSQL server, where sources stay from one run to the next; without it an embedded one
is started.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.fidelity.ablation import ablation
from benchmarks.fidelity.running import Run, perform
from benchmarks.fidelity.scaling import scaling
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

    one = commands.add_parser("ablation", help="hide what models see of other rows, one thing after the other")
    one.add_argument("--database", choices=SCRIPTS, nargs="+", default=["berka_no_trans"])
    one.add_argument("--seed", type=int, nargs="+", default=[1])
    one.add_argument("--only-likelihood", action="store_true", help="make and judge no rows")
    one.set_defaults(work=_ablation)

    one = commands.add_parser("scaling", help="time and memory against numbers of rows and of tables, and their plot")
    one.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    one.add_argument("--tables", type=int, nargs="*", default=[2, 20, 200])
    one.set_defaults(work=_scaling)
    return parser


def _run(given: argparse.Namespace) -> None:
    with server() as admin:
        for database in given.database:
            for tool in given.tool:
                for seed in given.seed:
                    result = perform(Run(tool, database, seed, given.minutes), admin)
                    shown = {name: value for name, value in result.items() if name not in ("means", "detection")}
                    print(json.dumps(shown), flush=True)


def _ablation(given: argparse.Namespace) -> None:
    with server() as admin:
        for database in given.database:
            print(f"\n{database}\n")
            for line in ablation(database, given.seed, admin, judged=not given.only_likelihood):
                print(line, flush=True)


def _scaling(given: argparse.Namespace) -> None:
    with server() as admin:
        for line in scaling(given.rows, given.tables, admin):
            print(line, flush=True)


if __name__ == "__main__":
    main()
