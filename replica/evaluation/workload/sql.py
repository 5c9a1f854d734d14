"""Queries as SQL that a server answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from replica.evaluation.ground import Feature, Ground
from replica.evaluation.workload.query import Condition, Group, Place, Query
from replica.schema.model import Column, quoted_name, quoted_text

_DAY_US = 86_400_000_000


def as_sql(query: Query, ground: Ground) -> str:
    """Returns a query as SQL: the columns of the groups, how many rows there are, and the measure unless it is that.

    Names are full and quoted. Constants are texts, which a server reads as the type of the column beside them, so that
    indexes serve.
    """
    return _Writer(query, ground).select()


class _Writer:
    def __init__(self, query: Query, ground: Ground) -> None:
        self._query = query
        self._features = [{found.name: found for found in ground.features[name]} for name in query.tables]
        self._tables = [ground.plan.by_id[name].table for name in query.tables]

    def select(self) -> str:
        query = self._query
        groups = [self._group(group) for group in query.groups]
        measure = [] if query.of is None else [f"{query.measure}({self._column(query.of)})"]
        parts = [f"SELECT {', '.join([*groups, 'count(*)', *measure])}", f"FROM {' '.join(self._rows())}"]
        if query.conditions:
            parts.append("WHERE " + " AND ".join(map(self._condition, query.conditions)))
        if groups:
            parts.append("GROUP BY " + ", ".join(groups))
        return " ".join(parts)

    def _rows(self) -> Iterator[str]:
        yield f"{self._tables[0].own_rows} AS t0"
        for i, join in enumerate(self._query.joins, start=1):
            pairs = zip(join.key.columns, join.key.parent_columns, strict=True)
            on = " AND ".join(f"t{join.start}.{quoted_name(a)} = t{i}.{quoted_name(b)}" for a, b in pairs)
            yield f"JOIN {self._tables[i].own_rows} AS t{i} ON {on}"

    def _column(self, place: Place) -> str:
        return f"t{place.table}.{quoted_name(place.name)}"

    def _group(self, group: Group) -> str:
        column = self._column(group.place)
        return column if group.part == "value" else f"extract({group.part} FROM {column})"

    def _condition(self, condition: Condition) -> str:
        column = self._column(condition.place)
        place = condition.place
        feature, declared = self._features[place.table][place.name], self._tables[place.table].by_name[place.name]
        constants = [_constant(value, feature, declared) for value in condition.constants]
        if condition.comparison == "in":
            return f"{column} IN ({', '.join(constants)})"
        if condition.comparison == "between":
            return f"{column} BETWEEN {constants[0]} AND {constants[1]}"
        return " ".join([column, condition.comparison.upper(), *constants])


def _constant(value: float, feature: Feature, column: Column) -> str:
    if feature.is_category:
        return quoted_text(feature.labels[int(value)])
    family = column.type.family
    if family == "integer":
        return f"'{int(value)}'"
    if family == "date":
        return f"'{np.datetime64(int(value), 'D')}'"
    if family in ("timestamp", "timestamptz"):
        zone = "+00" if family == "timestamptz" else ""
        return f"'{str(np.datetime64(int(value), 'us')).replace('T', ' ')}{zone}'"
    if family == "time":
        # The last moment of a day is the midnight after it.
        clock = str(np.datetime64(int(value), "us")).partition("T")[2]
        return "'24:00:00'" if int(value) == _DAY_US else f"'{clock}'"
    return f"'{value!r}'"
