"""One HTTP request, one answer, and what an answer's status says about the records that were sent. Pure."""

from __future__ import annotations

import zlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec

from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = 300
"""Most characters of an answer that a reason repeats."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Header names may occur more than once. Credentials are not among them: see `HttpSender.send`."""

    path: str
    """With the query."""
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "POST"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: Mapping[str, str] = {}
    """Names in lower case."""
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def text(self) -> str:
        """The beginning of the body in one line, for reasons."""
        text = " ".join(self.body[: 4 * SHOWN].decode("utf-8", "replace").split())
        return text if len(text) <= SHOWN else text[:SHOWN] + "…"


class NoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The network, the other side or `interrupt` left us without one. The records may have arrived all the same."""

    reason: str


def compressed(body: bytes, how: str) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """The body and the header that says how it is packed. `how` is empty, `gzip` or `zstd`."""
    if how == "gzip":
        # Level 1 takes half the time of level 6 for a tenth more bytes (measured on JSON lines).
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        return packer.compress(body) + packer.flush(), (("Content-Encoding", "gzip"),)
    if how == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=1).compress(body), (("Content-Encoding", "zstd"),)
    return body, ()


def retry_after(answer: Answer, now: float) -> float | None:
    """Seconds that Retry-After asks for, as a number or a date (RFC 9110, section 10.2.3); None without a usable one.

    `now` is in seconds since the epoch.
    """
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def judge_status(
    answer: Answer,
    *,
    now: float,
    shown: str | None = None,
    again: frozenset[int] = frozenset({408, 425, 429}),
    never: frozenset[int] = frozenset(),
) -> Verdict:
    """What the status alone says: success; too large (413); again (5xx, 3xx, which we do not follow, and `again`); or
    never (every other one). `never` takes statuses out of these. `shown` replaces the answer's own text in the reason.
    """
    if answer.is_success:
        return Delivered()
    text = answer.text() if shown is None else shown
    reason = f"HTTP {answer.status}" + (f": {text}" if text else "")
    if answer.status == 413:
        return TooLarge(reason=reason)
    if answer.status in again or (answer.status not in never and not 400 <= answer.status < 500):
        return Again(reason=reason, after=retry_after(answer, now))
    return Refused(reason=reason)
