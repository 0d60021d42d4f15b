"""The CRI log line, both ways: what conmon and containerd write under /var/log/pods and kubelet reads.

    2026-01-02T03:04:05.678901234+00:00 stdout F text

Time, stream, tag, then the bytes the container wrote. The tag is `F` for a whole line and `P` for a part of one that
was too long for the writer's buffer; more tags may follow after a colon (kubelet's parseCRILog). Bytes in, bytes out:
a container may write anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


class Entry(msgspec.Struct, frozen=True, gc=False):
    time: str
    """RFC 3339 with nine digits, as written; see `pillion.units.parse_nano_time`."""
    stream: Stream
    partial: bool
    """More of the same line follows."""
    payload: bytes
    """Without the line's end."""


_STREAMS = {b"stdout": Stream.STDOUT, b"stderr": Stream.STDERR}

PART_LIMIT_BYTES = 1 << 20
"""How much of one line is held back to be joined. A container may never end its line."""


class Decoder:
    """Entries out of bytes that arrive in any pieces. The start of an unfinished line is kept for the next piece."""

    def __init__(self) -> None:
        self.malformed = 0
        """Lines that were no log lines (a full disk, a writer killed half way), skipped as kubelet does."""
        self._rest = b""

    @property
    def unfinished(self) -> int:
        """Bytes of a line whose end is still to come."""
        return len(self._rest)

    def feed(self, chunk: bytes) -> list[Entry]:
        """The entries that this chunk completes."""
        lines = chunk.split(b"\n")
        if len(lines) == 1:
            self._rest += chunk
            return []
        lines[0] = self._rest + lines[0]
        self._rest = lines.pop()
        entries = []
        for line in lines:
            entry = _decode_line(line)
            if entry is None:
                self.malformed += 1
            else:
                entries.append(entry)
        return entries


class Joiner:
    """Whole lines out of parts, for each stream by itself. A line has the time of its first part, as in kubelet.

    A line longer than `limit_bytes` is handed on in pieces that keep `partial`.
    """

    def __init__(self, limit_bytes: int = PART_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._parts: dict[Stream, list[Entry]] = {stream: [] for stream in Stream}
        self._sizes = dict.fromkeys(Stream, 0)

    @property
    def is_empty(self) -> bool:
        """No part of a line is held back."""
        return not any(self._parts.values())

    def join(self, entries: Iterable[Entry]) -> list[Entry]:
        """The lines that these entries complete."""
        joined = []
        for entry in entries:
            parts = self._parts[entry.stream]
            if not entry.partial and not parts:
                joined.append(entry)
                continue
            parts.append(entry)
            self._sizes[entry.stream] += len(entry.payload)
            if not entry.partial or self._sizes[entry.stream] >= self._limit_bytes:
                joined.append(self._take(entry.stream))
        return joined

    def flush(self) -> list[Entry]:
        """What is held back, at the end of the log: lines that never ended, still marked partial."""
        return [self._take(stream) for stream, parts in self._parts.items() if parts]

    def _take(self, stream: Stream) -> Entry:
        parts = self._parts[stream]
        self._parts[stream] = []
        self._sizes[stream] = 0
        payload = b"".join(part.payload for part in parts)
        return Entry(parts[0].time, stream, parts[-1].partial, payload)


def encode_entry(entry: Entry) -> bytes:
    """The log line of an entry, with its end. Raises ValueError for a payload of more than one line."""
    if b"\n" in entry.payload:
        raise ValueError("cannot encode a log line: the payload holds a line end")
    tag = b"P" if entry.partial else b"F"
    return b"%b %b %b %b\n" % (entry.time.encode(), entry.stream.encode(), tag, entry.payload)


def _decode_line(line: bytes) -> Entry | None:
    fields = line.split(b" ", 3)
    if len(fields) < 3:
        return None
    stream = _STREAMS.get(fields[1])
    tag = fields[2].partition(b":")[0]
    if stream is None or tag not in (b"F", b"P"):
        return None
    payload = fields[3] if len(fields) == 4 else b""
    return Entry(str(fields[0], "ascii", "replace"), stream, tag == b"P", payload)
