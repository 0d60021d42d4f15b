"""The end: SIGTERM lets everybody finish who was let in. Who is cut off, and what is killed: test_sidecar."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import signal
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.integration.proxy import h2client, handshakes
from tests.integration.proxy.agents import Agent
from tests.integration.proxy.authorities import Authority
from tests.integration.proxy.load import Load
from tests.proxy_traffic import PATIENCE, Sidecar, free_port, until


class World:
    def __init__(self, folder: Path, agent: Agent, drain: str) -> None:
        self.agent = agent
        self.authority = Authority()
        self.caller = self.authority.issue(folder / "caller", "caller")
        server = self.authority.issue(folder / "server", "agent", dns=["agent.test"])
        self.port, self.plain_port = free_port(), free_port()
        routes = [{"name": "all", "to": agent.port}]
        configuration: dict[str, Any] = {
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
            "drain": drain,
        }
        self.sidecar = Sidecar(folder, configuration)

    def tls(self, *alpn: str) -> ssl.SSLContext:
        return handshakes.context(self.authority.pem, self.caller, alpn=alpn)

    def connect(self) -> contextlib.closing[http.client.HTTPConnection]:
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.plain_port, timeout=PATIENCE))

    def read(self, path: str) -> tuple[int, bytes]:
        with self.connect() as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def health(self) -> int:
        return self.sidecar.ask("health", "/healthz/ready")[0]


@contextlib.contextmanager
def serving(folder: Path, drain: str = "25s") -> Iterator[World]:
    with Agent() as agent:
        made = World(folder, agent, drain)
        with made.sidecar:
            made.sidecar.until_ready()
            yield made


def test_at_sigterm_clients_are_told_to_go_and_what_is_under_way_comes_to_its_end(tmp_path: Path) -> None:
    with serving(tmp_path) as world, ThreadPoolExecutor(2) as threads, world.connect() as connection:
        held = threads.submit(world.read, "/held?key=held")
        multiplexed = threads.submit(asyncio.run, _life_of_an_http2_client(world))
        until(lambda: world.agent.count("/held") == 2)
        world.agent.permit("tokens")
        connection.request("GET", "/tokens?n=3&key=tokens")
        stream = connection.getresponse()
        assert stream.readline() == b"data: token 0\n"
        world.sidecar.tell(signal.SIGTERM)
        until(lambda: world.health() == 503)
        world.agent.permit("tokens")
        assert (stream.readline(), stream.readline()) == (b"\n", b"data: token 1\n")
        # New connections are taken until those who send them know.
        assert str(handshakes.ask(world.port, world.tls())) == "200"
        until(lambda: _is_refused(world.plain_port))
        assert not world.sidecar.has_ended()
        world.agent.permit("tokens")
        assert stream.read() == b"\ndata: token 2\n\n"
        world.agent.permit("held")
        assert held.result(PATIENCE) == (200, b"let go")
        multiplexed.result(PATIENCE)
        assert world.sidecar.wait() == 0
        assert "drained after" in world.sidecar.said()


async def _life_of_an_http2_client(world: World) -> None:
    """One that has a request under way, and hears of the end."""
    async with h2client.connect(world.port, world.tls("h2")) as connection:
        held = await connection.send("/held?key=multiplexed")
        await asyncio.to_thread(until, lambda: world.health() == 503)
        last = await connection.get("/after")
        assert last.status == 200
        await connection.until(lambda: connection.last_stream is not None)
        assert not held.is_over
        world.agent.permit("multiplexed")
        assert (await connection.finish(held)).body == b"let go"
        await connection.until(lambda: connection.is_closed)


def _is_refused(port: int) -> bool:
    try:
        return handshakes.ask(port, None).status == 0
    except (ConnectionRefusedError, ConnectionResetError):
        return True


def test_with_nobody_there_the_end_comes_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, drain="60s") as world:
        began = time.monotonic()
        world.sidecar.tell(signal.SIGTERM)
        assert world.sidecar.wait() == 0
        assert time.monotonic() - began < 30


@pytest.mark.slow
def test_sigterm_under_load_fails_no_request_that_was_let_in(tmp_path: Path) -> None:
    async def life(world: World) -> Load:
        load = Load(world.port, world.tls(), rate=200)
        async with load.running():
            await load.until(300)
            world.sidecar.tell(signal.SIGTERM)
            assert await asyncio.to_thread(world.sidecar.wait) == 0
        return load

    with serving(tmp_path) as world:
        load = asyncio.run(life(world))
        print(load.tally)
        assert load.tally.failed == []
        assert load.tally.closes > load.tally.good * 9 // 10 - 300, "all are told to go"
        assert load.tally.refused > 0
        assert "drained after" in world.sidecar.said()
