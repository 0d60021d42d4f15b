"""Each controller keeps its promise, whoever changes the objects."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.daemon.controllers_lab import NOW, Lab, live

from pillion.daemon.controllers import eventexpiry, namespaces, nodeobject, orphanedpods, serviceaccounts
from pillion.daemon.controllers.garbagecollector import GarbageCollector
from pillion.daemon.controllers.scheduler import Scheduler
from pillion.daemon.events import Events
from pillion.errors import HostError
from pillion.plan.facts import NodeFacts
from pillion.units import Instant, format_time

Tree = dict[str, Any]


async def run_namespaces(lab: Lab) -> None:
    await namespaces.run(lab.api)


async def run_accounts(lab: Lab) -> None:
    await serviceaccounts.run(lab.api, lambda: "CA")


async def run_collector(lab: Lab) -> None:
    await GarbageCollector(lab.api).run()


async def run_scheduler(lab: Lab) -> None:
    await Scheduler(lab.api, "node-1", lab).run()


async def run_expiry(lab: Lab) -> None:
    await eventexpiry.run(lab.api)


# Namespaces


def test_a_namespace_goes_when_it_is_empty() -> None:
    async def body(lab: Lab) -> None:
        await lab.create("namespaces", "shop")
        await lab.create("configmaps", "c", "shop")
        await lab.delete("namespaces", "shop")
        await lab.until(lambda: lab.get("namespaces", "shop") is None)
        assert lab.get("configmaps", "c", "shop") is None

    live(body, run_namespaces)


def test_a_namespace_waits_for_what_does_not_go_at_once() -> None:
    async def body(lab: Lab) -> None:
        await lab.create("namespaces", "shop")
        await lab.create("configmaps", "held", "shop", metadata={"finalizers": ["example.com/hold"]})
        await lab.create("configmaps", "free", "shop")
        await lab.delete("namespaces", "shop")
        await lab.until(lambda: lab.get("configmaps", "free", "shop") is None)
        namespace = lab.have("namespaces", "shop")
        assert namespace["status"]["phase"] == "Terminating"
        await lab.until(lambda: "deletionTimestamp" in lab.have("configmaps", "held", "shop")["metadata"])
        await lab.api.update(
            lab.store.list("configmaps", "shop").items[0].key,
            lambda current: {**current, "metadata": {**current["metadata"], "finalizers": []}},
            manager="test",
        )
        await lab.until(lambda: lab.get("namespaces", "shop") is None)

    live(body, run_namespaces)


# Service accounts


def test_every_namespace_has_an_account_and_the_ca_and_gets_them_back() -> None:
    async def body(lab: Lab) -> None:
        await lab.create("namespaces", "shop")
        await lab.until(lambda: lab.get("configmaps", "kube-root-ca.crt", "shop"))
        assert lab.have("configmaps", "kube-root-ca.crt", "shop")["data"] == {"ca.crt": "CA"}
        first = lab.have("serviceaccounts", "default", "shop")["metadata"]["uid"]
        await lab.delete("serviceaccounts", "default", "shop")
        await lab.until(lambda: lab.get("serviceaccounts", "default", "shop"))
        assert lab.have("serviceaccounts", "default", "shop")["metadata"]["uid"] != first

        def spoil(current: Tree) -> Tree:
            return {**current, "data": {"ca.crt": "mine"}}

        key = next(
            item.key for item in lab.store.list("configmaps", "shop").items if item.key.name.endswith("crt")
        )
        await lab.api.update(key, spoil, manager="test")
        await lab.until(lambda: lab.have("configmaps", key.name, "shop")["data"] == {"ca.crt": "CA"})

    live(body, run_accounts)


def test_a_write_that_fails_is_tried_again() -> None:
    async def body(lab: Lab) -> None:
        await lab.until(lambda: lab.store.count("configmaps") == len(namespaces.INITIAL))
        lab.journal.fail_next(HostError("the disk is full"))
        with pytest.raises(HostError):
            await lab.create("namespaces", "first")
        await lab.create("namespaces", "second")
        lab.journal.fail_next(HostError("the disk is full"))
        await lab.until(lambda: lab.get("configmaps", "kube-root-ca.crt", "second"))

    live(body, run_accounts)


# Owners


def owner_of(tree: Tree, *, blocks: bool = False) -> Tree:
    metadata = tree["metadata"]
    return {
        "apiVersion": tree["apiVersion"],
        "kind": tree["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "blockOwnerDeletion": blocks,
    }


def test_what_is_owned_goes_with_its_last_owner() -> None:
    async def body(lab: Lab) -> None:
        one, two = await lab.create("configmaps", "one"), await lab.create("configmaps", "two")
        await lab.create(
            "secrets", "owned", metadata={"ownerReferences": [owner_of(one), owner_of(two)]}, type="Opaque"
        )
        await lab.delete("configmaps", "one")
        await lab.until(lambda: len(lab.have("secrets", "owned")["metadata"]["ownerReferences"]) == 1)
        await lab.delete("configmaps", "two")
        await lab.until(lambda: lab.get("secrets", "owned") is None)

    live(body, run_collector)


def test_what_is_owned_by_nobody_there_goes_at_once() -> None:
    async def body(lab: Lab) -> None:
        gone = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1"}
        unknown = {"apiVersion": "example.com/v1", "kind": "Robot", "name": "r", "uid": "2"}
        await lab.create("configmaps", "left", metadata={"ownerReferences": [gone]})
        await lab.create("configmaps", "spared", metadata={"ownerReferences": [unknown]})
        await lab.until(lambda: lab.get("configmaps", "left") is None)
        assert lab.have("configmaps", "spared")

    live(body, run_collector)


def test_a_foreground_deletion_waits_for_the_dependents_that_block_it() -> None:
    async def body(lab: Lab) -> None:
        owner = await lab.create("configmaps", "owner")
        held = {"ownerReferences": [owner_of(owner, blocks=True)], "finalizers": ["example.com/hold"]}
        await lab.create("configmaps", "held", metadata=held)
        await lab.delete("configmaps", "owner", propagation="Foreground")
        await lab.until(lambda: "deletionTimestamp" in lab.have("configmaps", "held")["metadata"])
        assert lab.have("configmaps", "owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
        key = next(item.key for item in lab.store.list("configmaps").items if item.key.name == "held")

        def release(current: Tree) -> Tree:
            kept = [name for name in current["metadata"]["finalizers"] if name != "example.com/hold"]
            return {**current, "metadata": {**current["metadata"], "finalizers": kept}}

        await lab.api.update(key, release, manager="test")
        await lab.until(lambda: lab.get("configmaps", "owner") is None)
        assert lab.get("configmaps", "held") is None

    live(body, run_collector)


def test_orphans_stay_without_their_owner() -> None:
    async def body(lab: Lab) -> None:
        owner = await lab.create("configmaps", "owner")
        await lab.create("configmaps", "owned", metadata={"ownerReferences": [owner_of(owner)]})
        await lab.delete("configmaps", "owner", propagation="Orphan")
        await lab.until(lambda: lab.get("configmaps", "owner") is None)
        assert "ownerReferences" not in lab.have("configmaps", "owned")["metadata"]

    live(body, run_collector)


# Scheduling


async def a_node(lab: Lab, **labels: str) -> None:
    await lab.create("nodes", "node-1", metadata={"labels": labels})


def test_a_pod_gets_the_node_and_an_event_says_so() -> None:
    async def body(lab: Lab) -> None:
        await a_node(lab)
        await lab.create_pod("p")
        await lab.until(lambda: lab.have("pods", "p")["spec"].get("nodeName"))
        pod = lab.have("pods", "p")
        assert pod["spec"]["nodeName"] == "node-1"
        assert pod["metadata"]["generation"] == 1
        [condition] = pod["status"]["conditions"]
        assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
        await lab.until(lambda: lab.said)
        assert lab.said == [("Scheduled", "Successfully assigned default/p to node-1")]

    live(body, run_scheduler)


def test_a_pod_waits_until_the_node_fits_it() -> None:
    async def body(lab: Lab) -> None:
        await a_node(lab)
        await lab.create_pod("p", nodeSelector={"disk": "ssd"})
        await lab.until(lambda: lab.said)
        [(reason, message)] = lab.said
        assert reason == "FailedScheduling"
        [condition] = lab.have("pods", "p")["status"]["conditions"]
        assert (condition["status"], condition["reason"], condition["message"]) == (
            "False",
            "Unschedulable",
            message,
        )
        key = lab.store.list("nodes").items[0].key
        await lab.api.update(
            key,
            lambda node: {**node, "metadata": {**node["metadata"], "labels": {"disk": "ssd"}}},
            manager="test",
        )
        await lab.until(lambda: lab.have("pods", "p")["spec"].get("nodeName"))

    live(body, run_scheduler)


@pytest.mark.parametrize("spec", [{"schedulingGates": [{"name": "a/b"}]}, {"schedulerName": "mine"}])
def test_some_pods_are_not_the_schedulers(spec: Tree) -> None:
    async def body(lab: Lab) -> None:
        await a_node(lab)
        await lab.create_pod("other", **spec)
        await lab.create_pod("p")
        await lab.until(lambda: lab.have("pods", "p")["spec"].get("nodeName"))
        assert "nodeName" not in lab.have("pods", "other")["spec"]

    live(body, run_scheduler)


# Pods of nodes that are not there


def test_a_pod_on_a_node_that_never_comes_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphanedpods, "QUARANTINE_SECONDS", 0.05)

    async def service(lab: Lab) -> None:
        await orphanedpods.run(lab.api)

    async def body(lab: Lab) -> None:
        await a_node(lab)
        await lab.create_pod("here", nodeName="node-1")
        await lab.create_pod("lost", nodeName="mars")
        await lab.until(lambda: lab.get("pods", "lost") is None)
        assert lab.have("pods", "here")

    live(body, service)


# Events


def event(at: float) -> Tree:
    return {"involvedObject": {"kind": "Pod", "name": "p"}, "lastTimestamp": format_time(Instant(at))}


def test_events_are_forgotten_an_hour_after_they_happened() -> None:
    async def service(lab: Lab) -> None:
        await lab.create("events", "old", **event(NOW - 3601))
        await lab.create("events", "young", **event(NOW - 3500))
        await eventexpiry.run(lab.api)

    async def body(lab: Lab) -> None:
        await lab.until(lambda: lab.store.count("events") == 2)
        await lab.until(lambda: lab.get("events", "old") is None)
        assert lab.have("events", "young")

    live(body, service)


def test_repeats_of_an_event_are_counted() -> None:
    sinks: list[Events] = []

    async def service(lab: Lab) -> None:
        sinks.append(Events(lab.api))
        await sinks[0].run()

    async def body(lab: Lab) -> None:
        about = await lab.create_pod("p")
        for message in ("a", "b", "a", "a"):
            sinks[0].say(about, type_="Normal", reason="Told", message=message, component="kubelet")
        await lab.until(lambda: sorted(e["count"] for e in lab.api.list("events")) == [1, 3])
        names = [e["metadata"]["name"] for e in lab.api.list("events")]
        assert all(name.startswith("p.") for name in names)
        lab.clock.time = Instant(NOW + 60)
        sinks[0].say(about, type_="Normal", reason="Told", message="b", component="kubelet")
        await lab.until(lambda: sorted(e["count"] for e in lab.api.list("events")) == [2, 3])
        twice = next(e for e in lab.api.list("events") if e["count"] == 2)
        assert (twice["firstTimestamp"], twice["lastTimestamp"]) == (
            format_time(NOW),
            format_time(Instant(NOW + 60)),
        )

    live(body, service)


# The node


def test_the_node_says_what_it_is_and_leaves_what_others_said() -> None:
    async def body(lab: Lab) -> None:
        facts = NodeFacts(name="node-1", hostname="node-1", host_ips=("192.0.2.10",), memory_bytes=1 << 32)
        await nodeobject.register(lab.api, facts, 6443)
        key = lab.store.list("nodes").items[0].key

        def mark(node: Tree) -> Tree:
            labels = {**node["metadata"]["labels"], "disk": "ssd"}
            return {
                **node,
                "metadata": {**node["metadata"], "labels": labels},
                "spec": {"unschedulable": True},
            }

        await lab.api.update(key, mark, manager="test")
        lab.clock.time = Instant(NOW + 300)
        await nodeobject.register(lab.api, facts, 6443)
        node = lab.have("nodes", "node-1")
        assert node["spec"] == {"unschedulable": True}
        assert node["metadata"]["labels"]["disk"] == "ssd"
        assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1"
        assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": "192.0.2.10"}
        assert node["status"]["capacity"]["memory"] == f"{1 << 22}Ki"
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert ready["lastTransitionTime"] == format_time(NOW)
        assert ready["lastHeartbeatTime"] == format_time(lab.clock.time)

    live(body)
