"""What runs as `/fluent-bit/bin/fluent-bit` in the image that stands in for Fluent Bit: the collector, by Fluent Bit's
command line.

A Pod that mounts no configuration of its own gets the image's, which here ships the files of the log volumes: every
mount at or below /var/log, or the folders that PILLION_LOG_DIRS names (separated by colons).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from pillion.cli import main as pillion

PATHS_VARIABLE = "PILLION_LOG_PATHS"
"""Named by the image's configuration: the globs of its tail input."""
_NOTHING_MOUNTED = "/fluent-bit/no-log-volume-is-mounted/*"
_LOGS = PurePosixPath("/var/log")


def main() -> None:
    os.environ.setdefault(
        PATHS_VARIABLE, ", ".join(log_globs(os.environ.get("PILLION_LOG_DIRS", ""), _mounts()))
    )
    pillion(["collect", *sys.argv[1:]])


def log_globs(named: str, mounts: Iterable[str]) -> list[str]:
    """The globs of all files in the log folders: the `named` ones, else the `mounts` at and below /var/log."""
    folders = [folder for folder in named.split(":") if folder]
    if not folders:
        found = [PurePosixPath(mount) for mount in mounts]
        folders = sorted({str(mount) for mount in found if mount == _LOGS or _LOGS in mount.parents})
    return [f"{folder.rstrip('/')}/*" for folder in folders] or [_NOTHING_MOUNTED]


def _mounts() -> Iterator[str]:
    """The mount points of this container (proc_pid_mountinfo(5): the fifth field, with octal escapes)."""
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        yield line.split()[4].decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    main()
