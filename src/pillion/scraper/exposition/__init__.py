"""Exposition formats: a page's bytes → samples. Pure. Prometheus text 0.0.4 and 1.0.0, OpenMetrics 1.0."""

from pillion.scraper.exposition.page import (
    NO_TIME,
    ExpositionError,
    Format,
    Page,
    PageReader,
    PageSeries,
)
from pillion.scraper.exposition.reader import page_reader

__all__ = ["NO_TIME", "ExpositionError", "Format", "Page", "PageReader", "PageSeries", "page_reader"]
