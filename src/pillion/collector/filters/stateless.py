"""Filters that keep nothing from one chunk to the next."""

from __future__ import annotations

from collections.abc import Callable

from pillion.collector.plugin import Filtered
from pillion.collector.records import Body, Content, Records, as_records

NOTHING = Filtered(content=None)


class Stateless:
    """The half of the protocol that such filters have in common."""

    def flush(self, tag: str, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        """Nothing is held."""
        return NOTHING

    def wake_at(self) -> tuple[str, int] | None:
        return None


class Bodywise(Stateless):
    """A filter of one function of the body. The function owns the body it gets, and returns it or another."""

    def __init__(self, change: Callable[[Body], Body]) -> None:
        self._change = change

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        records = as_records(content)
        return Filtered(content=Records(times=records.times, bodies=list(map(self._change, records.bodies))))
