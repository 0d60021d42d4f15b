"""A page with the lines of the one before, but for the values: compared in pieces of some hundred lines."""

from __future__ import annotations

from array import array
from itertools import compress, repeat
from typing import TYPE_CHECKING, NamedTuple

from pillion.scraper.exposition.dialects import TEXT
from pillion.scraper.exposition.drafts import times_column
from pillion.scraper.exposition.layout import EXTENDED, OTHER
from pillion.scraper.exposition.numbers import parse_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pillion.scraper.exposition.dialects import Dialect
    from pillion.scraper.exposition.entries import ExemplarText
    from pillion.scraper.exposition.layout import Layout

_CHUNK = 1 << 15
"""Bytes taken apart together: enough for the steps between chunks to cost little, few enough for the cache."""


class Columns(NamedTuple):
    values: array[float]
    times: array[int] | None
    exemplars: list[tuple[int, ExemplarText]]


_LONGEST_TIME = 19
"""Digits; fewer are an int64 in any case."""


def read_again(body: bytes, dialect: Dialect, layout: Layout) -> Columns | None:
    """None: some line is another one. Raises ValueError: a number is none."""
    comparison = _Comparison(dialect, layout)
    position = 0
    while position < len(body):
        end = body.find(b"\n", position + _CHUNK)
        if end < 0:
            end = len(body) - 1 if body.endswith(b"\n") else len(body)
        if not comparison.goes_on(body[position:end]):
            return None
        position = end + 1
    return comparison.columns()


class _WithTimes(NamedTuple):
    texts: tuple[bytes, ...]
    values: tuple[bytes, ...]
    times: Iterator[int]


def _all_with_times(lines: list[bytes]) -> _WithTimes | None:
    """Lines of the text format of which each has a time, as those of /federate; None: not each, or not as usual."""
    parts = list(map(bytes.rsplit, lines, repeat(b" "), repeat(2)))
    if set(map(len, parts)) != {3}:
        return None
    texts, values, times = zip(*parts, strict=True)
    if b"" in times or max(map(len, times)) >= _LONGEST_TIME or not b"".join(times).isdigit():
        return None
    return _WithTimes(texts, values, map(int, times))


class _Comparison:
    __slots__ = ("_dialect", "_exemplars", "_layout", "_line", "_other", "_text", "_times", "_values")

    def __init__(self, dialect: Dialect, layout: Layout) -> None:
        self._dialect = dialect
        self._layout = layout
        self._line = self._other = self._text = 0  # how much of the layout was met
        self._values = array("d")
        self._times: dict[int, int] = {}
        self._exemplars: list[tuple[int, ExemplarText]] = []

    def goes_on(self, chunk: bytes) -> bool:
        layout = self._layout
        lines = chunk.split(b"\n")
        begin, end = self._line, self._line + len(lines)
        self._line = end
        kinds = layout.kinds[begin:end]
        if len(kinds) < len(lines):
            return False
        if OTHER in kinds:
            others = b"\n".join((*compress(lines, layout.others_mask[begin:end]), b""))
            if not layout.others.startswith(others, self._other):
                return False
            self._other += len(others)
            lines = list(compress(lines, kinds))
            if not lines:
                return True
        texts: Sequence[bytes]
        values: Sequence[bytes]
        texts, _, values = zip(*map(bytes.rpartition, lines, repeat(b" ")), strict=True)
        extended = self._extended(chunk, lines, kinds)
        if extended:
            split = self._split(lines, extended, list(texts), list(values))
            if split is None:
                return False
            texts, values = split
        joined = b"\n".join((*texts, b""))
        if not layout.texts.startswith(joined, self._text):
            return False
        self._text += len(joined)
        self._values += parse_values(values)
        return True

    def _extended(self, chunk: bytes, lines: list[bytes], kinds: bytes) -> list[int]:
        """Which samples have a time or an exemplar, or had one on the page that the layout is of. Exemplars are now
        with one series, now with another; times stay."""
        mark = self._dialect.exemplar_mark
        extended = []
        if EXTENDED in kinds:
            samples = kinds.replace(bytes([OTHER]), b"")
            extended = [at for at, kind in enumerate(samples) if kind == EXTENDED]
        if mark is not None and mark in chunk:
            extended = sorted({*extended, *[at for at, line in enumerate(lines) if mark in line]})
        return extended

    def _split(
        self, lines: list[bytes], extended: list[int], texts: list[bytes], values: list[bytes]
    ) -> tuple[Sequence[bytes], Sequence[bytes]] | None:
        """Of these lines, the text and value."""
        before = len(self._values)
        if len(extended) == len(lines) and self._dialect is TEXT and (columns := _all_with_times(lines)):
            self._times.update(zip(range(before, before + len(lines)), columns.times, strict=True))
            return columns.texts, columns.values
        for at in extended:
            line = self._dialect.line(lines[at])
            if line is None:
                return None
            texts[at], values[at] = line.series, line.value
            if line.time is not None:
                self._times[before + at] = line.time
            if line.exemplar is not None:
                self._exemplars.append((before + at, line.exemplar))
        return texts, values

    def columns(self) -> Columns | None:
        if self._line != len(self._layout.kinds):
            return None
        return Columns(self._values, times_column(self._times, len(self._values)), self._exemplars)
