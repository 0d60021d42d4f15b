"""What the command line says."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    envoy: str = ""
    """A program; empty: the one that is found."""
    log_level: str = "info"
    log_format: str = "text"
    look_interval: float = 1.0
    """Seconds between two looks at the files."""
    environment: Mapping[str, str] = {}
    """Of the process: it says where the API server is."""
