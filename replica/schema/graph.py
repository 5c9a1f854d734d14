"""The schema as a graph: in which order tables can be made, and where cycles have to be broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import networkx as nx

from replica.schema.model import ForeignKey, Table


@dataclass(frozen=True, slots=True)
class Order:
    """An order in which every table comes after the tables it points to, but for the deferred references.

    Attributes:
        generations: table ids in layers; a table's parents lie in earlier layers.
        deferred: ids of references whose rows are assigned once both tables are made, because following them would
            lead in a circle.
        cycles: the tables of each circle, for show.
    """

    generations: tuple[tuple[str, ...], ...]
    deferred: tuple[str, ...]
    cycles: tuple[tuple[str, ...], ...]


def order_tables(
    tables: Iterable[str], keys: Sequence[ForeignKey], cost: Callable[[ForeignKey], float] | None = None
) -> Order:
    """Orders tables by their references, breaking circles where it costs least.

    References from a table to itself do not count.

    Args:
        tables: ids of all tables.
        keys: the references to follow.
        cost: how much is lost by deferring a reference; by default a nullable one is cheap, the owner never chosen
            is dear, so callers that know the data pass their own. Infinity keeps a reference whatever happens.
    """
    price = cost or (lambda key: float(len(key.columns)))
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(sorted(tables))
    known = set(graph)
    for key in keys:
        if not key.is_self and key.parent in known and key.child in known:
            graph.add_edge(key.parent, key.child, key=key.id, price=price(key))
    circles = sorted(tuple(sorted(part)) for part in nx.strongly_connected_components(graph) if len(part) > 1)
    deferred: list[str] = []
    while True:
        parts = [part for part in nx.strongly_connected_components(graph) if len(part) > 1]
        if not parts:
            break
        for part in parts:
            edges = graph.subgraph(part).edges(keys=True, data=True)
            parent, child, key_id, _ = min(edges, key=lambda edge: (edge[3]["price"], edge[2]))
            graph.remove_edge(parent, child, key=key_id)
            deferred.append(key_id)
    # networkx raises on a circle only while it is iterated, so the layers are made solid here.
    layers = tuple(tuple(sorted(layer)) for layer in nx.topological_generations(nx.DiGraph(graph)))
    return Order(layers, tuple(sorted(deferred)), tuple(circles))


def nullable_cost(nullable: Callable[[str, str], bool]) -> Callable[[ForeignKey], float]:
    """Returns a cost that prefers to break circles at references that may be null, then at simple ones.

    Args:
        nullable: tells of a table id and a column name whether the column may be null.
    """

    def cost(key: ForeignKey) -> float:
        may_be_null = any(nullable(key.child, column) for column in key.columns)
        return (0.0 if may_be_null else 10.0) + len(key.columns)

    return cost


def paths_to(start: str, goal: str, keys: Iterable[ForeignKey]) -> tuple[ForeignKey, ...] | None:
    """Returns the shortest way from a child table up to an ancestor; None where there is none.

    Args:
        start: id of the table to start from.
        goal: id of the table to reach.
        keys: the references that may be followed, from child to parent.
    """
    graph = nx.DiGraph()
    best: dict[tuple[str, str], ForeignKey] = {}
    for key in sorted(keys, key=lambda key: key.id):
        if not key.is_self:
            best.setdefault((key.child, key.parent), key)
            graph.add_edge(key.child, key.parent)
    if start not in graph or goal not in graph or not nx.has_path(graph, start, goal):
        return () if start == goal else None
    steps = nx.shortest_path(graph, start, goal)
    return tuple(best[child, parent] for child, parent in pairwise(steps))


def carries(wide: ForeignKey, above: ForeignKey, narrow: ForeignKey) -> bool:
    """Returns True where ``above``, of the row that ``wide`` points to, says what ``narrow`` says: a city its country.

    Args:
        wide: a reference whose columns include those of ``narrow``.
        above: a reference of the table that it points to.
        narrow: another reference of its table.
    """
    target = dict(zip(wide.columns, wide.parent_columns, strict=True))
    carried = {(target[column], end) for column, end in zip(narrow.columns, narrow.parent_columns, strict=True)}
    return above.parent == narrow.parent and set(zip(above.columns, above.parent_columns, strict=True)) == carried


def find_circle(edges: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Returns the names along a circle in a graph; none where it has no circle."""
    try:
        return tuple(start for start, _ in nx.find_cycle(nx.DiGraph(edges)))
    except nx.NetworkXNoCycle:
        return ()


def descendants(table: str, keys: Iterable[ForeignKey]) -> frozenset[str]:
    """Returns the tables that point to a table, directly or through others."""
    graph = nx.DiGraph((key.parent, key.child) for key in keys if not key.is_self)
    return frozenset(nx.descendants(graph, table)) if table in graph else frozenset()


def with_own_keys(tables: Iterable[Table]) -> list[Table]:
    """Returns tables with the keys that composite references repeat although their values start there.

    A country's code is part of the reference to its capital, whose own country is that code: following the columns
    leads back to where they start, so that nothing but the country itself can say what its code is.
    """
    tables = list(tables)
    graph = nx.DiGraph()
    for table in tables:
        for key in table.foreign_keys:
            pairs = zip(key.columns, key.parent_columns, strict=True)
            graph.add_edges_from(((table.id, column), (key.parent, target)) for column, target in pairs)
    circles = [part for part in nx.strongly_connected_components(graph) if len(part) > 1]
    return [replace(table, own_keys=_own_keys(table, circles)) for table in tables]


def _own_keys(table: Table, circles: Iterable[set[tuple[str, str]]]) -> tuple[str, ...]:
    alone = {key.columns[0] for key in table.foreign_keys if len(key.columns) == 1}
    unique = {
        rule.columns[0]
        for rule in table.uniques
        if len(rule.columns) == 1 and not rule.expressions and rule.predicate is None
    }
    targets: dict[str, set[tuple[str, str]]] = {}
    for key in table.foreign_keys:
        for column, target in zip(key.columns, key.parent_columns, strict=True):
            targets.setdefault(column, set()).add((key.parent, target))
    # A tenant that only references within the tenant repeat starts here too.
    own = {column for column, found in targets.items() if found == {(table.id, column)}}
    own |= {name for name in unique - alone if any((table.id, name) in circle for circle in circles)}
    return tuple(column.name for column in table.columns if column.name in own)
