"""`python with_kubernetes.py KUBECONFIG POD.json`: the official client, from creation to deletion."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import kubernetes.stream
import kubernetes.watch
import pytest

SECONDS = 20


def main(kubeconfig: str, pod: dict[str, Any]) -> None:
    name = pod["metadata"]["name"]
    api_client = kubernetes.config.new_client_from_config(kubeconfig)
    core = kubernetes.client.CoreV1Api(api_client)
    core.create_namespaced_config_map("default", {"metadata": {"name": name}, "data": {"a": "b"}})
    created = core.create_namespaced_pod("default", pod)
    assert created.status.phase == "Pending"

    def changes() -> Iterator[tuple[str, Any]]:
        stream = kubernetes.watch.Watch().stream(
            core.list_namespaced_pod,
            "default",
            field_selector=f"metadata.name={name}",
            timeout_seconds=SECONDS,
            resource_version=created.metadata.resource_version,
        )
        for change in stream:
            yield change["type"], change["object"]

    def is_ready(seen: Any) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in seen.status.conditions or ())

    ready = next(seen for _, seen in changes() if is_ready(seen))
    assert ready.status.init_container_statuses[0].started
    assert core.read_namespaced_pod_log(name, "default", container="agent") == "started\n"
    shown = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec,
        name,
        "default",
        container="logging-sidecar",
        command=["cat", "/var/log/agent/requests.log"],
        stdout=True,
        stderr=True,
        stdin=False,
        tty=False,
    )
    assert shown == "request\n"
    patched = core.patch_namespaced_pod(name, "default", {"metadata": {"labels": {"a": "b"}}})
    assert patched.metadata.labels == {"a": "b"}
    found = core.list_namespaced_pod("default", label_selector="a=b").items
    assert [one.metadata.name for one in found] == [name]
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.read_namespaced_pod("nope", "default")
    assert json.loads(refused.value.body)["reason"] == "NotFound"
    core.delete_namespaced_pod(name, "default")
    assert any(type_ == "DELETED" for type_, _ in changes())
    core.delete_namespaced_config_map(name, "default")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
