"""Trees into objects: what is wrong is said completely, in one go, and without quoting a value."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillion.objects import core_v1, decode, encode, encode_json, kind_class

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "agent", "creationTimestamp": None},
    "spec": {"containers": [{"name": "agent", "image": "python"}]},
}
QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def pod(**spec: Any) -> dict[str, Any]:
    return {**POD, "spec": {**POD["spec"], **spec}}


def container(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "agent", "image": "python", **fields}])


def said(model: type, tree: Any) -> list[str]:
    return [str(problem) for problem in decode(model, tree)[1]]


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        (container(imagee="x"), 'unknown field "spec.containers[0].imagee", did you mean "image"?'),
        (
            container(volumemounts=[]),
            'unknown field "spec.containers[0].volumemounts", did you mean "volumeMounts"?',
        ),
        (container(volumes=[]), 'unknown field "spec.containers[0].volumes", it belongs under spec'),
        (pod(kind="Pod"), 'unknown field "spec.kind", it belongs at the top level'),
        (
            pod(volumeMounts=[]),
            'unknown field "spec.volumeMounts", it belongs under an item of spec.containers',
        ),
        ({**POD, "volumes": []}, 'unknown field "volumes", it belongs under spec'),
        ({**POD, "xyzzy": 1}, 'unknown field "xyzzy"'),
        (
            container(env=[{"name": "A", "value": 1}]),
            "spec.containers[0].env[0].value: expected a string, found a number, put it in quotes",
        ),
        (
            container(args=["a", True]),
            "spec.containers[0].args[1]: expected a string, found true, put it in quotes",
        ),
        (
            container(command="sleep 1"),
            'spec.containers[0].command: expected a list, found a string, start each item with "- "',
        ),
        (container(image=["x"]), "spec.containers[0].image: expected a string, found a list"),
        (container(resources=3), "spec.containers[0].resources: expected a mapping, found a number"),
        (
            container(tty="true"),
            "spec.containers[0].tty: expected true or false, found a string, remove the quotes",
        ),
        (
            container(ports=[{"containerPort": "80"}]),
            "spec.containers[0].ports[0].containerPort: expected an integer, found a string, remove the quotes",
        ),
        (
            container(ports=[{"containerPort": 80.5}]),
            "spec.containers[0].ports[0].containerPort: expected an integer, found a number",
        ),
        (
            container(ports=[{"containerPort": 1 << 63}]),
            "spec.containers[0].ports[0].containerPort: the number does not fit in 64 bits",
        ),
        (
            container(ports=[{"containerPort": True}]),
            "spec.containers[0].ports[0].containerPort: expected an integer, found true",
        ),
        (
            container(livenessProbe={"httpGet": {"port": 1.5}}),
            "spec.containers[0].livenessProbe.httpGet.port: expected an integer or a string, found a number",
        ),
        (
            container(resources={"limits": {"memory": "1GB"}}),
            f"spec.containers[0].resources.limits[memory]: {QUANTITY}, like 500m or 128Mi",
        ),
        (
            container(resources={"limits": {"cpu": True}}),
            "spec.containers[0].resources.limits[cpu]: expected a quantity, found true, like 500m or 128Mi",
        ),
        (
            {**POD, "metadata": {"labels": {"a.b/c": 1}}},
            "metadata.labels[a.b/c]: expected a string, found a number, put it in quotes",
        ),
        ({**POD, "metadata": {"labels": ["a"]}}, "metadata.labels: expected a mapping, found a list"),
        (
            {**POD, "metadata": {"deletionTimestamp": "now"}},
            "metadata.deletionTimestamp: not a time, write it like 2026-01-02T03:04:05Z",
        ),
        ([], "expected a mapping, found a list"),
    ],
)
def test_a_problem_names_its_field_and_what_to_do(tree: Any, problem: str) -> None:
    assert said(core_v1.Pod, tree) == [problem]


def test_every_problem_is_reported_at_once() -> None:
    tree = {"metadata": {"nam": "x"}, "spec": {"containers": [{"image": 1}, "x", {"tty": 1}]}, "foo": 0}
    assert len(said(core_v1.Pod, tree)) == 5


def test_missing_and_null_fields_are_zero_as_in_go() -> None:
    tree = {"spec": {"containers": [{"image": None, "ports": [{}], "livenessProbe": {"httpGet": {}}}]}}
    decoded, problems = decode(core_v1.Pod, tree)
    assert problems == []
    assert decoded.metadata is None
    assert decoded.spec is not None
    container = decoded.spec.containers[0]
    assert (container.name, container.image) == ("", None)
    assert container.ports is not None
    assert container.ports[0].containerPort == 0
    assert container.livenessProbe is not None
    assert container.livenessProbe.httpGet is not None
    assert container.livenessProbe.httpGet.port == 0


def test_numbers_are_good_quantities_and_whole_floats_good_integers() -> None:
    tree = container(
        resources={"limits": {"cpu": 0.5, "memory": 1073741824}}, ports=[{"containerPort": 80.0}]
    )
    decoded, problems = decode(core_v1.Pod, tree)
    assert problems == []
    assert encode(decoded)["spec"]["containers"][0] == {
        "name": "agent",
        "image": "python",
        "resources": {"limits": {"cpu": "0.5", "memory": "1073741824"}},
        "ports": [{"containerPort": 80}],
    }


def test_times_lose_their_fraction_and_their_offset() -> None:
    tree = {**POD, "metadata": {"name": "x", "creationTimestamp": "2026-01-02T04:04:05.9+01:00"}}
    decoded, problems = decode(core_v1.Pod, tree)
    assert problems == []
    assert decoded.metadata is not None
    assert decoded.metadata.creationTimestamp == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert encode(decoded)["metadata"]["creationTimestamp"] == "2026-01-02T03:04:05Z"


def test_string_data_of_a_secret_ends_up_in_data() -> None:
    tree = {"data": {"a": "b2xk", "b": "a2V\nwdA=="}, "stringData": {"a": "new"}}
    decoded, problems = decode(core_v1.Secret, tree)
    assert problems == []
    assert decoded.data == {"a": base64.b64encode(b"new").decode(), "b": "a2VwdA=="}
    assert "stringData" not in encode(decoded)


@pytest.mark.parametrize("value", ["s3cret!", "abc", 12345, True, ["s3cret"], {"s3cret": 1}])
def test_a_secret_is_never_quoted_in_a_problem(value: Any) -> None:
    for field in ("data", "stringData"):
        problems = said(core_v1.Secret, {field: {"password": value}})
        assert len(problems) == 1 or (field, value) in [("stringData", "s3cret!"), ("stringData", "abc")]
        assert all("s3cret" not in problem and "12345" not in problem for problem in problems)


def test_plain_text_in_a_secrets_data_is_told_where_to_go() -> None:
    assert said(core_v1.Secret, {"data": {"a": "plain text"}}) == [
        "data[a]: not base64, plain text goes under stringData"
    ]
    assert said(core_v1.ConfigMap, {"binaryData": {"a": "plain text"}}) == [
        "binaryData[a]: not base64, plain text goes under data"
    ]


def test_encoding_begins_with_the_kind_and_leaves_out_what_is_unset() -> None:
    tree = {"metadata": {"name": "x"}, "kind": "Pod", "apiVersion": "v1", "spec": {"containers": []}}
    decoded, _ = decode(core_v1.Pod, tree)
    assert list(encode(decoded)) == ["apiVersion", "kind", "metadata", "spec"]
    assert msgspec.json.decode(encode_json(decoded)) == tree


def test_the_kinds_are_those_of_core_v1() -> None:
    assert kind_class("v1", "Pod") is core_v1.Pod
    assert kind_class("v1", "ConfigMapList") is core_v1.ConfigMapList
    assert kind_class("apps/v1", "Pod") is None
    assert kind_class("v1", "Container") is None


names = st.sampled_from(["metadata", "spec", "containers", "name", "env", "ports", "volumes", "limits", "x"])
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(trees)
def test_any_tree_gives_a_pod_that_can_be_written_and_read_again(tree: Any) -> None:
    decoded, _ = decode(core_v1.Pod, tree)
    again, problems = decode(core_v1.Pod, encode(decoded))
    assert problems == []
    assert encode(again) == encode(decoded)
