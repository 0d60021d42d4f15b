"""Which format is asked for, sent, and offered."""

from __future__ import annotations

import pytest

from pillion.scraper.exposition import (
    Escaping,
    ExpositionError,
    Format,
    accept_header,
    choose_format,
    negotiate,
)

ALL = (Format.OPENMETRICS_1, Format.OPENMETRICS_0, Format.TEXT_1, Format.TEXT_0)


def test_a_scrape_asks_for_its_protocols_in_prometheus_words() -> None:
    assert accept_header(ALL) == (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,"
        "*/*;q=0.2"
    )
    assert accept_header([Format.TEXT_1], Escaping.UNDERSCORES) == (
        "text/plain;version=1.0.0;escaping=underscores;q=0.6,*/*;q=0.5"
    )


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/plain", Format.TEXT_0),
        ("text/plain; version=0.0.4; charset=utf-8", Format.TEXT_0),
        ("text/plain; version=1.0.0; escaping=values", Format.TEXT_1),
        ("Text/Plain;", Format.TEXT_0),
        ('text/plain; version="1.0.0"', Format.TEXT_1),
        ("application/openmetrics-text", Format.OPENMETRICS_1),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format.OPENMETRICS_1),
        ("application/openmetrics-text;version=0.0.1", Format.OPENMETRICS_0),
    ],
)
def test_a_content_type_names_the_format_whatever_the_fallback(content_type: str, expected: Format) -> None:
    assert negotiate(content_type, None) is expected
    assert negotiate(content_type, Format.OPENMETRICS_0) is expected


BLANK = "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
CHARSETS = "application/openmetrics-text; charset=UTF-8; charset=utf-8"


def unparsable(content_type: str, why: str) -> tuple[str, str]:
    return (
        content_type,
        f'cannot parse Content-Type "{content_type}" and no fallback_scrape_protocol for target: mime: {why}',
    )


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        (None, BLANK),
        ("", BLANK),
        (
            "text/html",
            'received unsupported Content-Type "text/html" and no fallback_scrape_protocol specified for target',
        ),
        unparsable("invalid/", "expected token after slash"),
        unparsable("a/b/c", "unexpected content after media subtype"),
        unparsable("/", "no media type"),
        unparsable("a b", "expected slash after first token"),
        unparsable(CHARSETS, "duplicate parameter name"),
        unparsable("text/plain; x", "invalid media parameter"),
    ],
)
def test_what_is_not_said_or_not_known_fails_without_a_fallback(
    content_type: str | None, message: str
) -> None:
    with pytest.raises(ExpositionError) as caught:
        negotiate(content_type, None)
    assert str(caught.value) == message
    assert negotiate(content_type, Format.TEXT_0) is Format.TEXT_0


def test_protocol_buffers_are_not_read_as_text() -> None:
    sent = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    with pytest.raises(ExpositionError, match="protocol buffers are not read here"):
        negotiate(sent, Format.TEXT_0)


OFFERED = (Format.OPENMETRICS_1, Format.OPENMETRICS_0, Format.TEXT_0)


TEXT, OPENMETRICS = "text/plain; version=0.0.4; charset=utf-8", "application/openmetrics-text; version="


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, f"{TEXT}; escaping=underscores"),
        ("*/*", f"{TEXT}; escaping=underscores"),
        ("application/json", f"{TEXT}; escaping=underscores"),
        ("text/plain", f"{TEXT}; escaping=underscores"),
        ("text/*;version=0.0.4", f"{TEXT}; escaping=underscores"),
        ("text/plain;version=1.0.0;escaping=dots;q=x", f"{TEXT}; escaping=dots"),
        ("application/openmetrics-text", f"{OPENMETRICS}0.0.1; charset=utf-8; escaping=underscores"),
        (
            "text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.9",
            f"{OPENMETRICS}1.0.0; charset=utf-8; escaping=underscores",
        ),
        (
            "text/plain;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5",
            f"{TEXT}; escaping=underscores",
        ),
        (accept_header(ALL), f"{OPENMETRICS}1.0.0; charset=utf-8; escaping=allow-utf-8"),
    ],
)
def test_a_client_gets_the_first_that_it_wants_and_we_offer(accept: str | None, expected: str) -> None:
    assert choose_format(accept, OFFERED).content_type == expected
