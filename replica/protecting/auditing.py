"""Looking for the source in what was learned of it: texts that too few persons have must not be there."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Reading, Snapshot
from replica.fitted import FittedReplica
from replica.kinds.base import is_null
from replica.learning.source_rows import SourceTable, read_source
from replica.planning.decisions import Plan, TablePlan
from replica.protecting.fitting import without_sampling
from replica.settings import Settings
from replica.state import Arrays, pack

# Shorter texts are found by chance.
_SHORTEST = 8
_PRIVATE = ("subject", "private")


@dataclass(frozen=True)
class Searched:
    """What came of looking for one column's texts.

    Attributes:
        column: the column, with its table.
        looked_for: how many of its texts too few persons have, in all columns together.
        found: how many of them stand in what was learned of private tables.
    """

    column: str
    looked_for: int
    found: int


def fewest_persons(replica: FittedReplica) -> int:
    """Returns how many persons a text must have to stand in an artifact.

    Under differential privacy nobody's alone may, however often it is there; whose else it is noise decides. Otherwise
    it is what the plan says.
    """
    return 2 if replica.privacy is not None else replica.plan.min_holders


def search_for_source(replica: FittedReplica, snapshot: Snapshot) -> list[Searched]:
    """Looks in what was learned of private tables for texts of the source that fewer persons have than may.

    Args:
        replica: what was learned.
        snapshot: the source, or one like it in which every person has texts that nobody else has.

    Raises:
        PrivilegeError: a table may not be read.
    """
    sources = read_source(snapshot, replica.plan, without_sampling(Settings()), columns=_texts)
    private = [source for source in sources.values() if source.plan.role in _PRIVATE]
    columns = {
        f"{source.plan.id}.{name}": _with_persons(source, name)
        for source in private
        for name in _texts(replica.plan, source.plan)
    }
    if not columns:
        return []
    pooled = pa.concat_tables(columns.values()).group_by("text").aggregate([("person", "count_distinct")])
    few = pooled.filter(pc.less(pooled["person_count_distinct"], fewest_persons(replica)))["text"].combine_chunks()
    arrays: Arrays = {}
    learned = {source.plan.id: replica.tables[source.plan.id] for source in private}
    haystack = json.dumps(pack(learned, arrays), ensure_ascii=False)
    return [_search(name, table, few, haystack) for name, table in columns.items()]


def _texts(_: Plan, table: TablePlan) -> dict[str, Reading]:
    return {
        column.name: "value"
        for column in table.columns
        if table.role in _PRIVATE
        and column.column.type.family == "text"
        and column.kind != "credential"
        and column.producer != "generated"
    }


def _with_persons(source: SourceTable, name: str) -> pa.Table:
    """The texts of a column that are long enough, each beside the person that its row is about."""
    texts = source.column(name).cast(pa.string())
    long = ~is_null(texts) & (np.asarray(pc.fill_null(pc.utf8_length(texts), 0)) >= _SHORTEST)
    whose = source.holders if source.holders is not None else np.arange(len(source))
    return pa.table({"text": texts, "person": pa.array(whose)}).filter(pa.array(long))


def _search(name: str, table: pa.Table, few: pa.Array, haystack: str) -> Searched:
    wanted = pc.unique(table["text"].filter(pc.is_in(table["text"], value_set=few))).to_pylist()
    found = sum(1 for text in wanted if json.dumps(text, ensure_ascii=False)[1:-1] in haystack)
    return Searched(name, len(wanted), found)
