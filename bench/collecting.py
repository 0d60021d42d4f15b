"""A collector as a process of its own, on a configuration in a folder of its own; and the lines that it is given."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import orjson

PILLION = str(Path(sys.executable).with_name("pillion"))
SEED = 4
ISO = "%Y-%m-%dT%H:%M:%S.%LZ"
PARSERS = f"""
[PARSER]
    Name json
    Format json
[PARSER]
    Name timed
    Format json
    Time_Key time
    Time_Format {ISO}
[PARSER]
    Name kept
    Format json
    Time_Key time
    Time_Format {ISO}
    Time_Keep On
"""
_LEVELS = ("INFO",) * 14 + ("DEBUG",) * 3 + ("WARNING",) * 2 + ("ERROR",)
_WORDS = (
    "request", "handled", "model", "call", "tool", "retry", "budget", "tokens", "stream", "cache", "queue", "user",
    "session", "prompt", "answer", "finished", "started", "waiting", "upstream",
)  # fmt: skip
_BLOCK = 50_000
_EXAMINED_EVERY = 0.02


def write_lines(file: Path, amount: int, *, spaced: bool) -> None:
    """JSON lines like an agent's, about 257 bytes each, one per millisecond; `spaced` as `json.dumps` writes them."""
    chosen = random.Random(SEED)  # noqa: S311
    with file.open("wb") as out:
        for first in range(0, amount, _BLOCK):
            records = [_record(number, chosen) for number in range(first, min(amount, first + _BLOCK))]
            lines = (
                [json.dumps(each).encode() for each in records]
                if spaced
                else list(map(orjson.dumps, records))
            )
            out.write(b"\n".join([*lines, b""]))


def _record(number: int, chosen: random.Random) -> dict[str, object]:
    message = " ".join(chosen.choices(_WORDS, k=chosen.randint(4, 16)))
    return {
        "time": f"2026-11-22T{number // 3_600_000 % 24:02d}:{number // 60_000 % 60:02d}:{number // 1000 % 60:02d}"
        f".{number % 1000:03d}Z",
        "level": chosen.choice(_LEVELS),
        "logger": "agent.api",
        "message": message + ' "quoted"' if number % 9 == 0 else message,
        "path": "/v1/chat/completions",
        "status": 200,
        "duration_ms": chosen.randrange(1, 5000) / 10,
        "request_id": f"{chosen.getrandbits(64):016x}",
    }


class Cost(NamedTuple):
    """Of a process from its start to its end."""

    cpu: float
    """Seconds, of user and system."""
    peak_mb: float
    """VmHWM: the most that was resident."""


def environment(folder: Path) -> dict[str, str]:
    """Bytecode is kept, as where pillion is installed; checkpoints are in `folder`."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {
        "PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode"),
        "PILLION_COLLECTOR_STATE": str(folder / "state"),
    }


def configure(folder: Path, text: str, *, service: str = "") -> Path:
    """The configuration's file; `{folder}` in `text` stands for `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parsers.conf").write_text(PARSERS)
    file = folder / "collect.conf"
    file.write_text(
        f"[SERVICE]\n    log_level error\n    parsers_file {folder}/parsers.conf\n{service}"
        + text.replace("{folder}", str(folder))
    )
    return file


@contextmanager
def collector(
    folder: Path, text: str, *, service: str = "", stdout: int | IO[bytes] = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """It runs; at the end it is told to end, unless it has."""
    file = configure(folder, text, service=service)
    child = subprocess.Popen((PILLION, "collect", "-c", file), stdout=stdout, env=environment(folder))
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
        if child.stdout is not None:
            child.stdout.close()
        child.wait(60)


def cost_of(argv: tuple[str, ...], folder: Path, *, stdout: int | IO[bytes] = subprocess.DEVNULL) -> Cost:
    """Runs a command that ends by itself."""
    child = subprocess.Popen(argv, stdout=stdout, env=environment(folder))
    ended = threading.Event()
    peaks = [0.0]

    def watch() -> None:
        while not ended.wait(_EXAMINED_EVERY):
            peaks.append(peak_mb(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _, status, usage = os.wait4(child.pid, 0)
    finally:
        ended.set()
        watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with exit status {child.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, max(peaks))


def peak_mb(pid: int) -> float:
    """0 for a process that has ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
