"""Where a file is read from: where we were, if it still is what it was; otherwise its beginning or its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pillion.collector.inputs.tail.birth import born
from pillion.collector.inputs.tail.identity import HEAD_BYTES, MARKER_BYTES, FileId, Fingerprint, Position
from pillion.collector.inputs.tail.neighbours import still_holds
from pillion.collector.inputs.tail.tags import shown

if TYPE_CHECKING:
    import logging

    from pillion.collector.inputs.tail.checkpoint import Checkpoint
    from pillion.collector.inputs.tail.settings import TailSettings

_CLOCK_STEP = 0.01
"""Seconds between the ticks that file times are taken from."""


class Positions:
    """What is known of files that are not open."""

    def __init__(self, settings: TailSettings, log: logging.Logger, began: float | None) -> None:
        """`began`: the process, in seconds since the epoch; None: not known."""
        self._settings = settings
        self._log = log
        self._began = began
        self._had_store = False
        self._ignored: dict[FileId, int] = {}
        """Files older than ignore_older, and their sizes then."""
        self.known: dict[FileId, Checkpoint] = {}
        self.remembered: tuple[Checkpoint, ...] = ()
        """All that an earlier collector knew."""

    def remember(self, checkpoints: list[Checkpoint], *, had_store: bool) -> None:
        """What an earlier collector knew. `had_store`: there was one, even if it knew nothing."""
        self.known = {one.id: one for one in checkpoints}
        self.remembered = tuple(checkpoints)
        self._had_store = had_store

    def ignore(self, file_id: FileId, size: int) -> None:
        """The file is too old; what it has now is not read when it is written to again."""
        self._ignored.setdefault(file_id, size)

    def position(self, descriptor: int, file_id: FileId, path: str, *, is_first_look: bool) -> Position:
        """Of a file that was just opened."""
        size = os.fstat(descriptor).st_size
        known = self._of(file_id, path)
        if known is not None:
            if still_holds(descriptor, known.position):
                return _with_head(descriptor, known.position)
            self._log.info("%s is not what it was: it is read from its beginning", shown(path))
            return at_beginning(descriptor)
        if file_id in self._ignored:
            return at_end(descriptor, min(self._ignored.pop(file_id), size))
        if is_first_look:
            # A file that appeared while the collector was away is new: its lines were never read.
            from_head = self._settings.read_from_head or self._had_store or self._is_younger(descriptor)
            if size and not from_head:
                self._log.info(
                    "%s has %d bytes from before the first start, which are not read (read_from_head off)",
                    shown(path),
                    size,
                )
        else:
            from_head = self._settings.read_newly_discovered_files_from_head
        return at_beginning(descriptor) if from_head else at_end(descriptor, size)

    def _is_younger(self, descriptor: int) -> bool:
        """Made since this process began: a sidecar's agent is let go when the sidecar runs, not when it first looks."""
        if self._began is None:
            return False
        birth = born(descriptor)
        return birth is not None and birth >= self._began - _CLOCK_STEP

    def _of(self, file_id: FileId, path: str) -> Checkpoint | None:
        known = self.known.get(file_id) or self.known.get(FileId(-1, file_id.inode))
        if known is None:  # devices are numbered anew when a volume is mounted again
            same = (one for one in self.known.values() if one.id.inode == file_id.inode and one.path == path)
            known = next((one for one in same if one.position.fingerprint.size), None)
        if known is not None and self._settings.db_compare_filename and known.path != path:
            return None
        return known


def at_beginning(descriptor: int) -> Position:
    """Nothing was read of it."""
    return _with_head(descriptor, Position(offset=0))


def _with_head(descriptor: int, position: Position) -> Position:
    """It is known by as much as there is of its head, read or not: it may be truncated before it is read."""
    head = os.pread(descriptor, HEAD_BYTES, 0)
    return msgspec.structs.replace(position, fingerprint=position.fingerprint.grown(head))


def at_end(descriptor: int, offset: int) -> Position:
    """Behind content that is not read."""
    start = max(0, offset - MARKER_BYTES)
    return Position(
        offset=offset,
        fingerprint=Fingerprint().grown(os.pread(descriptor, min(offset, HEAD_BYTES), 0)),
        marker=os.pread(descriptor, offset - start, start),
    )
