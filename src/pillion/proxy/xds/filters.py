"""HTTP filters: what is done to a request on its way, for routes that ask for it. Pure.

In the listener every one of them is disabled; a route's own settings switch it on. So a route may come to need one
without a new listener, which would close connections, and other routes do not pay for it.
"""

from __future__ import annotations

import math

from pillion.proxy.configuration.values import Cors, Identity, RateLimit, Route
from pillion.proxy.xds.messages import FULL_PERCENT, duration, extension, san_matcher, string_matcher, typed
from pillion.proxy.xds.snapshot import Resource

CORS = "envoy.filters.http.cors"
RBAC = "envoy.filters.http.rbac"
RATE_LIMIT = "envoy.filters.http.local_ratelimit"
BUFFER = "envoy.filters.http.buffer"
CALLERS = "pillion.callers"
"""RBAC once more, under a name that no route's settings mean."""
_CORS = "envoy.extensions.filters.http.cors.v3."
_RBAC = "envoy.extensions.filters.http.rbac.v3."
_MTLS = "envoy.rbac.principals.mtls_authenticated"
_MTLS_CONFIG = "envoy.extensions.rbac.principals.mtls_authenticated.v3.Config"
_RATE_LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_BUFFER = "envoy.extensions.filters.http.buffer.v3."
_ODD_NAME = r"(?s).*[^!#-+\--:<-~].*"
"""One character is a blank, a quote, a comma or a semicolon, or no printable one of ASCII."""
_MIN_FILL = 0.05
"""Seconds: Envoy fills no bucket more often."""

ROUTER = extension(
    "envoy.filters.http.router",
    "envoy.extensions.filters.http.router.v3.Router",
    # No x-envoy-… header to the agent nor to who calls: they are nobody's business, and cost.
    suppress_envoy_headers=True,
)


def inbound_filters(callers: tuple[Identity, ...]) -> list[Resource]:
    """In this order: a browser's question is answered before identities are asked, as it may come without one; who may
    not call takes no token of the others' rate; what is refused for its rate is not read.

    `callers`: whoever shows a certificate must be one of these (none: anyone may), where the handshake cannot ask it.
    """
    return [
        {**extension(CORS, _CORS + "Cors"), "disabled": True},
        *([_shown_callers(callers)] if callers else []),
        {**extension(RBAC, _RBAC + "RBAC"), "disabled": True},
        {**extension(RATE_LIMIT, _RATE_LIMIT, stat_prefix="rate_limit"), "disabled": True},
        {**extension(BUFFER, _BUFFER + "Buffer", max_request_bytes=1), "disabled": True},
        ROUTER,
    ]


def unambiguous_names() -> Resource:
    """A network filter, asked once for each connection: no certificate whose names would read as something else where
    they are told to the agent.

    x-forwarded-client-cert is `URI=…;DNS=…`, several of them with commas between, and Envoy quotes the subject only: a
    DNS name `x;URI=spiffe://…/admin` would make its bearer the administrator for whoever reads on.
    """
    odd = {"safe_regex": {"regex": _ODD_NAME}}
    principals = [
        {"custom": extension(_MTLS, _MTLS_CONFIG, san_matcher={"san_type": kind, "matcher": odd})}
        for kind in ("URI", "DNS")
    ]
    policy = {"permissions": [{"any": True}], "principals": principals}
    return extension(
        "envoy.filters.network.rbac",
        "envoy.extensions.filters.network.rbac.v3.RBAC",
        stat_prefix="names.",
        rules={"action": "DENY", "policies": {"odd": policy}},
    )


def route_settings(route: Route) -> Resource:
    """`typed_per_filter_config` of a route."""
    made: Resource = {}
    if route.cors is not None:
        made[CORS] = _cors(route.cors)
    if route.allow:
        made[RBAC] = _allow(route.allow)
    if route.rate_limit is not None:
        made[RATE_LIMIT] = _rate_limit(route.name, route.rate_limit)
    if route.max_request_bytes:
        made[BUFFER] = typed(
            _BUFFER + "BufferPerRoute", buffer={"max_request_bytes": route.max_request_bytes}
        )
    return made


def _allow(identities: tuple[Identity, ...]) -> Resource:
    """By one kind of SAN each, of a certificate that was verified: the older `authenticated` would also compare a name
    with other SANs and with the subject."""
    policy = {"permissions": [{"any": True}], "principals": [_principal(identity) for identity in identities]}
    return typed(_RBAC + "RBACPerRoute", rbac={"rules": {"action": "ALLOW", "policies": {"allow": policy}}})


def _shown_callers(identities: tuple[Identity, ...]) -> Resource:
    shown = {"custom": extension(_MTLS, _MTLS_CONFIG, any_validated_client_certificate=True)}
    principals = [{"not_id": shown}, *(_principal(identity) for identity in identities)]
    policy = {"permissions": [{"any": True}], "principals": principals}
    return extension(CALLERS, _RBAC + "RBAC", rules={"action": "ALLOW", "policies": {"allow": policy}})


def _principal(identity: Identity) -> Resource:
    return {"custom": extension(_MTLS, _MTLS_CONFIG, san_matcher=san_matcher(identity))}


def _rate_limit(name: str, limit: RateLimit) -> Resource:
    times = max(1, math.ceil(_MIN_FILL / limit.per))
    until_next = max(1, math.ceil(limit.per / limit.requests))
    return typed(
        _RATE_LIMIT,
        stat_prefix=name,
        token_bucket={
            "max_tokens": limit.burst,
            "tokens_per_fill": limit.requests * times,
            "fill_interval": duration(limit.per * times),
        },
        filter_enabled={"default_value": FULL_PERCENT},
        filter_enforced={"default_value": FULL_PERCENT},
        response_headers_to_add=[
            {
                "header": {"key": "retry-after", "value": str(until_next)},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        # A gRPC client is told RESOURCE_EXHAUSTED instead of UNAVAILABLE, which it would try again at once.
        rate_limited_as_resource_exhausted=True,
    )


def _cors(cors: Cors) -> Resource:
    made: Resource = {
        "allow_origin_string_match": [string_matcher(origin) for origin in cors.origins],
        "allow_credentials": cors.credentials,
        # A preflight of a foreign origin ends here too instead of reaching the agent.
        "forward_not_matching_preflights": False,
    }
    for key, texts in (
        ("allow_methods", cors.methods),
        ("allow_headers", cors.headers),
        ("expose_headers", cors.expose),
    ):
        if texts:
            made[key] = ",".join(texts)
    if cors.max_age:
        made["max_age"] = str(int(cors.max_age))
    return typed(_CORS + "CorsPolicy", **made)
