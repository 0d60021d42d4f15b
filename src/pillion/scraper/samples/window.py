"""The last hour in memory, for whoever wants to look: bounded in time and in bytes; the oldest goes first, counted.

Written by columns, read by series. An append copies nothing and costs less than a millisecond for 10,000 series, the
packing of older columns included. What is asked for most, the newest value before an instant, unpacks one column per
instant and not all those of the five minutes before it.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.samples.batch import STALE
from pillion.scraper.samples.slot import Slot
from pillion.scraper.samples.stripes import VALUE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pillion.scraper.labels import Labels, Matcher
    from pillion.scraper.samples.batch import Batch, Exemplar, Metadata, SeriesSet

RETENTION = 3_600_000
"""Milliseconds."""
LIMIT = 16 << 20
"""Bytes. Of 10,000 series an hour at 5 s, or twenty minutes at 1 s, if a third of them changes each time."""
_LABEL_BYTES = 300
"""Counted for a series' labels when no other set has them: five labels of usual length in CPython."""
_RELATIVES = 4
_EXEMPLARS = 2000
ABSENT = -(2**63)
_STALE_BITS: int = struct.unpack("<Q", STALE)[0]


class TooManySamplesError(Exception):
    """The question would need more samples in memory than it may."""


class InstantSeries(msgspec.Struct, frozen=True):
    """For each instant the newest sample, if there is one that is not too old and not the end of the series."""

    labels: Labels
    times: Sequence[int]
    """`ABSENT` where there is none."""
    values: array[float]


class RangeSeries(msgspec.Struct, frozen=True):
    """All samples of a range but the staleness markers."""

    labels: Labels
    times: array[int]
    values: array[float]


class SeenExemplar(msgspec.Struct, frozen=True):
    series: Labels
    exemplar: Exemplar
    time: int


class _Piece(msgspec.Struct, frozen=True):
    """Samples of one series from one set: times rise."""

    times: Sequence[int]
    bits: array[int]


