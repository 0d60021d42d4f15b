"""What is wrong with a configuration, and where."""

from __future__ import annotations

import msgspec

from pillion.errors import ManifestError


class Place(msgspec.Struct, frozen=True):
    """Where something was written. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class ConfigurationError(ManifestError):
    """One or more faults; the message has one line for each: `FILE:LINE: [section] key: what is wrong; what to do`."""
