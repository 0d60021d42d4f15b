"""Clients that leave in the middle, read slowly or only wait: the server lets go of all that was theirs."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest
from tests.e2e.apilab import CONFIG_MAPS, PODS, Api, config_map, exit_status, phase, running_pod, shared
from tests.e2e.lab import a_pod, shell
from websockets.exceptions import InvalidStatus

pytestmark = pytest.mark.host
WATCHES = 200
EXEC = "exec?stdout=1&stderr=1"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with shared(tmp_path_factory.mktemp("hang")) as api:
        running_pod(api, "p", before="echo begun; (while :; do echo tick; sleep 0.05; done) &")
        yield api


@contextlib.contextmanager
def nothing_stays_open(api: Api) -> Iterator[None]:
    """Neither descriptors nor long requests; a few descriptors may come and go with other work."""
    requests, descriptors = api.long_running(), api.descriptors()
    yield
    api.until(lambda: api.long_running() <= requests and api.descriptors() <= descriptors + 2)


@contextlib.contextmanager
def _asking(api: Api, path: str) -> Iterator[ssl.SSLSocket]:
    with api.dialled() as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\n{api.head}\r\n".encode())
        yield sock


def test_idle_watches_cost_little_and_leave_nothing(api: Api) -> None:
    with nothing_stays_open(api), contextlib.ExitStack() as stack:
        memory = api.resident_bytes()
        watches = [stack.enter_context(_asking(api, f"{CONFIG_MAPS}?watch=1")) for _ in range(WATCHES)]
        for sock in watches:
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
        assert api.long_running("watch") == WATCHES
        assert (api.resident_bytes() - memory) / WATCHES < 200_000
        api.create(CONFIG_MAPS, config_map("seen-by-all"))
        for sock in watches:
            received = b""
            while b"seen-by-all" not in received:
                received += sock.recv(65536)


@pytest.mark.parametrize("path", [f"{PODS}?watch=1", f"{PODS}/p/log?follow=1"])
@pytest.mark.parametrize("how", ["at once", "after a while", "rudely"])
def test_a_reader_that_leaves_is_let_go(api: Api, path: str, how: str) -> None:
    with nothing_stays_open(api), _asking(api, path) as sock:
        if how == "after a while":
            assert b"200 OK" in sock.recv(65536)
            assert sock.recv(65536)
        if how == "rudely":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_a_reader_that_does_not_read_keeps_nobody_waiting(api: Api) -> None:
    """More than sockets hold goes through a watch whose client does not read; it gets all of it, or an ERROR."""
    with nothing_stays_open(api), _asking(api, f"{CONFIG_MAPS}?watch=1"):
        api.create(CONFIG_MAPS, config_map("big"))
        for index in range(24):
            assert (
                api.call("PUT", f"{CONFIG_MAPS}/big", config_map("big", k=f"{index}" + "x" * 900_000)).code
                == 200
            )
        assert api.get("/healthz").code == 200
        api.delete(f"{CONFIG_MAPS}/big")


def test_an_exec_says_how_it_ended(api: Api) -> None:
    for command, code in (("exit 3", "3"), ("kill -9 $$", "137")):
        with api.websocket(
            f"{PODS}/p/{EXEC}&command=sh&command=-c&command={command.replace(' ', '%20')}"
        ) as websocket:
            _, status = exit_status(websocket)
        assert status["reason"] == "NonZeroExitCode"
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": code}]
    with api.websocket(f"{PODS}/p/{EXEC}&command=echo&command=a") as websocket:
        assert exit_status(websocket) == (b"a\n", {"metadata": {}, "status": "Success"})


@pytest.mark.parametrize("query", ["", "&stdin=1", "&stdin=1&tty=1"])
def test_an_exec_that_is_left_leaves_no_connection(api: Api, query: str) -> None:
    command = "command=sh&command=-c&command=echo%20a;cat"
    with nothing_stays_open(api), api.websocket(f"{PODS}/p/{EXEC}{query}&{command}") as websocket:
        assert websocket.recv(timeout=10)
        websocket.cut()


def _processes(api: Api) -> str:
    script = "command=sh&command=-c&command=cat%20/proc/%5B0-9%5D*/cmdline"
    with api.websocket(f"{PODS}/p/{EXEC}&{script}") as websocket:
        return exit_status(websocket)[0].replace(b"\0", b" ").decode()


@pytest.mark.parametrize("query", ["", "&stdin=1", "&stdin=1&tty=1"])
def test_the_command_of_an_exec_ends_with_its_conversation(api: Api, query: str) -> None:
    script = "command=sh&command=-c&command=echo%20a;%20sleep%204321"
    with nothing_stays_open(api), api.websocket(f"{PODS}/p/{EXEC}{query}&{script}") as websocket:
        assert websocket.recv(timeout=10)
        api.until(lambda: "sleep 4321" in _processes(api))
        websocket.cut()
    api.until(lambda: "sleep 4321" not in _processes(api))


def test_an_upgrade_that_is_refused_is_told_to_the_client_and_not_to_the_log(api: Api) -> None:
    reply = api.call("POST", f"{PODS}/p/{EXEC}&command=id", connection="Upgrade", upgrade="SPDY/3.1")
    assert reply.refusal[0] == 400
    assert reply.refusal[2].startswith("pillion carries streams over WebSocket only")
    assert "upgrade" not in api.server.log


EXECS: list[tuple[str, int, str]] = [
    ("p/exec?stdout=1&command=id&container=none", 400, "container none is not valid for pod p"),
    ("p/exec?command=id", 400, "you must specify at least 1 of stdin, stdout, stderr"),
    ("p/exec?stdout=1", 400, "you must specify at least one command for the container"),
    ("none/exec?stdout=1&command=id", 404, 'pods "none" not found'),
]


@pytest.mark.parametrize(("path", "code", "message"), EXECS)
def test_an_exec_of_nothing_is_refused(api: Api, path: str, code: int, message: str) -> None:
    assert api.call("GET", f"{PODS}/{path}").refusal[::2] == (code, message)
    with pytest.raises(InvalidStatus) as refused, api.websocket(f"{PODS}/{path}"):
        pass
    assert refused.value.response.status_code == code


def test_an_exec_into_what_has_ended_is_told_so(api: Api) -> None:
    api.create(PODS, a_pod("done", shell("main", "exit 0")))
    api.until(lambda: phase(api, "done") == "Succeeded")
    with (
        contextlib.suppress(InvalidStatus),
        api.websocket(f"{PODS}/done/{EXEC}&command=id") as websocket,
    ):
        _, status = exit_status(websocket)
        assert status["status"] == "Failure", status
        assert 'container not found ("main")' in status["message"], status
    with nothing_stays_open(api), api.watching(f"{PODS}/done/log?follow=1") as log:
        assert log.rest() == []


def test_a_log_over_websocket_is_the_log(api: Api) -> None:
    with api.websocket(f"{PODS}/p/log?follow=1&tailLines=5", "binary.k8s.io") as websocket:
        assert b"tick" in bytes(websocket.recv(timeout=10))


def test_port_forward_to_nothing_leaves_nothing(api: Api) -> None:
    handshake = (
        f"GET {PODS}/p/portforward?ports=1 HTTP/1.1\r\n{api.head}Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
    )
    with nothing_stays_open(api), api.dialled() as sock:
        sock.sendall(handshake.encode())
        answer = b""
        while b"connection refused" not in answer:
            received = sock.recv(65536)
            assert received, answer
            answer += received
