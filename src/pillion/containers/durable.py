"""Small records on disk that survive a kill at any moment: what is read is the old one, the new one, or none yet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def save(path: Path, record: msgspec.Struct) -> None:
    """Replace the file. Raises OSError.

    Not forced to disk: after a power cut everything that the records describe is gone as well. The old file goes before
    the new one gets its name: renaming over it would make ext4 write to the disk at once (auto_da_alloc), milliseconds
    in which the loop stands still. Whoever is killed in between leaves the new file under its first name.
    """
    pending = _pending(path)
    pending.write_bytes(msgspec.json.encode(record))
    path.unlink(missing_ok=True)
    os.rename(pending, path)  # noqa: PTH104 - says what it relies on


def load(path: Path, kind: type[T]) -> T | None:
    """None when there is no such record, or none that can be read."""
    for file in (path, _pending(path)):
        try:
            return msgspec.json.decode(file.read_bytes(), type=kind)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except msgspec.DecodeError:
            return None
    return None


def _pending(path: Path) -> Path:
    return path.with_suffix(".tmp")
