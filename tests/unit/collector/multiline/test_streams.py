"""Lines through multiline parsers, as Fluent Bit's src/multiline joins them."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.collector.configuration.definitions import BUILT_IN_MULTILINE
from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.parsers import MultilineParserSettings, MultilineRule, ParserSettings
from pillion.collector.multiline import BUILTIN_NAMES, Multiline, build, builtin, combine
from pillion.collector.parsers import Parser, build_parser


def named(*names: str) -> Multiline:
    found = [builtin(name) for name in names]
    return combine([parser for parser in found if parser is not None])


def custom(*rules: tuple[str, str, str], **more: Any) -> Multiline:
    settings = MultilineParserSettings(
        name="m",
        place="p.conf:9",
        type=more.pop("type", "regex"),
        rules=tuple(
            MultilineRule(states=tuple(states.split(",")), pattern=pattern, next=then, place="p.conf:11")
            for states, pattern, then in rules
        ),
        **more,
    )
    return build(settings, parser)


def parser(name: str) -> Parser:
    return build_parser(ParserSettings(name=name, format="json"))


def fed(multiline: Multiline, lines: list[str]) -> list[dict[str, Any]]:
    stream = multiline.stream()
    done = [message for number, line in enumerate(lines) for message in stream.feed(line, 5, number)]
    return [message.body for message in [*done, *stream.flush()]]


def logs(multiline: Multiline, lines: list[str]) -> list[str]:
    return [body["log"] for body in fed(multiline, lines)]


JAVA = """\
Dec 14 06:41:08 Exception in thread "main" java.lang.RuntimeException: Something has gone wrong, aborting!
    at com.myproject.module.MyProject.badMethod(MyProject.java:22)
    at com.myproject.module.MyProject.main(MyProject.java:6)
Caused by: javax.servlet.ServletException: other
\tat com.example.Servlet.doGet(Servlet.java:12)
\t... 27 more
\tSuppressed: java.io.IOException: closed
\t\tat com.example.Close.close(Close.java:1)"""
CSHARP = """\
System.InvalidOperationException: outer ---> System.ArgumentException: inner
   at Program.Inner() in /app/Program.cs:line 7
   --- End of inner exception stack trace ---
   at Program.Main() in /app/Program.cs:line 3
--- End of stack trace from previous location where exception was thrown ---
   at Program.Again()"""
GO = """\
panic: my panic

goroutine 4 [running]:
panic(0x45cb40, 0x47ad70)
\t/usr/local/go/src/runtime/panic.go:542 +0x46c fp=0xc42003f7b8 sp=0xc42003f710 pc=0x422f7c
main.main.func1(0xc420024120)
\tfoo.go:6 +0x39 fp=0xc42003f7d8 sp=0xc42003f7b8 pc=0x451339
created by main.main
\tfoo.go:5 +0x58

goroutine 1 [chan receive]:
runtime.gopark(0x4739b8, 0xc420024178)
\t/usr/local/go/src/runtime/proc.go:280 +0x12c"""
GO_SIGNAL = """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4b]

