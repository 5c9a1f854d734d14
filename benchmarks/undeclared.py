"""How well undeclared references are inferred: hides declared keys and looks which of them come back.

    python -m benchmarks.undeclared URL            # every database of the server at URL, with its rows
    python -m benchmarks.undeclared URL --names    # the same, from names, types and unique keys alone
    python -m benchmarks.undeclared URL NAME ...   # some of its databases
    ... --list                                     # also what was missed, and what was proposed beside it

A database that declares no reference is left out. Precision is given twice: over all adopted references, and over those
whose columns all have a declared reference. A schema that leaves most of its references undeclared says nothing about
the others; there only the second figure means something.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg

from replica.databases import open_database
from replica.databases.base import Snapshot
from replica.databases.url import DatabaseUrl, parse_url, with_database
from replica.inference import has_own_rows
from replica.inference.references import Proposal
from replica.inference.sampling import sample_table
from replica.inference.undeclared import infer_undeclared
from replica.schema.model import ForeignKey, Schema, column_list

Place = tuple[str, frozenset[tuple[str, str]], str]


@dataclass(frozen=True, slots=True)
class Score:
    """How a database, or several, came out.

    Attributes:
        declared: references that the schema declares.
        adopted: references that were adopted.
        right: those of them that are declared.
        judged: those of them whose columns all have a declared reference.
    """

    declared: int = 0
    adopted: int = 0
    right: int = 0
    judged: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.declared + other.declared,
            self.adopted + other.adopted,
            self.right + other.right,
            self.judged + other.judged,
        )

    def __str__(self) -> str:
        shares = [self.right / max(1, n) for n in (self.adopted, self.judged, self.declared)]
        return (
            f"declared {self.declared:5,}  adopted {self.adopted:5,}  precision {shares[0]:.3f}"
            f"  on declared columns {shares[1]:.3f}  recall {shares[2]:.3f}"
        )


def measure(url: DatabaseUrl, *, names_only: bool) -> tuple[Score, set[Place], dict[Place, Proposal]]:
    """Hides the references of a database and infers them.

    Returns:
        The score, the declared references, and those that were adopted.
    """
    database = open_database(url)
    schema = database.introspect()
    declared = {_place(key) for table in schema.tables if has_own_rows(table) for key in table.foreign_keys}
    hidden = replace(schema, tables=tuple(replace(table, foreign_keys=()) for table in schema.tables))
    with database.snapshot() as snapshot:
        proposals = _infer(hidden, None if names_only else snapshot)
    adopted = {_place(proposal.key): proposal for proposal in proposals if _is_found(proposal)}
    columns = {(child, column) for child, pairs, _ in declared for column, _ in pairs}
    judged = [place for place in adopted if all((place[0], column) in columns for column, _ in place[1])]
    return Score(len(declared), len(adopted), len(declared & set(adopted)), len(judged)), declared, adopted


def _is_found(proposal: Proposal) -> bool:
    """True for what is adopted, and for what is as sure but follows from it."""
    return proposal.adopted or proposal.implied


def _infer(schema: Schema, snapshot: Snapshot | None) -> Sequence[Proposal]:
    own = [table for table in schema.tables if has_own_rows(table)]
    samples = {table.id: sample_table(snapshot, table) for table in own} if snapshot is not None else {}
    return infer_undeclared(schema, samples, snapshot).references


def _place(key: ForeignKey) -> Place:
    return key.child, frozenset(zip(key.columns, key.parent_columns, strict=True)), key.parent


def _shown(place: Place) -> str:
    pairs = sorted(place[1])
    return f"{place[0]}{column_list(a for a, _ in pairs)} -> {place[2]}{column_list(b for _, b in pairs)}"


def _databases(url: DatabaseUrl) -> Iterator[str]:
    query = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
    with psycopg.connect(url.secret) as connection:
        yield from (str(name) for (name,) in connection.execute(query) if name != "postgres")


def main() -> None:
    """Prints a line per database, and one for all of them."""
    flags = {argument for argument in sys.argv[1:] if argument.startswith("--")}
    address, *names = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    url, total = parse_url(address), Score()
    for name in names or _databases(url):
        score, declared, adopted = measure(with_database(url, name), names_only="--names" in flags)
        if not declared:
            continue
        total += score
        print(f"{name:<22} {score}", flush=True)
        if "--list" in flags:
            for place in sorted(declared - set(adopted), key=_shown):
                print(f"    missed    {_shown(place)}")
            for place in sorted(set(adopted) - declared, key=_shown):
                print(f"    proposed  {_shown(place)}  ({adopted[place].evidence})")
    print(f"{'all':<22} {total}")


if __name__ == "__main__":
    main()
