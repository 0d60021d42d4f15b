"""Goes round the files that have something new, one buffer each at a time, and waits where nothing has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pillion.collector.inputs.tail.files import Files
    from pillion.collector.inputs.tail.handing import Handing
    from pillion.collector.inputs.tail.tailer import Tailer, Truncated
    from pillion.collector.plugin import InputContext, Intake


class Reading:
    """The only reader of all files of one input. `let_go` is given each that is over and handed over to its end."""

    def __init__(
        self,
        context: InputContext,
        files: Files,
        handing: Handing,
        let_go: Callable[[Tailer], None],
        *,
        joins: bool,
        exit_on_eof: bool,
    ) -> None:
        self._context = context
        self._files = files
        self._handing = handing
        self._let_go = let_go
        self._joins = joins
        self._exit_on_eof = exit_on_eof
        self._ready: dict[Tailer, None] = {}
        """Files that may have something new, in the order in which they said so."""
        self._wakeup = asyncio.Event()

    def touch(self, tailer: Tailer) -> None:
        """It may have something new."""
        if not tailer.is_closed:
            self._ready[tailer] = None
            self._wakeup.set()

    def wake(self) -> None:
        """Look at `stopping`."""
        self._wakeup.set()

    async def go_on(self, intake: Intake, stopping: asyncio.Event) -> None:
        """Until `stopping` is set, or, when `exit_on_eof` says so, until all files are read."""
        while not stopping.is_set():
            await self._flush_due(intake)
            if self._ready:
                await self._advance(next(iter(self._ready)), intake)
                await asyncio.sleep(0)  # the others' turn
            elif self._exit_on_eof and self._files.tailers:
                return
            else:
                await self._sleep_until(self._next_due())

    async def finish(self, intake: Intake) -> None:
        """Every file that there is, to the end that it has now: a writer that goes on must not keep us. The line that
        has no end comes too, unless its writer is still at it: whoever reads after us is to have it whole."""
        ends: dict[Tailer, int] = {}
        while new := [one for one in self._files.tailers.values() if one not in ends]:  # copies may be found
            ends |= {one: one.stat().st_size for one in new}
            for tailer in new:
                while await self._advance(tailer, intake):
                    if tailer.previous is None and tailer.offset >= ends[tailer]:
                        break
        for tailer in list(self._files.tailers.values()):
            if tailer.is_being_written:
                await self._handing.flush(tailer, tailer.offset - tailer.pending, intake)
            else:
                await self._flush(tailer, intake)
        self._ready.clear()

    async def _sleep_until(self, due: float | None) -> None:
        self._wakeup.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._wakeup.wait()

    async def _advance(self, tailer: Tailer, intake: Intake) -> bool:
        """One buffer of a file, or of the one that had its path before and is not read to its end. Returns whether
        there may be more to do."""
        first = _first_of(tailer)
        if first is not tailer:
            self._ready[tailer] = None
        self._ready.pop(first, None)
        progress = not first.is_closed and await self._read(first, intake)
        return progress or first is not tailer

    async def _read(self, tailer: Tailer, intake: Intake) -> bool:
        about = f"{self._context.name} reading {tailer.shown_path}"
        if tailer.begins():
            self._files.before_beginning(tailer)
            if tailer.previous is not None:
                self.touch(tailer)
                return True
        try:
            reading = tailer.read(self._context.clock.now())
        except OSError as error:
            self._context.notices.raise_(about, f"cannot read {tailer.shown_path}: {error.strerror}")
            tailer.is_unreadable = True
            return False
        tailer.is_unreadable = False
        self._context.notices.clear(about, f"{tailer.shown_path} can be read again")
        settling = tailer.settling
        if reading.truncated is not None:
            await self._after_truncation(tailer, reading.truncated, intake)
        if reading.bytes:
            tailer.grew_at = asyncio.get_running_loop().time()
        for piece in reading.pieces:
            await self._handing.hand_over(tailer, piece, settling, intake)
        if reading.more:
            self.touch(tailer)
        elif tailer.is_over and not reading.bytes:
            await self._end(tailer, intake)
        return reading.bytes > 0 or reading.truncated is not None

    async def _after_truncation(self, tailer: Tailer, truncated: Truncated, intake: Intake) -> None:
        """Its rest may be in a copy; if there is none, what was read of it is all that there will be."""
        self._context.status.files_truncated += truncated.position.offset > 0
        copy, found = self._files.after_truncation(tailer, truncated)
        if copy is not None:
            self._handing.pass_on(truncated, copy)
        else:
            await self._handing.hand_over_gone(tailer, truncated, intake)
        if not found and truncated.unread:
            self._context.status.bytes_lost += truncated.unread
            self._context.log.warning(
                "%s was truncated before its last %d bytes could be read, and there is no copy of it",
                tailer.shown_path,
                truncated.unread,
            )

    async def _end(self, tailer: Tailer, intake: Intake) -> None:
        await self._flush(tailer, intake)
        if tailer.is_behind():
            self.touch(tailer)
        else:
            self._let_go(tailer)

    async def _flush(self, tailer: Tailer, intake: Intake) -> None:
        """The last line, which has no end, and the last message."""
        for piece in tailer.flush():
            await self._handing.hand_over(tailer, piece, tailer.settling, intake)
        await self._handing.flush(tailer, tailer.offset, intake)

    def _next_due(self) -> float | None:
        if not self._joins:
            return None
        dues = (one.joiner.due_at for one in self._files.tailers.values())
        return min((due for due in dues if due is not None), default=None)

    async def _flush_due(self, intake: Intake) -> None:
        """Messages whose next line does not come."""
        if not self._joins:
            return
        now = asyncio.get_running_loop().time()
        for tailer in list(self._files.tailers.values()):
            due = tailer.joiner.due_at
            if due is not None and due <= now:
                await self._handing.flush(tailer, tailer.offset - tailer.pending, intake)


def _first_of(tailer: Tailer) -> Tailer:
    """Of the files that have had its path, one after the other, the first that is not read to its end."""
    first = tailer
    one = tailer
    while one.previous is not None:
        if one.previous.is_closed or not one.previous.is_behind():
            one.previous = None  # it was read: what is written to it from now on does not come first
        else:
            first = one = one.previous
    return first
