"""Keys that are functions of a row's number, so that they are known before the row is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from replica.errors import UnsatisfiableError
from replica.kinds.identifiers import uuid_array
from replica.schema.model import Column

Ints = npt.NDArray[np.int64]

_LARGEST = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**63 - 1, "oid": 2**32 - 1}


@dataclass(frozen=True)
class KeyMaker:
    """Makes a key of each row's number; different numbers give different keys.

    Attributes:
        family: ``integer``, ``numeric`` or ``uuid``.
        start: the key of the first row, for numbers.
        step: the distance from one key to the next; negative for a sequence that counts down.
        salt: what makes this run's UUIDs differ from another's.
    """

    family: Literal["integer", "numeric", "uuid"]
    start: int
    step: int
    salt: int

    def values(self, ordinals: Ints) -> pa.Array:
        """Returns the keys of rows; negative numbers stand for null."""
        null = ordinals < 0
        numbers = np.where(null, 0, ordinals)
        if self.family == "uuid":
            keys = uuid_array(numbers.astype(np.uint64), self.salt)
        else:
            keys = pa.array(self.start + numbers * self.step)
            if self.family == "numeric":
                keys = keys.cast(pa.decimal128(38, 0))
        return pc.if_else(pa.array(~null), keys, pa.scalar(None, keys.type)) if null.any() else keys

    def require(self, column: Column, total: int, where: str) -> None:
        """Refuses more rows than the column's type has keys.

        Raises:
            UnsatisfiableError: there are too many.
        """
        last = abs(self.start + (total - 1) * self.step)
        if self.family == "uuid" or total == 0:
            return
        largest = _LARGEST.get(column.type.base)
        if largest is None and column.type.precision is not None:
            largest = 10 ** (column.type.precision - (column.type.scale or 0)) - 1
        if largest is not None and last > largest:
            raise UnsatisfiableError(
                f"{where}: {total} rows need keys up to {last}, but {column.type.name} ends at {largest};"
                " plan fewer rows"
            )
