"""A TLS client that says what became of its handshake: the alert it was sent, or the answer to its request.

With TLS 1.3 a server refuses a client's certificate after the client's own handshake is over: the alert comes with the
first read.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

import msgspec

PATIENCE = 30.0
REQUEST = b"GET /who HTTP/1.1\r\nHost: agent.test\r\nConnection: close\r\n\r\n"
_ALERT = re.compile(r"(?:SSL|TLS)V[\d_]+_ALERT_(\w+)")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    alert: str = ""
    """RFC 8446, section 6.2: `certificate_expired`."""
    status: int = 0
    body: bytes = b""
    fault: str = ""
    """What OpenSSL made of an answer that was not TLS: `wrong_version_number`."""
    closed: bool = False
    """The other side hung up, and said nothing."""
    version: str = ""
    cipher: str = ""

    def __str__(self) -> str:
        return self.alert or self.fault or ("closed" if self.closed else str(self.status))


def context(
    authority: bytes | None,
    identity: Path | None = None,
    *,
    versions: Iterable[ssl.TLSVersion] = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
    alpn: Iterable[str] = (),
) -> ssl.SSLContext:
    """Trusts `authority` (None: anyone) and shows the certificate of the folder `identity`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    versions = sorted(versions)
    made.minimum_version, made.maximum_version = versions[0], versions[-1]
    if authority is None:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    else:
        made.load_verify_locations(cadata=authority.decode())
    if identity is not None:
        made.load_cert_chain(identity / "tls.crt", identity / "tls.key")
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


def ask(
    port: int, tls: ssl.SSLContext | None, *, name: str = "agent.test", request: bytes = REQUEST
) -> Outcome:
    """One request over a connection of its own; without `tls` in plain text."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as raw:
        if tls is None:
            return _converse(raw, request, Outcome())
        try:
            with tls.wrap_socket(raw, server_hostname=name) as wrapped:
                said = Outcome(version=wrapped.version() or "", cipher=(wrapped.cipher() or ("",))[0])
                return _converse(wrapped, request, said)
        except ssl.SSLError as error:
            return _refusal(error)
        except (ConnectionResetError, BrokenPipeError):
            return Outcome(closed=True)


def _converse(connection: socket.socket, request: bytes, said: Outcome) -> Outcome:
    answer = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
        connection.sendall(request)  # after a refusal the alert lies ahead of the reset, unread
    try:
        # Not until the other side hangs up: Envoy leaves that to the client for a second.
        while not _is_whole(answer) and (piece := connection.recv(65536)):
            answer += piece
    except ssl.SSLEOFError:
        pass
    except ConnectionResetError:
        if not answer:
            return msgspec.structs.replace(said, closed=True)
    if not answer:
        return msgspec.structs.replace(said, closed=True)
    head, _, body = answer.partition(b"\r\n\r\n")
    match = re.match(rb"HTTP/1\.1 (\d{3})", head)
    return msgspec.structs.replace(said, status=int(match[1]) if match else 0, body=body if match else answer)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def _refusal(error: ssl.SSLError) -> Outcome:
    """OpenSSL names the alert that it was sent in the reason: TLSV1_ALERT_UNKNOWN_CA."""
    match = _ALERT.fullmatch(error.reason or "")
    return Outcome(alert=match[1].lower()) if match else Outcome(fault=(error.reason or str(error)).lower())
