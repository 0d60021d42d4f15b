"""Small records on disk that survive a kill at any moment: a file is either the old one, the new one, or absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def save(path: Path, record: msgspec.Struct) -> None:
    """Replace the file in one step. Raises OSError.

    Not forced to disk: after a power cut everything that the records describe is gone as well.
    """
    pending = path.with_suffix(".tmp")
    pending.write_bytes(msgspec.json.encode(record))
    os.rename(pending, path)  # noqa: PTH104 - says what it relies on


def load(path: Path, kind: type[T]) -> T | None:
    """None when there is no such record, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
