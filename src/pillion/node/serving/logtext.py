"""Log entries as `kubectl logs` prints them (cri-client: pkg/logs/logs.go: logWriter)."""

from __future__ import annotations

from collections.abc import Iterable

from pillion.crilog import Entry, Stream
from pillion.streams import LogOptions
from pillion.units import Instant, format_nano_time, parse_nano_time

_STREAMS = {"Stdout": (Stream.STDOUT,), "Stderr": (Stream.STDERR,)}
_UTC = "+00:00"
_NANO_DIGITS = len("2026-01-02T03:04:05.678901234")


class LogText:
    """Bytes out of entries, within the limits that were asked for."""

    def __init__(self, options: LogOptions, since: Instant | None) -> None:
        self._timestamps = options.timestamps
        self._since_nanos = None if since is None else round(since * 1e9)
        self._streams = _STREAMS.get(options.stream, tuple(Stream))
        self._left = options.limit_bytes
        self._at_line_start = True

    @property
    def is_full(self) -> bool:
        """`limitBytes` have been written."""
        return self._left == 0

    def render(self, entries: Iterable[Entry]) -> bytes:
        text = b"".join(self._line(entry) for entry in entries if self._is_wanted(entry))
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
        return text

    def _is_wanted(self, entry: Entry) -> bool:
        if entry.stream not in self._streams:
            return False
        return self._since_nanos is None or not entry.time or parse_nano_time(entry.time) >= self._since_nanos

    def _line(self, entry: Entry) -> bytes:
        begins, self._at_line_start = self._at_line_start, not entry.partial
        end = b"" if entry.partial else b"\n"
        if not (begins and self._timestamps and entry.time):
            return entry.payload + end
        return b"%b %b%b" % (_in_utc(entry.time).encode(), entry.payload, end)


def _in_utc(time: str) -> str:
    """Nine digits and a Z. Most machines log in UTC: then nothing has to be calculated."""
    if time.endswith(_UTC) and len(time) == _NANO_DIGITS + len(_UTC):
        return time.removesuffix(_UTC) + "Z"
    return format_nano_time(parse_nano_time(time))
