"""Random schedules of a writer, rotations, kills and an output in a bad mood: no line is lost, whatever happens.

Duplicates are counted: there are some only after a kill, or when the other side kept its answer to itself.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import IO

import pytest
from tests.integration.collector.process import Collector, until

from pillion.testing.destinations.peer import Accepted, Fault, Reply, Reset
from pillion.testing.destinations.sink import HttpSink

WRITE_SECONDS = 2.5
LINES_PER_SECOND = 20_000
SCHEDULES = 50

CONFIGURATION = """
[SERVICE]
    flush 1
    grace 40
    storage.path FOLDER/storage
    scheduler.base 0.02
    scheduler.cap 0.2
    http_server on
    http_listen 127.0.0.1
    http_port PORT
[INPUT]
    name tail
    tag app
    path FOLDER/logs/app.log
    read_from_head on
    refresh_interval 1
    storage.type STORAGE
[OUTPUT]
    name http
    match *
    host 127.0.0.1
    port SINK
    format json_lines
    json_date_key false
    net.io_timeout 5
"""


class Writer(threading.Thread):
    """Writes numbers, one a line, and rotates its file as logrotate does. It tells what it wrote."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__()
        self.written = 0
        self._folder = folder
        self._chance = chance

    def run(self) -> None:
        begin = time.monotonic()
        path = self._folder / "app.log"
        file: IO[str] = path.open("a")
        rotate_at = begin + self._chance.uniform(0.2, 1.0)
        while (now := time.monotonic()) - begin < WRITE_SECONDS:
            due = int((now - begin) * LINES_PER_SECOND)
            amount = max(0, min(due - self.written, 2000))
            # In parts that end anywhere: the reader meets lines that are not complete.
            text = "".join(f"{number}\n" for number in range(self.written, self.written + amount))
            cut = self._chance.randrange(len(text) + 1)
            file.write(text[:cut])
            file.flush()
            file.write(text[cut:])
            file.flush()
            self.written += amount
            if now >= rotate_at:
                for _ in range(self._chance.choice([1, 1, 2])):
                    file = self._rotated(file, path)
                rotate_at = now + self._chance.uniform(0.2, 1.0)
            time.sleep(0.01)
        file.close()

    def _rotated(self, file: IO[str], path: Path) -> IO[str]:
        for number in range(8, 0, -1):
            old = path.with_name(f"app.log.{number}")
            if old.exists():
                old.rename(path.with_name(f"app.log.{number + 1}"))
        path.rename(path.with_name("app.log.1"))
        file.close()
        return path.open("a")


def moods(chance: random.Random) -> list[Fault]:
    """For the first requests: what goes wrong with them."""
    kinds: list[Fault] = [
        Reply(),
        Reply(status=500),
        Reply(status=503),
        Reply(status=429, headers=(("Retry-After", "0"),)),
        Reset(),
        Accepted(),
    ]
    return [kind for kind in chance.choices(kinds, k=chance.randint(0, 30)) if kind != Reply()]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_no_line_is_lost(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    storage = chance.choice(["memory", "filesystem"])
    kills = chance.choice([0, 1, 2, 3])
    faults = moods(chance)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "app.log").touch()
    with HttpSink(limit=chance.choice([0, 50_000])) as sink:
        sink.plan(*faults)
        text = CONFIGURATION.replace("SINK", str(sink.port)).replace("STORAGE", storage)
        writer = Writer(logs, random.Random(seed + 1))
        with Collector(tmp_path, text) as collector:
            # As a native sidecar, the collector is there first: what was rotated away before is not its business.
            until(lambda: collector.is_up() and collector.status()["inputs"][0]["files"])
            writer.start()
            for _ in range(kills):
                time.sleep(chance.uniform(0.1, WRITE_SECONDS / 2))
                collector.end(signal.SIGKILL)
                time.sleep(chance.uniform(0, 0.3))
                collector.start()
            writer.join()
            until(lambda: sum(seen(sink).values()) >= writer.written and len(seen(sink)) == writer.written)
            until(collector.is_up)
            assert collector.end() == 0
        counted = seen(sink)
    assert sorted(counted) == list(range(writer.written))
    repeated = sum(counted.values()) - len(counted)
    if not kills and Accepted() not in faults:
        assert repeated == 0
    print(
        f"seed {seed}: {writer.written} lines, {storage}, {kills} kills, {len(faults)} faults, {repeated} repeated"
    )


def seen(sink: HttpSink) -> Counter[int]:
    """How often each number has arrived."""
    counted: Counter[int] = Counter()
    for body in list(sink.bodies):
        counted.update(int(json.loads(line)["log"]) for line in body.splitlines())
    return counted
