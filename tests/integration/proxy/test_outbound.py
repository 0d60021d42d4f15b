"""From Pod to Pod: an agent calls localhost, its proxy originates mTLS, the other Pod's proxy terminates it.

Both ask who the other one is.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import websockets.asyncio.client
from tests.integration.proxy import grpcagent
from tests.integration.proxy.agents import Agent
from tests.integration.proxy.authorities import Authority, spiffe
from tests.proxy_traffic import PATIENCE, Sidecar, free_port, read_log, until

SPEECH = ("good", "bundled-wrong", "not-expected", "not-allowed", "named", "misnamed", "simple", "grpc")
TERMS = ("outlier", "breaker", "pending", "one", "timeout", "retries", "gone", "hopeless", "shy")
TRIES = {f"try-{on}": on for on in ("5xx", "gateway-error", "reset")}
"""What to try again on."""


class World:
    """`far` is the agent that is called, behind the proxy `callee`; `caller` is the proxy of who calls."""

    def __init__(self, folder: Path, far: Agent, far_grpc: int) -> None:
        self.far = far
        self.folder = folder
        self.ports = {name: free_port() for name in (*SPEECH, *TERMS, *TRIES)}
        self.shy_port = free_port()
        self.callee_port, self.simple_port = free_port(), free_port()
        self.proxy: Sidecar
        """Of who calls; once it serves."""
        self.callee_log, self.caller_log = folder / "callee.log", folder / "caller.log"
        root, stranger = Authority(), Authority("another root")
        agent = root.issue(folder / "agent", "agent", dns=["agent.test"], addresses=["127.0.0.1"])
        certificates = {
            "caller": root.issue(folder / "caller", "caller"),
            "someone": root.issue(folder / "someone", "someone"),
            "distrustful": root.issue(folder / "distrustful", "caller", bundle=stranger.pem),
        }
        routes = [
            {
                "name": "grpc",
                "match": {"prefix": f"/{grpcagent.SERVICE}"},
                "to": far_grpc,
                "protocol": "http2",
            },
            {"name": "all", "match": {"prefix": "/"}, "to": far.port},
        ]
        inbound = {"certificate": "agent", "routes": routes}
        self.callee = {
            "certificates": [{"name": "agent", "folder": str(agent)}],
            "inbound": [
                {"name": "agent", "port": self.callee_port, "tls": "mutual", **inbound}
                | {"allow": [spiffe("caller")]},
                {"name": "simple", "port": self.simple_port, "tls": "simple", **inbound},
            ],
            "accessLog": {"path": str(self.callee_log)},
        }
        expected = [spiffe("agent")]
        plain = {"tls": "none", "to": f"127.0.0.1:{far.port}"}
        self.caller = {
            # The bundle is named, as one of them is of others.
            "certificates": [
                {"name": name, "folder": str(path), "bundle": str(path / "ca.crt")}
                for name, path in certificates.items()
            ],
            "outbound": [
                self._mutual("good", expect=expected),
                self._mutual("grpc", expect=expected, protocol="http2"),
                self._mutual("bundled-wrong", certificate="distrustful", expect=expected),
                self._mutual("not-expected", expect=[spiffe("someone")]),
                self._mutual("not-allowed", certificate="someone", expect=expected),
                self._mutual("named", serverName="agent.test"),
                self._mutual("misnamed", serverName="other.test"),
                self._mutual("simple", tls="simple", to=f"127.0.0.1:{self.simple_port}", expect=expected),
                self._outbound("outlier", outlier={"consecutiveErrors": 3, "ejection": "1h"}, **plain),
                self._outbound("breaker", breaker={"requests": 1}, **plain),
                self._outbound("timeout", timeout="300ms", **plain),
                self._outbound("retries", retries={"attempts": 2, "on": ["5xx"]}, **plain),
                self._outbound("pending", breaker={"connections": 1, "pending": 1}, **plain),
                self._outbound("one", breaker={"connections": 1}, **plain),
                self._outbound("gone", tls="none", to=f"127.0.0.1:{free_port()}"),
                self._outbound(
                    "hopeless", tls="none", to=f"127.0.0.1:{free_port()}", retries={"attempts": 2}
                ),
                self._mutual(
                    "shy", to=f"127.0.0.1:{self.shy_port}", expect=expected, retries={"attempts": 1}
                ),
                *(
                    self._outbound(
                        name,
                        retries={"attempts": 3, "perTryTimeout": "500ms", "on": [on]},
                        **plain,
                    )
                    for name, on in TRIES.items()
                ),
            ],
            "accessLog": {"path": str(self.caller_log)},
        }

    def statistic(self, outbound: str, name: str) -> int:
        """Of the calling Envoy."""
        return self.proxy.envoy_statistics()[f"cluster.outbound-{outbound}.{name}"]

    def _outbound(self, name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "port": self.ports[name], **more}

    def _mutual(self, name: str, **more: Any) -> dict[str, Any]:
        settings = {"tls": "mutual", "certificate": "caller", "to": f"127.0.0.1:{self.callee_port}"}
        return self._outbound(name, **{**settings, **more})

    def ask(
        self, outbound: str, path: str = "/who", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[outbound], timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("outbound")
    with Agent() as far, grpcagent.serving() as far_grpc:
        made = World(folder, far, far_grpc)
        with Sidecar(folder / "a", made.callee) as callee, Sidecar(folder / "b", made.caller) as caller:
            callee.until_ready()
            made.proxy = caller.until_ready()
            yield made


def test_both_sides_know_each_other(world: World) -> None:
    status, _ = world.ask("good", "/pod-to-pod")
    assert status == 200
    told = world.far.last().value("x-forwarded-client-cert") or ""
    assert f"URI={spiffe('caller')}" in told.split(";")
    mine = until(lambda: [line for line in read_log(world.caller_log) if line["path"] == "/pod-to-pod"])[0]
    theirs = until(lambda: [line for line in read_log(world.callee_log) if line["path"] == "/pod-to-pod"])[0]
    assert mine["upstream_peer"] == spiffe("agent")
    assert theirs["peer"] == spiffe("caller")
    assert mine["traceparent"] == theirs["traceparent"]
    assert theirs["protocol"] == "HTTP/2"


@pytest.mark.parametrize(
    ("outbound", "status"),
    [
        ("good", 200),
        ("named", 200),
        ("simple", 200),
        ("bundled-wrong", 503),
        ("not-expected", 503),
        ("not-allowed", 503),
        ("misnamed", 503),
        ("gone", 503),
    ],
)
def test_a_call_goes_out_to_whom_it_is_meant_for_only(world: World, outbound: str, status: int) -> None:
    before = len(world.far.seen)
    assert world.ask(outbound)[0] == status
    assert (len(world.far.seen) > before) is (status == 200)


def test_the_other_side_is_called_by_its_name(world: World) -> None:
    world.ask("named")
    assert world.far.last().value("host") == f"agent.test:{world.callee_port}"


def test_what_the_agent_says_of_its_caller_is_not_passed_off_as_the_proxys_word(world: World) -> None:
    forged = f"URI={spiffe('admin')}"
    world.ask("good", headers={"X-Forwarded-Client-Cert": forged})
    assert forged not in (world.far.last().value("x-forwarded-client-cert") or "")


def test_a_grpc_stream_passes_both_proxies(world: World) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{world.ports['grpc']}") as channel:
        call = channel.unary_stream(grpcagent.method("Stream"))(b"5", timeout=PATIENCE)
        assert list(call) == [f"token {number}".encode() for number in range(5)]
        assert dict(call.trailing_metadata())["x-trailing"] == "yes"


def test_a_side_that_keeps_failing_is_left_alone(world: World) -> None:
    def ask() -> int:
        return world.ask("outlier", "/script?answers=500&key=outlier")[0]

    assert [ask() for _ in range(3)] == [500] * 3
    until(lambda: ask() == 503)  # who counts is another thread than who asks
    before = world.far.count("/script")
    assert [ask() for _ in range(3)] == [503] * 3
    assert world.far.count("/script") == before


def test_more_requests_than_allowed_at_one_time_are_refused(world: World) -> None:
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(world.ask, "breaker", "/held?key=breaker")
        until(lambda: world.far.count("/held"))
        assert world.ask("breaker", "/second")[0] == 503
        world.far.permit("breaker")
        assert held.result(PATIENCE) == (200, b"let go")
    assert world.ask("breaker", "/third")[0] == 200
    assert world.far.count("/second") == 0


def test_more_requests_than_may_wait_for_a_connection_are_refused(world: World) -> None:
    with ThreadPoolExecutor(2) as threads:
        held = threads.submit(world.ask, "pending", "/held?key=pending")
        until(lambda: world.statistic("pending", "upstream_rq_active"))
        waiting = threads.submit(world.ask, "pending", "/waits")
        until(lambda: world.statistic("pending", "upstream_rq_pending_active"))
        assert world.ask("pending", "/refused")[0] == 503
        world.far.permit("pending")
        assert (held.result(PATIENCE)[0], waiting.result(PATIENCE)[0]) == (200, 200)
    assert world.far.count("/refused") == 0


def test_requests_beyond_the_connections_wait_for_one(world: World) -> None:
    with ThreadPoolExecutor(4) as threads:
        held = threads.submit(world.ask, "one", "/held?key=one")
        until(lambda: world.statistic("one", "upstream_rq_active"))
        others = [threads.submit(world.ask, "one", "/beyond") for _ in range(3)]
        until(lambda: world.statistic("one", "upstream_rq_pending_active") == 3)
        assert world.statistic("one", "upstream_cx_active") == 1
        assert world.far.count("/beyond") == 0
        world.far.permit("one")
        assert [asked.result(PATIENCE)[0] for asked in (held, *others)] == [200] * 4
    assert world.statistic("one", "upstream_cx_overflow") > 0


def test_a_call_that_takes_too_long_is_a_504(world: World) -> None:
    assert world.ask("timeout", "/held?key=timeout")[0] == 504
    world.far.permit("timeout")


def test_a_call_that_failed_is_tried_again(world: World) -> None:
    assert world.ask("retries", "/script?answers=503,503,200&key=again")[0] == 200


@pytest.mark.parametrize("outbound", TRIES)
def test_an_attempt_that_takes_too_long_is_made_again(world: World, outbound: str) -> None:
    assert world.ask(outbound, f"/script?answers=held,200&key={outbound}")[0] == 200
    assert world.statistic(outbound, "upstream_rq_retry") > 0
    world.far.permit(outbound)


def test_a_side_that_is_not_there_is_tried_so_often_and_no_more(world: World) -> None:
    assert world.ask("hopeless")[0] == 503
    assert world.statistic("hopeless", "upstream_rq_retry") == 2
    assert world.statistic("hopeless", "upstream_cx_connect_fail") == 3


def test_a_connection_that_fails_is_made_again(world: World) -> None:
    """In its TLS handshake: to Envoy a connection is not there before that is over."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(world.folder / "agent" / "tls.crt", world.folder / "agent" / "tls.key")

    def serve() -> None:
        listening.accept()[0].close()
        with tls.wrap_socket(listening.accept()[0], server_side=True) as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nyes")

    with socket.create_server(("127.0.0.1", world.shy_port)) as listening, ThreadPoolExecutor(1) as threads:
        listening.settimeout(PATIENCE)
        served = threads.submit(serve)
        assert world.ask("shy") == (200, b"yes")
        served.result(PATIENCE)
    assert world.statistic("shy", "upstream_rq_retry") == 1


def test_a_websocket_passes_both_proxies(world: World) -> None:
    """Between them it is a stream of HTTP/2 (RFC 8441)."""

    async def talk() -> None:
        url = f"ws://127.0.0.1:{world.ports['good']}/ws"
        async with websockets.asyncio.client.connect(url, proxy=None, close_timeout=0.1) as connection:
            assert await connection.recv() == "hello"
            for number in range(20):
                await connection.send(str(number))
                assert await connection.recv() == str(number)

    asyncio.run(talk())
    lines = until(lambda: [line for line in read_log(world.callee_log) if line["path"] == "/ws"])
    assert (lines[0]["protocol"], lines[0]["peer"]) == ("HTTP/2", spiffe("caller"))


def test_a_trace_goes_on_through_both_proxies(world: World) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    world.ask("good", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert (world.far.last().value("traceparent") or "").split("-")[1] == trace
