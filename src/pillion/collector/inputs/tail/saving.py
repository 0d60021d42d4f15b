"""Checkpoints are written behind the reading: of what is settled, at most twice per second, while others go on. Of a
file that is new at once: a restart would read all of one that it does not know."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from pillion.collector.inputs.tail.checkpoint import Checkpoint, CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.collector.inputs.tail.files import Files
    from pillion.collector.inputs.tail.identity import FileId
    from pillion.collector.inputs.tail.storing import Opened
    from pillion.collector.inputs.tail.tailer import Tailer
    from pillion.collector.plugin import InputContext

_INTERVAL = 0.5
_FORGET_INTERVAL = 600.0
_REOPEN_INTERVAL = 5.0


class Saving:
    """Of one input. Without a store nothing is kept."""

    def __init__(self, context: InputContext, files: Files, open_store: Callable[[], Opened]) -> None:
        self._context = context
        self._files = files
        self._open_store = open_store
        self._store: CheckpointStore | None = None
        self._unsaved: dict[Tailer, None] = {}
        self._gone: set[FileId] = set()
        self._something = asyncio.Event()
        self._something_new = asyncio.Event()
        self._saved_at = self._forgot_at = 0.0
        self._is_kept_up = False

    def begin(self, opened: Opened) -> None:
        """Without a store, one is looked for again and again: a full disk need not stay full."""
        self._store = opened.store
        self._forgot_at = asyncio.get_running_loop().time()
        if opened.problem:
            self._context.notices.raise_(self._about_store, opened.problem)
        if opened.news:
            self._context.log.warning("%s", opened.news)

    def note(self, tailer: Tailer) -> None:
        """Its checkpoint has moved. While `keep` does not run, it is written here, as seldom."""
        self._unsaved[tailer] = None
        self._something.set()
        now = asyncio.get_running_loop().time()
        if not self._is_kept_up and now - self._saved_at >= _INTERVAL:
            self._saved_at = now
            self.save()

    def note_new(self, tailer: Tailer) -> None:
        """It was not followed before."""
        self.note(tailer)
        self._something_new.set()

    def forget(self, tailer: Tailer) -> None:
        """Its file is deleted, and all of it is settled."""
        self._unsaved.pop(tailer, None)
        self._gone.add(tailer.id)
        self._something.set()

    async def keep(self) -> None:
        """Write what is noted, until cancelled."""
        self._is_kept_up = True
        try:
            while True:
                await self._something.wait()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_INTERVAL):
                        await self._something_new.wait()
                await self._write()
        finally:
            self._is_kept_up = False

    def save(self) -> None:
        """Write what is noted, now."""
        if self._store is None:
            return
        tailers, gone = self._taken()
        try:
            self._store.save([_of(one) for one in tailers], gone, self._files.known_until)
        except OSError as error:
            self._fail(tailers, gone, error)

    def close(self) -> None:
        self.save()
        if self._store is not None:
            self._store.close()
            self._store = None

    async def _write(self) -> None:
        """In a thread: the disk may be slow. What cannot be written is written later, and said."""
        if self._store is None and not await self._found_store():
            return
        assert self._store is not None
        tailers, gone = self._taken()
        seen = self._files.known_until
        try:
            await _finish_in_thread(partial(self._store.save, [_of(one) for one in tailers], gone, seen))
            if asyncio.get_running_loop().time() - self._forgot_at >= _FORGET_INTERVAL:
                self._forgot_at = asyncio.get_running_loop().time()
                await _finish_in_thread(partial(self._store.forget_old, seen))
        except asyncio.CancelledError:
            self._unsaved |= dict.fromkeys(tailers)  # it may have failed; the last one writes them again
            self._gone |= gone
            raise
        except OSError as error:
            self._fail(tailers, gone, error)
        else:
            self._context.notices.clear(self._about, "checkpoints are saved again")

    async def _found_store(self) -> bool:
        self._something.clear()
        self._something_new.clear()
        found: list[Opened] = []
        try:
            await _finish_in_thread(lambda: found.append(self._open_store()))
        finally:
            if found and found[0].store is not None:  # cancelled or not: `close` must find it
                self.begin(found[0])
                self._unsaved |= dict.fromkeys(self._files.tailers.values())
        if self._store is None:
            if not found[0].is_hopeless:
                asyncio.get_running_loop().call_later(_REOPEN_INTERVAL, self._something.set)
            return False
        self._context.notices.clear(self._about_store, "checkpoints are kept from now on")
        return True

    def _taken(self) -> tuple[list[Tailer], set[FileId]]:
        self._something.clear()
        self._something_new.clear()
        tailers, gone = list(self._unsaved), self._gone
        self._unsaved, self._gone = {}, set()
        return tailers, {
            file_id for file_id in gone if file_id not in self._files.tailers
        }  # the inode is in use again

    def _fail(self, tailers: list[Tailer], gone: set[FileId], error: OSError) -> None:
        self._context.notices.raise_(
            self._about, f"cannot save checkpoints: {error}: after a restart lines come twice"
        )
        self._unsaved |= dict.fromkeys(tailers)
        self._gone |= gone
        self._something.set()

    @property
    def _about(self) -> str:
        return f"{self._context.name} checkpoints"

    @property
    def _about_store(self) -> str:
        return f"{self._context.name} checkpoint store"


async def _finish_in_thread(call: Callable[[], None]) -> None:
    """A thread cannot be cancelled: what it has begun is awaited, so that nothing older is written after it."""
    future = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


def _of(tailer: Tailer) -> Checkpoint:
    return Checkpoint(id=tailer.id, name=tailer.name(), path=tailer.path, position=tailer.checkpoint)
