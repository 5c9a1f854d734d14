"""Keys that no foreign key declares: the second half of polymorphic pairs, and keys inside arrays and JSON documents.

Every key is that of a row that the replica has. Which row, is drawn at random: how popular rows are with such
references is not learned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.errors import UnsatisfiableError
from replica.kinds.literals import array_literal, split_bounds
from replica.relations.joins import group_numbers
from replica.schema.model import Column, LooseReference, Table

Ints = npt.NDArray[np.int64]

_TRIES = 20
# An element of an array as PostgreSQL writes it: in quotes, or without.
_ELEMENT = re.compile(r'"(?:[^"\\]|\\.)*"|[^{},"]+')


@dataclass(frozen=True)
class Parent:
    """A table whose rows are pointed to.

    Attributes:
        rows: how many it has.
        keys: gives the keys of some of them.
    """

    rows: int
    keys: Callable[[Ints], pa.Array]


# Polymorphic pairs


def choose_rows(sizes: Ints, groups: Sequence[Ints], rng: np.random.Generator, what: str) -> Ints:
    """Draws for each row a parent, so that no two rows of a group share one of the same type.

    Args:
        sizes: how many parents there are to choose from, per row; shape (rows,). Rows of one type agree.
        groups: for each unique rule, the number of what it says of a row beside the key, the type included; negative
            where the rule does not count.
        rng: a random stream.
        what: for the message.

    Returns:
        The number of a parent per row: shape (rows,).

    Raises:
        UnsatisfiableError: a group has more rows than there are parents.
    """
    chosen = rng.integers(0, np.maximum(sizes, 1))
    for _ in range(_TRIES):
        wrong = _repeated(chosen, groups)
        if not len(wrong):
            return chosen
        chosen[wrong] = rng.integers(0, np.maximum(sizes[wrong], 1))
    for row in _repeated(chosen, groups).tolist():
        alike = np.zeros(len(chosen), dtype=bool)
        for group in groups:
            alike |= (group == group[row]) & (group[row] >= 0)
        free = np.setdiff1d(np.arange(sizes[row]), chosen[alike])
        if not len(free):
            raise UnsatisfiableError(f"{what}: a unique rule asks for more different rows than there are to point to")
        chosen[row] = rng.choice(free)
    return chosen


def _repeated(chosen: Ints, groups: Sequence[Ints]) -> Ints:
    """Rows that say what an earlier row of their group says."""
    wrong = np.zeros(len(chosen), dtype=bool)
    for group in groups:
        counted = np.flatnonzero(group >= 0)
        numbers = group_numbers([group[counted], chosen[counted]])
        first = np.zeros(len(counted), dtype=bool)
        first[np.unique(numbers, return_index=True)[1]] = True
        wrong[counted[~first]] = True
    return np.flatnonzero(wrong)


def polymorphic_keys(
    types: pa.Array, column: Column, parents: Mapping[str, Parent], groups: Sequence[Ints], rng: np.random.Generator
) -> pa.Array:
    """Makes the keys of polymorphic pairs.

    Args:
        types: the type of each row.
        column: the column with the keys.
        parents: the table that each type stands for.
        groups: see :func:`choose_rows`, without the type.
        rng: a random stream.

    Returns:
        A key per row, in the column's type; null where the type is null or stands for no table with rows. Where the
        column may not be null, such a row gets a number that means nothing.
    """
    texts = (types if pa.types.is_string(types.type) else types.cast(pa.string())).to_pylist()
    kinds = sorted({text for text in texts if text is not None})
    codes = np.array([kinds.index(text) if text is not None else -1 for text in texts], np.int64)
    sizes = np.array([parents[kind].rows if kind in parents else 0 for kind in kinds] + [0], np.int64)[codes]
    typed = [np.where(group >= 0, group_numbers([group, codes]), -1) for group in groups]
    counted = [np.where(sizes > 0, group, -1) for group in typed]
    chosen = choose_rows(sizes, counted, rng, column.name)
    keys: list[Any] = [None] * len(texts)
    for code, kind in enumerate(kinds):
        rows = np.flatnonzero((codes == code) & (sizes > 0))
        if len(rows):
            for row, key in zip(rows.tolist(), parents[kind].keys(chosen[rows]).to_pylist(), strict=True):
                keys[row] = key
    if not column.nullable:
        keys = [row + 1 if key is None else key for row, key in enumerate(keys)]
    if column.type.family == "integer":
        return pa.array([None if key is None else int(key) for key in keys], pa.int64())
    return pa.array([None if key is None else str(key) for key in keys], pa.string())


def rules_over(table: Table, name: str) -> list[tuple[str, ...]]:
    """Returns the other columns of each unique rule that a column is in."""
    return [
        tuple(other for other in unique.columns if other != name)
        for unique in table.uniques
        if name in unique.columns and not unique.expressions
    ]


# Keys inside values


def put_keys(
    values: pa.Array, column: Column, found: Sequence[tuple[LooseReference, Parent]], rng: np.random.Generator
) -> pa.Array:
    """Puts keys of rows that exist in the place of those inside arrays or JSON documents.

    Args:
        values: the values: JSON as text, arrays in PostgreSQL's own notation.
        column: their column.
        found: the references, and what they point to.
        rng: a random stream.
    """
    texts: list[str | None] = values.to_pylist()
    for loose, parent in found:
        draw = _Draw(parent, rng)
        if column.type.family == "array":
            texts = [None if text is None else _in_array(text, draw) for text in texts]
        else:
            texts = [None if text is None else _in_json(text, loose.path or (), draw) for text in texts]
    return pa.array(texts, pa.string())


class _Draw:
    """Keys to be used up: different ones as long as there are enough."""

    def __init__(self, parent: Parent, rng: np.random.Generator) -> None:
        self._parent = parent
        self._rng = rng

    def __call__(self, n: int) -> list[Any]:
        if not self._parent.rows or not n:
            return []
        rows = self._rng.choice(self._parent.rows, n, replace=n > self._parent.rows)
        keys: list[Any] = self._parent.keys(np.asarray(rows, np.int64)).to_pylist()
        return keys


def _in_array(text: str, draw: _Draw) -> str:
    """The same array with other elements; nulls stay."""
    bounds, inner = split_bounds(text)
    elements = [found for found in _ELEMENT.finditer(inner) if found[0].strip() != "NULL"]
    keys = iter(draw(len(elements)))
    if not elements:
        return text

    def replaced(found: re.Match[str]) -> str:
        return found[0] if found[0].strip() == "NULL" else array_literal(_plain(next(keys, None)))

    return bounds + _ELEMENT.sub(replaced, inner)


def _plain(key: Any) -> Any:
    """A key as JSON has it."""
    return key if isinstance(key, int | str) or key is None else int(key)


def _in_json(text: str, path: tuple[str, ...], draw: _Draw) -> str:
    document = json.loads(text)
    places = list(_places(document, path))
    for (holder, at), key in zip(places, draw(len(places)), strict=False):
        # A key that stood there as text stays text.
        holder[at] = str(_plain(key)) if isinstance(holder[at], str) else _plain(key)
    return json.dumps(document, ensure_ascii=False) if places else text


def _places(value: Any, path: tuple[str, ...]) -> list[tuple[Any, Any]]:
    """Where in a document the keys are: lists and objects with the index or the member that holds one."""
    if isinstance(value, list) and path[0] != "*":
        # As in SQL's lax mode, a list stands for its elements.
        return [place for inner in value for place in _places(inner, path)]
    if path[0] == "*":
        entries: list[Any] = list(range(len(value))) if isinstance(value, list) else []
    else:
        entries = [path[0]] if isinstance(value, dict) and path[0] in value else []
    if len(path) > 1:
        return [place for entry in entries for place in _places(value[entry], path[1:])]
    return [(value, entry) for entry in entries if _is_key(value[entry])]


def _is_key(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)
