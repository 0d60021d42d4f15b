"""The output that all services over HTTP share; what differs is the `Dialect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from pillion.collector.network.authorization import Anonymous
from pillion.collector.network.delivery import deliver_parts
from pillion.collector.plugin import Again, Delivered, Verdict
from pillion.errors import HostError, PeerError
from pillion.http.message import Answer, NoAnswer

if TYPE_CHECKING:
    from pillion.clock import Clock
    from pillion.collector.network.authorization import Authorization
    from pillion.collector.records import Content
    from pillion.http.message import Request
    from pillion.http.sender import HttpSender


_UNAUTHORIZED = 401


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of records that are to be sent at once."""

    request: Request | None
    """None when there is nothing to send."""
    content: Content | None
    """What is in it, record for record."""
    rejected: tuple[tuple[str, Content], ...] = ()
    """Records that this service cannot take."""


class Dialect(Protocol):
    """How one service is spoken to. Pure: no clock, no network; `now` is in seconds since the epoch."""

    def parts(self, tag: str, content: Content) -> list[Content]:
        """`content` in the pieces that one request may hold."""

    def encode(self, tag: str, content: Content, now: float) -> Encoded: ...

    def judge(self, sent: Encoded, answer: Answer, now: float) -> Verdict:
        """What the answer says of the records in `sent`."""


class HttpOutput:
    def __init__(
        self,
        dialect: Dialect,
        sender: HttpSender,
        clock: Clock,
        *,
        authorization: Authorization | None = None,
        limit_bytes: int = 2 << 20,
    ) -> None:
        self._dialect = dialect
        self._sender = sender
        self._clock = clock
        self._authorization: Authorization = Anonymous() if authorization is None else authorization
        self._limit_bytes = limit_bytes

    @property
    def limit_bytes(self) -> int:
        return self._limit_bytes

    def deliver(self, tag: str, content: Content) -> Verdict:
        before = self._sender.interrupts

        def attempt(part: Content) -> Verdict:
            if self._sender.interrupts != before:
                return Again(reason="interrupted: the collector stops")
            return self._attempt(tag, part)

        return deliver_parts(self._dialect.parts(tag, content), attempt)

    def interrupt(self) -> None:
        self._sender.interrupt()
        self._authorization.interrupt()

    def close(self) -> None:
        self._sender.close()

    def _attempt(self, tag: str, part: Content) -> Verdict:
        encoded = self._dialect.encode(tag, part, self._clock.now())
        if encoded.request is None:
            return Delivered(rejected=encoded.rejected)
        answer = exchange(self._sender, self._authorization, encoded.request)
        if isinstance(answer, NoAnswer):
            return Again(reason=answer.reason)
        verdict = self._dialect.judge(encoded, answer, self._clock.now())
        return with_rejected(verdict, encoded)


def exchange(sender: HttpSender, authorization: Authorization, request: Request) -> Answer | NoAnswer:
    """Send with credentials; not having them is no answer either. A token that is not accepted is renewed, once."""
    answer = _exchange(sender, authorization, request)
    if isinstance(answer, Answer) and answer.status == _UNAUTHORIZED and authorization.renew():
        return _exchange(sender, authorization, request)
    return answer


def _exchange(sender: HttpSender, authorization: Authorization, request: Request) -> Answer | NoAnswer:
    try:
        credentials = authorization.headers(request)
    except (HostError, PeerError) as error:
        return NoAnswer(reason=str(error))
    return sender.send(request, credentials)


def with_rejected(verdict: Verdict, encoded: Encoded) -> Verdict:
    """`verdict`, which is about what was sent, made one about what was to be encoded."""
    if not encoded.rejected:
        return verdict
    match verdict:
        case Delivered():
            return msgspec.structs.replace(verdict, rejected=encoded.rejected + verdict.rejected)
        case Again():
            # What was rejected is settled; the rest is to be tried again.
            return msgspec.structs.replace(
                verdict,
                rejected=encoded.rejected + verdict.rejected,
                remaining=encoded.content if verdict.remaining is None else verdict.remaining,
            )
        case _:
            # Encoded again from smaller parts, or refused as a whole: the rejected ones are among them.
            return verdict
