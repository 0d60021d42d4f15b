"""What a shard sends next: records of the log, cut into blocks, gathered into requests."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import msgspec

from pillion.scraper.remotewrite.request import Chunk, Protocol, blocks_of

if TYPE_CHECKING:
    from pillion.scraper.remotewrite.block import Block
    from pillion.scraper.remotewrite.counters import Counters
    from pillion.scraper.remotewrite.cursor import Cursor, Record
    from pillion.scraper.remotewrite.position import Position
    from pillion.scraper.remotewrite.selection import Selection
    from pillion.scraper.samples import Batch, SeriesSet


_LOOKED_AT = 8
"""Sets that were cut before: targets whose pages change take turns."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    samples: int
    """Most of a request."""
    age: float = 0.0
    """Seconds after which a sample is not sent any more; 0: none."""


class _Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A set's blocks, in the order of their series. Where they begin and end is the same in both protocols."""

    blocks: list[Block]
    dropped: int


class _Piece(msgspec.Struct, kw_only=True):
    """A block's samples of one batch."""

    batch: Batch
    number: int
    """Of the block in its cut."""
    samples: int
    after: Position
    """Where the shard stands when this is settled."""


class Supply:
    """Not thread-safe. It holds one request and one record at most: what else there is, is in the log."""

    def __init__(
        self, cursor: Cursor, selection: Selection, counters: Counters, *, limits: Limits, shards: int
    ) -> None:
        self._cursor = cursor
        self._selection = selection
        self._counters = counters
        self._limits = limits
        self._shards = shards
        self._cuts: dict[Protocol, WeakKeyDictionary[SeriesSet, _Cut]] = {
            protocol: WeakKeyDictionary() for protocol in Protocol
        }
        self._rest: deque[_Piece] = deque()
        self._gathered: list[_Piece] = []
        self.samples = 0
        """That are gathered."""
        self.since: float | None = None
        """When the first of them was gathered, seconds; None: there are none."""
        self.position = cursor.position
        """Everything before it is settled."""

    @property
    def appended(self) -> int:
        """Samples that the log has taken: it changes when there is more to read."""
        return self._cursor.appended

    @property
    def read_up_to(self) -> Position:
        return self._cursor.position

    def gather(self, protocol: Protocol, now: float, *, until: Position | None = None) -> bool:
        """Read until a request is full (True) or the log has no more, or none before `until`. `now` in seconds."""
        while True:
            while self._rest:
                if not self._fits(self._rest[0], protocol):
                    return True
                piece = self._rest.popleft()
                self._gathered.append(piece)
                self.samples += piece.samples
                if self.since is None:
                    self.since = now
            if self.samples >= self._limits.samples:
                return True
            if until is not None and self._cursor.position >= until:
                return False
            record = self._cursor.read()
            self._counters.dropped_unsent += self._cursor.dropped // self._shards
            self._cursor.dropped = 0
            if record is None:
                return False
            self._cut_record(record, protocol)

    def chunks(self, protocol: Protocol, now: float) -> list[Chunk]:
        """What is gathered, without what has become too old, which is counted."""
        found = []
        for piece in self._gathered:
            block = self._cut(piece.batch.series, protocol).blocks[piece.number]
            positions = _young(block, piece.batch, now - self._limits.age) if self._limits.age else None
            left = block.count if positions is None else len(positions)
            self._counters.dropped_old += piece.samples - left
            self.samples -= piece.samples - left
            piece.samples = left
            if left:
                found.append(Chunk(block=block, batch=piece.batch, positions=positions))
        return found

    def settle(self) -> None:
        """What was gathered has been answered for good."""
        if self._gathered:
            self.position = self._gathered[-1].after
        self._gathered.clear()
        self.samples = 0
        self.since = None

    def close(self) -> None:
        self._cursor.close()

    def _fits(self, piece: _Piece, protocol: Protocol) -> bool:
        if not self._gathered:
            return True
        if self.samples + piece.samples > self._limits.samples:
            return False
        if protocol is Protocol.V1:
            return True
        # A request of v2 has one table of symbols, which is the block's.
        first = self._gathered[0]
        return first.batch.series is piece.batch.series and first.number == piece.number

    def _cut_record(self, record: Record, protocol: Protocol) -> None:
        cut = self._cut(record.batch.series, protocol)
        if not record.at.done and self._selection.counts_drops:
            self._counters.dropped_relabelled += cut.dropped
        for number, block in enumerate(cut.blocks):
            if block.end <= record.at.done:
                continue
            is_last = number == len(cut.blocks) - 1
            after = record.after if is_last else record.at._replace(done=block.end)
            self._rest.append(_Piece(batch=record.batch, number=number, samples=block.count, after=after))
        if not self._rest:
            # Nothing of it is ours: it is settled with what is gathered, or at once.
            if self._gathered:
                self._gathered[-1].after = record.after
            else:
                self.position = record.after

    def _cut(self, series: SeriesSet, protocol: Protocol) -> _Cut:
        cut = self._cuts[protocol].get(series)
        if cut is None:
            selected = list(self._selection.select(series, self._prefixes(series, protocol)))
            blocks = blocks_of(series, selected, protocol, self._limits.samples)
            cut = _Cut(blocks=blocks, dropped=self._selection.dropped(series, len(selected)))
            self._cuts[protocol][series] = cut
        return cut

    def _prefixes(self, series: SeriesSet, protocol: Protocol) -> dict[int, bytes]:
        """Those of the set that was cut last and has some of the same labels, by the identity of these: of a page that
        changes, most stays. In v2 they depend on the block."""
        if protocol is Protocol.V2 or not len(series):
            return {}
        ends = (id(series.labels[0]), id(series.labels[-1]))
        for reference in reversed(list(self._cuts[protocol].keyrefs())[-_LOOKED_AT:]):
            like = reference()
            if like is not None and (id(like.labels[0]) in ends or id(like.labels[-1]) in ends):
                return {
                    id(like.labels[index]): prefix
                    for block in self._cuts[protocol][like].blocks
                    for index, prefix in zip(block.indices(), block.prefixes, strict=True)
                }
        return {}


def _young(block: Block, batch: Batch, oldest: float) -> tuple[int, ...] | None:
    """Positions of what is not older than `oldest` (seconds since the epoch); None: all of the block's."""
    limit = oldest * 1000
    if batch.times is None:
        return None if batch.time >= limit else ()
    times = block.numbers(batch.times)
    if min(times) >= limit:
        return None
    return tuple([at for at, time in enumerate(times) if time >= limit])
