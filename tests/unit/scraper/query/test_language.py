"""PromQL where Prometheus 3 differs from Debian's 2.42, and what is left out; else it is compared with the real one."""

from __future__ import annotations

import pytest
from tests.unit.scraper.samples.test_window import batch, series

from pillion.scraper.query import (
    Evaluation,
    ExecutionError,
    Limits,
    ParseError,
    Period,
    format_float,
    format_sample,
    format_time,
    parse,
    parse_selector,
)
from pillion.scraper.samples import Window

SECOND = 1000


def evaluated(query: str, window: Window | None = None, at: int = 60 * SECOND, **limits: int) -> object:
    evaluation = Evaluation(parse(query), window or Window(), Period(start=at, end=at), Limits(**limits))
    [(_, value)] = evaluation.steps()
    return value


def counting() -> Window:
    window = Window()
    of = series("a_total", "odd.name")
    for second in range(0, 70, 10):
        window.append(batch(of, second * SECOND, float(second), float(second)))
    return window


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("1_000 + 0x_1F + 1e1_0", 10_000_001_031.0),
        ("017", 15.0),
        ("5m + 1h30m", 5700.0),
        ("-Inf + 1", float("-inf")),
        ("2 ^ -1", 0.5),
        ("-2 ^ 2", -4.0),
        ("2 * 3 % 4", 2.0),
        ("(-8) ^ (1 / 3) == bool 1", 0.0),
        ("0 ^ -1", float("inf")),
        ("1 > bool 0 < bool 1", 0.0),
        ("time()", 60.0),
        ('scalar({"a_total"})', 60.0),
        ('scalar({"odd.name", "__name__"!=""})', 60.0),
        ("scalar(count_over_time(a_total[30s]))", 3.0),
        ("scalar(count_over_time(a_total[30]))", 3.0),
        ("scalar(a_total offset 10)", 50.0),
        ("scalar(rate(a_total[40s]))", 1.0),
        ("scalar(increase(a_total[40s]))", 40.0),
    ],
)
def test_a_number_comes_out(query: str, value: float) -> None:
    assert evaluated(query, counting()) == pytest.approx(value)


def test_a_counter_is_not_extended_beyond_half_a_distance_before_its_first_sample() -> None:
    window = Window()
    of = series("a_total")
    for second, value in ((40, 9.0), (50, 19.0), (60, 29.0)):
        window.append(batch(of, second * SECOND, value))
    assert evaluated("scalar(increase(a_total[60s]))", window) == pytest.approx(20 * (20 + 5) / 20)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "unknown position: parse error: no expression found in input"),
        ("holt_winters(a[1m], 1, 1)", '1:1: parse error: unknown function with name "holt_winters"'),
        ("mad_over_time(a[1m])", '1:1: parse error: function "mad_over_time" is not enabled'),
        (
            "limitk(1, a)",
            "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-exp",
        ),
        ("a[", "1:3: parse error: unexpected end of input in duration expression"),
        ("a[x]", "1:3: parse error: unexpected character in duration expression: 'x'"),
        ("a[0s]", "1:3: parse error: duration must be greater than 0"),
        (
            "a[]",
            '1:3: parse error: unexpected "]" in subquery or range selector, expected number, duration, step()',
        ),
        ("a\n + + b c", '2:8: parse error: unexpected identifier "c"'),
        ('sum by ("é") (ü)', "1:16: parse error: unexpected character: 'ü'"),
        ('"\\q"', "1:1: parse error: unknown escape sequence U+0071 'q'"),
        (
            "(" * 300 + "1" + ")" * 300,
            "1:201: parse error: expressions nested deeper than 200 are not supported here",
        ),
    ],
)
def test_what_cannot_be_read_is_said(query: str, words: str) -> None:
    with pytest.raises(ParseError) as error:
        parse(query)
    assert str(error.value).startswith(words)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "a_total + on() {__name__=~'.+'}",
            "found duplicate series for the match group {} on the right hand-side",
        ),
        (
            "{__name__=~'.+'} + on() a_total",
            "multiple matches for labels: many-to-one matching must be explicit",
        ),
        ("-{__name__=~'.+'}", "vector cannot contain metrics with the same labelset"),
        ("rate({__name__=~'.+'}[30s])", "vector cannot contain metrics with the same labelset"),
        ("label_replace(a_total, '', 'x', 'y', 'z')", "invalid destination label name in label_replace(): "),
        ("label_replace(a_total, 'x', 'x', 'y', '(')", "invalid regular expression in label_replace(): ("),
        ("topk(1e30, a_total)", "Scalar value 1000000000000000000000000000000 overflows int64"),
    ],
)
def test_what_cannot_be_worked_out_is_said(query: str, words: str) -> None:
    with pytest.raises(ExecutionError) as error:
        evaluated(query, counting())
    assert str(error.value).startswith(words)


def test_a_query_of_too_many_samples_is_refused_before_they_are_read() -> None:
    with pytest.raises(ExecutionError, match="too many samples"):
        evaluated("rate(a_total[1m])", counting(), max_samples=5)


def test_a_selector_alone_is_read() -> None:
    assert [str(each) for each in parse_selector('up{job="x",}')] == ['job="x"', '__name__="up"']
    with pytest.raises(ParseError):
        parse_selector("sum(up)")


@pytest.mark.parametrize(
    ("value", "text", "sample"),
    [
        (0.0, "0", "0"),
        (-0.0, "-0", "-0"),
        (1e20, "100000000000000000000", "100000000000000000000"),
        (1e21, "1000000000000000000000", "1e+21"),
        (1.5e-5, "0.000015", "0.000015"),
        (1.5e-7, "0.00000015", "1.5e-07"),
        (1.25e100, "125" + "0" * 98, "1.25e+100"),
        (float("-inf"), "-Inf", "-Inf"),
        (float("nan"), "NaN", "NaN"),
        (1234567890.125, "1234567890.125", "1234567890.125"),
    ],
)
def test_numbers_are_written_as_go_writes_them(value: float, text: str, sample: str) -> None:
    assert (format_float(value), format_sample(value)) == (text, sample)


def test_times_are_written_without_needless_digits() -> None:
    assert [format_time(each) for each in (1000, 1001, 1500, -2050)] == ["1", "1.001", "1.500", "-2.050"]
