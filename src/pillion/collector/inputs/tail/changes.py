"""What the kernel tells of our files and folders, sorted by whom it concerns; and which of them it cannot tell of."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pillion.collector.inputs.tail.rotation import Moves
from pillion.collector.inputs.tail.watching import Change, Inotify, is_remote

if TYPE_CHECKING:
    from pillion.collector.inputs.tail.discovery import Discovery
    from pillion.collector.inputs.tail.tailer import Tailer


class Heard(msgspec.Struct, kw_only=True):
    """What one reading of the queue comes to."""

    written: dict[Tailer, None] = msgspec.field(default_factory=dict)
    landed: dict[str, str] = msgspec.field(default_factory=dict)
    """Followed files that have another name now: the name → the path they had."""
    names_changed: bool = False
    """The patterns may mean other files now."""
    overflowed: bool = False
    """Anything may have happened."""
    is_all: bool = False
    """There was no more to be heard."""


class Changes:
    """The watches of one input. Without inotify (`wanted` false, or none to be had) it hears nothing."""

    def __init__(self, discovery: Discovery, *, wanted: bool) -> None:
        self._discovery = discovery
        self._moves = Moves(discovery.means)
        self._folders: dict[str, int] = {}
        self._folder_of: dict[int, str] = {}
        self._link_folders: frozenset[str] = frozenset()
        self._tailers: dict[int, Tailer] = {}
        self._watches: dict[Tailer, int] = {}
        self._mounts = ""
        self.deaf: set[str] = set()
        """Folders that cannot be watched, or whose file system changes without our kernel."""
        self.problem = ""
        """Why there is no inotify; empty when there is."""
        self._inotify: Inotify | None = None
        self._wanted = wanted

    def open(self) -> None:
        """Before anything else."""
        if self._wanted:
            try:
                self._inotify = Inotify()
                self._mounts = Path("/proc/self/mountinfo").read_text()
            except OSError as error:
                self.problem = (
                    f"inotify cannot be used ({error.strerror or error}); files are looked at instead"
                )

    @property
    def descriptor(self) -> int | None:
        """Readable when there is something to hear."""
        return self._inotify.descriptor if self._inotify else None

    @property
    def is_deaf(self) -> bool:
        """Some changes would not be heard: they have to be looked for."""
        return self._inotify is None or bool(self.deaf)

    def watch_folders(self, folders: Iterable[str], link_folders: Iterable[str]) -> bool:
        """Watch these and no others. Returns whether one is new: what came into it before the watch was not heard."""
        wanted = set(folders)
        self._link_folders = frozenset(link_folders)
        for path in self._folders.keys() - wanted:
            self._forget_folder(path)
        self.deaf &= wanted
        fresh = False
        for path in wanted - self._folders.keys():
            fresh |= self._watch_folder(path)
        return fresh

    def watch_file(self, tailer: Tailer) -> None:
        if self._inotify is None:
            return
        try:
            watch = self._inotify.watch_file(tailer.descriptor)
        except OSError as error:
            self.problem = f"not every file can be watched ({error.strerror}); they are looked at instead"
            self.deaf.add(os.path.dirname(tailer.path) or ".")  # noqa: PTH120
            return
        self._tailers[watch] = tailer
        self._watches[tailer] = watch

    def forget_file(self, tailer: Tailer) -> None:
        """Before its descriptor is closed."""
        watch = self._watches.pop(tailer, None)
        if watch is not None and self._inotify is not None and self._tailers.pop(watch, None) is not None:
            self._inotify.forget(watch)

    def hear(self) -> Heard:
        """Everything that has been told since the last call."""
        heard = Heard()
        for event in self._inotify.read() if self._inotify else ():
            if event.mask & Change.OVERFLOW:
                heard.overflowed = True
                for tailer in self._watches:
                    tailer.is_being_written = False  # we may not have heard that it was closed
            elif event.watch in self._tailers:
                self._hear_of_file(event.watch, event.mask, heard)
            elif event.watch in self._folder_of:
                folder = self._folder_of[event.watch]
                if event.mask & (Change.IGNORED | Change.DELETE_SELF | Change.MOVE_SELF):
                    self._forget_folder(folder)
                    heard.names_changed = True
                    continue
                path = os.path.join("" if folder == "." else folder, event.name)  # noqa: PTH118
                self._moves.see(event, path)
                heard.names_changed |= (
                    folder in self._link_folders
                    or self._discovery.means(path)
                    or self._discovery.leads_to(path)
                )
        heard.landed = self._moves.landed()
        heard.is_all = self._inotify is not None and self._inotify.is_empty
        return heard

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _hear_of_file(self, watch: int, mask: int, heard: Heard) -> None:
        tailer = self._tailers[watch]
        if mask & Change.IGNORED:
            del self._tailers[watch]
            self._watches.pop(tailer, None)
            return
        heard.written[tailer] = None
        if mask & Change.MODIFY:
            tailer.was_closed_by_writer = False
            tailer.is_being_written = True
            tailer.is_told = True
        if mask & Change.CLOSE_WRITE:
            tailer.was_closed_by_writer = True
            tailer.is_being_written = False
        if mask & (Change.MOVE_SELF | Change.DELETE_SELF | Change.ATTRIB):
            heard.names_changed = True

    def _watch_folder(self, path: str) -> bool:
        if self._inotify is None:
            return False
        try:
            watch = self._inotify.watch_folder(path)
        except (FileNotFoundError, NotADirectoryError):
            return False  # gone since it was found; its parent is watched, or the next look finds out
        except OSError as error:
            self.problem = f"{path} cannot be watched ({error.strerror}); it is looked at instead"
            self.deaf.add(path)
            return False
        if self._mounts and is_remote(os.path.realpath(path), self._mounts):
            self.deaf.add(path)
        self._folders[path] = watch
        self._folder_of[watch] = path
        return True

    def _forget_folder(self, path: str) -> None:
        watch = self._folders.pop(path, None)
        if watch is not None and self._folder_of.pop(watch, None) is not None and self._inotify is not None:
            self._inotify.forget(watch)
