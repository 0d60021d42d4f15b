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
LINGER = 1.0
"""Seconds for a connection that was taken just before the listeners closed to bring its request. Who keeps an idle one
for longer finds it closed at the next request, and opens another (RFC 9112, section 9.3.1)."""
PATTERN = r"^http\..*\.downstream_(rq_active|cx_active|cx_total)$"
_ADMIN = "http.admin."
"""We are asking at this moment."""


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    requests: int
    connections: int
    accepted: int
    """Connections since the beginning."""


class Step(StrEnum):
    WAIT = "wait"
    CLOSE_LISTENERS = "close listeners"
    END = "end"


def next_step(
    seen: InFlight, *, first: InFlight, elapsed: float, budget: float, closed_at: float | None
) -> Step:
    """`elapsed`, `budget` and `closed_at` (of the listeners; None: they are open) are seconds since the end was asked
    for, when `first` was seen."""
    if elapsed >= budget:
        return Step.END
    if closed_at is None:
        # Nobody at this moment is not nobody: clients that make a connection for each request are seldom seen.
        is_quiet = seen.connections == 0 and seen.accepted == first.accepted
        is_noticed = elapsed >= min(NOTICE, budget / 2)
        return Step.CLOSE_LISTENERS if is_noticed or is_quiet else Step.WAIT
    if seen.requests:
        return Step.WAIT
    return Step.WAIT if seen.connections and elapsed < closed_at + LINGER else Step.END


def in_flight(stats: Mapping[str, int | str]) -> InFlight:
    """From statistics that PATTERN finds. A WebSocket counts as a request until it is closed."""
    stats = {name: value for name, value in stats.items() if not name.startswith(_ADMIN)}
    return InFlight(
        requests=sum(int(value) for name, value in stats.items() if name.endswith("_rq_active")),
        connections=sum(int(value) for name, value in stats.items() if name.endswith("_cx_active")),
        accepted=sum(int(value) for name, value in stats.items() if name.endswith("_cx_total")),
    )
