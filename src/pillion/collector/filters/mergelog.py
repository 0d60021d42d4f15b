"""`Merge_Log`: the text in a record's `log` becomes fields.

Source: Fluent Bit's plugins/filter_kubernetes/kubernetes.c (`merge_log_handler`, `pack_map_content`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pillion.collector.filters.fieldnames import put_last
from pillion.collector.records import Body, decode_body
from pillion.collector.records.texts import object_text

if TYPE_CHECKING:
    from pillion.collector.parsers import Parser

_LOG = "log"


class MergeLog(msgspec.Struct, frozen=True, kw_only=True):
    parser: Parser | None = None
    """Merge_Parser. Without one the text must be one JSON object."""
    key: str = ""
    trim: bool = True
    keep: bool = True

    def merge(self, body: Body, time: int, now: int, suggested: Parser | None = None) -> int:
        """Change `body`, and return the record's time. `suggested`: the parser the Pod asks for."""
        log = body.get(_LOG)
        if isinstance(log, dict):
            inner: Body = log
        elif isinstance(log, str):
            parsed = self._parse(log, now, suggested)
            if parsed is None:
                return time
            time, inner = parsed[0] or time, self._trimmed(parsed[1])
        else:
            return time
        if not self.keep:
            del body[_LOG]
        if self.key:
            if inner:
                put_last(body, self.key, inner)
        else:
            for name, value in inner.items():
                put_last(body, name, value)
        return time

    def _parse(self, text: str, now: int, suggested: Parser | None) -> tuple[int, Body] | None:
        """The time is 0 where the text says none; a parser without a time says that it is now."""
        parser = suggested or self.parser
        if parser is not None:
            return parser.parse(text, now)
        found = object_text(text.encode("utf-8", "replace"))
        return None if found is None else (0, decode_body(found))

    def _trimmed(self, parsed: Body) -> Body:
        return {name: _without_line_end(value) for name, value in parsed.items()} if self.trim else parsed


def _without_line_end(value: Any) -> Any:
    """Line ends, real or still escaped; a first character is never one (`value_trim_size`)."""
    if not isinstance(value, str):
        return value
    end = len(value)
    while end > 1:
        if value[end - 1] == "\n":
            end -= 1
        elif value[end - 2] == "\\" and value[end - 1] in "nr":
            end -= 2
        else:
            break
    return value[:end]
