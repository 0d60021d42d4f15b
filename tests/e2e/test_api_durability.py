"""`kill -9` at any instant: no acknowledged write is lost, no container notices, the next server knows all ends."""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.apilab import CONFIG_MAPS, PODS, Api, config_map, phase
from tests.e2e.lab import a_pod, server, shell, sidecar
from tests.e2e.served import Served, served

pytestmark = pytest.mark.host
ROUNDS = 3
WRITERS = 4
Tree = dict[str, Any]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running
        assert "Traceback" not in running.log, running.log


class Writer(threading.Thread):
    """Creates and changes objects, one after the other, until the server is gone."""

    def __init__(self, api: Api, name: str) -> None:
        super().__init__()
        self._api = api
        self._name = name
        self.acknowledged: dict[str, str] = {}
        """The last state of every object of which the server said that it is written: value by name."""
        self.unsure = ""
        """Of which it did not say anything any more."""
        self.started = threading.Event()

    def run(self) -> None:
        for number in range(100_000):
            name, value = f"{self._name}-{number // 2}", str(number)
            method, path = ("PUT", f"{CONFIG_MAPS}/{name}") if number % 2 else ("POST", CONFIG_MAPS)
            self.unsure = name
            try:
                reply = self._api.call(method, path, config_map(name, value=value))
            except (OSError, http.client.HTTPException):
                return
            assert reply.code in (200, 201), reply.body
            self.acknowledged[name] = value
            self.started.set()


def test_every_acknowledged_write_is_there(running: Served) -> None:
    chance = random.Random(4)
    acknowledged: dict[str, str] = {}
    unsure: set[str] = set()
    for number in range(ROUNDS):
        api = Api(running)
        revision = int(api.get(CONFIG_MAPS).tree["metadata"]["resourceVersion"])
        writers = [Writer(api, f"round{number}-writer{index}") for index in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            assert writer.started.wait(10)
        threading.Event().wait(chance.random() / 4)  # any instant
        running.kill()
        for writer in writers:
            writer.join()
        running.start()
        api = Api(running)
        stored = {o["metadata"]["name"]: o for o in api.get(CONFIG_MAPS).tree["items"]}
        for writer in writers:
            acknowledged |= writer.acknowledged
        unsure |= {writer.unsure for writer in writers}
        for name, value in acknowledged.items():
            assert name in unsure or stored[name]["data"]["value"] == value
        seen = _changes_since(api, revision)
        assert seen == sorted(set(seen))
        assert seen[-1] == max(int(o["metadata"]["resourceVersion"]) for o in stored.values())
        written = sum(len(writer.acknowledged) for writer in writers)
        assert len(seen) >= written


def _changes_since(api: Api, revision: int) -> list[int]:
    """The revisions a watch goes on with that began before the kill."""
    with api.watching(f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}&timeoutSeconds=1") as watch:
        return [int(event["object"]["metadata"]["resourceVersion"]) for event in watch.rest()]


def _statuses(api: Api, pod: str) -> dict[str, Tree]:
    status = api.get(f"{PODS}/{pod}").tree["status"]
    known = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    return {one["name"]: one for one in known}


def _has(api: Api, container: str, field: str) -> Any:
    """Of Pod p; nothing while it has no statuses yet."""
    return _statuses(api, "p").get(container, {}).get(field, "")


def test_containers_go_on_and_those_that_ended_have_their_true_end(running: Served, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    end = tmp_path / "shared" / "end"
    api = Api(running)
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    api.create(
        PODS,
        a_pod(
            "p",
            server("main", readinessProbe=probe),
            shell(
                "ending",
                "while ! [ -e /shared/end ]; do sleep 0.02; done; exit 7",
                volumeMounts=[{"name": "shared", "mountPath": "/shared"}],
            ),
            shell("crashed", "exit 3"),
            inits=[sidecar("log")],
            volumes=[{"name": "shared", "hostPath": {"path": str(end.parent)}}],
        ),
    )
    api.until(lambda: _has(api, "main", "ready") and "terminated" in _has(api, "crashed", "state"))
    before = _statuses(api, "p")
    running.kill()
    began = datetime.now(UTC).replace(microsecond=0)
    end.touch()
    running.start()
    api = Api(running)
    api.until(lambda: "terminated" in _statuses(api, "p")["ending"]["state"])
    after = _statuses(api, "p")
    for name in ("main", "log", "crashed"):
        assert after[name] == before[name], name
    ended = after["ending"]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], after["ending"]["restartCount"]) == (7, "Error", 0)
    assert ended["containerID"] == before["ending"]["containerID"]
    finished = datetime.fromisoformat(ended["finishedAt"])
    assert 0 <= (finished - began).total_seconds() <= 1


