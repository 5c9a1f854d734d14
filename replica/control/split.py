"""Who is kept out of learning: a share of the people, drawn by a secret key, with every row that leads to them."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Holdout, hash_limit
from replica.errors import PlanError
from replica.schema.graph import descendants, order_tables, paths_to
from replica.schema.model import ForeignKey, Schema, quote_name

# Their text is not the same on a server and here.
_NO_KEYS = frozenset({"bytes", "time", "timestamp", "timestamptz", "array", "composite"})


@dataclass(frozen=True)
class Split:
    """Who is kept out of learning.

    Attributes:
        subject: id of the table of the persons.
        key: 32 secret random bytes; a hash of them and of a person's primary key decides, see
            :class:`~replica.databases.base.Holdout`. It is never made of a seed, which would tell who was learned.
        share: share of the persons that is kept out, in (0, 1).
    """

    subject: str
    key: bytes = field(repr=False)
    share: float

    def holds(self, keys: Sequence[pa.Array]) -> npt.NDArray[np.bool_]:
        """Returns which persons are kept out of learning: shape (rows,).

        Args:
            keys: their primary key, an array a column, as :meth:`~replica.databases.base.Snapshot.read` gives it.
        """
        limit = hash_limit(self.share)
        columns = [_texts(values) for values in keys]
        texts = ("\x1f".join(parts).encode() for parts in zip(*columns, strict=True))
        held = (hashlib.sha256(self.key + text).digest()[: len(limit)] < limit for text in texts)
        return np.fromiter(held, dtype=bool, count=len(columns[0]))

    def holdout(self, schema: Schema) -> Holdout:
        """Returns what a view of the source leaves out.

        Args:
            schema: what the source declares, with the references that it does not.

        Raises:
            PlanError: the table of persons has no primary key, or one of a type that cannot be told apart by its text.
        """
        table = schema.by_id[self.subject]
        if table.primary_key is None:
            raise PlanError(f"--control: table {table.id} has no primary key, so its rows cannot be told apart")
        for name in table.primary_key.columns:
            if table.by_name[name].type.family in _NO_KEYS:
                kind = table.by_name[name].type.name
                raise PlanError(f"--control: {table.id}.{quote_name(name)} is a key of type {kind}: it cannot be split")
        references = downward(schema, self.subject)
        return Holdout(table, table.primary_key.columns, references, self.key, self.share)


def downward(schema: Schema, subject: str) -> tuple[ForeignKey, ...]:
    """Returns the references along which rows belong to persons, those into a table before those from it.

    Tables that persons themselves point to, directly or through others, belong to nobody. Where these point back, what
    may not be null decides: an address that cannot be without its customer is the customer's, even if it is also the
    one that the customer prefers; a department that may be without a head is nobody's. A person who points to another
    is not part of the other.
    """
    keys = [key for key in schema.foreign_keys if not key.is_self and key.child != subject]
    firm = [key for key in keys if not any(schema.by_id[key.child].by_name[name].nullable for name in key.columns)]
    above = _above(schema, subject) - descendants(subject, firm)
    keys = [key for key in keys if key.child not in above]
    below = {subject, *descendants(subject, keys)}
    keys = [key for key in keys if key.parent in below]
    distance = {name: len(paths_to(name, subject, keys) or ()) for name in below}

    def cost(key: ForeignKey) -> float:
        # Circles are broken where they lead back.
        return math.inf if distance[key.parent] < distance[key.child] else 1.0

    order = order_tables(below, keys, cost)
    rank = {name: i for i, layer in enumerate(order.generations) for name in layer}
    leading = [key for key in keys if rank[key.parent] < rank[key.child]]
    return tuple(sorted(leading, key=lambda key: (rank[key.child], key.id)))


def _above(schema: Schema, subject: str) -> frozenset[str]:
    keys = schema.foreign_keys
    return frozenset(name for name in schema.by_id if name != subject and paths_to(subject, name, keys))


def _texts(values: pa.Array) -> list[str]:
    """The values as a server writes them for the hash: numbers that are not whole as 8 bytes, the rest as text."""
    if pa.types.is_floating(values.type):
        return [struct.pack(">d", number).hex() for number in values.to_pylist()]
    texts: list[str] = values.cast(pa.string()).to_pylist()
    return texts
