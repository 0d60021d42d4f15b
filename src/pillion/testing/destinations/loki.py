"""Loki's push API with the limits of its defaults.

Source: Loki's documentation ("Loki HTTP API", "Grafana Loki configuration parameters: limits_config") and the messages
of its pkg/validation.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pillion.testing.destinations.peer import HttpPeer, Received, Reply

if TYPE_CHECKING:
    import ssl

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LINE, _LABELS, _NAME, _VALUE = 256 << 10, 15, 1024, 2048
_METADATA, _METADATA_BYTES = 128, 64 << 10
_WEEK, _TEN_MINUTES = 7 * 86_400, 600


class LokiServer(HttpPeer):
    """`now` (seconds since the epoch) is what ages are counted from; None counts none. `tenants`: X-Scope-OrgID is
    needed. Entries are in `streams`, by tenant and labels; the same one twice is kept once, as in Loki."""

    def __init__(
        self, *, now: float | None = None, tenants: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self.now = now
        self.tenants = tenants
        self.streams: dict[tuple[str, frozenset[tuple[str, str]]], dict[tuple[int, str], dict[str, str]]] = {}

    @property
    def lines(self) -> list[str]:
        return [line for stream in self.streams.values() for _, line in stream]

    def labels(self) -> list[dict[str, str]]:
        return [dict(labels) for _, labels in self.streams]

    def answer(self, request: Received) -> Reply:
        if request.path != "/loki/api/v1/push":
            return Reply(status=404, body=b"404 page not found")
        tenant = request.headers.get("x-scope-orgid", "")
        if self.tenants and not tenant:
            return Reply(status=401, body=b"no org id")
        if request.headers.get("content-type") != "application/json":
            return Reply(status=400, body=b"unexpected content type")
        try:
            streams = [
                (stream["stream"], [_entry(value) for value in stream["values"]])
                for stream in json.loads(request.body)["streams"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            return Reply(status=400, body=f"couldn't parse push request: {error}".encode())
        problem = ""
        for labels, entries in streams:
            if wrong := _wrong_labels(labels):
                problem = wrong
                continue
            kept = self.streams.setdefault((tenant or "fake", frozenset(labels.items())), {})
            for time, line, metadata in entries:
                if wrong := self._wrong_entry(time, line, metadata):
                    problem = wrong
                else:
                    kept[time, line] = metadata
        return Reply(status=400, body=problem.encode()) if problem else Reply(status=204)

    def _wrong_entry(self, time: int, line: str, metadata: dict[str, str]) -> str:
        if len(line.encode()) > _LINE:
            return f"Max entry size '{_LINE}' bytes exceeded for an entry with length '{len(line.encode())}' bytes"
        if len(metadata) > _METADATA or sum(len(k) + len(v) for k, v in metadata.items()) > _METADATA_BYTES:
            return "stream has structured metadata too large"
        if self.now is not None and time / 1e9 < self.now - _WEEK:
            return "entry has timestamp too old"
        if self.now is not None and time / 1e9 > self.now + _TEN_MINUTES:
            return "entry has timestamp too new"
        return ""


def _entry(value: list[Any]) -> tuple[int, str, dict[str, str]]:
    time, line, *rest = value
    metadata = rest[0] if rest else {}
    if not isinstance(time, str) or not isinstance(line, str):
        raise TypeError("a value is not two strings")
    if not all(isinstance(text, str) for pair in metadata.items() for text in pair):
        raise TypeError("structured metadata is not strings")
    return int(time), line, metadata


def _wrong_labels(labels: dict[str, str]) -> str:
    if not labels:
        return "error at least one label pair is required per stream"
    if len(labels) > _LABELS:
        return f"stream has {len(labels)} label names; limit {_LABELS}"
    for name, value in labels.items():
        if not _LABEL_NAME.fullmatch(name):
            return f"1:2: parse error: unexpected {name}"
        if len(name) > _NAME or len(value) > _VALUE:
            return "stream has label name or value too long"
    return ""
