"""What was said lately: so that an Event that comes again and again is one line, in as much memory as is bounded."""

from __future__ import annotations

from collections import OrderedDict

LIMIT = 500


class Recent:
    def __init__(self, limit: int = LIMIT) -> None:
        self._texts: OrderedDict[str, None] = OrderedDict()
        self._limit = limit

    def add(self, text: str) -> bool:
        """Whether it is new, or was said so long ago that so many others came after it."""
        is_new = text not in self._texts
        self._texts[text] = None
        self._texts.move_to_end(text)
        if len(self._texts) > self._limit:
            self._texts.popitem(last=False)
        return is_new
