"""`pillion serve` as a process of its own on a folder of its own, with the clients that measure it.

The clients are lean, so that the figures are the server's: http.client on a kept connection, bare lines for watches.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml

from bench.command import PILLION
from bench.program import IMAGE

Tree = dict[str, Any]

_WITHIN = 60.0
"""Seconds after which nothing comes any more."""


class Refused(Exception):  # noqa: N818 - the server's answer
    """An answer that no benchmark expects."""


class Served:
    """A server that answers, and how to talk to it."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid = pid
        self.state = folder / "state"
        self._home = folder
        self._kubeconfig = self.state / "kubeconfig"
        config = yaml.safe_load(self._kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        authorities = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.tls = ssl.create_default_context(cadata=authorities)
        self.host, _, port = cluster["server"].removeprefix("https://").partition(":")
        self.port = int(port)
        self.authorization = f"Bearer {config['users'][0]['user']['token']}"

    def connect(self) -> Client:
        return Client(self)

    def kubectl(self, *arguments: str, stdin: bytes = b"") -> float:
        """Milliseconds from start to end of the real one. Its cache of the server's resources is this server's own."""
        environment = dict(os.environ) | {"KUBECONFIG": str(self._kubeconfig), "HOME": str(self._home)}
        begun = time.perf_counter()
        subprocess.run(
            ("kubectl", *arguments), input=stdin, env=environment, stdout=subprocess.DEVNULL, check=True
        )
        return (time.perf_counter() - begun) * 1000

    @asynccontextmanager
    async def watching(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The events of a watch as they come, undecoded: decoding would be measured too."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls, limit=1 << 20)
        try:
            head = f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: {self.authorization}\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise Refused(answer.decode())
            yield _events(reader)
        finally:
            writer.transport.abort()


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines between the chunk sizes: the server ends every event, and nothing else, with a newline after a brace."""
    while line := await reader.readline():
        if line.startswith(b"{"):
            yield line


class Client:
    """One connection, kept open; one request at a time."""

    def __init__(self, served: Served) -> None:
        self._connection = http.client.HTTPSConnection(
            served.host, served.port, context=served.tls, timeout=_WITHIN
        )
        self._headers = {"Authorization": served.authorization, "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Tree | None = None, *, accept: str = "*/*") -> bytes:
        """The answer's body. Raises Refused."""
        encoded = None if body is None else msgspec.json.encode(body)
        self._connection.request(method, path, encoded, self._headers | {"Accept": accept})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise Refused(f"{method} {path}: {answer.status} {content.decode()}")
        return content

    def timed(self, method: str, path: str, body: Tree | None = None, *, accept: str = "*/*") -> float:
        """Milliseconds until the whole answer is here."""
        begun = time.perf_counter()
        self.ask(method, path, body, accept=accept)
        return (time.perf_counter() - begun) * 1000

    def events(self, path: str) -> Iterator[Tree]:
        """A watch on this connection, which is of no other use from then on. It has begun when this returns."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        if answer.status != 200:
            raise Refused(f"{path}: {answer.read().decode()}")
        return (json.loads(line) for line in answer)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A new server on FOLDER/state, whose pods run the image in FOLDER/image. Its pods are gone at the end."""
    folder.mkdir(exist_ok=True)
    argv = (PILLION, "serve", "--port", "0", "--state-dir", str(folder / "state"))
    with (
        (folder / "serve.log").open("wb") as log,
        subprocess.Popen(
            (*argv, "--image", f"{IMAGE}={folder / 'image'}"), stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError(f"pillion serve did not start: {(folder / 'serve.log').read_text()}")
            yield Served(process.pid, folder)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_WITHIN)


class Detached:
    """A server in the background on FOLDER/state, that may be killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = folder / "state"
        self._port = "0"

    def start(self) -> Served:
        """Returns when `pillion serve --detach` does."""
        argv = (PILLION, "serve", "--detach", "--port", self._port, "--state-dir", str(self._state))
        image = f"{IMAGE}={self._folder / 'image'}"
        # As an installed pillion: with its bytecode on disk, also where a development machine forbids to write any.
        environment = dict(os.environ) | {"PYTHONPYCACHEPREFIX": str(self._folder / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run((*argv, "--image", image), stdout=subprocess.DEVNULL, env=environment, check=True)
        known = json.loads((self._state / "serve.json").read_bytes())
        self._port = str(known["port"])
        return Served(known["pid"], self._folder)

    def kill(self, server: Served) -> None:
        process = os.pidfd_open(server.pid)
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [], _WITHIN)
        os.close(process)

    def stop(self) -> None:
        subprocess.run(
            (PILLION, "stop", "--now", "--state-dir", str(self._state)), stdout=subprocess.DEVNULL, check=True
        )


@contextmanager
def detached(folder: Path) -> Iterator[Detached]:
    folder.mkdir(exist_ok=True)
    server = Detached(folder)
    try:
        yield server
    finally:
        server.stop()


def has_kubectl() -> bool:
    return shutil.which("kubectl") is not None
