"""Conversations over WebSocket, as clients that are not kubectl hold them: each subprotocol, and who hangs up."""

from __future__ import annotations

import asyncio
import base64
import struct
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.streams_lab import EchoTunnel, put, serving
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.typing import Subprotocol

from pillion.apiserver.nodeproxy import ExecFailed, LogOptions, NodeRefusal, Session
from pillion.clock import LoopClock
from pillion.objects.models import core_v1
from pillion.store import SqliteStore
from pillion.testing.fakesession import FakeSession

V5, V4, OLD = "v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"
POD = msgspec.convert(
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": "default", "uid": "uid-1"},
        "spec": {
            "nodeName": "node",
            "initContainers": [{"name": "sidecar"}],
            "containers": [{"name": "main"}, {"name": "other"}],
        },
    },
    core_v1.Pod,
)


class FakeNode:
    def __init__(self) -> None:
        self.session = FakeSession()
        self.tunnels: list[EchoTunnel] = []
        self.asked: list[tuple[object, ...]] = []
        self.refusal: Exception | None = None
        self.log = (b"one\n", b"two\n")

    async def logs(self, pod_uid: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        self._refuse()
        self.asked.append((pod_uid, container, options))
        return self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        for line in self.log:
            yield line

    async def exec(
        self, pod_uid: str, container: str, command: tuple[str, ...], *, tty: bool, stdin: bool
    ) -> Session:
        self._refuse()
        self.asked.append((pod_uid, container, command, tty, stdin))
        return self.session

    async def attach(self, pod_uid: str, container: str, *, tty: bool, stdin: bool) -> Session:
        self._refuse()
        return self.session

    async def port_forward(self, pod_uid: str, port: int) -> EchoTunnel:
        self._refuse()
        if port == 9:
            raise NodeRefusal(500, "nobody listens")
        self.tunnels.append(EchoTunnel())
        return self.tunnels[-1]

    async def stats(self) -> dict[str, Any]:
        return {}

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal


Body = Callable[[FakeNode, str], Awaitable[None]]


@pytest.fixture
def live(tmp_path: Path) -> Callable[[Body], None]:
    """Runs a client against a server whose node is fake. Gives it the pod's path."""

    async def whole(body: Body) -> None:
        store = SqliteStore(tmp_path / "store.db")
        await store.open()
        node = FakeNode()
        try:
            await put(store, POD)
            async with serving(store, node, LoopClock()) as url, asyncio.timeout(10):
                await body(node, f"{url}/api/v1/namespaces/default/pods/pod")
        finally:
            await store.close()

    return lambda body: asyncio.run(whole(body))


def _ws(url: str, query: str = "", *subprotocols: str) -> connect:
    path = url.replace("http://", "ws://") + query
    return connect(path, subprotocols=[Subprotocol(s) for s in subprotocols] or None, compression=None)


async def _all(connection: ClientConnection) -> list[bytes]:
    said = []
    try:
        while True:
            message = await connection.recv()
            said.append(message.encode() if isinstance(message, str) else message)
    except ConnectionClosedOK:
        return said


def _get(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers or {}, method=method)
        ) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


EXEC = "/exec?container=main&command=sh&command=-c&command=x&stdin=true&stdout=true&stderr=true"
SUCCESS = b'{"metadata":{},"status":"Success"}'


def test_what_a_command_says_and_how_it_ends(live: Callable[[Body], None]) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        node.session = FakeSession(output=b"out", errors=b"err", exit_code=3)
        async with _ws(pod, EXEC, V5) as connection:
            assert connection.subprotocol == V5
            *said, status = await _all(connection)
        assert said == [b"\1", b"\1out", b"\2err"]
        assert status[:1] == b"\3"
        assert msgspec.json.decode(status[1:]) == {
            "metadata": {},
            "status": "Failure",
            "message": "command terminated with non-zero exit code: error executing command [sh -c x], exit code 3",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
        }
        assert node.asked == [("uid-1", "main", ("sh", "-c", "x"), False, True)]
        assert node.session.is_closed

    live(body)


