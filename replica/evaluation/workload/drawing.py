"""Drawing queries at random, so that each is about rows that are there.

Constants are values of rows of the original, all of one row where that is enough, as is usual where the estimates of
servers are compared (Kipf et al. 2019; Wang et al. 2021): what goes together in the original is asked for together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from replica.evaluation.ground import Feature, Ground, Values, keys_of
from replica.evaluation.workload.answering import Reached, is_null
from replica.evaluation.workload.query import Comparison, Condition, Group, Join, Measure, Part, Place, Query
from replica.schema.model import Column

Ints = npt.NDArray[np.int64]
T = TypeVar("T")

FEWEST = 20
"""Rows of the original that a query is about at least."""

_TRIES = 6
_MOST_GROUPS = 30
# How often there are one, two or three tables, and none, one, two or three conditions and groups.
_TABLES, _CONDITIONS, _GROUPS = (0.4, 0.35, 0.25), (0.15, 0.4, 0.3, 0.15), (0.5, 0.35, 0.15)
_MEASURES: tuple[tuple[Measure, float], ...] = (("count", 0.5), ("sum", 0.25), ("avg", 0.25))
# Rows that constants come from: one, two for both ends of a range, or one for each of a few values.
_ANCHORS = 3
# Rows that are looked at before all of them are, to see whether a column has few values.
_FIRST = 5_000

# Types of which servers compare and add up what numpy does.
_NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})
_CATEGORIES = frozenset({"text", "varchar", "bpchar", "name", "bool", "uuid"})
# Larger numbers are not held exactly, and moments outside of the years 1 to 9999 are written in other ways.
_EXACT = 2.0**53
_FIRST_DAY, _LAST_DAY, _DAY_US = -719_162, 2_932_896, 86_400_000_000


@dataclass(frozen=True)
class _Column:
    """What queries may do with a column.

    Attributes:
        name: its name.
        values: how many different values it has; one more than may be groups where there are more.
        nulls: True where some are null.
        ordered: True where ranges mean something.
        adds_up: True where sums do.
        dated: True where it has years and months.
    """

    name: str
    values: int
    nulls: bool
    ordered: bool
    adds_up: bool
    dated: bool

    @property
    def parts(self) -> tuple[Part, ...]:
        """What rows may be grouped by."""
        return ("year", "month") if self.dated else ("value",) if self._few else ()

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What it may be compared by."""
        equal: tuple[Comparison, ...] = ("=", "in") if self.values > 2 else ("=",)
        order: tuple[Comparison, ...] = ("<=", ">=", "between")
        null: tuple[Comparison, ...] = ("is null", "is not null") if self.nulls else ()
        return (*(equal if self._few or not self.ordered else ()), *(order if self.ordered else ()), *null)

    @property
    def _few(self) -> bool:
        return self.values <= _MOST_GROUPS


def draw_workload(ground: Ground, count: int) -> tuple[Query, ...]:
    """Draws different queries over all tables whose rows were made up, in turn.

    Args:
        ground: both databases; the original's rows decide what is asked.
        count: how many queries; there are fewer where the tables have no more to be asked about.
    """
    rng = ground.rng("queries")
    tables = [table.id for table in ground.made if len(ground.original[table.id]) >= FEWEST]
    order = [tables[i] for i in rng.permutation(len(tables))]
    drawing = _Drawing(ground, rng)
    found: dict[Query, None] = {}
    for i in range(_TRIES * count if order else 0):
        query = drawing.query(order[i % len(order)])
        if query is not None:
            found.setdefault(query)
        if len(found) == count:
            break
    return tuple(found)


def with_other_constants(query: Query, ground: Ground, rng: np.random.Generator) -> Query | None:
    """Returns the same query about other rows of the original; None where none were found."""
    return next((found for _ in range(_TRIES) if (found := _anchored(query, ground, rng))), None)


