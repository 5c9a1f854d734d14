"""Discovering rules: proposed on sampled rows of each table, proved on all, and drafted with the evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from replica.constraints.checks import columns_of
from replica.databases.base import Snapshot
from replica.inference.sampling import TableSample
from replica.progress import Progress, Report, ignore
from replica.rules import RULES
from replica.rules.base import Evidence, Looked
from replica.schema.model import ForeignKey, Schema, column_list
from replica.schema.rules import AfterParent, Arithmetic, ChildSum, Copied, Inequality, Rule
from replica.schema.schema_map import TableMap
from replica.seeds import stream

PROVING_ROWS = 1_000_000
"""Most rows of a table that rules are proved on; whole tables where they are smaller."""

_UNREAD = frozenset({"credential", "bytes"})


@dataclass(frozen=True)
class Found:
    """A rule of a table and what rows say of it."""

    table: str
    rule: Rule
    evidence: Evidence
    complete: bool

    @property
    def comment(self) -> str:
        """The evidence in words."""
        kept = "kept all the same" if self.rule.keep else "not kept"
        breaks = f"{self.evidence.breaks:,} break it: {kept}" if self.evidence.breaks else "none breaks it"
        where = "" if self.complete else ", of those that were read"
        return f"{self.evidence.support:,} rows keep it, {breaks}{where}"


def discover_rules(
    snapshot: Snapshot,
    schema: Schema,
    tables: Mapping[str, TableMap],
    samples: Mapping[str, TableSample],
    min_holders: int,
    report: Report = ignore,
) -> list[Found]:
    """Looks for rules that rows keep although the schema does not say so.

    Args:
        snapshot: a view of the source; what is proposed on samples is proved on up to ``PROVING_ROWS`` rows.
        schema: what the source declares.
        tables: what has been drafted so far.
        samples: some rows of each table.
        min_holders: least number of persons behind a value that a rule may name.
        report: told of every table.

    Returns:
        The rules that hold on every row, and with ``keep: false`` those that nearly do.
    """
    keys = tuple(_keys(schema, tables))
    looked = {
        name: _looked(sample, tables[name], keys, tables, min_holders)
        for name, sample in samples.items()
        if tables[name].role != "skip" and len(sample)
    }
    proposed = [
        (name, rule)
        for name, here in looked.items()
        if here.map.role != "lookup"
        for kind in RULES.values()
        for rule in kind.propose(here, looked, keys)
    ]
    read = _read_for_proof(snapshot, looked, proposed, report)
    rng = stream(0, "rules")
    found = []
    for name, rule in proposed:
        evidence = RULES[rule.form].test(rule, read[name], read, rng)
        if evidence.holds or evidence.nearly:
            kept = replace(rule, keep=evidence.holds or RULES[rule.form].lenient)
            found.append(Found(name, kept, evidence, read[name].complete))
    return list(_without_echoes(found, looked))


def _keys(schema: Schema, tables: Mapping[str, TableMap]) -> Iterator[ForeignKey]:
    """All references, those that only the map knows among them."""
    yield from schema.foreign_keys
    for name, table in tables.items():
        for found in table.references:
            label = column_list(found.columns)
            yield ForeignKey(label, name, found.columns, found.parent, found.parent_columns, declared=False)


def _looked(
    sample: TableSample,
    table: TableMap,
    keys: Iterable[ForeignKey],
    tables: Mapping[str, TableMap],
    min_holders: int,
) -> Looked:
    columns = {
        name: sample.column(name)
        for name, found in table.columns.items()
        if found.kind not in _UNREAD and sample.table.by_name[name].type.family != "bytes"
    }
    own = [key for key in keys if key.child == sample.table.id]
    to_persons = (key.columns for key in own if tables[key.parent].role == "subject")
    holder = () if table.role == "subject" else next(to_persons, None)
    return Looked(replace(sample.table, foreign_keys=tuple(own)), table, columns, sample.complete, min_holders, holder)


def _read_for_proof(
    snapshot: Snapshot, looked: Mapping[str, Looked], proposed: Iterable[tuple[str, Rule]], report: Report
) -> dict[str, Looked]:
    """Reads, of tables that were only sampled, the columns that the proposed rules speak of."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for name, rule in proposed:
        for table, columns in RULES[rule.form].reads(rule, looked[name].table).items():
            wanted[table] |= columns
            wanted[name] |= {column for key in looked[name].table.foreign_keys for column in key.columns
                             if key.parent == table}  # fmt: skip
            wanted[table] |= {column for key in looked[table].table.foreign_keys if key.parent == name
                              for column in key.columns}  # fmt: skip
            wanted[table] |= _pointed(looked, table)
    read = dict(looked)
    partial = [name for name in wanted if not looked[name].complete]
    for number, name in enumerate(partial):
        report(Progress("rules", name, number, len(partial), "tables"))
        read[name] = _read_whole(snapshot, looked[name], wanted[name])
    return read


def _pointed(looked: Mapping[str, Looked], table: str) -> set[str]:
    keys = (key for other in looked.values() for key in other.table.foreign_keys if key.parent == table)
    return {column for key in keys for column in key.parent_columns}


def _read_whole(snapshot: Snapshot, here: Looked, names: set[str]) -> Looked:
    wanted = [name for name in here.columns if name in names | set(here.holder or ())]
    large = here.table.row_estimate > PROVING_ROWS
    data = snapshot.read(here.table, dict.fromkeys(wanted, "value"), limit=PROVING_ROWS)
    columns: dict[str, pa.Array] = {name: data.column(name).combine_chunks() for name in wanted}
    return replace(here, columns=columns, complete=not large and data.num_rows < 2 * PROVING_ROWS)


def _without_echoes(found: list[Found], looked: Mapping[str, Looked]) -> Iterator[Found]:
    """Leaves out what other rules, or the order in which moments are made, see to already."""
    decided: set[tuple[str, str]] = set()
    for one in found:
        kind, rule = RULES[one.rule.form], one.rule
        others = [other.rule for other in found if other.table == one.table and other.rule.keep]
        if kind.defines:
            column = (one.table, kind.ruled(rule)[0])
            if column in decided:
                continue
            if rule.keep:
                decided.add(column)
        is_echo = (
            (isinstance(rule, Inequality) and _is_part(rule, others))
            or (isinstance(rule, Copied) and any(_sums(other, one) for other in found))
            or (isinstance(rule, AfterParent) and _follows(rule, others, looked[one.table].map))
        )
        if not is_echo:
            yield one


def _is_part(rule: Inequality, others: Iterable[Rule]) -> bool:
    """True for an inequality between a sum and one of its parts."""
    columns = {rule.least, rule.most}
    return any(
        isinstance(other, Arithmetic) and other.column in columns and bool(columns & columns_of(other.equals))
        for other in others
    )


def _sums(one: Found, other: Found) -> bool:
    """True for a rule that sums what the other one says is repeated: no row has two pointing to it."""
    if not isinstance(one.rule, ChildSum) or not isinstance(other.rule, Copied) or not one.rule.keep:
        return False
    summed = one.rule.column, one.rule.table, one.rule.via
    repeated = other.rule.parent_column, other.table, other.rule.via
    return summed == repeated and columns_of(one.rule.equals) == {other.rule.column}


def _follows(rule: AfterParent, others: Collection[Rule], table: TableMap) -> bool:
    """True where a moment repeats the other row's, or never comes before one of its row that is known to be later."""
    if any(isinstance(other, Copied) and (other.column, other.via) == (rule.column, rule.via) for other in others):
        return True
    made = table.columns[rule.column]
    base = made.after or made.of
    return base is not None and replace(rule, column=base, keep=True) in others
