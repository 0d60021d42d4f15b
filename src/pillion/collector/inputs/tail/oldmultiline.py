"""The older ways of joining lines: `multiline on` with parser_firstline, and `docker_mode`. Pure.

After plugins/in_tail/tail_multiline.c and tail_dockermode.c of Fluent Bit. Two fields of one name, which its records
can have there, are one here, with the later value.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.collector.multiline import Message
from pillion.collector.parsers import Parser
from pillion.collector.records import Body


class FirstLine:
    """A message begins with a line that `first` matches, and takes in all lines until the next of those. A further line
    gives the fields that one of `others` finds in it, or is appended to the message's last field."""

    def __init__(self, first: Parser, others: tuple[Parser, ...], key: str) -> None:
        self._first = first
        self._others = others
        self._key = key
        self._body: Body | None = None
        self._time = 0
        self._begin: Any = None
        self._mark: Any = None

    @property
    def first_held(self) -> Any | None:
        return self._begin if self._body is not None else None

    def feed(self, text: str, time: int, mark: Any) -> list[Message]:
        found = self._first.parse(text, time)
        if found is not None:
            done = self.flush()
            self._time, self._body = found
            self._begin = self._mark = mark
            return done
        if self._body is None:
            return [Message(time=time, body={self._key: text}, mark=mark)]
        for parser in self._others:
            fields = parser.parse(text, time)
            if fields is not None:
                self._body.update(fields[1])
                self._mark = mark
                return []
        last = next(reversed(self._body), None)
        if last is None or not isinstance(self._body[last], str):
            return [Message(time=time, body={self._key: text}, mark=mark)]
        self._body[last] += "\n" + text
        self._mark = mark
        return []

    def flush(self) -> list[Message]:
        if self._body is None:
            return []
        message = Message(time=self._time, body=self._body, mark=self._mark)
        self._body = None
        return [message]


class DockerParts:
    """JSON lines whose `log` does not end in a line feed go on in the next: the last of them, with the whole `log`, is
    what the parser gets."""

    def __init__(self, parser: Parser | None, key: str) -> None:
        self._parser = parser
        self._key = key
        self._log = ""
        self._last: Body | None = None
        self._begin: Any = None
        self._mark: Any = None
        self._time = 0

    @property
    def first_held(self) -> Any | None:
        return self._begin if self._last is not None else None

    def feed(self, text: str, time: int, mark: Any) -> list[Message]:
        try:
            body = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("log"), str):
            return [*self.flush(), self._message(text, time, mark)]
        if self._last is None:
            self._begin = mark
        self._log += body["log"]
        self._last, self._mark, self._time = body, mark, time
        return self.flush() if self._log.endswith("\n") else []

    def flush(self) -> list[Message]:
        if self._last is None:
            return []
        text = msgspec.json.encode(self._last | {"log": self._log}).decode()
        self._last, self._log = None, ""
        return [self._message(text, self._time, self._mark)]

    def _message(self, text: str, time: int, mark: Any) -> Message:
        parsed = self._parser.parse(text, time) if self._parser else None
        if parsed is None:
            return Message(time=time, body={self._key: text}, mark=mark)
        return Message(time=parsed[0], body=parsed[1], mark=mark)
