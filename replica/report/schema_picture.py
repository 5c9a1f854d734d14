"""The schema as a picture: tables in columns, each to the right of those it points to.

The layers are those of :func:`~replica.schema.graph.order_tables`. Within a layer tables are put at the mean height of
what they point to and of what points to them, a few times over (the barycentre method: Sugiyama, Tagawa and Toda 1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replica.schema.graph import order_tables
from replica.schema.model import ForeignKey, Schema

_HEIGHT, _GAP, _BETWEEN, _MARGIN = 44, 14, 84, 12
_CHARACTER, _PADDING, _MOST_WIDTH, _LEAST_WIDTH = 7.3, 26, 260, 120
# A layer with more tables is broken into several columns.
_MOST_IN_COLUMN = 10
_SWEEPS = 4


@dataclass(frozen=True)
class Node:
    """A table: its id and where its box lies."""

    table: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Edge:
    """A reference: its id, both tables, and the curve between their boxes as an SVG path."""

    key: str
    child: str
    parent: str
    path: str


@dataclass(frozen=True)
class SchemaPicture:
    """Where everything lies, in pixels.

    Attributes:
        width: of the whole picture.
        height: likewise.
        nodes: the tables.
        edges: the references.
    """

    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def lay_out(schema: Schema) -> SchemaPicture:
    """Lays a schema out. Partitions are part of their root's box."""
    tables = [table.id for table in schema.tables if table.kind != "partition"]
    keys = [key for key in schema.foreign_keys if key.child in tables and key.parent in tables]
    columns = _columns(tables, keys)
    nodes = _place(columns)
    by_id = {node.table: node for node in nodes}
    edges = tuple(Edge(key.id, key.child, key.parent, _curve(by_id[key.child], by_id[key.parent])) for key in keys)
    width = max((node.x + node.width for node in nodes), default=0) + _MARGIN
    height = max((node.y + node.height for node in nodes), default=0) + _MARGIN
    # Loops on the right of a box need room.
    return SchemaPicture(width + 30, height, nodes, edges)


def _columns(tables: Sequence[str], keys: Sequence[ForeignKey]) -> list[list[str]]:
    """Tables by column, from left to right, each column from top to bottom; those without references come last."""
    linked = {name for key in keys if not key.is_self for name in (key.child, key.parent)}
    layers = [[name for name in layer if name in linked] for layer in order_tables(tables, keys).generations]
    layers = _straightened([layer for layer in layers if layer], keys)
    alone = sorted(set(tables) - linked)
    return [part for layer in [*layers, alone] for part in _broken(layer)]


def _broken(layer: list[str]) -> list[list[str]]:
    count = -(-len(layer) // _MOST_IN_COLUMN)
    return [[str(name) for name in part] for part in np.array_split(layer, count)] if count else []


def _straightened(layers: list[list[str]], keys: Sequence[ForeignKey]) -> list[list[str]]:
    """Orders each layer by the mean height of the tables that are linked to it."""
    near: dict[str, list[str]] = {name: [] for layer in layers for name in layer}
    for key in keys:
        if not key.is_self:
            near[key.child].append(key.parent)
            near[key.parent].append(key.child)
    for _ in range(_SWEEPS):
        height = _heights(layers)
        for i, layer in enumerate(layers):
            layers[i] = sorted(layer, key=lambda name: (np.mean([height[other] for other in near[name]]), name))
            height |= _heights([layers[i]])
    return layers


def _heights(layers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Where tables stand in their layer: 0 at the top, 1 at the bottom."""
    return {name: (i + 0.5) / len(layer) for layer in layers for i, name in enumerate(layer)}


def _place(columns: Sequence[Sequence[str]]) -> tuple[Node, ...]:
    tallest = max((len(column) for column in columns), default=0) * (_HEIGHT + _GAP)
    nodes: list[Node] = []
    x = float(_MARGIN)
    for column in columns:
        width = min(_MOST_WIDTH, max(_LEAST_WIDTH, _PADDING + _CHARACTER * max(map(len, column))))
        top = _MARGIN + (tallest - len(column) * (_HEIGHT + _GAP)) / 2
        nodes += [Node(name, x, top + i * (_HEIGHT + _GAP), width, _HEIGHT) for i, name in enumerate(column)]
        x += width + _BETWEEN
    return tuple(nodes)


def _curve(child: Node, parent: Node) -> str:
    """From the child's box to the parent's: to the left in general, in a bow on the right where it is not."""
    y1, y2 = child.y + child.height / 2, parent.y + parent.height / 2
    if child.table == parent.table:
        x, y = child.x + child.width, child.y
        return f"M{x:.0f},{y + 12:.0f} c26,-6 26,26 0,20"
    if child.x > parent.x + parent.width:
        x1, x2 = child.x, parent.x + parent.width
        middle = (x1 + x2) / 2
        return f"M{x1:.0f},{y1:.0f} C{middle:.0f},{y1:.0f} {middle:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    x1, x2 = child.x + child.width, parent.x + parent.width
    out = max(x1, x2) + _BETWEEN / 2
    return f"M{x1:.0f},{y1:.0f} C{out:.0f},{y1:.0f} {out:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
