"""What `pillion scrape` costs beside Prometheus in agent mode: same target, same seconds, both with remote write.

The target, whose values differ from one page to the next, and the receivers are processes of their own, which are not
counted. CPU is that of the whole process, by scrapes that the target has served.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.collecting import PILLION, environment, peak_mb
from bench.figures import Figure, Note
from bench.memory import resident_mb
from bench.remotewrite import receiver

SIZES = (100, 1000, 10_000, 100_000)
SECONDS = 20
SETTLED_AFTER = 6
"""Seconds: the first scrapes make the series."""
IDLE_SERIES = 100
IDLE_INTERVAL = 15
IDLE_SECONDS = 90
_SENT = "prometheus_remote_storage_samples_total"
_FAILED = "prometheus_remote_storage_samples_failed_total"
_BUNDLED = Path(sys.prefix, "share/pillion/prometheus/usr/bin/prometheus")


class _Scraper(NamedTuple):
    name: str
    child: subprocess.Popen[bytes]
    port: int
    """Of its own metrics."""


class _Spent(NamedTuple):
    cpu: float
    """Seconds."""
    scrapes: int
    delivered: int
    """Samples, to the receiver."""


def scrape(folder: Path) -> list[Figure | Note]:
    program = shutil.which("prometheus") or (str(_BUNDLED) if _BUNDLED.exists() else None)
    figures: list[Figure | Note] = []
    if program is None:
        figures.append(Note("scrape: Prometheus is not measured: it is not installed"))
    _keep_bytecode(folder)
    for size in SIZES:
        figures += _side_by_side(folder, program, size, 1, SETTLED_AFTER, SECONDS)
    return figures


def scrape_idle(folder: Path) -> list[Figure | Note]:
    """A typical agent: 100 series, every 15 s."""
    program = shutil.which("prometheus") or (str(_BUNDLED) if _BUNDLED.exists() else None)
    _keep_bytecode(folder)
    return _side_by_side(
        folder, program, IDLE_SERIES, IDLE_INTERVAL, IDLE_INTERVAL + SETTLED_AFTER, IDLE_SECONDS
    )


def _keep_bytecode(folder: Path) -> None:
    """As where pillion is installed: what compiling takes, in time and memory, is not a scraper's."""
    with _target(1) as port, _pillion(folder / "warm", port, 1) as scraper:
        _run_for([scraper], SETTLED_AFTER)
        _delivered(scraper.port)


def _side_by_side(
    folder: Path, prometheus: str | None, size: int, interval: int, settled: int, seconds: int
) -> list[Figure | Note]:
    with ExitStack() as stack:
        port = stack.enter_context(_target(size))
        scrapers = [stack.enter_context(_pillion(folder / f"pillion-{size}", port, interval))]
        if prometheus is not None:
            theirs = folder / f"prometheus-{size}"
            scrapers.append(stack.enter_context(_prometheus(theirs, prometheus, port, interval)))
        _run_for(scrapers, settled)
        before = _spent(scrapers, port)
        _run_for(scrapers, seconds)
        after = _spent(scrapers, port)
        memory = [(resident_mb(scraper.child.pid), peak_mb(scraper.child.pid)) for scraper in scrapers]
    figures: list[Figure | Note] = []
    about = f"{size:,} series, {interval} s"
    for scraper, first, last, (resident, peak) in zip(scrapers, before, after, memory, strict=True):
        cpu, scrapes = last.cpu - first.cpu, last.scrapes - first.scrapes
        name = f"{about}: {scraper.name}"
        figures += [
            Figure(f"{name}: CPU", "ms per scrape", (cpu / max(scrapes, 1) * 1000,)),
            Figure("  of one core", "%", (cpu / seconds * 100,)),
            Figure(
                "  delivered", "samples per scrape", ((last.delivered - first.delivered) / max(scrapes, 1),)
            ),
            Figure("  RSS", "MB", (resident,)),
            Figure("  peak RSS", "MB", (peak,)),
        ]
        if scrapes < seconds // interval - 1:
            figures.append(Note(f"{name} scraped {scrapes} times in {seconds} s"))
    return figures


def _run_for(scrapers: list[_Scraper], seconds: float) -> None:
    """That all go on for so long."""
    end = time.perf_counter() + seconds
    for scraper in scrapers:
        try:
            scraper.child.wait(max(0.0, end - time.perf_counter()))
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"{scraper.name} ended by itself, exit status {scraper.child.returncode}")


def _spent(scrapers: list[_Scraper], port: int) -> list[_Spent]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/count", timeout=30) as answer:
        counts = json.load(answer)
    return [
        _Spent(
            _cpu_seconds(scraper.child.pid),
            counts.get(f"/{scraper.name.split()[0]}", 0),
            _delivered(scraper.port),
        )
        for scraper in scrapers
    ]


def _delivered(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = [line.decode() for line in answer]
    found = {
        name: sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))
        for name in (_SENT, _FAILED)
    }
    if found[_FAILED]:
        raise RuntimeError(f"{found[_FAILED]:.0f} samples were refused by the receiver")
    return int(found[_SENT])


def _cpu_seconds(pid: int) -> float:
    """To the nanosecond, by the kernel's clock of a process (clock_getcpuclockid(3)); /proc counts in hundredths."""
    return time.clock_gettime(~pid << 3 | 2)


@contextmanager
def _target(size: int) -> Iterator[int]:
    argv = (sys.executable, str(Path(__file__).with_name("scrapetarget.py")), str(size))
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline())
        finally:
            child.kill()


@contextmanager
def _pillion(folder: Path, port: int, interval: int) -> Iterator[_Scraper]:
    own = _free_port()
    with receiver() as sink:
        file = _configure(folder, "pillion", port, sink, interval)
        argv = (
            PILLION,
            "scrape",
            f"--config.file={file}",
            f"--storage.agent.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{own}",
        )
        with _running(argv, folder) as child:
            yield _Scraper("pillion", child, own)


@contextmanager
def _prometheus(folder: Path, program: str, port: int, interval: int) -> Iterator[_Scraper]:
    own = _free_port()
    with receiver() as sink:
        file = _configure(folder, "Prometheus", port, sink, interval)
        argv = (
            program,
            "--enable-feature=agent",
            f"--config.file={file}",
            f"--storage.agent.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{own}",
        )
        with _running(argv, folder) as child:
            yield _Scraper("Prometheus agent", child, own)


@contextmanager
def _running(argv: tuple[str, ...], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(argv, stderr=log, env=environment(folder))
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _configure(folder: Path, name: str, port: int, sink: int, interval: int) -> Path:
    folder.mkdir(parents=True)
    file = folder / "prometheus.yml"
    file.write_text(
        f"global: {{scrape_interval: {interval}s, scrape_timeout: {interval}s}}\n"
        "scrape_configs:\n"
        "- job_name: agent\n"
        f"  metrics_path: /{name}\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
        f"remote_write: [{{url: 'http://127.0.0.1:{sink}/write'}}]\n"
    )
    return file


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
        return found
