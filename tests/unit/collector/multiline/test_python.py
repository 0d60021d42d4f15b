"""Every traceback is one message, whatever stands before and after it."""

from __future__ import annotations

import pytest
from tests.unit.collector.multiline.tracebacks import all_of_them

from pillion.collector.multiline import builtin

TRACEBACKS = all_of_them()
BEFORE = "2026-11-22 10:11:12,123 INFO agent ready"


def messages(text: str, *, also: str = "") -> list[str]:
    """What comes out of a stream that ends."""
    parser = builtin("python")
    assert parser is not None
    stream = parser.stream()
    fed = [message for line in text.split("\n") for message in stream.feed(line, 1, None)]
    return [message.body["log"] for message in [*fed, *stream.flush()]]


@pytest.mark.parametrize("name", TRACEBACKS)
@pytest.mark.parametrize(
    "after",
    [
        "2026-11-22 10:11:13,123 INFO next",
        "INFO:     127.0.0.1:5000 - GET /",
        "[2026-11-22 10:11:13 +0000] [7] [INFO] Booting",
        '{"level":"info"}',
        "10:11:13.5 next",
        "level=info msg=next",
        "1700000000.25 next",
        "Nov 22 10:11:13 host agent: next",
        "ERROR next",
        "I1122 10:11:13.5 1 x.go:1] next",
    ],
)
def test_a_traceback_among_the_lines_of_a_log_is_one_message(name: str, after: str) -> None:
    traceback = TRACEBACKS[name]
    assert traceback
    assert messages(f"{BEFORE}\n{traceback}\n{after}") == [f"{BEFORE}\n", f"{traceback}\n", f"{after}\n"]


@pytest.mark.parametrize("name", TRACEBACKS)
def test_a_traceback_alone_is_one_message(name: str) -> None:
    assert messages(TRACEBACKS[name]) == [TRACEBACKS[name] + "\n"]


@pytest.mark.parametrize("name", TRACEBACKS)
def test_a_traceback_right_after_another_is_another_message(name: str) -> None:
    traceback = TRACEBACKS[name]
    assert messages(f"{traceback}\n{traceback}\n{TRACEBACKS['plain']}") == [
        f"{traceback}\n",
        f"{traceback}\n",
        f"{TRACEBACKS['plain']}\n",
    ]


@pytest.mark.parametrize(
    "name", [name for name in TRACEBACKS if "note" not in name and name != "a message of several lines"]
)
def test_among_plain_words_a_traceback_ends_with_its_exception(name: str) -> None:
    assert messages(f"hello\n{TRACEBACKS[name]}\nworld\nagain") == [
        "hello\n",
        f"{TRACEBACKS[name]}\n",
        "world\n",
        "again\n",
    ]


def test_a_line_of_the_log_in_the_middle_of_a_traceback_is_a_message_of_its_own() -> None:
    first, *rest = TRACEBACKS["in functions"].split("\n")
    assert messages("\n".join([BEFORE, first, rest[0], BEFORE])) == [
        f"{BEFORE}\n",
        f"{first}\n{rest[0]}\n",
        f"{BEFORE}\n",
    ]


def test_words_without_end_after_a_traceback_are_no_notes() -> None:
    words = [f"word {number}" for number in range(60)]
    assert messages("\n".join([TRACEBACKS["plain"], *words])) == [
        TRACEBACKS["plain"] + "\n",
        *[word + "\n" for word in words],
    ]


def test_what_is_held_is_known() -> None:
    parser = builtin("python")
    assert parser is not None
    stream = parser.stream()
    for number, line in enumerate(["plain", *TRACEBACKS["plain"].split("\n")]):
        stream.feed(line, 1, number)
    assert stream.first_held == 1
    (message,) = stream.flush()
    assert message.mark == len(TRACEBACKS["plain"].split("\n"))
    assert stream.first_held is None
