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


class UnusualError(Exception):
    """Nothing for the quick ways: to be read carefully, which will tell if it is an error."""


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """What a `Layout` is made of."""

    kinds: bytes
    texts: list[bytes]
    others: list[bytes]
    classes: bytes


def read_anew(
    body: bytes, dialect: Dialect, known: Mapping[bytes, tuple[Labels, int]], *, has_starts: bool
) -> tuple[Draft, Lines | None]:
    """None for lines: some of them are not such that the next page could be compared.

    Raises UnusualError or ValueError (a number is none, a text is not UTF-8, an entry is wrong).
    """
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if dialect.last_line is not None and (not lines or lines.pop() != dialect.last_line):
        raise UnusualError
    reading = _Reading(dialect, known, Draft(has_starts=has_starts))
    reading.lines(lines)
    return reading.finish()


class _Reading:
    __slots__ = ("_classes", "_dialect", "_draft", "_kinds", "_known", "_new", "_others", "_texts", "_usual",
                 "_values")  # fmt: skip

    def __init__(self, dialect: Dialect, known: Mapping[bytes, tuple[Labels, int]], draft: Draft) -> None:
        self._dialect = dialect
        self._known = known
        self._new = SeriesTexts()
        self._draft = draft
        self._kinds = bytearray()
        self._texts: list[bytes] = []
        self._values: list[bytes] = []
        self._classes = bytearray()
        self._others: list[bytes] = []
        self._usual = True

    def lines(self, lines: list[bytes]) -> None:
        known = self._known.get if self._known else None
        draft, new, family_of = self._draft, self._new.labels, self._draft.families.of_text
        add_labels, add_member, add_value = draft.labels.append, draft.members.append, self._values.append
        add_text, add_class, add_kind = self._texts.append, self._classes.append, self._kinds.append
        family_type, family_class, class_label = "", 0, b""
        family, family_metric = None, b""
        for line in lines:
            if line[:1] == b"#":
                self._other(line)
                family_metric = b""
                family_type = draft.families.type
                family_class, class_label = CLASSES.get(family_type, (0, b""))
                continue
            series, _, value = line.rpartition(b" ")
            brace = series.find(b"{")
            metric, rest = (series[:brace], series[brace:]) if brace >= 0 else (series, b"")
            of_class = family_class if family_class and class_label in rest else 0
            if known is not None and (found := known(series)) is not None and found[1] == of_class:
                labels: Labels | None = found[0]
            else:
                labels = new(metric, rest, family_type)
            if labels is None or not metric:
                self._long_way(line)
                continue
            if metric != family_metric:
                family, family_metric = family_of(metric), metric
            add_labels(labels)
            add_member(family)
            add_kind(PLAIN)
            add_text(series)
            add_class(of_class)
            add_value(value)

    def _other(self, line: bytes) -> None:
        meta = self._dialect.meta(line) or self._careful_meta(line)
        if meta is not None:
            self._draft.add_meta(meta)
        self._add_other(line)

    def _long_way(self, line: bytes) -> None:
        parsed = self._dialect.line(line)
        if parsed is None:
            self._careful_line(line)
            return
        series, family_type = parsed.series, self._draft.families.type
        family_class, class_label = CLASSES.get(family_type, (0, b""))
        of_class = family_class if family_class and class_label in series else 0
        found = self._known.get(series)
        if found is not None and found[1] == of_class:
            labels = found[0]
        else:
            metric, brace, rest = series.partition(b"{")
            labels = self._new.labels(metric, brace + rest, family_type) or self._careful_series(series)
        kind = PLAIN if len(line) == len(series) + 1 + len(parsed.value) else EXTENDED
        self._add(kind, series, labels, of_class, parsed.value)
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
            raise UnusualError
        return entry

    def _careful_series(self, series: bytes) -> Labels:
        parser = self._dialect.parser(series + b" 0\n")
        entry = parser.next()
        if not isinstance(entry, Sample) or entry.series != series or parser.position != len(series) + 3:
            raise UnusualError
        return normalized(labels_of_text(entry.pairs), self._draft.families.type)

    def _careful_line(self, line: bytes) -> None:
        """Also an empty line, where there may be some."""
        parser = self._dialect.parser(line + b"\n")
        entry = parser.next()
        if entry is None:
            self._add_other(line)
            return
        if isinstance(entry, Meta):
            raise UnusualError
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
