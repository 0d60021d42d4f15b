"""The collector's life beside its throughput: how soon a line is through, what it holds and spends while idle, how soon
it reads, what many files cost."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.collect import FILE, LINES, NULL, STDOUT, tail
from bench.collecting import PILLION, collector, configure, cost_of, peak_mb, write_lines
from bench.figures import Figure
from bench.memory import cpu_seconds, resident_mb

LATENCY_LINES = 250
LATENCY_PAUSE = 0.02
IDLE_SECONDS = 30
STARTS = 7
LOAD_BYTES = 2 << 30
LONGEST_WAIT = 120
AFTERWARDS_SECONDS = 12
SPREADS = (1, 20, 200, 1000)


def latency(folder: Path) -> list[Figure]:
    """A line every 20 ms; from before its write to when a reader of the output has it."""
    figures = []
    for what, output in (("stdout", STDOUT), ("file", FILE)):
        own = folder / what
        own.mkdir(parents=True)
        log = own / "app.log"
        log.touch()
        with collector(own, tail(str(log), "json") + output, stdout=subprocess.PIPE) as child:
            took = _latencies(log, _lines_of(child) if what == "stdout" else _lines_in(own / "out"))
        figures += [
            Figure(f"write → {what}, p50", "ms", (took[len(took) // 2],)),
            Figure(f"write → {what}, p99", "ms", (took[len(took) * 99 // 100],)),
        ]
    return figures


def _latencies(log: Path, arriving: Iterator[bytes]) -> list[float]:
    written: list[float] = []
    took: list[float] = []
    with log.open("ab", buffering=0) as out:
        out.write(b'{"first":1}\n')
        next(arriving)  # it runs

        def write() -> None:
            for number in range(LATENCY_LINES):
                written.append(time.perf_counter())
                out.write(b'{"number":%d}\n' % number)
                time.sleep(LATENCY_PAUSE)  # noqa: TID251 - an idle system's pace is what is measured

        writer = threading.Thread(target=write)
        writer.start()
        for number in range(LATENCY_LINES):
            next(arriving)
            took.append((time.perf_counter() - written[number]) * 1000)
        writer.join()
    return sorted(took)


def _lines_of(child: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert child.stdout is not None
    return iter(child.stdout.readline, b"")


def _lines_in(file: Path) -> Iterator[bytes]:
    while not file.exists():
        time.sleep(0.001)  # noqa: TID251 - a reader of the file would do the same
    with file.open("rb") as lines:
        while True:
            if line := lines.readline():
                yield line
            else:
                time.sleep(0.0005)  # noqa: TID251


def idle(folder: Path) -> list[Figure]:
    figures = []
    for amount in (1, 200):
        own = folder / str(amount)
        (own / "logs").mkdir(parents=True)
        for number in range(amount):
            (own / "logs" / f"{number}.log").write_bytes(b'{"a":1}\n')
        with collector(own, tail("{folder}/logs/*.log", "json") + STDOUT, stdout=subprocess.PIPE) as child:
            arriving = _lines_of(child)
            for _ in range(amount):
                next(arriving)
            _settle(child)
            before = cpu_seconds(child.pid)
            _settle(child, IDLE_SECONDS)
            used = cpu_seconds(child.pid) - before
            figures += [
                Figure(f"idle, {amount} files: CPU", "% of a core", (used / IDLE_SECONDS * 100,)),
                Figure(f"idle, {amount} files: RSS", "MB", (resident_mb(child.pid),)),
            ]
    return figures


def _settle(child: subprocess.Popen[bytes], seconds: float = 2) -> None:
    """That it goes on for so long."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise RuntimeError(f"the collector ended by itself, exit status {child.returncode}")


def start(folder: Path) -> list[Figure]:
    took = []
    for number in range(STARTS + 1):
        own = folder / str(number)
        own.mkdir(parents=True)
        (own / "app.log").write_bytes(b'{"a":1}\n')
        begun = time.perf_counter()
        with collector(own, tail("{folder}/app.log", "json") + STDOUT, stdout=subprocess.PIPE) as child:
            next(_lines_of(child))
            took.append((time.perf_counter() - begun) * 1000)
    return [Figure("start → first line through", "ms", tuple(took[1:]))]


def load(folder: Path, amount: int = LOAD_BYTES) -> list[Figure]:
    """One file that is rotated while it is read; its writer waits for the reader of the output."""
    part = folder / "part"
    write_lines(part, LINES // 4, spaced=True)
    block, lines = part.read_bytes(), LINES // 4 + 1
    own = folder / "run"
    log = own / "app.log"
    own.mkdir()
    log.write_bytes(b'{"first":1}\n')
    arrived = [0]
    samples: list[float] = []
    with collector(own, tail(str(log), "json") + STDOUT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        reader = threading.Thread(target=_count_lines, args=(child.stdout.fileno(), arrived))
        reader.start()
        _wait_until(lambda: arrived[0] > 0)  # it runs: from now on every file is followed
        for number in range(amount // len(block)):
            if number % 3 == 2:
                log.rename(own / "app.log.1")
            with log.open("ab") as out:
                # A file that began as an earlier one with its inode would be that file.
                out.write(b'{"block":%d}\n' % number + block)
            _wait_until(lambda goal=number - 1: arrived[0] >= goal * lines)  # type: ignore[misc]
            samples.append(resident_mb(child.pid))
        _wait_until(lambda: arrived[0] > amount // len(block) * lines)
        peak = peak_mb(child.pid)
        _settle(child, AFTERWARDS_SECONDS)
        after = resident_mb(child.pid)
        child.terminate()
        child.wait(60)
        reader.join()
    half = len(samples) // 2
    return [
        Figure(f"full load, {amount / 2**30:.0f} GB: RSS in its first half", "MB", tuple(samples[1:half])),
        Figure("  in its second half", "MB", tuple(samples[half:])),
        Figure("  peak", "MB", (peak,)),
        Figure(f"  {AFTERWARDS_SECONDS} seconds after it", "MB", (after,)),
    ]


def _count_lines(descriptor: int, arrived: list[int]) -> None:
    while data := os.read(descriptor, 1 << 20):
        arrived[0] += len(data) - len(data.replace(b"\n", b""))


def _wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + LONGEST_WAIT
    while not is_true():
        if time.perf_counter() > deadline:
            raise RuntimeError("lines do not arrive")
        time.sleep(0.005)  # noqa: TID251 - the other side is a process


def files(folder: Path) -> list[Figure]:
    """The same lines in one file, and in many."""
    lines = folder / "lines"
    write_lines(lines, 400_000, spaced=True)
    text = lines.read_bytes()
    figures = []
    for amount in SPREADS:
        own = folder / str(amount)
        (own / "logs").mkdir(parents=True)
        at = 0
        for number in range(amount):
            end = text.rfind(b"\n", at, len(text) * (number + 1) // amount) + 1
            (own / "logs" / f"{number}.log").write_bytes(text[at:end])
            at = end
        file = configure(own, tail("{folder}/logs/*.log", "json", "    Exit_On_Eof On\n") + NULL)
        cost_of((PILLION, "collect", "-c", str(file)), own)
        for database in own.glob("tail.db*"):
            database.unlink()
        cost = cost_of((PILLION, "collect", "-c", str(file)), own)
        figures.append(
            Figure(f"{amount} files, 400,000 lines: per line", "CPU µs", (cost.cpu / 400_000 * 1e6,))
        )
        figures.append(Figure("  peak RSS", "MB", (cost.peak_mb,)))
        shutil.rmtree(own)
    return figures
