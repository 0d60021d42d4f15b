"""The forward protocol between processes: Fluentd's own client, and our two halves with a receiver that is killed."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fluent import asyncsender, sender
from tests.architecture.pages import ROOT
from tests.plugin_lab import HeldIntake, InputSurroundings, OutputSurroundings, wait_for

from pillion.collector.inputs.forward import PLUGIN, Forward, ForwardSettings
from pillion.collector.outputs import forward as outputs
from pillion.collector.plugin import Delivered
from pillion.collector.records import Lines


@contextmanager
def receiving(intake: HeldIntake) -> Iterator[int]:
    server = PLUGIN.build(ForwardSettings(listen="127.0.0.1", port=0), InputSurroundings())
    assert isinstance(server, Forward)
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def main() -> None:
        await server.run(intake, stopping)
        await server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    wait_for(server.listener.is_listening.is_set)
    try:
        assert server.listener.port is not None
        yield server.listener.port
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(30)
        loop.close()


@pytest.mark.parametrize("kind", [sender.FluentSender, asyncsender.FluentSender])
@pytest.mark.parametrize("precise", [False, True])
def test_fluentds_own_client_is_understood(kind: type[sender.FluentSender], precise: bool) -> None:
    intake = HeldIntake()
    with receiving(intake) as port:
        logger = kind("agent", host="127.0.0.1", port=port, nanosecond_precision=precise)
        before = time.time_ns()
        for number in range(50):
            assert logger.emit("step", {"number": number, "text": "äöü"})
        logger.close()
        wait_for(lambda: len(intake.records) == 50)
    assert [(tag, body) for tag, _, body in intake.records] == [
        ("agent.step", {"number": number, "text": "äöü"}) for number in range(50)
    ]
    slack = 0 if precise else 10**9
    assert all(before - slack <= at <= time.time_ns() for _, at, _ in intake.records)


class Receiver:
    """`forwardreceiver.py`, on a port that stays its own when it is killed."""

    def __init__(self, path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.forwardreceiver", str(self.port), str(self._path)],
            cwd=ROOT,
        )
        wait_for(self._is_listening)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def numbers(self) -> list[int]:
        return (
            [json.loads(line)["log"] for line in self._path.read_text().splitlines()]
            if self._path.exists()
            else []
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_a_receiver_that_is_killed_in_the_middle_loses_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    receiver = Receiver(tmp_path / "received")
    receiver.start()
    settings = outputs.ForwardSettings(port=receiver.port, compress=chance.choice(["text", "gzip"]))
    forward = outputs.PLUGIN.build(settings, OutputSurroundings())
    done = threading.Event()
    chunks, per_chunk = 300, 40

    def send() -> None:
        for number in range(0, chunks * per_chunk, per_chunk):
            data = b"".join(b"%d\n" % each for each in range(number, number + per_chunk))
            while forward.deliver("t", Lines(data=data, time=5)) != Delivered():
                done.wait(0.005)
        done.set()

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    kills = 0
    while kills < 3 and not done.is_set():
        progress = len(receiver.numbers()) + chance.randrange(per_chunk * chunks // 6)
        wait_for(lambda: done.is_set() or len(receiver.numbers()) >= progress)  # noqa: B023
        if done.is_set():
            break
        receiver.kill()
        kills += 1
        receiver.start()
    assert done.wait(60)
    receiver.kill()
    forward.close()
    found = Counter(int(number) for number in receiver.numbers())
    assert kills == 3
    assert set(found) == set(range(chunks * per_chunk)), "lines were lost"
    assert sum(found.values()) - len(found) <= kills * per_chunk, "more came twice than was under way"
