"""Which files the patterns mean, in which folders to wait for more of them, and why some cannot be had."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pillion.collector.inputs.tail.patterns import component, is_magic, unescaped, whole


class Found(msgspec.Struct, kw_only=True):
    """One look at one pattern, or at several."""

    files: dict[str, os.stat_result] = msgspec.field(default_factory=dict)
    """By path, in the order of their names."""
    folders: set[str] = msgspec.field(default_factory=set)
    """Where a change can bring or take files."""
    link_folders: set[str] = msgspec.field(default_factory=set)
    """Those of them that no pattern means: links lead there."""
    problems: dict[str, str] = msgspec.field(default_factory=dict)
    """Sentences by path: what is there and cannot be followed."""
    missing: dict[str, str] = msgspec.field(default_factory=dict)
    """Sentences by pattern: why it means no file."""


def expanded_home(pattern: str) -> str:
    return str(Path(pattern).expanduser()) if pattern.startswith("~") else pattern


class Discovery:
    """The patterns of one input."""

    def __init__(self, patterns: tuple[str, ...], excluded: tuple[str, ...]) -> None:
        self._patterns = tuple(expanded_home(one) for one in patterns)
        self._excluded = tuple(whole(one) for one in excluded)
        self._matchers = [_path_matcher(one) for one in self._patterns]

    def means(self, path: str) -> bool:
        """Whether a file of this path would be followed."""
        return not self.excludes(path) and any(
            len(parts) == path.count("/") + 1
            and all(part.match(name) for part, name in zip(parts, path.split("/"), strict=True))
            for parts in self._matchers
        )

    def leads_to(self, path: str) -> bool:
        """Whether files that are followed may be below a folder of this path."""
        names = path.split("/")
        return any(
            len(names) < len(parts)
            and all(part.match(name) for part, name in zip(parts, names, strict=False))
            for parts in self._matchers
        )

    def excludes(self, path: str) -> bool:
        return any(pattern.match(path) for pattern in self._excluded)

    def look(self) -> Found:
        """All files that there are now."""
        found = Found()
        for pattern in self._patterns:
            before = len(found.files) + len(found.problems)
            excluded = 0
            for path in _expand(pattern, found):
                if self.excludes(path):
                    excluded += 1
                elif path.lower().endswith(".gz"):
                    found.problems.setdefault(
                        f"{pattern} compressed",
                        f"compressed files like {path} are not read; name *.gz in exclude_path if they need not be",
                    )
                else:
                    self._take(path, found)
            if len(found.files) + len(found.problems) == before:
                why = f"all {excluded} files are excluded" if excluded else _why_nothing(pattern)
                found.missing[pattern] = f"no file matches {pattern}: {why}"
        return found

    def _take(self, path: str, found: Found) -> None:
        is_link = False
        try:
            seen = os.lstat(path)
            is_link = stat.S_ISLNK(seen.st_mode)
            if is_link:
                target = os.path.dirname(os.path.realpath(path))  # noqa: PTH120 - links may go round in circles
                found.folders.add(target)
                found.link_folders.add(target)
                seen = Path(path).stat()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                if is_link:
                    found.problems[path] = (
                        f"cannot follow {path}: it links to {Path(path).readlink()}, which does not exist"
                    )
                return
            found.problems[path] = f"cannot follow {path}: {error.strerror}"
            return
        if stat.S_ISREG(seen.st_mode):
            found.files.setdefault(path, seen)
        elif not is_magic(path):
            kind = "a folder" if stat.S_ISDIR(seen.st_mode) else "not a regular file"
            if path in self._patterns:
                hint = f"; its files are {path}/*" if stat.S_ISDIR(seen.st_mode) else ""
                found.problems[path] = f"cannot follow {path}: it is {kind}{hint}"


def _path_matcher(pattern: str) -> list[re.Pattern[str]]:
    return [component(part) for part in pattern.split("/")]


def _expand(pattern: str, found: Found) -> Iterator[str]:
    """The paths that `pattern` means, sorted; notes the folders on the way."""
    root = "/" if pattern.startswith("/") else ""
    yield from _descend(root, [part for part in pattern.split("/") if part], found)


def _descend(folder: str, parts: list[str], found: Found) -> Iterator[str]:
    """`folder` is as its path is written: empty for the working directory."""
    part, rest = parts[0], parts[1:]
    if not is_magic(part):
        path = os.path.join(folder, unescaped(part))  # noqa: PTH118
        if rest:
            if os.path.isdir(path):  # noqa: PTH112
                yield from _descend(path, rest, found)
            else:
                found.folders.add(folder or ".")
            return
        found.folders.add(folder or ".")
        if os.path.lexists(path):
            yield path
        return
    found.folders.add(folder or ".")
    matcher = component(part)
    try:
        names = sorted(name for name in os.listdir(folder or ".") if matcher.match(name))  # noqa: PTH208
    except OSError as error:
        found.problems[folder] = f"cannot look into {folder}: {explained(folder, error)}"
        return
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118
        if not rest:
            yield path
        elif os.path.isdir(path):  # noqa: PTH112
            yield from _descend(path, rest, found)


def _why_nothing(pattern: str) -> str:
    """What is missing, seen from the root."""
    here = "/" if pattern.startswith("/") else "."
    for part in [part for part in pattern.split("/") if part][:-1]:
        if is_magic(part):
            return f"{here} has no folder like {part} with such a file"
        below = os.path.join(here, unescaped(part))  # noqa: PTH118
        if not os.path.isdir(below):  # noqa: PTH112
            if os.path.lexists(below):
                return f"{below} is not a folder"
            return f"there is no folder {below} (is its volume mounted in this container, at this path?)"
        here = below
    try:
        names = os.listdir(here)  # noqa: PTH208
    except OSError as error:
        return explained(here, error)
    # Hidden ones are nobody's logs, and one may be our own (`.pillion-collector`).
    count = sum(not name.startswith(".") for name in names)
    if not count:
        return f"{here} is empty"
    return f"{here} has {count} other {'entry' if count == 1 else 'entries'}"


def explained(path: str, error: OSError) -> str:
    """An error with what one needs to mend it: who we are, whose it is, and what it permits."""
    if error.errno not in (errno.EACCES, errno.EPERM):
        return error.strerror or str(error)
    try:
        seen = Path(path).stat()
    except OSError:
        return f"permission denied on the way to it, as uid {os.geteuid()}, gid {os.getegid()}"
    groups = ",".join(map(str, sorted({os.getegid(), *os.getgroups()})))
    return (
        f"permission denied: it is {stat.filemode(seen.st_mode)} of uid {seen.st_uid}, gid {seen.st_gid}; this is uid"
        f" {os.geteuid()}, groups {groups} (in a Pod: fsGroup, or runAsUser)"
    )
