"""Geometry of PostGIS: extended well-known binary in hexadecimal digits, as columns are read and written.

See "Extended WKB" in PostGIS's ``doc/ZMSgeoms.txt``: a byte for the order of bytes, a word for the type with flags for
more dimensions and a reference system, then counts and coordinates.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from typing import Any, Final

from replica.kinds.notations import FLOAT, MARK, Parts
from replica.schema.model import SqlType

_Z, _M, _SRID = 0x80000000, 0x40000000, 0x20000000
_POINT, _LINE, _POLYGON, _LAST_COLLECTION = 1, 2, 3, 7
# The last point of a ring is its first.
_CLOSED: Final = "\x02"
# Each point ends with a space.
_POINTS = re.compile(f"({MARK}+ |{_CLOSED}+ )")
_KEYS = 16


class GeometryNotation:
    """Points by their distance from the point before, so that shapes keep their size wherever they lie."""

    def split(self, text: str) -> Parts:
        """See :meth:`replica.kinds.notations.Notation.split`."""
        reader = _Reader(bytes.fromhex(text))
        reader.geometry()
        values = [
            (f"place {i}" if number < 1 else f"step {min(number, _KEYS)} {i}", value)
            for number, i, value in reader.numbers
        ]
        return "".join(reader.form), tuple(values)

    def join(self, form: str, values: Sequence[Any]) -> str:
        """See :meth:`replica.kinds.notations.Notation.join`."""
        order, left = "<" if form.startswith("01") else ">", iter(values)
        point: list[float] = []
        first: list[float] = []
        written = []
        for piece in filter(None, _POINTS.split(form)):
            if piece[0] == MARK:
                steps = [float(next(left)) for _ in piece.strip()]
                point = [old + step for old, step in zip(point or [0.0] * len(steps), steps, strict=True)]
                first = first or point
                written.append(_packed(order, point))
            elif piece[0] == _CLOSED:
                written.append(_packed(order, first))
            else:
                # A count stands before the points of each ring.
                first = []
                written.append(piece)
        return "".join(written)

    def type_of(self, key: str) -> SqlType:  # noqa: ARG002 - part of the protocol
        """See :meth:`replica.kinds.notations.Notation.type_of`."""
        return FLOAT


def _packed(order: str, point: Sequence[float]) -> str:
    return struct.pack(f"{order}{len(point)}d", *point).hex().upper()


class _Reader:
    """Reads one geometry: its form, and each coordinate with the number of its point and its axis."""

    def __init__(self, data: bytes) -> None:
        self.form: list[str] = []
        self.numbers: list[tuple[int, int, float]] = []
        self._data = data
        self._place = 0
        self._order = "<"
        self._at: list[float] = []

    def geometry(self) -> None:
        """Reads a geometry, and those within it."""
        self._order = "<" if self._data[self._place] == 1 else ">"
        self._keep(1)
        kind = self._word()
        dimensions = 2 + bool(kind & _Z) + bool(kind & _M)
        if kind & _SRID:
            self._word()
        base = kind & 0xFF
        if base == _POINT:
            self._points(1, dimensions, ring=False)
        elif base == _LINE:
            self._points(self._word(), dimensions, ring=False)
        elif base == _POLYGON:
            for _ in range(self._word()):
                self._points(self._word(), dimensions, ring=True)
        elif base <= _LAST_COLLECTION:
            for _ in range(self._word()):
                self.geometry()
        else:
            # Curves and surfaces are kept as they are.
            self._keep(len(self._data) - self._place)

    def _keep(self, size: int) -> None:
        self.form.append(self._data[self._place : self._place + size].hex().upper())
        self._place += size

    def _word(self) -> int:
        (word,) = struct.unpack_from(f"{self._order}I", self._data, self._place)
        self._keep(4)
        return int(word)

    def _points(self, count: int, dimensions: int, *, ring: bool) -> None:
        first: list[float] = []
        for i in range(count):
            point = list(struct.unpack_from(f"{self._order}{dimensions}d", self._data, self._place))
            if any(map(math.isnan, point)):
                # An empty point is one of nothing but NaN.
                self._keep(8 * dimensions)
                continue
            self._place += 8 * dimensions
            if ring and first and i == count - 1 and point == first:
                self.form.append(_CLOSED * dimensions + " ")
                continue
            first = first or point
            self._point(point)

    def _point(self, point: list[float]) -> None:
        number = len(self.numbers) // len(point)
        before = self._at or [0.0] * len(point)
        self.numbers += [(number, i, value - old) for i, (value, old) in enumerate(zip(point, before, strict=True))]
        self.form.append(MARK * len(point) + " ")
        self._at = point
