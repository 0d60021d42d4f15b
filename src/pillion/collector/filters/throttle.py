"""The throttle filter: drops what exceeds a rate (plugins/filter_throttle/throttle.c and window.c)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated

from pillion.collector.configuration.settings import FilterSettings, key
from pillion.collector.filters.stateless import Stateless
from pillion.collector.plugin import Filter, FilterContext, Filtered, FilterPlugin
from pillion.collector.records import Content, count, select

_NANOS = 1_000_000_000
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_INTERVAL = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})([smhd]?)")
_DEFAULT_RATE = 1.0
_DEFAULT_WINDOW = 5


class ThrottleSettings(FilterSettings, frozen=True, kw_only=True):
    rate: Annotated[float, key(help="records per interval, on average over the window")] = _DEFAULT_RATE
    window: Annotated[int, key(help="how many intervals the average is taken over")] = _DEFAULT_WINDOW
    interval: Annotated[str, key(help="the length of an interval: 1, 3s, 1.5m, 0.5h, 1d")] = "1"
    print_status: Annotated[bool, key(help="log the rate at every interval that has records")] = False

    def __post_init__(self) -> None:
        if _INTERVAL.fullmatch(self.interval) is None or not self.interval_seconds:
            raise ValueError("interval: must be a time: a number of seconds, or with s, m, h or d behind it")

    @property
    def interval_seconds(self) -> int:
        """Whole seconds, as `sleep` takes them; at least one: panes of the window are named by their second."""
        found = _INTERVAL.fullmatch(self.interval)
        assert found is not None
        seconds = float(found[1]) * _UNITS[found[2]]
        return max(1, int(seconds)) if seconds > 0 else 0


class Throttle(Stateless):
    """A ring of panes, one for each of the last intervals, that counts what was let through."""

    def __init__(
        self,
        settings: ThrottleSettings,
        started: int,
        *,
        dropped: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`started` in ns: when the first interval begins."""
        # `configure`: what is not above one is the default.
        self._rate = settings.rate if settings.rate > 1 else _DEFAULT_RATE
        self._panes = [0] * (settings.window if settings.window > 1 else _DEFAULT_WINDOW)
        self._interval = settings.interval_seconds * _NANOS
        self._started = started
        self._current = 0
        """Intervals since the start."""
        self._dropped = dropped
        self._say = say if settings.print_status else None

    def filter(self, tag: str, content: Content, now: int) -> Filtered:  # noqa: ARG002 - the protocol's
        self._turn_to(now)
        records = count(content)
        allowed = max(0, math.ceil(self._rate * len(self._panes) - sum(self._panes)))
        through = min(records, allowed)
        self._panes[self._current % len(self._panes)] += through
        if through == records:
            return Filtered(content=content)
        self._dropped(records - through)
        return Filtered(content=select(content, [True] * through + [False] * (records - through)))

    def _turn_to(self, now: int) -> None:
        """Panes are used again in turn. A clock that was set back does not bring old ones back."""
        reached = max(self._current, (now - self._started) // self._interval)
        if reached == self._current:
            return
        size = len(self._panes)
        if self._say is not None:
            self._say(
                f"{sum(self._panes)} records in {size} intervals, at most {self._rate:g} in each on average"
            )
        for number in range(max(self._current + 1, reached - size + 1), reached + 1):
            self._panes[number % size] = 0
        self._current = reached


def build(settings: ThrottleSettings, context: FilterContext) -> Filter:
    return Throttle(
        settings,
        int(context.clock.now() * _NANOS),
        dropped=context.dropped,
        say=lambda sentence: context.log.info("%s", sentence),
    )


PLUGIN = FilterPlugin(name="throttle", settings=ThrottleSettings, build=build)
