"""Clusters: the agent's ports, the outbounds' other sides, the collector of spans. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from pillion.proxy.configuration.values import CircuitBreaker, Configuration, Outbound, OutlierDetection, Tls
from pillion.proxy.xds.messages import address, duration, extension, typed
from pillion.proxy.xds.names import TRACE_COLLECTOR, local_cluster, outbound_name
from pillion.proxy.xds.snapshot import Resource
from pillion.proxy.xds.tls import SYSTEM_BUNDLE, is_address, upstream_socket

_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
BUFFER_BYTES = 1 << 16
"""Of a connection, each way, before the sender is held back. Envoy's default is 1 MiB, its advice for edges 32 KiB,
which halves what HTTP/2 carries; at 64 KiB large answers are as fast as at 1 MiB."""
_LOCAL_CONNECT = 1.0
"""Seconds. On localhost a connection is taken or refused at once."""
_LOCAL_IDLE = 4.0
"""Seconds until an unused connection to the agent is closed: less than uvicorn's 5 s (`--timeout-keep-alive`), or a
request is now and then sent into a connection that the agent is just closing, which ends in 503."""
_OUTBOUND_IDLE = 55.0
"""Likewise, less than the 60 s of common load balancers and the 75 s of nginx."""
_LOCAL_LIMIT = 16384
"""At one time, of connections and requests to the agent: more than the listeners let in, as limits are the routes'."""
_HTTP2: Resource = {
    "max_concurrent_streams": 100,
    "initial_stream_window_size": 1 << 16,
    "initial_connection_window_size": 1 << 20,
    "allow_connect": True,
}
_KEEPALIVE: Resource = {"keepalive_time": 60, "keepalive_interval": 10, "keepalive_probes": 3}


def clusters(configuration: Configuration) -> dict[str, Resource]:
    """All of a configuration, by name."""
    made = [
        _local(port, protocol)
        for port, protocol in sorted(
            {(route.to, route.protocol) for inbound in configuration.inbound for route in inbound.routes}
        )
    ]
    made += [_outbound(outbound) for outbound in configuration.outbound]
    if configuration.tracing.endpoint:
        made.append(_trace_collector(configuration.tracing.endpoint))
    return {cluster["name"]: cluster for cluster in made}


def _local(port: int, protocol: str) -> Resource:
    name = local_cluster(port, protocol)
    everything = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), _LOCAL_LIMIT)
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": duration(_LOCAL_CONNECT),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "load_assignment": _endpoint(name, "127.0.0.1", port),
        "circuit_breakers": {"thresholds": [everything]},
        "typed_extension_protocol_options": {_HTTP: _protocol(protocol, Tls.NONE, _LOCAL_IDLE)},
    }


def _outbound(outbound: Outbound) -> Resource:
    name = outbound_name(outbound)
    made: Resource = {
        "name": name,
        **_discovery(outbound.to[0]),
        # Requests of an agent differ by orders of magnitude in length: who has the fewest open gets the next.
        "lb_policy": "LEAST_REQUEST",
        "connect_timeout": duration(outbound.connect_timeout),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "load_assignment": _endpoint(name, *outbound.to),
        "circuit_breakers": {"thresholds": [_thresholds(outbound.breaker)]},
        "upstream_connection_options": {"tcp_keepalive": _KEEPALIVE},
        "typed_extension_protocol_options": {
            _HTTP: _protocol(outbound.protocol, outbound.tls, _OUTBOUND_IDLE)
        },
    }
    if outbound.outlier is not None:
        made["outlier_detection"] = _outlier(outbound.outlier)
        # Otherwise, once more than half of the hosts are ejected, all get requests again.
        made["common_lb_config"] = {"healthy_panic_threshold": {"value": 0}}
    if outbound.tls is not Tls.NONE:
        made["transport_socket"] = upstream_socket(outbound)
    return made


def _discovery(host: str) -> Resource:
    if is_address(host):
        return {"type": "STATIC"}
    return {
        "cluster_type": {
            "name": "envoy.cluster.dns",
            "typed_config": typed(
                "envoy.extensions.clusters.dns.v3.DnsCluster",
                dns_refresh_rate="5s",
                respect_dns_ttl=True,
                dns_failure_refresh_rate={"base_interval": "1s", "max_interval": "10s"},
                dns_lookup_family="V4_PREFERRED",
            ),
        }
    }


def _protocol(protocol: str, tls: Tls, idle: float) -> Resource:
    http1: Resource = {}
    http2 = _HTTP2
    if tls is not Tls.NONE:
        http2 = {**_HTTP2, "connection_keepalive": {"interval": "30s", "timeout": "10s"}}
    fields: Resource = {"common_http_protocol_options": {"idle_timeout": duration(idle)}}
    if protocol == "http2":
        fields["explicit_http_config"] = {"http2_protocol_options": http2}
    elif protocol == "http1":
        fields["explicit_http_config"] = {"http_protocol_options": http1}
    elif tls is Tls.NONE:
        fields["use_downstream_protocol_config"] = {
            "http_protocol_options": http1,
            "http2_protocol_options": http2,
        }
    else:
        fields["auto_config"] = {"http_protocol_options": http1, "http2_protocol_options": http2}
    return typed(_HTTP, **fields)


def _thresholds(breaker: CircuitBreaker) -> Resource:
    return {
        "max_connections": breaker.connections,
        "max_pending_requests": breaker.pending,
        "max_requests": breaker.requests,
        "max_retries": breaker.retries,
    }


def _outlier(outlier: OutlierDetection) -> Resource:
    """By consecutive errors only: the comparison of success rates needs more hosts and requests than an agent has."""
    return {
        "consecutive_5xx": outlier.consecutive_errors,
        "interval": duration(outlier.interval),
        "base_ejection_time": duration(outlier.ejection),
        "max_ejection_percent": outlier.max_ejected_percent,
        # Otherwise 10 percent of nine hosts are none.
        "always_eject_one_host": True,
        "enforcing_success_rate": 0,
        "enforcing_consecutive_gateway_failure": 0,
    }


def _trace_collector(endpoint: str) -> Resource:
    url = urlsplit(endpoint)
    host = url.hostname or "localhost"
    port = url.port or (443 if url.scheme == "https" else 80)
    made: Resource = {
        "name": TRACE_COLLECTOR,
        **_discovery(host),
        "connect_timeout": "1s",
        "load_assignment": _endpoint(TRACE_COLLECTOR, host, port),
    }
    if url.scheme == "https":
        context = {
            "validation_context": {
                "trusted_ca": {"filename": SYSTEM_BUNDLE},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": host}}],
            }
        }
        made["transport_socket"] = extension(
            "envoy.transport_sockets.tls",
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            sni=host,
            common_tls_context=context,
        )
    return made


def _endpoint(cluster: str, host: str, port: int) -> Resource:
    return {
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port)}}]}],
    }
