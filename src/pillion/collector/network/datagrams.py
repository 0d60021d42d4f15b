"""Datagrams to one address, for threads: UDP, or a Unix socket like /dev/log."""

from __future__ import annotations

import errno
import select
import socket
from typing import TYPE_CHECKING

from pillion.collector.network.channel import InterruptedWaitError
from pillion.errors import PeerError

if TYPE_CHECKING:
    from pillion.collector.network.channel import Address


class RefusedDatagramsError(PeerError):
    """Nobody is there: the kernel tells after the fact, so earlier datagrams are lost, too."""


class Datagrams:
    def __init__(self, peer: socket.socket, address: Address) -> None:
        self._socket = peer
        self._address = address

    def send(self, data: bytes, wake: int) -> None:
        """Raises PeerError, and ValueError for a datagram that is too large for one."""
        while True:
            try:
                self._socket.send(data)
            except BlockingIOError:
                _wait(self._socket, wake)
            except ConnectionRefusedError as error:
                raise RefusedDatagramsError(f"{self._address}: nobody is listening") from error
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    raise ValueError(f"{len(data)} bytes are too many for a datagram") from error
                raise PeerError(f"{self._address}: {error.strerror}") from error
            else:
                return

    def check(self) -> None:
        """Raises RefusedDatagramsError when the kernel knows by now that nobody was there."""
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise RefusedDatagramsError(f"{self._address}: nobody is listening")

    def close(self) -> None:
        self._socket.close()


def open_datagrams(address: Address) -> Datagrams:
    """Raises PeerError."""
    try:
        if address.unix_path:
            return _connected(socket.AF_UNIX, address.unix_path, address)
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
        family, _, _, _, where = found[0]
        return _connected(family, where, address)
    except OSError as error:
        raise PeerError(f"cannot send to {address}: {error.strerror}") from error


def _connected(family: int, where: object, address: Address) -> Datagrams:
    peer = socket.socket(family, socket.SOCK_DGRAM)
    try:
        peer.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        if address.source_address and family != socket.AF_UNIX:
            peer.bind((address.source_address, 0))
        peer.connect(where)  # type: ignore[arg-type]  # what getaddrinfo gave, or a path
    except OSError:
        peer.close()
        raise
    return Datagrams(peer, address)


def _wait(peer: socket.socket, wake: int) -> None:
    poll = select.poll()
    poll.register(peer, select.POLLOUT)
    poll.register(wake, select.POLLIN)
    if any(descriptor == wake for descriptor, _ in poll.poll()):
        raise InterruptedWaitError("interrupted: the collector stops")