def test_version_5_closes_stdin_alone(live: Callable[[Body], None]) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        node.session = FakeSession(echo=True)
        async with _ws(pod, EXEC, V5) as connection:
            await connection.send(b"\0one")
            await connection.send(b"\0two")
            await connection.send(b"\xff\0")
            assert await _all(connection) == [b"\1", b"\1one", b"\1two", b"\3" + SUCCESS]

    live(body)


@pytest.mark.parametrize(
    ("subprotocol", "message", "answer"),
    [
        (V4, b"\0hi", b"\1hi"),
        (OLD, b"\0hi", b"\1hi"),
        ("", b"\0hi", b"\1hi"),
        (
            "v4.base64.channel.k8s.io",
            "0" + base64.b64encode(b"hi").decode(),
            "1" + base64.b64encode(b"hi").decode(),
        ),
        (
            "base64.channel.k8s.io",
            "0" + base64.b64encode(b"hi").decode(),
            "1" + base64.b64encode(b"hi").decode(),
        ),
    ],
)
def test_older_clients_are_spoken_to_as_they_speak(
    live: Callable[[Body], None], subprotocol: str, message: bytes | str, answer: bytes | str
) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        node.session = FakeSession(echo=True)
        async with _ws(pod, EXEC, *([subprotocol] if subprotocol else [])) as connection:
            assert (connection.subprotocol or "") == subprotocol
            assert len(await connection.recv()) == 1
            # 255 is no signal before version 5, and so means nothing.
            await connection.send(b"\xff\0" if isinstance(message, bytes) else "\xff")
            await connection.send(message)
            assert await connection.recv() == answer
        await _until(lambda: node.session.is_closed)

    live(body)


@pytest.mark.parametrize(("subprotocol", "status"), [(OLD, b"\3"), (V4, b"\3" + SUCCESS)])
def test_the_oldest_clients_take_any_text_for_an_error(
    live: Callable[[Body], None], subprotocol: str, status: bytes
) -> None:
    async def body(_node: FakeNode, pod: str) -> None:
        async with _ws(pod, EXEC, subprotocol) as connection:
            assert (await _all(connection))[-1] == status

    live(body)


