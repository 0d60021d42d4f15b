"""What of its probes a pod writes down: all that a new process needs to go on counting, and not each answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.node_lab import Lab, live

from pillion.node import persistence
from pillion.testing.fakeruntime import ExecScript

BAD = ("bad",)


def probed(kind: str, command: tuple[str, ...], **changes: Any) -> dict[str, Any]:
    probe = {"exec": {"command": list(command)}, "periodSeconds": 1, "failureThreshold": 9} | changes
    return {"name": "main", "image": "box", "command": ["serve"], kind: probe}


def streak(lab: Lab, uid: str, kind: str) -> int:
    """As it is written down; 0 when nothing is."""
    saved = persistence.load_all(lab.state).get(uid)
    known = saved.record.probes.get(f"main/{kind}") if saved is not None else None
    return known.run if known is not None else 0


def asked(lab: Lab) -> int:
    return lab.runtime.calls.count(("exec", "main"))


@pytest.mark.parametrize("kind", ["startup", "liveness", "readiness"])
def test_every_failure_of_a_streak_is_written_down(tmp_path: Path, kind: str) -> None:
    async def life(lab: Lab) -> None:
        lab.runtime.exec_scripts[BAD] = ExecScript(exit_code=1)
        worker = lab.run_pod(containers=[probed(f"{kind}Probe", BAD)])
        for count in range(1, 5):
            await lab.until(lambda count=count: streak(lab, worker.uid, kind) == count, within=3)
            assert asked(lab) == count
        worker.delete(1)
        await lab.until(lambda: worker.uid in lab.objects.finished)

    live(tmp_path, life)


def test_a_succeeding_streak_is_written_down_up_to_its_threshold_and_then_costs_no_write(
    tmp_path: Path,
) -> None:
    async def life(lab: Lab) -> None:
        threshold = {"failureThreshold": 2, "successThreshold": 3}
        worker = lab.run_pod(containers=[probed("readinessProbe", ("good",), **threshold)])
        for count in range(1, 4):
            await lab.until(lambda count=count: streak(lab, worker.uid, "readiness") == count, within=3)
        file = Path(lab.state.pod(worker.uid)) / "pod.json"
        before = file.stat()
        known = asked(lab)
        await lab.until(lambda: asked(lab) >= known + 20)
        assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        worker.delete(1)
        await lab.until(lambda: worker.uid in lab.objects.finished)

    live(tmp_path, life)
