"""The forward output: to Fluent Bit, Fluentd and everything that speaks their protocol (plugins/out_forward).

Records count as delivered when the server has acknowledged their chunk. Servers that acknowledge nothing (the protocol
leaves it to them) are recognized: then what their kernel has confirmed is the most that can be known, and it is said.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from pillion.collector.configuration.settings import (
    Differs,
    Kind,
    NetSettings,
    OutputSettings,
    TlsSettings,
    key,
)
from pillion.collector.network.channel import Address, Security, SilenceError, Timeouts
from pillion.collector.network.connections import Connections
from pillion.collector.network.forwardclient import ForwardConnection, Identity, Server, open_connection
from pillion.collector.network.forwardprotocol import Packer, array_head, binary_head
from pillion.collector.network.interruption import Interruption
from pillion.collector.plugin import Again, Delivered, OutputPlugin
from pillion.collector.records import Records, as_records, parse_template
from pillion.errors import HostError, PeerError
from pillion.http.credentials import secret

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from pillion.collector.outputs.upstream import Upstream
    from pillion.collector.plugin import OutputContext, Verdict
    from pillion.collector.records import Content

_LIMIT_BYTES = 1 << 20
"""Receivers take messages of some megabytes (Fluent Bit's buffer_max_size: 6 MB)."""
_FIRST_ACKNOWLEDGEMENT = 10.0
"""Seconds without an answer to a first chunk after which a server is taken for one that acknowledges nothing."""
_LOGS = 0
"""Fluent Bit's `fluent_signal`."""

_YES, _NO = frozenset({"on", "true", "yes"}), frozenset({"off", "false", "no"})
Acknowledgements: TypeAlias = Literal["auto", "on", "off"]


class ForwardSettings(OutputSettings, frozen=True, kw_only=True):
    without_effect: ClassVar[Mapping[str, str]] = {
        "retain_metadata_in_forward_mode": "records have no metadata here",
        "fluentd_compat": "it is about metrics and traces",
    }
    host: Annotated[str, key(help="the server")] = "127.0.0.1"
    port: Annotated[int, key(help="its port")] = 24224
    unix_path: Annotated[str, key(help="its Unix socket, in place of host and port")] = ""
    upstream: Annotated[str, key(help="a file with several servers, in place of host and port")] = ""
    tag: Annotated[str, key(help="the tag to send instead; `$key` and `$TAG[1]` as in record accessors")] = ""
    time_as_integer: Annotated[bool, key(help="whole seconds, for Fluentd before 0.14")] = False
    send_options: Annotated[bool, key(help="send the number of records with each message")] = False
    require_ack_response: Annotated[
        str,
        key(
            help="on: delivered means acknowledged; auto: so, too, if the server acknowledges at all; off",
            differs=Differs(
                fluent_bit="off", why="records on their way would be lost with the connection, unnoticed"
            ),
        ),
    ] = "auto"
    ack_timeout: Annotated[
        float, key(kind=Kind.SECONDS, help="ours: how long an acknowledgement may take")
    ] = 190.0
    compress: Annotated[Literal["text", "gzip"], key(help="gzip: CompressedPackedForward messages")] = "text"
    add_option: Annotated[
        tuple[tuple[str, ...], ...],
        key(kind=Kind.WORDS, words=2, repeated=True, help="`NAME VALUE`: one more option of each message"),
    ] = ()
    self_hostname: Annotated[str, key(help="our name in the handshake")] = "localhost"
    shared_key: Annotated[str, key(secret=True, help="what both sides must know")] = ""
    shared_key_file: Annotated[str, key(help="ours: a file with it, read again when it changes")] = ""
    empty_shared_key: Annotated[bool, key(help="shake hands with an empty shared key")] = False
    username: Annotated[str, key(help="the user, when the server asks for one")] = ""
    password: Annotated[str, key(secret=True, help="the user's password")] = ""
    password_file: Annotated[str, key(help="ours: a file with it, read again when it changes")] = ""
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings()

    def __post_init__(self) -> None:
        if self.require_ack_response.lower() not in {"auto"} | _YES | _NO:
            raise ValueError("require_ack_response: it is auto, on or off")
        if any(len(option) != 2 for option in self.add_option):
            raise ValueError("add_option: it takes a name and a value")
        try:
            template = parse_template(self.tag)
        except ValueError as error:
            raise ValueError(f"tag: {error}") from error
        if self.compress == "gzip" and (self.time_as_integer or not template.is_constant):
            raise ValueError("compress: gzip is for whole chunks: without time_as_integer, and with one tag")

    @property
    def acknowledgements(self) -> Acknowledgements:
        word = self.require_ack_response.lower()
        return "on" if word in _YES else "off" if word in _NO else "auto"


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What goes over the wire for a chunk."""

    data: bytes
    chunks: tuple[str, ...]
    """What will be acknowledged: one for all records, or one for each. Empty: nothing is asked for."""


class Messages:
    """Makes messages of chunks (out_forward/forward_format.c). Pure."""

    def __init__(self, settings: ForwardSettings) -> None:
        self._packer = Packer(whole_seconds=settings.time_as_integer)
        self._tag = parse_template(settings.tag) if settings.tag else None
        self._compress = settings.compress == "gzip"
        self._asks = settings.acknowledgements != "off"
        self._extra: dict[str, Any] = {name: value for name, value in settings.add_option}  # noqa: C416
        self._has_options = self._asks or settings.send_options or self._compress or bool(settings.add_option)

    def outgoing(self, tag: str, records: Records) -> Outgoing:
        if self._tag is not None and not self._tag.is_constant:
            return self._one_by_one(tag, records)
        entries = self._packer.entries(records.times, records.bodies)
        options: dict[str, Any] = {}
        chunks: tuple[str, ...] = ()
        if self._asks:
            chunks = (_chunk_id(entries),)
            options["chunk"] = chunks[0]
        options["size"] = len(records.times)
        if self._compress:
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)
            packed = packer.compress(entries) + packer.flush()
            options["compressed"] = "gzip"
            events = binary_head(len(packed)) + packed
        else:
            events = array_head(len(records.times)) + entries
        options |= {"fluent_signal": _LOGS, **self._extra}
        head = self._packer.head(
            tag if self._tag is None else self._tag.render(tag, {}), parts=3 if self._has_options else 2
        )
        tail = self._packer.pack(options) if self._has_options else b""
        return Outgoing(data=b"".join((head, events, tail)), chunks=chunks)

    def _one_by_one(self, tag: str, records: Records) -> Outgoing:
        """Each record chooses its tag: message mode."""
        assert self._tag is not None
        packed, chunks = [], []
        for index, (at, body) in enumerate(zip(records.times, records.bodies, strict=True)):
            options: dict[str, Any] = {}
            if self._asks:
                chunks.append(_chunk_id(b"%d %d %d" % (id(records), index, at)))
                options["chunk"] = chunks[-1]
            options |= {"fluent_signal": _LOGS, **self._extra}
            packed.append(self._packer.event(self._tag.render(tag, body), at, body, options))
        return Outgoing(data=b"".join(packed), chunks=tuple(chunks))


def _chunk_id(data: bytes) -> str:
    """As Fluent Bit makes it: the first half of a digest's half, in hexadecimal (append_options)."""
    return hashlib.sha512(data).hexdigest()[:32]


class Forward:
    def __init__(self, settings: ForwardSettings, server: Server, log: logging.Logger) -> None:
        self._settings = settings
        self._server = server
        self._log = log
        self._messages = Messages(settings)
        self._interruption = Interruption()
        self._connections = Connections(
            lambda wake: open_connection(server, wake), self._is_usable, is_kept=settings.net.keepalive
        )
        self._acknowledges: bool | None = {"on": True, "off": False, "auto": None}[settings.acknowledgements]
        """Whether the server does; None until it is known."""

    def deliver(self, tag: str, content: Content) -> Verdict:
        records = as_records(content)
        acknowledged: set[str] = set()
        outgoing = self._messages.outgoing(tag, records)
        try:
            with self._interruption.waiting() as wake, self._connections.one(wake) as connection:
                connection.send(outgoing.data, wake)
                self._await(connection, outgoing, acknowledged, wake)
        except (PeerError, HostError) as error:
            return Again(reason=str(error), remaining=_unacknowledged(records, outgoing, acknowledged))
        return Delivered()

    def interrupt(self) -> None:
        self._interruption.interrupt()

    def close(self) -> None:
        self._connections.close()

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES

    def _await(
        self, connection: ForwardConnection, outgoing: Outgoing, acknowledged: set[str], wake: int
    ) -> None:
        """Return when the server has everything, as far as it tells. `acknowledged` gets what it has confirmed."""
        missing = set(outgoing.chunks)
        if not missing or self._acknowledges is False:
            connection.confirm(wake)
            return
        while missing:
            is_first = self._acknowledges is None
            timeout = min(_FIRST_ACKNOWLEDGEMENT, self._settings.ack_timeout or _FIRST_ACKNOWLEDGEMENT)
            try:
                chunk = connection.acknowledgement(wake, timeout if is_first else self._settings.ack_timeout)
            except SilenceError:
                if not is_first:
                    raise
                connection.confirm(wake)
                self._acknowledges = False
                self._log.warning(
                    "%s acknowledges nothing: records that it has received and not kept cannot be sent again",
                    self._server.address,
                )
                return
            self._acknowledges = True
            acknowledged.add(chunk)
            missing.discard(chunk)

    def _is_usable(self, connection: ForwardConnection) -> bool:
        try:
            late = connection.acknowledged_at_once()
        except PeerError:
            return False
        if late and self._settings.acknowledgements == "auto" and not self._acknowledges:
            self._acknowledges = True
            self._log.info("%s acknowledges after all", self._server.address)
        return True


def _unacknowledged(records: Records, outgoing: Outgoing, acknowledged: set[str]) -> Records | None:
    """None: all of them."""
    if not acknowledged or len(outgoing.chunks) != len(records.times):
        return None
    left = [index for index, chunk in enumerate(outgoing.chunks) if chunk not in acknowledged]
    return Records(
        times=[records.times[index] for index in left], bodies=[records.bodies[index] for index in left]
    )


def build(settings: ForwardSettings, context: OutputContext) -> Forward | Upstream:
    if not settings.upstream:
        return _to_one(settings, context)
    from pillion.collector.outputs.upstream import Upstream, read_nodes

    nodes = read_nodes(context.folder / settings.upstream, ForwardSettings, context.environment)
    return Upstream([_to_one(msgspec.structs.replace(node, net=settings.net), context) for node in nodes])


def _to_one(settings: ForwardSettings, context: OutputContext) -> Forward:
    from pillion.collector.network.tls import client_context

    net = settings.net
    has_key = settings.empty_shared_key or settings.shared_key or settings.shared_key_file
    shared_key = "" if settings.empty_shared_key else settings.shared_key
    server = Server(
        address=Address(
            host=settings.host,
            port=settings.port,
            unix_path=settings.unix_path,
            source_address=net.source_address,
        ),
        timeouts=Timeouts(connect=net.connect_timeout, io=net.io_timeout),
        identity=Identity(
            hostname=settings.self_hostname,
            shared_key=secret(shared_key, settings.shared_key_file, context.folder) if has_key else None,
            username=settings.username,
            password=secret(settings.password, settings.password_file, context.folder),
        ),
        security=Security(
            context=client_context(settings.tls, settings.place), hostname=settings.tls.vhost or settings.host
        )
        if settings.tls.on
        else None,
    )
    return Forward(settings, server, context.log)


PLUGIN = OutputPlugin(name="forward", settings=ForwardSettings, build=build)
