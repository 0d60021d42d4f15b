"""A node over a fake runtime and network: what its workers do with what the drivers answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.node_lab import Lab, config_map, live
from tests.runtime_lab import UID, sandbox_spec

from pillion.errors import HostError
from pillion.lifecycle import Stage
from pillion.network import NetworkError
from pillion.node import PodWorker, persistence
from pillion.plan.containerspec import ContainerSpec
from pillion.testing.fakeruntime import Script

MAIN: dict[str, Any] = {"name": "main", "image": "box", "command": ["serve"]}
SIDE = {"name": "side", "image": "box", "command": ["serve"], "restartPolicy": "Always"}
FROM_MAP = {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}}


def is_running(worker: PodWorker) -> Callable[[], bool]:
    return lambda: worker.record.phase == "Running"


def is_finished(worker: PodWorker) -> Callable[[], bool]:
    return lambda: worker.record.stage is Stage.FINISHED


def status_of(worker: PodWorker, name: str) -> Any:
    status = worker.pod.status
    assert status is not None
    known = [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]
    return next(one for one in known if one.name == name)


def test_a_sandbox_is_complete_only_when_its_files_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies just then would leave a sandbox in which no container can start."""

    async def life(lab: Lab) -> None:
        complete = lab.runtime.set_addresses
        files: list[str] = []

        def look(uid: str, attempt: int, ips: tuple[str, ...]) -> None:
            files.extend(sorted(path.name for path in Path(lab.state.pod(uid)).iterdir() if path.is_file()))
            complete(uid, attempt, ips)

        monkeypatch.setattr(lab.runtime, "set_addresses", look)
        worker = lab.run_pod(containers=[MAIN])
        await lab.until(is_running(worker))
        assert {"etc-hosts", "hostname", "resolv.conf"} <= set(files)
        await end(lab, worker)

    live(tmp_path, life)


async def end(lab: Lab, worker: PodWorker, grace: int = 5) -> None:
    worker.delete(grace)
    await lab.until(is_finished(worker))


def test_a_pod_lives_and_is_ended_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(initContainers=[SIDE], containers=[MAIN])
        await lab.until(is_running(worker))
        assert worker.pod.status is not None
        assert worker.pod.status.podIP == lab.network.book.lease(worker.uid).ip
        await end(lab, worker)
        verbs = [
            call for call in lab.runtime.calls if call[0] in ("start", "stop", "stop_sandbox", "remove_pod")
        ]
        assert verbs == [
            ("start", "side"),
            ("start", "main"),
            ("stop", "main"),
            ("stop", "side"),
            ("stop_sandbox", worker.uid),
            ("remove_pod", worker.uid),
        ]
        assert lab.runtime.pods() == frozenset()
        assert lab.network.book.leases == ()
        lab.node.forget(worker.uid)
        assert list(Path(lab.state.pods).iterdir()) == []

    live(tmp_path, life)


