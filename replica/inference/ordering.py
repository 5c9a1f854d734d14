"""Guessing how the rows of one owner follow each other: what orders them, counters, gaps and periods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.inference.personal import words_of
from replica.inference.sampling import TableSample
from replica.kinds.base import is_null
from replica.kinds.datetime import DAY_US, moment_numbers
from replica.schema.model import Column, ForeignKey, Table

Ints = npt.NDArray[np.int64]

MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
_NAMES_ORDER = re.compile(
    r"(.*_)?(date|time|at|on|from|start|started|begin|created|timestamp|day|year|month|seq|since|ts)(_.*)?"
)
_NAMES_UPDATE = re.compile(r"(.*_)?(last_?)?(update|updated|modified|changed|synced)(_.*)?")
_HOLDS = 0.995
_FEWEST = 20
_WIDEST_START = 10_000
# How narrow the distance to another moment must be, beside the column's own spread, to be worth learning.
_CLOSE, _NEAR = 0.5, 0.05
_PERIOD_OFFSETS = (0, 1)
# Share of rows that may lack a number that orders the others.
_LACKING = 0.01
# A number orders rows if it hardly ever falls from one to the next of the same owner, and mostly rises.
_GROWS, _MOSTLY = 0.98, 0.5
# Ranks run without gaps for so many owners, in a sample of so many rows at least; so many standard errors are chance.
_WHOLE, _SHARE, _CHANCE, _EXACT = 0.9, 0.5, 2.5, 0.01
# With fewer ranks nothing is ranked.
_RANKS = 3


@dataclass(frozen=True)
class Ordering:
    """What was found in one table.

    Attributes:
        order: the column that orders the rows of one owner; None without one.
        counters: columns that count from a start within the values of others: column, those others, the start.
        after: moments that never come before another moment of the row: column and that other.
        periods: columns that end a period where the next row of the family starts one: column and start column.
        reasons: why, by column.
    """

    order: str | None
    counters: dict[str, tuple[tuple[str, ...], int]]
    after: dict[str, str]
    near: dict[str, str]
    periods: dict[str, str]
    reasons: dict[str, str]


def guess_ordering(sample: TableSample, owner: ForeignKey | None, learned: Sequence[str]) -> Ordering:
    """Looks for order in a table's rows.

    Args:
        sample: some rows.
        owner: the owning reference, if there is one.
        learned: columns whose values are not fixed otherwise.
    """
    table = sample.table
    reasons: dict[str, str] = {}
    counters = _counters(sample, learned, reasons)
    moments = [name for name in learned if table.by_name[name].type.family in MOMENTS]
    order = _order(sample, owner, [name for name in learned if name not in counters], reasons) if owner else None
    periods = _periods(sample, owner, order, moments, reasons) if owner and order else {}
    free = [name for name in moments if name not in periods]
    after, near = _links(sample, free, order, reasons)
    return Ordering(order, counters, after, near, periods, reasons)


def _counters(
    sample: TableSample, learned: Sequence[str], reasons: dict[str, str]
) -> dict[str, tuple[tuple[str, ...], int]]:
    """Integers that, with columns of references, make a key and count without gaps within them."""
    table = sample.table
    references = table.reference_columns
    found: dict[str, tuple[tuple[str, ...], int]] = {}
    for unique in table.uniques:
        free = [name for name in unique.columns if name not in references]
        if len(free) != 1 or free[0] not in learned or unique.expressions or unique.predicate:
            continue
        name, within = free[0], tuple(c for c in unique.columns if c in references)
        if (
            within
            and table.by_name[name].type.family == "integer"
            and (start := _counts(sample, name, within)) is not None
        ):
            found[name] = (within, start)
            reasons[name] = f"it counts from {start} within {', '.join(within)}"
    return found


def _counts(sample: TableSample, name: str, within: tuple[str, ...]) -> int | None:
    """The start of a counter that runs without gaps; None where a column does not."""
    values = sample.column(name)
    if values.null_count or len(sample) < _FEWEST:
        return None
    numbers, groups = np.asarray(values, dtype=np.int64), sample.codes(within)
    # Rows that point nowhere are no group.
    numbers, groups = numbers[groups >= 0], groups[groups >= 0]
    if not len(groups):
        return None
    _, groups = np.unique(groups, return_inverse=True)
    n_groups = int(groups.max()) + 1
    low = np.full(n_groups, np.iinfo(np.int64).max)
    high = np.full(n_groups, np.iinfo(np.int64).min)
    np.minimum.at(low, groups, numbers)
    np.maximum.at(high, groups, numbers)
    # Python's numbers have no end to run over.
    close = int(low.max()) - int(low.min()) < _WIDEST_START
    start = int(np.bincount(low - low.min()).argmax() + low.min()) if close else None
    counts = np.bincount(groups, minlength=n_groups)
    # Groups at the edges of a sample are cut, so only nearly all have to fit.
    if start is None or np.mean((low == start) & (high - low + 1 == counts)) < 0.9 or counts.max() < 2:
        return None
    return start


def _order(sample: TableSample, owner: ForeignKey, learned: Sequence[str], reasons: dict[str, str]) -> str | None:
    """The column that orders a family: the free part of a key first, then a moment along the key, then a number."""
    table = sample.table
    candidates = [name for name in learned if _may_order(sample, table.by_name[name])]
    keyed = [name for name in candidates if _in_key_with(table, owner, name)]
    if keyed:
        best = max(keyed, key=lambda name: (table.by_name[name].type.family in MOMENTS, name))
        reasons[best] = f"it is part of a key with {', '.join(owner.columns)} and orders the rows of one owner"
        return best
    moments = [
        name
        for name in candidates
        if table.by_name[name].type.family in MOMENTS and not _NAMES_UPDATE.fullmatch(words_of(name))
    ]
    # What else a key holds has to be free to differ.
    keys = {name for unique in table.uniques for name in unique.columns}
    numbers = [name for name in candidates if table.by_name[name].type.family not in MOMENTS and name not in keys]
    return _moment(sample, moments, reasons) or _number(sample, owner, numbers, reasons)


def _moment(sample: TableSample, moments: Sequence[str], reasons: dict[str, str]) -> str | None:
    """The moment that follows the key best."""
    if not moments:
        return None
    scored = {
        name: _follows_key(sample, name) + (0.5 if _NAMES_ORDER.fullmatch(words_of(name)) else 0) for name in moments
    }
    best = max(scored, key=lambda name: scored[name])
    if scored[best] < 0.4:
        return None
    reasons[best] = "it orders the rows of one owner"
    return best


def _number(sample: TableSample, owner: ForeignKey, names: Sequence[str], reasons: dict[str, str]) -> str | None:
    """A whole number that grows from row to row of one owner, as a year, or that ranks the rows of one owner."""
    grown = {name: _growth(sample, name, owner.columns) for name in names}
    if grown and max(grown.values()) > 0:
        best = max(grown, key=lambda name: grown[name])
        reasons[best] = "it grows from row to row of one owner"
        return best
    for name in names:
        if ranks(sample, name, owner.columns):
            reasons[name] = "it ranks the rows of one owner"
            return name
    return None


def _growth(sample: TableSample, name: str, within: tuple[str, ...]) -> float:
    """The share of rows that stand higher than the row of their owner before them; 0 where too many stand lower."""
    rows = sample.in_key_order
    groups, numbers = sample.codes(within)[rows], _numbers(sample.column(name))[rows]
    by_group = np.argsort(groups, kind="stable")
    same = (groups[by_group][1:] == groups[by_group][:-1]) & (groups[by_group][1:] >= 0)
    before, after = numbers[by_group][:-1][same], numbers[by_group][1:][same]
    if len(after) < _FEWEST or np.mean(after >= before) < _GROWS:
        return 0.0
    higher = float(np.mean(after > before))
    return higher if higher >= _MOSTLY else 0.0


def ranks(sample: TableSample, name: str, within: tuple[str, ...]) -> bool:
    """Returns True for a number that counts through the rows of each owner from 1, in whatever order they stand."""
    pairs, groups, numbers = sample.codes((*within, name)), sample.codes(within), _numbers(sample.column(name))
    there = pairs >= 0
    pairs, groups, numbers = pairs[there], groups[there], numbers[there]
    if len(pairs) < _FEWEST or numbers.min() < 1 or len(np.unique(numbers)) < _RANKS:
        return False
    if len(np.unique(pairs)) < _HOLDS * len(pairs):
        return False
    highest = np.zeros(int(groups.max()) + 1, np.int64)
    np.maximum.at(highest, groups, numbers)
    counts, highest = np.bincount(groups)[highest > 0], highest[highest > 0].astype(np.float64)
    # Of ranks without gaps every owner has the same share in the sample, but for chance.
    share = min(1.0, counts.sum() / highest.sum())
    off = np.abs(counts - share * highest) > _CHANCE * np.sqrt(share * (1 - share) * highest) + _EXACT * highest
    return bool(share >= _SHARE and off.mean() <= 1 - _WHOLE)


def _may_order(sample: TableSample, column: Column) -> bool:
    values = sample.column(column.name)
    if values.null_count > _LACKING * len(sample) or sample.distinct(column.name) < 3:
        return False
    if values.null_count:
        # Rows are sorted by it then, and what it is in each is learned like any other number.
        return column.type.family == "integer" and column.nullable
    if column.type.family == "numeric":
        numbers = np.asarray(values.cast(pa.float64()))
        return bool((numbers == np.round(numbers)).all())
    return column.type.family in MOMENTS or column.type.family == "integer"


def _in_key_with(table: Table, owner: ForeignKey, name: str) -> bool:
    return any(
        name in unique.columns and set(owner.columns) <= set(unique.columns) and not unique.expressions
        for unique in table.uniques
    )


def _follows_key(sample: TableSample, name: str) -> float:
    """How well a column follows the order of the primary key: rank correlation, 0 to 1."""
    key = sample.table.primary_key
    if key is None or len(key.columns) != 1 or len(sample) < _FEWEST:
        return 0.0
    numbers = _numbers(sample.column(name))[sample.in_key_order].astype(np.float64)
    ranks = np.argsort(np.argsort(numbers, kind="stable"), kind="stable")
    spread = np.std(ranks)
    if spread == 0:
        return 0.0
    return max(0.0, float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]))


def _numbers(values: pa.Array) -> Ints:
    if pa.types.is_date32(values.type) or pa.types.is_timestamp(values.type):
        return moment_numbers(values)
    if pa.types.is_integer(values.type):
        return np.asarray(values.fill_null(0).cast(pa.int64()))
    return np.asarray(values.fill_null(0).cast(pa.float64())).astype(np.int64)


def _periods(
    sample: TableSample, owner: ForeignKey, order: str, moments: Sequence[str], reasons: dict[str, str]
) -> dict[str, str]:
    """Ends of periods: in each family a row ends where the next one starts, or the day before."""
    starts = sample.column(order)
    if order not in moments:
        return {}
    groups, begin = sample.codes(owner.columns), moment_numbers(starts)
    by_family = np.lexsort([begin, groups])
    same = (groups[by_family][1:] == groups[by_family][:-1]) & (groups[by_family][1:] >= 0)
    found: dict[str, str] = {}
    for name in moments:
        if name == order or sample.table.by_name[name].type.family != sample.table.by_name[order].type.family:
            continue
        ends = sample.column(name)
        end, null = moment_numbers(ends)[by_family], is_null(ends)[by_family]
        usable = same & ~null[:-1]
        if usable.sum() < _FEWEST or usable.sum() < 0.9 * same.sum():
            continue
        gap = begin[by_family][1:][usable] - end[:-1][usable]
        unit = 1 if sample.table.by_name[name].type.family == "date" else DAY_US
        if max(np.mean(gap == offset * unit) for offset in _PERIOD_OFFSETS) >= _HOLDS:
            found[name] = order
            reasons[name] = f"it ends where the next {order} of the same owner starts"
    return found


def _links(
    sample: TableSample, moments: Sequence[str], order: str | None, reasons: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Moments that follow another moment of their row closely, or stay near one; each has at most one such base."""
    found: dict[str, tuple[float, str, bool]] = {}
    for first, second in permutations(moments, 2):
        if second == order:
            continue
        link = _link(sample, first, second)
        if link is not None and (second not in found or link[0] < found[second][0]):
            found[second] = (link[0], first, link[1])
    after: dict[str, str] = {}
    near: dict[str, str] = {}
    for second, (_, first, is_after) in sorted(found.items(), key=lambda item: item[1][0]):
        if not _reaches(after | near, first, second):
            (after if is_after else near)[second] = first
            reasons.setdefault(second, f"it never comes before {first}" if is_after else f"it stays close to {first}")
    return after, near


