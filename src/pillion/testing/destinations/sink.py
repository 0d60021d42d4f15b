"""A server that takes whatever is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.testing.destinations.peer import HttpPeer, Received, Reply

if TYPE_CHECKING:
    import ssl


class HttpSink(HttpPeer):
    """Answers 200, and 413 to a body of more than `limit` bytes (0: none)."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, limit: int = 0, port: int = 0) -> None:
        super().__init__(tls=tls, port=port)
        self.limit = limit
        self.accepted: list[Received] = []

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.accepted]

    def answer(self, request: Received) -> Reply:
        if self.limit and len(request.body) > self.limit:
            return Reply(status=413, body=b"too large")
        self.accepted.append(request)
        return Reply()
