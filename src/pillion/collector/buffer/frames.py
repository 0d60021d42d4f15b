"""The format of a chunk on disk. Pure.

A segment is a file: `HEADER`, then frames one after the other. A frame is

    magic   4 bytes  `CHNK`
    check   u32      CRC-32 of the rest of this head and of the label
    label   u32      length of the label
    data    u32      length of the data
    crc     u32      CRC-32 of the data
    the label, the data

little-endian. The label (msgpack) says what the data is and who has to get it: enough to plan with, without reading
the data, so that a start with a full disk is quick. The data's own checksum is looked at when it is read.

Beside a segment lies its marks file: `MARKS`, then 8 bytes for each (chunk, output) that is done: the chunk's number in
the segment (u32), the output's in its label (u16), and 16 bits of the CRC-32 of these six bytes.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator
from typing import Protocol, assert_never

import msgspec

from pillion.collector.records import Content, Lines, Records, Texts, as_texts

HEADER = b"pillion chunks 1\n"
MARKS = b"pillion marks 1\n"
"""The number is the format's: a file with another one is left alone, and said."""

_MAGIC = b"CHNK"
_HEAD = struct.Struct("<4sIIII")
_MARK = struct.Struct("<IHH")


class Label(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    tag: str
    kind: str
    """`lines`, `texts` or `records`."""
    outputs: tuple[str, ...]
    records: int
    bytes: int
    since: float
    time: int | None = None
    """Of all records; None: the data begins with one for each, as signed 64-bit numbers."""
    key: str = ""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Where a chunk is in its segment."""

    number: int
    label: Label
    offset: int
    """Of the data."""
    length: int
    crc: int


class DamagedChunk(Exception):  # noqa: N818 - what it is about, as the errors of pillion.errors
    """What is read is not what was written."""


def encode(
    tag: str, content: Content, *, outputs: tuple[str, ...], records: int, size: int, since: float
) -> bytes:
    time: int | None = None
    key, times = "", b""
    if isinstance(content, Records):
        try:
            data = msgspec.msgpack.encode(content.bodies)
        except OverflowError:  # an integer beyond 64 bits, which JSON has and msgpack has not
            content = as_texts(content)
    match content:
        case Lines():
            kind, data, time, key = "lines", content.data, content.time, content.key
        case Texts():
            kind, data = "texts", content.data
            if isinstance(content.times, int):
                time = content.times
            else:
                times = array("q", content.times).tobytes()
        case Records():
            kind, times = "records", array("q", content.times).tobytes()
        case _:
            assert_never(content)
    data = times + data
    label = msgspec.msgpack.encode(
        Label(
            tag=tag, kind=kind, outputs=outputs, records=records, bytes=size, since=since, time=time, key=key
        )
    )
    lengths = _HEAD.pack(_MAGIC, 0, len(label), len(data), zlib.crc32(data))[8:]
    return _MAGIC + struct.pack("<I", zlib.crc32(lengths + label)) + lengths + label + data


def decode(frame: Frame, data: bytes) -> Content:
    """Raises DamagedChunk."""
    label = frame.label
    if len(data) != frame.length or zlib.crc32(data) != frame.crc:
        raise DamagedChunk(f"{label.records} records of {label.tag} are damaged on disk")
    if label.kind == "lines":
        return Lines(data=data, time=label.time or 0, key=label.key)
    if label.time is not None:
        return Texts(data=data, times=label.time)
    times = array("q", data[: 8 * label.records]).tolist()
    data = data[8 * label.records :]
    if label.kind == "texts":
        return Texts(data=data, times=times)
    return Records(times=times, bodies=msgspec.msgpack.decode(data, type=list[dict[str, object]]))


class Readable(Protocol):
    """Bytes, or a file that is mapped: only what is looked at is read."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> bytes: ...
    def find(self, part: bytes, start: int, /) -> int: ...


def scan(raw: Readable) -> Iterator[Frame | int]:
    """The frames of a segment and, as numbers, how many bytes between them are none.

    Damage does not hide what comes after it: the next intact frame is looked for.
    """
    position, number = len(HEADER), 0
    while position < len(raw):
        frame = _frame_at(raw, position, number)
        if frame is not None:
            yield frame
            position, number = frame.offset + frame.length, number + 1
            continue
        beginning = position
        while (position := raw.find(_MAGIC, position + 1)) >= 0:
            if _frame_at(raw, position, number) is not None:
                break
        position = len(raw) if position < 0 else position
        yield position - beginning


def mark(chunk: int, output: int) -> bytes:
    return _MARK.pack(chunk, output, _check(chunk, output))


def marks(data: bytes) -> set[tuple[int, int]]:
    """The (chunk, output) of a marks file. A mark that is damaged is none: its chunk is sent once more."""
    body = data[len(MARKS) :]
    body = body[: len(body) - len(body) % _MARK.size]
    return {
        (chunk, output) for chunk, output, check in _MARK.iter_unpack(body) if check == _check(chunk, output)
    }


def _frame_at(raw: Readable, position: int, number: int) -> Frame | None:
    head = raw[position : position + _HEAD.size]
    if len(head) < _HEAD.size or not head.startswith(_MAGIC):
        return None
    _, check, label_length, length, crc = _HEAD.unpack(head)
    begin = position + _HEAD.size
    label = raw[begin : begin + label_length]
    if begin + label_length + length > len(raw) or zlib.crc32(head[8:] + label) != check:
        return None
    return Frame(
        number=number,
        label=msgspec.msgpack.decode(label, type=Label),
        offset=begin + label_length,
        length=length,
        crc=crc,
    )


def _check(chunk: int, output: int) -> int:
    return zlib.crc32(struct.pack("<IH", chunk, output)) & 0xFFFF
