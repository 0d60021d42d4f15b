"""Certificates that are served and come to their end: said twice, before it and at it. Pure."""

from __future__ import annotations

from enum import StrEnum

from pillion.proxy.certificates.material import Leaf
from pillion.units import Instant

_LATE = 0.1
"""Of its life. Whoever renews does so at a half (SPIFFE) or a third (cert-manager) of it."""


class Stage(StrEnum):
    FINE = ""
    LATE = "ends soon and nobody has renewed it"
    OVER = "has expired: clients refuse it, and no new one is there"


def stage(leaf: Leaf, now: Instant) -> Stage:
    if now >= leaf.not_after:
        return Stage.OVER
    if now >= leaf.not_after - _LATE * (leaf.not_after - leaf.not_before):
        return Stage.LATE
    return Stage.FINE
