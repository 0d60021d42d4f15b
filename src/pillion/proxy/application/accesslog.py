"""Whether the access log reaches its file: renamed at its size, begun anew when somebody has taken the file away.

Envoy goes on writing into a file that was removed with its folder, and drops what a full disk does not take. Nobody
would know, so it is said, once until it is over, and shown in metrics.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pillion.proxy.application import rotation
from pillion.proxy.envoy.admin import Admin, AdminError

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from pillion.proxy.application.state import State
    from pillion.proxy.configuration.values import AccessLog

ASK_EVERY = 10
"""Looks between two questions to Envoy, which cost more than all the rest of a look."""
_PATTERN = r"^filesystem\.(write_completed|write_failed|reopen_failed)$"


class Writes(msgspec.Struct, frozen=True, kw_only=True):
    """Since Envoy began."""

    completed: int = 0
    failed: int = 0

    @classmethod
    def of(cls, stats: Mapping[str, int | str]) -> Writes:
        completed, *failed = (
            int(stats.get(f"filesystem.{name}", 0))
            for name in ("write_completed", "write_failed", "reopen_failed")
        )
        return cls(completed=completed, failed=sum(failed))


def are_failing(before: Writes, now: Writes, *, were_failing: bool) -> bool:
    """Without a line to be written nothing has changed."""
    if now.failed > before.failed:
        return True
    return were_failing and now.completed == before.completed


class LogKeeper:
    def __init__(self, state: State, admin: Admin, log: logging.Logger) -> None:
        self._state = state
        self._admin = admin
        self._log = log
        self._path = ""
        self._inode: tuple[int, int] | None = None
        """Of the file that Envoy writes to; None: of whatever comes to be there."""
        self._is_awaited = False
        """Envoy was told to begin a file, which it does with its next line."""
        self._is_reopen_due = False
        """The file was renamed, and Envoy could not be told."""
        self._writes = Writes()
        self._are_failing = False
        self._looks = 0

    async def look(self) -> None:
        """To be called each second."""
        log = self._state.serving.access_log
        if log is None:
            self._path = self._state.access_log_fault = ""
            return
        if log.path != self._path:
            self._path, self._inode, self._is_awaited = log.path, None, False
        self._looks += 1
        fault = await self._look_at_file(log)
        if self._looks % ASK_EVERY == 0:
            await self._look_at_writes()
        if not fault and self._are_failing:
            fault = _why_writes_fail(log.path)
        self._tell(fault)

    async def _look_at_file(self, log: AccessLog) -> str:
        """What is wrong with its place."""
        if self._is_reopen_due:
            self._is_reopen_due = not await self._reopen()
            return ""
        path = Path(log.path)
        try:
            found = path.stat()
        except FileNotFoundError:
            if not path.parent.is_dir():
                self._is_awaited = False
                return "its folder is gone"
            if not self._is_awaited:
                await self._begin_anew()
            elif self._looks % ASK_EVERY == 0:
                # Perhaps it was begun, and taken away again before we saw it.
                await self._reopen()
            return ""
        except OSError as error:
            return os.strerror(error.errno or 0).lower()
        inode = found.st_dev, found.st_ino
        if self._inode not in (None, inode):
            await self._begin_anew()
        else:
            self._inode, self._is_awaited = inode, False
        renames = rotation.plan(log.path, size=found.st_size, max_bytes=log.max_bytes, keep=log.keep)
        if renames is not None and rotation.rename(renames, self._log):
            self._state.rotations += 1
            self._is_reopen_due = not await self._reopen()
        return ""

    async def _begin_anew(self) -> None:
        """To be tried again at the next look when Envoy does not answer."""
        if await self._reopen():
            self._state.reopenings += 1
            self._log.warning("the file of the access log was taken away; Envoy begins it anew")

    async def _reopen(self) -> bool:
        try:
            await self._admin.reopen_logs()
        except AdminError as error:
            self._log.warning("Envoy could not be told to begin its access log anew: %s", error)
            return False
        self._inode, self._is_awaited = None, True
        return True

    async def _look_at_writes(self) -> None:
        try:
            now = Writes.of(await self._admin.stats(_PATTERN))
        except AdminError:
            return  # whoever asks for health is told
        self._are_failing = are_failing(self._writes, now, were_failing=self._are_failing)
        self._writes = now

    def _tell(self, fault: str) -> None:
        before, self._state.access_log_fault = self._state.access_log_fault, fault
        if fault and not before:
            self._log.error("the access log %s is not written: %s; its lines are lost", self._path, fault)
        elif before and not fault:
            self._log.info("the access log %s is written again", self._path)


def _why_writes_fail(path: str) -> str:
    try:
        there = os.statvfs(Path(path).parent)
    except OSError as error:
        return str(error.strerror)
    if there.f_bavail == 0 or there.f_favail == 0:
        return "the file system is full"
    return "Envoy cannot write or open it"