goroutine 1 [running]:
main.main()
\t/app/main.go:9 +0x1"""
RUBY = """\
/app/agent.rb:6:in `/': divided by 0 (ZeroDivisionError)
\tfrom /app/agent.rb:6:in `ask'
  from /app/agent.rb:9:in `<main>'"""


@pytest.mark.parametrize(
    ("name", "trace"), [("java", JAVA), ("java", CSHARP), ("go", GO), ("go", GO_SIGNAL), ("ruby", RUBY)]
)
def test_a_trace_among_other_lines_is_one_message(name: str, trace: str) -> None:
    for also in ([], ["docker"], ["cri"]):
        ending = "" if also else "\n"
        assert logs(named(*also, name), ["one", *trace.split("\n"), "two", *trace.split("\n")]) == [
            "one" + ending,
            trace + "\n",
            "two" + ending,
            trace + "\n",
        ]


def test_objects_over_several_lines_are_joined() -> None:
    lines = ["{", '  "a": 1', "}", '{"b":2}', "words", "{", ' "c":3', "}"]
    assert logs(named("json"), lines) == ['{\n  "a": 1\n}\n', '{"b":2}\n', "words\n", '{\n "c":3\n}\n']


def test_dockers_pieces_are_joined_for_each_stream() -> None:
    def piece(text: str, stream: str, second: int) -> str:
        return f'{{"log":"{text}","stream":"{stream}","time":"2026-11-22T10:11:{second:02d}.5Z"}}'

    lines = [
        piece("one, ", "stdout", 1),
        piece("err\\n", "stderr", 2),
        piece("two\\n", "stdout", 3),
        "no json",
    ]
    assert fed(named("docker"), lines) == [
        {"log": "err\n", "stream": "stderr", "time": "2026-11-22T10:11:02.5Z"},
        {"log": "one, two\n", "stream": "stdout", "time": "2026-11-22T10:11:01.5Z"},
        {"log": "no json"},
    ]


def test_dockers_time_is_the_messages() -> None:
    stream = named("docker").stream()
    (message,) = stream.feed('{"log":"x\\n","time":"2023-11-14T22:13:20.5Z"}', 5, None)
    assert message.time == 1_700_000_000_500_000_000


def test_the_runtimes_pieces_are_joined_for_each_stream() -> None:
    lines = [
        "2026-11-22T10:11:01.5Z stdout P one, ",
        "2026-11-22T10:11:02.5Z stderr F err",
        "2026-11-22T10:11:03.5Z stdout P two, ",
        "2026-11-22T10:11:04.5Z stdout F three",
        "2026-11-22T10:11:05.5Z stdout F ",
        "2026-11-22T10:11:06.5Z stdout P unfinished",
    ]
    assert fed(named("docker", "cri"), lines) == [
        {"time": "2026-11-22T10:11:02.5Z", "stream": "stderr", "_p": "F", "log": "err"},
        {"time": "2026-11-22T10:11:01.5Z", "stream": "stdout", "_p": "P", "log": "one, two, three"},
        {"time": "2026-11-22T10:11:05.5Z", "stream": "stdout", "_p": "F", "log": ""},
        {"time": "2026-11-22T10:11:06.5Z", "stream": "stdout", "_p": "P", "log": "unfinished"},
    ]


def test_what_is_held_of_any_stream_holds_the_checkpoint() -> None:
    stream = named("cri").stream()
    stream.feed("2026-11-22T10:11:01.5Z stderr P a", 5, 100)
    stream.feed("2026-11-22T10:11:01.5Z stdout P b", 5, 200)
    assert stream.first_held == 100
    (message,) = stream.feed("2026-11-22T10:11:01.5Z stderr F c", 5, 300)
    assert (message.body["log"], message.mark) == ("ac", 300)
    assert stream.first_held == 200


START, MORE = ("start_state", r"/^\d+ /", "more"), ("more", r"/^\s+/", "more")


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["1 a", "  b", "  c", "2 d"], ["1 a\n  b\n  c\n", "2 d\n"]),
        (["x", "1 a", "  b", "y", "  c", "  d", "2 e"], ["x\n", "1 a\n  b\n", "y\n", "  c\n  d\n", "2 e\n"]),
        (["", "1 a", "", "  b"], ["1 a\n", "  b\n"]),
        (["  a"], ["  a\n"]),
    ],
)
def test_rules_lead_from_state_to_state(lines: list[str], joined: list[str]) -> None:
    assert logs(custom(START, MORE), lines) == joined


def test_a_rule_that_leads_to_the_start_ends_the_message() -> None:
    rules = custom(("start_state", "/BEGIN/", "in"), ("in", "/END/", "start_state"), ("in", "/./", "in"))
    stream = rules.stream()
    assert stream.feed("BEGIN", 1, 1) == stream.feed("x", 1, 2) == []
    (message,) = stream.feed("END", 1, 3)
    assert message.body == {"log": "BEGIN\nx\nEND\n"}
    assert stream.first_held is None


def test_empty_lines_can_be_part_of_a_message() -> None:
    assert logs(custom(START, ("more", "/^$/", "more")), ["1 a", "", "", "2 b"]) == ["1 a\n\n\n", "2 b\n"]


@pytest.mark.parametrize(
    ("more", "lines", "joined"),
    [
        ({"type": "endswith", "match_string": ";"}, ["a", "b;", "c;", "d"], ["a\nb;\n", "c;\n", "d\n"]),
        ({"type": "endswith", "match_string": "\\", "negate": True}, ["a\\", "b", "c"], ["a\\\nb\n", "c\n"]),
        ({"type": "equal", "match_string": "--"}, ["a", "--", "b"], ["a\n--\n", "b\n"]),
        ({"type": "endswith", "match_string": "END"}, ["a", "long", "xEND"], ["a\n", "long\nxEND\n"]),
    ],
)
def test_strings_end_messages(more: dict[str, Any], lines: list[str], joined: list[str]) -> None:
    assert logs(custom(**more), lines) == joined


def test_fields_of_a_parser_are_joined() -> None:
    rules = custom(START, MORE, parser="json", key_content="msg", key_group="app")
    lines = [
        '{"app":"x","msg":"1 a","n":1}',
        '{"app":"y","msg":"2 b"}',
        '{"app":"x","msg":"  c","n":2}',
        '{"other":1}',
        "plain",
    ]
    assert fed(rules, lines) == [
        {"app": "x", "msg": "1 a\n  c", "n": 1},
        {"app": "y", "msg": "2 b"},
        {"msg": '{"other":1}'},
        {"msg": "plain"},
    ]


def test_records_are_joined_by_the_key_that_a_filter_names() -> None:
    stream = named("go", "python").with_key_content("message").stream()
    records: list[dict[str, Any]] = [
        {"message": "Traceback (most recent call last):", "host": "a"},
        {"message": '  File "x.py", line 1, in f'},
        {"message": "ValueError: x"},
        {"message": "INFO next"},
        {"n": 1},
        {"message": 5},
    ]
    done = [
        message for number, body in enumerate(records) for message in stream.feed_record(body, number, number)
    ]
    assert [(message.time, message.body, message.mark) for message in done] == [
        (0, {"message": "\n".join(str(r["message"]) for r in records[:3]), "host": "a"}, 2),
        (3, {"message": "INFO next"}, 3),
        (4, {"n": 1}, 4),
        (5, {"message": 5}, 5),
    ]


def test_a_message_beyond_the_limit_goes_on_in_another() -> None:
    stream = custom(START, MORE).with_limit(10).stream()
    done = [
        message for line in ["1 abc", " def", " ghi", " jkl", "2 x"] for message in stream.feed(line, 1, None)
    ]
    done += stream.flush()
    assert [(message.body["log"], message.truncated) for message in done] == [
        ("1 abc\n def\n", True),
        (" ghi\n jkl\n", False),
        ("2 x\n", False),
    ]


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([], "the first rule must be of the state start_state"),
        ([MORE], "p.conf:11: .* the first rule must be of the state start_state"),
        ([START], "no rule is of the state more"),
        ([("start_state", "(", "")], r"p.conf:11: \[MULTILINE_PARSER\] rule: the pattern \( cannot be used"),
    ],
)
def test_rules_that_cannot_work_are_refused_with_their_place(
    rules: list[tuple[str, str, str]], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        custom(*rules)


def test_a_configuration_may_name_all_that_are_built_in() -> None:
    assert set(BUILT_IN_MULTILINE) == BUILTIN_NAMES


def test_a_name_is_found_in_any_case() -> None:
    assert builtin("PYTHON") is not None
    assert builtin("perl") is None


def test_the_longest_of_several_timeouts_holds() -> None:
    assert combine([custom(START, MORE, flush_timeout=9.0), named("cri")]).flush_timeout == 9.0
    assert custom(START, MORE).flush_timeout == 4.0
