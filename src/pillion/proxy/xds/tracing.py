"""Trace context: made where a trace begins, passed on where it came in (W3C traceparent). Pure."""

from __future__ import annotations

from pillion.proxy.configuration.values import Tracing
from pillion.proxy.xds.messages import extension
from pillion.proxy.xds.names import TRACE_COLLECTOR
from pillion.proxy.xds.snapshot import Resource


def settings(tracing: Tracing) -> Resource:
    """`tracing` of a HttpConnectionManager."""
    endpoint = tracing.endpoint or "http://localhost/"
    provider = extension(
        "envoy.tracers.opentelemetry",
        "envoy.config.trace.v3.OpenTelemetryConfig",
        service_name=tracing.service,
        http_service={
            "http_uri": {"uri": endpoint, "cluster": TRACE_COLLECTOR, "timeout": "5s"},
        },
    )
    return {
        "provider": provider,
        "random_sampling": {"value": tracing.sampling},
        "client_sampling": {"value": 0},
        "spawn_upstream_span": False,
    }
