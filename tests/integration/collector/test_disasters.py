"""What goes wrong around a collector: outputs that are away, disks that are full, an end in the middle of it."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.collector.process import Collector, free_port, until
from tests.integration.collector.schedules import MoodyElasticsearch, MoodySink

from pillion.testing.destinations.peer import Reply
from pillion.testing.drills import Ledger, LogWriter, Rotation, text_of

CONFIGURATION = """
[SERVICE]
    flush 1
    grace 30
    storage.path FOLDER/storage
    scheduler.base 0.05
    scheduler.cap 1
    http_server on
    http_listen 127.0.0.1
    http_port PORT
[INPUT]
    name tail
    tag app
    path FOLDER/logs/*.log
    read_from_head on
    refresh_interval 1
    storage.type STORAGE
[OUTPUT]
    name http
    match *
    host 127.0.0.1
    port PEER
    format json_lines
    json_date_key false
"""


class Counted:
    """A peer's records in a ledger, as they come."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def take(self, sink: MoodySink) -> int:
        self.ledger.take(sink.arrived())
        return self.ledger.distinct

    def check(self, written: int, *, duplicates: bool = False) -> None:
        account = self.ledger.account({"w": written})
        assert not self.ledger.lost({"w": written}), account
        assert not self.ledger.strangers, account
        assert duplicates or not self.ledger.duplicates, account


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """A small disk."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def configured(storage: str, peer: int) -> str:
    return CONFIGURATION.replace("STORAGE", storage).replace("PEER", str(peer))


def prepared(folder: Path) -> Path:
    logs = folder / "logs"
    logs.mkdir()
    (logs / "app.log").touch()
    return logs / "app.log"


def ready(collector: Collector) -> None:
    until(lambda: collector.is_up() and collector.status()["inputs"][0]["files"])


# ── outputs ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("seconds", "rate", "storage"),
    [(1.5, 20_000, "memory"), pytest.param(60, 3_000, "filesystem", marks=pytest.mark.slow)],
)
def test_the_output_is_away(tmp_path: Path, seconds: float, rate: int, storage: str) -> None:
    log = prepared(tmp_path)
    port, counted = free_port(), Counted()
    with Collector(tmp_path, configured(storage, port)) as collector:
        ready(collector)
        with LogWriter(log, seconds=seconds, rate=rate, every=seconds / 5) as writer:
            with MoodySink(port=port) as first:
                until(lambda: counted.take(first))
                first.is_down = True
                until(lambda: collector.status()["outputs"][0]["consecutive_failures"])
            counted.take(first)
            writer.finish()
        until(lambda: "does not take records" in collector.said())
        assert collector.status()["outputs"][0]["oldest_unsent"] is not None
        with MoodySink(port=port) as second:
            until(lambda: counted.take(second) == writer.written)
            assert collector.end() == 0
            counted.take(second)
    counted.check(writer.written)


def test_what_an_index_refuses_becomes_dead_letters_and_everything_else_arrives(tmp_path: Path) -> None:
    log = prepared(tmp_path)
    with MoodyElasticsearch() as server:
        server.longs.add("duration")
        text = configured("memory", server.port)
        text = text[: text.index("[OUTPUT]")] + (
            "[FILTER]\n    name parser\n    match *\n    key_name log\n    parser json\n    reserve_data on\n"
            "[OUTPUT]\n    name es\n    match *\n    host 127.0.0.1\n    port PEER\n    index logs\n"
            "    suppress_type_name on\n"
        ).replace("PEER", str(server.port))
        text = text.replace("[SERVICE]", "[SERVICE]\n    parsers_file parsers.conf")
        server.busy = 300
        with Collector(tmp_path, text) as collector:
            ready(collector)
            with log.open("a") as file:
                for number in range(2000):
                    duration = '"long"' if number % 100 == 7 else number
                    file.write(f'{{"number": {number}, "duration": {duration}}}\n')
            until(lambda: len(server.documents) >= 1980)
            assert collector.end() == 0
        assert sorted(document["number"] for document in server.documents) == [
            number for number in range(2000) if number % 100 != 7
        ]
        [letters] = (tmp_path / "storage").glob("**/*.jsonl")
        dead = [json.loads(line)["record"]["number"] for line in letters.read_text().splitlines()]
        assert sorted(dead) == list(range(7, 2000, 100))


# ── disks ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.host
@pytest.mark.parametrize("killed", [False, True], ids=["goes on", "is killed"])
def test_the_disk_of_the_buffer_is_full(tmp_path: Path, killed: bool) -> None:
    log = prepared(tmp_path)
    counted = Counted()
    with (
        tmpfs(tmp_path / "storage", "2m") as disk,
        MoodySink() as sink,
        Collector(tmp_path, configured("filesystem", sink.port)) as collector,
    ):
        ready(collector)
        sink.is_down = True
        with LogWriter(log, seconds=1.5) as writer:
            writer.finish()
        until(lambda: "cannot write to" in collector.said())
        if killed:
            collector.end(signal.SIGKILL)
            collector.start()
            until(collector.is_up)
        sink.is_down = False
        until(lambda: counted.take(sink) == writer.written)
        if not killed:
            until(lambda: "can be written to again" in collector.said())
        assert collector.end() == 0
        assert not list((disk / "chunks").glob("*.chunks"))
        counted.take(sink)
    counted.check(writer.written, duplicates=killed)


