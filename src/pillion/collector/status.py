"""What the collector counts, and what it has to say once. Changed in the loop's thread only; shown by `service`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import logging


class FileStatus(msgspec.Struct, kw_only=True):
    """One tailed file. Offsets and lags in bytes, times in seconds since the epoch."""

    path: str
    inode: int
    size: int = 0
    read_offset: int = 0
    delivered_offset: int = 0
    """The checkpoint: everything before it is acknowledged."""
    oldest_unsent: float | None = None
    """When the oldest record that is not acknowledged was read; None when all are."""
    rotated: bool = False


class InputStatus(msgspec.Struct, kw_only=True):
    name: str
    plugin: str
    records: int = 0
    bytes: int = 0
    waiting: bool = False
    """Held back: its share of the buffer is full."""
    buffered_bytes: int = 0
    """Handed over and not settled."""
    limit_bytes: int = 0
    unrouted: int = 0
    """Records that no output takes."""
    files: dict[tuple[int, int], FileStatus] = msgspec.field(default_factory=dict)
    """By (device, inode)."""
    files_opened: int = 0
    files_closed: int = 0
    files_rotated: int = 0
    files_truncated: int = 0
    long_lines: int = 0
    invalid_utf8: int = 0
    """Lines in which bytes that are not UTF-8 were replaced by U+FFFD."""
    bytes_lost: int = 0
    """Bytes known to be gone before they could be read (truncated, deleted); the only way a tail loses anything."""


class FilterStatus(msgspec.Struct, kw_only=True):
    name: str
    plugin: str
    records_in: int = 0
    bytes_in: int = 0
    added: int = 0
    """More came out than went in."""
    removed: int = 0
    """Fewer came out than went in, for any reason (joined, sent on under another tag, dropped): what Fluent Bit calls
    `drop_records`."""
    emitted: int = 0
    """Sent on under another tag."""
    dropped: int = 0
    """Dropped on purpose."""
    errors: int = 0
    """Records that the filter could not work on: they went on as they were."""
    found: dict[str, int] = msgspec.field(default_factory=dict)
    """By kind, what was found in them (redact)."""


class OutputStatus(msgspec.Struct, kw_only=True):
    """Counters are records unless their name says otherwise."""

    name: str
    plugin: str
    delivered: int = 0
    delivered_bytes: int = 0
    retries: int = 0
    """Deliveries (not records) that were tried again."""
    retried: int = 0
    """Records in them."""
    retries_failed: int = 0
    errors: int = 0
    dropped: int = 0
    dead_letters: int = 0
    rejected_unseen: int = 0
    waiting_records: int = 0
    waiting_bytes: int = 0
    oldest_unsent: float | None = None
    last_delivery: float | None = None
    last_error: str = ""
    consecutive_failures: int = 0


class Notices:
    """What is wrong at the moment: said once when it begins, once when it is over, shown for as long as it lasts."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._current: dict[str, str] = {}

    @property
    def current(self) -> dict[str, str]:
        """The sentences, by what they are about."""
        return dict(self._current)

    def raise_(self, about: str, sentence: str) -> None:
        """Something is wrong with `about`: said unless it was said already in the same words."""
        if self._current.get(about) != sentence:
            self._current[about] = sentence
            self._log.warning("%s", sentence)

    def clear(self, about: str, sentence: str = "") -> None:
        """It is over; `sentence` says so, if there was something."""
        if self._current.pop(about, None) is not None and sentence:
            self._log.info("%s", sentence)
