"""What a page consists of, entry by entry: the careful readers' side. Labels as Prometheus makes them of the text."""

from __future__ import annotations

from operator import itemgetter
from sys import intern
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pillion.scraper.exposition.gotext import quote_bytes
from pillion.scraper.exposition.numbers import format_openmetrics_float, parse_go_float

if TYPE_CHECKING:
    from pillion.scraper.labels import Labels

NAME = "__name__"
_NAME_TEXT = NAME.encode()
LONGEST_EXEMPLAR = 128
"""Characters of names and values together (model/exemplar, ExemplarMaxLabelSetLength)."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """A TYPE, HELP or UNIT of a metric family."""

    family: str
    type: str | None = None
    help: str | None = None
    unit: str | None = None


class ExemplarText(msgspec.Struct, frozen=True, kw_only=True):
    labels: Labels
    value: float
    time: int | None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    series: bytes
    """As written, with what is before it on its line."""
    pairs: tuple[tuple[bytes, bytes], ...]
    """Names and values between their quotes; the metric's name is that of `__name__`."""
    value: float
    time: int | None
    exemplar: ExemplarText | None = None


Entry: TypeAlias = Meta | Sample


def labels_of_text(pairs: tuple[tuple[bytes, bytes], ...]) -> Labels:
    """Unescaped, sorted by name: empty ones and those that come twice are still there, in the page's order.

    Raises ValueError for a name that no relabelling can repair (labels.IsValid).
    """
    labels = []
    for name_text, value_text in pairs:
        try:
            name = unescape(name_text).decode()
            value = unescape(
                value_text
            ).decode()  # only a metric's name can be wrong here, others were looked at
        except UnicodeDecodeError:
            raise _invalid_name(value_text if name_text == _NAME_TEXT else name_text) from None
        if not name:
            raise _invalid_name(name_text)
        labels.append((intern(name), value))
    labels.sort(key=itemgetter(0))
    return tuple(labels)


def _invalid_name(text: bytes) -> ValueError:
    return ValueError(f"invalid metric name or label names: {quote_bytes(text)}")


def metric_name(labels: Labels) -> str:
    return next(value for name, value in labels if name == NAME)


def exemplar_labels(pairs: tuple[tuple[bytes, bytes], ...]) -> Labels | None:
    """As written, escapes and all: so does Prometheus (OpenMetricsParser.Exemplar). None: its storage would refuse the
    exemplar, which does not harm the scrape."""
    try:
        labels = sorted((name.decode(), value.decode()) for name, value in pairs if value)
    except UnicodeDecodeError:
        return None
    if len({name for name, _ in labels}) < len(labels):
        return None
    if sum(len(name) + len(value) for name, value in labels) > LONGEST_EXEMPLAR:
        return None
    return tuple(labels)


def normalized(labels: Labels, family_type: str) -> Labels:
    """`le` and `quantile` as OpenMetrics writes floats, `1.0` for `1`, whatever the format: series must not depend on
    what was negotiated. `family_type` is that of the last TYPE before (textparse, normalizeFloatsInLabelValues)."""
    match family_type:
        case "histogram":
            label = "le"
        case "summary":
            label = "quantile"
        case _:
            return labels
    return tuple((name, _normal_float(value)) if name == label else (name, value) for name, value in labels)


def _normal_float(text: str) -> str:
    try:
        return format_openmetrics_float(parse_go_float(text.encode()))
    except ValueError:
        return text


def unescape(text: bytes) -> bytes:
    r"""Of `\\`, `\"` and `\n`; any other backslash is itself."""
    if b"\\" not in text:
        return text
    parts = text.split(b"\\\\")
    return b"\\".join(part.replace(b'\\"', b'"').replace(b"\\n", b"\n") for part in parts)


def unescape_help(text: bytes) -> bytes:
    r"""Of `\\` and `\n` only: the text format's HELP."""
    if b"\\" not in text:
        return text
    parts = text.split(b"\\\\")
    return b"\\".join(part.replace(b"\\n", b"\n") for part in parts)
