"""The buffer on disk: chunks that outlive the process, and who has not got them yet.

A chunk that is delivered before the disk had its turn is never written. One that is written stays in memory while
there is room for it (`RESIDENT_BYTES`), and is read back when it is due otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from pillion.collector.buffer import frames
from pillion.collector.buffer.chunks import StoredChunk
from pillion.collector.buffer.recovery import Recovered, recover
from pillion.collector.buffer.writing import Mark, Segment, Write, Writer
from pillion.collector.records import Content
from pillion.collector.status import Notices
from pillion.errors import HostError

RESIDENT_BYTES = 5 << 20
"""Fluent Bit's `storage.backlog.mem_limit`."""


class DiskBuffer:
    """Used in the loop's thread."""

    def __init__(
        self, folder: Path, *, log: logging.Logger, notices: Notices, resident_bytes: int = RESIDENT_BYTES
    ) -> None:
        """Raises HostError when the folder cannot be used, or another collector uses it."""
        self.folder = folder
        self.chunks = 0
        self.pending_bytes: Counter[str] = Counter()
        """On disk or on their way there, by output."""
        self._log = log
        self.notices = notices
        self._loop = asyncio.get_running_loop()
        self._resident_limit = resident_bytes
        self._resident_bytes = 0
        self._unwritten: dict[StoredChunk, Callable[[], None]] = {}
        self._changed = asyncio.Event()
        self._lock, recovered = _open(folder)
        self.recovered = recovered.chunks
        """What an earlier run left, oldest first."""
        for path, why in recovered.refused.items():
            notices.raise_(str(path), f"cannot read {path}: {why}; its records are not sent")
        for path, size in recovered.damaged.items():
            log.warning("%d bytes of %s are not whole chunks; the others are sent", size, path)
        for chunk in recovered.chunks:
            self._count(chunk)
        self._writer = Writer(
            folder,
            next_number=recovered.last_number + 1,
            log=log,
            failed=partial(self._from_writer, self._writing_failed),
        )

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────
    def add(self, label: frames.Label, content: Content, *, settled: Callable[[], None]) -> StoredChunk:
        """`settled` is called once, in the loop's thread: the chunk is on disk, or all its outputs have it."""
        chunk = StoredChunk(label, content)
        self._count(chunk)
        self._resident_bytes += label.bytes
        self._unwritten[chunk] = settled
        encode = partial(
            frames.encode, label.tag, content,
            outputs=label.outputs, records=label.records, size=label.bytes, since=label.since,
        )  # fmt: skip
        self._writer.put(
            Write(
                encode=encode,
                is_needed=lambda: bool(chunk.pending),
                written=partial(self._from_writer, self._written, chunk),
            )
        )
        return chunk

    async def room(self, output: str, size: int, limit: int) -> None:
        """Waits until `size` more bytes for `output` are within `limit`; into nothing, anything fits."""
        while self.pending_bytes[output] and self.pending_bytes[output] + size > limit:
            await self._changed.wait()

    async def written(self) -> None:
        """Returns when everything that was added is on disk or delivered."""
        while self._unwritten:
            await self._changed.wait()

    def _count(self, chunk: StoredChunk) -> None:
        self.chunks += 1
        for number in chunk.pending:
            self.pending_bytes[chunk.label.outputs[number]] += chunk.label.bytes

    def _written(self, chunk: StoredChunk, segment: Segment, frame: frames.Frame) -> None:
        chunk.place(segment, frame)
        self._note(chunk, sorted(set(range(len(chunk.label.outputs))) - chunk.pending))
        self._settle(chunk)
        if chunk.pending and self._resident_bytes > self._resident_limit:
            self._resident_bytes -= chunk.label.bytes
            chunk.resident = None

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    def done(self, chunk: StoredChunk, output: str) -> None:
        """`output` needs the chunk no more."""
        number = chunk.label.outputs.index(output)
        chunk.pending.remove(number)
        self.pending_bytes[output] -= chunk.label.bytes
        if not chunk.pending:
            self.chunks -= 1
            if chunk.resident is not None:
                self._resident_bytes -= chunk.label.bytes
            self._settle(chunk)
        if chunk.frame is not None:
            self._note(chunk, [number])
        self._tell()

    def _settle(self, chunk: StoredChunk) -> None:
        if settled := self._unwritten.pop(chunk, None):
            settled()
            self._tell()

    def _note(self, chunk: StoredChunk, numbers: list[int]) -> None:
        assert chunk.segment is not None
        assert chunk.frame is not None
        for number in numbers:
            last = not chunk.pending and number == numbers[-1]
            self._writer.put(Mark(segment=chunk.segment, chunk=chunk.frame.number, output=number, last=last))

    def _tell(self) -> None:
        """Wakes everybody who waits for a change."""
        self._changed.set()
        self._changed.clear()

    # ── the writer ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _from_writer(self, call: Callable[..., None], *arguments: object) -> None:
        """In the writer's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to hear it
            self._loop.call_soon_threadsafe(call, *arguments)

    def _writing_failed(self, error: OSError | None) -> None:
        about = str(self.folder)
        if error is None:
            self.notices.clear(about, f"{about} can be written to again")
        else:
            self.notices.raise_(about, f"cannot write to {about}: {error.strerror}; records wait in memory")

    async def close(self, within: float) -> None:
        """Writes what was added, if the disk takes it within some seconds, and lets the folder go."""
        try:
            async with asyncio.timeout(within):
                await self.written()
        except TimeoutError:
            self._log.error("%s did not take %d chunks in time", self.folder, len(self._unwritten))
        await asyncio.to_thread(self._writer.close, 1.0)
        self._lock.close()


def _open(folder: Path) -> tuple[IO[str], Recovered]:
    """The folder's lock, held, and what is in it. Raises HostError."""
    with contextlib.ExitStack() as on_failure:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = on_failure.enter_context((folder / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            recovered = recover(folder)
        except BlockingIOError as error:
            raise HostError(
                f"cannot buffer in {folder}: another collector does; give each a storage.path of its own"
            ) from error
        except OSError as error:
            raise HostError(f"cannot buffer in {folder}: {error.strerror}") from error
        on_failure.pop_all()
    return lock, recovered
