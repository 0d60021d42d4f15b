"""Trace context (W3C traceparent): made where a trace begins, passed on where it came in. Pure.

With an endpoint Envoy's OpenTelemetry tracer does both, and sends spans. Without one it would still build every span
and throw it away, for half of what a whole request costs. So then no tracer is there, and an absent `traceparent` is
put together of header values: the time in microseconds, whose decimal digits are hexadecimal ones too, and 32 random
bits, twice, at the right end of the trace ID, where samplers look (Trace Context Level 2, "Random Trace ID Flag").

The random bits of a request that comes in are those of its x-request-id, which Envoy makes anew for whoever is not
internal, and nobody is. That costs next to nothing. The agent may send a request ID of its own in any form; so for
what goes out the route draws a UUID, the virtual host makes the header of its first 32 bits, and the last removes it:
Envoy applies them in this order (documentation of "Custom request/response headers").

The proxy reports no span, so it does not put itself in the place of a parent that came in.
"""

from __future__ import annotations

from pillion.proxy.configuration.values import Tracing
from pillion.proxy.xds.messages import extension
from pillion.proxy.xds.names import TRACE_COLLECTOR
from pillion.proxy.xds.snapshot import Resource

_REQUEST_ID = "x-request-id"
_DRAWN = "x-pillion-random"
_FLAGS = "x-pillion-flags"
_SAMPLED, _NOT_SAMPLED = "01", "00"
_MILLION = 1_000_000
RUNTIME: Resource = {
    # Envoy's tracer sends after 5 spans; here after 256, or after a second.
    "tracing": {"opentelemetry": {"min_flush_spans": 256, "flush_interval_ms": 1000}}
}


def provider(tracing: Tracing) -> Resource | None:
    """`tracing` of a HttpConnectionManager; None: no tracer."""
    if not tracing.endpoint:
        return None
    return {
        "provider": extension(
            "envoy.tracers.opentelemetry",
            "envoy.config.trace.v3.OpenTelemetryConfig",
            service_name=tracing.service,
            http_service={"http_uri": {"uri": tracing.endpoint, "cluster": TRACE_COLLECTOR, "timeout": "5s"}},
        ),
        "random_sampling": {"value": tracing.sampling},
        "client_sampling": {"value": 0},
    }


def propagating(configuration: Resource, tracing: Tracing, *, has_own_request_ids: bool) -> Resource:
    """A RouteConfiguration whose requests go on with a traceparent, without a tracer.

    `has_own_request_ids`: x-request-id is Envoy's, never the caller's.
    """
    if tracing.endpoint:
        return configuration
    fraction = round(tracing.sampling / 100 * _MILLION)
    random = _REQUEST_ID if has_own_request_ids else _DRAWN
    hosts = [_host(host, fraction, random) for host in configuration["virtual_hosts"]]
    removed = [*configuration.get("request_headers_to_remove", []), _DRAWN, _FLAGS]
    return {**configuration, "virtual_hosts": hosts, "request_headers_to_remove": removed}


def _host(host: Resource, fraction: int, source: str) -> Resource:
    partly = 0 < fraction < _MILLION
    flags = f"%REQ({_FLAGS})%" if partly else (_SAMPLED if fraction else _NOT_SAMPLED)
    random = f"%REQ({source}):8%"
    # A parent ID of zeros would not be valid.
    parent = f"00-%START_TIME(%s%6f)%{random}{random}-{random}00000001-{flags}"
    routes = [_partly(route, fraction) if partly else route for route in host["routes"]]
    if source == _DRAWN:
        routes = [{**route, "request_headers_to_add": [_header(_DRAWN, "%UNIQUE_ID%")]} for route in routes]
    return {
        **host,
        "routes": routes,
        "request_headers_to_add": [_header("traceparent", parent, "ADD_IF_ABSENT")],
    }


def _partly(route: Resource, fraction: int) -> Resource:
    """A part of the traces is drawn as one of two clusters is by its weight; both are the same one.

    By a route's chance to match (runtime_fraction) each route would stand there twice, with two buckets of its rate.
    """
    action = {key: value for key, value in route["route"].items() if key != "cluster"}
    action["weighted_clusters"] = {
        "clusters": [
            {
                "name": route["route"]["cluster"],
                "weight": weight,
                "request_headers_to_add": [_header(_FLAGS, flags)],
            }
            for weight, flags in ((fraction, _SAMPLED), (_MILLION - fraction, _NOT_SAMPLED))
        ]
    }
    return {**route, "route": action}


def _header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Resource:
    return {"header": {"key": name, "value": value}, "append_action": action}
