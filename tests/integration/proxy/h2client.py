"""One HTTP/2 connection over TLS, by the library h2: its streams, and what the server says about the connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.errors
import h2.events

PATIENCE = 30.0
Headers = Sequence[tuple[str, str]]


class _GoingOn(h2.connection.H2ConnectionStateMachine):
    """After GOAWAY the streams it allows go on (RFC 9113, section 6.8); h2 takes the connection for closed."""

    _transitions = h2.connection.H2ConnectionStateMachine._transitions | {
        (h2.connection.ConnectionState.CLIENT_OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY): (
            None,
            h2.connection.ConnectionState.CLIENT_OPEN,
        )
    }


class Stream:
    def __init__(self, number: int) -> None:
        self.number = number
        self.informed: list[str] = []
        """Statuses that came before the answer: `100`."""
        self.headers: dict[str, str] = {}
        self.trailers: dict[str, str] = {}
        self.body = b""
        self.reset: h2.errors.ErrorCodes | int | None = None
        self.is_over = False

    @property
    def status(self) -> int:
        """0: no answer came."""
        return int(self.headers.get(":status", 0))


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration())
        self._h2.state_machine = _GoingOn()
        self._changed = asyncio.Condition()
        self.streams: dict[int, Stream] = {}
        self.last_stream: int | None = None
        """Of the server's last GOAWAY; streams above it were not worked on."""
        self.is_closed = False

    async def begin(self) -> None:
        self._h2.initiate_connection()
        await self._flush()

    async def send(
        self, path: str, *, method: str = "GET", headers: Headers = (), body: bytes | None = None
    ) -> Stream:
        number = self._h2.get_next_available_stream_id()
        stream = self.streams[number] = Stream(number)
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "agent.test"), (":path", path)]
        self._h2.send_headers(number, [*pseudo, *headers], end_stream=body is None)
        await self._flush()
        if ("expect", "100-continue") in headers:
            await self.until(lambda: stream.informed or stream.headers)
        if body is not None:
            await self._upload(number, body)
        return stream

    async def until(self, claim: Callable[[], object]) -> None:
        """Waits until `claim()` holds, or the connection is closed."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: claim() or self.is_closed)

    async def finish(self, stream: Stream) -> Stream:
        await self.until(lambda: stream.is_over)
        return stream

    async def get(self, path: str, *, headers: Headers = ()) -> Stream:
        return await self.finish(await self.send(path, headers=headers))

    async def _upload(self, number: int, body: bytes) -> None:
        rest = memoryview(body)
        while rest and not self.streams[number].is_over:
            room = min(
                self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size, len(rest)
            )
            if room <= 0:
                await self.until(
                    lambda: self._h2.local_flow_control_window(number) > 0 or self.streams[number].is_over
                )
                continue
            self._h2.send_data(number, bytes(rest[:room]))
            rest = rest[room:]
            await self._flush()
        if not self.streams[number].is_over:
            self._h2.end_stream(number)
            await self._flush()

    async def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())
        await self._writer.drain()

    async def read(self) -> None:
        """Until the server hangs up."""
        try:
            while data := await self._reader.read(65536):
                for event in self._h2.receive_data(data):
                    self._take(event)
                await self._flush()
                async with self._changed:
                    self._changed.notify_all()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            self.is_closed = True
            async with self._changed:
                self._changed.notify_all()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                self.streams[event.stream_id].headers = _text(event.headers)
            case h2.events.InformationalResponseReceived():
                self.streams[event.stream_id].informed.append(_text(event.headers)[":status"])
            case h2.events.TrailersReceived():
                self.streams[event.stream_id].trailers = _text(event.headers)
            case h2.events.DataReceived():
                self.streams[event.stream_id].body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.streams[event.stream_id].is_over = True
            case h2.events.StreamReset():
                self.streams[event.stream_id].reset = event.error_code
                self.streams[event.stream_id].is_over = True
            case h2.events.ConnectionTerminated():
                self.last_stream = event.last_stream_id
            case _:
                pass


def _text(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}


@asynccontextmanager
async def connect(port: int, tls: ssl.SSLContext, *, name: str = "agent.test") -> AsyncIterator[Connection]:
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    connection = Connection(reader, writer)
    async with asyncio.TaskGroup() as tasks:
        await connection.begin()
        reading = tasks.create_task(connection.read())
        try:
            yield connection
        finally:
            reading.cancel()
            writer.transport.abort()
