"""Exposition formats: a page's bytes → samples. Pure. Prometheus text 0.0.4 and 1.0.0, OpenMetrics 1.0."""

from pillion.scraper.exposition.page import ExpositionError, Format, Page, PageReader, PageSeries

__all__ = ["ExpositionError", "Format", "Page", "PageReader", "PageSeries"]
