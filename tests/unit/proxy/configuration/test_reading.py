"""What proxy.yaml says is what the other parts of the proxy get."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.unit.proxy.configuration.house import FILE, GOOD, changed, read

from pillion.proxy.configuration import load, render
from pillion.proxy.configuration.values import (
    AccessLog,
    Certificate,
    CircuitBreaker,
    Configuration,
    Cors,
    HeaderMatch,
    Identity,
    Inbound,
    Match,
    Outbound,
    OutlierDetection,
    Ports,
    RateLimit,
    Retries,
    Rewrite,
    Route,
    StringMatch,
    Tls,
    Tracing,
)

EXAMPLE = Path(__file__).resolve().parents[4] / "examples/proxy/proxy.yaml"
EVERYTHING = """\
certificates:
- name: agent
  chain: /tls/chain.pem
  key: /tls/key.pem
  bundle: /tls/bundle.pem
  identity: spiffe://example.org/ns/*
- {name: trust, bundle: /etc/ssl/certs/ca-certificates.crt}
inbound:
- name: agent
  port: 8443
  address: 10.1.2.3
  tls: permissive
  certificate: agent
  maxConnectionAge: 10m
  routes:
  - name: infer
    match:
      exact: /infer
      methods: [POST, PUT]
      headers:
      - {name: X-Model, prefix: gpt}
      - {name: x-debug, present: false}
      hosts: [Agent.example.org, "*.example.com"]
    to: 8000
    protocol: http2
    allow: [spiffe://example.org/a]
    timeout: 1h2m3s4ms
    idleTimeout: 0
    retries: {attempts: 3, on: [5xx, unavailable], perTryTimeout: 250ms}
    rewrite: {prefix: /x, host: inner}
    maxRequestBytes: 10Mi
    rateLimit: {requests: 10, per: 1m, burst: 20}
    cors:
      origins: ["https://app.example.org", {regex: "https://.*[.]example[.]org"}]
      methods: [PUT]
      headers: [X-Token]
      expose: [x-count]
      maxAge: 1h
      credentials: true
outbound:
- name: public
  port: 9002
  to: "[2001:db8::1]:443"
  tls: simple
  certificate: trust
  expect: [api.example.org]
  serverName: API.example.org
  protocol: http2
  timeout: 10s
  idleTimeout: 1m
  connectTimeout: 2s
  retries: {attempts: 1}
  outlier: {consecutiveErrors: 3, interval: 1s, ejection: 5s, maxEjectedPercent: 100}
  breaker: {connections: 1, pending: 2, requests: 3, retries: 0}
accessLog: {path: /var/log/access.log, maxBytes: 1Mi, keep: 5}
tracing: {sampling: 12.5, endpoint: "http://localhost:4318/v1/traces", service: bot}
ports: {admin: 1, metrics: 2, health: 3}
concurrency: 2
drain: 10s
"""


def without_lines(configuration: Configuration) -> object:
    return strip(msgspec.to_builtins(configuration))


def strip(value: object) -> object:
    match value:
        case dict():
            return {key: strip(item) for key, item in value.items() if key not in ("line", "lines", "file")}
        case list() | tuple():
            return [strip(item) for item in value]
        case _:
            return value


def test_the_example_is_good() -> None:
    found = load(EXAMPLE.read_text(), "proxy.yaml")
    assert found.warnings == ()
    assert found.inbound[0].tls is Tls.MUTUAL
    assert found.access_log == AccessLog(path="/var/log/agent/access.log")


def test_every_key_is_read() -> None:
    expected = Configuration(
        file=FILE,
        certificates=(
            Certificate(
                name="agent",
                chain="/tls/chain.pem",
                key="/tls/key.pem",
                bundle="/tls/bundle.pem",
                identity=Identity(uri=StringMatch(prefix="spiffe://example.org/ns/")),
            ),
            Certificate(name="trust", chain="", key="", bundle="/etc/ssl/certs/ca-certificates.crt"),
        ),
        inbound=(
            Inbound(
                name="agent",
                port=8443,
                address="10.1.2.3",
                tls=Tls.PERMISSIVE,
                certificate="agent",
                max_connection_age=600.0,
                routes=(
                    Route(
                        name="infer",
                        match=Match(
                            prefix=None,
                            exact="/infer",
                            methods=("POST", "PUT"),
                            headers=(
                                HeaderMatch(name="x-model", value=StringMatch(prefix="gpt")),
                                HeaderMatch(name="x-debug", value=StringMatch(present=False)),
                            ),
                            hosts=("agent.example.org", "*.example.com"),
                        ),
                        to=8000,
                        protocol="http2",
                        allow=(Identity(uri=StringMatch(exact="spiffe://example.org/a")),),
                        timeout=3723.004,
                        idle_timeout=0.0,
                        retries=Retries(attempts=3, on=("5xx", "unavailable"), per_try_timeout=0.25),
                        rewrite=Rewrite(prefix="/x", host="inner"),
                        max_request_bytes=10 << 20,
                        rate_limit=RateLimit(requests=10, per=60.0, burst=20),
                        cors=Cors(
                            origins=(
                                StringMatch(exact="https://app.example.org"),
                                StringMatch(regex="https://.*[.]example[.]org"),
                            ),
                            methods=("PUT",),
                            headers=("x-token",),
                            expose=("x-count",),
                            max_age=3600.0,
                            credentials=True,
                        ),
                        websocket=False,
                    ),
                ),
            ),
        ),
        outbound=(
            Outbound(
                name="public",
                port=9002,
                to=("2001:db8::1", 443),
                tls=Tls.SIMPLE,
                certificate="trust",
                expect=(Identity(dns=StringMatch(exact="api.example.org")),),
                server_name="api.example.org",
                protocol="http2",
                timeout=10.0,
                idle_timeout=60.0,
                connect_timeout=2.0,
                retries=Retries(attempts=1),
                outlier=OutlierDetection(
                    consecutive_errors=3, interval=1.0, ejection=5.0, max_ejected_percent=100
                ),
                breaker=CircuitBreaker(connections=1, pending=2, requests=3, retries=0),
            ),
        ),
        access_log=AccessLog(path="/var/log/access.log", max_bytes=1 << 20, keep=5),
        tracing=Tracing(sampling=12.5, endpoint="http://localhost:4318/v1/traces", service="bot"),
        ports=Ports(admin=1, metrics=2, health=3),
        concurrency=2,
        drain=10.0,
    )
    assert without_lines(read(EVERYTHING)) == without_lines(expected)


def test_what_can_be_found_wrong_later_has_its_line() -> None:
    found = read(GOOD)
    assert found.file == FILE
    assert [one.line for one in (*found.certificates, *found.inbound, *found.outbound)] == [2, 5, 16]
    assert [route.line for route in found.inbound[0].routes] == [12, 14]


def test_the_lines_of_ports_are_those_of_their_keys() -> None:
    text = GOOD + "ports:\n  metrics: 15000\n  admin: 15020\n"
    assert read(text).lines == {
        "inbound[0].port": 6,
        "outbound[0].port": 17,
        "ports.metrics": 23,
        "ports.admin": 24,
    }


@pytest.mark.parametrize(
    ("more", "bundle", "is_issuers"),
    [
        ("", "/tls/ca.crt", True),
        ("chain: /other/chain.pem\n  key: /other/key.pem", "/tls/ca.crt", True),
        ("bundle: /trust/ca.pem", "/trust/ca.pem", False),
        ("bundle: /tls/ca.crt", "/tls/ca.crt", False),
    ],
)
def test_a_folder_stands_for_the_files_of_a_tls_secret_and_each_can_be_replaced(
    more: str, bundle: str, *, is_issuers: bool
) -> None:
    found = read(changed("folder: /tls\n", f"folder: /tls\n  {more}\n"))
    chain, key = (
        ("/other/chain.pem", "/other/key.pem") if "chain" in more else ("/tls/tls.crt", "/tls/tls.key")
    )
    expected = Certificate(
        name="agent", chain=chain, key=key, bundle=bundle, bundle_is_issuers=is_issuers, line=2
    )
    assert found.certificates == (expected,)
    assert read(json.dumps(render(found))).certificates == (msgspec.structs.replace(expected, line=1),)


def test_a_relative_path_begins_at_the_folder_of_the_file() -> None:
    found = read(changed("folder: /tls", "folder: certs"))
    assert found.certificates[0].chain == "/etc/pillion/certs/tls.crt"


def test_routes_are_named_by_their_place() -> None:
    assert [route.name for route in read(GOOD).inbound[0].routes] == ["route-1", "route-2"]


@pytest.mark.parametrize(
    ("written", "identity"),
    [
        ("spiffe://example.org", Identity(uri=StringMatch(exact="spiffe://example.org"))),
        ("spiffe://example.org/*", Identity(uri=StringMatch(prefix="spiffe://example.org/"))),
        ("spiffe://example.org/ns/a/*", Identity(uri=StringMatch(prefix="spiffe://example.org/ns/a/"))),
        ("client.example.org", Identity(dns=StringMatch(exact="client.example.org"))),
        ('"*.example.org"', Identity(dns=StringMatch(regex=r"[^.]+\.example\.org"))),
        ("{uri: urn:a}", Identity(uri=StringMatch(exact="urn:a"))),
        ("{uri: {prefix: 'urn:'}}", Identity(uri=StringMatch(prefix="urn:"))),
        ("{dns: {regex: '[ab][.]c'}}", Identity(dns=StringMatch(regex="[ab][.]c"))),
    ],
)
def test_an_identity_is_a_spiffe_id_or_a_name(written: str, identity: Identity) -> None:
    found = read(changed("spiffe://example.org/ns/default/sa/client", written))
    assert found.inbound[0].allow == (identity,)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("250ms", 0.25),
        ("5s", 5.0),
        ("2m", 120.0),
        ("1h30m", 5400.0),
        ("1m1ms", 60.001),
    ],
)
def test_times_are_seconds(written: str, seconds: float) -> None:
    assert read(GOOD + f"drain: {written}\n").drain == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [("1Mi", 1 << 20), ("100000", 100_000), ("512k", 512_000), ("0.5Gi", 1 << 29), ("1e6", 1_000_000)],
)
def test_sizes_are_bytes(written: str, size: int) -> None:
    found = read(GOOD + f"accessLog: {{path: /a, maxBytes: {written}}}\n")
    assert found.access_log is not None
    assert found.access_log.max_bytes == size


@pytest.mark.parametrize(
    ("tls", "seconds"),
    [
        ("mutual", 3600.0),
        ("permissive", 3600.0),
        ("simple", 0.0),
        ("none", 0.0),
        ("mutual\n  maxConnectionAge: 0s", 0.0),
    ],
)
def test_who_shows_a_certificate_shows_it_again_in_time(tls: str, seconds: float) -> None:
    text = changed("tls: mutual", f"tls: {tls}").replace(
        "  allow:\n  - spiffe://example.org/ns/default/sa/client\n", ""
    )
    text = text.replace("  certificate: agent\n", "", 1) if tls == "none" else text
    assert read(text).inbound[0].max_connection_age == seconds


def test_with_a_limit_of_the_request_there_are_no_websockets() -> None:
    found = read(changed("to: 8001", "to: 8001\n    maxRequestBytes: 1k"))
    assert [route.websocket for route in found.inbound[0].routes] == [True, False]


def test_on_is_a_key_and_no_truth() -> None:
    found = read(changed("to: 8001", "to: 8001\n    retries:\n      attempts: 2\n      on: [reset]"))
    assert found.inbound[0].routes[1].retries == Retries(attempts=2, on=("reset",))


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        (
            "  tls: mutual",
            "  tls: permissive",
            (
                "9: inbound[0].allow: is asked of those only who show a certificate: with tls: permissive anyone may"
                " call without; set tls: mutual when all callers have moved"
            ),
        ),
        (
            "inbound:",
            "- {name: old, bundle: /b}\ninbound:",
            "4: certificates[1]: 'old' is not used; remove it or name it",
        ),
    ],
)
def test_what_is_legal_and_odd_is_said(old: str, new: str, warning: str) -> None:
    assert read(changed(old, new)).warnings == (f"{FILE}:{warning}",)
