"""One connection to another side, for threads: TCP, TLS or a Unix socket, with bounded and interruptible waits.

It knows what the other side's kernel has confirmed, which is the most that a protocol without acknowledgements offers.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import ssl
import struct
import termios
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pillion.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_CONFIRMATION_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
"""Seconds between looks at the send queue: nothing wakes a thread when the other side's kernel has confirmed. Within
one machine the first look is enough, and a peer that delays its acknowledgements takes 40 ms."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect: `unix_path`, or `host` and `port`."""

    host: str = ""
    port: int = 0
    unix_path: str = ""
    source_address: str = ""

    def __str__(self) -> str:
        return f"unix:{self.unix_path}" if self.unix_path else f"{self.host}:{self.port}"


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds without any progress after which a connection is given up. 0: never."""

    connect: float = 10.0
    io: float = 30.0


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """TLS, and the name that the other side's certificate must have."""

    context: ssl.SSLContext
    hostname: str


class InterruptedWaitError(PeerError):
    """The wait was ended by `Interruption.interrupt`."""


class SilenceError(PeerError):
    """The other side is connected and says nothing for as long as we wait."""


def open_channel(address: Address, timeouts: Timeouts, security: Security | None, wake: int) -> Channel:
    """Connect. Tries every address of the name in turn; PeerError says why the last one failed."""
    try:
        candidates = (
            [(socket.AF_UNIX, address.unix_path)]
            if address.unix_path
            else [
                (family, where)
                for family, _, _, _, where in socket.getaddrinfo(
                    address.host, address.port, type=socket.SOCK_STREAM
                )
            ]
        )
    except OSError as error:
        raise PeerError(f"cannot find {address.host}: {_cause(error)}") from error
    failure = PeerError(f"{address.host} has no address")
    for family, where in candidates:
        try:
            return _connected(family, where, address, timeouts, security, wake)
        except InterruptedWaitError:
            raise
        except PeerError as error:
            failure = error
    raise failure


class Channel:
    """A connected stream. Every wait ends early, with InterruptedWaitError, when `wake` becomes readable.

    All methods raise PeerError for whatever the network or the other side does; the channel must be closed then.
    """

    def __init__(self, stream: socket.socket, address: Address, timeouts: Timeouts) -> None:
        self._stream = stream
        self._address = address
        self._timeouts = timeouts

    def send(self, data: bytes | memoryview, wake: int) -> None:
        """Hand all of `data` to the system."""
        view = memoryview(data)
        while view:
            view = view[self._attempt(self._stream.send, view, wake, select.POLLOUT, self._timeouts.io) :]

    def receive(self, wake: int, *, timeout: float | None = None) -> bytes:
        """Some bytes. PeerError when the other side has closed, SilenceError after `timeout` seconds (None: `io`)."""
        limit = self._timeouts.io if timeout is None else timeout
        data = self._attempt(self._stream.recv, 65536, wake, select.POLLIN, limit)
        return self._unless_closed(data)

    def receive_at_once(self) -> bytes:
        """What is there already; empty when nothing is. PeerError when the other side has closed."""
        try:
            data = self._stream.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        except OSError as error:
            raise self._failed(error) from error
        return self._unless_closed(data)

    def confirm(self, wake: int) -> None:
        """Return when the other side's kernel has everything that was sent (a Unix socket: the process itself)."""
        waited, step = 0.0, 0
        while self._unconfirmed():
            if self._timeouts.io and waited >= self._timeouts.io:
                raise PeerError(f"{self._address} confirmed nothing for {self._timeouts.io:g} s")
            pause = _CONFIRMATION_PAUSES[min(step, len(_CONFIRMATION_PAUSES) - 1)]
            _wait(self._stream, 0, wake, pause)
            waited += pause
            step += 1

    def close(self) -> None:
        self._stream.close()

    def _unconfirmed(self) -> int:
        try:
            answer = fcntl.ioctl(self._stream.fileno(), termios.TIOCOUTQ, bytes(4))
            # A connection that was reset has an empty queue, too: only its error tells.
            failure = self._stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        except OSError as error:
            raise self._failed(error) from error
        if failure:
            raise self._failed(OSError(failure, ""))
        count: int = struct.unpack("i", answer)[0]
        return count

    def _attempt(
        self, action: Callable[..., T], argument: memoryview | int, wake: int, events: int, timeout: float
    ) -> T:
        while True:
            try:
                return action(argument)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as full:
                # TLS may have to read before it can write, and the other way round.
                if isinstance(full, ssl.SSLError):
                    events = select.POLLIN if isinstance(full, ssl.SSLWantReadError) else select.POLLOUT
                if not _wait(self._stream, events, wake, timeout or None):
                    raise SilenceError(f"{self._address} did nothing for {timeout:g} s") from full
            except OSError as error:
                raise self._failed(error) from error

    def _unless_closed(self, data: bytes) -> bytes:
        if not data:
            raise PeerError(f"{self._address} closed the connection")
        return data

    def _failed(self, error: OSError) -> PeerError:
        return PeerError(f"{self._address}: {_cause(error)}")


def _connected(
    family: int, where: object, address: Address, timeouts: Timeouts, security: Security | None, wake: int
) -> Channel:
    with ExitStack() as undo:
        stream = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        stream.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        try:
            if family != socket.AF_UNIX:
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if address.source_address:
                    stream.bind((address.source_address, 0))
            _connect(stream, where, timeouts.connect, wake)
            if security is not None:
                stream = undo.enter_context(
                    security.context.wrap_socket(
                        stream, server_hostname=security.hostname, do_handshake_on_connect=False
                    )
                )
                _shake_hands(stream, timeouts.connect, wake)
        except OSError as error:
            raise PeerError(f"cannot connect to {address}: {_cause(error)}") from error
        undo.pop_all()
        return Channel(stream, address, timeouts)


def _connect(stream: socket.socket, where: object, timeout: float, wake: int) -> None:
    try:
        stream.connect(where)  # type: ignore[arg-type]  # what getaddrinfo gave, or a path
    except BlockingIOError:
        if not _wait(stream, select.POLLOUT, wake, timeout or None):
            raise TimeoutError(f"no answer for {timeout:g} s") from None
        failure = stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise OSError(failure, "") from None


def _shake_hands(stream: ssl.SSLSocket, timeout: float, wake: int) -> None:
    while True:
        try:
            stream.do_handshake()
        except ssl.SSLWantReadError:
            events = select.POLLIN
        except ssl.SSLWantWriteError:
            events = select.POLLOUT
        else:
            return
        if not _wait(stream, events, wake, timeout or None):
            raise TimeoutError(f"no TLS handshake for {timeout:g} s")


def _wait(stream: socket.socket, events: int, wake: int, seconds: float | None) -> bool:
    """True when something happened on `stream`; False after `seconds`."""
    poll = select.poll()
    poll.register(stream, events)
    poll.register(wake, select.POLLIN)
    ready = poll.poll(None if seconds is None else seconds * 1000)
    if any(descriptor == wake for descriptor, _ in ready):
        raise InterruptedWaitError("interrupted: the collector stops")
    return bool(ready)


def _cause(error: OSError) -> str:
    """What went wrong, for people; a TLS failure says it in `reason` or `verify_message`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if error.errno and not error.strerror:
        return os.strerror(error.errno)
    return error.strerror or str(error)
