"""scrape_failure_log_file: a line of JSON for each scrape that got no page (util/logging, JSONFileLogger).

As Prometheus 3 writes them, but for the line of its source.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pillion.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable


class FailureLogs:
    """The files of all jobs; jobs may share one."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._open: dict[str, int] = {}
        self._failing: set[str] = set()

    def reopen(self, files: Iterable[str]) -> None:
        """At the start and at each reload, so that whoever rotates them has a way to say so. Raises HostError; then
        those that were open go on."""
        found: dict[str, int] = {}
        for file in files:
            try:
                found[file] = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                _close(found)
                raise HostError(f"cannot write scrape_failure_log_file {file}: {error.strerror}") from error
        _close(self._open)
        self._open = found
        self._failing.clear()

    def write(self, file: str, *, job: str, target: str, error: str, now: float) -> None:
        """`now` in seconds since the epoch. A disk that takes nothing is told once and stops no scrape."""
        time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        entry = {"time": time, "level": "ERROR", "msg": error, "job_name": job, "target": target}
        try:
            os.write(self._open[file], json.dumps(entry, ensure_ascii=False).encode(errors="replace") + b"\n")
        except OSError as reason:
            if file not in self._failing:
                self._failing.add(file)
                self._log.warning("cannot write scrape_failure_log_file %s: %s", file, reason.strerror)

    def close(self) -> None:
        _close(self._open)
        self._open = {}


def _close(descriptors: dict[str, int]) -> None:
    for descriptor in descriptors.values():
        os.close(descriptor)
