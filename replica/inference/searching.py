"""Finding what a column for text search was computed from, by asking the source to compute it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, permutations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Evaluate
from replica.inference.sampling import TableSample
from replica.kinds.base import is_null
from replica.schema.model import Column, quote_name
from replica.schema.schema_map import ColumnMap, Comments, TableMap

_ROWS = 300
_AGREE = 0.99
_MOST_COLUMNS = 8
_MOST_TRIES = 120
_WEIGHTS = ("A", "B", "C", "D")
_CONFIGS = (
    "(SELECT string_agg(quote_ident(n.nspname) || '.' || quote_ident(c.cfgname), ' ' ORDER BY c.oid)"
    " FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_namespace n ON n.oid = c.cfgnamespace)"
)

Shares = npt.NDArray[np.float64]


def with_search_vectors(table_map: TableMap, sample: TableSample, evaluate: Evaluate) -> tuple[TableMap, Comments]:
    """Returns a drafted map in which search vectors are derived where it is found from what, and why.

    Args:
        table_map: the draft of one table.
        sample: some of its rows.
        evaluate: the source's evaluation of expressions on them.
    """
    columns = dict(table_map.columns)
    comments: dict[tuple[str, str | None], str] = {}
    for column in sample.table.columns:
        is_open = column.type.base == "tsvector" and columns[column.name].kind not in ("derived", "generated")
        if is_open and table_map.role not in ("lookup", "skip") and (sql := _Search(sample, column, evaluate).sql()):
            columns[column.name] = ColumnMap(kind="derived", type=column.type.name, sql=sql)
            comments[sample.table.id, column.name] = "the source computes the same from these columns"
    return replace(table_map, columns=columns), comments


class _Search:
    """Looks for the expression of one search vector.

    Args:
        sample: some rows of the table.
        column: the search vector.
        evaluate: the source's evaluation of expressions on rows.
    """

    def __init__(self, sample: TableSample, column: Column, evaluate: Evaluate) -> None:
        self.table = sample.table
        self.vector = quote_name(column.name)
        present = np.flatnonzero(~is_null(sample.column(column.name)))[:_ROWS]
        texts = [found.name for found in sample.table.columns if _is_text(sample, found)][:_MOST_COLUMNS]
        self.rows = {name: sample.column(name).take(pa.array(present)) for name in (*texts, column.name)}
        self.texts = texts
        self._evaluate = evaluate

    def sql(self) -> str | None:
        """Returns the expression; None where none gives the source's values."""
        if not self.texts or not len(next(iter(self.rows.values()))):
            return None
        config, sources = self._sources()
        tries = list(dict.fromkeys(islice(self._tries(config, sources), _MOST_TRIES)))
        for same in ("{} = {}", "strip({}) = strip({})"):
            shares = self._shares([same.format(sql, self.vector) for sql in tries])
            if len(shares) and shares.max() >= _AGREE:
                return tries[int(shares.argmax())]
        return None

    def _sources(self) -> tuple[str, list[str]]:
        """The configuration under which most columns' words are in the vector, and those columns."""
        best: tuple[str, list[str]] = ("", [])
        for config in self._configs():
            within = [
                f"tsvector_to_array({_words(config, name)}) <@ tsvector_to_array({self.vector})" for name in self.texts
            ]
            shares = self._shares(within)
            found = [name for name, share in zip(self.texts, shares, strict=False) if share >= _AGREE]
            if len(found) > len(best[1]):
                best = (config, found)
        return best

    def _configs(self) -> list[str]:
        answer = self._evaluate(self.table, _CONFIGS, {name: values[:1] for name, values in self.rows.items()})
        return str(answer[0].as_py()).split() if answer is not None else []

    def _tries(self, config: str, sources: Sequence[str]) -> Iterator[str]:
        """Expressions of some of the columns, those of most columns first."""
        weights = {name: self._weight(config, name) for name in sources}
        for size in range(len(sources), 0, -1):
            for chosen in permutations(sources, size):
                joined = " || ' ' || ".join(f"coalesce({quote_name(name)}, '')" for name in chosen)
                if not any(weights[name] for name in chosen):
                    yield f"to_tsvector('{config}', {joined})"
                yield " || ".join(_weighted(config, name, weights[name]) for name in chosen)

    def _weight(self, config: str, name: str) -> str:
        """The weight that a column's words have; "" for none."""
        words = f"tsvector_to_array({_words(config, name)})"
        shares = self._shares(
            [f"{words} <@ tsvector_to_array(ts_filter({self.vector}, '{{{weight}}}'))" for weight in _WEIGHTS]
        )
        found = [weight for weight, share in zip(_WEIGHTS, shares, strict=False) if share >= _AGREE]
        return found[0] if found and found[0] != "D" else ""

    def _shares(self, conditions: Iterable[str]) -> Shares:
        """The share of rows that meet each condition; none where the source cannot say."""
        listed = [f"({condition})::int" for condition in conditions]
        answer = self._evaluate(self.table, f"concat({', '.join(listed)})", self.rows) if listed else None
        if answer is None:
            return np.zeros(0)
        marks = [text for text in answer.to_pylist() if text is not None and len(text) == len(listed)]
        return np.mean([[mark == "1" for mark in text] for text in marks], axis=0) if marks else np.zeros(0)


def _is_text(sample: TableSample, column: Column) -> bool:
    """True for texts whose values were read."""
    return column.type.family == "text" and bool(pa.types.is_string(sample.data.schema.field(column.name).type))


def _words(config: str, name: str) -> str:
    return f"to_tsvector('{config}', coalesce({quote_name(name)}, ''))"


def _weighted(config: str, name: str, weight: str) -> str:
    return f"setweight({_words(config, name)}, '{weight}')" if weight else _words(config, name)
