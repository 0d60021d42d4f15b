"""From blocks and their samples to the message of a request. Pure."""

from __future__ import annotations

import struct
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

import msgspec

from pillion.scraper.remotewrite.block import (
    V2_SYMBOLS,
    Block,
    Symbols,
    block_v1,
    block_v2,
    is_usual,
    labels_v1,
    timestamp,
    type_number,
    whole_series,
)
from pillion.scraper.remotewrite.wire import message, number, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pillion.scraper.remotewrite.selection import Selected
    from pillion.scraper.samples import Batch, Exemplar, Metadata, SeriesSet


class Protocol(StrEnum):
    """What `protobuf_message` says."""

    V1 = "prometheus.WriteRequest"
    V2 = "io.prometheus.write.v2.Request"


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A block's samples of one batch."""

    block: Block
    batch: Batch
    positions: tuple[int, ...] | None = None
    """In the block, of the samples that are sent; None: all."""

    @property
    def samples(self) -> int:
        return self.block.count if self.positions is None else len(self.positions)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Before compression."""

    body: bytes
    samples: int
    exemplars: int
    highest: int
    """The latest timestamp in it, milliseconds."""


def blocks_of(series: SeriesSet, selected: Iterable[Selected], protocol: Protocol, size: int) -> list[Block]:
    """`selected` of a set, in blocks of at most `size`. Together they answer for every index of the set."""
    found = list(selected)
    width = len(series)
    build = block_v1 if protocol is Protocol.V1 else block_v2
    blocks = []
    for begin in range(0, len(found), size):
        part = found[begin : begin + size]
        after = found[begin + size].index if begin + size < len(found) else width
        blocks.append(build(part, end=after, width=width))
    return blocks


def encode(chunks: Sequence[Chunk], protocol: Protocol, *, send_exemplars: bool) -> Message:
    """For v2 all chunks are of one block: its symbols are the request's."""
    pieces: list[bytes] = []
    samples = exemplars = highest = 0
    symbols = _symbols(chunks[0].block) if protocol is Protocol.V2 and send_exemplars else None
    for chunk in chunks:
        found = _exemplars(chunk, protocol, symbols) if send_exemplars and chunk.batch.exemplars else {}
        exemplars += sum(count for count, _ in found.values())
        samples += chunk.samples
        highest = max(highest, _append(pieces, chunk, protocol, found))
    if protocol is Protocol.V2:
        block = chunks[0].block
        pieces.insert(0, block.symbol_bytes)
        if symbols is not None:
            extra = list(symbols.known)[len(block.symbols) :]
            pieces.insert(1, b"".join([text(V2_SYMBOLS, symbol) for symbol in extra]))
    return Message(body=b"".join(pieces), samples=samples, exemplars=exemplars, highest=highest)


def _append(
    pieces: list[bytes], chunk: Chunk, protocol: Protocol, exemplars: dict[int, tuple[int, bytes]]
) -> int:
    """Gives the latest timestamp."""
    block, batch = chunk.block, chunk.batch
    values = block.values(batch.values)
    starts = batch.starts if protocol is Protocol.V2 else None
    if batch.times is not None or chunk.positions is not None or not is_usual(batch.time):
        times = (batch.time,) * block.count if batch.times is None else block.numbers(batch.times)
        begun = (0,) * block.count if starts is None else block.numbers(starts)
        positions = range(block.count) if chunk.positions is None else chunk.positions
        for at in positions:
            extra = exemplars.get(at, (0, b""))[1]
            pieces.append(whole_series(block, at, (values[at], times[at], begun[at]), extra))
        return max((times[at] for at in positions), default=0)
    columns: list[Sequence[bytes]]
    if starts is None:
        columns = [block.prefixes, values]
    else:
        prefixes, tails = block.with_starts(starts)
        columns = [prefixes, values, tails]
    part = _interleaved(columns, timestamp(batch.time), block.count)
    for at, (_, extra) in exemplars.items():
        begun_at = 0 if starts is None else block.numbers(starts)[at]
        width = len(part) // block.count
        part[at * width : (at + 1) * width] = [
            whole_series(block, at, (values[at], batch.time, begun_at), extra),
            *[b""] * (width - 1),
        ]
    pieces += part
    return batch.time


def _interleaved(columns: Sequence[Sequence[bytes]], time: bytes, count: int) -> list[bytes]:
    """Series by series: what is before the value, the value, the timestamp, what is after it."""
    width = len(columns) + 1
    part = [time] * (width * count)
    part[0::width] = columns[0]
    part[1::width] = columns[1]
    if width > 3:
        part[3::width] = columns[2]
    return part


def _symbols(block: Block) -> Symbols:
    return Symbols(block.symbols)


def _exemplars(chunk: Chunk, protocol: Protocol, symbols: Symbols | None) -> dict[int, tuple[int, bytes]]:
    """By position in the block: how many, and the fields."""
    block, batch = chunk.block, chunk.batch
    wanted = {one.index for one in batch.exemplars}
    positions = dict(zip(block.indices(), range(block.count), strict=True)) if wanted else {}
    found: dict[int, tuple[int, bytes]] = {}
    for one in batch.exemplars:
        at = positions.get(one.index)
        if at is None or (chunk.positions is not None and at not in chunk.positions):
            continue
        time = batch.time if one.time is None else one.time
        count, fields = found.get(at, (0, b""))
        found[at] = count + 1, fields + _exemplar(one, time, protocol, symbols)
    return found


def _exemplar(one: Exemplar, time: int, protocol: Protocol, symbols: Symbols | None) -> bytes:
    value = b"\x11" + struct.pack("<d", one.value)
    match protocol:
        case Protocol.V1:
            return message(b"\x1a", labels_v1(one.labels, {}) + value + b"\x18" + timestamp(time)[1:])
        case Protocol.V2:
            assert symbols is not None
            return message(b"\x22", symbols.labels(one.labels) + value + b"\x18" + timestamp(time)[1:])
        case _:
            assert_never(protocol)


def encode_metadata(families: Iterable[Metadata]) -> bytes:
    """A request of v1 without samples: WriteRequest.metadata = 3, of type 1, name 2, help 4 and unit 5."""
    return b"".join(
        [
            message(
                b"\x1a",
                number(b"\x08", type_number(family.type))
                + text(b"\x12", family.name)
                + text(b"\x22", family.help)
                + text(b"\x2a", family.unit),
            )
            for family in families
        ]
    )
