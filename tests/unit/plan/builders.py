"""Pods for these tests: one base pod, changed a little by each row."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import msgspec

from pillion.objects.models import core_v1
from pillion.plan.containerspec import ImageConfig
from pillion.plan.facts import Allocatable, NodeFacts, PodFacts
from pillion.statedir import StateDir

STATE = StateDir(PurePosixPath("/var/lib/pillion"))
GIB = 1 << 30

NODE = NodeFacts(
    name="node-1",
    hostname="machine",
    host_ips=("192.0.2.1", "2001:db8::1"),
    memory_bytes=4 * GIB,
    allocatable=Allocatable(cpu_millis=3500, memory_bytes=3 * GIB, ephemeral_storage_bytes=10 * GIB),
    resolv_conf="nameserver 192.0.2.53\nsearch example.org\noptions timeout:1\n",
    hosts="127.0.0.1 localhost machine\n",
)
FACTS = PodFacts(ips=("10.0.0.7",))
IMAGE = ImageConfig(
    reference="docker.io/library/x:latest",
    image_id="sha256:1",
    root_layers=("/layer",),
    entrypoint=("/bin/run",),
)


def a_pod(
    *, container: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **spec: Any
) -> core_v1.Pod:
    """A pod of one container `c`; `container`, `metadata` and the keywords replace fields of it."""
    tree = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "uid-1", **(metadata or {})},
        "spec": {"containers": [{"name": "c", "image": "x", **(container or {})}], **spec},
    }
    return msgspec.convert(tree, core_v1.Pod)


class Objects:
    """ConfigMaps and Secrets by name, as `Configs`."""

    def __init__(
        self,
        config_maps: dict[str, dict[str, str]] | None = None,
        secrets: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self._config_maps = config_maps or {}
        self._secrets = secrets or {}
        self.reads: list[str] = []

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None:
        self.reads.append(f"configmap {namespace}/{name}")
        data = self._config_maps.get(name)
        return None if data is None else core_v1.ConfigMap(data=data)

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
        self.reads.append(f"secret {namespace}/{name}")
        data = self._secrets.get(name)
        return None if data is None else core_v1.Secret(data=data)


class Files:
    """Files of emptyDir volumes, as `EnvFiles`."""

    def __init__(self, files: dict[tuple[str, str], str]) -> None:
        self._files = files

    def read(self, volume: str, path: str) -> str | None:
        return self._files.get((volume, path))