def test_a_pod_that_the_node_rejects_fails_and_the_drivers_hear_of_its_end_only(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(containers=[MAIN], os={"name": "windows"})
        await lab.until(is_finished(worker))
        status = worker.pod.status
        assert status is not None
        assert (status.phase, status.reason) == ("Failed", "PodOSNotSupported")
        assert status.qosClass == "BestEffort"
        assert lab.runtime.calls == [("remove_pod", worker.uid)]
        assert lab.events_of("PodOSNotSupported") == [
            "Failed to admit pod as the OS field doesn't match node OS"
        ]

    live(tmp_path, life)


def test_each_container_is_created_once_and_started_in_order(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(initContainers=[SIDE], containers=[MAIN])
        await lab.until(is_running(worker))
        made = [call for call in lab.runtime.calls if call[0] in ("create", "start")]
        assert sorted(made) == [("create", "main"), ("create", "side"), ("start", "main"), ("start", "side")]
        assert made.index(("start", "side")) < made.index(("start", "main"))
        await end(lab, worker)

    live(tmp_path, life)


def test_a_container_is_created_while_the_one_before_it_still_runs(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        init = {"name": "init", "image": "box", "command": ["migrate"]}
        worker = lab.run_pod(initContainers=[init], containers=[MAIN])
        await lab.until(lambda: lab.created("main") == 1)
        assert not lab.started("main")
        await lab.until(is_running(worker))
        assert lab.created("main") == 1
        await end(lab, worker)

    live(tmp_path, life, {"init": Script(exit_after=5)})


def test_what_was_created_ahead_is_made_anew_when_a_config_map_changed_meanwhile(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        lab.objects.put_config_map(config_map("settings", mode="slow"))
        init = {"name": "init", "image": "box", "command": ["migrate"]}
        worker = lab.run_pod(initContainers=[init], containers=[MAIN | {"env": [FROM_MAP]}])
        await lab.until(lambda: lab.created("main") == 1)
        lab.objects.put_config_map(config_map("settings", mode="fast"))
        await lab.until(is_running(worker))
        assert lab.created("main") == 2
        assert lab.runtime.calls.count(("remove", "main")) == 1
        await end(lab, worker)

    live(tmp_path, life, {"init": Script(exit_after=5)})


def test_what_was_created_ahead_and_never_started_goes_with_the_pod(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(
            initContainers=[{"name": "init", "image": "box", "command": ["fail"]}],
            containers=[MAIN],
            restartPolicy="Never",
        )
        await lab.until(is_finished(worker))
        assert lab.created("main") == 1
        assert lab.started("main") == 0
        assert lab.runtime.pods() == frozenset()

    live(tmp_path, life, {"init": Script(exit_after=1, exit_code=1)})


def test_a_config_map_that_appears_lets_a_waiting_container_start_at_once(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(containers=[MAIN | {"env": [FROM_MAP]}])
        await lab.until(lambda: 'Error: configmap "settings" not found' in lab.events_of("Failed"))
        assert status_of(worker, "main").state.waiting.reason == "CreateContainerConfigError"
        began = lab.clock.now()
        lab.objects.put_config_map(config_map("settings", mode="fast"))
        lab.node.references_changed()
        await lab.until(is_running(worker))
        assert lab.clock.now() - began < 1
        assert status_of(worker, "main").restartCount == 0
        await end(lab, worker)

    live(tmp_path, life)


def test_a_config_map_that_appears_lets_a_pod_mount_its_volumes_at_once(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(
            containers=[MAIN | {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            volumes=[{"name": "v", "configMap": {"name": "settings"}}],
        )
        await lab.until(lambda: len(lab.events_of("FailedMount")) == 4)
        began = lab.clock.now()
        lab.objects.put_config_map(config_map("settings", mode="fast"))
        lab.node.references_changed()
        await lab.until(is_running(worker))
        assert lab.clock.now() - began < 1
        volume = Path(lab.state.volume(worker.uid, "v"))
        assert (volume / "mode").read_text() == "fast"
        lab.objects.put_config_map(config_map("settings", mode="faster"))
        lab.node.references_changed()
        await lab.until(lambda: (volume / "mode").read_text() == "faster")
        await end(lab, worker)

    live(tmp_path, life)


def test_volumes_follow_their_objects_within_a_minute_though_nobody_says_so(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        lab.objects.put_config_map(config_map("settings", mode="slow"))
        worker = lab.run_pod(
            containers=[MAIN | {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            volumes=[{"name": "v", "configMap": {"name": "settings"}}],
        )
        await lab.until(is_running(worker))
        lab.objects.put_config_map(config_map("settings", mode="fast"))
        path = Path(lab.state.volume(worker.uid, "v")) / "mode"
        await lab.until(lambda: path.read_text() == "fast", within=61)
        await end(lab, worker)

    live(tmp_path, life)


def test_a_pod_whose_empty_dir_outgrows_its_limit_is_evicted(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(
            containers=[MAIN | {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}],
        )
        await lab.until(is_running(worker))
        volume = Path(lab.state.volume(worker.uid, "v"))
        (volume / "file").write_bytes(b"x" * (1 << 19))
        began = lab.clock.now()
        await lab.until(lambda: lab.clock.now() - began > 25)
        assert worker.record.phase == "Running"
        (volume / "more").write_bytes(b"x" * (1 << 20))
        await lab.until(is_finished(worker), within=15)
        status = worker.pod.status
        assert status is not None
        message = 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
        assert (status.phase, status.reason, status.message) == ("Failed", "Evicted", message)
        assert lab.events_of("Evicted") == [message]

    live(tmp_path, life)


def test_a_second_end_shortens_the_grace_period_and_cannot_lengthen_it(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(containers=[MAIN])
        await lab.until(is_running(worker))
        worker.delete(60)
        worker.delete(600)
        assert worker.pod.metadata is not None
        assert worker.pod.metadata.deletionGracePeriodSeconds == 60
        await lab.until(lambda: ("stop", "main") in lab.runtime.calls)
        began = lab.clock.now()
        worker.delete(0)
        await lab.until(is_finished(worker))
        assert lab.clock.now() - began < 1
        assert status_of(worker, "main").state.terminated.exitCode == 137

    live(tmp_path, life, {"main": Script(stop_delay=None)})


def test_a_network_that_fails_leaves_no_sandbox_and_is_tried_again(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        lab.network.failure = "no addresses"
        worker = lab.run_pod(containers=[MAIN])
        await lab.until(lambda: lab.events_of("FailedCreatePodSandBox"))
        assert lab.events_of("FailedCreatePodSandBox")[0] == "Failed to create pod sandbox: no addresses"
        assert lab.runtime.sandboxes(worker.uid) == ()
        lab.network.failure = None
        await lab.until(is_running(worker))
        await end(lab, worker)

    live(tmp_path, life)


@pytest.mark.parametrize("error", [HostError("the device is busy"), OSError(28, "No space left on device")])
def test_a_tear_down_that_fails_is_said_and_tried_again_until_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def life(lab: Lab) -> None:
        failures = [error] * 3
        detach = lab.network.detach

        async def failing(pod_uid: str) -> None:
            if failures:
                raise failures.pop()
            await detach(pod_uid)

        worker = lab.run_pod(containers=[MAIN])
        await lab.until(is_running(worker))
        monkeypatch.setattr(lab.network, "detach", failing)
        began = lab.clock.now()
        await end(lab, worker)
        assert lab.clock.now() - began > 1 + 2 + 4
        assert set(lab.events_of("FailedKillPod")) == {f"error killing pod: {error}"}
        assert lab.network.book.leases == ()

    live(tmp_path, life)


@pytest.mark.parametrize(
    ("script", "reason", "message"),
    [
        (Script(create_error="no layer"), "CreateContainerError", "no layer"),
        (Script(start_error="no such program"), "RunContainerError", "no such program"),
    ],
)
def test_what_the_runtime_refuses_is_the_reason_why_a_container_waits(
    tmp_path: Path, script: Script, reason: str, message: str
) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(containers=[MAIN])
        await lab.until(lambda: f"Error: {message}" in lab.events_of("Failed"))
        state = status_of(worker, "main").state
        if script.create_error:
            assert (state.waiting.reason, state.waiting.message) == (reason, message)
        await end(lab, worker)

    live(tmp_path, life, {"main": script})


def test_a_full_disk_is_said_once_and_the_pod_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(containers=[MAIN])
        await lab.until(is_running(worker))
        folder = Path(lab.state.pod(worker.uid))
        (folder / "pod.json.new").mkdir()  # nothing can be written over it
        for _ in range(2):
            lab.runtime.crash(lab.runtime.containers(worker.uid)[0].id, 1)
            known = lab.started("main")
            await lab.until(lambda known=known: lab.started("main") > known)
        assert len(lab.events_of("FailedSync")) == 1
        assert "cannot write down the state of the pod" in lab.events_of("FailedSync")[0]
        (folder / "pod.json.new").rmdir()
        await end(lab, worker)

    live(tmp_path, life)


def test_crashes_are_answered_with_a_growing_delay(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(containers=[MAIN])
        times: list[float] = []
        while len(times) < 4:
            known = lab.started("main")
            await lab.until(lambda known=known: lab.started("main") > known)
            times.append(lab.clock.now())
        waits = [after - before for before, after in itertools.pairwise(times)]
        assert [round(wait) for wait in waits] == [1, 11, 21]
        await end(lab, worker)

    live(tmp_path, life, {"main": Script(exit_after=1, exit_code=1)})


def test_a_new_process_adopts_a_pod_as_it_was_written_down(tmp_path: Path) -> None:
    """The fake runtime forgets with its process: what is left is the record."""
    uids: list[str] = []

    async def first(lab: Lab) -> None:
        worker = lab.run_pod(containers=[MAIN])
        uids.append(worker.uid)
        await lab.until(lambda: lab.started("main") == 2)
        await lab.until(lambda: status_of(worker, "main").restartCount == 1)

    async def second(lab: Lab) -> None:
        assert list(lab.saved) == uids
        saved = lab.saved[uids[0]]
        worker = lab.node.adopt(saved)
        await lab.until(lambda: lab.started("main"))
        await lab.until(lambda: status_of(worker, "main").state.running)
        assert status_of(worker, "main").restartCount >= 1
        assert worker.pod.metadata is not None
        assert worker.pod.metadata.uid == uids[0]
        await end(lab, worker)

    live(tmp_path, first, {"main": [Script(exit_after=1, exit_code=1), Script()]})
    live(tmp_path, second)


@pytest.mark.parametrize("content", [b"", b"{", b'{"pod": 1}'])
def test_a_pod_file_that_cannot_be_read_is_no_pod(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "pods" / "some-uid"
    folder.mkdir(parents=True)
    (folder / "pod.json").write_bytes(content)

    async def life(lab: Lab) -> None:
        assert lab.saved == {}

    live(tmp_path, life)


def test_what_belongs_to_no_written_pod_is_removed_when_the_node_opens(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        await lab.runtime.create_sandbox(sandbox_spec())
        await lab.network.attach(UID, 0, "/proc/self/ns/net", ())
        assert await lab.node.open() == {}
        assert lab.runtime.pods() == frozenset()
        assert lab.network.book.leases == ()

    live(tmp_path, life)


def test_what_an_earlier_process_left_and_resists_is_said_keeps_nobody_waiting_and_is_tried_again(
    tmp_path: Path,
) -> None:
    failures = [HostError("process 7 (dd) hangs in the kernel")] * 3

    async def leave(lab: Lab) -> None:
        await lab.runtime.create_sandbox(sandbox_spec())
        await lab.runtime.create_sandbox(sandbox_spec(pod_uid="other"))
        await lab.network.attach(UID, 0, "/proc/self/ns/net", ())
        remove = lab.runtime.remove_pod

        async def failing(pod_uid: str) -> None:
            if pod_uid == UID and failures:
                raise failures.pop()
            await remove(pod_uid)

        lab.runtime.remove_pod = failing  # type: ignore[method-assign]

    async def life(lab: Lab) -> None:
        assert dict(lab.node.orphans) == {UID: "process 7 (dd) hangs in the kernel"}
        assert lab.runtime.pods() == {UID}
        assert [lease.pod_uid for lease in lab.network.book.leases] == [UID]
        began = lab.clock.now()
        await lab.until(lambda: not lab.node.orphans)
        assert lab.clock.now() - began == pytest.approx(1 + 2 + 4, abs=0.1)
        assert (lab.runtime.pods(), lab.network.book.leases) == (frozenset(), ())

    live(tmp_path, life, before=leave)


def test_network_errors_are_host_errors() -> None:
    """The performer relies on it."""
    assert issubclass(NetworkError, HostError)


@pytest.mark.parametrize(
    ("old", "new", "known"),
    [
        (b"whole", None, True),
        (b"whole", b"{", True),
        (None, b"whole", True),
        (None, b"{", False),
    ],
)
def test_a_process_that_died_while_it_wrote_leaves_one_whole_file(
    tmp_path: Path, old: bytes | None, new: bytes | None, *, known: bool
) -> None:
    async def life(lab: Lab) -> None:
        worker = lab.run_pod(containers=[MAIN])
        await lab.until(is_running(worker))
        folder = Path(lab.state.pod(worker.uid))
        whole = (folder / "pod.json").read_bytes()
        (folder / "pod.json").unlink()
        for name, content in (("pod.json", old), ("pod.json.new", new)):
            if content is not None:
                (folder / name).write_bytes(whole if content == b"whole" else content)
        assert (worker.uid in persistence.load_all(lab.state)) is known
        await end(lab, worker)

    live(tmp_path, life)


def test_an_error_of_ours_is_told_and_ends_neither_its_pod_nor_another(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        create = lab.runtime.create
        failures = [RuntimeError("a bug of ours"), RuntimeError("again")]

        async def buggy(spec: ContainerSpec) -> str:
            if spec.pod_name == "unlucky" and failures:
                raise failures.pop()
            return await create(spec)

        lab.runtime.create = buggy  # type: ignore[method-assign]
        unlucky = lab.run_pod("unlucky", containers=[MAIN])
        other = lab.run_pod("other", containers=[MAIN])
        await lab.until(is_running(other))
        await lab.until(is_running(unlucky))
        told = [event for event in lab.objects.events if event.reason == "FailedSync"]
        assert told
        assert all("RuntimeError: a" in (event.message or "") for event in told)
        await end(lab, unlucky)
        await end(lab, other)

    live(tmp_path, life)
