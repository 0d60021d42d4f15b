"""The only reader of time. One base, taken once; wall time is the base, the loop's progress and the machine's sleep.

So `Instant`s never run backwards when somebody sets the machine's clock, and a test that owns the loop owns them too.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from pillion.units import Instant

_NO_SLEEP = 0.01
"""Seconds by which two readings of `seconds_asleep` differ although nobody slept: it looks at two clocks."""


class Clock(Protocol):
    def now(self) -> Instant:
        """The present moment."""


def seconds_asleep() -> float:
    """How long this machine has been suspended since its boot: what the loop's clock does not count."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class LoopClock:
    """Wall time at the moment of construction, advanced by the running loop's clock and by every sleep.

    Any thread may read it.
    """

    def __init__(self, asleep: Callable[[], float] = seconds_asleep) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._asleep = asleep
        self._slept = asleep()
        self._base = time.time() - self._loop.time()

    def now(self) -> Instant:
        slept = self._asleep()
        with self._lock:
            if slept > self._slept + _NO_SLEEP:
                self._base += slept - self._slept
                self._slept = slept
            return Instant(self._base + self._loop.time())


def file_time() -> float:
    """What the kernel writes down as the time of a file that is changed now: of the clock that people set."""
    return time.time()


def wall_time() -> Instant:
    """The present moment for a command that runs no loop. May run backwards when somebody sets the clock."""
    return Instant(time.time())


def process_age() -> float:
    """Seconds since this process began; the kernel says when, to a hundredth (proc_pid_stat(5): field 22)."""
    with open("/proc/self/stat", "rb") as stat:  # noqa: PTH123 - a foundation imports little
        began = int(stat.read().rpartition(b")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")
