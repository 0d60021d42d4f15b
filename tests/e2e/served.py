"""`pillion serve` as its users meet it: in the background, driven by the real kubectl.

with served(folder) as server:
    server.kubectl("apply", "-f", "-", stdin=manifest)    # its stdout; an error fails the test
    server.fails("get", "pods", "nope")                   # its stderr; success fails the test
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests import leaks
from tests.e2e.lab import PILLION

Tree = dict[str, Any]

WITHIN = 20.0
"""Seconds until a command is given up."""


def kubectl_minor() -> int:
    """kubectl's minor version; 0 without one."""
    if shutil.which("kubectl") is None:
        return 0
    said = subprocess.run(("kubectl", "version", "--client", "-o", "json"), capture_output=True, check=True)
    return int(re.sub(r"\D", "", json.loads(said.stdout)["clientVersion"]["minor"]))


needs_kubectl = pytest.mark.skipif(
    kubectl_minor() == 0, reason="needs kubectl: apt-get install kubernetes-client"
)
needs_new_kubectl = pytest.mark.skipif(
    kubectl_minor() < 31, reason="needs kubectl 1.31: older ones carry streams over SPDY"
)


class Served:
    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        self.state = folder / "state"
        self._home = folder
        self._options = options
        self._port = "0"

    def start(self) -> None:
        argv = (*PILLION, "serve", "--detach", "--state-dir", str(self.state), "--port", self._port)
        started = self._run((*argv, *self._options))
        assert started.returncode == 0, started.stderr
        self._port = str(json.loads((self.state / "serve.json").read_bytes())["port"])

    def stop(self, *options: str) -> None:
        stopped = self._run((*PILLION, "stop", "--state-dir", str(self.state), *options))
        assert stopped.returncode == 0, stopped.stderr

    def kill(self) -> None:
        """`kill -9`, and wait for it."""
        pid = json.loads((self.state / "serve.json").read_bytes())["pid"]
        process = os.pidfd_open(pid)
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [], WITHIN)
        os.close(process)

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def log(self) -> str:
        return (self.state / "serve.log").read_text()

    def call(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self._run(("kubectl", *arguments), stdin)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        called = self.call(*arguments, stdin=stdin)
        assert called.returncode == 0, f"{called.stdout}{called.stderr}\n{self.log[-2000:]}"
        return called.stdout

    def fails(self, *arguments: str, stdin: str = "") -> str:
        called = self.call(*arguments, stdin=stdin)
        assert called.returncode != 0, called.stdout
        return called.stderr

    def get(self, *arguments: str) -> Tree:
        tree: Tree = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return tree

    def apply(self, *objects: Tree) -> str:
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return self.kubectl("apply", "-f", "-", stdin=manifest)

    def until(self, text: str, *arguments: str) -> list[str]:
        """The lines of a command that does not end by itself (`logs -f`, `get -w`), up to one that holds the text."""
        lines: list[str] = []
        with subprocess.Popen(
            ("kubectl", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._env(),
        ) as process:
            alarm = threading.Timer(WITHIN, process.kill)
            alarm.start()
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if text in line:
                    break
            alarm.cancel()
            process.kill()
        assert lines, f"{arguments} said nothing"
        assert text in lines[-1], lines
        return lines

    def _env(self) -> dict[str, str]:
        return dict(os.environ) | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self._home)}

    def wait_ready(self, *pods: str) -> None:
        self.kubectl("wait", "--for=condition=Ready", *(f"pod/{pod}" for pod in pods), "--timeout=10s")

    def _run(self, argv: tuple[str, ...], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=WITHIN, env=self._env(), check=False
        )


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """A server whose image `box` is this machine's own filesystem; nothing of it is left afterwards."""
    server = Served(folder, ("--image", "box=host", *options))
    try:
        server.start()
        yield server
    finally:
        if server.state.exists():
            server.stop("--now")
        # Only now: a server may serve many tests, and each of them is asked what it left behind.
        leaks.watch(str(server.state))
        left = leaks.take_watched()
    assert left == []
