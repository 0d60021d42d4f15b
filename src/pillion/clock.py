"""The only reader of time. One base, taken once; wall time is the base plus the loop's own progress.

So `Instant`s never run backwards when somebody sets the machine's clock, and a test that owns the loop owns them too.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from pillion.units import Instant


class Clock(Protocol):
    def now(self) -> Instant:
        """The present moment."""


class LoopClock:
    """Wall time at the moment of construction, advanced by the running loop's clock."""

    def __init__(self) -> None:
        self._wall = time.time()
        self._loop_start = asyncio.get_running_loop().time()

    def now(self) -> Instant:
        return Instant(self._wall + asyncio.get_running_loop().time() - self._loop_start)
