"""Pictures: what a person looks at beside the figures. They show values and rows, so they are for no log.

A picture has one layer per side that is drawn. Drawn from the replica alone, it says nothing of the original.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replica.evaluation.coding import Bins, pair_bins
from replica.evaluation.excerpts import Excerpt
from replica.evaluation.ground import Feature, Ground, Side, Values, What
from replica.evaluation.views import counts_of
from replica.planning.decisions import TablePlan

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Shares = tuple[float, ...]

BARS = 24
MOST_LABELS = 10
_TAIL = 0.005
_DAY_US = 86_400e6
# Days that are farther away stand for infinity, or for never.
_ENDLESS = 2_000_000.0


@dataclass(frozen=True)
class Bars:
    """How the values of a column are distributed.

    Attributes:
        name: the column; of numbers of children, the reference.
        what: what is counted; of a text its length.
        labels: of a category one per bar, the commonest first, all others under the last one; of numbers and moments
            the first and the last value of the axis, which ends where nearly all values lie.
        shares: the share of the values that are not null in each bar, by side.
        nulls: the share of nulls, by side.
    """

    name: str
    what: What
    labels: tuple[str, ...]
    shares: tuple[Shares, ...]
    nulls: Shares


@dataclass(frozen=True)
class HeatMap:
    """How two columns go together.

    Attributes:
        one: the column whose bins are the lines.
        other: the column whose bins lie beside each other.
        shares: the share of the rows in each cell, by side: lines of cells.
    """

    one: str
    other: str
    shares: tuple[tuple[Shares, ...], ...]


@dataclass(frozen=True)
class TablePicture:
    """What there is to see of a table.

    Attributes:
        columns: each column.
        pairs: some pairs of columns.
        fan_outs: numbers of children, by reference to this table.
        excerpt: some rows.
    """

    columns: tuple[Bars, ...]
    pairs: tuple[HeatMap, ...]
    fan_outs: tuple[Bars, ...]
    excerpt: Excerpt


Pictures = Mapping[str, TablePicture]
"""What there is to see, by table id."""

Pairs = Sequence[tuple[str, str]]


def draw_pictures(
    ground: Ground, sides: Sequence[Side], excerpts: Mapping[str, Excerpt], pairs: Mapping[str, Pairs]
) -> Pictures:
    """Draws every table.

    Args:
        ground: the features of the tables.
        sides: which sides to draw; bins are cut by what these have.
        excerpts: rows to show, by table.
        pairs: columns to draw beside each other, by table.
    """
    return {
        table.id: TablePicture(
            columns=tuple(_columns(ground, table, sides)),
            pairs=tuple(_heat_map(ground, table.id, sides, pair) for pair in pairs.get(table.id, ())),
            fan_outs=tuple(
                _number_bars(count, [side[table.id].fan_outs[count.name].astype(np.float64) for side in sides], _number)
                for count in counts_of(ground, table)
            ),
            excerpt=excerpts[table.id],
        )
        for table in ground.plan.tables
    }


def _columns(ground: Ground, table: TablePlan, sides: Sequence[Side]) -> Iterable[Bars]:
    for feature in ground.features[table.id]:
        values = [side[table.id].values[feature.name] for side in sides]
        if feature.is_category:
            yield _label_bars(feature, values)
        elif feature.what == "moment":
            family = table.table.by_name[feature.name].type.family
            yield _number_bars(feature, [_days(one, family) for one in values], _clock if family == "time" else _date)
        else:
            yield _number_bars(feature, values, _number)


def _number_bars(feature: Feature, values: Sequence[Values], text: Callable[[float], str]) -> Bars:
    """Bars of equal width between the lowest and the highest of nearly all values; the rest is in the outer ones."""
    known = [one[np.isfinite(one)].astype(np.float64) for one in values]
    nulls = tuple(float(np.isnan(one).mean()) if len(one) else 0.0 for one in values)
    there = [one for one in known if len(one)]
    if not there:
        return Bars(feature.name, feature.what, (), tuple(() for _ in values), nulls)
    low = min(float(np.quantile(one, _TAIL, method="lower")) for one in there)
    high = max(float(np.quantile(one, 1 - _TAIL, method="higher")) for one in there)
    edges = _edges(low, high, whole=all((one == np.round(one)).all() for one in there))
    counts = [np.histogram(np.clip(one, low, high), edges)[0] for one in known]
    return Bars(feature.name, feature.what, (text(low), text(high)), tuple(map(_shares, counts)), nulls)


def _edges(low: float, high: float, *, whole: bool) -> Floats:
    """Where bars begin and end: around each whole number where these are few."""
    if low == high or (whole and high - low < BARS):
        return np.arange(low - 0.5, high + 1.0)
    return np.linspace(low, high, BARS + 1)


def _label_bars(feature: Feature, values: Sequence[Values]) -> Bars:
    codes = [one.astype(np.int64) for one in values]
    counts = np.array([np.bincount(one[one >= 0], minlength=len(feature.labels)) for one in codes], dtype=np.float64)
    shares = counts / np.maximum(1.0, counts.sum(axis=1, keepdims=True))
    order = np.argsort(-shares.max(axis=0), kind="stable")
    order = order[shares[:, order].max(axis=0) > 0]
    shown, rest = order[:MOST_LABELS], order[MOST_LABELS:]
    labels = tuple(feature.labels[i] for i in shown)
    found = shares[:, shown]
    if len(rest):
        labels = (*labels, f"{len(rest):,} others")
        found = np.concatenate([found, shares[:, rest].sum(axis=1, keepdims=True)], axis=1)
    nulls = tuple(float((one < 0).mean()) if len(one) else 0.0 for one in codes)
    return Bars(feature.name, feature.what, labels, tuple(tuple(map(float, one)) for one in found), nulls)


def _heat_map(ground: Ground, table: str, sides: Sequence[Side], pair: tuple[str, str]) -> HeatMap:
    by_name = {feature.name: feature for feature in ground.features[table]}
    cuts = [pair_bins(by_name[name], sides[0][table].values[name]) for name in pair]
    shares = tuple(_cells(cuts, [side[table].values[name] for name in pair]) for side in sides)
    return HeatMap(*pair, shares=shares)


def _cells(cuts: Sequence[Bins], values: Sequence[Values]) -> tuple[Shares, ...]:
    lines, columns = (cut.size for cut in cuts)
    one, other = (cut.cut(found) for cut, found in zip(cuts, values, strict=True))
    counts = np.bincount(one * columns + other, minlength=lines * columns)
    return tuple(tuple(map(float, line)) for line in (counts / max(1, len(one))).reshape(lines, columns))


def _shares(counts: Ints) -> Shares:
    return tuple(map(float, counts / max(1, int(counts.sum()))))


def _days(values: Values, family: str) -> Floats:
    days = values.astype(np.float64) / (1.0 if family == "date" else _DAY_US)
    return np.where(np.abs(days) < _ENDLESS, days, np.nan)


def _number(value: float) -> str:
    return f"{value:,.6g}"


def _date(days: float) -> str:
    return str(np.datetime64(int(np.floor(days)), "D"))


def _clock(days: float) -> str:
    minutes = round(days * 24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
