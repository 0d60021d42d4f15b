"""What an output is given, for tests: a clock that stands still, an environment, a folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pillion.collector.status import Notices, OutputStatus
from pillion.units import Instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.clock import Clock
    from pillion.collector.multiline import MultilineParser
    from pillion.collector.parsers import Parser

NOW = 1_768_000_000.0
"""2026-01-09T23:06:40Z"""


class StandingClock:
    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def now(self) -> Instant:
        return Instant(self.time)


class Surroundings:
    def __init__(self, folder: Path = Path("/nowhere"), environment: Mapping[str, str] | None = None) -> None:
        self.name = "output.0"
        self.clock: Clock = StandingClock()
        self.log = logging.getLogger("tests.output")
        self.environment: Mapping[str, str] = environment or {}
        self.folder = folder
        self.notices = Notices(self.log)
        self.status = OutputStatus(name="output.0", plugin="output")
        self.concurrent = False

    def parser(self, name: str) -> Parser:
        raise NotImplementedError

    def multiline_parser(self, name: str) -> MultilineParser:
        raise NotImplementedError
