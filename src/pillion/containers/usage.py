"""What control groups have used: processor time and memory, from version 1 or 2, as cAdvisor reads them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from pillion.containers.cgroups import Layout, Version


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Of a group and everything below it."""

    cpu_nanos: int
    """Since the group was made."""
    memory_bytes: int
    """Page cache included."""
    working_set_bytes: int
    """Without the page cache that can go at once (inactive_file): what counts for eviction and `kubectl top`."""
    rss_bytes: int
    page_faults: int
    major_page_faults: int


def read_usage(layout: Layout, group: str) -> Usage | None:
    """`group` is an absolute path within the trees. None when it is gone."""
    try:
        return _read_v2(layout, group) if layout.version is Version.V2 else _read_v1(layout, group)
    except OSError:  # ENOENT, or ENODEV when it went while we read
        return None


def tree_bytes(folder: Path) -> int:
    """What a folder takes on its disk; what goes while one looks does not count."""
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{at}/{name}").st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _read_v1(layout: Layout, group: str) -> Usage | None:
    cpu, memory = layout.tree("cpuacct"), layout.tree("memory")
    if cpu is None or memory is None:
        return None
    stat = _table(Path(memory + group, "memory.stat"))
    used = int(Path(memory + group, "memory.usage_in_bytes").read_text())
    return Usage(
        cpu_nanos=int(Path(cpu + group, "cpuacct.usage").read_text()),
        memory_bytes=used,
        working_set_bytes=max(0, used - stat.get("total_inactive_file", 0)),
        rss_bytes=stat.get("total_rss", 0),
        page_faults=stat.get("total_pgfault", 0),
        major_page_faults=stat.get("total_pgmajfault", 0),
    )


def _read_v2(layout: Layout, group: str) -> Usage:
    folder = Path(layout.trees[0][1] + group)
    stat = _table(folder / "memory.stat")
    used = int((folder / "memory.current").read_text())
    return Usage(
        cpu_nanos=_table(folder / "cpu.stat").get("usage_usec", 0) * 1000,
        memory_bytes=used,
        working_set_bytes=max(0, used - stat.get("inactive_file", 0)),
        rss_bytes=stat.get("anon", 0),
        page_faults=stat.get("pgfault", 0),
        major_page_faults=stat.get("pgmajfault", 0),
    )


def _table(file: Path) -> dict[str, int]:
    return {
        name: int(value) for name, _, value in (line.partition(" ") for line in file.read_text().splitlines())
    }


def read_machine_usage(ticks_per_second: int) -> Usage:
    """Of this whole machine, from /proc."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[:8])
    kilobytes = {
        name: int(value.split()[0])
        for name, _, value in (line.partition(":") for line in Path("/proc/meminfo").read_text().splitlines())
    }
    used = kilobytes["MemTotal"] - kilobytes["MemFree"]
    ticks = user + nice + system + irq + softirq + steal
    return Usage(
        cpu_nanos=ticks * 1_000_000_000 // ticks_per_second,
        memory_bytes=used * 1024,
        working_set_bytes=max(0, used - kilobytes["Inactive(file)"]) * 1024,
        rss_bytes=kilobytes["AnonPages"] * 1024,
        page_faults=0,
        major_page_faults=0,
    )