def test_sizes_reach_a_terminal_and_its_errors_are_its_output(live: Callable[[Body], None]) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        node.session = FakeSession(echo=True, errors=b"never")
        async with _ws(pod, EXEC + "&tty=true", V5) as connection:
            for size in (b'{"Width":80,"Height":24}', b"nonsense", b'{"Width":0,"Height":70000}'):
                await connection.send(b"\4" + size)
            await connection.send(b"\xff\0")
            assert await _all(connection) == [b"\1", b"\3" + SUCCESS]
        assert node.session.sizes == [(80, 24)]

    live(body)


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (NodeRefusal(500, 'container not found ("main")'),
         'Internal error occurred: unable to upgrade connection: container not found ("main")'),
        (ExecFailed("failed to exec in container: why"),
         "Internal error occurred: error executing command in container: failed to exec in container: why"),
    ],
)  # fmt: skip
def test_what_the_node_refuses_is_told_on_the_error_channel(
    live: Callable[[Body], None], refusal: Exception, message: str
) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        node.refusal = refusal
        async with _ws(pod, EXEC, V5) as connection:
            (status,) = await _all(connection)
        assert status[:1] == b"\3"
        told = msgspec.json.decode(status[1:])
        assert (told["message"], told["reason"], told["code"]) == (message, "InternalError", 500)

    live(body)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/exec?container=nope&command=x&stdout=true", "container nope is not valid for pod pod"),
        ("/exec?command=x&stdout=true",
         "a container name must be specified for pod pod, choose one of: [sidecar main other]"),
        ("/exec?container=main&command=x", "you must specify at least 1 of stdin, stdout, stderr"),
        ("/exec?container=main&stdout=true", "you must specify at least one command for the container"),
        ("/exec?container=main&command=x&stdout=true", "Upgrade request required"),
        ("/attach?container=main&stdout=true", "Upgrade request required"),
        ("/portforward", "Upgrade request required"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_is_refused_before_anything_begins(
    live: Callable[[Body], None], path: str, message: str
) -> None:
    async def body(_node: FakeNode, pod: str) -> None:
        code, answer = await asyncio.to_thread(_get, pod + path)
        assert (code, msgspec.json.decode(answer)["message"]) == (400, message)
        if "Upgrade" not in message:
            with pytest.raises(InvalidStatus, match="HTTP 400"):
                await _ws(pod, path, V5)

    live(body)


def test_spdy_is_refused_with_the_way_out(live: Callable[[Body], None]) -> None:
    async def body(_node: FakeNode, pod: str) -> None:
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        _, answer = await asyncio.to_thread(_get, pod + EXEC, headers, "POST")
        assert "use kubectl 1.30 or newer" in msgspec.json.decode(answer)["message"]

    live(body)


def test_an_unknown_subprotocol_is_refused(live: Callable[[Body], None]) -> None:
    async def body(_node: FakeNode, pod: str) -> None:
        with pytest.raises(InvalidStatus, match="HTTP 403"):
            await _ws(pod, EXEC, "chat")

    live(body)


def test_who_hangs_up_ends_the_session(live: Callable[[Body], None]) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        node.session = FakeSession(ended=asyncio.Event())
        async with _ws(pod, EXEC, V5) as connection:
            await connection.recv()
            connection.transport.abort()
        await _until(lambda: node.session.is_closed)

    live(body)


def test_a_log_as_text_and_as_messages(live: Callable[[Body], None]) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        path = "/log?container=other&follow=true&tailLines=7&sinceSeconds=60&timestamps=1&previous=false"
        assert await asyncio.to_thread(_get, pod + path) == (200, b"one\ntwo\n")
        options = LogOptions(follow=True, tail_lines=7, since_seconds=60, timestamps=True)
        assert node.asked == [("uid-1", "other", options)]
        async with _ws(pod, path, "binary.k8s.io") as connection:
            assert await _all(connection) == [b"one\n", b"two\n"]
        async with _ws(pod, path, "base64.binary.k8s.io") as connection:
            assert await _all(connection) == [base64.b64encode(b"one\n"), base64.b64encode(b"two\n")]

    live(body)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("tailLines=-1", 422,
         'PodLogOptions "pod" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0'),
        ("limitBytes=0", 422, 'PodLogOptions "pod" is invalid: limitBytes: Invalid value: 0: must be greater than 0'),
        ("sinceSeconds=0", 422,
         'PodLogOptions "pod" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0'),
        ("tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ],
)  # fmt: skip
def test_log_options_are_validated(live: Callable[[Body], None], query: str, code: int, message: str) -> None:
    async def body(_node: FakeNode, pod: str) -> None:
        status, answer = await asyncio.to_thread(_get, f"{pod}/log?container=main&{query}")
        assert (status, msgspec.json.decode(answer)["message"]) == (code, message)

    live(body)


def test_a_refused_log_is_a_bad_request(live: Callable[[Body], None]) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        node.refusal = NodeRefusal(400, 'container "main" in pod "pod" is waiting to start: PodInitializing')
        status, answer = await asyncio.to_thread(_get, f"{pod}/log?container=main")
        told = msgspec.json.decode(answer)
        assert (status, told["reason"], told["message"]) == (400, "BadRequest", str(node.refusal))

    live(body)


def test_ports_on_channels(live: Callable[[Body], None]) -> None:
    async def body(node: FakeNode, pod: str) -> None:
        async with _ws(pod, "/portforward?ports=8080,9", V4) as connection:
            begun = {await connection.recv() for _ in range(4)}
            ports = (struct.pack("<H", port) for port in (8080, 8080, 9, 9))
            assert begun == {bytes((channel,)) + port for channel, port in enumerate(ports)}
            refused = await connection.recv()
            assert refused == b"\3error forwarding port 9 to pod pod, uid uid-1: nobody listens"
            await connection.send(b"\0hello")
            assert await connection.recv() == b"\0hello"
        await _until(lambda: node.tunnels[0].is_closed)

    live(body)


async def _until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not fact():  # noqa: ASYNC110 - a fact of the server's side
            await asyncio.sleep(0.005)
