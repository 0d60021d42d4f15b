"""Google Cloud Logging's entries.write, Google's token endpoint and a machine's metadata server, in one peer.

Sources: Google's references of entries.write, LogEntry and WriteLogEntriesPartialErrors; "Using OAuth 2.0 for Server to
Server Applications"; "About VM metadata".
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from pillion.testing.destinations.peer import HttpPeer, Received, Reply, json_reply

if TYPE_CHECKING:
    import ssl

_MEMBERS = {
    "logName", "resource", "timestamp", "receiveTimestamp", "severity", "insertId", "httpRequest", "labels",
    "operation", "trace", "spanId", "traceSampled", "sourceLocation", "split", "textPayload", "jsonPayload",
}  # fmt: skip
_LOG_NAME = re.compile(r"projects/[^/]+/logs/[A-Za-z0-9_.%\-]{1,511}")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_LONGEST, _MOST = 256 << 10, 10_000_000
_PARTIAL = "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors"


class StackdriverServer(HttpPeer):
    """`facts`: what the metadata server says, by path. Assertions are those that tokens were given for."""

    def __init__(
        self, *, facts: dict[str, str] | None = None, lifetime: int = 3600, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self.facts = {
            "project/project-id": "the-project", "instance/zone": "projects/1/zones/europe-west1-b",
            "instance/id": "42",
        } if facts is None else facts  # fmt: skip
        self.lifetime = lifetime
        self.assertions: list[str] = []
        self.tokens = 0
        self.accepts = ""
        """The token that is valid now."""
        self.entries: list[dict[str, Any]] = []
        self.resources: list[dict[str, Any]] = []
        """Of each request."""

    def answer(self, request: Received) -> Reply:
        if request.path == "/token":
            [assertion] = parse_qs(request.body.decode())["assertion"]
            self.assertions.append(assertion)
            return self._token()
        if request.path.startswith("/computeMetadata/v1/"):
            return self._metadata(request)
        if request.path != "/v2/entries:write":
            return Reply(status=404)
        if request.headers.get("authorization") != f"Bearer {self.accepts}":
            return _error(401, "Request had invalid authentication credentials.")
        if len(request.body) > _MOST:
            return _error(400, "Request payload size exceeds the limit: 10485760 bytes.")
        return self._write(json.loads(request.body))

    def _write(self, said: dict[str, Any]) -> Reply:
        self.resources.append(said["resource"])
        wrong: dict[str, Any] = {}
        taken = []
        for place, entry in enumerate(said["entries"]):
            if shape := _misshapen(entry):
                return _error(400, f'Invalid JSON payload received. Unknown name "{shape}"')
            if problem := _problem(entry):
                wrong[str(place)] = {"code": 3, "message": problem}
            else:
                taken.append(entry)
        if not wrong or said.get("partialSuccess"):
            self.entries += taken
        if not wrong:
            return json_reply({})
        first = next(iter(wrong.values()))["message"]
        return _error(400, first, [{"@type": _PARTIAL, "logEntryErrors": wrong}])

    def _metadata(self, request: Received) -> Reply:
        if request.headers.get("metadata-flavor") != "Google":
            return Reply(status=403)
        path = request.path.removeprefix("/computeMetadata/v1/")
        if path == "instance/service-accounts/default/token":
            return self._token()
        return Reply(body=self.facts[path].encode()) if path in self.facts else Reply(status=404)

    def _token(self) -> Reply:
        self.tokens += 1
        self.accepts = f"token-{self.tokens}"
        return json_reply({"access_token": self.accepts, "expires_in": self.lifetime, "token_type": "Bearer"})


def _misshapen(entry: dict[str, Any]) -> str:
    """A member that the JSON of a LogEntry does not have, or not in this type."""
    for name in entry:
        if name not in _MEMBERS:
            return name
    labels = entry.get("labels", {})
    return next((f"labels.{name}" for name, value in labels.items() if not isinstance(value, str)), "")


def _problem(entry: dict[str, Any]) -> str:
    size = len(json.dumps(entry).encode())
    if size > _LONGEST:
        return f"Log entry with size {size / 1024:.1f}K exceeds maximum size of 256.0K"
    if not _LOG_NAME.fullmatch(entry.get("logName", "")):
        return "Log name is invalid"
    if "timestamp" in entry and not _STAMP.fullmatch(entry["timestamp"]):
        return "Timestamp is invalid"
    if ("textPayload" in entry) == ("jsonPayload" in entry):
        return "LogEntry payload is missing"
    return ""


def _error(status: int, message: str, details: list[Any] | None = None) -> Reply:
    said: dict[str, Any] = {"code": status, "message": message, "status": "INVALID_ARGUMENT"}
    if details:
        said["details"] = details
    return json_reply({"error": said}, status=status)