def test_a_start_and_a_restart_under_way_are_gone_on_with(running: Served) -> None:
    """Killed soon after the pods were created: each container begins as often as its count says."""
    api = Api(running)
    for number in range(4):
        api.create(
            PODS, a_pod(f"p{number}", server("main"), inits=[shell("first", "sleep 0.1"), sidecar("log")])
        )
    api.create(PODS, a_pod("again", shell("main", "exit 1"), restartPolicy="OnFailure"))
    for _ in range(2):
        threading.Event().wait(0.1)  # any instant
        running.kill()
        running.start()
    api = Api(running)
    api.until(lambda: all(phase(api, f"p{number}") == "Running" for number in range(4)))
    for number in range(4):
        counts = [one["restartCount"] for one in _statuses(api, f"p{number}").values()]
        assert counts == [0, 0, 0], counts
    # A restart that the kill interrupted waits for no back-off: it is forgotten with the process, as a kubelet's is.
    api.until(lambda: _statuses(api, "again")["main"]["restartCount"] >= 1, within=5)


def test_a_back_off_is_forgotten_and_its_container_starts_at_once(running: Served) -> None:
    api = Api(running)
    api.create(PODS, a_pod("p", shell("main", "exit 1"), restartPolicy="Always"))
    api.until(lambda: "CrashLoopBackOff" in str(_has(api, "main", "state")))
    before = _has(api, "main", "restartCount")
    running.kill()
    running.start()
    api = Api(running)
    api.until(lambda: _has(api, "main", "restartCount") == before + 1, within=5)


def test_probe_state_goes_on_where_it_was(running: Served, tmp_path: Path) -> None:
    """What was started stays started, what was ready stays ready, and a failing streak goes on being counted."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "good").touch()
    (notes / "once").touch()

    def probed(name: str, kind: str, command: str, threshold: int = 5) -> Tree:
        probe = {"exec": {"command": ["sh", "-c", f"echo . >> /notes/{name}; {command}"]}, "periodSeconds": 1}
        mounts = [{"name": "notes", "mountPath": "/notes"}]
        return server(name, volumeMounts=mounts, **{f"{kind}Probe": probe | {"failureThreshold": threshold}})

    def asked(name: str) -> int:
        return len((notes / name).read_bytes().splitlines()) if (notes / name).exists() else 0

    api = Api(running)
    api.create(
        PODS,
        a_pod(
            "p",
            probed("ready", "readiness", "test -e /notes/good"),
            probed("unready", "readiness", "false"),
            probed("started", "startup", "test -e /notes/once"),
            probed("starting", "startup", "false"),
            probed("ailing", "liveness", "false"),
            volumes=[{"name": "notes", "hostPath": {"path": str(notes)}}],
        ),
    )
    api.until(
        lambda: _has(api, "ready", "ready") and _has(api, "started", "started") and asked("ailing") == 2
    )
    (notes / "once").unlink()
    api.until(lambda: min(asked("starting"), asked("ailing")) >= 3)
    revision = api.get(PODS).tree["metadata"]["resourceVersion"]
    began = {name: asked(name) for name in ("started", "ready")}
    running.kill()
    running.start()
    api = Api(running)
    api.until(lambda: all("terminated" in _has(api, name, "state") for name in ("starting", "ailing")))
    for name in ("starting", "ailing"):
        # One more, if the kill came between an attempt and its answer.
        assert asked(name) in (5, 6), name
    assert asked("started") == began["started"]
    assert asked("ready") > began["ready"]
    with api.watching(f"{PODS}?watch=1&resourceVersion={revision}&timeoutSeconds=1") as watch:
        seen = [event["object"]["status"]["containerStatuses"] for event in watch.rest()]
    shown = [{one["name"]: one for one in known} for known in seen]
    assert all(known["ready"]["ready"] and known["started"]["started"] for known in shown)
    assert not any(known["unready"]["ready"] for known in shown)
    assert {one["restartCount"] for known in shown for one in known.values()} == {0}


def test_a_deletion_under_way_is_completed(running: Served) -> None:
    api = Api(running)
    patient = "trap 'sleep 0.5; exit 0' TERM; echo ready; while :; do sleep 1000 & wait; done"
    api.create(PODS, a_pod("p", shell("main", patient), terminationGracePeriodSeconds=20))
    api.until(lambda: phase(api, "p") == "Running" and api.get(f"{PODS}/p/log").body == b"ready\n")
    revision = api.get(PODS).tree["metadata"]["resourceVersion"]
    assert api.call("DELETE", f"{PODS}/p").code == 200
    running.kill()
    running.start()
    api = Api(running)
    with api.watching(f"{PODS}?watch=1&resourceVersion={revision}") as watch:
        while (event := watch.next())["type"] != "DELETED":
            pass
    (ended,) = event["object"]["status"]["containerStatuses"]
    assert ended["state"]["terminated"]["exitCode"] == 0
    assert api.get(f"{PODS}/p").code == 404
