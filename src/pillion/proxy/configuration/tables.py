"""The keys of `proxy.yaml`: what each takes, what it is for. Reading, writing, the JSON Schema and the reference follow."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from pillion.proxy.configuration.matching import BareOrMatch, Header, IdentityKind
from pillion.proxy.configuration.names import (
    HEADER_NAME,
    HOST_NAME,
    HOSTS,
    METHOD,
    NAME,
    PLAIN,
    Address,
    FilePath,
    HostAndPort,
    Regex,
    UrlPath,
)
from pillion.proxy.configuration.reading import At
from pillion.proxy.configuration.scalars import Choice, Duration, Flag, Number, Percent, Size, Text
from pillion.proxy.configuration.sections import Complaint, Key, ListOf, Section
from pillion.proxy.configuration.values import (
    AccessLog,
    Certificate,
    CircuitBreaker,
    Configuration,
    Cors,
    Inbound,
    Match,
    Outbound,
    OutlierDetection,
    Ports,
    RateLimit,
    Retries,
    Rewrite,
    Route,
    Tls,
    Tracing,
)

_COUNT = (1 << 31) - 1
_PORT = Number(least=1, most=65535, said="port")
_UINT32 = (1 << 32) - 1
_FILL_LEAST = 50
"""Milliseconds. Envoy refuses quicker refills (local_rate_limit_impl.cc)."""
RETRY_CONDITIONS = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited"),
    *("retriable-4xx", "refused-stream"),
    *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
)
"""Envoy's that need nothing beside them (router_filter.rst, x-envoy-retry-on, x-envoy-retry-grpc-on)."""


def _certificate(values: dict[str, Any], _at: At) -> None:
    folder = values.pop("folder", None)
    for key, file in (("chain", "tls.crt"), ("key", "tls.key"), ("bundle", "ca.crt")):
        values.setdefault(key, f"{folder}/{file}" if folder is not None else "")


def _certificate_problems(certificate: Certificate, written: Container[str]) -> Iterator[Complaint]:
    if ("chain" in written) != ("key" in written):
        missing, there = ("key", "chain") if "chain" in written else ("chain", "key")
        yield missing, f"is missing beside {there}", "write both, or folder alone"
    elif not certificate.chain and not certificate.bundle:
        yield "", "names no files", "write folder: F for F/tls.crt, F/tls.key and F/ca.crt"


CERTIFICATE = Section(
    cls=Certificate,
    title="Certificate",
    help="A key pair, a trust bundle, or both: files of mounted Secrets. They are read again when they change.",
    fill=_certificate,
    problems=_certificate_problems,
    constraint={"anyOf": [{"required": [key]} for key in ("folder", "chain", "bundle")]},
    keys=(
        Key(name="name", kind=NAME, is_needed=True, help="What listeners and outbounds call it by."),
        Key(
            name="folder",
            kind=FilePath(said="path", example="/var/run/secrets/tls"),
            help="Stands for `tls.crt`, `tls.key` and `ca.crt` in it, as `kubernetes.io/tls` Secrets and cert-manager"
            " have them. The keys below replace a part of it.",
        ),
        Key(
            name="chain",
            kind=FilePath(said="path", example="/tls/tls.crt"),
            help="The certificate and its intermediates, PEM.",
        ),
        Key(name="key", kind=FilePath(said="path", example="/tls/tls.key"), help="Its private key, PEM."),
        Key(
            name="bundle",
            kind=FilePath(said="path", example="/tls/ca.crt"),
            help="The authorities that the other side's certificate must come from, PEM.",
        ),
    ),
)


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

