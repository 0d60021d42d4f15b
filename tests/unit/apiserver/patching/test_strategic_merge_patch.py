from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.apiserver.patching.builders import NOW, container, patched, pod

from pillion.apiserver.patching import PatchContext, PatchError, PatchType, Target, apply_patch

A, B, C = container("a", image="1"), container("b", image="1"), container("c", image="1")


def spec_of(patch: dict[str, Any], **spec: Any) -> Any:
    current = pod(A, B, **spec)
    before = copy.deepcopy(current)
    result = patched(PatchType.STRATEGIC, current, {"spec": patch})["spec"]
    assert current == before
    return result


@pytest.mark.parametrize(
    ("patch", "names"),
    [
        ({"containers": [{"name": "b", "image": "2"}]}, "ab"),
        ({"containers": [C]}, "cab"),
        ({"containers": [C], "$setElementOrder/containers": [{"name": n} for n in "abc"]}, "abc"),
        ({"$setElementOrder/containers": [{"name": n} for n in "ba"]}, "ba"),
        ({"containers": [{"name": "a", "$patch": "delete"}]}, "b"),
        ({"containers": [{"name": "x", "$patch": "delete"}]}, "ab"),
        ({"containers": [C, {"$patch": "replace"}]}, "c"),
        ({"containers": [{"name": "a", "$patch": "delete"}, C],
          "$setElementOrder/containers": [{"name": "c"}]}, "bc"),
    ],
)  # fmt: skip
def test_containers_merge_by_name(patch: dict[str, Any], names: str) -> None:
    assert "".join(item["name"] for item in spec_of(patch)["containers"]) == names


def test_an_item_is_merged_field_by_field() -> None:
    spec = spec_of({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}], "image": None}]})
    assert spec["containers"][0] == {"name": "a", "env": [{"name": "X", "value": "1"}]}


def test_a_list_without_a_merge_key_is_replaced() -> None:
    spec = spec_of({"tolerations": [{"key": "new"}]}, tolerations=[{"key": "old"}])
    assert spec["tolerations"] == [{"key": "new"}]


def test_ports_merge_by_number_alone() -> None:
    current = pod(container("a", ports=[{"containerPort": 80, "protocol": "TCP"}]))
    patch = {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "UDP"}]}]}}
    result = patched(PatchType.STRATEGIC, current, patch)
    assert result["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "UDP"}]


def test_retain_keys_clears_what_it_does_not_name() -> None:
    volume = {"name": "v", "emptyDir": {}}
    change = {"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}
    assert spec_of({"volumes": [change]}, volumes=[volume])["volumes"] == [
        {"name": "v", "secret": {"secretName": "s"}}
    ]


@pytest.mark.parametrize(
    ("patch", "finalizers"),
    [
        ({"finalizers": ["x/c"]}, ["x/c", "x/a", "x/b"]),
        ({"finalizers": ["x/b"]}, ["x/a", "x/b"]),
        ({"$deleteFromPrimitiveList/finalizers": ["x/a", "x/z"]}, ["x/b"]),
        ({"$setElementOrder/finalizers": ["x/b", "x/a"]}, ["x/b", "x/a"]),
        ({"finalizers": None}, None),
    ],
)
def test_lists_of_scalars_are_sets(patch: dict[str, Any], finalizers: Any) -> None:
    current = pod(A, metadata={"finalizers": ["x/a", "x/b"]})
    result = patched(PatchType.STRATEGIC, current, {"metadata": patch})
    assert result["metadata"].get("finalizers") == finalizers


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"b": "2"}, {"a": "1", "b": "2"}),
        ({"a": None}, {}),
        ({"$patch": "replace", "b": "2"}, {"b": "2"}),
        ({"$patch": "delete"}, {}),
    ],
)
def test_directives_work_on_maps(labels: Any, expected: Any) -> None:
    current = pod(A, metadata={"labels": {"a": "1"}})
    assert patched(PatchType.STRATEGIC, current, {"metadata": {"labels": labels}})["metadata"]["labels"] == (
        expected
    )


def test_directives_for_what_is_not_there_are_dropped() -> None:
    spec = spec_of(
        {"volumes": [{"name": "v", "$patch": "delete"}, {"name": "w", "emptyDir": {"medium": None}}]}
    )
    assert spec["volumes"] == [{"name": "w", "emptyDir": {}}]


@pytest.mark.parametrize(
    ("patch", "status", "message"),
    [
        ({"containers": [{"image": "2"}]}, 500, "map: map[image:2] does not contain declared merge key: name"),
        ({"containers": [{"name": "a", "$patch": "merge"}]}, 500,
         "merging lists cannot yet be specified in the patch"),
        ({"containers": [{"name": "a", "$patch": "x"}]}, 500,
         "unknown patch type: x in map: map[$patch:x name:a]"),
        ({"$patch": "x"}, 500, "unknown patch type: x in map: map[$patch:x]"),
        ({"containers": [C], "$setElementOrder/containers": [{"name": "a"}]}, 500,
         "The order in patch list:\n[map[image:1 name:c]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n"),
        ({"containers": ["a"]}, 500,
         "list element types are not identical: [[map[image:1 name:a] map[image:1 name:b]] [a]]"),
        ({"containers": [[]]}, 422, "the server rejected our request due to an error in our request"),
        ({"$retainKeys": 1}, 400, "invalid patch format of retainKeys"),
        ({"$retainKeys": [], "containers": []}, 400, "invalid patch format of retainKeys"),
        ({"$setElementOrder": []}, 400, "invalid patch format of setElementOrder list"),
        ({"$deleteFromPrimitiveList": []}, 400, "invalid patch format of primitive list"),
        ({"$setElementOrder/containers": {}}, 500,
         "expected a []interface {}, but received a map[string]interface {}"),
    ],
)  # fmt: skip
def test_what_strategic_merge_refuses(patch: Any, status: int, message: str) -> None:
    with pytest.raises(PatchError) as refused:
        spec_of(patch)
    assert (refused.value.status, str(refused.value)) == (status, message)


def test_a_kind_without_types_takes_no_strategic_merge_patch() -> None:
    unknown = Target(model=None, api_version="example.com/v1", kind="Thing")
    with pytest.raises(PatchError) as refused:
        apply_patch(PatchType.STRATEGIC, {}, b"{}", PatchContext(target=unknown, now=NOW))
    assert refused.value.status == 415
    assert str(refused.value) == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
