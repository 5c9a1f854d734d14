"""Values that carry no statistics and are made fresh: UUIDs, bytes, and network addresses."""

from __future__ import annotations

import ipaddress
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replica.databases.base import Reading
from replica.kinds.base import Codes, ColumnData, Rows, Span, is_null, masked
from replica.kinds.quantile import QuantileCode, fit_quantiles
from replica.schema.model import Column

Words = npt.NDArray[np.uint64]

_MAX_BYTES = 4096


def scramble(numbers: Words, salt: int) -> Words:
    """Mixes 64-bit numbers so that they look random; different numbers stay different (SplitMix64's finaliser)."""
    with np.errstate(over="ignore"):
        z = numbers + np.uint64((salt * 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uuid_array(numbers: Words, salt: int) -> pa.Array:
    """Makes a version 4 UUID of each number: 16 bytes each, different for different numbers."""
    high, low = scramble(numbers, salt), scramble(numbers, salt + 1)
    # The version and variant bits take the place of six random ones.
    high = (high & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x4000)
    low = (low & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(0x8000000000000000)
    raw = np.stack([high, low], axis=1).astype(">u8").tobytes()
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(numbers), [None, pa.py_buffer(raw)])


@dataclass(frozen=True)
class UuidKind:
    """Random UUIDs of version 4.

    Attributes:
        name: the column's name.
        nulls: share of rows without a value.
    """

    name: str
    nulls: float

    reading: ClassVar[Reading] = "presence"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "uuid"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`."""
        return cls(data.column.name, null_share(data.values))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`: only whether there is a value."""
        return (Span(f"{self.name} present", 2),) if 0 < self.nulls < 1 else ()

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        return presence_codes(present_only(values), self.spans)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        salt = int(rows.rng.integers(0, 2**62))
        values = uuid_array(rows.ordinals.astype(np.uint64), salt)
        return masked(values, absent(codes, self.nulls, len(rows)))


def presence_codes(values: pa.Array, spans: tuple[Span, ...]) -> Codes:
    """Returns 1 where there is a value, as the one span of kinds that learn no more than that."""
    if not spans:
        return np.zeros((len(values), 0), np.int32)
    return (~is_null(values)).astype(np.int32)[:, None]


def absent(codes: Codes, nulls: float, n: int) -> npt.NDArray[np.bool_]:
    """Returns which rows get no value: by their code, or all or none where nothing had to be learned."""
    if codes.shape[1]:
        missing: npt.NDArray[np.bool_] = codes[:, 0] == 0
        return missing
    return np.full(n, nulls >= 1)


def present_only(values: pa.Array) -> pa.Array:
    """Turns a column read for presence into one that is null where nothing was."""
    if not pa.types.is_boolean(values.type):
        return values
    return pa.array([True if value else None for value in values.to_pylist()], pa.bool_())


def null_share(values: pa.Array) -> float:
    """Returns the share of rows without a value, of a column read by value, length or presence."""
    return float(is_null(present_only(values)).mean()) if len(values) else 0.0


@dataclass(frozen=True)
class BytesKind:
    """Random bytes, as long as the source's; the bytes themselves are never read.

    Attributes:
        name: the column's name.
        length: the distribution of the number of bytes; None without a value.
        nulls: True where the last code stands for null.
    """

    name: str
    length: QuantileCode | None
    nulls: bool

    reading: ClassVar[Reading] = "length"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "bytes"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`."""
        null = is_null(data.values)
        lengths = np.asarray(data.values.drop_null(), dtype=np.float64)
        holders = data.holders[~null] if data.holders is not None else None
        curve = fit_quantiles(lengths, holders, bins=16, min_holders=data.min_holders) if len(lengths) else None
        return cls(data.column.name, curve, bool(null.any()))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`."""
        bins = self.length.bins if self.length else 0
        return (Span(f"{self.name} length", max(1, bins + self.nulls), ordered=bins),)

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        codes = np.zeros(len(values), np.int32)
        if self.length is not None:
            codes = self.length.encode(np.asarray(values.fill_null(0), dtype=np.float64))
            codes[is_null(values)] = self.length.bins if self.nulls else 0
        return codes[:, None]

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        if self.length is None:
            return pa.nulls(len(codes), pa.binary())
        drawn = self.length.decode(np.minimum(codes[:, 0], self.length.bins - 1), rows.rng)
        lengths = np.clip(np.round(drawn), 0, _MAX_BYTES).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        raw = rows.rng.bytes(int(offsets[-1]))
        values = [raw[a:b] for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]
        return masked(pa.array(values, pa.binary()), self.nulls & (codes[:, 0] == self.length.bins))


@dataclass(frozen=True)
class NetworkKind:
    """Addresses of a network: random ones from ranges that belong to nobody.

    Attributes:
        name: the column's name.
        base: ``inet``, ``cidr``, ``macaddr`` or ``macaddr8``.
        version_6: share of IPv6 among the addresses.
        prefixes: the lengths of networks that occur, in bits, and their shares; for ``inet`` and ``cidr``, by version.
        nulls: share of rows without a value.
    """

    name: str
    base: str
    version_6: float
    prefixes: Mapping[str, tuple[tuple[int, float], ...]]
    nulls: float

    reading: ClassVar[Reading] = "value"

    @classmethod
    def accepts(cls, column: Column) -> bool:
        """See :meth:`replica.kinds.base.Kind.accepts`."""
        return column.type.family == "network"

    @classmethod
    def fit(cls, data: ColumnData, rng: np.random.Generator) -> Self:  # noqa: ARG003 - part of the protocol
        """See :meth:`replica.kinds.base.Kind.fit`."""
        texts = data.values.drop_null()[:10_000].to_pylist()
        share = sum(":" in text for text in texts) / len(texts) if texts else 0.0
        base = data.column.type.base
        prefixes = {} if base.startswith("macaddr") else {version: _prefixes(texts, version) for version in ("4", "6")}
        return cls(data.column.name, base, share, prefixes, null_share(data.values))

    @property
    def spans(self) -> tuple[Span, ...]:
        """See :meth:`replica.kinds.base.Kind.spans`: only whether there is a value."""
        return (Span(f"{self.name} present", 2),) if 0 < self.nulls < 1 else ()

    def encode(self, values: pa.Array) -> Codes:
        """See :meth:`replica.kinds.base.Kind.encode`."""
        return presence_codes(values, self.spans)

    def decode(self, codes: Codes, rows: Rows) -> pa.Array:
        """See :meth:`replica.kinds.base.Kind.decode`."""
        six = rows.rng.random(len(rows)) < self.version_6
        words = scramble(rows.ordinals.astype(np.uint64), int(rows.rng.integers(0, 2**62)))
        # The short addresses count through all there are, so that different rows get different ones.
        key = (rows.people.salt + zlib.crc32(self.name.encode())) % 2**24
        counted = (rows.ordinals * (2 * key + 1) + key) & 0xFFFFFF
        words = np.where(six | self.base.startswith("macaddr"), words, counted.astype(np.uint64))
        values = [self._address(word, is_six) for word, is_six in zip(words.tolist(), six.tolist(), strict=True)]
        if self.prefixes:
            values = self._networks(values, six, rows.rng)
        return masked(pa.array(values, pa.string()), absent(codes, self.nulls, len(rows)))

    def _networks(self, addresses: list[str], six: npt.NDArray[np.bool_], rng: np.random.Generator) -> list[str]:
        """Turns addresses into networks of the lengths that occur."""
        lengths = np.where(six, 128, 32)
        for version, here in (("4", ~six), ("6", six)):
            known = self.prefixes[version]
            if known and here.any():
                shares = np.array([share for _, share in known])
                lengths[here] = rng.choice([length for length, _ in known], int(here.sum()), p=shares / shares.sum())
        return [self._network(address, length) for address, length in zip(addresses, lengths.tolist(), strict=True)]

    def _network(self, address: str, length: int) -> str:
        if length == (128 if ":" in address else 32):
            return address
        if self.base == "inet":
            return f"{address}/{length}"
        # Of a network only the first bits are written; they are what counts through the rows.
        version = ipaddress.IPv6Address if ":" in address else ipaddress.IPv4Address
        kept = int(version(address)) if version is ipaddress.IPv6Address else _turned(int(version(address)), length)
        return str(ipaddress.ip_network((kept, length), strict=False))

    def _address(self, word: int, is_six: bool) -> str:
        if self.base.startswith("macaddr"):
            # The second-lowest bit of the first byte marks an address that no maker was given.
            size = 8 if self.base == "macaddr8" else 6
            raw = bytes([0x02, *word.to_bytes(8, "big")[: size - 1]])
            return ":".join(f"{byte:02x}" for byte in raw)
        if is_six:
            # 2001:db8::/32 is set aside for documentation.
            address: object = ipaddress.IPv6Address((0x20010DB8 << 96) | word)
        else:
            # 10.0.0.0/8 is private.
            address = ipaddress.IPv4Address((10 << 24) | (word & 0xFFFFFF))
        return str(address)


def _prefixes(texts: list[str], version: str) -> tuple[tuple[int, float], ...]:
    """The lengths of the networks of one version, and their shares."""
    longest = 128 if version == "6" else 32
    found = Counter(
        int(text.partition("/")[2] or longest) for text in texts if (":" in text) == (version == "6")
    ).most_common()
    total = sum(count for _, count in found)
    return tuple((length, count / total) for length, count in found)


def _turned(address: int, length: int) -> int:
    """Brings the last bits of an address of 10.0.0.0/8, which differ between rows, into the network's part."""
    return (10 << 24) | (((address & 0xFFFFFF) << (32 - max(9, length))) & 0xFFFFFF)
