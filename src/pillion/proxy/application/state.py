"""What the sidecar has counted and what it serves: changed by the parts that know, shown by `ownmetrics`."""

from __future__ import annotations

from collections import Counter

import msgspec

from pillion.proxy.application.eventrecords import EventCounts
from pillion.proxy.certificates.material import Leaf
from pillion.proxy.configuration.values import Configuration

CONFIGURATION = "configuration"
"""What an update is of, besides the name of a certificate."""


class Outcome(msgspec.Struct, kw_only=True):
    """Of the latest attempt to take an update of one thing."""

    is_successful: bool = True
    successful_at: float
    """Seconds since the epoch."""


class State(msgspec.Struct, kw_only=True):
    started: float
    """Seconds since the epoch."""
    serving: Configuration
    has_started: bool = False
    is_draining: bool = False
    configuration: Outcome
    """Of the attempts to take one."""
    certificates: dict[str, Outcome] = {}
    leafs: dict[str, Leaf] = {}
    """That are served, by the certificate's name."""
    updates: Counter[str] = msgspec.field(default_factory=Counter)
    """Taken while serving, by what they are of."""
    rejected: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    """By what they are of and the reason."""
    events: EventCounts = msgspec.field(default_factory=EventCounts)
    rotations: int = 0
    """Of the access log."""
    reopenings: int = 0
    """Of the access log, as somebody had taken its file away."""
    access_log_fault: str = ""
    """Why its lines are lost at present; empty: they are not."""
