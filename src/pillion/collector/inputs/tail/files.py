"""The files of one input: which are open, under which paths, and how they succeed each other there."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pillion.clock import file_time
from pillion.collector.inputs.tail.checkpoint import Checkpoint
from pillion.collector.inputs.tail.complaints import Complaints
from pillion.collector.inputs.tail.discovery import Discovery, Found
from pillion.collector.inputs.tail.encoding import Encoding, encoding_of
from pillion.collector.inputs.tail.identity import HEAD_BYTES, FileId, Position
from pillion.collector.inputs.tail.neighbours import (
    Neighbour,
    is_copy,
    neighbours,
    opened,
    regular_files,
    still_holds,
    whereabouts,
)
from pillion.collector.inputs.tail.positions import Positions
from pillion.collector.inputs.tail.rotation import origins
from pillion.collector.inputs.tail.splitting import Overlong, Splitter
from pillion.collector.inputs.tail.tags import TagError, compose_tag, shown
from pillion.collector.inputs.tail.tailer import Tailer, Truncated
from pillion.collector.status import FileStatus

if TYPE_CHECKING:
    import re

    from pillion.collector.inputs.tail.joining import Joiner
    from pillion.collector.inputs.tail.settings import TailSettings
    from pillion.collector.plugin import InputContext


_CLOCK_SLACK = 1.0
"""Seconds by which a look, or a checkpoint, may be behind the truth."""
_LEFT_TO_OTHERS = 64
"""Descriptors that files may not take: what was read has to go somewhere."""
_CLOCK_TICK = 0.02
"""Seconds by which the times of files are behind our clock: they move with the kernel's ticks."""


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """How a file of this input is followed."""

    settings: TailSettings
    tag: str
    tag_regex: re.Pattern[str] | None
    joiner: Callable[[], Joiner]
    joins: bool

    def splitter(self, encoding: Encoding) -> Callable[[int], Splitter]:
        """Limits are those of Fluent Bit's buffer, which has its line feed and a zero beside the line."""
        settings = self.settings
        overlong, limit = Overlong.SPLIT, settings.buffer_max_size
        if settings.truncate_long_lines:
            overlong, limit = Overlong.TRUNCATE, limit - 1
        elif settings.skip_long_lines:
            overlong, limit = Overlong.SKIP, limit - 2
        limit -= limit % encoding.width
        return lambda offset: Splitter(offset, limit=limit, overlong=overlong, encoding=encoding)


