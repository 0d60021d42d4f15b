"""A good pod, ways to spoil it, and the sentences that come back often."""

from __future__ import annotations

import copy
from typing import Any

from pillion.objects.codec import decode
from pillion.objects.defaults import default
from pillion.objects.models import core_v1
from pillion.objects.validation import validate

Tree = dict[str, Any]

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)

BASE: Tree = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "agent", "namespace": "default"},
    "spec": {
        "containers": [{"name": "main", "image": "agent:1"}],
        "initContainers": [{"name": "side", "image": "side:1", "restartPolicy": "Always"}],
        "volumes": [{"name": "shared", "emptyDir": {}}, {"name": "files", "configMap": {"name": "files"}}],
    },
}


def merged(base: Any, change: Any) -> Any:
    """`change` laid over `base`; a list in a change lays its items over the items of the base."""
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: merged(base.get(key), value) for key, value in change.items()}
    if isinstance(base, list) and isinstance(change, list):
        kept = [merged(*pair) for pair in zip(base, change, strict=False)]
        return kept + change[len(kept) :] + base[len(change) :]
    return change


def pod_with(change: Tree) -> core_v1.Pod:
    pod, problems = decode(core_v1.Pod, merged(copy.deepcopy(BASE), change))
    assert problems == []
    return default(pod)


def errors_of(change: Tree) -> list[str]:
    return [str(error) for error in validate(pod_with(change))]


def spec(**fields: Any) -> Tree:
    return {"spec": fields}


def main(**fields: Any) -> Tree:
    return {"spec": {"containers": [fields]}}


def init(**fields: Any) -> Tree:
    return {"spec": {"initContainers": [fields]}}


def volume(**source: Any) -> Tree:
    return {"spec": {"volumes": [{"name": "shared", "emptyDir": None, **source}]}}


def mount(**fields: Any) -> Tree:
    return main(volumeMounts=[{"name": "shared", "mountPath": "/data", **fields}])


def env(**fields: Any) -> Tree:
    return main(env=[{"name": "A", **fields}])


def probe(**fields: Any) -> Tree:
    return {"exec": {"command": ["true"]}, **fields}


MAIN, INIT, VOLUME = "spec.containers[0]", "spec.initContainers[0]", "spec.volumes[0]"
