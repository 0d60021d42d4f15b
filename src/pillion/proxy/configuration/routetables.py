"""The keys of a route in `proxy.yaml`: which requests it takes, and on what terms."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from pillion.proxy.configuration.failure import one_of
from pillion.proxy.configuration.matching import BareOrMatch, Header, IdentityKind
from pillion.proxy.configuration.names import HEADER_NAME, HOST_NAME, HOSTS, METHOD, NAME, Regex, UrlPath
from pillion.proxy.configuration.reading import At
from pillion.proxy.configuration.scalars import COUNTLESS, Choice, Duration, Flag, Number, Size
from pillion.proxy.configuration.sections import Complaint, Key, ListOf, Section
from pillion.proxy.configuration.values import Cors, Match, RateLimit, Retries, Rewrite, Route, StringMatch

PORT = Number(least=1, most=65535, said="port")
_UINT32 = (1 << 32) - 1
_FILL_LEAST = 50
"""Milliseconds. Envoy refuses quicker refills (local_rate_limit_impl.cc)."""
RETRY_CONDITIONS = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited"),
    *("retriable-4xx", "refused-stream"),
    *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
)
"""Envoy's that need nothing beside them (router_filter.rst, x-envoy-retry-on, x-envoy-retry-grpc-on)."""

_REPEATS_SLOW = frozenset({"5xx", "gateway-error", "reset"})
"""A try that took too long counts as a reset (retry_state_impl.cc, wouldRetryFromReset)."""
_ANY_ORIGIN = (StringMatch(exact="*"), StringMatch(regex=".*"), StringMatch(regex=".+"))


def _match(values: dict[str, Any], _at: At) -> None:
    if values.keys() & {"exact", "regex"}:
        values.setdefault("prefix", None)


def _match_problems(match: Match, written: Container[str]) -> Iterator[Complaint]:
    paths = [key for key in ("prefix", "exact", "regex") if key in written]
    if len(paths) > 1:
        yield paths[1], f"stands beside {paths[0]}", "write one of them"
    if "CONNECT" in match.methods:
        yield "methods", "CONNECT can never match: it has no path", "leave it out"


MATCH = Section(
    cls=Match,
    title="Match",
    help="All that is set must hold. At most one of `prefix`, `exact` and `regex`.",
    fill=_match,
    problems=_match_problems,
    constraint={
        "not": {
            "anyOf": [
                {"required": list(pair)}
                for pair in (("prefix", "exact"), ("prefix", "regex"), ("exact", "regex"))
            ]
        }
    },
    keys=(
        Key(
            name="prefix",
            kind=UrlPath(),
            help="The path begins so: `/v1` matches /v1 and /v1/x, not /v1beta; `/v1/` only what is below.",
            default="`/`, without exact and regex",
        ),
        Key(name="exact", kind=UrlPath(), help="The path is this."),
        Key(name="regex", kind=Regex(), help="The path, without what follows `?`, matches as a whole."),
        Key(name="methods", kind=ListOf(item=METHOD, said="methods"), help="One of these.", default="any"),
        Key(
            name="headers",
            kind=ListOf(item=Header(), said="header matches"),
            help="All of these.",
        ),
        Key(
            name="hosts",
            kind=ListOf(item=HOSTS, said="host names"),
            help="The host that was asked for, in any case, whatever the port. `*.example.org` matches what is below.",
            default="any",
        ),
    ),
)


def _retries_problems(retries: Retries, _written: Container[str]) -> Iterator[Complaint]:
    if retries.per_try_timeout and not _REPEATS_SLOW & set(retries.on):
        text = "would not repeat a request that takes longer: no condition says so"
        yield "perTryTimeout", text, f"add {one_of(sorted(_REPEATS_SLOW))} to on"


RETRIES = Section(
    cls=Retries,
    title="Retries",
    help="A request that failed is sent again. What is sent again is held in memory until it is answered.",
    problems=_retries_problems,
    keys=(
        Key(name="attempts", kind=Number(least=1, most=10), is_needed=True, help="Besides the first."),
        Key(
            name="on",
            kind=ListOf(
                item=Choice(
                    words=RETRY_CONDITIONS,
                    hints=(
                        ("retriable-status-codes", "write 5xx, gateway-error or retriable-4xx"),
                        ("retriable-headers", "write 5xx, gateway-error or retriable-4xx"),
                    ),
                ),
                said="retry conditions",
            ),
            help="Envoy's conditions (`x-envoy-retry-on`, `x-envoy-retry-grpc-on`). The default ones never repeat a"
            " request that may have been worked on.",
        ),
        Key(
            name="perTryTimeout",
            kind=Duration(),
            help="Of each attempt; then the next one. `0s`: none.",
        ),
    ),
)


def _rate_limit(values: dict[str, Any], _at: At) -> None:
    values.setdefault("burst", values["requests"])


def _rate_limit_problems(limit: RateLimit, _written: Container[str]) -> Iterator[Complaint]:
    if limit.burst < limit.requests:
        text = f"is less than requests ({limit.requests}): that many would never get through"
        yield "burst", text, "make it that or more"


RATE_LIMIT = Section(
    cls=RateLimit,
    title="Rate limit",
    help="A token bucket, of all callers together. More gets 429.",
    fill=_rate_limit,
    problems=_rate_limit_problems,
    keys=(
        Key(name="requests", kind=Number(least=1, most=COUNTLESS), is_needed=True, help="So many …"),
        Key(name="per", kind=Duration(least=_FILL_LEAST), is_needed=True, help="… in this time."),
        Key(
            name="burst",
            kind=Number(least=1, most=COUNTLESS),
            help="At one moment, after a pause.",
            default="requests",
        ),
    ),
)


