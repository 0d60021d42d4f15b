"""Log rotation, as the kubelet's container log manager does it (pkg/kubelet/logs/container_log_manager.go):

    N.log                        written by conmon
    N.log.20260102-150405        the one before
    N.log.20260102-150301.gz     older ones

A container may write faster than anybody looks. What its logs take on disk is at most
MAX_FILES x (MAX_BYTES + BUSY_SECONDS x the rate at which it writes), and in the one file that a burst out of quiet
meets, (QUIET_SECONDS - BUSY_SECONDS) x the rate more: 250 MB at 100 MB/s, 53 MB for anything usual.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from pillion.clock import Clock
from pillion.containers.instance import Instance
from pillion.containers.monitor import reopen_log
from pillion.units import Instant

MAX_BYTES = 10 << 20
"""Kubelet's containerLogMaxSize."""
MAX_FILES = 5
"""Kubelet's containerLogMaxFiles, the one that is written included."""
BUSY_SECONDS = 0.25
QUIET_SECONDS = 1.0
"""Between two looks while a log grows fast, and while none does. The kubelet looks every 10 s, and a flood fills the
disk meanwhile. A look costs a wake-up, and one stat(2) for each container."""

KEPT_INSTANCES = 2
"""Instances of a container whose logs stay when older ones are removed: the present one and, for `logs --previous`, the
one before (the kubelet's container GC keeps one dead, and removes the logs with the others)."""

_TEMPORARY = ".tmp"
_COMPRESSED = ".gz"


class LogRotation:
    """Keeps the logs of running containers small. Looks only while something runs; `wake` after a start."""

    def __init__(self, clock: Clock, running: Callable[[], Iterable[Instance]]) -> None:
        self._clock = clock
        self._running = running
        self._timer: asyncio.TimerHandle | None = None
        self._compressing: asyncio.Future[None] | None = None
        self._dropped: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        """By container ID, at the last look."""
        self._looked_at = clock.now()

    def dropped_bytes(self, container_id: str) -> int:
        """How much of the container's log is gone because newer lines needed its place."""
        return self._dropped.get(container_id, 0)

    def forget(self, container_id: str) -> None:
        self._dropped.pop(container_id, None)

    def wake(self) -> None:
        if self._timer is None:
            self._look_after(BUSY_SECONDS)

    def _look_after(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._compressing is not None:
            await self._compressing

    def _look(self) -> None:
        self._timer = None
        sizes: dict[str, int] = {}
        grown = 0
        for instance in list(self._running()):
            record = instance.record
            size = _size(record.log_path)
            before = self._sizes.get(record.id, 0)
            grown = max(grown, size - before if size >= before else size)
            if size > MAX_BYTES:
                self._rotate(instance, Path(record.log_path))
            sizes[record.id] = size
        now = self._clock.now()
        if sizes:
            self._look_after(next_look(grown, now - self._looked_at))
        self._sizes, self._looked_at = sizes, now

    def _rotate(self, instance: Instance, log: Path) -> None:
        container_id = instance.record.id
        if not self._is_compressing:
            remove_temporary(log)
        # Two are about to be added: the one that is rotated now, and the fresh one.
        dropped = remove_excess(log, MAX_FILES - 2)
        self._dropped[container_id] = self.dropped_bytes(container_id) + dropped
        older = [path for path in rotated(log) if path.suffix != _COMPRESSED]
        target = rotated_name(log, self._clock.now())
        log.rename(target)
        # Until conmon has opened the new file it goes on writing to the old one: nothing is lost in between.
        if not reopen_log(instance.folder):
            target.rename(log)  # it has just ended: what it said last is looked for here
        self._compress(older)

    def _compress(self, paths: list[Path]) -> None:
        """One thread at a time. Whoever writes so fast that it cannot keep up has his logs dropped uncompressed."""
        if paths and not self._is_compressing:
            self._compressing = asyncio.get_running_loop().run_in_executor(None, compress_all, paths)

    @property
    def _is_compressing(self) -> bool:
        return self._compressing is not None and not self._compressing.done()


def next_look(grown: int, seconds: float) -> float:
    """Seconds until a log that goes on as it did, by `grown` bytes in `seconds`, has a tenth of MAX_BYTES more."""
    if grown <= 0:
        return QUIET_SECONDS
    return min(max(MAX_BYTES / 10 / grown * seconds, BUSY_SECONDS), QUIET_SECONDS)


def rotated(log: Path) -> list[Path]:
    """The rotated files of a log, oldest first."""
    found = [path for path in log.parent.glob(f"{log.name}.*") if path.suffix != _TEMPORARY]
    return sorted(found, key=lambda path: path.name.removesuffix(_COMPRESSED))


def rotated_name(log: Path, now: Instant) -> Path:
    """Named by the second, as the kubelet does it; a flood rotates more often: then a counter keeps the order."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    taken = {path.name.removesuffix(_COMPRESSED) for path in rotated(log)}
    name, count = f"{log.name}.{stamp}", 0
    while name in taken:
        count += 1
        name = f"{log.name}.{stamp}.{count:03}"
    return log.with_name(name)


def remove_temporary(log: Path) -> None:
    """What a process that was killed while it compressed has left."""
    for path in log.parent.glob(f"{log.name}.*{_TEMPORARY}"):
        path.unlink(missing_ok=True)


def remove_excess(log: Path, keep: int) -> int:
    """Remove all but the newest `keep` rotated files. Returns how many bytes of log they held."""
    files = rotated(log)
    dropped = 0
    for path in files[: max(0, len(files) - keep)]:
        try:
            dropped += _log_bytes(path)
            path.unlink()
        except FileNotFoundError:  # compressed meanwhile: the next look finds it under its new name
            continue
    return dropped


def remove_older(folder: Path, keep: int) -> None:
    """Remove the files of all but the newest `keep` instances of one container: `N.log`, `N.log.*`, or plain `N`."""
    by_attempt: dict[int, list[Path]] = {}
    if folder.is_dir():
        for path in folder.iterdir():
            number = path.name.partition(".")[0]
            if number.isdigit():
                by_attempt.setdefault(int(number), []).append(path)
    for attempt in sorted(by_attempt)[:-keep]:
        for path in by_attempt[attempt]:
            path.unlink(missing_ok=True)


def compress_all(paths: list[Path]) -> None:
    for path in paths:
        temporary = path.with_name(path.name + _TEMPORARY)
        try:
            with path.open("rb") as source, gzip.open(temporary, "wb", compresslevel=6) as target:
                shutil.copyfileobj(source, target, 1 << 20)
            temporary.rename(path.with_name(path.name + _COMPRESSED))
            path.unlink()
        except OSError:
            # Dropped by the next rotation while we were at it; or the disk is full, and the file stays as it is.
            temporary.unlink(missing_ok=True)
            if not path.exists():
                path.with_name(path.name + _COMPRESSED).unlink(missing_ok=True)


def _log_bytes(path: Path) -> int:
    """Bytes of log in a rotated file; a compressed one says so in its last four bytes (RFC 1952, ISIZE)."""
    if path.suffix != _COMPRESSED:
        return path.stat().st_size
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


def _size(path: str) -> int:
    # A string, and no Path: this is asked for every container, several times a second.
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:
        return 0
