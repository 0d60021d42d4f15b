"""Ends the waits of an output's threads from another thread, when the collector stops."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interruption:
    """Who waits asks `waiting` for a descriptor and polls it beside its own; it becomes readable on `interrupt`.

    Each wait has a descriptor of its own, so that one thread that has seen the interruption cannot hide it from
    another, and a wait that begins later is not ended by it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[int] = set()

    @contextmanager
    def waiting(self) -> Iterator[int]:
        wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            with self._lock:
                self._waiting.add(wake)
            yield wake
        finally:
            with self._lock:
                self._waiting.discard(wake)
            os.close(wake)

    def interrupt(self) -> None:
        with self._lock:
            for wake in self._waiting:
                os.eventfd_write(wake, 1)
