"""One scrape's samples as a column."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from array import array

    from pillion.scraper.labels import Labels

STALE = struct.pack("<Q", 0x7FF0000000000002)
"""The staleness marker, little endian (model/value in Prometheus). A signalling NaN: any arithmetic on it as a float
would change its bits, so it travels as bytes."""


class Exemplar(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    """Of the series in its set."""
    labels: Labels
    value: float
    time: int | None
    """Milliseconds since the epoch; None when the page gave none."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Of a metric family, as `# TYPE`, `# HELP` and `# UNIT` say."""

    name: str
    type: str
    """counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown."""
    help: str = ""
    unit: str = ""


class SeriesSet:
    """The series of a target's pages, in the order of the values. Made once, compared by identity: who works something
    out for a set (encoded labels, window slots) keeps it by the set."""

    __slots__ = ("__weakref__", "labels", "metadata")

    def __init__(self, labels: tuple[Labels, ...], metadata: tuple[Metadata | None, ...]) -> None:
        self.labels = labels
        """Final: after metric relabelling, with target labels; without external labels."""
        self.metadata = metadata
        """Of each series' family; the same object for all series of a family."""

    def __len__(self) -> int:
        return len(self.labels)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    series: SeriesSet
    time: int
    """Milliseconds since the epoch, of all samples that have no time of their own."""
    values: bytes
    """8 bytes per series, IEEE 754 double, little endian; may hold STALE."""
    times: array[int] | None = None
    """Milliseconds per series (type code q), when the page gave some."""
    starts: array[int] | None = None
    """Start (created) timestamps in milliseconds per series, 0 = unknown; None when the page gave none."""
    exemplars: tuple[Exemplar, ...] = ()


class Appender(Protocol):
    def append(self, batch: Batch) -> None:
        """Take a batch over: at once, without waiting for anybody else. Batches of one series come in time order."""
