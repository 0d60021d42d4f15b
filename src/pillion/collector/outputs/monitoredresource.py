"""Google Cloud's monitored resources: what a request's log entries are about. Pure.

Source: Fluent Bit's plugins/out_stackdriver/stackdriver.c (`pack_resource_labels`, `parse_monitored_resource`,
`process_local_resource_id`). There, too, all records of a request belong to what the first of them says.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pillion.collector.parsers.ruby import RubyRegex
from pillion.collector.records import Body, Content, Lines, Records, Texts
from pillion.collector.records.accessor import Accessor
from pillion.collector.records.conversion import as_records
from pillion.collector.records.fields import peek_one

MONITORED_RESOURCE = "logging.googleapis.com/monitored_resource"
LOCAL_RESOURCE_ID = "logging.googleapis.com/local_resource_id"

_CLUSTER = ("project_id", "location", "cluster_name")
_LABELS: dict[str, tuple[str, ...]] = {
    "global": ("project_id",),
    "gce_instance": ("project_id", "zone", "instance_id"),
    "generic_node": ("node_id", "project_id", "location", "namespace"),
    "generic_task": ("job", "task_id", "project_id", "location", "namespace"),
    "k8s_container": (*_CLUSTER, "namespace_name", "pod_name", "container_name"),
    "k8s_node": (*_CLUSTER, "node_name"),
    "k8s_pod": (*_CLUSTER, "namespace_name", "pod_name"),
    "k8s_cluster": _CLUSTER,
}
_FROM_TAG = {
    "k8s_container": ("namespace_name", "pod_name", "container_name"),
    "k8s_node": ("node_name",),
    "k8s_pod": ("namespace_name", "pod_name"),
}
_NEEDED = {
    "generic_node": ("location", "namespace", "node_id"),
    "generic_task": ("location", "namespace", "job", "task_id"),
    **dict.fromkeys(("k8s_container", "k8s_node", "k8s_pod", "k8s_cluster"), ("location", "cluster_name")),
}


class ResourceShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says."""

    type: str
    labels: dict[str, str]
    """Those that are the same for all records: location, cluster_name, node_id, …"""
    chosen: tuple[tuple[str, str | Accessor], ...] = ()
    """`resource_labels`: they take the place of all others, but for the project."""
    prefix: str = ""
    """Of tags and local resource ids (`tag_prefix`)."""
    regex: RubyRegex | None = None

    @property
    def is_kubernetes(self) -> bool:
        return self.type.startswith("k8s_")


def lacking(resource: str, labels: set[str]) -> list[str]:
    """What a resource of this type needs beside `labels`."""
    return [name for name in _NEEDED.get(resource, ()) if name not in labels]


def resource_of(shape: ResourceShape, facts: dict[str, str], tag: str, content: Content) -> dict[str, Any]:
    """`facts` are what the machine knows (project_id, zone, instance_id). Raises ValueError, with what is wrong."""
    return {"type": shape.type, "labels": _labels(shape, facts, tag, content)}


def _labels(shape: ResourceShape, facts: dict[str, str], tag: str, content: Content) -> dict[str, str]:
    if shape.chosen:
        first = _first(content)
        found = {
            name: value.get(first) if isinstance(value, Accessor) else value for name, value in shape.chosen
        }
        project = {"project_id": facts["project_id"]} if "project_id" in facts else {}
        return {name: value for name, value in found.items() if isinstance(value, str)} | project
    if (own := _own(content)) is not None:
        return own
    known = facts | shape.labels
    if shape.type in _FROM_TAG:
        known |= _from_id(shape, tag, content)
    return {name: known[name] for name in _LABELS[shape.type] if name in known}


def _own(content: Content) -> dict[str, str] | None:
    """The labels in the first record that has some."""
    for value in peek_one(content, MONITORED_RESOURCE):
        labels = value.get("labels") if isinstance(value, dict) else None
        if isinstance(labels, dict) and labels:
            return {name: label for name, label in labels.items() if isinstance(label, str)}
    return None


def _from_id(shape: ResourceShape, tag: str, content: Content) -> dict[str, str]:
    """By the tag, the record's local resource id, or the parts of it between dots."""
    local = _first(content).get(LOCAL_RESOURCE_ID)
    local = local if isinstance(local, str) else tag
    for text in (tag, local):
        if shape.regex is not None and text.startswith(shape.prefix):
            found = shape.regex.search(text[len(shape.prefix) :])
            if found is not None:
                return {
                    name: value
                    for name, groups in shape.regex.names
                    for value in map(found.group, groups)
                    if value
                }
    if not local.lower().startswith(shape.prefix.lower()):
        raise ValueError(f"tag_prefix {shape.prefix} is not what {local} begins with")
    names = _FROM_TAG[shape.type]
    parts = local[len(shape.prefix) :].split(".", len(names) - 1)
    if len(parts) != len(names) or not all(parts):
        raise ValueError(f"{local} is not {shape.prefix}{'.'.join(f'<{name}>' for name in names)}")
    return dict(zip(names, parts, strict=True))


def _first(content: Content) -> Body:
    match content:
        case Records():
            return content.bodies[0]
        case Lines():
            return as_records(Lines(data=_line(content.data), time=0, key=content.key)).bodies[0]
        case Texts():
            return as_records(Texts(data=_line(content.data), times=0)).bodies[0]


def _line(data: bytes) -> bytes:
    return data[: data.find(b"\n") + 1]
