"""The syslog output: over UDP, TCP, TLS or a Unix socket (plugins/out_syslog).

Syslog acknowledges nothing. Over TCP and TLS a delivery counts when the other side's kernel has confirmed all of it;
over UDP when it was sent, and nobody has said yet that nobody listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pillion.collector.configuration.settings import (
    Kind,
    NetSettings,
    OutputSettings,
    TlsSettings,
    key,
)
from pillion.collector.network.channel import Address, Channel, Security, Timeouts, open_channel
from pillion.collector.network.connections import Connections
from pillion.collector.network.datagrams import Datagrams, RefusedDatagramsError, open_datagrams
from pillion.collector.network.interruption import Interruption
from pillion.collector.outputs.syslogformat import MAX_BYTES, Field, Shape, message
from pillion.collector.plugin import Again, Delivered, OutputPlugin
from pillion.collector.records import Records, as_records, parse_accessor
from pillion.errors import PeerError

if TYPE_CHECKING:
    from pillion.collector.plugin import OutputContext, Verdict
    from pillion.collector.records import Accessor, Content

_LIMIT_BYTES = 512 << 10
_DEV_LOG = "/dev/log"


class SyslogSettings(OutputSettings, frozen=True, kw_only=True):
    host: Annotated[str, key(help="the syslog server")] = "127.0.0.1"
    port: Annotated[int, key(help="its port")] = 514
    mode: Annotated[
        Literal["udp", "tcp", "tls", "unix"],
        key(help="how to send; tls is TLS even without `tls on`; unix (ours): to unix_path"),
    ] = "udp"
    unix_path: Annotated[str, key(help="ours: the socket for the mode unix")] = _DEV_LOG
    syslog_format: Annotated[Literal["rfc5424", "rfc3164"], key(help="what messages look like")] = "rfc5424"
    syslog_framing: Annotated[
        Literal["newline", "octet_counting"],
        key(help="ours: octet_counting (RFC 6587) keeps messages of several lines together over TCP and TLS"),
    ] = "newline"
    syslog_maxsize: Annotated[
        int, key(kind=Kind.SIZE, help="most bytes of a message; 0: 2048, of rfc3164 1024")
    ] = 0
    syslog_severity_key: Annotated[str, key(help="the field with the severity, a number or a name")] = ""
    syslog_severity_preset: Annotated[int, key(help="the severity without it: 0 to 7")] = 6
    syslog_facility_key: Annotated[str, key(help="the field with the facility, a number or a name")] = ""
    syslog_facility_preset: Annotated[int, key(help="the facility without it: 0 to 23")] = 1
    syslog_hostname_key: Annotated[str, key(help="the field with the host's name")] = ""
    syslog_hostname_preset: Annotated[str, key(help="the host's name without it")] = ""
    syslog_appname_key: Annotated[str, key(help="the field with the application's name")] = ""
    syslog_appname_preset: Annotated[str, key(help="the application's name without it")] = ""
    syslog_procid_key: Annotated[str, key(help="the field with the process")] = ""
    syslog_procid_preset: Annotated[str, key(help="the process without it")] = ""
    syslog_msgid_key: Annotated[str, key(help="the field with the kind of message")] = ""
    syslog_msgid_preset: Annotated[str, key(help="the kind of message without it")] = ""
    syslog_sd_key: Annotated[
        tuple[str, ...], key(repeated=True, help="a field that is a map: an element of structured data")
    ] = ()
    syslog_message_key: Annotated[str, key(help="the field with the message; without it there is none")] = ""
    allow_longer_sd_id: Annotated[bool, key(help="names in structured data may have more than 32 bytes")] = (
        False
    )
    net: NetSettings = NetSettings()
    tls: TlsSettings = TlsSettings()

    def __post_init__(self) -> None:
        if not 0 <= self.syslog_severity_preset <= 7:
            raise ValueError("syslog_severity_preset: it is a number from 0 to 7")
        if not 0 <= self.syslog_facility_preset <= 23:
            raise ValueError("syslog_facility_preset: it is a number from 0 to 23")
        for name in ("severity", "facility", "hostname", "appname", "procid", "msgid", "message"):
            _accessor(f"syslog_{name}_key", getattr(self, f"syslog_{name}_key"))
        for text in self.syslog_sd_key:
            _accessor("syslog_sd_key", text)

    @property
    def shape(self) -> Shape:
        def found(name: str) -> Accessor | None:
            return _accessor(name, getattr(self, f"syslog_{name}_key"))

        def field(name: str) -> Field:
            return Field(key=found(name), preset=getattr(self, f"syslog_{name}_preset"))

        return Shape(
            format=self.syslog_format,
            max_bytes=self.syslog_maxsize or MAX_BYTES[self.syslog_format],
            severity_key=found("severity"),
            severity=self.syslog_severity_preset,
            facility_key=found("facility"),
            facility=self.syslog_facility_preset,
            hostname=field("hostname"),
            appname=field("appname"),
            procid=field("procid"),
            msgid=field("msgid"),
            message_key=found("message"),
            structured_data=tuple(parse_accessor(text) for text in self.syslog_sd_key if text),
            long_names=self.allow_longer_sd_id,
        )


def _accessor(name: str, text: str) -> Accessor | None:
    try:
        return parse_accessor(text) if text else None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


class StreamSyslog:
    """TCP, TLS and Unix streams."""

    def __init__(
        self, settings: SyslogSettings, address: Address, timeouts: Timeouts, security: Security | None
    ) -> None:
        self._shape = settings.shape
        self._counts_octets = settings.syslog_framing == "octet_counting"
        self._interruption = Interruption()
        self._connections: Connections[Channel] = Connections(
            lambda wake: open_channel(address, timeouts, security, wake),
            _is_usable,
            is_kept=settings.net.keepalive,
        )

    def deliver(self, tag: str, content: Content) -> Verdict:  # noqa: ARG002 - the protocol's signature
        found = as_records(content)
        frames = b"".join(
            [
                self._framed(message(self._shape, at, body))
                for at, body in zip(found.times, found.bodies, strict=True)
            ]
        )
        try:
            with self._interruption.waiting() as wake, self._connections.one(wake) as channel:
                channel.send(frames, wake)
                channel.confirm(wake)
        except PeerError as error:
            return Again(reason=str(error))
        return Delivered()

    def interrupt(self) -> None:
        self._interruption.interrupt()

    def close(self) -> None:
        self._connections.close()

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES

    def _framed(self, text: bytes) -> bytes:
        return b"%d %b" % (len(text), text) if self._counts_octets else text + b"\n"


class DatagramSyslog:
    """UDP, and Unix sockets like /dev/log."""

    def __init__(self, settings: SyslogSettings, address: Address) -> None:
        self._shape = settings.shape
        self._interruption = Interruption()
        self._connections: Connections[Datagrams] = Connections(
            lambda _: open_datagrams(address), lambda _: True
        )

    def deliver(self, tag: str, content: Content) -> Verdict:  # noqa: ARG002 - the protocol's signature
        found = as_records(content)
        rejected: dict[str, Records] = {}
        sent = 0
        try:
            with self._interruption.waiting() as wake, self._connections.one(wake) as peer:
                for at, body in zip(found.times, found.bodies, strict=True):
                    try:
                        peer.send(message(self._shape, at, body), wake)
                    except ValueError as error:
                        refused = rejected.setdefault(str(error), Records(times=[], bodies=[]))
                        refused.times.append(at)
                        refused.bodies.append(body)
                    sent += 1
                peer.check()
        except RefusedDatagramsError as error:
            return Again(reason=str(error))
        except PeerError as error:
            left = Records(times=found.times[sent:], bodies=found.bodies[sent:]) if sent else None
            return Again(reason=str(error), remaining=left, rejected=tuple(rejected.items()))
        return Delivered(rejected=tuple(rejected.items()))

    def interrupt(self) -> None:
        self._interruption.interrupt()

    def close(self) -> None:
        self._connections.close()

    @property
    def limit_bytes(self) -> int:
        return _LIMIT_BYTES


def _is_usable(channel: Channel) -> bool:
    try:
        channel.receive_at_once()
    except PeerError:
        return False
    return True


def build(settings: SyslogSettings, context: OutputContext) -> StreamSyslog | DatagramSyslog:  # noqa: ARG001
    from pillion.collector.network.tls import client_context

    net = settings.net
    if settings.mode == "unix":
        return DatagramSyslog(settings, Address(unix_path=settings.unix_path))
    address = Address(host=settings.host, port=settings.port, source_address=net.source_address)
    if settings.mode == "udp":
        return DatagramSyslog(settings, address)
    security = None
    if settings.mode == "tls" or settings.tls.on:
        security = Security(
            context=client_context(settings.tls, settings.place), hostname=settings.tls.vhost or settings.host
        )
    timeouts = Timeouts(connect=net.connect_timeout, io=net.io_timeout)
    return StreamSyslog(settings, address, timeouts, security)


PLUGIN = OutputPlugin(name="syslog", settings=SyslogSettings, build=build)
