"""What a benchmark hands back, and the table of all of them."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
from pathlib import Path
from typing import NamedTuple


class Figure(NamedTuple):
    what: str
    unit: str
    values: tuple[float, ...]


class Note(NamedTuple):
    """Said instead of a figure: why there is none."""

    text: str


TITLES = ("WHAT", "MEDIAN", "MIN", "MAX", "N", "UNIT")


def render(figures: list[Figure]) -> str:
    rows = [TITLES, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES))]
    lines = []
    for row in rows:
        numbers = [cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True)]
        lines.append("   ".join([row[0].ljust(widths[0]), *numbers, row[5]]))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    values = figure.values
    shown = (_number(f(values)) for f in (statistics.median, min, max))
    return (figure.what, *shown, str(len(values)), figure.unit)


def _number(value: float) -> str:
    """Three digits that count; more would be the noise of the machine."""
    if value >= 1000 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - _magnitude(value))}f}"


def _magnitude(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def machine_facts() -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        f"{_cpu()}, {len(os.sched_getaffinity(0))} cores, {memory:.1f} GiB, load {load}",
        f"Linux {platform.release()}, {_distribution()}, Python {platform.python_version()}",
        "; ".join(_version(program) for program in ("runc", "conmon", "podman") if shutil.which(program)),
    ]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _distribution() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "an unknown distribution")


def _version(program: str) -> str:
    """The first line says it, whatever the program calls itself."""
    output = subprocess.run((program, "--version"), capture_output=True, text=True, check=True).stdout
    return " ".join(output.splitlines()[0].split())
