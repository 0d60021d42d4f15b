"""The API server over real connections: many watches, clients that are slow or go away, and the real kubectl."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn
from tests.unit.apiserver.server import ADMIN, CONFIG_MAPS, Server, config_map

from pillion.apiserver.seams import User
from pillion.testing.memorystore import MemoryStore

WATCHES = 200


class Endpoint:
    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(
        self, method: str, path: str, **headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which the head of a request has been sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        given = {"host": "x", "authorization": ADMIN} | headers
        lines = [f"{method} {path} HTTP/1.1", *(f"{k.replace('_', '-')}: {v}" for k, v in given.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        return reader, writer

    async def open_watches(self) -> int:
        """How many the server says it has."""
        text = (await self.server.get("/metrics")).body.decode()
        return sum(
            int(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith('apiserver_longrunning_requests{verb="watch"')
        )


@asynccontextmanager
async def listening() -> AsyncIterator[Endpoint]:
    store = MemoryStore()
    await store.open()
    # kubectl sends no token without TLS.
    server = Server(store, authenticate=lambda _authorization: User(name="admin"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(server.app, log_level="error", lifespan="off", ws="none")
        http = uvicorn.Server(config)
        task = asyncio.ensure_future(http.serve(sockets=[listener]))
        try:
            yield Endpoint(server, listener.getsockname()[1])
        finally:
            http.should_exit = True
            await store.close()
            await task


def over_http(test: Callable[[Endpoint], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), listening() as endpoint:
            await test(endpoint)

    asyncio.run(run())


async def _event(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next chunk of a watch: one event."""
    size = int(await reader.readline(), 16)
    chunk = await reader.readexactly(size + 2)
    event: dict[str, Any] = msgspec.json.decode(chunk)
    return event


async def _head(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


def test_idle_watches_cost_little_and_all_see_a_write() -> None:
    async def check(endpoint: Endpoint) -> None:
        before = len(asyncio.all_tasks())
        watches = [await endpoint.open("GET", f"{CONFIG_MAPS}?watch=true") for _ in range(WATCHES)]
        for reader, _ in watches:
            assert "200 OK" in await _head(reader)
        assert await endpoint.open_watches() == WATCHES
        # The request's own, and one that notices when the client goes.
        assert len(asyncio.all_tasks()) - before <= 2 * WATCHES
        await endpoint.server.create(CONFIG_MAPS, config_map("a"))
        for reader, _ in watches:
            assert (await _event(reader))["object"]["metadata"]["name"] == "a"
        for _, writer in watches:
            writer.close()
        while await endpoint.open_watches():  # noqa: ASYNC110 - the kernel tells the server
            await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) <= before + 1

    over_http(check)


def test_a_slow_client_keeps_nobody_waiting() -> None:
    async def check(endpoint: Endpoint) -> None:
        _, slow = await endpoint.open(
            "POST", CONFIG_MAPS, content_type="application/json", content_length="100"
        )
        slow.write(b"{")
        reader, quick = await endpoint.open("GET", CONFIG_MAPS)
        assert "200 OK" in await _head(reader)
        slow.close()
        quick.close()

    over_http(check)


def test_too_much_is_refused_before_it_is_read() -> None:
    async def check(endpoint: Endpoint) -> None:
        reader, writer = await endpoint.open("POST", CONFIG_MAPS, content_length=str(3 * 1024 * 1024 + 1))
        assert "413" in (await _head(reader)).splitlines()[0]
        writer.close()

    over_http(check)


async def _kubectl(endpoint: Endpoint, cache: Path, *arguments: str, stdin: str = "") -> str:
    """What it printed, both ways."""
    process = await asyncio.create_subprocess_exec(
        "kubectl",
        f"--server={endpoint.url}",
        f"--cache-dir={cache}",
        "--request-timeout=10s",
        *arguments,
        env={**os.environ, "KUBECONFIG": "/dev/null"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(stdin.encode())
    return output.decode()


POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  initContainers: [{name: logs, image: "collector:1", restartPolicy: Always}]
  containers: [{name: main, image: "app:1"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec: {}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
"""
REFUSAL = 'Error from server (MethodNotAllowed): error when creating "STDIN": pillion does not run Deployments yet\n'
PATCHED = "pod/web patched\n"
SESSION: list[tuple[tuple[str, ...], str, str]] = [
    (("create", "-f", "-", "--validate=false"), POD, f"pod/web created\nconfigmap/settings created\n{REFUSAL}"),
    (("get", "pods", "--no-headers"), "", "web   0/2   Pending   0     0s\n"),
    (("label", "pod", "web", "tier=front"), "", "pod/web labeled\n"),
    (("get", "pod", "-l", "tier in (front)", "-o", "name"), "", "pod/web\n"),
    (("patch", "pod", "web", "-p", '{"spec":{"containers":[{"name":"main","image":"app:2"}]}}'), "", PATCHED),
    (("get", "pod", "web", "-o", "jsonpath={.spec.containers[*].image} {.metadata.generation}"), "", "app:2 2"),
    (
        ("patch", "pod", "web", "-p", '{"spec":{"containers":[{"name":"x","image":"y"}]}}'),
        "",
        'The Pod "web" is invalid: spec.containers: Forbidden: pod updates may not add or remove containers\n',
    ),
    (("wait", "--for=jsonpath={.status.phase}=Pending", "pod/web"), "", "pod/web condition met\n"),
    (("create", "configmap", "typed", "--from-literal=a=b"), "", "configmap/typed created\n"),
    (("auth", "can-i", "create", "pods"), "", "yes\n"),
    (("get", "configmaps", "-A", "--no-headers"), "", "default   settings   1     0s\ndefault   typed      1     0s\n"),
    (("delete", "pod", "web"), "", 'pod "web" deleted\n'),
    (("delete", "pod", "web"), "", 'Error from server (NotFound): pods "web" not found\n'),
    (("get", "all"), "", "No resources found in default namespace.\n"),
]  # fmt: skip


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="needs kubectl: apt-get install kubernetes-client"
)
def test_kubectl_holds_a_conversation(tmp_path: Path) -> None:
    async def check(endpoint: Endpoint) -> None:
        for arguments, stdin, expected in SESSION:
            printed = await _kubectl(endpoint, tmp_path, *arguments, stdin=stdin)
            assert printed == expected, arguments

    over_http(check)
