"""Splunk's HTTP Event Collector, with indexer acknowledgement.

Source: Splunk's "Format events for HTTP Event Collector", "Troubleshoot HTTP Event Collector" (codes) and "About HTTP
Event Collector Indexer Acknowledgment".
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from pillion.testing.destinations.peer import HttpPeer, Received, Reply, json_reply

if TYPE_CHECKING:
    import ssl

_KEYS = {"time", "host", "source", "sourcetype", "index", "fields", "event"}


class SplunkServer(HttpPeer):
    """`acknowledges`: the token has acknowledgement. `polls_until_indexed`: so many questions are answered with no."""

    def __init__(
        self,
        *,
        token: str = "the-token",  # noqa: S107 - nobody's
        acknowledges: bool = False,
        polls_until_indexed: int = 0,
        max_bytes: int = 0,
        indexes: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self.token = token
        self.acknowledges = acknowledges
        self.polls_until_indexed = polls_until_indexed
        self.max_bytes = max_bytes
        self.indexes = indexes
        self.events: list[dict[str, Any]] = []
        """Received. What was not acknowledged may be lost yet."""
        self.acknowledged: list[dict[str, Any]] = []
        self._waiting: dict[str, dict[int, list[dict[str, Any]]]] = defaultdict(dict)
        self._next: dict[str, int] = defaultdict(int)
        self._polls = 0

    def answer(self, request: Received) -> Reply:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            return _reply(401, 2, "Token is required")
        if scheme != "Splunk" or token != self.token:
            return _reply(403, 4, "Invalid token")
        channel = (
            request.headers.get("x-splunk-request-channel", "")
            or (parse_qs(request.query).get("channel", [""])[0])
        )
        if self.acknowledges and not channel:
            return _reply(400, 10, "Data channel is missing")
        if request.path == "/services/collector/ack":
            return self._tell(channel, request)
        if request.path != "/services/collector/event":
            return _reply(404, 0, "The requested URL was not found on this server.")
        if self.max_bytes and len(request.body) > self.max_bytes:
            return Reply(status=413)
        events = self._events(request.body.decode())
        if isinstance(events, Reply):
            return events
        self.events += events
        if not self.acknowledges:
            return _reply(200, 0, "Success")
        number = self._next[channel]
        self._next[channel] += 1
        self._waiting[channel][number] = events
        return json_reply({"text": "Success", "code": 0, "ackId": number})

    def _events(self, text: str) -> list[dict[str, Any]] | Reply:
        if not text.strip():
            return _reply(400, 5, "No data")
        events: list[dict[str, Any]] = []
        decoder, at = json.JSONDecoder(), 0
        while at < len(text):
            if text[at].isspace():
                at += 1
                continue
            try:
                event, at = decoder.raw_decode(text, at)
            except ValueError:
                return _reply(400, 6, "Invalid data format", len(events))
            if not isinstance(event, dict) or set(event) - _KEYS:
                return _reply(400, 6, "Invalid data format", len(events))
            if "event" not in event:
                return _reply(400, 12, "Event field is required", len(events))
            if event["event"] in ("", None, {}):
                return _reply(400, 13, "Event field cannot be blank", len(events))
            if self.indexes and event.get("index", self.indexes[0]) not in self.indexes:
                return _reply(400, 7, "Incorrect index", len(events))
            events.append(event)
        return events

    def _tell(self, channel: str, request: Received) -> Reply:
        """True once: then the number is forgotten. False for numbers that nobody knows, too."""
        self._polls += 1
        told: dict[str, bool] = {}
        for number in json.loads(request.body)["acks"]:
            is_indexed = self._polls > self.polls_until_indexed and number in self._waiting[channel]
            if is_indexed:
                self.acknowledged += self._waiting[channel].pop(number)
            told[str(number)] = is_indexed
        return json_reply({"acks": told})


def _reply(status: int, code: int, text: str, bad_event: int | None = None) -> Reply:
    answer: dict[str, Any] = {"text": text, "code": code}
    if bad_event is not None:
        answer["invalid-event-number"] = bad_event
    return json_reply(answer, status=status)
