"""The input: hears of changes, and sees to it that files are held open and let go.

Three strands, none of which waits for another. Names and descriptors are seen to where changes are heard (`_hear`) and
at intervals (`_keep_looking`), also while the buffer is full: a file that is rotated away meanwhile is held open.
`Reading` reads, `Saving` writes checkpoints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from pillion.collector.inputs.tail.files import Files, Following
from pillion.collector.inputs.tail.handing import Handing
from pillion.collector.inputs.tail.reading import Reading
from pillion.collector.inputs.tail.saving import Saving

if TYPE_CHECKING:
    from pillion.collector.inputs.tail.changes import Changes
    from pillion.collector.inputs.tail.discovery import Discovery
    from pillion.collector.inputs.tail.shaping import Shape
    from pillion.collector.inputs.tail.storing import Opened
    from pillion.collector.inputs.tail.tailer import Tailer
    from pillion.collector.plugin import InputContext, Intake

_EARS_REST = 0.004
"""Seconds between two readings of the queue of changes: a busy writer's lines come in batches, a lone line at once."""
_WRITER_QUIET = 60.0
"""Seconds without growth after which a rotated file is let go although nobody was seen to close it."""
_DELETED_QUIET = 3600.0
"""The same for a deleted file, which nobody could open again."""


class Tail:
    """One `[INPUT]` of the name tail. `open_store` gives the store, and what is known from it or from others."""

    def __init__(
        self,
        following: Following,
        context: InputContext,
        *,
        shape: Shape,
        discovery: Discovery,
        changes: Changes,
        open_store: Callable[[], Opened],
    ) -> None:
        settings = following.settings
        self._settings = settings
        self._context = context
        self._changes = changes
        self._open_store = open_store
        self._files = Files(following, discovery, context, self._welcome)
        self._saving = Saving(context, self._files, open_store)
        handing = Handing(context, shape, self._on_settled, line_bytes=settings.buffer_max_size)
        self._reading = Reading(
            context,
            self._files,
            handing,
            self._let_go,
            joins=following.joins,
            exit_on_eof=settings.exit_on_eof,
        )
        self._closing: dict[Tailer, bool] = {}
        """Closed files of which not everything is settled → whether they are deleted."""
        self._is_hearing = False
        self._has_recovered = False
        """What is missing is what came since."""

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def run(self, intake: Intake, stopping: asyncio.Event) -> None:
        self._changes.open()
        opened = self._open_store()
        self._files.positions.remember(opened.known, had_store=opened.existed)
        self._saving.begin(opened)
        self._look({})
        self._files.recover()
        self._has_recovered = True
        self._look({}, trusted=False)  # what came and went before its folder was watched
        self._saving.save()  # from now on, what is rotated away is known to be missing
        try:
            async with asyncio.TaskGroup() as strands:
                self._is_hearing = True
                self._listen()
                others = [
                    strands.create_task(self._keep_looking()),
                    strands.create_task(self._saving.keep()),
                    strands.create_task(self._wake_when(stopping)),
                ]
                await self._reading.go_on(intake, stopping)
                for other in others:
                    other.cancel()
        finally:
            self._stop_hearing()
        self._look(self._changes.hear().landed, trusted=False)
        self._files.retry_unopened()
        await self._reading.finish(intake)

    async def close(self) -> None:
        self._stop_hearing()
        self._saving.close()
        for tailer in self._files.tailers.values():
            self._changes.forget_file(tailer)
            tailer.close()
        self._files.tailers.clear()
        self._changes.close()

    async def _wake_when(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._reading.wake()

    # ── hearing and looking ──────────────────────────────────────────────────────────────────────────────────────────
    def _hear(self) -> None:
        """The kernel has something to tell. It is asked again after a rest."""
        loop = asyncio.get_running_loop()
        descriptor = self._changes.descriptor
        assert descriptor is not None
        loop.remove_reader(descriptor)
        loop.call_later(_EARS_REST, self._listen)
        at = self._context.clock.now()
        heard = self._changes.hear()
        for tailer in heard.written:
            self._reading.touch(tailer)
        if heard.landed or heard.names_changed or heard.overflowed:
            self._look(heard.landed, trusted=not heard.overflowed)
        elif heard.is_all and not self._changes.is_deaf:
            self._files.certain_until = at
        if heard.overflowed:
            self._touch_changed()

    def _listen(self) -> None:
        if self._is_hearing and self._changes.descriptor is not None:
            asyncio.get_running_loop().add_reader(self._changes.descriptor, self._hear)

    def _stop_hearing(self) -> None:
        self._is_hearing = False
        if self._changes.descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._changes.descriptor)

    def _look(self, landed: dict[str, str], *, trusted: bool = True) -> None:
        """Look the patterns up. Again when a folder is new: what came into it before it was watched was not heard."""
        for _ in range(16):
            found = self._files.look(landed, trusted=trusted and not self._changes.is_deaf)
            landed = {}
            if not self._changes.watch_folders(found.folders, found.link_folders):
                break
            trusted = not self._has_recovered
        about = f"{self._context.name} inotify"
        if self._changes.problem:
            self._context.notices.raise_(about, self._changes.problem)
        for tailer in list(self._files.tailers.values()):
            if tailer.rotated_at is not None:
                self._reading.touch(tailer)

    def _welcome(self, tailer: Tailer) -> None:
        """A file was opened. It is watched before it is read, so that no change falls between."""
        self._changes.watch_file(tailer)
        tailer.grew_at = asyncio.get_running_loop().time()
        tailer.looked_at = self._context.clock.now()
        self._saving.note_new(tailer)
        self._reading.touch(tailer)

    def _touch_changed(self) -> None:
        for tailer in self._files.tailers.values():
            if tailer.is_behind():
                self._reading.touch(tailer)

    async def _keep_looking(self) -> None:
        """What nobody tells: growth on file systems that tell nothing, rotated files that are over, old checkpoints."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        steady = settings.progress_check_interval + settings.progress_check_interval_nsec / 1e9
        looked_at = loop.time()
        while True:
            await asyncio.sleep(settings.fstat_interval if self._changes.is_deaf else steady)
            if self._changes.descriptor is not None:
                self._hear()  # that there is nothing to hear is news as well
            self._touch_changed()
            self._find_over(loop.time())
            every = (
                min(settings.refresh_interval, steady) if self._changes.is_deaf else settings.refresh_interval
            )
            if loop.time() - looked_at >= every:
                looked_at = loop.time()
                self._look({})
            self._files.look_at_let_go()
            self._files.retry_unopened()

    def _find_over(self, now: float) -> None:
        """Rotated files that can be let go once they are read: quiet, and closed by who wrote them."""
        settings = self._settings
        wall = self._context.clock.now()
        for tailer in self._files.tailers.values():
            quiet = now - tailer.grew_at
            if tailer.rotated_at is not None:
                known = tailer.was_closed_by_writer
                enough = settings.rotate_wait
                if not known and not self._files.lacks_descriptors:
                    enough = max(enough, _DELETED_QUIET if tailer.stat().st_nlink == 0 else _WRITER_QUIET)
                if quiet >= enough and wall - tailer.rotated_at >= settings.rotate_wait:
                    tailer.is_over = True
            elif settings.ignore_active_older_files and settings.ignore_older:
                tailer.is_over = self._files.is_too_old(tailer.stat())
            if tailer.is_over:
                self._reading.touch(tailer)

    # ── letting go ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _let_go(self, tailer: Tailer) -> None:
        """Read to its end, rotated, and nobody writes to it."""
        self._changes.forget_file(tailer)
        self._saving.note(tailer)
        self._closing[tailer] = self._files.close(tailer)
        self._part(tailer)

    def _on_settled(self, tailer: Tailer, moved: bool) -> None:  # noqa: FBT001 - what it is told
        if moved:
            self._saving.note(tailer)
        if tailer in self._closing:
            self._part(tailer)

    def _part(self, tailer: Tailer) -> None:
        """A closed file of which everything is settled needs no more care; a deleted one no checkpoint either."""
        if tailer.settling.is_settled:
            if self._closing.pop(tailer):
                self._saving.forget(tailer)
            if tailer.id not in self._files.tailers:
                self._context.status.files.pop(tailer.id, None)
