"""`pillion run` as its users meet it: a process with a manifest, watched through its own `-o json`.

    with started(tmp_path, a_pod("p", shell("main", "echo hello"))) as run:
        run.until(lambda: run.logs("p", "main"))
    run.status                                       # the exit status, once the block is left

Pods of `a_pod` are never restarted and have two seconds of grace unless they say otherwise; the image `box` is this
machine's own filesystem.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import leaks

Tree = dict[str, Any]

PILLION = (sys.executable, "-m", "pillion")
WITHIN = 12.0
"""Seconds until an expectation is given up: long enough for a machine with other things to do."""
WAIT_FOR_TERM = "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"
"""What a well-behaved server does, for a shell."""


def shell(name: str, script: str, **changes: Any) -> Tree:
    return {"name": name, "image": "box", "command": ["/bin/sh", "-c", script]} | changes


def server(name: str, before: str = ":", **changes: Any) -> Tree:
    """Runs until it is told to end, and then ends at once."""
    return shell(name, f"{before}\n{WAIT_FOR_TERM}", **changes)


def sidecar(name: str, script: str = WAIT_FOR_TERM, **changes: Any) -> Tree:
    return shell(name, script, restartPolicy="Always") | changes


def a_pod(name: str, *mains: Tree, inits: Sequence[Tree] = (), **spec: Any) -> Tree:
    filled = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "initContainers": list(inits),
        "containers": list(mains),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": filled | spec}


def config_map(name: str, **data: str) -> Tree:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> Tree:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def write(folder: Path, *objects: Tree, name: str = "manifest.yaml") -> Path:
    """JSON is YAML."""
    path = folder / name
    path.write_text("\n---\n".join(json.dumps(one) for one in objects))
    return path


class Watched:
    """A pillion process that says what happens as JSON lines, and what it has said so far."""

    def __init__(self, argv: Sequence[str], env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
        )
        self.said: list[Tree] = []
        self.stderr = ""
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if said["type"] == "row":
                leaks.watch_pod(said["object"]["metadata"]["uid"])
            with self._news:
                self.said.append(said)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        self.stderr = self.process.stderr.read().decode()

    # What it said

    def of_type(self, type_: str) -> list[Tree]:
        return [said for said in self.said if said["type"] == type_]

    def logs(self, pod: str, container: str) -> list[str]:
        return [s["line"] for s in self.of_type("log") if (s["pod"], s["container"]) == (pod, container)]

    def rows(self, pod: str) -> list[str]:
        """The STATUS column as it changed."""
        texts = [said["status"] for said in self.of_type("row") if said["name"] == pod]
        return [text for index, text in enumerate(texts) if index == 0 or texts[index - 1] != text]

    def pod(self, name: str) -> Tree:
        """The object as it was last seen; empty before that."""
        seen = [said["object"] for said in self.of_type("row") if said["name"] == name]
        return seen[-1] if seen else {}

    def container(self, pod: str, name: str) -> Tree:
        """Its status as it was last seen; empty before that."""
        status = self.pod(pod).get("status", {})
        known = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
        return next((one for one in known if one["name"] == name), {})

    def events(self, pod: str) -> list[tuple[str, str]]:
        """(reason, message) in order."""
        objects = [said["object"] for said in self.of_type("event")]
        return [(o["reason"], o["message"]) for o in objects if o["involvedObject"]["name"] == pod]

    def story(self, pod: str) -> list[Tree]:
        return next((said["story"] for said in self.of_type("finished") if said["pod"] == pod), [])

    @property
    def status(self) -> int | None:
        return self.process.returncode

    # What a test does

    def until(self, fact: Callable[[], object], within: float = WITHIN) -> None:
        with self._news:
            came = self._news.wait_for(lambda: fact() or self._is_over(), within)
        assert fact(), f"did not come{' in time' if not came else ''}: {self._recent()}"

    def _is_over(self) -> bool:
        return not self._readers[0].is_alive()

    def signal(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def end(self, within: float = WITHIN) -> int:
        """Wait for its own end."""
        try:
            status = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"pillion does not end: {self._recent()}") from None
        for reader in self._readers:
            reader.join(WITHIN)
        assert "Traceback" not in self.stderr, self.stderr
        return status

    def close(self) -> None:
        """Whatever the test came to: end the pods at once and let go of everything."""
        for _ in range(2):
            if self.process.poll() is None:
                self.signal()
                try:
                    self.process.wait(WITHIN if _ else 0.3)
                except subprocess.TimeoutExpired:
                    continue
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _recent(self) -> str:
        return "\n".join(json.dumps(said)[:2000] for said in self.said[-8:]) + self.stderr


def run_argv(folder: Path, *files: str, options: Sequence[str] = ()) -> list[str]:
    return [*PILLION, "run", *files, "--state-dir", str(folder / "state"), "--image", "box=host", *options]


def launch(folder: Path, *files: str, options: Sequence[str] = (), env: Tree | None = None) -> Watched:
    leaks.watch(str(folder / "state"))
    surroundings = None if env is None else dict(os.environ) | env
    return Watched([*run_argv(folder, *files, options=options), "-o", "json"], surroundings)


@contextmanager
def started(
    folder: Path, *objects: Tree, options: Sequence[str] = (), env: Tree | None = None
) -> Iterator[Watched]:
    """pillion with these objects; when the block is left, its pods are ended if they have not."""
    run = launch(folder, str(write(folder, *objects)), options=options, env=env)
    try:
        yield run
    finally:
        run.close()


def run_to_end(
    folder: Path, *objects: Tree, options: Sequence[str] = (), env: Tree | None = None, within: float = WITHIN
) -> Watched:
    with started(folder, *objects, options=options, env=env) as run:
        run.end(within)
    return run


def call(*argv: str, within: float = WITHIN, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Run pillion to its end, as text. It never shows a traceback."""
    done = subprocess.run([*PILLION, *argv], capture_output=True, text=True, timeout=within, **changes)
    assert "Traceback" not in done.stderr, done.stderr
    return done