RETRIES = Section(
    cls=Retries,
    title="Retries",
    help="A request that failed is sent again. What is sent again is held in memory until it is answered.",
    problems=lambda retries, _written: iter(
        [
            (
                "perTryTimeout",
                "is never asked for: no condition covers it",
                "add 5xx, gateway-error or reset to on",
            )
        ]
        if retries.per_try_timeout and not {"5xx", "gateway-error", "reset"} & set(retries.on)
        else []
    ),
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
        yield (
            "burst",
            f"is less than requests ({limit.requests}): that many would never get through",
            "make it that or more",
        )


RATE_LIMIT = Section(
    cls=RateLimit,
    title="Rate limit",
    help="A token bucket, of all callers together. More gets 429.",
    fill=_rate_limit,
    problems=_rate_limit_problems,
    keys=(
        Key(name="requests", kind=Number(least=1, most=_COUNT), is_needed=True, help="So many …"),
        Key(name="per", kind=Duration(least=_FILL_LEAST), is_needed=True, help="… in this time."),
        Key(
            name="burst",
            kind=Number(least=1, most=_COUNT),
            help="At one moment, after a pause.",
            default="requests",
        ),
    ),
)


def _cors_problems(cors: Cors, _written: Container[str]) -> Iterator[Complaint]:
    anyone = [
        match for match in cors.origins if match.exact == "*" or match.prefix or match.regex in (".*", ".+")
    ]
    if cors.credentials and any(match.exact == "*" or match.regex in (".*", ".+") for match in anyone):
        yield "credentials", "would let any site act for its visitors: an origin is *", "name the origins"
    for match in cors.origins:
        if (
            match.exact is not None
            and match.exact != "*"
            and not match.exact.startswith(("http://", "https://"))
        ):
            yield (
                "origins",
                f"{match.exact!r} can never match: an origin has a scheme",
                f"write https://{match.exact}",
            )


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

REWRITE = Section(
    cls=Rewrite,
    title="Rewrite",
    help="What the agent sees instead.",
    problems=lambda rewrite, _written: iter(
        []
        if rewrite.prefix is not None or rewrite.host is not None
        else [("", "says nothing", "write prefix or host")]
    ),
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

_ALLOW_EMPTY = "name who may call, or remove the key to let in whoever the bundle vouches for"


def _route(values: dict[str, Any], at: At) -> None:
    values.setdefault("name", f"route-{at.index + 1}")
    values.setdefault("match", Match())
    values.setdefault("websocket", not values.get("max_request_bytes"))


def _route_problems(route: Route, _written: Container[str]) -> Iterator[Complaint]:
    if route.rewrite is not None and route.rewrite.prefix is not None and route.match.regex is not None:
        yield "rewrite", "prefix has no meaning with match.regex", "match a prefix or an exact path"
    if route.max_request_bytes and route.websocket:
        yield (
            "websocket",
            "cannot be had with maxRequestBytes: the request would be read to its end first",
            "remove one",
        )
    retries = route.retries
    if retries is not None and route.timeout and retries.per_try_timeout > route.timeout:
        yield (
            "retries",
            "perTryTimeout is longer than the route's timeout: nothing would be tried again",
            "shorten it",
        )


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
            name="to", kind=_PORT, is_needed=True, help="The port of this Pod that takes them, on 127.0.0.1."
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
            kind=ListOf(item=IdentityKind(), said="identities", empty=_ALLOW_EMPTY),
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
            help="More gets 413. With a limit the request, never the answer, is read whole before it goes on. `0`: no limit.",
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

INBOUND = Section(
    cls=Inbound,
    title="Inbound",
    help="A port that others call.",
    keys=(
        Key(name="name", kind=NAME, is_needed=True, help="In the access log and in metrics."),
        Key(name="port", kind=_PORT, is_needed=True, help="What others call."),
        Key(name="address", kind=Address(), help="On which it listens."),
        Key(
            name="tls",
            kind=Choice(
                words=tuple(Tls),
                enum=Tls,
                hints=(
                    *((word, "write mutual") for word in ("mtls", "strict", "STRICT")),
                    *((word, "write none") for word in ("off", "disable", "disabled", "false")),
                    *((word, "write simple or mutual") for word in ("on", "true", "tls")),
                ),
            ),
            is_needed=True,
            help="`none`: plain text. `simple`: we show a certificate. `mutual`: both sides do. `permissive`: plain text"
            " and TLS on one port, a client's certificate is checked when it shows one; for the time of a move.",
        ),
        Key(name="certificate", kind=NAME, help="One of `certificates`; needed but with `tls: none`."),
        Key(
            name="allow",
            kind=ListOf(item=IdentityKind(), said="identities", empty=_ALLOW_EMPTY),
            help="Who may call, asked in the handshake of those who show a certificate.",
            default="whoever the bundle vouches for",
        ),
        Key(
            name="routes",
            kind=ListOf(item=ROUTE, said="routes", empty="write one: - to: PORT", are_apart=True),
            is_needed=True,
            help="Where requests go.",
        ),
    ),
)

OUTLIER = Section(
    cls=OutlierDetection,
    title="Outlier detection",
    help="An address that fails again and again is left alone for a while.",
    keys=(
        Key(
            name="consecutiveErrors",
            kind=Number(least=1, most=_COUNT),
            help="Answers 5xx, or failures to connect.",
        ),
        Key(name="interval", kind=Duration(least=1), help="Between two looks."),
        Key(name="ejection", kind=Duration(least=1), help="How long, times how often it happened."),
        Key(name="maxEjectedPercent", kind=Number(most=100), help="Of the addresses; one may always be."),
    ),
)

BREAKER = Section(
    cls=CircuitBreaker,
    title="Circuit breaker",
    help="More at one time are refused with 503.",
    keys=(
        Key(name="connections", kind=Number(least=1, most=_COUNT), help="Connections."),
        Key(name="pending", kind=Number(least=1, most=_COUNT), help="Requests that wait for a connection."),
        Key(name="requests", kind=Number(least=1, most=_COUNT), help="Requests that are under way."),
        Key(name="retries", kind=Number(least=0, most=_COUNT), help="Requests that are sent again."),
    ),
)


def _outbound_problems(outbound: Outbound, _written: Container[str]) -> Iterator[Complaint]:
    retries = outbound.retries
    if retries is not None and outbound.timeout and retries.per_try_timeout > outbound.timeout:
        yield (
            "retries",
            "perTryTimeout is longer than the timeout: nothing would be tried again",
            "shorten it",
        )


OUTBOUND = Section(
    cls=Outbound,
    title="Outbound",
    help="A plain port on localhost that the agent calls, and where its requests go.",
    problems=_outbound_problems,
    keys=(
        Key(name="name", kind=NAME, is_needed=True, help="In the access log and in metrics."),
        Key(name="port", kind=_PORT, is_needed=True, help="The agent calls http://localhost:PORT."),
        Key(
            name="to",
            kind=HostAndPort(),
            is_needed=True,
            help="Where it is: a name, asked of the DNS, or an address.",
        ),
        Key(
            name="tls",
            kind=Choice(
                words=(Tls.MUTUAL, Tls.SIMPLE, Tls.NONE),
                enum=Tls,
                hints=(
                    ("permissive", "write mutual or simple: who calls decides"),
                    *((word, "write mutual") for word in ("mtls", "strict", "STRICT")),
                    *((word, "write none") for word in ("off", "disable", "disabled", "false")),
                    *((word, "write simple or mutual") for word in ("on", "true", "tls")),
                ),
            ),
            help="`mutual`: both sides show a certificate. `simple`: the other side does. `none`: plain text.",
        ),
        Key(
            name="certificate",
            kind=NAME,
            help="One of `certificates`; needed but with `tls: none`. With `simple` its bundle alone counts.",
        ),
        Key(
            name="expect",
            kind=ListOf(
                item=IdentityKind(),
                said="identities",
                empty="name who the other side must be, or write serverName",
            ),
            help="Who the other side must be: one of these. With `mutual` it or `serverName` is needed.",
            default="`serverName`",
        ),
        Key(
            name="serverName",
            kind=HOST_NAME,
            help="Told to the other side (SNI); without `expect` the DNS name its certificate must have.",
            default="the host of `to`, when it is a name",
        ),
        Key(
            name="protocol",
            kind=Choice(
                words=("auto", "http1", "http2"), hints=(("grpc", "write http2"), ("h2", "write http2"))
            ),
            help="`auto`: what the other side chooses (ALPN); in plain text what the agent speaks.",
        ),
        Key(name="timeout", kind=Duration(), help="Of the whole request. `0s`: none."),
        Key(
            name="idleTimeout",
            kind=Duration(),
            help="When nothing was sent either way for so long, the request is ended. `0s`: never.",
        ),
        Key(name="connectTimeout", kind=Duration(least=1), help="To connect, TLS handshake included."),
        Key(name="retries", kind=RETRIES, help="Of requests that failed.", default="none"),
        Key(name="outlier", kind=OUTLIER, help="Addresses that fail.", default="none"),
        Key(name="breaker", kind=BREAKER, help="How much at one time."),
    ),
)

ACCESS_LOG = Section(
    cls=AccessLog,
    title="Access log",
    help="One line of JSON for each request.",
    keys=(
        Key(
            name="path",
            kind=FilePath(said="path", example="/var/log/agent/access.log"),
            is_needed=True,
            help="In the volume that the log sidecar reads.",
        ),
        Key(
            name="maxBytes",
            kind=Size(least=1 << 16, most=1 << 40),
            help="The file is renamed to `PATH.1` when it is so large, and begun anew.",
        ),
        Key(name="keep", kind=Number(most=100), help="So many older ones stay."),
    ),
)

TRACING = Section(
    cls=Tracing,
    title="Tracing",
    help="W3C trace context is made and passed on in any case; spans are sent only with an endpoint.",
    keys=(
        Key(name="sampling", kind=Percent(), help="Of the traces that begin here."),
        Key(
            name="endpoint",
            kind=Text(
                said="OTLP endpoint over HTTP",
                pattern=r"http://(?:[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?(?:/[!-\"$->@-~]*)?",
                example="http://localhost:4318/v1/traces",
            ),
            help="OTLP over HTTP: `http://localhost:4318/v1/traces`.",
            default="none",
        ),
        Key(name="service", kind=PLAIN, help="`service.name` of the spans."),
    ),
)

PORTS = Section(
    cls=Ports,
    title="Ports",
    help="Our own.",
    keys=(
        Key(name="admin", kind=_PORT, help="Envoy's, on 127.0.0.1."),
        Key(name="metrics", kind=_PORT, help="`/metrics` for Prometheus, on 127.0.0.1."),
        Key(
            name="health",
            kind=_PORT,
            help="`/healthz/ready`, `/healthz/live` and `/healthz/upstream` for the kubelet's probes, on all addresses.",
        ),
    ),
)

DOCUMENT = Section(
    cls=Configuration,
    title="The file",
    help="At least one of `inbound` and `outbound`.",
    fill=lambda values, _at: values.update(file=""),
    constraint={"anyOf": [{"required": ["inbound"]}, {"required": ["outbound"]}]},
    keys=(
        Key(
            name="certificates",
            kind=ListOf(item=CERTIFICATE, said="certificates", are_apart=True),
            help="Key pairs and trust bundles, by name.",
        ),
        Key(
            name="inbound",
            kind=ListOf(item=INBOUND, said="listeners", are_apart=True),
            help="Ports that others call.",
        ),
        Key(
            name="outbound",
            kind=ListOf(item=OUTBOUND, said="outbounds", are_apart=True),
            help="Ports on localhost that the agent calls.",
        ),
        Key(name="accessLog", kind=ACCESS_LOG, help="JSON lines.", default="none"),
        Key(name="tracing", kind=TRACING, help="W3C trace context, and spans."),
        Key(name="ports", kind=PORTS, help="Of admin, metrics and health."),
        Key(name="concurrency", kind=Number(least=1, most=256), help="Envoy's worker threads."),
        Key(
            name="drain",
            kind=Duration(),
            help="At SIGTERM requests have so long to end: less than the Pod's `terminationGracePeriodSeconds` (30).",
        ),
    ),
)
