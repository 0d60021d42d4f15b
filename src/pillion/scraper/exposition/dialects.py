"""The two formats, as the readers see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.exposition.lines import Line, openmetrics_line, openmetrics_meta, text_line, text_meta
from pillion.scraper.exposition.openmetricsparser import OpenMetricsParser
from pillion.scraper.exposition.page import Format
from pillion.scraper.exposition.textparser import TextParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.scraper.exposition.entries import Meta
    from pillion.scraper.exposition.parsing import CarefulParser


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    parser: Callable[[bytes], CarefulParser]
    line: Callable[[bytes], Line | None]
    meta: Callable[[bytes], Meta | None]
    last_line: bytes | None
    """Every page has it."""
    exemplar_mark: bytes | None
    """A sample without it has no exemplar."""


TEXT = Dialect(parser=TextParser, line=text_line, meta=text_meta, last_line=None, exemplar_mark=None)
OPENMETRICS = Dialect(
    parser=OpenMetricsParser,
    line=openmetrics_line,
    meta=openmetrics_meta,
    last_line=b"# EOF",
    exemplar_mark=b" # {",
)


def dialect_of(page_format: Format) -> Dialect:
    return OPENMETRICS if page_format in (Format.OPENMETRICS_0, Format.OPENMETRICS_1) else TEXT
