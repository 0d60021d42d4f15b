"""What `proxy.yaml` says, read and checked: the values all other parts of the proxy work from. Pure.

Keys of the file are these names in camelCase; times are seconds (in the file `250ms`, `5s`, `2m`), sizes bytes (in the
file quantities, `1Mi`). A time of 0 means: without limit.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

ROOT = "*"


class Tls(StrEnum):
    """How a listener talks to who calls."""

    NONE = "none"
    SIMPLE = "simple"
    """We show a certificate."""
    MUTUAL = "mutual"
    """Both do."""
    PERMISSIVE = "permissive"
    """Plain text and TLS on one port; a client's certificate is checked when it shows one. For the time of a move."""


class StringMatch(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one is set."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None
    """RE2, of the whole text."""
    present: bool | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A SAN of a certificate. Exactly one is set."""

    uri: StringMatch | None = None
    """A SPIFFE ID; in the file a text that begins with `spiffe://`, where a last part `*` means any below."""
    dns: StringMatch | None = None


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """Where a key pair and a trust bundle are. A file that is named and not needed may be missing."""

    name: str
    chain: str
    """Path of the leaf and its intermediates, PEM. In the file `folder: F` stands for F/tls.crt, F/tls.key, F/ca.crt,
    as kubernetes.io/tls Secrets and cert-manager have them."""
    key: str
    bundle: str = ""
    """Path of the authorities that the other side's certificate must come from, PEM. Empty: none."""
    bundle_is_issuers: bool = False
    """The bundle is the ca.crt of the `folder`, of who issued the chain: the chain must lead to it. One that is named
    by `bundle` may be of others."""
    identity: Identity | None = None
    """A name that the leaf must have. None: any."""
    line: int = 0
    """In the file: for whoever finds a fault in the certificate itself."""


class HeaderMatch(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Lower case."""
    value: StringMatch


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """All that is set must hold. Exactly one of exact, prefix and regex is set."""

    prefix: str | None = "/"
    """Of whole path segments unless it ends with `/`: /v1 matches /v1 and /v1/x, not /v1beta."""
    exact: str | None = None
    regex: str | None = None
    methods: tuple[str, ...] = ()
    headers: tuple[HeaderMatch, ...] = ()
    hosts: tuple[str, ...] = ()
    """Empty: any. `*.example.org` is allowed."""


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    attempts: int
    """Besides the first."""
    on: tuple[str, ...] = ("connect-failure", "refused-stream", "reset-before-request")
    """Envoy's conditions (x-envoy-retry-on and x-envoy-retry-grpc-on). The default ones never repeat a request that may
    have been worked on."""
    per_try_timeout: float = 0.0


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket, of all callers together."""

    requests: int
    per: float
    burst: int
    """The bucket's size; default: requests."""


class Cors(msgspec.Struct, frozen=True, kw_only=True):
    origins: tuple[StringMatch, ...]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: float = 0.0
    credentials: bool = False


class Rewrite(msgspec.Struct, frozen=True, kw_only=True):
    prefix: str | None = None
    """What the matched prefix becomes."""
    host: str | None = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The first that matches takes the request. `to` is a port of this Pod."""

    name: str
    match: Match
    to: int
    protocol: str = "http1"
    """Spoken to the port: http1, http2 (plain text, gRPC)."""
    allow: tuple[Identity, ...] = ()
    """Empty: who the listener lets in. Anyone else gets 403."""
    timeout: float = 0.0
    """Of the whole request. 0: none, as a token stream has no end that could be told."""
    idle_timeout: float = 300.0
    """Nothing was sent either way for so long: the stream is ended (Envoy's default)."""
    retries: Retries | None = None
    rewrite: Rewrite | None = None
    max_request_bytes: int = 0
    """0: no limit. A limit means that the request (never the answer) is read whole before it goes on; more gets 413."""
    rate_limit: RateLimit | None = None
    cors: Cors | None = None
    websocket: bool = True
    line: int = 0


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """A port others call."""

    name: str
    port: int
    address: str = "0.0.0.0"  # noqa: S104 - others call it
    tls: Tls
    certificate: str = ""
    """A name of `certificates`; empty with tls: none."""
    allow: tuple[Identity, ...] = ()
    """Asked in the handshake, of those who show a certificate. Empty: whoever the bundle vouches for."""
    max_connection_age: float = 0.0
    """Then the connection takes no more requests, and its caller must show a certificate again. In the file 1 h is the
    default with mutual and permissive."""
    routes: tuple[Route, ...]
    line: int = 0


class OutlierDetection(msgspec.Struct, frozen=True, kw_only=True):
    consecutive_errors: int = 5
    interval: float = 10.0
    ejection: float = 30.0
    max_ejected_percent: int = 10


class CircuitBreaker(msgspec.Struct, frozen=True, kw_only=True):
    """More at one time are refused with 503. Envoy's defaults."""

    connections: int = 1024
    pending: int = 1024
    requests: int = 1024
    retries: int = 3


class Outbound(msgspec.Struct, frozen=True, kw_only=True):
    """A plain port on localhost that the agent calls, and where its requests go: http://localhost:PORT."""

    name: str
    port: int
    to: tuple[str, int]
    """Host (name or address) and port."""
    tls: Tls = Tls.MUTUAL
    """none, simple (the server shows a certificate) or mutual."""
    certificate: str = ""
    """With simple only its bundle counts."""
    expect: tuple[Identity, ...] = ()
    """Who the other side must be. Empty only with tls: none, or when `server_name` is checked instead."""
    server_name: str = ""
    """SNI; default the host of `to` when that is a name."""
    protocol: str = "auto"
    """http1, http2, or auto: by ALPN (by the caller's protocol with tls: none)."""
    timeout: float = 0.0
    idle_timeout: float = 300.0
    connect_timeout: float = 5.0
    retries: Retries | None = None
    outlier: OutlierDetection | None = None
    breaker: CircuitBreaker = CircuitBreaker()
    line: int = 0


class AccessLog(msgspec.Struct, frozen=True, kw_only=True):
    """JSON lines. The file is renamed to PATH.1 at `max_bytes` and reopened; `keep` older ones stay."""

    path: str
    max_bytes: int = 64 << 20
    keep: int = 2


class Tracing(msgspec.Struct, frozen=True, kw_only=True):
    """W3C trace context is always made and passed on; spans are sent only with an endpoint."""

    sampling: float = 100.0
    """Percent of the traces that begin here."""
    endpoint: str = ""
    """OTLP over HTTP, such as http://localhost:4318/v1/traces. Empty: none."""
    service: str = "agent"


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    admin: int = 15000
    """Envoy's own, on 127.0.0.1."""
    metrics: int = 15020
    """/metrics for Prometheus, Envoy's and ours, on 127.0.0.1."""
    health: int = 15021
    """/healthz/ready, /healthz/live, /healthz/upstream, for the kubelet's probes: on all addresses."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    file: str
    certificates: tuple[Certificate, ...] = ()
    inbound: tuple[Inbound, ...] = ()
    outbound: tuple[Outbound, ...] = ()
    access_log: AccessLog | None = None
    tracing: Tracing = Tracing()
    ports: Ports = Ports()
    concurrency: int = 1
    """Envoy's worker threads."""
    drain: float = 25.0
    """At SIGTERM requests have so long to end: less than the Pod's terminationGracePeriodSeconds (30)."""
    warnings: tuple[str, ...] = ()
    lines: dict[str, int] = {}
    """Of the keys that name ports of this Pod, where they are written, by their paths (`inbound[0].port`): for whoever
    finds one taken."""
