"""conmon's attach socket and control fifo: the way to the stdio of what it monitors.

Each packet from conmon is one byte that names the stream and then the data; packets to conmon are bare stdin
(conmon: src/conn_sock.c, src/ctrl.c). conmon waits for a client that does not read: a slow one slows the container.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from pillion.streams import STDERR, STDOUT

_PACKET = 8192
"""conmon's buffers hold this much at least; more in one packet would be cut."""
_LARGEST = 64 * 1024
_STREAMS = {2: STDOUT, 3: STDERR}


class Console:
    """A connection to the attach socket in `folder`. `close` must be called in the end; what is attached goes on."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError: nobody listens there any more."""
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._is_shut = False
        try:
            # The path is longer than a socket's name may be.
            at = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            try:
                self._socket.connect(f"/proc/self/fd/{at}/attach")
            finally:
                os.close(at)
        except OSError:
            self._socket.close()
            raise

    async def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        view = memoryview(data)
        for start in range(0, len(view), _PACKET):
            if self._is_shut:
                return
            try:
                await loop.sock_sendall(self._socket, view[start : start + _PACKET])
            except OSError:  # it has ended, or its stdin was closed
                self._is_shut = True

    def close_write(self) -> None:
        """End of stdin, unless conmon was told to leave it open."""
        if not self._is_shut:
            self._is_shut = True
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:  # the other end was quicker
                return

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Until conmon ends."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                packet = await loop.sock_recv(self._socket, _LARGEST)
            except ConnectionResetError:
                return
            if not packet:
                return
            yield _STREAMS.get(packet[0], STDOUT), packet[1:]

    def resize(self, width: int, height: int) -> None:
        try:
            ctl = os.open(self._folder / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # it has ended
            return
        try:
            os.write(ctl, b"1 %d %d\n" % (height, width))
        finally:
            os.close(ctl)

    def close(self) -> None:
        self._socket.close()
