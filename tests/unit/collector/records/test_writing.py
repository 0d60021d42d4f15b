"""How outputs write what they are given. Figures are those of Fluent Bit's src/flb_pack.c."""

from __future__ import annotations

import math

import pytest

from pillion.collector import records
from pillion.collector.records import Date, Lines, Records, Texts

TIME = 1_700_000_000_123_456_789


@pytest.mark.parametrize(
    ("name", "time", "written"),
    [
        ("double", TIME, b"1700000000.123457"),
        ("double", 1_700_000_000_000_000_000, b"1700000000.0"),
        ("double", 1_700_000_000_500_000_000, b"1700000000.5"),
        ("epoch", TIME, b"1700000000"),
        ("epoch_ms", TIME, b"1700000000123"),
        ("epoch_millis", TIME, b"1700000000123"),
        ("epoch_milliseconds", TIME, b"1700000000123"),
        ("iso8601", TIME, b'"2023-11-14T22:13:20.123456Z"'),
        ("ISO8601", 0, b'"1970-01-01T00:00:00.000000Z"'),
        ("java_sql_timestamp", TIME, b'"2023-11-14 22:13:20.123456"'),
    ],
)
def test_a_date_has_its_format(name: str, time: int, written: bytes) -> None:
    date = records.parse_date("date", name)
    assert date is not None
    assert records.format_time(time, date.format) == written


@pytest.mark.parametrize("key", ["", "false", "Off", "no"])
def test_a_date_can_be_left_out(key: str) -> None:
    assert records.parse_date(key, "double") is None


def test_an_unknown_date_format_is_an_error() -> None:
    with pytest.raises(KeyError):
        records.parse_date("date", "rfc822")


DATE = Date(format="epoch")


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (Lines(data=b'say "hi"\n\\\t\n', time=TIME),
         b'{"date":1700000000,"log":"say \\"hi\\""}\n{"date":1700000000,"log":"\\\\\\t"}\n'),
        (Lines(data=b"x\x7fy\nz\n", time=TIME, key="m"),
         b'{"date":1700000000,"m":"x\x7fy"}\n{"date":1700000000,"m":"z"}\n'),
        (Lines(data=b"x\n", time=TIME, key="date"), b'{"date":"x"}\n'),
        (Lines(data=b"", time=TIME), b""),
        (Texts(data=b'{"a":1}\n{}\n{"b":"}\\n{"}\n', times=TIME),
         b'{"date":1700000000,"a":1}\n{"date":1700000000}\n{"date":1700000000,"b":"}\\n{"}\n'),
        (Texts(data=b'{"a":1}\n{}\n{}\n', times=[TIME, 10**9, 2 * 10**9]),
         b'{"date":1700000000,"a":1}\n{"date":1}\n{"date":2}\n'),
        (Texts(data=b'{"a":1}\n{"b":2}\n', times=[10**9, 2 * 10**9]), b'{"date":1,"a":1}\n{"date":2,"b":2}\n'),
        (Texts(data=b'{"date":"mine"}\n{"x":{"date":1}}\n{}\n', times=10**9),
         b'{"date":"mine"}\n{"date":1,"x":{"date":1}}\n{"date":1}\n'),
        (Records(times=[10**9],
                 bodies=[{"n": math.nan, "i": math.inf, "b": b"\xff\x00a", "big": 2**64, "s": "\ud800"}]),
         '{"date":1,"n":null,"i":null,"b":"\ufffd\\u0000a","big":1.8446744073709552e+19,"s":"\ufffd"}\n'.encode()),
        (Records(times=[10**9], bodies=[{"n": {"deep": [1, {"er": None}]}, "t": True}]),
         b'{"date":1,"n":{"deep":[1,{"er":null}]},"t":true}\n'),
        (Records(times=[10**9], bodies=[{1: "a", b"k": 2, None: 3}]), b'{"date":1,"1":"a","k":2,"None":3}\n'),  # type: ignore[dict-item]
        (Records(times=[], bodies=[]), b""),
    ],
)  # fmt: skip
def test_a_record_stands_on_its_line(content: records.Content, written: bytes) -> None:
    assert records.json_lines(content, DATE) == written


def test_a_date_key_may_need_escapes() -> None:
    content = Texts(data=b'{"a":1}\n{"b":2}\n', times=10**9)
    assert records.json_lines(content, Date(key='a\\1"', format="epoch")) == (
        b'{"a\\\\1\\"":1,"a":1}\n{"a\\\\1\\"":1,"b":2}\n'
    )


def test_an_array_and_a_stream_have_no_lines() -> None:
    content = Texts(data=b'{"a":1}\n{"b":2}\n', times=10**9)
    assert records.json_array(content, None) == b'[{"a":1},{"b":2}]'
    assert records.json_stream(content, None) == b'{"a":1}{"b":2}'


def test_a_number_beyond_every_double_survives_as_text_and_reads_as_infinity() -> None:
    content = Texts(data=b'{"a":1e999,"b":1}\n', times=10**9)
    assert records.json_lines(content, None) == content.data
    assert records.as_records(content).bodies == [{"a": math.inf, "b": 1}]
    assert records.peek(content, ("b",)) == [(1,)]


def test_events_are_fluents_msgpack() -> None:
    content = Records(times=[TIME], bodies=[{"a": 1, "b": b"\x01"}])
    when = b"\xd7\x00" + (1_700_000_000).to_bytes(4, "big") + (123_456_789).to_bytes(4, "big")
    assert records.pack_events(content) == b"\x92\x92" + when + b"\x80\x82\xa1a\x01\xa1b\xc4\x01\x01"
    assert records.pack_events(content, metadata=False) == b"\x92" + when + b"\x82\xa1a\x01\xa1b\xc4\x01\x01"


def test_an_integer_too_big_for_msgpack_is_a_double() -> None:
    assert b"\xcb" in records.pack_events(Records(times=[0], bodies=[{"a": 2**70}]))


def test_events_print_as_in_fluent_bit() -> None:
    body = {"s": 'a"b', "n": None, "t": True, "f": 1.5, "i": -1, "l": [1, "x"], "m": {}, "b": b'"\x00z'}
    assert records.print_events("app.log", Records(times=[TIME, 5], bodies=[body, {}])) == (
        '[0] app.log: [[1700000000.123456789, {}], {"s"=>"a"b", "n"=>nil, "t"=>true, "f"=>1.500000, "i"=>-1, '
        '"l"=>[1, "x"], "m"=>{}, "b"=>"\\"\\x00z"}]\n'
        "[1] app.log: [[0.000000005, {}], {}]\n"
    )
