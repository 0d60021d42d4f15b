"""Lines as nearly all pages have them, read with few steps. What is unusual is left to the careful parsers (None).

Everything here takes a part of what they take, and gives the same.
"""

from __future__ import annotations

import math
import re
from operator import itemgetter
from sys import intern
from typing import TYPE_CHECKING, NamedTuple

from pillion.scraper.exposition.entries import (
    NAME,
    ExemplarText,
    Meta,
    exemplar_labels,
    normalized,
    unescape,
    unescape_help,
)
from pillion.scraper.exposition.numbers import milliseconds_of, parse_float, parse_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.scraper.labels import Labels

_METRIC = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PAIR = re.compile(rb'([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n\0]*)')
_PAIRS = re.compile(rb'([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n\0]*)",?')
# `++` and `*+` keep what they have: else a line that does not match would cost exponential time.
_BRACES = rb'\{(?:[^"}]++|"(?:[^"\\]++|\\.)*+")*+\}'
_SERIES = rb"(?:[a-zA-Z_:][a-zA-Z0-9_:]*(?:" + _BRACES + rb")?|" + _BRACES + rb")"
_TEXT_SAMPLE = re.compile(rb"(" + _SERIES + rb") ([^{ \t\n\0]+)(?: ([0-9]+))?")
_OPENMETRICS_SAMPLE = re.compile(
    rb"(" + _SERIES + rb") ([^ \n\0]+)(?: ([^ #\n\0][^ \n\0]*))?"
    rb'(?: # \{((?:[^"}\\]++|"[^"\\\n\0]*")*+)\} ([^ \n\0]+)(?: ([^ \n\0]+))?)?'
)


_META = re.compile(rb"# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\0]*)")
_TEXT_TYPES = {b"counter": "counter", b"gauge": "gauge", b"histogram": "histogram", b"summary": "summary"}
_OPENMETRICS_TYPES = {**_TEXT_TYPES, b"unknown": "unknown"}
_name = itemgetter(0)
_NO_LABELS = (b"", b"{}")


class Line(NamedTuple):
    series: bytes
    value: bytes
    time: int | None
    exemplar: ExemplarText | None = None


def text_line(line: bytes) -> Line | None:
    """A sample of the text format, with a time or without. Raises ValueError: the time is none."""
    match = _TEXT_SAMPLE.fullmatch(line)
    if match is None:
        return None
    series, value, time = match.groups()
    return Line(series, value, parse_milliseconds(time) if time is not None else None)


def openmetrics_line(line: bytes) -> Line | None:
    """A sample of OpenMetrics, with a time or exemplar or without. Raises ValueError: a number in it is none."""
    match = _OPENMETRICS_SAMPLE.fullmatch(line)
    if match is None:
        return None
    series, value, time, labels, exemplar_value, exemplar_time = match.groups()
    exemplar = None
    if labels is not None:
        pairs = _PAIRS.findall(labels)
        if labels.removesuffix(b",") != b",".join(b'%s="%s"' % pair for pair in pairs):
            return None
        number = parse_float(exemplar_value)
        at = _time(exemplar_time)
        _check_text(pairs)
        sorted_labels = exemplar_labels(tuple(pairs))
        if sorted_labels is not None:
            exemplar = ExemplarText(labels=sorted_labels, value=number, time=at)
    return Line(series, value, _time(time), exemplar)


def text_meta(line: bytes) -> Meta | None:
    match = _META.fullmatch(line)
    if match is None:
        return None
    keyword, family, text = match.groups()
    if keyword == b"TYPE" and text in _TEXT_TYPES:
        return Meta(family=family.decode(), type=_TEXT_TYPES[text])
    if keyword == b"HELP" and text.strip(b" \t"):
        return Meta(family=family.decode(), help=unescape_help(text).decode())
    return None


def openmetrics_meta(line: bytes) -> Meta | None:
    match = _META.fullmatch(line)
    if match is None:
        return None
    keyword, family, text = match.groups()
    if keyword == b"TYPE" and text in _OPENMETRICS_TYPES:
        return Meta(family=family.decode(), type=_OPENMETRICS_TYPES[text])
    if keyword == b"HELP":
        return Meta(family=family.decode(), help=unescape(text).decode())
    return None


