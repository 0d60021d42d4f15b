"""When a target is scraped, and which time its samples get. Pure; all in nanoseconds since the epoch.

Targets are spread over their interval by a hash of what they are, so that many of them, and several Prometheus with the
same targets, do not ask all at once (scrape/target.go, offset; scrape/scrape.go, run).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pillion.scraper.labels import Labels

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
TOLERANCE = 2 * MILLISECOND
"""How late a scrape may be and still get the time that it was due at (ScrapeTimestampTolerance), as equal distances
compress well where they are stored. At most 1 % of the interval."""

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_64_BITS = (1 << 64) - 1


def fnv1a(data: bytes) -> int:
    """FNV-1a with 64 bits."""
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & _64_BITS
    return value


def hash_target(labels: Labels, url: str) -> int:
    """Prometheus hashes the labels in a form that may change with every version of it: the phases are not its own."""
    text = b"\xff".join(part.encode() for pair in labels for part in pair)
    return fnv1a(b"%016d" % fnv1a(text) + url.encode())


def seed_of(host: str, external_labels: Labels) -> int:
    """One per scraper: two of them with different external labels scrape at different times (setOffsetSeed)."""
    shown = ", ".join(f'{name}="{value}"' for name, value in external_labels)
    return fnv1a(f"{host}{{{shown}}}".encode())


def first_wait(interval: int, hashed: int, seed: int, now: int) -> int:
    """Until the next scrape of a target that begins now. The phase does not depend on when that is."""
    wait = interval - now % interval + (hashed ^ seed) % interval
    return wait - interval if wait > interval else wait


class Ticks:
    """The scrapes of one target: one each interval; those that were missed are left out, all but one."""

    __slots__ = ("_aligned", "_begun", "_interval", "_number", "_tolerance")

    def __init__(self, begun: int, interval: int, *, tolerance: int = TOLERANCE) -> None:
        self._tolerance = min(interval // 100, tolerance)
        self._begun = begun
        self._aligned = begun
        self._interval = interval
        self._number = 0

    def scrape_time(self, now: int) -> int:
        """The time for the samples of a scrape that begins now: when it was due, if it is hardly later."""
        behind = now - self._aligned
        if behind >= self._interval:
            self._aligned += behind // self._interval * self._interval
            behind = now - self._aligned
        return self._aligned if behind <= self._tolerance else now

    def next_wait(self, now: int) -> int:
        """Until the next one. A tick that came while a scrape went on is taken at once."""
        due = self._begun + (self._number + 1) * self._interval
        if due <= now:
            self._number = (now - self._begun) // self._interval
            return 0
        self._number += 1
        return due - now
