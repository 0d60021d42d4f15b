"""Which file a record goes to when the file output's `path` or `file` has record accessors or dates in it. Pure.

Source: Fluent Bit's plugins/out_file/file.c (resolve_dynamic_destination, validate_dynamic_path).
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

import msgspec

from pillion.collector.outputs.fileformats import file_name
from pillion.collector.records import Records, Template, as_records, parse_template

if TYPE_CHECKING:
    from pillion.collector.records import Body, Content

Action = Literal["error", "drop", "fallback"]
_NANOS = 1_000_000_000
_UNSAFE_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')
_UNSAFE_PATH = re.compile(r"[\x00-\x1f\x7f]")


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """The text of `path` or `file`. With `is_dated`, `%Y` and its like stand for the record's time, in UTC."""

    text: str
    is_dated: bool = False

    @property
    def is_dynamic(self) -> bool:
        return "$" in self.text or (self.is_dated and "%" in self.text)

    def filled(self, tag: str, at: int, body: Body) -> str | None:
        """None when the record lacks a field."""
        second = at // _NANOS if self.is_dated and "%" in self.text else None
        return _template(self.text, second).render_complete(tag, body)


@lru_cache(maxsize=64)
def _template(text: str, second: int | None) -> Template:
    if second is not None:
        text = datetime.datetime.fromtimestamp(second, datetime.UTC).strftime(text)
    return parse_template(text)


class Destinations(msgspec.Struct, frozen=True, kw_only=True):
    """Where records go, and what becomes of those that have no place to go."""

    path: Pattern
    file: Pattern
    fallback: PurePosixPath | None
    limit: int
    """Most different files; 0: no limit."""
    on_missing_field: Action
    on_limit_reached: Action

    @property
    def are_dynamic(self) -> bool:
        return self.path.is_dynamic or self.file.is_dynamic


class Sorted(msgspec.Struct, kw_only=True):
    """A chunk's records by the file that they go to, in their order."""

    files: dict[PurePosixPath, Records]
    rejected: dict[str, Records]
    """By the reason."""
    dropped: int = 0


def sort(destinations: Destinations, known: set[PurePosixPath], tag: str, content: Content) -> Sorted:
    """`known` are the files that were chosen so far; new ones are put into it."""
    found = as_records(content)
    result = Sorted(files={}, rejected={})
    for at, body in zip(found.times, found.bodies, strict=True):
        where = _destination(destinations, tag, at, body)
        action, reason = destinations.on_missing_field, "a field of the file's name is missing or unsafe"
        if where is not None and where not in known and 0 < destinations.limit <= len(known):
            where, action = None, destinations.on_limit_reached
            reason = f"there are {destinations.limit} files already (max_dynamic_files)"
        if where is not None:
            known.add(where)
        elif action == "fallback":
            where = destinations.fallback
        if where is not None:
            _add(result.files.setdefault(where, Records(times=[], bodies=[])), at, body)
        elif action == "drop":
            result.dropped += 1
        else:
            _add(result.rejected.setdefault(reason, Records(times=[], bodies=[])), at, body)
    return result


def _add(records: Records, at: int, body: Body) -> None:
    records.times.append(at)
    records.bodies.append(body)


def _destination(destinations: Destinations, tag: str, at: int, body: Body) -> PurePosixPath | None:
    path = destinations.path.filled(tag, at, body)
    file = destinations.file.filled(tag, at, body) if destinations.file.text else file_name(tag)
    if path is None or file is None:
        return None
    if destinations.path.is_dynamic and not _is_safe_path(path):
        return None
    if destinations.file.is_dynamic and (file in ("", ".", "..") or _UNSAFE_NAME.search(file)):
        return None
    return PurePosixPath(path, file)


def _is_safe_path(path: str) -> bool:
    return bool(path) and not (_UNSAFE_PATH.search(path) or {".", ".."} & set(re.split(r"[/\\]", path)))
