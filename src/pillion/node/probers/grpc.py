"""The gRPC health check: one `grpc.health.v1.Health/Check` over plaintext HTTP/2.

Results and texts are those of Kubernetes (pkg/probe/grpc/grpc.go). It blocks until the server has answered
the HTTP/2 preface: a refused connection is dialled again until the timeout, as grpc-go does it.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from pillion.node.probers.connection import NetError, TcpConnection, dial
from pillion.node.probers.httpget import KUBERNETES_VERSION
from pillion.node.probers.spelling import join_host_port, quote
from pillion.units import go_duration

if TYPE_CHECKING:
    from h2.events import Event

_FIRST_REDIAL_SECONDS = 1.0  # google.golang.org/grpc/backoff: DefaultConfig, without its jitter
_REDIAL_FACTOR = 1.6
_STREAM = 1
_FRAME_HEADER_BYTES = 5
_SERVING = 1
_SERVING_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_DEADLINE_EXCEEDED, _UNKNOWN, _UNIMPLEMENTED, _INTERNAL, _UNAVAILABLE = 4, 2, 12, 13, 14
_CODES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
    "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
    "Internal", "Unavailable", "DataLoss", "Unauthenticated",
)  # fmt: skip
_CODE_OF_HTTP_STATUS = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
"""internal/transport/http_util.go of grpc-go: HTTPStatusConvTab; everything else is Unknown."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    is_serving: bool
    message: str


class _RpcError(Exception):
    def __init__(self, code: int, description: str) -> None:
        name = _CODES[code] if code < len(_CODES) else f"Code({code})"
        super().__init__(f"rpc error: code = {name} desc = {description}")
        self.code = code
        self.description = description


async def check_health(host: str, port: int, service: str, timeout: int) -> Health:
    """Ask for `service` (empty: the whole server) within `timeout` seconds. All that happens is an answer."""
    address = join_host_port(host, port)
    limit = go_duration(timeout)
    session: _Session | None = None
    try:
        async with asyncio.timeout(timeout):
            session = await _connect(host, port)
            status = await session.check(address, service)
    except TimeoutError:
        if session is None:
            unreached = f"failed to connect service {quote(address)}"
            text = f"timeout: {unreached} within {limit}: context deadline exceeded"
        else:
            text = f"timeout: health rpc did not complete within {limit}"
        return Health(is_serving=False, message=text)
    except _RpcError as error:
        return Health(is_serving=False, message=_explain(error, limit))
    finally:
        if session is not None:
            session.close()
    if status == _SERVING:
        return Health(is_serving=True, message="service healthy")
    name = _SERVING_STATUSES[status] if status < len(_SERVING_STATUSES) else str(status)
    return Health(is_serving=False, message=f"service unhealthy (responded with {quote(name)})")


def _explain(error: _RpcError, limit: str) -> str:
    if error.code == _UNIMPLEMENTED:
        no_health = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return f"{no_health}: {error.description}"
    if error.code == _DEADLINE_EXCEEDED:
        return f"timeout: health rpc did not complete within {limit}"
    return f"error: health rpc probe failed: {error}"


async def _connect(host: str, port: int) -> _Session:
    pause = _FIRST_REDIAL_SECONDS
    while True:
        try:
            return await _open_session(host, port)
        except (NetError, _RpcError):
            await asyncio.sleep(pause)
            pause *= _REDIAL_FACTOR


async def _open_session(host: str, port: int) -> _Session:
    connection = await dial(host, port)
    session = _Session(connection)
    try:
        await session.open()
    except BaseException:
        session.close()
        raise
    return session


