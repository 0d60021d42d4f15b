"""Connections of inputs that listen: bounded in number and in patience, and ended in order when the collector stops."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec

from pillion.collector.configuration.settings import Keys, Kind, key
from pillion.errors import HostError

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

_CONNECTIONS = 1000
"""Most at a time; the next one is closed at once."""
_READ_BYTES = 64 << 10
_LAST_READ = 0.1
"""Seconds of silence after which a connection has said everything, once the collector stops."""
_LAST_READS = 2.0
"""Seconds after which it is not listened to any more, then, even if it never falls silent."""
_COMPLAINT_INTERVAL = 10.0
"""Seconds between two lines about the same kind of bad client."""


class ListenSettings(Keys, frozen=True, kw_only=True):
    """A group of inputs that listen (src/flb_downstream.c, `downstream_net`)."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "net.accept_timeout_log_error": "a connection that is not completed is always said",
    }

    io_timeout: Annotated[
        float,
        key(name="net.io_timeout", kind=Kind.SECONDS, help="how long a connection may be idle; 0: for ever"),
    ] = 0.0
    accept_timeout: Annotated[
        float, key(name="net.accept_timeout", kind=Kind.SECONDS, help="how long a TLS handshake may take")
    ] = 10.0
    keepalive: Annotated[
        bool, key(name="net.keepalive", help="several requests over one connection, of http")
    ] = True
    share_port: Annotated[bool, key(name="net.share_port", help="let others listen on the port, too")] = False
    backlog: Annotated[int, key(name="net.backlog", help="connections that wait to be accepted")] = 128


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """What to listen on: `unix_path`, or `host` and `port`."""

    host: str = ""
    port: int = 0
    unix_path: str = ""
    unix_mode: int | None = None
    settings: ListenSettings = ListenSettings()

    def __str__(self) -> str:
        return f"unix:{self.unix_path}" if self.unix_path else f"{self.host}:{self.port}"


