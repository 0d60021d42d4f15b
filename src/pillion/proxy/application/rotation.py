"""When the access log is renamed, and to what. The decision is pure; renaming keeps every line.

Envoy goes on writing into the renamed file until it is told to reopen, so a line is never lost, and a collector that
follows the file by its inode reads it to its end.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec


class Renames(msgspec.Struct, frozen=True, kw_only=True):
    steps: tuple[tuple[str, str], ...] = ()
    """From and to, in order."""
    removed: str = ""
    """The oldest, before the others move."""


def plan(path: str, *, size: int, max_bytes: int, keep: int) -> Renames | None:
    """None: it is not time. With `keep` 0 one renamed file stays until the next time: Envoy may still write to it."""
    if max_bytes <= 0 or size < max_bytes:
        return None
    oldest = max(1, keep)
    steps = [(f"{path}.{number}", f"{path}.{number + 1}") for number in range(oldest - 1, 0, -1)]
    return Renames(steps=(*steps, (path, f"{path}.1")), removed=f"{path}.{oldest}")


def rename(renames: Renames, log: logging.Logger) -> bool:
    """Carry it out; files that are not there are passed over. False when the log itself could not be renamed."""
    is_renamed = False
    try:
        Path(renames.removed).unlink(missing_ok=True)
        for source, target in renames.steps:
            if Path(source).exists():
                Path(source).replace(target)
                is_renamed = source == renames.steps[-1][0]
    except OSError as error:
        log.error("cannot rename the access log: %s; it goes on growing", error)
        return False
    return is_renamed
