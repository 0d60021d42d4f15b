"""What may change in a Pod, and what it is called when it may not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.objects.basepod import Tree, merged, pod_with

from pillion.objects.validation import (
    validate_ephemeral_containers_update,
    validate_pod_status_update,
    validate_pod_update,
)

STORED: Tree = {"metadata": {"uid": "1", "resourceVersion": "7"}}
ONLY = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
    "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)\n"
)


def stored(change: Tree) -> Any:
    return pod_with(merged(copy.deepcopy(STORED), change))


def update(new: Tree, old: Tree | None = None) -> list[str]:
    return [str(error) for error in validate_pod_update(stored(new), stored(old or {}))]


CHANGES: dict[str, tuple[Tree, Tree, list[str]]] = {
    "nothing": ({}, {}, []),
    "an image": ({"spec": {"containers": [{"image": "agent:2"}]}}, {}, []),
    "a label": ({"metadata": {"labels": {"a": "b"}}}, {}, []),
    "an image to nothing": (
        {"spec": {"containers": [{"image": ""}]}},
        {},
        ["spec.containers[0].image: Required value"],
    ),
    "one container more": (
        {"spec": {"containers": [{}, {"name": "b", "image": "x"}]}},
        {},
        ["spec.containers: Forbidden: pod updates may not add or remove containers"],
    ),
    "a deadline where there was none": ({"spec": {"activeDeadlineSeconds": 9}}, {}, []),
    "a later deadline": (
        {"spec": {"activeDeadlineSeconds": 9}},
        {"spec": {"activeDeadlineSeconds": 8}},
        ["spec.activeDeadlineSeconds: Invalid value: 9: must be less than or equal to previous value"],
    ),
    "no deadline any more": (
        {},
        {"spec": {"activeDeadlineSeconds": 8}},
        [
            (
                'spec.activeDeadlineSeconds: Invalid value: "null": '
                "must not update from a positive integer to nil value"
            )
        ],
    ),
    "a toleration more": ({"spec": {"tolerations": [{"key": "k", "operator": "Exists"}]}}, {}, []),
    "another toleration": (
        {"spec": {"tolerations": [{"key": "l", "operator": "Exists"}]}},
        {"spec": {"tolerations": [{"key": "k", "operator": "Exists"}]}},
        [
            (
                "spec.tolerations: Forbidden: "
                "existing toleration can not be modified except its tolerationSeconds"
            )
        ],
    ),
    "a negative grace becomes 1": (
        {"spec": {"terminationGracePeriodSeconds": 1}},
        {"spec": {"terminationGracePeriodSeconds": -1}},
        [],
    ),
    "another grace": (
        {"spec": {"terminationGracePeriodSeconds": 1}},
        {},
        [f"{ONLY}- \tTerminationGracePeriodSeconds: 30,\n+ \tTerminationGracePeriodSeconds: 1,"],
    ),
    "a gate added": (
        {"spec": {"schedulingGates": [{"name": "a"}]}},
        {},
        [
            (
                "spec.schedulingGates[0].name: Forbidden: "
                "only deletion is allowed, but found new scheduling gate 'a'"
            )
        ],
    ),
    "another node selector while gated": (
        {"spec": {"nodeSelector": {"a": "2"}}},
        {"spec": {"schedulingGates": [{"name": "a"}], "nodeSelector": {"a": "1"}}},
        [
            (
                'spec.nodeSelector: Invalid value: {"a":"2"}: '
                "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            )
        ],
    ),
    "another object": (
        {"metadata": {"name": "b", "uid": "2", "resourceVersion": ""}},
        {},
        [
            'metadata.resourceVersion: Invalid value: "": must be specified for an update',
            'metadata.name: Invalid value: "b": field is immutable',
            'metadata.uid: Invalid value: "2": field is immutable',
        ],
    ),
    "a finalizer while it is deleted": (
        {"metadata": {"finalizers": ["a/b"], "deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
        [
            (
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
                'found new finalizers []string{"a/b"}'
            )
        ],
    ),
    "a mirror annotation": (
        {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {"nodeName": "n"}},
        {"spec": {"nodeName": "n"}},
        ["metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation"],
    ),
}


@pytest.mark.parametrize(("new", "old", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_an_update_is_judged_as_kubernetes_judges_it(new: Tree, old: Tree, expected: list[str]) -> None:
    assert update(new, old) == expected


def test_ephemeral_containers_only_come() -> None:
    debug = {"name": "debug", "image": "x"}
    none, one = stored({}), stored({"spec": {"ephemeralContainers": [debug]}})
    other = stored({"spec": {"ephemeralContainers": [{**debug, "image": "y"}]}})
    assert validate_ephemeral_containers_update(one, none) == []
    assert [e.body for e in validate_ephemeral_containers_update(none, one)] == [
        'Forbidden: existing ephemeral containers "debug" may not be removed\n'
    ]
    (changed,) = validate_ephemeral_containers_update(other, one)
    assert changed.body.startswith('Forbidden: existing ephemeral containers "debug" may not be changed\n')


def status(state: Tree, name: str = "main", field: str = "containerStatuses") -> Tree:
    fields = {"image": "x", "imageID": "x", "ready": False, "restartCount": 0}
    return {"status": {field: [{"name": name, "state": state, **fields}]}}


ENDED: Tree = {"terminated": {"exitCode": 3}}
RUNNING: Tree = {"running": {}}
RULE = {"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"restartPolicy": "Always"}, True),
        ({"restartPolicy": "OnFailure"}, True),
        ({"restartPolicy": "Never"}, False),
        ({"restartPolicy": "Never", "containers": [{"restartPolicy": "OnFailure"}]}, True),
        (
            {
                "restartPolicy": "Never",
                "containers": [{"restartPolicy": "Never", "restartPolicyRules": [RULE]}],
            },
            True,
        ),
    ],
)
def test_a_container_that_ended_comes_back_only_if_it_may_restart(spec: Tree, *, allowed: bool) -> None:
    old, new = stored({"spec": spec, **status(ENDED)}), stored({"spec": spec, **status(RUNNING)})
    forbidden = [
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    ]
    errors = [str(error) for error in validate_pod_status_update(new, old)]
    assert errors == ([] if allowed else forbidden)


def test_a_sidecar_may_always_come_back_and_a_qos_class_never_changes() -> None:
    never = {"restartPolicy": "Never"}
    before = status(ENDED, "side", "initContainerStatuses")
    after = status(RUNNING, "side", "initContainerStatuses")
    after["status"]["qosClass"] = "Guaranteed"
    errors = validate_pod_status_update(stored({"spec": never, **after}), stored({"spec": never, **before}))
    assert [str(error) for error in errors] == [
        'status.qosClass: Invalid value: "Guaranteed": field is immutable'
    ]