class SilentPeerError(Exception):
    """The other side began something and does not go on."""


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._patience: asyncio.Timeout | None = None
        self._last_read_until: float | None = None
        self._owed = 0
        self._is_served = False
        self._ended: Callable[[], None] | None = None
        name = writer.get_extra_info("peername")
        self.peer = str(name[0]) if isinstance(name, tuple) else "a local process"

    @property
    def is_ending(self) -> bool:
        """The collector stops."""
        return self._last_read_until is not None

    @property
    def is_closed(self) -> bool:
        return self._writer.is_closing()

    async def receive(self, timeout: float | None) -> bytes:
        """Some bytes; none at the end, or when the collector stops and there are no more.

        Raises SilentPeerError after `timeout` seconds.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout) as self._patience:
                if self._last_read_until is not None:
                    self._patience.reschedule(min(loop.time() + _LAST_READ, self._last_read_until))
                return await self._reader.read(_READ_BYTES)
        except TimeoutError:
            if self.is_ending:
                return b""
            raise SilentPeerError from None
        except OSError:  # reset, or TLS that is none any more
            return b""
        finally:
            self._patience = None

    async def receive_next(self, timeout: float | None) -> bytes:
        """As `receive`, between two messages: nobody is blamed for having nothing to say."""
        try:
            return await self.receive(timeout)
        except SilentPeerError:
            return b""

    async def send(self, data: bytes, timeout: float) -> None:
        """Wait until the other side takes it. Raises SilentPeerError when it does not."""
        self._writer.write(data)
        try:
            async with asyncio.timeout(timeout):
                await self._writer.drain()
        except TimeoutError:
            self._writer.transport.abort()
            raise SilentPeerError from None
        except OSError:
            self._writer.close()

    def send_small(self, data: bytes) -> None:
        """From a callback: a few bytes, to somebody who reads them; who does not is let go."""
        if self.is_closed:
            return
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size() > _READ_BYTES:
            self._writer.transport.abort()

    def owe(self) -> None:
        """An answer will be due, maybe when nobody serves the connection any more: it stays open until `pay`."""
        self._owed += 1

    def pay(self, answer: bytes = b"") -> None:
        """The answer, if there is one to give."""
        self._owed -= 1
        if answer:
            self.send_small(answer)
        self._close_when_done()

    def served(self) -> None:
        """Nobody reads from it any more."""
        self._is_served = True
        self._close_when_done()

    def _close_when_done(self) -> None:
        if self._is_served and not self._owed:
            self._writer.close()

    def when_ending(self, call: Callable[[], None] | None) -> None:
        """Be told of the end while waiting for something else than `receive`."""
        self._ended = call

    def end(self) -> None:
        """Let `receive` give out what is there, and then its end."""
        if self._ended is not None:
            self._ended()
        loop = asyncio.get_running_loop()
        self._last_read_until = loop.time() + _LAST_READS
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(loop.time() + _LAST_READ)

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


class Listener:
    """Runs `serve` for each connection. One that owes answers stays open when `serve` has returned, until `close`."""

    def __init__(self, where: Where, security: ssl.SSLContext | None, log: logging.Logger) -> None:
        self._where = where
        self._security = security
        self._complaints = Complaints(log)
        self._connections: set[Connection] = set()
        self.port: int | None = None
        """The one that it listens on, once it does."""
        self.is_listening = asyncio.Event()

    def complain(self, kind: str, sentence: str) -> None:
        """Say it, unless much of this kind was said lately."""
        self._complaints.say(kind, sentence, asyncio.get_running_loop().time())

    async def run(
        self,
        serve: Callable[[Connection], Awaitable[None]],
        stopping: asyncio.Event,
        most: int = 0,
    ) -> None:
        """Until `stopping` is set, and every connection has given what it had. `most` connections; 0: the default.

        Raises HostError when it cannot listen.
        """
        limit = most or _CONNECTIONS
        group = asyncio.TaskGroup()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = Connection(reader, writer)
            if len(self._connections) >= limit or stopping.is_set():
                self.complain("many", f"{limit} connections are open: {connection.peer} has to wait")
                connection.abort()
                return
            self._connections.add(connection)
            group.create_task(self._attend(connection, serve))

        server = await self._open(accepted)
        async with group:
            await server.start_serving()
            self.is_listening.set()
            try:
                await stopping.wait()
            finally:
                server.close()
                for connection in self._connections:
                    connection.end()

    async def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        if self._where.unix_path:
            Path(self._where.unix_path).unlink(missing_ok=True)

    async def _attend(self, connection: Connection, serve: Callable[[Connection], Awaitable[None]]) -> None:
        try:
            await serve(connection)
        except SilentPeerError:
            self.complain("silent", f"{connection.peer} began a message and did not go on: closed")
            connection.abort()
        finally:
            connection.served()
            # Whoever still owes an answer is kept alive by the one who will give it, and closed by `close`.
            self._connections = {known for known in self._connections if not known.is_closed}

    async def _open(
        self, accepted: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
    ) -> asyncio.Server:
        where = self._where
        security = self._security
        timeout = where.settings.accept_timeout if security is not None else None
        try:
            if where.unix_path:
                _remove_socket(Path(where.unix_path))
                server = await asyncio.start_unix_server(
                    accepted,
                    where.unix_path,
                    backlog=where.settings.backlog,
                    ssl=security,
                    ssl_handshake_timeout=timeout,
                    start_serving=False,
                )
                if where.unix_mode is not None:
                    Path(where.unix_path).chmod(where.unix_mode)
            else:
                server = await asyncio.start_server(
                    accepted,
                    where.host,
                    where.port,
                    backlog=where.settings.backlog,
                    reuse_port=where.settings.share_port or None,
                    ssl=security,
                    ssl_handshake_timeout=timeout,
                    start_serving=False,
                )
                self.port = server.sockets[0].getsockname()[1]
        except OSError as error:
            raise HostError(f"cannot listen on {where}: {error.strerror or error}") from error
        return server


class Complaints:
    """One line for each kind of complaint in a while, with the number of those that were not said."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[str, tuple[float, int]] = {}
        """By kind: when it was said last, and how many were passed over since."""

    def say(self, kind: str, sentence: str, now: float) -> None:
        at, passed_over = self._said.get(kind, (float("-inf"), 0))
        if now - at < _COMPLAINT_INTERVAL:
            self._said[kind] = (at, passed_over + 1)
            return
        self._said[kind] = (now, 0)
        self._log.warning("%s%s", sentence, f" (and {passed_over} more like it)" if passed_over else "")


def _remove_socket(path: Path) -> None:
    """What an earlier process has left. Raises OSError for anything else in its place."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise OSError("it exists and is no socket")
    except FileNotFoundError:
        return
    path.unlink()
