"""The names of exposition formats in `scrape_protocols` (config/config.go, ScrapeProtocol)."""

from __future__ import annotations

from collections.abc import Sequence

from pillion.scraper.exposition import Format

DEFAULT_PROTOCOLS = (Format.OPENMETRICS_1, Format.OPENMETRICS_0, Format.TEXT_1, Format.TEXT_0)
PROTOBUF = "PrometheusProto"
"""Prometheus' name of the format that is not read here."""
_KNOWN = sorted((PROTOBUF, *Format))


def unknown_protocol(name: str) -> str:
    """Prometheus' words, or nothing when it knows the format."""
    if name in _KNOWN:
        return ""
    return f"unknown scrape protocol {name}, supported: [{' '.join(_KNOWN)}]"


def protocol_problem(names: Sequence[str]) -> str:
    """What is wrong with a list, in Prometheus' words; nothing when it is good."""
    if not names:
        return "scrape_protocols cannot be empty"
    seen = set()
    for name in names:
        if name.lower() in seen:
            return f"duplicated protocol in scrape_protocols, got [{' '.join(names)}]"
        if text := unknown_protocol(name):
            return f"scrape_protocols: {text}"
        seen.add(name.lower())
    return ""


def spoken(names: Sequence[str]) -> tuple[Format, ...]:
    return tuple(Format(name) for name in names if name != PROTOBUF)
