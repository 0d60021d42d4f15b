"""A small HTTP/1.1 server on h11: one connection, one task; bounded in every direction."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import h11

from pillion.collector.service.endpoints import Answer
from pillion.errors import HostError

CONNECTIONS = 64
IDLE_SECONDS = 30.0
"""For a request to be complete, and for the next one on a kept connection to begin."""
BODY_BYTES = 64 << 10
"""Nobody needs one; it is read away."""

Respond = Callable[[str, str], Awaitable[Answer]]
"""(method, target)"""


@contextlib.asynccontextmanager
async def serve(host: str, port: int, respond: Respond, log: logging.Logger) -> AsyncIterator[int]:
    """Serves until it is left; gives the port it listens on. Raises HostError when it cannot."""
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            if len(connections) <= CONNECTIONS:
                await _converse(reader, writer, respond)
        except (OSError, TimeoutError, h11.RemoteProtocolError):
            log.debug("a client of the HTTP port went away or spoke no HTTP")
        finally:
            connections.discard(task)
            writer.close()

    try:
        server = await asyncio.start_server(accept, host, port)
    except OSError as error:
        raise HostError(
            f"cannot listen on {host}:{port}: {error.strerror}; see http_listen and http_port"
        ) from error
    bound: int = server.sockets[0].getsockname()[1]
    log.info("listening on %s:%d", host, bound)
    try:
        yield bound
    finally:
        server.close()
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)
        await server.wait_closed()


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            request = await _request(connection, reader)
        if request is None:
            return
        answer = await respond(request.method.decode("ascii"), request.target.decode("ascii", "replace"))
        headers = [
            ("content-type", answer.type),
            ("content-length", str(len(answer.body))),
        ]
        writer.write(connection.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
        if request.method != b"HEAD":
            writer.write(connection.send(h11.Data(data=answer.body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        async with asyncio.timeout(IDLE_SECONDS):
            await writer.drain()
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The next request, its body read away; None when there is none."""
    request: h11.Request | None = None
    body = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(16 << 10))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += len(event.data)
            if body > BODY_BYTES:
                return None
        elif isinstance(event, h11.EndOfMessage):
            return request
        else:  # the connection is closed, or waits for a response that will not come
            return None
