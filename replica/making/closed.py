"""Rows that nothing may point to: without a key to point at, or with one that the child's own checks refuse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.constraints.judging import Judge, reads_of
from replica.kinds.base import is_null
from replica.schema.model import Check, ForeignKey, Table

Mask = npt.NDArray[np.bool_]


def closed_parents(child: Table, checks: Sequence[Check], key: ForeignKey, targets: Sequence[pa.Array]) -> Mask:
    """Returns the parents that no row of a table may point to.

    Args:
        child: the table that points.
        checks: its checks.
        key: the reference.
        targets: the parent's columns that the reference points to, in its order.

    Returns:
        True for parents with a null in a column that names them, and for those whose values a check of the child
        refuses that reads nothing else: shape (parents,).
    """
    given = dict(zip(key.columns, targets, strict=True))
    closed: Mask = np.logical_or.reduce([is_null(given[name]) for name in key.naming.columns])
    judge = Judge(child)
    for check in checks:
        read = reads_of(check, child)
        if read and check.validated and set(read) <= set(given):
            closed |= judge.broken(check.expression, given)
    return closed


def may_be_closed(child: Table, checks: Sequence[Check], key: ForeignKey, parent: Table) -> bool:
    """Returns False where every parent can be pointed to, whatever its values."""
    nullable = any(parent.by_name[name].nullable for name in key.parent_columns)
    return nullable or any(set(reads_of(check, child)) <= set(key.columns) for check in checks)
