"""Exposition formats: a page's bytes → samples, and back. Pure. Prometheus text 0.0.4 and 1.0.0, OpenMetrics 0.0.1 and
1.0.0; not protocol buffers."""

from pillion.scraper.exposition.names import Escaping, escape_name
from pillion.scraper.exposition.negotiation import Choice, accept_header, choose_format, negotiate
from pillion.scraper.exposition.numbers import format_float, parse_float
from pillion.scraper.exposition.page import (
    NO_TIME,
    ExpositionError,
    Format,
    Page,
    PageReader,
    PageSeries,
)
from pillion.scraper.exposition.reader import page_reader
from pillion.scraper.exposition.writer import WrittenFamily, WrittenSample, write_page

__all__ = [
    "NO_TIME",
    "Choice",
    "Escaping",
    "ExpositionError",
    "Format",
    "Page",
    "PageReader",
    "PageSeries",
    "WrittenFamily",
    "WrittenSample",
    "accept_header",
    "choose_format",
    "escape_name",
    "format_float",
    "negotiate",
    "page_reader",
    "parse_float",
    "write_page",
]
