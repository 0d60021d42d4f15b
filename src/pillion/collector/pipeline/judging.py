"""What an output's verdict makes of a delivery. Pure.

A delivery is a list of pieces that go out one after the other. A verdict is about the first of them.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from pillion.collector.pipeline.weighing import weigh
from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, count, split_in_half


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    pieces: tuple[Content, ...]
    """What is still to be delivered, in order."""
    delivered: int = 0
    delivered_bytes: int = 0
    dead: tuple[tuple[str, Content], ...] = ()
    """(reason, records) that will never be delivered."""
    rejected_unseen: int = 0
    failure: str = ""
    """Why the first piece has to wait; empty when it does not."""
    after: float | None = None
    """Seconds the other side asked for."""
    progressed: bool = False
    """Something was taken before the failure: the other side works, so patience begins anew."""
    refused: bool = False
    """The other side will never take the piece: Fluent Bit's FLB_ERROR."""


def judge(pieces: tuple[Content, ...], verdict: Verdict) -> Judged:
    piece, *others = pieces
    rest = tuple(others)
    match verdict:
        case Delivered():
            dead = count_all(verdict.rejected)
            return Judged(
                pieces=rest,
                delivered=max(0, count(piece) - dead - verdict.rejected_unseen),
                delivered_bytes=weigh(piece),
                dead=verdict.rejected,
                rejected_unseen=verdict.rejected_unseen,
                progressed=True,
            )
        case Again():
            remaining = piece if verdict.remaining is None else verdict.remaining
            left, dead = count(remaining), count_all(verdict.rejected)
            if not left:
                return judge(
                    pieces, Delivered(rejected=verdict.rejected, rejected_unseen=verdict.rejected_unseen)
                )
            delivered = max(0, count(piece) - left - dead - verdict.rejected_unseen)
            return Judged(
                pieces=(remaining, *rest),
                delivered=delivered,
                delivered_bytes=max(0, weigh(piece) - weigh(remaining)) if delivered else 0,
                dead=verdict.rejected,
                rejected_unseen=verdict.rejected_unseen,
                failure=verdict.reason or "no reason given",
                after=verdict.after,
                progressed=left < count(piece),
            )
        case TooLarge():
            if count(piece) <= 1:
                return judge(pieces, Refused(reason=verdict.reason))
            return Judged(pieces=(*split_in_half(piece), *rest), progressed=True)
        case Refused():
            return Judged(pieces=rest, dead=((verdict.reason, piece),), refused=True)
        case _:
            assert_never(verdict)


def fit(content: Content, limit_bytes: int) -> tuple[Content, ...]:
    """`content` in pieces of at most `limit_bytes`, but at least one record each."""
    if weigh(content) <= limit_bytes or count(content) <= 1:
        return (content,)
    first, second = split_in_half(content)
    return (*fit(first, limit_bytes), *fit(second, limit_bytes))


def count_all(dead: tuple[tuple[str, Content], ...]) -> int:
    return sum(count(content) for _, content in dead)
