"""Values of types that nobody here knows: the server is asked which of some texts it takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.databases.base import Evaluate
from replica.errors import PlanError
from replica.schema.model import Column, Table, quote_name

# How values of most types are written: words, numbers, and what stands in brackets of some form.
_TEXTS = ("a", "0", "1", "0.0", "", "{}", "[]", "()", "(0)", "[0]", "(0,0)", "0/0", "0:0", "a=>0", "true", "2024-01-01")


def accepted_values(table: Table, column: Column, n: int, evaluate: Evaluate | None) -> pa.Array:
    """Returns values of a column that may not be null and whose type is not known: shape (rows,).

    They are different where the type takes plain numbers, as keys want them.

    Raises:
        PlanError: the server takes none of the texts that are tried.
    """
    numbers = pa.array([str(number) for number in range(n)], pa.string())
    if _taken(table, column, numbers, evaluate).all():
        return numbers
    texts = pa.array(_TEXTS, pa.string())
    found = texts.filter(pa.array(_taken(table, column, texts, evaluate)))
    if not len(found):
        raise PlanError(
            f"{table.id}.{quote_name(column.name)}: no value of type {column.type.name} is known, and it may not be"
            f" null: give it a default in the source, or leave the table out with --exclude {table.id}"
        )
    return found.take(pa.array(np.arange(n) % len(found)))


def _taken(table: Table, column: Column, texts: pa.Array, evaluate: Evaluate | None) -> npt.NDArray[np.bool_]:
    """Which texts the server reads as values of the type: shape (texts,)."""
    if evaluate is None:
        return np.zeros(len(texts), dtype=bool)
    answer = evaluate(table, f"({quote_name(column.name)} IS NOT NULL)::text", {column.name: texts})
    return np.zeros(len(texts), dtype=bool) if answer is None else np.asarray(pc.equal(answer, "true"))
