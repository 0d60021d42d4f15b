"""What is left when the collector ends, where it stays, and how that is said."""

from __future__ import annotations

import logging

import msgspec

from pillion.collector.buffer import DiskBuffer, Label
from pillion.collector.pipeline.judging import weighed
from pillion.collector.pipeline.lanes import Delivery


class Ending(msgspec.Struct, kw_only=True):
    """Counts records, by output."""

    left: dict[str, int] = msgspec.field(default_factory=dict)
    """Not delivered."""
    on_disk: dict[str, int] = msgspec.field(default_factory=dict)
    """Of those: in the buffer on disk, for the next start."""
    reasons: dict[str, str] = msgspec.field(default_factory=dict)
    """The last failure of the output."""
    failure: str = ""
    """Why the collector ended, when it was not asked to."""


def settle_left(left: dict[str, list[Delivery]], disk: DiskBuffer | None) -> Ending:
    """Counts what is left, and gives what waits in memory to the disk, which settles it once it is sure."""
    ending = Ending()
    for name, deliveries in left.items():
        for delivery in deliveries:
            ending.left[name] = ending.left.get(name, 0) + delivery.records
            ending.reasons[name] = delivery.reason or ending.reasons.get(name, "")
            if delivery.entries[0].is_stored:
                _add(ending.on_disk, name, delivery.records)
            elif disk is not None:
                _store(delivery, name, disk, ending)
    return ending


def say(ending: Ending, log: logging.Logger) -> None:
    for name, records in ending.left.items():
        stored = ending.on_disk.get(name, 0)
        why = f" ({ending.reasons[name]})" if ending.reasons.get(name) else ""
        where = []
        if stored:
            where.append(f"{stored} are on disk for the next start")
        if records > stored:
            where.append(f"{records - stored} will be read again where they came from, if that is a file")
        log.warning("%d records were not delivered to %s%s: %s", records, name, why, "; ".join(where))
    if not ending.left and not ending.failure:
        log.info("ended: everything is delivered")


def _store(delivery: Delivery, name: str, disk: DiskBuffer, ending: Ending) -> None:
    pieces = delivery.pieces
    if pieces is None:
        pieces = tuple(weighed(entry.chunk.content()) for entry in delivery.entries)
    waiting = len(pieces)

    def one_is_sure() -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            _add(ending.on_disk, name, delivery.records)
            for entry in delivery.entries:
                entry.done()

    for piece in pieces:
        label = Label(
            tag=delivery.tag, kind="", outputs=(name,),
            records=piece.records, bytes=piece.bytes, since=delivery.since,
        )  # fmt: skip
        disk.add(label, piece.content, settled=one_is_sure)


def _add(counts: dict[str, int], name: str, records: int) -> None:
    counts[name] = counts.get(name, 0) + records
