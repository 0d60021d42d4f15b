"""Pages of our own: /metrics and /federate (common/expfmt, MetricFamilyToText and MetricFamilyToOpenMetrics)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.exposition.entries import NAME
from pillion.scraper.exposition.names import Escaping, escape_name, is_legacy
from pillion.scraper.exposition.numbers import format_float, format_openmetrics_float
from pillion.scraper.exposition.page import Format
from pillion.scraper.samples import Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillion.scraper.labels import Labels

_TEXT_TYPES = {
    "unknown": "untyped",
    "info": "gauge",
    "stateset": "gauge",
    "gaugehistogram": "histogram",
}
"""Of types that the text format has not, as client libraries write them."""
_TOTAL = "_total"


class WrittenSample(msgspec.Struct, frozen=True, kw_only=True):
    labels: Labels
    """With `__name__`, its suffix included."""
    value: float
    time: int | None = None
    """Milliseconds since the epoch."""


class WrittenFamily(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata
    """A counter's name is with `_total`, whatever the format."""
    samples: tuple[WrittenSample, ...]


def write_page(
    families: Iterable[WrittenFamily], page_format: Format, escaping: Escaping = Escaping.UNDERSCORES
) -> bytes:
    """In the order given."""
    is_openmetrics = page_format in (Format.OPENMETRICS_0, Format.OPENMETRICS_1)
    lines: list[str] = []
    for family in families:
        lines += (
            _openmetrics_head(family.metadata, escaping)
            if is_openmetrics
            else _text_head(family.metadata, escaping)
        )
        lines += [_sample(sample, escaping, is_openmetrics=is_openmetrics) for sample in family.samples]
    if is_openmetrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines).encode()


def _text_head(metadata: Metadata, escaping: Escaping) -> list[str]:
    name = _quoted_if_needed(escape_name(metadata.name, escaping))
    lines = [f"# HELP {name} {_escaped(metadata.help)}"] if metadata.help else []
    return [*lines, f"# TYPE {name} {_TEXT_TYPES.get(metadata.type, metadata.type)}"]


def _openmetrics_head(metadata: Metadata, escaping: Escaping) -> list[str]:
    """A counter that is not called so is of unknown type, as OpenMetrics has no such counters."""
    name, family_type = metadata.name, metadata.type
    if family_type == "counter":
        family_type = "counter" if name.endswith(_TOTAL) else "unknown"
        name = name.removesuffix(_TOTAL)
    name = _quoted_if_needed(escape_name(name, escaping))
    lines = [f"# HELP {name} {_escaped_in_quotes(metadata.help)}"] if metadata.help else []
    lines.append(f"# TYPE {name} {family_type}")
    if metadata.unit:
        lines.append(f"# UNIT {name} {metadata.unit}")
    return lines


def _sample(sample: WrittenSample, escaping: Escaping, *, is_openmetrics: bool) -> str:
    number = format_openmetrics_float if is_openmetrics else format_float
    text = f"{_series(sample.labels, escaping)} {number(sample.value)}"
    if sample.time is None:
        return text
    return f"{text} {number(sample.time / 1000) if is_openmetrics else sample.time}"


def _series(labels: Labels, escaping: Escaping) -> str:
    metric, pairs = "", []
    for name, value in labels:
        if name == NAME:
            metric = escape_name(value, escaping)
        else:
            pairs.append(f'{_quoted_if_needed(escape_name(name, escaping))}="{_escaped_in_quotes(value)}"')
    if not is_legacy(metric):
        pairs.insert(0, _quoted_if_needed(metric))
        metric = ""
    return f"{metric}{{{','.join(pairs)}}}" if pairs else metric


def _quoted_if_needed(name: str) -> str:
    return name if is_legacy(name) else f'"{_escaped_in_quotes(name)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escaped_in_quotes(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
