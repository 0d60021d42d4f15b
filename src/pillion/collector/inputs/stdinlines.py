"""What lines on standard input mean: JSON maps, `[time, map]` events, or text (plugins/in_stdin, process_pack). Pure.

JSON may go over several lines. What is no JSON is kept as it is, where Fluent Bit passes over it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pillion.collector.records import Lines, Records, Texts, object_lines

if TYPE_CHECKING:
    from pillion.collector.parsers import Parser
    from pillion.collector.records import Body, Content

_NANOS = 1_000_000_000
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


class LineReader:
    """Lines in, chunks out. Between two calls it holds the lines of a JSON value that is not complete."""

    def __init__(self, key: str, parser: Parser | None, limit: int) -> None:
        self._key = key
        self._parser = parser
        self._limit = limit
        self._open: list[str] = []
        self.is_text = False
        """There was something that is no JSON, and nobody said how to read it."""

    def read(self, data: bytes, now: int) -> list[Content]:
        """`data` as a `Lines` has it: whole lines of UTF-8, none of them empty."""
        if not data:
            return []
        if self._parser is not None:
            return [self._parser.parse_lines(Lines(data=data, time=now, key=self._key))]
        if not self._open and object_lines(data) is not None:
            return [Texts(data=data, times=now)]
        found = Records(times=[], bodies=[])
        for line in data.decode().split("\n")[:-1]:
            self._take(line, now, found)
        return [found] if found.bodies else []

    def end(self, now: int) -> list[Content]:
        """Give out what is held: the rest of its JSON will not come."""
        found = Records(times=[], bodies=[])
        self._give_up(now, found)
        return [found] if found.bodies else []

    def _take(self, line: str, now: int, found: Records) -> None:
        self._open.append(line)
        text = "\n".join(self._open)
        try:
            events = [_event(value, now) for value in _values(text)]
        except json.JSONDecodeError as error:
            # A line's end is inside no string and no word: what is wrong only at the end may go on.
            is_begun = text.lstrip(_SPACE).startswith(("{", "[")) and error.pos >= len(text.rstrip(_SPACE))
            if not is_begun or len(text) > self._limit:
                self._give_up(now, found)
            return
        except (ValueError, RecursionError):
            self._give_up(now, found)
            return
        self._open = []
        for at, body in events:
            found.times.append(at)
            found.bodies.append(body)

    def _give_up(self, now: int, found: Records) -> None:
        """The lines are text."""
        for line in self._open:
            found.times.append(now)
            found.bodies.append({self._key: line})
            self.is_text = True
        self._open = []


def _values(text: str) -> list[Any]:
    found = []
    at = _after_space(text, 0)
    while at < len(text):
        value, end = _DECODER.raw_decode(text, at)
        found.append(value)
        at = _after_space(text, end)
    return found


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _event(value: Any, now: int) -> tuple[int, Body]:
    """Raises ValueError for what is neither a map nor `[time, map]`."""
    if isinstance(value, dict):
        return now, value
    match value:
        case [[int() | float() as at, dict()], dict() as body] | [int() | float() as at, dict() as body]:
            return (at * _NANOS if isinstance(at, int) else int(at * _NANOS)), body
        case _:
            raise ValueError("it is no event")
