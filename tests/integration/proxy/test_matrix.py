"""Who gets in: the four ways a listener talks, and every kind of certificate a caller may come with.

A permissive listener asks in the handshake only whose certificates are good; who it is, is asked with the request.

The alerts are BoringSSL's (ssl/ssl_x509.cc, ssl_verify_alarm_type; ssl/tls13_both.cc and ssl/handshake_server.cc for a
missing certificate), and Envoy's own for an identity that is not expected (certificate_unknown).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.proxy import handshakes
from tests.integration.proxy.agents import Agent
from tests.integration.proxy.authorities import TRUST_DOMAIN, Authority, spiffe
from tests.proxy_traffic import Sidecar, free_port

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CALLERS = (
    "right",
    "other authority",
    "forged authority",
    "expired",
    "not yet valid",
    "wrong identity",
    "none",
)


class World:
    def __init__(self, folder: Path, agent: Agent) -> None:
        self.agent = agent
        self.authority = root = Authority()
        stranger, forger = Authority("another root"), Authority()
        server = root.issue(folder / "server", "agent", dns=["agent.test"])
        self.callers: dict[str, Path | None] = {
            "right": root.issue(folder / "right", "caller", dns=["caller.test"]),
            "other authority": stranger.issue(folder / "stranger", "caller"),
            "forged authority": forger.issue(folder / "forger", "caller"),
            "expired": root.issue(folder / "expired", "caller", hours=(-3, -1)),
            "not yet valid": root.issue(folder / "early", "caller", hours=(1, 3)),
            "wrong identity": root.issue(folder / "wrong", "someone"),
            "guest": root.issue(folder / "guest", "guest"),
            "none": None,
        }
        names = ("none", "simple", "mutual", "permissive", "any mutual", "by name")
        self.ports = {name: free_port() for name in names}
        routes = [
            {
                "name": "private",
                "match": {"prefix": "/private"},
                "to": agent.port,
                "allow": [spiffe("caller")],
            },
            {"name": "all", "match": {"prefix": "/"}, "to": agent.port},
        ]
        plain = [routes[1]]
        below = f"spiffe://{TRUST_DOMAIN}/ns/default/*"
        self.configuration = {
            "certificates": [{"name": "agent", "folder": str(server)}],
            "inbound": [
                self._inbound("none", plain, tls="none", certificate=None),
                self._inbound("simple", plain),
                self._inbound("mutual", routes, allow=[spiffe("caller"), spiffe("guest")]),
                self._inbound("permissive", routes, allow=[spiffe("caller"), spiffe("guest")]),
                self._inbound("any mutual", routes, tls="mutual", allow=[below]),
                self._inbound("by name", plain, tls="mutual", allow=[{"dns": "caller.test"}]),
            ],
        }

    def _inbound(self, name: str, routes: object, **more: object) -> dict[str, object]:
        made = {
            "name": name.replace(" ", "-"),
            "port": self.ports[name],
            "tls": name,
            "certificate": "agent",
            "routes": routes,
        }
        return {key: value for key, value in {**made, **more}.items() if value is not None}

    def ask(
        self, listener: str, caller: str, version: ssl.TLSVersion = TLS13, path: str = "/who", more: str = ""
    ) -> handshakes.Outcome:
        """`caller`: one of CALLERS, or `plain`."""
        request = f"GET {path} HTTP/1.1\r\nHost: agent.test\r\n{more}Connection: close\r\n\r\n".encode()
        tls = None
        if caller != "plain":
            tls = handshakes.context(self.authority.pem, self.callers[caller], versions=[version])
        return handshakes.ask(self.ports[listener], tls, request=request)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("matrix")
    with Agent() as agent:
        made = World(folder, agent)
        with Sidecar(folder, made.configuration) as sidecar:
            sidecar.until_ready()
            yield made


REFUSED = {
    "right": ("200", "200"),
    "other authority": ("unknown_ca", "unknown_ca"),
    "forged authority": ("unknown_ca", "unknown_ca"),
    "expired": ("certificate_expired", "certificate_expired"),
    "not yet valid": ("certificate_expired", "certificate_expired"),
    "wrong identity": ("certificate_unknown", "certificate_unknown"),
    "none": ("handshake_failure", "certificate_required"),
}
"""What a caller gets over TLS 1.2 and 1.3. X.509 has no alert for `not yet`: BoringSSL says expired for both."""
EXPECTED = {
    "none": dict.fromkeys(CALLERS, ("wrong_version_number", "wrong_version_number")),
    "simple": dict.fromkeys(CALLERS, ("200", "200")),
    "mutual": REFUSED,
    "permissive": REFUSED | {"none": ("200", "200"), "wrong identity": ("403", "403")},
}


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("listener", EXPECTED)
def test_a_caller_gets_in_or_is_told_why_not(
    world: World, listener: str, caller: str, version: ssl.TLSVersion
) -> None:
    expected = EXPECTED[listener][caller][version is TLS13]
    assert str(world.ask(listener, caller, version)) == expected


@pytest.mark.parametrize(
    ("listener", "expected"),
    [("none", "200"), ("simple", "closed"), ("mutual", "closed"), ("permissive", "200")],
)
def test_plain_text_gets_in_only_where_it_may(world: World, listener: str, expected: str) -> None:
    assert str(world.ask(listener, "plain")) == expected


def test_nobody_who_was_refused_reached_the_agent(world: World) -> None:
    before = len(world.agent.seen)
    for caller in set(CALLERS) - {"right"}:
        world.ask("mutual", caller)
    world.ask("mutual", "plain")
    assert len(world.agent.seen) == before


@pytest.mark.parametrize(
    ("listener", "caller", "path", "expected"),
    [
        ("mutual", "right", "/private", "200"),
        ("mutual", "guest", "/private", "403"),
        ("mutual", "guest", "/private/x", "403"),
        ("mutual", "guest", "/public", "200"),
        ("mutual", "guest", "/%70rivate", "403"),
        ("mutual", "guest", "//private", "403"),
        ("mutual", "guest", "/public/../private", "403"),
        ("mutual", "guest", "/public/%2e%2e/private", "403"),
        ("permissive", "right", "/private", "200"),
        ("permissive", "guest", "/private", "403"),
        ("permissive", "none", "/private", "403"),
        ("permissive", "plain", "/private", "403"),
        ("any mutual", "guest", "/public", "200"),
        ("any mutual", "wrong identity", "/public", "200"),
        ("any mutual", "wrong identity", "/private", "403"),
        ("any mutual", "other authority", "/public", "unknown_ca"),
        ("by name", "right", "/public", "200"),
        ("by name", "guest", "/public", "certificate_unknown"),
    ],
)
def test_a_route_is_for_those_it_names(
    world: World, listener: str, caller: str, path: str, expected: str
) -> None:
    assert str(world.ask(listener, caller, path=path)) == expected


FORGED = f"By=spiffe://x;URI={spiffe('caller')}"


@pytest.mark.parametrize(
    ("listener", "caller", "identity"),
    [
        ("none", "plain", None),
        ("simple", "none", None),
        ("simple", "wrong identity", None),
        ("mutual", "guest", "guest"),
        ("permissive", "plain", None),
        ("permissive", "none", None),
        ("permissive", "guest", "guest"),
    ],
)
def test_the_agent_hears_who_calls_from_the_certificate_alone(
    world: World, listener: str, caller: str, identity: str | None
) -> None:
    assert world.ask(listener, caller, more=f"X-Forwarded-Client-Cert: {FORGED}\r\n").status == 200
    told = world.agent.last().value("x-forwarded-client-cert")
    if identity is None:
        assert told is None
    else:
        assert told is not None
        assert [part for part in told.split(";") if part.startswith("URI=")] == [f"URI={spiffe(identity)}"]


@pytest.mark.parametrize(
    ("listener", "caller", "scheme"),
    [("none", "plain", "http"), ("mutual", "guest", "https"), ("permissive", "plain", "http")],
)
def test_what_a_caller_says_about_the_way_here_is_not_believed(
    world: World, listener: str, caller: str, scheme: str
) -> None:
    more = (
        "X-Forwarded-Proto: gopher\r\nX-Forwarded-For: 6.6.6.6\r\nX-Envoy-Internal: true\r\n"
        "X-Envoy-Original-Path: /x\r\nX-Envoy-Upstream-Rq-Timeout-Ms: 1\r\nX-Envoy-External-Address: 6.6.6.6\r\n"
    )
    assert world.ask(listener, caller, more=more).status == 200
    seen = world.agent.last()
    assert seen.value("x-forwarded-proto") == scheme
    told = (seen.value("x-forwarded-for") or "").split(",")
    assert told[-1].strip() not in ("", "6.6.6.6"), "what is last is the proxy's own word"
    assert seen.value("x-envoy-internal") in (None, "false")
    assert seen.value("x-envoy-external-address") != "6.6.6.6"
    for name in ("x-envoy-original-path", "x-envoy-upstream-rq-timeout-ms"):
        assert seen.value(name) is None, name


def test_a_header_with_an_underscore_cannot_pass_for_one_with_a_dash(world: World) -> None:
    """WSGI servers and nginx make the same variable of both."""
    outcome = world.ask("mutual", "guest", more=f"X_Forwarded_Client_Cert: {FORGED}\r\n")
    assert outcome.status in (200, 400)
    assert all("_" not in name for name, _ in world.agent.last().headers)
