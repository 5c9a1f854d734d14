"""Which row points to which: joining tables on keys of any type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.kinds.base import is_null

Ints = npt.NDArray[np.int64]

NULL = -1
UNKNOWN = -2
"""What stands for a reference that is null, and for one whose row was not read."""


def row_numbers(children: Sequence[pa.Array], parents: Sequence[pa.Array]) -> Ints:
    """Returns for each child the number of the parent row with the same key.

    Args:
        children: the child's columns, in the order of the parent's.
        parents: the parent's columns; no two rows share a key.

    Returns:
        Row numbers, ``NULL`` where a part of the child's key is null, ``UNKNOWN`` where no parent has it: shape
        (children,).
    """
    null = np.zeros(len(children[0]), dtype=bool)
    for values in children:
        null |= is_null(values)
    if len(children) == 1:
        found = _index_in(children[0], parents[0])
    else:
        child_codes, parent_codes = _common_codes(children, parents)
        found = _index_in(pa.array(child_codes), pa.array(parent_codes))
    numbers = np.array(pc.fill_null(found, UNKNOWN), dtype=np.int64)
    numbers[null] = NULL
    return numbers


def _index_in(values: pa.Array, among: pa.Array) -> pa.Array:
    if values.type != among.type:
        # An integer may point to a decimal, a char to a varchar.
        common = pa.float64() if pa.types.is_floating(values.type) or pa.types.is_floating(among.type) else pa.string()
        values, among = values.cast(common), among.cast(common)
    if pa.types.is_string(values.type):
        # char(n) is padded with blanks that do not count.
        values, among = pc.utf8_rtrim_whitespace(values), pc.utf8_rtrim_whitespace(among)
    return pc.index_in(values, among).cast(pa.int64())


def _common_codes(children: Sequence[pa.Array], parents: Sequence[pa.Array]) -> tuple[Ints, Ints]:
    """Numbers the keys of both sides so that equal keys get equal numbers."""
    n = len(children[0])
    combined = np.zeros(n + len(parents[0]), np.int64)
    for child, parent in zip(children, parents, strict=True):
        vocabulary = pc.unique(parent.drop_null())
        part = np.concatenate([_codes(child, vocabulary), _codes(parent, vocabulary)])
        _, combined = np.unique(combined * (len(vocabulary) + 2) + part, return_inverse=True)
        combined = combined.reshape(-1)
    return combined[:n], combined[n:]


def _codes(values: pa.Array, vocabulary: pa.Array) -> Ints:
    return np.array(pc.fill_null(_index_in(values, vocabulary), len(vocabulary)), dtype=np.int64)


def group_numbers(columns: Sequence[pa.Array | Ints]) -> Ints:
    """Numbers the different combinations of columns; nulls are equal to each other. Shape (rows,)."""
    combined = np.zeros(len(columns[0]), np.int64)
    for values in columns:
        if isinstance(values, np.ndarray):
            _, part = np.unique(values, return_inverse=True)
            size = len(values) + 1
        else:
            encoded = values.dictionary_encode()
            part = np.array(encoded.indices.fill_null(len(encoded.dictionary)), dtype=np.int64)
            size = len(encoded.dictionary) + 1
        _, combined = np.unique(combined * size + part.reshape(-1), return_inverse=True)
        combined = combined.reshape(-1)
    return combined
