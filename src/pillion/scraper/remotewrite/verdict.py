"""What an answer says of the samples that were sent, and which headers a request has. Pure.

Rules: Remote-Write 1.0 and 2.0 (prometheus/docs, specs/prw), "Retries & Backoff" and "Required Written Response
Headers"; storage/remote/client.go: Store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pillion.http.message import Answer, NoAnswer, retry_after
from pillion.scraper.remotewrite.request import Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN_BYTES = 1024
"""Of an answer's body, as it is (client.go: maxErrMsgLen)."""
_TYPES = {Protocol.V1: "application/x-protobuf", Protocol.V2: f"application/x-protobuf;proto={Protocol.V2}"}
_VERSIONS = {Protocol.V1: "0.1.0", Protocol.V2: "2.0.0"}
_WRITTEN = "x-prometheus-remote-write-{}-written"
_BAD_REQUEST, _UNSUPPORTED_TYPE, _TOO_MANY = 400, 415, 429


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """It arrived. None: the other side did not count."""

    samples: int | None = None
    exemplars: int | None = None


class Again(msgspec.Struct, frozen=True, kw_only=True):
    reason: str
    after: float | None = None
    """Seconds that the other side asked for."""


class Never(msgspec.Struct, frozen=True, kw_only=True):
    """The same would be refused again."""

    reason: str
    samples: int = 0
    """That were written all the same."""
    exemplars: int = 0


class OtherProtocol(msgspec.Struct, frozen=True, kw_only=True):
    """The other side does not know v2, or may not: 1.0 receivers answer 400, or take it for an empty request."""

    reason: str
    is_certain: bool


Verdict: TypeAlias = Written | Again | Never | OtherProtocol


def headers_of(protocol: Protocol, own: Mapping[str, str], *, attempt: int) -> tuple[tuple[str, str], ...]:
    """`own` are the configuration's; ours cannot be overridden. `attempt` counts from 0."""
    ours = [
        ("Content-Encoding", "snappy"),
        ("Content-Type", _TYPES[protocol]),
        ("X-Prometheus-Remote-Write-Version", _VERSIONS[protocol]),
    ]
    if attempt:
        ours.append(("Retry-Attempt", str(attempt)))
    reserved = {name.lower() for name, _ in ours}
    return (*ours, *[(name, value) for name, value in own.items() if name.lower() not in reserved])


def judge(
    answer: Answer | NoAnswer, protocol: Protocol, *, now: float, retries_429: bool, has_spoken_v2: bool
) -> Verdict:
    """`has_spoken_v2`: this receiver has taken v2 before, so that its 400 is about the samples. `now` in seconds."""
    if isinstance(answer, NoAnswer):
        return Again(reason=answer.reason)
    samples, exemplars = _count(answer, "samples"), _count(answer, "exemplars")
    counts = (samples, exemplars, _count(answer, "histograms"))
    has_counted = any(count is not None for count in counts)
    reason = f"server returned HTTP status {answer.status}: {shown(answer.body)}"
    if answer.is_success:
        if protocol is Protocol.V2:
            if not has_counted:
                told = f"HTTP status {answer.status} without any X-Prometheus-Remote-Write-*-Written header"
                return OtherProtocol(reason=f"server returned {told}", is_certain=True)
            return Written(samples=samples or 0, exemplars=exemplars or 0)
        return Written(samples=samples, exemplars=exemplars) if has_counted else Written()
    if answer.status >= 500 or (answer.status == _TOO_MANY and retries_429):
        return Again(reason=reason, after=retry_after(answer, now))
    if protocol is Protocol.V2:
        if answer.status == _UNSUPPORTED_TYPE:
            return OtherProtocol(reason=reason, is_certain=True)
        if answer.status == _BAD_REQUEST and not has_counted and not has_spoken_v2:
            return OtherProtocol(reason=reason, is_certain=False)
    return Never(reason=reason, samples=samples or 0, exemplars=exemplars or 0)


def shown(body: bytes) -> str:
    """For the log: the first KiB, in one line, never interpreted."""
    return " ".join(body[:SHOWN_BYTES].decode("utf-8", "replace").split())


def _count(answer: Answer, what: str) -> int | None:
    text = answer.headers.get(_WRITTEN.format(what), "").strip()
    return int(text) if text.isascii() and text.isdigit() else None
