"""The status page, and Fluent Bit's JSON answers. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.collector.service.metrics import EDITION, FLUENT_BIT, lag_bytes
from pillion.collector.service.view import View
from pillion.collector.status import FileStatus, InputStatus, OutputStatus


def root(version: str) -> dict[str, Any]:
    """`/`"""
    return {
        "fluent-bit": {"version": FLUENT_BIT, "edition": EDITION, "flags": []},
        "pillion": {"version": version},
    }


def uptime(view: View) -> dict[str, Any]:
    """`/api/v1/uptime`, the two spaces included."""
    seconds = int(view.now - view.started)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    parts = [
        f"{amount} {unit}{'s' if amount > 1 else ''}"
        for amount, unit in ((day, "day"), (hour, "hour"), (minute, "minute"), (second, "second"))
    ]
    text = f"Fluent Bit has been running:  {', '.join(parts[:3])} and {parts[3]}"
    return {"uptime_sec": seconds, "uptime_hr": text}


def storage(view: View) -> dict[str, Any]:
    """`/api/v1/storage`"""
    chunks = view.storage.chunks
    return {
        "storage_layer": {
            "chunks": {
                "total_chunks": chunks,
                "mem_chunks": 0,
                "fs_chunks": chunks,
                "fs_chunks_up": chunks,
                "fs_chunks_down": 0,
            }
        },
        "input_chunks": {
            each.name: {
                "status": {
                    "overlimit": each.waiting,
                    "mem_size": _bytes(each.buffered_bytes),
                    "mem_limit": _bytes(each.limit_bytes),
                },
                "chunks": {"total": 0, "up": 0, "down": 0, "busy": 0, "busy_size": _bytes(0)},
            }
            for each in view.inputs
        },
    }


def status(view: View, not_ready: list[str]) -> dict[str, Any]:
    """`/api/v1/status`: where the records are. Moments are seconds since the epoch; lags are bytes and seconds."""
    now = view.now
    return {
        "started": view.started,
        "now": now,
        "ready": not not_ready,
        "not_ready": not_ready,
        "stopping": view.is_stopping,
        "reloads": view.reloads,
        "notices": view.notices,
        "unrouted_records": view.unrouted,
        "storage": msgspec.to_builtins(view.storage),
        "inputs": [_input(each, now) for each in view.inputs],
        "filters": [msgspec.to_builtins(each) for each in view.filters],
        "outputs": [_output(each, now) for each in view.outputs],
    }


def _input(status_: InputStatus, now: float) -> dict[str, Any]:
    shown: dict[str, Any] = {
        field: getattr(status_, field) for field in status_.__struct_fields__ if field != "files"
    }
    files = [_file(file, now) for file in status_.files.values()]
    lags = [file["lag_seconds"] for file in files]
    return shown | {"lag_bytes": lag_bytes(status_), "lag_seconds": max(lags, default=0.0), "files": files}


def _file(file: FileStatus, now: float) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(file)
    return shown | {
        "lag_bytes": max(0, file.size - file.delivered_offset),
        "lag_seconds": 0.0 if file.oldest_unsent is None else round(max(0.0, now - file.oldest_unsent), 3),
    }


def _output(status_: OutputStatus, now: float) -> dict[str, Any]:
    age = None if status_.oldest_unsent is None else round(max(0.0, now - status_.oldest_unsent), 3)
    shown: dict[str, Any] = msgspec.to_builtins(status_)
    return shown | {"oldest_unsent_seconds": age}


def _bytes(size: int) -> str:
    """As flb_utils_bytes_to_human_readable_size: `0b`, `1.5K`, `8.0M`."""
    if size < 1024:
        return f"{size}b"
    amount = float(size)
    for unit in "KMGTPE":
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f}{unit}"
    return f"{amount:.1f}Z"
