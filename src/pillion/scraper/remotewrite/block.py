"""Series that go into a request together, encoded but for their samples. Pure.

Both versions of the protocol have the same message around a sample: TimeSeries.samples is field 2, Sample.value 1 and
Sample.timestamp 2. So a block keeps, for each series, everything that stands before the eight bytes of the value.
"""

from __future__ import annotations

import struct
from operator import itemgetter
from typing import TYPE_CHECKING

from pillion.scraper.remotewrite.wire import message, number, text, varint

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Sequence

    from pillion.scraper.labels import Labels
    from pillion.scraper.remotewrite.selection import Selected
    from pillion.scraper.samples import Metadata

V1_SERIES = b"\x0a"
"""WriteRequest.timeseries = 1 (prompb/remote.proto)."""
V2_SERIES = b"\x2a"
"""Request.timeseries = 5 (prompb/io/prometheus/write/v2/types.proto)."""
V2_SYMBOLS = b"\x22"
"""Request.symbols = 4."""

_SAMPLES = b"\x12"
_VALUE = b"\x09"
_TIMESTAMP = b"\x10"
_START = b"\x18"
_USUAL_TIME = 7
"""Bytes of a timestamp field between the years 1971 and 2109."""
_USUAL_SAMPLE = _SAMPLES + varint(1 + 8 + _USUAL_TIME) + _VALUE

TYPES = ("unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset")
"""In the order of their numbers: MetricMetadata.MetricType and v2's Metadata.MetricType have the same."""

Values = tuple[bytes, ...]


class Block:
    """`prefixes`: a TimeSeries message of each series up to its sample's value. `symbols` (v2): what its references
    mean."""

    __slots__ = (
        "_indices",
        "_pick",
        "_starts",
        "_symbol_bytes",
        "_unpack",
        "count",
        "end",
        "first",
        "prefixes",
        "series",
        "symbols",
    )

    def __init__(
        self,
        series: bytes,
        indices: Sequence[int],
        prefixes: list[bytes],
        *,
        end: int,
        width: int,
        symbols: tuple[str, ...] = (),
    ) -> None:
        """`indices` in a set of `width` series; the block answers for all of them from the first up to `end`."""
        self.series = series
        self.first = indices[0]
        self.end = end
        self.count = len(indices)
        self.symbols = symbols
        self.prefixes = prefixes
        self._symbol_bytes = b""
        self._starts: tuple[bytes, list[bytes], list[bytes]] | None = None
        is_contiguous = indices[-1] - indices[0] + 1 == self.count
        self._indices = None if is_contiguous else tuple(indices)
        if is_contiguous:
            self._unpack = struct.Struct("8s" * self.count)
            self._pick: Callable[[Values], Values] | None = None
        else:
            self._unpack = struct.Struct("8s" * width)
            picked = itemgetter(*indices)
            self._pick = picked if self.count > 1 else lambda values: (picked(values),)

    def indices(self) -> Sequence[int]:
        """Of its series in their set."""
        return range(self.first, self.first + self.count) if self._indices is None else self._indices

    def values(self, column: bytes) -> Values:
        """This block's, out of the column of its set."""
        if self._pick is None:
            return self._unpack.unpack_from(column, 8 * self.first)
        return self._pick(self._unpack.unpack(column))

    def numbers(self, column: array[int]) -> tuple[int, ...]:
        """The same of times."""
        raw = self.values(column.tobytes())
        return struct.unpack(f"={self.count}q", b"".join(raw))

    def body(self, at: int) -> bytes:
        prefix = self.prefixes[at]
        begin = 2
        while prefix[begin - 1] & 0x80:
            begin += 1
        return prefix[begin : -len(_USUAL_SAMPLE)]

    @property
    def symbol_bytes(self) -> bytes:
        if not self._symbol_bytes:
            self._symbol_bytes = b"".join([text(V2_SYMBOLS, symbol) for symbol in self.symbols])
        return self._symbol_bytes

    def with_starts(self, starts: array[int]) -> tuple[list[bytes], list[bytes]]:
        """Prefixes of samples that have a start timestamp, and what stands after their timestamp.

        They hardly ever change: the last ones are kept.
        """
        ours = b"".join(self.values(starts.tobytes()))
        if self._starts is None or self._starts[0] != ours:
            tails = [number(_START, start) for start in struct.unpack(f"={self.count}q", ours)]
            prefixes = []
            for at, tail in enumerate(tails):
                sample = 1 + 8 + _USUAL_TIME + len(tail)
                body = self.body(at)
                prefixes.append(
                    b"".join(
                        (
                            self.series,
                            varint(len(body) + 2 + sample),
                            body,
                            _SAMPLES,
                            varint(sample),
                            _VALUE,
                        )
                    )
                )
            self._starts = (ours, prefixes, tails)
        return self._starts[1], self._starts[2]


