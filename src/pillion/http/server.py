"""A small HTTP/1.1 server on h11: one connection, one task; bounded in every direction."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus

import h11
import msgspec

from pillion.errors import HostError

CONNECTIONS = 64
"""At one time. One more takes the place of the one that has been silent for longest: whoever keeps connections open
shall not keep the kubelet from its probes."""
IDLE_SECONDS = 30.0
"""For a request to be complete, and for the next one on a kept connection to begin."""
BODY_BYTES = 64 << 10
"""Most of a request's body, unless a server says otherwise."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the server has it."""

    method: str
    target: str
    """Path and query, as they were sent."""
    headers: Mapping[str, str] = {}
    """Names in lower case; of one that came several times, the values with commas between."""
    body: bytes = b""
    peer: str = ""
    """The address of who asks; empty: it has none."""


class Response(msgspec.Struct, frozen=True, kw_only=True):
    status: HTTPStatus = HTTPStatus.OK
    type: str = "text/plain"
    """Content-Type."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further ones."""
    body: bytes = b""


Respond = Callable[[Asked], Awaitable[Response]]


@contextlib.asynccontextmanager
async def serve(
    host: str,
    port: int,
    respond: Respond,
    log: logging.Logger,
    *,
    body_limit: int = BODY_BYTES,
    keys: str = "",
) -> AsyncIterator[int]:
    """Serves until it is left; gives the port it listens on. Raises HostError when it cannot.

    A request with a body of more than `body_limit` bytes gets no answer. `keys` are the settings that say where to
    listen.
    """
    connections: set[asyncio.Task[None]] = set()
    silent: dict[asyncio.StreamWriter, None] = {}
    """Connections whose next request is not complete, the longest silent one first."""
    ending = False

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            if len(connections) > CONNECTIONS and silent:
                longest = next(iter(silent))
                del silent[longest]
                longest.transport.abort()
            elif len(connections) > CONNECTIONS:
                return
            await _converse(reader, writer, respond, body_limit, silent)
        except (OSError, TimeoutError, h11.RemoteProtocolError):
            log.debug("a client of the HTTP port went away or spoke no HTTP")
        except asyncio.CancelledError:
            # Python 3.11's StreamReaderProtocol asks a cancelled task for its exception, and prints what it gets.
            if not ending:
                raise
        finally:
            connections.discard(task)
            writer.close()

    try:
        server = await asyncio.start_server(accept, host, port)
    except OSError as error:
        see = f"; see {keys}" if keys else ""
        raise HostError(f"cannot listen on {host}:{port}: {error.strerror}{see}") from error
    bound: int = server.sockets[0].getsockname()[1]
    log.info("listening on %s:%d", host, bound)
    try:
        yield bound
    finally:
        ending = True
        server.close()
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)
        await server.wait_closed()


async def _converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    respond: Respond,
    body_limit: int,
    silent: dict[asyncio.StreamWriter, None],
) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        silent[writer] = None
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                request = await _request(connection, reader, writer, body_limit)
        finally:
            silent.pop(writer, None)
        if request is None:
            return
        response = await respond(request)
        headers = [
            ("content-type", response.type),
            ("content-length", str(len(response.body))),
            *response.headers,
        ]
        writer.write(connection.send(h11.Response(status_code=response.status, headers=headers)) or b"")
        if request.method != "HEAD":
            writer.write(connection.send(h11.Data(data=response.body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        async with asyncio.timeout(IDLE_SECONDS):
            await writer.drain()
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _request(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body_limit: int
) -> Asked | None:
    """The next request; None when there is none."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[])
                writer.write(connection.send(go_on) or b"")
            connection.receive_data(await reader.read(16 << 10))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > body_limit:
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Asked(
                method=head.method.decode("ascii"),
                target=head.target.decode("ascii", "replace"),
                headers=_headers(head),
                body=bytes(body),
                peer=str((writer.get_extra_info("peername") or ("",))[0]),
            )
        else:  # the connection is closed, or waits for a response that will not come
            return None


def _headers(request: h11.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
