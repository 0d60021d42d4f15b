"""What routes do to requests: limits, CORS, timeouts, retries, rewrites, and the traces and log lines they leave."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.proxy.agents import Agent
from tests.proxy_traffic import PATIENCE, Sidecar, free_port, read_log, until

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: dict[str, str]
    body: bytes


class World:
    def __init__(self, folder: Path, agent: Agent) -> None:
        self.agent = agent
        self.port = free_port()
        self.log = folder / "access.log"
        self.gone = free_port()
        self.configuration: dict[str, Any] = {
            "inbound": [{"name": "plain", "port": self.port, "tls": "none", "routes": self._routes()}],
            "accessLog": {"path": str(self.log)},
        }

    def _routes(self) -> list[dict[str, Any]]:
        to = self.agent.port
        origins = [{"exact": "https://chat.test"}, {"regex": r"https://[a-z]+\.chat\.test"}]
        return [
            {"name": "small", "match": {"prefix": "/small"}, "to": to, "maxRequestBytes": "1Ki"},
            {
                "name": "seldom",
                "match": {"prefix": "/seldom"},
                "to": to,
                "rateLimit": {"requests": 3, "per": "1h"},
            },
            {
                "name": "shared",
                "match": {"prefix": "/shared", "methods": ["POST"]},
                "to": to,
                "cors": {
                    "origins": origins,
                    "methods": ["POST"],
                    "headers": ["authorization"],
                    "maxAge": "10m",
                },
            },
            {"name": "hasty", "match": {"exact": "/held"}, "to": to, "timeout": "300ms"},
            {
                "name": "silent",
                "match": {"exact": "/tokens", "headers": [{"name": "x-idle", "present": True}]},
                "to": to,
                "idleTimeout": "300ms",
            },
            {
                "name": "patient",
                "match": {"prefix": "/script", "headers": [{"name": "x-retry", "exact": "yes"}]},
                "to": to,
                "retries": {"attempts": 2, "on": ["5xx"]},
            },
            {
                "name": "careful",
                "match": {"prefix": "/script", "headers": [{"name": "x-retry", "exact": "safe"}]},
                "to": to,
                "retries": {"attempts": 2},
            },
            {"name": "renamed", "match": {"prefix": "/v1"}, "to": to, "rewrite": {"prefix": "/api"}},
            {
                "name": "rehosted",
                "match": {"prefix": "/host/"},
                "to": to,
                "rewrite": {"prefix": "/", "host": "inner.test"},
            },
            {"name": "numbered", "match": {"regex": "/item/[0-9]+"}, "to": to},
            {"name": "by-host", "match": {"prefix": "/hosted", "hosts": ["*.example.test"]}, "to": to},
            {"name": "read-only", "match": {"prefix": "/read", "methods": ["GET"]}, "to": to},
            {"name": "gone", "match": {"prefix": "/gone"}, "to": self.gone},
            {"name": "scripts", "match": {"prefix": "/script"}, "to": to},
            {"name": "uploads", "match": {"exact": "/upload"}, "to": to},
            {"name": "echo", "match": {"prefix": "/echo"}, "to": to},
        ]

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
        host: str = "agent.test",
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(
                method,
                path,
                body=body,
                headers={"Host": host, **(headers or {})},
                encode_chunked=isinstance(body, Iterator),
            )
            found = connection.getresponse()
            return Answer(
                status=found.status,
                headers={key.lower(): value for key, value in found.getheaders()},
                body=found.read(),
            )
        finally:
            connection.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("routes")
    with Agent() as agent:
        made = World(folder, agent)
        with Sidecar(folder, made.configuration) as sidecar:
            sidecar.until_ready()
            yield made


@pytest.mark.parametrize(
    ("path", "method", "host", "status"),
    [
        ("/item/12", "GET", "agent.test", 200),
        ("/item/12/x", "GET", "agent.test", 404),
        ("/item/x", "GET", "agent.test", 404),
        ("/v1beta", "GET", "agent.test", 404),
        ("/hosted", "GET", "a.example.test", 200),
        ("/hosted", "GET", "a.example.test:8443", 200),
        ("/hosted", "GET", "example.test", 404),
        ("/hosted", "GET", "a.example.test.evil.test", 404),
        ("/read", "GET", "agent.test", 200),
        ("/read", "POST", "agent.test", 404),
        ("/nowhere", "GET", "agent.test", 404),
        ("/gone", "GET", "agent.test", 503),
        ("/echo%2fx", "GET", "agent.test", 400),
    ],
)
def test_a_request_finds_its_route_or_none(
    world: World, path: str, method: str, host: str, status: int
) -> None:
    assert world.ask(path, method, host=host).status == status


@pytest.mark.parametrize(
    ("asked", "arrives"),
    [
        ("/v1", "/api"),
        ("/v1/models?x=1", "/api/models?x=1"),
        ("/host/a/b", "/a/b"),
        ("/echo/%41", "/echo/A"),
        ("/echo/./a/../b", "/echo/b"),
    ],
)
def test_paths_are_rewritten_in_whole_segments(world: World, asked: str, arrives: str) -> None:
    told = msgspec.json.decode(world.ask(asked).body)
    query = f"?{told['query']}" if told["query"] else ""
    assert told["path"] + query == arrives


def test_the_host_can_be_rewritten(world: World) -> None:
    world.ask("/host/a")
    assert world.agent.last().value("host") == "inner.test"
    world.ask("/echo")
    assert world.agent.last().value("host") == "agent.test"


def test_a_request_that_is_too_large_is_a_413_and_never_arrives(world: World) -> None:
    before = world.agent.count("/small")
    assert world.ask("/small", "POST", body=bytes(1024)).status == 200
    assert world.ask("/small", "POST", body=bytes(1025)).status == 413
    assert world.ask("/small", "POST", body=iter([bytes(600), bytes(600)])).status == 413
    assert world.agent.count("/small") == before + 1
    assert world.ask("/upload", "POST", body=bytes(100_000)).status == 200


def test_too_many_requests_are_a_429_that_says_when_to_come_back(world: World) -> None:
    assert [world.ask("/seldom").status for _ in range(4)] == [200, 200, 200, 429]
    refused = world.ask("/seldom")
    assert int(refused.headers["retry-after"]) == 1200
    assert world.ask("/echo").status == 200


def preflight(world: World, origin: str) -> Answer:
    return world.ask(
        "/shared",
        "OPTIONS",
        {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )


@pytest.mark.parametrize("origin", ["https://chat.test", "https://beta.chat.test"])
def test_a_browser_may_call_from_the_origins_that_are_named(world: World, origin: str) -> None:
    before = len(world.agent.seen)
    answer = preflight(world, origin)
    assert answer.status == 200
    said = {name: answer.headers.get(f"access-control-{name}") for name in ("allow-origin", "max-age")}
    assert said == {"allow-origin": origin, "max-age": "600"}
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "authorization"
    assert len(world.agent.seen) == before
    assert world.ask("/shared", "POST", {"Origin": origin}).headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origin", ["https://evil.test", "http://chat.test", "https://chat.test.evil.test"])
def test_a_browser_may_not_call_from_elsewhere(world: World, origin: str) -> None:
    before = len(world.agent.seen)
    assert "access-control-allow-origin" not in preflight(world, origin).headers
    assert len(world.agent.seen) == before
    assert "access-control-allow-origin" not in world.ask("/shared", "POST", {"Origin": origin}).headers


def test_an_answer_that_does_not_come_is_a_504(world: World) -> None:
    assert world.ask("/held?key=hasty").status == 504
    world.agent.permit("hasty")


def test_a_stream_that_falls_silent_is_ended(world: World) -> None:
    world.agent.permit("silent")
    with pytest.raises(http.client.IncompleteRead) as raised:
        world.ask("/tokens?n=2&key=silent", headers={"X-Idle": "yes"})
    assert raised.value.partial == b"data: token 0\n\n"
    world.agent.permit("silent")


def test_what_failed_is_tried_again_where_it_may_be(world: World) -> None:
    assert world.ask("/script?answers=503,502,200&key=a", headers={"X-Retry": "yes"}).status == 200
    assert world.ask("/script?answers=503,503,503,200&key=b", headers={"X-Retry": "yes"}).status == 503


@pytest.mark.parametrize("retry", ["safe", "no"])
def test_what_the_agent_has_answered_is_not_tried_again_by_itself(world: World, retry: str) -> None:
    before = world.agent.count("/script")
    answer = world.ask(f"/script?answers=503,200&key={retry}", headers={"X-Retry": retry})
    assert answer.status == 503
    assert world.agent.count("/script") == before + 1


def test_a_trace_begins_here(world: World) -> None:
    traces = set()
    for _ in range(3):
        world.ask("/echo", headers={"x-request-id": "mine, and no number"})
        found = TRACEPARENT.fullmatch(world.agent.last().value("traceparent") or "")
        assert found
        assert found[3] == "01"
        traces.add(found[1])
    assert len(traces) == 3


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_trace_that_came_in_goes_on(world: World, flags: str) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    world.ask("/echo", headers={"traceparent": f"00-{trace}-{parent}-{flags}", "tracestate": "a=1,b=2"})
    found = TRACEPARENT.fullmatch(world.agent.last().value("traceparent") or "")
    assert found
    assert (found[1], found[2], found[3]) == (trace, parent, flags)
    assert world.agent.last().value("tracestate") == "a=1,b=2"


def line_of(world: World, request_id: str) -> dict[str, Any]:
    return until(lambda: [line for line in read_log(world.log) if line["request_id"] == request_id])[0]


def test_each_request_leaves_a_line(world: World) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    world.ask(
        "/echo/a?token=secret",
        "POST",
        {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "User-Agent": "a test"},
        body=b"12345",
    )
    request_id = world.agent.last().value("x-request-id")
    assert request_id
    line = line_of(world, request_id)
    expected = {
        "method": "POST",
        "path": "/echo/a",
        "authority": "agent.test",
        "protocol": "HTTP/1.1",
        "status": 200,
        "route": "echo",
        "bytes_received": 5,
        "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
        "upstream": f"127.0.0.1:{world.agent.port}",
        "user_agent": "a test",
        "peer": None,
    }
    assert {key: line[key] for key in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["start_time"])
    assert line["duration_ms"] >= 0
    assert line["bytes_sent"] > 0
    assert "secret" not in world.log.read_text()


@pytest.mark.parametrize(
    ("path", "status", "flags"), [("/gone/logged", 503, "UF"), ("/nowhere/logged", 404, "NR")]
)
def test_a_line_says_why_a_request_failed(world: World, path: str, status: int, flags: str) -> None:
    assert world.ask(path).status == status
    line = until(lambda: [line for line in read_log(world.log) if line["path"] == path])[0]
    assert line["status"] == status
    assert flags in line["response_flags"].split(",")
