"""`pillion collect` as a process, with a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds within which everything happens that will happen, on any machine."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Collector:
    """Use as a context: the process is gone afterwards. `prefix`: what starts it, as `prlimit --nofile=64`."""

    def __init__(self, folder: Path, configuration: str, *, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.prefix = tuple(prefix)
        self.port = free_port()
        self.configure(configuration)
        self.errors = folder / "stderr"
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, configuration: str) -> None:
        text = configuration.replace("FOLDER", str(self.folder)).replace("PORT", str(self.port))
        (self.folder / "collect.conf").write_text(text)

    def start(self) -> Collector:
        with self.errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [
                    *self.prefix,
                    *(sys.executable, "-m", "pillion", "collect", "-c", str(self.folder / "collect.conf")),
                ],
                stdout=errors,
                stderr=errors,
                env=os.environ | {"PILLION_COLLECTOR_STATE": str(self.folder / "state")},
            )
        return self

    def __enter__(self) -> Collector:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def tell(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.tell(number)
        return self.wait()

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.ask("/api/v1/status")[1])
        return answer

    def is_up(self) -> bool:
        """Raises AssertionError, with what it said, when it has ended."""
        assert self._process is not None
        assert self._process.poll() is None, self.said()
        try:
            return self.ask("/api/v1/uptime")[0] == 200
        except OSError:
            return False

    def lines(self, name: str = "out") -> list[str]:
        path = self.folder / name
        if not path.exists():
            return []
        whole = path.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line)["log"] for line in whole.split(b"\n") if line]

    def said(self) -> str:
        return self.errors.read_text()


def until(claim: Callable[[], object]) -> None:
    """Waits for a fact."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)
