"""One request: compressed, sent, judged; and which protocol a destination speaks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pillion.errors import HostError
from pillion.http.message import Request
from pillion.scraper.remotewrite.request import Protocol
from pillion.scraper.remotewrite.verdict import OtherProtocol, Verdict, Written, headers_of, judge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol as Shape

    from pillion.clock import Clock
    from pillion.http.message import Answer, NoAnswer

    class Sender(Shape):
        def send(self, request: Request) -> Answer | NoAnswer: ...

        def interrupt(self) -> None: ...


def compressor() -> None:
    """Raises HostError when snappy is not installed: remote write knows no other compression."""
    try:
        import cramjam  # noqa: F401
    except ImportError as error:
        raise HostError("cannot compress remote write requests: install the package cramjam") from error


class Spoken:
    """The protocol as configured, until the other side turns out not to know it; then 1.0 for as long as we live.

    A 400 may be about the samples. So it makes 1.0 the protocol only when the same samples are taken with 1.0.
    """

    def __init__(self, configured: Protocol) -> None:
        self._lock = threading.Lock()
        self._now = configured
        self.has_spoken_v2 = False

    @property
    def now(self) -> Protocol:
        return self._now

    def learn(self, tried: Protocol, verdict: Verdict, *, doubted: bool) -> bool:
        """True: from now on it is 1.0. `doubted`: v2 was answered with 400 before `tried`, which is 1.0."""
        with self._lock:
            if tried is Protocol.V2 and isinstance(verdict, Written):
                self.has_spoken_v2 = True
            elif self._now is Protocol.V2 and (
                (isinstance(verdict, OtherProtocol) and verdict.is_certain)
                or (doubted and isinstance(verdict, Written))
            ):
                self._now = Protocol.V1
                return True
            return False


class Exchange:
    """Sends bodies to one destination."""

    def __init__(
        self,
        sender: Sender,
        path: str,
        clock: Clock,
        *,
        headers: Mapping[str, str],
        retries_429: bool,
        spoken: Spoken,
    ) -> None:
        self._sender = sender
        self._path = path
        self._clock = clock
        self._headers = headers
        self._retries_429 = retries_429
        self._spoken = spoken

    def send(self, body: bytes, protocol: Protocol, *, attempt: int) -> tuple[Verdict, int, float]:
        """What came of it, the bytes that were sent, and the seconds it took."""
        from cramjam import snappy

        packed = bytes(snappy.compress_raw(body))
        begun = self._clock.now()
        answer = self._sender.send(
            Request(
                path=self._path, body=packed, headers=headers_of(protocol, self._headers, attempt=attempt)
            )
        )
        now = self._clock.now()
        verdict = judge(
            answer,
            protocol,
            now=now,
            retries_429=self._retries_429,
            has_spoken_v2=self._spoken.has_spoken_v2,
        )
        return verdict, len(packed), max(0.0, now - begun)
