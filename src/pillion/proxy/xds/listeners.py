"""Listeners: ports that others call, and ports that the agent calls. Pure.

Limits and the treatment of headers and paths are those of Envoy's "Configuring Envoy as an edge proxy".
"""

from __future__ import annotations

from pillion.proxy.configuration.values import Configuration, Inbound, Outbound, Tls
from pillion.proxy.xds import accesslog, filters, tracing
from pillion.proxy.xds.clusters import BUFFER_BYTES
from pillion.proxy.xds.messages import address, duration, extension, file_source
from pillion.proxy.xds.names import inbound_name, outbound_name, routes_file
from pillion.proxy.xds.snapshot import Resource
from pillion.proxy.xds.tls import downstream_socket

_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_IDLE = 3600.0
"""Seconds until a connection without requests is closed."""
_HANDSHAKE = 10.0
"""Seconds for a TLS handshake to end."""
_HTTP2: Resource = {
    "max_concurrent_streams": 100,
    "initial_stream_window_size": 1 << 16,
    "initial_connection_window_size": 1 << 20,
    # WebSockets over HTTP/2 (RFC 8441).
    "allow_connect": True,
}


_AGENT_IS_GONE: list[Resource] = [
    {
        "filter": {"response_flag_filter": {"flags": flags}},
        "body": {"inline_string": f"the agent behind this proxy {what}\n"},
    }
    for flags, what in (
        (["UF", "UH"], "does not take connections on its port"),
        (["UC"], "closed the connection before it had answered"),
        (["UT"], "has not answered in the time that its route allows"),
    )
]
"""Instead of Envoy's own words, which tell who calls about the inside of the Pod. By response flags."""


def listeners(configuration: Configuration) -> dict[str, Resource]:
    """All of a configuration, by name."""
    made = [_inbound(inbound, configuration) for inbound in configuration.inbound]
    made += [_outbound(outbound, configuration) for outbound in configuration.outbound]
    return {listener["name"]: listener for listener in made}


def _inbound(inbound: Inbound, configuration: Configuration) -> Resource:
    made = _listener(inbound_name(inbound), inbound.address, inbound.port, configuration)
    made["traffic_direction"] = "INBOUND"
    if inbound.tls is Tls.NONE:
        made["filter_chains"] = [_chain(inbound, configuration, "SANITIZE")]
        return made
    shown = "SANITIZE" if inbound.tls is Tls.SIMPLE else "SANITIZE_SET"
    encrypted = _chain(inbound, configuration, shown)
    if inbound.tls is not Tls.SIMPLE:
        encrypted["filters"].insert(0, filters.unambiguous_names())
    encrypted["transport_socket"] = downstream_socket(inbound)
    # Without it, who never ends the handshake is only idle, and stays for an hour.
    encrypted["transport_socket_connect_timeout"] = duration(_HANDSHAKE)
    made["filter_chains"] = [encrypted]
    if inbound.tls is Tls.PERMISSIVE:
        encrypted["name"] = "tls"
        encrypted["filter_chain_match"] = {"transport_protocol": "tls"}
        plain = _chain(inbound, configuration, "SANITIZE")
        plain["name"] = "plain"
        plain["filter_chain_match"] = {"transport_protocol": "raw_buffer"}
        made["filter_chains"].append(plain)
        made["listener_filters"] = [
            extension(
                "envoy.filters.listener.tls_inspector",
                "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            )
        ]
    return made


def _outbound(outbound: Outbound, configuration: Configuration) -> Resource:
    made = _listener(outbound_name(outbound), "127.0.0.1", outbound.port, configuration)
    made["traffic_direction"] = "OUTBOUND"
    # Strangers who take all the connections there are must not keep the agent from calling.
    made["ignore_global_conn_limit"] = True
    manager = _manager(outbound_name(outbound), configuration)
    # The agent is not the edge: nothing it says of itself is doubted, and localhost means nothing to the other side.
    manager |= {
        "skip_xff_append": True,
        "scheme_header_transformation": {"match_upstream": True},
        "http_filters": [filters.ROUTER],
    }
    made["filter_chains"] = [{"filters": [extension(_NAME, _MANAGER, **manager)]}]
    return made


def _listener(name: str, host: str, port: int, configuration: Configuration) -> Resource:
    return {
        "name": name,
        "stat_prefix": name,
        "address": address(host, port),
        # One thread needs no port of several sockets, and without it a port that another has is seen to be taken.
        "enable_reuse_port": configuration.concurrency > 1,
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "listener_filters_timeout": "5s",
    }


_NAME = "envoy.filters.network.http_connection_manager"


def _chain(inbound: Inbound, configuration: Configuration, certificate: str) -> Resource:
    manager = _manager(inbound_name(inbound), configuration)
    options = manager["common_http_protocol_options"]
    # Python's frameworks take `_` for `-`: x_forwarded_for must not stand in for x-forwarded-for.
    options["headers_with_underscores_action"] = "REJECT_REQUEST"
    if inbound.max_connection_age:
        options["max_connection_duration"] = duration(inbound.max_connection_age)
        # Without the second one HTTP/1.1 is closed between two requests, perhaps while the next one is on its way. So
        # that next one is still taken: a connection that is kept for it alone is kept no longer than any.
        manager["http1_safe_max_connection_duration"] = True
        options["idle_timeout"] = duration(min(_IDLE, inbound.max_connection_age))
    manager |= {
        "use_remote_address": True,
        "forward_client_cert_details": certificate,
        "normalize_path": True,
        "merge_slashes": True,
        # Nobody agrees what %2F means, so a path with it could pass for another one where identities are asked.
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        # A client that sends its headers byte by byte holds nothing for longer; the body may take its time.
        "request_headers_timeout": "15s",
        "http_filters": filters.inbound_filters(inbound.allow if inbound.tls is Tls.PERMISSIVE else ()),
        "local_reply_config": {"mappers": _AGENT_IS_GONE},
    }
    if certificate == "SANITIZE_SET":
        manager["set_current_client_cert_details"] = {"subject": True, "uri": True, "dns": True}
    return {"filters": [extension(_NAME, _MANAGER, **manager)]}


def _manager(name: str, configuration: Configuration) -> Resource:
    made: Resource = {
        "stat_prefix": name,
        "rds": {"route_config_name": name, "config_source": file_source(routes_file(name))},
        "common_http_protocol_options": {"idle_timeout": f"{_IDLE:.0f}s"},
        "http2_protocol_options": _HTTP2,
        # Nobody is internal by his address: a Pod's neighbour may not set timeouts and retries by x-envoy-… headers.
        # (An empty list would make everybody internal.)
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    if (tracer := tracing.provider(configuration.tracing)) is not None:
        made["tracing"] = tracer
    if configuration.access_log is not None:
        made["access_log"] = [accesslog.to_file(configuration.access_log.path, name)]
    return made
