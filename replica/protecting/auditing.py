"""Looking for the source in what was learned of it: texts that only one row has must not be there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Snapshot
from replica.fitted import FittedReplica
from replica.planning.decisions import TablePlan
from replica.privacy.ledger import Ledger
from replica.state import Arrays, pack

# Shorter texts are found by chance.
_SHORTEST = 8


@dataclass(frozen=True)
class Searched:
    """What came of looking for one column's texts.

    Attributes:
        column: the column, with its table.
        looked_for: how many texts only one row has.
        found: how many of them stand in what was learned of private tables.
    """

    column: str
    looked_for: int
    found: int


def search_for_source(replica: FittedReplica, ledger: Ledger, snapshot: Snapshot) -> Iterator[Searched]:
    """Looks in what was learned of private tables for texts that only one row of the source has.

    Args:
        replica: what was learned.
        ledger: what was bought, and of whom.
        snapshot: the source.

    Raises:
        PrivilegeError: a table may not be read.
    """
    learned = {name: table for name, table in replica.tables.items() if name in ledger.protected}
    arrays: Arrays = {}
    haystack = json.dumps(pack(learned, arrays), ensure_ascii=False)
    for name in learned:
        yield from _search_table(replica.plan.by_id[name], snapshot, haystack)


def _search_table(table: TablePlan, snapshot: Snapshot, haystack: str) -> Iterator[Searched]:
    for column in table.columns:
        if column.column.type.family != "text" or column.kind == "credential" or column.producer == "generated":
            continue
        values = snapshot.read(table.table, {column.name: "value"}).column(column.name)
        counts = pc.value_counts(values.drop_null().cast(pa.string()))
        alone = counts.filter(pc.equal(counts.field("counts"), 1)).field("values")
        texts = [text for text in alone.to_pylist() if len(text) >= _SHORTEST]
        found = sum(1 for text in texts if json.dumps(text, ensure_ascii=False)[1:-1] in haystack)
        yield Searched(f"{table.id}.{column.name}", len(texts), found)
