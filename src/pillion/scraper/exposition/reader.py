"""Reads one target's pages, one after the other, in one of three ways that give the same:

* again: its lines are those of the page before but for the values. A few steps for some hundred lines, none for one.
* anew: line by line. Series that the page before had are looked up by their text.
* carefully: entry by entry, as Prometheus' parser does it. It knows every error, and lines that are no lines, because
  a label value has a line break in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.scraper.exposition.again import read_again
from pillion.scraper.exposition.anew import UnusualError, read_anew
from pillion.scraper.exposition.dialects import dialect_of
from pillion.scraper.exposition.drafts import Draft, finished, times_column
from pillion.scraper.exposition.entries import Meta, labels_of_text, metric_name, normalized
from pillion.scraper.exposition.layout import UNKNOWN, Layout
from pillion.scraper.exposition.page import ExpositionError, Format, Page, PageReader, PageSeries
from pillion.scraper.exposition.starts import StartPlan

if TYPE_CHECKING:
    from pillion.scraper.exposition.anew import Lines
    from pillion.scraper.exposition.dialects import Dialect
    from pillion.scraper.exposition.parsing import CarefulParser

_NOTHING = PageSeries((), ())


def page_reader(page_format: Format, *, starts: bool = False) -> PageReader:
    """For the pages of one target. With `starts`, the `_created` lines of OpenMetrics are no series but tell the start
    of others, as with Prometheus' feature `created-timestamp-zero-ingestion`; its default is without."""
    return _TargetReader(page_format, starts=starts)


class _TargetReader:
    __slots__ = ("_dialect", "_layout", "_series", "_starts")

    def __init__(self, page_format: Format, *, starts: bool) -> None:
        self._dialect = dialect_of(page_format)
        self._starts = starts and self._dialect.last_line is not None
        self._layout: Layout | None = None
        self._series = _NOTHING

    def read(self, body: bytes) -> Page:
        """After an error, the page before it remains the one to be compared with."""
        if not body:
            # Of no format's grammar asked: the scrape loop takes it for a target without series (scrape, append).
            self._layout, self._series = None, _NOTHING
            return Page(series=_NOTHING, values=b"", times=None, starts=None)
        try:
            if self._layout is not None and (page := self._read_again(body, self._layout)) is not None:
                return page
            if b"\0" not in body:
                known = self._layout.known() if self._layout is not None else UNKNOWN
                return self._finish(*read_anew(body, self._dialect, known, has_starts=self._starts))
        except (UnusualError, ValueError):
            pass
        return self._finish(read_carefully(body, self._dialect, has_starts=self._starts), None)

    def _read_again(self, body: bytes, layout: Layout) -> Page | None:
        columns = read_again(body, self._dialect, layout)
        return None if columns is None else finished(layout.series, layout.plan, *columns)

    def _finish(self, draft: Draft, lines: Lines | None) -> Page:
        plan = StartPlan(draft.labels, draft.runs) if draft.runs is not None else None
        self._series = series = draft.page_series(plan, self._series)
        self._layout = None
        if lines is not None:
            # Without a plan, both have the same labels: they are kept once.
            labels = series.labels if plan is None else tuple(draft.labels)
            self._layout = Layout(
                kinds=lines.kinds,
                texts=lines.texts,
                others=lines.others,
                labels=labels,
                classes=lines.classes,
                series=series,
                plan=plan,
            )
        times = times_column(draft.times, len(draft.labels))
        return finished(series, plan, draft.values, times, draft.exemplars)


def read_carefully(body: bytes, dialect: Dialect, *, has_starts: bool) -> Draft:
    """Raises ExpositionError."""
    draft = Draft(has_starts=has_starts)
    try:
        _read_entries(dialect.parser(body), draft)
    except ExpositionError as error:
        error.read = tuple(draft.labels)
        raise
    return draft


def _read_entries(parser: CarefulParser, draft: Draft) -> None:
    while (entry := parser.next()) is not None:
        if isinstance(entry, Meta):
            draft.add_meta(entry)
            continue
        try:
            labels = normalized(labels_of_text(entry.pairs), draft.families.type)
        except ValueError as error:
            parser.fail(str(error))
        draft.labels.append(labels)
        draft.members.append(draft.families.of_name(metric_name(labels)))
        draft.values.append(entry.value)
        draft.add_extras(entry.time, entry.exemplar)
