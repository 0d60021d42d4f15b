"""`python -m bench [NAME…]`: run benchmarks and print one table. Without names: all of them, about fourteen minutes."""

from __future__ import annotations

import asyncio
import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import (
    adoption,
    collect,
    collectlife,
    command,
    exposition,
    objects,
    peers,
    pods,
    proxying,
    proxyissue,
    remotewrite,
    scraping,
    serving,
)
from bench.figures import Figure, Note, machine_facts, render
from bench.program import make_image
from pillion.errors import PillionError

Results = Sequence[Figure | Note]

GROUPS = {
    "collect": (
        "collect-lines",
        "collect-latency",
        "collect-idle",
        "collect-start",
        "collect-files",
        "collect-load",
    ),
    "proxy": ("proxy-requests", "proxy-latency", "proxy-memory", "proxy-start", "proxy-issue"),
    "scrape": ("scrape-costs", "scrape-idle"),
    "api": ("api-pods", "api-weight", "api-objects", "api-crowds", "api-adoption"),
}

ON_DEMAND = {"collect-10gb"}
"""Run only when they are named."""


def benchmarks(*, can_answer: bool) -> dict[str, Callable[[Path], Results]]:
    return {
        "help": command.help_text,
        "decide": lambda _: _script("decide", "decide.py"),
        "start": lambda folder: asyncio.run(pods.start_and_stop(folder)),
        "crash": lambda folder: asyncio.run(pods.crash(folder)),
        "crowd": lambda folder: asyncio.run(pods.crowd(folder)),
        "idle": functools.partial(command.idle, can_answer=can_answer),
        "runc": peers.runc,
        "podman": peers.podman,
        "collect-records": lambda _: _script("collect-records", "records.py"),
        "collect-lines": collect.throughput,
        "collect-latency": collectlife.latency,
        "collect-idle": collectlife.idle,
        "collect-start": collectlife.start,
        "collect-files": collectlife.files,
        "collect-load": collectlife.load,
        "collect-10gb": lambda folder: collectlife.load(folder, 10 << 30),
        "api-pods": serving.pods,
        "api-weight": serving.weight,
        "api-objects": objects.crowds_of_objects,
        "api-crowds": objects.crowds_of_pods,
        "api-adoption": adoption.adoption,
        "exposition": exposition.exposition,
        "remote-write": remotewrite.remote_write,
        "proxy-requests": proxying.throughput,
        "proxy-latency": proxying.latency,
        "proxy-memory": proxying.weight,
        "proxy-start": proxying.start,
        "proxy-issue": proxyissue.issue,
        "scrape-costs": scraping.scrape,
        "scrape-idle": scraping.scrape_idle,
    }


def _script(name: str, file: str) -> Results:
    """A script of its own, so that nothing else is in the process that is measured."""
    script = Path(__file__).with_name(file)
    if not script.exists():
        return [Note(f"{name} is not measured: there is no {script}")]
    output = subprocess.run(
        (sys.executable, str(script)), stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return [Note(f"{name}: {line}") for line in output.splitlines() if line.strip()]


def main(names: list[str]) -> int:
    folder = Path(tempfile.mkdtemp(prefix="pillion-bench-"))
    try:
        known = benchmarks(can_answer=make_image(folder / "image"))
        chosen = [name for asked in names for name in GROUPS.get(asked, (asked,))]
        unknown = [name for name in chosen if name not in known]
        if unknown:
            sys.stderr.write(
                f"bench: there is no {', '.join(unknown)}; known: {', '.join((*known, *GROUPS))}\n"
            )
            return 2
        facts = machine_facts()
        results: list[Figure | Note] = []
        for name in chosen or [name for name in known if name not in ON_DEMAND]:
            sys.stderr.write(f"{name} …\n")
            own = folder / name
            own.mkdir()
            (own / "image").symlink_to(folder / "image")
            results += known[name](own)
    except PillionError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    finally:
        _remove(folder)
    lines = [*facts, ""]
    if figures := [result for result in results if isinstance(result, Figure)]:
        lines.append(render(figures))
    lines += [result.text for result in results if isinstance(result, Note)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _remove(folder: Path) -> None:
    """Not when a benchmark broke off and left mounts in it: they may lead to files of this machine."""
    mounts = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    left = [mount for mount in mounts if mount.startswith(str(folder))]
    if left:
        sys.stderr.write(f"bench: {len(left)} mounts are left in {folder}\n")
    else:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
