"""What passes through at once is what would have come out line by line, and nothing is ever lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pillion.collector import records
from pillion.collector.multiline import Stream, builtin, combine
from pillion.collector.records import Lines

WORDS = [
    "",
    "Traceback (most recent call last):",
    '  File "x.py", line 1, in f',
    '  File "x.py", line 1',
    "    1 / 0",
    "    ~~^~~",
    "ValueError: x",
    "KeyboardInterrupt",
    "During handling of the above exception, another exception occurred:",
    "  + Exception Group Traceback (most recent call last):",
    "  | ExceptionGroup: x (1 sub-exception)",
    "    +------------------------------------",
    "a note",
    "INFO x",
    '{"a":1}',
    "panic: x",
    "goroutine 1 [running]:",
    "main.main()",
    "\tfoo.go:5",
    "java.lang.RuntimeException: x",
    "\tat com.x(Y.java:1)",
    "Caused by: java.lang.Error: x",
    "app.rb:1:in `x'",
    "2026-11-22T10:11:01.5Z stdout P x",
    "2026-11-22T10:11:01.5Z stdout F x",
    '{"log":"x","stream":"stdout"}',
    '{"log":"x\\n","stream":"stdout"}',
    'é\\"',
]
LINES = st.sampled_from(WORDS)
TEXT = ["python", "go", "java", "ruby", "json"]
NAMES = st.lists(st.sampled_from([*TEXT, "cri", "docker"]), min_size=1, max_size=3, unique=True)
BUFFERS = st.lists(st.lists(LINES, min_size=1, max_size=4), min_size=1, max_size=6)


def stream_of(names: list[str]) -> Stream:
    found = [builtin(name) for name in names]
    return combine([parser for parser in found if parser is not None]).stream()


@given(NAMES, BUFFERS)
@settings(max_examples=500)
def test_a_buffer_that_passes_is_its_lines_one_by_one(names: list[str], buffers: list[list[str]]) -> None:
    fast, slow = stream_of(names), stream_of(names)
    for buffer in buffers:
        one_by_one = [message for line in buffer for message in slow.feed(line, 7, None)]
        data = "".join([line + "\n" for line in buffer]).encode()
        passed = fast.pass_through(Lines(data=data, time=7))
        if passed is None:
            fed = [message for line in buffer for message in fast.feed(line, 7, None)]
            assert fed == one_by_one
        else:
            assert records.object_lines(records.as_texts(passed).data) == len(buffer)
            assert records.as_records(passed).bodies == [message.body for message in one_by_one]
    assert fast.flush() == slow.flush()


@given(st.lists(st.sampled_from(TEXT), min_size=1, max_size=3, unique=True), st.lists(LINES, max_size=20))
@settings(max_examples=300)
def test_no_line_is_lost_and_none_overtakes_its_checkpoint(names: list[str], lines: list[str]) -> None:
    stream = stream_of(names)
    out: list[str] = []
    for number, line in enumerate(lines):
        for message in stream.feed(line, 7, number):
            out.append(message.body["log"])
            assert message.mark <= number
        held = stream.first_held
        assert held is None or held <= number
    out += [message.body["log"] for message in stream.flush()]
    assert stream.first_held is None
    assert sorted("".join(out).replace("\n", "")) == sorted("".join(lines))
