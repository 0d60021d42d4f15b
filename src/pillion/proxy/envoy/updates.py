"""What Envoy says of the files it was given: taken, refused, or not read yet. Pure.

A subscription counts each update (`update_success`, `update_rejected` when a resource cannot be used, `update_failure`
when the file cannot be read) and says the version it serves (`version_text`).
Source: Envoy's documentation, "xDS subscription statistics".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

PATTERN = (
    r"\.(version_text|update_rejected|update_failure)$"
    r"|^listener_manager\.(total_listeners_(active|warming)|workers_started)$"
    r"|^listener_manager\.listener_create_failure$"
    r"|^cluster_manager\.warming_clusters$"
)
"""Of the statistics that are looked at."""
_FAILURES = (".update_rejected", ".update_failure", ".listener_create_failure")
_VERSION = ".version_text"

Stats = Mapping[str, int | str]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was written. Versions by the subscription's name, or by the end of it after a dot."""

    versions: Mapping[str, str]
    listeners: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    is_taken: bool = False
    refused: tuple[str, ...] = ()
    """Statistics that count refusals and have grown."""
    waits_for: tuple[str, ...] = ()
    """For people."""


def judge(wanted: Wanted, before: Stats, now: Stats) -> Verdict:
    """Of an update that was written after `before`."""
    refused = tuple(
        name for name, value in now.items() if name.endswith(_FAILURES) and value != before.get(name, 0)
    )
    if refused:
        return Verdict(refused=refused)
    waits_for = [
        subscription
        for subscription, version in wanted.versions.items()
        if not _is_served(subscription, version, now)
    ]
    for name, what in (
        ("listener_manager.total_listeners_warming", "listeners that warm up"),
        ("cluster_manager.warming_clusters", "clusters that warm up"),
    ):
        if now.get(name, 0):
            waits_for.append(f"{now[name]} {what}")
    if now.get("listener_manager.total_listeners_active", 0) != wanted.listeners:
        waits_for.append(f"{wanted.listeners} active listeners")
    if not now.get("listener_manager.workers_started", 0):
        waits_for.append("its workers")
    return Verdict(is_taken=not waits_for, waits_for=tuple(waits_for))


def _is_served(subscription: str, version: str, now: Stats) -> bool:
    """One that Envoy has not subscribed to has nothing to serve: nobody refers to it."""
    name = subscription + _VERSION
    found = [value for key, value in now.items() if key == name or key.endswith(f".{name}")]
    return all(value == version for value in found)
