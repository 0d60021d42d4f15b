"""The `pillion` command, as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure, Note
from bench.memory import cpu_seconds, resident_mb
from bench.program import IMAGE
from bench.world import pod_manifest

PILLION = str(Path(sys.executable).with_name("pillion"))
PODS = 10
IDLE_SECONDS = 60
HELP_ROUNDS = 15


def help_text(_folder: Path) -> list[Figure]:
    took = []
    for _ in range(HELP_ROUNDS + 1):
        begun = time.perf_counter()
        subprocess.run((PILLION, "--help"), stdout=subprocess.DEVNULL, check=True)
        took.append((time.perf_counter() - begun) * 1000)
    return [Figure("pillion --help", "ms", tuple(took[1:]))]


def idle(folder: Path, *, can_answer: bool) -> list[Figure | Note]:
    """Ten pods whose three containers have a readiness and a liveness probe each, every 10 s: six probes a second."""
    if not can_answer:
        return [Note("memory and idle CPU of probed pods are not measured: they need gcc")]
    manifests = folder / "pods.json"
    manifests.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [pod_manifest(f"pod-{i}", probed=True) for i in range(PODS)],
            }
        )
    )
    argv = [PILLION, "run", str(manifests), "--image", f"{IMAGE}={folder / 'image'}", "-o", "json"]
    with subprocess.Popen([*argv, "--state-dir", str(folder / "state")], stdout=subprocess.PIPE) as child:
        try:
            _until_ready(child)
            before = cpu_seconds(child.pid)
            try:
                child.wait(IDLE_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            else:
                raise RuntimeError(f"pillion run ended by itself, exit status {child.returncode}")
            used = cpu_seconds(child.pid) - before
            memory = resident_mb(child.pid)
        finally:
            child.send_signal(signal.SIGINT)
            child.communicate(timeout=60)
    return [
        Figure(f"pillion run, {PODS} pods × 3 probed containers: RSS", "MB", (memory,)),
        Figure(f"the same, idle for {IDLE_SECONDS} s: CPU", "% of a core", (used / IDLE_SECONDS * 100,)),
    ]


def _until_ready(child: subprocess.Popen[bytes]) -> None:
    assert child.stdout is not None
    waiting = {f"pod-{i}" for i in range(PODS)}
    for line in child.stdout:
        said = json.loads(line)
        if said["type"] == "row" and said["ready"] == "3/3":
            waiting.discard(said["name"])
            if not waiting:
                return
    raise RuntimeError(f"pillion run ended before its pods were ready, exit status {child.wait()}")
