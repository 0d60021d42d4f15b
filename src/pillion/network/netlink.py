"""Netlink framing: requests with acknowledgement, dumps, and attributes both ways. What they mean is its callers'.

Formats: linux/netlink.h. Host byte order, everything aligned to four bytes.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400
_DUMP_INTERRUPTED = 0x10
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
NESTED = 0x8000
_TYPE_MASK = 0x3FFF
_RECEIVE_BYTES = 1 << 17
"""More than the kernel ever puts into one datagram of a dump (32 KiB, af_netlink.c: netlink_dump)."""


class Message(NamedTuple):
    """One request, or one answer: `body` is the family's fixed header and the attributes."""

    type: int
    flags: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def decode_attributes(data: bytes) -> dict[int, bytes]:
    """Attribute type → payload. The last of a repeated type wins; none of those we read repeats."""
    return dict(_attributes(data))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


class NetlinkSocket:
    """A blocking netlink socket, for one thread. It belongs to the network namespace it was opened in, for life."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def request(self, *messages: Message) -> None:
        """Send all in one go, wait for every acknowledgement; the first that failed is raised as OSError.

        The kernel works through them in order and does not stop at a failure.
        """
        first = self._sequence + 1
        self._send(messages, REQUEST | ACK)
        failure: OSError | None = None
        awaited = set(range(first, self._sequence + 1))
        while awaited:
            for sequence, kind, _, body in self._receive():
                if sequence not in awaited or kind != _ERROR:
                    continue
                awaited.discard(sequence)
                failure = failure or _failure(body)
        if failure is not None:
            raise failure

    def dump(self, message: Message) -> list[Message]:
        """All answers to a dump request. A dump that was disturbed by a change is asked for again."""
        while True:
            answers, interrupted = self._dump_once(message)
            if not interrupted:
                return answers

    def _dump_once(self, message: Message) -> tuple[list[Message], bool]:
        self._send((message,), REQUEST | DUMP)
        answers: list[Message] = []
        interrupted = False
        while True:
            for sequence, kind, flags, body in self._receive():
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(flags & _DUMP_INTERRUPTED)
                if kind == _DONE:
                    return answers, interrupted
                if kind == _ERROR:
                    raise _failure(body) or OSError(errno.EPROTO, os.strerror(errno.EPROTO))
                answers.append(Message(kind, flags, body))

    def _send(self, messages: tuple[Message, ...], flags: int) -> None:
        packet = bytearray()
        for message in messages:
            self._sequence += 1
            size = _HEADER.size + len(message.body)
            packet += (
                _HEADER.pack(size, message.type, message.flags | flags, self._sequence, 0) + message.body
            )
            packet += bytes(-len(packet) % 4)
        self._socket.send(packet)

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        data = self._socket.recv(_RECEIVE_BYTES)
        at = 0
        while at + _HEADER.size <= len(data):
            size, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
            yield sequence, kind, flags, data[at + _HEADER.size : at + size]
            at += (size + 3) & ~3


def _failure(body: bytes) -> OSError | None:
    """The error in an acknowledgement: a negative errno, or 0."""
    (code,) = struct.unpack_from("=i", body)
    return OSError(-code, os.strerror(-code)) if code else None
