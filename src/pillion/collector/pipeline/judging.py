"""What an output's verdict makes of a delivery. Pure.

A delivery is a list of pieces that go out one after the other. A verdict is about the first of them.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from pillion.collector.pipeline.weighing import weigh
from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, count, split_in_half


class Piece(msgspec.Struct, frozen=True):
    """What one `deliver` gets. Counting is a pass over all of it, so what is known is kept."""

    content: Content
    records: int
    bytes: int


Pieces = tuple[Piece, ...]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    pieces: Pieces
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
    too_large: int = 0
    """Bytes that were too much for the other side at once, though not as one record."""
    refused: bool = False
    """The other side will never take the piece: Fluent Bit's FLB_ERROR."""


def judge(pieces: Pieces, verdict: Verdict) -> Judged:
    piece, *others = pieces
    rest = tuple(others)
    match verdict:
        case Delivered():
            dead = count_all(verdict.rejected)
            return Judged(
                pieces=rest,
                delivered=max(0, piece.records - dead - verdict.rejected_unseen),
                delivered_bytes=piece.bytes,
                dead=verdict.rejected,
                rejected_unseen=verdict.rejected_unseen,
                progressed=True,
            )
        case Again():
            remaining = piece if verdict.remaining is None else weighed(verdict.remaining)
            left, dead = remaining.records, count_all(verdict.rejected)
            if not left:
                return judge(
                    pieces, Delivered(rejected=verdict.rejected, rejected_unseen=verdict.rejected_unseen)
                )
            delivered = max(0, piece.records - left - dead - verdict.rejected_unseen)
            return Judged(
                pieces=(remaining, *rest),
                delivered=delivered,
                delivered_bytes=max(0, piece.bytes - remaining.bytes) if delivered else 0,
                dead=verdict.rejected,
                rejected_unseen=verdict.rejected_unseen,
                failure=verdict.reason or "no reason given",
                after=verdict.after,
                progressed=left < piece.records,
            )
        case TooLarge():
            if piece.records <= 1:
                return judge(pieces, Refused(reason=verdict.reason))
            return Judged(pieces=(*halves(piece), *rest), too_large=piece.bytes, progressed=True)
        case Refused():
            return Judged(pieces=rest, dead=((verdict.reason, piece.content),), refused=True)
        case _:
            assert_never(verdict)


def weighed(content: Content) -> Piece:
    return Piece(content, count(content), weigh(content))


def halves(piece: Piece) -> Pieces:
    """Of at least two records."""
    first, second = split_in_half(piece.content)
    records = count(first)
    return Piece(first, records, weigh(first)), Piece(second, piece.records - records, weigh(second))


def fit(piece: Piece, limit_bytes: int) -> Pieces:
    """In pieces of at most `limit_bytes`, but at least one record each."""
    if piece.bytes <= limit_bytes or piece.records <= 1:
        return (piece,)
    first, second = halves(piece)
    return (*fit(first, limit_bytes), *fit(second, limit_bytes))


def count_all(dead: tuple[tuple[str, Content], ...]) -> int:
    return sum(count(content) for _, content in dead)
