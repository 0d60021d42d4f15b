"""Samples in columns: what a scrape gives to the window and to remote write."""

from pillion.scraper.samples.batch import STALE, Appender, Batch, Exemplar, Metadata, SeriesSet
from pillion.scraper.samples.window import (
    ABSENT,
    InstantSeries,
    RangeSeries,
    SeenExemplar,
    TooManySamplesError,
    Window,
)

__all__ = [
    "ABSENT",
    "STALE",
    "Appender",
    "Batch",
    "Exemplar",
    "InstantSeries",
    "Metadata",
    "RangeSeries",
    "SeenExemplar",
    "SeriesSet",
    "TooManySamplesError",
    "Window",
]