def _time(text: bytes | None) -> int | None:
    if text is None:
        return None
    seconds = parse_float(text)
    if not math.isfinite(seconds):
        raise ValueError("not a time")
    return milliseconds_of(seconds)


def _check_text(pairs: list[tuple[bytes, bytes]]) -> None:
    for _, value in pairs:
        value.decode()


class SeriesTexts:
    """Series text to labels, for series of one page that were not known. What they have in common is kept once."""

    __slots__ = (
        *("_metrics", "_type", "_pairs", "_pairs_of_type"),
        *("_names", "_arrange", "_arrangements", "_metric", "_head", "_labels", "_last"),
    )

    def __init__(self) -> None:
        self._metrics: dict[bytes, tuple[str, str]] = {}
        self._pairs_of_type: dict[str, dict[bytes, tuple[str, str]]] = {"": {}}
        self._type = ""
        self._pairs = self._pairs_of_type[""]
        # Of the series before: the names of its labels, as written; how to sort them, the metric's name before them;
        # then, if it can be compared: its metric, its text without the last label, its labels, and where its last is.
        self._names: list[str] = []
        self._arrange: Callable[[tuple[tuple[str, str], ...]], Labels] = tuple
        self._arrangements: dict[tuple[str, ...], tuple[Callable[..., Labels], int]] = {}
        self._metric: tuple[str, str] | None = None
        self._head = b""
        self._labels: Labels = ()
        self._last = 0

    def labels(self, metric: bytes, rest: bytes, family_type: str) -> Labels | None:
        """Normalized. Of a series' text up to the first brace, and from there on. None: it is no plain series text.

        Raises ValueError for text that is not UTF-8.
        """
        named = self._metrics.get(metric) or self._named(metric)
        if named is None:
            return None
        if rest[-2:] != b'"}':
            return (named,) if rest in _NO_LABELS else None
        if family_type != self._type:
            self._type, self._metric = family_type, None
            self._pairs = self._pairs_of_type.setdefault(family_type, {})
        pairs = self._pairs
        cut = rest.rfind(b'",', 0, -2)
        if cut >= 0 and named is self._metric and rest[:cut] == self._head:
            # Nothing but the last label may differ from the series before: the buckets of a histogram.
            pair = pairs.get(rest[cut + 2 : -2])
            if pair is not None and pair[0] == self._names[-1]:
                before, at = self._labels, self._last
                return (*before[:at], pair, *before[at + 1 :])
        pieces = rest[1:-2].split(b'",')
        try:
            labels = [pairs[piece] for piece in pieces]
        except KeyError:
            labels = [pair for piece in pieces if (pair := pairs.get(piece) or self._pair(piece))]
            if len(labels) < len(pieces):
                return None
        names = list(map(_name, labels))
        if names != self._names and not self._turn_to(names):
            return None
        arranged = self._arrange((named, *labels))
        if cut >= 0:
            self._metric, self._head, self._labels = named, rest[:cut], arranged
        return arranged

    def _turn_to(self, names: list[str]) -> bool:
        """To labels in another order. False: a name comes twice, which is for the careful parser to say."""
        key = tuple(names)
        arrangement = self._arrangements.get(key)
        if arrangement is None:
            all_names = (NAME, *names)
            if len(set(all_names)) < len(all_names):
                return False
            order = sorted(range(len(all_names)), key=all_names.__getitem__)
            arrangement = self._arrangements[key] = itemgetter(*order), order.index(len(names))
        self._metric, self._names = None, names
        self._arrange, self._last = arrangement
        return True

    def _named(self, metric: bytes) -> tuple[str, str] | None:
        if not _METRIC.fullmatch(metric):
            return None
        named = self._metrics[metric] = (NAME, intern(metric.decode()))
        return named

    def _pair(self, piece: bytes) -> tuple[str, str] | None:
        match = _PAIR.fullmatch(piece)
        if match is None:
            return None
        name, value = match.groups()
        (pair,) = normalized(((intern(name.decode()), value.decode()),), self._type)
        self._pairs[piece] = pair
        return pair
