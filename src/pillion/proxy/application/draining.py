"""The end: clients are told to go, requests that are under way end, then the listeners close. The decision is pure.

The kubelet ends a native sidecar after the Pod's main containers, so there is nothing to wait for but requests and
clients that keep a connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

NOTICE = 3.0
"""Seconds in which clients with a connection may come by and be told (`Connection: close`, GOAWAY) while new ones are
still taken: whoever asks for the Service's endpoints learns of the end a little later than we do."""
PATTERN = r"^http\..*\.downstream_(rq|cx)_active$"
_ADMIN = "http.admin."
"""We are asking at this moment."""


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    requests: int
    connections: int


class Step(StrEnum):
    WAIT = "wait"
    CLOSE_LISTENERS = "close listeners"
    END = "end"


def next_step(seen: InFlight, *, elapsed: float, budget: float, are_listeners_open: bool) -> Step:
    """`elapsed` and `budget` in seconds since the end was asked for."""
    if elapsed >= budget:
        return Step.END
    if are_listeners_open:
        is_noticed = elapsed >= min(NOTICE, budget / 2)
        return Step.CLOSE_LISTENERS if is_noticed or seen.connections == 0 else Step.WAIT
    return Step.WAIT if seen.requests else Step.END


def in_flight(stats: Mapping[str, int | str]) -> InFlight:
    """From statistics that PATTERN finds. A WebSocket counts as a request until it is closed."""
    stats = {name: value for name, value in stats.items() if not name.startswith(_ADMIN)}
    return InFlight(
        requests=sum(int(value) for name, value in stats.items() if name.endswith("_rq_active")),
        connections=sum(int(value) for name, value in stats.items() if name.endswith("_cx_active")),
    )
