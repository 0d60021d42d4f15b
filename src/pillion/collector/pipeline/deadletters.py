"""Dead letters: records that an output will never take, kept as JSON lines for people to look at and send again.

One file per output, bounded: what comes after it is full is counted and not kept. Fluent Bit keeps whole chunks in its
own format under the same folder (`storage.rejected.path`), and only when `storage.keep.rejected` is on.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import orjson

from pillion.collector.records import Content, as_records
from pillion.units import Instant

LIMIT_BYTES = 64 << 20
"""Of one output's file. Enough to see what is wrong with a configuration, and no threat to a node's disk."""


class DeadLetters:
    """One output's file. Written in the threads that deliver, one at a time."""

    def __init__(
        self, path: Path, *, output: str, now: Callable[[], Instant], limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self.path = path
        self._output = output
        self._now = now
        self._limit = limit_bytes
        self._lock = threading.Lock()

    def write(self, tag: str, reason: str, content: Content) -> int:
        """How many of the records were kept; on disk when this returns. Raises OSError.

        A line is `{"time": …, "tag": …, "output": …, "reason": …, "at": …, "record": {…}}`: the record's time and the
        moment it was given up on, both in seconds since the epoch.
        """
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                lines = self._lines(tag, reason, content, self._limit - size)
                _write_all(descriptor, b"".join(lines), size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return len(lines)

    def _lines(self, tag: str, reason: str, content: Content, room: int) -> list[bytes]:
        records = as_records(content)
        at = self._now()
        lines: list[bytes] = []
        for time, body in zip(records.times, records.bodies, strict=True):
            letter = {"time": time / 1e9, "tag": tag, "output": self._output, "reason": reason, "at": at}
            line = _encode(letter | {"record": body})
            room -= len(line)
            if room < 0:
                break
            lines.append(line)
        return lines


def file_name(output: str) -> str:
    """`http.0.jsonl`; whatever is unusual in an alias is replaced."""
    return re.sub(r"[^\w.-]", "_", output, flags=re.ASCII) + ".jsonl"


def _encode(letter: dict[str, object]) -> bytes:
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(letter, default=_text, option=options)
    except orjson.JSONEncodeError:
        # A surrogate or a number that JSON text cannot hold: as much of it as can be shown.
        return orjson.dumps(letter | {"record": ascii(letter["record"])}, option=options)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _write_all(descriptor: int, data: bytes, size: int) -> None:
    """All of it, or the file is as it was: a line is never cut."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise
