"""A host of its own for network tests: the test's thread in a fresh network namespace, with one machine next door.

    outside (203.0.113.2) ──── up0 203.0.113.1 ── [this thread: "the host"] ── bridge ── pods

Namespaces are held by descriptors only, so nothing is left when the test ends, however it ends.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pillion.network.netns import CLONE_NEWNET, inside

HOST, OUTSIDE = "203.0.113.1", "203.0.113.2"
SECONDS = 5.0
REFUSED_SECONDS = 0.3
"""How long to wait for what must not arrive when nothing answers."""


class Lab:
    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.outside = self.netns()

    def netns(self) -> int:
        """A new network namespace; the descriptor that holds it."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            with inside(home):
                _new_namespace()
                made = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        finally:
            os.close(home)
        self._stack.callback(os.close, made)
        return made

    def path(self, netns: int) -> str:
        return f"/proc/{os.getpid()}/fd/{netns}"

    def serve(
        self, netns: int | None, port: int, kind: int = socket.SOCK_STREAM, address: str = ""
    ) -> socket.socket:
        server = self._socket(netns, kind)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        if kind == socket.SOCK_STREAM:
            server.listen()
        return server

    def client(self, netns: int | None = None) -> socket.socket:
        return self._socket(netns, socket.SOCK_DGRAM)

    def reach(self, server: socket.socket, address: str, port: int, *, netns: int | None = None) -> str:
        """Connect to the address and see the connection arrive at the server. Returns whom the server sees."""
        with self._socket(netns, socket.SOCK_STREAM) as client:
            client.connect((address, port))
            connection, peer = server.accept()
            with connection:
                connection.settimeout(SECONDS)
                connection.sendall(b"hello")
                assert client.recv(5) == b"hello"
            return str(peer[0])

    def is_refused(self, address: str, port: int, *, netns: int | None = None) -> bool:
        with self._socket(netns, socket.SOCK_STREAM) as client:
            client.settimeout(REFUSED_SECONDS)
            try:
                client.connect((address, port))
            except (ConnectionRefusedError, TimeoutError):
                return True
            return False

    def run(self, *argv: str, netns: int | None = None) -> str:
        if netns is None:
            return _output(argv)
        with inside(netns):
            return _output(argv)

    def _socket(self, netns: int | None, kind: int) -> socket.socket:
        if netns is None:
            made = socket.socket(socket.AF_INET, kind)
        else:
            with inside(netns):
                made = socket.socket(socket.AF_INET, kind)
        made.settimeout(SECONDS)
        self._stack.callback(made.close)
        return made


@contextmanager
def open_lab() -> Iterator[Lab]:
    with ExitStack() as stack:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        stack.callback(os.close, home)
        stack.enter_context(inside(home))
        _new_namespace()
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0")  # the machine's own setting is inherited
        lab = Lab(stack)
        lab.run("ip", "link", "set", "lo", "up")
        near = ("ip", "link", "add", "up0", "mtu", "1400", "type", "veth")
        far = ("peer", "name", "down0", "mtu", "1400", "netns", lab.path(lab.outside))
        lab.run(*near, *far)
        lab.run("ip", "address", "add", f"{HOST}/24", "dev", "up0")
        lab.run("ip", "link", "set", "up0", "up")
        lab.run("ip", "route", "add", "default", "via", OUTSIDE)
        lab.run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "down0", netns=lab.outside)
        lab.run("ip", "link", "set", "down0", "up", netns=lab.outside)
        yield lab


def _new_namespace() -> None:
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
        raise OSError("cannot make a network namespace: needs root")


def _output(argv: tuple[str, ...]) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
