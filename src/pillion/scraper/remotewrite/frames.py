"""The records of the write-ahead log. Pure.

    segment = MAGIC record…          record = head payload
    head    = size of the payload, CRC-32 of the rest of the head and the payload, kind, set, time, samples

A set of series is written once in each segment that has samples of it, before them, under a number which is its own
for as long as the process lives. Payloads are MessagePack, compressed with snappy.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from enum import IntEnum

import msgspec

from pillion.scraper.samples import Batch, Exemplar, Metadata, SeriesSet

MAGIC = b"PILLWAL\x01"
_HEAD = struct.Struct("<IIB3xIqI")
HEAD_BYTES = _HEAD.size
_CHECKED_FROM = 8
"""Where in the head the part begins that the checksum is about."""


class Kind(IntEnum):
    SERIES = 1
    BATCH = 2


class Head(msgspec.Struct, frozen=True, kw_only=True):
    size: int
    checksum: int
    kind: int
    set: int
    time: int
    """Of a batch; milliseconds."""
    samples: int


class TornError(ValueError):
    """The bytes are no whole record: the end of what was written, or damage."""


class _Exemplar(msgspec.Struct, frozen=True, array_like=True):
    index: int
    labels: tuple[tuple[str, str], ...]
    value: float
    time: int | None


class _Column(msgspec.Struct, frozen=True, array_like=True):
    values: bytes
    times: bytes | None
    starts: bytes | None
    exemplars: tuple[_Exemplar, ...]


class _Series(msgspec.Struct, frozen=True, array_like=True):
    labels: tuple[tuple[tuple[str, str], ...], ...]
    families: tuple[Metadata, ...]
    family: bytes
    """Of each series, 4 bytes: its place in `families` counted from 1; 0 for none."""


_columns = msgspec.msgpack.Decoder(_Column)
_sets = msgspec.msgpack.Decoder(_Series)


def series_frame(number: int, series: SeriesSet) -> bytes:
    families: dict[int, tuple[int, Metadata]] = {}
    indices = array("I")
    for meta in series.metadata:
        if meta is None:
            indices.append(0)
        else:
            at, _ = families.setdefault(id(meta), (len(families) + 1, meta))
            indices.append(at)
    table = tuple(meta for _, meta in families.values())
    payload = msgspec.msgpack.encode(_Series(series.labels, table, indices.tobytes()))
    return _frame(Kind.SERIES, number, 0, len(series), payload)


def batch_frame(number: int, batch: Batch) -> bytes:
    column = _Column(
        batch.values,
        None if batch.times is None else batch.times.tobytes(),
        None if batch.starts is None else batch.starts.tobytes(),
        tuple([_Exemplar(one.index, one.labels, one.value, one.time) for one in batch.exemplars]),
    )
    return _frame(Kind.BATCH, number, batch.time, len(batch.series), msgspec.msgpack.encode(column))


def _frame(kind: Kind, number: int, time: int, samples: int, payload: bytes) -> bytes:
    from cramjam import snappy

    packed = bytes(snappy.compress_raw(payload))
    head = _HEAD.pack(len(packed), 0, kind, number, time, samples)
    checksum = zlib.crc32(packed, zlib.crc32(head[_CHECKED_FROM:]))
    return b"".join((head[:4], checksum.to_bytes(4, "little"), head[_CHECKED_FROM:], packed))


def parse_head(data: bytes) -> Head:
    """Raises TornError for less than a head, and for one that nobody wrote."""
    if len(data) < HEAD_BYTES:
        raise TornError
    size, checksum, kind, number, time, samples = _HEAD.unpack(data)
    if kind not in (Kind.SERIES, Kind.BATCH):
        raise TornError
    return Head(size=size, checksum=checksum, kind=kind, set=number, time=time, samples=samples)


def check(head: bytes, payload: bytes) -> None:
    """Raises TornError when the checksum is not that of head and payload."""
    found = parse_head(head)
    if len(payload) != found.size:
        raise TornError
    if zlib.crc32(payload, zlib.crc32(head[_CHECKED_FROM:])) != found.checksum:
        raise TornError


def decode_series(payload: bytes) -> SeriesSet:
    from cramjam import snappy

    found = _sets.decode(bytes(snappy.decompress_raw(payload)))
    indices = array("I", found.family)
    families = (None, *found.families)
    return SeriesSet(found.labels, tuple([families[at] for at in indices]))


def decode_batch(payload: bytes, series: SeriesSet, time: int) -> Batch:
    from cramjam import snappy

    column = _columns.decode(bytes(snappy.decompress_raw(payload)))
    return Batch(
        series=series,
        time=time,
        values=column.values,
        times=None if column.times is None else array("q", column.times),
        starts=None if column.starts is None else array("q", column.starts),
        exemplars=tuple(
            [
                Exemplar(index=one.index, labels=one.labels, value=one.value, time=one.time)
                for one in column.exemplars
            ]
        ),
    )
