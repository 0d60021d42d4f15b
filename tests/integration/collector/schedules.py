"""Random schedules: what a seed decides, and the life of a collector under it."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import threading
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.integration.collector.process import Collector, until

from pillion.testing.destinations.elasticsearch import ElasticsearchServer
from pillion.testing.destinations.peer import Accepted, Fault, HttpPeer, Received, Reply, Reset, Silence
from pillion.testing.destinations.sink import HttpSink
from pillion.testing.drills import Ledger, LogWriter, Rotation

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
    path FOLDER/logs/PATTERN
    read_from_head on
    refresh_interval 1
    rotate_wait 1
"""
HTTP = """
[OUTPUT]
    name http
    match *
    host 127.0.0.1
    port PEER
    format json_lines
    json_date_key false
    http.response_timeout 3
"""
ELASTICSEARCH = """
[OUTPUT]
    name es
    match *
    host 127.0.0.1
    port PEER
    index logs
    suppress_type_name on
    net.io_timeout 3
"""
FILE = """
[OUTPUT]
    name file
    match *
    path FOLDER
    file out
    format plain
"""


class Step(Enum):
    """What is done to a collector."""

    KILL = "kill -9"
    RESTART = "SIGTERM"
    RELOAD = "reload"
    PAUSE = "pause"
    OUTAGE = "outage"


@dataclass(frozen=True)
class Schedule:
    seed: int
    seconds: float
    output: str
    storage: str
    inotify: bool
    rotation: Rotation
    pattern: str
    limit: int
    faults: tuple[Fault, ...]
    steps: tuple[Step, ...]
    workers: int

    @classmethod
    def of(cls, seed: int, seconds: float) -> Schedule:
        chance = random.Random(seed)
        rotation = chance.choice([Rotation.RENAME, Rotation.RENAME, Rotation.COPYTRUNCATE])
        return cls(
            seed=seed,
            seconds=seconds,
            output=chance.choice([HTTP, HTTP, HTTP, ELASTICSEARCH, ELASTICSEARCH, FILE]),
            storage=chance.choice(["memory", "filesystem"]),
            inotify=chance.random() < 0.8,
            rotation=rotation,
            pattern=chance.choice(["app.log", "*.log", "*.log*"]),
            limit=chance.choice([0, 100_000]),
            faults=tuple(_faults(chance)),
            steps=tuple(
                chance.choices(list(Step), weights=(4, 1, 1, 1, 1), k=chance.choice((0, 1, 2, 3, 4)))
            ),
            workers=chance.choice([1, 1, 3]),
        )

    @property
    def may_repeat(self) -> bool:
        """After a crash, or when the other side kept its answer to itself."""
        return Step.KILL in self.steps or (Accepted() in self.faults and self.output != FILE)

    @property
    def keeps_order(self) -> bool:
        """One lane, and no delivery that fails so often that others go first."""
        one_lane = self.output == FILE or (self.output == HTTP and self.workers == 1)
        return one_lane and not {Step.KILL, Step.OUTAGE} & set(self.steps) and len(self.faults) < 8

    def configuration(self, peer: int) -> str:
        text = CONFIGURATION.replace("PATTERN", self.pattern)
        text += f"    storage.type {self.storage}\n    inotify_watcher {'on' if self.inotify else 'off'}\n"
        output = self.output.replace("PEER", str(peer))
        return text + output + (f"    workers {self.workers}\n" if self.output != FILE else "")


def _faults(chance: random.Random) -> list[Fault]:
    """Of the first requests; most of them go well."""
    kinds: list[Fault | None] = [
        None, None, None, None, Reply(status=500), Reply(status=503), Reset(), Accepted(),
        Reply(status=429, headers=(("Retry-After", "0"),)),
    ]  # fmt: skip
    found = [fault for fault in chance.choices(kinds, k=chance.choice((0, 10, 40))) if fault is not None]
    return found + [Silence()] * (chance.random() < 0.2)


class Moody(HttpPeer):
    """Of a peer: what it does when it is down, and what it has accepted since one asked last."""

    is_down = False

    def respond(self, request: Received) -> Reply | None:
        return None if self.is_down else super().respond(request)

    def arrived(self) -> list[str]:
        raise NotImplementedError


class MoodySink(Moody, HttpSink):
    _seen = 0

    def arrived(self) -> list[str]:
        bodies = self.bodies[self._seen :]
        self._seen += len(bodies)
        return [json.loads(line)["log"] for body in bodies for line in body.splitlines()]


