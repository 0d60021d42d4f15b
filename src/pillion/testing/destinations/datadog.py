"""Datadog's log intake, version 2. Source: Datadog's API reference, "Send logs"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pillion.testing.destinations.peer import HttpPeer, Received, Reply, json_reply

if TYPE_CHECKING:
    import ssl

_MOST_ENTRIES, _MOST_BYTES, _LONGEST = 1000, 5_000_000, 1_000_000
_OLDEST = 18 * 3600


class DatadogServer(HttpPeer):
    """`now` (seconds since the epoch): logs older than 18 hours are taken and forgotten; None forgets none."""

    def __init__(
        self, *, api_key: str = "the-key", now: float | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self.api_key = api_key
        self.now = now
        self.entries: list[dict[str, Any]] = []
        self.cut = 0
        """Entries that were too long: the intake keeps their beginning and answers as if nothing were."""

    def answer(self, request: Received) -> Reply:
        if request.path != "/api/v2/logs":
            return Reply(status=404)
        if request.headers.get("dd-api-key", "") == "":
            return json_reply({"errors": [{"status": "401", "title": "Unauthorized"}]}, status=401)
        if request.headers["dd-api-key"] != self.api_key:
            return json_reply({"errors": [{"status": "403", "title": "Forbidden"}]}, status=403)
        if len(request.body) > _MOST_BYTES:
            return json_reply({"errors": [{"status": "413", "title": "Payload Too Large"}]}, status=413)
        try:
            entries = json.loads(request.body)
        except ValueError:
            return json_reply({"errors": [{"status": "400", "title": "Bad Request"}]}, status=400)
        if not isinstance(entries, list) or len(entries) > _MOST_ENTRIES:
            return json_reply({"errors": [{"status": "413", "title": "Payload Too Large"}]}, status=413)
        for entry in entries:
            if len(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()) > _LONGEST:
                self.cut += 1
            stamp = entry.get("timestamp")
            if self.now is None or not isinstance(stamp, int) or stamp / 1000 > self.now - _OLDEST:
                self.entries.append(entry)
        return json_reply({}, status=202)
