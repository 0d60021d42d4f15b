"""The expectations are those of Fluent Bit's plugins/filter_multiline."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.filter_lab import TAG, TIME, Lab, bodies_of, decoded_records

from pillion.collector.configuration import ConfigurationError
from pillion.collector.plugin import Filtered
from pillion.collector.records import as_records

PARSERS = r"""
[MULTILINE_PARSER]
    Name          begun
    Type          regex
    Flush_timeout 1000
    Rule          "start_state" "/^[^ ]/" "cont"
    Rule          "cont" "/^ /" "cont"
"""
KEYS = "multiline.parser begun\nmultiline.key_content log\n"
MILLISECOND = 10**6


def lab(keys: str = KEYS) -> Lab:
    return Lab("multiline", keys, parsers=PARSERS)


def logs(filtered: Filtered) -> list[list[str]]:
    return [[body["log"] for body in bodies_of(content)] for _, content in filtered.emitted]


def records(*texts: str) -> Any:
    return decoded_records(*({"log": text, "stream": "out"} for text in texts))


def test_lines_of_a_message_become_one_record_that_starts_again_under_its_tag() -> None:
    filtered = lab().put(records("a", " b", "c", "d"))
    assert filtered.content is None
    assert [tag for tag, _ in filtered.emitted] == [TAG]
    assert logs(filtered) == [["a\n b", "c"]]
    assert bodies_of(filtered.emitted[0][1])[0] == {"log": "a\n b", "stream": "out"}


def test_a_message_goes_on_in_the_next_chunk() -> None:
    test = lab()
    first = test.put(records("a", "b"))
    assert (logs(first), first.holds, first.holds_earlier) == ([["a"]], True, False)
    second = test.put(records(" c"))
    assert (logs(second), second.holds, second.holds_earlier) == ([], True, True)
    third = test.put(records("d"))
    assert (logs(third), third.holds, third.holds_earlier) == ([["b\n c"]], True, False)


def test_what_is_unfinished_is_given_out_flush_ms_after_its_last_line() -> None:
    test = lab(KEYS + "flush_ms 500")
    test.put(records("a"), now=TIME)
    test.put(records(" b"), now=TIME + 400 * MILLISECOND)
    assert test.filter.wake_at() == (TAG, TIME + 900 * MILLISECOND)
    assert logs(test.filter.flush(TAG, TIME + 900 * MILLISECOND)) == [["a\n b"]]
    assert test.filter.wake_at() is None


def test_tags_have_streams_of_their_own() -> None:
    test = lab()
    test.put(records("a"), tag="one")
    assert logs(test.put(records(" b"), tag="two")) == [[" b"]]
    assert logs(test.filter.flush("one", TIME)) == [["a"]]


def test_without_a_buffer_a_chunk_ends_every_message_and_goes_straight_on() -> None:
    filtered = lab(KEYS + "Buffer Off").put(records("a", " b", "c"))
    assert [body["log"] for body in bodies_of(filtered.content)] == ["a\n b", "c"]
    assert not filtered.emitted
    assert not filtered.holds


def part(text: str, number: int, *, last: bool = False, name: str = "x") -> dict[str, Any]:
    return {
        "partial_message": "true", "partial_id": name, "partial_ordinal": str(number),
        "partial_last": "true" if last else "false", "log": text, "source": "stdout",
    }  # fmt: skip


PARTIAL = "mode partial_message\nmultiline.key_content log\n"


def test_parts_of_dockers_long_lines_become_one_record_without_the_marks() -> None:
    test = lab(PARTIAL)
    filtered = test.put(
        decoded_records(part("a", 1), part("X", 1, name="y"), {"log": "z"}, part("b", 2, last=True))
    )
    assert bodies_of(filtered.content) == [{"log": "z"}, {"source": "stdout", "log": "ab"}]
    assert list(bodies_of(filtered.content)[1]) == ["source", "log"]
    assert filtered.holds
    rest = test.put(decoded_records(part("Y", 2, name="y", last=True)))
    assert bodies_of(rest.content) == [{"source": "stdout", "log": "XY"}]
    assert not rest.holds


def test_parts_without_an_end_are_given_out_after_flush_ms_and_at_the_stop() -> None:
    test = lab(PARTIAL)
    test.put(decoded_records(part("a", 1)), now=TIME)
    test.put(decoded_records(part("b", 1, name="y")), now=TIME + 1000 * MILLISECOND)
    due = TIME + 2000 * MILLISECOND
    assert test.filter.wake_at() == (TAG, due)
    first = test.filter.flush(TAG, due)
    assert (logs(first), first.holds) == ([["a"]], True)
    at_the_stop = test.filter.flush(TAG, due)
    assert (logs(at_the_stop), at_the_stop.holds) == ([["b"]], False)


def test_a_part_that_lacks_its_id_or_its_text_goes_on_as_it_is() -> None:
    odd = [{"partial_message": "true", "log": "a"}, {"partial_message": "true", "partial_id": "x"}]
    assert lab(PARTIAL).bodies(*odd) == odd


def test_times_are_those_of_the_first_line() -> None:
    test = lab()
    chunk = records("a", " b", "c")
    chunk.times[:] = [1, 2, 3]
    filtered = test.put(chunk)
    assert as_records(filtered.emitted[0][1]).times == [1]


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("", "multiline.parser is missing"),
        ("mode partial_message", "multiline.key_content is missing"),
        (PARTIAL + "buffer off", "mode partial_message wants it on"),
        ("mode regex", "not one of parser, partial_message"),
    ],
)
def test_what_is_wrong_is_said(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        lab(keys)
