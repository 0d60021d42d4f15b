"""Who still needs a chunk's source. Pure.

A claim stands for what an input handed over at once. It is held by everybody who has records of it: the filters that
keep some, the outputs that have them to send, the disk that has them to write. When the last holder has let go, the
source needs no more care, and the input hears so. Exactly once, never before.
"""

from __future__ import annotations

from collections.abc import Callable


class Claim:
    """Held once when it is made, by its maker."""

    __slots__ = ("_holders", "_settled", "on_disk")

    def __init__(self, settled: Callable[[], None], *, on_disk: bool = False) -> None:
        self.on_disk = on_disk
        """Its records wait on disk for their outputs."""
        self._holders = 1
        self._settled = settled

    @property
    def is_settled(self) -> bool:
        return self._holders == 0

    def hold(self, times: int = 1) -> None:
        assert self._holders, "a settled claim cannot be held again"
        self._holders += times

    def release(self) -> None:
        assert self._holders, "a claim was released more often than it was held"
        self._holders -= 1
        if not self._holders:
            self._settled()


Claims = tuple[Claim, ...]
"""Several sources of one chunk: a message that a filter joined has lines of all of them."""


def hold(claims: Claims) -> None:
    for claim in claims:
        claim.hold()


def release(claims: Claims) -> None:
    for claim in claims:
        claim.release()


def union(first: Claims, second: Claims) -> Claims:
    """Both, each once, in the order of their first appearance."""
    return tuple(dict.fromkeys((*first, *second)))