def _cors_problems(cors: Cors, _written: Container[str]) -> Iterator[Complaint]:
    if cors.credentials and any(match in _ANY_ORIGIN for match in cors.origins):
        yield "credentials", "would let any site act for its visitors: an origin is *", "name the origins"
    for match in cors.origins:
        origin = match.exact
        if origin is not None and origin != "*" and not origin.startswith(("http://", "https://")):
            text = f"{origin!r} can never match: an origin has a scheme"
            yield "origins", text, f"write https://{origin}"


CORS = Section(
    cls=Cors,
    title="CORS",
    help="Which web sites' scripts may call. Preflight requests are answered here.",
    problems=_cors_problems,
    keys=(
        Key(
            name="origins",
            kind=ListOf(item=BareOrMatch(), said="origins"),
            is_needed=True,
            help="`https://app.example.org`; `*` is any.",
        ),
        Key(name="methods", kind=ListOf(item=METHOD, said="methods"), help="Besides GET, HEAD and POST."),
        Key(
            name="headers", kind=ListOf(item=HEADER_NAME, said="header names"), help="That a script may send."
        ),
        Key(
            name="expose", kind=ListOf(item=HEADER_NAME, said="header names"), help="That a script may read."
        ),
        Key(
            name="maxAge",
            kind=Duration(),
            help="A browser need not ask again so long. `0s`: its own default.",
        ),
        Key(name="credentials", kind=Flag(), help="A script may send cookies and client certificates."),
    ),
)


def _rewrite_problems(_rewrite: Rewrite, written: Container[str]) -> Iterator[Complaint]:
    if "prefix" not in written and "host" not in written:
        yield "", "says nothing", "write prefix or host"


REWRITE = Section(
    cls=Rewrite,
    title="Rewrite",
    help="What the agent sees instead.",
    problems=_rewrite_problems,
    constraint={"minProperties": 1},
    keys=(
        Key(
            name="prefix",
            kind=UrlPath(otherwise="cannot be sent"),
            help="Of the matched prefix, or of the whole matched path with `exact`.",
        ),
        Key(name="host", kind=HOST_NAME, help="Of the host that was asked for."),
    ),
)

ALLOW_EMPTY = "name who may call, or remove the key to let in whoever the bundle vouches for"


def _route(values: dict[str, Any], at: At) -> None:
    values.setdefault("name", f"route-{at.index + 1}")
    values.setdefault("match", Match())
    values.setdefault("websocket", not values.get("max_request_bytes"))


def _route_problems(route: Route, _written: Container[str]) -> Iterator[Complaint]:
    if route.rewrite is not None and route.rewrite.prefix is not None and route.match.regex is not None:
        yield "rewrite", "prefix has no meaning with match.regex", "match a prefix or an exact path"
    if route.max_request_bytes and route.websocket:
        text = "cannot be had with maxRequestBytes: the request would be read to its end first"
        yield "websocket", text, "remove one"
    if route.timeout and route.retries is not None and route.retries.per_try_timeout > route.timeout:
        text = "perTryTimeout is longer than the route's timeout: nothing would be tried again"
        yield "retries", text, "shorten it"


ROUTE = Section(
    cls=Route,
    title="Route",
    help="The first that matches takes the request; when none does, the answer is 404.",
    fill=_route,
    problems=_route_problems,
    keys=(
        Key(
            name="name",
            kind=NAME,
            help="In the access log and in metrics.",
            default="`route-1`, its place in the list",
        ),
        Key(name="match", kind=MATCH, help="Which requests.", default="every request"),
        Key(
            name="to",
            kind=PORT,
            is_needed=True,
            stand_in=0,
            help="The port of this Pod that takes them.",
        ),
        Key(
            name="protocol",
            kind=Choice(
                words=("http1", "http2"),
                hints=(
                    ("grpc", "write http2"),
                    ("h2", "write http2"),
                    ("http", "write http1"),
                    ("https", "write http1; the way to the agent is plain"),
                ),
            ),
            help="Spoken to the port. gRPC needs `http2`.",
        ),
        Key(
            name="allow",
            kind=ListOf(item=IdentityKind(), said="identities", empty=ALLOW_EMPTY),
            help="Who may; anyone else gets 403.",
            default="whom the listener lets in",
        ),
        Key(
            name="timeout",
            kind=Duration(),
            help="Of the whole request. `0s`: none, as a token stream has no end that could be told.",
        ),
        Key(
            name="idleTimeout",
            kind=Duration(),
            help="When nothing was sent either way for so long, the request is ended. `0s`: never.",
        ),
        Key(name="retries", kind=RETRIES, help="Of requests that failed.", default="none"),
        Key(name="rewrite", kind=REWRITE, help="Of path and host."),
        Key(
            name="maxRequestBytes",
            kind=Size(most=_UINT32),
            help="More gets 413. With a limit the request, never the answer, is read whole before it goes on."
            " `0`: no limit.",
        ),
        Key(name="rateLimit", kind=RATE_LIMIT, help="More gets 429.", default="none"),
        Key(name="cors", kind=CORS, help="For scripts of web sites.", default="none may call"),
        Key(
            name="websocket",
            kind=Flag(),
            help="Upgrades are passed on.",
            default="`true`; `false` with maxRequestBytes",
        ),
    ),
)
