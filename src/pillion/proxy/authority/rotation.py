"""When an authority renews itself, and how nobody notices. No clock, no files.

A new root is trusted and used at once, as two things overlap: the bundle holds the old root beside the new one, so
leafs of before go on; and chains of now end with a cross certificate, the new root signed by the old one, so that those
who have only the old bundle follow. Once every leaf from before has ended, the old root goes, without being told to:
how long that is, is written in the new root itself, as its beginning.
"""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import assert_never

from cryptography import x509

from pillion.errors import ManifestError
from pillion.proxy.authority.certification import (
    INTERMEDIATE_LIFETIME,
    Issuer,
    build_cross,
    build_intermediate,
    build_root,
)
from pillion.proxy.authority.hierarchy import Hierarchy

MAX_LEAF_LIFETIME = datetime.timedelta(days=7)
OVERLAP = MAX_LEAF_LIFETIME
"""An old root is trusted so long beside the new one."""
RENEW_BEFORE = datetime.timedelta(days=30)
"""An intermediate is replaced so long before its end; a root so long before its end would shorten an intermediate."""
_CROSS_LIFETIME = OVERLAP + MAX_LEAF_LIFETIME
"""The last chain with a cross certificate is issued at the overlap's end, and lives on."""


def create(trust_domain: str, now: datetime.datetime) -> Hierarchy:
    root = build_root(trust_domain, now)
    return Hierarchy(
        roots=(root.certificate,), root=root, intermediate=build_intermediate(root, trust_domain, now)
    )


def renew(hierarchy: Hierarchy, trust_domain: str, now: datetime.datetime) -> Hierarchy:
    """What is due. A root that is kept elsewhere cannot help: then only former roots go."""
    if _root_is_due(hierarchy, now):
        return rotate_root(hierarchy, trust_domain, now)
    if _intermediate_is_due(hierarchy, now):
        return rotate_intermediate(hierarchy, trust_domain, now)
    return Hierarchy(
        roots=_trusted(hierarchy, now),
        root=hierarchy.root,
        intermediate=hierarchy.intermediate,
        cross=_living(hierarchy.cross, now),
    )


def is_due(hierarchy: Hierarchy, now: datetime.datetime) -> bool:
    """Whether `renew` would change something of weight."""
    return (
        _root_is_due(hierarchy, now)
        or _intermediate_is_due(hierarchy, now)
        or _trusted(hierarchy, now) != hierarchy.roots
    )


def _root_is_due(hierarchy: Hierarchy, now: datetime.datetime) -> bool:
    """Soon over; or its rotation was cut short before its successor's key was kept, so there must be another one."""
    root = hierarchy.root
    return root is not None and (
        _ends_within(root.certificate, INTERMEDIATE_LIFETIME + RENEW_BEFORE, now)
        or root.certificate != hierarchy.issuing_root
    )


def _intermediate_is_due(hierarchy: Hierarchy, now: datetime.datetime) -> bool:
    return hierarchy.root is not None and _ends_within(hierarchy.intermediate.certificate, RENEW_BEFORE, now)


def rotate_intermediate(hierarchy: Hierarchy, trust_domain: str, now: datetime.datetime) -> Hierarchy:
    """A new intermediate. Leafs of the old one carry it along, and go on. Raises ManifestError without the root."""
    root = _own_root(hierarchy)
    return Hierarchy(
        roots=_trusted(hierarchy, now),
        root=root,
        intermediate=build_intermediate(root, trust_domain, now),
        cross=_living(hierarchy.cross, now),
    )


def rotate_root(hierarchy: Hierarchy, trust_domain: str, now: datetime.datetime) -> Hierarchy:
    """A new root and intermediate; the old root stays trusted for the overlap. Raises ManifestError without it."""
    old = _own_root(hierarchy)
    new = build_root(trust_domain, now)
    cross = build_cross(old, new.certificate, trust_domain, now, _CROSS_LIFETIME)
    return Hierarchy(
        roots=(new.certificate, *_trusted(hierarchy, now)),
        root=new,
        intermediate=build_intermediate(new, trust_domain, now),
        cross=(cross, *_living(hierarchy.cross, now)),
    )


class Rotation(StrEnum):
    """What is made anew."""

    INTERMEDIATE = "intermediate"
    ROOT = "root"
    """And what is below it."""
    DISTRUST = "distrust"
    """The root, and the old one is trusted no longer: for a key that somebody else may have. Who has only the old
    bundle is cut off."""


def rotate(hierarchy: Hierarchy, trust_domain: str, now: datetime.datetime, what: Rotation) -> Hierarchy:
    """Raises ManifestError when the old root is needed and kept elsewhere."""
    match what:
        case Rotation.INTERMEDIATE:
            return rotate_intermediate(hierarchy, trust_domain, now)
        case Rotation.ROOT:
            return rotate_root(hierarchy, trust_domain, now)
        case Rotation.DISTRUST:
            return create(trust_domain, now)
        case _:
            assert_never(what)


def _trusted(hierarchy: Hierarchy, now: datetime.datetime) -> tuple[x509.Certificate, ...]:
    current = hierarchy.issuing_root
    overlaps = current.not_valid_before_utc + OVERLAP > now
    return tuple(
        root for root in hierarchy.roots if root == current or (overlaps and root.not_valid_after_utc > now)
    )


def _living(cross: tuple[x509.Certificate, ...], now: datetime.datetime) -> tuple[x509.Certificate, ...]:
    return tuple(one for one in cross if one.not_valid_after_utc > now)


def _own_root(hierarchy: Hierarchy) -> Issuer:
    if hierarchy.root is None:
        raise ManifestError(
            "cannot rotate: root.pem is not in the authority's folder; bring it back for that"
        )
    return hierarchy.root


def _ends_within(one: x509.Certificate, time: datetime.timedelta, now: datetime.datetime) -> bool:
    return one.not_valid_after_utc - now <= time
