"""What a page says. The part that seldom changes, `PageSeries`, is one object for as long as it does not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from array import array

    from pillion.scraper.labels import Labels
    from pillion.scraper.samples import Exemplar, Metadata


NO_TIME = -(2**63)


class Format(StrEnum):
    TEXT_0 = "PrometheusText0.0.4"
    TEXT_1 = "PrometheusText1.0.0"
    OPENMETRICS_0 = "OpenMetricsText0.0.1"
    OPENMETRICS_1 = "OpenMetricsText1.0.0"


class ExpositionError(ValueError):
    """The page cannot be read: the whole scrape fails. The text is one line, with the page's line number."""

    read: tuple[Labels, ...] = ()
    """The series before the place: the scrape's report counts them."""


class PageSeries:
    """The series of a page as written, before any label of ours. Compared by identity. What a page has twice is twice
    in it, and so are labels that a series has twice or with an empty value: what they mean can only be told after
    relabelling."""

    __slots__ = ("__weakref__", "labels", "metadata")

    def __init__(self, labels: tuple[Labels, ...], metadata: tuple[Metadata | None, ...]) -> None:
        self.labels = labels
        self.metadata = metadata


class Page(msgspec.Struct, frozen=True, kw_only=True):
    series: PageSeries
    values: bytes
    """8 bytes per series, little endian doubles; a NaN written on the page is 0x7ff8000000000001."""
    times: array[int] | None
    """Milliseconds per series (type code q), `NO_TIME` where the page gave none; None when it gave none at all."""
    starts: array[int] | None
    """Start timestamps in milliseconds per series (type code q), 0 = unknown; None when the page gave none."""
    exemplars: tuple[Exemplar, ...] = ()


class PageReader(Protocol):
    """Reads one target's pages, one after the other; remembers the last one's series."""

    def read(self, body: bytes) -> Page:
        """Raises ExpositionError. A page with the series of the one before gives the same `PageSeries` object."""
