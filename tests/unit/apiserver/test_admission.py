"""Admission plugins: what they add, and what they refuse, in Kubernetes' words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pillion.apiserver import admission
from pillion.apiserver.admission.serviceaccount import MOUNT_PATH
from pillion.apiserver.catalogue import build_registry
from pillion.apiserver.seams import SYSTEM, AdmissionRequest, Operation
from pillion.apiserver.statuses import ApiError
from pillion.store import Key, Revision
from pillion.testing.memorystore import MemoryStore

Tree = dict[str, Any]

REGISTRY = {resource.storage: resource for resource in build_registry()}


async def keep(store: MemoryStore, storage: str, namespace: str, name: str, **fields: Any) -> None:
    metadata = {"name": name, "uid": name, **fields.pop("metadata", {})}

    def value(revision: Revision) -> bytes:
        return msgspec.json.encode({"metadata": metadata | {"resourceVersion": str(revision)}, **fields})

    await store.create(Key(storage, namespace, name), value)


def request(
    storage: str,
    tree: Tree | None,
    *,
    operation: Operation = Operation.CREATE,
    name: str = "x",
    namespace: str = "default",
    old: Tree | None = None,
) -> AdmissionRequest:
    return AdmissionRequest(
        operation=operation,
        resource=REGISTRY[storage],
        namespace=namespace,
        name=name,
        object=tree,
        old=old,
        user=SYSTEM,
        warnings=[],
    )


def a_pod(**spec: Any) -> Tree:
    return {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "main", "image": "box"}], **spec}}


def with_store(body: Callable[[MemoryStore], Awaitable[None]]) -> None:
    async def whole() -> None:
        store = MemoryStore()
        await store.open()
        await body(store)
        await store.close()

    asyncio.run(whole())


def admitted(plugin: admission.Plugin, asked: AdmissionRequest) -> Tree:
    tree = asyncio.run(plugin.admit(asked))
    assert tree is not None
    return tree


def refusal(plugin: admission.Plugin, asked: AdmissionRequest) -> str:
    with pytest.raises(ApiError) as refused:
        asyncio.run(plugin.admit(asked))
    return f"{refused.value.code} {refused.value.message}"


# ServiceAccount


def service_account(tree: Tree, **account: Any) -> Tree:
    found: list[Tree] = []

    async def body(store: MemoryStore) -> None:
        await keep(store, "serviceaccounts", "default", "default", **account)
        tree_after = await admission.ServiceAccount(store).admit(request("pods", tree))
        assert tree_after is not None
        found.append(tree_after)

    with_store(body)
    return found[0]


def test_a_pod_gets_the_default_account_and_its_token_in_every_container() -> None:
    pod = a_pod(initContainers=[{"name": "side", "image": "box", "restartPolicy": "Always"}])
    before = msgspec.json.encode(pod)
    spec = service_account(pod)["spec"]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    [volume] = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert len(volume["name"]) == len("kube-api-access-") + 5
    assert [next(iter(source)) for source in volume["projected"]["sources"]] == [
        "serviceAccountToken",
        "configMap",
        "downwardAPI",
    ]
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["volumeMounts"] == [
            {"name": volume["name"], "readOnly": True, "mountPath": MOUNT_PATH}
        ]
    assert msgspec.json.encode(pod) == before, "the request's own tree is left alone"


@pytest.mark.parametrize(
    ("spec", "account", "mounted"),
    [
        ({"automountServiceAccountToken": False}, {}, False),
        ({}, {"automountServiceAccountToken": False}, False),
        ({"automountServiceAccountToken": True}, {"automountServiceAccountToken": False}, True),
    ],
)
def test_who_wants_no_token_gets_none(spec: Tree, account: Tree, mounted: bool) -> None:
    assert ("volumes" in service_account(a_pod(**spec), **account)["spec"]) is mounted


def test_a_container_with_something_in_the_tokens_place_keeps_it() -> None:
    own = [{"name": "own", "mountPath": MOUNT_PATH}]
    pod = a_pod(containers=[{"name": "main", "image": "box", "volumeMounts": own}])
    spec = service_account(pod)["spec"]
    assert spec["containers"][0]["volumeMounts"] == own
    assert "volumes" not in spec


def test_pull_secrets_of_the_account_are_those_of_a_pod_without_any() -> None:
    secrets = [{"name": "registry"}]
    assert service_account(a_pod(), imagePullSecrets=secrets)["spec"]["imagePullSecrets"] == secrets
    own = [{"name": "own"}]
    kept = service_account(a_pod(imagePullSecrets=own), imagePullSecrets=secrets)
    assert kept["spec"]["imagePullSecrets"] == own


def test_an_account_that_is_not_there_is_said_so() -> None:
    async def body(store: MemoryStore) -> None:
        with pytest.raises(ApiError) as refused:
            await admission.ServiceAccount(store).admit(request("pods", a_pod(serviceAccountName="robot")))
        assert refused.value.message == (
            'pods "x" is forbidden: error looking up service account default/robot: '
            'serviceaccount "robot" not found'
        )

    with_store(body)


def test_the_default_account_of_a_new_namespace_is_waited_for() -> None:
    async def body(store: MemoryStore) -> None:
        async with asyncio.TaskGroup() as tasks:
            admitting = tasks.create_task(admission.ServiceAccount(store).admit(request("pods", a_pod())))
            await asyncio.sleep(0)
            assert not admitting.done()
            await keep(store, "serviceaccounts", "default", "default")
        assert admitting.result() is not None

    with_store(body)


# Priority, tolerations, runtime classes


@pytest.mark.parametrize(
    ("spec", "priority"),
    [
        ({}, 0),
        ({"priorityClassName": "system-node-critical"}, 2_000_001_000),
        ({"priorityClassName": "system-cluster-critical", "priority": 2_000_000_000}, 2_000_000_000),
    ],
)
def test_a_pod_has_the_priority_of_its_class(spec: Tree, priority: int) -> None:
    after = admitted(admission.Priority(), request("pods", a_pod(**spec)))["spec"]
    assert (after["priority"], after["preemptionPolicy"]) == (priority, "PreemptLowerPriority")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priorityClassName": "fast"}, "no PriorityClass with name fast was found"),
        (
            {"priority": 7},
            (
                "the integer value of priority (7) must not be provided in pod spec; priority admission "
                "controller computed 0 from the given PriorityClass name"
            ),
        ),
    ],
)
def test_a_priority_that_cannot_be_is_refused(spec: Tree, why: str) -> None:
    said = refusal(admission.Priority(), request("pods", a_pod(**spec)))
    assert said == f'403 pods "x" is forbidden: {why}'


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]),
        ([{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}], ["node.kubernetes.io/unreachable"]),
        ([{"operator": "Exists"}], []),
        (
            [{"operator": "Exists", "effect": "NoSchedule"}],
            ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"],
        ),
    ],
)
def test_five_minutes_of_trouble_are_tolerated_by_default(given: list[Tree], added: list[str]) -> None:
    after = admitted(admission.DefaultTolerationSeconds(), request("pods", a_pod(tolerations=given)))
    assert after["spec"]["tolerations"] == given + [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300} for key in added
    ]


def test_an_unknown_runtime_class_is_refused() -> None:
    async def body(store: MemoryStore) -> None:
        plugin = admission.RuntimeClass(store)
        with pytest.raises(ApiError, match='pod rejected: RuntimeClass "gvisor" not found'):
            await plugin.admit(request("pods", a_pod(runtimeClassName="gvisor")))
        await keep(store, "runtimeclasses.node.k8s.io", "", "gvisor")
        assert await plugin.admit(request("pods", a_pod(runtimeClassName="gvisor")))

    with_store(body)


# NamespaceLifecycle


def test_nothing_is_created_in_a_namespace_that_is_missing_or_ending() -> None:
    async def body(store: MemoryStore) -> None:
        plugin = admission.NamespaceLifecycle(store)
        asked = request("configmaps", {"metadata": {"name": "x"}}, namespace="n")
        with pytest.raises(ApiError) as missing:
            await plugin.admit(asked)
        assert (missing.value.code, missing.value.message) == (404, 'namespaces "n" not found')
        await keep(store, "namespaces", "", "n", metadata={"deletionTimestamp": "2026-01-02T03:04:05Z"})
        with pytest.raises(ApiError) as ending:
            await plugin.admit(asked)
        assert ending.value.message == (
            'configmaps "x" is forbidden: unable to create new content in namespace n because it is being '
            "terminated"
        )
        assert (ending.value.details or {})["causes"][0]["reason"] == "NamespaceTerminating"
        for operation in (Operation.UPDATE, Operation.DELETE):
            changed = msgspec.structs.replace(asked, operation=operation)
            assert await plugin.admit(changed) is asked.object

    with_store(body)


@pytest.mark.parametrize(("name", "goes"), [("default", False), ("kube-system", False), ("shop", True)])
def test_some_namespaces_stay(name: str, goes: bool) -> None:
    plugin = admission.NamespaceLifecycle(MemoryStore())
    asked = request("namespaces", None, operation=Operation.DELETE, name=name, namespace="")
    if goes:
        assert asyncio.run(plugin.admit(asked)) is None
    else:
        said = refusal(plugin, asked)
        assert said == f'403 namespaces "{name}" is forbidden: this namespace may not be deleted'


# Addresses of Services


def service(**spec: Any) -> Tree:
    return {"metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}], **spec}}


def test_a_service_gets_an_address_that_nobody_has() -> None:
    async def body(store: MemoryStore) -> None:
        await keep(store, "services", "default", "taken", spec={"clusterIP": "10.96.0.2"})
        numbers = iter((0, 0, 5))
        plugin = admission.ClusterIps(store, lambda _count: next(numbers))
        tree = await plugin.admit(request("services", service()))
        assert tree is not None
        assert (tree["spec"]["clusterIP"], tree["spec"]["clusterIPs"]) == ("10.96.0.7", ["10.96.0.7"])
        assert (tree["spec"]["ipFamilies"], tree["spec"]["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
        with pytest.raises(
            ApiError, match=r"failed to allocate IP 10\.96\.0\.2: provided IP is already allocated"
        ):
            await plugin.admit(request("services", service(clusterIP="10.96.0.2")))

    with_store(body)


@pytest.mark.parametrize(
    ("spec", "ip"),
    [({"clusterIP": "None"}, "None"), ({"type": "ExternalName", "externalName": "example.com"}, None)],
)
def test_some_services_have_none(spec: Tree, ip: str | None) -> None:
    async def body(store: MemoryStore) -> None:
        tree = await admission.ClusterIps(store).admit(request("services", service(**spec)))
        assert tree is not None
        assert tree["spec"].get("clusterIP") == ip

    with_store(body)


def test_a_services_address_stays_when_an_update_leaves_it_out() -> None:
    async def body(store: MemoryStore) -> None:
        old = service(clusterIP="10.96.0.9")
        asked = request("services", service(), operation=Operation.UPDATE, old=old)
        tree = await admission.ClusterIps(store).admit(asked)
        assert tree is not None
        assert tree["spec"]["clusterIP"] == "10.96.0.9"

    with_store(body)


def test_node_ports_are_given_out_once() -> None:
    async def body(store: MemoryStore) -> None:
        await keep(store, "services", "default", "taken", spec={"ports": [{"port": 1, "nodePort": 30000}]})
        ports = [{"port": 80}, {"port": 81}]
        plugin = admission.ClusterIps(store, lambda _count: 0)
        tree = await plugin.admit(request("services", service(type="NodePort", ports=ports)))
        assert tree is not None
        assert [port["nodePort"] for port in tree["spec"]["ports"]] == [30001, 30002]

    with_store(body)


# The chain


def test_plugins_see_what_the_ones_before_made() -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self._name = name

        async def admit(self, request: AdmissionRequest) -> Tree | None:
            return {**(request.object or {}), self._name: list(request.object or {})}

    chain = admission.AdmissionChain((Named("a"), Named("b")))
    assert asyncio.run(chain.admit(request("pods", {}))) == {"a": [], "b": ["a"]}
