"""What the node reports reaches the store: the newest status, beside others' conditions, and a deleted pod's end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.unit.daemon.controllers_lab import Lab, Tree, live

from pillion.daemon.statuswriter import StatusWriter
from pillion.objects import core_v1, decode
from pillion.store import Key


def reported(tree: Tree, **status: object) -> core_v1.Pod:
    pod, problems = decode(core_v1.Pod, tree | {"status": {"qosClass": "BestEffort", **status}})
    assert problems == []
    return pod


def writing(body: Callable[[Lab, StatusWriter], Awaitable[None]]) -> None:
    writers: list[StatusWriter] = []

    async def run(lab: Lab) -> None:
        writers.append(StatusWriter(lab.api, events=None))  # type: ignore[arg-type]
        await writers[0].run()

    async def whole(lab: Lab) -> None:
        await body(lab, writers[0])

    live(whole, run)


def phase(lab: Lab) -> str:
    found: str = lab.have("pods", "p")["status"]["phase"]
    return found


def test_the_newest_status_is_written_by_the_kubelet() -> None:
    async def body(lab: Lab, writer: StatusWriter) -> None:
        made = await lab.create_pod("p")
        for reached in ("Pending", "Running", "Succeeded"):
            writer.pod_changed(reported(made, phase=reached))
        await lab.until(lambda: phase(lab) == "Succeeded")
        entries = lab.have("pods", "p")["metadata"]["managedFields"]
        assert ("kubelet", "status") in [(entry["manager"], entry.get("subresource")) for entry in entries]

    writing(body)


def test_conditions_of_others_stay_beside_its_own() -> None:
    async def body(lab: Lab, writer: StatusWriter) -> None:
        made = await lab.create_pod("p", readinessGates=[{"conditionType": "example.com/ready"}])
        theirs = {"type": "example.com/ready", "status": "True"}

        def add_theirs(current: Tree) -> Tree:
            return current | {"status": current["status"] | {"conditions": [theirs]}}

        await lab.api.update(Key("pods", "default", "p"), add_theirs, manager="gate", subresource="status")
        own = {"type": "Ready", "status": "True"}
        writer.pod_changed(reported(made, phase="Running", conditions=[own]))
        await lab.until(lambda: phase(lab) == "Running")
        kept = {known["type"] for known in lab.have("pods", "p")["status"]["conditions"]}
        assert kept == {"Ready", "example.com/ready"}

    writing(body)


def test_a_pod_of_the_same_name_is_another_pod() -> None:
    async def body(lab: Lab, writer: StatusWriter) -> None:
        old = await lab.create_pod("p")
        await lab.delete("pods", "p", grace_seconds=0)
        await lab.create_pod("p")
        other = await lab.create_pod("q")
        writer.pod_changed(reported(old, phase="Running"))
        writer.pod_finished(reported(old, phase="Running"))
        writer.pod_changed(reported(other, phase="Running"))
        await lab.until(lambda: lab.have("pods", "q")["status"]["phase"] == "Running")
        assert phase(lab) == "Pending"

    writing(body)


def test_a_deleted_pod_goes_when_the_node_has_finished_it_and_not_before() -> None:
    async def body(lab: Lab, writer: StatusWriter) -> None:
        finished: list[str] = []
        writer.on_finished(finished.append)
        made = await lab.create_pod("p", nodeName="here")
        uid = made["metadata"]["uid"]
        writer.pod_finished(reported(made, phase="Succeeded"))
        writer.pod_changed(reported(made, phase="Succeeded"))
        await lab.until(lambda: phase(lab) == "Succeeded")
        assert finished == [uid]
        await lab.delete("pods", "p")
        writer.look_again(uid)
        await lab.until(lambda: lab.get("pods", "p") is None)

    writing(body)
