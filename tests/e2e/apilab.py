"""A server of `pillion serve` as a client without manners sees it: bytes on TLS connections.

with served(folder) as server:
    api = Api(server)
    api.get("/api/v1/nodes").tree                       # a request of its own connection
    with api.watching(f"{CONFIG_MAPS}?watch=true") as watch:
        watch.next()                                    # one event; fails the test after WITHIN seconds
    with api.dialled() as connection:                   # anything at all
        connection.sendall(b"GET /\\r\\n")
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from tests.e2e.lab import a_pod, server
from tests.e2e.served import Served, served
from tests.e2e.websocketclient import WebSocket, websocket

Tree = dict[str, Any]

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
NAMESPACES = "/api/v1/namespaces"
JSON = "application/json"
WITHIN = 12.0
"""Seconds until an expectation is given up."""


class Reply:
    def __init__(self, response: HTTPResponse) -> None:
        self.code = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def tree(self) -> Tree:
        tree: Tree = json.loads(self.body)
        return tree

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Of a Status: code, reason, message. All codes agree."""
        tree = self.tree
        assert (tree["kind"], tree["apiVersion"], tree["status"]) == ("Status", "v1", "Failure"), tree
        assert tree["code"] == self.code
        return self.code, tree.get("reason", ""), tree["message"]


class Watch:
    """Events of one open watch."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response

    def next(self) -> Tree:
        line = self._response.readline()
        assert line, "the watch has ended"
        event: Tree = json.loads(line)
        return event

    def next_object(self) -> tuple[str, str]:
        """Type and name."""
        event = self.next()
        return event["type"], event["object"]["metadata"]["name"]

    def rest(self) -> list[Tree]:
        """Until the server ends it."""
        return [json.loads(line) for line in self._response]


class Api:
    def __init__(self, server: Served, token: str | None = None) -> None:
        """As the administrator, or with another token; the empty one is none."""
        self.server = server
        state = server.state
        known = json.loads((state / "serve.json").read_bytes())
        self.port: int = known["port"]
        self.pid: int = known["pid"]
        config = _kubeconfig(state / "kubeconfig")
        self.tls = ssl.create_default_context(cadata=config["ca"])
        self.token = config["token"] if token is None else token

    # Requests

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """`body`: bytes as they are, anything else as JSON. `content_type="…"` becomes a header."""
        with self._open(method, path, body, headers) as response:
            return Reply(response)

    def get(self, path: str, **headers: str) -> Reply:
        return self.call("GET", path, **headers)

    def create(self, path: str, tree: Tree) -> Tree:
        reply = self.call("POST", path, tree)
        assert reply.code == 201, reply.body
        return reply.tree

    def delete(self, path: str) -> None:
        reply = self.call("DELETE", path)
        assert reply.code in (200, 202, 404), reply.body

    @contextmanager
    def watching(self, path: str, **headers: str) -> Iterator[Watch]:
        with self._open("GET", path, None, headers) as response:
            assert response.status == 200, response.read()
            yield Watch(response)

    @contextmanager
    def _open(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Iterator[HTTPResponse]:
        with self.dialled() as sock:
            connection = HTTPConnection("127.0.0.1", self.port)
            connection.sock = sock
            given = self.headers | {"Content-Type": JSON}
            given |= {name.replace("_", "-"): value for name, value in headers.items()}
            content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            if content is not None or method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(content or b"")))
            # Refused before all of it was sent: the answer says why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                connection.endheaders(content)
            response = connection.getresponse()
            try:
                yield response
            finally:
                response.close()
                connection.close()

    # Streams

    @contextmanager
    def websocket(self, path: str, subprotocol: str = "v5.channel.k8s.io") -> Iterator[WebSocket]:
        url = f"wss://127.0.0.1:{self.port}{path}"
        with websocket(url, self.tls, self.headers, subprotocol, WITHIN) as found:
            yield found

    # Connections

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def head(self) -> str:
        """The lines of a hand-written request that every request needs."""
        return "Host: x\r\n" + "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())

    @contextmanager
    def dialled(self) -> Iterator[ssl.SSLSocket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN) as plain:
            sock = self.tls.wrap_socket(plain, server_hostname="127.0.0.1")
            try:
                yield sock
            finally:
                sock.close()

    # What the server has open

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def long_running(self, verb: str = "") -> int:
        """Requests the server holds open: watches and streams."""
        start = f'apiserver_longrunning_requests{{verb="{verb}'
        lines = self.get("/metrics").body.decode().splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(start))

    def until(self, fact: Callable[[], object], within: float = WITHIN) -> None:
        """Ask until it is so."""
        waiter = threading.Event()
        for _ in range(int(within / 0.02)):
            if fact():
                return
            waiter.wait(0.02)
        raise AssertionError(f"not within {within} s\n{self.server.log[-2000:]}")


@contextmanager
def shared(folder: Path) -> Iterator[Api]:
    """One server for all tests of a module, whose log shows no error of its own."""
    with served(folder) as running:
        yield Api(running)
        assert "Traceback" not in running.log, running.log


def config_map(name: str = "a", **data: str) -> Tree:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def running_pod(api: Api, name: str, *, before: str = ":", **spec: Any) -> Tree:
    """A Pod of one container that serves until it is told to end."""
    api.create(PODS, a_pod(name, server("main", before), **spec))
    api.until(lambda: phase(api, name) == "Running")
    pod: Tree = api.get(f"{PODS}/{name}").tree
    return pod


def phase(api: Api, name: str) -> str:
    found: str = api.get(f"{PODS}/{name}").tree.get("status", {}).get("phase", "")
    return found


def exit_status(conversation: WebSocket) -> tuple[bytes, Tree]:
    """All of an exec: its stdout and the Status on the error channel."""
    stdout, status = b"", b""
    for message in conversation.all(WITHIN):
        assert isinstance(message, bytes)
        if message[:1] == b"\1":
            stdout += message[1:]
        elif message[:1] == b"\3":
            status += message[1:]
    tree: Tree = json.loads(status)
    return stdout, tree


def _kubeconfig(path: Path) -> dict[str, str]:
    """Its token, and its CA as PEM."""
    import yaml

    config = yaml.safe_load(path.read_text())
    ca = config["clusters"][0]["cluster"]["certificate-authority-data"]
    return {"ca": base64.b64decode(ca).decode(), "token": config["users"][0]["user"]["token"]}
