"""Lines as nearly all pages have them, read with few steps. What is unusual is left to the careful parsers (None).

Everything here takes a part of what they take, and gives the same.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from pillion.scraper.exposition.entries import (
    ExemplarText,
    Meta,
    exemplar_labels,
    unescape,
    unescape_help,
)
from pillion.scraper.exposition.numbers import milliseconds_of, parse_float, parse_milliseconds

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
