"""The access log: one JSON line for each request. Pure.

The operators are those of Envoy's documentation, "Access log format strings".
"""

from __future__ import annotations

from pillion.proxy.xds.messages import extension
from pillion.proxy.xds.snapshot import Resource

FIELDS: dict[str, str] = {
    "start_time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%",
    "method": "%REQ(:METHOD)%",
    # Without the query: tokens travel in it.
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "authority": "%REQ(:AUTHORITY)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "first_byte_ms": "%RESPONSE_DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "peer": "%DOWNSTREAM_PEER_URI_SAN%",
    "upstream": "%UPSTREAM_HOST%",
    "upstream_peer": "%UPSTREAM_PEER_URI_SAN%",
    "upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "route": "%ROUTE_NAME%",
    # With the trace ID in it. Envoy knows %TRACE_ID% only where it has a tracer.
    "traceparent": "%REQ(TRACEPARENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "user_agent": "%REQ(USER-AGENT)%",
}
"""A key of the line, and what Envoy puts there; what is not known becomes null."""


def to_file(path: str, listener: str) -> Resource:
    """An AccessLog that writes to a file; Envoy reopens it when told to (`/reopen_logs`)."""
    return extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": {**FIELDS, "listener": listener}},
    )