class Window:
    """`retention` in milliseconds, `limit` in bytes."""

    def __init__(self, retention: int = RETENTION, limit: int = LIMIT) -> None:
        self._retention = retention
        self._limit = limit
        self._slots: dict[tuple[int, bool], Slot] = {}
        self._bytes = 0
        self._exemplars: deque[SeenExemplar] = deque(maxlen=_EXEMPLARS)
        self.newest = 0
        """The time of the newest sample; 0: none yet."""
        self.appended = 0
        """Samples."""
        self.dropped = 0
        """Samples that had to go before their time: for want of bytes."""
        self.expired = 0
        """Samples that went when they were as old as they may be."""
        self.out_of_order = 0
        """Samples that were not newer than what their set had."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self._bytes

    @property
    def samples(self) -> int:
        return self.appended - self.dropped - self.expired

    @property
    def chunks(self) -> int:
        """Blocks of columns."""
        return sum(slot.blocks for slot in self._slots.values())

    def append(self, batch: Batch) -> None:
        if not len(batch.series):
            return
        slot = self._slot(batch)
        is_late = bool(slot.times) and batch.time <= slot.times[-1]
        if is_late and (not slot.has_own_times or batch.time < slot.times[-1]):
            self.out_of_order += len(batch.series)
            return
        before = slot.size
        slot.add(batch)
        self._bytes += slot.size - before
        self.appended += len(batch.series)
        self.newest = max(self.newest, batch.time)
        for exemplar in batch.exemplars:
            time = batch.time if exemplar.time is None else exemplar.time
            self._exemplars.append(SeenExemplar(batch.series.labels[exemplar.index], exemplar, time))
        self._expire(slot)

    def _slot(self, batch: Batch) -> Slot:
        key = (id(batch.series), batch.times is not None)
        slot = self._slots.get(key)
        if slot is None:
            slot = Slot(batch.series, own=batch.times is not None, charge=self._charge(batch.series))
            self._slots[key] = slot
            self._bytes += slot.size
        return slot

    def _charge(self, series: SeriesSet) -> int:
        new = set(map(id, series.labels))
        for other in self._relatives(series):
            new.difference_update(map(id, other.labels))
            if not new:
                break
        return len(series) * VALUE_BYTES + len(new) * _LABEL_BYTES

    def _relatives(self, series: SeriesSet) -> Iterator[SeriesSet]:
        """Sets that have the most of the same labels, if any has: the newest, and those of the same target. To look at
        all would cost a page that always changes more than all the rest."""
        ends = (series.labels[0], series.labels[-1])
        newest = reversed([slot.series for slot in self._slots.values()])
        near = (
            other
            for age, other in enumerate(newest)
            if age < _RELATIVES or other.labels[0] is ends[0] or other.labels[-1] is ends[1]
        )
        return islice(near, 2 * _RELATIVES)

    def _expire(self, current: Slot) -> None:
        horizon = self.newest - self._retention
        for key, slot in list(self._slots.items()):
            while slot.times and slot.end_of_first < horizon:
                self.expired += self._drop(key, slot)
        while self._bytes > self._limit:
            key, slot = min(self._slots.items(), key=lambda item: item[1].end_of_first)
            if slot is current and slot.blocks == 1:
                break
            self.dropped += self._drop(key, slot)

    def _drop(self, key: tuple[int, bool], slot: Slot) -> int:
        before = slot.size
        dropped = slot.drop_first()
        if slot.times:
            self._bytes += slot.size - before
        else:
            self._bytes -= before
            del self._slots[key]
        return dropped

    def instants(
        self, matchers: Sequence[Matcher], instants: Sequence[int], lookback: int, limit: int
    ) -> list[InstantSeries]:
        """`instants` rise. A sample is too old when it is `lookback` milliseconds before its instant, or more.

        Raises TooManySamplesError beyond `limit` samples.
        """
        found: dict[Labels, list[_Piece]] = {}
        for slot, indices in self._matching(matchers):
            if slot.has_own_times:
                columns: Sequence[int] = range(len(slot.times))
            else:
                columns = _newest_before(slot.times, instants, lookback)
            limit = _spend(limit, len(indices), max(len(columns), len(instants)))
            self._read(slot, indices, columns, found)
        choices = _Choices(instants, lookback)
        return [InstantSeries(labels, *choices.of(_merged(found[labels]))) for labels in sorted(found)]

    def ranges(self, matchers: Sequence[Matcher], start: int, end: int, limit: int) -> list[RangeSeries]:
        """After `start`, until `end`. Raises TooManySamplesError beyond `limit` samples."""
        found: dict[Labels, list[_Piece]] = {}
        for slot, indices in self._matching(matchers):
            if slot.has_own_times:
                columns: Sequence[int] = range(len(slot.times))
            else:
                columns = range(bisect_right(slot.times, start), bisect_right(slot.times, end))
            limit = _spend(limit, len(indices), len(columns))
            self._read(slot, indices, columns, found)
        series = [_in_range(labels, pieces, start, end) for labels, pieces in sorted(found.items())]
        return [each for each in series if each.times]

    def series(self, matchers: Sequence[Matcher], start: int, end: int) -> set[Labels]:
        """Those that had samples between these times, both included."""
        return {
            slot.series.labels[index]
            for slot, indices in self._matching(matchers)
            if bisect_left(slot.times, start) < bisect_right(slot.times, end)
            for index in indices
        }

    def exemplars(self, matchers: Sequence[Matcher], start: int, end: int) -> Iterator[SeenExemplar]:
        for seen in self._exemplars:
            if start <= seen.time <= end and all(m.matches_labels(dict(seen.series)) for m in matchers):
                yield seen

    def metadata(self) -> dict[str, set[Metadata]]:
        """Of the families that are in the window, by their names."""
        found: dict[str, set[Metadata]] = {}
        for slot in self._slots.values():
            for each in set(slot.series.metadata):
                if each is not None:
                    found.setdefault(each.name, set()).add(each)
        return found

    def span(self) -> tuple[int, int] | None:
        """The times of the oldest and the newest sample."""
        oldest = min((slot.times[0] for slot in self._slots.values()), default=None)
        return None if oldest is None else (oldest, self.newest)

    def _matching(self, matchers: Sequence[Matcher]) -> Iterator[tuple[Slot, list[int]]]:
        for slot in self._slots.values():
            if indices := slot.matching(matchers):
                yield slot, indices

    def _read(
        self, slot: Slot, indices: list[int], columns: Sequence[int], found: dict[Labels, list[_Piece]]
    ) -> None:
        if not columns:
            return
        rows = slot.rows(indices, columns)
        if slot.has_own_times:
            all_times: Iterable[Sequence[int]] = slot.own_times(indices, columns)
        else:
            times = array("q", [slot.times[column] for column in columns])
            all_times = (times for _ in indices)
        for index, own, bits in zip(indices, all_times, rows, strict=True):
            found.setdefault(slot.series.labels[index], []).append(_Piece(own, bits))


def _spend(limit: int, series: int, columns: int) -> int:
    limit -= series * columns
    if limit < 0:
        raise TooManySamplesError
    return limit


def _newest_before(times: array[int], instants: Sequence[int], lookback: int) -> list[int]:
    """The columns that are the newest at one of the instants."""
    found: list[int] = []
    for instant in instants:
        column = bisect_right(times, instant) - 1
        is_new = not found or found[-1] != column
        if column >= 0 and is_new and times[column] > instant - lookback:
            found.append(column)
    return found


def _merged(pieces: list[_Piece]) -> _Piece:
    """A series of several sets, or with times of its own: sorted, each time once, of which the first sample counts."""
    if len(pieces) == 1 and all(map(int.__lt__, pieces[0].times, pieces[0].times[1:])):
        return pieces[0]
    samples: dict[int, int] = {}
    for piece in pieces:
        for time, bits in zip(piece.times, piece.bits, strict=True):
            samples.setdefault(time, bits)
    ordered = sorted(samples.items())
    return _Piece(array("q", [time for time, _ in ordered]), array("Q", [bits for _, bits in ordered]))


class _Choices:
    """Which of some samples are the newest at each instant; worked out once for series that have the same times."""

    def __init__(self, instants: Sequence[int], lookback: int) -> None:
        self._instants = instants
        self._lookback = lookback
        self._known: dict[int, tuple[Sequence[int], list[int], array[int]]] = {}

    def of(self, piece: _Piece) -> tuple[Sequence[int], array[float]]:
        """Times and values."""
        places, times = self._places(piece.times)
        values = _doubles(piece.bits)
        if _STALE_BITS in piece.bits:
            ends = [piece.bits[place] == _STALE_BITS for place in places]
            times = array("q", [ABSENT if end else time for end, time in zip(ends, times, strict=True)])
        return times, array("d", [values[place] for place in places])

    def _places(self, times: Sequence[int]) -> tuple[list[int], array[int]]:
        known = self._known.get(id(times))
        if known is None:
            places = [bisect_right(times, instant) - 1 for instant in self._instants]
            chosen = array("q")
            for place, instant in zip(places, self._instants, strict=True):
                is_fresh = place >= 0 and times[place] > instant - self._lookback
                chosen.append(times[place] if is_fresh else ABSENT)
            # The times are kept with it, so that no other sequence gets their id.
            known = self._known[id(times)] = (times, [max(place, 0) for place in places], chosen)
        return known[1], known[2]


def _in_range(labels: Labels, pieces: list[_Piece], start: int, end: int) -> RangeSeries:
    piece = _merged(pieces)
    first, last = bisect_right(piece.times, start), bisect_right(piece.times, end)
    times, bits = array("q", piece.times[first:last]), piece.bits[first:last]
    if _STALE_BITS in bits:
        kept = [place for place, each in enumerate(bits) if each != _STALE_BITS]
        times, bits = (
            array("q", [times[place] for place in kept]),
            array("Q", [bits[place] for place in kept]),
        )
    return RangeSeries(labels, times, _doubles(bits))


def _doubles(bits: array[int]) -> array[float]:
    values = array("d")
    values.frombytes(bits.tobytes())
    return values