class MoodyElasticsearch(Moody, ElasticsearchServer):
    _seen = 0

    def arrived(self) -> list[str]:
        with self._lock:
            documents = self.documents[self._seen :]
        self._seen += len(documents)
        return [document["log"] for document in documents]


class Life:
    """A collector, its writer and its peer, for one schedule."""

    def __init__(self, folder: Path, schedule: Schedule) -> None:
        self.schedule = schedule
        self.ledger = Ledger()
        self.written = 0
        self._folder = folder
        self._chance = random.Random(schedule.seed + 1)
        self._read = 0
        self._kills = 0
        self._torn = 0
        """Records in the file that a kill cut short: they come again whole."""

    def run(self) -> None:
        schedule = self.schedule
        logs = self._folder / "logs"
        logs.mkdir()
        (logs / "app.log").touch()
        with self._peer() as peer, self._collector(peer) as collector:
            peer.plan(*schedule.faults)
            # As a native sidecar, the collector is there first: what was rotated away before is not its business.
            until(lambda: collector.is_up() and collector.status()["inputs"][0]["files"])
            with LogWriter(
                logs / "app.log",
                seconds=schedule.seconds,
                rotation=schedule.rotation,
                every=0.5,
                seed=schedule.seed,
            ) as writer:
                pause = schedule.seconds / (len(schedule.steps) + 1)
                for step in schedule.steps:
                    time.sleep(self._chance.uniform(0, 2 * pause))
                    self._do(step, collector, peer)
                self.written = writer.finish()
            self._await(collector, peer)
            assert collector.end() == 0, collector.said()
            self._take(peer)

    def _await(self, collector: Collector, peer: Moody) -> None:
        """Everything arrives, or it never will."""
        with contextlib.suppress(AssertionError):
            until(lambda: self._take(peer) >= self.written)
            until(collector.is_up)

    def _take(self, peer: Moody) -> int:
        if self.schedule.output == FILE:
            path = self._folder / "out"
            if path.exists():
                with path.open("rb") as file:
                    file.seek(self._read)
                    whole = file.read().rpartition(b"\n")[0]
                self._read += len(whole)
                lines = [line for line in whole.split(b"\n") if line]
                whole_lines = [line for line in lines if line.endswith(b"}")]
                self._torn += len(lines) - len(whole_lines)
                self.ledger.take(json.loads(line)["log"] for line in whole_lines)
        else:
            self.ledger.take(peer.arrived())
        return self.ledger.distinct

    def _do(self, step: Step, collector: Collector, peer: Moody) -> None:
        match step:
            case Step.KILL:
                self._kills += 1
                collector.end(signal.SIGKILL)
                time.sleep(self._chance.choice((0, 0, 0.3)))
                collector.start()
            case Step.RESTART:
                until(collector.is_up)
                assert collector.end() == 0, collector.said()
                collector.start()
            case Step.RELOAD:
                until(collector.is_up)
                collector.configure(
                    self.schedule.configuration(peer.port).replace(
                        "rotate_wait 1", f"rotate_wait {self._chance.randint(1, 9)}"
                    )
                )
                collector.tell(signal.SIGHUP)
            case Step.PAUSE:
                collector.tell(signal.SIGSTOP)
                time.sleep(self._chance.uniform(0, 0.8))
                collector.tell(signal.SIGCONT)
            case Step.OUTAGE:
                peer.is_down = True
                threading.Timer(self._chance.uniform(0, 1.5), setattr, (peer, "is_down", False)).start()

    def _collector(self, peer: Moody) -> Collector:
        return Collector(self._folder, self.schedule.configuration(peer.port))

    def _peer(self) -> Moody:
        if self.schedule.output == ELASTICSEARCH:
            server = MoodyElasticsearch()
            server.busy = self._chance.choice((0, 500))
            return server
        return MoodySink(limit=self.schedule.limit)

    def check(self) -> str:
        """The account. Raises AssertionError, with the seed, when lines are lost."""
        schedule, written = self.schedule, {"w": self.written}
        done = ", ".join(step.value for step in schedule.steps) or "nothing done"
        how = f"{len(schedule.faults)} faults, {schedule.storage}, {schedule.rotation.value} of {schedule.pattern}"
        told = f"seed {schedule.seed}: {done}; {how}: {self.ledger.account(written)}"
        assert not self.ledger.lost(written), told
        assert self._torn <= self._kills, told
        assert not self.ledger.strangers, told
        assert not self.ledger.duplicates or schedule.may_repeat, told
        assert not self.ledger.out_of_order or not schedule.keeps_order, told
        return told
