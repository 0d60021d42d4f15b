"""The http input: records that are posted to it, `POST /TAG` (plugins/in_http).

Its answer says that the records are settled. A client that is told to come again sends them again: at least once.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, ClassVar

import h11
import msgspec

from pillion.collector.configuration.settings import Differs, InputSettings, Kind, TlsSettings, key
from pillion.collector.inputs.compacting import compacted
from pillion.collector.inputs.httppayload import RefusedError, inflated, records_of, safe_tag, tag_of
from pillion.collector.inputs.serving import Connection, Listener, ListenSettings, Where
from pillion.collector.plugin import InputPlugin
from pillion.collector.records import Accessor, Records, parse_accessor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pillion.collector.plugin import InputContext, Intake
    from pillion.collector.records import Body

_REQUEST = 30.0
"""Seconds of silence in the middle of a request after which its sender is let go."""
_HEAD_BYTES = 64 << 10
_UNPACKED = 4
"""A compressed payload may unpack to this many times `buffer_max_size`."""
_BODIES = 4
"""All connections together may hold this many times `buffer_max_size` of requests that are not complete."""
_RETRY_SECONDS = "5"
_SUCCESSES = (200, 201, 204)

_HTTP2 = "HTTP/1.1 only; every client falls back to it"
_READS = "reads grow with what there is"
_WORKERS = "inputs share the collector's loop"
_OAUTH2 = "tokens are not examined; ask for client certificates with tls.verify and tls.ca_file"


class HttpSettings(InputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "http2": _HTTP2, "http_server.http2": _HTTP2,
        "buffer_chunk_size": _READS, "http_server.buffer_chunk_size": _READS,
        "workers": _WORKERS, "http_server.workers": _WORKERS,
    }  # fmt: skip
    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "oauth2.validate", "oauth2.issuer", "oauth2.jwks_url", "oauth2.allowed_audience",
            "oauth2.allowed_clients", "oauth2.jwks_refresh_interval",
        ),
        _OAUTH2,
    )  # fmt: skip

    listen: Annotated[str, key(help="the address to listen on")] = "0.0.0.0"  # noqa: S104 - as Fluent Bit
    port: Annotated[int, key(help="the port to listen on")] = 9880
    buffer_max_size: Annotated[
        int,
        key(
            kind=Kind.SIZE,
            aliases=("http_server.buffer_max_size",),
            help="most bytes of one request's payload; more is answered with 413",
        ),
    ] = 4_000_000
    max_connections: Annotated[
        int, key(aliases=("http_server.max_connections",), help="most connections at a time; 0: 1000")
    ] = 0
    tag_key: Annotated[str, key(help="a field with the record's tag, before the tag in the path")] = ""
    successful_response_code: Annotated[int, key(help="200, 201 or 204")] = 201
    success_header: Annotated[
        tuple[tuple[str, ...], ...],
        key(kind=Kind.WORDS, words=2, repeated=True, help="`NAME VALUE`: one more header of good answers"),
    ] = ()
    add_remote_addr: Annotated[bool, key(help="add the client's address to each record")] = False
    remote_addr_key: Annotated[str, key(help="the key for it")] = "REMOTE_ADDR"
    enable_health_endpoint: Annotated[bool, key(help="answer GET /health")] = False
    settle_timeout: Annotated[
        float,
        key(
            kind=Kind.SECONDS,
            help="ours: how long a request waits for its records to be settled before it is answered with 503",
            differs=Differs(
                fluent_bit="answers at once", why="records that were accepted would be lost with the process"
            ),
        ),
    ] = 30.0
    net: ListenSettings = ListenSettings()
    tls: TlsSettings = TlsSettings()

    def __post_init__(self) -> None:
        if any(len(header) != 2 for header in self.success_header):
            raise ValueError("success_header: it takes a name and a value")
        if self.buffer_max_size <= 0:
            raise ValueError("buffer_max_size: it must be more than 0")
        try:
            if self.tag_key:
                parse_accessor(self.tag_key)
        except ValueError as error:
            raise ValueError(f"tag_key: {error}") from error


class HttpInput:
    def __init__(self, settings: HttpSettings, context: InputContext, listener: Listener) -> None:
        self.settings = settings
        self.context = context
        self.listener = listener
        self.tag_key: Accessor | None = parse_accessor(settings.tag_key) if settings.tag_key else None
        self._held = 0

    async def run(self, intake: Intake, stopping: asyncio.Event) -> None:
        async def serve(connection: Connection) -> None:
            await _Exchange(self, connection, intake).run()

        await self.listener.run(serve, stopping, self.settings.max_connections)

    async def close(self) -> None:
        await self.listener.close()

    def hold(self, change: int) -> None:
        """Account for payloads that are not complete. Raises RefusedError when they are too many bytes."""
        self._held += change
        if change > 0 and self._held > _BODIES * self.settings.buffer_max_size:
            raise RefusedError(503, "error: too many requests are under way\n")

    def sort(self, tag: str, bodies: list[Body]) -> dict[str, Records]:
        """The records by their tags, all with the present time."""
        now = int(self.context.clock.now() * 1e9)
        found: dict[str, Records] = {}
        for body in bodies:
            named = self.tag_key.get(body) if self.tag_key is not None else None
            own = safe_tag(named.encode()) if isinstance(named, str) else ""
            chunk = found.setdefault(
                own or tag or self.settings.tag or self.context.name, Records(times=[], bodies=[])
            )
            chunk.times.append(now)
            chunk.bodies.append(body)
        return found


class _Exchange:
    """One connection: requests, one after the other."""

    def __init__(self, served: HttpInput, connection: Connection, intake: Intake) -> None:
        self._input = served
        self._connection = connection
        self._intake = intake
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self._body: list[bytes] = []
        self._held = 0

    async def run(self) -> None:
        try:
            while await self._request():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await self._answer(error.error_status_hint or 400, "error: invalid request\n")
        finally:
            self._release()

    async def _request(self) -> bool:
        """Serve one. False when it was the last."""
        request = await self._next()
        if not isinstance(request, h11.Request):
            return False
        try:
            payload = await self._payload(request)
        except RefusedError as refused:
            # What is left of the payload is not read: the connection ends with this answer.
            await self._answer(refused.status, refused.text, close=True)
            return False
        try:
            is_answered = await self._process(request, payload)
        except RefusedError as refused:
            await self._answer(refused.status, refused.text)
            is_answered = True
        return is_answered and self._http.our_state is h11.DONE and self._input.settings.net.keepalive

    async def _payload(self, request: h11.Request) -> bytes:
        limit = self._input.settings.buffer_max_size
        length = _header(request, b"content-length")
        if length.isdigit() and int(length) > limit:
            raise RefusedError(413, "error: the payload is too large\n")
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        while isinstance(event := await self._next(), h11.Data):
            self._body.append(bytes(event.data))
            self._held += len(event.data)
            self._input.hold(len(event.data))
            if self._held > limit:
                raise RefusedError(413, "error: the payload is too large\n")
        payload = b"".join(self._body)
        self._release()
        return payload

    async def _process(self, request: h11.Request, payload: bytes) -> bool:
        """False when the answer is left to whoever settles the records: the collector stops."""
        settings = self._input.settings
        if settings.enable_health_endpoint and (request.method, request.target) == (b"GET", b"/health"):
            await self._answer(200, '{"status":"ok"}\n')
            return True
        if not request.target.startswith(b"/"):
            raise RefusedError(400, "error: invalid request\n")
        if request.method != b"POST":
            raise RefusedError(400, "error: invalid HTTP method\n")
        body = inflated(payload, _header(request, b"content-encoding"), _UNPACKED * settings.buffer_max_size)
        bodies = records_of(_header(request, b"content-type"), body)
        if not _is_utf8(body):
            self._input.context.status.invalid_utf8 += sum("\ufffd" in repr(each) for each in bodies)
        if settings.add_remote_addr:
            address = self._remote_address(request)
            for each in bodies:
                each.setdefault(settings.remote_addr_key, address)
        return await self._settle(self._input.sort(tag_of(request.target), bodies))

    async def _settle(self, chunks: dict[str, Records]) -> bool:
        settlement = _Settlement(len(chunks), self._good_answer)
        self._connection.owe()
        self._connection.when_ending(settlement.wake.set)
        try:
            async with asyncio.timeout(self._input.settings.settle_timeout or None):
                for tag, records in chunks.items():
                    await self._intake.put(tag, compacted(records), settled=settlement.settle)
                if not self._connection.is_ending:
                    await settlement.wake.wait()
        except TimeoutError:
            settlement.is_late = True
            await self._answer(503, "error: not delivered yet\n", (("Retry-After", _RETRY_SECONDS),))
            self._connection.pay()
            return True
        finally:
            self._connection.when_ending(None)
        if not settlement.is_settled:
            settlement.pay = self._connection.pay
            return False
        await self._connection.send(self._good_answer(), _REQUEST)
        self._connection.pay()
        return True

    def _good_answer(self) -> bytes:
        settings = self._input.settings
        status = settings.successful_response_code
        headers = [(header[0], header[1]) for header in settings.success_header]
        if status != 204:
            headers.append(("Content-Length", "0"))
        if not settings.net.keepalive:
            headers.append(("Connection", "close"))
        response = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase)
        return (self._http.send(response) or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    async def _answer(
        self, status: int, text: str, headers: tuple[tuple[str, str], ...] = (), *, close: bool = False
    ) -> None:
        body = text.encode()
        more = [*headers, ("Connection", "close")] if close else list(headers)
        response = h11.Response(
            status_code=status,
            headers=[("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *more],
            reason=HTTPStatus(status).phrase,
        )
        await self._send(response, h11.Data(data=body), h11.EndOfMessage())

    async def _send(self, *events: h11.Event) -> None:
        await self._connection.send(b"".join([self._http.send(event) or b"" for event in events]), _REQUEST)

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            is_idle = self._http.their_state is h11.IDLE and not self._http.trailing_data[0]
            idle_timeout = self._input.settings.net.io_timeout or None
            self._http.receive_data(
                await self._connection.receive_next(idle_timeout)
                if is_idle
                else await self._connection.receive(_REQUEST)
            )
        return event

    def _remote_address(self, request: h11.Request) -> str:
        """The first of X-Forwarded-For, or who is connected."""
        return _header(request, b"x-forwarded-for").partition(",")[0].strip() or self._connection.peer

    def _release(self) -> None:
        self._input.hold(-self._held)
        self._held = 0
        self._body = []


class _Settlement:
    """Of the chunks of one request."""

    def __init__(self, chunks: int, answer: Callable[[], bytes]) -> None:
        self.wake = asyncio.Event()
        """All are settled, or the collector stops."""
        self.is_late = False
        """The client has been answered already."""
        self.pay: Callable[[bytes], None] | None = None
        """Gives the answer when nobody waits for it any more."""
        self._answer = answer
        self._left = chunks

    @property
    def is_settled(self) -> bool:
        return not self._left

    def settle(self) -> None:
        self._left -= 1
        if self._left or self.is_late:
            return
        if self.pay is not None:
            self.pay(self._answer())
        self.wake.set()


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _header(request: h11.Request, name: bytes) -> str:
    return next((value.decode("latin-1") for known, value in request.headers if known == name), "")


def build(settings: HttpSettings, context: InputContext) -> HttpInput:
    from pillion.collector.network.tls import server_context

    if settings.successful_response_code not in _SUCCESSES:
        context.log.warning(
            "%s: successful_response_code: %d is none of 200, 201 and 204: 201 is used, as in Fluent Bit",
            settings.place,
            settings.successful_response_code,
        )
        settings = msgspec.structs.replace(settings, successful_response_code=201)
    security = server_context(settings.tls, settings.place) if settings.tls.on else None
    where = Where(host=settings.listen, port=settings.port, settings=settings.net)
    return HttpInput(settings, context, Listener(where, security, context.log))


PLUGIN = InputPlugin(name="http", settings=HttpSettings, build=build)
