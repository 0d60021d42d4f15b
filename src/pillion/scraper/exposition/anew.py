"""A page, line by line. Series that the page before had are looked up by their text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.exposition.drafts import Draft
from pillion.scraper.exposition.entries import Meta, Sample, labels_of_text, metric_name, normalized
from pillion.scraper.exposition.layout import EXTENDED, OTHER, PLAIN
from pillion.scraper.exposition.lines import SeriesTexts
from pillion.scraper.exposition.numbers import parse_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.scraper.exposition.dialects import Dialect
    from pillion.scraper.labels import Labels

CLASSES = {"histogram": (1, b"le"), "summary": (2, b"quantile")}
"""Types whose series have a label that is written anew (entries.normalized); a series without it is of class 0."""


class Unusual(Exception):
    """Nothing for the quick ways: to be read carefully, which will tell if it is an error."""


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """What a `Layout` is made of."""

    kinds: bytes
    texts: list[bytes]
    others: list[bytes]
    classes: bytes


def read_anew(
    body: bytes, dialect: Dialect, known: Mapping[bytes, tuple[Labels, int]]
) -> tuple[Draft, Lines | None]:
    """None for lines: some of them are not such that the next page could be compared.

    Raises Unusual or ValueError (a number is none, a text is not UTF-8, an entry is wrong).
    """
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if dialect.last_line is not None and (not lines or lines.pop() != dialect.last_line):
        raise Unusual
    reading = _Reading(dialect, known)
    for line in lines:
        if line[:1] == b"#":
            reading.other(line)
        else:
            reading.sample(line)
    return reading.finish()


class _Reading:
    __slots__ = ("_class", "_class_label", "_classes", "_dialect", "_draft", "_kinds", "_known", "_new", "_others",
                 "_texts", "_usual", "_values")  # fmt: skip

    def __init__(self, dialect: Dialect, known: Mapping[bytes, tuple[Labels, int]]) -> None:
        self._dialect = dialect
        self._known = known
        self._new = SeriesTexts()
        self._draft = Draft()
        self._kinds = bytearray()
        self._texts: list[bytes] = []
        self._values: list[bytes] = []
        self._classes = bytearray()
        self._others: list[bytes] = []
        self._class, self._class_label = 0, b""
        self._usual = True

    def other(self, line: bytes) -> None:
        meta = self._dialect.meta(line) or self._careful_meta(line)
        if meta is not None:
            self._draft.add_meta(meta)
            self._class, self._class_label = CLASSES.get(self._draft.families.type, (0, b""))
        self._add_other(line)

    def sample(self, line: bytes) -> None:
        series, _, value = line.rpartition(b" ")
        wanted = self._class if self._class and self._class_label in series else 0
        found = self._known.get(series)
        if found is not None and found[1] == wanted:
            labels: Labels | None = found[0]
        else:
            labels = self._new.labels(series)
            if labels is None:
                self._long_way(line)
                return
            if wanted:
                labels = normalized(labels, self._draft.families.type)
        self._add(PLAIN, series, labels, wanted, value)

    def _long_way(self, line: bytes) -> None:
        parsed = self._dialect.line(line)
        if parsed is None:
            self._careful_line(line)
            return
        series = parsed.series
        wanted = self._class if self._class and self._class_label in series else 0
        found = self._known.get(series)
        if found is not None and found[1] == wanted:
            labels = found[0]
        else:
            labels = self._new.labels(series) or self._careful_series(series)
            labels = normalized(labels, self._draft.families.type)
        kind = PLAIN if len(line) == len(series) + 1 + len(parsed.value) else EXTENDED
        self._add(kind, series, labels, wanted, parsed.value)
        self._draft.add_extras(parsed.time, parsed.exemplar)

    def _add(self, kind: int, series: bytes, labels: Labels, of_class: int, value: bytes) -> None:
        draft = self._draft
        draft.labels.append(labels)
        metric = series.partition(b"{")[0]
        draft.members.append(
            draft.families.of_text(metric) if metric else draft.families.of_name(metric_name(labels))
        )
        self._kinds.append(kind)
        self._texts.append(series)
        self._classes.append(of_class)
        self._values.append(value)

    def _add_other(self, line: bytes) -> None:
        self._kinds.append(OTHER)
        self._others.append(line)

    def _careful_meta(self, line: bytes) -> Meta | None:
        parser = self._dialect.parser(line + b"\n")
        entry = parser.next()
        if isinstance(entry, Sample) or (entry is None and self._dialect.last_line is not None):
            raise Unusual
        return entry

    def _careful_series(self, series: bytes) -> Labels:
        parser = self._dialect.parser(series + b" 0\n")
        entry = parser.next()
        if not isinstance(entry, Sample) or entry.series != series or parser.position != len(series) + 3:
            raise Unusual
        return labels_of_text(entry.pairs)

    def _careful_line(self, line: bytes) -> None:
        """Also an empty line, where there may be some."""
        parser = self._dialect.parser(line + b"\n")
        entry = parser.next()
        if entry is None:
            self._add_other(line)
            return
        if isinstance(entry, Meta):
            raise Unusual
        self._usual = False
        labels = normalized(labels_of_text(entry.pairs), self._draft.families.type)
        self._add(EXTENDED, entry.series, labels, 0, repr(entry.value).encode())
        self._draft.add_extras(entry.time, entry.exemplar)

    def finish(self) -> tuple[Draft, Lines | None]:
        if self._dialect.last_line is not None:
            self._add_other(self._dialect.last_line)
        self._draft.values = parse_values(self._values)
        if not self._usual:
            return self._draft, None
        return self._draft, Lines(
            kinds=bytes(self._kinds), texts=self._texts, others=self._others, classes=bytes(self._classes)
        )
