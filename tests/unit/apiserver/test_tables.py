# ruff: noqa: E501 - rows
"""The rows of every kind that has columns of its own, as kubectl prints them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pillion.apiserver.tables import printer_of
from pillion.units import Instant, parse_time

CREATED = "2026-01-02T03:04:05Z"
NOW = Instant(parse_time(CREATED) + 90)

ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("configmaps", {"data": {"a": "", "b": ""}, "binaryData": {"c": ""}}, {"Name": "x", "Data": 3, "Age": "90s"}),
    ("secrets", {"type": "Opaque", "data": {"a": ""}}, {"Type": "Opaque", "Data": 1}),
    ("serviceaccounts", {}, {"Secrets": 0, "Age": "90s"}),
    ("namespaces", {"status": {"phase": "Active"}}, {"Status": "Active"}),
    ("services", {"spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}, {"port": 1, "nodePort": 3, "protocol": "UDP"}]}},
     {"Type": "ClusterIP", "Cluster-IP": "10.0.0.1", "External-IP": "<none>", "Port(s)": "80/TCP,1:3/UDP", "Selector": "<none>"}),
    ("services", {"spec": {"type": "LoadBalancer", "selector": {"b": "1", "a": "2"}}},
     {"Cluster-IP": "<none>", "External-IP": "<pending>", "Port(s)": "<none>", "Selector": "a=2,b=1"}),
    ("services", {"spec": {"type": "ExternalName", "externalName": "example.com", "clusterIP": ""}},
     {"External-IP": "example.com", "Cluster-IP": "<none>"}),
    ("nodes", {"status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.36.0"},
                          "addresses": [{"type": "InternalIP", "address": "10.0.0.2"}]}, "spec": {"unschedulable": True}},
     {"Status": "Ready,SchedulingDisabled", "Roles": "<none>", "Version": "v1.36.0", "Internal-IP": "10.0.0.2",
      "External-IP": "<none>", "OS-Image": "<unknown>"}),
    ("nodes", {"metadata": {"name": "x", "labels": {"node-role.kubernetes.io/control-plane": ""}}},
     {"Status": "Unknown", "Roles": "control-plane", "Age": "<unknown>"}),
    ("events", {"involvedObject": {"kind": "Pod", "name": "web"}, "firstTimestamp": CREATED, "type": "Normal", "reason": "Started",
                "message": "hello\n", "source": {"component": "kubelet", "host": "n"}},
     {"Last Seen": "90s", "Type": "Normal", "Object": "pod/web", "Message": "hello", "Source": "kubelet, n", "Count": 1}),
    ("events", {"eventTime": "2026-01-02T03:05:05.000000Z", "series": {"count": 4, "lastObservedTime": "2026-01-02T03:05:30.000000Z"},
                "reportingComponent": "scheduler"},
     {"Last Seen": "5s", "First Seen": "30s", "Source": "scheduler", "Count": 4}),
    ("leases.coordination.k8s.io", {"spec": {"holderIdentity": "n"}}, {"Holder": "n"}),
    ("runtimeclasses.node.k8s.io", {"handler": "runc"}, {"Handler": "runc"}),
    ("anything.else", {}, {"Name": "x", "Age": "90s"}),
]  # fmt: skip


@pytest.mark.parametrize(("storage", "tree", "expected"), ROWS)
def test_a_row_says(storage: str, tree: dict[str, Any], expected: dict[str, Any]) -> None:
    whole = {"metadata": {"name": "x", "creationTimestamp": CREATED}} | tree
    printer = printer_of(storage)
    row = printer.print_row(msgspec.json.encode(whole), NOW)
    cells = dict(zip((column.name for column in printer.columns), row.cells, strict=True))
    assert {name: cells[name] for name in expected} == expected
