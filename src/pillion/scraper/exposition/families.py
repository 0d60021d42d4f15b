"""Which metric family a series belongs to: what TYPE, HELP and UNIT say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.scraper.samples import Metadata

if TYPE_CHECKING:
    from pillion.scraper.exposition.entries import Meta

_SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("_sum", "_count"),
    "info": ("_info",),
}
_CUT_FROM_FAMILY = {"counter": "_total", "info": "_info"}
"""In the text format, families of these types have the suffix in their own name."""


def is_part_of_family(series: str, family: str, family_type: str) -> bool:
    """textparse, isSeriesPartOfFamily."""
    if not series.startswith(family):
        return False
    family = family.removesuffix(_CUT_FROM_FAMILY.get(family_type, ""))
    for suffix in _SUFFIXES.get(family_type, ()):
        if series.endswith(suffix):
            return series.removesuffix(suffix) == family
    return series == family


class Families:
    """Those of one page, as its lines come. The one that was named last has the series that follow, if they fit."""

    __slots__ = ("_all", "_last", "_members", "type")

    def __init__(self) -> None:
        self._all: dict[str, Family] = {}
        self._last: Family | None = None
        self._members: dict[bytes, Family | None] = {}
        self.type = ""
        """Of the last TYPE, whichever family it was of: it decides how `le` and `quantile` are written."""

    def add(self, meta: Meta) -> None:
        family = self._all.get(meta.family)
        if family is None:
            family = self._all[meta.family] = Family(meta.family)
        if meta.type is not None:
            family.type = self.type = meta.type
        if meta.help is not None:
            family.help = meta.help
        if meta.unit is not None:
            family.unit = meta.unit
        self._last = family
        self._members = {}

    def of_text(self, metric: bytes) -> Family | None:
        """Of a metric's name as it stands before the labels."""
        try:
            return self._members[metric]
        except KeyError:
            found = self._members[metric] = self.of_name(metric.decode())
            return found

    def of_name(self, metric: str) -> Family | None:
        last = self._last
        return last if last is not None and is_part_of_family(metric, last.name, last.type) else None

    def metadata(self, families: list[Family | None]) -> tuple[Metadata | None, ...]:
        """When the page has been read: HELP may come after the samples."""
        made = {id(family): family.metadata() for family in self._all.values()}
        return tuple([made[id(family)] if family is not None else None for family in families])


class Family:
    __slots__ = ("help", "name", "type", "unit")

    def __init__(self, name: str) -> None:
        self.name = name
        self.type = "unknown"
        self.help = ""
        self.unit = ""

    def metadata(self) -> Metadata:
        return Metadata(name=self.name, type=self.type, help=self.help, unit=self.unit)
