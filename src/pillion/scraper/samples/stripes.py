"""Columns packed together: some columns of the same series, cut into stripes of neighbouring series, each compressed.

Neighbours in time differ little, so each column is stored as the bits that changed since the one before (XOR, as in
Facebook's Gorilla), series by series, with the eight bytes of all doubles sorted into eight planes: exponents, which
hardly change, are long runs of zeros, and a series that does not change is one in all planes. That takes 1.2 bytes for
a sample where a third of an agent's series change each time, 1.9 where all do. All of it is arithmetic on whole
columns. A stripe can be read without the others, so a question about a few series of many costs little.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

VALUE_BYTES = 8
STRIPE = 256
"""Series in a stripe: a millisecond to compress 32 columns of it."""
_LEVEL = 1
"""Of Zstandard: higher ones take more time than they save bytes (measured on planes: 3 takes 2 % less, 9 takes 5 %)."""


def stripes_of(series: int) -> int:
    return -(-series // STRIPE)


def pack_stripe(columns: Sequence[bytes], stripe: int) -> bytes:
    """That stripe of all columns."""
    cut = slice(stripe * STRIPE * VALUE_BYTES, (stripe + 1) * STRIPE * VALUE_BYTES)
    joined = b"".join([column[cut] for column in columns])
    width = len(joined) // len(columns)
    before = bytes(width) + joined[:-width]
    changes = (int.from_bytes(joined, "little") ^ int.from_bytes(before, "little")).to_bytes(
        len(joined), "little"
    )
    by_series = _turned(changes, width // VALUE_BYTES)
    return _compressed(b"".join([by_series[plane::VALUE_BYTES] for plane in range(VALUE_BYTES)]))


def unpack_stripe(packed: bytes, columns: int) -> bytes:
    """The stripe's columns, one after the other."""
    planes = _decompressed(packed)
    by_series = bytearray(len(planes))
    height = len(planes) // VALUE_BYTES
    for plane in range(VALUE_BYTES):
        by_series[plane::VALUE_BYTES] = planes[plane * height : (plane + 1) * height]
    changes = _turned(by_series, columns)
    width = len(planes) // columns
    value, found = 0, []
    for start in range(0, len(changes), width):
        value ^= int.from_bytes(changes[start : start + width], "little")
        found.append(value.to_bytes(width, "little"))
    return b"".join(found)


def _turned(values: bytes | bytearray, width: int) -> bytes:
    """Of a matrix with rows of `width` values, the columns one after the other."""
    matrix = array("Q", values)
    return b"".join([matrix[at::width].tobytes() for at in range(width)])


def _compressed(data: bytes) -> bytes:
    from cramjam import zstd  # when there is something old enough to be packed

    return bytes(zstd.compress(data, level=_LEVEL))


def _decompressed(data: bytes) -> bytes:
    from cramjam import zstd

    return bytes(zstd.decompress(data))


class Block:
    """Some columns of one set of series, oldest first. It begins raw and is packed stripe by stripe."""

    __slots__ = ("_packed", "_raw", "columns", "series", "size")

    def __init__(self, series: int) -> None:
        self.series = series
        self.columns = 0
        self.size = 0
        """Bytes."""
        self._raw: list[bytes] | None = []
        self._packed: list[bytes] = []

    @property
    def is_packed(self) -> bool:
        return self._raw is None

    def add(self, column: bytes) -> None:
        """A column that is the same as the last one is kept once."""
        assert self._raw is not None
        if self._raw and self._raw[-1] == column:
            column = self._raw[-1]
        else:
            self.size += len(column)
        self._raw.append(column)
        self.columns += 1

    def pack_some(self, stripes: int) -> None:
        """Pack that many stripes more. Nothing can be added any more."""
        if self._raw is None:
            return
        total = stripes_of(self.series)
        begun = len(self._packed)
        self._packed += [
            pack_stripe(self._raw, stripe) for stripe in range(begun, min(total, begun + stripes))
        ]
        if len(self._packed) == total:
            self._raw = None
            self.size = sum(map(len, self._packed))

    def rows(self, indices: Sequence[int], columns: Sequence[int]) -> list[array[int]]:
        """The raw bits of each of these series in each of these columns. `indices` are sorted."""
        return [
            row for stripe, members in _by_stripe(indices) for row in self._rows(stripe, members, columns)
        ]

    def _rows(self, stripe: int, members: Sequence[int], columns: Sequence[int]) -> list[array[int]]:
        first = stripe * STRIPE
        height = min(STRIPE, self.series - first)
        bits = array("Q")
        if self._raw is not None:
            cut = slice(first * VALUE_BYTES, (first + height) * VALUE_BYTES)
            bits.frombytes(b"".join([self._raw[column][cut] for column in columns]))
        else:
            unpacked = unpack_stripe(self._packed[stripe], self.columns)
            if len(columns) < self.columns:
                width = height * VALUE_BYTES
                unpacked = b"".join([unpacked[column * width : (column + 1) * width] for column in columns])
            bits.frombytes(unpacked)
        return [bits[index - first :: height] for index in members]


def _by_stripe(indices: Sequence[int]) -> list[tuple[int, list[int]]]:
    found: list[tuple[int, list[int]]] = []
    for index in indices:
        stripe = index // STRIPE
        if found and found[-1][0] == stripe:
            found[-1][1].append(index)
        else:
            found.append((stripe, [index]))
    return found
