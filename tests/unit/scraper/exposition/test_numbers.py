"""Numbers are Go's, not Python's."""

from __future__ import annotations

import math
import struct

import pytest

from pillion.scraper.exposition.numbers import (
    format_float,
    format_openmetrics_float,
    milliseconds_of,
    parse_float,
    parse_go_float,
    parse_values,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0), ("1.", 1.0), (".5", 0.5), ("+1", 1.0), ("007", 7.0), ("1E5", 1e5), ("1e-400", 0.0),
        ("5e-324", 5e-324),
        ("Inf", math.inf), ("+inf", math.inf), ("-INFINITY", -math.inf), ("18446744073709551616", 2.0**64),
        ("1.7976931348623157e308", 1.7976931348623157e308), ("0." + "1" * 900, float("0." + "1" * 900)),
    ],
)  # fmt: skip
def test_these_are_numbers(text: str, value: float) -> None:
    assert parse_float(text.encode()) == value
    assert list(parse_values([text.encode(), b"1"])) == [value, 1.0]


def test_the_sign_of_zero_stays() -> None:
    assert math.copysign(1, parse_values([b"-0"])[0]) == -1
    assert math.copysign(1, parse_values([b"1", b"-0"])[1]) == -1


@pytest.mark.parametrize("text", ["NaN", "nan", "NAN"])
def test_not_a_number_has_the_bits_that_prometheus_stores(text: str) -> None:
    assert struct.pack("<d", parse_float(text.encode())) == b"\1\0\0\0\0\0\xf8\x7f"
    assert parse_values([b"1", text.encode()]).tobytes()[8:] == struct.pack("=Q", 0x7FF8000000000001)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("true", 'strconv.ParseFloat: parsing "true": invalid syntax'),
        ("+NaN", 'strconv.ParseFloat: parsing "+NaN": invalid syntax'),
        ("1\r", r'strconv.ParseFloat: parsing "1\r": invalid syntax'),
        ("", 'strconv.ParseFloat: parsing "": invalid syntax'),
        (".", 'strconv.ParseFloat: parsing ".": invalid syntax'),
        ("1e", 'strconv.ParseFloat: parsing "1e": invalid syntax'),
        ("0x10", 'strconv.ParseFloat: parsing "0x10": invalid syntax'),
        ("1,2", 'strconv.ParseFloat: parsing "1,2": invalid syntax'),
        ("[1", 'strconv.ParseFloat: parsing "[1": invalid syntax'),
        ("１", 'strconv.ParseFloat: parsing "１": invalid syntax'),
        ("1e999", 'strconv.ParseFloat: parsing "1e999": value out of range'),
        ("-1e999", 'strconv.ParseFloat: parsing "-1e999": value out of range'),
        ("1_0", "unsupported character in float"),
        ("0x1p-3", "unsupported character in float"),
        ("0x1P-3", "unsupported character in float"),
    ],
)
def test_these_are_none(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_float(text.encode())
    assert str(caught.value) == message
    for others in ([], [b"1"], [b"NaN"]):
        with pytest.raises(ValueError, match=r"."):
            parse_values([*others, text.encode()])


@pytest.mark.parametrize(
    ("text", "value"), [("0x1p-3", 0.125), ("1_000", 1000.0), ("0x.8p1", 1.0), ("-0X1P+2", -4.0)]
)
def test_labels_may_have_what_go_has_learned_since(text: str, value: float) -> None:
    assert parse_go_float(text.encode()) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.0, "-1"), (0.5, "0.5"), (100000.0, "100000"), (999999.0, "999999"),
        (1000000.0, "1e+06"), (1234567.0, "1.234567e+06"), (123456.789, "123456.789"), (0.0001, "0.0001"),
        (0.00001, "1e-05"), (-2.5e-7, "-2.5e-07"), (1e21, "1e+21"), (1.5e300, "1.5e+300"), (5e-324, "5e-324"),
        (1700000000.123, "1.700000000123e+09"), (0.1, "0.1"), (0.010, "0.01"), (120.0, "120"), (12.75, "12.75"),
        (math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert format_float(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"), (1.0, "1.0"), (-1.0, "-1.0"), (0.5, "0.5"), (1e6, "1e+06"), (120.0, "120.0"),
        (math.inf, "+Inf"), (math.nan, "NaN"),
    ],
)  # fmt: skip
def test_openmetrics_shows_that_they_are_floats(value: float, text: str) -> None:
    assert format_openmetrics_float(value) == text


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(1.9999, 1999), (-1.9999, -1999), (0.0, 0), (1e30, -(2**63)), (1520879607.789, 1520879607789)],
)
def test_times_are_cut_to_milliseconds(seconds: float, milliseconds: int) -> None:
    assert milliseconds_of(seconds) == milliseconds
