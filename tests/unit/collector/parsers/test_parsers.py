"""What `[PARSER]` sections make of a line. Rules are those of Fluent Bit's src/flb_parser*.c."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.collector import records
from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.parsers import ParserSettings
from pillion.collector.configuration.settings import Entry
from pillion.collector.parsers import Parser, build_parser
from pillion.collector.records import Lines, Records, Texts

NOW = 1_800_000_000 * 10**9
AT = 1_700_000_000 * 10**9
ISO = "%Y-%m-%dT%H:%M:%S"
AT_ISO = "2023-11-14T22:13:20"


def parser(kind: str, **more: Any) -> Parser:
    decoders = tuple(
        Entry(key=key, words=tuple(words.split()), place="p.conf:3")
        for key, words in more.pop("decoders", ())
    )
    types = tuple(more.pop("types", "").split())
    return build_parser(
        ParserSettings(name="p", place="p.conf:1", format=kind, decoders=decoders, types=types, **more)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("kind", "more", "text", "parsed"),
    [
        # json
        ("json", {}, '{"a":1,"b":[true,null]}', (NOW, {"a": 1, "b": [True, None]})),
        ("json", {}, '  {"a":"\\u00e9\\n"} \t', (NOW, {"a": "é\n"})),
        ("json", {}, "{}", (NOW, {})),
        ("json", {}, '{"a":1,"a":2}', (NOW, {"a": 2})),
        ("json", {}, '{"a":18446744073709551615}', (NOW, {"a": 2**64 - 1})),
        ("json", {}, "[1]", None),
        ("json", {}, "1", None),
        ("json", {}, '{"a":1}{"b":2}', None),
        ("json", {}, '{"a":1} x', None),
        ("json", {}, '{"a":1', None),
        ("json", {}, '{"a":"\t"}', None),
        ("json", {}, "", None),
        ("json", {"time_format": ISO}, f'{{"time":"{AT_ISO}","a":1}}', (AT, {"a": 1})),
        ("json", {"time_format": ISO, "time_keep": True}, f'{{"time":"{AT_ISO}"}}', (AT, {"time": AT_ISO})),
        ("json", {"time_format": ISO, "time_key": "ts"}, f'{{"ts":"{AT_ISO}","time":1}}', (AT, {"time": 1})),
        ("json", {"time_format": ISO}, '{"time":"never","a":1}', (NOW, {"time": "never", "a": 1})),
        ("json", {"time_format": ISO}, '{"time":5,"a":1}', (NOW, {"time": 5, "a": 1})),
        ("json", {"time_format": ISO}, '{"a":1}', (NOW, {"a": 1})),
        ("json", {"time_key": "time"}, f'{{"time":"{AT_ISO}"}}', (NOW, {"time": AT_ISO})),
        # regex
        ("regex", {"regex": "^(?<a>[^ ]*) (?<b>.*)$"}, "x y z", (NOW, {"a": "x", "b": "y z"})),
        ("regex", {"regex": "^(?<a>[^ ]*) (?<b>.*)$"}, "x ", (NOW, {"a": "x"})),
        ("regex", {"regex": "^(?<a>[^ ]*) (?<b>.*)$", "skip_empty_values": False}, "x ", (NOW, {"a": "x", "b": ""})),
        ("regex", {"regex": "^(?<a>x)(?<b>y)?$", "skip_empty_values": False}, "x", (NOW, {"a": "x", "b": ""})),
        ("regex", {"regex": "^(?<a>x)|(?<a>y)$"}, "y", (NOW, {"a": "y"})),
        ("regex", {"regex": "/^(?<a>X+)$/i"}, "xx", (NOW, {"a": "xx"})),
        ("regex", {"regex": "^(?<a>x)$"}, "y", None),
        ("regex", {"regex": "^(x)$"}, "x", None),
        ("regex", {"regex": r"(?<time>\S+) (?<a>.*)", "time_format": ISO}, f"{AT_ISO} x", (AT, {"a": "x"})),
        ("regex", {"regex": r"(?<time>\S+) (?<a>.*)", "time_format": ISO}, "never x", (NOW, {"a": "x"})),
        ("regex", {"regex": r"(?<time>\S+) (?<a>.*)", "time_format": ISO, "time_keep": True}, f"{AT_ISO} x",
         (AT, {"time": AT_ISO, "a": "x"})),
        ("regex", {"regex": r"(?<i>\S+) (?<f>\S+) (?<b>\S+) (?<h>\S+) (?<s>\S+)",
                   "types": "i:integer f:float b:bool h:hex s:string z:integer broken"},
         "12x 1.5e3y TRUEish 0xfF 7", (NOW, {"i": 12, "f": 1500.0, "b": True, "h": 255, "s": "7"})),
        ("regex", {"regex": r"(?<i>\S+) (?<f>\S+) (?<b>\S+) (?<h>\S+)", "types": "i:INTEGER f:float b:bool h:hex"},
         "x y maybe g", (NOW, {"i": 0, "f": 0.0, "b": "maybe", "h": 0})),
        ("regex", {"regex": r"(?<i>\S+)", "types": "i:integer"}, "99999999999999999999", (NOW, {"i": 2**63 - 1})),
        # ltsv
        ("ltsv", {}, "a:1\tb-c.d:x y\te:", (NOW, {"a": "1", "b-c.d": "x y", "e": ""})),
        ("ltsv", {}, "a:1\tb", (NOW, {"a": "1"})),
        ("ltsv", {}, "a:1\t:x\tb:2", (NOW, {"a": "1", "b": "2"})),
        ("ltsv", {}, "a b:1", None),
        ("ltsv", {}, "", None),
        ("ltsv", {"types": "a:integer"}, "a:1", (NOW, {"a": 1})),
        ("ltsv", {"time_format": ISO}, f"time:{AT_ISO}\ta:1", (AT, {"a": "1"})),
        ("ltsv", {"time_format": ISO, "time_keep": True}, f"time:{AT_ISO}", (AT, {"time": AT_ISO})),
        ("ltsv", {"time_format": ISO}, f"time:{AT_ISO}", None),
        ("ltsv", {"time_format": ISO}, "time:never\ta:1", None),
        ("ltsv", {"time_format": ISO, "time_strict": False}, "time:never\ta:1", (NOW, {"a": "1"})),
        # logfmt
        ("logfmt", {}, 'a=1 b="x \\"y\\" \\u00e9" c d= e=""',
         (NOW, {"a": "1", "b": 'x "y" é', "c": True, "d": True, "e": ""})),
        ("logfmt", {}, ' = "x a=1', (NOW, {"x": True, "a": "1"})),
        ("logfmt", {}, 'a="open', (NOW, {"a": "open"})),
        ("logfmt", {}, "a=b=c", (NOW, {"a": "b", "c": True})),
        ("logfmt", {}, ' "', None),
        ("logfmt", {"logfmt_no_bare_keys": True}, "plain text", None),
        ("logfmt", {"logfmt_no_bare_keys": True}, "a=1 b=", (NOW, {"a": "1", "b": True})),
        ("logfmt", {"types": "a:integer"}, "a=5 b", (NOW, {"a": 5, "b": ""})),
        ("logfmt", {"time_format": ISO}, f"time={AT_ISO} a=1", (AT, {"a": "1"})),
        ("logfmt", {"time_format": ISO}, "time=never a=1", None),
        ("logfmt", {"time_format": ISO}, "time= a=1", (NOW, {"time": True, "a": "1"})),
        # decoders
        ("json", {"decoders": [("decode_field_as", "escaped log")]}, '{"log":"a\\\\tb\\\\\\"c"}',
         (NOW, {"log": 'a\tb"c'})),
        ("json", {"decoders": [("decode_field_as", "escaped_utf8 log")]}, '{"log":"\\\\u00e9\\\\xe9\\\\351\\\\n"}',
         (NOW, {"log": "ééé\n"})),
        ("json", {"decoders": [("decode_field_as", "escaped_utf8 log")]}, '{"log":"\\\\ud83d\\\\ude00"}',
         (NOW, {"log": "😀"})),
        ("json", {"decoders": [("decode_field_as", "json log")]}, '{"log":"{\\"a\\": [1]}\\r\\n"}',
         (NOW, {"log": {"a": [1]}})),
        ("json", {"decoders": [("decode_field", "json log")]}, '{"log":"{\\"a\\":1}","b":2}',
         (NOW, {"log": '{"a":1}', "b": 2, "a": 1})),
        ("json", {"decoders": [("decode_field", "json log")]}, '{"log":"{\\"a\\":\\"x\\\\ny\\"}"}',
         (NOW, {"log": '{"a":"x\\ny"}', "a": "x\ny"})),
        ("json", {"decoders": [("decode_field_as", "json log")]}, '{"log":"plain"}', (NOW, {"log": "plain"})),
        ("json", {"decoders": [("decode_field_as", "json log")]}, '{"log":7}', (NOW, {"log": 7})),
        ("json", {"decoders": [("decode_field_as", "json log try_next"), ("decode_field_as", "escaped log")]},
         '{"log":"a\\\\tb"}', (NOW, {"log": "a\tb"})),
        ("json", {"decoders": [("decode_field_as", "json log"), ("decode_field_as", "escaped log")]},
         '{"log":"a\\\\tb"}', (NOW, {"log": "a\\tb"})),
        ("json", {"decoders": [("decode_field_as", "escaped log do_next"), ("decode_field_as", "json log")]},
         '{"log":"{\\\\\\"a\\\\\\":1}"}', (NOW, {"log": {"a": 1}})),
        ("json", {"decoders": [("decode_field", "json a"), ("decode_field", "json b")]},
         '{"a":"{\\"x\\":1}","b":"{\\"y\\":2}"}', (NOW, {"a": '{"x":1}', "b": '{"y":2}', "x": 1, "y": 2})),
        ("regex", {"regex": "(?<q>.*)", "decoders": [("decode_field_as", "mysql_quoted q")]}, r"'it\'s\n\0\%'",
         (NOW, {"q": "it's\n\0\\%"})),
        ("regex", {"regex": "(?<q>.*)", "decoders": [("decode_field_as", "mysql_quoted q")]}, r"plain\n",
         (NOW, {"q": r"plain\n"})),
    ],
)  # fmt: skip
def test_a_line_becomes_a_record(kind: str, more: dict[str, Any], text: str, parsed: object) -> None:
    built = parser(kind, **more)
    assert built.parse(text, NOW) == parsed
    if text:
        content = built.parse_lines(Lines(data=text.encode() + b"\n", time=NOW, key="log"))
        expected = parsed if parsed is not None else (NOW, {"log": text})
        decoded = records.as_records(content)
        assert [*zip(decoded.times, decoded.bodies, strict=True)] == [expected]


def test_a_decoded_member_takes_the_place_of_a_later_one() -> None:
    parsed = parser("json", decoders=[("decode_field", "json log")]).parse(
        '{"a":1,"log":"{\\"a\\":2}","b":3}', NOW
    )
    assert parsed is not None
    assert list(parsed[1].items()) == [("log", '{"a":2}'), ("b", 3), ("a", 2)]


def test_json_lines_stay_text() -> None:
    data = b'{"a":1}\n{"b":{"c":2}}\n'
    assert parser("json").parse_lines(Lines(data=data, time=NOW)) == Texts(data=data, times=NOW)


def test_json_lines_among_others_stay_text() -> None:
    content = parser("json", time_format=ISO).parse_lines(
        Lines(data=f'start "up"\n{{"time":"{AT_ISO}", "a": 1}} \n\ttail\n'.encode(), time=NOW, key="m")
    )
    assert content == Texts(data=b'{"m":"start \\"up\\""}\n{"a": 1}\n{"m":"\\ttail"}\n', times=[NOW, AT, NOW])


def test_lines_of_which_none_matches_stay_lines() -> None:
    lines = Lines(data=b"one\n[2]\n", time=NOW)
    assert parser("json").parse_lines(lines) is lines
    assert parser("regex", regex="(?<a>x)").parse_lines(lines) is lines


def test_other_formats_become_records() -> None:
    lines = Lines(data=b"a:1\nnothing\n", time=NOW)
    assert parser("ltsv").parse_lines(lines) == Records(
        times=[NOW, NOW], bodies=[{"a": "1"}, {"log": "nothing"}]
    )


@pytest.mark.parametrize(
    ("kind", "more", "complaint"),
    [
        ("regex", {"regex": "(?<a>"}, r"p.conf:1: \[PARSER\] regex: the pattern \(\?<a> cannot be used: \) is missing"),
        ("regex", {"regex": r"(?<a>\g<a>)"}, r"\\g has no counterpart"),
        ("json", {"time_format": "%s", "time_offset": "2 hours"},
         r"p.conf:1: \[PARSER\] time_offset: '2 hours' is no offset"),
        ("json", {"decoders": [("decode_field", "yaml log")]}, "p.conf:3: .* there is no decoder yaml; there are json"),
        ("json", {"decoders": [("decode_field", "json")]}, "wants a decoder and a field"),
    ],
)  # fmt: skip
def test_a_definition_that_cannot_work_is_refused_with_its_place(
    kind: str, more: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        parser(kind, **more)
