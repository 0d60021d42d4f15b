"""`python with_lightkube.py KUBECONFIG POD.json`: lightkube, from creation to deletion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Pod


def main(kubeconfig: str, pod: dict[str, Any]) -> None:
    name = pod["metadata"]["name"]
    client = Client(config=KubeConfig.from_file(kubeconfig), namespace="default", field_manager="test")
    config_map = ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data={"a": "b"})
    assert client.apply(config_map).data == {"a": "b"}
    created = client.create(Pod.from_dict(pod))
    ready = client.wait(Pod, name, for_conditions=["Ready"])
    assert ready.status.phase == "Running"
    assert list(client.log(name, container="agent")) == ["started\n"]
    patched = client.patch(Pod, name, {"metadata": {"labels": {"a": "b"}}})
    assert patched.metadata.labels == {"a": "b"}
    assert [one.metadata.name for one in client.list(Pod, labels={"a": "b"})] == [name]
    client.delete(Pod, name)
    version = created.metadata.resourceVersion
    changes = client.watch(Pod, fields={"metadata.name": name}, resource_version=version)
    assert any(type_ == "DELETED" for type_, _ in changes)
    with pytest.raises(ApiError) as refused:
        client.get(Pod, name)
    assert refused.value.status.reason == "NotFound"
    client.delete(ConfigMap, name)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
