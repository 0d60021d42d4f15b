"""An OTLP/HTTP receiver of logs, which reads requests with OpenTelemetry's own protobuf classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pillion.testing.destinations.peer import HttpPeer, Received, Reply

if TYPE_CHECKING:
    import ssl

_MOST_BYTES = 64 << 20


class OtlpServer(HttpPeer):
    """`rejects`: so many records of the next request are counted as rejected in its partial success."""

    def __init__(self, *, max_bytes: int = _MOST_BYTES, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.max_bytes = max_bytes
        self.rejects = 0
        self.exports: list[Any] = []
        """ExportLogsServiceRequests."""

    @property
    def records(self) -> list[Any]:
        """LogRecords."""
        return [
            record
            for export in self.exports
            for resource in export.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def answer(self, request: Received) -> Reply:
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
            ExportLogsServiceRequest,
            ExportLogsServiceResponse,
        )

        if request.path != "/v1/logs":
            return Reply(status=404)
        if request.headers.get("content-type") != "application/x-protobuf":
            return Reply(status=415, body=b"unsupported media type")
        if len(request.body) > self.max_bytes:
            return Reply(status=413)
        export = ExportLogsServiceRequest()
        try:
            export.ParseFromString(request.body)
        except DecodeError:
            return Reply(status=400, body=b"cannot decode")
        self.exports.append(export)
        response = ExportLogsServiceResponse()
        if self.rejects:
            response.partial_success.rejected_log_records = self.rejects
            response.partial_success.error_message = "some were no good"
            self.rejects = 0
        return Reply(body=response.SerializeToString(), headers=(("Content-Type", "application/x-protobuf"),))
