"""Laws of defaulting and validation, over pods that nobody would write."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pillion.objects.codec import decode, encode
from pillion.objects.defaults import default
from pillion.objects.models import DictMixin, core_v1
from pillion.objects.shapes import ListOf, MapOf, ObjectOf, Scalar, Shape, model_fields
from pillion.objects.validation import validate, validate_pod_status_update, validate_pod_update, warnings

TEXTS = st.sampled_from(
    [
        "",
        "a",
        "A b",
        "..",
        "a/b",
        "1",
        "-",
        "Always",
        "Never",
        "main",
        "metadata.labels['a']",
        "é\n",
        "/x/../y",
    ]
)
NUMBERS = st.sampled_from([-(2**63), -1, 0, 1, 3, 80, 65536, 2**31, 2**63 - 1])
LEAVES: dict[Scalar, st.SearchStrategy[Any]] = {
    Scalar.STRING: TEXTS,
    Scalar.INTEGER: NUMBERS,
    Scalar.BOOLEAN: st.booleans(),
    Scalar.QUANTITY: st.sampled_from(["0", "-1", "100m", "1.5", "1Ki", "1e3", "1n", 2]),
    Scalar.INT_OR_STRING: NUMBERS | TEXTS,
    Scalar.TIME: st.just("2026-01-02T03:04:05Z"),
    Scalar.MICRO_TIME: st.just("2026-01-02T03:04:05.000006Z"),
    Scalar.BASE64: st.sampled_from(["", "YQ=="]),
    Scalar.ANY: st.just({}),
}
ALWAYS = {"metadata", "spec", "containers", "initContainers", "volumes"}


def trees(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    match shape:
        case Scalar():
            return LEAVES[shape]
        case ObjectOf(model):
            return objects(model, depth)
        case ListOf(item):
            return st.lists(trees(item, depth), max_size=2)
        case MapOf(value):
            return st.dictionaries(
                st.sampled_from(["cpu", "memory", "a", "", "hugepages-2Mi"]), LEAVES[value], max_size=2
            )


@st.composite
def objects(draw: st.DrawFn, model: type[DictMixin], depth: int) -> dict[str, Any]:
    """A few fields of a model, those that carry a pod always, with whatever fits."""
    fields = {
        name: field for name, field in model_fields(model).items() if name not in ("kind", "apiVersion")
    }
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)) if depth else []
    names = {*chosen, *(ALWAYS & set(fields))} if depth else {n for n in fields if fields[n].required}
    return {name: draw(trees(fields[name].shape, max(depth - 1, 0))) for name in sorted(names)}


PODS = objects(core_v1.Pod, 6)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def read(tree: dict[str, Any]) -> core_v1.Pod:
    pod, problems = decode(core_v1.Pod, tree)
    assert problems == []
    return pod


@QUICK
@given(PODS)
def test_defaulting_twice_changes_nothing_more(tree: dict[str, Any]) -> None:
    once = encode(default(read(tree)))
    assert encode(default(read(once))) == once


@QUICK
@given(PODS)
def test_no_pod_is_too_odd_to_be_judged(tree: dict[str, Any]) -> None:
    raw, pod = read(tree), default(read(tree))
    for errors in (
        validate(raw),
        validate(pod),
        validate_pod_update(pod, raw),
        validate_pod_status_update(pod, pod),
    ):
        assert len(errors) == len(set(errors))
        assert all(error.field and error.body for error in errors)
    assert all(warnings(pod))


@QUICK
@given(PODS)
def test_a_pod_that_does_not_change_changes_nothing_forbidden(tree: dict[str, Any]) -> None:
    pod = default(read(tree))
    if pod.metadata is not None:
        pod.metadata.resourceVersion = "1"
    bodies = [error.body for error in validate_pod_update(pod, pod)]
    assert not [body for body in bodies if "pod updates may not" in body or "immutable" in body]


@QUICK
@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True), st.booleans())
def test_a_valid_pod_stays_valid_when_it_is_read_back(names: list[str], sidecar: bool) -> None:
    tree = {
        "metadata": {"name": "p"},
        "spec": {
            "containers": [{"name": name, "image": "x", "ports": [{"containerPort": 80}]} for name in names],
            "initContainers": [{"name": "s", "image": "y", "restartPolicy": "Always"}] if sidecar else [],
            "volumes": [{"name": "v"}],
        },
    }
    pod = default(read(tree))
    assert validate(pod) == []
    assert validate(default(read(encode(pod)))) == []
