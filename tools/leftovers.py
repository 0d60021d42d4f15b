"""What a pillion that has ended should not have left on this machine: looked up in the kernel, not asked of pillion."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Traces(NamedTuple):
    """What tells one pillion's things from everybody else's."""

    state_dir: str
    pods: frozenset[str] = frozenset()
    """UIDs: the pods' cgroups are named after them."""
    links: frozenset[str] = frozenset()
    """Network interfaces: the bridge, and one per pod. The nftables table has the bridge's name."""
    ports: tuple[int, ...] = ()
    """Published on 127.0.0.1."""


def collect_traces(state_dir: str, ports: tuple[int, ...]) -> Traces:
    """To be called while pods run."""
    network = json.loads(Path(state_dir, "network.json").read_bytes())
    links = {network["bridge"], *(lease["veth"] for lease in network["leases"])}
    pods = frozenset(folder.name for folder in Path(state_dir, "pods").iterdir())
    return Traces(state_dir, pods, frozenset(links), ports)


def find_leftovers(traces: Traces) -> list[str]:
    """A line for each; empty when nothing is left."""
    return [*_processes(traces), *_mounts(traces), *_cgroups(traces), *_network(traces)]


def _processes(traces: Traces) -> Iterator[str]:
    """conmon and runc name the state directory; a container's processes are in the pod's cgroup."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text(errors="replace").split("\0")
            cgroups = (folder / "cgroup").read_text()
        except OSError:  # it has just ended
            continue
        if any(traces.state_dir in word for word in words) or any(uid in cgroups for uid in traces.pods):
            yield f"process {folder.name}: {' '.join(words).strip()}"


def _mounts(traces: Traces) -> Iterator[str]:
    """Network namespaces are among them: they are pinned by mounts in the state directory."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount_point = line.split(" ")[4]
        if mount_point.startswith(traces.state_dir):
            yield f"mount {mount_point}"


def _cgroups(traces: Traces) -> Iterator[str]:
    for uid in traces.pods:
        for folder in Path("/sys/fs/cgroup").rglob(f"*pod{uid}*"):
            yield f"cgroup {folder}"


def _network(traces: Traces) -> Iterator[str]:
    tables = subprocess.run(
        ("nft", "list", "tables"), capture_output=True, text=True, check=True
    ).stdout.split()
    for link in traces.links:
        if Path("/sys/class/net", link).exists():
            yield f"network interface {link}"
        if link in tables:
            yield f"nftables table {link}"
    for port in traces.ports:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                yield f"port 127.0.0.1:{port} is open"
