"""Which series of a set go to a shard of a destination, and with which labels. Pure.

External labels are added where a series has none of that name, then write_relabel_configs change or drop it
(storage/remote/queue_manager.go: StoreSeries). A series belongs to one shard for as long as their number stays the
same, in later processes too: its samples never overtake each other.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.labels import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pillion.scraper.labels import Labels, Relabelling
    from pillion.scraper.samples import Metadata, SeriesSet


_NOTHING: Mapping[int, bytes] = MappingProxyType({})


class Share(msgspec.Struct, frozen=True):
    """Shard `number` of `count`, counted from 0."""

    number: int = 0
    count: int = 1


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    """In the set."""
    labels: Labels
    metadata: Metadata | None
    prefix: bytes = b""
    """What an earlier block had for it, encoded; then the labels are not worked out again, and empty."""


class Selection:
    """`share` of what external labels and relabelling leave."""

    def __init__(self, external: Mapping[str, str], relabelling: Relabelling, share: Share) -> None:
        self._external = dict(external)
        self._relabelling = relabelling
        self._share = share
        self._is_all = not external and not relabelling
        self._pairs = tuple(external.items()) if "" not in external.values() else ()
        self._names = frozenset(external)

    @property
    def counts_drops(self) -> bool:
        """Every shard sees what relabelling drops; the first one counts it."""
        return self._share.number == 0

    def select(self, series: SeriesSet, known: Mapping[int, bytes] = _NOTHING) -> Iterator[Selected]:
        """`known`: prefixes by the identity of labels."""
        for index, before in enumerate(series.labels):
            prefix = known.get(id(before))
            if prefix is not None:
                yield Selected(index=index, labels=(), metadata=series.metadata[index], prefix=prefix)
                continue
            labels = before if self._is_all else self._changed(before)
            if labels and self._is_ours(labels):
                yield Selected(index=index, labels=labels, metadata=series.metadata[index])

    def dropped(self, series: SeriesSet, selected: int) -> int:
        """How many series relabelling drops, when so many were selected; those of other shards are not among them."""
        if not self._relabelling:
            return 0
        if self._share.count == 1:
            return len(series) - selected
        if not self.counts_drops:
            return 0
        return sum(1 for labels in series.labels if not self._changed(labels))

    def _changed(self, before: Labels) -> Labels:
        """Empty: dropped."""
        labels = dict(before)
        if not self._relabelling and self._pairs and self._names.isdisjoint(labels):
            return tuple(sorted((*before, *self._pairs)))
        if self._external:
            labels = {**self._external, **labels}
        if self._relabelling and not self._relabelling.apply(labels):
            return ()
        return labels_of(labels)

    def _is_ours(self, labels: Labels) -> bool:
        share = self._share
        return share.count == 1 or shard_of(labels, share.count) == share.number


def shard_of(labels: Labels, count: int) -> int:
    text = "\xff".join([part for pair in labels for part in pair])
    return zlib.crc32(text.encode()) % count
