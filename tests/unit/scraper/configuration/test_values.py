"""Durations, sizes, URLs."""

from __future__ import annotations

import pytest

from pillion.scraper.configuration.rendering import redacted
from pillion.scraper.configuration.values import (
    check_url,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "milliseconds", "written"),
    [
        ("0", 0, "0s"),
        ("0w", 0, "0s"),
        ("0s", 0, "0s"),
        ("324ms", 324, "324ms"),
        ("3s", 3000, "3s"),
        ("5m", 300_000, "5m"),
        ("1h", 3_600_000, "1h"),
        ("4d", 4 * 86_400_000, "4d"),
        ("4d1h", 4 * 86_400_000 + 3_600_000, "97h"),
        ("14d", 14 * 86_400_000, "2w"),
        ("3w", 21 * 86_400_000, "3w"),
        ("3w2d1h", 23 * 86_400_000 + 3_600_000, "553h"),
        ("10y", 3650 * 86_400_000, "10y"),
        ("1h30m15s7ms", 5_415_007, "1h30m15s7ms"),
        ("00001s", 1000, "1s"),
        ("90s", 90_000, "1m30s"),
    ],
)
def test_a_duration_is_read_and_written_as_prometheus_does(
    text: str, milliseconds: int, written: str
) -> None:
    assert parse_duration(text) == milliseconds
    assert format_duration(milliseconds) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty duration string"),
        ("1", 'not a valid duration string: "1"'),
        ("s", 'not a valid duration string: "s"'),
        ("1y1m1d", 'not a valid duration string: "1y1m1d"'),
        ("1s1s", 'not a valid duration string: "1s1s"'),
        ("-1w", 'not a valid duration string: "-1w"'),
        ("1.5d", 'unknown unit "." in duration "1.5d"'),
        ("d", 'not a valid duration string: "d"'),
        ("294y", "duration out of range"),
        ("200y10400w", "duration out of range"),
        ("1000000000000000000000000000s", "duration out of range"),
        ("1m 1s", 'unknown unit "m " in duration "1m 1s"'),
    ],
)
def test_what_is_no_duration_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is what is compared
        parse_duration(text)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "size", "written"),
    [
        ("0", 0, "0B"),
        ("5B", 5, "5B"),
        ("10MB", 10 << 20, "10MiB"),
        ("10MiB", 10 << 20, "10MiB"),
        ("1.5KB", 1536, "1KiB512B"),
        ("1GB512MB", (1 << 30) + (512 << 20), "1GiB512MiB"),
        ("+3KB", 3072, "3KiB"),
        ("-1KB", -1024, None),
    ],
)
def test_a_size_is_read_and_written_as_prometheus_does(text: str, size: int, written: str | None) -> None:
    assert parse_size(text) == size
    if written is not None:
        assert format_size(size) == written


@pytest.mark.parametrize("text", ["", "5", "5kB", "MB", "5 MB", "1e3B", "9EB", "x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="units: "):
        parse_size(text)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (":x", "missing protocol scheme"),
        ("a b:c", "first path segment in URL cannot contain colon"),
        ("http://a:b", 'invalid port ":b" after host'),
        ("http://[::1", "missing ']' in host"),
        ("http://a\n", "net/url: invalid control character in URL"),
        ("http://a b/", 'invalid character " " in host name'),
    ],
)
def test_what_is_no_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match="parse ") as refused:
        check_url(url)
    assert str(refused.value).endswith(message)


@pytest.mark.parametrize(
    "url", ["", "http://a", "http://a:1/b?c=d:e", "https://[::1]:9090/", "/path:x", "http://u:p@h/"]
)
def test_a_url_is_taken(url: str) -> None:
    check_url(url)


def test_a_password_in_a_url_is_not_shown() -> None:
    assert redacted("http://user:secret@host/a:b@c") == "http://user:xxxxx@host/a:b@c"
    assert redacted("http://user@host:80/") == "http://user@host:80/"
