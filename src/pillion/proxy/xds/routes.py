"""Routes: which request goes where, and on what terms. Pure.

A listener's routes lie in a RouteConfiguration of their own: a new one closes no connection. There is one virtual host,
as Envoy chooses virtual hosts before routes and by their own rules, while here the first route that matches counts;
`hosts` are asked of `:authority` instead.
"""

from __future__ import annotations

import re

import msgspec

from pillion.proxy.configuration.values import (
    HeaderMatch,
    Inbound,
    Match,
    Outbound,
    Retries,
    Rewrite,
    Route,
    Tls,
    Tracing,
)
from pillion.proxy.xds import filters
from pillion.proxy.xds.messages import duration, one_of, string_matcher
from pillion.proxy.xds.names import inbound_name, local_cluster, outbound_name
from pillion.proxy.xds.snapshot import Resource
from pillion.proxy.xds.tracing import propagating

_RETRY_BODY = 1 << 20
"""Bytes of a request that are kept to be sent again; a longer one is sent once."""
_RETRY_BASE, _RETRY_MAX = 0.025, 0.25
"""Seconds between attempts, at random up to a bound that doubles: Envoy's defaults."""


def inbound_routes(inbound: Inbound, tracing: Tracing) -> Resource:
    """The RouteConfiguration of a port that others call."""
    made: list[Resource] = []
    for route in inbound.routes:
        made += [_with_action(match, route) for match in _matches(route)]
    return propagating(_configuration(inbound_name(inbound), made), tracing, has_own_request_ids=True)


def outbound_routes(outbound: Outbound, tracing: Tracing) -> Resource:
    """The RouteConfiguration of a port that the agent calls: everything goes to the one cluster."""
    host, port = outbound.to
    default_port = 80 if outbound.tls is Tls.NONE else 443
    name = outbound.server_name or (f"[{host}]" if ":" in host else host)
    action: Resource = {
        "cluster": outbound_name(outbound),
        "timeout": duration(outbound.timeout),
        "idle_timeout": duration(outbound.idle_timeout),
        # The agent says localhost:PORT, which means nothing to the other side.
        "host_rewrite_literal": name if port == default_port else f"{name}:{port}",
    }
    if outbound.retries is not None:
        action["retry_policy"] = _retry_policy(outbound.retries)
    route: Resource = {"name": outbound.name, "match": {"prefix": "/"}, "route": action}
    if outbound.retries is not None:
        route["request_body_buffer_limit"] = _RETRY_BODY
    made = _configuration(outbound_name(outbound), [route])
    # Envoy would say "http", which is what the agent spoke, not what the other side is called by.
    made["request_headers_to_remove"] = ["x-forwarded-proto"]
    return propagating(made, tracing, has_own_request_ids=False)


def _configuration(name: str, routes: list[Resource]) -> Resource:
    # validate_clusters: Envoy takes clusters before routes at its start; later a route to a cluster that is not there
    # yet must not refuse all the others, as files come one after the other.
    return {
        "name": name,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        "validate_clusters": False,
    }


def _with_action(match: Resource, route: Route) -> Resource:
    action: Resource = {
        "cluster": local_cluster(route.to, route.protocol),
        "timeout": duration(route.timeout),
        "idle_timeout": duration(route.idle_timeout),
    }
    if route.retries is not None:
        action["retry_policy"] = _retry_policy(route.retries)
    if route.rewrite is not None:
        action |= _rewrite(route.match, route.rewrite)
    if not route.websocket:
        action["upgrade_configs"] = [{"upgrade_type": "websocket", "enabled": False}]
    made: Resource = {"name": route.name, "match": match, "route": action}
    if route.retries is not None:
        made["request_body_buffer_limit"] = _RETRY_BODY
    if settings := filters.route_settings(route):
        made["typed_per_filter_config"] = settings
    return made


def _matches(route: Route) -> list[Resource]:
    """One, or two when the browser asks before it calls: its OPTIONS must find the policy of the route it asks for."""
    match = route.match
    made = [_match(match)]
    if route.cors is not None and match.methods and "OPTIONS" not in match.methods:
        # Nor does a browser send the headers of the call with it.
        preflight = _match(msgspec.structs.replace(match, methods=("OPTIONS",), headers=()))
        wanted = {"name": "access-control-request-method", "string_match": one_of(match.methods)}
        preflight["headers"] += [wanted, {"name": "origin", "present_match": True}]
        made.append(preflight)
    return made


def _match(match: Match) -> Resource:
    made: Resource = {}
    if match.exact is not None:
        made["path"] = match.exact
    elif match.regex is not None:
        made["safe_regex"] = {"regex": match.regex}
    else:
        prefix = match.prefix if match.prefix is not None else "/"
        made["prefix" if prefix.endswith("/") else "path_separated_prefix"] = prefix
    headers: list[Resource] = []
    if match.methods:
        headers.append({"name": ":method", "string_match": one_of(match.methods)})
    if match.hosts:
        headers.append({"name": ":authority", "string_match": {"safe_regex": {"regex": _hosts(match.hosts)}}})
    headers += [_header(header) for header in match.headers]
    if headers:
        made["headers"] = headers
    return made


def _header(header: HeaderMatch) -> Resource:
    if header.value.present is not None:
        return {"name": header.name, "present_match": header.value.present}
    return {"name": header.name, "string_match": string_matcher(header.value)}


def _hosts(hosts: tuple[str, ...]) -> str:
    """Names of any case (RFC 9110, section 4.2.3), whatever is said of the port: an agent that looks at the host takes
    `name`, `name.`, `name:` and `name:x` for the same, so none of them may pass by a route that asks who calls."""
    patterns = [
        r"[^:]+" + re.escape(host[1:]) if host.startswith("*.") else re.escape(host)
        for host in hosts
        if host != "*"
    ]
    if len(patterns) < len(hosts):
        return ".*"
    return rf"(?i)(?:{'|'.join(patterns)})\.?(?::.*)?"


def _rewrite(match: Match, rewrite: Rewrite) -> Resource:
    made: Resource = {}
    if rewrite.host is not None:
        made["host_rewrite_literal"] = rewrite.host
    if (new := rewrite.prefix) is None:
        return made
    old = match.prefix if match.exact is None and match.regex is None else None
    if old is not None and old.endswith("/") and not new.endswith("/"):
        new += "/"
    if old is not None and not old.endswith("/") and new.endswith("/"):
        # Envoy would make //x of /v1/x: the slash belongs to the rest.
        pattern, substitution = f"^{re.escape(old)}/?", new.replace("\\", "\\\\")
        made["regex_rewrite"] = {"pattern": {"regex": pattern}, "substitution": substitution}
    else:
        made["prefix_rewrite"] = new
    return made


def _retry_policy(retries: Retries) -> Resource:
    made: Resource = {
        "retry_on": ",".join(retries.on),
        "num_retries": retries.attempts,
        "retry_back_off": {"base_interval": duration(_RETRY_BASE), "max_interval": duration(_RETRY_MAX)},
    }
    if retries.per_try_timeout:
        made["per_try_timeout"] = duration(retries.per_try_timeout)
    return made