class _Session:
    """One HTTP/2 connection with one stream on it."""

    def __init__(self, connection: TcpConnection) -> None:
        from h2.config import H2Configuration  # 30 ms of imports, for those who use gRPC only
        from h2.connection import H2Connection

        self._connection = connection
        self._http2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))

    async def open(self) -> None:
        """Until the server's settings have come: before that it may be anything that accepts connections."""
        from h2.events import RemoteSettingsChanged

        self._http2.initiate_connection()
        await self._flush()
        while not any(isinstance(event, RemoteSettingsChanged) for event in await self._receive()):
            pass

    async def check(self, authority: str, service: str) -> int:
        """The ServingStatus. Raises _RpcError."""
        self._http2.send_headers(
            _STREAM,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", "/grpc.health.v1.Health/Check"),
                (":authority", authority),
                ("content-type", "application/grpc"),
                ("user-agent", f"kube-probe/{KUBERNETES_VERSION}"),
                ("te", "trailers"),
            ],
        )
        self._http2.send_data(_STREAM, _encode_frame(_encode_request(service)), end_stream=True)
        try:
            await self._flush()
            reply = _Reply()
            while not reply.is_complete:
                for event in await self._receive():
                    reply.take(event)
        except NetError as error:
            raise _RpcError(_UNAVAILABLE, f"error reading from server: {error}") from error
        return reply.decode_status()

    def close(self) -> None:
        self._connection.close()

    async def _receive(self) -> list[Event]:
        from h2.events import DataReceived
        from h2.exceptions import ProtocolError

        data = await self._connection.receive()
        if not data:
            raise NetError("EOF")
        try:
            events = self._http2.receive_data(data)
            for event in events:
                if isinstance(event, DataReceived):
                    self._http2.acknowledge_received_data(event.flow_controlled_length or 0, _STREAM)
        except ProtocolError as error:
            raise _RpcError(_UNAVAILABLE, f"connection error: desc = {quote(str(error))}") from error
        await self._flush()
        return events

    async def _flush(self) -> None:
        if data := self._http2.data_to_send():
            await self._connection.send(data)


class _Reply:
    """The answer on our stream, gathered event by event."""

    def __init__(self) -> None:
        self.is_complete = False
        self._headers: dict[str, str] = {}
        self._trailers: dict[str, str] = {}
        self._data = bytearray()

    def take(self, event: Event) -> None:
        from h2 import events

        match event:
            case events.ResponseReceived():
                self._headers = _as_text(event.headers)
            case events.TrailersReceived():
                self._trailers = _as_text(event.headers)
            case events.DataReceived():
                self._data += event.data or b""
            case events.StreamEnded():
                self.is_complete = True
            case events.StreamReset():
                code = int(event.error_code or 0)
                raise _RpcError(_INTERNAL, f"stream terminated by RST_STREAM with error code: {code}")
            case events.ConnectionTerminated():
                raise _RpcError(_UNAVAILABLE, "the connection is draining")
            case _:
                pass

    def decode_status(self) -> int:
        trailers = self._headers | self._trailers  # a failing server sends everything in one block
        http_status = int(self._headers.get(":status", "0"))
        if http_status != HTTPStatus.OK or "grpc-status" not in trailers:
            raise _not_grpc(http_status, self._headers.get("content-type", ""))
        code = int(trailers["grpc-status"]) if trailers["grpc-status"].isdigit() else _UNKNOWN
        if code != 0:
            raise _RpcError(code, unquote(trailers.get("grpc-message", "")))
        if len(self._data) < _FRAME_HEADER_BYTES or self._data[0] != 0:
            raise _RpcError(_INTERNAL, "cannot read the health response: no uncompressed message")
        return _decode_response(bytes(self._data[_FRAME_HEADER_BYTES:]))


def _not_grpc(http_status: int, content_type: str) -> _RpcError:
    try:
        phrase = HTTPStatus(http_status).phrase
    except ValueError:
        phrase = ""
    text = f"unexpected HTTP status code received from server: {http_status} ({phrase})"
    if not content_type.startswith("application/grpc"):
        text += f"; transport: received unexpected content-type {quote(content_type)}"
    return _RpcError(_CODE_OF_HTTP_STATUS.get(http_status, _UNKNOWN), text)


def _as_text(headers: object) -> dict[str, str]:
    assert isinstance(headers, list)
    return {str(name): str(value) for name, value in headers}


def _encode_frame(message: bytes) -> bytes:
    """gRPC's length-prefixed message, uncompressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _encode_request(service: str) -> bytes:
    """HealthCheckRequest: field 1 is the service's name; the default value is not sent."""
    text = service.encode()
    return b"\x0a" + _encode_varint(len(text)) + text if text else b""


def _decode_response(message: bytes) -> int:
    """HealthCheckResponse: field 1 is the status; absent means 0. Other fields do not exist in it."""
    if not message:
        return 0
    if message[0] != 0x08:  # field 1, varint
        raise _RpcError(_INTERNAL, "cannot read the health response: unknown field")
    value = 0
    for position, byte in enumerate(message[1:]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:  # the last byte of a varint
            break
    return value


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