class _Drawing:
    """Draws queries; each table's columns are looked at once.

    Args:
        ground: both databases.
        rng: the random stream.
    """

    def __init__(self, ground: Ground, rng: np.random.Generator) -> None:
        self._ground = ground
        self._rng = rng
        self._columns: dict[str, tuple[_Column, ...]] = {}

    def query(self, table: str) -> Query | None:
        """Returns a query over a table; None where chance made one that says nothing."""
        query = self._joined(table)
        places = self._places(query)
        conditions = self._conditions([one for one in places if one[1].comparisons])
        asked = {condition.place for condition in conditions}
        groups = self._groups([one for one in places if one[1].parts and one[0] not in asked])
        if not conditions and not groups:
            return None
        measure, of = self._measure([place for place, found in places if found.adds_up])
        whole = replace(query, conditions=conditions, groups=groups, measure=measure, of=of)
        return _anchored(whole, self._ground, self._rng)

    def _places(self, query: Query) -> list[tuple[Place, _Column]]:
        """The columns of all tables in a random order; one of the last table is first, which is there to be asked."""
        places = [
            (Place(i, found.name), found)
            for i, name in enumerate(query.tables)
            for found in self._of(name)
            # What a reference points to says what the reference does.
            if not i or found.name not in query.joins[i - 1].key.parent_columns
        ]
        mixed = sorted(self._mixed(places), key=lambda one: -one[0].table)
        return [*mixed[:1], *self._mixed(mixed[1:])]

    def _joined(self, table: str) -> Query:
        """A table and up to two more that it leads to."""
        query = Query(table)
        for _ in range(int(self._rng.choice(len(_TABLES), p=_TABLES))):
            steps = [
                join
                for i, name in enumerate(query.tables)
                for join in (Join(i, key) for key in keys_of(self._ground.plan.by_id[name]))
                if join not in query.joins and self._of(join.key.parent)
            ]
            if steps:
                query = replace(query, joins=(*query.joins, self._one(steps)))
        return query

    def _conditions(self, places: list[tuple[Place, _Column]]) -> tuple[Condition, ...]:
        """Conditions that still lack their constants."""
        count = int(self._rng.choice(len(_CONDITIONS), p=_CONDITIONS))
        return tuple(Condition(place, self._one(found.comparisons)) for place, found in places[:count])

    def _groups(self, places: list[tuple[Place, _Column]]) -> tuple[Group, ...]:
        count = int(self._rng.choice(len(_GROUPS), p=_GROUPS))
        return tuple(Group(place, self._one(found.parts)) for place, found in places[:count])

    def _measure(self, places: list[Place]) -> tuple[Measure, Place | None]:
        names, shares = zip(*_MEASURES, strict=True)
        measure = names[int(self._rng.choice(len(names), p=shares))]
        return (measure, self._one(places)) if places and measure != "count" else ("count", None)

    def _of(self, table: str) -> tuple[_Column, ...]:
        if table not in self._columns:
            self._columns[table] = tuple(_usable(self._ground, table))
        return self._columns[table]

    def _one(self, among: Sequence[T]) -> T:
        return among[int(self._rng.integers(len(among)))]

    def _mixed(self, among: Sequence[T]) -> list[T]:
        return [among[i] for i in self._rng.permutation(len(among))]


def _usable(ground: Ground, table: str) -> Iterator[_Column]:
    references = {name for key in keys_of(ground.plan.by_id[table]) for name in key.columns}
    for feature in ground.features[table]:
        column = ground.plan.by_id[table].table.by_name[feature.name]
        values = ground.original[table].values[feature.name]
        null = is_null(values)
        different = _different(values[~null])
        if different + null.any() > 1 and _is_plain(column, feature):
            # The key of a row elsewhere is no measure, whatever its type.
            measured = feature.what == "number" and feature.name not in references
            yield _Column(
                name=feature.name,
                values=different,
                nulls=bool(null.any()),
                ordered=measured or feature.what == "moment",
                adds_up=measured,
                dated=feature.what == "moment" and column.type.family != "time",
            )


def _is_plain(column: Column, feature: Feature) -> bool:
    if feature.what == "number":
        return column.type.base in _NUMBERS
    is_plain = column.type.base in _CATEGORIES or column.type.family == "enum"
    return feature.what == "moment" or (feature.is_category and is_plain)


def _different(values: Values) -> int:
    """How many different values there are, counted only as long as there are few."""
    first = len(np.unique(values[:_FIRST]))
    return min(first if first > _MOST_GROUPS else len(np.unique(values)), _MOST_GROUPS + 1)


# Constants


def _anchored(query: Query, ground: Ground, rng: np.random.Generator) -> Query | None:
    """The query with constants of rows drawn at random; None where it is then about too few rows."""
    reached = Reached(replace(query, conditions=()), ground.original)
    rows = np.flatnonzero(reached.joined)
    if not len(rows):
        return None
    anchors = rng.choice(rows, _ANCHORS)
    conditions = []
    for condition in query.conditions:
        feature = _feature(ground, query, condition.place)
        is_date = _family(ground, query, condition.place) == "date"
        values = [v for v in reached.values(condition.place)[anchors].tolist() if _may_be_written(v, feature, is_date)]
        if condition.comparison in ("is null", "is not null"):
            conditions.append(condition)
        elif values:
            conditions.append(_with_constants(condition, values))
        else:
            return None
    found = replace(query, conditions=tuple(conditions))
    return found if Reached(found, ground.original).kept.sum() >= FEWEST else None


def _with_constants(condition: Condition, values: list[float]) -> Condition:
    match condition.comparison:
        case "in":
            chosen = tuple(dict.fromkeys(values))
        case "between":
            chosen = min(values[0], values[-1]), max(values[0], values[-1])
        case _:
            chosen = (values[0],)
    return replace(condition, constants=chosen)


def _feature(ground: Ground, query: Query, place: Place) -> Feature:
    return next(found for found in ground.features[query.tables[place.table]] if found.name == place.name)


def _family(ground: Ground, query: Query, place: Place) -> str:
    return ground.plan.by_id[query.tables[place.table]].table.by_name[place.name].type.family


def _may_be_written(value: float, feature: Feature, is_date: bool) -> bool:
    """False for null, for infinity, and for what is not held exactly."""
    if feature.is_category:
        return value >= 0
    if feature.what == "moment":
        return _FIRST_DAY <= value / (1 if is_date else _DAY_US) <= _LAST_DAY
    return abs(value) <= _EXACT
