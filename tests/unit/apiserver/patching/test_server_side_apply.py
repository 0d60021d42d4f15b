"""What an applier gets, and what it is told, as Kubernetes documents it (reference/using-api/server-side-apply)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.apiserver.patching.builders import (
    LATER,
    NOW,
    POD,
    Tree,
    applied,
    config_map,
    container,
    owned,
    pod,
    unowned,
    written,
)

from pillion.apiserver.patching import Cause, PatchContext, PatchError, PatchType, Target, apply_patch


def test_the_first_apply_creates_the_object_and_owns_what_it_says() -> None:
    created = applied(None, pod(container("a", image="1"), metadata={"labels": {"app": "x"}}), "me")
    assert created["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-01-02T03:04:05Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:containers": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:image": {}}}},
            },
        }
    ]


def test_what_is_no_longer_applied_is_removed() -> None:
    live = applied(None, config_map({"labels": {"l": "1", "m": "1"}}, a="1", b="2"), "me")
    again = applied(live, config_map({"labels": {"m": "1"}}, a="1"), "me")
    assert again["data"] == {"a": "1"}
    assert again["metadata"]["labels"] == {"m": "1"}
    assert owned(again)["me/Apply"] == {
        "f:metadata": {"f:labels": {"f:m": {}}},
        "f:data": {"f:a": {}},
    }


def test_a_list_item_that_is_no_longer_applied_is_removed() -> None:
    live = applied(None, pod(container("a", image="1"), container("b", image="1")), "me")
    again = applied(live, pod(container("b", image="1")), "me")
    assert [item["name"] for item in again["spec"]["containers"]] == ["b"]


def test_an_object_is_removed_with_the_last_of_its_fields() -> None:
    live = applied(None, pod(container("a", image="1"), securityContext={"runAsUser": 1}), "me")
    assert "securityContext" not in applied(live, pod(container("a", image="1")), "me")["spec"]


def test_what_another_applier_applies_too_stays() -> None:
    live = applied(applied(None, config_map(a="1", b="2"), "me"), config_map(a="1"), "you")
    left = applied(live, config_map(b="2"), "me")
    assert left["data"] == {"a": "1", "b": "2"}
    assert owned(left)["me/Apply"] == {"f:data": {"f:b": {}}}
    assert owned(left)["you/Apply"] == {"f:data": {"f:a": {}}}


def test_what_others_added_stays() -> None:
    live = applied(None, pod(container("a", image="1")), "me")
    live = written(live, live | {"spec": live["spec"] | {"nodeName": "n"}}, "scheduler")
    again = applied(live, pod(container("a", image="1")), "me")
    assert again["spec"]["nodeName"] == "n"


def test_an_item_stays_while_others_own_fields_of_it_but_loses_the_applied_ones() -> None:
    live = applied(None, pod(container("a", image="1"), container("b", image="1")), "me")
    live = applied(live, pod({"name": "b", "tty": True}), "you")
    left = applied(live, pod(container("a", image="1")), "me")
    assert left["spec"]["containers"] == [{"name": "a", "image": "1"}, {"name": "b", "tty": True}]


def test_changing_what_another_owns_is_a_conflict() -> None:
    live = written(None, pod(container("a", image="1")), "kubectl-client-side-apply")
    with pytest.raises(PatchError) as refused:
        applied(live, pod(container("a", image="2")), "kubectl")
    error = refused.value
    assert (error.status, error.reason) == (409, "Conflict")
    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: '
        '.spec.containers[name="a"].image'
    )
    assert error.causes == (
        Cause(
            reason="FieldManagerConflict",
            message='conflict with "kubectl-client-side-apply" using v1',
            field='.spec.containers[name="a"].image',
        ),
    )


def test_conflicts_are_listed_by_manager() -> None:
    live = applied(None, pod(container("a", image="1")), "you")
    live = written(live, live | {"spec": live["spec"] | {"hostname": "h", "subdomain": "s"}}, "an editor")
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    live = written(live, live | {"status": status}, "kubelet", "status")
    wanted = pod(container("a", image="2"), hostname="i", subdomain="t")
    wanted["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    with pytest.raises(PatchError) as refused:
        applied(live, wanted, "me")
    assert refused.value.message == (
        "Apply failed with 3 conflicts: "
        'conflicts with "an editor" using v1:\n'
        "- .spec.hostname\n"
        "- .spec.subdomain\n"
        'conflicts with "you":\n'
        '- .spec.containers[name="a"].image'
    )


def test_conflicts_over_the_status_name_the_subresource() -> None:
    live = written(None, pod(container("a", image="1")), "me")
    live = written(live, live | {"status": {"message": "x"}}, "kubelet", "status")
    config: Tree = pod() | {"status": {"message": "y"}}
    del config["spec"]
    target = Target(model=POD.model, api_version="v1", kind="Pod", subresource="status")
    context = PatchContext(target=target, manager="me", now=NOW)
    with pytest.raises(PatchError) as refused:
        apply_patch(PatchType.APPLY, live, json.dumps(config).encode(), context)
    assert refused.value.message == (
        'Apply failed with 1 conflict: conflict with "kubelet" with subresource "status" using v1: '
        ".status.message"
    )


def test_agreeing_with_another_shares_the_field() -> None:
    live = applied(applied(None, config_map(a="1"), "me"), config_map(a="1"), "you")
    assert set(owned(live)) == {"me/Apply", "you/Apply"}


def test_force_takes_the_field_over() -> None:
    live = applied(None, config_map(a="1", b="1"), "you")
    taken = applied(live, config_map(a="2"), "me", force=True, at=LATER)
    assert taken["data"] == {"a": "2", "b": "1"}
    assert owned(taken) == {"me/Apply": {"f:data": {"f:a": {}}}, "you/Apply": {"f:data": {"f:b": {}}}}


def test_what_was_taken_by_an_update_comes_back_as_a_conflict() -> None:
    live = applied(None, config_map(a="1"), "me")
    live = written(live, live | {"data": {"a": "2"}}, "edit")
    assert owned(live) == {"edit/Update": {"f:data": {"f:a": {}}}}
    with pytest.raises(PatchError, match=r'conflict with "edit" using v1: \.data\.a'):
        applied(live, config_map(a="1"), "me")


@pytest.mark.parametrize("config", [config_map(a="1"), config_map({"labels": {}}, a="1")])
def test_an_apply_that_changes_nothing_keeps_its_time(config: Tree) -> None:
    live = applied(None, config, "me")
    assert applied(live, config, "me", at=LATER) == live


def test_items_keep_the_objects_order_and_new_ones_that_of_the_configuration() -> None:
    live = written(None, pod(*(container(name, image="1") for name in "bxa")), "you")
    result = applied(live, pod(*(container(name, image="1") for name in "acb")), "me")
    assert [item["name"] for item in result["spec"]["containers"]] == ["x", "a", "c", "b"]


def test_a_key_that_is_left_out_means_its_default() -> None:
    live = written(None, pod(container("a", ports=[{"containerPort": 80, "protocol": "TCP"}])), "you")
    result = applied(live, pod(container("a", ports=[{"containerPort": 80, "name": "web"}])), "me")
    assert result["spec"]["containers"][0]["ports"] == [
        {"containerPort": 80, "protocol": "TCP", "name": "web"}
    ]
    assert 'k:{"containerPort":80,"protocol":"TCP"}' in json.dumps(owned(result)["me/Apply"]).replace(
        "\\", ""
    )


def test_an_atomic_list_is_owned_as_a_whole() -> None:
    live = applied(None, pod(tolerations=[{"key": "a"}]), "me")
    assert owned(live)["me/Apply"] == {"f:spec": {"f:tolerations": {}}}
    with pytest.raises(PatchError, match=r'conflict with "me": .spec.tolerations'):
        applied(live, pod(tolerations=[{"key": "a"}, {"key": "b"}]), "you")


def test_sets_are_owned_item_by_item() -> None:
    live = applied(None, config_map({"finalizers": ["x/a", "x/b"]}), "me")
    live = applied(live, config_map({"finalizers": ["x/c"]}), "you")
    live = applied(live, config_map({"finalizers": ["x/b"]}), "me")
    assert live["metadata"]["finalizers"] == ["x/b", "x/c"]
    assert owned(live)["you/Apply"]["f:metadata"] == {"f:finalizers": {'v:"x/c"': {}}}


def test_an_object_nobody_kept_track_of_belongs_to_before_first_apply() -> None:
    live = config_map({"uid": "u"}, a="1")
    result = applied(live, config_map(b="2"), "me")
    assert owned(result) == {
        "me/Apply": {"f:data": {"f:b": {}}},
        "before-first-apply/Update": {"f:data": {".": {}, "f:a": {}}},
    }


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def client_side(**data: str) -> Tree:
    config = config_map(**data)
    annotations = {LAST_APPLIED: json.dumps(config)}
    return written(None, config_map({"annotations": annotations}, **data), "kubectl-client-side-apply")


def test_kubectl_takes_over_what_it_applied_on_the_client_s_side() -> None:
    result = applied(client_side(a="1"), config_map(a="2"), "kubectl")
    assert result["data"] == {"a": "2"}
    annotation = json.loads(result["metadata"]["annotations"][LAST_APPLIED])
    assert annotation == config_map(a="2")


def test_only_kubectl_does() -> None:
    with pytest.raises(PatchError, match=r'conflict with "kubectl-client-side-apply" using v1: \.data\.a'):
        applied(client_side(a="1"), config_map(a="2"), "argocd")


def test_not_what_somebody_has_changed_since() -> None:
    live = client_side(a="1", b="1")
    live = written(live, live | {"data": {"a": "changed", "b": "1"}}, "edit")
    with pytest.raises(PatchError) as refused:
        applied(live, config_map(a="2", b="2"), "kubectl")
    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "edit" using v1: .data.a'


def test_an_annotation_that_would_be_too_large_is_left_out() -> None:
    result = applied(client_side(a="1"), config_map(a="x" * 300_000), "kubectl", force=True)
    assert LAST_APPLIED not in result["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"apiVersion": "v2"}, 400, "invalid object type: /v2, Kind=Pod"),
        ({"apiVersion": "apps/v1"}, 400, "invalid object type: apps/v1, Kind=Pod"),
        ({"kind": "Pid"}, 400, "invalid object type: /v1, Kind=Pid"),
        ({"kind": None}, 400, "invalid object type: /v1, Kind="),
        ({"metadata": {"name": "p", "managedFields": []}}, 400, "metadata.managedFields must be nil"),
        ({"spec": {"nope": 1}}, 500, ".spec.nope: field not declared in schema"),
        ({"spec": {"hostname": 1}}, 500,
         ".spec.hostname: expected string, got &value.valueUnstructured{Value:1}"),
        ({"spec": {"priority": "1"}}, 500, ".spec.priority: expected numeric (int or float), got string"),
        ({"spec": {"hostPID": "no"}}, 500, ".spec.hostPID: expected boolean, got &{no}"),
        ({"spec": {"containers": {}}}, 500, ".spec.containers: expected list, got &{map[]}"),
        ({"spec": [1]}, 500, ".spec: expected map, got &{[1]}"),
        ({"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}, 500,
         '.spec.containers: duplicate entries for key [name="a"]'),
        ({"spec": {"containers": ["a"]}}, 500,
         ".spec.containers: element 0: associative list with keys may not have non-map elements"),
        ({"spec": {"containers": [{"name": "a", "x": 1}], "hostname": 1}}, 500,
         ('errors:\n  .spec.containers[name="a"].x: field not declared in schema\n'
         "  .spec.hostname: expected string, got &value.valueUnstructured{Value:1}")),
    ],
)  # fmt: skip
def test_a_configuration_that_does_not_fit_is_refused(change: Any, status: int, message: str) -> None:
    config = pod(container("a", image="1")) | change
    context = PatchContext(target=POD, manager="me", now=NOW)
    with pytest.raises(PatchError) as refused:
        apply_patch(PatchType.APPLY, None, json.dumps(config).encode(), context)
    prefix = "" if status == 400 else "failed to create typed patch object (default/p; /v1, Kind=Pod): "
    assert (refused.value.status, str(refused.value)) == (status, prefix + message)


def test_a_configuration_may_be_yaml() -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  a: '1'\n"
    target = Target(model=None, api_version="v1", kind="ConfigMap")
    result = apply_patch(PatchType.APPLY, None, body, PatchContext(target=target, manager="me", now=NOW))
    assert result["data"] == {"a": "1"}


@pytest.mark.parametrize("body", [b"a: [", b"[]", b"\xff\xfe\x00", b"{" * 500, b"- a\n- b", b"a: 1\n a: 2"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(PatchError) as refused:
        apply_patch(PatchType.APPLY, None, body, PatchContext(target=POD, manager="me", now=NOW))
    assert refused.value.status == 400
    assert str(refused.value).startswith("error decoding ")


def test_an_unknown_kind_is_merged_by_its_values() -> None:
    target = Target(model=None, api_version="example.com/v1", kind="Thing")

    def apply(live: Tree | None, manager: str, spec: Any) -> Tree:
        config = {
            "apiVersion": "example.com/v1",
            "kind": "Thing",
            "metadata": {"name": "t", "finalizers": [f"x/{manager}"]},
            "spec": spec,
        }
        context = PatchContext(target=target, manager=manager, now=NOW)
        return apply_patch(PatchType.APPLY, live, json.dumps(config).encode(), context)

    live = apply(None, "me", {"map": {"a": 1}, "list": [1, 2]})
    live = apply(live, "you", {"map": {"b": 2}})
    assert live["spec"] == {"map": {"a": 1, "b": 2}, "list": [1, 2]}
    assert live["metadata"]["finalizers"] == ["x/me", "x/you"]
    with pytest.raises(PatchError, match=r"conflict with \"me\": .spec.list"):
        apply(live, "you", {"list": [3]})


def test_nothing_is_changed_in_place() -> None:
    live = applied(None, pod(container("a", image="1"), metadata={"labels": {"a": "1"}}), "me")
    before = json.dumps(live)
    result = applied(live, pod(container("b", image="1")), "me")
    assert json.dumps(live) == before
    assert unowned(result)["spec"]["containers"] == [{"name": "b", "image": "1"}]