class Files:
    """All open files. `opened` is told of each new one, before it is read."""

    def __init__(
        self,
        following: Following,
        discovery: Discovery,
        context: InputContext,
        on_opened: Callable[[Tailer], None],
        *,
        stamps: Callable[[], float] = file_time,
    ) -> None:
        self._following = following
        self._discovery = discovery
        self._context = context
        self._on_opened = on_opened
        self._complaints = Complaints(context)
        self.positions = Positions(following.settings, context.log, context.began)
        self.tailers: dict[FileId, Tailer] = {}
        self._active: dict[str, Tailer] = {}
        """By the paths that the patterns mean now."""
        self._latest: dict[str, Tailer] = {}
        """By the path, the file that was last found there."""
        self._let_go: dict[FileId, tuple[str, str]] = {}
        """Rotated files that were closed: their names, and the paths they had."""
        self._unopened: dict[FileId, tuple[str, bool]] = {}
        """Files that could not be opened: the paths that they had, and whether for want of a descriptor."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._descriptors = limit - min(_LEFT_TO_OTHERS, limit // 4)
        self.certain_until = 0.0
        """All that came and went before this moment is known. 0: nobody has looked yet."""
        self._stamps = stamps
        self._behind = stamps() - context.clock.now()
        """The least by which the times of files were ever ahead of our clock (as a rule less than nothing)."""
        self._began_at = context.clock.now() - _CLOCK_TICK

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def _open(self, path: str, name: str, at: Position | Truncated | None = None) -> Tailer | None:
        """Follow the file called `name` as one of `path`, from `at`: a place in it, or what it is a copy of. None when
        it cannot be, and that was said."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._fail_to_open(path, name, error)
            return None
        tailer = None
        try:
            if descriptor >= self._descriptors:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            tailer = self._follow(descriptor, path, name, at)
        except OSError as error:
            self._fail_to_open(path, name, error)
        finally:
            if tailer is None:
                os.close(descriptor)
        return tailer

    def _follow(
        self, descriptor: int, path: str, name: str, at: Position | Truncated | None
    ) -> Tailer | None:
        seen = os.fstat(descriptor)
        file_id = FileId(seen.st_dev, seen.st_ino)
        if not stat.S_ISREG(seen.st_mode) or file_id in self.tailers:
            return None
        following, settings = self._following, self._following.settings
        try:
            tag = compose_tag(following.tag, path, following.tag_regex)
        except TagError as error:
            self._complaints.complain(name, f"cannot follow {path}: {error}")
            return None
        self._complaints.withdraw(name)
        continues = at if isinstance(at, Truncated) else None
        position = at.position if isinstance(at, Truncated) else at
        if position is None:
            position = self.positions.position(
                descriptor, file_id, path, is_first_look=not self.certain_until
            )
        head = os.pread(descriptor, HEAD_BYTES, 0) if settings.unicode_encoding else b""
        encoding = encoding_of(settings.unicode_encoding, settings.generic_encoding, head)
        status = FileStatus(
            path=shown(name),
            inode=seen.st_ino,
            size=seen.st_size,
            read_offset=position.offset,
            delivered_offset=continues.settling.offset if continues else position.offset,
            oldest_unsent=continues.settling.oldest if continues else None,
        )
        tailer = Tailer(
            descriptor=descriptor,
            file_id=file_id,
            path=path,
            tag=tag,
            position=position,
            splitter=following.splitter(encoding),
            encoding=encoding,
            joiner=following.joiner,
            status=status,
            continues=continues,
        )
        self.tailers[file_id] = tailer
        self._unopened.pop(file_id, None)
        tailer.previous = self._latest.get(path)
        self._latest[path] = tailer
        self.positions.known.pop(file_id, None)
        self._context.status.files[file_id] = status
        self._context.status.files_opened += 1
        self._on_opened(tailer)
        return tailer

    def _fail_to_open(self, path: str, name: str, error: OSError) -> None:
        self._complaints.complain_of_opening(name, error, len(self.tailers))
        with contextlib.suppress(OSError):
            seen = Path(name).stat()
            self._unopened[FileId(seen.st_dev, seen.st_ino)] = (
                path,
                error.errno in (errno.EMFILE, errno.ENFILE),
            )

    def retry_unopened(self) -> None:
        """Files that could not be opened, whatever they are called by now."""
        places: dict[str, dict[FileId, str]] = {}
        for file_id, (path, _) in list(self._unopened.items()):
            folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
            if folder not in places:
                places[folder] = whereabouts(folder)
            del self._unopened[file_id]
            if (name := places[folder].get(file_id)) is not None:
                self._open(path, name)

    @property
    def lacks_descriptors(self) -> bool:
        """There are files that are not read because too many are open."""
        return any(is_short for _, is_short in self._unopened.values())

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def look(self, landed: dict[str, str], *, trusted: bool) -> Found:
        """Find what is new, gone or renamed. `landed`: renamings that the kernel told; `trusted`: it told them all."""
        for name, path in landed.items():
            self._follow_move(name, path)
        now = self._context.clock.now()
        found = self._discovery.look()
        self._complaints.review(found)
        if self.certain_until and not trusted:
            self._find_all_missed(found, self._since(self.certain_until))
        for path, seen in found.files.items():
            self._see(path, seen, trusted=trusted)
        for path in self._active.keys() - found.files.keys():
            del self._active[path]
        self._mark_rotated(now)
        self.certain_until = now
        return found

    def _see(self, path: str, seen: os.stat_result, *, trusted: bool) -> None:
        file_id = FileId(seen.st_dev, seen.st_ino)
        tailer = self.tailers.get(file_id)
        current = self._active.get(path)
        if tailer is None:
            if self.is_too_old(seen):
                self.positions.ignore(file_id, seen.st_size)
                return
            if self.certain_until and self._is_copy(path):
                return
            if self.certain_until and not trusted and os.path.islink(path):  # noqa: PTH114
                self._find_missed(path, self._since(self.certain_until))
            tailer = self._open(path, path)
            if tailer is None:
                return
        if current is not tailer:
            self._active[path] = tailer
            tailer.status.path = shown(path)

    def _follow_move(self, name: str, path: str) -> None:
        """A file that had the followed `path` is called `name` now; it may have been there too shortly to be seen."""
        try:
            seen = Path(name).stat()
        except OSError:
            return
        tailer = self.tailers.get(FileId(seen.st_dev, seen.st_ino))
        if tailer is not None:
            tailer.status.path = shown(name)
        elif self.certain_until and not self.is_too_old(seen) and not self._is_copy(name):
            self._open(path, name)

    def _mark_rotated(self, now: float) -> None:
        active = {id(tailer) for tailer in self._active.values()}
        for tailer in self.tailers.values():
            if id(tailer) in active:
                tailer.rotated_at = None
                tailer.is_over = False
            elif tailer.rotated_at is None:
                tailer.rotated_at = now
                self._context.status.files_rotated += 1
                tailer.status.path = shown(tailer.name())
            tailer.status.rotated = tailer.rotated_at is not None

    def is_too_old(self, seen: os.stat_result) -> bool:
        limit = self._following.settings.ignore_older
        return limit > 0 and self._stamps() - limit > seen.st_mtime

    def _is_copy(self, path: str) -> bool:
        """Whether a file that appeared is a copy of one that we read (copytruncate, before the truncation)."""
        folder, name = os.path.split(path)
        paths = {os.path.join(folder, base) for base in origins(name)}  # noqa: PTH118
        for original in self.tailers.values() if paths else ():
            if original.path in paths:
                with opened(path) as descriptor:
                    if descriptor is not None and _is_copy_of(descriptor, original):
                        return True
        return False

    # ── what nobody told us ──────────────────────────────────────────────────────────────────────────────────────────
    def recover(self) -> None:
        """After the first look: the rest of files that were rotated away while there was no collector, and files that
        came and were rotated meanwhile. They come before the files that have their paths now."""
        places: dict[str, dict[FileId, str]] = {}
        seen: dict[str, float] = {}
        current = dict(self._latest)
        for one in sorted(self.positions.remembered, key=lambda one: one.seen):
            seen[one.path] = max(seen.get(one.path, 0.0), one.seen)
            folder = os.path.dirname(one.name)  # noqa: PTH120
            if folder not in places:
                places[folder] = whereabouts(folder)
            name = places[folder].get(one.id)
            if name is not None and one.id not in self.tailers and self._discovery.means(one.path):
                self._open_rest(one, name)
        now = self._stamps()
        for path, last in seen.items():
            if last and self._discovery.means(path):
                # In the future: somebody has set the machine's clock back, by nobody knows how much.
                self._find_missed(path, last - _CLOCK_SLACK if last <= now + _CLOCK_SLACK else 0.0)
        for path, tailer in current.items():
            if self._latest[path] is not tailer:
                self._put_last(path, tailer)
        self._mark_rotated(self._context.clock.now())

    def _open_rest(self, one: Checkpoint, name: str) -> None:
        with opened(name) as descriptor:
            if descriptor is None or os.fstat(descriptor).st_size <= one.position.offset:
                return
            if not still_holds(descriptor, one.position):
                return
        self._open(one.path, name, one.position)

    def _put_last(self, path: str, tailer: Tailer) -> None:
        """Files that had `path` before `tailer` were opened after it: their lines come first all the same."""
        before, tailer.previous = tailer.previous, self._latest[path]
        first = tailer.previous
        while first.previous is not None and first.previous is not tailer:
            first = first.previous
        first.previous = before
        self._latest[path] = tailer

    def stamp(self, moment: float) -> float:
        """The least time that a file may bear that was written at `moment` or after it: a file's times are the
        machine's, and somebody may have set its clock since."""
        self._behind = min(self._behind, self._stamps() - self._context.clock.now())
        return moment + self._behind

    @property
    def known_until(self) -> float:
        """As the times of files go: a restart looks for what was rotated away after it."""
        return self.stamp(self.certain_until or self._began_at)

    def _since(self, moment: float) -> float:
        return self.stamp(max(moment - _CLOCK_SLACK, self._began_at))

    def _find_all_missed(self, found: Found, since: float) -> None:
        """Files that had a path that the patterns mean after `since`, and were rotated away before anybody looked."""
        for folder in sorted(found.folders):
            prefix = "" if folder == "." else folder
            for one in regular_files(folder):
                if one.modified <= since or os.path.join(prefix, one.name) in found.files:  # noqa: PTH118
                    continue
                paths = [os.path.join(prefix, origin) for origin in origins(one.name)]  # noqa: PTH118
                path = next((path for path in paths if self._discovery.means(path)), None)
                if path is not None:
                    self._open_between(path, one, found)

    def _open_between(self, path: str, one: Neighbour, found: Found) -> None:
        """A missed file had `path` after those that are rotated, and before the one that has it now."""
        last = self._latest.get(path)
        self._open_missed(path, one)
        now = found.files.get(path)
        if last is None or now is None or self._latest[path] is last:
            return
        if last.id == FileId(now.st_dev, now.st_ino):
            self._put_last(path, last)

    def _find_missed(self, path: str, since: float) -> None:
        """The same for one path, or where it leads."""
        for one in neighbours(path):
            if one.modified > since:
                self._open_missed(path, one)

    def _open_missed(self, path: str, one: Neighbour) -> None:
        if one.id in self.tailers or one.id in self.positions.known or one.id in self._let_go:
            return
        with opened(one.path) as descriptor:
            if descriptor is None:
                return
            position = self._continued_by(descriptor, path)
            if position is None and self._repeats(descriptor, path):
                return
        self._open(path, one.path, position or Position(offset=0))

    def _continued_by(self, descriptor: int, path: str) -> Position | None:
        """Where a copy goes on behind what was read of a file that has been truncated since."""
        for one in self.positions.remembered:
            if one.path == path and one.position.fingerprint.size and still_holds(descriptor, one.position):
                with opened(one.name) as original:
                    if original is None or not still_holds(original, one.position):
                        return one.position
        return None

    def _repeats(self, descriptor: int, path: str) -> bool:
        """Whether a file is a copy of one that is read, or was."""
        return any(_is_copy_of(descriptor, one) for one in self.tailers.values() if one.path == path) or any(
            one.position.fingerprint.size and still_holds(descriptor, one.position)
            for one in self.positions.remembered
            if one.path == path
        )

    def after_truncation(self, tailer: Tailer, truncated: Truncated) -> tuple[Tailer | None, bool]:
        """The file was truncated behind our back: go on in the copy that was made of it before, and in copies of what
        came and went since. Returns that copy, and whether there is any of them."""
        return self._look_beside(tailer, truncated)

    def before_beginning(self, tailer: Tailer) -> None:
        """An empty file was written to: what came first may have been copied and truncated already."""
        self._look_beside(tailer, None)

    def _look_beside(self, tailer: Tailer, truncated: Truncated | None) -> tuple[Tailer | None, bool]:
        was_last = self._latest.get(tailer.path) is tailer
        amount = len(self.tailers)
        copy = None
        if truncated is not None and truncated.position.fingerprint.size:
            copy = self._open_copy(tailer.path, truncated)
        self._find_missed(tailer.path, self._since(tailer.looked_at))
        if was_last and self._latest[tailer.path] is not tailer:
            self._put_last(tailer.path, tailer)
        self._mark_rotated(self._context.clock.now())
        return copy, len(self.tailers) > amount

    def _open_copy(self, path: str, truncated: Truncated) -> Tailer | None:
        """The file beside `path` that has what was read of it, from there on."""
        position = truncated.position
        for one in neighbours(path):
            if one.id in self.tailers or one.size < position.offset:
                continue
            with opened(one.path) as descriptor:
                if descriptor is None or not still_holds(descriptor, position):
                    continue
            return self._open(path, one.path, truncated)
        return None

    # ── letting go ───────────────────────────────────────────────────────────────────────────────────────────────────
    def close(self, tailer: Tailer) -> bool:
        """It is read to its end and nobody writes to it. Returns whether it is deleted, so that nothing has to be
        remembered of it."""
        is_deleted = tailer.stat().st_nlink == 0
        if not is_deleted:
            name = tailer.name()
            self.positions.known[tailer.id] = Checkpoint(
                id=tailer.id, name=name, path=tailer.path, position=tailer.position
            )
            if tailer.rotated_at is not None:
                self._let_go[tailer.id] = (name, tailer.path)
        del self.tailers[tailer.id]
        for path in [path for path, one in self._active.items() if one is tailer]:
            del self._active[path]
        if self._latest.get(tailer.path) is tailer:
            del self._latest[tailer.path]
        tailer.close()
        self._context.status.files_closed += 1
        return is_deleted

    def look_at_let_go(self) -> None:
        """A rotated file that somebody writes to after all is opened again."""
        for file_id, (name, path) in list(self._let_go.items()):
            try:
                seen = Path(name).stat()
            except OSError:
                del self._let_go[file_id]
                continue
            if FileId(seen.st_dev, seen.st_ino) != file_id or file_id in self.tailers:
                del self._let_go[file_id]
            elif seen.st_size > self.positions.known[file_id].position.offset:
                del self._let_go[file_id]
                self._open(path, name)


def _is_copy_of(descriptor: int, original: Tailer) -> bool:
    """Whether a file holds what was read of `original`, which may be truncated since, or what is in it now."""
    position = original.position
    has_read = position.fingerprint.size and still_holds(descriptor, position)
    return bool(has_read) or is_copy(descriptor, original.descriptor)
