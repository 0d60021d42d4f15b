"""Events about our own Pod, as values: what is told, how repeats are counted, what an answer means. Pure.

Source: client-go, tools/record (event.go, events_cache.go). In one thing we differ: an API server that is overloaded
(429, 5xx) or does not know our token any more (401) is asked again, as one that does not answer.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from enum import Enum, StrEnum
from typing import Any

import msgspec

from pillion.units import Instant, format_time

COMPONENT = "pillion-proxy"
REMEMBERED = 64
"""Sorts of Events whose repeats are counted."""
QUEUE = 16
"""Sorts that wait to be sent. When one more comes, the oldest goes: what has just happened is asked for first."""
BURST = 25
REFILL_SECONDS = 300.0
"""So many Events of a Pod at once, and one more every five minutes (events_cache.go: defaultSpamBurst and -QPS)."""
TRIES = 12
"""Of one Event (event.go: maxTriesPerEvent)."""
MESSAGE_LIMIT = 1024
"""Bytes (pkg/apis/core/validation/events.go: NoteLengthLimit)."""
_NAME_LIMIT = 253
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


class Reason(StrEnum):
    CONFIGURATION_REFUSED = "ProxyConfigurationRefused"
    CONFIGURATION_TAKEN = "ProxyConfigurationTaken"
    CERTIFICATE_REFUSED = "ProxyCertificateRefused"
    CERTIFICATE_TAKEN = "ProxyCertificateTaken"
    CERTIFICATE_ENDING = "ProxyCertificateEnding"
    CERTIFICATE_EXPIRED = "ProxyCertificateExpired"


_NORMAL = (Reason.CONFIGURATION_TAKEN, Reason.CERTIFICATE_TAKEN)


class Dropped(StrEnum):
    """Why an Event was not written: the label in metrics."""

    QUEUE_FULL = "queue_full"
    RATE_LIMITED = "rate_limited"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class EventCounts(msgspec.Struct, kw_only=True):
    sent: int = 0
    """Writes that the API server has taken."""
    dropped: Counter[str] = msgspec.field(default_factory=Counter)


class Notice(msgspec.Struct, frozen=True):
    """Something that happened. Equal ones are repeats of each other."""

    reason: Reason
    message: str

    @property
    def type(self) -> str:
        return "Normal" if self.reason in _NORMAL else "Warning"


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    """The one we are in."""

    namespace: str
    name: str
    uid: str


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One write, ready for HTTP."""

    notice: Notice
    count: int
    method: str
    path: str
    type: str
    """Content-Type."""
    body: bytes


class Verdict(Enum):
    WRITTEN = "written"
    AGAIN = "again"
    """Now, in another way."""
    LATER = "later"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    GIVEN_UP = "given up"


class _Record(msgspec.Struct, kw_only=True):
    """An Event as it should be in the API server."""

    nanos: int
    """Of its birth; of no two Events the same."""
    first: Instant
    last: Instant
    count: int = 0
    is_stored: bool = False
    tries: int = 0


