"""What is known of Pods without asking the API server: the Pod's own downward API, and Pods that were put into files.

env:
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
volumes:
- {name: podinfo, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

_PAIR = re.compile(r'^([^="\n]+)=("(?:[^"\\\n]|\\.)*")$', re.MULTILINE)
"""One line of a map in a downward API volume: `fmt.Sprintf("%v=%q")` (Kubernetes' pkg/fieldpath, FormatMap)."""


class ContainerFacts(msgspec.Struct, frozen=True, kw_only=True):
    docker_id: str = ""
    container_hash: str = ""
    container_image: str = ""


class PodFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Empty where nothing is known; None where there is no such map."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Any] | None = None
    node: str = ""
    ip: str = ""
    containers: dict[str, ContainerFacts] = {}
    """By name."""


def own_pod(environment: Mapping[str, str], podinfo: Path, namespace_file: Path) -> PodFacts:
    """The Pod this runs in, by the names that Kubernetes' documentation gives the variables and files."""
    files = {name: _text(podinfo / name) for name in ("name", "namespace", "uid", "labels", "annotations")}

    def known(variable: str, file: str = "") -> str:
        return environment.get(variable, "") or (files.get(file) or "").strip()

    return PodFacts(
        name=known("POD_NAME", "name"),
        namespace=known("POD_NAMESPACE", "namespace") or (_text(namespace_file) or "").strip(),
        uid=known("POD_UID", "uid"),
        labels=_map(files["labels"]),
        annotations=_map(files["annotations"]),
        node=known("NODE_NAME") or environment.get("K8S_NODE_NAME", ""),
        ip=known("POD_IP"),
    )


def pod_in_file(folder: Path, namespace: str, name: str) -> PodFacts | None:
    """`NAMESPACE_NAME.meta`: a Pod as the API server has it in JSON (src: kube_meta.c, `get_meta_file_info`)."""
    text = _text(folder / f"{namespace}_{name}.meta")
    if text is None:
        return None
    try:
        pod = json.loads(text)
    except ValueError:
        return None
    return facts_of(pod) if isinstance(pod, dict) else None


def facts_of(pod: Mapping[str, Any]) -> PodFacts:
    """Of a Pod object (kube_meta.c, `merge_pod_meta`)."""
    metadata, spec, status = (_mapping(pod.get(part)) for part in ("metadata", "spec", "status"))
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    owners = metadata.get("ownerReferences")
    containers: dict[str, ContainerFacts] = {}
    for part in ("containerStatuses", "initContainerStatuses"):
        for each in status.get(part) or ():
            containers.setdefault(str(each.get("name")), _container(each))
    return PodFacts(
        name=str(metadata.get("name") or ""),
        namespace=str(metadata.get("namespace") or ""),
        uid=str(metadata.get("uid") or ""),
        labels=labels if isinstance(labels, dict) else None,
        annotations=annotations if isinstance(annotations, dict) else None,
        owner_references=owners if isinstance(owners, list) else None,
        node=str(spec.get("nodeName") or ""),
        ip=str(status.get("podIP") or ""),
        containers=containers,
    )


def _container(status: Mapping[str, Any]) -> ContainerFacts:
    return ContainerFacts(
        docker_id=_hash(str(status.get("containerID") or "")),
        container_hash=_hash(str(status.get("imageID") or "")),
        container_image=str(status.get("image") or ""),
    )


def _hash(reference: str) -> str:
    """What comes after `docker://` or `docker-pullable://`; `extract_hash` leaves anything with another colon whole."""
    scheme, found, rest = reference.partition("://")
    if found and ":" not in scheme:
        return rest
    return reference if ":" in reference else ""


def _map(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    return {name: str(ast.literal_eval(value)) for name, value in _PAIR.findall(text)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> str | None:
    """None when it cannot be read: that the file is there is up to the Pod."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
