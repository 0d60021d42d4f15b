"""Python's tracebacks, one message each: markers under the code (3.11), exception groups, chains, notes, messages of
several lines, syntax errors.

Where a traceback ends is not written down: after the exception's line come its notes and the rest of its message, in
any words, or the next line of the log. What is indented, or leads to the next part of a chain, belongs to it. What
looks like a line of a log (a time, a level, JSON) does not. Other lines are held until that is known, and belong to it
unless the other lines of this stream do not look like a log's.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from pillion.collector.multiline.joiners import LIMIT
from pillion.collector.multiline.messages import Line, Message, Pending

_HEADER = "Traceback (most recent call last):"
_START = re.compile(
    r"""Traceback\ \(most\ recent\ call\ last\):$
      | [ ]{2}\+\ Exception\ Group\ Traceback\ \(most\ recent\ call\ last\):$
      | [ ]{2}File\ ".*",\ line\ [0-9]+$   # a syntax error of the program itself has no header
    """,
    re.VERBOSE,
)
_CHAIN = frozenset({
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
})  # fmt: skip
_MARGIN = re.compile(r"[ \t]+[|+]")
"""Every line of an exception group has one, but for the further lines of messages in it."""
_EXCEPTION = re.compile(r"[^\W\d](?:[\w.]|<locals>)*(?::|$)")
_LOG = re.compile(
    r"""[\[{<(]?(?:
          [0-9]{4}[-/][0-9]{2}                                    # 2026-11-22
        | [0-9]{1,2}[:/.-](?:[0-9]{2}|[A-Z][a-z]{2})[:/.-]        # 10:11:12, 22/Nov/2026
        | [0-9]{9,}[. ,\]]                                        # 1700000000.5
        | (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[,\ ]
        | (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ ]+[0-9]
        | (?i:trace|debug|info|notice|warn|warning|error|err|critical|fatal)\b
        | [A-Za-z_][\w.-]*=                                       # logfmt
        | [IWEF][0-9]{4}\ [0-9]                                   # glog
        | "                                                       # {"
      )""",
    re.VERBOSE,
)
_MOST_HELD = 40
NEEDLES = (_HEADER.encode(), b'  File "')
"""Without one of these in it, no line starts a message."""


class _State(Enum):
    IDLE = auto()
    FRAMES = auto()
    """From the header to the exception."""
    GROUP = auto()
    """Within the margin of an exception group."""
    AFTER = auto()
    """After the exception."""
    CHAIN = auto()
    """After the sentence that leads to the next traceback."""


class PythonJoiner:
    def __init__(self, key: str, limit: int = LIMIT) -> None:
        self._key = key
        self._pending = Pending(key)
        self._held: list[Line] = []
        """Lines after the exception that may belong to it."""
        self._state = _State.IDLE
        self._like_a_log: bool | None = None
        """What this stream's other lines look like; None before there was one."""
        self._limit = limit

    def join(self, line: Line) -> list[Message] | None:
        text = line.content
        if self._state in (_State.FRAMES, _State.GROUP) and self._goes_on(text):
            return self._add_held() + self._add(line)
        if (
            self._state in (_State.AFTER, _State.CHAIN, _State.GROUP)
            and (after := self._after(line)) is not None
        ):
            return after
        if _START.match(text) is None:
            return None
        messages = self.flush()
        self._state = _State.GROUP if "+" in text[:3] else _State.FRAMES
        return messages + self._add(line)

    def _goes_on(self, text: str) -> bool:
        """Within a traceback; sees where it ends."""
        if self._state is _State.GROUP:
            return _MARGIN.match(text) is not None and _START.match(text) is None
        if text[:1] in (" ", "\t"):
            return True
        if _EXCEPTION.match(text) is None:
            return False
        self._state = _State.AFTER
        return True

    def _after(self, line: Line) -> list[Message] | None:
        """A line after an exception; None when it does not belong to it."""
        text = line.content
        if text in _CHAIN:
            messages = self._add_held()
            self._state = _State.CHAIN
            return messages + self._add(line)
        if _START.match(text) is not None:
            if self._state is not _State.CHAIN:
                return None
            messages = self._add_held()
            self._state = _State.GROUP if "+" in text[:3] else _State.FRAMES
            return messages + self._add(line)
        if text.strip() and text[:1] not in (" ", "\t") and _LOG.match(text) is not None:
            return None
        self._held.append(line)
        return self.flush() if len(self._held) > _MOST_HELD else []

    def flush(self) -> list[Message]:
        """The traceback with what is held, or the traceback and then what is held, each line a message."""
        while self._held and not self._held[-1].content.strip():
            self._held.pop()
        mine = len(self._held)
        if self._like_a_log is False or mine > _MOST_HELD:
            mine = 0
            while mine < len(self._held) and self._held[mine].content[:1] in (" ", "\t"):
                mine += 1
        others = self._held[mine:]
        del self._held[mine:]
        messages = self._add_held() + self._pending.take()
        self._state = _State.IDLE
        for line in others:
            if line.content:
                alone = Pending(self._key)
                alone.add(line)
                messages += alone.take()
        return messages

    def standalone(self, content: str) -> None:
        if content.strip():
            self._like_a_log = _LOG.match(content) is not None

    def _add_held(self) -> list[Message]:
        held, self._held = self._held, []
        return [message for line in held for message in self._add(line)]

    def _add(self, line: Line) -> list[Message]:
        messages: list[Message] = []
        if self._pending.size and self._pending.size + len(line.content) > self._limit:
            messages = self._pending.take(truncated=True)
        self._pending.add_line(line)
        return messages

    @property
    def first(self) -> Line | None:
        return self._pending.first

    @property
    def is_idle(self) -> bool:
        return self._pending.first is None
