"""What pillion may not leave on a machine, looked up in the kernel: by state directory and pod, so that several test
runs on one machine do not blame each other."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pillion.network.leases import bridge_name

_FOLDERS: set[str] = set()
_PODS: set[str] = set()
_CGROUPS = Path("/sys/fs/cgroup")
_NAMES = ("pytest", "pillion", "tour.py", "bench")


def watch(folder: str) -> None:
    """State directories are this folder, or in it."""
    _FOLDERS.add(folder)


def watch_pod(uid: str) -> None:
    _PODS.add(uid)


def take_watched() -> list[str]:
    """What is left of everything watched since the last call, a line each."""
    folders, pods = sorted(_FOLDERS), frozenset(_PODS)
    _FOLDERS.clear()
    _PODS.clear()
    left = [line for folder in folders for line in _of_folder(folder)]
    return left + [f"cgroup {path}" for path in _pod_cgroups() if any(uid in path for uid in pods)]


def _of_folder(folder: str) -> Iterator[str]:
    for process, words in _processes():
        if any(folder in word for word in words):
            yield f"process {process}: {' '.join(words)}"
    for mount_point in _mount_points():
        if mount_point.startswith(folder):
            yield f"mount {mount_point}"
    tables = _tables()
    for root in (folder, *_subfolders(folder)):
        bridge = bridge_name(root)
        if Path("/sys/class/net", bridge).exists():
            yield f"bridge {bridge} of {root}"
        if bridge in tables:
            yield f"nftables table {bridge} of {root}"


def _subfolders(folder: str) -> Iterator[str]:
    """Where a state directory may be: two levels deep."""
    for pattern in ("*", "*/*"):
        yield from (str(path) for path in Path(folder).glob(pattern) if path.is_dir())


def of_machine() -> frozenset[str]:
    """Everything on this machine that looks like pillion's."""
    links = (path.name for path in Path("/sys/class/net").iterdir())
    return frozenset(
        (
            *(f"process {p}: {' '.join(w)}" for p, w in _processes() if Path(w[0]).name == "conmon"),
            *(f"mount {path}" for path in _mount_points() if "/sandboxes/" in path or "/containers/" in path),
            *(f"cgroup {path}" for path in _pod_cgroups()),
            *(f"link {link}" for link in links if link.startswith(("pln", "plv"))),
            *(f"nftables table {table}" for table in _tables()),
            *(f"file {path}" for path in Path("/tmp").glob("pillion*")),
        )
    )


def others_at_work() -> bool:
    """Whether something of pillion's runs that is none of our ancestors: another test run, a tour, a benchmark."""
    ours = set()
    pid = os.getpid()
    while pid > 1:
        ours.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return any(
        process not in ours and any(name in word for word in words[:4] for name in _NAMES)
        for process, words in _processes()
    )


def _processes() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_text(errors="replace")
        except OSError:  # it has just ended
            continue
        if text and int(folder.name) != os.getpid():
            yield int(folder.name), text.rstrip("\0").split("\0")


def _mount_points() -> list[str]:
    return [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def _pod_cgroups() -> Iterator[str]:
    """Pods lie one or two levels below pillion's group, in each tree. Other tests' groups may go while one looks."""
    for root in (_CGROUPS, *(_CGROUPS.glob("*"))):
        for folder, groups, _ in os.walk(root / "pillion"):
            yield from (f"{folder}/{group}" for group in groups if group.startswith("pod"))


def _tables() -> list[str]:
    if shutil.which("nft") is None or os.geteuid() != 0:
        return []
    listed = subprocess.run(("nft", "list", "tables"), capture_output=True, text=True, check=True)
    return [line.split()[-1] for line in listed.stdout.splitlines()]