def is_usual(time: int) -> bool:
    """Whether the timestamp takes the bytes that `Block.prefixes` count on."""
    return 1 << 35 <= time < 1 << 42


def timestamp(time: int) -> bytes:
    return _TIMESTAMP + varint(time)


def whole_series(block: Block, at: int, sample: tuple[bytes, int, int], exemplars: bytes = b"") -> bytes:
    """A series with (value, time, start) and exemplars, whatever their lengths are."""
    value, time, start = sample
    # A time of 0 is written, too: no receiver can take it for a missing one.
    content = _VALUE + value + timestamp(time) + number(_START, start)
    return message(block.series, block.body(at) + message(_SAMPLES, content) + exemplars)


_REST = 1 + 1 + 1 + 8 + _USUAL_TIME


def prefix(series: bytes, body: bytes) -> bytes:
    """`body`: the message before its samples."""
    return b"".join((series, varint(len(body) + _REST), body, _USUAL_SAMPLE))


def block_v1(selected: Sequence[Selected], *, end: int, width: int) -> Block:
    """Labels are field 1, of a name 1 and a value 2 (prompb/types.proto)."""
    pairs: dict[tuple[str, str], bytes] = {}
    return Block(
        V1_SERIES,
        [one.index for one in selected],
        [one.prefix or prefix(V1_SERIES, labels_v1(one.labels, pairs)) for one in selected],
        end=end,
        width=width,
    )


def labels_v1(labels: Labels, pairs: dict[tuple[str, str], bytes]) -> bytes:
    """`pairs` remembers what most series have in common."""
    out = []
    for pair in labels:
        found = pairs.get(pair)
        if found is None:
            found = pairs[pair] = message(b"\x0a", text(b"\x0a", pair[0]) + text(b"\x12", pair[1]))
        out.append(found)
    return b"".join(out)


def block_v2(selected: Sequence[Selected], *, end: int, width: int) -> Block:
    """References to symbols: of labels field 1, packed; of metadata (type 1, help 3, unit 4) field 5."""
    symbols = Symbols()
    described: dict[int, bytes] = {}
    prefixes = []
    for one in selected:
        body = symbols.labels(one.labels)
        meta = one.metadata
        if meta is not None:
            if id(meta) not in described:
                described[id(meta)] = _metadata_v2(meta, symbols)
            body += described[id(meta)]
        prefixes.append(prefix(V2_SERIES, body))
    return Block(
        V2_SERIES,
        [one.index for one in selected],
        prefixes,
        end=end,
        width=width,
        symbols=tuple(symbols.known),
    )


def _metadata_v2(meta: Metadata, symbols: Symbols) -> bytes:
    content = (
        number(b"\x08", type_number(meta.type))
        + number(b"\x18", symbols.reference(meta.help))
        + number(b"\x20", symbols.reference(meta.unit))
    )
    return message(b"\x2a", content) if content else b""


def type_number(name: str) -> int:
    return TYPES.index(name) if name in TYPES else 0


class Symbols:
    """Each text once; the first is empty."""

    def __init__(self, known: Iterable[str] = ("",)) -> None:
        self.known = {symbol: at for at, symbol in enumerate(known)}
        self._pairs: dict[tuple[str, str], bytes] = {}
        """References to what most series have in common."""

    def reference(self, symbol: str) -> int:
        return self.known.setdefault(symbol, len(self.known))

    def labels(self, labels: Labels) -> bytes:
        pairs = self._pairs
        try:
            references = [pairs[pair] for pair in labels]
        except KeyError:
            references = []
            for pair in labels:
                if pair not in pairs:
                    pairs[pair] = varint(self.reference(pair[0])) + varint(self.reference(pair[1]))
                references.append(pairs[pair])
        return message(b"\x0a", b"".join(references))
