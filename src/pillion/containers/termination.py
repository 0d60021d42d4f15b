"""What is said about a container's end: reason and termination message.

Reasons are containerd's (internal/cri/server/container_status.go), the message is put together as the kubelet does it
(pkg/kubelet/kuberuntime/kuberuntime_container.go: getTerminationMessage, readLastStringFromContainerLogs).
"""

from __future__ import annotations

from pathlib import Path

from pillion import crilog

MESSAGE_LIMIT = 4096
"""Bytes of the termination message file, counted from its end."""
LOG_LINES = 80
LOG_LIMIT = 2048
"""`FallbackToLogsOnError`: bytes of the log's last lines."""

_LOG_WINDOW = 128 * 1024
"""File bytes that hold LOG_LIMIT bytes of output however short its lines are: each costs some 45 bytes more."""

KILLED_STATUS = 137
"""128 + SIGKILL: its monitor was gone, it ran on, and we killed it."""
UNKNOWN_STATUS, UNKNOWN_REASON = 255, "Unknown"
"""It ended, and nobody was there to learn how (containerd, internal/cri/server/helpers.go: unknownContainerStatus)."""
START_FAILED_STATUS = 128
"""containerd, internal/cri/server/container_start.go: errorStartExitCode."""


def exit_reason(status: int, oom_kills: int) -> str:
    if oom_kills > 0:
        return "OOMKilled"
    return "Completed" if status == 0 else "Error"


def start_failure(runc_said: str) -> str:
    """containerd's sentence for a container whose creation in the runtime failed."""
    return (
        "failed to create containerd task: failed to create shim task: "
        f"OCI runtime create failed: {runc_said}: unknown"
    )


def termination_message(path: Path, policy: str, status: int, log: Path) -> str:
    """At most MESSAGE_LIMIT bytes of the file; for a failure without any, what the log ends with, if asked for."""
    try:
        text = _tail(path, MESSAGE_LIMIT)
    except FileNotFoundError:
        text = b""
    except OSError as error:
        return f"Error on reading termination log {path}: {error.strerror}"
    if not text and status != 0 and policy == "FallbackToLogsOnError":
        text = _log_tail(log)
    return text.decode(errors="replace")


def _tail(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - limit))
        return file.read(limit)


def _log_tail(log: Path) -> bytes:
    try:
        window = _tail(log, _LOG_WINDOW)
    except FileNotFoundError:
        return b""
    if len(window) == _LOG_WINDOW:
        window = window.partition(b"\n")[2]
    entries = crilog.Decoder().feed(window)[-LOG_LINES:]
    text = b"".join(entry.payload if entry.partial else entry.payload + b"\n" for entry in entries)
    return text[-LOG_LIMIT:]
