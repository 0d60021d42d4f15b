"""A page, line by line. Series that the page before had are looked up by their text."""

from __future__ import annotations

from itertools import compress, repeat
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.exposition.drafts import Draft
from pillion.scraper.exposition.entries import Meta, Sample, labels_of_text, metric_name, normalized
from pillion.scraper.exposition.layout import EXTENDED, OTHER, PLAIN, UNKNOWN
from pillion.scraper.exposition.numbers import parse_values
from pillion.scraper.exposition.seriestexts import SeriesTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillion.scraper.exposition.dialects import Dialect
    from pillion.scraper.exposition.layout import Known
    from pillion.scraper.exposition.seriestexts import Cut
    from pillion.scraper.labels import Labels

CLASSES = {"histogram": (1, b"le"), "summary": (2, b"quantile")}
"""Types whose series have a label that is written anew (entries.normalized); a series without it is of class 0."""


_PIECE = 32
"""Lines."""


class UnusualError(Exception):
    """Nothing for the quick ways: to be read carefully, which will tell if it is an error."""


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """What a `Layout` is made of."""

    kinds: bytes
    texts: list[bytes]
    others: list[bytes]
    classes: bytes


def read_anew(body: bytes, dialect: Dialect, known: Known, *, has_starts: bool) -> tuple[Draft, Lines | None]:
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


class _Columns:
    """Lines of samples, each cut at its last blank and what is before that at its first brace."""

    __slots__ = ("cuts", "lines", "metrics", "texts", "values")

    def __init__(self, lines: list[bytes]) -> None:
        parts = list(map(bytes.rpartition, lines, repeat(b" ")))
        self.lines = lines
        self.texts = [text for text, _, _ in parts]
        self.values = [value for _, _, value in parts]
        self.cuts = list(map(bytes.partition, self.texts, repeat(b"{")))
        self.metrics = [metric for metric, _, _ in self.cuts]


class _Reading:
    __slots__ = ("_classes", "_dialect", "_draft", "_kinds", "_known", "_new", "_others", "_texts", "_usual",
                 "_values")  # fmt: skip

    def __init__(self, dialect: Dialect, known: Known, draft: Draft) -> None:
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
        """Runs of samples between lines of metadata go together."""
        others = [at for at, line in enumerate(lines) if line[:1] == b"#"]
        samples = lines
        if others:
            is_sample = bytearray(b"\1" * len(lines))
            for at in others:
                is_sample[at] = 0
            samples = list(compress(lines, is_sample))
        run = _Columns(samples)
        done = 0
        for number, at in enumerate(others):
            if at - number > done:
                self._run(run, done, at - number)
                done = at - number
            self._other(lines[at])
        if len(samples) > done:
            self._run(run, done, len(samples))

    def _run(self, columns: _Columns, begin: int, end: int) -> None:
        draft, length = self._draft, end - begin
        cuts, texts = columns.cuts[begin:end], columns.texts[begin:end]
        classes = bytes(length)
        family_type = draft.families.type
        if family_type in CLASSES:
            family_class, class_label = CLASSES[family_type]
            classes = bytes([family_class if class_label in rest else 0 for _, _, rest in cuts])
        labels = self._labels(texts, cuts, classes, family_type)
        if labels is None:
            self._in_pieces(columns, begin, end)
            return
        metrics = columns.metrics[begin:end]
        families = {metric: draft.families.of_text(metric) for metric in set(metrics)}
        draft.labels += labels
        draft.members += map(families.__getitem__, metrics)
        self._kinds += bytes([PLAIN]) * length
        self._texts += texts
        self._classes += classes
        self._values += columns.values[begin:end]

    def _in_pieces(self, columns: _Columns, begin: int, end: int) -> None:
        """What has some unusual lines in it: a few others pay for each of them, not all."""
        if end - begin > _PIECE:
            for at in range(begin, end, _PIECE):
                self._run(columns, at, min(at + _PIECE, end))
        else:
            for line in columns.lines[begin:end]:
                self._long_way(line)

    def _labels(
        self, texts: Sequence[bytes], cuts: Sequence[Cut], classes: bytes, family_type: str
    ) -> list[Labels] | None:
        """None: some line is not a series, a space and a value."""
        if self._known is UNKNOWN:
            return self._new.labels(cuts, family_type)
        if family_type in CLASSES:
            known = self._known
            found = [known[of_class].get(text) for text, of_class in zip(texts, classes, strict=True)]
        else:
            found = list(map(self._known[0].get, texts))
        if not all(found):
            unknown = [cut for cut, labels in zip(cuts, found, strict=True) if labels is None]
            made = self._new.labels(unknown, family_type)
            if made is None:
                return None
            rest = iter(made)
            found = [next(rest) if labels is None else labels for labels in found]
        return found  # type: ignore[return-value]

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
        labels = self._known[of_class].get(series)
        if labels is None:
            made = self._new.labels([series.partition(b"{")], family_type)
            labels = made[0] if made is not None else self._careful_series(series)
        kind = PLAIN if len(line) == len(series) + 1 + len(parsed.value) else EXTENDED
        self._add(kind, series, labels, of_class, parsed.value)
        self._draft.add_extras(parsed.time, parsed.exemplar)

    def _add(self, kind: int, series: bytes, labels: Labels, of_class: int, value: bytes) -> None:
        draft = self._draft
        draft.labels.append(labels)
        draft.members.append(draft.families.of_name(metric_name(labels)))
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
