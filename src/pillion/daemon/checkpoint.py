"""How far a log has been shown, so that who takes over after `kill -9` neither repeats nor loses a line.

It is moved when the lines have left this process. A kill in the microseconds between the two shows them once more.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from pillion.containers.logfiles import LogOffset

_SIZE = 256
"""Bytes: always the whole file in one write, so that it holds the old offset or the new one."""


class Checkpoint:
    def __init__(self, file: Path) -> None:
        self._file = file

    def open(self) -> LogOffset | None:
        """The offset an earlier process has left; None: nothing was shown yet. A full disk remembers nothing."""
        try:
            known = self._file.read_bytes()
            return msgspec.json.decode(known, type=LogOffset) if known else None
        except (FileNotFoundError, msgspec.DecodeError):
            pass
        try:
            self._file.parent.mkdir(mode=0o700, exist_ok=True)
            self._file.touch()
        except OSError:
            pass
        return None

    def move(self, offset: LogOffset) -> None:
        """From any thread. Nothing happens when the pod is gone, or the disk is full."""
        try:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            os.pwrite(descriptor, msgspec.json.encode(offset).ljust(_SIZE), 0)
        except OSError:
            return
        finally:
            os.close(descriptor)
