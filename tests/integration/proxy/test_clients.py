"""What real clients see through the proxy: curl, openssl, h2, gRPC, WebSocket, token streams, uploads."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import json
import queue
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
import websockets.asyncio.client
from tests.integration.proxy import grpcagent, h2client, handshakes
from tests.integration.proxy.agents import Agent
from tests.integration.proxy.authorities import Authority
from tests.proxy_traffic import PATIENCE, Sidecar, free_port

MEGABYTE = 1 << 20


class World:
    def __init__(self, folder: Path, agent: Agent, grpc_port: int) -> None:
        self.agent = agent
        self.authority = Authority()
        self.folder = folder
        self.caller = self.authority.issue(folder / "caller", "caller")
        self.port, self.plain_port = free_port(), free_port()
        server = self.authority.issue(folder / "server", "agent", dns=["agent.test"])
        routes = [
            {
                "name": "grpc",
                "match": {"prefix": f"/{grpcagent.SERVICE}"},
                "to": grpc_port,
                "protocol": "http2",
            },
            {"name": "gone", "match": {"prefix": "/gone"}, "to": free_port()},
            {"name": "agent", "match": {"prefix": "/"}, "to": agent.port},
        ]
        (folder / "ca.pem").write_bytes(self.authority.pem)
        self.configuration = {
            "certificates": [{"name": "agent", "folder": str(server)}],
            "inbound": [
                {
                    "name": "agent",
                    "port": self.port,
                    "tls": "mutual",
                    "certificate": "agent",
                    "routes": routes,
                },
                {"name": "plain", "port": self.plain_port, "tls": "none", "routes": routes},
            ],
        }

    def tls(self, *alpn: str) -> ssl.SSLContext:
        return handshakes.context(self.authority.pem, self.caller, alpn=alpn)

    def http(self, *, with_tls: bool = True) -> http.client.HTTPConnection:
        if not with_tls:
            return http.client.HTTPConnection("127.0.0.1", self.plain_port, timeout=PATIENCE)
        connection = http.client.HTTPSConnection(
            "agent.test", self.port, context=self.tls(), timeout=PATIENCE
        )
        connection.sock = self.tls("http/1.1").wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), PATIENCE), server_hostname="agent.test"
        )
        return connection

    def channel(self) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(
            self.authority.pem, (self.caller / "tls.key").read_bytes(), (self.caller / "tls.crt").read_bytes()
        )
        return grpc.secure_channel(
            f"127.0.0.1:{self.port}", credentials, options=[("grpc.ssl_target_name_override", "agent.test")]
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("clients")
    with Agent() as agent, grpcagent.serving() as grpc_port:
        made = World(folder, agent, grpc_port)
        with Sidecar(folder, made.configuration) as sidecar:
            sidecar.until_ready()
            yield made


def run(*command: str | Path, stdin: str = "") -> str:
    done = subprocess.run(
        [str(word) for word in command], input=stdin, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("option", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
def test_curl_is_answered(world: World, option: str, version: str) -> None:
    said = run(
        *("curl", "-sS", option, "--cacert", world.folder / "ca.pem", "-w", " %{http_code} %{http_version}"),
        *("--cert", world.caller / "tls.crt", "--key", world.caller / "tls.key"),
        *("--resolve", f"agent.test:{world.port}:127.0.0.1", f"https://agent.test:{world.port}/curl?x=1"),
    )
    body, status, spoken = said.rsplit(" ", 2)
    assert (json.loads(body), status, spoken) == (
        {"path": "/curl", "query": "x=1", "bytes": 0},
        "200",
        version,
    )


def test_openssl_finds_the_certificate_in_order(world: World) -> None:
    said = run(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{world.port}", "-servername", "agent.test"),
        *("-CAfile", world.folder / "ca.pem", "-verify_return_error", "-verify_hostname", "agent.test"),
        *("-cert", world.caller / "tls.crt", "-key", world.caller / "tls.key", "-alpn", "h2,http/1.1"),
    )
    assert "Verification: OK\nVerified peername: agent.test" in said
    assert "ALPN protocol: h2" in said
    assert "Acceptable client certificate CA names\nCN = test root" in said


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "mutual"])
def test_each_token_arrives_before_the_next_one_is_made(world: World, with_tls: bool) -> None:
    connection = world.http(with_tls=with_tls)
    key = f"each-{with_tls}"
    connection.request("GET", f"/tokens?n=3&key={key}", headers={"Accept": "text/event-stream"})
    world.agent.permit(key)
    answer = connection.getresponse()
    for number in range(3):
        if number:
            world.agent.permit(key)
        assert answer.readline() == f"data: token {number}\n".encode()
        assert answer.readline() == b"\n"
    assert answer.read() == b""
    connection.close()


def test_headers_of_an_answer_do_not_wait_for_its_body(world: World) -> None:
    connection = world.http()
    connection.request("GET", "/tokens?n=1&key=headers")
    assert connection.getresponse().status == 200
    world.agent.permit("headers")
    connection.close()


def test_tokens_of_two_streams_share_one_http2_connection(world: World) -> None:
    async def talk() -> None:
        async with h2client.connect(world.port, world.tls("h2")) as connection:
            first = await connection.send("/tokens?n=2&key=first")
            second = await connection.send("/tokens?n=2&key=second")
            for count in (1, 2):
                world.agent.permit("first")
                world.agent.permit("second")
                await connection.until(
                    lambda count=count: first.body.count(b"token") == count == second.body.count(b"token")
                )
            assert (await connection.finish(first)).body == b"data: token 0\n\ndata: token 1\n\n"
            assert (await connection.finish(second)).status == 200

    asyncio.run(talk())


def test_a_stream_that_waits_holds_up_no_other_one(world: World) -> None:
    async def talk() -> None:
        async with h2client.connect(world.port, world.tls("h2")) as connection:
            held = await connection.send("/held?key=waits")
            others = [await connection.send(f"/other/{number}") for number in range(50)]
            for number, stream in enumerate(others):
                assert (await connection.finish(stream)).status == 200
                assert json.loads(stream.body)["path"] == f"/other/{number}"
            assert not held.is_over
            world.agent.permit("waits")
            assert (await connection.finish(held)).body == b"let go"

    asyncio.run(talk())


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "mutual"])
def test_a_websocket_speaks_both_ways(world: World, with_tls: bool) -> None:
    async def talk() -> None:
        scheme, port = ("wss", world.port) if with_tls else ("ws", world.plain_port)
        async with websockets.asyncio.client.connect(
            f"{scheme}://127.0.0.1:{port}/ws",
            ssl=world.tls("http/1.1") if with_tls else None,
            server_hostname="agent.test" if with_tls else None,
            subprotocols=[websockets.Subprotocol("tokens")],
            max_size=None,
            close_timeout=0.1,
            proxy=None,
        ) as connection:
            assert connection.subprotocol == "tokens"
            assert await connection.recv() == "hello"
            for message in ("one", b"two", bytes(MEGABYTE)):
                await connection.send(message)
                assert await connection.recv() == message
            for number in range(100):
                await connection.send(str(number))
            assert [await connection.recv() for _ in range(100)] == [str(number) for number in range(100)]

    asyncio.run(talk())


def test_an_upload_reaches_the_agent_while_it_is_sent(world: World) -> None:
    world.agent.arrived.clear()
    half = bytes(range(256)) * 4096 * 8

    def halves() -> Iterator[bytes]:
        yield half
        assert world.agent.arrived.wait(PATIENCE), "the first half was held back"
        yield half

    connection = world.http()
    connection.request("POST", "/upload", body=halves(), headers={"Content-Length": str(2 * len(half))})
    told = json.loads(connection.getresponse().read())
    assert told == {"bytes": 2 * len(half), "sha256": hashlib.sha256(2 * half).hexdigest()}
    connection.close()


def test_an_upload_over_http2_minds_the_windows(world: World) -> None:
    async def talk() -> h2client.Stream:
        async with h2client.connect(world.port, world.tls("h2")) as connection:
            return await connection.finish(
                await connection.send("/upload", method="POST", body=bytes(8 * MEGABYTE))
            )

    assert json.loads(asyncio.run(talk()).body)["bytes"] == 8 * MEGABYTE


def test_a_large_answer_is_whole(world: World) -> None:
    connection = world.http()
    connection.request("GET", f"/bytes?n={32 * MEGABYTE}")
    assert len(connection.getresponse().read()) == 32 * MEGABYTE
    connection.close()


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "mutual"])
def test_a_client_that_asks_first_is_told_to_continue(world: World, with_tls: bool) -> None:
    port = world.port if with_tls else world.plain_port
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        if with_tls:
            wrapped = world.tls("http/1.1").wrap_socket(raw, server_hostname="agent.test")
            raw = stack.enter_context(wrapped)
        raw.sendall(
            b"POST /upload HTTP/1.1\r\nHost: agent.test\r\nContent-Length: 5\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert raw.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        raw.sendall(b"hello")
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert b" 200 OK\r\n" in answer
    assert b'"bytes":5' in answer


def test_a_client_that_asks_first_over_http2_is_told_to_continue(world: World) -> None:
    async def talk() -> h2client.Stream:
        async with h2client.connect(world.port, world.tls("h2")) as connection:
            headers = (("expect", "100-continue"), ("content-length", "5"))
            return await connection.finish(
                await connection.send("/upload", method="POST", headers=headers, body=b"hello")
            )

    stream = asyncio.run(talk())
    assert (stream.informed, stream.status, json.loads(stream.body)["bytes"]) == (["100"], 200, 5)


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "mutual"])
def test_an_agent_that_is_gone_is_a_503_at_once(world: World, with_tls: bool) -> None:
    connection = world.http(with_tls=with_tls)
    connection.request("GET", "/gone")
    answer = connection.getresponse()
    assert answer.status == 503
    assert answer.read()
    connection.close()


def called(channel: grpc.Channel, name: str, request: bytes) -> tuple[bytes, grpc.Call]:
    answer, call = channel.unary_unary(grpcagent.method(name)).with_call(
        request, timeout=PATIENCE, metadata=(("x-ask", "me"),)
    )
    return answer, call


def trailers(call: grpc.Call) -> dict[str, str]:
    return dict(call.trailing_metadata() or ())


def test_grpc_calls_are_answered_with_their_trailers(world: World) -> None:
    with world.channel() as channel:
        answer, call = called(channel, "Unary", b"one")
        assert answer == b"answer to one"
        assert dict(call.initial_metadata())["x-initial"] == "yes"
        assert {"x-trailing": "yes", "x-told": "me"}.items() <= trailers(call).items()


def test_grpc_errors_come_as_they_are(world: World) -> None:
    with world.channel() as channel, pytest.raises(grpc.RpcError) as raised:
        called(channel, "Fails", b"not yet")
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert raised.value.details() == "not yet"
    assert trailers(raised.value)["x-trailing"] == "yes"


def test_grpc_streams_from_the_server(world: World) -> None:
    with world.channel() as channel:
        call = channel.unary_stream(grpcagent.method("Stream"))(b"20", timeout=PATIENCE)
        assert list(call) == [f"token {number}".encode() for number in range(20)]
        assert trailers(call)["x-trailing"] == "yes"


def test_grpc_streams_from_the_client(world: World) -> None:
    with world.channel() as channel:
        pieces: Sequence[bytes] = [bytes(100_000)] * 20
        answer = channel.stream_unary(grpcagent.method("Sum"))(iter(pieces), timeout=PATIENCE)
        assert answer == b"2000000"


def test_grpc_talks_in_turns(world: World) -> None:
    """Each question waits for the answer before it: nothing may be held back on either way."""
    questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with world.channel() as channel:
        call = channel.stream_stream(grpcagent.method("Talk"))(iter(questions.get, None), timeout=PATIENCE)
        for number in range(5):
            questions.put(f"question {number}".encode())
            assert next(call) == f"heard question {number}".encode()
        questions.put(None)
        assert list(call) == []
        assert call.code() is grpc.StatusCode.OK


def test_grpc_to_an_agent_that_is_gone_is_unavailable(world: World) -> None:
    with world.channel() as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/gone/Unary")(b"", timeout=PATIENCE)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
