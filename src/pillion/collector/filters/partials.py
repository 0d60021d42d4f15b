"""Docker's parts of long lines become one record again: the multiline filter's mode partial_message.

Source: Fluent Bit's plugins/filter_multiline/ml.c (`ml_filter_partial`) and ml_concat.c.
"""

from __future__ import annotations

from typing import Any

from pillion.collector.filters.stateless import NOTHING
from pillion.collector.plugin import Filtered
from pillion.collector.records import Body, Content, Records, as_records
from pillion.collector.records.bodies import as_text

_PREFIX = "partial_"
_MESSAGE, _ID, _LAST = "partial_message", "partial_id", "partial_last"


class _Begun:
    """A record whose parts are still coming."""

    def __init__(self, body: Body, key: str, time: int) -> None:
        """Of its first part the other fields are kept, but none of the `partial_…`; the joined text comes last."""
        self.time = time
        self.body: Body = {
            name: value for name, value in body.items() if name != key and not name.startswith(_PREFIX)
        }
        self.parts: list[str] = []
        self.last_part_at = 0


class Partials:
    def __init__(self, key_content: str, *, flush_after: int) -> None:
        """`flush_after` in ns since the last part."""
        self._key = key_content
        self._flush_after = flush_after
        self._begun: dict[tuple[str, str], _Begun] = {}
        """By tag and partial_id."""

    def filter(self, tag: str, content: Content, now: int) -> Filtered:
        records = as_records(content)
        times: list[int] = []
        bodies: list[Body] = []
        for time, body in zip(records.times, records.bodies, strict=True):
            part = self._part(body)
            if part is None:
                times.append(time)
                bodies.append(body)
                continue
            begun = self._begun.setdefault((tag, part[0]), _Begun(body, self._key, time))
            begun.parts.append(part[1])
            begun.last_part_at = now
            if _is_true(body.get(_LAST)):
                times.append(begun.time)
                bodies.append(self._joined(tag, part[0]))
        joined = Records(times=times, bodies=bodies) if bodies else None
        return Filtered(content=joined, holds=self._holds(tag))

    def flush(self, tag: str, now: int) -> Filtered:
        """Those of the tag whose time is up; none: all of them, for the collector stops. A part that comes later is a
        record of its own."""
        mine = [each for each in self._begun if each[0] == tag]
        mine = [each for each in mine if self._due(each) <= now] or mine
        if not mine:
            return NOTHING
        times = [self._begun[each].time for each in mine]
        bodies = [self._joined(*each) for each in mine]
        return Filtered(
            content=None, emitted=((tag, Records(times=times, bodies=bodies)),), holds=self._holds(tag)
        )

    def wake_at(self) -> tuple[str, int] | None:
        first = min(self._begun, key=self._due, default=None)
        return None if first is None else (first[0], self._due(first))

    def _due(self, each: tuple[str, str]) -> int:
        return self._begun[each].last_part_at + self._flush_after

    def _holds(self, tag: str) -> bool:
        return any(of == tag for of, _ in self._begun)

    def _part(self, body: Body) -> tuple[str, str] | None:
        """The id and the text; None for what is no part, or lacks one of them: it goes on as it is."""
        if not _is_true(body.get(_MESSAGE)):
            return None
        name, text = _text(body.get(_ID)), _text(body.get(self._key))
        return None if name is None or text is None else (name, text)

    def _joined(self, tag: str, name: str) -> Body:
        begun = self._begun.pop((tag, name))
        return {**begun.body, self._key: "".join(begun.parts)}


def _is_true(value: Any) -> bool:
    """strncasecmp("true", value, 4)."""
    text = _text(value)
    return text is not None and text[:4].lower() == "true"


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return as_text(value)
    return value if isinstance(value, str) else None
