"""Texts into values, as Fluent Bit's functions read them, and what it would make a 0 of."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pillion.collector.configuration.values import (
    parse_binary_size,
    parse_bool,
    parse_float,
    parse_int,
    parse_list,
    parse_seconds,
    parse_size,
    split_words,
)


@pytest.mark.parametrize(
    ("parse", "text", "wanted"),
    [
        (parse_bool, "On", True),
        (parse_bool, "yes", True),
        (parse_bool, "FALSE", False),
        (parse_bool, "no", False),
        (parse_int, "-3", -3),
        (parse_int, "+3", 3),
        (parse_float, "1.5", 1.5),
        (parse_float, ".5", 0.5),
        (parse_float, "1e3", 1000.0),
        (parse_size, "10", 10),
        (parse_size, "32k", 32_000),
        (parse_size, "5MB", 5_000_000),
        (parse_size, "1.5m", 1_500_000),
        (parse_size, "1g", 1_000_000_000),
        (parse_size, "false", 0),
        (parse_size, "off", 0),
        (parse_binary_size, "2MB", 2 << 20),
        (parse_binary_size, "32k", 32 << 10),
        (parse_binary_size, "1GiB", 1 << 30),
        (parse_seconds, "5", 5.0),
        (parse_seconds, "5s", 5.0),
        (parse_seconds, "2M", 120.0),
        (parse_seconds, "1h", 3600.0),
        (parse_seconds, "1d", 86400.0),
        (parse_seconds, "0.25", 0.25),
        (parse_list, "a, b,,c ", ("a", "b", "c")),
        (parse_list, "", ()),
    ],
)
def test_what_fluent_bit_reads_is_read(parse: Callable[[str], object], text: str, wanted: object) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(
    ("parse", "text", "complaint"),
    [
        (parse_bool, "1", "must be on or off (true, false, yes, no)"),
        (parse_bool, "", "must be on or off (true, false, yes, no)"),
        (parse_int, "5s", "must be a whole number"),
        (parse_int, "٣", "must be a whole number"),
        (parse_int, "9" * 20, "is too large"),
        (parse_float, "nan", "must be a number"),
        (parse_size, "5 MB", "must be a size: a number of bytes, or with k, M or G behind it"),
        (parse_size, "1T", "must be a size: a number of bytes, or with k, M or G behind it"),
        (parse_size, "-1", "must be a size: a number of bytes, or with k, M or G behind it"),
        (parse_size, "9" * 15 + "G", "is too large"),
        (parse_seconds, "500ms", "must be a time: a number of seconds, or with s, m, h or d behind it"),
        (parse_seconds, "soon", "must be a time: a number of seconds, or with s, m, h or d behind it"),
    ],
)
def test_what_it_would_make_a_zero_of_is_refused(
    parse: Callable[[str], object], text: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "most", "wanted"),
    [
        ("a b c", 0, ("a", "b", "c")),
        ("a b c", 2, ("a", "b c")),
        ("a  b   c  ", 3, ("a", "b", "c")),
        ("a", 2, ("a",)),
        ("", 2, ()),
        ('"a b" c', 2, ("a b", "c")),
        (r'k "say \"hi\""', 2, ("k", 'say "hi"')),
        ('k "a b" c', 2, ("k", '"a b" c')),
        ('k "open', 2, ("k", '"open')),
        (r'log "^a\d"', 2, ("log", r"^a\d")),
        ("a\tb c", 0, ("a\tb", "c")),
        (r'"start" "/\s+\"x\"/" "cont"', 0, ("start", r"/\s+" + '"x"/', "cont")),
    ],
)
def test_words(text: str, most: int, wanted: tuple[str, ...]) -> None:
    assert split_words(text, most) == wanted


def test_a_quote_that_is_never_closed_is_refused() -> None:
    with pytest.raises(ValueError, match="is never closed"):
        split_words('"a b', 2)


def test_single_quotes_count_where_both_kinds_do() -> None:
    assert split_words(r"'a b' 'it\'s' c", 3, quotes="\"'") == ("a b", "it's", "c")
    assert split_words("'a b'", 2) == ("'a", "b'")
