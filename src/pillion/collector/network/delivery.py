"""One delivery that takes several requests, and the one verdict about all of it. Pure."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, assert_never

from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_texts, count, join, split_in_half

if TYPE_CHECKING:
    from collections.abc import Callable


def deliver_parts(parts: list[Content], attempt: Callable[[Content], Verdict]) -> Verdict:
    """`attempt` each part in order until one of them is `Again`; what is too large is halved.

    What was refused or is too large by itself is in the verdict's `rejected`. A single part's verdict is the verdict.
    """
    if len(parts) == 1:
        return attempt(parts[0])
    waiting = deque(parts)
    rejected: list[tuple[str, Content]] = []
    unseen = 0
    while waiting:
        part = waiting.popleft()
        verdict = attempt(part)
        match verdict:
            case Delivered():
                rejected += verdict.rejected
                unseen += verdict.rejected_unseen
            case Refused():
                rejected.append((verdict.reason, part))
            case TooLarge() if count(part) < 2:
                rejected.append((verdict.reason, part))
            case TooLarge():
                waiting.extendleft(reversed(split_in_half(part)))
            case Again():
                rejected += verdict.rejected
                rest: list[Content] = [part if verdict.remaining is None else verdict.remaining, *waiting]
                return Again(
                    reason=verdict.reason,
                    after=verdict.after,
                    remaining=join(rest),
                    rejected=tuple(rejected),
                    rejected_unseen=unseen,
                )
            case _:
                assert_never(verdict)
    return Delivered(rejected=tuple(rejected), rejected_unseen=unseen)


def in_parts(content: Content, *, most_records: int = 0, most_bytes: int = 0, each: int = 0) -> list[Content]:
    """`content` in order, in parts of at most so many records and bytes (0: any number).

    Bytes are those of the records' JSON text and `each` for every record. A record that is too large by itself is a
    part by itself.
    """
    amount = count(content)
    texts: Texts | Lines = as_texts(content) if isinstance(content, Records) else content
    few = not most_records or amount <= most_records
    if few and (not most_bytes or len(texts.data) + amount * each <= most_bytes):
        return [content]
    lines = texts.data.split(b"\n")
    lines.pop()
    bounds, size = [0], 0
    for index, line in enumerate(lines):
        size += len(line) + 1 + each
        begun = bounds[-1]
        full = most_records and index - begun >= most_records
        if index > begun and (full or (most_bytes and size > most_bytes)):
            bounds.append(index)
            size = len(line) + 1 + each
    bounds.append(amount)
    return [_slice(content, lines, start, end) for start, end in pairwise(bounds)]


def _slice(content: Content, lines: list[bytes], start: int, end: int) -> Content:
    match content:
        case Records():
            return Records(times=content.times[start:end], bodies=content.bodies[start:end])
        case Lines():
            return Lines(data=b"\n".join([*lines[start:end], b""]), time=content.time, key=content.key)
        case Texts():
            times = content.times
            return Texts(
                data=b"\n".join([*lines[start:end], b""]),
                times=times if isinstance(times, int) else times[start:end],
            )
