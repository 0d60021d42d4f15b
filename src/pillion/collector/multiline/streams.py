"""Lines through one or more multiline parsers: the first that knows a line has it.

Source: Fluent Bit's src/multiline/flb_ml.c (`flb_ml_append_text`, `flb_ml_append_object`, `process_append`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec

from pillion.collector.multiline.joiners import LIMIT, Joiner
from pillion.collector.multiline.messages import Line, Message, text_body
from pillion.collector.parsers import Parser
from pillion.collector.records import Body, Content, Lines, Texts, wrap


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """One multiline parser: what it looks at, and how it joins."""

    name: str
    flush_timeout: float
    joiner: Callable[[str, int], Joiner]
    """Makes one for each group of lines; is given the key of the joined text and the most characters of it."""
    key_content: str = ""
    key_group: str = ""
    key_pattern: str = ""
    parser: Parser | None = None
    needles: tuple[bytes, ...] = ()
    """A line without any of these starts no message. None given: nobody knows."""


class Multiline(msgspec.Struct, frozen=True, kw_only=True):
    """One or more forms, in the order in which they are tried."""

    name: str
    forms: tuple[Form, ...]
    limit: int = LIMIT
    """Characters of a joined message; 0: no limit."""

    @property
    def flush_timeout(self) -> float:
        """Seconds after which an unfinished message is given out."""
        return max(form.flush_timeout for form in self.forms)

    def stream(self) -> Stream:
        return Stream(self.forms, self.limit or sys.maxsize)

    def with_key_content(self, key: str) -> Multiline:
        """The same with another key of the text to be joined (the multiline filter's)."""
        forms = tuple(msgspec.structs.replace(form, key_content=key) for form in self.forms)
        return msgspec.structs.replace(self, forms=forms)

    def with_limit(self, limit: int) -> Multiline:
        """The same with another limit (the service's `multiline_buffer_limit`)."""
        return msgspec.structs.replace(self, limit=limit)


def combine(parsers: list[Multiline]) -> Multiline:
    """Several (at least one) that are tried in this order (`multiline.parser docker, cri`)."""
    return Multiline(
        limit=parsers[0].limit,
        name=", ".join(parser.name for parser in parsers),
        forms=tuple(form for parser in parsers for form in parser.forms),
    )


class Stream:
    """The state of one file, or of one tag."""

    def __init__(self, forms: tuple[Form, ...], limit: int = LIMIT) -> None:
        self._forms = forms
        self._limit = limit
        self._joiners: tuple[dict[str, Joiner], ...] = tuple({} for _ in forms)
        """Of each form, by group."""
        self._recent: int | None = None
        self._number = 0
        self._needles: tuple[str, ...] = ()
        """Text without any of these starts no message; none given: nobody knows."""
        if all(form.needles and form.parser is None for form in forms):
            self._needles = tuple(needle.decode() for form in forms for needle in form.needles)

    def feed(self, text: str, time: int, mark: Any) -> list[Message]:
        """One more line; the messages that are complete now. A line that is nobody's is a message of its own, and ends
        those that are held; an empty one that is nobody's is nothing."""
        self._number += 1
        messages: list[Message] | None = []
        if not self._is_nobodys(text):
            for index in self._order():
                line = self._line_of_text(self._forms[index], text, time, mark)
                if line is not None and (messages := self._join(index, line)) is not None:
                    return messages
            messages = self.flush()
        assert messages is not None
        self._went_by(text)
        if text:
            messages.append(Message(time=time, body=text_body(self._forms[0].key_content, text), mark=mark))
        return messages

    def feed_record(self, body: Body, time: int, mark: Any) -> list[Message]:
        """One more record; as `feed`. A record that is nobody's is given out as it is."""
        self._number += 1
        for index in self._order():
            form = self._forms[index]
            line = self._line_of_record(form, body, time, mark)
            if line is not None and (messages := self._join(index, line)) is not None:
                return messages
        messages = self.flush()
        content = body.get(self._forms[0].key_content)
        self._went_by(content if isinstance(content, str) else "")
        messages.append(Message(time=time, body=body, mark=mark))
        return messages

    def pass_through(self, lines: Lines) -> Content | None:
        """All of `lines`, when each of them is a message of its own for certain, without looking at them one by one;
        None when that is not certain: then nothing has changed, and they are to be fed."""
        if not self._needles or not self._is_idle:
            return None
        if any(needle in lines.data for form in self._forms for needle in form.needles):
            return None
        if b"\n\n" in lines.data or lines.data.startswith(b"\n"):
            return None
        last = lines.data[lines.data.rfind(b"\n", 0, -1) + 1 : -1]
        self._went_by(last.decode())
        key = self._forms[0].key_content
        wrapped = wrap(msgspec.structs.replace(lines, key=key or "log"), ending=b"" if key else b"\\n")
        return Texts(data=wrapped, times=lines.time)

    def flush(self) -> list[Message]:
        """Whatever is held."""
        return [
            message for joiners in self._joiners for joiner in joiners.values() for message in joiner.flush()
        ]

    @property
    def first_held(self) -> Any | None:
        """The mark of the first line that is held; None when nothing is. A checkpoint must not pass it."""
        held = [
            joiner.first
            for joiners in self._joiners
            for joiner in joiners.values()
            if joiner.first is not None
        ]
        return min(held, key=lambda line: line.number).mark if held else None

    @property
    def _is_idle(self) -> bool:
        """Only a line that starts a message would be anybody's."""
        return all(joiner.is_idle for joiners in self._joiners for joiner in joiners.values())

    def _is_nobodys(self, text: str) -> bool:
        """Certainly, and nothing is held."""
        return bool(self._needles) and not any(needle in text for needle in self._needles) and self._is_idle

    # ── one form ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _order(self) -> list[int]:
        """The form that had the last line is tried first."""
        order = list(range(len(self._forms)))
        if self._recent:
            order.remove(self._recent)
            order.insert(0, self._recent)
        return order

    def _join(self, index: int, line: Line) -> list[Message] | None:
        form = self._forms[index]
        group = line.body.get(form.key_group) if line.body is not None and form.key_group else ""
        name = group if isinstance(group, str) else ""
        joiner = self._joiners[index].get(name)
        if joiner is None:
            joiner = self._joiners[index][name] = form.joiner(form.key_content, self._limit)
        messages = joiner.join(line)
        if messages is not None:
            self._recent = index
        return messages

    def _went_by(self, content: str) -> None:
        for index, form in enumerate(self._forms):
            if not self._joiners[index]:
                self._joiners[index][""] = form.joiner(form.key_content, self._limit)
            for joiner in self._joiners[index].values():
                joiner.standalone(content)

    def _line_of_text(self, form: Form, text: str, time: int, mark: Any) -> Line | None:
        if form.parser is None:
            return Line(content=text, pattern=text, body=None, time=time, mark=mark, number=self._number)
        parsed = form.parser.parse(text, time)
        return None if parsed is None else self._line_of_body(form, parsed[1], parsed[0], mark)

    def _line_of_record(self, form: Form, body: Body, time: int, mark: Any) -> Line | None:
        if form.parser is None:
            return self._line_of_body(form, body, time, mark)
        content = body.get(form.key_content)
        return self._line_of_text(form, content, time, mark) if isinstance(content, str) else None

    def _line_of_body(self, form: Form, body: Body, time: int, mark: Any) -> Line | None:
        """None when it lacks the text to be joined."""
        content = body.get(form.key_content) if form.key_content else None
        if not isinstance(content, str):
            return None
        pattern = body.get(form.key_pattern) if form.key_pattern else None
        return Line(
            content=content,
            pattern=pattern if isinstance(pattern, str) else content,
            body=body, time=time, mark=mark, number=self._number,
        )  # fmt: skip