def _link(sample: TableSample, first: str, second: str) -> tuple[float, bool] | None:
    """How narrow the distance is beside the column itself, and whether it is never negative; None if it says little."""
    a, b = sample.column(first), sample.column(second)
    both = ~is_null(a) & ~is_null(b)
    present = ~is_null(b)
    # A base that is missing where it is needed cannot carry the other.
    if both.sum() < _FEWEST or both.sum() < 0.99 * present.sum():
        return None
    start, end = _in_days(a)[both], _in_days(b)[both]
    gap = end - start
    spread, width = _middle(gap), _middle(end)
    if width <= 0 or spread >= _CLOSE * width:
        return None
    if np.mean(gap >= 0) >= _HOLDS:
        return spread / width, True
    return (spread / width, False) if spread < _NEAR * width else None


def _in_days(values: pa.Array) -> npt.NDArray[np.float64]:
    numbers = moment_numbers(values).astype(np.float64)
    return numbers if pa.types.is_date32(values.type) else numbers / DAY_US


def _middle(numbers: npt.NDArray[np.float64]) -> float:
    low, high = np.quantile(numbers, [0.25, 0.75])
    return float(high - low)


def _reaches(links: dict[str, str], start: str, goal: str) -> bool:
    at: str | None = start
    while at is not None:
        if at == goal:
            return True
        at = links.get(at)
    return False
