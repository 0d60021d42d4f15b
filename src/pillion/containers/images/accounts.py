"""The users and groups an image knows: its /etc/passwd and /etc/group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.containers.images.rootview import read_in_root
from pillion.plan.containerspec import GroupEntry, PasswdEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_BYTES = 1 << 20
"""Larger files are cut: an image's author may not fill our memory."""


def read_passwd(layers: Sequence[str]) -> tuple[PasswdEntry, ...]:
    """Lines that are not `name:password:uid:gid:gecos:home:shell` are passed over, as libc does."""
    entries = []
    for fields in _lines(layers, "etc/passwd"):
        if len(fields) >= 4 and _is_id(fields[2]) and _is_id(fields[3]):
            home = fields[5] if len(fields) > 5 else ""
            entries.append(PasswdEntry(fields[0], int(fields[2]), int(fields[3]), home or "/"))
    return tuple(entries)


def read_groups(layers: Sequence[str]) -> tuple[GroupEntry, ...]:
    entries = []
    for fields in _lines(layers, "etc/group"):
        if len(fields) >= 3 and _is_id(fields[2]):
            members = fields[3].split(",") if len(fields) > 3 else []
            entries.append(GroupEntry(fields[0], int(fields[2]), tuple(m for m in members if m)))
    return tuple(entries)


def _lines(layers: Sequence[str], path: str) -> list[list[str]]:
    text = read_in_root(layers, path, max_bytes=_MAX_BYTES)
    if text is None:
        return []
    lines = text.decode("utf-8", "replace").split("\n")
    return [line.split(":") for line in lines if line and not line.startswith("#")]


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 2**32