class Recorder:
    """What has happened and is not written yet. `counts` is changed."""

    def __init__(self, counts: EventCounts) -> None:
        self._counts = counts
        self._known: OrderedDict[Notice, _Record] = OrderedDict()
        self._pending: OrderedDict[Notice, None] = OrderedDict()
        self._tokens = float(BURST)
        self._refilled_at: Instant | None = None
        self._made = 0

    @property
    def is_idle(self) -> bool:
        return not self._pending

    def add(self, notice: Notice, now: Instant) -> None:
        record = self._known.get(notice)
        if record is None:
            self._made += 1
            nanos = int(now * 1_000_000_000) + self._made % 1000
            record = self._known[notice] = _Record(nanos=nanos, first=now, last=now)
        self._known.move_to_end(notice)
        record.count += 1
        record.last = now
        if notice in self._pending:
            return
        if not self._take_token(now):
            # It is counted, and told with the next one of its sort that may be sent (events_cache.go: EventCorrelate).
            self._counts.dropped[Dropped.RATE_LIMITED] += 1
        else:
            self._pending[notice] = None
            if len(self._pending) > QUEUE:
                self._pending.popitem(last=False)
                self._counts.dropped[Dropped.QUEUE_FULL] += 1
        if len(self._known) > REMEMBERED:
            del self._known[next(known for known in self._known if known not in self._pending)]

    def clear(self) -> None:
        """Nobody is there to be told."""
        self._pending.clear()

    def due(self, pod: Pod) -> list[Sending]:
        return [_sending(notice, self._known[notice], pod) for notice in self._pending]

    def judge(self, sending: Sending, status: int | None) -> Verdict:
        """What is to be done after an answer with this status; None: there was none."""
        record = self._known.get(sending.notice)
        if record is None or sending.notice not in self._pending:
            return Verdict.WRITTEN  # it went while it was under way
        record.tries += 1
        verdict = _verdict(sending, status, record)
        match verdict:
            case Verdict.WRITTEN:
                record.is_stored, record.tries = True, 0
                self._counts.sent += 1
                if record.count == sending.count:
                    del self._pending[sending.notice]
            case Verdict.AGAIN:
                record.is_stored = not record.is_stored
            case Verdict.FORBIDDEN:
                self._drop(sending.notice, Dropped.FORBIDDEN)
            case Verdict.REFUSED:
                self._drop(sending.notice, Dropped.REFUSED)
            case Verdict.GIVEN_UP:
                self._drop(sending.notice, Dropped.UNREACHABLE)
            case Verdict.LATER:
                pass
        return verdict

    def _drop(self, notice: Notice, why: Dropped) -> None:
        self._known[notice].tries = 0
        del self._pending[notice]
        self._counts.dropped[why] += 1

    def _take_token(self, now: Instant) -> bool:
        if self._refilled_at is not None:
            refilled = self._tokens + max(0.0, now - self._refilled_at) / REFILL_SECONDS
            self._tokens = min(float(BURST), refilled)
        self._refilled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def notice(reason: Reason, text: str) -> Notice:
    """`text` may be of several lines. Private keys, which somebody may have put where a path belongs, are left out."""
    line = "; ".join(_PRIVATE_KEY.sub("(a private key)", text).splitlines())
    encoded = line.encode()
    if len(encoded) > MESSAGE_LIMIT:
        line = encoded[: MESSAGE_LIMIT - len("…".encode())].decode(errors="ignore") + "…"
    return Notice(reason, line)


def _verdict(sending: Sending, status: int | None, record: _Record) -> Verdict:
    is_create = sending.method == "POST"
    match status:
        case None | 401 | 429:
            found = Verdict.LATER
        case 403:
            found = Verdict.FORBIDDEN
        case 404 if not is_create:
            found = Verdict.AGAIN  # the Event has ended, after an hour: it begins anew
        case 409 if is_create:
            found = Verdict.AGAIN  # an answer of the API server's was lost
        case _ if 200 <= status < 300:
            found = Verdict.WRITTEN
        case _:
            found = Verdict.LATER if status >= 500 else Verdict.REFUSED
    if found in (Verdict.LATER, Verdict.AGAIN) and record.tries >= TRIES:
        return Verdict.GIVEN_UP
    return found


def _sending(notice: Notice, record: _Record, pod: Pod) -> Sending:
    hexadecimal = f".{record.nanos:x}"
    name = pod.name[: _NAME_LIMIT - len(hexadecimal)].rstrip("-.") + hexadecimal
    path = f"/api/v1/namespaces/{pod.namespace}/events"
    counted: dict[str, Any] = {"count": record.count, "lastTimestamp": format_time(record.last)}
    if record.is_stored:
        return Sending(
            notice=notice,
            count=record.count,
            method="PATCH",
            path=f"{path}/{name}",
            type="application/strategic-merge-patch+json",
            body=msgspec.json.encode(counted),
        )
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": pod.namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", **msgspec.structs.asdict(pod)},
        "type": notice.type,
        "reason": notice.reason,
        "message": notice.message,
        "firstTimestamp": format_time(record.first),
        **counted,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": "",
    }
    return Sending(
        notice=notice,
        count=record.count,
        method="POST",
        path=path,
        type="application/json",
        body=msgspec.json.encode(event),
    )
