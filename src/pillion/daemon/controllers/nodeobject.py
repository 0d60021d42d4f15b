"""The Node: this machine as an object, and the Lease that says it lives.

Sources: pkg/kubelet/kubelet_node_status.go, nodestatus/setters.go; component-helpers/apimachinery/lease.
"""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path
from typing import Any

from pillion import __version__
from pillion.apiserver.serverinfo import GIT_VERSION
from pillion.daemon.api import Api
from pillion.errors import HostError
from pillion.plan.facts import NodeFacts
from pillion.store import Key
from pillion.units import format_micro_time, format_time

Tree = dict[str, Any]

HEARTBEAT_SECONDS = 10.0
"""A quarter of the lease's duration (kubelet.go: NodeLeaseDurationSeconds)."""
LEASE_SECONDS = 40
STATUS_EVERY = 30
"""Heartbeats between two status updates: five minutes (NodeStatusReportFrequency)."""
MAX_PODS = 110
"""The kubelet's default."""
_MANAGER = "kubelet"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_LEASES = "leases.coordination.k8s.io"
_LEASE_NAMESPACE = "kube-node-lease"
_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


async def register(api: Api, facts: NodeFacts, kubelet_port: int) -> None:
    """The Node is there and tells the truth. What others wrote into its metadata and spec stays."""
    name = facts.name
    labels = _labels(facts)
    if api.get("nodes", "", name) is None:
        metadata = {
            "name": name,
            "labels": labels,
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        }
        tree = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}
        await api.create("nodes", "", tree, manager=_MANAGER)
    key = Key("nodes", "", name)

    def label(current: Tree) -> Tree:
        metadata = current["metadata"]
        return {**current, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **labels}}}

    await api.update(key, label, manager=_MANAGER)
    await api.update(
        key,
        lambda current: _with_status(api, current, facts, kubelet_port),
        manager=_MANAGER,
        subresource="status",
    )


async def run(api: Api, facts: NodeFacts, kubelet_port: int) -> None:
    """The heartbeat, until cancelled."""
    beats = 0
    while True:
        try:
            await _renew_lease(api, facts.name)
            if beats % STATUS_EVERY == 0 or api.get("nodes", "", facts.name) is None:
                await register(api, facts, kubelet_port)
        except HostError:
            pass  # the disk is full: whoever writes next says so, and the next beat tries again
        beats += 1
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _renew_lease(api: Api, name: str) -> None:
    renewed = format_micro_time(api.clock.now())
    key = Key(_LEASES, _LEASE_NAMESPACE, name)
    spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renewed}
    if await api.update(key, lambda current: {**current, "spec": spec}, manager=_MANAGER) is None:
        node = api.get("nodes", "", name)
        owner = [] if node is None else [
            {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
        ]  # fmt: skip
        tree = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "ownerReferences": owner},
            "spec": spec,
        }
        await api.create(_LEASES, _LEASE_NAMESPACE, tree, manager=_MANAGER)


def _labels(facts: NodeFacts) -> dict[str, str]:
    machine = _MACHINES.get(platform.machine(), platform.machine())
    return {
        "beta.kubernetes.io/arch": machine,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine,
        "kubernetes.io/hostname": facts.hostname.lower(),
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/control-plane": "",
    }


def _with_status(api: Api, node: Tree, facts: NodeFacts, kubelet_port: int) -> Tree:
    known = {condition["type"]: condition for condition in node.get("status", {}).get("conditions", ())}
    now = format_time(api.clock.now())

    def condition(type_: str, status: str, reason: str, message: str) -> Tree:
        before = known.get(type_, {})
        since = before.get("lastTransitionTime", now) if before.get("status") == status else now
        return {
            "type": type_,
            "status": status,
            "lastHeartbeatTime": now,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }

    capacity = {
        "cpu": str(facts.allocatable.cpu_millis // 1000),
        "ephemeral-storage": f"{facts.allocatable.ephemeral_storage_bytes // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{facts.memory_bytes // 1024}Ki",
        "pods": str(MAX_PODS),
    }
    status = {
        "capacity": capacity,
        "allocatable": capacity | {"memory": f"{facts.allocatable.memory_bytes // 1024}Ki"},
        "conditions": [
            *(condition(type_, "False", reason, message) for type_, reason, message in _PRESSURES),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "addresses": [
            *({"type": "InternalIP", "address": ip} for ip in facts.host_ips),
            {"type": "Hostname", "address": facts.hostname},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
        "nodeInfo": _node_info(),
        "images": node.get("status", {}).get("images", []),
    }
    return {**node, "status": status}


def _node_info() -> Tree:
    return {
        "machineID": _text("/etc/machine-id"),
        "systemUUID": _text("/sys/class/dmi/id/product_uuid"),
        "bootID": _text("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": os.uname().release,
        "osImage": _os_image(),
        "containerRuntimeVersion": f"pillion://{__version__}",
        "kubeletVersion": GIT_VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": _MACHINES.get(platform.machine(), platform.machine()),
    }


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
