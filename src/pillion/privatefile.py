"""Files that only their owner may read, from their first byte on."""

from __future__ import annotations

import os
from pathlib import Path


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file at once: nobody sees half of it, nor another mode. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        os.fsync(file.fileno())
    fresh.rename(path)
