"""Instants, for now; quantities and durations follow."""

from typing import NewType

Instant = NewType("Instant", float)
"""Seconds since the Unix epoch, UTC."""