@pytest.mark.host
@pytest.mark.parametrize("read_from_head", ["on", "off"])
def test_the_disk_of_the_checkpoints_is_full_from_the_start(tmp_path: Path, read_from_head: str) -> None:
    log = prepared(tmp_path)
    counted = Counted()
    with tmpfs(tmp_path / "storage", "1m") as disk, MoodySink() as sink:
        ballast = fill(disk)
        text = configured("memory", sink.port).replace(
            "read_from_head on", f"read_from_head {read_from_head}"
        )
        with Collector(tmp_path, text) as collector:
            ready(collector)
            with LogWriter(log, seconds=0.5) as writer:
                writer.finish()
            until(lambda: counted.take(sink) == writer.written)
            until(lambda: "checkpoints" in collector.said())
            ballast.unlink()
            until(lambda: saved(disk))
            collector.end(signal.SIGKILL)
            with log.open("a") as file:
                file.write(f"{text_of('w', writer.written)}\n")
            collector.start()
            until(lambda: counted.take(sink) == writer.written + 1)
            assert collector.end() == 0
        counted.take(sink)
    counted.check(writer.written + 1)


@pytest.mark.host
def test_the_disk_of_the_checkpoints_becomes_full(tmp_path: Path) -> None:
    log = prepared(tmp_path)
    counted = Counted()
    with tmpfs(tmp_path / "storage", "1m") as disk, MoodySink() as sink:
        with Collector(tmp_path, configured("memory", sink.port)) as collector:
            ready(collector)
            until(lambda: saved(disk))
            ballast = fill(disk)
            with LogWriter(log, seconds=1.5, every=0.1) as writer:
                writer.finish()
            until(lambda: counted.take(sink) == writer.written)
            until(lambda: "cannot save checkpoints" in collector.said())
            ballast.unlink()
            until(lambda: "checkpoints are saved again" in collector.said())
            collector.end(signal.SIGKILL)
            collector.start()
            ready(collector)
            assert collector.end() == 0
        counted.take(sink)
    counted.check(writer.written)


def fill(disk: Path) -> Path:
    """Until not a byte is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    return ballast


def saved(disk: Path) -> int:
    """Rows of checkpoints."""
    rows = 0
    for store in (disk / "checkpoints").glob("*.db"):
        database = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
        with contextlib.closing(database), contextlib.suppress(sqlite3.Error):
            rows += database.execute("SELECT count(*) FROM in_tail_files").fetchone()[0]
    return rows


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("rotation", list(Rotation))
def test_the_agent_ends_and_the_collector_is_told_to_end_at_once(tmp_path: Path, rotation: Rotation) -> None:
    log = prepared(tmp_path)
    counted = Counted()
    with MoodySink() as sink, Collector(tmp_path, configured("memory", sink.port)) as collector:
        sink.plan(*[Reply(status=503)] * 5)
        ready(collector)
        with LogWriter(log, seconds=1, rotation=rotation, every=0.2) as writer:
            writer.finish()
        with log.open("a") as file:
            file.write(text_of("w", writer.written))  # the last words have no line end
        assert collector.end() == 0
        counted.take(sink)
    counted.check(writer.written + 1)


def test_the_agent_ends_while_the_output_is_away(tmp_path: Path) -> None:
    """It comes back within the Pod's grace."""
    log = prepared(tmp_path)
    counted = Counted()
    with MoodySink() as sink, Collector(tmp_path, configured("memory", sink.port)) as collector:
        ready(collector)
        sink.is_down = True
        with LogWriter(log, seconds=1) as writer:
            writer.finish()
        collector.tell(signal.SIGTERM)
        until(lambda: "ending" in collector.said())
        sink.is_down = False
        assert collector.wait() == 0
        counted.take(sink)
    counted.check(writer.written)


def test_a_collector_that_ends_under_load_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    log = prepared(tmp_path)
    counted = Counted()
    with MoodySink() as sink, Collector(tmp_path, configured("memory", sink.port)) as collector:
        ready(collector)
        with LogWriter(log, seconds=2, every=0.3) as writer:
            for _ in range(3):
                amount = counted.take(sink)
                until(lambda amount=amount: counted.take(sink) > amount + 500)
                assert collector.end() == 0
                collector.start()
                until(collector.is_up)
            writer.finish()
        until(lambda: counted.take(sink) == writer.written)
        assert collector.end() == 0
        counted.take(sink)
    counted.check(writer.written)
