"""Which format: what a scrape asks for, what a target's Content-Type says, what a client of ours may have.

Of a target: scrape, acceptHeader; textparse, New and extractMediaType; Go's mime.ParseMediaType. Of a client: expfmt,
NegotiateAccept, without protocol buffers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pillion.scraper.exposition.names import Escaping
from pillion.scraper.exposition.page import ExpositionError, Format
from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MEDIA_TYPES = {
    Format.TEXT_0: "text/plain;version=0.0.4",
    Format.TEXT_1: "text/plain;version=1.0.0",
    Format.OPENMETRICS_0: "application/openmetrics-text;version=0.0.1",
    Format.OPENMETRICS_1: "application/openmetrics-text;version=1.0.0",
}
_WITH_ESCAPING = frozenset({Format.TEXT_1, Format.OPENMETRICS_1})
_FIRST_WEIGHT = 6
"""Prometheus knows five protocols, its own over protocol buffers among them, and counts down from one more."""

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf';\s*({_WORD})\s*=\s*(?:({_WORD})|"((?:[^"\\\r\n]|\\.)*)")', re.DOTALL)


def accept_header(protocols: Sequence[Format], escaping: Escaping = Escaping.ALLOW_UTF8) -> str:
    """Of a scrape: its protocols, the best first, and anything else last."""
    values = []
    for weight, protocol in zip(range(_FIRST_WEIGHT, 0, -1), protocols, strict=False):
        scheme = f";escaping={escaping}" if protocol in _WITH_ESCAPING else ""
        values.append(f"{_MEDIA_TYPES[protocol]}{scheme};q=0.{weight}")
    values.append(f"*/*;q=0.{_FIRST_WEIGHT - len(protocols)}")
    return ",".join(values)


def negotiate(content_type: str | None, fallback: Format | None) -> Format:
    """The format of a target's answer. `fallback` is `fallback_scrape_protocol`.

    Raises ExpositionError: the target does not say what it sent, or says something unknown, and there is no fallback;
    or it sent protocol buffers, which nobody asked it for.
    """
    try:
        return _stated_format(content_type)
    except _NotStatedError:
        if fallback is not None:
            return fallback
        raise


class _NotStatedError(ExpositionError):
    """A fallback helps."""


def _stated_format(content_type: str | None) -> Format:
    if not content_type:
        raise _NotStatedError(
            "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
            "specified for target"
        )
    try:
        media_type, parameters = _parse_media_type(content_type)
    except ValueError as error:
        raise _NotStatedError(
            f"cannot parse Content-Type {quote(content_type)} and no fallback_scrape_protocol for target: mime: {error}"
        ) from None
    version = parameters.get("version")
    match media_type:
        case "text/plain":
            return Format.TEXT_1 if version == "1.0.0" else Format.TEXT_0
        case "application/openmetrics-text":
            return Format.OPENMETRICS_0 if version == "0.0.1" else Format.OPENMETRICS_1
        case "application/vnd.google.protobuf":
            raise ExpositionError(
                f"received Content-Type {quote(content_type)}: protocol buffers are not read here"
            )
        case _:
            raise _NotStatedError(
                f"received unsupported Content-Type {quote(content_type)} and no fallback_scrape_protocol "
                "specified for target"
            )


def _parse_media_type(text: str) -> tuple[str, Mapping[str, str]]:
    """Raises ValueError with Go's reasons."""
    media_type, semicolon, rest = text.partition(";")
    media_type = media_type.strip().lower()
    _check_media_type(media_type)
    parameters: dict[str, str] = {}
    rest = semicolon + rest
    while rest := rest.lstrip():
        match = _PARAMETER.match(rest)
        if match is None:
            if rest.strip() == ";":
                break
            raise ValueError("invalid media parameter")
        name, value, quoted = match[1].lower(), match[2], match[3]
        if value is None:
            value = re.sub(r"\\(.)", r"\1", quoted)
        if parameters.setdefault(name, value) != value:
            raise ValueError("duplicate parameter name")
        rest = rest[match.end() :]
    return media_type, parameters


def _check_media_type(media_type: str) -> None:
    whole = re.match(rf"({_WORD})?(/)?({_WORD})?(.*)", media_type, re.DOTALL)
    assert whole is not None, "every part is optional"
    kind, slash, subtype, rest = whole.groups()
    if not kind:
        raise ValueError("no media type")
    if slash and not subtype:
        raise ValueError("expected token after slash")
    if rest:
        raise ValueError(
            "unexpected content after media subtype" if slash else "expected slash after first token"
        )


class Choice(NamedTuple):
    format: Format
    escaping: Escaping

    @property
    def content_type(self) -> str:
        return f"{_ANSWERS[self.format]}; charset=utf-8; escaping={self.escaping}"


_ANSWERS = {
    Format.TEXT_0: "text/plain; version=0.0.4",
    Format.TEXT_1: "text/plain; version=1.0.0",
    Format.OPENMETRICS_0: "application/openmetrics-text; version=0.0.1",
    Format.OPENMETRICS_1: "application/openmetrics-text; version=1.0.0",
}


def choose_format(accept: str | None, offered: Sequence[Format]) -> Choice:
    """For a client that scrapes us, by its Accept header: the first that it wants and we offer, else text 0.0.4."""
    escaping = Escaping.UNDERSCORES
    for media_type, parameters in _clauses(accept or ""):
        if (wanted := parameters.get("escaping")) in set(Escaping):
            escaping = Escaping(wanted)
        for candidate in offered:
            if _suits(media_type, parameters.get("version", ""), candidate):
                return Choice(candidate, escaping)
    return Choice(Format.TEXT_0, escaping)


def _suits(media_type: str, version: str, candidate: Format) -> bool:
    """A client that names no version has the oldest in mind; one that takes anything must name ours."""
    if not version:
        version = {"text/plain": "0.0.4", "application/openmetrics-text": "0.0.1"}.get(media_type, "")
    kind, _, parameter = _MEDIA_TYPES[candidate].partition(";version=")
    if version != parameter:
        return False
    wanted_type, _, wanted_subtype = media_type.partition("/")
    offered_type, _, offered_subtype = kind.partition("/")
    return wanted_type in ("*", offered_type) and wanted_subtype in ("*", offered_subtype)


def _clauses(accept: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """By weight; equal ones in the client's order (goautoneg, ParseAccept)."""
    clauses = []
    for text in accept.split(","):
        media_type, *rest = (part.strip() for part in text.split(";"))
        parameters = {
            name.strip(): value.strip()
            for name, equal, value in (part.partition("=") for part in rest)
            if equal
        }
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 1.0
        clauses.append((weight, media_type, parameters))
    clauses.sort(key=lambda clause: -clause[0])
    for _, media_type, parameters in clauses:
        yield media_type, parameters
