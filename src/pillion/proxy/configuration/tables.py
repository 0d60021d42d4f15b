"""The keys of `proxy.yaml`: what each takes, what it is for. Reader, writer, JSON Schema and reference follow."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from pillion.proxy.configuration.matching import IdentityKind
from pillion.proxy.configuration.names import HOST_NAME, NAME, PLAIN, Address, Endpoint, FilePath, HostAndPort
from pillion.proxy.configuration.reading import At
from pillion.proxy.configuration.routetables import ALLOW_EMPTY, PORT, RETRIES, ROUTE
from pillion.proxy.configuration.scalars import COUNTLESS, Choice, Duration, Number, Percent, Size
from pillion.proxy.configuration.sections import Complaint, Key, ListOf, Section
from pillion.proxy.configuration.values import (
    AccessLog,
    Certificate,
    CircuitBreaker,
    Configuration,
    Inbound,
    Outbound,
    OutlierDetection,
    Ports,
    Tls,
    Tracing,
)


def _certificate(values: dict[str, Any], _at: At) -> None:
    folder = values.pop("folder", None)
    for key, file in (("chain", "tls.crt"), ("key", "tls.key"), ("bundle", "ca.crt")):
        if key == "bundle":
            values["bundle_is_issuers"] = folder is not None and key not in values
        values.setdefault(key, f"{folder}/{file}" if folder is not None else "")


def _folder_again(certificate: Certificate, written: dict[str, Any]) -> None:
    if certificate.bundle_is_issuers:
        written["folder"] = written.pop("bundle").rpartition("/")[0] or "/"


def _certificate_problems(certificate: Certificate, written: Container[str]) -> Iterator[Complaint]:
    if ("chain" in written) != ("key" in written):
        missing, there = ("key", "chain") if "chain" in written else ("chain", "key")
        yield missing, f"is missing beside {there}", "write both, or folder alone"
    elif not certificate.chain and not certificate.bundle:
        yield "", "names no files", "write folder: F for F/tls.crt, F/tls.key and F/ca.crt"
    elif certificate.identity is not None and not certificate.chain:
        yield "identity", "has no effect without a chain: it is asked of our own certificate", "remove it"


CERTIFICATE = Section(
    cls=Certificate,
    title="Certificate",
    help="A key pair, a trust bundle, or both: files of mounted Secrets. They are read again when they change.",
    fill=_certificate,
    shorten=_folder_again,
    problems=_certificate_problems,
    constraint={"anyOf": [{"required": [key]} for key in ("folder", "chain", "bundle")]},
    keys=(
        Key(
            name="name",
            kind=NAME,
            is_needed=True,
            stand_in="",
            help="What listeners and outbounds call it by.",
        ),
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
            help="The authorities that the other side's certificate must come from, PEM. They may be others than the"
            " chain's, but the `ca.crt` of a `folder` may not.",
        ),
        Key(
            name="identity",
            kind=IdentityKind(),
            help="Whom the chain must be for. A Secret of somebody else, at the start or later, is refused.",
            default="anyone",
        ),
    ),
)


def _inbound(values: dict[str, Any], _at: At) -> None:
    is_asked_who = values["tls"] in (Tls.MUTUAL, Tls.PERMISSIVE)
    values.setdefault("max_connection_age", 3600.0 if is_asked_who else 0.0)


INBOUND = Section(
    cls=Inbound,
    title="Inbound",
    help="A port that others call.",
    fill=_inbound,
    keys=(
        Key(name="name", kind=NAME, is_needed=True, stand_in="", help="In the access log and in metrics."),
        Key(name="port", kind=PORT, is_needed=True, stand_in=0, help="What others call."),
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
            stand_in=Tls.NONE,
            help="`none`: plain text. `simple`: we show a certificate. `mutual`: both sides do. `permissive`: plain"
            " text and TLS on one port, a client's certificate is checked when it shows one; for the time of a move.",
        ),
        Key(name="certificate", kind=NAME, help="One of `certificates`; needed but with `tls: none`."),
        Key(
            name="allow",
            kind=ListOf(item=IdentityKind(), said="identities", empty=ALLOW_EMPTY),
            help="Who may call, asked in the handshake of those who show a certificate.",
            default="whoever the bundle vouches for",
        ),
        Key(
            name="maxConnectionAge",
            kind=Duration(),
            help="Certificates are checked when a caller connects. After so long it is told to connect anew: by GOAWAY,"
            " or `Connection: close` with the answer to its next request. What is under way, token streams and"
            " WebSockets too, goes on to its end. `0s`: never.",
            default="`1h` with `mutual` and `permissive`, else `0s`",
        ),
        Key(
            name="routes",
            kind=ListOf(item=ROUTE, said="routes", empty="write one: - to: PORT", are_apart=True),
            is_needed=True,
            stand_in=(),
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
            kind=Number(least=1, most=COUNTLESS),
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
        Key(
            name="connections",
            kind=Number(least=1, most=COUNTLESS),
            help="Connections. A request that finds none free waits for one.",
        ),
        Key(
            name="pending", kind=Number(least=1, most=COUNTLESS), help="Requests that wait for a connection."
        ),
        Key(name="requests", kind=Number(least=1, most=COUNTLESS), help="Requests that are under way."),
        Key(name="retries", kind=Number(least=0, most=COUNTLESS), help="Requests that are sent again."),
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
        Key(name="name", kind=NAME, is_needed=True, stand_in="", help="In the access log and in metrics."),
        Key(
            name="port", kind=PORT, is_needed=True, stand_in=0, help="The agent calls http://localhost:PORT."
        ),
        Key(
            name="to",
            kind=HostAndPort(),
            is_needed=True,
            stand_in=("", 0),
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
            help="In the log sidecar's volume. `pillion_proxy_access_log_writable` is 0 while lines are lost.",
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
            kind=Endpoint(),
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
        Key(name="admin", kind=PORT, help="Envoy's, on 127.0.0.1."),
        Key(name="metrics", kind=PORT, help="`/metrics` for Prometheus, on 127.0.0.1."),
        Key(
            name="health",
            kind=PORT,
            help="`/healthz/ready`, `/healthz/live`, `/healthz/upstream` (names: to localhost only), on all addresses.",
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
