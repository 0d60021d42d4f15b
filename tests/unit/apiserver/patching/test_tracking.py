from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.apiserver.patching.builders import (
    LATER,
    NOW,
    Tree,
    applied,
    config_map,
    container,
    owned,
    patched,
    pod,
    written,
)

from pillion.apiserver.patching import PatchType, manager_name, settle_times
from pillion.units import Instant


def test_a_create_owns_what_was_sent_and_defaulted() -> None:
    created = written(
        None,
        pod(
            container("a", image="1", env=[{"name": "X", "value": "1"}], args=["x"]),
            metadata={"labels": {"app": "x"}, "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z"},
            nodeSelector={"a": "b"},
            restartPolicy="Always",
        )
        | {"status": {"phase": "Pending"}},
        "kubectl-run",
    )
    assert owned(created) == {
        "kubectl-run/Update": {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:containers": {
                    'k:{"name":"a"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:env": {".": {}, 'k:{"name":"X"}': {".": {}, "f:name": {}, "f:value": {}}},
                        "f:args": {},
                    }
                },
                "f:nodeSelector": {},
                "f:restartPolicy": {},
            },
        }
    }


def test_an_update_takes_the_fields_it_changes_and_removes_those_that_are_gone() -> None:
    live = written(None, config_map(a="1", b="1", c="1"), "me")
    live = written(live, config_map(a="2", b="1", d="1"), "you", at=LATER)
    assert owned(live) == {
        "me/Update": {"f:data": {".": {}, "f:b": {}}},
        "you/Update": {"f:data": {"f:a": {}, "f:d": {}}},
    }
    assert [entry["time"] for entry in live["metadata"]["managedFields"]] == [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:05:05Z",
    ]


def test_the_kubelet_owns_the_status_it_writes() -> None:
    live = written(None, pod(container("a", image="1")), "me")
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "podIPs": [{"ip": "1.2.3.4"}],
    }
    live = written(live, live | {"status": status}, "kubelet", "status")
    assert owned(live)["kubelet/Update/status"] == {
        "f:status": {
            "f:phase": {},
            "f:conditions": {".": {}, 'k:{"type":"Ready"}': {".": {}, "f:type": {}, "f:status": {}}},
            "f:podIPs": {".": {}, 'k:{"ip":"1.2.3.4"}': {".": {}, "f:ip": {}}},
        }
    }
    assert "status" not in str(owned(live)["me/Update"])


@pytest.mark.parametrize(
    ("subresource", "change"),
    [("", {"status": {"phase": "Failed"}}), ("status", {"spec": {"containers": [], "hostname": "x"}})],
)
def test_nobody_owns_what_a_write_cannot_change(subresource: str, change: Tree) -> None:
    live = written(None, pod(container("a", image="1")), "me")
    assert set(owned(written(live, live | change, "you", subresource))) == {"me/Update"}


def test_an_update_that_changes_nothing_keeps_the_owners() -> None:
    live = written(None, config_map(a="1"), "me")
    sent = config_map({"resourceVersion": "7"}, a="1")
    assert (
        written(live, sent, "you", at=LATER)["metadata"]["managedFields"] == live["metadata"]["managedFields"]
    )


def test_owners_survive_a_client_that_does_not_know_them() -> None:
    live = applied(None, config_map(a="1"), "me")
    updated = written(live, config_map(a="1", b="2"), "you")
    assert owned(updated) == {"me/Apply": {"f:data": {"f:a": {}}}, "you/Update": {"f:data": {"f:b": {}}}}


@pytest.mark.parametrize("entries", [[], [{}]])
def test_a_client_may_reset_the_owners(entries: Any) -> None:
    live = applied(None, config_map(a="1"), "me")
    reset = written(live, config_map({"managedFields": entries}, a="2"), "you")
    assert "managedFields" not in reset["metadata"]
    assert "managedFields" not in written(reset, config_map(a="3"), "you")["metadata"]


def test_a_client_may_rewrite_the_owners() -> None:
    """How kubectl moves an object from client-side to server-side apply (client-go: csaupgrade)."""
    live = written(None, config_map(a="1"), "kubectl-client-side-apply")
    entry = live["metadata"]["managedFields"][0] | {"manager": "kubectl", "operation": "Apply"}
    operations = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [entry]},
    ]
    moved = written(live, patched(PatchType.JSON, live, operations), "kubectl")
    assert list(owned(moved)) == ["kubectl/Apply"]
    assert applied(moved, config_map(b="2"), "kubectl")["data"] == {"b": "2"}


@pytest.mark.parametrize(
    "entries",
    [
        "x",
        [1],
        [{"manager": "x"}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV2"}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": [1]}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
          "fieldsV1": {"x": {}}}],
        [{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "time": "soon"}],
    ],
)  # fmt: skip
def test_owners_that_cannot_be_read_are_ignored(entries: Any) -> None:
    live = written(None, config_map(a="1"), "me")
    updated = written(live, config_map({"managedFields": entries}, a="1"), "you")
    assert owned(updated) == owned(live)


def test_path_elements_of_a_client_are_read_whatever_their_spelling() -> None:
    live = written(None, pod(container("a", image="1")), "me")
    entries = copy.deepcopy(live["metadata"]["managedFields"])
    containers = entries[0]["fieldsV1"]["f:spec"]["f:containers"]
    containers['k:{ "name" : "a" }'] = containers.pop('k:{"name":"a"}')
    sent = live | {"metadata": live["metadata"] | {"managedFields": entries}}
    assert owned(written(live, sent, "me")) == owned(live)


def test_the_oldest_of_too_many_updaters_become_one() -> None:
    live = written(None, config_map(start="1"), "m00")
    for number in range(1, 15):
        new = live | {"data": live["data"] | {f"k{number:02}": "1"}}
        live = written(live, new, f"m{number:02}", at=Instant(NOW + number))
    names = [entry["manager"] for entry in live["metadata"]["managedFields"]]
    assert names == ["ancient-changes", *(f"m{number:02}" for number in range(6, 15))]
    assert owned(live)["ancient-changes/Update"] == {
        "f:data": {".": {}, "f:start": {}, **{f"f:k{number:02}": {} for number in range(1, 6)}}
    }


def test_appliers_are_never_merged() -> None:
    live: Tree | None = None
    for number in range(12):
        live = applied(live, config_map(**{f"k{number}": "1"}), f"m{number}")
    assert live is not None
    assert len(live["metadata"]["managedFields"]) == 12


def test_a_write_that_changes_only_times_is_none() -> None:
    live = written(None, config_map(a="1"), "me")
    later = copy.deepcopy(live)
    later["metadata"]["managedFields"][0]["time"] = "2026-01-02T03:05:05Z"
    assert settle_times(live, later) is live
    changed = later | {"data": {"a": "2"}}
    assert settle_times(live, changed) is changed


@pytest.mark.parametrize(
    ("field_manager", "user_agent", "expected"),
    [
        ("me", "kubectl/v1.36", "me"),
        ("", "kubectl/v1.36 (linux/amd64) kubernetes/abc", "kubectl"),
        ("", "a\x00b/1", "ab"),
        ("", "x" * 200, "x" * 128),
        ("", "", ""),
    ],
)
def test_a_manager_is_named_by_the_request_or_its_program(
    field_manager: str, user_agent: str, expected: str
) -> None:
    assert manager_name(field_manager, user_agent) == expected


def test_a_writer_without_a_name_is_unknown() -> None:
    assert list(owned(written(None, config_map(a="1"), ""))) == ["unknown/Update"]
