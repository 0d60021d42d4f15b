"""`pillion proxy` as a process with real Envoy, in a folder of its own, and agents behind it.

with Agent() as agent, Sidecar(tmp_path, {"inbound": [...]}) as sidecar:
    sidecar.until_ready()
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

Fact = TypeVar("Fact")

PATIENCE = 60.0
"""Seconds within which everything happens that will happen, on any machine."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def until(claim: Callable[[], Fact]) -> Fact:
    """Waits for a fact, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (fact := claim()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return fact


class Sidecar:
    """Use as a context: its processes are gone afterwards. Ports that the configuration leaves open are free ones."""

    COMMAND = (sys.executable, "-m", "pillion", "proxy")

    def __init__(self, folder: Path, configuration: dict[str, Any], *, options: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "proxy.yaml"
        self.errors = folder / "stderr"
        self.options = tuple(options)
        self.ports = {"admin": free_port(), "metrics": free_port(), "health": free_port()}
        self.configuration = configuration
        self.configure(configuration)
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, configuration: dict[str, Any]) -> None:
        """Written beside and renamed, as an editor does."""
        self.configuration = configuration
        self.write(yaml.safe_dump({"ports": self.ports, **configuration}, sort_keys=False))

    def write(self, text: str) -> None:
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        beside.rename(self.file)

    def __enter__(self) -> Sidecar:
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                (*self.COMMAND, "--config", str(self.file), *self.options),
                stdout=errors,
                stderr=errors,
                env=os.environ | {"PYTHONFAULTHANDLER": "1"},
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)  # the second one ends at once
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if sys.exc_info()[0] is not None:
            print(self.said(), file=sys.stderr)

    def tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def has_ended(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def said(self) -> str:
        return self.errors.read_text()

    def ask(self, port: str, path: str, method: str = "GET") -> tuple[int, str]:
        """`port`: admin, metrics or health. Raises OSError when nobody listens."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[port]}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def is_ready(self) -> bool:
        """Raises AssertionError, with what it said, when it has ended."""
        assert not self.has_ended(), self.said()
        try:
            return self.ask("health", "/healthz/ready")[0] == 200
        except OSError:
            return False

    def until_ready(self) -> Sidecar:
        until(self.is_ready)
        return self

    def metric(self, name: str, **labels: str) -> float | None:
        """The sum of pillion's or Envoy's samples with these labels; None: there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [
            float(line.rsplit(" ", 1)[1])
            for line in self.ask("metrics", "/metrics")[1].splitlines()
            if re.match(rf"{re.escape(name)}[{{ ]", line) and all(want in line for want in wanted)
        ]
        return sum(found) if found else None

    def envoy_statistics(self) -> dict[str, int]:
        lines = self.ask("admin", "/stats")[1].splitlines()
        pairs = (line.split(": ") for line in lines)
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}

    def envoy(self) -> int:
        """The process of Envoy: a child."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        named = {int(child): Path(f"/proc/{child}/comm").read_text().strip() for child in children}
        return next(child for child, name in named.items() if name.startswith("envoy"))


class WatchfulSidecar(Sidecar):
    """Sees ten times a second what has changed: for tests of many updates."""

    COMMAND = (sys.executable, "-m", "tests.watchful_proxy")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Whole JSON lines of an access log."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().rpartition(b"\n")[0].split(b"\n") if line]
