"""Rows of the other kinds (pkg/printers/internalversion/printers.go: printNode, printService, …)."""

from __future__ import annotations

from typing import Any

from pillion.apiserver.tables.columns import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    Cell,
    Column,
    Printer,
    age_of,
    format_labels,
    name_of,
    of_trees,
    since,
    wide,
)
from pillion.units import Instant

Tree = dict[str, Any]
_ROLE = "node-role.kubernetes.io/"
_OLD_ROLE = "kubernetes.io/role"


def _named(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    return name_of(tree), age_of(tree, now)


def _config_map(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    return name_of(tree), len(tree.get("data") or {}) + len(tree.get("binaryData") or {}), age_of(tree, now)


def _secret(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    return name_of(tree), tree.get("type", ""), len(tree.get("data") or {}), age_of(tree, now)


def _service_account(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    return name_of(tree), len(tree.get("secrets") or ()), age_of(tree, now)


def _namespace(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    return name_of(tree), (tree.get("status") or {}).get("phase", ""), age_of(tree, now)


def _lease(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    return name_of(tree), (tree.get("spec") or {}).get("holderIdentity") or "", age_of(tree, now)


def _runtime_class(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    return name_of(tree), tree.get("handler", ""), age_of(tree, now)


def _service(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    spec = tree.get("spec") or {}
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or NONE]
    return (
        name_of(tree),
        spec.get("type", "ClusterIP"),
        addresses[0] or NONE,
        _external_address(tree, spec),
        ",".join(_port(port) for port in spec.get("ports") or ()) or NONE,
        age_of(tree, now),
        format_labels(spec.get("selector")),
    )


def _external_address(tree: Tree, spec: Tree) -> str:
    external = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            balancer = (tree.get("status") or {}).get("loadBalancer") or {}
            ingress = [
                entry.get("ip") or entry.get("hostname", "") for entry in balancer.get("ingress") or ()
            ]
            return ",".join(ingress + external) or "<pending>"
        case _:
            return ",".join(external) or NONE


def _port(port: Tree) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"


def _node(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    status, labels = tree.get("status") or {}, (tree.get("metadata") or {}).get("labels") or {}
    conditions = {entry["type"]: entry["status"] for entry in status.get("conditions") or ()}
    words = [
        ("Ready" if conditions["Ready"] == "True" else "NotReady") if "Ready" in conditions else "Unknown"
    ]
    if (tree.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    roles = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE) and key != _ROLE}
    roles |= {labels[_OLD_ROLE]} if labels.get(_OLD_ROLE) else set()
    info = status.get("nodeInfo") or {}
    addresses = {entry["type"]: entry["address"] for entry in reversed(status.get("addresses") or ())}
    return (
        name_of(tree),
        ",".join(words),
        ",".join(sorted(roles)) or NONE,
        age_of(tree, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    )


def _event(tree: Tree, now: Instant) -> tuple[Cell, ...]:
    first = tree.get("firstTimestamp") or tree.get("eventTime")
    last = tree.get("lastTimestamp") or first
    count = tree.get("count") or 1
    if series := tree.get("series"):
        last, count = series.get("lastObservedTime") or last, series.get("count") or count
    about = tree.get("involvedObject") or {}
    kind, name = about.get("kind", "").lower(), about.get("name")
    source = tree.get("source") or {}
    component = source.get("component") or tree.get("reportingComponent") or ""
    host = source.get("host") if source.get("component") else tree.get("reportingInstance")
    return (
        since(last, now),
        tree.get("type") or "",
        tree.get("reason") or "",
        f"{kind}/{name}" if name else kind,
        about.get("fieldPath") or "",
        f"{component}, {host}" if host else component,
        (tree.get("message") or "").strip(),
        since(first, now),
        count,
        name_of(tree),
    )


def _metrics(tree: Tree, _now: Instant) -> tuple[Cell, ...]:
    usages = [container["usage"] for container in tree.get("containers") or ()] or [tree.get("usage") or {}]
    return name_of(tree), usages[0].get("cpu", ""), usages[0].get("memory", ""), tree.get("window", "")


_EVENT_COLUMNS = (
    Column("Last Seen", "When it happened last."),
    Column("Type", "Normal or Warning."),
    Column("Reason", "One word for a machine."),
    Column("Object", "What it is about."),
    wide("Subobject", "The part of the object it is about."),
    wide("Source", "Who noticed."),
    Column("Message", "A sentence for people."),
    wide("First Seen", "When it happened first."),
    wide("Count", "How often.", "integer"),
    Column("Name", "The Event's own name.", format="name", priority=1),
)
_METRICS = of_trees(
    (
        NAME,
        Column("cpu", "Cores in use."),
        Column("memory", "Bytes in use."),
        Column("Window", "Time measured."),
    ),
    _metrics,
)

OTHERS = of_trees((NAME, AGE), _named)

BY_STORAGE: dict[str, Printer] = {
    "configmaps": of_trees((NAME, Column("Data", "Number of keys.", "integer"), AGE), _config_map),
    "secrets": of_trees(
        (NAME, Column("Type", "What the keys are for."), Column("Data", "Number of keys.", "integer"), AGE),
        _secret,
    ),
    "serviceaccounts": of_trees(
        (NAME, Column("Secrets", "Number of Secrets.", "integer"), AGE), _service_account
    ),
    "namespaces": of_trees((NAME, Column("Status", "Active or Terminating."), AGE), _namespace),
    "nodes": of_trees(
        (
            NAME,
            Column("Status", "Whether it is ready."),
            Column("Roles", "From its labels."),
            AGE,
            Column("Version", "The kubelet's version."),
            wide("Internal-IP", "Its address."),
            wide("External-IP", "Its address seen from outside."),
            wide("OS-Image", "The operating system."),
            wide("Kernel-Version", "The kernel."),
            wide("Container-Runtime", "The container runtime."),
        ),
        _node,
    ),
    "services": of_trees(
        (
            NAME,
            Column("Type", "How it is exposed."),
            Column("Cluster-IP", "Its address inside."),
            Column("External-IP", "Its address outside."),
            Column("Port(s)", "Its ports."),
            AGE,
            wide("Selector", "Labels of the Pods behind it."),
        ),
        _service,
    ),
    "events": of_trees(_EVENT_COLUMNS, _event),
    "leases.coordination.k8s.io": of_trees((NAME, Column("Holder", "Who holds it."), AGE), _lease),
    "runtimeclasses.node.k8s.io": of_trees(
        (NAME, Column("Handler", "The runtime's name for it."), AGE), _runtime_class
    ),
    "pods.metrics.k8s.io": _METRICS,
    "nodes.metrics.k8s.io": _METRICS,
}
