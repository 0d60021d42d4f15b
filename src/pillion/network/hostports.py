"""Holding host ports: the sockets that keep other programs off the ports whose traffic nftables takes to pods.

Without them a port that another program listens on would silently be taken from it, and the other way round nobody
would notice that the port is in use. As in the kubelet's hostport code: open and hold, never accept.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from pillion.network.protocol import HostPortInUseError, NetworkError
from pillion.plan.containerspec import HostPort

_SOCKET_TYPES = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}
"""SCTP ports are not held: opening such a socket would load a kernel module that few hosts want."""
_PROC_NET = {"TCP": ("tcp", "tcp6"), "UDP": ("udp", "udp6")}
_TCP_LISTEN = 0x0A
_UDP_OPEN = 0x07


class PortHold:
    """The host ports of one pod, bound by us."""

    def __init__(self) -> None:
        self._sockets: dict[HostPort, socket.socket] = {}

    def bind(self, ports: Iterable[HostPort]) -> None:
        """Take the ports, all or none. Raises HostPortInUseError, NetworkError.

        A TCP port is bound, but nobody can connect to it before `listen`: until the rules are in place a client is
        refused instead of waiting for an answer that never comes.
        """
        taken: dict[HostPort, socket.socket] = {}
        try:
            for port in ports:
                if port.protocol in _SOCKET_TYPES and port not in self._sockets and port not in taken:
                    taken[port] = _bind(port)
        except NetworkError:
            _close(taken.values())
            raise
        self._sockets |= taken

    def listen(self) -> None:
        """From now on no other program can listen there. Raises HostPortInUseError when one was quicker."""
        for port, held in self._sockets.items():
            if port.protocol == "TCP":
                try:
                    held.listen(0)
                except OSError as error:
                    raise _refusal(port, error) from error

    def release(self) -> None:
        _close(self._sockets.values())
        self._sockets.clear()

    def release_ports(self, ports: Iterable[HostPort]) -> None:
        _close(held for port in ports if (held := self._sockets.pop(port, None)))


def _bind(port: HostPort) -> socket.socket:
    try:
        IPv4Address(port.host_ip)
    except AddressValueError:
        raise NetworkError(
            f"cannot open hostport {port.host_port}: {port.host_ip!r} is not an IPv4 address; pods here have IPv4 only"
        ) from None
    held = socket.socket(socket.AF_INET, _SOCKET_TYPES[port.protocol])
    try:
        if port.protocol == "TCP":
            # Connections of a program that is gone (TIME_WAIT) must not keep the port from us; a listener still does.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((port.host_ip, port.host_port))
    except OSError as error:
        held.close()
        raise _refusal(port, error) from error
    return held


def _refusal(port: HostPort, error: OSError) -> NetworkError:
    if error.errno == errno.EADDRINUSE:
        return HostPortInUseError(port, find_holder(port))
    address = f"{port.protocol.lower()}4 {port.host_ip}:{port.host_port}"
    cause = os.strerror(error.errno or 0).lower()
    return NetworkError(f"cannot open hostport {port.host_port}: listen {address}: bind: {cause}")


def _close(sockets: Iterable[socket.socket]) -> None:
    for held in sockets:
        held.close()


def find_holder(port: HostPort) -> str | None:
    """`NAME, pid N` of a process that has the port open, when /proc tells."""
    inodes = {f"socket:[{inode}]" for table in _PROC_NET[port.protocol] for inode in _inodes(table, port)}
    if not inodes:
        return None
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(str(fd.readlink()) in inodes for fd in process.joinpath("fd").iterdir()):
                return f"{process.joinpath('comm').read_text().strip()}, pid {process.name}"
        except OSError:
            continue  # it ended, or a descriptor was closed, while we looked
    return None


def _inodes(table: str, port: HostPort) -> Iterable[str]:
    """Inodes of the sockets that hold the port, from /proc/net (proc(5)): addresses in hexadecimal, host byte order."""
    try:
        lines = Path("/proc/thread-self/net", table).read_text().splitlines()[1:]
    except FileNotFoundError:
        return  # a kernel without IPv6
    wanted = f"{int.from_bytes(IPv4Address(port.host_ip).packed, sys.byteorder):08x}"
    for line in lines:
        fields = line.split()
        address, _, number = fields[1].rpartition(":")
        is_open = int(fields[3], 16) in (_TCP_LISTEN, _UDP_OPEN)
        if is_open and int(number, 16) == port.host_port and _may_clash(address, wanted):
            yield fields[9]


def _may_clash(address: str, wanted: str) -> bool:
    return int(wanted, 16) == 0 or int(address, 16) == 0 or address[-8:].lower() == wanted
